package signing_test

import (
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// asking is the role of a group that is asked for a licence.
func (w *world) asking(users ...directory.User) signing.NewRole {
	role := groupRole("role1", w.group("Pharmacists", users...))
	role.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence", Required: true}}
	return role
}

// An owner who signs, too, declines as the owner; as a signer only with the session of one.
func TestOwnerWhoSignsDeclinesAsOwner(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		in := w.pack(true, groupRole("role1", w.group("Pharmacists", users...)))
		in.Settings = []byte(`{"ceremony":{"declineButton":false}}`)
		pkg, err := w.signing.Create(t.Context(), w.as(users[1]), in)
		check(t, err)
		w.take(w.enter(users[0].Email))
		no := signing.Change{Status: signing.Declined, DeclineRole: "role1", DeclineReason: "No."}
		session, err := w.signing.SignerSession(t.Context(), w.as(users[1]), pkg, "role1", users[1].SenderID)
		check(t, err)
		wants(t, w.signing.Update(t.Context(), session, pkg, no), "decline.off")
		wants(t, w.signing.Update(t.Context(), w.as(users[0]), pkg, no), "decline.off")
		check(t, w.signing.Update(t.Context(), w.as(users[1]), pkg, no))
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Declined == nil || p.Declined.By != "John Smith for Pharmacists" || w.many(pkg, "lease.voided") != 1 {
			t.Errorf("declined %+v, events %v", p.Declined, w.events(pkg))
		}
	})
}

// What the owner declines for himself bears his name once.
func TestOwnerDeclinesHisOwnRole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		mary := w.senders("Mary Doe")[0]
		pkg, err := w.signing.Create(t.Context(), w.as(mary), w.pack(true, personRole("r", "Mary", "Doe", mary.Email, 0)))
		check(t, err)
		check(t, w.signing.Update(t.Context(), w.as(mary), pkg, signing.Change{Status: signing.Declined, DeclineRole: "r", DeclineReason: "No."}))
		if p, err := w.signing.Get(t.Context(), w.client, pkg); err != nil || p.Declined == nil || p.Declined.By != "Mary Doe" {
			t.Errorf("declined %+v, %v", p.Declined, err)
		}
	})
}

// Rule 15: while a member holds the lease, the owner neither attaches nor takes back for the role, unless he is the holder.
func TestRule15OwnerAttachesNotPastALease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		users := w.senders("Mary Doe", "John Smith")
		pkg, err := w.signing.Create(ctx, w.as(users[1]), w.pack(true, w.asking(users...)))
		check(t, err)
		mary, john := w.enter(users[0].Email), w.enter(users[1].Email)
		l := w.take(mary)
		check(t, w.signing.Attach(ctx, mary, l.Epoch, "licence", "mine.txt", []byte("mine")))
		for name, err := range map[string]error{
			"attach": w.signing.AttachByAPI(ctx, w.as(users[1]), pkg, "licence", "his.txt", []byte("his")),
			"detach": w.signing.DetachByAPI(ctx, w.client, pkg, "licence", 1), // a manager
		} {
			if wants(t, err, "lease.held"); !errs.Is(err, "lease.held") {
				continue
			}
			if e := asError(t, err); e.Kind != errs.Conflict || e.Params["holder"] != "Mary Doe" {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if n := w.many(pkg, "act.refused!"); n != 2 {
			t.Errorf("%d of 2 refusals are recorded", n)
		}
		trail, err := w.signing.Trail(ctx, w.client, pkg)
		check(t, err)
		for _, e := range trail {
			if e.Type == "act.refused" && e.Actor.Name == "" {
				t.Errorf("nobody was refused: %+v", e.Actor)
			}
		}
		check(t, w.signing.Leave(ctx, mary, l.Epoch))
		check(t, w.signing.DetachByAPI(ctx, w.client, pkg, "licence", 1))
		l = w.take(john)
		check(t, w.signing.AttachByAPI(ctx, w.as(users[1]), pkg, "licence", "his.txt", []byte("his")))
		_, err = w.signing.Beat(ctx, john, l.Epoch) // he goes on
		check(t, err)
		d.Shift(directory.Defaults.HardLease)
		check(t, w.signing.AttachByAPI(ctx, w.client, pkg, "licence", "b.txt", []byte("b")))
	})
}

// Rule 15: a member attaches with a key of his own, through the lease, and it is noted that he did.
func TestRule15MemberAttachesByHisKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		users := w.senders("Mary Doe", "John Smith", "Eve Il")
		pkg := w.send(w.asking(users[:2]...))
		mary, john := w.as(users[0]), w.enter(users[1].Email)
		wants(t, w.signing.AttachByAPI(ctx, w.as(users[2]), pkg, "licence", "a.txt", []byte("a")), "package.not_owner")
		l := w.take(john)
		wants(t, w.signing.AttachByAPI(ctx, mary, pkg, "licence", "a.txt", []byte("a")), "lease.held")
		check(t, w.signing.Leave(ctx, john, l.Epoch))
		taken, released := w.many(pkg, "lease.taken"), w.many(pkg, "lease.released")
		check(t, w.signing.AttachByAPI(ctx, mary, pkg, "licence", "a.txt", []byte("a")))
		if w.many(pkg, "lease.taken") != taken+1 || w.many(pkg, "lease.released") != released+1 {
			t.Errorf("events %v", w.events(pkg))
		}
		if n := w.count(`select count(*) from attachment_files f join invitees i on i.id = f.uploaded_by where i.user_id = $1`, users[0].ID); n != 1 {
			t.Error("it is not noted who attached the file")
		}
		check(t, w.signing.DetachByAPI(ctx, mary, pkg, "licence", 1))
	})
}

