package acrobat

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// scoped is an endpoint, the scopes it needs, and the status and code of a call that has them and is refused only after.
type scoped struct {
	name, method, path string
	needs              []string
	passed             string
	users              bool // takes tokens of users too
}

var scopedEndpoints = []scoped{
	{name: "baseUris", method: "GET", path: urisPath, passed: "200", users: true},
	{name: "POST partners", method: "POST", path: partnersPath, passed: "400 MISSING_REQUIRED_PARAM",
		needs: []string{"sign_user_write", "sign_user_read", "sign_account_write", "sign_account_read", "sign_oem_user_impersonate"}},
	{name: "POST accounts", method: "POST", path: accountsPath, needs: []string{"sign_account_write"}, passed: "400 MISSING_REQUIRED_PARAMS"},
	{name: "GET accounts", method: "GET", path: accountsPath, needs: []string{"sign_account_read"}, passed: "200"},
	{name: "GET account", method: "GET", path: accountsPath + "/x", needs: []string{"sign_account_read"}, passed: "404 ACCOUNT_NOT_FOUND"},
	{name: "PUT account", method: "PUT", path: accountsPath + "/x", needs: []string{"sign_account_write"}, passed: "400 MISSING_REQUIRED_PARAMS"},
	{name: "POST users", method: "POST", path: usersPath, needs: []string{"sign_user_write"}, passed: "400 MISSING_REQUIRED_PARAMS", users: true},
	{name: "GET user", method: "GET", path: usersPath + "/x", needs: []string{"sign_user_read"}, passed: "404 USER_NOT_FOUND", users: true},
	{name: "PUT user", method: "PUT", path: usersPath + "/x", needs: []string{"sign_user_write"}, passed: "400 MISSING_REQUIRED_PARAMS", users: true},
	{name: "GET accounts, isLegacy=true", method: "GET", path: accountsPath + "?isLegacy=true", needs: []string{"sign_account_read"}, passed: "200"},
	{name: "POST users/migrationStatus", method: "POST", path: statusPath, needs: []string{"sign_user_read"}, passed: "400 BAD_REQUEST"}, // no form
}

func (e scoped) call(c apitest.Client) string {
	call := apitest.Call{Method: e.method, Path: e.path}
	if e.method != "GET" {
		call.Body = []byte(`{}`)
	}
	return verdict(c.Do(call))
}

// verdict is the status of an answer, and the code of a refusal.
func verdict(a apitest.Answer) string {
	if a.Status < 300 {
		return fmt.Sprint(a.Status)
	}
	return fmt.Sprint(a.Status, " ", a.Text("code"))
}

// Every scope missing alone, every scope alone, and exactly those needed, at every
// endpoint, with technical tokens; and with tokens of an administrator where those go.
func TestScopes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		o := s.newTenant()
		admin := o.newUser(o.newAccount(0), "ACCOUNT_ADMIN")
		cells := 0
		expect := func(e scoped, token apitest.Client, what string, has func(string) bool) {
			cells++
			want := e.passed
			if slices.ContainsFunc(e.needs, func(need string) bool { return !has(need) }) {
				want = "403 MISSING_SCOPES"
			}
			if got := e.call(token); got != want {
				t.Errorf("%s with %s: %s, want %s", e.name, what, got, want)
			}
		}
		for scope := range strings.SplitSeq(allScopes, ",") {
			all, one := o.with(without(scope)...), o.with(scope)
			for _, e := range scopedEndpoints {
				expect(e, all, "all but "+scope, func(need string) bool { return need != scope })
				expect(e, one, scope+" alone", func(need string) bool { return need == scope })
			}
		}
		for _, e := range scopedEndpoints {
			if e.needs != nil {
				expect(e, o.with(e.needs...), "what it needs", func(string) bool { return true })
			}
		}
		for _, scope := range userScopes() {
			token := o.as(admin.email, scope)
			for _, e := range scopedEndpoints {
				if e.users {
					expect(e, token, "an administrator's "+scope+" alone", func(need string) bool { return need == scope })
				}
			}
		}
		t.Logf("%d cells of scopes × endpoints", cells)
	})
}

// userScopes are the 21 that a user's token may have.
func userScopes() []string { return strings.Split(allScopes, ",")[:21] }

