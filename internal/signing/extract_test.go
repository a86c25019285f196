package signing_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// formPaper is a PDF of one Letter page with lines of text and with form fields, by
// their names: each a text field of 150 by 22 points.
func formPaper(lines []string, fields ...string) []byte {
	var content strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&content, "BT /H 8 Tf 72 %d Td (%s) Tj ET\n", 700-30*i, strings.NewReplacer("(", "\\(", ")", "\\)").Replace(l))
	}
	objects := []string{"", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", content.Len(), content.String())}
	var refs []string
	for i, name := range fields {
		objects = append(objects, fmt.Sprintf("<</Type/Annot/Subtype/Widget/FT/Tx/T(%s)/P 3 0 R/Rect[300 %d 450 %d]>>", name, 600-40*i, 622-40*i))
		refs = append(refs, fmt.Sprintf("%d 0 R", len(objects)))
	}
	list := strings.Join(refs, " ")
	objects[0] = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[" + list + "]>>>>"
	objects[2] = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Resources<</Font<</H 4 0 R>>>>/Annots[" + list + "]>>"
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

// reference is a document with three signatures as form fields and four as text tags.
func reference() []byte {
	return formPaper([]string{"{{esl:Buyer:signature}}", "{{esl_place:Buyer:textfield:size(100,20)}}", "{{?esl_b:buyer:initials:offset(10,20)}}",
		"{{esl:seller1:capture}}", "{{*esl:Seller1:checkbox}}", "{{esl : Seller1 : signature}}", "text {{of ours}}"},
		"[role1.Fullname1]", "[Buyer.Capture1]", "[buyer.capture1.Textfield1]", "[Buyer.Capture1.label1.{signer.name}]", "seller1.Initials2.Optional",
		"[Nobody.Fullname1]", "Address")
}

func (w *world) draftWith(d signing.NewDocument) (signing.Document, error) {
	w.t.Helper()
	d.Name = "Agreement"
	pkg, err := w.signing.Create(w.t.Context(), w.client, signing.NewPackage{Name: "Sale", Roles: []signing.NewRole{
		{OuterID: "role1", Name: "Buyer", Signer: signing.NewSigner{OuterID: "buyer-id", Email: "b@example.com", FirstName: "Bo", LastName: "Buyer"}},
		{OuterID: "role2", Name: "Second", Signer: signing.NewSigner{OuterID: "Seller1", Email: "s@example.com", FirstName: "Su", LastName: "Seller"}},
	}, Documents: []signing.NewDocument{d}})
	if err != nil {
		return signing.Document{}, err
	}
	whole, err := w.signing.Get(w.t.Context(), w.client, pkg)
	check(w.t, err)
	return whole.Documents[0], nil
}

func TestExtractionIsAUnion(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "")
		for _, c := range []struct {
			kinds []string
			want  int
		}{{nil, 3}, {[]string{signing.TextTags}, 4}, {[]string{signing.AcroFields, signing.TextTags}, 7}} {
			doc, err := w.draftWith(signing.NewDocument{PDF: reference(), Extract: true, Extraction: c.kinds})
			check(t, err)
			signatures := 0
			for _, a := range doc.Approvals {
				if !a.FromFile {
					t.Errorf("%v: %+v is not from the file", c.kinds, a)
				}
				for i, f := range a.Fields {
					if f.Type == "SIGNATURE" {
						signatures++
						if i > 0 {
							t.Errorf("a signature stands behind other fields: %+v", a.Fields)
						}
					}
				}
			}
			if signatures != c.want || len(doc.Approvals) != c.want {
				t.Errorf("%v: %d signatures in %d approvals, want %d", c.kinds, signatures, len(doc.Approvals), c.want)
			}
		}
	})
}

