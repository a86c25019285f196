package signing

import (
	"slices"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// adHocMember is a member of an ad-hoc group: the person of another role of the package.
type adHocMember struct {
	role roleRow
	invited
}

// adHocMembers are a group's, in order, by the addresses and names they have now.
func adHocMembers(tx *db.Tx, r roleRow) ([]adHocMember, error) {
	rows, err := db.All[roleRow](tx, `select r.* from adhoc_members m join roles r on r.id = m.member_id
		where m.role_id = $1 order by m.position, r.id`, r.ID)
	if err != nil {
		return nil, err
	}
	var out []adHocMember
	for _, row := range rows {
		who, err := row.person(tx)
		if err != nil {
			return nil, err
		}
		out = append(out, adHocMember{role: row, invited: who})
	}
	return out, nil
}

// is reports whether an invitee of the group is this member.
func (m adHocMember) is(who inviteeRow) bool {
	if m.User != nil || who.UserID != nil {
		return deref(m.User) == deref(who.UserID)
	}
	return m.Email == who.Email
}

// isAdHocMember refuses a visitor who is no member any more: his role was taken out or given to somebody else.
func (at spot) isAdHocMember(tx *db.Tx) error {
	members, err := adHocMembers(tx, at.role)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(members, func(m adHocMember) bool { return m.is(at.me) }) {
		return errs.New(errs.Denied, "member.removed", "This person is no member of the group any more.")
	}
	return nil
}

// askedAdHoc is askedFor of an ad-hoc group.
func askedAdHoc(tx *db.Tx, role roleRow) (func(inviteeRow) bool, error) {
	members, err := adHocMembers(tx, role)
	return func(who inviteeRow) bool {
		return deref(role.SignedBy) == who.ID || slices.ContainsFunc(members, func(m adHocMember) bool { return m.is(who) })
	}, err
}

// readyAdHoc refuses an ad-hoc group that nobody could sign for.
func (s *Signing) readyAdHoc(tx *db.Tx, r roleRow) error {
	members, err := adHocMembers(tx, r)
	if err != nil {
		return err
	}
	if len(members) == 0 {
		return errs.New(errs.Unprocessable, "group.empty", "The signer group %q has no members.", r.FirstName).On("group").With("group", r.SignerID)
	}
	if err := s.drawable(r.FirstName); err != nil {
		return err
	}
	var refused error
	for _, m := range members {
		if refused = s.drawable(m.Name); refused == nil {
			return nil
		}
	}
	return refused
}

// inviteAdHoc mails every member a link of his own. Who is a member by several roles gets one.
func (s *Signing) inviteAdHoc(tx *db.Tx, pkg packageRow, r roleRow, how asking) error {
	members, err := adHocMembers(tx, r)
	if err != nil {
		return err
	}
	how.group = r.FirstName
	done := map[string]bool{}
	for _, m := range members {
		if done[m.Email] {
			continue
		}
		done[m.Email] = true
		if err := s.inviteOne(tx, pkg, r, m.invited, how); err != nil {
			return err
		}
	}
	return nil
}

// joinAdHoc makes the visitor the member of the role's group who has that address.
func (at *spot) joinAdHoc(tx *db.Tx, email string) error {
	members, err := adHocMembers(tx, at.role)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(members, func(m adHocMember) bool { return m.Email == email })
	if i < 0 {
		return notAsked()
	}
	if at.me, err = ensureInvitee(tx, at.pkg, at.role, members[i].invited); err != nil {
		return err
	}
	return at.know(tx)
}
