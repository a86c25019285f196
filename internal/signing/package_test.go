package signing_test

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// personRole is a role of an outsider.
func personRole(id, first, last, email string, index int) signing.NewRole {
	return signing.NewRole{OuterID: id, Index: index, Signer: signing.NewSigner{Email: email, FirstName: first, LastName: last}}
}

// files counts the blobs.
func (w *world) files() (n int) {
	_ = filepath.WalkDir(w.blobDir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return nil
	})
	return n
}

// status reads where a package stands.
func (w *world) status(pkg string) signing.Status {
	w.t.Helper()
	p, err := w.signing.Get(w.t.Context(), w.client, pkg)
	check(w.t, err)
	return p.Status
}

// What is refused leaves nothing: no row, no bytes, no mail.
func TestRefusedPackagesLeaveNothing(t *testing.T) {
	role := personRole("r", "Mary", "Doe", "mary@example.com", 0)
	cases := map[string]struct {
		change func(w *world, in *signing.NewPackage)
		what   string
	}{
		"no name":             {func(_ *world, in *signing.NewPackage) { in.Name = " " }, "name.missing"},
		"L9 line break":       {func(_ *world, in *signing.NewPackage) { in.Name = "a\r\nBcc: x" }, "name.malformed"},
		"L10 right-to-left":   {func(_ *world, in *signing.NewPackage) { in.Name = "a\u202eb" }, "name.malformed"},
		"L10 NUL":             {func(_ *world, in *signing.NewPackage) { in.Name = "a\x00b" }, "name.malformed"},
		"L10 10 kB":           {func(_ *world, in *signing.NewPackage) { in.Name = strings.Repeat("x", 10_000) }, "name.too_long"},
		"L10 signer's name":   {func(_ *world, in *signing.NewPackage) { in.Roles[0].Signer.FirstName = "M\u202eary" }, "name.malformed"},
		"signer's address":    {func(_ *world, in *signing.NewPackage) { in.Roles[0].Signer.Email = "nobody" }, "email.malformed"},
		"signer's glyphs":     {func(_ *world, in *signing.NewPackage) { in.Roles[0].Signer.FirstName = "ᚠᚢᚦ" }, "name.glyphs"},
		"L10 role's name":     {func(_ *world, in *signing.NewPackage) { in.Roles[0].Name = "a\u202eb\n" }, "name.malformed"},
		"L10 language":        {func(_ *world, in *signing.NewPackage) { in.Language = "\x00" }, "text.malformed"},
		"unknown group":       {func(_ *world, in *signing.NewPackage) { in.Roles[0].Signer = signing.NewSigner{Group: "none"} }, "group.unknown"},
		"two roles of one id": {func(_ *world, in *signing.NewPackage) { in.Roles = append(in.Roles, role) }, "role.duplicate"},
		"nothing to sign":     {func(_ *world, in *signing.NewPackage) { in.Documents[0].Approvals = nil }, "role.no_approval"},
		"unknown role":        {func(_ *world, in *signing.NewPackage) { in.Documents[0].Approvals[0].Role = "x" }, "approval.role_unknown"},
		"no document":         {func(_ *world, in *signing.NewPackage) { in.Documents = nil }, "package.no_document"},
		"nobody":              {func(_ *world, in *signing.NewPackage) { in.Roles, in.Documents[0].Approvals = nil, nil }, "package.no_signer"},
		"not a PDF":           {func(_ *world, in *signing.NewPackage) { in.Documents[0].PDF = []byte("hello") }, "document.not_pdf"},
		"17 MB": {func(_ *world, in *signing.NewPackage) {
			in.Documents[0].PDF = append(in.Documents[0].PDF[:len(in.Documents[0].PDF):len(in.Documents[0].PDF)], make([]byte, 17<<20)...)
		}, "document.too_large"},
		"off the page":        {func(_ *world, in *signing.NewPackage) { in.Documents[0].Approvals[0].Fields[0].Left = 500 }, "field.outside"},
		"left of the page":    {func(_ *world, in *signing.NewPackage) { in.Documents[0].Approvals[0].Fields[0].Left = -0.001 }, "field.outside"},
		"no width":            {func(_ *world, in *signing.NewPackage) { in.Documents[0].Approvals[0].Fields[0].Width = 0 }, "field.size"},
		"a hair's width":      {func(_ *world, in *signing.NewPackage) { in.Documents[0].Approvals[0].Fields[0].Height = 1e-9 }, "field.size"},
		"a document of dots":  {func(_ *world, in *signing.NewPackage) { in.Documents[0].Name = ".." }, "name.malformed"},
		"a document, no name": {func(_ *world, in *signing.NewPackage) { in.Documents[0].Name = "" }, "name.missing"},
		"nobody's address":    {func(_ *world, in *signing.NewPackage) { in.Roles[0].Signer.Email = "x@adhoc.groups.e-signlive.com" }, "email.malformed"},
		"no such page":        {func(_ *world, in *signing.NewPackage) { in.Documents[0].Approvals[0].Fields[0].Page = 1 }, "field.outside"},
		"the consent's id":    {func(_ *world, in *signing.NewPackage) { in.Documents[0].OuterID = signing.ConsentID }, "document.reserved"},
		"second document bad": {func(_ *world, in *signing.NewPackage) {
			in.Documents = append(in.Documents, signing.NewDocument{Name: "x", PDF: []byte("x")})
		}, "document.not_pdf"},
		"../ in a file name": {func(_ *world, in *signing.NewPackage) { in.Documents[0].Name = "../../etc/passwd*" }, "name.malformed"},
	}
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		events := w.count(`select count(*) from audit_events`)
		for name, c := range cases {
			in := w.pack(true, role)
			c.change(w, &in)
			_, err := w.signing.Create(t.Context(), w.client, in)
			if !errs.Is(err, c.what) {
				t.Errorf("%s: got %v, want %q", name, err, c.what)
			}
		}
		for _, table := range []string{"packages", "roles", "documents", "approvals", "fields", "invitees", "links"} {
			if n := w.count(`select count(*) from ` + table); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
		if n := w.count(`select count(*) from audit_events`); n != events {
			t.Errorf("%d audit events", n-events)
		}
		if n := w.files(); n != 0 {
			t.Errorf("%d files stay", n)
		}
	})
}

