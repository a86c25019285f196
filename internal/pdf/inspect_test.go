package pdf

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestP6OrdinaryOddFiles(t *testing.T) {
	plain := document("", "/Rotate 90", "/CropBox[50 50 250 300]", "/Rotate -90/MediaBox[300 400 0 0]")
	appended := append(plain.table(), "\n"...)
	appended = append(appended, incremental(plain.table())...)
	for _, c := range []struct {
		name     string
		doc      func(t *testing.T) []byte
		repaired bool
	}{
		{"table", func(*testing.T) []byte { return plain.table() }, false},
		{"xref stream", func(*testing.T) []byte { return plain.packed(false) }, false},
		{"hybrid", func(*testing.T) []byte { return plain.packed(true) }, false},
		{"two EOF", func(*testing.T) []byte { return appended }, false},
		{"linearized", func(t *testing.T) []byte { return through(t, plain.table(), "--linearize") }, false},
		{"object streams", func(t *testing.T) []byte { return through(t, plain.table(), "--object-streams=generate") }, false},
		{"bad startxref", func(*testing.T) []byte {
			return bytes.Replace(plain.table(), []byte("startxref\n"), []byte("startxref\n1"), 1)
		}, true},
		{"junk before header", func(*testing.T) []byte { return append([]byte("\r\n\r\njunk\r\n"), plain.table()...) }, true},
		{"junk after EOF", func(*testing.T) []byte { return append(plain.table(), "<html>trailing</html>"...) }, true},
		{"key twice", func(*testing.T) []byte { return plain.catalog("/Lang(a)/Lang(b)").table() }, true},
		{"cut before startxref", func(*testing.T) []byte {
			d := plain.table()
			return d[:bytes.Index(d, []byte("startxref"))]
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, info := accepted(t, c.doc(t))
			if (info.Repaired != nil) != c.repaired {
				t.Errorf("repaired: %v %q", info.Repaired != nil, info.Notes)
			}
			if c.repaired != (len(info.Notes) > 0) {
				t.Errorf("notes %q", info.Notes)
			}
			want := []Page{{300, 400}, {400, 300}, {200, 250}, {400, 300}}
			if fmt.Sprint(info.Pages) != fmt.Sprint(want) {
				t.Errorf("pages %v, want %v", info.Pages, want)
			}
			if n := strings.TrimSpace(output(t, doc, "qpdf", "--show-npages", "{}")); n != "4" {
				t.Errorf("qpdf counts %s pages", n)
			}
			if n := popplerPages(t, doc); n != "4" {
				t.Errorf("poppler counts %s pages", n)
			}
		})
	}
}

// incremental is an update of document's file that changes the content of object 4.
func incremental(doc []byte) []byte {
	at := len(doc) + 1
	object := fmt.Sprintf("4 0 obj\n%s\nendobj\n", body("BT /H 18 Tf 40 100 Td (Changed) Tj ET"))
	prev := doc[bytes.LastIndex(doc, []byte("startxref\n"))+10:]
	prev = prev[:bytes.IndexByte(prev, '\n')]
	return fmt.Appendf(nil, "%sxref\n4 1\n%010d 00000 n \ntrailer\n<</Size 9/Root 1 0 R/Prev %s>>\nstartxref\n%d\n%%%%EOF\n",
		object, at, prev, at+len(object))
}

func TestP6NotPDF(t *testing.T) {
	pdf := document("").table()
	for name, doc := range map[string][]byte{
		"empty":      {},
		"text":       []byte("hello"),
		"zip":        append([]byte("PK\x03\x04polyglot "), pdf...),
		"gif":        append([]byte("GIF89a "), pdf...),
		"html":       append([]byte("<!DOCTYPE html><script>alert(1)</script>"), pdf...),
		"jpeg":       append([]byte("\xff\xd8\xff\xe0 "), pdf...),
		"late":       append(bytes.Repeat([]byte(" "), 1025), pdf...),
		"postscript": []byte("%!PS-Adobe-3.0 EPSF-3.0\n"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jail.Inspect(context.Background(), doc)
			refused(t, err, NotPDF)
		})
	}
}

func TestP6Truncated(t *testing.T) {
	pdf := document("").table()
	_, err := jail.Inspect(context.Background(), pdf[:60])
	refused(t, err, Broken)
	_, err = jail.Inspect(context.Background(), pdf[:bytes.Index(pdf, []byte("trailer"))])
	refused(t, err, Broken)
}

