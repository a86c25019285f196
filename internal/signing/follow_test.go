package signing_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// G8: a member who was removed sees the documents no more and gets no sealed ones; who has signed
// keeps his.
func TestG8RemovedMemberFollowsNoMore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		g := w.group("Pharmacists", users...)
		pkg := w.send(groupRole("role1", g), personRole("other", "Ann", "Lee", "ann@example.com", 0))
		mary, john, ann := w.enter(users[0].Email), w.enter(users[1].Email), w.enter("ann@example.com")
		john = w.prove(john, users[1].Email)
		doc := docID(t, w, john)
		w.sign(mary)
		if list, err := w.signing.Inbox(t.Context(), john.Browser); err != nil || len(list) != 1 {
			t.Errorf("his inbox has %d, %v", len(list), err)
		}
		for _, u := range users {
			check(t, w.dir.RemoveMember(t.Context(), w.client, g.OuterID, u.SenderID))
		}
		_, _, image := w.signing.PageImage(t.Context(), john, doc, 0, 100)
		_, text := w.signing.PageText(t.Context(), john, doc, 0)
		_, _, file := w.signing.Copy(t.Context(), john, doc)
		for _, err := range []error{image, text, file} {
			wants(t, err, "member.removed")
		}
		page, err := w.signing.Ceremony(t.Context(), john)
		check(t, err)
		if len(page.Documents) != 0 {
			t.Errorf("he sees %d documents", len(page.Documents))
		}
		w.sign(ann)
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Fatalf("the package is %s", st)
		}
		_, _, err = w.signing.Copy(t.Context(), mary, doc)
		check(t, err)
		if list, err := w.signing.Inbox(t.Context(), john.Browser); err != nil || len(list) != 0 {
			t.Errorf("his inbox has %d, %v", len(list), err)
		}
		for i, want := range []bool{true, false} {
			messages, err := w.post.Mailbox(t.Context(), users[i].Email)
			check(t, err)
			if got := strings.HasPrefix(messages[0].Subject, "Completed"); got != want {
				t.Errorf("%s got %q", users[i].Name(), messages[0].Subject)
			}
		}
	})
}

// T4: an invitation mailed to an address its person has given up opens nothing for whoever reads
// that mailbox now; sent again to the new one it does.
func TestT4AddressGivenUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, _ := duo(t, d)
		token := w.token(users[0].Email)
		address := "mary.doe@example.com"
		_, err := w.dir.UpdateSender(t.Context(), w.client, users[0].SenderID, directory.UserChange{Email: &address})
		check(t, err)
		_, take := w.signing.Take(t.Context(), mary)
		_, enter := w.signing.Enter(t.Context(), token, "", "")
		for _, err := range []error{take, enter, w.signing.SendCode(t.Context(), mary)} {
			wants(t, err, "member.moved")
		}
		if inv, err := w.signing.Look(t.Context(), token); err != nil || inv.Closed != "REMOVED" {
			t.Errorf("the link says %q, %v", inv.Closed, err)
		}
		d.Shift(directory.Defaults.MaxHold)
		check(t, w.signing.Notify(t.Context(), w.client, pkg, "role1", ""))
		w.sign(w.enter(address))

		pkg = w.send(personRole("single", "Mary", "Doe", address, 0)) // the same for who signs for himself
		before := w.enter(address)
		address = "m.doe@example.com"
		_, err = w.dir.UpdateSender(t.Context(), w.client, users[0].SenderID, directory.UserChange{Email: &address})
		check(t, err)
		_, err = w.signing.Take(t.Context(), before)
		wants(t, err, "member.moved")
		d.Shift(directory.Defaults.MaxHold)
		check(t, w.signing.Notify(t.Context(), w.client, pkg, "single", ""))
		w.sign(w.enter(address))
	})
}

// Who was renamed since he was asked signs by the name he has now, and it is the one he is shown.
func TestRenamedSigner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, john := duo(t, d)
		last := "Doe-Miller"
		_, err := w.dir.UpdateSender(t.Context(), w.client, users[0].SenderID, directory.UserChange{LastName: &last})
		check(t, err)
		page, err := w.signing.Ceremony(t.Context(), mary)
		check(t, err)
		l := w.take(mary)
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch, Mark: signing.Mark{Kind: "typed", Text: page.Me.Name}}))
		st, err := w.signing.Standing(t.Context(), john)
		check(t, err)
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if st.By != "Mary Doe-Miller" || p.Roles[1].SignedBy != st.By {
			t.Errorf("signed by %q, %q", st.By, p.Roles[1].SignedBy)
		}
	})
}

// Of members who take and leave at once each is told the truth: another holds it; nobody waits for a
// turn there is not, and no lease lapsed.
func TestG3RefusalsAreTrue(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, mary, john := duo(t, d)
		var wg sync.WaitGroup
		for _, v := range []signing.Visit{mary, john} {
			wg.Go(func() {
				for range dbtest.Rounds(20, 100) {
					l, err := w.signing.Take(t.Context(), v)
					if err == nil {
						err = w.signing.Leave(t.Context(), v, l.Epoch)
					}
					if err != nil && !errs.Is(err, "lease.held") {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if slices.Contains(w.events(pkg), "lease.lapsed") {
			t.Error("a lease that was released is told to have lapsed")
		}
	})
}

// Two roles of the owner's own address are two roles.
func TestOwnerInTwoRoles(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		var owner directory.User
		list, _, err := w.dir.ListSenders(t.Context(), w.client, directory.Query{})
		check(t, err)
		for _, u := range list {
			if u.ID == w.client.User {
				owner = u
			}
		}
		id := w.send(personRole("a", "In", "Tegration", owner.Email, 0), personRole("b", "In", "Tegration", owner.Email, 0))
		p, err := w.signing.Get(t.Context(), w.client, id)
		check(t, err)
		if len(p.Roles) != 2 {
			t.Errorf("%d roles", len(p.Roles))
		}
	})
}

// The address of a user who was deactivated before is a stranger's now, who can be asked to sign.
func TestAddressOfADeactivatedUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		u := w.senders("Mary Doe")[0]
		check(t, w.dir.DeleteSender(t.Context(), w.client, u.SenderID))
		w.send(personRole("a", "Mia", "Dorn", u.Email, 0))
		w.sign(w.enter(u.Email))
	})
}

// Rule 8: who asks to be told when it is free already is told at once.
func TestWatchingAFreeLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, users, mary, john := duo(t, d)
		check(t, w.signing.Leave(t.Context(), mary, w.take(mary).Epoch))
		check(t, w.signing.Watch(t.Context(), john))
		w.settle()
		messages, err := w.post.Mailbox(t.Context(), users[1].Email)
		check(t, err)
		if !strings.Contains(messages[0].Subject, "free to be signed") {
			t.Errorf("the newest mail is %q", messages[0].Subject)
		}
	})
}

// Who was removed is told so, not who signs, and nobody's time is shortened for him.
func TestG8RemovedMemberTakesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		g := w.group("Pharmacists", users...)
		w.send(groupRole("role1", g))
		mary, john := w.enter(users[0].Email), w.enter(users[1].Email)
		w.take(mary)
		check(t, w.dir.RemoveMember(t.Context(), w.client, g.OuterID, users[1].SenderID))
		_, err := w.signing.Take(t.Context(), john)
		wants(t, err, "member.removed")
		if n := w.count(`select count(*) from invitees where waiting_ms is not null`); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}
