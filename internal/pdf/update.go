package pdf

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"sort"
)

// update collects new and changed objects and writes them as one incremental update
// (ISO 32000-1 §7.5.6), or as a whole file when there is no file before it.
type update struct {
	f       *file // nil: a new file
	next    int
	objects map[int]object
	gens    map[int]int // of changed objects
	offsets map[int]int64
	root    ref
	info    object // a reference, or nil
}

// header is for new files; the second line marks the file as binary (§7.5.2).
const header = "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"

func newUpdate(f *file) *update {
	u := &update{f: f, next: 1, objects: map[int]object{}, gens: map[int]int{}, offsets: map[int]int64{}}
	if f != nil {
		u.next = f.next()
		u.root, _ = f.trailer["Root"].(ref)
		if r, ok := f.trailer["Info"].(ref); ok {
			u.info = r
		}
	}
	return u
}

// add gives a new object a number.
func (u *update) add(o object) ref {
	r := ref{u.next, 0}
	u.next++
	u.objects[r.num] = o
	return r
}

// set replaces an object.
func (u *update) set(r ref, o object) {
	u.objects[r.num] = o
	u.gens[r.num] = r.gen
}

// get resolves o, seeing what was already changed.
func (u *update) get(o object) (object, error) {
	for range 32 {
		r, ok := o.(ref)
		if !ok {
			return o, nil
		}
		if changed, ok := u.objects[r.num]; ok {
			o = changed
			continue
		}
		if u.f == nil {
			return nil, nil
		}
		var err error
		if o, err = u.f.load(r); err != nil {
			return nil, err
		}
	}
	return nil, errLoop
}

// getDict returns a copy of a dictionary, empty when there is none.
func (u *update) getDict(o object) (dict, error) {
	o, err := u.get(o)
	if err != nil {
		return nil, err
	}
	if d, ok := o.(dict); ok {
		return d.clone(), nil
	}
	return dict{}, nil
}

// getArray returns a copy of an array.
func (u *update) getArray(o object) (array, error) {
	o, err := u.get(o)
	if err != nil {
		return nil, err
	}
	a, _ := o.(array)
	return append(array(nil), a...), nil
}

// deflated is a compressed stream.
func deflated(d dict, body []byte) *stream {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(body) // a Buffer does not fail
	_ = w.Close()
	d["Filter"] = name("FlateDecode")
	return &stream{dict: d, raw: b.Bytes()}
}

// bytes writes everything. The kind of the cross-reference follows the file's: readers
// of old files know no streams, and the two should not be mixed (§7.5.8.4).
func (u *update) bytes() []byte {
	var b bytes.Buffer
	if u.f == nil {
		b.WriteString(header)
	} else {
		b.Write(u.f.data)
		b.WriteByte('\n')
	}
	for _, num := range u.numbers() {
		u.offsets[num] = int64(b.Len())
		fmt.Fprintf(&b, "%d %d obj\n", num, u.gens[num])
		write(&b, u.objects[num])
		b.WriteString("\nendobj\n")
	}
	start := b.Len()
	if u.f != nil && u.f.sections[0].stream {
		u.writeStream(&b)
	} else {
		u.writeTable(&b)
	}
	fmt.Fprintf(&b, "startxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

func (u *update) numbers() []int {
	list := make([]int, 0, len(u.objects))
	for num := range u.objects {
		list = append(list, num)
	}
	sort.Ints(list)
	return list
}

// trailer carries the identity of the file on: the first half of ID stays, the second
// names this revision (§14.4).
func (u *update) trailer(soFar []byte) dict {
	sum := sha256.Sum256(soFar)
	fresh := text(sum[:16])
	t := dict{"Root": u.root, "Size": u.next, "ID": array{fresh, fresh}}
	if u.info != nil {
		t["Info"] = u.info
	}
	if u.f == nil {
		return t
	}
	t["Prev"] = u.f.sections[0].offset
	if id, err := u.f.array(u.f.trailer["ID"]); err == nil && len(id) == 2 {
		if first, ok := id[0].(text); ok {
			t["ID"] = array{first, fresh}
		}
	}
	return t
}

func (u *update) writeTable(b *bytes.Buffer) {
	t := u.trailer(b.Bytes())
	b.WriteString("xref\n")
	if u.f == nil {
		b.WriteString("0 1\n0000000000 65535 f \n")
	}
	for _, g := range groups(u.numbers()) {
		fmt.Fprintf(b, "%d %d\n", g[0], len(g))
		for _, num := range g {
			fmt.Fprintf(b, "%010d %05d n \n", u.offsets[num], u.gens[num])
		}
	}
	b.WriteString("trailer\n")
	write(b, t)
	b.WriteByte('\n')
}

func (u *update) writeStream(b *bytes.Buffer) {
	self := ref{u.next, 0}
	u.next++
	d := u.trailer(b.Bytes())
	d["Type"], d["W"] = name("XRef"), array{1, 4, 2}
	u.offsets[self.num] = int64(b.Len())
	var rows bytes.Buffer
	index := array{}
	for _, g := range groups(append(u.numbers(), self.num)) {
		index = append(index, g[0], len(g))
		for _, num := range g {
			rows.WriteByte(1)
			put(&rows, uint32(u.offsets[num]), uint16(u.gens[num]))
		}
	}
	d["Index"] = index
	fmt.Fprintf(b, "%d 0 obj\n", self.num)
	write(b, deflated(d, rows.Bytes()))
	b.WriteString("\nendobj\n")
}

// groups cuts sorted numbers into runs without gaps.
func groups(numbers []int) (out [][]int) {
	for i, num := range numbers {
		if i == 0 || num != numbers[i-1]+1 {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], num)
	}
	return out
}
