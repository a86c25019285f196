package signing_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// as is the caller of the account that acts as one of its users.
func (w *world) as(u directory.User) authz.Principal {
	p := w.client
	p.User = u.ID
	return p
}

// api signs by API as a user.
func (w *world) api(u directory.User, pkg string, in signing.APISignature) error {
	return w.signing.SignByAPI(w.t.Context(), w.as(u), pkg, in)
}

func (w *world) many(pkg, event string) (n int) {
	w.t.Helper()
	for _, e := range w.events(pkg) {
		if e == event {
			n++
		}
	}
	return n
}

// Rule 15: a program takes, fills, consents, signs and releases at once, for a member of a group.
func TestRule15SignByAPI(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe", "John Smith", "Anna Other")
		in := w.pack(true, groupRole("role1", w.group("Pharmacists", users[:2]...)))
		in.Documents[0].Approvals[0].Fields = append(in.Documents[0].Approvals[0].Fields, signing.Field{OuterID: "licence", Type: "INPUT",
			Subtype: "TEXTFIELD", Left: 100, Top: 400, Width: 200, Height: 20, Validation: []byte(`{"required":true,"pattern":"[A-Z]{2}[0-9]+"}`)})
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		before := w.events(pkg)
		wants(t, w.api(users[2], pkg, signing.APISignature{}), "signer.other")
		if err := w.api(users[2], pkg, signing.APISignature{}); errs.KindOf(err) != errs.Denied {
			t.Errorf("who is no member gets %v", err)
		}
		wants(t, w.api(users[0], pkg, signing.APISignature{}), "field.required")
		wants(t, w.api(users[0], pkg, signing.APISignature{Values: map[string]map[string]string{"doc": {"licence": "no"}}}), "field.value")
		wants(t, w.api(users[0], pkg, signing.APISignature{Documents: []string{"other"}}), "document.unknown")
		if now := w.events(pkg); slices.Contains(now[len(before):], "lease.taken") {
			t.Errorf("what was refused left %v", now)
		}
		check(t, w.api(users[0], pkg, signing.APISignature{Values: map[string]map[string]string{"doc": {"licence": "RX1"}}}))
		wants(t, w.api(users[1], pkg, signing.APISignature{}), "role.signed")
		w.settle()
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Status != signing.Completed || p.Roles[1].SignedBy != "Mary Doe" || p.Roles[1].Lease != nil {
			t.Errorf("after the signature: %s, signed by %q, %s", p.Status, p.Roles[1].SignedBy, w.jobError())
		}
		f := p.Documents[0].Approvals[0].Fields[1]
		if f.Value == nil || *f.Value != "RX1" || f.EnteredBy != "Mary Doe" {
			t.Errorf("the value is %+v", f)
		}
		all := strings.Join(w.events(pkg), " ")
		if !strings.Contains(all, "lease.taken consent.accepted role.signed") || w.many(pkg, "role.signed") != 1 {
			t.Errorf("the trail is %s", all)
		}
		if how := w.column(`select identified from signatures`); how[0] != "client of the account that acts as this user" {
			t.Errorf("identified %q", how)
		}
	})
}

// Rule 15: held by somebody else it is a conflict that names him, and nothing is changed.
func TestRule15HeldIsRefusedByName(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, users, mary, _ := duo(t, d)
		l := w.take(mary)
		err := w.api(users[1], pkg, signing.APISignature{})
		wants(t, err, "lease.held")
		if e, ok := err.(interface{ Unwrap() []error }); ok && len(e.Unwrap()) > 0 {
			err = e.Unwrap()[0]
		}
		if errs.KindOf(err) != errs.Conflict || !strings.Contains(err.Error(), "Mary") {
			t.Errorf("the refusal is %v", err)
		}
		if n := w.count(`select count(*) from signatures`); n != 0 || w.many(pkg, "signature.refused!") != 1 {
			t.Errorf("%d signatures, events %v", n, w.events(pkg))
		}
		check(t, w.signing.Consent(t.Context(), mary, l.Epoch)) // the holder's lease is as it was
		check(t, w.signing.Leave(t.Context(), mary, l.Epoch))
		check(t, w.api(users[1], pkg, signing.APISignature{}))
	})
}

