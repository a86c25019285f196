package signing_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// person is a role of one person.
func person(id, email, first, last string) signing.NewRole {
	return signing.NewRole{OuterID: id, Type: "SIGNER", Signer: signing.NewSigner{OuterID: id + "-signer", Email: email, FirstName: first, LastName: last}}
}

// again turns a role as it is into the same, for changes of single members.
func again(r signing.Role) signing.NewRole {
	in := signing.NewRole{OuterID: r.OuterID, Name: r.Name, Index: r.Index, Reassign: r.Reassign, EmailMessage: r.EmailMessage, Data: r.Data,
		Kept: r.Kept, Attachments: r.Attachments, Signer: signing.NewSigner{OuterID: r.Signer.OuterID, Email: r.Signer.Email,
			FirstName: r.Signer.FirstName, LastName: r.Signer.LastName, Title: r.Signer.Title, Company: r.Signer.Company,
			Phone: r.Signer.Phone, Language: r.Signer.Language, Group: r.Signer.GroupOuterID, AdHoc: r.Kind == signing.AdHoc}}
	for _, m := range r.Signer.Members {
		in.Signer.Members = append(in.Signer.Members, m.SignerID)
	}
	return in
}

func edit(role string, change func(*signing.NewRole)) signing.RoleEdit {
	return signing.RoleEdit{Role: role, Change: func(now signing.Role) (signing.NewRole, error) {
		in := again(now)
		change(&in)
		return in, nil
	}}
}

// refusedAs fails unless err is the refusal called what, or nil for "".
func refusedAs(t *testing.T, err error, what string) {
	t.Helper()
	if what == "" && err != nil || what != "" && !errs.Is(err, what) {
		t.Errorf("got %v, want %q", err, what)
	}
}

func ids(p signing.Package) (out []string) {
	for _, r := range p.Roles {
		out = append(out, r.OuterID)
	}
	return out
}

func TestRolesOfADraftAreEdited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		ctx := t.Context()
		id, err := w.signing.Create(ctx, w.client, w.pack(false, person("a", "a@example.com", "Ann", "Lee")))
		check(t, err)
		added, err := w.signing.AddRole(ctx, w.client, id, person("b", "b@example.com", "Bob", "Ray"))
		check(t, err)
		if added.OuterID != "b" || added.Signer.Email != "b@example.com" {
			t.Errorf("%+v", added)
		}
		_, err = w.signing.AddRole(ctx, w.client, id, person("b", "c@example.com", "Cy", "Orr"))
		refusedAs(t, err, "role.duplicate")
		// The owner asked by his own address is his own role; an approval that he has already stays.
		was, err := w.signing.Get(ctx, w.client, id)
		check(t, err)
		owner := was.Roles[0]
		_, err = w.signing.AddApproval(ctx, w.client, id, "doc", block("owner's", owner.OuterID))
		check(t, err)
		mine := person("me", owner.Signer.Email, "Me", "Self")
		_, err = w.signing.AddRole(ctx, w.client, id, mine)
		check(t, err)
		named, err := w.signing.Get(ctx, w.client, id)
		check(t, err)
		if got, _ := named.Role("me"); got.Kind != signing.Owner || len(named.Roles) != len(was.Roles) || len(named.Documents[0].Approvals) != 2 || named.Documents[0].Approvals[1].Role != "me" {
			t.Errorf("%+v, %d roles", got, len(named.Roles))
		}
		check(t, w.signing.RemoveApproval(ctx, w.client, id, "doc", "owner's"))
		group := signing.NewRole{OuterID: "g", Signer: signing.NewSigner{AdHoc: true, FirstName: "Board", Members: []string{"a-signer", "b-signer"}}}
		adhoc, err := w.signing.AddRole(ctx, w.client, id, group)
		check(t, err)
		if adhoc.Kind != signing.AdHoc || len(adhoc.Signer.Members) != 2 || adhoc.Signer.Members[1].Email != "b@example.com" {
			t.Errorf("%+v", adhoc)
		}
		for _, members := range [][]string{{"nobody"}, {"a-signer", "a-signer"}, {"g"}} {
			bad := group
			bad.OuterID, bad.Signer.Members = "g2", members
			_, err = w.signing.AddRole(ctx, w.client, id, bad)
			refusedAs(t, err, "adhoc.member")
		}
		p, err := w.signing.ChangeRoles(ctx, w.client, id,
			edit("a-signer", func(r *signing.NewRole) { r.Index = 2; r.Signer.Email = "ann@example.org" }),
			edit("b", func(r *signing.NewRole) { r.Index = 1; r.Kept = []byte(`{"signer":{"timezoneId":"UTC"}}`) }))
		check(t, err)
		a, _ := p.Role("a")
		b, _ := p.Role("b")
		if a.Index != 2 || a.Signer.Email != "ann@example.org" || b.Index != 1 || string(b.Kept) != `{"signer":{"timezoneId":"UTC"}}` {
			t.Errorf("%+v\n%+v", a, b)
		}
		_, err = w.signing.ChangeRoles(ctx, w.client, id, edit("a", func(*signing.NewRole) {}), edit("a-signer", func(*signing.NewRole) {}))
		refusedAs(t, err, "role.repeated")
		refusedAs(t, w.signing.RemoveRole(ctx, w.client, id, p.Roles[0].OuterID), "role.owner")
		refusedAs(t, w.signing.RemoveRole(ctx, w.client, id, "nobody"), "role.unknown")
		check(t, w.signing.RemoveRole(ctx, w.client, id, "a-signer"))
		p, err = w.signing.Get(ctx, w.client, id)
		check(t, err)
		if slices.Contains(ids(p), "a") || len(p.Documents[0].Approvals) != 0 {
			t.Errorf("left: %v, %d approvals", ids(p), len(p.Documents[0].Approvals))
		}
		if g, _ := p.Role("g"); len(g.Signer.Members) != 1 {
			t.Errorf("the group kept a member that is gone: %+v", g.Signer.Members)
		}
		for _, kind := range []string{"role.added", "role.changed", "role.removed"} {
			if !slices.Contains(w.events(id), kind) {
				t.Errorf("no event %s", kind)
			}
		}
	})
}

