package congasign

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
)

// date is written in whole seconds with a literal Z: the Java library reads
// nothing else. It reads RFC 3339, also with an offset without colon.
type date time.Time

// MarshalText writes the date.
func (d date) MarshalText() ([]byte, error) {
	return []byte(time.Time(d).UTC().Format("2006-01-02T15:04:05Z")), nil
}

// UnmarshalText reads a date.
func (d *date) UnmarshalText(b []byte) error {
	t, err := parseDate(string(b))
	*d = date(t)
	return err
}

func parseDate(s string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", time.DateOnly} {
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return t, errs.New(errs.Invalid, "date.malformed", "A date is written 2006-01-02T15:04:05Z.")
}

// when is a date that may be null.
func when(t time.Time) *date {
	if t.IsZero() {
		return nil
	}
	d := date(t)
	return &d
}

// result is how lists are answered: the number of all, and one page of them.
type result[T any] struct {
	Count   int `json:"count"`
	Results []T `json:"results"`
}

// none is a list that is always empty here, and must not be null.
type none []struct{}

// base64Bytes is a file inside JSON, in base64 with or without line breaks and padding.
type base64Bytes []byte

// UnmarshalText decodes.
func (b *base64Bytes) UnmarshalText(text []byte) error {
	text = slices.DeleteFunc(text, func(c byte) bool { return c == '\r' || c == '\n' || c == ' ' || c == '\t' })
	text = bytes.TrimRight(text, "=")
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(out, text)
	*b = out[:n]
	return err
}

// given is a member of free JSON; nil when it is absent or null.
func given(v jsontext.Value) json.RawMessage {
	if len(v) == 0 || v.Kind() == 'n' {
		return nil
	}
	return json.RawMessage(v)
}

// withoutNulls leaves out the members that are null: what a client sent of
// settings is sent back to clients that cannot read a null there.
func withoutNulls(raw json.RawMessage) jsontext.Value {
	if raw == nil {
		return nil
	}
	var v any
	if err := jsonv2.Unmarshal(raw, &v); err != nil {
		return nil // it came through the strict decoder
	}
	drop(v)
	out, err := jsonv2.Marshal(v, jsonv2.Deterministic(true))
	if err != nil {
		return nil
	}
	return out
}

// nullFree is free JSON as it came unless there is a null in it.
func nullFree(raw json.RawMessage) jsontext.Value {
	if !bytes.Contains(raw, []byte("null")) {
		return jsontext.Value(raw)
	}
	return withoutNulls(raw)
}

func drop(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			}
			drop(member)
		}
	case []any:
		for _, element := range v {
			drop(element)
		}
	}
}

// or is the value of a member that may be absent.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
