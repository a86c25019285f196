package authn

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// person is a new invited sender.
func (h *house) person(email, name string) Person {
	h.t.Helper()
	first, last, _ := strings.Cut(name, " ")
	p := authz.Principal{Account: h.home.ID, Rights: []authz.Right{authz.Operate}}
	u, _, err := h.dir.InviteSender(context.Background(), p, directory.NewUser{Email: email, FirstName: first, LastName: last})
	if err != nil {
		h.t.Fatal(err)
	}
	return Person{Account: h.home.ID, Email: u.Email, Name: u.Name(), User: u.ID}
}

func (h *house) enter(browser string, p Person, pkg string) (cookie string) {
	h.t.Helper()
	h.write(func(tx *db.Tx) (err error) { cookie, err = h.Enter(tx, browser, p, pkg, true); return err })
	return cookie
}

func (h *house) trySend(browser string, p Person, pkg string) error {
	return h.d.Write(context.Background(), func(tx *db.Tx) error { return h.SendCode(tx, browser, p, pkg, "Sample contract") })
}

// send sends a code and reads it from the mailbox.
func (h *house) send(browser string, p Person, pkg string) (code string) {
	h.t.Helper()
	if err := h.trySend(browser, p, pkg); err != nil {
		h.t.Fatal(err)
	}
	return h.code(p.Email)
}

// code delivers what is queued and finds the newest code in a mailbox.
func (h *house) code(email string) string {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.queue.Run(ctx) }()
	err := h.queue.Idle(context.Background())
	cancel()
	if err = errors.Join(err, <-done); err != nil {
		h.t.Fatal(err)
	}
	all, err := h.post.Mailbox(context.Background(), email)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range all {
		if !strings.HasPrefix(m.Subject, "Your code") {
			continue
		}
		for word := range strings.FieldsSeq(m.Text) {
			if len(word) == codeDigits && strings.Trim(word, "0123456789") == "" {
				return word
			}
		}
	}
	h.t.Fatalf("no code in the mailbox of %s", email)
	return ""
}

func (h *house) proof(browser string, p Person, pkg, mode string) (how How, err error) {
	err = h.d.Write(context.Background(), func(tx *db.Tx) error { how, err = h.Proof(tx, browser, p, pkg, mode); return err })
	return how, err
}

func (h *house) prove(browser string, p Person, pkg, code string) (cookie string) {
	h.t.Helper()
	cookie, err := h.ProveCode(context.Background(), browser, p, pkg, code)
	if err != nil {
		h.t.Fatal(err)
	}
	return cookie
}

