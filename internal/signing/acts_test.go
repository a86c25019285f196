package signing_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// leaflet adds a second document that the first role signs.
func leaflet(in signing.NewPackage, role string) signing.NewPackage {
	second := in.Documents[0]
	second.OuterID, second.Name = "doc2", "Leaflet"
	second.Approvals = []signing.Approval{block("approval9", role)}
	in.Documents = append(in.Documents, second)
	return in
}

// halfAccepted makes a package of two documents for Mary, who has accepted the first by API.
func halfAccepted(t *testing.T, d *dbtest.DB) (w *world, mary directory.User, pkg string) {
	t.Helper()
	w = newWorld(t, d, directory.Link)
	w.work()
	mary = w.senders("Mary Doe")[0]
	pkg, err := w.signing.Create(t.Context(), w.client, leaflet(w.pack(true, personRole("r", "Mary", "Doe", mary.Email, 0)), "r"))
	check(t, err)
	check(t, w.api(mary, pkg, signing.APISignature{Documents: []string{"doc"}}))
	return w, mary, pkg
}

// nothingSigned fails the test if an approval is signed.
func (w *world) nothingSigned() {
	w.t.Helper()
	if n := w.count(`select count(*) from approvals where signed_ms is not null`); n != 0 {
		w.t.Errorf("%d approvals are signed", n)
	}
}

// What was accepted by API is void once the sender has the package back: a signature never falls on bytes nobody accepted.
func TestAcceptanceEndsWithTheBytes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, mary, pkg := halfAccepted(t, d)
		check(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Status: signing.Draft}))
		_, err := w.signing.ChangeDocument(t.Context(), w.client, pkg, "doc", signing.DocumentChange{PDF: paper(t, 2)})
		check(t, err)
		check(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Status: signing.Sent}))
		check(t, w.api(mary, pkg, signing.APISignature{Documents: []string{"doc2"}}))
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if a := p.Documents[0].Approvals[0]; !a.Signed.IsZero() || !a.Accepted.IsZero() {
			t.Errorf("the new file of %q is signed, which she never accepted: %v", p.Documents[0].Name, a.Signed)
		}
		if w.many(pkg, "acceptance.voided") != 1 {
			t.Errorf("events %v", w.events(pkg))
		}
		check(t, w.api(mary, pkg, signing.APISignature{Documents: []string{"doc"}}))
		if p, err = w.signing.Get(t.Context(), w.client, pkg); err != nil || p.Documents[0].Approvals[0].Signed.IsZero() {
			t.Errorf("both accepted as they are now, and not signed: %v", err)
		}
	})
}

// An acceptance counts only for the bytes it was given for, however they changed.
func TestAcceptanceIsBoundToTheBytes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, mary, pkg := halfAccepted(t, d)
		w.exec(`update documents set sha256 = 'other' where outer_id = 'doc'`)
		check(t, w.api(mary, pkg, signing.APISignature{Documents: []string{"doc2"}}))
		w.nothingSigned()
	})
}

// A value that is entered after the acceptance of its document ends it.
func TestAcceptanceEndsWithAnotherValue(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		in := leaflet(w.pack(true, groupRole("r", w.group("Pharmacists", users...))), "r")
		in.Documents[0].Approvals[0].Fields = append(slices.Clone(in.Documents[0].Approvals[0].Fields), signing.Field{OuterID: "dose", Type: "INPUT",
			Subtype: "TEXTFIELD", Left: 100, Top: 500, Width: 200, Height: 20})
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		check(t, w.api(users[0], pkg, signing.APISignature{Documents: []string{"doc"}, Values: map[string]map[string]string{"doc": {"dose": "1 a day"}}}))
		check(t, w.signing.FillByAPI(t.Context(), w.as(users[0]), pkg, "doc", "dose", "1 a day"))
		if n := w.many(pkg, "acceptance.voided"); n != 0 {
			t.Error("the same value again ended the acceptance")
		}
		check(t, w.signing.FillByAPI(t.Context(), w.as(users[1]), pkg, "doc", "dose", "20 a day"))
		check(t, w.api(users[0], pkg, signing.APISignature{Documents: []string{"doc2"}}))
		w.nothingSigned() // one has a value that she did not accept
	})
}

