package acrobat

import (
	"bytes"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// body is a JSON object that is read member by member. So what is missing is
// told before what is wrong, and a member that was sent as null from one that
// was not sent.
type body struct {
	members map[string]jsontext.Value
	// err is the first refusal, and stays: Invalid "json.malformed", "field.missing" or "json.type" with its Field.
	err error
}

// readBody reads the call's body and checks that all the required members are there.
func readBody(r *api.Request, required ...string) *body {
	b := &body{}
	b.err = r.JSON(&b.members)
	for _, name := range required {
		if !b.filled(name) {
			b.refuse(missing(name))
		}
	}
	return b
}

func (b *body) refuse(err error) {
	if b.err == nil {
		b.err = err
	}
}

// wrong refuses the value of a member.
func (b *body) wrong(name string) {
	b.refuse(errs.New(errs.Invalid, "parameter.value", "The value of %s is not taken.", name).On(name))
}

// sent reports that a member is there and not null.
func (b *body) sent(name string) bool {
	value, ok := b.members[name]
	return ok && value.Kind() != 'n'
}

// filled reports that a member is there, and neither null nor a text of white space alone.
func (b *body) filled(name string) bool {
	value := b.members[name]
	if value.Kind() != '"' {
		return b.sent(name)
	}
	text, err := jsontext.AppendUnquote(nil, value)
	return err != nil || len(bytes.TrimSpace(text)) > 0
}

// read decodes a member; one that is null or not there leaves v as it is.
func (b *body) read(name string, v any) {
	if b.err != nil || !b.sent(name) {
		return
	}
	err := api.Decode(b.members[name], v)
	if e, ok := errors.AsType[*errs.Error](err); ok {
		e.Field = "/" + name + e.Field
	}
	b.err = err
}

// text is "" for a member that is null or not there.
func (b *body) text(name string) (s string) {
	b.read(name, &s)
	return s
}

// change is nil for a member that is not there; null is the empty text.
func (b *body) change(name string) *string {
	if _, ok := b.members[name]; !ok {
		return nil
	}
	s := b.text(name)
	return &s
}

// keep is change, but null is the same as not there: for what cannot be cleared.
func (b *body) keep(name string) *string {
	if !b.sent(name) {
		return nil
	}
	return b.change(name)
}

// texts is nil for a member that is not there; null is the empty list.
func (b *body) texts(name string) (list []string) {
	if _, ok := b.members[name]; ok {
		list = []string{}
	}
	b.read(name, &list)
	return list
}

// onboarded has the state of the caller's partner go before what is wrong with his request.
func (s *surface) onboarded(r *api.Request, err error) error {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Unsupported, errs.TooLarge:
	default:
		return err
	}
	inactive := s.dir.CheckPartner(r.Context(), r.Principal)
	if inactive == nil || r.Context().Err() != nil { // who has cut his call short is asked nothing more
		return err
	}
	return inactive
}

// sameID refuses a body whose id is not the path's.
func (b *body) sameID(id string) {
	if b.text("id") != id {
		b.refuse(errs.New(errs.Invalid, "id.mismatch", "The id differs from the path's.").On("id"))
	}
}

// date is a time as the surface writes it: UTC, whole seconds.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
