package authn

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/limit"
	"countersign.dev/internal/mail"
)

var bg = context.Background()

// from is a request of a network address.
func from(ip string) context.Context {
	return audit.WithOrigin(bg, audit.Origin{IP: ip, UserAgent: "Browser/1.0"})
}

// administrator is an active sender who manages the account.
func (h *house) administrator(email, name string) directory.User {
	h.t.Helper()
	u, manager := h.active(email, name), directory.Manager
	h.write(func(tx *db.Tx) error {
		_, err := directory.ChangeUser(tx, u.ID, directory.UserChange{Type: &manager})
		return err
	})
	return h.user(u.ID)
}

func (h *house) staff(email string, role directory.StaffRole, organisation string) directory.Staff {
	h.t.Helper()
	s, err := h.dir.CreateStaff(bg, directory.NewStaff{Email: email, Name: "Pat Staff", Role: role, Organisation: organisation})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// work does what is queued.
func (h *house) work() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error, 1)
	go func() { done <- h.queue.Run(ctx) }()
	err := h.queue.Idle(bg)
	cancel()
	if err = errors.Join(err, <-done); err != nil {
		h.t.Fatal(err)
	}
}

// letters are the messages of a mailbox with a subject.
func (h *house) letters(email, subject string) (found []mail.MailboxMessage) {
	h.t.Helper()
	h.work()
	all, err := h.post.Mailbox(bg, email)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range all {
		if m.Subject == subject {
			found = append(found, m)
		}
	}
	return found
}

// token asks for a link and takes its token from the mailbox.
func (h *house) mailed(ctx context.Context, email, returnTo string) (token string) {
	h.t.Helper()
	if err := h.SendSignInLink(ctx, email, returnTo); err != nil {
		h.t.Fatal(err)
	}
	return h.tokenIn(strings.ToLower(strings.TrimSpace(email)), "Your link to sign in")
}

func (h *house) tokenIn(email, subject string) string {
	h.t.Helper()
	found := h.letters(email, subject)
	if len(found) == 0 {
		h.t.Fatalf("no link in the mailbox of %s", email)
	}
	for _, link := range found[0].Links {
		if u, err := url.Parse(link); err == nil && u.Query().Get("token") != "" {
			return u.Query().Get("token")
		}
	}
	h.t.Fatalf("no link in %q", found[0].Text)
	return ""
}

func (h *house) redeem(token string) (cookie string) {
	h.t.Helper()
	e, err := h.RedeemLink(from("192.0.2.7"), token, "")
	if err != nil || e.Cookie == "" {
		h.t.Fatalf("%+v, %v", e, err)
	}
	return e.Cookie
}

func (h *house) console(cookie string) (authz.Principal, ConsoleSession) {
	h.t.Helper()
	p, s, err := h.ConsolePrincipal(bg, cookie)
	if err != nil {
		h.t.Fatal(err)
	}
	return p, s
}

func (h *house) signedOut(what, cookie string) {
	h.t.Helper()
	if p, _, err := h.ConsolePrincipal(bg, cookie); !errs.Is(err, "session.none") {
		h.t.Errorf("%s: %+v, %v", what, p, err)
	}
}

func TestConsoleLink(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		ann := h.person("ann@example.com", "Ann Doe")
		token := h.mailed(bg, " Ann@Example.com ", "/console/accounts?x=1")
		for range 2 { // looking at it in whatever way changes nothing
			if e, err := h.RedeemLink(bg, token, "somebody"); !errs.Is(err, "link.invalid") || e.Cookie != "" {
				t.Fatalf("%+v, %v", e, err)
			}
		}
		if _, err := h.SetPasswordByLink(bg, token, "", "a long enough password"); !errs.Is(err, "link.invalid") {
			t.Errorf("a link to sign in sets a password: %v", err)
		}
		e, err := h.RedeemLink(from("192.0.2.7"), token, "")
		if err != nil || e.Cookie == "" || e.ReturnTo != "/console/accounts?x=1" || e.Choose != nil {
			t.Fatalf("%+v, %v", e, err)
		}
		p, s := h.console(e.Cookie)
		if p.Kind != authz.Member || p.User != ann.User || p.Account != h.home.ID || p.Client != "" || p.Session != s.ID || !p.Has(authz.Sign) || p.Has(authz.ManageUsers) {
			t.Errorf("%+v", p)
		}
		if s.How != HowLink || s.IP != "192.0.2.7" || s.UserAgent != "Browser/1.0" || s.Person.Email != "ann@example.com" {
			t.Errorf("%+v", s)
		}
		u := h.user(ann.User)
		if u.Status != directory.Active || u.LastLogin.IsZero() {
			t.Errorf("%s, last login %v", u.Status, u.LastLogin)
		}
		refusedLink := func(token string) {
			t.Helper()
			if _, err := h.RedeemLink(bg, token, ""); !errs.Is(err, "link.invalid") {
				t.Errorf("%v", err)
			}
		}
		refusedLink(token) // once
		refusedLink("")
		refusedLink(strings.Repeat("x", 5000))
		refusedLink("\x00")
		late := h.mailed(bg, "ann@example.com", "")
		d.Shift(15 * time.Minute)
		refusedLink(late)
	})
}

