package pdf

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"strings"
	"testing"
)

const readable = "BT /H 18 Tf 40 200 Td (Hello agreement) Tj ET "

func TestP3HiddenTextIsReported(t *testing.T) {
	field := func(entries string) string {
		return "/Annots[<</Subtype/Widget/T(amount)/Rect[20 20 120 40]" + entries + ">>]"
	}
	for title, c := range map[string]struct{ content, page, catalog, note string }{
		"white":        {readable + "1 g BT /H 12 Tf 40 100 Td (secret) Tj ET", "", "", "Page 1 holds white text on white ground."},
		"white rgb":    {readable + "1 1 1 rg BT /H 12 Tf 40 100 Td (secret) Tj ET", "", "", "white text"},
		"invisible":    {readable + "BT 3 Tr /H 12 Tf 40 100 Td (secret) Tj ET", "", "", "invisible text"},
		"outside":      {readable + "BT /H 12 Tf 40 500 Td (secret) Tj ET", "", "", "outside of the visible page"},
		"outside crop": {readable + "BT /H 12 Tf 40 350 Td (secret) Tj ET", "/CropBox[0 0 300 300]", "", "outside of the visible page"},
		"tiny":         {readable + "BT /H .5 Tf 40 100 Td (secret) Tj ET", "", "", "too small"},
		"tiny matrix":  {readable + "BT /H 50 Tf .01 0 0 .01 40 100 Tm (secret) Tj ET", "", "", "too small"},
		"layer":        {readable, "", "/OCProperties<</OCGs[7 0 R]/D<</OFF[7 0 R]>>>>", `Layers of the document are switched off and not shown: "Draft".`},
		"base state":   {readable, "", "/OCProperties<</OCGs[7 0 R]/D<</BaseState/OFF>>>>", "switched off"},
		"print layer":  {readable, "", "/OCProperties<</OCGs[6 0 R]/D<<>>>>", "in print differently"},
		"value": {readable, field("/FT/Tx/V(1000)/AP<</N 8 0 R>>"), "",
			`Form fields show another value than they hold, or none at all; what is shown counts: "amount".`},
		"no appearance":     {readable, field("/FT/Tx/V(1000)"), "", "another value"},
		"check box":         {readable, field("/FT/Btn/V/Yes/AS/Off/AP<</N<</Yes 8 0 R/Off 8 0 R>>>>"), "", "another value"},
		"in a form":         {readable + "/W Do", "", "", "white text"},
		"in a form, moved":  {readable + "1 0 0 1 900 0 cm /T Do", "", "", "outside of the visible page"},
		"in a form, small":  {readable + "q .05 0 0 .05 40 100 cm /T Do Q", "", "", "too small"},
		"in a form, mode":   {readable + "3 Tr /T Do", "", "", "invisible text"},
		"in a nested form":  {readable + "/N Do", "", "", "white text"},
		"after a text":      {readable + "BT /H 12 Tf 40 100 Td (" + strings.Repeat("W", 40) + ") Tj (secret) Tj ET", "", "", "outside"},
		"after a gap":       {readable + "BT /H 12 Tf 40 100 Td [-99999 (secret)] TJ ET", "", "", "outside"},
		"white by scn":      {readable + "/DeviceRGB cs 1 1 1 scn BT /H 12 Tf 40 100 Td (secret) Tj ET", "", "", "white text"},
		"white by four":     {readable + "0 0 0 0 k BT /H 12 Tf 40 100 Td (secret) Tj ET", "", "", "white text"},
		"white, saved":      {readable + "1 g q 0 g Q BT /H 12 Tf 40 100 Td (secret) Tj ET", "", "", "white text"},
		"white, next line":  {readable + "BT /H 12 Tf 14 TL 40 100 Td 1 g (secret) ' ET", "", "", "white text"},
		"outside, by cm":    {readable + "1 0 0 1 0 600 cm BT /H 12 Tf 40 100 Td (secret) Tj ET", "", "", "outside"},
		"outside, by lines": {readable + "BT /H 12 Tf 300 TL 40 100 Td T* (secret) Tj ET", "", "", "outside"},
		"outside, by rise":  {readable + "BT /H 12 Tf 500 Ts 40 100 Td (secret) Tj ET", "", "", "outside"},
		// None of these is hidden.
		"form on its black": {readable + "/B Do", "", "", ""},
		"form on a black":   {"0 g 20 90 200 60 re f /W Do", "", "", ""},
		"scan in a form":    {"BT 3 Tr /H 12 Tf 40 100 Td (found) Tj ET /S Do", "", "", ""},
		"white on black":    {"0 g 20 90 200 30 re f 1 g BT /H 12 Tf 40 100 Td (heading) Tj ET", "", "", ""},
		"scan":              {"BT 3 Tr /H 12 Tf 40 100 Td (found) Tj ET q 300 0 0 400 0 0 cm /I Do Q", "", "", ""},
		"white tag":         {readable + "1 g BT /H 1 Tf 40 100 Td ({{esl:Signer1:signature}}) Tj ET", "", "", ""},
		"white space":       {readable + "1 g BT /H 12 Tf 40 100 Td (   ) Tj ET", "", "", ""},
		"dashes":            {readable + "BT /H 12 Tf 40 100 Td (----____....) Tj ET", "", "", ""},
		"formatted value":   {readable, field("/FT/Tx/V(1500)/AP<</N 9 0 R>>"), "", ""},
		"checked":           {readable, field("/FT/Btn/V/Yes/AS/Yes/AP<</N<</Yes 8 0 R/Off 8 0 R>>>>"), "", ""},
		"one radio button":  {readable, field("/FT/Btn/Ff 49152/V/A/AS/Off/AP<</N<</B 8 0 R/Off 8 0 R>>>>"), "", ""},
		"layer on":          {readable, "", "/OCProperties<</OCGs[7 0 R]/D<</ON[7 0 R]>>>>", ""},
	} {
		t.Run(title, func(t *testing.T) {
			m := document(c.page + "/Resources<</Font<</H 3 0 R>>/XObject<</I 10 0 R/W 11 0 R/T 12 0 R/N 13 0 R/B 14 0 R/S 15 0 R>>>>").catalog(c.catalog)
			m.objects[3] = body(c.content)
			m.with("<</Type/OCG/Name(Copy)/Usage<</Print<</PrintState/OFF>>/View<</ViewState/ON>>>>>>")
			m.with("<</Type/OCG/Name(Draft)>>")
			form := "/Type/XObject/Subtype/Form/BBox[0 0 100 20]/Resources<</Font<</H 3 0 R>>>>"
			m.with(flate(form, "BT /H 10 Tf (9) Tj ET"))
			m.with(flate(form, "BT /H 10 Tf [(1,)-5(500.00)] TJ ET"))
			m.with(flate("/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8", "\x80"))
			form = "/Type/XObject/Subtype/Form/BBox[0 0 300 400]/Resources<</Font<</H 3 0 R>>/XObject<</W 11 0 R/I 10 0 R>>>>"
			m.with(flate(form, "1 g BT /H 12 Tf 40 100 Td (secret) Tj ET"))
			m.with(flate(form, "BT /H 12 Tf 40 100 Td (secret) Tj ET"))
			m.with(flate(form, "0 g /W Do"))
			m.with(flate(form, "0 g 20 90 200 30 re f 1 g BT /H 12 Tf 40 100 Td (heading) Tj ET"))
			m.with(flate(form, "q 300 0 0 400 0 0 cm /I Do Q"))
			_, info := accepted(t, m.table())
			if c.note == "" && len(info.Notes) > 0 || !strings.Contains(strings.Join(info.Notes, " "), c.note) {
				t.Errorf("notes %q, want %q", info.Notes, c.note)
			}
		})
	}
}

