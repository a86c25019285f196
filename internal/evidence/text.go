package evidence

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// typesetter is what the layout needs to know about fonts; *pdf.Jail has it.
type typesetter interface {
	Wrap(text string, size, width float64, bold bool) []string
	Missing(text string) []rune
	TextWidth(text string, size float64, bold bool) float64
}

// longest is the most characters of one value shown on a page; the attachment
// has all of it.
const longest = 600

// faithful makes text drawable without hiding anything: what no font can show,
// and what is invisible or changes the direction of writing, becomes its code
// point in brackets.
func faithful(t typesetter, text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + " …"
	}
	missing := map[rune]bool{}
	for _, r := range t.Missing(text) {
		missing[r] = true
	}
	return spell(text, func(r rune) bool { return missing[r] })
}

// printable makes text safe for a terminal: control, format and
// direction-changing characters become their code points.
func printable(text string) string {
	return spell(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool { return !unicode.IsPrint(r) })
}

func spell(text string, bad func(rune) bool) string {
	var b strings.Builder
	for _, r := range text {
		if bad(r) {
			fmt.Fprintf(&b, "[U+%04X]", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// moment is a time to the second with its zone.
func moment(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// title words an event type such as "package.sent" for people.
func title(kind string) string {
	words := strings.NewReplacer(".", " ", "_", " ").Replace(kind)
	if words == "" {
		return "–"
	}
	runes := []rune(words)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

// either is a, or b when a is empty.
func either(a, b string) string {
	if strings.TrimSpace(a) == "" {
		return b
	}
	return a
}

// person is a name with its address; a program's stands for no mailbox (RFC 2606 §2) and is left out.
func person(name, email string) string {
	switch {
	case email == "" || email == name || name != "" && strings.HasSuffix(strings.ToLower(email), ".invalid"):
		return either(name, "–")
	case name == "":
		return email
	}
	return name + " <" + email + ">"
}

// known is an address with the word for one that is an alias.
func known(email string, alias bool) string {
	if alias && email != "" {
		email += " (e-mail alias)"
	}
	return email
}

// somebody is person, whose address may be an alias.
func somebody(name, email string, alias bool) string {
	words := person(name, email)
	if alias && strings.Contains(words, email) {
		words = known(words, email != "")
	}
	return words
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
