package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// AddMember puts a sender into a group, given by its outer id; invite also mails
// him, again if he is a member already. Adding a member again changes his type
// when one is said.
//
// Denied "group.not_manager", "user.inactive"; NotFound "group.unknown",
// "member.unknown"; Invalid "member.inactive", "member.type", "member.unnamed",
// "member.mismatch", "group.too_large".
func (d *Directory) AddMember(ctx context.Context, p authz.Principal, group string, n NewMember, invite bool) (g Group, m Member, err error) {
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, was, err := changing(tx, p, group)
		if err != nil {
			return err
		}
		if len(was.Members) >= maxMembers {
			return errs.New(errs.Invalid, "group.too_large", "A group has at most %d members.", maxMembers).On("members")
		}
		if _, err = joinAll(tx, p, by, was, []NewMember{n}); err != nil {
			return err
		}
		c, err := nominate(tx, p.Account, n)
		if err != nil {
			return err
		}
		if g, m, err = touched(tx, was.ID, c.user.ID); err != nil || !invite {
			return err
		}
		return d.mailMembers(tx, g, by, []User{m.User})
	})
	return g, m, err
}

// touched marks a group as changed and reads it and one of its members again.
func touched(tx *db.Tx, group, user string) (g Group, m Member, err error) {
	if _, err = tx.Exec(`update signer_groups set updated_ms = clock_ms() where id = $1`, group); err != nil {
		return g, m, err
	}
	g, err = GroupByID(tx, group)
	m, _ = g.Member(user)
	return g, m, err
}

// RetypeMember changes a member, given by his sender id, to REGULAR or MANAGER.
// Denied "group.not_manager", "user.inactive"; NotFound "group.unknown",
// "member.unknown"; Invalid "member.type".
func (d *Directory) RetypeMember(ctx context.Context, p authz.Principal, group, senderID, to string) (m Member, err error) {
	to, err = memberType(to)
	if err == nil && to == "" {
		_, err = memberType("none")
	}
	if err != nil {
		return Member{}, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, g, is, err := changingMember(tx, p, group, senderID)
		if err != nil {
			return err
		}
		if _, err = join(tx, g.ID, candidate{is.User, to}); err != nil {
			return err
		}
		if _, m, err = touched(tx, g.ID, is.ID); err == nil {
			err = Touch(tx, g.Account)
		}
		if err != nil {
			return err
		}
		return record(tx, p, by, "group.member_retyped", map[string]string{"group": g.ID, "user": is.ID, "type": to}, is.User)
	})
	return m, err
}

// RemoveMember takes a member, given by his sender id, out of a group: his next
// act for it is refused. Denied "group.not_manager", "user.inactive"; NotFound
// "group.unknown", "member.unknown".
func (d *Directory) RemoveMember(ctx context.Context, p authz.Principal, group, senderID string) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, g, m, err := changingMember(tx, p, group, senderID)
		if err != nil {
			return err
		}
		if err = leave(tx, p, by, g.ID, m.User); err != nil {
			return err
		}
		_, _, err = touched(tx, g.ID, m.ID)
		return err
	})
}

// changingMember is changing for one present member of the group.
func changingMember(tx *db.Tx, p authz.Principal, group, senderID string) (by User, g Group, m Member, err error) {
	if by, g, err = changing(tx, p, group); err != nil {
		return by, g, m, err
	}
	u, err := UserBySender(tx, p.Account, senderID)
	if errs.KindOf(err) == errs.NotFound {
		return by, g, m, unknownMember()
	}
	if err != nil {
		return by, g, m, err
	}
	m, ok := g.Member(u.ID)
	if !ok {
		err = unknownMember()
	}
	return by, g, m, err
}
