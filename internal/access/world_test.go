package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/secret"
)

// world is one account with its operator, and another beside it.
type world struct {
	*access.Access
	t         testing.TB
	db        *dbtest.DB
	directory *directory.Directory
	home      directory.Account
	op        authz.Principal
	n         int
}

func build(t testing.TB, d *dbtest.DB) *world {
	t.Helper()
	box, err := secret.FromMaster(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	noBlobs := func(context.Context, string) ([]byte, error) { return nil, errors.New("no attachments here") }
	post, err := mail.New(mail.Config{From: "sign@example.com", BaseURL: "http://127.0.0.1", Mailbox: true}, d.DB, box, noBlobs, jobs.New(d.DB, log), log)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Access: access.New(d.DB), t: t, db: d, directory: directory.New(d.DB, post)}
	w.home = w.account("Example Ltd")
	w.op = operator(w.home)
	return w
}

func operator(a directory.Account) authz.Principal {
	return authz.Principal{Account: a.ID, Organisation: a.Organisation, Rights: []authz.Right{authz.Operate}}
}

func (w *world) account(name string) directory.Account {
	w.t.Helper()
	a, err := w.directory.CreateAccount(context.Background(), directory.NewAccount{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) write(act func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(context.Background(), act); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(act func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Read(context.Background(), act); err != nil {
		w.t.Fatal(err)
	}
}

// count counts rows.
func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	w.read(func(tx *db.Tx) (err error) { n, err = db.One[int](tx, query, args...); return err })
	return n
}

// events counts the audit events of a type.
func (w *world) events(kind string) (n int) {
	w.t.Helper()
	w.read(func(tx *db.Tx) error {
		for leaf, err := range db.Rows[[]byte](tx, `select canonical from audit_events`) {
			if err != nil {
				return err
			}
			if strings.Contains(string(leaf), `"type":"`+kind+`"`) {
				n++
			}
		}
		return nil
	})
	return n
}

// user makes a user of the account who is nothing but what as says.
func (w *world) user(as directory.Standing) directory.User { return w.userOf(w.home, as, "") }

func (w *world) userOf(a directory.Account, as directory.Standing, kind string) (u directory.User) {
	w.t.Helper()
	w.n++
	if as.Status == "" {
		as.Status = directory.Active
	}
	w.write(func(tx *db.Tx) (err error) {
		u, err = directory.AddUser(tx, a.ID, directory.NewUser{Email: fmt.Sprintf("u%d-%s@example.com", w.n, a.OuterID), FirstName: "User",
			LastName: fmt.Sprint(w.n), Type: kind}, as)
		return err
	})
	return u
}

// manager is an administrator of the account.
func (w *world) manager() directory.User {
	return w.userOf(w.home, directory.Standing{Sender: true}, directory.Manager)
}

// plain is a user who holds nothing.
func (w *world) plain() directory.User { return w.user(directory.Standing{}) }

func (w *world) group(members ...directory.NewMember) directory.Group {
	w.t.Helper()
	w.n++
	g, err := w.directory.CreateGroup(context.Background(), w.op, directory.NewGroup{Name: fmt.Sprintf("Group %d", w.n), Members: members})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// as is the principal of a user with the rights he has now.
func (w *world) as(u directory.User) authz.Principal {
	w.t.Helper()
	return authz.Principal{Account: u.Account, User: u.ID, Rights: w.rights(u)}
}

// through is api acting as another user.
func (w *world) through(api, u directory.User) authz.Principal {
	p := w.as(u)
	p.For, p.Client = api.ID, "client"
	have := w.rights(api)
	p.Rights = slices.DeleteFunc(p.Rights, func(r authz.Right) bool { return !slices.Contains(have, r) })
	return p
}

func (w *world) rights(u directory.User) (rights []authz.Right) {
	w.t.Helper()
	w.read(func(tx *db.Tx) (err error) { rights, err = access.RightsOf(tx, u.ID); return err })
	return rights
}

func (w *world) preset(name string, contents ...access.Content) int64 {
	w.t.Helper()
	p, err := w.DefinePreset(context.Background(), w.op, access.NewPreset{Name: name, Contents: contents})
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Number
}

func (w *world) permission(name string) int64 {
	w.t.Helper()
	p, err := w.DefinePermission(context.Background(), w.op, access.NewPermission{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Number
}

// entities defines the numbers 1 to n of each kind.
func (w *world) entities(n int64) {
	w.t.Helper()
	for _, kind := range []string{access.Organization, access.LegalEntity, access.ContractType} {
		for i := range n {
			if err := w.DefineEntity(context.Background(), w.op, access.Entity{Kind: kind, Number: i + 1, Name: fmt.Sprint(kind, i+1)}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func of(u directory.User) access.Holder { return access.Holder{Kind: access.OfUser, ID: u.SenderID} }

func inOrgs(numbers ...int64) access.Scope { return access.Scope{Organizations: numbers} }

// give has the operator grant something.
func (w *world) give(h access.Holder, what string, number int64, scope access.Scope) access.Grant {
	w.t.Helper()
	g, err := w.Grant(context.Background(), w.op, h, access.NewGrant{What: what, Number: number, Scope: scope})
	if err != nil {
		w.t.Fatalf("grant %s %d: %v", what, number, err)
	}
	return g
}

func (w *world) effective(u directory.User) (held []access.Held, sets []access.SetHeld) {
	w.t.Helper()
	w.read(func(tx *db.Tx) (err error) {
		if u, err = directory.UserByID(tx, u.ID); err != nil {
			return err
		}
		held, sets, err = access.Effective(tx, u)
		return err
	})
	return held, sets
}

// entry is one user's line in the list.
func (w *world) entry(u directory.User) access.Entry {
	w.t.Helper()
	all, _ := w.list(access.Filter{Status: "all", UserID: u.SenderID})
	if len(all) != 1 {
		w.t.Fatalf("%d entries", len(all))
	}
	return all[0]
}

func (w *world) list(f access.Filter) (all []access.Entry, head access.ListHead) {
	w.t.Helper()
	_, err := w.List(context.Background(), w.op, f, access.Page{}, func(h access.ListHead) error { head = h; return nil },
		func(e access.Entry) error { all = append(all, e); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return all, head
}

func is(t testing.TB, err error, kind errs.Kind, what string) {
	t.Helper()
	if errs.KindOf(err) != kind || !errs.Is(err, what) {
		t.Errorf("%v, want %s %s", err, kind, what)
	}
}

func setPrivacy(id string) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		_, err := tx.Exec(`update users set privacy_admin = true where id = $1`, id)
		return err
	}
}

func asError(err error) (*errs.Error, bool) { return errors.AsType[*errs.Error](err) }
