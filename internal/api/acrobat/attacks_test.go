package acrobat

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

func bearerOf(c apitest.Client) string { return strings.TrimPrefix(c.Authorization, "Bearer ") }

// T2: every actor token × every subject, as "Create an Embed user token" lists the answers. One of them is let in.
func TestT2ActorsSubjects(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		o := w.a
		end := func(token string) string {
			w.form(endPath, url.Values{"client_id": {o.account.ClientID}, "client_secret": {o.account.ClientSecret}, "token": {token}, "token_type": {"access_token"}}).Want(200)
			return token
		}
		const own, noActor, mayNot = "own", "401 INVALID_AUTHENTICATING_TOKEN", "403 PERMISSION_DENIED"
		actors := []struct{ name, token, answer string }{
			{"none", "", noActor}, {"garbage", "x.y.z", noActor}, {"unsigned", subject("x@example.com"), noActor}, {"taken back", end(o.token("")), noActor},
			{"another partner's", w.b.token(""), noActor}, {"a user's", bearerOf(o.as(w.plain.email, "openid")), noActor},
			{"an administrator's", bearerOf(o.as(w.admin.email, "openid")), noActor}, {"this house's", bearerOf(w.member()), noActor},
			{"without the scope to impersonate", o.token(strings.Join(without("sign_oem_user_impersonate"), ",")), mayNot},
			{"its own", bearerOf(o.Client), own},
		}
		subjects := []struct{ name, token, answer string }{
			{"a user", subject(w.plain.email), "200"}, {"another partner's user", subject(w.b.newUser(w.foreign).email), mayNot},
			{"unknown", subject("nobody@" + o.domain), mayNot}, {"inactive", subject(w.sleeper.email), mayNot}, {"no JWT", "bob", "400 INVALID_REQUEST"},
			{"no e-mail", "eyJhbGciOiJub25lIn0.e30.", "400 INVALID_REQUEST"},
		}
		cells, in := 0, 0
		for _, actor := range actors {
			for _, subject := range subjects {
				form := o.exchangeForm(w.plain.email, "openid")
				form.Set("actor_token", actor.token)
				form.Set("subject_token", subject.token)
				want := actor.answer
				if want == own {
					want = subject.answer
				}
				got := verdict(w.form(tokenPath, form))
				cells++
				if got == "200" {
					in++
				}
				if got != want {
					t.Errorf("actor %s, subject %s: %s, want %s", actor.name, subject.name, got, want)
				}
			}
		}
		if in != 1 {
			t.Errorf("%d were let in", in)
		}
		old := o.exchangeForm(w.plain.email, "openid")
		d.Shift(25 * time.Hour)
		w.until(func() bool { return verdict(o.Get(urisPath)) == "401 INVALID_ACCESS_TOKEN" })
		if got := verdict(w.form(tokenPath, old)); got != noActor {
			t.Errorf("an actor token of yesterday: %s", got)
		}
		t.Logf("%d cells of actors × subjects, 1 accepted", cells+1)
	})
}

// T3: what may not stand in a list of scopes.
func TestT3Scopes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		o := s.newTenant()
		bob := o.newUser(o.newAccount(0))
		cells := 0
		expect := func(what, scope, got, want string) {
			cells++
			if got != want {
				t.Errorf("%s %q: %s, want %s", what, scope, got, want)
			}
		}
		ims := func(scope string) string {
			a := s.form(imsPath+"/v2", o.imsForm(scope))
			if a.Status == 200 {
				return "200"
			}
			return fmt.Sprint(a.Status, " ", a.Text("error"))
		}
		bad := []string{"everything", ",", " ", "openid,", ",openid", "openid,,AdobeID", "openid, ,AdobeID", "openid\tAdobeID", "openid\nAdobeID", "openid\r\n",
			"open\x01id", "OPENID", "openid;AdobeID", "openid\u00a0AdobeID", "openid\u200b", `"openid"`, "openid|AdobeID", "*", strings.Repeat("x", 5000),
			strings.Repeat("openid,", 5000) + ","}
		for _, scope := range bad {
			expect("technical", scope, ims(scope), "400 invalid_scope")
			expect("user's", scope, verdict(s.form(tokenPath, o.exchangeForm(bob.email, scope))), "400 INVALID_REQUEST")
		}
		for _, blocked := range strings.Split(allScopes, ",")[21:] {
			expect("technical", blocked, ims(blocked), "200")
			expect("user's", blocked, verdict(s.form(tokenPath, o.exchangeForm(bob.email, blocked))), "400 INVALID_REQUEST")
			expect("user's", "openid,"+blocked, verdict(s.form(tokenPath, o.exchangeForm(bob.email, "openid,"+blocked))), "400 INVALID_REQUEST")
		}
		narrow := bearerOf(o.with("sign_oem_user_impersonate", "openid"))
		for _, scope := range userScopes() {
			form := o.exchangeForm(bob.email, scope)
			form.Set("actor_token", narrow)
			want := "400 INVALID_REQUEST" // not in the actor's token
			if scope == "openid" {
				want = "200"
			}
			expect("beyond the actor's", scope, verdict(s.form(tokenPath, form)), want)
		}
		for _, list := range []string{"openid,AdobeID", "openid AdobeID", "openid, AdobeID", "openid  AdobeID", " openid , AdobeID "} {
			a := s.form(tokenPath, o.exchangeForm(bob.email, list))
			expect("user's", list, verdict(a), "200")
			if got := a.Text("scope"); got != "openid,AdobeID" {
				t.Errorf("%q gives %s", list, got)
			}
			expect("technical", list, ims(list), "200")
		}
		t.Logf("%d cells of scope lists", cells)
	})
}