func TestExtractedFormFields(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "")
		doc, err := w.draftWith(signing.NewDocument{PDF: reference(), Extract: true})
		check(t, err)
		var got []string
		for _, a := range doc.Approvals {
			line := fmt.Sprint(a.Role, " ", a.Optional)
			for _, f := range a.Fields {
				line += fmt.Sprintf(" %s%s@%.0f,%.0f:%.0fx%.0f", f.Subtype, f.Binding, f.Left, f.Top, f.Width, f.Height)
			}
			got = append(got, line)
		}
		want := "role1 false FULLNAME@300,170:150x22|role1 false CAPTURE@300,210:150x22 TEXTFIELD@300,250:150x22 LABEL{signer.name}@300,290:150x22|" +
			"role2 true INITIALS@300,330:150x22"
		if strings.Join(got, "|") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
		}
		if notes := strings.Join(doc.Notes, " "); !strings.Contains(notes, `2 form fields stay as they are`) || !strings.Contains(notes, `"[Nobody.Fullname1]", "Address"`) {
			t.Errorf("notes %q", doc.Notes)
		}
	})
}

func TestExtractedTags(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "")
		doc, err := w.draftWith(signing.NewDocument{PDF: reference(), Extract: true, Extraction: []string{"TEXT_TAGS"}})
		check(t, err)
		var got []string
		for _, a := range doc.Approvals {
			line := fmt.Sprint(a.Role, " ", a.Optional)
			for _, f := range a.Fields {
				line += fmt.Sprintf(" %s %s %.1fx%.1f;", f.Subtype, f.Name, f.Width*1.3, f.Height*1.3)
			}
			got = append(got, line)
		}
		want := "role1 false FULLNAME  200.0x50.0;|role1 true INITIALS b 100.0x50.0; TEXTFIELD place 100.0x20.0;|" +
			"role2 false CAPTURE  200.0x50.0;|role2 false FULLNAME  200.0x50.0; CHECKBOX  20.0x20.0;"
		if strings.Join(got, "|") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
		}
		first, third := doc.Approvals[0].Fields[0], doc.Approvals[1].Fields[0]
		if math.Abs(first.Left-72) > 0.8 || math.Abs(third.Left-(72+10/1.3)) > 0.8 || math.Abs(third.Top-first.Top-60-20/1.3) > 0.8 {
			t.Errorf("places %+v, %+v", first, third)
		}
		if v := string(doc.Approvals[3].Fields[1].Validation); !strings.Contains(v, `"required":true`) && !strings.Contains(v, `"required": true`) {
			t.Errorf("validation %s", v)
		}
	})
}

// The text of tags that became fields is not seen on the page that is shown; other text,
// and tags of roles the package does not have, are.
func TestExtractedTagsAreErased(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "")
		for _, c := range []struct {
			kinds []string
			lines []string
			same  bool // as a page without tags of known roles
		}{
			{[]string{"TEXT_TAGS"}, []string{"", "{{esl:Nobody:signature}}", "plain"}, true},
			{[]string{"ACROFIELDS"}, []string{"", "{{esl:Nobody:signature}}", "plain"}, false},
		} {
			var images [2][]byte
			for i, first := range []string{"{{esl:Buyer:signature}}", ""} {
				c.lines[0] = first
				pkg, err := w.signing.Create(t.Context(), w.client, signing.NewPackage{Name: "Sale",
					Roles:     []signing.NewRole{{OuterID: "role1", Name: "Buyer", Signer: signing.NewSigner{Email: "b@example.com", FirstName: "Bo", LastName: "Buyer"}}},
					Documents: []signing.NewDocument{{OuterID: "doc", Name: "Agreement", PDF: formPaper(c.lines), Extract: true, Extraction: c.kinds}}})
				check(t, err)
				images[i], err = w.signing.PagePNG(t.Context(), w.client, pkg, "doc", 0)
				check(t, err)
			}
			if bytes.Equal(images[0], images[1]) != c.same {
				t.Errorf("%v: the pages are equal: %v", c.kinds, !c.same)
			}
		}
	})
}

func TestExtractionRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "")
		sign := func(f signing.Field) []signing.Approval {
			f.Type, f.Subtype = "SIGNATURE", "FULLNAME"
			return []signing.Approval{{Role: "role1", Fields: []signing.Field{f}}}
		}
		anchor := func(a signing.Anchor) signing.NewDocument {
			return signing.NewDocument{PDF: formPaper([]string{"Sign here, please"}), Approvals: sign(signing.Field{Anchor: &a})}
		}
		for what, c := range map[string]struct {
			doc  signing.NewDocument
			text string
		}{
			"tag.broken":                {signing.NewDocument{PDF: formPaper([]string{"{{esl:Buyer:signatur}}"}), Extract: true, Extraction: []string{"TEXT_TAGS"}}, "{{esl:Buyer:signatur on page 1"},
			"extract.signature_missing": {signing.NewDocument{PDF: formPaper(nil, "[Buyer.Capture1.Textfield1]"), Extract: true}, `"Buyer.capture1"`},
			"document.extraction":       {signing.NewDocument{PDF: formPaper(nil), Extract: true, Extraction: []string{"OCR"}}, "OCR"},
			"anchor.not_found":          {anchor(signing.Anchor{Text: "Sign there", Width: 100, Height: 20}), `"Sign there"`},
			"anchor.character":          {anchor(signing.Anchor{Text: "Sign", Character: 4, Width: 100, Height: 20}), "4"},
			"anchor.point":              {anchor(signing.Anchor{Text: "Sign", Point: "MIDDLE", Width: 100, Height: 20}), "MIDDLE"},
			"field.outside":             {anchor(signing.Anchor{Text: "Sign", Left: 500, Width: 100, Height: 20}), "outside"},
			"field.not_found":           {signing.NewDocument{PDF: formPaper(nil), Approvals: sign(signing.Field{Name: "Spot", Extract: true})}, "Spot"},
		} {
			_, err := w.draftWith(c.doc)
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.What != what || !strings.Contains(e.Detail, c.text) {
				t.Errorf("%s: got %v", what, err)
			}
		}
	})
}

func TestAnchoredFields(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "")
		for point, want := range map[string][2]float64{"TOPLEFT": {0, 0}, "TOPRIGHT": {1, 0}, "BOTTOMLEFT": {0, 1}, "BOTTOMRIGHT": {1, 1}} {
			var places [2]signing.Field
			for i, p := range []string{"", point} {
				doc, err := w.draftWith(signing.NewDocument{PDF: formPaper([]string{"one", "Sign here", "Sign here"}), Approvals: []signing.Approval{{Role: "role1",
					Fields: []signing.Field{{Type: "SIGNATURE", Subtype: "FULLNAME", Anchor: &signing.Anchor{Text: "Sign here", Occurrence: 1, Character: 5,
						Point: p, Left: 3, Top: 4, Width: 100, Height: 20}}}}}})
				check(t, err)
				places[i] = doc.Approvals[0].Fields[0]
			}
			// The h of the second "Sign here" at 8 points: 4.448 wide, its baseline at 792-640.
			if math.Abs(places[0].Left-3-72-8*(.667+.222+.556+.556+.278)) > 0.8 || places[0].Top-4 > 152 || places[0].Top-4 < 142 {
				t.Errorf("place %+v", places[0])
			}
			dx, dy := places[1].Left-places[0].Left, places[1].Top-places[0].Top
			if math.Abs(dx-4.448*want[0]) > 0.1 || dy > 10*want[1] || dy < 7*want[1] || places[1].Width != 100 {
				t.Errorf("%s: %g, %g away", point, dx, dy)
			}
		}
	})
}

func TestPositionOfAFormField(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, "")
		doc, err := w.draftWith(signing.NewDocument{PDF: formPaper(nil, "Spot", "Other"), Approvals: []signing.Approval{{Role: "role1",
			Fields: []signing.Field{{Name: "Spot", Type: "SIGNATURE", Subtype: "FULLNAME", Extract: true}}}}})
		check(t, err)
		if f := doc.Approvals[0].Fields[0]; len(doc.Approvals) != 1 || f.Left != 300 || f.Top != 170 || f.Width != 150 || f.Height != 22 {
			t.Errorf("%+v", doc.Approvals)
		}
	})
}
