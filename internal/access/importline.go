package access

import (
	"cmp"
	"errors"
	"strings"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// The columns of what is imported. Aliases are those of Salesforce's objects PermissionSet and PermissionSetAssignment.
var (
	licenceColumn     = column{"licence", []string{"license", "license.name", "permissionset.license.name"}}
	permissionColumns = []column{{"name", nil}, licenceColumn, {"description", nil}, {"number", nil}}
	presetColumns     = []column{{"name", []string{"permissionset.name"}}, {"label", []string{"permissionset.label"}}, licenceColumn,
		{"description", []string{"permissionset.description"}}, {"number", nil}, {"permissions", nil}}
	licenceColumns = []column{{"name", nil}, {"title", nil}}
	entityColumns  = []column{{"kind", nil}, {"number", nil}, {"name", nil}}
	grantColumnsOf = []column{{"user", []string{"email", "assignee.email", "assignee.username"}}, {"user_id", []string{"senderid"}}, {"group", nil},
		{"preset", []string{"permissionset", "permissionset.name"}}, {"label", []string{"permissionset.label"}}, {"permission", nil},
		{"organizations", []string{"organisations", "organizationids"}}, {"legal_entities", []string{"legalentityids"}},
		{"contract_types", []string{"contracttypeids"}}}
)

// licenceNamed is the licence that a line means, by its name or by its title whatever the case. Invalid "licence.unknown".
func (in *importing) licenceNamed(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if in.licences == nil {
		var err error
		if in.licences, err = directory.Licences(in.tx, in.account); err != nil {
			return "", err
		}
	}
	for _, l := range in.licences {
		if l.Name == s || strings.EqualFold(l.Title, s) {
			return l.Name, nil
		}
	}
	return "", errs.New(errs.Invalid, "licence.unknown", "There is no licence %q.", s).On("licence")
}

func (in *importing) permission(r csvLine) (outcome, error) {
	number, err := r.number("number")
	if err == nil {
		err = in.once(r, folded(r.get("name")))
	}
	if err != nil {
		return unchanged, err
	}
	licence, err := in.licenceNamed(r.get("licence"))
	if err != nil {
		return unchanged, err
	}
	_, done, err := in.definePermission(in.tx, NewPermission{Number: number, Name: r.get("name"), Licence: licence, Description: r.get("description")})
	return done, err
}

// preset: Salesforce shows a set by its label and knows it by its name.
func (in *importing) preset(r csvLine) (outcome, error) {
	name := cmp.Or(r.get("label"), r.get("name"))
	number, err := r.number("number")
	if err == nil {
		err = in.once(r, folded(name))
	}
	if err != nil {
		return unchanged, err
	}
	new := NewPreset{Number: number, Name: name, Description: r.get("description")}
	if new.Licence, err = in.licenceNamed(r.get("licence")); err != nil {
		return unchanged, err
	}
	if r.has("permissions") {
		new.Contents = []Content{}
	}
	for _, part := range listOf(r.get("permissions")) {
		t, err := in.find(OfPermission, Ref{Name: part})
		if err != nil {
			return unchanged, errs.New(errs.Invalid, "permission.unknown", "There is no permission %q.", part).On("permissions")
		}
		new.Contents = append(new.Contents, Content{Permission: t.number})
	}
	_, done, err := in.definePreset(in.tx, in.at, new)
	return done, err
}

func (in *importing) licence(r csvLine) (outcome, error) {
	name, title := r.get("name"), cmp.Or(r.get("title"), r.get("name"))
	if err := in.once(r, name); err != nil {
		return unchanged, err
	}
	found, err := in.licenceNamed(name)
	if err != nil && !errs.Is(err, "licence.unknown") {
		return unchanged, err
	}
	done := created
	if found == name {
		done = changed
		for _, l := range in.licences {
			if l.Name == name && l.Title == title {
				return unchanged, nil
			}
		}
	}
	return done, directory.DefineLicence(in.tx, in.account, name, title)
}

func (in *importing) entity(r csvLine) (outcome, error) {
	number, err := r.number("number")
	if err == nil {
		err = in.once(r, r.get("kind")+" "+r.get("number"))
	}
	if err == nil && in.entities == nil {
		in.entities, err = readMap(in.tx, in.account)
	}
	if err != nil {
		return unchanged, err
	}
	return in.entities.define(in.tx, Entity{Kind: strings.ToLower(r.get("kind")), Number: number, Name: r.get("name")})
}

// bulk is somebody whom lines grant something, and what he holds by grant.
type bulk struct {
	holder
	live     map[thing]*grantRow
	licences map[string]bool // that he was given in this import
	err      error           // of who there is not
}

func (in *importing) grant(r csvLine) (outcome, error) {
	t, err := in.thingOf(r)
	if err != nil {
		return unchanged, err
	}
	var scope Scope
	if scope.Organizations, err = r.numbers("organizations"); err == nil {
		if scope.LegalEntities, err = r.numbers("legal_entities"); err == nil {
			scope.ContractTypes, err = r.numbers("contract_types")
		}
	}
	if err == nil {
		scope, err = in.at.check(scope)
	}
	if err == nil {
		err = in.mayGrant(t, scope)
	}
	if err != nil {
		return unchanged, err
	}
	h, err := in.holderOf(r)
	if err != nil {
		return unchanged, err
	}
	if err = in.mayHold(h.holder, t); err != nil {
		return unchanged, err
	}
	if err = in.once(r, h.id+" "+t.what+" "+in.name(t)); err != nil {
		return unchanged, err
	}
	was := h.live[t]
	if was != nil && was.Scope.V.Equal(scope) {
		return unchanged, nil
	}
	g := NewGrant{What: t.what, Number: t.number, Scope: scope, Source: Imported}
	if was == nil && h.user != nil {
		return created, in.giveNew(h, g)
	}
	_, isNew, err := in.give(in.tx, in.p, h.holder, g)
	switch {
	case err != nil || !isNew:
		return unchanged, err
	case was != nil:
		return changed, nil
	}
	return created, nil
}

// giveNew gives what a user does not hold. He is held, so nobody else gives it now, and the row need not be waited for; his
// licence is given once.
func (in *importing) giveNew(h *bulk, g NewGrant) error {
	_, args := newRow(in.p, h.holder, g)
	if err := in.tx.Later(grantInsert, args...); err != nil {
		return err
	}
	licence := in.powers.licence(g.thing())
	if licence == "" || h.licences[licence] {
		return nil
	}
	h.licences[licence] = true
	_, err := directory.GiveLicence(in.tx, in.account, licence, h.id)
	return err
}

// thingOf is what a line grants: exactly one preset, by label or else by name, or permission.
func (in *importing) thingOf(r csvLine) (thing, error) {
	preset, permission := cmp.Or(r.get("label"), r.get("preset")), r.get("permission")
	if (preset == "") == (permission == "") {
		return thing{}, errs.New(errs.Invalid, "import.thing", "A line names either a preset or a permission.")
	}
	what, name := OfPreset, preset
	if preset == "" {
		what, name = OfPermission, permission
	}
	t, err := in.find(what, Ref{Name: name})
	if err != nil {
		err = errs.New(errs.Invalid, what+".unknown", "There is no %s %q.", what, name).On(what)
	}
	return t, err
}

// holderOf finds and holds whom a line is about, each once.
func (in *importing) holderOf(r csvLine) (*bulk, error) {
	user, id, group := r.get("user"), r.get("user_id"), r.get("group")
	key := Holder{OfGroup, group}
	switch {
	case user != "" && id == "" && group == "":
		key = Holder{"email", strings.ToLower(user)}
	case user == "" && id != "" && group == "":
		key = Holder{OfUser, id}
	case user != "" || id != "" || group == "":
		return nil, errs.New(errs.Invalid, "import.holder", "A line names exactly one of user, user_id and group.")
	}
	if h := in.holders[key]; h != nil {
		return h, h.err
	}
	h, err := in.findHolder(key)
	if err != nil && errs.KindOf(err) == errs.Fault {
		return nil, err
	}
	in.holders[key] = &bulk{holder: h, live: map[thing]*grantRow{}, licences: map[string]bool{}, err: err}
	if err != nil {
		return nil, err
	}
	rows, err := liveOf(in.tx, in.account, h.kind, h.id, h.id)
	for _, row := range rows {
		in.holders[key].live[row.thing()] = row
	}
	return in.holders[key], err
}

func (in *importing) findHolder(key Holder) (h holder, err error) {
	if key.Kind != "email" {
		h, err = findHolder(in.tx, in.account, key)
		if refusal, ok := errors.AsType[*errs.Error](err); ok {
			return h, errs.New(errs.Invalid, refusal.What, "There is no %s %q.", key.Kind, key.ID).On(key.Kind)
		}
		return h, err
	}
	u, err := directory.UserByEmail(in.tx, in.account, key.ID)
	if err == nil {
		u, err = directory.HoldUser(in.tx, u.ID)
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		err = errs.New(errs.Invalid, "user.unknown", "There is no user with the address %q.", key.ID).On("user")
	}
	return holder{OfUser, u.ID, &u}, err
}
