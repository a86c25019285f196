package access

import (
	"errors"
	"strings"
	"unicode/utf8"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Access holds the acts on permissions and grants.
type Access struct{ db *db.DB }

// New opens the room.
func New(d *db.DB) *Access { return &Access{db: d} }

// runs reports who runs the account as a whole: the operator, and its partner's administrator.
func runs(p authz.Principal) bool { return p.Has(authz.Operate) || p.Has(authz.Administer) }

// mayOne refuses (Denied "right.missing") who neither runs the account nor holds one of the rights.
func mayOne(p authz.Principal, rights ...authz.Right) error {
	if runs(p) {
		return nil
	}
	for _, r := range rights {
		if p.Has(r) {
			return nil
		}
	}
	return p.Need(rights...)
}

// Holder is who holds a grant.
type Holder struct {
	Kind string // OfUser or OfGroup
	ID   string // the sender id of a user, the outer id of a group
}

// The kinds of holders.
const (
	OfUser  = "user"
	OfGroup = "group"
)

// The kinds of what is held.
const (
	OfPermission = "permission"
	OfPreset     = "preset"
)

// Page selects part of a list.
type Page struct {
	Cursor string // where the page before ended; "" is the beginning
	Limit  int    // 0 is all, where a list can be streamed
}

func unknownCursor() error {
	return errs.New(errs.Invalid, "cursor.unknown", "The cursor is not one that this list gave.").On("cursor")
}

// record appends the audit event of an act; of is whom it is about, nil nobody.
func record(tx *db.Tx, p authz.Principal, by directory.User, event string, detail map[string]string, of *directory.User) error {
	e := audit.Event{Type: event, Account: p.Account, Actor: audit.By(p), Detail: detail}
	if by.ID != "" {
		e.Actor.Name, e.Actor.Email = by.Name(), by.Email
	}
	if of != nil {
		e.Personal = map[string]string{"subject_name": of.Name(), "subject_email": of.Email}
	}
	_, err := audit.Append(tx, e)
	return err
}

func onField(err error, field string) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.On(field)
	}
	return err
}

// limit is how many of a page are wanted where not all can be had at once.
func (p Page) limit() int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 1000)
}

// storable reports text that both engines can hold and compare; nothing else can be an id.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
