package pdf

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var red = Color{R: 255}

// names are the people of the tests: Latin, Greek, Han, a Han character beyond the first
// plane, Cyrillic.
var names = []string{"José Ñandú", "Ελένη Παπαδοπούλου", "山田太郎", "𠮷野家", "Юлия"}

// stamp is a frame at a known place with a name and a drawn signature in it.
func stamp(x, y float64, who string) []Item {
	frame := Color{R: 0, G: 90, B: 60}
	return []Item{
		Rect{X: x, Y: y, Width: 140, Height: 44, Fill: &Color{245, 250, 247}, Stroke: &frame, LineWidth: 1},
		Strokes{Paths: [][]Point{{{x + 6, y + 16}, {x + 20, y + 6}, {x + 34, y + 18}, {x + 50, y + 5}}, {{x + 60, y + 10}}}, Width: 1.5, Color: Color{B: 160}},
		Text{X: x + 6, Y: y + 32, Size: 13, Bold: true, String: who, MaxWidth: 128},
		Text{X: x + 6, Y: y + 41, Size: 6, String: "2026-11-21 20:00 +09:00 · a1b2c3", MaxWidth: 128},
	}
}

// pageKinds are the geometries a stamp must find its place on, with the displayed size.
var pageKinds = []struct {
	name, attributes string
	size             Page
}{
	{"plain", "", Page{300, 400}},
	{"rotated 90", "/Rotate 90", Page{400, 300}},
	{"rotated 180", "/Rotate 180", Page{300, 400}},
	{"rotated 270", "/Rotate 270", Page{400, 300}},
	{"cropped", "/CropBox[50 60 250 360]", Page{200, 300}},
	{"cropped and rotated", "/CropBox[50 60 250 360]/Rotate 90", Page{300, 200}},
	{"shifted", "/MediaBox[-100 -200 200 200]/Rotate 270", Page{400, 300}},
	{"crop beyond media", "/CropBox[-50 -50 250 390]", Page{250, 390}},
}

// bases are one document as different writers would write it.
func bases(t *testing.T, m maker) map[string][]byte {
	plain := m.table()
	return map[string][]byte{
		"table": plain, "xref stream": m.packed(false), "hybrid": m.packed(true),
		"linearized":     through(t, plain, "--linearize", "--object-streams=disable"),
		"object streams": through(t, plain, "--linearize", "--object-streams=generate"),
	}
}