// G8: the lease of a holder who was removed keeps the owner from nothing.
func TestG8OwnerAttachesPastAVoidLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		pkg := w.send(w.asking(users...))
		w.take(w.enter(users[0].Email))
		w.exec(`update users set status = 'LOCKED' where id = $1`, users[0].ID)
		check(t, w.signing.AttachByAPI(t.Context(), w.client, pkg, "licence", "a.txt", []byte("a")))
	})
}

// An act that waits for the role has nobody locked who is asked: pages lock the role first.
func TestRolesAreLockedBeforeInvitees(t *testing.T) {
	for name, change := range map[string]string{"as he was": `update users set phone = ''`, "called otherwise": `update users set last_name = 'Poe'`} {
		t.Run(name, func(t *testing.T) {
			w, pkg, users, _, _ := duo(t, dbtest.Postgres(t)) // SQLite has one writer
			w.exec(change)
			release := w.holdRow(`update roles set epoch = epoch`)
			done := make(chan error, 1)
			go func() { done <- w.api(users[0], pkg, signing.APISignature{}) }()
			w.waiting(1)
			asked := w.count(`select count(*) from invitees`)
			check(t, w.db.Write(t.Context(), func(tx *db.Tx) error {
				free, err := db.All[string](tx, `select id from invitees for update skip locked`)
				if len(free) != asked {
					t.Errorf("%d of %d invitees are free", len(free), asked)
				}
				return err
			}))
			release()
			check(t, <-done)
		})
	}
}

// What another member accepted before is not the acceptance of who signs.
func TestAcceptanceIsTheSigners(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		pkg, err := w.signing.Create(t.Context(), w.client, leaflet(w.pack(true, groupRole("r", w.group("Pharmacists", users...))), "r"))
		check(t, err)
		check(t, w.api(users[1], pkg, signing.APISignature{Documents: []string{"doc"}}))
		d.Shift(time.Hour)
		w.sign(w.enter(users[0].Email))
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		for _, doc := range p.Documents {
			if a := doc.Approvals[0]; a.Signed.Sub(a.Accepted).Abs() > time.Minute {
				t.Errorf("%s: accepted %v, signed %v", doc.OuterID, a.Accepted, a.Signed)
			}
		}
	})
}

// Who has only files to attach is through when he has handed them in; and nobody is who must attach a file still.
func TestStatusWaitsForFiles(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		files := person("a", "a@example.com", "Ann", "Lee")
		files.Attachments = []signing.Attachment{{OuterID: "licence", Name: "Licence", Required: true}}
		in := w.pack(true, files, person("b", "b@example.com", "Bob", "Ray"))
		in.Documents[0].Approvals = in.Documents[0].Approvals[1:]
		pkg, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		of := func(signer, want string) {
			t.Helper()
			if got, err := w.signing.Status(ctx, w.client, pkg, signer, ""); err != nil || got != want {
				t.Errorf("of %q: %s, %v", signer, got, err)
			}
		}
		of("a", "SIGNING_PENDING")
		check(t, w.signing.AttachByAPI(ctx, w.client, pkg, "licence", "a.txt", []byte("a")))
		of("a", "SIGNING_PENDING") // she has not consented
		w.sign(w.enter("a@example.com"))
		of("a", "SIGNING_COMPLETED")
		of("b", "SIGNING_PENDING")
	})
}

// Who only looks on is told so, and a member of an ad-hoc group that others sign before the group.
func TestWordsForWhoLooksOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		first, member := person("a", "a@example.com", "Ann", "Lee"), person("b", "b@example.com", "Bob", "Ray")
		first.Index, member.Index = 1, 1
		board := signing.NewRole{OuterID: "board", Name: "Board", Type: "SIGNER", Index: 2, Signer: signing.NewSigner{OuterID: "board", AdHoc: true,
			FirstName: "Board", Members: []string{"a-signer", "b-signer"}}}
		in := w.pack(true, first, member, person("c", "c@example.com", "Cy", "Orr"), board)
		in.Documents[0].Approvals = []signing.Approval{in.Documents[0].Approvals[0], in.Documents[0].Approvals[3]}
		pkg, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		for role, want := range map[string]string{"b": "role.waiting", "c": "role.viewer"} {
			s, err := w.signing.SignerSession(ctx, w.client, pkg, role, "")
			check(t, err)
			wants(t, w.signing.SignByAPI(ctx, s, pkg, signing.APISignature{}), want)
		}
		_, err = w.signing.ChangeRoles(ctx, w.client, pkg, edit("c", func(r *signing.NewRole) { r.Signer.Email = "other@example.com" }))
		wants(t, err, "role.viewer")
		w.sign(w.enter("a@example.com"))
		s, err := w.signing.SignerSession(ctx, w.client, pkg, "b", "")
		check(t, err)
		wants(t, w.signing.SignByAPI(ctx, s, pkg, signing.APISignature{}), "role.viewer") // he signs by the group's link
	})
}

// A package that a manager makes for another, and that only that one sees, is told to its maker as he made it, and not later.
func TestMakerOfAnothersOwnPackage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		mary := w.senders("Mary Doe")[0]
		w.exec(`update users set status = 'ACTIVE' where id = $1`, mary.ID)
		in := w.pack(false)
		in.Sender, in.Visibility = signing.NewSender{Email: mary.Email}, signing.BySender
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		_, err = w.signing.Notes(t.Context(), w.client, pkg)
		check(t, err)
		_, err = w.signing.Get(t.Context(), w.client, pkg)
		wants(t, err, "package.unknown")
		check(t, second(w.signing.Get(t.Context(), w.as(mary), pkg)))
	})
}
