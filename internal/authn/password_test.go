package authn

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

const goodWords = "three green bottles"

// withPassword is an active sender who has set a password by a mailed link; it returns the cookie of that.
func (h *house) withPassword(email, password string) (u directory.User, cookie string) {
	h.t.Helper()
	h.person(email, "Ann Doe")
	if err := h.SendPasswordLink(bg, email); err != nil {
		h.t.Fatal(err)
	}
	e, err := h.SetPasswordByLink(bg, h.tokenIn(email, "Set your password"), "", password)
	if err != nil || e.Cookie == "" {
		h.t.Fatalf("%+v, %v", e, err)
	}
	_, s := h.console(e.Cookie)
	return h.user(s.Person.ID), e.Cookie
}

func (h *house) keptHash(person string) (text string) {
	h.t.Helper()
	h.write(func(tx *db.Tx) (err error) {
		text, err = db.One[string](tx, `select hash from passwords where person_id = $1`, person)
		return err
	})
	return text
}

func TestPasswordSignIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		ann, cookie := h.withPassword("ann@example.com", goodWords)
		if ann.Status != directory.Active {
			t.Errorf("%s: the link did not prove the mailbox", ann.Status)
		}
		if p, _ := h.console(cookie); p.User != ann.ID {
			t.Errorf("%+v", p)
		}
		if text := h.keptHash(ann.ID); !strings.HasPrefix(text, "$argon2id$v=19$m=64,t=1,p=1$") || strings.Contains(text, goodWords) {
			t.Errorf("kept as %q", text)
		}
		e, err := h.PasswordSignIn(from("192.0.2.7"), "ANN@example.com", goodWords, "", "//evil.example.com")
		if err != nil || e.Cookie == "" || e.ReturnTo != "/console" {
			t.Fatalf("%+v, %v", e, err)
		}
		if _, s := h.console(e.Cookie); s.How != HowPassword || s.IP != "192.0.2.7" {
			t.Errorf("%+v", s)
		}
		for _, wrong := range []string{"", goodWords + " ", "Three green bottles", strings.Repeat("x", 100_000), "\x00", "\xff"} {
			_, err := h.PasswordSignIn(bg, "ann@example.com", wrong, "", "")
			refused(t, err, errs.Unauthenticated, "sign_in.wrong")
			d.Shift(5 * time.Minute)
		}
		_, err = h.PasswordSignIn(bg, "ann@example.com", goodWords, "somebody else", "")
		refused(t, err, errs.Unauthenticated, "sign_in.wrong")
		if err := h.deactivate(ann); err != nil {
			t.Fatal(err)
		}
		_, err = h.PasswordSignIn(bg, "ann@example.com", goodWords, "", "")
		refused(t, err, errs.Unauthenticated, "sign_in.wrong")
	})
}

// Two people of one address: the password tells which, and where it is the same it asks.
func TestPasswordChoice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.withPassword("ann@example.com", goodWords)
		boss := h.staff("ann@example.com", directory.Operator, "")
		if e, err := h.PasswordSignIn(bg, "ann@example.com", goodWords, "", ""); err != nil || e.Cookie == "" {
			t.Fatalf("%+v, %v", e, err)
		}
		_, err := h.PasswordSignIn(bg, "ann@example.com", goodWords, boss.ID, "")
		refused(t, err, errs.Unauthenticated, "sign_in.wrong") // her password is not his
		e, err := h.RedeemLink(bg, h.mailed(bg, "ann@example.com", ""), boss.ID)
		if err != nil {
			t.Fatal(err)
		}
		staff, _ := h.console(e.Cookie)
		if err = h.SetPassword(bg, staff, "", goodWords); err != nil {
			t.Fatal(err)
		}
		e, err = h.PasswordSignIn(bg, "ann@example.com", goodWords, "", "/console/users")
		if err != nil || e.Cookie != "" || len(e.Choose) != 2 {
			t.Fatalf("%+v, %v", e, err)
		}
		if _, err := h.SetPasswordByLink(bg, e.Ticket, boss.ID, goodWords); !errs.Is(err, "link.invalid") {
			t.Errorf("a choice sets a password: %v", err)
		}
		in, err := h.RedeemLink(bg, e.Ticket, boss.ID)
		if err != nil || in.ReturnTo != "/console/users" {
			t.Fatalf("%+v, %v", in, err)
		}
		if p, s := h.console(in.Cookie); p.By != boss.ID || s.How != HowPassword {
			t.Errorf("%+v %+v", p, s)
		}
		_, err = h.RedeemLink(bg, e.Ticket, boss.ID)
		refused(t, err, errs.Unauthenticated, "link.invalid")
	})
}