// While the package is being signed another person may be asked; the first one's link is dead and nothing of his stays.
func TestReassign(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		id := w.send(person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray"))
		old := w.enter("a@example.com")
		token := w.token("a@example.com")
		lease, err := w.signing.Take(ctx, old)
		check(t, err)
		check(t, w.signing.Consent(ctx, old, lease.Epoch))
		session, err := w.signing.SignerSession(ctx, w.client, id, "a", "")
		check(t, err)
		other := w.client
		other.User = w.senders("Other User")[0].ID
		change := edit("a", func(r *signing.NewRole) {
			r.Signer.Email, r.Signer.FirstName, r.Signer.LastName = "new@example.com", "Nina", "New"
		})
		_, err = w.signing.ChangeRoles(ctx, other, id, change)
		refusedAs(t, err, "role.reassign")
		p, err := w.signing.ChangeRoles(ctx, w.client, id, change)
		check(t, err)
		if a, _ := p.Role("a"); a.Signer.Email != "new@example.com" || a.Lease != nil || !a.ConsentAccepted.IsZero() {
			t.Errorf("%+v", a)
		}
		_, err = w.signing.Enter(ctx, token, "", "")
		refusedAs(t, err, "link.unknown")
		_, _, err = w.signing.PDF(ctx, session, id, "doc")
		refusedAs(t, err, "visit.unknown")
		refusedAs(t, w.signing.Sign(ctx, old, signing.Submission{Epoch: lease.Epoch}), "visit.unknown")
		w.sign(w.enter("new@example.com"))
		_, err = w.signing.ChangeRoles(ctx, w.client, id, change)
		check(t, err) // nothing changes
		_, err = w.signing.ChangeRoles(ctx, w.client, id, edit("a", func(r *signing.NewRole) { r.Signer.Email = "later@example.com" }))
		refusedAs(t, err, "role.signed")
		_, err = w.signing.ChangeRoles(ctx, w.client, id, edit("b", func(r *signing.NewRole) { r.Index = 7 }))
		refusedAs(t, err, "package.not_draft")
		_, err = w.signing.AddRole(ctx, w.client, id, person("c", "c@example.com", "Cy", "Orr"))
		refusedAs(t, err, "package.not_draft")
		refusedAs(t, w.signing.RemoveRole(ctx, w.client, id, "b"), "package.not_draft")
		w.sign(w.enter("b@example.com"))
		w.settle()
		if p, _ = w.signing.Get(ctx, w.client, id); p.Status != signing.Completed {
			t.Errorf("status %s", p.Status)
		}
		if !slices.Contains(w.events(id), "role.reassigned") {
			t.Error("no event")
		}
	})
}

