package signing

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/pdf"
)

// send makes a draft a sent package and invites whose turn it is.
func (s *Signing) send(tx *db.Tx, p authz.Principal, pkg packageRow) error {
	changed, err := tx.Exec(`update packages set status = 'SENT', sent_ms = clock_ms(), updated_ms = clock_ms()
		where id = $1 and status = 'DRAFT' and not trashed`, pkg.ID)
	if err != nil {
		return err
	}
	if changed == 0 {
		return transitionRefused(pkg.Status, Sent)
	}
	if err := s.readyToSend(tx, pkg); err != nil {
		return err
	}
	if err := moved(tx, pkg, Sent); err != nil {
		return err
	}
	if err := planExpiry(tx, pkg); err != nil {
		return err
	}
	if _, err := record(tx, audit.Event{Type: "package.sent", Account: pkg.AccountID, Package: pkg.ID, Actor: by(tx, p)}); err != nil {
		return err
	}
	return s.inviteNext(tx, pkg)
}

// readyToSend refuses a package that nobody could finish.
func (s *Signing) readyToSend(tx *db.Tx, pkg packageRow) error {
	if n, err := db.One[int](tx, `select count(*) from documents where package_id = $1`, pkg.ID); err != nil || n == 0 {
		return or(err, errs.New(errs.Unprocessable, "package.no_document", "A package needs a document to be sent.").On("documents"))
	}
	// Whoever has no approval signs nothing; who is asked for files consents and attaches them. The owner, and who is a
	// member of an ad-hoc group, signs for himself if he has an approval.
	if _, err := tx.Exec(`update roles set state = case when exists (select 1 from approvals a where a.role_id = roles.id and not a.disabled)
		or kind <> 'owner' and exists (select 1 from attachments t where t.role_id = roles.id)
		then 'open' else 'viewer' end where package_id = $1 and state in ('open', 'viewer')`, pkg.ID); err != nil {
		return err
	}
	roles, err := rolesOf(tx, pkg.ID)
	if err != nil {
		return err
	}
	signing, idle := 0, (*roleRow)(nil)
	for _, r := range roles {
		if r.State == viewer && r.Kind != Owner {
			idle = &r
			if err := named(r); err != nil {
				return err
			}
		}
		if r.State == open {
			signing++
			if err := s.readyRole(tx, r); err != nil {
				return err
			}
		}
	}
	if signing == 0 && idle != nil {
		return errs.New(errs.Unprocessable, "role.no_approval", "The role %q has nothing to sign.", idle.Name).
			On("approvals").With("role", idle.OuterID)
	}
	if signing == 0 {
		return errs.New(errs.Unprocessable, "package.no_signer", "A package needs a signer to be sent.").On("roles")
	}
	return nil
}

// named refuses a role of which it is not said who plays it.
func named(r roleRow) error {
	if r.Kind == Person && r.Email == "" {
		return errs.New(errs.Unprocessable, "role.no_signer", "It is not said who signs as %q.", r.Name).On("signers").With("role", r.OuterID)
	}
	return nil
}

func (s *Signing) readyRole(tx *db.Tx, r roleRow) error {
	if err := named(r); err != nil {
		return err
	}
	if err := s.readyTexts(tx, r); err != nil {
		return err
	}
	if r.Kind == AdHoc {
		return s.readyAdHoc(tx, r)
	}
	if r.Kind != Group {
		return s.drawable(r.signerName())
	}
	g, err := directory.GroupByID(tx, *r.GroupID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(g.Members, directory.Member.Alive) {
		return errs.New(errs.Unprocessable, "group.empty", "The signer group %q has no members.", g.Name).On("group").With("group", g.OuterID)
	}
	if err := s.drawable(g.Name); err != nil {
		return err
	}
	if err := s.someoneCanSign(g); err != nil {
		return err
	}
	// From now on the role bears this name, whatever the group is called later: it is stamped.
	_, err = tx.Exec(`update roles set first_name = $2 where id = $1`, r.ID, g.Name)
	return err
}

// someoneCanSign refuses a group of which no member's name can be stamped. Of several members those who cannot sign
// are told so before they begin.
func (s *Signing) someoneCanSign(g directory.Group) (refused error) {
	for _, m := range g.Members {
		if !m.Alive() {
			continue
		}
		if refused = s.drawable(m.Name()); refused == nil {
			return nil
		}
	}
	return refused
}

// readyTexts refuses what the sender wrote into a role's fields if it cannot be stamped: after the
// last signature it would be too late.
func (s *Signing) readyTexts(tx *db.Tx, r roleRow) error {
	fields, err := db.All[fieldRow](tx, `select f.* from fields f join approvals a on a.id = f.approval_id
		where a.role_id = $1 and not a.disabled and f.type <> 'SIGNATURE'`, r.ID)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if f.Type == "IMAGE" {
			if err := readyCode(f); err != nil {
				return err
			}
			continue
		}
		text := deref(f.Value)
		if bound, ok := (spot{role: r}).bound(f.Binding, ""); ok {
			text = bound
		}
		if err := s.drawable(oneLine(text)); err != nil {
			return err
		}
	}
	return nil
}

