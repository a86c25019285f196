package signing

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Course is how a package goes, as the console shows it.
type Course struct {
	Package             Package // without roles and documents
	Sender, SenderEmail string
	Documents           []CourseDocument
	Roles               []RoleCourse // those that sign, in the order in which they do
	Moments             []Moment     // the newest last
	Older               int          // moments before them that are left out
	Owns                bool         // the caller owns the package or manages its account
	Sends               bool         // he may send invitations again
	Withdraws           bool         // he may move it to the trash, and take it out of there
	Now                 time.Time    // the database's clock
}

// CourseDocument is a document of a package.
type CourseDocument struct {
	OuterID, Name string
	Pages         int
	Sealed        bool
}

// RoleCourse is how far a role is.
type RoleCourse struct {
	OuterID, Name string
	Kind          RoleKind
	Group         string // the name of the group that signs; empty for a single person
	Order         int    // 0: at any time; else after every lower one
	Phase         string // as Standing.Phase, never "mine" nor "resting"
	Invited       time.Time
	Lease         *Lease // who is signing now
	By            string // who signed or declined
	At            time.Time
	Reason        string // of a decline
	Broken        *Broken
	People        []CoursePerson // who was asked, in that order; of roles that the caller has nothing to do with nobody
	Attachments   []Attachment
	Breaks        bool // the caller may end the turn of who is signing
	Reminds       bool // he may send the invitation again
}

// CoursePerson is somebody asked to sign.
type CoursePerson struct {
	Name, Email string
	Asked       time.Time // by mail, the first time; zero: not yet
	Reminded    int
	Opened      time.Time // the invitation, the first time
	Waiting     time.Time // since when he waits for another member; zero: he does not
	Watching    bool      // he is told by mail when it is free
	Holds       bool
	Signed      bool
	Gone        bool // he is not asked any more
}

// most is how many moments a course tells of at most.
const mostMoments = 1000

// Progress is how a package goes: who was asked when, who opened, waits, signs, signed or declined, and all that happened.
// It is for the package's owner, the senders who see it, who manages the account, and members of groups it was sent to, who
// learn no network addresses and nobody's e-mail address but their own groups'. NotFound "package.unknown".
func (s *Signing) Progress(ctx context.Context, p authz.Principal, pkg string) (c Course, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, sees, err := inSight(tx, p, pkg)
		if err != nil {
			return err
		}
		c, err = courseOf(tx, p, row, sees)
		return err
	})
	return c, err
}

func courseOf(tx *db.Tx, p authz.Principal, row packageRow, sees sight) (c Course, err error) {
	if c.Now, err = tx.Now(); err != nil {
		return c, err
	}
	if c.Package, err = assemble(tx, row); err != nil {
		return c, err
	}
	for _, d := range c.Package.Documents {
		c.Documents = append(c.Documents, CourseDocument{d.OuterID, d.Name, len(d.Pages), d.Sealed})
	}
	sender, err := directory.UserByID(tx, row.OwnerID)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return c, err
	}
	c.Sender, c.SenderEmail = sender.Name(), sender.ShownEmail()
	acts := sees.sends && (row.Visibility != BySender || row.OwnerID == p.User)
	c.Owns, c.Sends, c.Withdraws = sees.owns, acts && row.Status == Sent && !row.Trashed, acts && sees.owns
	news, err := newsOf(tx, row, sees)
	if err != nil {
		return c, err
	}
	c.Moments = news.moments
	if c.Older = max(0, len(c.Moments)-mostMoments); c.Older > 0 {
		c.Moments = c.Moments[c.Older:]
	}
	if c.Roles, err = courseRoles(tx, p, row, sees, c, news); err != nil {
		return c, err
	}
	c.Package.Roles, c.Package.Documents = nil, nil
	return c, nil
}

