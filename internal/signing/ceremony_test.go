package signing_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// wants fails unless err is the refusal called what.
func wants(t *testing.T, err error, what string) {
	t.Helper()
	if !errs.Is(err, what) {
		t.Errorf("got %v, want the refusal %q", err, what)
	}
}

// The heart: a group of two, a code each, one signs, the other is locked out, the PDF is sealed.
func TestOneOfAGroupSigns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("José Ñandú", "山田 太郎")
		pkg := w.send(groupRole("role1", w.group("Pharmacists", users...)))
		jose, yamada := w.enter(users[0].Email), w.enter(users[1].Email)
		_, err := w.signing.Take(t.Context(), jose)
		wants(t, err, "identify.code")
		jose, yamada = w.prove(jose, users[0].Email), w.prove(yamada, users[1].Email)

		lease, err := w.signing.Take(from(t.Context(), "192.0.2.7"), jose)
		check(t, err)
		_, err = w.signing.Take(t.Context(), yamada)
		wants(t, err, "lease.held")
		if e := asError(t, err); e.Params["holder"] != "José Ñandú" || e.Params["since"] == "" || e.Params["expires"] == "" {
			t.Errorf("the refusal says %v", e.Params)
		}
		wants(t, w.signing.Sign(t.Context(), jose, signing.Submission{Epoch: lease.Epoch}), "consent.missing")
		check(t, w.signing.Consent(t.Context(), jose, lease.Epoch))
		_, _, err = w.signing.PageImage(t.Context(), jose, docID(t, w, jose), 0, 100)
		check(t, err)
		check(t, w.signing.Sign(from(t.Context(), "192.0.2.7"), jose, signing.Submission{Epoch: lease.Epoch}))
		wants(t, w.signing.Sign(t.Context(), jose, signing.Submission{Epoch: lease.Epoch}), "role.signed")
		_, err = w.signing.Take(t.Context(), yamada)
		wants(t, err, "role.signed")

		w.settle()
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Status != signing.Completed || p.Roles[1].SignedBy != "José Ñandú" {
			t.Errorf("%s, signed by %q", p.Status, p.Roles[1].SignedBy)
		}
		events := w.events(pkg)
		for _, want := range []string{"package.created", "package.sent", "invitation.sent", "invitation.opened", "lease.taken",
			"lease.refused!", "consent.accepted", "document.viewed", "role.signed", "package.completed"} {
			if !slices.Contains(events, want) {
				t.Errorf("the trail lacks %s: %v", want, events)
			}
		}
		sealedEverywhere(t, w, pkg, users)
	})
}

func asError(t *testing.T, err error) *errs.Error {
	t.Helper()
	for e := err; e != nil; {
		if x, ok := e.(*errs.Error); ok {
			return x
		}
		switch u := e.(type) {
		case interface{ Unwrap() error }:
			e = u.Unwrap()
		case interface{ Unwrap() []error }:
			e = u.Unwrap()[0]
		default:
			e = nil
		}
	}
	t.Fatalf("%v is no refusal", err)
	return nil
}

func docID(t *testing.T, w *world, v signing.Visit) string {
	t.Helper()
	c, err := w.signing.Ceremony(t.Context(), v)
	check(t, err)
	return c.Documents[0].ID
}

// sealedEverywhere checks the sealed file with somebody else's programs and that it arrived by mail.
func sealedEverywhere(t *testing.T, w *world, pkg string, users []directory.User) {
	t.Helper()
	_, file, err := w.signing.PDF(t.Context(), w.client, pkg, "doc")
	check(t, err)
	if !bytes.HasPrefix(file, w.paper) {
		t.Error("the uploaded bytes are not the beginning of the sealed file")
	}
	path := filepath.Join(t.TempDir(), "sealed.pdf")
	check(t, os.WriteFile(path, file, 0o600))
	pdfsig, err := exec.LookPath("pdfsig")
	if err != nil {
		dbtest.Missing(t, "no pdfsig: install poppler-utils")
	}
	out, _ := exec.Command(pdfsig, path).CombinedOutput()
	for _, want := range []string{"Signature is Valid", "Total document signed"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("pdfsig does not say %q:\n%s", want, out)
		}
	}
	for _, u := range users {
		messages, err := w.post.Mailbox(t.Context(), u.Email)
		check(t, err)
		if n := len(messages[0].Attachments); n != 2 || !strings.HasPrefix(messages[0].Subject, "Completed") {
			t.Errorf("%s got %q with %d attachments", u.Email, messages[0].Subject, n)
			continue
		}
		_, _, mailed, err := w.post.MailboxAttachment(t.Context(), messages[0].ID, 0)
		check(t, err)
		if !bytes.Equal(mailed, file) {
			t.Errorf("%s got other bytes than were sealed", u.Email)
		}
	}
}
