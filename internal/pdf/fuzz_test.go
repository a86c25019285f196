package pdf

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"countersign.dev/internal/db/dbtest"
)

// seeds are well-formed files of every kind our reader knows.
func seeds() [][]byte {
	m := document("", "/Rotate 90", "/CropBox[50 50 250 300]").catalog("/AcroForm<</Fields[]>>")
	m.with(flate("/Type/XObject", "q Q"))
	return [][]byte{m.table(), m.packed(false), m.packed(true), appended(m.table(), map[int]string{4: body("(x) Tj")})}
}

// read does in this process what a child does with our own reader: it must neither
// panic nor run on. (PDFium is tried in children only.)
func read(doc []byte) error {
	limits := Limits{Stream: 1 << 20, Pages: 100, Objects: 10_000}.withDefaults()
	f, err := open(doc, limits)
	if err != nil {
		return err
	}
	if _, err := f.scan(); err != nil {
		return err
	}
	if _, err := f.clean(); err != nil {
		return err
	}
	leaves, err := f.pages()
	if err != nil {
		return err
	}
	for g := f.glance(); len(leaves) > 0; leaves = leaves[1:] {
		g.suspicious(leaves[0])
		f.fonts(leaves[0])
	}
	_, err = signatures(doc, limits)
	return err
}

func mutate(r *rand.Rand, doc []byte) []byte {
	doc = bytes.Clone(doc)
	for range 1 + r.IntN(6) {
		at := r.IntN(len(doc))
		switch r.IntN(5) {
		case 0:
			doc[at] ^= 1 << r.IntN(8)
		case 1:
			doc = append(doc[:at:at], doc[min(len(doc), at+r.IntN(20)):]...)
		case 2:
			from := r.IntN(len(doc))
			doc = append(doc[:at:at], append(bytes.Clone(doc[from:min(len(doc), from+r.IntN(60))]), doc[at:]...)...)
		case 3:
			doc[at] = "0123456789<>[]()/ R\n%"[r.IntN(21)]
		case 4:
			copy(doc[at:], "99999999")
		}
		if len(doc) == 0 {
			return []byte("%PDF-")
		}
	}
	return doc
}

func TestP1MutatedFilesDoNotHarmTheReader(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	readable := 0
	all := seeds()
	for i := range 20_000 {
		if read(mutate(r, all[i%len(all)])) == nil {
			readable++
		}
	}
	if readable == 0 || readable == 20_000 {
		t.Errorf("%d of 20,000 readable: the mutations are no test", readable)
	}
}

// Whole children with mutated files: what is accepted must compose, what is not must be
// a refusal.
func TestP1MutatedFilesInChildren(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	all := seeds()
	accepted := 0
	rounds := dbtest.Rounds(30, 1000)
	for i := range rounds {
		doc := mutate(r, all[i%len(all)])
		info, err := jail.Inspect(context.Background(), doc)
		var refusal *Refusal
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Fatalf("%d: %v", i, err)
			}
			continue
		}
		accepted++
		if info.Repaired != nil {
			doc = info.Repaired
		}
		p, err := jail.Compose(context.Background(), Job{Doc: doc, Container: container(),
			Overlays: []Overlay{{Items: []Item{Rect{Width: 9, Height: 9, Fill: &red}}}}})
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("%d: %v", i, err)
		}
		if err == nil && !bytes.HasPrefix(p.File, doc) {
			t.Fatalf("%d: not a prefix", i)
		}
	}
	if accepted == 0 || accepted == rounds {
		t.Errorf("%d of %d accepted: the mutations are no test", accepted, rounds)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		_ = read(doc)
	})
}

func FuzzContent(f *testing.F) {
	for _, s := range []string{"q (a) Tj Q", "BI ID EI", "[(", "<<<", "BT /X BDC"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		n := nesting(content)
		if n.states < 0 || n.under < 0 || n.marks < 0 {
			t.Errorf("%+v", n)
		}
	})
}