// Pages of ordinary documents are not shown to PDFium a second time, which would cost
// as much as all the rest; what is not understood is.
func TestP3OnlySuspiciousPagesAreSearched(t *testing.T) {
	for content, want := range map[string]bool{
		fullPage(): false,
		"0 0 1 RG .2 .3 .4 rg q 10 0 0 10 5 5 cm /I Do Q " + readable + "/Other gs 0 g BT /H 9 Tf 1 0 0 1 20 20 Tm [(a)-20(b)] TJ 0 -10 Td (c) ' ET": false,
		"/DeviceCMYK cs 0 0 0 1 scn " + readable:                     false,
		"1 g 0 0 300 400 re f 0 g " + readable:                       false,
		"/Pattern cs /P scn " + readable:                             true,
		"BI /W 1 /H 1 /BPC 8 /CS /G ID x EI " + readable:             true,
		readable + "BT (x":                                           true,
		"BT /V 10 Tf 40 40 Td (x) Tj ET":                             true,
		"BT /D 10 Tf 40 40 Td (x) Tj ET":                             true,
		"/R Do":                                                      true,
		strings.Repeat("q ", 5000) + readable:                        true,
		"BT /H (x) Tf 40 40 Td (x) Tj ET":                            true,
		"BT /H 10 Tf 40 40 Td (x) Tj 0 0 0 rg 1 1 1 rg (x) ' ET":     true,
		"BT /H 10 Tf 40 40 Td (x) Tj ET /F gs BT 40 60 Td (x) Tj ET": true,
	} {
		m := document("/Resources<</Font<</H 3 0 R/V 6 0 R/D 7 0 R>>/XObject<</R 8 0 R>>/ExtGState<</F<</Font[3 0 R 1]>>>>>>")
		m.objects[3] = body(content)
		m.with("<</Type/Font/Subtype/Type0/BaseFont/V/Encoding/Identity-V/DescendantFonts[]>>")
		m.with("<</Type/Font/Subtype/Type3>>")
		m.with(flate("/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</R 8 0 R>>>>", "/R Do"))
		f, err := open(m.table(), Limits{}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		leaves, err := f.pages()
		if err != nil {
			t.Fatal(err)
		}
		if got := f.glance().suspicious(leaves[0]); got != want {
			t.Errorf("%.80s: suspicious %v", content, got)
		}
	}
}

// What was shown is what is sealed: the page looks the same before and after, here and
// in another program.
func TestP3SealedImageIsTheShownOne(t *testing.T) {
	m := document("/Annots[<</Subtype/Widget/FT/Tx/T(amount)/V(1000)/Rect[20 20 120 40]/AP<</N 7 0 R>>>>]/Resources<</Font<</H 3 0 R>>/Properties<</L 6 0 R>>>>").
		catalog("/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>/AcroForm<</Fields[]/NeedAppearances true>>/OpenAction" + script)
	m.objects[3] = body(readable + "/OC /L BDC BT /H 18 Tf 40 300 Td (Hidden clause) Tj ET EMC")
	m.with("<</Type/OCG/Name(Draft)>>")
	m.with(flate("/Type/XObject/Subtype/Form/BBox[0 0 100 20]/Resources<</Font<</H 3 0 R>>>>", "BT /H 10 Tf 2 5 Td (9) Tj ET"))
	doc, _ := accepted(t, m.table())
	sealed := composed(t, Job{Doc: doc, Container: container()}).File
	shown := pixels(t, doc)
	if again := pixels(t, sealed); !bytes.Equal(shown, again) {
		t.Error("the sealed page looks different")
	}
	before, after := output(t, doc, "pdftoppm", "-png", "-r", "60", "{}"), output(t, sealed, "pdftoppm", "-png", "-r", "60", "{}")
	if before == "" || before != after {
		t.Error("poppler shows the sealed page differently")
	}
	if !strings.Contains(output(t, m.table(), "pdftotext", "{}", "-"), "Hello") {
		t.Error("poppler does not read the page")
	}
}

func pixels(t testing.TB, doc []byte) []byte {
	t.Helper()
	body, err := jail.Render(context.Background(), doc, 0, 60)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	switch v := img.(type) {
	case *image.Gray:
		return v.Pix
	case *image.RGBA:
		return v.Pix
	}
	t.Fatalf("%T", img)
	return nil
}
