package pdf

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unitOfFields is what surfaces place fields in: 1/93.6 inch, in points.
const unitOfFields = 72 / 93.6

func extracted(t testing.TB, doc []byte, w Wanted) Extraction {
	t.Helper()
	x, err := jail.Extract(context.Background(), doc, w)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var popplerWord = regexp.MustCompile(`<word xMin="([-0-9.]+)" yMin="([-0-9.]+)" xMax="([-0-9.]+)" yMax="([-0-9.]+)">([^<]+)</word>`)

// popplerWords are the places of the words of all pages as poppler sees them, by page and word.
func popplerWords(t testing.TB, doc []byte) (list []Place, text []string) {
	t.Helper()
	for page, body := range strings.Split(output(t, doc, "pdftotext", "-bbox", "-cropbox", "{}", "-"), "<page ")[1:] {
		for _, m := range popplerWord.FindAllStringSubmatch(body, -1) {
			var v [4]float64
			for i := range v {
				v[i], _ = strconv.ParseFloat(m[i+1], 64)
			}
			list = append(list, Place{true, page, v[0], v[1], v[2] - v[0], v[3] - v[1]})
			text = append(text, m[5])
		}
	}
	return list, text
}

// Anchors and words lie where poppler finds the text, whatever the rotation, the boxes
// and the text matrix.
func TestAnchorsLieWhereTheTextIs(t *testing.T) {
	content := body("BT /H 18 Tf 60 200 Td (Hello) Tj ET BT /H 1 Tf 9 0 0 9 70 150 Tm (scaled) Tj ET " +
		"BT /H 10 Tf 0 1 -1 0 150 90 Tm (upward) Tj ET BT /H 10 Tf -1 0 0 -1 220 260 Tm (reversed) Tj ET " +
		"q .5 0 0 .5 20 30 cm BT /H 24 Tf 150 150 Td [(Ker)-20(ned)] TJ ET Q")
	for _, page := range []string{"", "/Rotate 90", "/Rotate 180", "/Rotate 270", "/CropBox[50 50 250 300]",
		"/CropBox[50 50 250 300]/Rotate 90", "/CropBox[50 50 250 300]/Rotate 180", "/CropBox[50 50 250 300]/Rotate -90",
		"/MediaBox[-100 -50 300 400]", "/MediaBox[300 400 0 0]/Rotate 450"} {
		m := document(page)
		m.objects[3] = content
		doc, _ := accepted(t, m.table())
		places, words := popplerWords(t, doc)
		if len(words) != 5 {
			t.Fatalf("%s: poppler sees %q", page, words)
		}
		var w Wanted
		for _, word := range words {
			w.Anchors = append(w.Anchors, AnchorQuery{Text: word}, AnchorQuery{Text: word, Character: len(word) - 1})
		}
		x := extracted(t, doc, w)
		for i, want := range places {
			first, last := x.Anchors[2*i], x.Anchors[2*i+1]
			if !first.Found || !last.Found {
				t.Errorf("%s: %s is not found", page, words[i])
				continue
			}
			near(t, page+": "+words[i], joined(first, last), want)
		}
	}
}

func joined(a, b Place) Place {
	p := Place{Found: true, Page: a.Page, Left: min(a.Left, b.Left), Top: min(a.Top, b.Top)}
	p.Width = max(a.Left+a.Width, b.Left+b.Width) - p.Left
	p.Height = max(a.Top+a.Height, b.Top+b.Height) - p.Top
	return p
}

// A page with a unit of its own is shown larger, and so are the places on it (mutool
// knows the unit, PDFium and poppler do not).
func TestUserUnit(t *testing.T) {
	doc, info := accepted(t, document("/UserUnit 2", "/Rotate 90/UserUnit 1.5").table())
	if fmt.Sprint(info.Pages) != "[{600 800} {600 450}]" {
		t.Errorf("pages %v", info.Pages)
	}
	x := extracted(t, doc, Wanted{Anchors: []AnchorQuery{{Text: "Hello"}, {Text: "Hello", Occurrence: 1}}})
	if p := x.Anchors[0]; math.Abs(p.Left-80) > unitOfFields || math.Abs(p.Width-25.99) > 0.1 {
		t.Errorf("place %+v", p)
	}
	if p := x.Anchors[1]; p.Page != 1 || math.Abs(p.Top-60) > unitOfFields {
		t.Errorf("place %+v", p)
	}
	trace := output(t, doc, "mutool", "draw", "-q", "-F", "stext", "{}")
	if !strings.Contains(trace, `<page id="page1" width="600" height="800">`) || !strings.Contains(trace, ` x="80" y="400"`) {
		t.Error(trace)
	}
	words, err := jail.Text(context.Background(), doc, 0)
	if err != nil || math.Abs(words[0].Left-82.8) > 1 {
		t.Errorf("%+v, %v", words, err)
	}
	stamped := composed(t, Job{Doc: doc, Container: container(), Overlays: []Overlay{{Page: 0, Items: []Item{Text{X: 100, Y: 100, Size: 20, String: "stamp"}}}}}).File
	if trace := output(t, stamped, "mutool", "draw", "-q", "-F", "stext", "{}", "1"); !strings.Contains(trace, `x="100" y="100"`) {
		t.Errorf("the stamp is elsewhere: %s", trace)
	}
}

func TestAnchorsOverAllPages(t *testing.T) {
	m := document("", "")
	m.objects[3] = body("BT /H 10 Tf 150 100 Td (sign here) Tj ET BT /H 10 Tf 40 300 Td (sign  her) Tj (e) Tj ET " +
		"BT /H 10 Tf 40 100 Td [(s)-300(ig)300(n he)-100(re)] TJ ET")
	doc, _ := accepted(t, m.table())
	var w Wanted
	for i := range 7 {
		w.Anchors = append(w.Anchors, AnchorQuery{Text: "sign here", Occurrence: i})
	}
	w.Anchors = append(w.Anchors, AnchorQuery{Text: "nowhere"}, AnchorQuery{Text: "sign", Character: 4}, AnchorQuery{Text: " "})
	x := extracted(t, doc, w)
	var got []string
	for _, p := range x.Anchors {
		got = append(got, fmt.Sprintf("%v %d %.0f", p.Found, p.Page, p.Left))
	}
	t.Log(got)
	for i, want := range []string{"true 0 40"} {
		if got[i] != want {
			t.Errorf("%d: %s, want %s", i, got[i], want)
		}
	}
	for _, p := range x.Anchors[6:] {
		if p.Found {
			t.Errorf("found %+v", p)
		}
	}
}
