package signing_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// A signer's session sees its own role whole; of the others who they are and whether they signed, but not what they are
// asked for, attach, or enter before the package is completed, and nothing of what the sender keeps with it. The sender
// sees all.
func TestT13WhatASessionSeesOfOthers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		a := person("a", "a@example.com", "Ann", "Lee")
		a.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Ann's licence"}}
		a.Signer.Phone, a.Signer.Title = "+1-555-0100-ann", "Ann's title"
		a.Kept, a.Data, a.EmailMessage = []byte(`{"own":"Ann's kept"}`), []byte(`{"own":"Ann's data"}`), "Ann's message"
		in := w.pack(false, a, person("b", "b@example.com", "Bob", "Ray"))
		in.Data, in.Kept = []byte(`{"own":"the sender's data"}`), []byte(`{"own":"the sender's kept"}`)
		in.Documents[0].Approvals[0].Data = []byte(`{"own":"Ann's approval"}`)
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, signing.Field{OuterID: "ssn", Type: "INPUT",
			Subtype: "TEXTFIELD", Left: 100, Top: 500, Width: 200, Height: 20, Data: []byte(`{"own":"Ann's field"}`)})
		id, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		check(t, w.signing.Restrict(ctx, w.client, id, []signing.Viewers{{Document: "doc", Roles: []string{"a"}}}))
		check(t, w.move(id, signing.Sent))
		ann, err := w.signing.SignerSession(ctx, w.client, id, "a", "")
		check(t, err)
		bob, err := w.signing.SignerSession(ctx, w.client, id, "b", "")
		check(t, err)
		check(t, w.signing.FillByAPI(ctx, ann, id, "doc", "ssn", "078-05-1120"))
		check(t, w.signing.AttachByAPI(ctx, ann, id, "licence", "Ann's scan.txt", []byte("x")))
		asked := []string{"Ann's licence", "Ann's scan.txt", "+1-555-0100-ann", "Ann's title", "Ann's kept", "Ann's data", "Ann's message",
			"Ann's approval", "Ann's field", "licence", `"Viewers":["a"`}
		kept := []string{"the sender's data", "the sender's kept"}
		value := []string{"078-05-1120"}
		sees := func(who string, p authz.Principal, want bool, texts ...string) {
			t.Helper()
			all := w.reads(p, id)
			for _, text := range texts {
				if strings.Contains(all, text) != want {
					t.Errorf("that %s reads %q is not %t", who, text, want)
				}
			}
		}
		sees("the sender", w.client, true, append(append(asked, kept...), value...)...)
		sees("Ann", ann, true, append(asked[:len(asked)-1:len(asked)-1], value...)...)
		sees("Ann", ann, false, append(kept, asked[len(asked)-1])...)
		sees("Bob", bob, true, "a@example.com", "Ann", "Lee", "approval0", "ssn")
		sees("Bob", bob, false, append(append(asked, kept...), value...)...)
		check(t, w.signing.SignByAPI(ctx, ann, id, signing.APISignature{}))
		sees("Bob, who signs after Ann,", bob, false, append(asked, value...)...)
		p, err := w.signing.Get(ctx, bob, id)
		check(t, err)
		if r, err := p.Role("a"); err != nil || r.Signed.IsZero() || r.SignedBy != "Ann Lee" {
			t.Errorf("Bob does not see that Ann signed: %+v", r)
		}
		check(t, w.signing.SignByAPI(ctx, bob, id, signing.APISignature{}))
		w.settle()
		sees("Bob, of what is completed,", bob, true, value...)
		sees("Bob, of what is completed,", bob, false, asked...)
	})
}

// reads is all that a principal reads of a package, as text.
func (w *world) reads(p authz.Principal, id string) string {
	w.t.Helper()
	ctx := w.t.Context()
	pkg, err := w.signing.Get(ctx, p, id)
	check(w.t, err)
	doc, err := w.signing.GetDocument(ctx, p, id, "doc")
	check(w.t, err)
	approval, err := w.signing.GetApproval(ctx, p, id, "doc", "approval0")
	check(w.t, err)
	field, err := w.signing.GetField(ctx, p, id, "doc", "approval0", "ssn")
	check(w.t, err)
	role, whole, err := w.signing.GetRole(ctx, p, id, "a")
	check(w.t, err)
	var text bytes.Buffer
	coder := json.NewEncoder(&text)
	coder.SetEscapeHTML(false)
	check(w.t, coder.Encode([]any{pkg, doc, approval, field, role, whole}))
	return text.String()
}