// Who accepted a document by API has nothing more to do on it, and is told so.
func TestAcceptedIsNotSignable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		in := leaflet(w.pack(true, person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray")), "a")
		in.Documents[1].Approvals = in.Documents[1].Approvals[:1]
		pkg, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		ann, err := w.signing.SignerSession(ctx, w.client, pkg, "a", "")
		check(t, err)
		check(t, w.signing.SignByAPI(ctx, ann, pkg, signing.APISignature{Documents: []string{"doc"}}))
		for doc, want := range map[string]int{"doc": 0, "doc2": 1} {
			for _, who := range []authz.Principal{ann, w.client} {
				left, err := w.signing.Signable(ctx, who, pkg, doc, "a")
				if err != nil || len(left) != want {
					t.Errorf("%s: %d left, %v", doc, len(left), err)
				}
			}
		}
		for of, want := range map[[2]string]string{{"a", "doc"}: "SIGNING_COMPLETED", {"a", "doc2"}: "SIGNING_PENDING", {"a", ""}: "SIGNING_PENDING",
			{"", "doc"}: "SIGNING_PENDING"} {
			if got, err := w.signing.Status(ctx, w.client, pkg, of[0], of[1]); err != nil || got != want {
				t.Errorf("%v: %s, %v", of, got, err)
			}
		}
		if w.many(pkg, "approval.accepted") != 1 {
			t.Errorf("events %v", w.events(pkg))
		}
	})
}

// Only the owner lets a role be reassigned, and every change of a role is an event.
func TestReassignIsTheOwnersToAllow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		id := w.send(person("a", "a@example.com", "Ann", "Lee"))
		other := w.as(w.senders("Other User")[0])
		change := edit("a", func(r *signing.NewRole) {
			r.Signer.Email, r.Signer.FirstName, r.Signer.LastName = "evil@example.com", "Eve", "Il"
		})
		_, err := w.signing.ChangeRoles(ctx, other, id, change)
		refusedAs(t, err, "role.reassign")
		allow := edit("a", func(r *signing.NewRole) { r.Reassign = true })
		_, err = w.signing.ChangeRoles(ctx, other, id, allow)
		refusedAs(t, err, "role.reassign")
		before := w.many(id, "role.changed")
		_, err = w.signing.ChangeRoles(ctx, other, id, edit("a", func(r *signing.NewRole) { r.EmailMessage = "Hello" }))
		check(t, err)
		_, err = w.signing.ChangeRoles(ctx, w.client, id, allow)
		check(t, err)
		if n := w.many(id, "role.changed") - before; n != 2 {
			t.Errorf("%d events of two changes", n)
		}
		_, err = w.signing.ChangeRoles(ctx, other, id, change)
		check(t, err)
	})
}

// Words about a signer that are drawn on what he signs do not change under his hands.
func TestWordsAboutTheSignerEndHisLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		in := w.pack(true, person("a", "a@example.com", "Ann", "Lee"))
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, signing.Field{OuterID: "company", Type: "INPUT",
			Subtype: "LABEL", Binding: "{signer.company}", Left: 100, Top: 400, Width: 200, Height: 20})
		id, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		v := w.enter("a@example.com")
		l := w.take(v)
		check(t, w.signing.Consent(ctx, v, l.Epoch))
		_, err = w.signing.ChangeRoles(ctx, w.client, id, edit("a", func(r *signing.NewRole) { r.Signer.Phone = "+1 555 0100" }))
		check(t, err)
		if w.many(id, "lease.voided") != 0 {
			t.Error("a phone number ended the lease")
		}
		_, err = w.signing.ChangeRoles(ctx, w.client, id, edit("a", func(r *signing.NewRole) { r.Signer.Company, r.Signer.Title = "Other Corp", "Guarantor" }))
		check(t, err)
		if w.many(id, "role.changed") != 2 || w.many(id, "lease.voided") != 1 {
			t.Errorf("events %v", w.events(id))
		}
		wants(t, w.signing.Sign(ctx, v, signing.Submission{Epoch: l.Epoch}), "lease.stale")
		l = w.take(v)
		wants(t, w.signing.Sign(ctx, v, signing.Submission{Epoch: l.Epoch}), "consent.missing")
	})
}