// caller is somebody at the door.
type caller struct {
	name   string
	client apitest.Client
	home   *tenant // whose partner he is of; nil is nobody's
	kind   string  // "technical", "admin", "plain", "idle", "unregistered", "member", "none", "garbage"
	seat   string  // the account he acts in
}

// T13: every endpoint × every principal × targets of its own account, of its
// partner's other account and of another partner.
func TestT13PrincipalsTenants(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		otherAdmin, foreignAdmin := w.a.newUser(w.elsewhere, "ACCOUNT_ADMIN"), w.b.newUser(w.foreign, "ACCOUNT_ADMIN")
		stranger := w.b.newUser(w.foreign)
		twin := w.newTechnicalBeside(w.a) // a second partner of the same organisation
		twin.partner = twin.Post(partnersPath, fmt.Sprintf(`{"name":"Twin","domains":[%q]}`, w.a.domain)).Want(201).Text("id")
		twin.activate(directory.PartnerActive)
		callers := []caller{
			{"nobody", w.stack.Client, nil, "none", ""}, {"garbage", w.As("Bearer a.b.c"), nil, "garbage", ""}, {"a token of this house", w.member(), nil, "member", ""},
			{"technical", w.a.Client, w.a, "technical", ""}, {"another organisation's technical", w.b.Client, w.b, "technical", ""},
			{"a second partner of the organisation", twin.Client, twin, "technical", ""},
			{"inactive partner", w.idle.Client, w.idle, "idle", ""}, {"unregistered", w.nobody.Client, w.nobody, "unregistered", ""},
			{"user", w.a.as(w.plain.email, bothUserScopes), w.a, "plain", w.account},
			{"administrator", w.a.as(w.admin.email, bothUserScopes), w.a, "admin", w.account},
			{"administrator of the other account", w.a.as(otherAdmin.email, bothUserScopes), w.a, "admin", w.elsewhere},
			{"another partner's administrator", w.b.as(foreignAdmin.email, bothUserScopes), w.b, "admin", w.foreign},
		}
		targets := []target{{w.a, w.account, w.plain}, {w.a, w.elsewhere, w.stranger}, {w.b, w.foreign, stranger}}
		cells := 0
		for _, c := range callers {
			for _, e := range plainEndpoints {
				cells++
				if got, want := verdict(c.client.Do(e.call)), e.expect(c); got != want {
					t.Errorf("%s: %s: %s, want %s", c.name, e.name, got, want)
				}
			}
			for _, at := range targets {
				for _, e := range targetEndpoints {
					cells++
					if got, want := verdict(c.client.Do(e.call(w, c, at))), e.expect(c, at); got != want {
						t.Errorf("%s: %s of %s: %s, want %s", c.name, e.name, at.account, got, want)
					}
				}
			}
		}
		t.Logf("%d cells of principals × tenants", cells)
	})
}

// target is an account, and a user of it.
type target struct {
	of      *tenant
	account string
	user    person
}

// refused is the answer to who is no active partner's; "" to who is.
func (c caller) refused(noToken, kind string) string {
	switch c.kind {
	case "none":
		return "401 NO_AUTHORIZATION_HEADER"
	case "garbage":
		return "401 " + noToken
	case "member":
		return "403 " + kind
	case "idle", "unregistered":
		return "403 AUTHENTICATION_FAILED"
	}
	return ""
}

var plainEndpoints = []struct {
	name   string
	call   apitest.Call
	expect func(c caller) string
}{
	{"baseUris", apitest.Call{Method: "GET", Path: urisPath}, func(c caller) string { return c.rest("200") }},
	{"v6", apitest.Call{Method: "GET", Path: restPath + "/users/me"}, func(c caller) string { return c.rest("404 RESOURCE_NOT_FOUND") }},
	{"POST partners", apitest.Call{Method: "POST", Path: partnersPath, Body: []byte(`{}`)}, func(c caller) string {
		switch c.kind {
		case "idle", "unregistered", "technical":
			return "400 MISSING_REQUIRED_PARAM"
		case "plain", "admin":
			return "403 MISSING_SCOPES"
		}
		return c.refused("INVALID_ACCESS_TOKEN", "MISSING_SCOPES")
	}},
	{"POST accounts", apitest.Call{Method: "POST", Path: accountsPath, Body: []byte(`{}`)}, func(c caller) string {
		switch c.kind {
		case "technical":
			return "400 MISSING_REQUIRED_PARAMS"
		case "plain", "admin":
			return "403 MISSING_SCOPES"
		}
		return c.refused("INVALID_ACCESS_TOKEN", "MISSING_SCOPES")
	}},
	{"GET accounts", apitest.Call{Method: "GET", Path: accountsPath}, caller.list},
	{"GET accounts, isLegacy=true", apitest.Call{Method: "GET", Path: accountsPath + "?isLegacy=true"}, caller.list},
}