func TestApprovalsOfADraftAreEdited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		ctx := t.Context()
		id, err := w.signing.Create(ctx, w.client, w.pack(false, person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray")))
		check(t, err)
		a, err := w.signing.AddApproval(ctx, w.client, id, "doc", signing.Approval{OuterID: "new", Role: "b-signer", Fields: []signing.Field{
			{OuterID: "n1", Type: "INPUT", Subtype: "RADIO", Value: text("false"), Left: 10, Top: 10, Width: 20, Height: 20}}})
		check(t, err)
		if a.Role != "b" || len(a.Fields) != 1 || *a.Fields[0].Value != "" {
			t.Errorf("%+v", a)
		}
		f, err := w.signing.AddField(ctx, w.client, id, "doc", "new", signing.Field{OuterID: "n2", Type: "IMAGE", Subtype: "QRCODE", Value: text("https://example.com"), Left: 50, Top: 10, Width: 60, Height: 60})
		check(t, err)
		if f.Subtype != "QRCODE" {
			t.Errorf("%+v", f)
		}
		_, err = w.signing.ChangeField(ctx, w.client, id, "doc", "new", "n2", func(f signing.Field) (signing.Field, error) { f.Left = 600; return f, nil })
		refusedAs(t, err, "field.outside")
		f, err = w.signing.ChangeField(ctx, w.client, id, "doc", "new", "n2", func(f signing.Field) (signing.Field, error) { f.Left = 70; return f, nil })
		check(t, err)
		if f.Left != 70 {
			t.Errorf("%+v", f)
		}
		f, err = w.signing.SetConditions(ctx, w.client, id, "doc", "new", "n2", []byte(`[{"id":"c"}]`))
		check(t, err)
		if string(f.Conditions) != `[{"id":"c"}]` {
			t.Errorf("%s", f.Conditions)
		}
		check(t, w.signing.RemoveField(ctx, w.client, id, "doc", "new", "n1"))
		_, err = w.signing.GetField(ctx, w.client, id, "doc", "new", "n1")
		refusedAs(t, err, "field.unknown")
		_, err = w.signing.AddField(ctx, w.client, id, "doc", "new", signing.Field{Type: "SIGNATURE", Subtype: "FULLNAME", Anchor: &signing.Anchor{Text: "x"}, Width: 50, Height: 50})
		refusedAs(t, err, "field.anchor_late")
		a, err = w.signing.ChangeApproval(ctx, w.client, id, "doc", "new", func(a signing.Approval) (signing.Approval, error) { a.Role, a.Optional = "a", true; return a, nil })
		check(t, err)
		if a.Role != "a" || !a.Optional || len(a.Fields) != 1 {
			t.Errorf("%+v", a)
		}
		check(t, w.signing.RemoveApproval(ctx, w.client, id, "doc", "new"))
		refusedAs(t, w.signing.RemoveApproval(ctx, w.client, id, "doc", "new"), "approval.unknown")
		all, err := w.signing.ReplaceApprovals(ctx, w.client, id, "doc", []signing.Approval{block("x", "b"), block("y", "a")})
		check(t, err)
		if len(all) != 2 || all[0].OuterID != "x" || all[1].OuterID != "y" {
			t.Errorf("%+v", all)
		}
		_, err = w.signing.ReplaceApprovals(ctx, w.client, id, "doc", []signing.Approval{block("x", "b"), block("x", "a")})
		refusedAs(t, err, "approval.duplicate")
		if after, _ := w.signing.GetDocument(ctx, w.client, id, "doc"); len(after.Approvals) != 2 {
			t.Error("a refused call changed the approvals")
		}
		check(t, w.signing.Update(ctx, w.client, id, signing.Change{Status: signing.Sent}))
		_, err = w.signing.ReplaceApprovals(ctx, w.client, id, "doc", nil)
		refusedAs(t, err, "package.not_draft")
	})
}

func text(s string) *string { return &s }