// courseRoles are the roles that sign.
func courseRoles(tx *db.Tx, p authz.Principal, pkg packageRow, sees sight, c Course, n news) ([]RoleCourse, error) {
	rows, err := rolesOf(tx, pkg.ID)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b roleRow) int { return cmp.Compare(a.Sequence, b.Sequence) })
	var groups []string
	if !sees.sends && !sees.owns {
		if groups, err = directory.GroupsOfUser(tx, p.User); err != nil {
			return nil, err
		}
	}
	account, err := accountOf(tx, pkg.AccountID)
	if err != nil {
		return nil, err
	}
	var out []RoleCourse
	for _, r := range rows {
		if r.State == viewer {
			continue
		}
		at := spot{pkg: pkg, role: r, account: account, now: c.Now}
		whole, _ := c.Package.Role(r.OuterID)
		one, err := at.course(tx, whole)
		if err != nil {
			return nil, err
		}
		if one.Breaks, err = sees.breaks(tx, p, r); err != nil {
			return nil, err
		}
		one.Breaks = one.Breaks && one.Lease != nil
		one.Reminds = c.Sends && r.State == open && r.InvitedMs != nil
		if sees.owns || sees.sends || slices.Contains(groups, deref(r.GroupID)) {
			if one.People, err = peopleOf(tx, r, n); err != nil {
				return nil, err
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// course is how far one role is; whole is the same role as surfaces show it.
func (at spot) course(tx *db.Tx, whole Role) (c RoleCourse, err error) {
	r := at.role
	c = RoleCourse{OuterID: r.OuterID, Name: r.signerName(), Kind: r.Kind, Group: cmp.Or(whole.Signer.GroupName, at.group()), Order: r.Sequence,
		Invited: instant(r.InvitedMs), Attachments: whole.Attachments}
	st := Standing{Now: at.now}
	names, err := at.signedName(tx)
	if err != nil {
		return c, err
	}
	if err := at.phase(tx, &st, names); err != nil {
		return c, err
	}
	c.Phase, c.By, c.At, c.Lease = st.Phase, st.By, st.At, st.Lease
	if refusal := at.pkg.Declined; st.Phase == phaseDeclined && refusal != nil {
		if refusal.V.Role != r.OuterID { // another's: this one is closed by it
			c.Phase, c.By, c.At = phaseClosed, "", time.Time{}
		} else {
			c.Reason = refusal.V.Reason
		}
	}
	if r.State == open && r.BrokenMs > 0 && r.BrokenHolder != "" {
		c.Broken = &Broken{Epoch: r.BrokenEpoch, By: r.BrokenBy, Reason: r.BrokenReason, At: db.Time(r.BrokenMs)}
	}
	return c, nil
}

// peopleOf are those who were asked to sign for a role, by the names and addresses they have now.
func peopleOf(tx *db.Tx, r roleRow, n news) ([]CoursePerson, error) {
	rows, err := db.All[inviteeRow](tx, `select * from invitees where role_id = $1 order by coalesce(asked_ms, 9007199254740991), id`, r.ID)
	if err != nil {
		return nil, err
	}
	asked, err := askedFor(tx, r)
	if err != nil {
		return nil, err
	}
	var group directory.Group
	if r.GroupID != nil {
		if group, err = directory.GroupByID(tx, *r.GroupID); err != nil && errs.KindOf(err) != errs.NotFound {
			return nil, err
		}
	}
	var out []CoursePerson
	for _, who := range rows {
		if strings.HasPrefix(who.Email, retired) {
			continue
		}
		one := CoursePerson{Name: who.Name, Email: who.Email, Asked: instant(who.AskedMs), Waiting: instant(who.WaitingMs), Watching: who.Watching,
			Holds: deref(r.Holder) == who.ID, Signed: deref(r.SignedBy) == who.ID, Gone: !asked(who)}
		if who.UserID != nil {
			m, member := group.Member(*who.UserID)
			u := m.User
			if !member {
				if u, err = directory.UserByID(tx, *who.UserID); err != nil && errs.KindOf(err) != errs.NotFound {
					return nil, err
				}
			}
			if err == nil {
				one.Name, one.Email = u.Name(), u.ShownEmail()
			}
		}
		heard := n.people[r.ID+" "+who.Email]
		if !heard.asked.IsZero() {
			one.Asked = heard.asked
		}
		one.Reminded, one.Opened = heard.reminded, heard.opened
		if r.State != open {
			one.Waiting, one.Watching = time.Time{}, false
		}
		out = append(out, one)
	}
	return out, nil
}

// heard is what the audit log tells of somebody who was asked.
type heard struct {
	asked, opened time.Time
	reminded      int
}

// news is what the audit log tells of a package.
type news struct {
	people  map[string]heard // by role and mailbox
	moments []Moment
}

func newsOf(tx *db.Tx, pkg packageRow, sees sight) (n news, err error) {
	words, err := wordsFor(tx, pkg)
	if err != nil {
		return n, err
	}
	n.people = map[string]heard{}
	for r, err := range audit.OfPackage(tx, pkg.ID) {
		if err != nil {
			return n, err
		}
		n.hear(r)
		n.moments = append(n.moments, words.moment(r, sees))
	}
	return n, nil
}

// hear notes who was asked, reminded and came.
func (n news) hear(r audit.Record) {
	if r.Refused {
		return
	}
	key := r.Role + " " + cmp.Or(r.Personal["mailbox"], r.Personal["to_email"], r.Actor.Email)
	h := n.people[key]
	switch r.Type {
	case "invitation.sent":
		if h.asked.IsZero() {
			h.asked = r.At
		}
	case "reminder.sent":
		h.reminded++
	case "invitation.opened":
		if h.opened.IsZero() {
			h.opened = r.At
		}
	default:
		return
	}
	n.people[key] = h
}

// Followed is one page of the packages that the caller sees in the console, and the number of all: what List gives to
// senders and who manages the account, to others what was sent to a group of theirs. Errors as List; Denied "right.missing".
func (s *Signing) Followed(ctx context.Context, p authz.Principal, q Query) (Page, error) {
	if p.Kind == authz.Signer || p.Kind == authz.Staff {
		if err := p.Need(authz.Operate); err != nil {
			return Page{}, err
		}
	}
	err := s.read(ctx, func(tx *db.Tx) error {
		if p.Has(authz.Operate) {
			return nil
		}
		me, err := directory.UserByID(tx, p.User)
		if errs.KindOf(err) == errs.NotFound || err == nil && (me.Account != p.Account || !me.Alive()) {
			q.None, err = true, nil
		}
		if err != nil || q.None || me.Sender {
			return err
		}
		managed := directory.MayManage(tx, p)
		q.Came = errs.KindOf(managed) == errs.Denied
		if q.Came {
			managed = nil
		}
		return managed
	})
	if err != nil {
		return Page{}, err
	}
	return s.List(ctx, p, q)
}

// came asks for what was sent to a group that the caller is a member of, whoever sees it otherwise.
func (l *listing) came(tx *db.Tx) error {
	groups, err := directory.GroupsOfUser(tx, l.by.User)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		l.filter(`1 = 0`)
		return nil
	}
	args := make([]any, len(groups))
	for i, g := range groups {
		args[i] = g
	}
	l.filter(`status <> 'DRAFT' and id in (select package_id from roles where invited_ms is not null and group_id is not null and group_id in (?`+
		strings.Repeat(`, ?`, len(groups)-1)+`))`, args...)
	return nil
}

// Package finds a package's internal id and name, of one that the caller sees. NotFound "package.unknown".
func (s *Signing) Package(ctx context.Context, p authz.Principal, outerID string) (id string, name PackageName, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, _, err := inSight(tx, p, outerID)
		id, name = row.ID, PackageName{row.OuterID, row.Name}
		return err
	})
	return id, name, err
}

// PackageName is what a package is called.
type PackageName struct{ OuterID, Name string }

// Names are the names of packages by their internal ids, at most 200, of those that the caller sees: audit events name
// packages by them. Ids of others, and of packages that are gone, are left out.
func (s *Signing) Names(ctx context.Context, p authz.Principal, ids []string) (map[string]PackageName, error) {
	out := map[string]PackageName{}
	if len(ids) == 0 || p.Kind == authz.Signer || p.Kind == authz.Staff && !p.Has(authz.Operate) {
		return out, nil
	}
	type row struct{ ID, OuterID, Name, AccountID, Visibility, OwnerID string }
	err := s.read(ctx, func(tx *db.Tx) error {
		rows, err := among[row](tx, `select id, outer_id, name, account_id, visibility, owner_id from packages where id`, ids[:min(len(ids), 200)], ``)
		if err != nil {
			return err
		}
		manages, err := owns(tx, p, packageRow{})
		for _, r := range rows {
			if r.AccountID == p.Account && (manages || r.Visibility != BySender || r.OwnerID == p.User) {
				out[r.ID] = PackageName{r.OuterID, r.Name}
			}
		}
		return err
	})
	return out, err
}