// list is the answer to a list of accounts.
func (c caller) list() string {
	switch c.kind {
	case "technical":
		return "200"
	case "plain", "admin":
		return "403 PERMISSION_DENIED"
	}
	return c.refused("INVALID_ACCESS_TOKEN", "PERMISSION_DENIED")
}

// rest: what answers whoever proves that he is of this surface.
func (c caller) rest(otherwise string) string {
	switch c.kind {
	case "none":
		return "401 NO_AUTHORIZATION_HEADER"
	case "garbage", "member":
		return "401 INVALID_ACCESS_TOKEN"
	}
	return otherwise
}

// account is the answer about an account: ok to its partner alone.
func (c caller) account(at target, ok string) string {
	switch c.kind {
	case "plain", "admin":
		return "403 PERMISSION_DENIED"
	case "technical":
		if c.home == at.of {
			return ok
		}
		return "404 ACCOUNT_NOT_FOUND"
	}
	return c.refused("INVALID_ACCESS_TOKEN", "PERMISSION_DENIED")
}

// user is the answer about a user: ok to his partner and to his account's administrators.
func (c caller) user(at target, ok, unknown string) string {
	switch {
	case c.kind == "plain":
		return "403 PERMISSION_DENIED"
	case c.kind != "technical" && c.kind != "admin":
		return c.refused("INVALID_ACCESS_TOKEN", "PERMISSION_DENIED")
	case c.home != at.of:
		return unknown
	case c.kind == "admin" && c.seat != at.account:
		return "403 PERMISSION_DENIED"
	}
	return ok
}

var targetEndpoints = []struct {
	name   string
	call   func(w *world, c caller, at target) apitest.Call
	expect func(c caller, at target) string
}{
	{"GET account", func(_ *world, _ caller, at target) apitest.Call {
		return apitest.Call{Method: "GET", Path: accountsPath + "/" + at.account}
	}, func(c caller, at target) string { return c.account(at, "200") }},
	{"PUT account", func(w *world, _ caller, at target) apitest.Call {
		return apitest.Call{Method: "PUT", Path: accountsPath + "/" + at.account,
			Body: []byte(object{"id": at.account, "name": w.unique("Renamed")}.String())}
	}, func(c caller, at target) string { return c.account(at, "204") }},
	{"POST users", func(w *world, c caller, at target) apitest.Call {
		domain := w.a.domain
		if c.home != nil && c.home != w.a {
			domain = c.home.domain
		}
		return apitest.Call{Method: "POST", Path: usersPath, Body: []byte(w.newUserBody().with("accountId", at.account).
			with("email", w.unique("new")+"@"+domain).String())}
	}, func(c caller, at target) string { return c.user(at, "201", "404 ACCOUNT_NOT_FOUND") }},
	{"GET user", func(_ *world, _ caller, at target) apitest.Call {
		return apitest.Call{Method: "GET", Path: usersPath + "/" + at.user.id}
	}, func(c caller, at target) string { return c.user(at, "200", "404 USER_NOT_FOUND") }},
	{"PUT user", func(w *world, c caller, at target) apitest.Call {
		b := w.asSent(at.user)
		if c.home != nil && c.home != at.of {
			b = b.with("email", "x@"+c.home.domain)
		}
		return apitest.Call{Method: "PUT", Path: usersPath + "/" + at.user.id, Body: []byte(b.String())}
	}, func(c caller, at target) string { return c.user(at, "204", "404 USER_NOT_FOUND") }},
	{"POST users/migrationStatus", func(_ *world, _ caller, at target) apitest.Call {
		return apitest.Call{Method: "POST", Path: statusPath, Media: formMedia, Body: []byte("userId=" + at.user.id)}
	}, func(c caller, at target) string {
		switch c.kind {
		case "plain", "admin":
			return "403 PERMISSION_DENIED"
		case "technical":
			return c.user(at, "200", "404 USER_NOT_FOUND")
		}
		return c.refused("INVALID_TOKEN", "PERMISSION_DENIED")
	}},
}