// T5 at the door: an address is its canonical form, a domain is its labels.
func TestT5Addresses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		o := s.newTenant("example.net")
		account := o.newAccount(0)
		post := func(email string) apitest.Answer {
			return o.Post(usersPath, object{"email": email, "firstName": "a", "lastName": "b", "accountId": account}.String())
		}
		taken := post("bob@example.net").Want(201).Text("userId")
		for _, same := range []string{"BOB@example.net", "bob@EXAMPLE.NET", "bob@example.net.", " bob@example.net", "bob@ｅxample.net"} {
			if a := post(same); a.Status != 409 {
				t.Errorf("%q: %d %s", same, a.Status, a.Body)
			}
		}
		for _, other := range []string{"bob@" + "evilexample.net", "bob@example.net.evil.example", "bob@sub.example.net", "bob@examp\u04cfe.net", "bob@example.net@evil.example",
			"bob@example", "bob", "@example.net", "bob@", "bob@example.net\x00", "bob\r\n@example.net", `"bob"@example.net`, "bob@[127.0.0.1]", "bob@example..net",
			"b\u00f6b@example.net", "bob@example.net,eve@example.net", "<bob@example.net>"} {
			if a := post(other); a.Status != 400 {
				t.Errorf("%q: %d %s", other, a.Status, a.Body)
			}
		}
		for _, email := range []string{"bob@example.net", "BOB@Example.NET"} {
			a := s.form(tokenPath, o.exchangeForm(email, "openid")).Want(200)
			if got := claims(t, a.Text("access_token"))["user_id"]; got != taken {
				t.Errorf("%s is %v, want %s", email, got, taken)
			}
		}
	})
}

// T9: of many who take one name or one address at once, one gets it.
func TestT9Duplicates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		o := s.newTenant()
		account := o.newAccount(0)
		for round := range dbtest.Rounds(3, 100) {
			for what, call := range map[string]func(i int) apitest.Answer{
				"account": func(i int) apitest.Answer {
					name := []string{"Acme", "ACME", "acme"}[i%3]
					return o.Post(accountsPath, fmt.Sprintf(`{"name":"%s%d","countryCode":"US"}`, name, round))
				},
				"user": func(i int) apitest.Answer {
					local := []string{"bob", "Bob", "BOB"}[i%3]
					return o.Post(usersPath, object{"email": fmt.Sprintf("%s%dr@%s", local, round, o.domain), "firstName": "a", "lastName": "b", "accountId": account}.String())
				},
			} {
				const callers = 12
				var calls sync.WaitGroup
				var answers [callers]apitest.Answer
				for i := range callers {
					calls.Go(func() { answers[i] = call(i) })
				}
				calls.Wait()
				made := 0
				for _, a := range answers {
					switch a.Status {
					case 201:
						made++
					case 409:
					default:
						t.Errorf("%s: %d %s", what, a.Status, a.Body)
					}
				}
				if made != 1 {
					t.Errorf("round %d: %d of one %s", round, made, what)
				}
			}
		}
		s.newTenant().Post(accountsPath, `{"name":"Acme0","countryCode":"US"}`).Want(201) // another partner's names are its own
	})
}