// Two last signers at once on PostgreSQL each miss the other unless the package's row is locked first.
func TestLastSignersAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		n := dbtest.Rounds(4, 100)
		for range n {
			pkg := w.send(personRole("a", "Mary", "Doe", "mary@example.com", 0), personRole("b", "John", "Smith", "john@example.com", 0),
				personRole("c", "Ann", "Lee", "ann@example.com", 0))
			var wg sync.WaitGroup
			for _, email := range []string{"mary@example.com", "john@example.com", "ann@example.com"} {
				v := w.enter(email)
				l := w.take(v)
				check(t, w.signing.Consent(t.Context(), v, l.Epoch))
				wg.Go(func() {
					if err := w.signing.Sign(t.Context(), v, signing.Submission{Epoch: l.Epoch}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			w.settle()
			if st := w.status(pkg); st != signing.Completed {
				t.Fatalf("all have signed, the package is %s", st)
			}
		}
		t.Logf("%d rounds, 0 never sealed", n)
	})
}

// Who has a higher index is asked when those before have signed.
func TestSigningInOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		pkg := w.send(personRole("a", "Mary", "Doe", "mary@example.com", 1), personRole("b", "John", "Smith", "john@example.com", 2))
		mary := w.enter("mary@example.com")
		if messages, err := w.post.Mailbox(t.Context(), "john@example.com"); err != nil || len(messages) != 0 {
			t.Fatalf("the second was asked before his turn: %v %v", messages, err)
		}
		url, err := w.signing.SigningURL(t.Context(), w.client, pkg, "b")
		check(t, err)
		early, err := w.signing.Enter(t.Context(), linkToken.FindStringSubmatch(url)[1], "", "")
		check(t, err)
		_, err = w.signing.Take(t.Context(), early)
		wants(t, err, "role.waiting")
		w.sign(mary)
		w.sign(w.enter("john@example.com"))
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Errorf("the package is %s", st)
		}
	})
}