// T7: what is kept of links and cookies opens nothing.
func TestT7ConsoleSecretsAreHashes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		token := h.mailed(bg, "ann@example.com", "")
		cookie := h.redeem(token)
		for table, secret := range map[string]string{"sign_in_links": token, "console_sessions": cookie} {
			var kept []byte
			h.write(func(tx *db.Tx) (err error) { kept, err = db.One[[]byte](tx, `select hash from `+table); return err })
			if len(kept) != 32 || strings.Contains(string(kept), secret) {
				t.Errorf("%s keeps %q", table, kept)
			}
		}
	})
}

func TestConsoleLinkIsUsedOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		token := h.mailed(bg, "ann@example.com", "")
		var wait sync.WaitGroup
		cookies := make(chan string, 20)
		for range cap(cookies) {
			wait.Go(func() {
				if e, err := h.RedeemLink(bg, token, ""); err == nil {
					cookies <- e.Cookie
				} else if !errs.Is(err, "link.invalid") {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if len(cookies) != 1 {
			t.Errorf("%d sessions", len(cookies))
		}
	})
}

// Several people share an address: the link asks which, and is good for them alone.
func TestConsoleChoice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		ann := h.person("ann@example.com", "Ann Doe")
		boss := h.staff("ann@example.com", directory.Operator, "")
		bob := h.active("bob@example.com", "Bob Doe")
		token := h.mailed(bg, "ann@example.com", "")
		e, err := h.RedeemLink(bg, token, "")
		if err != nil || e.Cookie != "" || len(e.Choose) != 2 || e.Ticket != token {
			t.Fatalf("%+v, %v", e, err)
		}
		if _, err = h.RedeemLink(bg, token, bob.ID); !errs.Is(err, "link.invalid") {
			t.Errorf("bob: %v", err)
		}
		if e, err = h.RedeemLink(bg, token, boss.ID); err != nil || e.Cookie == "" {
			t.Fatal(e, err)
		}
		p, s := h.console(e.Cookie)
		if p.Kind != authz.Staff || p.By != boss.ID || p.User != "" || p.Account != "" || !slices.Equal(p.Rights, []authz.Right{authz.Operate}) || s.Person.Role != directory.Operator {
			t.Errorf("%+v %+v", p, s)
		}
		if _, err = h.RedeemLink(bg, token, ann.User); !errs.Is(err, "link.invalid") {
			t.Errorf("twice: %v", err)
		}
		all, err := h.dir.StaffMembers(bg)
		if err != nil || all[0].LastLogin.IsZero() {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func TestConsoleStaffRights(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for role, rights := range map[directory.StaffRole][]authz.Right{directory.PartnerAdmin: {authz.Administer}, directory.PartnerDeveloper: nil} {
			email := string(role) + "@example.com"
			h.staff(email, role, "Example Ltd")
			p, _ := h.console(h.redeem(h.mailed(bg, email, "")))
			if p.Kind != authz.Staff || p.Organisation != h.home.Organisation || !slices.Equal(p.Rights, rights) {
				t.Errorf("%s: %+v", role, p)
			}
		}
		h.administrator("boss@example.com", "Boss Doe")
		p, _ := h.console(h.redeem(h.mailed(bg, "boss@example.com", "")))
		if !p.Has(authz.ManageUsers) || !p.Has(authz.ReadAccess) || !p.Has(authz.Sign) || p.Has(authz.Operate) || p.Has(authz.Administer) {
			t.Errorf("%+v", p)
		}
	})
}

// T6: who is locked, deactivated or ended is signed out at once.
func TestT6ConsoleSessionsDie(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for name, kill := range map[string]func(u directory.User) error{
			"locked":      func(u directory.User) error { h.lock(u.ID); return nil },
			"deactivated": func(u directory.User) error { return h.deactivate(u) },
			"restored": func(u directory.User) error {
				return errors.Join(h.deactivate(u), h.d.Write(bg, func(tx *db.Tx) error { _, err := directory.Restore(tx, u.ID); return err }))
			},
		} {
			u := h.active(name+"@example.com", "Ann Doe")
			cookie, link := h.redeem(h.mailed(bg, u.Email, "")), h.mailed(bg, u.Email, "")
			if err := kill(u); err != nil {
				t.Fatal(err)
			}
			h.signedOut(name, cookie)
			if name != "restored" {
				if _, err := h.RedeemLink(bg, link, ""); !errs.Is(err, "link.invalid") {
					t.Errorf("%s, by a link of before: %v", name, err)
				}
			}
		}
		boss := h.staff("boss@example.com", directory.Operator, "")
		cookie := h.redeem(h.mailed(bg, boss.Email, ""))
		if err := h.dir.EndStaff(bg, boss.ID); err != nil {
			t.Fatal(err)
		}
		h.signedOut("ended", cookie)
	})
}

