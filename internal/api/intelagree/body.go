package intelagree

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/access"
	"countersign.dev/internal/directory"
)

// newUser reads the body of a user to make ("Create a User"). Its faults are in the form.
func (f *form) newUser() access.NewUser {
	in := access.NewUser{
		Name: given(f.line("name", true)), LegalName: given(f.line("legalName", true)), Email: given(f.email("email", true)),
		Title: given(f.line("title", false)), Keys: f.businessKeys("businessKeys"),
		Permissions: f.permissions("userPermissions"), Presets: f.presets("permissionPresets"),
		AllOrganisations: given(f.boolean("hasAllOrganizations")), LegalEntity: given(f.id("primaryLegalEntityId")),
	}
	if raw, ok := f.value("userPermissionsToClone"); ok {
		if k, ok := f.businessKey("userPermissionsToClone", raw); ok {
			in.Clone = &k
		}
	}
	return in
}

// change reads the body of a user's change: what is absent stays, null removes what may be missing (RFC 7396).
func (f *form) change() access.UserChange {
	c := access.UserChange{
		Name: f.kept("name"), LegalName: f.kept("legalName"), Title: f.line("title", false),
		AllOrganisations: f.boolean("hasAllOrganizations"), LegalEntity: f.id("primaryLegalEntityId"), Active: f.boolean("isActive"),
	}
	if f.sent("email") {
		c.Email = f.email("email", true)
	}
	if keys := f.businessKeys("businessKeys"); keys != nil {
		c.Keys = &keys
	}
	f.removed("title", func() { c.Title = new("") })
	f.removed("businessKeys", func() { c.Keys = &[]directory.BusinessKey{} })
	f.removed("hasAllOrganizations", func() { c.AllOrganisations = new(false) })
	f.removed("primaryLegalEntityId", func() { c.LegalEntity = new(int64(0)) })
	for _, name := range []string{"userPermissions", "permissionPresets", "userPermissionsToClone"} {
		if f.sent(name) { // a program that believes it took them away must learn better
			f.add(name, "The %s field cannot be changed here.", name)
		}
	}
	return c
}

// kept is a line that stays when it is absent, and may not be removed.
func (f *form) kept(name string) *string {
	if !f.sent(name) {
		return nil
	}
	return f.line(name, true)
}

// removed calls do when a member was sent as null.
func (f *form) removed(name string, do func()) {
	if _, ok := f.value(name); f.sent(name) && !ok {
		do()
	}
}

// given is what a pointer points to, the zero value when to nothing.
func given[T any](v *T) (out T) {
	if v != nil {
		out = *v
	}
	return out
}

// permissions reads a list of permissions, each once; an element is a name, a number, or an object with a scope.
func (f *form) permissions(name string) (list []access.NewEntry) {
	var refs []access.Ref
	for i, raw := range f.list(name, maxGrants) {
		field := element(name, i)
		entry := access.NewEntry{}
		ok := false
		if raw.Kind() == '{' {
			entry, ok = f.scoped(field, raw)
		} else {
			entry.Ref, ok = f.ref(field, raw, "a name, an integer id, or an object with permission")
		}
		if ok && slices.Contains(refs, entry.Ref) {
			f.add(field, "The %s field is there twice.", field)
		}
		if ok {
			refs = append(refs, entry.Ref)
		}
		list = append(list, entry)
	}
	return list
}

// scoped reads a permission with what it applies to. A scope whose name is misspelt must not be one that is absent.
func (f *form) scoped(field string, raw jsontext.Value) (entry access.NewEntry, ok bool) {
	in, ok := f.inside(field, raw)
	if !ok {
		f.add(field, "The %s field must be an object with permission.", field)
		return entry, false
	}
	in.only("permission", "organizationIds", "legalEntityIds", "contractTypeIds")
	if raw, sent := in.value("permission"); !sent {
		in.required("permission")
		ok = false
	} else {
		entry.Ref, ok = f.ref(in.at+"permission", raw, "a name or an integer id")
	}
	entry.Scope = access.Scope{Organizations: in.ids("organizationIds"), LegalEntities: in.ids("legalEntityIds"), ContractTypes: in.ids("contractTypeIds")}
	return entry, ok
}

// presets reads a list of presets, each once.
func (f *form) presets(name string) (list []access.Ref) {
	for i, raw := range f.list(name, maxGrants) {
		field := element(name, i)
		ref, ok := f.ref(field, raw, "a name or an integer id")
		if ok && slices.Contains(list, ref) {
			f.add(field, "The %s field is there twice.", field)
		}
		if ok {
			list = append(list, ref)
		}
	}
	return list
}

// ref reads a name or a number; ok is false when a fault was noted.
func (f *form) ref(field string, raw jsontext.Value, what string) (ref access.Ref, ok bool) {
	switch raw.Kind() {
	case '0':
		n := f.number(field, raw)
		return access.Ref{Number: given(n)}, n != nil
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		clean, bad := directory.PersonName(s)
		if err == nil && bad == nil && clean != "" {
			return access.Ref{Name: clean}, true
		}
	}
	f.add(field, "The %s field must be %s.", field, what)
	return ref, false
}