// Rule 8: values entered so far stay for whoever signs next, marked with who entered them; the consent does not.
func TestFinishLaterKeepsValues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		in := w.pack(true, groupRole("r", w.group("Pharmacists", users...)))
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, signing.Field{OuterID: "batch", Type: "INPUT",
			Subtype: "TEXTFIELD", Left: 100, Top: 400, Width: 200, Height: 20, Validation: []byte(`{"required":true,"maxLength":12}`)})
		_, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		mary, john := w.enter(users[0].Email), w.enter(users[1].Email)
		l := w.take(mary)
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		field := docID(t, w, mary) + "/approval0/batch"
		wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "field.required")
		wants(t, w.signing.Fill(t.Context(), mary, l.Epoch, field, "more than twelve characters"), "field.value")
		wants(t, w.signing.Fill(t.Context(), mary, l.Epoch, field, "ᚠ"), "name.glyphs")
		wants(t, w.signing.Fill(t.Context(), mary, l.Epoch, docID(t, w, mary)+"/approval0/signature", "x"), "field.unknown")
		check(t, w.signing.Fill(t.Context(), mary, l.Epoch, field, "Lot 7"))
		check(t, w.signing.Leave(t.Context(), mary, l.Epoch))
		l = w.take(john)
		c, err := w.signing.Ceremony(t.Context(), john)
		check(t, err)
		f := c.Documents[0].Approvals[0].Fields[1]
		if f.Value == nil || *f.Value != "Lot 7" || f.EnteredBy != "Mary Doe" {
			t.Errorf("the value is %v, entered by %q", f.Value, f.EnteredBy)
		}
		if !c.Consent.Accepted.IsZero() {
			t.Error("one member's consent counts for another")
		}
		wants(t, w.signing.Sign(t.Context(), john, signing.Submission{Epoch: l.Epoch}), "consent.missing")
		w.sign(john)
	})
}

// A decline by one member ends it for all, needs a reason, and everybody is told.
func TestDecline(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, john := duo(t, d)
		l := w.take(mary)
		wants(t, w.signing.Decline(t.Context(), mary, l.Epoch, " "), "package.decline_reason")
		check(t, w.signing.Decline(t.Context(), mary, l.Epoch, "Dose too high"))
		_, err := w.signing.Take(t.Context(), john)
		wants(t, err, "package.closed")
		wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}), "package.closed")
		w.settle()
		messages, err := w.post.Mailbox(t.Context(), users[1].Email)
		check(t, err)
		if !strings.HasPrefix(messages[0].Subject, "Declined") || !strings.Contains(messages[0].Text, "Dose too high") {
			t.Errorf("the other member got %q", messages[0].Subject)
		}
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Status != signing.Declined || p.Declined == nil || p.Declined.By != "Mary Doe" || p.Declined.Reason != "Dose too high" {
			t.Errorf("the package is %s, %+v", p.Status, p.Declined)
		}
	})
}

// L3: a link or session used again after signing, declining, withdrawing or deleting is refused.
func TestL3Replay(t *testing.T) {
	yes := true
	ends := map[string]struct {
		end    func(w *world, pkg string, v signing.Visit)
		closed string
		what   string
	}{
		"signed": {func(w *world, _ string, v signing.Visit) { w.sign(v) }, "SIGNED", "role.signed"},
		"declined": {func(w *world, _ string, v signing.Visit) {
			check(w.t, w.signing.Decline(w.t.Context(), v, w.take(v).Epoch, "no"))
		}, "DECLINED", "package.closed"},
		"withdrawn": {func(w *world, pkg string, _ signing.Visit) {
			check(w.t, w.signing.Update(w.t.Context(), w.client, pkg, signing.Change{Trashed: &yes}))
		}, "WITHDRAWN", "package.closed"},
		"deleted": {func(w *world, pkg string, _ signing.Visit) {
			check(w.t, w.signing.Delete(w.t.Context(), w.client, pkg))
		}, "", "visit.unknown"},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
				w, pkg, users, mary, _ := duo(t, d)
				token := w.token(users[0].Email)
				c.end(w, pkg, mary)
				_, err := w.signing.Take(t.Context(), mary)
				wants(t, err, c.what)
				for _, epoch := range []int64{1, 2} {
					wants(t, w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: epoch}), c.what)
				}
				inv, err := w.signing.Look(t.Context(), token)
				if c.closed == "" {
					wants(t, err, "link.unknown")
				} else if err != nil || inv.Closed != c.closed {
					t.Errorf("the link says %q, %v", inv.Closed, err)
				}
			})
		})
	}
}