func TestP4Signed(t *testing.T) {
	p := sealedBlank(t)
	_, err := jail.Inspect(context.Background(), p.File)
	refused(t, err, Signed)
	unsigned := document("/Annots[6 0 R]")
	field := unsigned.with("<</FT/Sig/T(here)/Subtype/Widget/Rect[0 0 9 9]>>")
	if _, info := accepted(t, unsigned.catalog(fmt.Sprintf("/AcroForm<</Fields[%d 0 R]>>", field)).table()); info.Repaired != nil {
		t.Error("an empty signature field is no reason for a repair")
	}
}

func TestP5Encrypted(t *testing.T) {
	pdf := document("", "").table()
	for _, bits := range []string{"128", "256"} {
		user := through(t, pdf, "--allow-weak-crypto", "--encrypt", "secret", "owner", bits, "--")
		_, err := jail.Inspect(context.Background(), user)
		refused(t, err, Encrypted)
		owner := through(t, pdf, "--allow-weak-crypto", "--encrypt", "", "owner", bits, "--")
		doc, info := accepted(t, owner)
		if info.Repaired == nil || len(info.Pages) != 2 || len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "owner password") {
			t.Errorf("%s bits: %d pages, notes %q", bits, len(info.Pages), info.Notes)
		}
		if out := output(t, doc, "pdftotext", "{}", "-"); !strings.Contains(out, "Hello agreement") {
			t.Errorf("%s bits: text %q", bits, out)
		}
		if out := output(t, doc, "qpdf", "--show-encryption", "{}"); !strings.Contains(out, "not encrypted") {
			t.Errorf("%s bits: %s", bits, out)
		}
	}
}

// bounded inspects doc and asserts a refusal in bounded time; the jail must be alive
// afterwards.
func bounded(t *testing.T, doc []byte, reasons ...Reason) {
	t.Helper()
	start := time.Now()
	_, err := jail.Inspect(context.Background(), doc)
	took := time.Since(start)
	r, ok := err.(*Refusal)
	if !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	found := false
	for _, reason := range reasons {
		found = found || r.Reason == reason
	}
	if !found {
		t.Errorf("got %v, want %v", r, reasons)
	}
	if took > jail.config.Limits.Deadline+5*time.Second {
		t.Errorf("took %v", took)
	}
	t.Logf("%d bytes, %v: %v", len(doc), took.Round(time.Millisecond), r)
	if _, err := jail.Inspect(context.Background(), document("").table()); err != nil {
		t.Errorf("the next document: %v", err)
	}
}

func TestP1DeflateBomb(t *testing.T) {
	zeros := make([]byte, 200<<20)
	once := deflate(zeros)
	content := document("")
	content.objects[3] = fmt.Sprintf("<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream", len(once), once)
	bounded(t, content.table(), TooLarge)
	twice := deflate([]byte(once))
	double := document("")
	double.objects[3] = fmt.Sprintf("<</Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n%s\nendstream", len(twice), twice)
	bounded(t, double.table(), TooLarge)
	objects := document("")
	objects.with(fmt.Sprintf("<</Type/ObjStm/N 9/First 99/Filter/FlateDecode/Length %d>>stream\n%s\nendstream", len(once), once))
	bounded(t, objects.table(), TooLarge)
	many := document("")
	part := deflate(zeros[:100<<20])
	for range 6 {
		many.with(fmt.Sprintf("<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream", len(part), part))
	}
	bounded(t, many.table(), TooLarge)
}

func TestP1DeepNesting(t *testing.T) {
	for name, nest := range map[string]string{
		"arrays":       strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20),
		"dictionaries": strings.Repeat("<</A", 1<<19) + " 0" + strings.Repeat(">>", 1<<19),
		"open":         strings.Repeat("[", 1<<21),
	} {
		t.Run(name, func(t *testing.T) {
			m := document("").catalog("/PieceInfo 6 0 R")
			m.with(nest)
			start := time.Now()
			info, err := jail.Inspect(context.Background(), m.table())
			if err == nil && info.Repaired == nil {
				t.Error("accepted as it is")
			}
			if bytes.Contains(info.Repaired, []byte(nest[:1<<12])) {
				t.Error("the nesting survived the repair")
			}
			t.Logf("%v: %v", time.Since(start).Round(time.Millisecond), err)
		})
	}
}

