package congasign

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// customFieldRoutes are the operations on custom fields: those that an account
// defines, and the values that the calling user gives them. They are kept for
// clients. A field that does not exist is answered 204, not 404: the libraries
// ask so whether they make it or change it.
func (s *surface) customFieldRoutes() []api.Route {
	const account, user = "/account/customfields", "/user/customfields"
	return []api.Route{
		{Method: "GET", Path: account, Right: authz.Sign, Handle: s.listFields},
		{Method: "POST", Path: account, Right: authz.Sign, Handle: s.setField},
		{Method: "PUT", Path: account, Right: authz.Sign, Handle: s.setField},
		{Method: "GET", Path: account + "/{field}", Right: authz.Sign, Handle: s.getField},
		{Method: "DELETE", Path: account + "/{field}", Right: authz.Sign, Handle: s.deleteField},
		{Method: "GET", Path: user, Right: authz.Sign, Handle: s.listValues},
		{Method: "POST", Path: user, Right: authz.Sign, Handle: s.setValue},
		{Method: "PUT", Path: user, Right: authz.Sign, Handle: s.setValue},
		{Method: "GET", Path: user + "/{field}", Right: authz.Sign, Handle: s.getValue},
		{Method: "DELETE", Path: user + "/{field}", Right: authz.Sign, Handle: s.deleteValue},
	}
}

// customField is what every custom field is; the rest is kept as it came.
var customField = objectOf(map[string]rule{"id": text, "name": text, "required": boolean, "value": text, "translations": list})

// maxFieldID is the longest id of a custom field, in characters.
const maxFieldID = 64

// fieldOf reads a custom field, or the value of one.
func fieldOf(r *api.Request) (id string, field json.RawMessage, err error) {
	var in jsontext.Value
	if err := r.JSON(&in); err != nil {
		return "", nil, err
	}
	if err := customField.of0("customField", in); err != nil {
		return "", nil, err
	}
	var has struct{ ID string }
	if err := json.Unmarshal(in, &has); err != nil {
		return "", nil, err // it has the type by now
	}
	return has.ID, json.RawMessage(withoutNulls(json.RawMessage(in))), checkLine("id", has.ID, maxFieldID)
}

func (s *surface) listFields(r *api.Request) (api.Answer, error) {
	from, to, err := window(r)
	if err != nil {
		return api.Answer{}, err
	}
	fields, err := s.dir.Documents(r.Context(), r.Principal, directory.CustomFields, directory.Query{From: from, To: to, Dir: r.Query("dir")})
	out := []jsontext.Value{}
	for _, f := range fields {
		out = append(out, jsontext.Value(f.Data))
	}
	return api.Answer{JSON: out}, err
}

func (s *surface) getField(r *api.Request) (api.Answer, error) {
	data, err := s.dir.Document(r.Context(), r.Principal, directory.CustomFields, r.Path("field"))
	return orNothing(data, err)
}

// orNothing answers 204 where there is nothing.
func orNothing(data json.RawMessage, err error) (api.Answer, error) {
	if data == nil {
		return api.Answer{Status: http.StatusNoContent}, err
	}
	return api.Answer{JSON: jsontext.Value(data)}, err
}

func (s *surface) setField(r *api.Request) (api.Answer, error) {
	id, field, err := fieldOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	kept, err := s.dir.ChangeDocument(r.Context(), r.Principal, directory.CustomFields, id,
		func(json.RawMessage) (json.RawMessage, error) { return field, nil })
	return orNothing(kept, err)
}

func (s *surface) deleteField(r *api.Request) (api.Answer, error) {
	_, err := s.dir.ChangeDocument(r.Context(), r.Principal, directory.CustomFields, r.Path("field"),
		func(json.RawMessage) (json.RawMessage, error) { return nil, nil })
	return noContent(err)
}

// fieldValue is one of a user's custom fields, as he has it.
type fieldValue struct {
	id   string
	data jsontext.Value
}

// fieldValues are the custom fields of a user.
func fieldValues(u directory.User) (out []fieldValue) {
	for _, raw := range senderKeptOf(u.Kept).UserCustomFields {
		var has struct{ ID string }
		if json.Unmarshal(raw, &has) == nil {
			out = append(out, fieldValue{has.ID, raw})
		}
	}
	return out
}

func (s *surface) listValues(r *api.Request) (api.Answer, error) {
	u, err := s.dir.Self(r.Context(), r.Principal)
	out := []jsontext.Value{}
	for _, v := range fieldValues(u) {
		out = append(out, v.data)
	}
	return api.Answer{JSON: out}, err
}

func (s *surface) getValue(r *api.Request) (api.Answer, error) {
	u, err := s.dir.Self(r.Context(), r.Principal)
	all := fieldValues(u)
	if i := slices.IndexFunc(all, func(v fieldValue) bool { return v.id == r.Path("field") }); i >= 0 {
		return api.Answer{JSON: all[i].data}, err
	}
	return orNothing(nil, err)
}

func (s *surface) setValue(r *api.Request) (api.Answer, error) {
	id, field, err := fieldOf(r)
	if err == nil {
		err = s.changeValues(r, id, jsontext.Value(field))
	}
	return api.Answer{JSON: jsontext.Value(field)}, err
}

func (s *surface) deleteValue(r *api.Request) (api.Answer, error) {
	return noContent(s.changeValues(r, r.Path("field"), nil))
}

// changeValues puts a value in the place of the user's of the same id; nil removes it.
func (s *surface) changeValues(r *api.Request, id string, next jsontext.Value) error {
	return s.dir.ChangeSelf(r.Context(), r.Principal, func(u directory.User) (directory.UserChange, error) {
		all := slices.DeleteFunc(fieldValues(u), func(v fieldValue) bool { return v.id == id })
		if next != nil {
			all = append(all, fieldValue{id, next})
		}
		if len(all) > maxValues {
			return directory.UserChange{}, errs.New(errs.Invalid, "value.too_many", "%s are at most %d.", "userCustomFields", maxValues).On("userCustomFields")
		}
		slices.SortFunc(all, func(a, b fieldValue) int { return cmp.Compare(a.id, b.id) })
		list := []jsontext.Value{}
		for _, v := range all {
			list = append(list, v.data)
		}
		kept, err := json.Marshal(map[string]any{"userCustomFields": list})
		return directory.UserChange{Kept: kept}, err
	})
}

// maxValues is how many custom fields a user may have.
const maxValues = 100