func TestDocumentsOfADraftAreEdited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		ctx := t.Context()
		in := w.pack(false, person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray"))
		two := paper(t, 2)
		in.Documents = append(in.Documents, signing.NewDocument{OuterID: "second", Name: "Second", PDF: two, Approvals: []signing.Approval{
			{OuterID: "s", Role: "b", Fields: []signing.Field{{OuterID: "f", Type: "SIGNATURE", Subtype: "FULLNAME", Page: 1, Left: 10, Top: 10, Width: 90, Height: 30}}}}})
		id, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		check(t, w.signing.Restrict(ctx, w.client, id, []signing.Viewers{{Document: "second", Roles: []string{"b-signer"}}}))
		refusedAs(t, w.signing.Restrict(ctx, w.client, id, []signing.Viewers{{Document: "second"}, {Document: "second"}}), "document.unlisted")
		refusedAs(t, w.signing.Restrict(ctx, w.client, id, []signing.Viewers{{Document: "second", Roles: []string{"x"}}}), "role.unlisted")
		before, err := w.signing.GetDocument(ctx, w.client, id, "second")
		check(t, err)
		if !before.Restricted || !slices.Equal(before.Viewers, []string{"b"}) {
			t.Errorf("%+v", before)
		}
		name := "Renamed"
		_, err = w.signing.ChangeDocument(ctx, w.client, id, "second", signing.DocumentChange{Name: &name, PDF: w.paper})
		refusedAs(t, err, "field.outside") // its field is on a page that the new file has not
		three := paper(t, 3)
		after, err := w.signing.ChangeDocument(ctx, w.client, id, "second", signing.DocumentChange{Name: &name, PDF: three})
		check(t, err)
		if after.Name != name || len(after.Pages) != 3 || len(after.Approvals) != 1 || after.ID == before.ID || !after.Restricted || !slices.Equal(after.Viewers, []string{"b"}) {
			t.Errorf("%+v", after)
		}
		_, file, err := w.signing.Original(ctx, w.client, id, "second")
		check(t, err)
		if !bytes.Equal(file, three) {
			t.Error("the old file is still there")
		}
		if image, err := w.signing.PagePNG(ctx, w.client, id, "second", 2); err != nil || !bytes.HasPrefix(image, []byte("\x89PNG")) {
			t.Error(err)
		}
		_, err = w.signing.PagePNG(ctx, w.client, id, "second", 3)
		refusedAs(t, err, "page.unknown")
		check(t, w.signing.ReorderDocuments(ctx, w.client, id, []signing.Place{{Document: "second", Index: 1}, {Document: "doc", Index: 2}}))
		if p, _ := w.signing.Get(ctx, w.client, id); p.Documents[0].OuterID != "second" {
			t.Errorf("%+v", p.Documents)
		}
		refusedAs(t, w.signing.DeleteDocuments(ctx, w.client, id, []string{"doc", "nothing"}), "document.unknown")
		if n := w.count(`select count(*) from documents`); n != 2 {
			t.Errorf("%d documents", n)
		}
		check(t, w.signing.DeleteDocuments(ctx, w.client, id, []string{"doc", "second"}))
		for _, kind := range []string{"document.replaced", "document.reordered", "document.removed"} {
			if !slices.Contains(w.events(id), kind) {
				t.Errorf("no event %s", kind)
			}
		}
	})
}

// A signer's session sees the documents that its role may see, and no others exist for it. Whoever signs on a document sees it.
func TestT13HiddenDocumentsDoNotExistForASigner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		ctx := t.Context()
		in := w.pack(false, person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray"))
		in.Documents = append(in.Documents, signing.NewDocument{OuterID: "secret", Name: "Secret", PDF: w.paper})
		id, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		check(t, w.signing.Restrict(ctx, w.client, id, []signing.Viewers{{Document: "secret", Roles: []string{"b"}}, {Document: "doc", Roles: []string{"b"}}}))
		check(t, w.signing.Update(ctx, w.client, id, signing.Change{Status: signing.Sent}))
		for role, secret := range map[string]string{"a": "document.unknown", "b": ""} {
			p, err := w.signing.SignerSession(ctx, w.client, id, role, "")
			check(t, err)
			_, _, err = w.signing.PDF(ctx, p, id, "secret")
			refusedAs(t, err, secret)
			_, _, err = w.signing.Original(ctx, p, id, "secret")
			refusedAs(t, err, secret)
			_, err = w.signing.PagePNG(ctx, p, id, "secret", 0)
			refusedAs(t, err, secret)
			_, err = w.signing.GetDocument(ctx, p, id, "secret")
			refusedAs(t, err, secret)
			_, _, err = w.signing.PDF(ctx, p, id, "doc") // both sign on it
			refusedAs(t, err, "")
		}
	})
}

