package signing

import (
	"context"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// hosted finds out whether the visitor was handed the device of a host who proved himself on it.
func (at *spot) hosted(tx *db.Tx, ask proof) (bool, error) {
	hosts, err := db.All[inviteeRow](tx, `select i.* from hosted h join invitees i on i.id = h.host_id
		where h.invitee_id = $1 order by i.id`, at.me.ID)
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
		for _, p := range present {
			there, st := at, Standing{}
			there.role, there.me = p.role, inviteeRow{}
			if st.Now, err = tx.Now(); err != nil {
				return err
			}
			if err := there.phase(tx, &st, names); err != nil {
				return err
			}
			p.Phase = st.Phase
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
		return errs.New(errs.Conflict, "package.closed", "This package is no longer being signed.").With("status", string(at.pkg.Status))
	}
	return nil
}

// presence is somebody who may be there in person.
type presence struct {
	InPersonSigner
	role    roleRow
	invited invited
}

// present are all who sign, each member of a group by himself.
func (at spot) present(tx *db.Tx) (out []presence, err error) {
	roles, err := db.All[roleRow](tx, `select * from roles where package_id = $1 and state <> 'viewer' order by sequence, position`, at.pkg.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range roles {
		persons, err := personsOf(tx, r)
		if err != nil {
			return nil, err
		}
		for _, who := range persons {
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
// the page who he is. His page is at the handle, in the same browser. NotFound "role.unknown"; errors of InPerson.
func (s *Signing) HandOver(ctx context.Context, v Visit, signer string) (handle string, err error) {
	err = s.write(ctx, func(tx *db.Tx) error {
		at, err := s.visit(tx, v)
		if err != nil {
			return err
		}
		if err := at.hosts(); err != nil {
			return err
		}
		if handle, err = at.handOver(tx, signer); err != nil {
			return err
		}
		return nil
	})
	return handle, err
}

func (at spot) handOver(tx *db.Tx, signer string) (string, error) {
	host := at.me // whose device it is: the visitor's, or his who handed it to him
	if at.how == inPerson {
		host = at.host
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
		if err != nil || to.ID == host.ID {
			return to.Handle, err
		}
		added, err := tx.Exec(`insert into hosted (invitee_id, host_id) values ($1, $2) on conflict do nothing`, to.ID, host.ID)
		if err != nil || added == 0 {
			return to.Handle, err
		}
		there := spot{me: to, browser: at.browser, host: host, how: inPerson}
		if err := there.load(tx); err != nil {
			return "", err
		}
		_, err = record(tx, there.event("device.handed_over"))
		return to.Handle, err
	}
	return "", orUnknown(db.ErrNone, "role", signer)
}