// T12: members that are ours to set are refused or ignored, as the tables say.
func TestT12OverPosting(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		account := w.a.newAccount(0)
		at := accountsPath + "/" + account
		before := w.a.Get(at).Want(200)
		body := object{"id": account, "name": before.Text("name"), "created": "2001-01-01T00:00:00Z", "accountId": w.foreign, "partner": w.b.partner,
			"organisation": "x", "status": "INACTIVE", "used": 99, "seats_version": 9, "NAME": "Other", "Company": "x"}
		w.a.Put(at, body.String()).Want(204)
		if after := w.a.Get(at).Want(200); !bytes.Equal(before.Body, after.Body) {
			t.Errorf("account: %s became %s", before.Body, after.Body)
		}
		bob := w.a.newUser(account)
		at = w.userPath(bob)
		before = w.a.Get(at).Want(200)
		ignored := w.asSent(bob).with("created", "2001-01-01T00:00:00Z").with("userId", w.plain.id).with("type", "MANAGER").with("organisation", "x").
			with("privacyAdmin", true).with("sender", false).with("isAccountAdmin", true).with("Roles", []string{"ACCOUNT_ADMIN"}).with("EMAIL", "x@"+w.a.domain)
		w.a.Put(at, ignored.String()).Want(204)
		if after := w.a.Get(at).Want(200); !bytes.Equal(before.Body, after.Body) {
			t.Errorf("user: %s became %s", before.Body, after.Body)
		}
		for name, c := range map[string]struct {
			value any
			want  string
		}{"id": {w.plain.id, "400 INVALID_INPUT"}, "accountId": {w.elsewhere, "400 INVALID_PARAMETER"}, "status": {"DELETED", "400 INVALID_PARAMETER"},
			"roles": {[]string{"OPERATOR"}, "400 INVALID_PARAMETER"}} {
			if got := verdict(w.a.Put(at, w.asSent(bob).with(name, c.value).String())); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
		for name, value := range map[string]any{"id": "abcdefghijkl", "status": "INACTIVE"} {
			if got := verdict(w.postUser(w.newUserBody().with(name, value))); got != "400 INVALID_PARAMETER" {
				t.Errorf("new user's %s: %s", name, got)
			}
		}
		made := w.nobody.Post(partnersPath, object{"name": "Mine", "status": "ACTIVE", "id": w.a.partner, "imsClientId": w.a.account.ClientID,
			"orgGuid": "x", "updatedBy": "x", "created": "2001-01-01T00:00:00Z"}.String()).Want(201)
		if made.Text("status") != "INACTIVE" || made.Text("id") == w.a.partner || made.Text("imsClientId") != w.nobody.account.ClientID ||
			made.Text("updatedBy") != w.nobody.account.ID || strings.HasPrefix(made.Text("created"), "2001") {
			t.Errorf("partner: %s", made.Body)
		}
	})
}

// T15: who does not exist, who is another partner's and who is inactive have the same answer.
func TestT15Enumeration(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		theirs := w.b.newUser(w.foreign)
		same := func(what string, answers ...apitest.Answer) {
			t.Helper()
			for _, a := range answers[1:] {
				if a.Status != answers[0].Status || !bytes.Equal(a.Body, answers[0].Body) {
					t.Errorf("%s: %d %s, and %d %s", what, answers[0].Status, answers[0].Body, a.Status, a.Body)
				}
			}
		}
		exchange := func(email string) apitest.Answer { return w.form(tokenPath, w.a.exchangeForm(email, "openid")) }
		same("exchange", exchange("nobody@"+w.a.domain), exchange(theirs.email), exchange(w.sleeper.email), exchange("x@unknown.example.com"))
		same("user", w.a.Get(usersPath+"/abcdefghijkl"), w.a.Get(w.userPath(theirs)))
		same("account", w.a.Get(accountsPath+"/abcdefghijkl"), w.a.Get(accountsPath+"/"+w.foreign))
		same("client", w.ims("client_secret", "wrong"), w.ims("client_id", w.b.account.ClientID), w.ims("client_id", "unknown"))
		same("validate", w.check(validatePath, "client_id", "unknown"), w.check(validatePath, "client_id", w.b.account.ClientID))
	})
}

// A partner that is deactivated has nothing but registration left, at once.
func TestT6PartnerDeactivated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		admin := w.a.as(w.admin.email, bothUserScopes)
		admin.Get(w.userPath(w.plain)).Want(200)
		w.a.activate(directory.PartnerInactive)
		w.until(func() bool { return verdict(admin.Get(w.userPath(w.plain))) == "401 INVALID_ACCESS_TOKEN" })
		if got := verdict(w.a.Get(accountsPath)); got != "403 AUTHENTICATION_FAILED" {
			t.Errorf("accounts: %s", got)
		}
		w.a.Get(urisPath).Want(200)
		w.a.activate(directory.PartnerActive)
		w.a.Get(accountsPath).Want(200)
	})
}
