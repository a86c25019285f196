package pdf

import (
	"bytes"
	"errors"
	"strings"
)

// maxNesting bounds what is closed behind a page's content; a page that leaves more
// open is no accident.
const maxNesting = 10_000

// balance returns what to put around content streams so that nothing they leave behind
// reaches what is drawn after them: states they save or restore too often (which would
// move or clip it), text objects, marked content (which may hide it), an open string
// (which would swallow it). ISO 32000-1 §8.2 and §8.4.2 leave that to the writer.
//
// Readers differ on broken content. Counting too much is harmless: they ignore a
// surplus Q, and that is why as many are written as could be needed.
func (c *composer) balance(bodies []*stream) (before, after []byte, err error) {
	var all []byte
	for _, s := range bodies {
		body, err := c.u.f.decode(s)
		if errors.Is(err, errDamaged) {
			body = nil // nothing in it can be read, by nobody
		} else if err != nil {
			return nil, nil, err
		}
		all = append(append(all, body...), '\n')
	}
	n := nesting(all)
	if max(n.states, n.under, n.marks, len(n.open)) > maxNesting {
		return nil, nil, refuse(Broken, "the content leaves more than %d states open", maxNesting)
	}
	after = append([]byte("\n"), n.open...)
	if n.text {
		after = append(after, "ET\n"...)
	}
	after = append(after, bytes.Repeat([]byte("EMC\n"), n.marks)...)
	after = append(after, bytes.Repeat([]byte("Q\n"), n.states+n.under+1)...)
	return bytes.Repeat([]byte("q\n"), n.under+1), after, nil
}

// openStates counts what a content stream has opened and not closed.
type openStates struct {
	states, marks int
	under         int // restored without having been saved
	text          bool
	open          string // what closes strings, arrays and inline images that do not end
}

func nesting(content []byte) (n openStates) {
	p := &parser{data: content}
	for {
		p.skipSpace()
		if p.pos >= len(content) {
			return n
		}
		start := p.pos
		c := content[start]
		if isRegular(c) && c != '+' && c != '-' && c != '.' && (c < '0' || c > '9') {
			n.operator(p)
			continue
		}
		if _, err := p.object(); err == nil {
			continue
		}
		if depth := openString(content[start:]); c == '(' && depth > 0 {
			n.open = strings.Repeat(")", depth) + "\n" + n.open
			return n
		}
		// As some readers do: skip and go on. Others wait for its end.
		n.open = closers[c] + n.open
		p.pos = start + 1
		if len(n.open) > maxNesting {
			return n
		}
	}
}

// closers end what begins with a delimiter; one too many is ignored.
var closers = map[byte]string{'[': "]\n", '<': ">\n>>\n"}

// openString is how many parentheses a string leaves open at the end of the data.
func openString(data []byte) (depth int) {
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return 0
			}
		}
	}
	return depth
}

func (n *openStates) operator(p *parser) {
	switch p.word() {
	case "q":
		n.states++
	case "Q":
		if n.states--; n.states < 0 {
			n.states = 0
			n.under++
		}
	case "BMC", "BDC":
		n.marks++
	case "EMC":
		n.marks = max(0, n.marks-1)
	case "BT":
		n.text = true
	case "ET":
		n.text = false
	case "ID":
		if !p.skipInlineImage() {
			n.open = "EI\n" + n.open
		}
	}
}

// skipInlineImage skips the data of an inline image to its EI (§8.9.7); false when there
// is none.
func (p *parser) skipInlineImage() bool {
	for at := p.pos; ; {
		i := bytes.Index(p.data[at:], []byte("EI"))
		if i < 0 {
			p.pos = len(p.data)
			return false
		}
		at += i
		end := at + 2
		if isSpace(p.data[at-1]) && (end == len(p.data) || isSpace(p.data[end])) {
			p.pos = end
			return true
		}
		at = end
	}
}
