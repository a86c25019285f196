package pdf

import (
	"bytes"
	"fmt"
	"math"
	"sort"
	"strconv"
)

// object is a PDF object (ISO 32000-1 §7.3): nil, bool, int64, float64, name, text,
// array, dict, ref, *stream, or verbatim (written only).
type object any

type (
	name  string
	text  []byte // a string, decoded
	array []object
	dict  map[name]object
	ref   struct{ num, gen int }
	// verbatim is written as it stands: a signature dictionary whose offsets must be known.
	verbatim []byte
)

type stream struct {
	dict dict
	raw  []byte // still encoded
}

func (d dict) name(key name) name {
	n, _ := d[key].(name)
	return n
}

func (d dict) clone() dict {
	c := make(dict, len(d)+2)
	for k, v := range d {
		c[k] = v
	}
	return c
}

func (d dict) keys() []name {
	keys := make([]name, 0, len(d))
	for k := range d {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}

// number returns an integer or real as float64.
func number(o object) (float64, bool) {
	switch v := o.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// write appends o in PDF syntax.
func write(b *bytes.Buffer, o object) {
	switch v := o.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(formatReal(v))
	case name:
		writeName(b, v)
	case text:
		writeText(b, v)
	case ref:
		fmt.Fprintf(b, "%d %d R", v.num, v.gen)
	case array:
		writeArray(b, v)
	case dict:
		writeDict(b, v)
	case verbatim:
		b.Write(v)
	case *stream:
		d := v.dict.clone()
		d["Length"] = int64(len(v.raw))
		writeDict(b, d)
		b.WriteString("\nstream\n")
		b.Write(v.raw)
		b.WriteString("\nendstream")
	default:
		panic(fmt.Sprintf("pdf: cannot write %T", o))
	}
}

func writeArray(b *bytes.Buffer, a array) {
	b.WriteByte('[')
	for i, e := range a {
		if i > 0 {
			b.WriteByte(' ')
		}
		write(b, e)
	}
	b.WriteByte(']')
}

// writeDict writes the keys in order, so that equal input gives equal bytes.
func writeDict(b *bytes.Buffer, d dict) {
	b.WriteString("<<")
	for _, k := range d.keys() {
		writeName(b, k)
		b.WriteByte(' ')
		write(b, d[k])
	}
	b.WriteString(">>")
}

func writeName(b *bytes.Buffer, n name) {
	b.WriteByte('/')
	for i := 0; i < len(n); i++ {
		if c := n[i]; c <= ' ' || c >= 0x7f || c == '#' || isDelimiter(c) {
			fmt.Fprintf(b, "#%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
}

func writeText(b *bytes.Buffer, t text) {
	for _, c := range t {
		if c < ' ' || c >= 0x7f || c == '(' || c == ')' || c == '\\' {
			fmt.Fprintf(b, "<%X>", []byte(t))
			return
		}
	}
	b.WriteByte('(')
	b.Write(t)
	b.WriteByte(')')
}

// formatReal writes no exponent, which PDF does not know (ISO 32000-1 §7.3.3).
func formatReal(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

func isRegular(c byte) bool { return !isSpace(c) && !isDelimiter(c) }
