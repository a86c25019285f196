package signing_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
		if e := asError(t, refused); e.What != "identify.code" || e.Params["email"] != "s•••@example.com" || inv.MaskedEmail != "m•••@customer.example.net" {
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
			if !strings.Contains(text, users[2].Email) {
				t.Errorf("%s lacks %s, who has no alias", where, users[2].Email)
			}
		}
		if said := outside(t, "pdfsig", path); !strings.Contains(said, "Signature is Valid") || !strings.Contains(said, "Total document signed") {
			t.Errorf("pdfsig:\n%s", said)
		}
		to := w.column(`select distinct recipient from mails`)
		slices.Sort(to)
		if want := []string{owner, users[0].Email, users[1].Email, users[2].Email}; !same(to, want) {
			t.Errorf("mails went to %v, want %v", to, want)
		}
		t.Logf("3 aliases, 4 places, 0 addresses")
	})
}

func same(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// What was recorded before somebody had an alias shows it from then on; what was sealed stays.
func TestAliasGivenLater(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, _ := duo(t, d)
		w.take(mary)
		w.exec(`update users set email_alias = 'mary@customer.example.net' where id = $1`, users[0].ID)
		trail, err := w.signing.Trail(t.Context(), w.client, pkg)
		check(t, err)
		taken := 0
		for _, r := range trail {
			if r.Actor.User == users[0].ID {
				taken++
				if r.Actor.Email != "mary@customer.example.net" {
					t.Errorf("%s is told of %s", r.Type, r.Actor.Email)
				}
			}
		}
		if taken < 2 {
			t.Errorf("%d events of hers", taken)
		}
	})
}