// wrong is a code that is not this one.
func wrong(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

// enterShared comes by a link for many.
func (h *house) enterShared(browser string, p Person, pkg string) (cookie string) {
	h.t.Helper()
	h.write(func(tx *db.Tx) (err error) { cookie, err = h.Enter(tx, browser, p, pkg, false); return err })
	return cookie
}

func (h *house) user(id string) (u directory.User) {
	h.t.Helper()
	h.write(func(tx *db.Tx) (err error) { u, err = directory.UserByID(tx, id); return err })
	return u
}

// L5: from the link to the proof, and what a proof is good for in each mode.
func TestL5MailboxProof(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		_, err := h.proof("", mary, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.link")
		cookie := h.enter("", mary, "one")
		if len(cookie) != 43 {
			t.Errorf("a cookie of %d characters", len(cookie))
		}
		if again := h.enter(cookie, mary, "one"); again != cookie {
			t.Error("a live session was replaced")
		}
		if forged := h.enter("chosen-by-somebody-else", mary, "one"); forged == "chosen-by-somebody-else" {
			t.Error("a cookie that is no session's was taken over")
		}
		for _, mode := range []string{directory.NewBrowser, directory.Always} {
			_, err = h.proof(cookie, mary, "one", mode)
			refused(t, err, errs.Unauthenticated, "identify.code")
		}
		if u := h.user(mary.User); u.Status != directory.Invited {
			t.Errorf("status %s before any proof", u.Status)
		}
		code := h.send(cookie, mary, "one")
		fresh := h.prove(cookie, mary, "one", " "+code[:3]+" "+code[3:])
		if fresh == cookie {
			t.Error("the cookie was not renewed")
		}
		_, err = h.proof(cookie, mary, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.link")
		if u := h.user(mary.User); u.Status != directory.Active || u.LastLogin.IsZero() {
			t.Errorf("after the proof: %+v", u)
		}
		h.enter(fresh, mary, "two")
		for _, c := range []struct{ pkg, mode, what string }{
			{"one", directory.NewBrowser, ""}, {"one", directory.Always, ""}, {"two", directory.NewBrowser, ""},
			{"two", directory.Always, "identify.code"}, {"three", directory.NewBrowser, ""}, {"three", directory.Link, ""},
			{"three", directory.Always, "identify.code"}, // whose mailbox is proved needs no link, but where it is asked for each time, a code
		} {
			how, err := h.proof(fresh, mary, c.pkg, c.mode)
			if c.what == "" && (err != nil || how != ByCode) {
				t.Errorf("%+v: %q, %v", c, how, err)
			}
			if c.what != "" {
				refused(t, err, errs.Unauthenticated, c.what)
			}
		}
		stranger := h.enterShared("", mary, "one")
		_, err = h.proof(stranger, mary, "one", directory.Link)
		refused(t, err, errs.Unauthenticated, "identify.code") // he said himself who he is
		if _, err := h.proof(fresh, mary, "one", "sometimes"); errs.KindOf(err) != errs.Fault {
			t.Errorf("an unknown mode: %v", err)
		}
		if err := h.EndBrowser(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
		_, err = h.proof(fresh, mary, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.link")
	})
}

// L5: five tries and no more.
func TestL5FiveTries(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		cookie := h.enter("", mary, "one")
		_, err := h.ProveCode(t.Context(), cookie, mary, "one", "123456")
		refused(t, err, errs.Invalid, "code.expired") // none was sent
		code := h.send(cookie, mary, "one")
		for i, guess := range []string{wrong(code), "", "12345", strings.Repeat("1", 1000), "\x00"} {
			_, err := h.ProveCode(t.Context(), cookie, mary, "one", guess)
			refused(t, err, errs.Invalid, "code.wrong")
			if e, ok := errors.AsType[*errs.Error](err); !ok || e.Params["left"] != string(rune('4'-i)) {
				t.Errorf("try %d: left %q", i, e.Params["left"])
			}
		}
		_, err = h.ProveCode(t.Context(), cookie, mary, "one", code)
		refused(t, err, errs.Invalid, "code.spent")
		cookie = h.prove(cookie, mary, "one", h.send(cookie, mary, "one"))
		code = h.send(cookie, mary, "one")
		next := h.prove(cookie, mary, "one", code)
		_, err = h.ProveCode(t.Context(), next, mary, "one", code)
		refused(t, err, errs.Invalid, "code.spent")
	})
}

// L5: however many guess at once, five guesses are compared.
func TestL5ParallelGuesses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		cookie := h.enter("", mary, "one")
		code := h.send(cookie, mary, "one")
		var mu sync.Mutex
		var wg sync.WaitGroup
		compared := 0
		for range 50 {
			wg.Go(func() {
				_, err := h.ProveCode(t.Context(), cookie, mary, "one", wrong(code))
				mu.Lock()
				defer mu.Unlock()
				if errs.Is(err, "code.wrong") {
					compared++
				} else if !errs.Is(err, "code.spent") {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if compared != codeTries {
			t.Errorf("L5: %d guesses were compared, want %d", compared, codeTries)
		}
	})
}

// L5: of many who send the right code at once, one has proved the mailbox.
func TestL5RightCodeCountsOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		cookie := h.enter("", mary, "one")
		code := h.send(cookie, mary, "one")
		var mu sync.Mutex
		var wg sync.WaitGroup
		won := 0
		for range 20 {
			wg.Go(func() {
				_, err := h.ProveCode(t.Context(), cookie, mary, "one", code)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errs.Is(err, "code.spent") && !errs.Is(err, "identify.link") { // the cookie was renewed meanwhile
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d proofs by one code", won)
		}
	})
}

// L5: a code is for ten minutes, one person, one package and one browser.
func TestL5CodeIsBound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary, john := h.person("mary@example.com", "Mary Doe"), h.person("john@example.com", "John Smith")
		cookie := h.enter("", mary, "one")
		h.enter(cookie, mary, "two")
		h.enter(cookie, john, "one")
		thief := h.enter("", mary, "one")
		code := h.send(cookie, mary, "one")
		h.send(thief, mary, "one")
		h.send(cookie, mary, "two")
		h.send(cookie, john, "one")
		outsider := mary
		outsider.User = "" // of the same address, but no user
		h.enter(cookie, outsider, "one")
		for _, c := range []struct {
			browser string
			p       Person
			pkg     string
			what    string
		}{{thief, mary, "one", "code.wrong"}, {cookie, mary, "two", "code.wrong"}, {cookie, john, "one", "code.wrong"},
			{cookie, outsider, "one", "code.expired"}, {"", mary, "one", ""}, {cookie, mary, "three", ""}} {
			_, err := h.ProveCode(t.Context(), c.browser, c.p, c.pkg, code)
			if c.what == "" {
				refused(t, err, errs.Unauthenticated, "identify.link")
			} else {
				refused(t, err, errs.Invalid, c.what)
			}
		}
		d.Shift(codeLife)
		_, err := h.ProveCode(t.Context(), cookie, mary, "one", code)
		refused(t, err, errs.Invalid, "code.expired")
		d.Shift(-time.Minute)
		cookie = h.prove(cookie, mary, "one", code)
		_, err = h.proof(cookie, john, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
		_, err = h.proof(cookie, outsider, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
	})
}

// L5: three mails in any ten minutes, from however many browsers at once.
func TestL5NoMailFlood(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		refused(t, h.trySend("", mary, "one"), errs.Unauthenticated, "identify.link")
		cookies := make([]string, 12)
		for i := range cookies {
			cookies[i] = h.enter("", mary, "one")
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		sent := 0
		for _, c := range cookies {
			wg.Go(func() {
				err := h.trySend(c, mary, "one")
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					sent++
				} else if !errs.Is(err, "code.flood") || errs.KindOf(err) != errs.Limited {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if sent != 3 {
			t.Errorf("L5: %d mails", sent)
		}
		h.enter(cookies[0], mary, "two")
		if err := h.trySend(cookies[0], mary, "two"); err != nil {
			t.Errorf("another package: %v", err)
		}
		d.Shift(codeLife - 10*time.Second)
		refused(t, h.trySend(cookies[1], mary, "one"), errs.Limited, "code.flood")
		d.Shift(20 * time.Second)
		if err := h.trySend(cookies[1], mary, "one"); err != nil {
			t.Errorf("after ten minutes: %v", err)
		}
	})
}

func TestProofLapses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary, john := h.person("mary@example.com", "Mary Doe"), h.person("john@example.com", "John Smith")
		cookie := h.enter("", mary, "one")
		h.enter(cookie, john, "one")
		cookie = h.prove(cookie, mary, "one", h.send(cookie, mary, "one"))
		cookie = h.prove(cookie, john, "one", h.send(cookie, john, "one"))
		for range 3 { // John acts, Mary does not, a page of hers polls
			d.Shift(14 * time.Minute)
			if _, err := h.proof(cookie, john, "one", directory.NewBrowser); err != nil {
				t.Fatal(err)
			}
			_ = d.Read(t.Context(), func(tx *db.Tx) error { _, err := h.Known(tx, cookie, mary, "one", directory.NewBrowser); return err })
		}
		_, err := h.proof(cookie, mary, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
		people := func() (out []Person) {
			t.Helper()
			h.write(func(tx *db.Tx) (err error) { out, err = h.People(tx, cookie); return err })
			return out
		}
		if got := people(); len(got) != 1 || got[0] != john {
			t.Errorf("people %+v", got)
		}
		d.Shift(idleFor)
		_, err = h.proof(cookie, john, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.link")
		if got := people(); len(got) != 0 {
			t.Errorf("people %+v", got)
		}
		if err := h.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.write(func(tx *db.Tx) error {
			for _, table := range []string{"browser_sessions", "browser_entries", "mailbox_proofs", "mailbox_codes", "mailbox_sends"} {
				n, err := db.One[int](tx, `select count(*) from `+table)
				if err != nil {
					return err
				}
				if n != 0 {
					t.Errorf("%d rows are left in %s", n, table)
				}
			}
			return nil
		})
	})
}

func TestProofEndsAfterTwelveHours(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		cookie := h.enter("", mary, "one")
		cookie = h.prove(cookie, mary, "one", h.send(cookie, mary, "one"))
		for range 35 { // every 20 minutes
			d.Shift(20 * time.Minute)
			if _, err := h.proof(cookie, mary, "one", directory.NewBrowser); err != nil {
				t.Fatal(err)
			}
		}
		d.Shift(20 * time.Minute)
		_, err := h.proof(cookie, mary, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
	})
}

func TestLinkModeProvesTheMailbox(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("mary@example.com", "Mary Doe")
		cookie := h.enter("", mary, "one")
		how, err := h.proof(cookie, mary, "one", directory.Link)
		if err != nil || how != ByLink {
			t.Errorf("%q, %v", how, err)
		}
		if u := h.user(mary.User); u.Status != directory.Active {
			t.Errorf("status %s", u.Status)
		}
		_, err = h.proof(cookie, mary, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
	})
}