func (h *house) deactivate(u directory.User) error {
	return h.d.Write(bg, func(tx *db.Tx) error { _, err := directory.Deactivate(tx, u.ID); return err })
}

func TestConsoleSessionsLapse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		cookie := h.redeem(h.mailed(bg, "ann@example.com", ""))
		for range 25 { // acts keep it
			h.console(cookie)
			d.Shift(28 * time.Minute)
		}
		h.console(cookie) // 11:40
		d.Shift(21 * time.Minute)
		h.signedOut("twelve hours", cookie)
		d.Shift(time.Hour)
		cookie = h.redeem(h.mailed(bg, "ann@example.com", ""))
		d.Shift(29 * time.Minute)
		h.console(cookie)
		d.Shift(30 * time.Minute)
		h.signedOut("thirty minutes", cookie)
		if err := h.sweep(bg); err != nil {
			t.Fatal(err)
		}
		var left int
		h.write(func(tx *db.Tx) (err error) {
			left, err = db.One[int](tx, `select count(*) from console_sessions`)
			return err
		})
		if left != 0 {
			t.Errorf("%d sessions are left", left)
		}
	})
}

// L7: every sign-in is a session with a cookie of its own, whatever the browser brought.
func TestL7NoSessionIsFixed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		first := h.redeem(h.mailed(bg, "ann@example.com", ""))
		second := h.redeem(h.mailed(bg, "ann@example.com", ""))
		if first == second || len(second) != 43 {
			t.Errorf("%q after %q", second, first)
		}
		for _, bad := range []string{"", "x", first + "x", strings.Repeat("x", 10_000), "\x00", "'"} {
			h.signedOut("a forged cookie", bad)
		}
	})
}

func TestConsoleSessionsAreEnded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		h.person("eve@example.com", "Eve Doe")
		h.administrator("boss@example.com", "Boss Doe")
		other, err := h.dir.CreateAccount(bg, directory.NewAccount{Name: "Other Ltd"})
		if err != nil {
			t.Fatal(err)
		}
		one, two := h.redeem(h.mailed(bg, "ann@example.com", "")), h.redeem(h.mailed(bg, "ann@example.com", ""))
		ann, s := h.console(one)
		eve, evesSession := h.console(h.redeem(h.mailed(bg, "eve@example.com", "")))
		boss, bossSession := h.console(h.redeem(h.mailed(bg, "boss@example.com", "")))
		list, err := h.ConsoleSessions(bg, ann)
		if err != nil || len(list) != 2 || list[1].ID != s.ID {
			t.Fatalf("%+v, %v", list, err)
		}
		refused(t, h.EndConsoleSession(bg, ann, evesSession.ID), errs.Denied, "right.missing")
		refused(t, h.EndConsoleSession(bg, ann, "none"), errs.NotFound, "session.unknown")
		stranger := authz.Principal{Account: other.ID, User: boss.User, Session: bossSession.ID, Rights: boss.Rights}
		refused(t, h.EndConsoleSession(bg, stranger, s.ID), errs.NotFound, "session.unknown")
		_, _, program := h.client(authz.ManageUsers, authz.Sign)
		refused(t, h.EndConsoleSession(bg, program, s.ID), errs.Denied, "right.missing")
		_, err = h.ConsoleSessionsOf(bg, eve, ann.User)
		refused(t, err, errs.Denied, "right.missing")
		if err = h.EndConsoleSession(bg, ann, s.ID); err != nil {
			t.Fatal(err)
		}
		h.signedOut("ended by himself", one)
		if list, err = h.ConsoleSessionsOf(bg, boss, ann.User); err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		for range 2 { // the second time it is none
			if err = h.EndConsoleSession(bg, boss, list[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		h.signedOut("ended by the administrator", two)
		three := h.redeem(h.mailed(from("192.0.2.8"), "ann@example.com", ""))
		for range 2 {
			if err = h.SignOut(bg, three); err != nil {
				t.Fatal(err)
			}
		}
		h.signedOut("signed out", three)
	})
}

