package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

// house is a directory with one account and a program that manages it.
type house struct {
	*directory.Directory
	t     testing.TB
	db    *dbtest.DB
	queue *jobs.Queue
	post  *mail.Post
	home  directory.Account
	p     authz.Principal
}

func build(t testing.TB, d *dbtest.DB) *house {
	t.Helper()
	box, err := secret.FromMaster(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: d, queue: jobs.New(d.DB, slog.New(slog.DiscardHandler))}
	noBlobs := func(context.Context, string) ([]byte, error) { return nil, errors.New("no attachments here") }
	h.post, err = mail.New(mail.Config{From: "sign@example.com", BaseURL: "http://127.0.0.1", Mailbox: true}, d.DB, box, noBlobs, h.queue, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.Directory = directory.New(d.DB, h.post)
	h.home, h.p = h.account("Example Ltd", "")
	return h
}

// account makes an account and a program of it.
func (h *house) account(name, organisation string) (directory.Account, authz.Principal) {
	h.t.Helper()
	a, err := h.CreateAccount(context.Background(), directory.NewAccount{Name: name, Organisation: organisation})
	if err != nil {
		h.t.Fatal(err)
	}
	var u directory.User
	h.write(func(tx *db.Tx) (err error) {
		u, err = directory.AddUser(tx, a.ID, directory.NewUser{Email: "program-" + a.ID + "@example.com", FirstName: "Program"},
			directory.Standing{Status: directory.Active, UserType: directory.Integration, Sender: true})
		return err
	})
	return a, authz.Principal{Client: "client", Organisation: a.Organisation, Account: a.ID, User: u.ID, Rights: []authz.Right{authz.Sign}}
}

func (h *house) write(act func(tx *db.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(context.Background(), act); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) sender(email, first, last string) directory.User {
	h.t.Helper()
	u, created, err := h.InviteSender(context.Background(), h.p, directory.NewUser{Email: email, FirstName: first, LastName: last})
	if err != nil || !created {
		h.t.Fatalf("invite %s: created %v, %v", email, created, err)
	}
	return u
}

func (h *house) group(name string, members ...string) directory.Group {
	h.t.Helper()
	g, err := h.CreateGroup(context.Background(), h.p, directory.NewGroup{Name: name, Members: named(members...)})
	if err != nil {
		h.t.Fatalf("create group %q: %v", name, err)
	}
	return g
}

func named(emails ...string) []directory.NewMember {
	out := []directory.NewMember{}
	for _, e := range emails {
		out = append(out, directory.NewMember{Email: e})
	}
	return out
}

// hold is HoldActiveMember in a transaction of its own.
func (h *house) hold(user, group string) error {
	return h.db.Write(context.Background(), func(tx *db.Tx) error { return directory.HoldActiveMember(tx, user, group) })
}

// count counts rows.
func (h *house) count(query string, args ...any) (n int) {
	h.t.Helper()
	err := h.db.Read(context.Background(), func(tx *db.Tx) (err error) { n, err = db.One[int](tx, query, args...); return err })
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// subjects delivers what is queued and lists the subjects of an address's mail.
func (h *house) subjects(to string) []string {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.queue.Run(ctx) }()
	err := h.queue.Idle(context.Background())
	cancel()
	if err = errors.Join(err, <-done); err != nil {
		h.t.Fatal(err)
	}
	all, err := h.post.Mailbox(context.Background(), to)
	if err != nil {
		h.t.Fatal(err)
	}
	out := []string{}
	for _, m := range all {
		out = append(out, m.Subject)
	}
	return out
}

// event is what of an audit event these tests look at.
type event struct {
	Type  string
	Actor struct{ User string }
}

// events reads the account's audit events, oldest first.
func (h *house) events() []event { return h.eventsOf(h.home.ID) }

// eventsOf are those of any account; "" are those of none.
func (h *house) eventsOf(account string) (out []event) {
	h.t.Helper()
	err := h.db.Read(context.Background(), func(tx *db.Tx) error {
		rows, err := db.All[[]byte](tx, `select canonical from audit_events where account = $1 order by id`, account)
		for _, r := range rows {
			var e event
			err = errors.Join(err, json.Unmarshal(r, &e))
			out = append(out, e)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func refused(t testing.TB, err error, kind errs.Kind, what string) {
	t.Helper()
	if errs.KindOf(err) != kind || !errs.Is(err, what) {
		t.Errorf("got %v, want %s %s", err, kind, what)
	}
}

func TestAccountAndSettings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		if len(h.home.OuterID) != 12 || h.home.Created.IsZero() {
			t.Errorf("account %+v", h.home)
		}
		if s := h.home.Settings.Or(directory.Defaults); s != directory.Defaults {
			t.Errorf("settings of a new account: %+v", s)
		}
		want := directory.Settings{MemberIdentification: directory.Always, SoftLease: 10 * time.Second}
		if err := h.SetAccount(t.Context(), h.home.OuterID, want, nil); err != nil {
			t.Fatal(err)
		}
		h.write(func(tx *db.Tx) error {
			a, err := directory.AccountByID(tx, h.home.ID)
			if a.Settings != want {
				t.Errorf("settings %+v", a.Settings)
			}
			if s := a.Settings.Or(directory.Defaults); s.SoftLease != 10*time.Second || s.HardLease != 15*time.Minute {
				t.Errorf("filled settings %+v", s)
			}
			return err
		})
		for _, s := range []directory.Settings{
			{MemberIdentification: "never"}, {SoftLease: -1}, {HardLease: time.Hour * 25}, {Heartbeat: 16 * time.Minute}, {MaxHold: 1},
		} {
			refused(t, h.SetAccount(t.Context(), h.home.OuterID, s, nil), errs.Invalid, "settings.range")
		}
		refused(t, h.SetAccount(t.Context(), "nobody", want, nil), errs.NotFound, "account.unknown")
		if n := h.count(`select count(*) from accounts`); n != 1 {
			t.Errorf("%d accounts", n)
		}
		_, err := h.CreateAccount(t.Context(), directory.NewAccount{Name: " "})
		refused(t, err, errs.Invalid, "name.missing")
	})
}

func TestFindAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		if a, err := h.Account(t.Context(), h.p); err != nil || !reflect.DeepEqual(a, h.home) {
			t.Errorf("own account %+v, %v", a, err)
		}
		h.write(func(tx *db.Tx) error {
			a, err := directory.AccountByOuterID(tx, h.home.OuterID)
			if !reflect.DeepEqual(a, h.home) {
				t.Errorf("by outer id %+v", a)
			}
			for _, id := range []string{"", "nobody", "\x00"} {
				_, err := directory.AccountByOuterID(tx, id)
				refused(t, err, errs.NotFound, "account.unknown")
			}
			return err
		})
	})
}

