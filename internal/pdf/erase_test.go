package pdf

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Tags that became fields are not seen any more, and nothing else on the page moves.
func TestTagsAreErased(t *testing.T) {
	page := func(tag, plain string) []byte {
		m := document("/Resources<</Font<</H 3 0 R>>/XObject<</X 7 0 R>>>>", "/Resources<</Font<</H 3 0 R>>/XObject<</X 7 0 R>>>>/Contents 8 0 R")
		m.objects[3] = body("BT /H 9 Tf 20 300 Td (Sign ) Tj (" + tag + ") Tj ( here) Tj 0 -20 Td [(and" + tag[:5] + ")-20(" + tag[5:] + "there)]TJ 2 Tr 0 -20 Td (" + tag +
			"outlined) Tj 0 -20 Td ({{of ours}}) Tj (" + plain + ") Tj ET")
		m.with(flate("/Type/XObject/Subtype/Form/BBox[0 0 300 400]/Resources<</Font<</H 3 0 R>>>>", "BT /H 9 Tf 20 100 Td ("+tag+") Tj ET"))
		m.with(body("BT /H 9 Tf 20 200 Td (other) Tj ET /X Do"))
		return m.table()
	}
	const tag, other = "{{esl:Buyer One:signature}}", "{{esl:Nobody:signature}}"
	doc, _ := accepted(t, page(tag, other))
	x := extracted(t, doc, Wanted{Tags: true, Erase: true, Roles: []string{"buyerone"}})
	if len(x.Tags) != 5 || x.File == nil {
		t.Fatalf("%+v", x)
	}
	if notes := strings.Join(x.Notes, " "); notes != "Page 2 keeps the text of its text tags: it is not written in a way in which it could be taken out." {
		t.Errorf("notes %q", notes)
	}
	again, info := accepted(t, x.File)
	if info.Repaired != nil || len(info.Notes) > 0 {
		t.Errorf("%q", info.Notes)
	}
	before, words := popplerWords(t, doc)
	after, same := popplerWords(t, again)
	if strings.Join(words, " ") != strings.Join(same, " ") {
		t.Errorf("%q became %q", words, same)
	}
	for i := range before {
		near(t, words[i], after[i], before[i])
	}
	inked, clean := pixels(t, doc), pixels(t, again)
	for _, tag := range x.Tags {
		if tag.Role != "Nobody" && tag.Place.Page == 0 && (inkIn(inked, tag.Place) == 0 || inkIn(clean, tag.Place) > 0) {
			t.Errorf("%d dark pixels in %+v, %d before", inkIn(clean, tag.Place), tag.Place, inkIn(inked, tag.Place))
		}
	}
	kept := extracted(t, doc, Wanted{Tags: true, Roles: []string{"buyerone"}})
	if kept.File != nil || len(kept.Notes) > 0 {
		t.Error("tags were erased unasked")
	}
	named := extracted(t, doc, Wanted{Tags: true, Names: []string{"spot"}})
	if named.File != nil {
		t.Error("a name erased other tags")
	}
}

// inkIn counts the dark pixels well inside a place, on a page image of 250 pixels' width.
func inkIn(grey []byte, p Place) (n int) {
	for y := int(p.Top/1.2) + 2; y < int((p.Top+p.Height)/1.2)-1; y++ {
		for x := int(p.Left/1.2) + 2; x < int((p.Left+p.Width)/1.2)-1; x++ {
			if grey[250*y+x] < 200 {
				n++
			}
		}
	}
	return n
}

func TestP1MutatedContentDoesNotHarm(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	content := []byte("q 1 Tr BT /H 9 Tf 20 300 Td (a {{esl:B:signature}} b) Tj Q [({{esl:B:)-20(capture}})]TJ (x) ' /I Do 0 0 1 rg /S gs 1 0 0 1 5 5 cm ET")
	w := &Wanted{Erase: true, Roles: []string{"B"}}
	erased, wary := 0, 0
	const rounds = 20_000
	for range rounds {
		changed := mutate(r, content)
		e := &eraser{wanted: w, content: changed}
		if body := e.run(); e.erased > 0 {
			erased++
			if again := (&eraser{wanted: w, content: body}); !again.read() || string(again.text) != string(e.text) {
				t.Fatalf("%q became %q", changed, body)
			}
		}
		g := (&file{limits: Limits{}.withDefaults()}).glance()
		g.box, g.unit = [4]float64{0, 0, 300, 400}, 1
		if g.page(changed, nil, pen{ctm: identity, inks: 1}, 0) {
			wary++
		}
	}
	if erased < 100 || erased == rounds || wary == 0 {
		t.Errorf("%d erased, %d suspicious of %d: the mutations are no test", erased, wary, rounds)
	}
}