// By API as on the page: who does not hold the lease neither declines nor attaches nor takes a file back.
func TestRule15DeclineAndAttachGoThroughTheLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		role := groupRole("role1", w.group("Pharmacists", users...))
		role.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence", Required: true}}
		pkg := w.send(role)
		mary := w.enter(users[0].Email)
		l := w.take(mary)
		check(t, w.signing.Attach(t.Context(), mary, l.Epoch, "licence", "mine.txt", []byte("mine")))
		john, err := w.signing.SignerSession(t.Context(), w.client, pkg, "role1", users[1].SenderID)
		check(t, err)
		err = w.signing.DetachByAPI(t.Context(), john, pkg, "licence", 1)
		wants(t, err, "lease.held")
		if asError(t, err).Params["holder"] != "Mary Doe" {
			t.Error("the refusal does not name the holder")
		}
		wants(t, w.signing.AttachByAPI(t.Context(), john, pkg, "licence", "his.txt", []byte("his")), "lease.held")
		decline := signing.Change{Status: signing.Declined, DeclineRole: "role1", DeclineReason: "No."}
		wants(t, w.signing.Update(t.Context(), john, pkg, decline), "lease.held")
		wants(t, w.signing.Update(t.Context(), w.as(users[1]), pkg, decline), "lease.held")
		if n := w.many(pkg, "act.refused!"); n != 4 {
			t.Errorf("%d of 4 refusals are recorded: %v", n, w.events(pkg))
		}
		check(t, w.signing.Leave(t.Context(), mary, l.Epoch))
		check(t, w.signing.AttachByAPI(t.Context(), john, pkg, "licence", "his.txt", []byte("his")))
		check(t, w.signing.Update(t.Context(), john, pkg, decline))
	})
}

// Sessions and links for signers, decisions about their files and lock-outs are the owner's and the managers'.
func TestT13ActingForSignersIsTheOwners(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		ctx := t.Context()
		users := w.senders("Mary Doe", "Eve Il")
		role := groupRole("role1", w.group("Pharmacists", users[0]))
		role.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence"}}
		pkg := w.send(role)
		eve, mary := w.as(users[1]), w.as(users[0])
		_, err := w.signing.SignerSession(ctx, eve, pkg, "role1", users[0].SenderID)
		wants(t, err, "package.not_owner")
		_, err = w.signing.SigningURL(ctx, eve, pkg, "role1")
		wants(t, err, "package.not_owner")
		wants(t, w.signing.Unlock(ctx, eve, pkg, "role1"), "package.not_owner")
		wants(t, w.signing.Unlock(ctx, mary, pkg, "role1"), "package.not_owner")
		wants(t, w.signing.AttachByAPI(ctx, eve, pkg, "licence", "a.txt", []byte("a")), "package.not_owner")
		check(t, w.signing.AttachByAPI(ctx, w.client, pkg, "licence", "a.txt", []byte("a")))
		judge := edit("role1", func(r *signing.NewRole) {
			r.Attachments = slices.Clone(r.Attachments)
			r.Attachments[0].Status = signing.AttachmentRejected
		})
		_, err = w.signing.ChangeRoles(ctx, eve, pkg, judge)
		wants(t, err, "package.not_owner")
		_, err = w.signing.ChangeRoles(ctx, w.client, pkg, judge)
		check(t, err)
		wants(t, w.signing.Update(ctx, eve, pkg, signing.Change{Status: signing.Declined, DeclineRole: "role1", DeclineReason: "No."}), "package.not_owner")
		_, err = w.signing.SigningURL(ctx, mary, pkg, "role1")
		check(t, err)
		s, err := w.signing.SignerSession(ctx, mary, pkg, "role1", users[0].SenderID)
		check(t, err)
		check(t, w.signing.SignByAPI(ctx, s, pkg, signing.APISignature{}))
	})
}

// What the owner declines for a signer bears both names.
func TestDeclineForAnother(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		pkg := w.send(person("c", "c@example.com", "Cy", "Orr"))
		check(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Status: signing.Declined, DeclineRole: "c", DeclineReason: "By phone"}))
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Declined == nil || !strings.HasSuffix(p.Declined.By, " for Cy Orr") {
			t.Errorf("declined %+v", p.Declined)
		}
		w.settle()
		messages, err := w.post.Mailbox(t.Context(), "c@example.com")
		check(t, err)
		if len(messages) != 2 { // the invitation, and that it was declined for him
			t.Errorf("Cy has %d messages", len(messages))
		}
	})
}

