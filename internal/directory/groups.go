package directory

import (
	"context"
	"encoding/json"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/retry"
	"countersign.dev/internal/secret"
)

// NewGroup is the input of CreateGroup.
type NewGroup struct {
	// OuterID may be chosen by the client: up to 64 letters, digits, '-' and '_'. Empty: a GUID is made.
	OuterID string
	// Name, when given, is unique among the account's groups.
	Name         string
	Email        string
	EmailMembers *bool
	Data         json.RawMessage
	Members      []NewMember
}

// CreateGroup makes a group and mails an invitation to each of its members. It
// is all or nothing (Conga Sign, Creating Groups: members have to be senders of
// the account).
//
// Denied "account.not_manager", "user.inactive"; Invalid "group.name_taken",
// "group.id_taken", "group.id_malformed", "name.malformed", "email.malformed",
// "data.malformed", "member.type", "member.unnamed", "member.mismatch",
// "member.twice", "member.inactive", "group.too_large"; NotFound "member.unknown".
func (d *Directory) CreateGroup(ctx context.Context, p authz.Principal, in NewGroup) (g Group, err error) {
	text, err := cleanGroup(in.Name, in.Email, in.Data)
	if err != nil {
		return Group{}, err
	}
	if in.OuterID == "" {
		in.OuterID = secret.NewGUID()
	}
	if !goodOuterID(in.OuterID) {
		return Group{}, errs.New(errs.Invalid, "group.id_malformed", "A group id has up to %d letters, digits, - and _.", maxOuterID).On("id")
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		id, err := insertGroup(tx, p.Account, in.OuterID, text, in.EmailMembers)
		if err != nil {
			return err
		}
		if err = record(tx, p, by, "group.created", map[string]string{"group": id}); err != nil {
			return err
		}
		invited, err := joinAll(tx, p, by, Group{ID: id, Account: p.Account}, in.Members)
		if err != nil {
			return err
		}
		if g, err = GroupByID(tx, id); err != nil {
			return err
		}
		if err = d.mailMembers(tx, g, by, invited); err != nil {
			return err
		}
		return retry.Made(tx, g.OuterID)
	})
	return g, err
}

// joinAll adds senders to a group whose row the caller holds and returns who is new in it.
func joinAll(tx *db.Tx, p authz.Principal, by User, g Group, named []NewMember) (joined []User, err error) {
	all, err := candidates(tx, g, named)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if err = Touch(tx, g.Account); err != nil {
		return nil, err
	}
	for _, c := range all {
		isNew, err := join(tx, g.ID, c)
		if err != nil {
			return nil, err
		}
		if !isNew {
			continue
		}
		joined = append(joined, c.user)
		if err = record(tx, p, by, "group.member_added", map[string]string{"group": g.ID, "user": c.user.ID}, c.user); err != nil {
			return nil, err
		}
	}
	return joined, nil
}

// GetGroup finds a group by its outer id. NotFound "group.unknown".
func (d *Directory) GetGroup(ctx context.Context, p authz.Principal, id string) (g Group, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error { g, err = GroupByOuterID(tx, p.Account, id); return err })
	return g, err
}

// GroupQuery selects groups.
type GroupQuery struct {
	// Name is contained in the group's name, whatever the case.
	Name string
	// From, To and Dir as in Query.
	From, To int
	Dir      string
	// RequestType "manager" asks for the groups the caller may change; empty for all.
	RequestType string
}

// ListGroups lists the account's groups and counts all that match. Invalid
// "query.range", "query.dir", "query.request_type"; Denied "user.inactive".
func (d *Directory) ListGroups(ctx context.Context, p authz.Principal, q GroupQuery) (list []Group, count int, err error) {
	w, err := windowOf(q.From, q.To, q.Dir)
	if err == nil && q.RequestType != "" && q.RequestType != "manager" {
		err = errs.New(errs.Invalid, "query.request_type", "requestType is manager or absent.").On("requestType")
	}
	if err != nil {
		return nil, 0, err
	}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		by, all, err := actor(tx, p)
		if err != nil {
			return err
		}
		where := `account_id = $1 and folded like $2 escape '\' and deleted_ms is null and (cast($3 as boolean)
			or exists (select 1 from group_members m where m.group_id = signer_groups.id and m.user_id = $4 and m.member_type = 'MANAGER'))`
		args := []any{p.Account, containing(q.Name), all || q.RequestType == "", by.ID}
		if count, err = db.One[int](tx, `select count(*) from signer_groups where `+where, args...); err != nil {
			return err
		}
		list, err = someGroups(tx, w.of(`from signer_groups where `+where, "id"), args...)
		return err
	})
	return list, count, err
}

