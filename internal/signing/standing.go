package signing

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// The phases of a role as one visitor sees it.
const (
	phaseFree     = "free"     // may be taken
	phaseMine     = "mine"     // the visitor holds the lease
	phaseHeld     = "held"     // somebody else does
	phaseWaiting  = "waiting"  // others sign first
	phaseResting  = "resting"  // it is free, but the visitor lets others go first (rule 13)
	phaseSigned   = "signed"   // done
	phaseDeclined = "declined" // ended by a decline, here or elsewhere
	phaseClosed   = "closed"   // the package is no longer being signed, or the visitor no longer asked
)

// Standing tells how the visitor's role stands. Pages poll it: it writes nothing
// and prolongs neither the lease nor the browser's session.
func (s *Signing) Standing(ctx context.Context, v Visit) (out Standing, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		at, err := s.glance(tx, v)
		if err != nil {
			return err
		}
		out, err = at.standing(tx)
		return err
	})
	return out, err
}

func (at spot) standing(tx *db.Tx) (st Standing, err error) {
	st = Standing{Package: at.pkg.Status, Watching: at.me.Watching, Now: at.now}
	st.Broken = at.broken()
	names, err := at.signedName(tx)
	if err != nil {
		return st, err
	}
	if err := at.phase(tx, &st, names); err != nil {
		return st, err
	}
	if st.Phase == phaseSigned || st.Phase == phaseDeclined || st.Phase == phaseClosed {
		return st, nil
	}
	asked, err := stillAsked(tx, at.role, at.me)
	if err != nil || !asked {
		st.Phase, st.Lease = phaseClosed, nil
		return st, err
	}
	if st.Phase == phaseFree {
		rest, err := at.rest(tx, st.Now.UnixMilli())
		if err != nil || rest == nil {
			return st, err
		}
		st.Phase, st.Until, st.Idle = phaseResting, rest.until, rest.idle
	}
	return st, nil
}

// signedName is the name that was stamped for the role, by the id of its invitee, once it is signed.
func (at spot) signedName(tx *db.Tx) (map[string]string, error) {
	if at.role.State != signed || at.role.SignedBy == nil {
		return nil, nil
	}
	name, err := db.One[string](tx, `select coalesce(s.name, i.name) from invitees i
		left join signatures s on s.role_id = i.role_id and s.invitee_id = i.id where i.id = $1`, *at.role.SignedBy)
	if errors.Is(err, db.ErrNone) {
		return nil, nil
	}
	return map[string]string{*at.role.SignedBy: name}, err
}

// phase fills in how the role stands, with whoever did what.
func (at spot) phase(tx *db.Tx, st *Standing, names map[string]string) (err error) {
	switch {
	case at.role.State == signed:
		st.Phase, st.By, st.At = phaseSigned, names[deref(at.role.SignedBy)], instant(at.role.SignedMs)
		return nil
	case at.pkg.Declined != nil:
		st.Phase, st.By, st.At = phaseDeclined, at.pkg.Declined.V.By, at.pkg.Declined.V.At
		return nil
	case at.pkg.Status != Sent || at.pkg.Trashed:
		st.Phase = phaseClosed
		return nil
	}
	if st.Lease, err = at.liveLease(tx, st.Now.UnixMilli()); err != nil {
		return err
	}
	switch {
	case st.Lease != nil && st.Lease.Mine:
		st.Phase = phaseMine
	case st.Lease != nil:
		st.Phase = phaseHeld
	default:
		st.Phase = phaseFree
		waits, err := at.othersFirst(tx)
		if err == nil && !waits {
			waits, err = at.groupWaits(tx)
		}
		if err != nil {
			return err
		}
		if waits {
			st.Phase = phaseWaiting
		}
	}
	return nil
}