func TestAccountsOfOneOrganisation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		a, _ := h.account("North", "Group PLC")
		b, _ := h.account("South", "Group PLC")
		c, _ := h.account("Example Ltd", "") // like the first, but its own organisation
		if a.Organisation != b.Organisation || c.Organisation == h.home.Organisation {
			t.Errorf("organisations %s %s, %s %s", a.Organisation, b.Organisation, c.Organisation, h.home.Organisation)
		}
	})
}

func TestGenerationsAreSeenOnceEachAndInOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		seen, cursor := map[string]int64{}, int64(0)
		look := func() {
			t.Helper()
			err := d.Read(t.Context(), func(tx *db.Tx) error {
				changed, next, err := directory.ChangedSince(tx, cursor)
				cursor = next
				for _, c := range changed {
					seen[c.Kind+c.ID] = c.Generation
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		const writers, each = 8, 10
		done := make(chan error, writers)
		for w := range writers {
			go func() {
				var err error
				for range each {
					err = errors.Join(err, d.Write(context.Background(), func(tx *db.Tx) error {
						_, err := directory.Raise(tx, directory.OfClient, fmt.Sprint(w))
						return err
					}))
				}
				done <- err
			}()
		}
		for left := writers; left > 0; { // a follower reads all the while
			select {
			case err := <-done:
				left--
				if err != nil {
					t.Error(err)
				}
			default:
				look()
			}
		}
		look()
		for w := range writers {
			if g := seen[directory.OfClient+fmt.Sprint(w)]; g != each {
				t.Errorf("client %d is known at generation %d, want %d", w, g, each)
			}
		}
	})
}

func TestActsAreAudited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		u := h.sender("mary@example.com", "Mary", "Doe")
		g := h.group("Pharmacists", "mary@example.com")
		_, err := h.RetypeMember(t.Context(), h.p, g.OuterID, u.SenderID, directory.Manager)
		err = errors.Join(err, h.RemoveMember(t.Context(), h.p, g.OuterID, u.SenderID),
			h.DeleteGroup(t.Context(), h.p, g.OuterID), h.DeleteSender(t.Context(), h.p, u.SenderID))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, e := range h.events() {
			got[e.Type]++
			if e.Type == "group.created" && e.Actor.User != h.p.User {
				t.Errorf("group.created by %+v", e.Actor)
			}
		}
		for _, event := range []string{"account.created", "sender.invited", "group.created", "group.member_added", "group.member_retyped",
			"group.member_removed", "group.deleted", "sender.deactivated"} {
			if got[event] != 1 {
				t.Errorf("%d events %s, want 1", got[event], event)
			}
		}
	})
}
