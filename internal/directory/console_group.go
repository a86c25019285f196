package directory

import (
	"context"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// SeenGroup is a group as somebody sees it.
type SeenGroup struct {
	Group
	Changes bool // he may change it and its members
	Invites bool // and have people join who are no senders yet
}

// SeeGroups lists the account's groups that the caller sees, as ListGroups does: all of them for who manages the account
// and for senders, those he is in for everybody else. Invalid "query.range", "query.dir"; Denied "user.inactive".
func (d *Directory) SeeGroups(ctx context.Context, p authz.Principal, q GroupQuery) (list []Group, count int, err error) {
	w, err := windowOf(q.From, q.To, q.Dir)
	if err != nil {
		return nil, 0, err
	}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		by, manager, err := actor(tx, p)
		if err != nil {
			return err
		}
		where := `account_id = $1 and folded like $2 escape '\' and deleted_ms is null and (cast($3 as boolean)
			or exists (select 1 from group_members m where m.group_id = signer_groups.id and m.user_id = $4))`
		args := []any{p.Account, containing(q.Name), manager || by.Sender, by.ID}
		if count, err = db.One[int](tx, `select count(*) from signer_groups where `+where, args...); err != nil {
			return err
		}
		list, err = someGroups(tx, w.of(`from signer_groups where `+where, "id"), args...)
		return err
	})
	return list, count, err
}

// SeeGroup finds one of them by its outer id, and what the caller may do with it. NotFound "group.unknown" for one that
// he does not see; Denied "user.inactive".
func (d *Directory) SeeGroup(ctx context.Context, p authz.Principal, id string) (g SeenGroup, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		by, manager, err := actor(tx, p)
		if err != nil {
			return err
		}
		if g.Group, err = GroupByOuterID(tx, p.Account, id); err != nil {
			return err
		}
		m, in := g.Member(by.ID)
		if !manager && !by.Sender && (!in || by.ID == "") {
			return unknownGroup()
		}
		g.Invites, g.Changes = manager, manager || in && by.ID != "" && m.MemberType == Manager
		return nil
	})
	return g, err
}

// InviteMember puts a person into a group, given by its outer id, by his address; who is no sender of the account yet
// becomes one and is mailed so, which is for those who manage the account. All in one act. As AddMember, and Denied
// "account.not_manager"; and as InviteSender.
func (d *Directory) InviteMember(ctx context.Context, p authz.Principal, group string, in NewUser, memberType string) (m Member, created bool, err error) {
	if _, err := in.clean(); err != nil {
		return Member{}, false, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, was, err := changing(tx, p, group)
		if err != nil {
			return err
		}
		if len(was.Members) >= maxMembers {
			return errs.New(errs.Invalid, "group.too_large", "A group has at most %d members.", maxMembers).On("members")
		}
		u, isNew, err := senderOf(tx, p, in)
		if err != nil {
			return err
		}
		created = isNew
		joined, err := joinAll(tx, p, by, was, []NewMember{{SenderID: u.SenderID, MemberType: memberType}})
		if err != nil {
			return err
		}
		var g Group
		if g, m, err = touched(tx, was.ID, u.ID); err != nil {
			return err
		}
		if created {
			if err = d.mailSender(tx, u, by); err == nil {
				err = record(tx, p, by, "sender.invited", map[string]string{"user": u.ID, "created": yesNo(true)}, u)
			}
		}
		if err == nil {
			err = d.mailMembers(tx, g, by, joined)
		}
		return err
	})
	return m, created, err
}

// senderOf is the living sender of an address, who is made if need be and if the caller manages the account.
func senderOf(tx *db.Tx, p authz.Principal, in NewUser) (u User, created bool, err error) {
	u, err = UserByEmail(tx, p.Account, in.Email)
	if err == nil && u.Sender && u.Status != Inactive || err != nil && errs.KindOf(err) != errs.NotFound {
		return u, false, err
	}
	by, err := managing(tx, p)
	if err == nil {
		err = above(p, by, User{Type: in.Type})
	}
	if err != nil {
		return User{}, false, err
	}
	return inviteSender(tx, p.Account, in)
}

// InviteAgain mails a member of a group, given by his sender id, who has not accepted his invitation to the account, once
// more: to the account and to the group. Denied "group.not_manager", "user.inactive"; NotFound "group.unknown",
// "member.unknown"; Conflict "member.active" when he has.
func (d *Directory) InviteAgain(ctx context.Context, p authz.Principal, group, senderID string) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		by, g, m, err := changingMember(tx, p, group, senderID)
		if err != nil {
			return err
		}
		if !m.Pending {
			return errs.New(errs.Conflict, "member.active", "The member has accepted already.")
		}
		if err = d.mailSender(tx, m.User, by); err == nil {
			err = d.mailMembers(tx, g, by, []User{m.User})
		}
		if err != nil {
			return err
		}
		return record(tx, p, by, "group.member_invited", map[string]string{"group": g.ID, "user": m.ID}, m.User)
	})
}

// LogoOf is the digest of the logo of the account p.Account, and whether its channel's stands in for one of its own; ""
// is none. It is for who manages the account. Denied "account.not_manager", "user.inactive", "partner.inactive".
func (d *Directory) LogoOf(ctx context.Context, p authz.Principal) (digest string, inherited bool, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := managing(tx, p); err != nil {
			return err
		}
		b, err := BrandOf(tx, p.Account)
		if err != nil {
			return err
		}
		own, err := db.One[string](tx, `select logo from accounts where id = $1`, p.Account)
		digest, inherited = b.Logo, own == "" && b.Logo != ""
		return err
	})
	return digest, inherited, err
}

// ChannelLogoOf is the digest of the logo of a partner's channel; "" is none. Denied "staff.only"; NotFound "partner.unknown".
func (d *Directory) ChannelLogoOf(ctx context.Context, p authz.Principal, outerID string) (digest string, err error) {
	if err = staffOnly(p); err != nil {
		return "", err
	}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		partner, err := ReachesPartner(tx, p, outerID)
		if err == nil {
			digest, err = db.One[string](tx, `select logo from partners where id = $1`, partner.ID)
		}
		return err
	})
	return digest, err
}
