package pdf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestFieldNames(t *testing.T) {
	roles := []string{"Signer1", "Agent", "agent.two", "Ägypten Rolle"}
	for full, want := range map[string]string{
		"[Signer1.Fullname1]":                                 "Signer1 fullname1 SIGNATURE FULLNAME",
		"[signer1.FULLNAME09]":                                "Signer1 fullname09 SIGNATURE FULLNAME",
		"Signer1.Capture1":                                    "Signer1 capture1 SIGNATURE CAPTURE",
		"[Signer1.MobileCapture1]":                            "Signer1 mobilecapture1 SIGNATURE MOBILE_CAPTURE",
		"[Signer1.Initials1.Optional]":                        "Signer1 initials1 SIGNATURE INITIALS optional",
		"[Signer1.Capture1.Textfield1]":                       "Signer1 capture1 INPUT TEXTFIELD",
		"[Signer1.Capture1.label1.name]":                      "Signer1 capture1 INPUT LABEL {signer.name}",
		"[Signer1.Capture1.Label1.Date]":                      "Signer1 capture1 INPUT LABEL {approval.signed}",
		"[Signer1.Capture1.label1.{signer.title}]":            "Signer1 capture1 INPUT LABEL {signer.title}",
		"[Signer1.Capture1.label1.{signer.company}.Optional]": "Signer1 capture1 INPUT LABEL {signer.company} optional",
		"[Signer1.Capture1.label1]":                           "Signer1 capture1 INPUT LABEL",
		"[Signer1.Capture1.checkbox2.Optional]":               "Signer1 capture1 INPUT CHECKBOX optional",
		"[Agent.Two.Fullname1]":                               "agent.two fullname1 SIGNATURE FULLNAME",
		"[ägypten rolle.Fullname1]":                           "Ägypten Rolle fullname1 SIGNATURE FULLNAME",
		"[Agent.Capture.Datepicker1]":                         "Agent capture INPUT DATEPICKER",
		"[Nobody.Fullname1]":                                  "",
		"[Signer1]":                                           "",
		"[Signer1.Stamp1]":                                    "",
		"[Signer1.Capture1.Slider1]":                          "",
		"[Signer1.Capture1.label1.{x}]":                       "",
		"[Signer1.Capture1.Textfield1.name]":                  "",
		"Signer1Fullname1":                                    "",
		"":                                                    "",
	} {
		n, ok := parseFieldName(full, roles)
		got := ""
		if ok {
			got = strings.Join([]string{n.Role, n.Signature, n.Type, n.Subtype}, " ")
			for _, more := range []string{n.Binding, map[bool]string{true: "optional"}[n.Optional]} {
				if more != "" {
					got += " " + more
				}
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", full, got, want)
		}
	}
}

func TestTags(t *testing.T) {
	for inner, want := range map[string]string{
		`esl:Signer1:signature`: `{"role":"Signer1","type":"SIGNATURE","subtype":"FULLNAME","width":200,"height":50}`,
		` * ESL_a_1 : Signer 1 : Text Field : size( 40 , 15 ), Maxlen(3) `:       `{"role":"Signer1","name":"a_1","type":"INPUT","subtype":"TEXTFIELD","required":true,"width":40,"height":15,"maxLen":3}`,
		`?esl:Signer1:Capture:offset(-1.5,+2)`:                                   `{"role":"Signer1","type":"SIGNATURE","subtype":"CAPTURE","optional":true,"offsetX":-1.5,"offsetY":2,"width":200,"height":50}`,
		`esl_b:S:Radio:Group(“Fre quency”),Value("X"),size(10,10),offset(40,-8)`: `{"role":"S","name":"b","type":"INPUT","subtype":"RADIO","offsetX":40,"offsetY":-8,"width":10,"height":10,"value":"X","group":"Fre quency"}`,
		`esl:S:list:options("a, (x)","b"),value("b")`:                            `{"role":"S","type":"INPUT","subtype":"LIST","width":200,"height":30,"value":"b","options":["a, (x)","b"]}`,
		`esl:S:list:options("a, c,b")`:                                           `{"role":"S","type":"INPUT","subtype":"LIST","width":200,"height":30,"options":["a","c","b"]}`,
		`esl:S:signingdate`:                                                      `{"role":"S","type":"INPUT","subtype":"LABEL","binding":"{approval.signed}","width":200,"height":30}`,
		`esl:S`:                                                                  "form",
		`esl::signature`:                                                         "form",
		`esl_ä:S:signature`:                                                      "form",
		`esl:S:sig`:                                                              "no type",
		`esl:S:signature:color(red)`:                                             "no parameter",
		`esl:S:signature:size(1`:                                                 "not closed",
		`esl:S:signature:size(1)`:                                                "two numbers",
		`esl:S:signature:size(0,5)`:                                              "two numbers",
		`esl:S:signature:size(NaN,5)`:                                            "two numbers",
		`esl:S:signature:size`:                                                   "cannot be read",
		`esl:S:textfield:maxlen(0)`:                                              "maxlen",
		`esl:S:radio`:                                                            "group",
		`esl:S:list`:                                                             "options",
		`esl:S:list:options("a"),value("b")`:                                     "none of its options",
	} {
		tag, why := parseTag(inner)
		got, _ := json.Marshal(tag)
		if why == "" && string(got) != want || why != "" && (want[0] == '{' || !strings.Contains(why, want)) {
			t.Errorf("%s: got %s %q, want %s", inner, got, why, want)
		}
	}
}

// form is a document with every kind of field.
func form(page string) maker {
	m := document(page + "/Annots[6 0 R 7 0 R 8 0 R 9 0 R 12 0 R 13 0 R 14 0 R<</Subtype/Widget/FT/Tx/T([Buyer.Initials1])/Rect[10 10 60 30]>>15 0 R 16 0 R]").
		catalog("/AcroForm<</Fields[10 0 R 11 0 R 12 0 R 13 0 R 14 0 R 15 0 R 16 0 R]/DA(/H 9 Tf)>>")
	m.with("<</Subtype/Widget/Parent 10 0 R/T(Fullname1])/FT/Sig/Rect[50 300 200 322]>>")
	m.with("<</Subtype/Widget/Parent 17 0 R/T(Textfield1])/FT/Tx/Ff 3/V(1<2)/MaxLen 12/DA(/H 9.5 Tf 0 g)/TU(Your name)/Rect[50 260 200 282]>>")
	m.with("<</Subtype/Widget/Parent 11 0 R/AS/One/AP<</N<</One 4 0 R>>>>/Rect[50 240 60 250]>>")
	m.with("<</Subtype/Widget/Parent 11 0 R/AS/Off/AP<</N<</Two 4 0 R>>>>/Rect[70 240 80 250]>>")
	m.with("<</T([Buyer)/Kids[6 0 R 17 0 R]>>")
	m.with("<</T([Buyer.Capture1.Radio1])/FT/Btn/Ff 49152/V/One/Kids[8 0 R 9 0 R]>>")
	m.with("<</Subtype/Widget/FT/Ch/T([Buyer.Capture1.List1])/Ff 131072/Opt[(red)[(g)(green)]]/V(g)/Rect[50 200 200 220]>>")
	m.with("<</Subtype/Widget/FT/Btn/T([Buyer.Capture1.Checkbox1.Optional])/Ff 2/V/Yes/AS/Yes/AP<</N<</Yes 4 0 R>>>>/Rect[50 180 60 190]>>")
	m.with("<</Subtype/Widget/FT/Tx/T(Ordinary)/V(kept)/AP<</N 18 0 R>>/Rect[50 150 200 170]>>")
	m.with("<</Subtype/Widget/FT/Tx/T([Buyer.Capture1])/Rect[210 300 290 322]>>")
	m.with("<</Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(https://example.com)>>>>")
	m.with("<</T(Capture1)/Parent 10 0 R/Kids[7 0 R]>>")
	m.with(flate("/Type/XObject/Subtype/Form/BBox[0 0 150 20]/Resources<</Font<</H 3 0 R>>>>", "BT /H 10 Tf 2 5 Td (kept) Tj ET"))
	return m
}

func TestFormFields(t *testing.T) {
	doc, _ := accepted(t, form("").table())
	x := extracted(t, doc, Wanted{Fields: true, Roles: []string{"buyer"}})
	var got []string
	for _, f := range x.Fields {
		got = append(got, fmt.Sprintf("%s %s %q %d %v%v %v %q %s @%g,%g:%gx%g", f.Signature, f.Subtype, f.Value, f.MaxLength, f.Required, f.ReadOnly, f.FontSize,
			f.Options, f.Input, f.Place.Left, f.Place.Top, f.Place.Width, f.Place.Height))
	}
	want := []string{
		`fullname1 FULLNAME "" 0 falsefalse 0 []  @50,78:150x22`,
		`capture1 TEXTFIELD "1<2" 12 truetrue 9.5 [] textfield1 @50,118:150x22`,
		`capture1 RADIO "X" 0 falsefalse 0 [] radio1 @50,150:10x10`,
		`capture1 RADIO "" 0 falsefalse 0 [] radio1 @70,150:10x10`,
		`capture1 LIST "green" 0 falsefalse 0 ["red" "green"] list1 @50,180:150x20`,
		`capture1 CHECKBOX "X" 0 falsefalse 0 [] checkbox1 @50,210:10x10`,
		`initials1 INITIALS "" 0 falsefalse 0 []  @10,370:50x20`,
		`capture1 CAPTURE "" 0 falsefalse 0 []  @210,78:80x22`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(x.Notes) != 1 || !strings.Contains(x.Notes[0], `1 form fields stay as they are`) || !strings.Contains(x.Notes[0], `"Ordinary"`) {
		t.Errorf("notes %q", x.Notes)
	}
	if x.File == nil || bytes.Contains(x.File, []byte("Buyer")) || bytes.Contains(x.File, []byte("Fullname1")) || !bytes.Contains(x.File, []byte("Ordinary")) {
		t.Error("the widgets are not what is left in the file")
	}
	if out := output(t, x.File, "qpdf", "--check", "{}"); strings.Contains(out, "WARNING") {
		t.Error(out)
	}
	again, info := accepted(t, x.File)
	if info.Repaired != nil || !strings.Contains(string(again), "example.com") {
		t.Errorf("the file needs another repair: %q", info.Notes)
	}
	if y := extracted(t, x.File, Wanted{Fields: true, Roles: []string{"buyer"}}); len(y.Fields) > 0 || y.File != nil {
		t.Errorf("fields are left: %+v", y.Fields)
	}
}

// Fields lie where their rectangles are displayed.
func TestFormFieldPlaces(t *testing.T) {
	for page, want := range map[string][4]float64{
		"": {50, 78, 150, 22}, "/Rotate 90": {300, 50, 22, 150}, "/Rotate 180": {100, 300, 150, 22}, "/Rotate 270": {78, 100, 22, 150},
		"/CropBox[40 50 250 330]":               {10, 8, 150, 22},
		"/CropBox[40 50 250 330]/Rotate 90":     {250, 10, 22, 150},
		"/CropBox[40 50 250 330]/UserUnit 2":    {20, 16, 300, 44},
		"/CropBox[40 50 250 330]/Rotate 270":    {8, 50, 22, 150},
		"/MediaBox[-10 -20 300 400]/Rotate 180": {100, 320, 150, 22},
	} {
		doc, info := accepted(t, form(page).table())
		x := extracted(t, doc, Wanted{Names: []string{"[Buyer.Fullname1]"}})
		if len(x.Fields) != 1 {
			t.Fatalf("%s: %+v", page, x)
		}
		p := x.Fields[0].Place
		if p.Left != want[0] || p.Top != want[1] || p.Width != want[2] || p.Height != want[3] {
			t.Errorf("%s on %v: %+v, want %v", page, info.Pages, p, want)
		}
	}
}

// Tags are read whatever text objects, fonts and spacing they are written with.
func TestTagsInText(t *testing.T) {
	m := document("", "/Rotate 90")
	m.objects[3] = body("BT /H 10 Tf 40 300 Td (Sign: {{esl:Buy) Tj (er:signature}}) Tj ET " +
		"BT /H 10 Tf 40 250 Td [({)-100({esl_)20(a)-400(:Buyer:tex)-30(tfield:si)10(ze\\(50,20\\)})30(})] TJ ET " +
		"BT /H 10 Tf 40 200 Td ({{*esl:) Tj ET BT /H 12 Tf 66.1 200 Td (Buyer:checkbox}}) Tj ET " +
		"BT /H 6 Tf 40 150 Td ({{other}} { {x} }) Tj 0 -20 Td ({{esl:Buyer:) Tj 0 -20 Td (capture}}) Tj ET " +
		"BT /H 10 Tf 0 1 -1 0 280 100 Tm ({{esl_up:Buyer:initials}}) Tj ET")
	doc, _ := accepted(t, m.packed(false))
	x := extracted(t, doc, Wanted{Tags: true})
	var got []string
	for _, tag := range x.Tags {
		got = append(got, fmt.Sprintf("%d %s%s %.0f,%.0f", tag.Place.Page, tag.Subtype, tag.Name, tag.Place.Left, tag.Place.Top))
	}
	if len(x.Tags) != 8 || len(x.Broken) != 2 || !strings.Contains(x.Broken[0].Why, "line") || x.Broken[1].Page != 1 {
		t.Errorf("tags %q, broken %+v", got, x.Broken)
	}
	if math.Abs(x.Tags[0].Place.Left-66) > 1 || math.Abs(x.Tags[1].Place.Left-40) > 1 {
		t.Errorf("places %q", got)
	}
}

func TestQRCode(t *testing.T) {
	doc := document("").table()
	text := "https://example.com/verify/ümlaut?id=12345"
	p := composed(t, Job{Doc: doc, Container: container(), Overlays: []Overlay{{Items: []Item{QR{X: 100, Y: 50, Size: 120, Text: text}}}}})
	if out := output(t, p.File, "qpdf", "--check", "{}"); strings.Contains(out, "WARNING") {
		t.Error(out)
	}
	img := pixels(t, p.File)
	black := 0
	for _, v := range img {
		if v < 40 {
			black++
		}
	}
	if black < 1500 { // half of 81 by 81 pixels at 60 dpi, roughly
		t.Errorf("%d dark pixels", black)
	}
	for _, bad := range []QR{{Size: 10}, {Text: "x"}, {Size: 10, Text: strings.Repeat("x", 3000)}} {
		if _, err := jail.draw(Job{Doc: doc, Overlays: []Overlay{{Items: []Item{bad}}}}); err == nil {
			t.Errorf("drawn: %v points, %d bytes", bad.Size, len(bad.Text))
		}
	}
	if least, err := (QR{Text: text}).Least(); err != nil || least < 20 || least > 60 {
		t.Errorf("least %v, %v", least, err)
	}
}

func FuzzTag(f *testing.F) {
	for _, s := range []string{`esl:a:list:options("a","b")`, `*esl_x:b:radio:group("g"),value("X"),size(1,2)`, "esl:S:signature:size(1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, inner string) {
		tag, why := parseTag(inner)
		if why == "" && (tag.Width <= 0 || tag.Height <= 0 || tag.Subtype == "" || tag.Role == "") {
			t.Errorf("%+v", tag)
		}
		_, _ = parseFieldName(inner, []string{"a", "b"})
	})
}

// dissect reads form, layers and active content of a file in this process, as a child
// does; what is written must be free of active content.
func dissect(t testing.TB, doc []byte) (understood bool) {
	limits := Limits{Stream: 1 << 20, Pages: 100, Objects: 10_000}.withDefaults()
	f, _, removed, err := peruse(doc, limits)
	if err != nil {
		return false
	}
	if len(removed) > 0 {
		if f, _, err = f.cleaned(limits); err != nil {
			var r *Refusal
			if errors.As(err, &r) && r.Reason == ActiveContent {
				t.Errorf("%v in\n%q", err, doc)
			}
			return false
		}
	}
	leaves, err := f.pages()
	if err != nil {
		return false
	}
	_ = f.layerNotes()
	_ = f.formNotes(leaves)
	var x Extraction
	if err := f.fields(leaves, &Wanted{Fields: true, Roles: []string{"Buyer"}}, &x); err != nil || x.File == nil {
		return false
	}
	if _, _, left, err := peruse(x.File, limits); err != nil || len(left) > 0 {
		t.Errorf("%v, %q in\n%q", err, left, doc)
	}
	return true
}

// dissectable are files with forms, layers and active content.
func dissectable() [][]byte {
	m := form("/AA<</O" + script + ">>").catalog("/OpenAction" + script + "/Names<</JavaScript<</Names[(a)" + script +
		"]>>>>/OCProperties<</OCGs[6 0 R]/D<</OFF[6 0 R]>>>>")
	return [][]byte{form("").table(), form("").packed(false), m.table(), m.packed(false)}
}

func TestP1MutatedFormsDoNotHarm(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	all := dissectable()
	understood := 0
	for i := range 5_000 {
		if dissect(t, mutate(r, all[i%len(all)])) {
			understood++
		}
	}
	if understood < 100 || understood == 5_000 {
		t.Errorf("%d of 5,000 understood: the mutations are no test", understood)
	}
}

func FuzzForm(f *testing.F) {
	for _, doc := range dissectable() {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) { dissect(t, doc) })
}