// A4: an act whose audit event cannot be written does not happen.
func TestA4UnauditedActsDoNotHappen(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, mary, john := duo(t, d)
		l := w.take(mary)
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch))
		w.settle()
		w.breakAudit()
		before := w.fingerprint()
		yes := true
		_, create := w.signing.Create(t.Context(), w.client, w.pack(true, personRole("a", "Ann", "Lee", "ann@example.com", 0)))
		_, take := w.signing.Take(t.Context(), john)
		for act, err := range map[string]error{
			"create": create, "take": take,
			"sign":    w.signing.Sign(t.Context(), mary, signing.Submission{Epoch: l.Epoch}),
			"leave":   w.signing.Leave(t.Context(), mary, l.Epoch),
			"decline": w.signing.Decline(t.Context(), mary, l.Epoch, "no"),
			"trash":   w.signing.Update(t.Context(), w.client, pkg, signing.Change{Trashed: &yes}),
			"delete":  w.signing.Delete(t.Context(), w.client, pkg),
		} {
			if err == nil {
				t.Errorf("%s was done without an event", act)
			}
		}
		if after := w.fingerprint(); before != after {
			t.Errorf("something changed: %s became %s", before, after)
		}
	})
}

// breakAudit makes the audit log unwritable.
func (w *world) breakAudit() {
	w.t.Helper()
	check(w.t, w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`alter table audit_events rename to audit_events_away`)
		return err
	}))
}

// fingerprint is what acts could have changed.
func (w *world) fingerprint() string {
	w.t.Helper()
	var all []string
	check(w.t, w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		for _, q := range []string{
			`select coalesce(max(id || status || cast(trashed as text)), '') || cast(count(*) as text) from packages`,
			`select coalesce(max(state || coalesce(holder, '') || cast(epoch as text) || stage), '') from roles where kind <> 'owner'`,
			`select cast(count(*) as text) from signatures`, `select cast(count(*) as text) from jobs`, `select cast(count(*) as text) from mails`,
		} {
			s, err := db.One[string](tx, q)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return nil
	}))
	return strings.Join(all, " | ")
}

// A deleted package leaves no bytes behind, page images and seals included.
func TestDeleteLeavesNoBytes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, _, mary, _ := duo(t, d)
		_, _, err := w.signing.PageImage(t.Context(), mary, docID(t, w, mary), 0, 100)
		check(t, err)
		w.sign(mary)
		w.settle()
		if w.files() < 4 {
			t.Fatalf("only %d files before", w.files())
		}
		check(t, w.signing.Delete(t.Context(), w.client, pkg))
		if n := w.files(); n != 0 {
			t.Errorf("%d files stay", n)
		}
		_, err = w.signing.Get(t.Context(), w.client, pkg)
		wants(t, err, "package.unknown")
	})
}

// Another account's client finds nothing of this one's.
func TestTenantsApart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		pkg := w.send(personRole("a", "Mary", "Doe", "mary@example.com", 0))
		other := newWorld(t, d, directory.Link).client
		yes := true
		_, get := w.signing.Get(t.Context(), other, pkg)
		_, _, file := w.signing.PDF(t.Context(), other, pkg, "doc")
		_, url := w.signing.SigningURL(t.Context(), other, pkg, "a")
		for act, err := range map[string]error{"get": get, "file": file, "url": url,
			"update": w.signing.Update(t.Context(), other, pkg, signing.Change{Trashed: &yes}),
			"delete": w.signing.Delete(t.Context(), other, pkg),
			"notify": w.signing.Notify(t.Context(), other, pkg, "a", ""),
		} {
			if !errs.Is(err, "package.unknown") {
				t.Errorf("%s: %v", act, err)
			}
		}
		list, err := w.signing.List(t.Context(), other, signing.Query{})
		check(t, err)
		if list.Count != 0 || slices.ContainsFunc(list.Packages, func(p signing.Package) bool { return p.OuterID == pkg }) {
			t.Errorf("the list has %d", list.Count)
		}
	})
}