func TestP1Loops(t *testing.T) {
	kids := document("")
	kids.objects[1] = "<</Type/Pages/Kids[2 0 R 5 0 R]/Count 2/MediaBox[0 0 300 400]>>"
	length := document("")
	length.objects[3] = "<</Length 4 0 R>>stream\nq Q\nendstream"
	chain := document("")
	chain.objects[0] = "<</Type/Catalog/Pages 6 0 R>>"
	chain.with("7 0 R")
	chain.with("6 0 R")
	prev := document("")
	prev.trailer = "/Prev 9"
	looped := prev.table()
	start := bytes.LastIndex(looped, []byte("xref\n0 "))
	prev.trailer = fmt.Sprintf("/Prev %d", start)
	for name, doc := range map[string][]byte{"kids": kids.table(), "length": length.table(), "references": chain.table(), "sections": prev.table()} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			info, err := jail.Inspect(context.Background(), doc)
			if err == nil && info.Repaired == nil {
				t.Errorf("a loop was accepted as it is: %+v", info.Pages)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestP1MillionPages(t *testing.T) {
	lie := document("")
	lie.objects[1] = strings.Replace(lie.objects[1], "/Count 1", "/Count 1000000", 1)
	bounded(t, lie.table(), Broken, TooManyPages)
	same := document("")
	same.objects[1] = "<</Type/Pages/Kids[" + strings.Repeat("5 0 R ", 1_000_000) + "]/Count 1000000/MediaBox[0 0 300 400]>>"
	bounded(t, same.table(), Broken, TooManyPages, Exhausted)
	bounded(t, document(make([]string, 2001)...).table(), TooManyPages)
	if _, info := accepted(t, document(make([]string, 2000)...).table()); len(info.Pages) != 2000 {
		t.Errorf("%d pages", len(info.Pages))
	}
}

func TestP1Sizes(t *testing.T) {
	bounded(t, document("/MediaBox[0 0 14401 10]").table(), TooLarge)
	image := document("")
	image.with("<</Subtype/Image/Width 100000/Height 100000/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>stream\n0\nendstream")
	bounded(t, image.table(), TooLarge)
	bounded(t, append(document("").table(), make([]byte, 16<<20)...), TooLarge)
	table := bytes.Replace(document("").table(), []byte("xref\n0 6"), []byte("xref\n0 9999999"), 1)
	info, err := jail.Inspect(context.Background(), table)
	if err == nil && info.Repaired == nil {
		t.Error("a table of ten million entries was accepted as it is")
	}
}

// A page whose content never ends must not hold a child for longer than the deadline.
func TestP1EndlessDrawing(t *testing.T) {
	m := document("/Resources<</XObject<</A 6 0 R>>>>")
	for i := range 12 { // 10^12 forms
		next := fmt.Sprintf("<</XObject<</A %d 0 R>>>>", len(m.objects)+2)
		content := strings.Repeat("/A Do ", 10)
		if i == 11 {
			next, content = "<<>>", "0 0 9 9 re f"
		}
		m.with(fmt.Sprintf("<</Subtype/Form/BBox[0 0 300 400]/Resources%s/Length %d>>stream\n%s\nendstream", next, len(content), content))
	}
	m.objects[3] = body("/A Do")
	small, err := Open(context.Background(), Config{CacheDir: jail.config.CacheDir, Idle: 1,
		Limits: Limits{Deadline: 3 * time.Second, CPU: 2 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	start := time.Now()
	_, err = small.Render(context.Background(), m.table(), 0, 72)
	refused(t, err, Exhausted)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// Japanese text whose font is not in the document must be seen by the signer, and the
// sender be told.
func TestForeignFontsAreShown(t *testing.T) {
	m := document("/Resources<</Font<</J 6 0 R>>>>")
	m.objects[3] = body("1 0 0 rg BT /J 18 Tf 20 350 Td <8e52936391be9859> Tj ET")
	m.with("<</Type/Font/Subtype/Type0/BaseFont/MS-Mincho/Encoding/90ms-RKSJ-H/DescendantFonts[7 0 R]>>")
	m.with("<</Type/Font/Subtype/CIDFontType2/BaseFont/MS-Mincho/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>" +
		"/DW 1000/FontDescriptor<</Type/FontDescriptor/FontName/MS-Mincho/Flags 5/FontBBox[0 -137 1000 859]" +
		"/ItalicAngle 0/Ascent 859/Descent -140/CapHeight 700/StemV 80>>>>")
	doc, info := accepted(t, m.table())
	if len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "fonts") {
		t.Errorf("notes %q", info.Notes)
	}
	if box := redBox(picture(t, doc, 0, 144)); box.Dx() < 130 || box.Dx() > 150 || box.Dy() < 20 {
		t.Errorf("four characters of 18 points are seen in %v", box)
	}
}