// readyCode refuses a text that no QR code holds.
func readyCode(f fieldRow) error {
	if _, err := (pdf.QR{Text: deref(f.Value)}).Least(); err != nil {
		return errs.New(errs.Unprocessable, "field.code", "The text of a QR code is too long to be drawn.").On(f.OuterID).Because(err)
	}
	return nil
}

// Undrawable are the characters of a name that none of the server's fonts can draw.
func (s *Signing) Undrawable(name string) []rune { return s.Jail.Missing(name) }

// drawable refuses a name that cannot be stamped as it is written.
func (s *Signing) drawable(name string) error {
	missing := s.Undrawable(name)
	if len(missing) == 0 && strings.TrimSpace(name) != "" && s.Jail.TextWidth(name, 1, false) == 0 {
		missing = []rune(name) // each can be drawn, together they cannot
	}
	if len(missing) == 0 {
		return nil
	}
	return errs.New(errs.Unprocessable, "name.glyphs", "The name %q has characters that none of the server's fonts can draw: %s.",
		name, strings.Join(strings.Split(string(missing), ""), " ")).On("name")
}

func or(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// myTurn is the condition that nobody signs before this role: no lower number above 0 is still open.
const myTurn = `(roles.sequence = 0 or not exists (select 1 from roles before
	where before.package_id = roles.package_id and before.state = 'open' and before.sequence > 0 and before.sequence < roles.sequence))`

// inviteNext invites every role whose turn has come and that was not invited yet.
func (s *Signing) inviteNext(tx *db.Tx, pkg packageRow) error {
	roles, err := db.All[roleRow](tx, `update roles set invited_ms = clock_ms()
		where package_id = $1 and state = 'open' and invited_ms is null and `+myTurn+` returning *`, pkg.ID)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if err := s.inviteRole(tx, pkg, r, asking{}); err != nil {
			return err
		}
	}
	return planAll(tx, pkg, roles)
}

// planAll queues the reminders of roles that were just asked to sign.
func planAll(tx *db.Tx, pkg packageRow, roles []roleRow) error {
	account, err := accountOf(tx, pkg.AccountID)
	if err != nil {
		return err
	}
	now, err := tx.Now()
	for _, r := range roles {
		if err == nil {
			err = planReminders(tx, account, r.ID, now)
		}
	}
	return err
}

// inviteRole sends the mails of one role.
func (s *Signing) inviteRole(tx *db.Tx, pkg packageRow, r roleRow, how asking) error {
	if r.Kind == AdHoc {
		return s.inviteAdHoc(tx, pkg, r, how)
	}
	if r.Kind != Group {
		who, err := r.person(tx)
		if err != nil {
			return err
		}
		return s.inviteOne(tx, pkg, r, who, how)
	}
	g, err := directory.GroupByID(tx, *r.GroupID)
	if err != nil {
		return err
	}
	how.group = g.Name
	oneMail := g.EmailMembers != nil && !*g.EmailMembers && g.Email != ""
	for _, m := range g.Members {
		if !m.Alive() {
			continue
		}
		who := asUser(m.User)
		if oneMail {
			_, err = ensureInvitee(tx, pkg, r, who)
		} else {
			err = s.inviteOne(tx, pkg, r, who, how)
		}
		if err != nil {
			return err
		}
	}
	if oneMail {
		return s.inviteGroupAddress(tx, pkg, r, g, how)
	}
	return nil
}

// inviteNewMember invites a member who came after sending to what his group still has to sign.
func (s *Signing) inviteNewMember(ctx context.Context, payload []byte) error {
	var in directory.NewlyJoined
	if err := json.Unmarshal(payload, &in); err != nil {
		return err
	}
	return s.write(ctx, func(tx *db.Tx) error {
		u, err := directory.UserByID(tx, in.User)
		if err != nil {
			return err
		}
		if err := directory.HoldActiveMember(tx, in.User, in.Group); errs.KindOf(err) == errs.Denied {
			return nil // removed again meanwhile
		} else if err != nil {
			return err
		}
		roles, err := db.All[roleRow](tx, `select roles.* from roles join packages p on p.id = roles.package_id
			where roles.group_id = $1 and roles.state = 'open' and roles.invited_ms is not null and p.status = 'SENT' and not p.trashed
			and not exists (select 1 from invitees i where i.role_id = roles.id and i.user_id = $2)`, in.Group, in.User)
		if err != nil {
			return err
		}
		for _, r := range roles {
			pkg, err := db.One[packageRow](tx, `select * from packages where id = $1`, r.PackageID)
			if err != nil {
				return err
			}
			if err := s.inviteOne(tx, pkg, r, asUser(u), asking{group: r.FirstName}); err != nil {
				return err
			}
			if err := planAll(tx, pkg, []roleRow{r}); err != nil {
				return err
			}
		}
		return nil
	})
}
