package pdf

import (
	"errors"
	"fmt"
)

// file is the object graph of one PDF, read strictly: no guessing, no rebuilding. Only
// the child makes one.
type file struct {
	data     []byte
	limits   Limits
	table    map[int]entry
	sections []section // newest first
	trailer  dict      // of the newest section
	cache    map[int]object
	streams  map[int]*objectStream
	loading  map[int]bool
	inflated int64    // bytes decoded so far, over all streams
	oddEnd   string   // what is wrong with the end of the file; "" when nothing is
	oddities []string // what a strict verifier must know: duplicate keys
}

// entry is one cross-reference entry.
type entry struct {
	offset     int64 // of an object in the file; 0 for a free or compressed one
	gen        int
	compressed bool
	container  int // object number of the object stream
	index      int // in the object stream
}

// section is one cross-reference section: one revision, or a part of it in hybrid and
// linearized files.
type section struct {
	offset  int64
	stream  bool // a cross-reference stream, not a table
	hybrid  bool // the stream named by a table's XRefStm
	trailer dict
	entries map[int]entry
	free    map[int]bool
}

var errLoop = errors.New("reference loop")

// open reads the cross-reference sections of data. No object is read yet.
func open(data []byte, limits Limits) (*file, error) {
	f, err := openAny(data, limits)
	if err == nil && f.oddEnd != "" {
		return nil, errors.New(f.oddEnd)
	}
	return f, err
}

// openAny accepts a file with something odd at its end, for verification.
func openAny(data []byte, limits Limits) (*file, error) {
	f := &file{data: data, limits: limits, table: map[int]entry{}, cache: map[int]object{},
		streams: map[int]*objectStream{}, loading: map[int]bool{}}
	start, err := f.findStart()
	if err != nil {
		return nil, err
	}
	if err := f.readSections(start); err != nil {
		return nil, err
	}
	f.trailer = f.sections[0].trailer
	// Newest first: the first section that mentions a number decides.
	decided := map[int]bool{}
	for _, s := range f.sections {
		for num, e := range s.entries {
			if !decided[num] {
				f.table[num] = e
			}
		}
		for num := range s.entries {
			decided[num] = true
		}
		for num := range s.free {
			decided[num] = true
		}
	}
	if len(f.table) > limits.Objects {
		return nil, refuse(TooLarge, "%d objects, allowed are %d", len(f.table), limits.Objects)
	}
	if _, ok := f.trailer["Root"].(ref); !ok {
		return nil, errors.New("trailer has no Root")
	}
	return f, nil
}

// resolve follows references until something else comes. A missing object is null
// (ISO 32000-1 §7.3.10).
func (f *file) resolve(o object) (object, error) {
	for hops := 0; ; hops++ {
		r, ok := o.(ref)
		if !ok {
			return o, nil
		}
		if hops > 32 {
			return nil, errLoop
		}
		var err error
		if o, err = f.load(r); err != nil {
			return nil, err
		}
	}
}

func (f *file) load(r ref) (object, error) {
	if o, ok := f.cache[r.num]; ok {
		return o, nil
	}
	e, ok := f.table[r.num]
	if !ok || e.gen != r.gen {
		return nil, nil
	}
	if f.loading[r.num] {
		return nil, fmt.Errorf("object %d: %w", r.num, errLoop)
	}
	f.loading[r.num] = true
	defer delete(f.loading, r.num)
	var o object
	var err error
	if e.compressed {
		o, err = f.loadCompressed(r.num, e)
	} else {
		o, err = f.loadAt(r.num, e)
	}
	if err != nil {
		return nil, fmt.Errorf("object %d: %w", r.num, err)
	}
	f.cache[r.num] = o
	return o, nil
}

func (f *file) loadAt(num int, e entry) (object, error) {
	p := &parser{data: f.data, pos: int(e.offset)}
	p.duplicate = func(key name) {
		if len(f.oddities) < 20 {
			f.oddities = append(f.oddities, fmt.Sprintf("object %d has the key %q twice", num, key))
		}
	}
	return f.indirect(p, num, e.gen)
}

// indirect reads "num gen obj … endobj" at p.
func (f *file) indirect(p *parser, num, gen int) (object, error) {
	n, err := p.integer()
	if err != nil {
		return nil, err
	}
	g, err := p.integer()
	if err != nil {
		return nil, err
	}
	if n != num || g != gen {
		return nil, fmt.Errorf("found object %d %d where %d %d should be", n, g, num, gen)
	}
	if err := p.expect("obj"); err != nil {
		return nil, err
	}
	o, err := p.object()
	if err != nil {
		return nil, err
	}
	p.skipSpace()
	w := p.word()
	d, isDict := o.(dict)
	if w == "stream" && isDict {
		return f.streamBody(p, d)
	}
	if w != "endobj" {
		return nil, p.fail("expected endobj")
	}
	return o, nil
}

// streamBody reads what follows the keyword stream. The length must be right: readers
// that search for endstream instead see other bytes than those that do not.
func (f *file) streamBody(p *parser, d dict) (object, error) {
	if p.pos < len(p.data) && p.data[p.pos] == '\r' {
		p.pos++
	}
	if p.pos >= len(p.data) || p.data[p.pos] != '\n' {
		return nil, p.fail("no line feed after stream")
	}
	p.pos++
	l, err := f.resolve(d["Length"])
	if err != nil {
		return nil, err
	}
	length, ok := l.(int64)
	if !ok || length < 0 || length > int64(len(p.data)-p.pos) {
		return nil, p.fail("bad stream length")
	}
	raw := p.data[p.pos : p.pos+int(length)]
	p.pos += int(length)
	for p.pos < len(p.data) && isSpace(p.data[p.pos]) {
		p.pos++
	}
	if p.word() != "endstream" {
		return nil, p.fail("stream length does not lead to endstream")
	}
	return &stream{dict: d, raw: raw}, nil
}

func (f *file) dict(o object) (dict, error) {
	o, err := f.resolve(o)
	if err != nil {
		return nil, err
	}
	switch v := o.(type) {
	case dict:
		return v, nil
	case *stream:
		return v.dict, nil
	}
	return nil, nil
}

func (f *file) array(o object) (array, error) {
	o, err := f.resolve(o)
	if err != nil {
		return nil, err
	}
	a, _ := o.(array)
	return a, nil
}

// numbers resolves an array of n numbers; ok is false for anything else.
func (f *file) numbers(o object, n int) (v []float64, ok bool, err error) {
	a, err := f.array(o)
	if err != nil || len(a) < n {
		return nil, false, err
	}
	for _, e := range a[:n] {
		e, err := f.resolve(e)
		if err != nil {
			return nil, false, err
		}
		x, ok := number(e)
		if !ok {
			return nil, false, nil
		}
		v = append(v, x)
	}
	return v, true, nil
}

func (f *file) catalog() (dict, error) {
	d, err := f.dict(f.trailer["Root"])
	if err == nil && d == nil {
		err = errors.New("no catalog")
	}
	return d, err
}

// next is the lowest object number not yet used in any section.
func (f *file) next() int {
	n := 1
	for _, s := range f.sections {
		for num := range s.entries {
			n = max(n, num+1)
		}
		for num := range s.free {
			n = max(n, num+1)
		}
		if size, ok := s.trailer["Size"].(int64); ok && size > 0 && size < 1<<23 {
			n = max(n, int(size))
		}
	}
	return n
}
