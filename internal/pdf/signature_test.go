package pdf

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// sealed is a sealed file with an overlay, and what was prepared for it.
func sealed(t *testing.T) ([]byte, Prepared) {
	t.Helper()
	p := composed(t, Job{Doc: document("").table(), Container: container(),
		Overlays: []Overlay{{Items: []Item{Text{X: 9, Y: 20, Size: 9, String: "signed"}}}}})
	file, err := p.Patch([]byte{0x30, 0x03, 0x02, 0x01, 0x07})
	if err != nil {
		t.Fatal(err)
	}
	return file, p
}

func structure(t *testing.T, doc []byte) Structure {
	t.Helper()
	s, err := jail.Signatures(context.Background(), doc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// appended adds an incremental update with these objects.
func appended(doc []byte, objects map[int]string) []byte {
	var b bytes.Buffer
	b.Write(doc)
	var table bytes.Buffer
	for num, o := range objects {
		fmt.Fprintf(&table, "%d 1\n%010d 00000 n \n", num, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", num, o)
	}
	prev := doc[bytes.LastIndex(doc, []byte("startxref\n"))+10:]
	prev = prev[:bytes.IndexByte(prev, '\n')]
	start := b.Len()
	fmt.Fprintf(&b, "xref\n%strailer\n<</Size 99/Root 1 0 R/Prev %s>>\nstartxref\n%d\n%%%%EOF\n", table.String(), prev, start)
	return b.Bytes()
}

func TestSignaturesOfAnIntactFile(t *testing.T) {
	file, p := sealed(t)
	s := structure(t, file)
	if len(s.Problems) != 0 || len(s.Signatures) != 1 || s.TrailingBytes != 0 || s.Revisions != 2 {
		t.Fatalf("%+v", s)
	}
	g := s.Signatures[0]
	if !bytes.Equal(g.CMS, []byte{0x30, 0x03, 0x02, 0x01, 0x07}) || g.ByteRange != p.ByteRange || g.Field != "Countersign Seal" {
		t.Errorf("%+v", g)
	}
	if s := structure(t, document("").table()); len(s.Signatures) != 0 || len(s.Problems) != 0 || s.Revisions != 1 {
		t.Errorf("unsigned: %+v", s)
	}
}

// The known attack classes on PDF signatures: each must leave a problem.
func TestSignatureAttacks(t *testing.T) {
	file, p := sealed(t)
	r := p.ByteRange
	blankRange := func(with string) []byte {
		return bytes.Replace(file, rangeText(p), fmt.Appendf(nil, "%-*s", len(rangeText(p)), with), 1)
	}
	for name, c := range map[string]struct {
		doc  []byte
		want string
	}{
		"S1 forgery: no byte range":      {blankRange(""), "no byte range"},
		"S1 forgery: null byte range":    {blankRange("/ByteRange null"), "no byte range"},
		"S1 forgery: negative":           {blankRange("/ByteRange [0 -1 9 9]"), "not four numbers"},
		"S1 forgery: outside":            {blankRange("/ByteRange [0 9 99999999 9]"), "does not lie"},
		"S1 forgery: starts later":       {blankRange(fmt.Sprintf("/ByteRange [9 %d %d %d]", r[1]-9, r[2], r[3])), "does not start at 0"},
		"S1 forgery: empty content":      {bytes.Replace(file, file[r[1]:r[2]], []byte("<"+strings.Repeat(" ", int(r[2]-r[1]-2))+">"), 1), "not exactly its content"},
		"S2 incremental saving":          {appended(file, map[int]string{4: body("BT /H 18 Tf 40 100 Td (Changed) Tj ET")}), "goes on for"},
		"S2 comment appended":            {append(bytes.Clone(file), "%x\n%%EOF\n"...), "goes on for"},
		"S2 white space appended":        {append(bytes.Clone(file), "\n"...), "goes on for 1 bytes"},
		"S3 wrapping: hole too wide":     {blankRange(fmt.Sprintf("/ByteRange [0 %d %d %d]", r[1]-20, r[2], r[3])), "not exactly its content"},
		"S3 wrapping: shorter tail":      {blankRange(fmt.Sprintf("/ByteRange [0 %d %d %d]", r[1], r[2]+9, r[3]-9)), "not exactly its content"},
		"S4 shadow: replaced object":     {appended(file, map[int]string{5: "<</Type/Page/Parent 2 0 R/Contents 4 0 R>>"}), "goes on for"},
		"S4 content behind the CMS":      {bytes.Replace(file, file[r[2]-9:r[2]], []byte("deadbeef>"), 1), "content behind"},
		"S5 signature without a field":   {appended(file, map[int]string{1: "<</Type/Catalog/Pages 2 0 R>>"}), "belongs to no field"},
		"S5 catalog without permissions": {bytes.Replace(file, []byte("/Perms"), []byte("/Xerms"), 1), "not the one the catalog names"},
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(c.doc, file) {
				t.Fatal("the attack changed nothing")
			}
			s, err := jail.Signatures(context.Background(), c.doc)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(s.Problems, "; "); !strings.Contains(all, c.want) {
				t.Errorf("problems %q, want one with %q", all, c.want)
			}
		})
	}
}

func rangeText(p Prepared) []byte {
	return fmt.Appendf(nil, "/ByteRange [%d %d %d %d]", p.ByteRange[0], p.ByteRange[1], p.ByteRange[2], p.ByteRange[3])
}

// Two dictionaries that claim the same bytes, one of them by another's content.
func TestSignatureTwice(t *testing.T) {
	file, p := sealed(t)
	fake := fmt.Sprintf("<</Type/Sig/SubFilter/ETSI.CAdES.detached/ByteRange[%d %d %d %d]/Contents<%s>>>",
		p.ByteRange[0], p.ByteRange[1], p.ByteRange[2], p.ByteRange[3], hex.EncodeToString([]byte{0x30, 0}))
	s := structure(t, appended(file, map[int]string{90: fake}))
	all := strings.Join(s.Problems, "; ")
	for _, want := range []string{"overlap", "belongs to no field", "not exactly its content"} {
		if !strings.Contains(all, want) {
			t.Errorf("problems %q lack %q", all, want)
		}
	}
}

// Every single changed byte outside the container changes the digest or the structure.
func TestSumSeesEveryByte(t *testing.T) {
	file, p := sealed(t)
	g := SignatureField{ByteRange: p.ByteRange}
	for at := 0; at < len(file); at += 97 {
		if int64(at) >= p.ByteRange[1] && int64(at) < p.ByteRange[2] {
			continue
		}
		changed := bytes.Clone(file)
		changed[at] ^= 0x20
		if sum, err := g.Sum(changed); err != nil || sum == p.Digest {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
	for _, r := range [][4]int64{{-1, 5, 9, 9}, {0, 1 << 62, 1 << 62, 1 << 62}, {0, 5, int64(len(file)), 1}} {
		if _, err := (SignatureField{ByteRange: r}).Sum(file); err == nil {
			t.Errorf("range %v has a sum", r)
		}
	}
}