func pngFile() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func officeFile(names ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write([]byte("<x/>"))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestAttachments(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		asked := person("a", "a@example.com", "Ann", "Lee")
		asked.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence", Required: true}, {OuterID: "extra", Name: "Extra"}}
		in := w.pack(false, asked, person("b", "b@example.com", "Bob", "Ray"))
		in.Settings = []byte(`{"ceremony":{"maxAttachmentFiles":2}}`)
		id, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		refusedAs(t, w.signing.AttachByAPI(ctx, w.client, id, "licence", "a.txt", []byte("early")), "package.closed")
		check(t, w.signing.Update(ctx, w.client, id, signing.Change{Status: signing.Sent}))
		v := w.enter("a@example.com")
		lease, err := w.signing.Take(ctx, v)
		check(t, err)
		check(t, w.signing.Consent(ctx, v, lease.Epoch))
		refusedAs(t, w.signing.Attach(ctx, v, lease.Epoch+1, "licence", "a.txt", []byte("stale")), "lease.stale")
		refusedAs(t, w.signing.Sign(ctx, v, signing.Submission{Epoch: lease.Epoch}), "attachment.missing")
		check(t, w.signing.Attach(ctx, v, lease.Epoch, "licence", `..\..\CV: "me".PDF`, w.paper))
		check(t, w.signing.Attach(ctx, v, lease.Epoch, "licence", "x.png", pngFile()))
		refusedAs(t, w.signing.Attach(ctx, v, lease.Epoch, "licence", "third.txt", []byte("third")), "attachment.too_many_files")
		p, err := w.signing.Get(ctx, w.client, id)
		check(t, err)
		role, _ := p.Role("a")
		if got := role.Attachments[0]; got.Status != "COMPLETE" || len(got.Files) != 2 || got.Files[0].Name != `CV_ _me_.pdf` || got.Files[0].Media != "application/pdf" {
			t.Errorf("%+v", got)
		}
		reject := func(status, comment string) error {
			_, err := w.signing.ChangeRoles(ctx, w.client, id, edit("a", func(r *signing.NewRole) {
				r.Attachments = slices.Clone(r.Attachments)
				r.Attachments[0].Status, r.Attachments[0].Comment = status, comment
			}))
			return err
		}
		check(t, reject("REJECTED", "too dark"))
		refusedAs(t, w.signing.Sign(ctx, v, signing.Submission{Epoch: lease.Epoch}), "attachment.missing")
		check(t, reject("COMPLETE", ""))
		check(t, w.signing.Detach(ctx, v, lease.Epoch, "licence", 2))
		refusedAs(t, w.signing.Detach(ctx, v, lease.Epoch, "licence", 2), "attachment_file.unknown")
		// Another signer's session finds nothing here.
		stranger, err := w.signing.SignerSession(ctx, w.client, id, "b", "")
		check(t, err)
		_, err = w.signing.ReadAttached(ctx, stranger, id, "licence", 1)
		refusedAs(t, err, "attachment.unknown")
		refusedAs(t, w.signing.AttachByAPI(ctx, stranger, id, "licence", "a.txt", []byte("x")), "attachment.unknown")
		_, err = w.signing.AttachedFiles(ctx, stranger, id, "a", "", 0)
		refusedAs(t, err, "role.unknown")
		got, err := w.signing.ReadAttached(ctx, w.client, id, "licence", 0)
		check(t, err)
		if !bytes.Equal(got.Bytes, w.paper) || got.Number != 1 {
			t.Errorf("file %d of %d bytes", got.Number, len(got.Bytes))
		}
		check(t, w.signing.Sign(ctx, v, signing.Submission{Epoch: lease.Epoch}))
		refusedAs(t, w.signing.DetachByAPI(ctx, w.client, id, "licence", 1), "role.signed")
		refusedAs(t, reject("REJECTED", "late"), "role.signed")
		keys := w.column(`select blob from attachment_files`)
		check(t, w.signing.Delete(ctx, w.client, id))
		if _, err := w.blobs.Get(ctx, keys[0]); err == nil {
			t.Error("the attached file outlived its package")
		}
	})
}