// A device that was handed over is one browser's, and goes with its host: no second browser, no half an hour later.
func TestHandOverStaysOnTheDevice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, mary, l := settled(t, d, `{"inPerson":true}`, personRole("q", "John", "Smith", "john@example.org", 0),
			personRole("z", "Zoe", "Poe", "zoe@example.org", 0))
		hand := func(to string) signing.Visit {
			t.Helper()
			handle, err := w.signing.HandOver(t.Context(), mary, to)
			check(t, err)
			return signing.Visit{Handle: handle, Browser: mary.Browser}
		}
		refused := func(v signing.Visit) {
			t.Helper()
			_, err := w.signing.Take(t.Context(), v)
			wants(t, err, "identify.link")
		}
		check(t, w.signing.Leave(t.Context(), mary, l.Epoch))
		john := hand("q")
		home := w.enter(w.column(`select email from invitees where handle = $1`, mary.Handle)[0])
		refused(signing.Visit{Handle: john.Handle, Browser: home.Browser})
		check(t, second(w.signing.Take(t.Context(), john)))
		zoe := hand("z") // the device goes on
		refused(john)
		john = hand("q")
		refused(zoe)
		w.exec(`update hosted set last_ms = last_ms - 1860000`)
		refused(john)
		john = hand("q")
		w.take(mary) // the host has it again
		refused(john)
		if n := w.many(pkg, "device.handed_over"); n != 4 {
			t.Errorf("%d of 4 hand-overs are recorded", n)
		}
		john = hand("q")
		w.sign(john)
		check(t, second(w.signing.Ceremony(t.Context(), john))) // the page that says so
		_, err := w.signing.HandOver(t.Context(), john, "z")
		wants(t, err, "identify.link")
	})
}

// In person, members of a group who prove their mailbox each time do so on the host's device too.
func TestHandOverKeepsTheCode(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Always)
		w.work()
		users := w.senders("John Smith")
		in := w.pack(true, personRole("r", "Mary", "Doe", "mary@example.org", 0), groupRole("g", w.group("Pharmacists", users...)))
		in.Settings = []byte(`{"ceremony":{"inPerson":true}}`)
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		mary := w.enter("mary@example.org")
		handle, err := w.signing.HandOver(t.Context(), mary, "g/"+users[0].SenderID)
		check(t, err)
		john := signing.Visit{Handle: handle, Browser: mary.Browser}
		_, err = w.signing.Take(t.Context(), john)
		wants(t, err, "identify.code")
		w.sign(w.prove(john, users[0].Email))
		if how := w.column(`select identified from signatures`); how[0] != "code sent to the mailbox" {
			t.Errorf("identified by %q", how)
		}
		if w.many(pkg, "device.handed_over") != 1 {
			t.Errorf("events %v", w.events(pkg))
		}
	})
}

// Who is not asked yet lends nobody his device.
func TestHostsSignHere(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		in := w.pack(true, personRole("a", "Ann", "Lee", "a@example.com", 1), personRole("b", "Bob", "Ray", "b@example.com", 2))
		in.Settings = []byte(`{"ceremony":{"inPerson":true}}`)
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		url, err := w.signing.SigningURL(t.Context(), w.client, pkg, "b")
		check(t, err)
		v, err := w.signing.Enter(t.Context(), linkToken.FindStringSubmatch(url)[1], "", "")
		check(t, err)
		_, err = w.signing.HandOver(t.Context(), v, "a")
		wants(t, err, "role.waiting")
	})
}

// A value is entered by API when a signature could be made: in turn, and not by who is locked out.
func TestRule15FillWaitsItsTurn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		in := w.pack(true, personRole("a", "Ann", "Lee", "a@example.com", 1), personRole("b", "Bob", "Ray", "b@example.com", 2))
		in.Documents[0].Approvals[1].Fields = append(in.Documents[0].Approvals[1].Fields, signing.Field{OuterID: "note", Type: "INPUT",
			Subtype: "TEXTFIELD", Left: 100, Top: 500, Width: 200, Height: 20})
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		bob, err := w.signing.SignerSession(t.Context(), w.client, pkg, "b", "")
		check(t, err)
		fill := func(value string) error { return w.signing.FillByAPI(t.Context(), bob, pkg, "doc", "note", value) }
		wants(t, fill("early"), "role.waiting")
		w.sign(w.enter("a@example.com"))
		w.exec(`update invitees set locked = true where email = 'b@example.com'`)
		wants(t, fill("locked"), "signer.locked")
		w.exec(`update invitees set locked = false where email = 'b@example.com'`)
		taken, released := w.many(pkg, "lease.taken"), w.many(pkg, "lease.released")
		check(t, fill("in time"))
		if w.many(pkg, "lease.taken") != taken+1 || w.many(pkg, "lease.released") != released+1 {
			t.Errorf("events %v", w.events(pkg))
		}
	})
}

