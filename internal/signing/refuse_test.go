package signing_test

import (
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// settled makes a package of Mary's with ceremony settings, and her lease on it.
func settled(t *testing.T, d *dbtest.DB, ceremony string, roles ...signing.NewRole) (w *world, pkg string, mary signing.Visit, l signing.Lease) {
	t.Helper()
	w = newWorld(t, d, directory.Link)
	w.work()
	in := w.pack(true, append([]signing.NewRole{personRole("r", "Mary", "Doe", "mary@example.org", 0)}, roles...)...)
	in.Settings = []byte(`{"ceremony":` + ceremony + `}`)
	pkg, err := w.signing.Create(t.Context(), w.client, in)
	check(t, err)
	mary = w.enter("mary@example.org")
	return w, pkg, mary, w.take(mary)
}

// The reasons to decline are the sender's where he says so; without a comment nothing is declined.
func TestDeclineReasons(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, mary, l := settled(t, d, `{"declineReasons":["Too dear","Too late"],"disableDeclineOther":true}`)
		c, err := w.signing.Ceremony(t.Context(), mary)
		check(t, err)
		if !c.Decline.Offered || len(c.Decline.Reasons) != 2 || c.Decline.Other || c.OptOut.Offered {
			t.Errorf("the page offers %+v and %+v", c.Decline, c.OptOut)
		}
		wants(t, w.signing.Decline(t.Context(), mary, l.Epoch, " "), "package.decline_reason")
		wants(t, w.signing.Decline(t.Context(), mary, l.Epoch, "No."), "package.decline_reason")
		wants(t, w.signing.OptOut(t.Context(), mary, l.Epoch, "Paper, please."), "decline.off")
		if st := w.status(pkg); st != signing.Sent {
			t.Fatalf("it is %s", st)
		}
		check(t, w.signing.Decline(t.Context(), mary, l.Epoch, "Too dear"))
		if st := w.status(pkg); st != signing.Declined {
			t.Errorf("it is %s", st)
		}
	})
}

// A sender may take the button away; his own program can still decline for a signer.
func TestDeclineOff(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, mary, l := settled(t, d, `{"declineButton":false}`)
		wants(t, w.signing.Decline(t.Context(), mary, l.Epoch, "No."), "decline.off")
		check(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Status: signing.Declined, DeclineRole: "r", DeclineReason: "By phone"}))
	})
}

// Opting out ends the package for all, and its links say so.
func TestL3OptOutEndsLinks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, mary, l := settled(t, d, `{"optOutButton":true,"optOutReasons":["I want paper"]}`, personRole("q", "John", "Smith", "john@example.org", 0))
		token := w.token("john@example.org")
		john := w.enter("john@example.org")
		mine := w.take(john)
		check(t, w.signing.OptOut(t.Context(), mary, l.Epoch, "I want paper"))
		if st := w.status(pkg); st != signing.OptedOut || w.many(pkg, "package.opted_out") != 1 {
			t.Fatalf("it is %s: %v", st, w.events(pkg))
		}
		inv, err := w.signing.Look(t.Context(), token)
		check(t, err)
		if inv.Closed != "OPTED_OUT" || inv.ClosedBy != "Mary Doe" {
			t.Errorf("the link says %q by %q", inv.Closed, inv.ClosedBy)
		}
		for what, err := range map[string]error{
			"consent": w.signing.Consent(t.Context(), john, mine.Epoch),
			"sign":    w.signing.Sign(t.Context(), john, signing.Submission{Epoch: mine.Epoch}),
			"decline": w.signing.Decline(t.Context(), john, mine.Epoch, "No."),
			"beat":    second(w.signing.Beat(t.Context(), john, mine.Epoch)),
			"take":    second(w.signing.Take(t.Context(), john)),
			"enter":   second(w.signing.Enter(t.Context(), token, "", "")),
		} {
			if errs.KindOf(err) != errs.Conflict {
				t.Errorf("%s: %v", what, err)
			}
		}
		st, err := w.signing.Standing(t.Context(), john)
		check(t, err)
		if st.Package != signing.OptedOut || st.Lease != nil {
			t.Errorf("the standing is %+v", st)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A signer session declines for its own role, in its own name, as the sender's settings allow.
func TestL4SignerSessionDeclines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, _ := settled(t, d, `{"declineReasons":["Too dear"],"disableDeclineOther":true}`, personRole("q", "John", "Smith", "john@example.org", 0))
		john, err := w.signing.SignerSession(t.Context(), w.client, pkg, "q", "")
		check(t, err)
		no := signing.Change{Status: signing.Declined, DeclineRole: "r", DeclineReason: "No."}
		wants(t, w.signing.Update(t.Context(), john, pkg, no), "package.decline_reason")
		no.DeclineReason = "Too dear"
		check(t, w.signing.Update(t.Context(), john, pkg, no))
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Declined == nil || p.Declined.By != "John Smith" || p.Declined.Role != "q" {
			t.Errorf("declined: %+v", p.Declined)
		}
	})
}

