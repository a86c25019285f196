package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// maxSections bounds the chain of revisions; each costs a seek and a parse.
const maxSections = 2000

// tailSize is within how many bytes of the end readers look for startxref (ISO 32000-1
// Annex H).
const tailSize = 1024

// findStart reads the last startxref. It tells what is odd about the end of the file: a
// verifier must name it, everybody else must not go on.
func (f *file) findStart() (int64, error) {
	i := bytes.LastIndex(f.data, []byte("startxref"))
	if i < 0 {
		return 0, errors.New("no startxref")
	}
	p := &parser{data: f.data, pos: i + len("startxref")}
	off, err := p.integer()
	if err != nil {
		return 0, err
	}
	if off <= 0 || off >= len(f.data) {
		return 0, errors.New("startxref points outside the file")
	}
	const blank = " \t\r\n\x00"
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(f.data[p.pos:], blank), []byte("%%EOF"))
	switch {
	case !ok:
		f.oddEnd = "no end-of-file mark after startxref"
	case len(bytes.Trim(rest, blank)) > 0:
		f.oddEnd = "content after the end-of-file mark"
	case len(f.data)-i > tailSize:
		f.oddEnd = "startxref is not near the end"
	}
	return int64(off), nil
}

func (f *file) readSections(start int64) error {
	seen := map[int64]bool{}
	for next := start; next > 0; {
		if seen[next] {
			return fmt.Errorf("cross-reference sections: %w", errLoop)
		}
		seen[next] = true
		if len(f.sections) >= maxSections {
			return refuse(TooLarge, "more than %d revisions", maxSections)
		}
		s, err := f.readSection(next)
		if err != nil {
			return fmt.Errorf("cross-reference section at %d: %w", next, err)
		}
		f.sections = append(f.sections, s)
		// A hybrid table's stream ranks between the table and its predecessor (§7.5.8.4).
		if off, ok := s.trailer["XRefStm"].(int64); ok && !s.stream {
			h, err := f.readSection(off)
			if err != nil || !h.stream {
				return fmt.Errorf("hybrid cross-reference stream at %d: %w", off, errors.Join(err, errSyntax))
			}
			h.hybrid = true
			f.sections = append(f.sections, h)
		}
		next = 0
		if prev, ok := s.trailer["Prev"]; ok {
			off, isInt := prev.(int64)
			if !isInt || off <= 0 {
				return errors.New("bad Prev in trailer")
			}
			next = off
		}
	}
	return nil
}

func (f *file) readSection(offset int64) (section, error) {
	if offset <= 0 || offset >= int64(len(f.data)) {
		return section{}, errors.New("outside the file")
	}
	p := &parser{data: f.data, pos: int(offset)}
	s := section{offset: offset, entries: map[int]entry{}, free: map[int]bool{}}
	p.skipSpace()
	if bytes.HasPrefix(p.data[p.pos:], []byte("xref")) {
		p.pos += len("xref")
		return s, f.readTable(p, &s)
	}
	return s, f.readXRefStream(p, &s)
}

func (f *file) readTable(p *parser, s *section) error {
	for {
		p.skipSpace()
		if bytes.HasPrefix(p.data[p.pos:], []byte("trailer")) {
			p.pos += len("trailer")
			break
		}
		first, err := p.integer()
		if err != nil {
			return err
		}
		count, err := p.integer()
		if err != nil {
			return err
		}
		// An entry is 20 bytes; what does not fit in the file is a lie.
		if count > (len(p.data)-p.pos)/18 || first > 1<<23 {
			return errors.New("impossible number of entries")
		}
		for i := range count {
			if err := f.readEntry(p, s, first+i); err != nil {
				return err
			}
		}
	}
	o, err := p.object()
	if err != nil {
		return err
	}
	d, ok := o.(dict)
	if !ok {
		return errors.New("trailer is not a dictionary")
	}
	s.trailer = d
	return nil
}

func (f *file) readEntry(p *parser, s *section, num int) error {
	p.skipSpace()
	off, err := strconv.ParseInt(p.word(), 10, 64)
	if err != nil {
		return p.fail("bad offset")
	}
	gen, err := p.integer()
	if err != nil {
		return err
	}
	p.skipSpace()
	switch p.word() {
	case "f":
		s.free[num] = true
	case "n":
		if off == 0 { // some writers mark unused numbers so; every reader takes them as free
			s.free[num] = true
			return nil
		}
		if off < 0 || off >= int64(len(f.data)) {
			return p.fail("entry points outside the file")
		}
		s.entries[num] = entry{offset: off, gen: gen}
	default:
		return p.fail("entry is neither n nor f")
	}
	return nil
}

// readXRefStream reads a cross-reference stream (ISO 32000-1 §7.5.8).
func (f *file) readXRefStream(p *parser, s *section) error {
	s.stream = true
	num, err := (&parser{data: p.data, pos: p.pos}).integer()
	if err != nil {
		return err
	}
	o, err := f.indirect(p, num, 0)
	if err != nil {
		return err
	}
	st, ok := o.(*stream)
	if !ok || st.dict.name("Type") != "XRef" {
		return errors.New("neither a table nor a cross-reference stream")
	}
	s.trailer = st.dict
	body, err := f.decode(st)
	if err != nil {
		return err
	}
	var w [3]int
	widths, _ := st.dict["W"].(array)
	if len(widths) < 3 {
		return errors.New("bad W")
	}
	for i := range w {
		v, ok := widths[i].(int64)
		if !ok || v < 0 || v > 8 {
			return errors.New("bad W")
		}
		w[i] = int(v)
	}
	size, _ := st.dict["Size"].(int64)
	index, ok := st.dict["Index"].(array)
	if !ok {
		index = array{int64(0), size}
	}
	return f.readRows(s, body, w, index)
}

func (f *file) readRows(s *section, body []byte, w [3]int, index array) error {
	width := w[0] + w[1] + w[2]
	if width == 0 || len(index)%2 != 0 {
		return errors.New("bad W or Index")
	}
	for i := 0; i < len(index); i += 2 {
		first, ok1 := index[i].(int64)
		count, ok2 := index[i+1].(int64)
		if !ok1 || !ok2 || first < 0 || first > 1<<23 || count < 0 || count > int64(len(body)/width) {
			return errors.New("bad Index")
		}
		for num := int(first); num < int(first+count); num++ {
			if err := s.row(num, body[:width], w, int64(len(f.data))); err != nil {
				return err
			}
			body = body[width:]
		}
	}
	return nil
}

func (s *section) row(num int, row []byte, w [3]int, size int64) error {
	var v [3]uint64
	for i, at := 0, 0; i < 3; i++ {
		for range w[i] {
			v[i] = v[i]<<8 | uint64(row[at])
			at++
		}
	}
	if w[0] == 0 {
		v[0] = 1 // the default type
	}
	switch v[0] {
	case 0:
		s.free[num] = true
	case 1:
		if v[1] == 0 || v[1] >= uint64(size) || v[2] > 65535 {
			return errors.New("entry points outside the file")
		}
		s.entries[num] = entry{offset: int64(v[1]), gen: int(v[2])}
	case 2:
		if v[1] > 1<<23 || v[2] > 1<<23 {
			return errors.New("bad compressed entry")
		}
		s.entries[num] = entry{compressed: true, container: int(v[1]), index: int(v[2])}
	}
	// Other types are references to null (§7.5.8.3).
	return nil
}
