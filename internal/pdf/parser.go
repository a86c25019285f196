package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// maxDepth bounds nested arrays and dictionaries. Real files stay below 20; without a
// bound a few kilobytes of "[" overflow the stack, which Go cannot recover from.
const maxDepth = 100

var errSyntax = errors.New("syntax error")

// parser reads PDF objects (ISO 32000-1 §7.3) from data at pos.
type parser struct {
	data []byte
	pos  int
	// duplicate is called for a key that occurs twice in one dictionary: readers
	// differ in which value they take. May be nil.
	duplicate func(key name)
	// value is called for each entry of the outermost dictionary with the place of
	// its value. May be nil.
	value func(key name, start, end int)
}

func (p *parser) fail(what string) error {
	return fmt.Errorf("%w at byte %d: %s", errSyntax, p.pos, what)
}

func (p *parser) skipSpace() {
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		if c == '%' {
			for p.pos < len(p.data) && p.data[p.pos] != '\n' && p.data[p.pos] != '\r' {
				p.pos++
			}
		} else if !isSpace(c) {
			return
		} else {
			p.pos++
		}
	}
}

// word reads a run of regular characters, possibly empty.
func (p *parser) word() string {
	start := p.pos
	for p.pos < len(p.data) && isRegular(p.data[p.pos]) {
		p.pos++
	}
	return string(p.data[start:p.pos])
}

// expect consumes the keyword w after white space.
func (p *parser) expect(w string) error {
	p.skipSpace()
	start := p.pos
	if p.word() != w {
		p.pos = start
		return p.fail("expected " + w)
	}
	return nil
}

// integer reads a non-negative integer after white space.
func (p *parser) integer() (int, error) {
	p.skipSpace()
	start := p.pos
	v, err := strconv.ParseUint(p.word(), 10, 40)
	if err != nil {
		p.pos = start
		return 0, p.fail("expected an integer")
	}
	return int(v), nil
}

func (p *parser) object() (object, error) { return p.parse(0) }