// T15: nobody, somebody without a password and somebody with one are one answer and one hash.
func TestT15PasswordOfNobody(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.withPassword("ann@example.com", goodWords)
		h.person("bare@example.com", "Bare Doe")
		var texts []string
		for _, email := range []string{"ann@example.com", "bare@example.com", "nobody@example.com"} {
			_, err := h.PasswordSignIn(bg, email, "not the words at all", "", "")
			refused(t, err, errs.Unauthenticated, "sign_in.wrong")
			texts = append(texts, err.Error())
		}
		if texts[0] != texts[1] || texts[1] != texts[2] {
			t.Errorf("%q", texts)
		}
		// As many hashes for nobody's address as for one that several people have: they share its salt.
		boss := directory.Person{ID: "boss", Email: "ann@example.com"}
		ann := h.stretch("ann@example.com", goodWords, h.argon)
		if got := h.matching([]kept{{person: boss, phc: ann}, {person: directory.Person{ID: "ann"}, phc: ann}}, "ann@example.com", goodWords); len(got) != 2 {
			t.Errorf("%d match", len(got))
		}
		if string(h.salt("ann@example.com")) == string(h.salt("bare@example.com")) {
			t.Error("two addresses have one salt")
		}
		_, err := h.PasswordSignIn(bg, "no address", goodWords, "", "")
		refused(t, err, errs.Invalid, "email.malformed")
	})
}

// T15: five wrong guesses, however many come at once; and the right one is refused, too, so that nothing is learnt.
func TestT15PasswordGuesses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.withPassword("ann@example.com", goodWords)
		for _, email := range []string{"ann@example.com", "nobody@example.com"} {
			var compared atomic.Int32
			var wait sync.WaitGroup
			for range 40 {
				wait.Go(func() {
					_, err := h.PasswordSignIn(bg, email, "not the words at all", "", "")
					if errs.Is(err, "sign_in.wrong") {
						compared.Add(1)
					} else if !errs.Is(err, "sign_in.flood") {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			if n := compared.Load(); n < 5 || n > 5+hashedAtOnce-1 {
				t.Errorf("%s: %d guesses were compared", email, n)
			}
		}
		_, err := h.PasswordSignIn(bg, "ann@example.com", goodWords, "", "")
		refused(t, err, errs.Limited, "sign_in.flood")
		other := h.replica(d.DB, h.post) // it is written down, not remembered
		_, err = other.PasswordSignIn(bg, "ann@example.com", goodWords, "", "")
		refused(t, err, errs.Limited, "sign_in.flood")
		h.redeem(h.mailed(bg, "ann@example.com", "")) // she is not shut out
		d.Shift(15 * time.Minute)
		if _, err = h.PasswordSignIn(bg, "ann@example.com", goodWords, "", ""); err != nil {
			t.Error(err)
		}
	})
}

// T15: one network address guesses thirty times, at whomever.
func TestT15GuessesFromOnePlace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.withPassword("ann@example.com", goodWords)
		for i := range 30 {
			_, err := h.PasswordSignIn(from("198.51.100.7"), "user"+string(rune('a'+i))+"@example.com", goodWords, "", "")
			refused(t, err, errs.Unauthenticated, "sign_in.wrong")
		}
		_, err := h.PasswordSignIn(from("198.51.100.7"), "ann@example.com", goodWords, "", "")
		refused(t, err, errs.Limited, "sign_in.flood")
		if _, err = h.PasswordSignIn(from("198.51.100.8"), "ann@example.com", goodWords, "", ""); err != nil {
			t.Error(err)
		}
	})
}

func TestPasswordIsRehashed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		ann, _ := h.withPassword("ann@example.com", goodWords)
		h.argon = argon{memory: 128, passes: 2, threads: 1}
		_, err := h.PasswordSignIn(bg, "ann@example.com", "not the words at all", "", "")
		refused(t, err, errs.Unauthenticated, "sign_in.wrong")
		if text := h.keptHash(ann.ID); !strings.Contains(text, "$m=64,t=1,p=1$") {
			t.Errorf("after a wrong guess: %q", text)
		}
		for range 2 {
			if _, err := h.PasswordSignIn(bg, "ann@example.com", goodWords, "", ""); err != nil {
				t.Fatal(err)
			}
			if text := h.keptHash(ann.ID); !strings.Contains(text, "$m=128,t=2,p=1$") {
				t.Errorf("kept as %q", text)
			}
		}
	})
}

