package pdf

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/go-text/typesetting/font"
)

// face is the font that documents of these tests embed.
func face() (*font.Face, []byte) {
	data, err := embedded.ReadFile("fonts/embedded/" + builtIn[0].file)
	if err != nil {
		panic(err)
	}
	return font.NewFace(jail.fonts.regular[0].font), data
}

// glyphs are a word in the font's own numbers, and their widths in thousandths.
func glyphs(f *font.Face, word string) (hex string, widths string) {
	for _, r := range word {
		id, _ := f.NominalGlyph(r)
		hex += fmt.Sprintf("%04X", id)
		widths += fmt.Sprintf(" %d[%.0f]", id, f.HorizontalAdvance(id)*1000/float32(f.Upem()))
	}
	return hex, widths
}

// fontFiles adds fonts of every kind, and returns them as they stand in resources.
func (m *maker) fontFiles(word string) string {
	f, data := face()
	hex, widths := glyphs(f, word)
	file := m.with(flate(fmt.Sprintf("/Length1 %d", len(data)), string(data)))
	descriptor := func(base, more string) string {
		return fmt.Sprintf("/BaseFont/%s/FontDescriptor<</Type/FontDescriptor/FontName/%s/Flags 32/FontBBox[-600 -400 2900 1100]/ItalicAngle 0/CapHeight 714/StemV 80%s>>",
			base, base, more)
	}
	simple := ""
	for c := 32; c < 127; c++ {
		id, _ := f.NominalGlyph(rune(c))
		simple += fmt.Sprintf(" %.0f", f.HorizontalAdvance(id)*1000/float32(f.Upem()))
	}
	simple = "/Subtype/TrueType/Encoding/WinAnsiEncoding/FirstChar 32/LastChar 126/Widths[" + simple + "]"
	inside := fmt.Sprintf("/Ascent 1069/Descent -293/FontFile2 %d 0 R", file)
	var unicode strings.Builder
	fmt.Fprintf(&unicode, "begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange %d beginbfchar ", len(word))
	for i, r := range word {
		fmt.Fprintf(&unicode, "<%s> <%04X> ", hex[4*i:4*i+4], r)
	}
	unicode.WriteString("endbfchar endcmap")
	toUnicode := m.with(body(unicode.String()))
	list := []string{
		"/Subtype/Type1/BaseFont/Helvetica", "/Subtype/Type1/BaseFont/Times-Roman", "/Subtype/Type1/BaseFont/Courier-BoldOblique",
		simple + descriptor("ArialMT", "/Ascent 905/Descent -212"), simple + "/BaseFont/TimesNewRoman,Bold",
		simple + descriptor("Corporate", "/Ascent 800/Descent 300"),
		simple + descriptor("NoMetrics", ""),
		simple + descriptor("AAAAAA+NotoSans", inside),
		fmt.Sprintf("/Subtype/Type0/BaseFont/BBBBBB+NotoSans/Encoding/Identity-H/ToUnicode %d 0 R/DescendantFonts[<</Type/Font/Subtype/CIDFontType2%s"+
			"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/CIDToGIDMap/Identity/W[%s]>>]", toUnicode, descriptor("BBBBBB+NotoSans", inside), widths),
	}
	out := ""
	for i, l := range list {
		out += fmt.Sprintf("/F%d %d 0 R", i, m.with("<</Type/Font"+l+">>"))
	}
	return "<<" + out + ">>"
}

const fontKinds = 9

// near tells of every edge of a place that is further than one unit from where it should be.
func near(t *testing.T, what string, got, want Place) {
	t.Helper()
	for i, d := range []float64{got.Left - want.Left, got.Top - want.Top, got.Left + got.Width - want.Left - want.Width,
		got.Top + got.Height - want.Top - want.Height} {
		if math.Abs(d) > unitOfFields {
			t.Errorf("%s: edge %d is %.2f points off: %+v, want %+v", what, i, d, got, want)
		}
	}
}

