package signing

import (
	"context"
	"strings"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// How long a hand-over of a device holds.
const (
	handedFor = 30 * time.Minute // since the last act of who has it
	seenFor   = 2 * time.Minute  // since his signature, for the page that says so and leads back to the host
)

// hosted finds out whether the visitor was handed this device by a host who proved himself on it. It holds on the device
// alone, while he acts, and after his signature only for looking. Members who must prove their mailbox each time do so here too.
func (at *spot) hosted(tx *db.Tx, device func(*db.Tx, string) (string, error), ask proof, look bool) (bool, error) {
	if at.identification() == directory.Always {
		return false, nil
	}
	here, err := device(tx, at.browser)
	if errs.KindOf(err) == errs.Unauthenticated {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	seen := time.Duration(0)
	if look {
		seen = seenFor
	}
	hosts, err := db.All[inviteeRow](tx, `select i.* from hosted h join invitees i on i.id = h.host_id
		where h.invitee_id = $1 and h.device = $2 and h.last_ms > clock_ms() - $3
			and (h.ended_ms is null or h.ended_ms > clock_ms() - $4) order by i.id`,
		at.me.ID, here, handedFor.Milliseconds(), seen.Milliseconds())
	if err != nil {
		return false, err
	}
	for _, h := range hosts {
		there := spot{me: h}
		if err := there.load(tx); err != nil {
			return false, err
		}
		if there.moved {
			continue
		}
		switch _, err := ask(tx, at.browser, there.person(), there.pkg.ID, there.identification()); {
		case err == nil:
			at.how, at.host = inPerson, there.me
			return true, nil
		case errs.KindOf(err) != errs.Unauthenticated && errs.KindOf(err) != errs.Denied:
			return false, err
		}
	}
	return false, nil
}

// InPerson lists who may sign on the visitor's device, in the order of signing, himself included.
// Conflict "package.not_in_person", "package.closed".
func (s *Signing) InPerson(ctx context.Context, v Visit) (out []InPersonSigner, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		at, err := s.glance(tx, v)
		if err != nil {
			return err
		}
		if err := at.hosts(); err != nil {
			return err
		}
		present, err := at.present(tx)
		if err != nil {
			return err
		}
		names, err := inviteeNames(tx, at.pkg.ID)
		if err != nil {
			return err
		}
		phases := map[string]string{} // by role
		for _, p := range present {
			if phases[p.role.ID] == "" {
				there, st := at, Standing{Now: at.now}
				there.role, there.me = p.role, inviteeRow{}
				if err := there.phase(tx, &st, names); err != nil {
					return err
				}
				phases[p.role.ID] = st.Phase
			}
			p.Phase = phases[p.role.ID]
			p.Mine = p.role.ID == at.role.ID && p.invited.Email == at.me.Email
			out = append(out, p.InPersonSigner)
		}
		return nil
	})
	return out, err
}

// hosts refuses a package that is not signed on one device.
func (at spot) hosts() error {
	if !at.pkg.ceremony().InPerson {
		return errs.New(errs.Conflict, "package.not_in_person", "Every signer of this package signs on a device of his own.")
	}
	if at.pkg.Status != Sent || at.pkg.Trashed {
		return closedPackage(at.pkg)
	}
	return nil
}

// presence is somebody who may be there in person.
type presence struct {
	InPersonSigner
	role    roleRow
	invited invited
}