// T15: whether somebody has an address shows neither in the answer nor in what is written before it.
func TestT15LinkForNobody(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		gone := h.active("gone@example.com", "Gone Doe")
		if err := h.deactivate(gone); err != nil {
			t.Fatal(err)
		}
		_, _, program := h.client(authz.Sign)
		rows := func() (n [4]int64) {
			h.write(func(tx *db.Tx) error {
				for i, table := range []string{"jobs", "mails", "sign_in_links", "audit_events"} {
					var err error
					if n[i], err = db.One[int64](tx, `select count(*) from `+table); err != nil {
						return err
					}
				}
				return nil
			})
			return n
		}
		h.work()
		for _, email := range []string{"ann@example.com", "nobody@example.com", "gone@example.com", h.user(program.User).Email} {
			before := rows()
			if err := h.SendSignInLink(bg, email, ""); err != nil {
				t.Errorf("%s: %v", email, err)
			}
			after := rows()
			if before[0]++; after != before {
				t.Errorf("%s: %v rows after %v", email, after, before)
			}
			h.work()
		}
		for email, want := range map[string]int{"ann@example.com": 1, "nobody@example.com": 0, "gone@example.com": 0} {
			if got := len(h.letters(email, "Your link to sign in")); got != want {
				t.Errorf("%s got %d letters", email, got)
			}
		}
	})
}

// T15: nobody's mailbox is flooded, and it does not tell whose it is.
func TestT15LinkFlood(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		for _, email := range []string{"ann@example.com", "nobody@example.com"} {
			for range 3 {
				if err := h.SendSignInLink(bg, email, ""); err != nil {
					t.Fatal(err)
				}
			}
			err := h.SendSignInLink(bg, strings.ToUpper(email), "")
			refused(t, err, errs.Limited, "sign_in.flood")
		}
		if got := len(h.letters("ann@example.com", "Your link to sign in")); got != 3 {
			t.Errorf("%d letters", got)
		}
		for i := range 21 { // one network of a customer, IPv6
			err := h.SendSignInLink(from("2a00:1450:1:2::"+string(rune('a'+i%6))), "p"+string(rune('a'+i))+"@example.com", "")
			if want := i == 20; (err != nil) != want {
				t.Fatalf("%d: %v", i, err)
			}
		}
		if err := h.SendSignInLink(from("2a00:1450:1:3::a"), "ann2@example.com", ""); err != nil {
			t.Errorf("another network: %v", err)
		}
	})
}

// A link that nobody could mail for a quarter of an hour is not mailed any more.
func TestConsoleLinkTooLate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		if err := h.SendSignInLink(bg, "ann@example.com", ""); err != nil {
			t.Fatal(err)
		}
		d.Shift(16 * time.Minute)
		if got := len(h.letters("ann@example.com", "Your link to sign in")); got != 0 {
			t.Errorf("%d letters", got)
		}
	})
}

// L11: after a sign-in one goes on to a page of the console and nowhere else.
func TestL11ReturnTo(t *testing.T) {
	for _, good := range []string{"/console", "/console/", "/console/accounts", "/console/accounts/a%2Fb?q=1&x=%2F%2Fevil.example.com", "/console?done=saved"} {
		if got := ReturnTo(good); got != good {
			t.Errorf("%q became %q", good, got)
		}
	}
	for _, bad := range []string{"", "console", "//evil.example.com", "///evil.example.com", "/\\evil.example.com", "\\\\evil.example.com", "/console\\@evil.example.com",
		"https://evil.example.com/console", "http:/console", "javascript:alert(1)", "//evil.example.com/console", "/console/../admin", "/console/%2e%2e/admin",
		"/console/..%2fadmin", "/console//evil.example.com", "/console/%2f%2fevil.example.com", "/console/%5Cevil.example.com", "/consolex", "/console.evil.example.com",
		"/", "/s/x", "/console/\r\nSet-Cookie: a=b", "/console/%0d%0aLocation:x", "/\t/evil.example.com", " /console", "/console ", "data:text/html,x", "?x", "#x", "%2Fconsole",
		"/console/\x00", "//user@evil.example.com/console", "/console" + strings.Repeat("x/", 2000), "/console/%zz", "@evil.example.com/console", ":console"} {
		if got := ReturnTo(bad); got != "/console" {
			t.Errorf("%q became %q", bad, got)
		}
	}
	if got := ReturnTo("/console/users#part"); got != "/console/users" {
		t.Errorf("got %q", got)
	}
}

func TestThrottleKeepsNoAddresses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		if err := h.spend(bg, limit.Policy{Name: "x", Quota: 1, Window: time.Minute}, "ann@example.com"); err != nil {
			t.Fatal(err)
		}
		var names []string
		h.write(func(tx *db.Tx) (err error) {
			names, err = db.All[string](tx, `select name from limit_windows`)
			return err
		})
		if len(names) != 1 || strings.Contains(names[0], "ann") {
			t.Errorf("%q", names)
		}
	})
}