// liveLease is the role's lease, nil also when its holder may no longer sign: it is void then.
func (at spot) liveLease(tx *db.Tx, now int64) (*Lease, error) {
	l := at.role.lease(nil, at.me.ID, now)
	if l == nil {
		return nil, nil
	}
	if l.Mine {
		l.Holder = at.me.Name
		return l, nil
	}
	holder, err := db.One[inviteeRow](tx, `select * from invitees where id = $1`, *at.role.Holder)
	if err != nil {
		return nil, err
	}
	asked, err := stillAsked(tx, at.role, holder)
	if !asked {
		return nil, err
	}
	l.Holder = holder.Name
	return l, err
}

// Ceremony is all that the signing page shows its visitor.
func (s *Signing) Ceremony(ctx context.Context, v Visit) (out Ceremony, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		at, err := s.glance(tx, v)
		if err != nil {
			return err
		}
		out, err = at.ceremony(tx)
		return err
	})
	return out, err
}

func (at spot) ceremony(tx *db.Tx) (c Ceremony, err error) {
	sender, err := directory.UserByID(tx, at.pkg.OwnerID)
	if err != nil {
		return c, err
	}
	c = Ceremony{PackageName: at.pkg.Name, SenderName: sender.Name(), AccountName: at.account.Known(), EmailMessage: at.pkg.EmailMessage,
		GroupName: at.group(), Me: Me{Name: at.me.Name, Email: at.shown, Identified: at.identified(), Locked: at.me.Locked, Host: at.host.Name},
		Consent: Consent{Text: consentText}, Heartbeat: at.account.Settings.Heartbeat}
	set := at.pkg.ceremony()
	c.OptOut, c.InPerson, c.Affidavits, c.Copies = set.optOut(), set.InPerson, set.affidavits(), at.pkg.copies()
	if c.Decline, err = at.decline(tx); err != nil {
		return c, err
	}
	if at.role.ConsentBy != nil && *at.role.ConsentBy == at.me.ID {
		c.Consent.Accepted = instant(at.role.ConsentMs)
	}
	if c.Standing, err = at.standing(tx); err != nil {
		return c, err
	}
	if c.Standing.Phase == phaseSigned {
		if c.Handover, err = at.handover(tx); err != nil {
			return c, err
		}
	}
	names, err := inviteeNames(tx, at.pkg.ID)
	if err != nil {
		return c, err
	}
	if refusal := at.follows(tx); refusal != nil { // the page says that it is closed, and no more
		if k := errs.KindOf(refusal); k == errs.Denied || k == errs.Conflict {
			return c, nil
		}
		return c, refusal
	}
	if err := at.papers(tx, &c, names); err != nil {
		return c, err
	}
	c.Others, err = at.progress(tx, names)
	return c, err
}

// papers fills in the documents that the visitor may see, and what he is asked for on them and beside them.
func (at spot) papers(tx *db.Tx, c *Ceremony, names map[string]string) error {
	docs, err := documentsOf(tx, at.pkg.ID, map[string]string{at.role.ID: at.role.OuterID}, names)
	if err != nil {
		return err
	}
	hidden, err := hiddenFrom(tx, at.pkg.ID, at.role.ID)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if !hidden[d.ID] {
			c.Documents = append(c.Documents, CeremonyDocument{ID: d.ID, Name: d.Name, Pages: d.Pages, Approvals: at.mine(d.Approvals, c.Standing)})
		}
	}
	approvals, err := at.approvals(tx)
	if err != nil {
		return err
	}
	if c.DrawnOnly, err = at.drawnDemanded(tx, approvals); err != nil {
		return err
	}
	if c.Switched, err = at.switched(tx); err != nil {
		return err
	}
	c.Attachments, err = attachmentsOf(tx, at.role.ID)
	return err
}

// consentText is asked of every signer before he signs.
const consentText = "I agree to sign these documents electronically, and that my electronic signature binds me as one on paper would. " +
	"I can read, keep and print them. I may decline, or ask the sender for paper instead."