// Reassigning ends the lease with its event, and what the old signer accepted.
func TestReassignVoidsTheLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		id, err := w.signing.Create(ctx, w.client, leaflet(w.pack(true, person("a", "a@example.com", "Ann", "Lee")), "a"))
		check(t, err)
		s, err := w.signing.SignerSession(ctx, w.client, id, "a", "")
		check(t, err)
		check(t, w.signing.SignByAPI(ctx, s, id, signing.APISignature{Documents: []string{"doc"}}))
		w.take(w.enter("a@example.com"))
		p, err := w.signing.ChangeRoles(ctx, w.client, id, edit("a", func(r *signing.NewRole) { r.Signer.Email, r.Signer.FirstName = "n@example.com", "Nina" }))
		check(t, err)
		if !p.Documents[0].Approvals[0].Accepted.IsZero() || w.many(id, "lease.voided") != 1 || w.many(id, "acceptance.voided") != 1 {
			t.Errorf("events %v", w.events(id))
		}
	})
}

// The new signer of a reassigned role is asked for the ad-hoc groups, too, that the old one was a member of.
func TestReassignedMemberOfAnAdHocGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		board := signing.NewRole{OuterID: "board", Name: "Board", Type: "SIGNER", Signer: signing.NewSigner{OuterID: "board", AdHoc: true, FirstName: "Board",
			Members: []string{"a-signer", "b-signer"}}}
		in := w.pack(true, person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray"), board)
		id, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		_, err = w.signing.ChangeRoles(ctx, w.client, id, edit("a", func(r *signing.NewRole) { r.Signer.Email, r.Signer.FirstName = "n@example.com", "Nina" }))
		check(t, err)
		if n := w.count(`select count(*) from invitees i join roles r on r.id = i.role_id where r.outer_id = 'board' and i.email = 'n@example.com'`); n != 1 {
			t.Error("Nina is not asked for the group")
		}
	})
}

// An address that changes hands takes nothing along: no session, lease, link or count of wrong codes.
func TestT4AddressChangesHands(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		users := w.senders("Mary Doe", "John Smith")
		pkg := w.send(groupRole("role1", w.group("Pharmacists", users...)))
		mary, err := w.signing.SignerSession(ctx, w.client, pkg, "role1", users[0].SenderID)
		check(t, err)
		visit, link := w.enter(users[0].Email), w.token(users[0].Email)
		w.take(visit)
		w.exec(`update invitees set fails = 2 where email = 'signer1@example.com'`)
		w.exec(`update users set email = 'mary.new@example.com' where id = '` + users[0].ID + `'`)
		w.exec(`update users set email = 'signer1@example.com' where id = '` + users[1].ID + `'`)
		john, err := w.signing.SignerSession(ctx, w.client, pkg, "role1", users[1].SenderID)
		check(t, err)
		if john.Invitee == mary.Invitee {
			t.Error("John has Mary's place")
		}
		if w.many(pkg, "lease.voided") != 1 {
			t.Errorf("events %v", w.events(pkg))
		}
		if err := w.signing.SignByAPI(ctx, mary, pkg, signing.APISignature{}); errs.KindOf(err) != errs.Denied && errs.KindOf(err) != errs.NotFound {
			t.Errorf("Mary's session: %v", err)
		}
		if _, err := w.signing.Take(ctx, visit); errs.KindOf(err) != errs.Denied {
			t.Errorf("Mary's browser: %v", err)
		}
		if _, err := w.signing.Enter(ctx, link, "", ""); err == nil {
			t.Error("Mary's link, in the mailbox that is John's")
		}
		if n := w.count(`select fails from invitees where id = $1`, john.Invitee); n != 0 {
			t.Errorf("%d wrong codes of Mary's", n)
		}
		check(t, w.signing.SignByAPI(ctx, john, pkg, signing.APISignature{}))
		if name := w.column(`select name from signatures`); name[0] != "John Smith" {
			t.Errorf("%v signed", name)
		}
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Errorf("it is %s: %s", st, w.jobError())
		}
	})
}

