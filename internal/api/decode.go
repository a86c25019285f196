package api

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
)

const (
	maxDepth  = 64  // of nested objects and arrays
	maxNumber = 100 // characters
	// maxValues bounds what is built of a body: a value of two bytes becomes an object of hundreds.
	maxValues = 100_000
)

// Decode reads exactly one JSON value into v, the same way on every surface:
// no member twice in an object, no invalid UTF-8 and no unpaired surrogate, no
// NUL character, no byte order mark, nothing after the value, at most 64 levels,
// numbers that fit a double, at most 100,000 elements and members; member names in exact case. Unknown members are
// ignored. An explicit null is the same as a member that was not sent, but the
// body itself must not be null.
//
// Refusals: Invalid "json.malformed", "json.too_many", or "json.type" with the Field (a JSON
// pointer, RFC 6901) whose value has the wrong type. Details never repeat the input.
func Decode(body []byte, v any) error {
	if err := scan(body); err != nil {
		return err
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	refusal := errs.New(errs.Invalid, "json.type", "A value has the wrong type.").Because(err)
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok && semantic.JSONPointer != "" {
		refusal.On(string(semantic.JSONPointer)).Detail = "The value at " + string(semantic.JSONPointer) + " has the wrong type."
	}
	return refusal
}

// scan checks the syntax of the whole body, also of members nobody will look at.
func scan(body []byte) error {
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		return malformed("it begins with a byte order mark", nil)
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	kind := d.PeekKind()
	for values := 0; ; {
		switch d.PeekKind() {
		case '}', ']':
		case '{', '[':
			values += 2
		default: // a member is its name and its value
			values++
		}
		if values > 2*maxValues {
			return errs.New(errs.Invalid, "json.too_many", "The body has more than %d values.", maxValues)
		}
		if err := step(d); err != nil {
			return err
		}
		if d.StackDepth() == 0 {
			break
		}
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return malformed("something follows the value", err)
	}
	if kind == 'n' {
		return malformed("it is null", nil)
	}
	return nil
}

// step reads one token.
func step(d *jsontext.Decoder) error {
	switch kind := d.PeekKind(); kind {
	case '"', '0':
		raw, err := d.ReadValue()
		if err != nil {
			return malformed("", err)
		}
		if kind == '"' {
			return checkString(raw)
		}
		return checkNumber(raw)
	}
	if _, err := d.ReadToken(); err != nil {
		return malformed("", err)
	}
	if d.StackDepth() > maxDepth {
		return malformed("it is nested too deeply", nil)
	}
	return nil
}

func checkString(raw jsontext.Value) error {
	if !bytes.Contains(raw, []byte(`\u0000`)) {
		return nil // a NUL must be escaped in JSON
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil || bytes.IndexByte(text, 0) >= 0 {
		return malformed("a text holds a NUL character", err)
	}
	return nil
}

func checkNumber(raw jsontext.Value) error {
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(n, 0) || len(raw) > maxNumber {
		return malformed("a number is out of range", err)
	}
	return nil
}

func malformed(why string, cause error) error {
	detail := "The body is not the JSON that this call takes"
	switch {
	case why != "":
		detail += ": " + why
	case errors.Is(cause, jsontext.ErrDuplicateName):
		detail += ": an object has a member twice"
	}
	return errs.New(errs.Invalid, "json.malformed", "%s.", detail).Because(cause)
}
