package access

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Catalogue is all that can be held in an account, and what it can be scoped by.
type Catalogue struct {
	Permissions []Permission // by number
	Presets     []Preset     // by number
	Licences    []directory.Licence
	Entities    []Entity // by kind and number
}

// Catalogue is the account's. Denied "right.missing" without one of access.read, users.manage and intelagree.users.
func (a *Access) Catalogue(ctx context.Context, p authz.Principal) (c Catalogue, err error) {
	if err = mayOne(p, authz.ReadAccess, authz.ManageUsers, authz.IntelAgree); err != nil {
		return c, err
	}
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		b, err := readBook(tx, p.Account)
		if err != nil {
			return err
		}
		for _, one := range b.permissions {
			c.Permissions = append(c.Permissions, *one)
		}
		for _, one := range b.presets {
			c.Presets = append(c.Presets, *one)
		}
		slices.SortFunc(c.Permissions, func(a, b Permission) int { return cmp.Compare(a.Number, b.Number) })
		slices.SortFunc(c.Presets, func(a, b Preset) int { return cmp.Compare(a.Number, b.Number) })
		if c.Entities, err = entitiesOf(tx, p.Account); err != nil {
			return err
		}
		c.Licences, err = directory.Licences(tx, p.Account)
		return err
	})
	return c, err
}

// Find is the number of a permission or preset, given by that number or by its name, whatever the case. Invalid
// "permission.unknown", "preset.unknown".
func (c Catalogue) Find(what, name string) (int64, error) {
	n, err := strconv.ParseInt(name, 10, 64)
	for _, p := range c.Permissions {
		if what == OfPermission && (err == nil && p.Number == n || folded(p.Name) == folded(name)) {
			return p.Number, nil
		}
	}
	for _, p := range c.Presets {
		if what == OfPreset && (err == nil && p.Number == n || folded(p.Name) == folded(name)) {
			return p.Number, nil
		}
	}
	return 0, unknownThing(what, Ref{Name: name})
}

// thing is a permission or a preset by its kind and number.
type thing struct {
	what   string
	number int64
}

// book is all that can be held in an account, as one transaction sees it.
type book struct {
	account     string
	permissions map[int64]*Permission
	presets     map[int64]*Preset
	names       map[string]map[string]int64 // by kind and folded name
	last        map[string]int64            // the highest number by kind
}

func folded(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// newBook has what is built in.
func newBook(account string) *book {
	b := &book{account: account, permissions: map[int64]*Permission{}, presets: map[int64]*Preset{},
		names: map[string]map[string]int64{OfPermission: {}, OfPreset: {}},
		last:  map[string]int64{OfPermission: firstOwn - 1, OfPreset: firstOwn - 1}}
	for _, p := range builtInPermissions {
		p.BuiltIn = true
		b.addPermission(p)
	}
	for _, p := range builtInPresets {
		p.BuiltIn = true
		b.addPreset(p)
	}
	return b
}

// readBook reads what the account defined, too.
func readBook(tx *db.Tx, account string) (*book, error) {
	b := newBook(account)
	type row struct {
		Number                     int64
		Name, Licence, Description string
	}
	for r, err := range db.Rows[row](tx, `select number, name, licence, description from permissions where account_id = $1`, account) {
		if err != nil {
			return nil, err
		}
		b.addPermission(Permission{Number: r.Number, Name: r.Name, Licence: r.Licence, Description: r.Description})
	}
	for r, err := range db.Rows[row](tx, `select number, name, licence, description from presets where account_id = $1`, account) {
		if err != nil {
			return nil, err
		}
		b.addPreset(Preset{Number: r.Number, Name: r.Name, Licence: r.Licence, Description: r.Description})
	}
	return b, b.readContents(tx)
}

func (b *book) readContents(tx *db.Tx) error {
	if len(b.presets) == len(builtInPresets) {
		return nil
	}
	type row struct {
		Preset, Permission int64
		Scope              db.JSON[Scope]
	}
	for r, err := range db.Rows[row](tx, `select preset, permission, scope from preset_permissions where account_id = $1
			order by preset, permission`, b.account) {
		if err != nil {
			return err
		}
		if p := b.presets[r.Preset]; p != nil {
			p.Contents = append(p.Contents, Content{r.Permission, r.Scope.V})
		}
	}
	return nil
}

func (b *book) addPermission(p Permission) {
	b.permissions[p.Number] = &p
	b.names[OfPermission][folded(p.Name)] = p.Number
	b.last[OfPermission] = max(b.last[OfPermission], p.Number)
}

func (b *book) addPreset(p Preset) {
	b.presets[p.Number] = &p
	b.names[OfPreset][folded(p.Name)] = p.Number
	b.last[OfPreset] = max(b.last[OfPreset], p.Number)
}

// name is what a thing is called; "" of one that there is not.
func (b *book) name(t thing) string {
	if t.what == OfPreset {
		if p := b.presets[t.number]; p != nil {
			return p.Name
		}
		return ""
	}
	if p := b.permissions[t.number]; p != nil {
		return p.Name
	}
	return ""
}

// find is the thing that is named, by its number or else by its name, whatever the case. Invalid "permission.unknown",
// "preset.unknown".
func (b *book) find(what string, r Ref) (thing, error) {
	t := thing{what, r.Number}
	if r.Number == 0 {
		t.number = b.names[what][folded(r.Name)]
	}
	if b.name(t) != "" {
		return t, nil
	}
	return thing{}, unknownThing(what, r)
}

func unknownThing(what string, r Ref) error {
	if r.Number != 0 {
		return errs.New(errs.Invalid, what+".unknown", "There is no %s with the number %d.", what, r.Number)
	}
	return errs.New(errs.Invalid, what+".unknown", "There is no %s of that name.", what).With("name", r.Name)
}

// licence is the one that comes with a thing; "" is none.
func (b *book) licence(t thing) string {
	if p := b.presets[t.number]; t.what == OfPreset && p != nil {
		return p.Licence
	}
	return ""
}

// contentsOf are the permissions of a preset, or the permission itself.
func (b *book) contentsOf(t thing) []Content {
	if t.what == OfPermission {
		return []Content{{Permission: t.number}}
	}
	return b.presets[t.number].Contents
}
