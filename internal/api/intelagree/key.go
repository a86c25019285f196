package intelagree

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/directory"
)

// keyOut is a business key as it is answered.
type keyOut struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// keyForms are the ways to write a business key: the two members' names. The first is the one that is answered, the
// second has the vendor's words for version 2, the third is version 1's.
var keyForms = [][2]string{{"type", "value"}, {"businessKeyType", "businessKeyValue"}, {"name", "value"}}

// keyed is version 1's word for what a key names.
const keyed = "User"

// businessKey reads a key in any of the three forms; ok is false when a fault was noted.
func (f *form) businessKey(field string, raw jsontext.Value) (k directory.BusinessKey, ok bool) {
	in, ok := f.inside(field, raw)
	if !ok {
		f.add(field, "The %s field must be an object with type and value.", field)
		return k, false
	}
	before := f.count()
	names := keyForms[0]
	written := 0
	for _, form := range keyForms {
		if _, ok := in.value(form[0]); ok {
			names = form
			written++
		}
	}
	for _, form := range keyForms {
		if _, ok := in.value(form[1]); ok && written == 1 && form[1] != names[1] {
			f.add(field, "The %s field mixes two forms of a business key.", field)
			return k, false
		}
	}
	if written > 1 {
		f.add(field, "The %s field names its type more than once.", field)
		return k, false
	}
	if entity := in.text("entity"); entity != nil && *entity != keyed {
		f.add(in.at+"entity", "The %s field must be %s.", in.at+"entity", keyed)
	}
	kind, value := in.line(names[0], true), in.line(names[1], true)
	if f.count() > before || kind == nil || value == nil {
		return k, false
	}
	return directory.BusinessKey{Type: *kind, Value: *value}, true
}

// businessKeys reads a list of keys, each once; nil when none was sent.
func (f *form) businessKeys(name string) []directory.BusinessKey {
	elements := f.list(name, maxKeys)
	if elements == nil {
		return nil
	}
	keys := []directory.BusinessKey{}
	for i, raw := range elements {
		field := element(name, i)
		k, ok := f.businessKey(field, raw)
		if ok && slices.Contains(keys, k) {
			f.add(field, "The %s field is there twice.", field)
		}
		keys = append(keys, k)
	}
	return keys
}