// mine are the approvals of the visitor's role, with bound labels filled in.
func (at spot) mine(all []Approval, st Standing) []Approval {
	var mine []Approval
	for _, a := range all {
		if a.Role != at.role.OuterID || a.Disabled {
			continue
		}
		for i, f := range a.Fields {
			if text, bound := at.bound(f.Binding, st.Now.UTC().Format("2006-01-02")); bound {
				a.Fields[i].Value = &text
			}
			if f.Subtype == "DATE" && at.role.State == open {
				today := f.Rules().written(st.Now)
				a.Fields[i].Value = &today
			}
		}
		mine = append(mine, a)
	}
	return mine
}

// bound is the text of a field bound to the signer or the signature (Conga Sign, field bindings).
func (at spot) bound(binding, date string) (string, bool) {
	switch binding {
	case "{signer.name}":
		return at.me.Name, true
	case "{signer.title}":
		return at.role.Title, true
	case "{signer.company}":
		return at.role.Company, true
	case "{approval.signed}":
		return date, true
	}
	return "", false
}

// progress of every role that signs.
func (at spot) progress(tx *db.Tx, names map[string]string) ([]Progress, error) {
	roles, err := rolesOf(tx, at.pkg.ID)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(roles, func(a, b roleRow) int { return cmp.Compare(a.Sequence, b.Sequence) })
	var out []Progress
	for _, r := range roles {
		if r.State == viewer {
			continue
		}
		there := at
		there.role = r
		st := Standing{Now: at.now}
		if err := there.phase(tx, &st, names); err != nil {
			return nil, err
		}
		p := Progress{Name: r.signerName(), Phase: st.Phase, By: st.By, At: st.At, IsMine: r.ID == at.role.ID}
		if st.Lease != nil {
			p.Phase, p.By, p.At = phaseHeld, st.Lease.Holder, st.Lease.Since
		}
		out = append(out, p)
	}
	return out, nil
}

// Inbox lists the packages of everybody whose mailbox this browser has proved, newest first, at most 100 a person.
func (s *Signing) Inbox(ctx context.Context, browser string) (items []InboxItem, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		people, err := s.Authn.People(tx, browser)
		if err != nil {
			return err
		}
		for _, p := range people {
			mine, err := inboxOf(tx, p)
			if err != nil {
				return err
			}
			items = append(items, mine...)
		}
		return nil
	})
	return items, err
}

func inboxOf(tx *db.Tx, p authn.Person) ([]InboxItem, error) {
	rows, err := db.All[inviteeRow](tx, `select i.* from invitees i join packages p on p.id = i.package_id
		where i.account_id = $1 and i.email = $2 and p.status <> 'DRAFT' and not p.trashed
		order by i.id desc limit 100`, p.Account, p.Email)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, nil
	}
	brand, err := directory.BrandOf(tx, p.Account)
	if err != nil {
		return nil, err
	}
	var out []InboxItem
	for _, row := range rows {
		at := spot{me: row}
		if err := at.load(tx); err != nil {
			return nil, err
		}
		asked, err := stillAsked(tx, at.role, at.me)
		if err != nil {
			return nil, err
		}
		if at.moved || !asked { // one who was removed from the group no longer follows it
			continue
		}
		c, err := at.inboxItem(tx)
		if err != nil {
			return nil, err
		}
		c.Brand = brand
		out = append(out, c)
	}
	return out, nil
}

func (at spot) inboxItem(tx *db.Tx) (item InboxItem, err error) {
	sender, err := directory.UserByID(tx, at.pkg.OwnerID)
	if err != nil {
		return item, err
	}
	names, err := inviteeNames(tx, at.pkg.ID)
	if err != nil {
		return item, err
	}
	item = InboxItem{Handle: at.me.Handle, PackageName: at.pkg.Name, SenderName: sender.Name(), GroupName: at.group(), Sent: instant(at.pkg.SentMs)}
	if item.Standing, err = at.standing(tx); err != nil {
		return item, err
	}
	item.Roles, err = at.progress(tx, names)
	return item, err
}
