package signing_test

import (
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

func adHoc(id, name string, members ...string) signing.NewRole {
	return signing.NewRole{OuterID: id, Signer: signing.NewSigner{AdHoc: true, FirstName: name, Members: members}}
}

func withSigner(r signing.NewRole, signer string) signing.NewRole {
	r.Signer.OuterID = signer
	return r
}

// bench makes a package that an ad-hoc group of two signs; the second of them signs for himself, too.
func bench(t *testing.T, d *dbtest.DB) (w *world, pkg string) {
	t.Helper()
	w = newWorld(t, d, directory.NewBrowser)
	w.work()
	in := w.pack(true, adHoc("board", "The Board", "s1", "s2"), withSigner(personRole("r2", "John", "Smith", "john@example.org", 0), "s2"))
	in.Roles = append([]signing.NewRole{withSigner(personRole("r1", "Mary", "Doe", "mary@example.org", 0), "s1")}, in.Roles...)
	pkg, err := w.signing.Create(t.Context(), w.client, in)
	check(t, err)
	return w, pkg
}

// Conga Sign, ad-hoc groups: every member is invited and proves his own mailbox, one signs on behalf of all, by name.
func TestAdHocGroupSigns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg := bench(t, d)
		w.settle()
		mails, err := w.post.Mailbox(t.Context(), "mary@example.org")
		check(t, err)
		if len(mails) != 1 || !strings.Contains(mails[0].Text, "Hello The Board") {
			t.Fatalf("Mary was mailed %+v", mails)
		}
		mary := w.enter("mary@example.org")
		_, err = w.signing.Take(t.Context(), mary)
		wants(t, err, "identify.code") // each member proves his own mailbox
		mary = w.prove(mary, "mary@example.org")
		w.take(mary)
		john, err := w.signing.SignerSession(t.Context(), w.client, pkg, "board", "s2")
		check(t, err)
		wants(t, w.signing.SignByAPI(t.Context(), john, pkg, signing.APISignature{}), "lease.held")
		w.sign(mary)
		own, err := w.signing.SignerSession(t.Context(), w.client, pkg, "r2", "")
		check(t, err)
		check(t, w.signing.SignByAPI(t.Context(), own, pkg, signing.APISignature{}))
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Fatalf("it is %s: %s", st, w.jobError())
		}
		if got := w.column(`select name || ' for ' || group_name from signatures where group_name <> ''`); len(got) != 1 || got[0] != "Mary Doe for The Board" {
			t.Errorf("signed: %q", got)
		}
	})
}

// Who is no member any more has no right to sign, whatever he holds.
func TestAdHocMemberRemoved(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _ := bench(t, d)
		mary := w.prove(w.enter("mary@example.org"), "mary@example.org")
		l := w.take(mary)
		w.exec(`delete from adhoc_members where member_id in (select id from roles where outer_id = 'r1')`)
		wants(t, w.signing.Consent(t.Context(), mary, l.Epoch), "member.removed")
		_, err := w.signing.Take(t.Context(), mary)
		wants(t, err, "member.removed")
		_, err = w.signing.SignerSession(t.Context(), w.client, w.column(`select outer_id from packages`)[0], "board", "s1")
		wants(t, err, "member.removed")
	})
}

// A group of nobody is refused at sending.
func TestAdHocEmpty(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		in := w.pack(false, adHoc("board", "The Board", "s1"))
		in.Roles = append(in.Roles, withSigner(personRole("r1", "Mary", "Doe", "mary@example.org", 0), "s1"))
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		w.exec(`delete from adhoc_members`)
		wants(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Status: signing.Sent}), "group.empty")
	})
}