// The evidence in a document tells of that document alone, and the summary, which tells of all, is mailed only to whom
// nothing is hidden: a hidden document's name, hashes and signatures come to nobody who may not see it.
func TestEvidenceTellsNothingOfHiddenDocuments(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		owner := w.senders("Olga Owner")[0]
		in := w.pack(false, person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray"))
		in.Documents[0].Approvals = in.Documents[0].Approvals[:1] // Ann's alone
		second := in.Documents[0]
		second.OuterID, second.Name, second.PDF = "secret", "Severance of Bob", paper(t, 2)
		second.Approvals = []signing.Approval{block("approval9", "b")}
		in.Documents = append(in.Documents, second)
		id, err := w.signing.Create(ctx, w.as(owner), in)
		check(t, err)
		check(t, w.signing.Restrict(ctx, w.client, id, []signing.Viewers{{Document: "secret", Roles: []string{"b"}}}))
		check(t, w.move(id, signing.Sent))
		for _, who := range []string{"a", "b"} {
			v := w.enter(who + "@example.com")
			c, err := w.signing.Ceremony(ctx, v)
			check(t, err)
			for _, doc := range c.Documents {
				_, _, err := w.signing.PageImage(ctx, v, doc.ID, len(doc.Pages)-1, 100)
				check(t, err)
			}
			w.sign(v)
		}
		w.settle()
		whole, err := w.signing.Get(ctx, w.client, id)
		check(t, err)
		images := w.column(`select v.sha256 from page_views v join documents d on d.id = v.document_id where d.outer_id = 'secret'`)
		if len(images) == 0 || whole.Status != signing.Completed {
			t.Fatalf("%d images, %s", len(images), whole.Status)
		}
		hidden := append(images, "Severance", whole.Documents[1].SHA256, w.column(`select event_id from signatures where email = 'b@example.com'`)[0])
		ours := []string{"Prescription", whole.Documents[0].SHA256, w.column(`select event_id from signatures where email = 'a@example.com'`)[0]}
		_, doc, err := w.signing.PDF(ctx, w.client, id, "doc")
		check(t, err)
		w.tells("doc", doc, true, ours...)
		w.tells("doc", doc, false, hidden...)
		_, secret, err := w.signing.PDF(ctx, w.client, id, "secret")
		check(t, err)
		w.tells("secret", secret, true, hidden...)
		w.tells("secret", secret, false, ours[1:]...)
		_, sum, err := w.signing.EvidenceSummary(ctx, w.client, id)
		check(t, err)
		w.tells("the summary", sum, true, append(hidden, ours...)...)
		for who, want := range map[string]string{"a@example.com": "[Prescription.pdf]", "b@example.com": "[Prescription.pdf Severance of Bob.pdf Evidence summary.pdf]",
			owner.Email: "[Prescription.pdf Severance of Bob.pdf Evidence summary.pdf]"} {
			messages, err := w.post.Mailbox(ctx, who)
			check(t, err)
			var names []string
			for _, f := range messages[0].Attachments {
				names = append(names, f.Name)
			}
			if fmt.Sprint(names) != want {
				t.Errorf("%s was mailed %v", who, names)
			}
		}
	})
}

// tells checks what stands in a sealed file: on its pages, in its attachments and elsewhere in its bytes.
func (w *world) tells(name string, file []byte, want bool, texts ...string) {
	w.t.Helper()
	var all strings.Builder
	for page := range 8 {
		words, err := jail().Text(w.t.Context(), file, page)
		if err != nil {
			break
		}
		for _, x := range words {
			all.WriteString(x.Text + " ")
		}
	}
	structure, err := jail().Signatures(w.t.Context(), file)
	check(w.t, err)
	for _, a := range structure.Attachments {
		all.Write(a.Data)
	}
	for _, text := range texts {
		if strings.Contains(all.String(), text) != want {
			w.t.Errorf("that %s tells %q is not %t", name, text, want)
		}
	}
}

// A package whose time is up is signed by nobody, also before the job has noticed that ends it.
func TestDueBeforeItsJob(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		id := w.send(person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray"))
		v, other := w.enter("a@example.com"), w.enter("b@example.com")
		l := w.take(v)
		check(t, w.signing.Consent(ctx, v, l.Epoch))
		ann, err := w.signing.SignerSession(ctx, w.client, id, "a", "")
		check(t, err)
		w.exec(`update packages set due_ms = clock_ms() - 1 where outer_id = $1`, id)
		for what, err := range map[string]error{
			"taken":              second(w.signing.Take(ctx, other)),
			"taken by a holder":  second(w.signing.Take(ctx, v)),
			"signed":             w.signing.Sign(ctx, v, signing.Submission{Epoch: l.Epoch}),
			"signed by API":      w.signing.SignByAPI(ctx, ann, id, signing.APISignature{}),
			"renewed":            second(w.signing.Beat(ctx, v, l.Epoch)),
			"accepted (consent)": w.signing.Consent(ctx, v, l.Epoch),
		} {
			if err == nil {
				t.Errorf("%s after its time", what)
			} else {
				wants(t, err, "package.closed")
			}
		}
		w.exec(`update packages set due_ms = clock_ms() + $2 where outer_id = $1`, id, time.Hour.Milliseconds())
		check(t, w.signing.Sign(ctx, v, signing.Submission{Epoch: l.Epoch}))
	})
}