// present are all who sign, each member of a group by himself; the package's owner not where its settings hide him
// from others.
func (at spot) present(tx *db.Tx) (out []presence, err error) {
	roles, err := db.All[roleRow](tx, `select * from roles where package_id = $1 and state <> 'viewer' order by sequence, position`, at.pkg.ID)
	if err != nil {
		return nil, err
	}
	hidden := at.pkg.ceremony().HidePackageOwnerInPerson
	for _, r := range roles {
		persons, err := personsOf(tx, r)
		if err != nil {
			return nil, err
		}
		for _, who := range persons {
			if hidden && deref(who.User) == at.pkg.OwnerID && who.Email != at.me.Email {
				continue
			}
			p := presence{InPersonSigner: InPersonSigner{ID: r.OuterID, Name: who.Name}, role: r, invited: who.invited}
			if r.isGroup() {
				p.ID, p.Group = r.OuterID+"/"+who.id, r.FirstName
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// roleMember is one of the persons who may sign for a role, with his outer id: a sender's, or of an ad-hoc group a signer's.
type roleMember struct {
	id string
	invited
}

// personsOf are all who may sign for a role.
func personsOf(tx *db.Tx, r roleRow) ([]roleMember, error) {
	switch r.Kind {
	case Group:
		g, err := directory.GroupByID(tx, *r.GroupID)
		if errs.KindOf(err) == errs.NotFound {
			return nil, nil
		}
		var out []roleMember
		for _, m := range g.Members {
			if m.Alive() {
				out = append(out, roleMember{id: m.SenderID, invited: asUser(m.User)})
			}
		}
		return out, err
	case AdHoc:
		members, err := adHocMembers(tx, r)
		var out []roleMember
		for _, m := range members {
			out = append(out, roleMember{id: m.role.SignerID, invited: m.invited})
		}
		return out, err
	}
	who, err := r.person(tx)
	return []roleMember{{id: r.SignerID, invited: who}}, err
}

// HandOver hands the visitor's device to another signer; signer is an InPersonSigner's ID. Who takes it confirmed on
// the page who he is. His page is at the handle, in the same browser, for 30 minutes after his last act, until he signs
// or the device is back with its host or with a third. A member who must prove his mailbox each time is asked for the
// code there. Hosts are the package's owner and signers whose turn it is or was. NotFound "role.unknown"; Conflict
// "role.waiting"; errors of InPerson.
func (s *Signing) HandOver(ctx context.Context, v Visit, signer string) (handle string, err error) {
	err = s.write(ctx, func(tx *db.Tx) error {
		at, err := s.visit(tx, v)
		if err != nil {
			return err
		}
		if err := at.hosts(); err != nil {
			return err
		}
		if err := at.mayHost(tx); err != nil {
			return err
		}
		handle, err = s.handOver(tx, at, signer)
		return err
	})
	return handle, err
}

// mayHost refuses (Conflict "role.waiting", "role.viewer") who lends a device before it is his turn.
func (at spot) mayHost(tx *db.Tx) error {
	if at.how == inPerson || deref(at.me.UserID) == at.pkg.OwnerID || at.role.State == signed {
		return nil
	}
	if at.role.State == viewer {
		return at.over(tx)
	}
	waits, err := at.othersFirst(tx)
	if err == nil && waits && at.role.Sequence > 0 {
		err = waiting()
	}
	return err
}

// back ends the hand-overs of the visitor's own device: he acts on it himself.
func (s *Signing) back(tx *db.Tx, at spot) error {
	if at.how == inPerson || at.browser == "" || !at.pkg.ceremony().InPerson {
		return nil
	}
	device, err := s.Authn.Device(tx, at.browser)
	if err != nil {
		return err
	}
	return returned(tx, at.me.ID, device)
}

// returned ends the hand-overs of a host's device: it is in one pair of hands.
func returned(tx *db.Tx, host, device string) error {
	_, err := tx.Exec(`delete from hosted where host_id = $1 and device = $2`, host, device)
	return err
}

func (s *Signing) handOver(tx *db.Tx, at spot, signer string) (string, error) {
	host := at.me // whose device it is: the visitor's, or his who handed it to him
	if at.how == inPerson {
		host = at.host
	}
	device, err := s.Authn.Device(tx, at.browser)
	if err != nil {
		return "", err
	}
	present, err := at.present(tx)
	if err != nil {
		return "", err
	}
	for _, p := range present {
		if p.ID != signer || strings.TrimSpace(signer) == "" {
			continue
		}
		to, err := ensureInvitee(tx, at.pkg, p.role, p.invited)
		if err != nil {
			return "", err
		}
		if err := returned(tx, host.ID, device); err != nil || to.ID == host.ID {
			return to.Handle, err
		}
		return to.Handle, s.handTo(tx, at, spot{me: to, browser: at.browser, host: host, how: inPerson}, device)
	}
	return "", orUnknown(db.ErrNone, "role", signer)
}

// handTo notes who has the host's device now.
func (s *Signing) handTo(tx *db.Tx, at, there spot, device string) error {
	if err := there.load(tx); err != nil {
		return err
	}
	if there.identification() == directory.Always { // his browser as well, but nobody's word: he gets a code
		there.how = ""
		if _, err := s.Authn.Enter(tx, at.browser, there.person(), at.pkg.ID, false); err != nil {
			return err
		}
	} else if _, err := tx.Exec(`insert into hosted (invitee_id, host_id, device, last_ms) values ($1, $2, $3, clock_ms())
		on conflict (invitee_id, host_id) do update set device = excluded.device, last_ms = excluded.last_ms, ended_ms = null`,
		there.me.ID, there.host.ID, device); err != nil {
		return err
	}
	_, err := record(tx, there.event("device.handed_over"))
	return err
}
