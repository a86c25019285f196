package directory

import (
	"cmp"
	"slices"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
)

// maxMembers bounds a group, and so the mails that one call may cause.
const maxMembers = 1000

// NewMember names a sender of the account by sender id or e-mail; given both,
// they must be the same person's.
type NewMember struct {
	Email    string
	SenderID string
	// MemberType is REGULAR or MANAGER. Empty means REGULAR, or what a member
	// already is; SIGNER, which Conga's library knows beside them, means REGULAR.
	MemberType string
}

func memberType(s string) (string, error) {
	switch s {
	case "", Regular, Manager:
		return s, nil
	case "SIGNER":
		return Regular, nil
	}
	return "", errs.New(errs.Invalid, "member.type", "A member is REGULAR or MANAGER.").On("memberType")
}

type memberRow struct {
	userRow
	MemberType string
	GroupID    string
}

// membersOf lists the members of the groups that a query selects by id; a
// deactivated one is none until he is restored.
func membersOf(tx *db.Tx, groups string, args ...any) (map[string][]Member, error) {
	members := map[string][]Member{}
	for r, err := range db.Rows[memberRow](tx, `select `+userColumns+`, m.member_type, m.group_id
		from group_members m join users u on u.id = m.user_id
		where m.group_id in (`+groups+`) and u.status <> 'INACTIVE' order by m.position, m.created_ms, u.id`, args...) {
		if err != nil {
			return nil, err
		}
		u := r.user()
		members[r.GroupID] = append(members[r.GroupID], Member{User: u, MemberType: r.MemberType, Pending: u.Status == Invited})
	}
	return members, nil
}

// candidate is a sender to be put into a group.
type candidate struct {
	user       User
	memberType string // empty: not said
}

// candidates finds the senders named, each once, and holds those who are not
// members of g yet; a member who was locked since may stay. NotFound
// "member.unknown"; Invalid "member.inactive", "member.unnamed",
// "member.mismatch" (sender id and e-mail of two people), "member.twice" (named
// twice with two types), "member.type", "group.too_large".
func candidates(tx *db.Tx, g Group, named []NewMember) ([]candidate, error) {
	if len(named) > maxMembers {
		return nil, errs.New(errs.Invalid, "group.too_large", "A group has at most %d members.", maxMembers).On("members")
	}
	out := []candidate{}
	for _, n := range named {
		c, err := nominate(tx, g.Account, n)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(o candidate) bool { return o.user.ID == c.user.ID })
		switch {
		case i < 0:
			out = append(out, c)
		case out[i].memberType != c.memberType:
			return nil, errs.New(errs.Invalid, "member.twice", "A member is named twice, with different types.").On("members")
		}
	}
	// Users are locked in one order, so that two calls naming the same people cannot block each other.
	byID := slices.SortedFunc(slices.Values(out), func(a, b candidate) int { return cmp.Compare(a.user.ID, b.user.ID) })
	for _, c := range byID {
		if _, ok := g.Member(c.user.ID); ok {
			continue
		}
		if err := holdCandidate(tx, c.user.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func holdCandidate(tx *db.Tx, user string) error {
	err := HoldActiveUser(tx, user)
	if errs.Is(err, "member.inactive") {
		return errs.New(errs.Invalid, "member.inactive", "A locked or deactivated sender cannot be a member.").On("members")
	}
	return err
}

func nominate(tx *db.Tx, account string, n NewMember) (c candidate, err error) {
	if c.memberType, err = memberType(n.MemberType); err != nil {
		return c, err
	}
	switch {
	case n.SenderID != "":
		c.user, err = UserBySender(tx, account, n.SenderID)
	case n.Email != "":
		c.user, err = UserByEmail(tx, account, n.Email)
	default:
		return c, errs.New(errs.Invalid, "member.unnamed", "A member is named by sender id or e-mail.").On("members")
	}
	if errs.KindOf(err) == errs.NotFound || err == nil && !c.user.Sender {
		return c, unknownMember()
	}
	if err != nil {
		return c, err
	}
	if n.SenderID != "" && n.Email != "" {
		if email, err := CanonicalEmail(n.Email); err != nil || email != c.user.Email {
			return c, errs.New(errs.Invalid, "member.mismatch", "The sender id and the e-mail belong to different people.").On("members")
		}
	}
	return c, nil
}

func unknownMember() error {
	return errs.New(errs.NotFound, "member.unknown", "A member must be a sender of the account.").On("members")
}

// join puts a candidate into a group or changes his type. The caller holds the group's row.
func join(tx *db.Tx, group string, c candidate) (joined bool, err error) {
	first := c.memberType
	if first == "" {
		first = Regular
	}
	changed, err := tx.Exec(`insert into group_members (group_id, user_id, member_type, created_ms, position)
		values ($1, $2, $3, clock_ms(), (select coalesce(max(m.position), 0) + 1 from group_members m where m.group_id = $1))
		on conflict do nothing`, group, c.user.ID, first)
	if err == nil && changed == 1 {
		return true, tellJoined(tx, group, c.user.ID)
	}
	if err != nil || c.memberType == "" {
		return false, err
	}
	_, err = tx.Exec(`update group_members set member_type = $3 where group_id = $1 and user_id = $2`, group, c.user.ID, c.memberType)
	return false, err
}

// Joined is the kind of the job that tells the rooms above that somebody became
// a member of a group: what the group still has to sign is now his, too.
const Joined = "group.member_added"

// NewlyJoined is the payload of a Joined job: internal ids.
type NewlyJoined struct {
	Group string `json:"group"`
	User  string `json:"user"`
}

func tellJoined(tx *db.Tx, group, user string) error {
	return jobs.Add(tx, Joined, group+" "+user, NewlyJoined{Group: group, User: user}, 0)
}