func TestPasswordIsChanged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		ann, first := h.withPassword("ann@example.com", goodWords)
		second := h.redeem(h.mailed(bg, "ann@example.com", ""))
		p, _ := h.console(second)
		refused(t, h.SetPassword(bg, p, "", "another good one"), errs.Unauthenticated, "sign_in.wrong")
		refused(t, h.SetPassword(bg, p, goodWords, "short"), errs.Invalid, "password.length")
		if err := h.SetPassword(bg, p, goodWords, "another good one"); err != nil {
			t.Fatal(err)
		}
		h.signedOut("elsewhere", first)
		h.console(second) // here he stays
		_, err := h.PasswordSignIn(bg, "ann@example.com", goodWords, "", "")
		refused(t, err, errs.Unauthenticated, "sign_in.wrong")
		if got := h.letters("ann@example.com", "Your password was set"); len(got) != 2 || !strings.Contains(got[0].Text, "Example Ltd") {
			t.Errorf("%+v", got)
		}
		if has, err := h.HasPassword(bg, p); err != nil || !has {
			t.Errorf("%v, %v", has, err)
		}
		// Under another address the password is none: whoever has the mailbox sets one.
		moved := "ann2@example.com"
		h.write(func(tx *db.Tx) error {
			_, err := directory.ChangeUser(tx, ann.ID, directory.UserChange{Email: &moved})
			return err
		})
		for _, email := range []string{"ann@example.com", moved} {
			_, err := h.PasswordSignIn(bg, email, "another good one", "", "")
			refused(t, err, errs.Unauthenticated, "sign_in.wrong")
		}
	})
}

// Who has no password sets one only soon after he has shown his mailbox, so that a cookie that was left behind is not made to last.
func TestFirstPasswordNeedsAFreshSignIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("ann@example.com", "Ann Doe")
		cookie := h.redeem(h.mailed(bg, "ann@example.com", ""))
		p, _ := h.console(cookie)
		d.Shift(16 * time.Minute)
		refused(t, h.SetPassword(bg, p, "", goodWords), errs.Denied, "password.link")
		p, _ = h.console(h.redeem(h.mailed(bg, "ann@example.com", "")))
		if err := h.SetPassword(bg, p, "", goodWords); err != nil {
			t.Error(err)
		}
		_, _, program := h.client(authz.ManageUsers, authz.Sign)
		refused(t, h.SetPassword(bg, program, "", goodWords), errs.Denied, "right.missing")
	})
}

func TestPasswordLinkStaysGoodTillAPasswordIs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.person("annabel.doe1@example.com", "Ann Doe")
		if err := h.SendPasswordLink(bg, "annabel.doe1@example.com"); err != nil {
			t.Fatal(err)
		}
		token := h.tokenIn("annabel.doe1@example.com", "Set your password")
		for bad, what := range map[string]string{"short": "password.length", strings.Repeat("a b c d e ", 13): "password.length", "annabel.doe1@example.com": "password.common",
			"ANNABEL.DOE1": "password.common", "aaaabbbbcccc": "password.common", "password1234": "password.common", "Correcthorsebatterystaple": "password.common",
			"three green \xff bottles": "password.length"} {
			_, err := h.SetPasswordByLink(bg, token, "", bad)
			refused(t, err, errs.Invalid, what)
		}
		_, err := h.RedeemLink(bg, token, "")
		refused(t, err, errs.Unauthenticated, "link.invalid") // it is for a password
		var wait sync.WaitGroup
		var set atomic.Int32
		for range 5 {
			wait.Go(func() {
				if _, err := h.SetPasswordByLink(bg, token, "", goodWords); err == nil {
					set.Add(1)
				} else if !errs.Is(err, "link.invalid") {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if set.Load() != 1 {
			t.Errorf("the link was used %d times", set.Load())
		}
	})
}

// What a production hash is: argon2id, in a PHC string that reads back.
func TestPHC(t *testing.T) {
	if argonNow.memory < 19<<10 || argonNow.passes < 2 { // OWASP's least
		t.Errorf("%+v", argonNow)
	}
	h := phc{argon: argonNow, salt: []byte("0123456789abcdef"), key: make([]byte, 32)}
	back, err := parsePHC(h.String())
	if err != nil || back.String() != h.String() || !strings.HasPrefix(h.String(), "$argon2id$v=19$m=65536,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$") {
		t.Errorf("%s, %v", h, err)
	}
	for _, bad := range []string{"", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA", "$argon2id$v=16$m=64,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=64,t=0,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=64$AAAA$AAAA", "$argon2id$v=19$m=64,t=1,p=1$*$AAAA", "plain"} {
		if _, err := parsePHC(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
