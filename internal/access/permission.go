package access

import (
	"context"
	"strconv"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Permission is a named thing one may do.
type Permission struct {
	Number      int64
	Name        string
	Licence     string // "" is none
	Description string
	Right       authz.Right // what it means on this server; "" of those that mean something elsewhere
	BuiltIn     bool
}

// NewPermission is a permission to define.
type NewPermission struct {
	Number                     int64 // at least 1000; 0 is the next one that is free
	Name, Licence, Description string
}

// DefinePermission makes a permission of the account; one of that name gets the licence and the description.
//
// Denied "right.missing"; Invalid "name.malformed", "name.missing", "licence.unknown", "permission.number";
// Conflict "permission.taken" (the number or the name is another's, or a built-in one's), "define.outrun".
func (a *Access) DefinePermission(ctx context.Context, p authz.Principal, in NewPermission) (made Permission, err error) {
	if err = mayOne(p, authz.ManageUsers); err != nil {
		return Permission{}, err
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		w, err := managing(tx, p)
		if err != nil {
			return err
		}
		var done outcome
		if made, done, err = w.definePermission(tx, in); err != nil || done == unchanged {
			return err
		}
		return recordDefined(tx, p, w.actor, thing{OfPermission, made.Number}, made.Name)
	})
	return made, err
}

func recordDefined(tx *db.Tx, p authz.Principal, by directory.User, t thing, name string) error {
	return record(tx, p, by, t.what+".defined", map[string]string{"number": strconv.FormatInt(t.number, 10), "name": name}, nil)
}

// named cleans what is to be defined and finds the one of that name; its number is the one to write. t.number is 0 when
// a new one gets the next. Invalid and Conflict as DefinePermission.
func (b *book) named(tx *db.Tx, what string, in *NewPermission) (t thing, exists bool, err error) {
	if in.Name, err = cleanName(in.Name); err != nil {
		return t, false, err
	}
	if in.Description, err = directory.PersonName(in.Description); err != nil {
		return t, false, onField(err, "description")
	}
	if err = knownLicence(tx, b.account, in.Licence); err != nil {
		return t, false, err
	}
	t = thing{what, b.names[what][folded(in.Name)]}
	exists = t.number != 0
	taken := func(detail string, args ...any) error {
		return errs.New(errs.Conflict, what+".taken", detail, args...).On("name")
	}
	switch {
	case exists && t.number < firstOwn:
		return t, false, taken("%s is built in.", in.Name)
	case exists && in.Number != 0 && in.Number != t.number:
		return t, false, taken("%s has the number %d.", in.Name, t.number)
	case exists:
		return t, true, nil
	case in.Number != 0 && (in.Number < firstOwn || in.Number > 1<<53):
		return t, false, errs.New(errs.Invalid, what+".number", "The number is at least %d.", firstOwn).On("number")
	case in.Number != 0 && b.name(thing{what, in.Number}) != "":
		return t, false, taken("%s has the number %d.", b.name(thing{what, in.Number}), in.Number).(*errs.Error).On("number")
	case in.Number == 0:
		in.Number = b.last[what] + 1
	}
	t.number = in.Number
	return t, false, nil
}

// knownLicence refuses (Invalid "licence.unknown") one that the account does not have.
func knownLicence(tx *db.Tx, account, name string) error {
	if name == "" || name == directory.LicenceSign || name == directory.LicenceSalesforce {
		return nil
	}
	all, err := directory.Licences(tx, account)
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.Name == name {
			return nil
		}
	}
	return errs.New(errs.Invalid, "licence.unknown", "There is no such licence.").On("licence")
}

// definePermission makes a permission or changes the one of that name.
func (b *book) definePermission(tx *db.Tx, in NewPermission) (Permission, outcome, error) {
	t, exists, err := b.named(tx, OfPermission, &in)
	if err != nil {
		return Permission{}, unchanged, err
	}
	made := Permission{Number: t.number, Name: in.Name, Licence: in.Licence, Description: in.Description}
	query, done := `insert into permissions (account_id, number, name, folded, licence, description, created_ms)
		values ($1, $2, $3, $4, $5, $6, clock_ms()) on conflict do nothing`, created
	if exists {
		if *b.permissions[t.number] == made {
			return made, unchanged, nil
		}
		query, done = `update permissions set name = $3, folded = $4, licence = $5, description = $6 where account_id = $1 and number = $2`, changed
	}
	n, err := tx.Exec(query, b.account, t.number, in.Name, folded(in.Name), in.Licence, in.Description)
	if err == nil && n == 0 {
		err = outrun()
	}
	if err == nil {
		b.addPermission(made)
		err = directory.Touch(tx, b.account)
	}
	return made, done, err
}