// The box of a text is the one other programs see, whatever its font is and however the
// page is turned and cut.
func TestAnchorsKnowTheFont(t *testing.T) {
	pages := []string{"", "/Rotate 90", "/Rotate 180", "/Rotate 270", "/CropBox[20 30 290 380]", "/CropBox[20 30 290 380]/Rotate 90",
		"/CropBox[20 30 290 380]/Rotate 180", "/CropBox[20 30 290 380]/Rotate 270"}
	const word = "{{esl:By:signature}}"
	f, _ := face()
	hex, _ := glyphs(f, word)
	var content strings.Builder
	for i := range fontKinds {
		said := "(" + word + ")"
		if i == fontKinds-1 {
			said = "<" + hex + ">"
		}
		switch i % 3 {
		case 0:
			fmt.Fprintf(&content, "BT /F%d 11 Tf 40 %d Td %s Tj ET\n", i, 360-30*i, said)
		case 1:
			fmt.Fprintf(&content, "BT /F%d 2 Tf 7 0 0 6 40 %d Tm %s Tj ET\n", i, 360-30*i, said)
		case 2:
			fmt.Fprintf(&content, "BT /F%d 10 Tf 0 1 -1 0 %d 40 Tm %s Tj ET\n", i, 230+i*5, said)
		}
	}
	m := document(pages...)
	m.objects[3] = body(content.String())
	fonts := m.fontFiles(word)
	m.objects[1] = strings.Replace(m.objects[1], "<</H 3 0 R>>", fonts, 1)
	doc, _ := accepted(t, m.table())
	places, words := popplerWords(t, doc)
	x := extracted(t, doc, Wanted{Tags: true})
	if len(words) != fontKinds*len(pages) || len(x.Tags) != len(words) || len(x.Broken) > 0 {
		t.Fatalf("poppler sees %d of %d words, here are %d tags: %q %+v", len(words), fontKinds*len(pages), len(x.Tags), words, x.Broken)
	}
	for i, want := range places {
		found := false
		for _, tag := range x.Tags {
			if p := tag.Place; p.Page == want.Page && math.Abs(p.Left-want.Left) < 4 && math.Abs(p.Top-want.Top) < 4 {
				found = true
				near(t, fmt.Sprintf("page %d, word %d", want.Page, i%fontKinds), p, want)
			}
		}
		if !found {
			t.Errorf("page %d: no tag near %+v", want.Page, want)
		}
	}
}

// Text at an angle and in forms: the corners follow from the text's own matrix.
func TestAnchorsAtAnAngleAndInForms(t *testing.T) {
	m := document("/Resources<</Font<</H 3 0 R>>/XObject<</X 7 0 R>>>>", "/Resources<</Font<</H 3 0 R>>/XObject<</X 7 0 R>>>>/Rotate 90")
	m.objects[3] = body("BT /H 10 Tf .8 .6 -.6 .8 100 300 Tm (d) Tj ET q 0 1 -1 0 100 50 cm /X Do Q")
	m.with(flate("/Type/XObject/Subtype/Form/BBox[-100 -100 100 200]/Matrix[2 0 0 2 5 5]/Resources<</XObject<</Y 9 0 R>>>>", "q 1 0 0 1 10 0 cm /Y Do Q"))
	m.with("<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>")
	m.with(flate("/Type/XObject/Subtype/Form/BBox[-100 -100 100 200]/Resources<</Font<</T 8 0 R>>>>", "BT /T 10 Tf 2 5 Td (k) Tj ET"))
	doc, _ := accepted(t, m.table())
	x := extracted(t, doc, Wanted{Anchors: []AnchorQuery{{Text: "d"}, {Text: "k"}, {Text: "k", Occurrence: 1}}})
	// d is 5.56 wide, from -2.07 to 7.18: turned by 36.87 degrees about (100, 300).
	near(t, "turned", x.Anchors[0], Place{Left: 100 - .6*7.18, Top: 100 - .6*5.56 - .8*7.18, Width: .8*5.56 + .6*(7.18+2.07), Height: .6*5.56 + .8*(7.18+2.07)})
	// k is twice 5 wide, from -2.17 to 6.83, its origin is (12, 5) in the inner form, so
	// (29, 15) in the outer one's ground and (85, 79) on the page, where it runs upwards.
	near(t, "in a form", x.Anchors[1], Place{Left: 85 - 2*6.83, Top: 400 - 79 - 10, Width: 2 * 9, Height: 10})
	near(t, "in a form, turned", x.Anchors[2], Place{Left: 79, Top: 85 - 2*6.83, Width: 10, Height: 2 * 9})
}