// Where signers download nothing before the end, their sessions do not either; and hidden documents have no names.
func TestCopiesAreOffForSessions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		in := leaflet(w.pack(true, person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray")), "b")
		in.Settings = []byte(`{"ceremony":{"disableDownloadForUncompletedPackage":true}}`)
		in.Send = false
		id, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		check(t, w.signing.Restrict(ctx, w.client, id, []signing.Viewers{{Document: "doc2", Roles: []string{"b"}}}))
		check(t, w.signing.Update(ctx, w.client, id, signing.Change{Status: signing.Sent}))
		s, err := w.signing.SignerSession(ctx, w.client, id, "a", "")
		check(t, err)
		for name, get := range map[string]func() error{
			"pdf":      func() error { _, _, err := w.signing.PDF(ctx, s, id, "doc"); return err },
			"original": func() error { _, _, err := w.signing.Original(ctx, s, id, "doc"); return err },
		} {
			if err := get(); !errs.Is(err, "copy.off") {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, _, err = w.signing.PDF(ctx, w.client, id, "doc")
		check(t, err)
		wants(t, w.signing.SignByAPI(ctx, s, id, signing.APISignature{Documents: []string{"doc2"}}), "document.unknown")
		_, err = w.signing.Signable(ctx, s, id, "doc2", "a")
		wants(t, err, "document.unknown")
		w.sign(w.enter("a@example.com"))
		w.sign(w.enter("b@example.com"))
		w.settle()
		_, _, err = w.signing.PDF(ctx, s, id, "doc")
		check(t, err)
	})
}

// Of two files attached at once, by page and by API, one is too many where one is the limit.
func TestAttachAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		for round := range 8 {
			a := person("a", fmt.Sprintf("a%d@example.com", round), "Ann", "Lee")
			a.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence"}}
			in := w.pack(true, a)
			in.Settings = []byte(`{"ceremony":{"maxAttachmentFiles":1}}`)
			id, err := w.signing.Create(ctx, w.client, in)
			check(t, err)
			v := w.enter(fmt.Sprintf("a%d@example.com", round))
			l := w.take(v)
			ann, err := w.signing.SignerSession(ctx, w.client, id, "a", "")
			check(t, err)
			var wg sync.WaitGroup
			var e1, e2 error
			wg.Go(func() { e1 = w.signing.Attach(ctx, v, l.Epoch, "licence", "a.txt", []byte("a")) })
			wg.Go(func() { e2 = w.signing.AttachByAPI(ctx, ann, id, "licence", "b.txt", []byte("b")) })
			wg.Wait()
			if (e1 == nil) == (e2 == nil) {
				t.Errorf("one of two files: %v, %v", e1, e2)
			}
			for _, err := range []error{e1, e2} {
				if err != nil && !errs.Is(err, "attachment.too_many_files") {
					t.Error(err)
				}
			}
		}
	})
}

// Who may not say who signs cannot do so by way of a draft either.
func TestT13TakingBackIsTheOwners(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		other := w.as(w.senders("Eve Il")[0])
		pkg := w.send(personRole("r", "Cy", "Orr", "cy@example.com", 0))
		refusedAs(t, w.signing.Update(ctx, other, pkg, signing.Change{Status: signing.Draft}), "package.not_owner")
		check(t, w.signing.Update(ctx, w.client, pkg, signing.Change{Status: signing.Draft}))
	})
}

// A decline by the owner ends the lease of a member and says so; what a member's program does leaves him his page.
func TestRule15ActsAndOpenPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		users := w.senders("Mary Doe", "John Smith")
		group := w.group("Pharmacists", users...)
		pkg := w.send(groupRole("role1", group))
		w.take(w.enter(users[0].Email))
		check(t, w.signing.Update(ctx, w.client, pkg, signing.Change{Status: signing.Declined, DeclineRole: "role1", DeclineReason: "No."}))
		if n := w.many(pkg, "lease.voided"); n != 1 {
			t.Errorf("%d of lease.voided", n)
		}
		role := groupRole("role1", group)
		role.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence"}}
		pkg = w.send(role)
		v := w.enter(users[0].Email)
		lease := w.take(v)
		session, err := w.signing.SignerSession(ctx, w.client, pkg, "role1", users[0].SenderID)
		check(t, err)
		check(t, w.signing.AttachByAPI(ctx, session, pkg, "licence", "a.txt", []byte("x")))
		_, err = w.signing.Beat(ctx, v, lease.Epoch)
		check(t, err)
	})
}