func picture(t testing.TB, doc []byte, page, dpi int) image.Image {
	t.Helper()
	data, err := jail.Render(context.Background(), doc, page, dpi)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func isRed(c color.Color) bool {
	r, g, b, _ := c.RGBA()
	return r > 0xe000 && g < 0x4000 && b < 0x4000
}

// redBox is the bounding box of the red pixels.
func redBox(img image.Image) image.Rectangle {
	var box image.Rectangle
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if isRed(img.At(x, y)) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

func TestStampPlace(t *testing.T) {
	var attributes []string
	for _, k := range pageKinds {
		attributes = append(attributes, k.attributes)
	}
	for name, doc := range bases(t, document(attributes...)) {
		t.Run(name, func(t *testing.T) {
			job := Job{Doc: doc}
			for i := range pageKinds {
				job.Overlays = append(job.Overlays, Overlay{Page: i, Items: []Item{Rect{X: 20, Y: 30, Width: 40, Height: 10, Fill: &red}}})
			}
			p := composed(t, job)
			if !bytes.HasPrefix(p.File, doc) {
				t.Error("the document is not a prefix")
			}
			info, err := jail.Inspect(context.Background(), p.File)
			if err != nil || info.Repaired != nil {
				t.Fatalf("%v %q", err, info.Notes)
			}
			output(t, p.File, "qpdf", "--check", "{}")
			for i, k := range pageKinds {
				if info.Pages[i] != k.size {
					t.Errorf("%s: %v, want %v", k.name, info.Pages[i], k.size)
				}
				if box := redBox(picture(t, p.File, i, 72)); box != image.Rect(20, 30, 60, 40) {
					t.Errorf("%s: stamp at %v", k.name, box)
				}
			}
			if name == "table" {
				popplerPlace(t, p.File)
			}
		})
	}
}

// popplerPlace sees the stamps with another renderer.
func popplerPlace(t *testing.T, doc []byte) {
	t.Helper()
	dir := t.TempDir()
	output(t, doc, "pdftoppm", "-r", "72", "-cropbox", "-png", "{}", filepath.Join(dir, "p"))
	files, _ := filepath.Glob(filepath.Join(dir, "p*.png"))
	if len(files) != len(pageKinds) {
		t.Fatalf("%d images", len(files))
	}
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if pageKinds[i].name == "crop beyond media" {
			continue // poppler shows the part beyond the paper too
		}
		if box := redBox(img); box != image.Rect(20, 30, 60, 40) {
			t.Errorf("poppler, %s: stamp at %v", pageKinds[i].name, box)
		}
	}
}

// A page may leave its content in any state; the stamp must not move, clip or vanish.
func TestStampAfterUnbalancedContent(t *testing.T) {
	hex := "68656c6c6f>"
	for name, content := range map[string]string{
		"saved states":   "q 3 0 0 3 90 90 cm q 0 0 1 1 re W n",
		"surplus":        "Q Q Q 5 0 0 5 0 0 cm",
		"text":           "BT /H 9 Tf 50 50 Td (open) Tj",
		"hidden layer":   "/OC /Off BDC (x) /A BMC",
		"inline image":   "q 9 0 0 9 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID q EI q",
		"rubbish":        "] >> ) } q 2 0 0 2 0 0 cm [ ( 1 -- /",
		"open image":     "q 9 0 0 9 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID q",
		"open strings":   "q 9 0 0 9 0 0 cm ((a)(b",
		"color":          "0 1 0 rg 0 1 0 RG 40 w /None gs",
		"ascii hex":      hex,
		"run length, 85": "",
		"empty flate":    "",
	} {
		t.Run(name, func(t *testing.T) {
			m := document("/Resources<</Font<</H 3 0 R>>/Properties<</Off 6 0 R>>>>").
				catalog("/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>")
			m.with("<</Type/OCG/Name(Off)>>")
			m.objects[3] = body(content)
			switch name {
			case "ascii hex":
				m.objects[3] = strings.Replace(body(fmt.Sprintf("%x>", "q 3 0 0 3 90 90 cm q")), "<<", "<</Filter/ASCIIHexDecode", 1)
			case "empty flate":
				m.objects[3] = strings.Replace(body(""), "<<", "<</Filter/FlateDecode", 1)
			case "run length, 85":
				m.objects[3] = strings.Replace(body("!!*'!z~>"), "<<", "<</Filter/ASCII85Decode", 1)
			}
			p := composed(t, Job{Doc: m.table(), Overlays: []Overlay{{Items: []Item{Rect{X: 20, Y: 30, Width: 40, Height: 10, Fill: &red}}}}})
			if box := redBox(picture(t, p.File, 0, 72)); box != image.Rect(20, 30, 60, 40) {
				t.Errorf("stamp at %v", box)
			}
		})
	}
}

func TestSealVerifiesElsewhere(t *testing.T) {
	tool(t, "pdfsig")
	m := document("", "/Rotate 90")
	for name, doc := range bases(t, m) {
		t.Run(name, func(t *testing.T) {
			job := Job{Doc: doc, Title: "Agreement – Vertrag", Container: container(),
				Overlays: []Overlay{{Page: 0, Items: stamp(30, 300, names[0])}, {Page: 1, Items: stamp(30, 200, names[2])}, {Page: 0, Items: stamp(30, 100, names[3])}},
				Append:   []NewPage{{Width: 595, Height: 842, Items: stamp(60, 60, names[1])}},
				Attach:   []Attachment{{Name: "events.json", MIME: "application/json", Description: "Événements", Data: []byte(`{"events":[]}`)}}}
			p := composed(t, job)
			sealed, err := p.Patch(sign(t, p))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(sealed, doc) {
				t.Error("the document is not a prefix")
			}
			out := output(t, sealed, "pdfsig", "-nocert", "{}")
			for _, want := range []string{"Signature is Valid", "Total document signed", "ETSI.CAdES.detached"} {
				if !strings.Contains(out, want) {
					t.Errorf("pdfsig does not say %q:\n%s", want, out)
				}
			}
			if out := output(t, sealed, "qpdf", "--check", "{}"); strings.Contains(out, "WARNING") {
				t.Error(out)
			}
			if out := output(t, sealed, "mutool", "info", "{}"); strings.Contains(out, "warning") || strings.Contains(out, "error") {
				t.Error(out)
			}
			if out := output(t, sealed, "pdfdetach", "-list", "{}"); !strings.Contains(out, "events.json") {
				t.Error(out)
			}
			if n := popplerPages(t, sealed); n != "3" {
				t.Errorf("%s pages", n)
			}
			text := output(t, sealed, "pdftotext", "{}", "-")
			for _, want := range names[:4] {
				if !strings.Contains(text, want) {
					t.Errorf("text lacks %s", want)
				}
			}
			intact(t, sealed, job)
		})
	}
}

// intact reads a sealed file back with our own reader.
func intact(t *testing.T, sealed []byte, job Job) {
	t.Helper()
	s, err := jail.Signatures(context.Background(), sealed)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Problems) > 0 || len(s.Signatures) != 1 || s.Revisions < 2 || s.TrailingBytes != 0 {
		t.Fatalf("%+v", s)
	}
	g, c := s.Signatures[0], job.Container
	if g.Name != c.Name || g.Reason != c.Reason || g.Location != c.Location || !g.SigningTime.Equal(c.Time) || g.DocMDP != 1 || !g.CoversWholeFile || !g.GapExact {
		t.Errorf("%+v", g)
	}
	sum, err := g.Sum(sealed)
	p := Prepared{File: sealed, ByteRange: g.ByteRange}
	if err != nil || sum != p.sum() {
		t.Errorf("sum %x, %v", sum, err)
	}
	if len(s.Attachments) != 1 || s.Attachments[0].Name != "events.json" || !bytes.Equal(s.Attachments[0].Data, job.Attach[0].Data) ||
		s.Attachments[0].MIME != "application/json" || s.Attachments[0].Description != "Événements" {
		t.Errorf("%+v", s.Attachments)
	}
}