// A deactivated user's browser sessions end with him; T4: who gets his address has proved nothing.
func TestT4DeactivatedInTheBrowser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.person("desk@example.com", "Mary Doe")
		cookie := h.enter("", mary, "one")
		cookie = h.prove(cookie, mary, "one", h.send(cookie, mary, "one"))
		h.write(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, mary.User); return err })
		_, err := h.proof(cookie, mary, "one", directory.NewBrowser)
		refused(t, err, errs.Denied, "member.inactive")
		_, err = h.proof(cookie, mary, "one", directory.Link)
		refused(t, err, errs.Denied, "member.inactive")
		refused(t, h.trySend(cookie, mary, "one"), errs.Denied, "member.inactive")
		_, err = h.ProveCode(t.Context(), cookie, mary, "one", "123456")
		refused(t, err, errs.Denied, "member.inactive")
		err = d.Write(t.Context(), func(tx *db.Tx) error { _, err := h.Enter(tx, cookie, mary, "one", true); return err })
		refused(t, err, errs.Denied, "member.inactive")
		h.write(func(tx *db.Tx) error {
			people, err := h.People(tx, cookie)
			if len(people) != 0 {
				t.Errorf("people %+v", people)
			}
			return err
		})
		next := h.person("desk@example.com", "Next Holder")
		_, err = h.proof(cookie, next, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.link")
		cookie = h.enter(cookie, next, "one")
		_, err = h.proof(cookie, next, "one", directory.NewBrowser)
		refused(t, err, errs.Unauthenticated, "identify.code")
	})
}

// An outsider is no user and proves his mailbox alike.
func TestOutsiderProvesHisMailbox(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		out := Person{Account: h.home.ID, Email: "Out@Example.com", Name: "Out Sider"}
		cookie := h.enter("", out, "one")
		out.Email = "out@example.com"
		cookie = h.prove(cookie, out, "one", h.send(cookie, out, "one"))
		if how, err := h.proof(cookie, out, "one", directory.Always); err != nil || how != ByCode {
			t.Errorf("%q, %v", how, err)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := h.Enter(tx, "", Person{Email: "x\r\n@example.com"}, "one", true)
			return err
		})
		refused(t, err, errs.Invalid, "email.malformed")
	})
}