// G15: of programs and browsers that sign for one role at once exactly one makes the signature.
func TestRule15RaceOfAPIAndBrowser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith", "Ann Roe", "Max Poe")
		g := w.group("Pharmacists", users...)
		n := dbtest.Rounds(6, 300)
		for round := range n {
			w.settle() // the newest link of each leads to this package
			pkg := w.send(groupRole("role1", g))
			var won atomic.Int64
			var wg sync.WaitGroup
			for i, u := range users {
				v := w.enter(u.Email)
				wg.Go(func() {
					var err error
					if i%2 == 0 {
						err = w.api(u, pkg, signing.APISignature{})
					} else {
						err = w.browse(v)
					}
					if err == nil {
						won.Add(1)
					} else if errs.KindOf(err) != errs.Conflict {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || w.many(pkg, "role.signed") != 1 {
				t.Fatalf("round %d: %d won, events %v", round, won.Load(), w.events(pkg))
			}
		}
		t.Logf("%d rounds, 0 violations", n)
	})
}

// browse takes, consents and signs like a page, and stops at the first refusal.
func (w *world) browse(v signing.Visit) error {
	l, err := w.signing.Take(w.t.Context(), v)
	if err == nil {
		err = w.signing.Consent(w.t.Context(), v, l.Epoch)
	}
	if err == nil {
		err = w.signing.Sign(w.t.Context(), v, signing.Submission{Epoch: l.Epoch})
	}
	return err
}

// The role as a sequential machine: who holds it, the epoch, and whether it is signed.
type roleState struct {
	holder int // -1: nobody
	epoch  int64
	signed bool
}

type roleOp struct {
	kind   string // take, leave, sign, api
	member int
	epoch  int64
}

type roleAnswer struct {
	what  string // of the refusal; empty: done
	epoch int64
}

var roleModel = porcupine.Model{
	Init: func() any { return roleState{holder: -1} },
	Step: func(state, input, output any) (bool, any) {
		s, op, out := state.(roleState), input.(roleOp), output.(roleAnswer)
		free, mine := s.holder == -1 || s.holder == op.member, s.holder == op.member && s.epoch == op.epoch
		switch {
		case s.signed:
			return out.what == "role.signed", s
		case op.kind == "take" && free:
			return out.what == "" && out.epoch == s.epoch+1, roleState{op.member, s.epoch + 1, false}
		case op.kind == "api" && free:
			return out.what == "", roleState{-1, s.epoch + 1, true}
		case op.kind == "take" || op.kind == "api":
			return out.what == "lease.held", s
		case !mine:
			return out.what == "lease.stale", s
		case op.kind == "leave":
			return out.what == "", roleState{-1, s.epoch, false}
		}
		return out.what == "", roleState{-1, s.epoch, true}
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
}

// G15: histories in which members take, leave and sign on pages while programs sign by API are linearizable.
func TestRule15LinearizableWithAPI(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith", "Ann Roe", "Max Poe")
		g := w.group("Pharmacists", users...)
		n := dbtest.Rounds(5, 300)
		signatures := 0
		for round := range n {
			w.settle()
			pkg := w.send(groupRole("role1", g))
			var visits []signing.Visit
			for _, u := range users {
				visits = append(visits, w.enter(u.Email))
			}
			ops := w.signingHistory(pkg, users, visits)
			if result := porcupine.CheckOperationsTimeout(roleModel, ops, time.Minute); result != porcupine.Ok {
				t.Fatalf("round %d: %s\n%v", round, result, ops)
			}
			signatures += w.many(pkg, "role.signed")
		}
		t.Logf("%d histories with %d signatures, 0 violations", n, signatures)
	})
}