// changing finds the acting user and holds the group for a change. Denied
// "group.not_manager" unless he manages the account or the group; NotFound "group.unknown".
func changing(tx *db.Tx, p authz.Principal, id string) (by User, g Group, err error) {
	by, manager, err := actor(tx, p)
	if err != nil {
		return by, g, err
	}
	if g, err = lockGroup(tx, p.Account, id); err != nil {
		return by, g, err
	}
	if m, ok := g.Member(by.ID); !manager && (!ok || m.MemberType != Manager) {
		err = notGroupManager()
	}
	return by, g, err
}

func notGroupManager() error {
	return errs.New(errs.Denied, "group.not_manager", "Only Managers of this Account or Group can update the Group.")
}

// GroupChange changes a group; nil keeps.
type GroupChange struct {
	// Name "" takes the name from the e-mail again.
	Name, Email *string
	// EmailMembers false leaves a group without a choice as it is.
	EmailMembers *bool
	Data         json.RawMessage
	// Members, when not nil, are all members from now on; whoever is new is invited by mail.
	Members []NewMember
}

// UpdateGroup changes a group given by its outer id. Denied "group.not_manager",
// "user.inactive"; NotFound "group.unknown", "member.unknown"; Invalid as CreateGroup.
func (d *Directory) UpdateGroup(ctx context.Context, p authz.Principal, id string, c GroupChange) (g Group, err error) {
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, was, err := changing(tx, p, id)
		if err != nil {
			return err
		}
		if err = rewrite(tx, was, c); err == nil {
			err = Touch(tx, was.Account) // its members' access names it
		}
		if err != nil {
			return err
		}
		var invited []User
		if c.Members != nil {
			if invited, err = joinAll(tx, p, by, was, c.Members); err == nil {
				err = leaveOthers(tx, p, by, was, c.Members)
			}
			if err != nil {
				return err
			}
		}
		if err = record(tx, p, by, "group.changed", map[string]string{"group": was.ID}); err != nil {
			return err
		}
		if g, err = GroupByID(tx, was.ID); err != nil {
			return err
		}
		return d.mailMembers(tx, g, by, invited)
	})
	return g, err
}

func rewrite(tx *db.Tx, was Group, c GroupChange) error {
	given, err := db.One[string](tx, `select coalesce((select name from group_names where group_id = $1), '')`, was.ID)
	if err != nil {
		return err
	}
	t, err := cleanGroup(or(c.Name, given), or(c.Email, was.Email), orJSON(c.Data, was.Data))
	if err != nil {
		return err
	}
	if err = claimName(tx, was.Account, was.ID, t.given); err != nil {
		return err
	}
	emailMembers := was.EmailMembers
	// Without a choice the group is shown as one that says no; who sends back what he read chooses nothing.
	if c.EmailMembers != nil && (*c.EmailMembers || was.EmailMembers != nil) {
		emailMembers = c.EmailMembers
	}
	_, err = tx.Exec(`update signer_groups set name = $2, folded = $3, email = $4, email_members = $5, data = $6, updated_ms = clock_ms()
		where id = $1`, was.ID, t.name, fold(t.name), t.email, emailMembers, t.data)
	return err
}

// leaveOthers removes the members who are not named.
func leaveOthers(tx *db.Tx, p authz.Principal, by User, was Group, named []NewMember) error {
	stay := map[string]bool{}
	for _, n := range named {
		c, err := nominate(tx, p.Account, n)
		if err != nil {
			return err
		}
		stay[c.user.ID] = true
	}
	for _, m := range was.Members {
		if stay[m.ID] {
			continue
		}
		if err := leave(tx, p, by, was.ID, m.User); err != nil {
			return err
		}
	}
	return nil
}

func leave(tx *db.Tx, p authz.Principal, by User, group string, u User) error {
	if _, err := tx.Exec(`delete from group_members where group_id = $1 and user_id = $2`, group, u.ID); err != nil {
		return err
	}
	if err := Touch(tx, u.Account); err != nil {
		return err
	}
	return record(tx, p, by, "group.member_removed", map[string]string{"group": group, "user": u.ID}, u)
}

// DeleteGroup deletes a group: its members can sign for it no more from their
// next act on, its name and id are free again. Denied "group.not_manager",
// "user.inactive"; NotFound "group.unknown".
func (d *Directory) DeleteGroup(ctx context.Context, p authz.Principal, id string) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, g, err := changing(tx, p, id)
		if err != nil {
			return err
		}
		for _, statement := range []string{
			`update signer_groups set deleted_ms = clock_ms(), updated_ms = clock_ms() where id = $1`,
			`delete from group_names where group_id = $1`,
			`delete from group_members where group_id = $1`,
		} {
			if _, err := tx.Exec(statement, g.ID); err != nil {
				return err
			}
		}
		if err = Touch(tx, g.Account); err != nil {
			return err
		}
		return record(tx, p, by, "group.deleted", map[string]string{"group": g.ID})
	})
}