func (p *parser) parse(depth int) (object, error) {
	if depth > maxDepth {
		return nil, p.fail("nested too deeply")
	}
	p.skipSpace()
	if p.pos >= len(p.data) {
		return nil, p.fail("unexpected end")
	}
	switch c := p.data[p.pos]; {
	case c == '/':
		return p.name()
	case c == '(':
		return p.literal()
	case c == '[':
		return p.array(depth)
	case c == '<' && p.pos+1 < len(p.data) && p.data[p.pos+1] == '<':
		return p.dict(depth)
	case c == '<':
		return p.hex()
	case c == '+' || c == '-' || c == '.' || c >= '0' && c <= '9':
		return p.numberOrRef()
	}
	start := p.pos
	switch p.word() {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	p.pos = start
	return nil, p.fail("unexpected token")
}

func (p *parser) name() (object, error) {
	p.pos++
	w := p.word()
	if !bytes.Contains([]byte(w), []byte("#")) {
		return name(w), nil
	}
	out := make([]byte, 0, len(w))
	for i := 0; i < len(w); i++ {
		if w[i] == '#' && i+2 < len(w) {
			if v, err := strconv.ParseUint(w[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(v))
				i += 2
				continue
			}
		}
		out = append(out, w[i])
	}
	return name(out), nil
}

func (p *parser) array(depth int) (object, error) {
	p.pos++
	a := array{}
	for {
		p.skipSpace()
		if p.pos >= len(p.data) {
			return nil, p.fail("unterminated array")
		}
		if p.data[p.pos] == ']' {
			p.pos++
			return a, nil
		}
		o, err := p.parse(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, o)
	}
}

func (p *parser) dict(depth int) (object, error) {
	p.pos += 2
	d := dict{}
	for {
		p.skipSpace()
		if bytes.HasPrefix(p.data[p.pos:], []byte(">>")) {
			p.pos += 2
			return d, nil
		}
		if p.pos >= len(p.data) || p.data[p.pos] != '/' {
			return nil, p.fail("expected a key")
		}
		k, _ := p.name()
		p.skipSpace()
		start := p.pos
		v, err := p.parse(depth + 1)
		if err != nil {
			return nil, err
		}
		key := k.(name)
		if _, twice := d[key]; twice && p.duplicate != nil {
			p.duplicate(key)
		}
		if depth == 0 && p.value != nil {
			p.value(key, start, p.pos)
		}
		if v != nil {
			d[key] = v
		}
	}
}

// numberOrRef reads a number, or "12 0 R".
func (p *parser) numberOrRef() (object, error) {
	start := p.pos
	w := p.word()
	i, err := strconv.ParseInt(w, 10, 64)
	if err != nil {
		f, err := parseReal(w)
		if err != nil {
			p.pos = start
			return nil, p.fail("bad number")
		}
		return f, nil
	}
	if i < 0 || i > 1<<31 || w[0] == '+' {
		return i, nil
	}
	after := p.pos
	gen, err := p.integer()
	if err == nil && gen <= 65535 {
		p.skipSpace()
		if p.pos < len(p.data) && p.word() == "R" {
			return ref{int(i), gen}, nil
		}
	}
	p.pos = after
	return i, nil
}

func parseReal(w string) (float64, error) {
	for i := 0; i < len(w); i++ {
		if c := w[i]; (c < '0' || c > '9') && c != '.' && !(i == 0 && (c == '-' || c == '+')) {
			return 0, errSyntax
		}
	}
	if w == "." || w == "-" || w == "-." || w == "+" {
		return 0, errSyntax
	}
	return strconv.ParseFloat(w, 64)
}

func (p *parser) hex() (object, error) {
	p.pos++
	out := text{}
	high, half := byte(0), false
	for ; p.pos < len(p.data); p.pos++ {
		c := p.data[p.pos]
		if c == '>' {
			p.pos++
			if half {
				out = append(out, high<<4)
			}
			return out, nil
		}
		if isSpace(c) {
			continue
		}
		v, ok := hexDigit(c)
		if !ok {
			return nil, p.fail("bad hexadecimal string")
		}
		if half {
			out = append(out, high<<4|v)
		}
		high, half = v, !half
	}
	return nil, p.fail("unterminated hexadecimal string")
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// literal reads a string in parentheses (ISO 32000-1 §7.3.4.2).
func (p *parser) literal() (object, error) {
	p.pos++
	out := text{}
	for depth := 1; p.pos < len(p.data); p.pos++ {
		c := p.data[p.pos]
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				p.pos++
				return out, nil
			}
		case '\\':
			out = p.escape(out)
			continue
		case '\r': // an end of line in a string is always one line feed
			if p.pos+1 < len(p.data) && p.data[p.pos+1] == '\n' {
				p.pos++
			}
			c = '\n'
		}
		out = append(out, c)
	}
	return nil, p.fail("unterminated string")
}

// escape reads the escape at pos and leaves pos at its last byte.
func (p *parser) escape(out text) text {
	p.pos++
	if p.pos >= len(p.data) {
		return out
	}
	c := p.data[p.pos]
	if i := bytes.IndexByte([]byte("nrtbf"), c); i >= 0 {
		return append(out, "\n\r\t\b\f"[i])
	}
	switch {
	case c == '\r':
		if p.pos+1 < len(p.data) && p.data[p.pos+1] == '\n' {
			p.pos++
		}
		return out
	case c == '\n':
		return out
	case c >= '0' && c <= '7':
		v := 0
		end := min(p.pos+3, len(p.data))
		for ; p.pos < end && p.data[p.pos] >= '0' && p.data[p.pos] <= '7'; p.pos++ {
			v = v<<3 | int(p.data[p.pos]-'0')
		}
		p.pos--
		return append(out, byte(v))
	}
	return append(out, c)
}