func TestFormSurvives(t *testing.T) {
	for _, indirect := range []bool{false, true} {
		m := document("/Annots[6 0 R]")
		m.with("<</Type/Annot/Subtype/Widget/FT/Tx/T(city)/V(Basel)/Rect[20 20 120 40]/DA(/H 12 Tf)/P 5 0 R>>")
		form := "<</Fields[6 0 R]/DA(/H 0 Tf 0 g)/DR<</Font<</H 3 0 R>>>>>>"
		if indirect {
			form = fmt.Sprintf("%d 0 R", m.with(form))
		}
		p := composed(t, Job{Doc: m.catalog("/AcroForm " + form).table(), Container: container()})
		out := output(t, p.File, "qpdf", "--json", "--json-key=acroform", "{}")
		for _, want := range []string{`"fullname": "city"`, `"value": "u:Basel"`, `"fullname": "Countersign Seal"`} {
			if !strings.Contains(out, want) && !strings.Contains(out, strings.Replace(want, "u:", "", 1)) {
				t.Errorf("form lacks %s:\n%s", want, out)
			}
		}
	}
}

// A stamp must not bring whole fonts along.
func TestStampIsSmall(t *testing.T) {
	doc := document("").table()
	p := composed(t, Job{Doc: doc, Overlays: []Overlay{{Items: stamp(10, 10, "José 山田太郎 𠮷")}}})
	if added := len(p.File) - len(doc); added > 30_000 {
		t.Errorf("the stamp added %d bytes", added)
	} else {
		t.Logf("the stamp added %d bytes", added)
	}
}

func TestEmptyDocument(t *testing.T) {
	p := composed(t, Job{Title: "Evidence", Append: []NewPage{{Width: 595, Height: 842, Items: stamp(20, 20, names[1])}, {Width: 842, Height: 595}}})
	doc, info := accepted(t, p.File)
	if info.Repaired != nil || len(info.Pages) != 2 || info.Pages[1] != (Page{842, 595}) {
		t.Errorf("%+v", info.Pages)
	}
	if out := output(t, doc, "pdfinfo", "{}"); !strings.Contains(out, "Evidence") {
		t.Error(out)
	}
}

// Without Certify it is an ordinary signature.
func TestUncertified(t *testing.T) {
	c := container()
	c.Certify = false
	p := composed(t, Job{Doc: document("").table(), Container: c})
	s, err := jail.Signatures(context.Background(), p.File)
	if err != nil || len(s.Signatures) != 1 || s.Signatures[0].DocMDP != 0 || bytes.Contains(p.File, []byte("/Perms")) {
		t.Errorf("%+v %v", s, err)
	}
}

func TestBadJobs(t *testing.T) {
	doc := document("").table()
	for name, job := range map[string]Job{
		"nothing":       {},
		"no such page":  {Doc: doc, Overlays: []Overlay{{Page: 1}}},
		"not a number":  {Doc: doc, Overlays: []Overlay{{Items: []Item{Rect{X: 1e300}}}}},
		"no size":       {Doc: doc, Overlays: []Overlay{{Items: []Item{Text{String: "x"}}}}},
		"tiny page":     {Append: []NewPage{{Width: 1, Height: 1}}},
		"no room":       {Doc: doc, Container: &Container{Reserve: 10}},
		"path in name":  {Doc: doc, Attach: []Attachment{{Name: "../x"}}},
		"same name":     {Doc: doc, Attach: []Attachment{{Name: "x"}, {Name: "x"}}},
		"control chars": {Doc: doc, Attach: []Attachment{{Name: "a\nb"}}},
	} {
		if _, err := jail.Compose(context.Background(), job); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPatch(t *testing.T) {
	p := sealedBlank(t)
	if _, err := p.Patch(make([]byte, 8193)); err == nil {
		t.Error("a signature larger than its container was accepted")
	}
	once, err := p.Patch([]byte{0x30, 0x01, 0x00})
	if err != nil {
		t.Fatal(err)
	}
	if len(once) != len(p.File) || bytes.Equal(once, p.File) {
		t.Error("patching changes bytes in place")
	}
	if _, err := (Prepared{File: once, ByteRange: p.ByteRange}).Patch([]byte{1}); err == nil {
		t.Error("a filled container was filled again")
	}
	if _, err := (Prepared{File: []byte("x")}).Patch(nil); err == nil {
		t.Error("a file without a container was patched")
	}
}