// P7: what may be attached is told from the bytes; names are names.
func TestP7AttachedFilesAreWhatTheyAre(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d, directory.Link)
	ctx := t.Context()
	asked := person("a", "a@example.com", "Ann", "Lee")
	asked.Attachments = []signing.Attachment{{OuterID: "x", Name: "X"}}
	in := w.pack(true, asked)
	in.Settings = []byte(`{"ceremony":{"maxAttachmentFiles":50}}`)
	id, err := w.signing.Create(ctx, w.client, in)
	check(t, err)
	jpeg, err := base64.StdEncoding.DecodeString("/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AR//Z")
	check(t, err)
	for name, c := range map[string]struct {
		file []byte
		want string // the kept name, or "!" and the refusal
	}{
		"evil.html":               {[]byte("<script>alert(1)</script>"), "evil.html.txt"},
		"a.exe":                   {[]byte("MZ\x90\x00\x03"), "!attachment.type"},
		"a.svg":                   {[]byte("<svg onload='x'/>"), "a.svg.txt"},
		"../../etc/passwd":        {[]byte("root"), "passwd.txt"},
		"a\r\nX-Evil: 1.txt":      {[]byte("x"), "a__X-Evil_ 1.txt"},
		"\u202efdp.exe":           {[]byte("x"), "_fdp.exe.txt"},
		"...":                     {[]byte("x"), "attachment.txt"},
		"a.jpg":                   {jpeg, "a.jpg"},
		"b.png":                   {pngFile(), "b.png"},
		"lies.pdf":                {pngFile(), "lies.pdf.png"},
		"c.docx":                  {officeFile("[Content_Types].xml", "word/document.xml"), "c.docx"},
		"d.xlsx":                  {officeFile("[Content_Types].xml", "xl/workbook.xml"), "d.xlsx"},
		"macro.docm":              {officeFile("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), "!attachment.type"},
		"x.zip":                   {officeFile("a.txt"), "!attachment.type"},
		"slip.docx":               {officeFile("[Content_Types].xml", "word/document.xml", "../../x"), "!attachment.type"},
		"empty":                   {nil, "!attachment.empty"},
		"bad.txt":                 {[]byte("a\xff"), "!attachment.type"},
		"nul.txt":                 {[]byte("a\x00b"), "!attachment.type"},
		"broken.pdf":              {[]byte("%PDF-1.4 nothing"), "!document.broken"},
		"large":                   {bytes.Repeat([]byte("x"), signing.MaxAttached+1), "!attachment.too_large"},
		strings.Repeat("é", 4000): {[]byte("x"), strings.Repeat("é", 120) + ".txt"},
	} {
		err := w.signing.AttachByAPI(ctx, w.client, id, "x", name, c.file)
		if what, refused := strings.CutPrefix(c.want, "!"); refused {
			refusedAs(t, err, what)
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		f, err := w.signing.ReadAttached(ctx, w.client, id, "x", 0)
		check(t, err)
		if f.Name != c.want {
			t.Errorf("%q became %q, want %q", name, f.Name, c.want)
		}
	}
}

// A2: of an account's packages nothing can be edited by another account, and nothing by a signer's session.
func TestT13EditingIsTheAccountsOwn(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d, directory.Link)
	ctx := t.Context()
	id, err := w.signing.Create(ctx, w.client, w.pack(false, person("a", "a@example.com", "Ann", "Lee")))
	check(t, err)
	other, err := w.dir.CreateAccount(ctx, directory.NewAccount{Name: "Other"})
	check(t, err)
	p := authz.Principal{Account: other.ID, User: w.client.User, Rights: []authz.Right{authz.Sign}}
	for name, act := range map[string]func() error{
		"AddRole": func() error {
			_, err := w.signing.AddRole(ctx, p, id, person("z", "z@example.com", "Z", "Z"))
			return err
		},
		"ChangeRoles": func() error {
			_, err := w.signing.ChangeRoles(ctx, p, id, edit("a", func(*signing.NewRole) {}))
			return err
		},
		"RemoveRole":  func() error { return w.signing.RemoveRole(ctx, p, id, "a") },
		"AddApproval": func() error { _, err := w.signing.AddApproval(ctx, p, id, "doc", block("z", "a")); return err },
		"Restrict":    func() error { return w.signing.Restrict(ctx, p, id, nil) },
		"ChangeDocument": func() error {
			_, err := w.signing.ChangeDocument(ctx, p, id, "doc", signing.DocumentChange{PDF: w.paper})
			return err
		},
		"Reorder": func() error { return w.signing.ReorderDocuments(ctx, p, id, nil) },
		"Delete":  func() error { return w.signing.DeleteDocuments(ctx, p, id, []string{"doc"}) },
		"Attach":  func() error { return w.signing.AttachByAPI(ctx, p, id, "x", "a.txt", []byte("x")) },
		"Page":    func() error { _, err := w.signing.PagePNG(ctx, p, id, "doc", 0); return err },
	} {
		if err := act(); !errs.Is(err, "package.unknown") {
			t.Error(fmt.Errorf("%s: %w", name, err))
		}
	}
}
