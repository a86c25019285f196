package signing_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// words is all the text of a file, evidence pages included.
func words(t *testing.T, file []byte) string {
	t.Helper()
	var b strings.Builder
	for page := 0; ; page++ {
		got, err := jail().Text(t.Context(), file, page)
		if err != nil {
			if page < 2 {
				t.Fatal(err)
			}
			return b.String()
		}
		for _, w := range got {
			b.WriteString(w.Text)
		}
	}
}

// outside runs somebody else's program on a file.
func outside(t *testing.T, name string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		dbtest.Missing(t, "no "+name+": install poppler-utils")
	}
	out, _ := exec.Command(program, args...).CombinedOutput()
	return string(out)
}

// attached is the evidence attached to a file, as another program takes it out.
func attached(t *testing.T, path string) string {
	t.Helper()
	into := filepath.Join(t.TempDir(), "evidence.json")
	said := outside(t, "pdfdetach", "-save", "1", "-o", into, path)
	evidence, err := os.ReadFile(into)
	if err != nil || !json.Valid(evidence) {
		t.Fatalf("%v %s", err, said)
	}
	return string(evidence)
}

// Acrobat Sign Embed 2.0, Create user: the alias is shown in the audit report. Whoever has one, as
// signer, sender or one who looked on, is known by it in the evidence, what is attached to the file and
// the trail; mails and codes go to the mailbox he has.
func TestAliasStandsForTheAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Always)
		w.work()
		users := w.senders("Mary Doe", "John Smith", "Ann Lee")
		owner := w.column(`select email from users where id = $1`, w.client.User)[0]
		alias := map[string]string{users[0].Email: "mary.doe@customer.example.net", users[1].Email: "john@customer.example.net", owner: "desk@customer.example.net"}
		for address, shown := range alias {
			w.exec(`update users set email_alias = $2 where email = $1`, address, shown)
		}
		pkg := w.send(groupRole("role1", w.group("Pharmacists", users[:2]...)), personRole("ann", "Ann", "Lee", users[2].Email, 0))
		inv, err := w.signing.Look(t.Context(), w.token(users[0].Email))
		check(t, err)
		john := w.prove(w.enter(users[1].Email), users[1].Email)
		mary := w.enter(users[0].Email)
		_, refused := w.signing.Take(t.Context(), mary)
		if e := asError(t, refused); e.What != "identify.code" || e.Params["email"] != "s•••@example.com" || inv.MaskedEmail != "s•••@example.com" {
			t.Errorf("the code goes to %q, the link is for %q", e.Params["email"], inv.MaskedEmail)
		}
		mary = w.prove(mary, users[0].Email)
		l := w.take(mary)
		_, err = w.signing.Take(t.Context(), john)
		wants(t, err, "lease.held")
		page, err := w.signing.Ceremony(t.Context(), mary)
		check(t, err)
		if page.Me.Email != alias[users[0].Email] {
			t.Errorf("her page says %q", page.Me.Email)
		}
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}))
		w.sign(w.enter(users[2].Email))
		w.settle()

		_, file, err := w.signing.PDF(t.Context(), w.client, pkg, "doc")
		check(t, err)
		_, summary, err := w.signing.EvidenceSummary(t.Context(), w.client, pkg)
		check(t, err)
		path := filepath.Join(t.TempDir(), "sealed.pdf")
		check(t, os.WriteFile(path, file, 0o600))
		trail, err := w.signing.Trail(t.Context(), w.client, pkg)
		check(t, err)
		shown := map[string]string{"the sealed file": words(t, file), "the summary": words(t, summary),
			"the attachment": attached(t, path), "the trail": fmt.Sprintf("%+v", trail)}
		for where, text := range shown {
			for address, want := range alias {
				if !strings.Contains(text, want) {
					t.Errorf("%s lacks %s", where, want)
				}
				if strings.Contains(text, address) {
					t.Errorf("%s tells %s", where, address)
				}
			}
			if !strings.Contains(text, "registered") { // the pages break the words into lines
				t.Errorf("%s lacks “sent to the mailbox registered for this person”", where)
			}
			if !strings.Contains(text, users[2].Email) {
				t.Errorf("%s lacks %s, who has no alias", where, users[2].Email)
			}
		}
		said := outside(t, "pdftotext", "-layout", path, "-")
		if n := strings.Count(said, "(e-mail alias)"); n < 3 || strings.Contains(said, users[2].Email+" (e-mail") {
			t.Errorf("%d aliases are called so in\n%s", n, said)
		}
		checkMarks(t, attached(t, path), alias)
		if said := outside(t, "pdfsig", path); !strings.Contains(said, "Signature is Valid") || !strings.Contains(said, "Total document signed") {
			t.Errorf("pdfsig:\n%s", said)
		}
		to := w.column(`select distinct recipient from mails`)
		slices.Sort(to)
		if want := []string{users[0].Email, users[1].Email, users[2].Email}; !same(to, want) {
			t.Errorf("mails went to %v, want %v", to, want)
		}
		t.Logf("3 aliases, 4 places, 0 addresses")
	})
}

// checkMarks: of the addresses in attached evidence, the aliases and no others are marked.
func checkMarks(t *testing.T, text string, alias map[string]string) {
	t.Helper()
	type marked struct {
		Email string
		Alias bool `json:"email_is_alias"`
	}
	var d struct {
		Package struct {
			Email string `json:"sender_email"`
			Alias bool   `json:"sender_email_is_alias"`
		}
		Signatures, Events []marked
	}
	check(t, json.Unmarshal([]byte(text), &d))
	known := slices.Collect(maps.Values(alias))
	n := 0
	for _, m := range append(append(d.Signatures, d.Events...), marked(d.Package)) {
		if n++; m.Alias != slices.Contains(known, m.Email) {
			t.Errorf("%s: an alias: %v", m.Email, m.Alias)
		}
	}
	if n < 10 {
		t.Errorf("%d addresses", n)
	}
}

