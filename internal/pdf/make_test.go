package pdf

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maker builds PDF files by hand: object i+1 is objects[i], the catalog is object 1.
type maker struct {
	objects []string
	trailer string // further entries
}

// document has pages of 300 by 400 points, each with attributes of its own.
func document(attributes ...string) maker {
	m := maker{objects: []string{"<</Type/Catalog/Pages 2 0 R>>", "",
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>", body("BT /H 18 Tf 40 200 Td (Hello agreement) Tj ET")}}
	var kids []string
	for _, a := range attributes {
		m.objects = append(m.objects, "<</Type/Page/Parent 2 0 R/Contents 4 0 R"+a+">>")
		kids = append(kids, fmt.Sprintf("%d 0 R", len(m.objects)))
	}
	m.objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d/MediaBox[0 0 300 400]/Resources<</Font<</H 3 0 R>>>>>>",
		strings.Join(kids, " "), len(kids))
	return m
}

// body is a stream object.
func body(content string) string {
	return fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(content), content)
}

func deflate(content []byte) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write(content)
	w.Close()
	return b.String()
}

func flate(entries, content string) string {
	z := deflate([]byte(content))
	return fmt.Sprintf("<<%s/Filter/FlateDecode/Length %d>>stream\n%s\nendstream", entries, len(z), z)
}

// with appends an object and returns its number.
func (m *maker) with(object string) int {
	m.objects = append(m.objects, object)
	return len(m.objects)
}

// catalog adds entries to the catalog.
func (m maker) catalog(entries string) maker {
	m.objects = append([]string(nil), m.objects...)
	m.objects[0] = strings.TrimSuffix(m.objects[0], ">>") + entries + ">>"
	return m
}

// table writes the file with a cross-reference table.
func (m maker) table() []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	offsets := m.write(&b, func(int) bool { return true })
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(m.objects)+1)
	for i := range m.objects {
		fmt.Fprintf(&b, "%010d 00000 n \n", offsets[i])
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", len(m.objects)+1, m.trailer, start)
	return b.Bytes()
}

func (m maker) write(b *bytes.Buffer, which func(int) bool) map[int]int {
	offsets := map[int]int{}
	for i, o := range m.objects {
		if which(i) {
			offsets[i] = b.Len()
			fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", i+1, o)
		}
	}
	return offsets
}

// packed writes all objects but streams into an object stream; hybrid adds a table that
// hides them from old readers.
func (m maker) packed(hybrid bool) []byte {
	inside := func(i int) bool { return !strings.Contains(m.objects[i], "stream\n") && !(hybrid && i < 2) }
	var index, bodies bytes.Buffer
	place := map[int]int{}
	for i, o := range m.objects {
		if inside(i) {
			place[i] = len(place)
			fmt.Fprintf(&index, "%d %d ", i+1, bodies.Len())
			bodies.WriteString(o + "\n")
		}
	}
	container := len(m.objects)
	all := maker{objects: append(append([]string(nil), m.objects...), flate(fmt.Sprintf("/Type/ObjStm/N %d/First %d",
		len(place), index.Len()), index.String()+bodies.String()))}
	var b bytes.Buffer
	b.WriteString("%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
	offsets := all.write(&b, func(i int) bool { return i == container || !inside(i) })
	self := b.Len()
	var rows bytes.Buffer
	rows.Write([]byte{0, 0, 0, 0, 255})
	for i := range all.objects {
		if n, ok := place[i]; ok {
			rows.Write([]byte{2, 0, 0, byte(container + 1), byte(n)})
		} else {
			rows.Write([]byte{1, byte(offsets[i] >> 16), byte(offsets[i] >> 8), byte(offsets[i]), 0})
		}
	}
	rows.Write([]byte{1, byte(self >> 16), byte(self >> 8), byte(self), 0})
	size := len(all.objects) + 2
	fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", size-1,
		flate(fmt.Sprintf("/Type/XRef/W[1 3 1]/Size %d/Root 1 0 R%s", size, m.trailer), rows.String()))
	start := self
	if hybrid { // a table for old readers, then an empty one that names the stream (§7.5.8.4)
		prev := b.Len()
		fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", size)
		for i := range size - 1 {
			if at, ok := offsets[i]; ok {
				fmt.Fprintf(&b, "%010d 00000 n \n", at)
			} else {
				b.WriteString("0000000000 00000 f \n")
			}
		}
		fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", size, prev)
		start = b.Len()
		fmt.Fprintf(&b, "xref\n0 0\ntrailer\n<</Size %d/Root 1 0 R/XRefStm %d/Prev %d>>\n", size, self, prev)
	}
	fmt.Fprintf(&b, "startxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

// tool skips the test when a program is not installed.
func tool(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
}

// output runs a program on a file that holds doc; {} in its arguments is the file.
func output(t testing.TB, doc []byte, program string, args ...string) string {
	t.Helper()
	tool(t, program)
	file := filepath.Join(t.TempDir(), "doc.pdf")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "{}", file)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// through has qpdf rewrite doc.
func through(t testing.TB, doc []byte, args ...string) []byte {
	t.Helper()
	to := filepath.Join(t.TempDir(), "out.pdf")
	output(t, doc, "qpdf", append(args, "{}", to)...)
	out, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refused asserts that err is a Refusal for the reason.
func refused(t testing.TB, err error, reason Reason) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal %s", err, reason)
	}
	if r.Reason != reason {
		t.Fatalf("got %v, want %s", r, reason)
	}
	return r
}

// accepted inspects doc and returns what is to be used of it.
func accepted(t testing.TB, doc []byte) ([]byte, Info) {
	t.Helper()
	info, err := jail.Inspect(context.Background(), doc)
	if err != nil {
		t.Fatal(err)
	}
	if info.Repaired != nil {
		return info.Repaired, info
	}
	return doc, info
}

var pagesLine = regexp.MustCompile(`(?m)^Pages:\s+(\d+)$`)

// popplerPages is the number of pages as poppler counts them.
func popplerPages(t testing.TB, doc []byte) string {
	t.Helper()
	m := pagesLine.FindStringSubmatch(output(t, doc, "pdfinfo", "{}"))
	if m == nil {
		t.Fatal("pdfinfo gives no number of pages")
	}
	return m[1]
}