// emailMembers:false with an address: one mail to that address, whose link asks who one is; the vendor's
// own group addresses never get any.
func TestGroupAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		no := false
		in := directory.NewGroup{Name: "Pharmacists", Email: "group@example.com", EmailMembers: &no}
		for _, u := range users {
			in.Members = append(in.Members, directory.NewMember{Email: u.Email})
		}
		g, err := w.dir.CreateGroup(t.Context(), w.client, in)
		check(t, err)
		pkg := w.send(groupRole("r", g))
		token := w.token("group@example.com")
		inv, err := w.signing.Look(t.Context(), token)
		check(t, err)
		if !inv.AskEmail || inv.PersonName != "" {
			t.Errorf("the group's link says %+v", inv)
		}
		_, err = w.signing.Enter(t.Context(), token, "stranger@example.com", "")
		wants(t, err, "member.unknown")
		v, err := w.signing.Enter(t.Context(), token, " Signer1@EXAMPLE.com ", "")
		check(t, err)
		_, err = w.signing.Take(t.Context(), v)
		wants(t, err, "identify.code") // even where a personal link would be enough
		w.sign(w.prove(v, users[0].Email))
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Errorf("the package is %s", st)
		}
		if events := w.events(pkg); !slices.Contains(events, "invitation.opened!") {
			t.Errorf("the stranger's attempt is not in the trail: %v", events)
		}
	})
}

// A member whose name cannot be stamped is told before he begins; a group of nobody else is refused at sending.
func TestNamesThatCannotBeDrawn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("محمد علي", "John Smith")
		_, err := w.signing.Create(t.Context(), w.client, w.pack(true, groupRole("r", w.group("Alone", users[0]))))
		wants(t, err, "name.glyphs")
		w.send(groupRole("r", w.group("Both", users...)))
		_, err = w.signing.Take(t.Context(), w.enter(users[0].Email))
		wants(t, err, "name.glyphs")
		w.sign(w.enter(users[1].Email))
	})
}

// Under a signature the package keeps its name; an approval must be among what is signed.
func TestSignedWordsStay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		in := w.pack(true, personRole("a", "Mary", "Doe", "mary@example.com", 0), personRole("b", "John", "Smith", "john@example.com", 0))
		in.Documents[0].Approvals[1].Optional = true
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		john := w.enter("john@example.com")
		l := w.take(john)
		check(t, w.signing.Consent(t.Context(), john, l.Epoch))
		wants(t, w.signing.Sign(t.Context(), john, signing.Submission{Epoch: l.Epoch}), "approval.none")
		w.sign(w.enter("mary@example.com"))
		name := "Something else"
		wants(t, w.signing.Update(t.Context(), w.client, pkg, signing.Change{Name: &name}), "package.signed")
	})
}

// G12: a forwarded link ends at the code, which goes to the member's own mailbox, and is in the trail.
func TestG12ForwardedLink(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe")
		pkg := w.send(groupRole("r", w.group("Pharmacists", users...)))
		stranger := w.enter(users[0].Email)
		check(t, w.signing.SendCode(from(t.Context(), "192.0.2.66"), stranger))
		for _, guess := range []string{"", "000000", "123456"} {
			_, err := w.signing.ProveCode(t.Context(), stranger, guess)
			wants(t, err, "code.wrong")
		}
		_, take := w.signing.Take(t.Context(), stranger)
		_, _, look := w.signing.PageImage(t.Context(), stranger, "x", 0, 100)
		_, ceremony := w.signing.Ceremony(t.Context(), stranger)
		for _, err := range []error{take, look, ceremony, w.signing.Sign(t.Context(), stranger, signing.Submission{Epoch: 1})} {
			wants(t, err, "identify.code")
		}
		_, err := w.signing.Take(t.Context(), signing.Visit{Handle: stranger.Handle}) // the address alone
		wants(t, err, "identify.link")
		events := w.events(pkg)
		for _, want := range []string{"invitation.opened", "mailbox.code_sent", "mailbox.code_refused!"} {
			if !slices.Contains(events, want) {
				t.Errorf("the trail lacks %s: %v", want, events)
			}
		}
	})
}
