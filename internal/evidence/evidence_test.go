package evidence

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/pdf"
)

var jail *pdf.Jail

func TestMain(m *testing.M) {
	pdf.Child()
	os.Exit(withJail(m))
}

// withJail opens the one jail of all tests; the compiled PDFium is kept between runs.
func withJail(m *testing.M) int {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	jail, err = pdf.Open(context.Background(), pdf.Config{CacheDir: filepath.Join(cache, "countersign-test-pdfium")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer jail.Close()
	return m.Run()
}

var day = time.Date(2026, 11, 20, 9, 15, 0, 0, time.UTC)

// sample is a dossier with the names that go wrong elsewhere.
func sample() Dossier {
	hash := func(s string) Hash { return sha256.Sum256([]byte(s)) }
	doc := func(name string, pages int) Document {
		d := Document{Name: name, Original: hash(name), Pages: pages}
		for i := range pages {
			d.PageImages = append(d.PageImages, PageImage{Page: i + 1, DPI: 110, SHA256: hash(fmt.Sprint(name, i))})
		}
		return d
	}
	d := Dossier{Product: "Countersign", Server: "https://sign.example.com",
		Package: Package{ID: "0199f3c2-7a1e-7b3f-9c55-0f1e2d3c4b5a", Name: "Office lease, Zürich 2027", Sender: "José Ñandú",
			SenderEmail: "jose@example.com", Account: "Example Rentals AG", Created: day, Sent: day.Add(time.Minute),
			Completed: day.Add(5 * time.Hour)},
		Documents: []Document{doc("Lease agreement.pdf", 4), doc("Annex A – floor plan.pdf", 2)}}
	agent := "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"
	for i, who := range []struct{ name, email, group string }{
		{"Ελένη Παπαδοπούλου", "eleni@example.com", "Legal department"},
		{"山田太郎", "taro.yamada@example.org", ""},
		{"Юлия Александрова", "yulia@example.com", ""},
		{strings.Repeat("Maximiliane ", 16) + "Longname", "max@example.com", strings.Repeat("Procurement ", 9)},
		{strings.Repeat("W", 200), strings.Repeat("w", 64) + "@example.com", ""},
	} {
		at := day.Add(time.Duration(i+1) * 37 * time.Minute)
		id := fmt.Sprintf("CS-%04X-7KQ2", i+40961)
		d.Signatures = append(d.Signatures, Signature{Name: who.name, Email: who.email, Group: who.group, Role: "Signer",
			Signed: at, IP: "203.0.113." + fmt.Sprint(20+i), UserAgent: agent, Identified: "code sent to the mailbox", ID: id,
			EventID: "0199f3c2-81aa-7c01-8e5d-5a4b3c2d1e0f", Documents: []string{"Lease agreement.pdf", "Annex A – floor plan.pdf"},
			PagesSeen: 6})
		d.Events = append(d.Events,
			Event{At: at.Add(-3 * time.Minute), Type: "ceremony.opened", Actor: who.name, Email: who.email, IP: "203.0.113.20", ID: "E" + id},
			Event{At: at, Type: "role.signed", Actor: who.name, Email: who.email, Group: who.group, Target: "Lease agreement.pdf",
				IP: "2001:db8:85a3:8d3:1319:8a2e:370:7348", Detail: "2 documents, 6 pages shown", ID: id})
	}
	return d
}

// compose draws pages into a document of their own.
func compose(t testing.TB, pages []pdf.NewPage) []byte {
	t.Helper()
	p, err := jail.Compose(context.Background(), pdf.Job{Append: pages})
	if err != nil {
		t.Fatal(err)
	}
	return p.File
}