func (w *world) signingHistory(pkg string, users []directory.User, visits []signing.Visit) (ops []porcupine.Operation) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for m := range users {
		wg.Go(func() {
			var epoch int64
			for range 7 {
				op := roleOp{kind: []string{"take", "take", "take", "leave", "leave", "sign", "api"}[rand.IntN(7)], member: m, epoch: epoch}
				called := time.Since(start)
				out := w.roleAct(op, pkg, users[m], visits[m])
				returned := time.Since(start)
				if op.kind == "take" && out.what == "" {
					epoch = out.epoch
				}
				mu.Lock()
				ops = append(ops, porcupine.Operation{ClientId: m, Input: op, Output: out, Call: int64(called), Return: int64(returned)})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return ops
}

func (w *world) roleAct(op roleOp, pkg string, u directory.User, v signing.Visit) (out roleAnswer) {
	var err error
	switch op.kind {
	case "take":
		var l signing.Lease
		l, err = w.signing.Take(w.t.Context(), v)
		out.epoch = l.Epoch
	case "leave":
		err = w.signing.Leave(w.t.Context(), v, op.epoch)
	case "sign":
		if err = w.signing.Consent(w.t.Context(), v, op.epoch); err == nil {
			err = w.signing.Sign(w.t.Context(), v, signing.Submission{Epoch: op.epoch})
		}
	case "api":
		err = w.api(u, pkg, signing.APISignature{})
	}
	for _, what := range []string{"lease.held", "lease.stale", "role.signed"} {
		if errs.Is(err, what) {
			out.what = what
			return out
		}
	}
	if err != nil {
		w.t.Errorf("%+v: %v", op, err)
		out.what = "?"
	}
	return out
}

// A signer session signs as its signer and no other, and every event names the program.
func TestL4SignerSession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.NewBrowser)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		g := w.group("Pharmacists", users[0])
		pkg := w.send(groupRole("role1", g), personRole("role2", "Out", "Sider", "out@example.org", 0))
		session := func(role, delegate string) (authz.Principal, error) {
			return w.signing.SignerSession(t.Context(), w.client, pkg, role, delegate)
		}
		_, err := session("role1", "")
		wants(t, err, "delegate.missing")
		_, err = session("role1", users[1].SenderID)
		wants(t, err, "member.removed")
		_, err = session("nobody", "")
		wants(t, err, "role.unknown")
		out, err := session("role2", "")
		check(t, err)
		mary, err := session("role1", users[0].SenderID)
		check(t, err)
		handle, err := w.signing.HandleOf(t.Context(), mary)
		check(t, err)
		if handle != w.column(`select handle from invitees where email = $1`, users[0].Email)[0] {
			t.Error("the session's page is another's")
		}
		check(t, w.signing.SignByAPI(t.Context(), out, pkg, signing.APISignature{}))
		wants(t, w.signing.SignByAPI(t.Context(), out, pkg, signing.APISignature{}), "role.signed")
		check(t, w.dir.RemoveMember(t.Context(), w.client, g.OuterID, users[0].SenderID))
		wants(t, w.signing.SignByAPI(t.Context(), mary, pkg, signing.APISignature{}), "member.removed")
		other := w.send(personRole("role3", "Any", "Body", "any@example.org", 0))
		wants(t, w.signing.SignByAPI(t.Context(), out, other, signing.APISignature{}), "package.unknown")
		trail, err := w.signing.Trail(t.Context(), w.client, pkg)
		check(t, err)
		for _, r := range trail {
			if r.Type == "role.signed" && (r.Actor.Identified != "session made by the sender's application" || r.Detail["by_client"] != w.client.Client) {
				t.Errorf("the signature's event is %+v", r.Event)
			}
		}
		if w.many(pkg, "session.made") != 2 {
			t.Errorf("events %v", w.events(pkg))
		}
	})
}

// One document after the other: the role is signed with the last, by who accepted them all.
func TestSignDocumentByDocument(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		in := w.pack(true, groupRole("role1", w.group("Pharmacists", users...)))
		second := in.Documents[0]
		second.OuterID, second.Name = "doc2", "Leaflet"
		second.Approvals = []signing.Approval{block("approval9", "role1")}
		in.Documents = append(in.Documents, second)
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		one, two := signing.APISignature{Documents: []string{"doc"}}, signing.APISignature{Documents: []string{"doc2"}}
		check(t, w.api(users[0], pkg, one))
		check(t, w.api(users[1], pkg, two)) // another member: neither has both
		if n := w.many(pkg, "role.signed"); n != 0 {
			t.Fatalf("%d signatures of halves", n)
		}
		check(t, w.api(users[1], pkg, one))
		w.settle()
		if st := w.status(pkg); st != signing.Completed || w.column(`select name from signatures`)[0] != "John Smith" {
			t.Errorf("it is %s", st)
		}
	})
}

// An image of a hand-drawn signature is redrawn; what is no image is refused.
func TestHandDrawnByAPI(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 300, 100))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for x := range 200 {
		img.SetGray(x+50, 50+x/10, color.Gray{})
	}
	var drawn bytes.Buffer
	check(t, png.Encode(&drawn, img))
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe")
		in := w.pack(true, personRole("r", "Mary", "Doe", users[0].Email, 0))
		in.Documents[0].Approvals[0].Fields[0].Subtype = "CAPTURE"
		pkg, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		wants(t, w.api(users[0], pkg, signing.APISignature{}), "mark.drawn_needed")
		wants(t, w.api(users[0], pkg, signing.APISignature{HandDrawn: []byte("GIF89a")}), "mark.malformed")
		check(t, w.api(users[0], pkg, signing.APISignature{HandDrawn: drawn.Bytes()}))
		w.settle()
		if st := w.status(pkg); st != signing.Completed {
			t.Errorf("it is %s: %s", st, w.jobError())
		}
	})
}

// The last signers of a package sign at once, each by API: it is sealed, once.
func TestG11LastSignersByAPI(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith", "Ann Roe")
		n := dbtest.Rounds(5, 300)
		for range n {
			pkg := w.send(personRole("a", "Mary", "Doe", users[0].Email, 0), groupRole("b", w.group("", users[1])),
				personRole("c", "Ann", "Roe", users[2].Email, 0))
			var wg sync.WaitGroup
			for _, u := range users {
				wg.Go(func() { check(t, w.api(u, pkg, signing.APISignature{})) })
			}
			wg.Wait()
			w.settle()
			if st := w.status(pkg); st != signing.Completed || w.many(pkg, "package.completed") != 1 {
				t.Fatalf("it is %s: %v", st, w.events(pkg))
			}
		}
		t.Logf("%d rounds, 0 violations", n)
	})
}
