package directory

import (
	"strings"
	"testing"
	"testing/quick"

	"countersign.dev/internal/errs"
)

// T5: addresses have one canonical form, and tricks stay outside it.
func TestT5CanonicalEmail(t *testing.T) {
	same := map[string]string{
		"John.Smith@Example.COM":        "john.smith@example.com",
		" john@example.com\t":           "john@example.com",
		"john@example.com.":             "john@example.com",
		"john+sign@example.com":         "john+sign@example.com",
		"john@bücher.example":           "john@xn--bcher-kva.example",
		"john@BÜCHER.example":           "john@xn--bcher-kva.example",
		"john@xn--bcher-kva.example":    "john@xn--bcher-kva.example",
		"john@example。com":              "john@example.com",
		"john@ｅｘａｍｐｌｅ.com":              "john@example.com",
		"john@ехample.com":              "john@xn--ample-ywe6i.com", // Cyrillic е and х: shown for what it is
		"john@example.com.evil.example": "john@example.com.evil.example",
		"o'neil@example.com":            "o'neil@example.com",
	}
	for in, want := range same {
		if got, err := CanonicalEmail(in); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	bad := []string{"", "@", "john", "john@", "@example.com", "john@example", "john@@example.com", "john@example.com@evil.example",
		"john smith@example.com", "john@exam ple.com", "john@example..com", "john@.example.com", "john@example.com..",
		".john@example.com", "john.@example.com", "jo..hn@example.com", `"john"@example.com`, "john(x)@example.com", "john@[127.0.0.1]",
		"john@example.com\r\nBcc: all@example.com", "jo\x00hn@example.com", "john@exam\x00ple.com", "jöhn@example.com", "john@-example.com",
		"john@exa_mple.com", "john\u200b@example.com", "john@example.com>", "<john@example.com", "john@example.com,mary@example.com",
		"john@" + strings.Repeat("a", 64) + ".com", strings.Repeat("a", 65) + "@example.com",
		"john@" + strings.Repeat("a.", 130) + "com", "jo\xffhn@example.com", "john@ex\xffample.com", "john%0a@exa%mple.com"}
	for _, in := range bad {
		if got, err := CanonicalEmail(in); !errs.Is(err, "email.malformed") {
			t.Errorf("%q was accepted as %q, %v", in, got, err)
		}
	}
	t.Logf("T5: %d cases", len(same)+len(bad))
}

func TestCanonicalEmailIsItsOwn(t *testing.T) {
	again := func(local, domain string) bool {
		once, err := CanonicalEmail(local + "@" + domain + ".example")
		if err != nil {
			return true
		}
		twice, err := CanonicalEmail(once)
		return err == nil && once == twice && !strings.ContainsAny(once, "\r\n\x00 <>,")
	}
	if err := quick.Check(again, &quick.Config{MaxCount: 5000}); err != nil {
		t.Error(err)
	}
}

// L9, L10: a name is shown as it is or refused.
func TestL9L10PersonName(t *testing.T) {
	kept := map[string]string{
		"  Mary Doe ": "Mary Doe", "José": "José", "Jose\u0301": "José", "山田 太郎": "山田 太郎", "محمد": "محمد", "Ольга": "Ольга",
		"O'Neil-Smith, Jr.": "O'Neil-Smith, Jr.", "": "", strings.Repeat("n", 200): strings.Repeat("n", 200), "Ann 🙂": "Ann 🙂",
		`<b>"x"</b>`: `<b>"x"</b>`, "=1+1": "=1+1",
	}
	for in, want := range kept {
		if got, err := PersonName(in); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	bad := []string{"Mary\r\nBcc: x@example.com", "Mary\nDoe", "Mary\rDoe", "Mary\x00Doe", "Mary\tDoe", "Mary\x1bDoe", "Mary\u0085Doe",
		"Mary\u202eeoD", "Mary\u202aDoe", "Mary\u2066Doe", "Mary\u200fDoe", "Ma\u200bry", "Ma\u200cry", "Ma\u200dry", "Ma\u2060ry", "\ufeffMary",
		"Ma\u00adry", "Mary\u2028Doe", "Mary\u2029Doe", "Mary\U000e0041", "Mary\ue000", "Mary\ufffd", "Mary\xff", "Mary\uffff",
		strings.Repeat("n", 201), strings.Repeat("n", 10<<10)}
	for _, in := range bad {
		if got, err := PersonName(in); !errs.Is(err, "name.malformed") {
			t.Errorf("%q was accepted as %q, %v", in, got, err)
		}
	}
	t.Logf("L9, L10: %d cases", len(kept)+len(bad))
}