func same(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// An event tells the address that was shown when it happened: one before the alias the mailbox, one
// under the first alias that, one under the next the next. What was sealed and the trail agree, whatever
// becomes of the alias.
func TestAliasGivenLater(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, _ := duo(t, d)
		owner := w.column(`select email from users where id = $1`, w.client.User)[0]
		name := func(id, alias string) { w.exec(`update users set email_alias = $2 where id = $1`, id, alias) }
		lease := w.take(mary)
		name(users[0].ID, "mary@customer.example.net")
		name(w.client.User, "desk@customer.example.net")
		check(t, w.signing.Consent(t.Context(), mary, lease.Epoch))
		_, err := w.signing.SigningURL(t.Context(), w.client, pkg, "role1")
		check(t, err)
		name(users[0].ID, "doe@customer.example.net")
		check(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: lease.Epoch}))
		w.settle()
		name(users[0].ID, "other@customer.example.net")
		name(w.client.User, "")
		want := map[string]string{"invitation.opened": users[0].Email, "lease.taken": users[0].Email,
			"consent.accepted": "mary@customer.example.net", "role.signed": "doe@customer.example.net",
			"package.created": owner, "package.sent": owner, "link.made": "desk@customer.example.net"}
		trail, err := w.signing.Trail(t.Context(), w.client, pkg)
		check(t, err)
		seen := map[string]bool{}
		for _, r := range trail {
			if r.Actor.User != users[0].ID && r.Actor.User != w.client.User {
				continue
			}
			if seen[r.Type] = true; r.Actor.Email != want[r.Type] {
				t.Errorf("%s is told of %s, want %s", r.Type, r.Actor.Email, want[r.Type])
			}
		}
		if len(seen) != len(want) {
			t.Errorf("told of %v", seen)
		}
		w.agrees(pkg, trail)
	})
}

// agrees holds the events of a sealed file against the trail.
func (w *world) agrees(pkg string, trail []audit.Record) {
	w.t.Helper()
	_, file, err := w.signing.PDF(w.t.Context(), w.client, pkg, "doc")
	check(w.t, err)
	path := filepath.Join(w.t.TempDir(), "sealed.pdf")
	check(w.t, os.WriteFile(path, file, 0o600))
	var sealed struct {
		Events []struct{ ID, Email string }
	}
	check(w.t, json.Unmarshal([]byte(attached(w.t, path)), &sealed))
	shown := map[string]string{}
	for _, r := range trail {
		shown[audit.ShortID(r.ID)] = r.Actor.Email
	}
	for _, e := range sealed.Events {
		if email, told := shown[e.ID]; !told || email != e.Email {
			w.t.Errorf("event %s is sealed with %q, told with %q", e.ID, e.Email, email)
		}
	}
	if len(sealed.Events) < 8 {
		w.t.Errorf("%d events are sealed", len(sealed.Events))
	}
}

// Beside what others see, the log keeps the mailbox that a mail or a code went to and that acted; it
// is the operator's to read, and no trail tells it.
func TestAliasKeepsTheMailbox(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		const alias = "mary.doe@customer.example.net"
		w := newWorld(t, d, directory.Always)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		w.exec(`update users set email_alias = $2 where id = $1`, users[0].ID, alias)
		no := false
		g, err := w.dir.CreateGroup(t.Context(), w.client, directory.NewGroup{Name: "Pharmacists", Email: "group@example.com", EmailMembers: &no,
			Members: []directory.NewMember{{Email: users[0].Email}, {Email: users[1].Email}}})
		check(t, err)
		pkg := w.send(groupRole("role1", g), personRole("role2", "Mary", "Doe", users[0].Email, 0))
		for _, email := range []string{users[0].Email, users[1].Email} {
			v, err := w.signing.Enter(t.Context(), w.token("group@example.com"), email, "")
			check(t, err)
			_, err = w.signing.ProveCode(t.Context(), v, "000000")
			wants(t, err, "code.expired") // none was sent
			w.prove(v, email)
		}
		id := w.column(`select id from packages where outer_id = $1`, pkg)[0]
		told := map[string]int{}
		check(t, d.Read(t.Context(), func(tx *db.Tx) error {
			for r, err := range audit.OfPackage(tx, id) {
				if err != nil {
					return err
				}
				mailbox, kept := r.Personal["mailbox"]
				switch {
				case r.Actor.Email == alias, r.Personal["to_email"] == alias:
					if told[r.Type]++; mailbox != users[0].Email {
						t.Errorf("%s keeps the mailbox %q", r.Type, mailbox)
					}
				case kept || r.Actor.Email == users[0].Email:
					t.Errorf("%s: %+v", r.Type, r)
				}
			}
			return nil
		}))
		for _, kind := range []string{"invitation.sent", "invitation.opened", "mailbox.code_sent", "mailbox.code_refused", "mailbox.proven"} {
			if told[kind] == 0 {
				t.Errorf("no %s by the alias: %v", kind, told)
			}
		}
		trail, err := w.signing.Trail(t.Context(), w.client, pkg)
		check(t, err)
		if text := fmt.Sprintf("%+v", trail); strings.Contains(text, users[0].Email) || !strings.Contains(text, users[1].Email) {
			t.Errorf("the trail: %s", text)
		}
	})
}
