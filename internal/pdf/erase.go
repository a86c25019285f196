package pdf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Text tags that became fields are not to be read on the page any more. Where they stand
// in plain strings of the page's own content they are written in the invisible mode
// (ISO 32000-1 §9.3.6), so that nothing else moves. What is in forms, or in fonts
// addressed by glyph, stays, and is told.

// erase makes the tags that were asked for invisible; it tells whether a page changed.
func (f *file) erase(leaves []leaf, w *Wanted, out *Extraction) (bool, error) {
	asked := make([]int, len(leaves))
	for _, t := range out.Tags {
		if w.erases(t.TagText) {
			asked[t.Place.Page]++
		}
	}
	var left []int
	changed := false
	for i, n := range asked {
		if n == 0 {
			continue
		}
		g := f.glance()
		content, ok := g.content(leaves[i].dict["Contents"])
		if !ok {
			left = append(left, i)
			continue
		}
		e := &eraser{wanted: w, content: content}
		if body := e.run(); e.erased > 0 {
			changed = true
			leaves[i].dict["Contents"] = f.add(deflated(dict{}, body))
		}
		if e.erased < n {
			left = append(left, i)
		}
	}
	if len(left) > 0 {
		out.Notes = append(out.Notes, pageList(left)+" keeps the text of its text tags: it is not written in a way in which it could be taken out.")
	}
	return changed, nil
}

// add gives the file one more object.
func (f *file) add(o object) ref {
	num := f.next()
	for f.table[num] != (entry{}) || f.cache[num] != nil {
		num++
	}
	f.table[num], f.cache[num] = entry{}, o
	return ref{num, 0}
}

// erases tells whether a tag's text is to go: its place was asked for by name, or its
// role is known.
func (w *Wanted) erases(t TagText) bool {
	bare := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	return t.Name != "" && slices.Contains(w.Names, t.Name) ||
		w.Erase && slices.ContainsFunc(w.Roles, func(r string) bool { return bare(r) == bare(t.Role) })
}

// shown is one Tj or TJ.
type shown struct {
	start, end int // from its operand to the end of the operator
	mode       object
	list       array
	at         int // of its first byte in all text
}

// eraser works on the content of one page.
type eraser struct {
	wanted  *Wanted
	content []byte
	text    []byte // of all Tj and TJ
	shows   []shown
	erased  int
}

func (e *eraser) run() []byte {
	if !e.read() {
		return nil
	}
	hidden := e.tags()
	var b bytes.Buffer
	done := 0
	for _, s := range e.shows {
		if slices.Contains(hidden[s.at:s.at+length(s.list)], true) {
			b.Write(e.content[done:s.start])
			s.write(&b, hidden)
			done = s.end
		}
	}
	b.Write(e.content[done:])
	return b.Bytes()
}

// read collects what is shown; false when the content is not understood, as when an
// operator lacks its operand.
func (e *eraser) read() bool {
	in := &parser{data: e.content}
	var mode object = int64(0)
	var stack []object
	var last object
	start := 0
	for {
		in.skipSpace()
		at := in.pos
		if at >= len(e.content) {
			return true
		}
		if c := e.content[at]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '\'' || c == '"') {
			var err error
			if last, err = in.object(); err != nil {
				return false
			}
			start = at
			continue
		}
		switch op := in.word(); op {
		case "BI":
			return false
		case "q":
			stack = append(stack, mode)
		case "Q":
			if n := len(stack); n > 0 {
				mode, stack = stack[n-1], stack[:n-1]
			}
		case "Tr":
			mode = last
		case "Tj", "TJ":
			list, ok := last.(array)
			if t, single := last.(text); single {
				list, ok = array{t}, true
			}
			if _, known := mode.(int64); !ok || !known {
				return false
			}
			e.shows = append(e.shows, shown{start, in.pos, mode, list, len(e.text)})
			for _, o := range list {
				t, _ := o.(text)
				e.text = append(e.text, t...)
			}
		}
		last = nil
	}
}

func length(list array) (n int) {
	for _, o := range list {
		t, _ := o.(text)
		n += len(t)
	}
	return n
}

// tags says of each byte of the text whether it belongs to a tag that is to go.
func (e *eraser) tags() []bool {
	hidden := make([]bool, len(e.text))
	for from := 0; ; {
		i := bytes.Index(e.text[from:], []byte("{{"))
		if i < 0 {
			return hidden
		}
		from += i + 2
		n := bytes.Index(e.text[from:], []byte("}}"))
		if n < 0 {
			return hidden
		}
		inner := string(e.text[from : from+n])
		if strings.Contains(inner, "{") || len(inner) > maxTagText || !tagStart.MatchString(inner) {
			continue
		}
		if t, why := parseTag(inner); why == "" && e.wanted.erases(t) {
			for k := from - 2; k < from+n+2; k++ {
				hidden[k] = true
			}
			e.erased++
			from += n + 2
		}
	}
}

// write writes the text again, in pieces of either mode.
func (s shown) write(b *bytes.Buffer, hidden []bool) {
	at, now := s.at, false
	var run array
	flush := func(next bool) {
		if len(run) > 0 {
			write(b, run)
			b.WriteString(" TJ ")
		}
		if run = nil; next != now {
			mode := s.mode
			if next {
				mode = int64(3)
			}
			fmt.Fprintf(b, "%d Tr ", mode)
			now = next
		}
	}
	b.WriteByte(' ')
	for _, o := range s.list {
		t, ok := o.(text)
		if !ok {
			run = append(run, o)
			continue
		}
		for len(t) > 0 {
			n := 1
			for n < len(t) && hidden[at+n] == hidden[at] {
				n++
			}
			if hidden[at] != now {
				flush(hidden[at])
			}
			run, t, at = append(run, t[:n]), t[n:], at+n
		}
	}
	flush(false)
}
