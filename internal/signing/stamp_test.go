package signing_test

import (
	"math"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// Whatever was accepted before can be sealed after: there is nobody left to correct it.
func TestWhatIsAcceptedIsSealed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary " + strings.Repeat("Wilhelmina ", 15) + "Doe")
		in := w.pack(true, groupRole("r", w.group(strings.Repeat("Pharmacists ", 16), users...)))
		a := &in.Documents[0].Approvals[0]
		long := strings.Repeat("W", 4000)
		field := func(kind, subtype string, width, height, font float64) {
			f := signing.Field{Type: kind, Subtype: subtype, Left: 100, Top: 100, Width: width, Height: height, FontSize: font}
			if kind == "INPUT" {
				f.Value = &long
			}
			a.Fields = append(a.Fields, f)
		}
		for _, width := range []float64{4, 5, 10, 60, 500} {
			for _, font := range []float64{-1, 0, 0.001, 12, 1e9} {
				field("INPUT", "TEXTFIELD", width, 12, font)
				field("INPUT", "TEXTAREA", width, 4, font)
			}
			for range 5 {
				field("SIGNATURE", "CAPTURE", width, 4, 0)
				field("SIGNATURE", "INITIALS", width, 30, 0)
			}
		}
		id, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		mary := w.enter(users[0].Email)
		l := w.take(mary)
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		drawn := signing.Mark{Kind: "drawn", Aspect: 3, Strokes: [][]signing.Point{nil, {{X: 0.5, Y: 0.5}}}}
		for i := range 9_999 {
			drawn.Strokes[0] = append(drawn.Strokes[0], signing.Point{X: float64(i) / 10_000, Y: 0.5 + 0.5*math.Sin(float64(i))})
		}
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch, Mark: drawn, Initials: drawn}))
		w.settle()
		if st := w.status(id); st != signing.Completed {
			t.Errorf("it is %s: %s", st, w.jobError())
		}
	})
}

// jobError is why the last job failed.
func (w *world) jobError() string {
	return strings.Join(w.column(`select last_error from jobs where last_error <> ''`), "; ")
}

// What cannot be stamped is refused when the package is sent, not after the last signature.
func TestWhatCannotBeStampedIsRefused(t *testing.T) {
	runes := "ᚠᚢᚦ"
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		role := personRole("r", "Mary", "Doe", "mary@example.com", 0)
		label := signing.Field{Type: "INPUT", Subtype: "LABEL", Left: 100, Top: 100, Width: 50, Height: 20}
		in := w.pack(true, role)
		label.Value = &runes
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, label)
		_, err := w.signing.Create(t.Context(), w.client, in)
		wants(t, err, "name.glyphs")
		role.Signer.Company = runes
		in = w.pack(true, role)
		label.Value, label.Binding = nil, "{signer.company}"
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, label)
		_, err = w.signing.Create(t.Context(), w.client, in)
		wants(t, err, "name.glyphs")
	})
}

// A group is stamped by the name it has when the package is sent, which was looked at then.
func TestGroupRenamed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe")
		g := w.group("ᚠᚢᚦ", users...)
		id, err := w.signing.Create(t.Context(), w.client, w.pack(false, groupRole("r", g)))
		check(t, err)
		name := "Pharmacists"
		_, err = w.dir.UpdateGroup(t.Context(), w.client, g.OuterID, directory.GroupChange{Name: &name})
		check(t, err)
		check(t, w.signing.Update(t.Context(), w.client, id, signing.Change{Status: signing.Sent}))
		mary := w.enter(users[0].Email)
		later := "ᚠᚢᚦ"
		_, err = w.dir.UpdateGroup(t.Context(), w.client, g.OuterID, directory.GroupChange{Name: &later})
		check(t, err)
		w.sign(mary)
		w.settle()
		if st := w.status(id); st != signing.Completed {
			t.Errorf("it is %s: %s", st, w.jobError())
		}
		if got := w.column(`select group_name from signatures`); got[0] != name {
			t.Errorf("on behalf of %q", got)
		}
	})
}

// Names that are cut are not cut inside a character, which PostgreSQL would refuse; positions with
// gaps are not documents.
func TestCutNamesAndPositions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		in := w.pack(false, personRole("r", "Mary", "Doe", "mary@example.com", 0))
		far := 1000
		in.Documents[0].Index = &far
		in.Documents[0].Approvals[0].Name = "a" + strings.Repeat("é", 200)
		id, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		_, err = w.signing.AddDocuments(t.Context(), w.client, id, []signing.NewDocument{{Name: "Second", PDF: w.paper}})
		check(t, err)
	})
}

// Every kind of field comes onto the page, also where a text area is far too small for its text.
func TestEveryFieldIsStamped(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		long := strings.Repeat("A long sentence about nothing at all. ", 100)
		w, pkg, mary, l, doc := form(t, d, input("text", "TEXTFIELD", `{}`), input("area", "TEXTAREA", `{}`), input("box", "CHECKBOX", `{}`),
			input("radio", "RADIO", `{"enum":["g"]}`), input("list", "LIST", `{"enum":["Crimson","Green"]}`), input("date", "DATEPICKER", `{}`),
			signing.Field{OuterID: "code", Subtype: "QRCODE", Value: text("https://example.com/1")}, signing.Field{OuterID: "none", Subtype: "QRCODE", Value: text("")})
		for field, value := range map[string]string{"text": "Typewritten", "area": "Firstline\nSecondline\n" + long, "box": "X", "radio": "X",
			"list": "Crimson", "date": "2031-12-24"} {
			check(t, w.signing.Fill(t.Context(), mary, l.Epoch, doc+"/approval0/"+field, value))
		}
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}))
		w.settle()
		_, file, err := w.signing.PDF(t.Context(), w.client, pkg, "doc")
		check(t, err)
		words, err := jail().Text(t.Context(), file, 0)
		check(t, err)
		seen := map[string]bool{}
		for _, word := range words {
			seen[word.Text] = true
			if strings.HasPrefix(word.Text, "nothing") && word.Top+word.Height > 20+22+20+1 {
				t.Fatalf("the text area spills over: %+v", word)
			}
		}
		for _, want := range []string{"Typewritten", "Firstline", "Secondline", "Crimson", "2031-12-24"} {
			if !seen[want] {
				t.Errorf("%q is not on the page", want)
			}
		}
	})
}