// In person: whoever opens his link is the host; the others sign on his device, and the evidence says so.
func TestInPerson(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, mary, l := settled(t, d, `{"inPerson":true}`, personRole("q", "John", "Smith", "john@example.org", 0))
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}))
		list, err := w.signing.InPerson(t.Context(), mary)
		check(t, err)
		if len(list) != 2 || !list[0].Mine || list[0].Phase != "signed" || list[1].Name != "John Smith" || list[1].Phase != "free" {
			t.Fatalf("the list is %+v", list)
		}
		john := signing.Visit{Handle: w.column(`select handle from invitees where email = 'john@example.org'`)[0], Browser: mary.Browser}
		_, err = w.signing.Take(t.Context(), john)
		wants(t, err, "identify.link") // before it was handed over
		_, err = w.signing.HandOver(t.Context(), mary, "nobody")
		wants(t, err, "role.unknown")
		handle, err := w.signing.HandOver(t.Context(), mary, list[1].ID)
		check(t, err)
		if handle != john.Handle {
			t.Error("the device was handed to another")
		}
		_, err = w.signing.Take(t.Context(), signing.Visit{Handle: handle, Browser: "another"})
		wants(t, err, "identify.link") // it is this device, not the handle
		w.sign(john)
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Fatalf("it is %s: %s", st, w.jobError())
		}
		if how := w.column(`select identified from signatures where name = 'John Smith'`); how[0] != "in person on Mary Doe's device" {
			t.Errorf("identified %q", how)
		}
		if w.many(pkg, "device.handed_over") != 1 {
			t.Errorf("events %v", w.events(pkg))
		}
	})
}

// Without the setting nobody signs on another's device.
func TestNotInPerson(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, mary, _ := settled(t, d, `{"inPerson":false}`, personRole("q", "John", "Smith", "john@example.org", 0))
		_, err := w.signing.InPerson(t.Context(), mary)
		wants(t, err, "package.not_in_person")
		_, err = w.signing.HandOver(t.Context(), mary, "q")
		wants(t, err, "package.not_in_person")
	})
}

// Wrong codes in a row lock a person out, across codes and browsers, and not his group; the sender lets him in again.
func TestSignerLockedOut(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		in := w.pack(true, groupRole("role1", w.group("Pharmacists", users...)))
		in.Settings = []byte(`{"ceremony":{"maxAuthFailsAllowed":3}}`)
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		mary := w.enter(users[0].Email)
		for i := range 3 {
			if i%2 == 0 { // another code
				check(t, w.signing.SendCode(t.Context(), mary))
			}
			_, err := w.signing.ProveCode(t.Context(), mary, "x"+strings.Repeat("0", 5))
			wants(t, err, "code.wrong")
		}
		_, err = w.signing.ProveCode(t.Context(), mary, "000000")
		wants(t, err, "signer.locked")
		wants(t, w.signing.SendCode(t.Context(), mary), "signer.locked")
		john := w.prove(w.enter(users[1].Email), users[1].Email) // the other member is none the worse
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if !p.Roles[1].Locked || w.many(pkg, "signer.locked") != 1 {
			t.Errorf("locked %v, events %v", p.Roles[1].Locked, w.events(pkg))
		}
		wants(t, w.signing.Unlock(t.Context(), w.client, pkg, "nobody"), "role.unknown")
		check(t, w.signing.Unlock(t.Context(), w.client, pkg, "role1"))
		check(t, w.signing.Unlock(t.Context(), w.client, pkg, "role1"))
		if w.many(pkg, "signer.unlocked") != 1 {
			t.Errorf("events %v", w.events(pkg))
		}
		mary = w.prove(mary, users[0].Email)
		w.take(mary)
		wants(t, second(w.signing.Take(t.Context(), john)), "lease.held")
	})
}

// A package that says nothing locks out after three used-up codes: five wrong tries use one up, and another may be asked for.
func TestLockOutByDefault(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe")
		w.send(groupRole("role1", w.group("Pharmacists", users...)))
		mary := w.enter(users[0].Email)
		for n := range 15 {
			if n%5 == 0 {
				check(t, w.signing.SendCode(t.Context(), mary))
			}
			_, err := w.signing.ProveCode(t.Context(), mary, "wrong")
			wants(t, err, "code.wrong")
			if locked := w.count(`select count(*) from invitees where locked`); locked != 0 && n < 14 {
				t.Fatalf("locked out after %d wrong codes", n+1)
			}
			if n%5 == 4 && n < 14 { // a used-up code counts no more
				_, err := w.signing.ProveCode(t.Context(), mary, "wrong")
				wants(t, err, "code.spent")
			}
		}
		_, err := w.signing.ProveCode(t.Context(), mary, "wrong")
		wants(t, err, "signer.locked")
	})
}

// A right code ends the count: only wrong ones in a row lock out.
func TestRightCodeEndsTheCount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe")
		w.send(groupRole("role1", w.group("Pharmacists", users...)))
		mary := w.enter(users[0].Email)
		for range 2 {
			check(t, w.signing.SendCode(t.Context(), mary))
			for range 4 {
				_, err := w.signing.ProveCode(t.Context(), mary, "wrong")
				wants(t, err, "code.wrong")
			}
			mary = w.prove(w.enter(users[0].Email), users[0].Email)
			d.Shift(directory.Defaults.HardLease)
		}
		if n := w.count(`select count(*) from invitees where locked or fails > 0`); n != 0 {
			t.Error("who proved his mailbox is locked out, or counted on")
		}
	})
}

// L4: a signature by a link that the sender made says so, and that his mailbox is proved in the same browser.
func TestL4LinkMadeBySender(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		pkg := w.send(personRole("r", "Mary", "Doe", "mary@example.org", 0))
		url, err := w.signing.SigningURL(t.Context(), w.client, pkg, "r")
		check(t, err)
		mary, err := w.signing.Enter(t.Context(), linkToken.FindStringSubmatch(url)[1], "", "")
		check(t, err)
		w.sign(mary)
		if how := w.column(`select identified from signatures`); how[0] != "personal link that the sender has a copy of" {
			t.Errorf("identified %q", how)
		}
		trail, err := w.signing.Trail(t.Context(), w.client, pkg)
		check(t, err)
		for _, r := range trail {
			if r.Type == "invitation.opened" && r.Detail["link"] != "made by the sender" {
				t.Errorf("the event tells %v", r.Detail)
			}
		}
	})
}
