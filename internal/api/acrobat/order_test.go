package acrobat

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
)

// The faults of a call with a bearer token, in the order in which they are told.
const (
	faultToken = iota
	faultKind
	faultScope
	faultPartner
	faultJSON
	faultRequired
	faultType
	faultValue
	faultExistence
	faultConflict
	faultQuota
	faultCount
)

var faultNames = [faultCount]string{"token", "kind", "scope", "partner", "JSON", "required", "type", "value", "existence", "conflict", "quota"}

// ordered is an endpoint and what its faults are: the body's spoiled by name, and the answers to each.
type ordered struct {
	name, method, scope string
	form                bool                                 // the body is one
	home                func(w *world, faults []int) *tenant // nil: an active partner, or the inactive one
	path                func(w *world, faults []int) string
	body                func(w *world) object // nil: none
	spoil               map[int]func(w *world, b object) object
	answers             map[int]string
}

// valuing is the endpoint with another wrong value, under a name that tells.
func (e ordered) valuing(what string, spoil func(*world, object) object) ordered {
	e.name += ", " + what
	e.spoil = maps.Clone(e.spoil)
	e.spoil[faultValue] = spoil
	return e
}

// lacking is the endpoint with a required name that is white space.
func (e ordered) lacking(what string) ordered {
	e.name += ", " + what
	e.spoil = maps.Clone(e.spoil)
	e.spoil[faultRequired] = func(_ *world, b object) object { return b.with("lastName", "\t ") }
	return e
}

// orderedEndpoints are all with more than a token to check, some again with a value that only the partner's data tell to be wrong.
func orderedEndpoints() []ordered {
	list := endpointsWithBody()
	paged := func(query string) func(*world, []int) string {
		return func(_ *world, faults []int) string {
			if slices.Contains(faults, faultValue) {
				return accountsPath + query + "&pageSize=0"
			}
			return accountsPath + query
		}
	}
	pages := ordered{name: "GET accounts", method: "GET", scope: "sign_account_read", path: paged("?pageNumber=0"),
		answers: map[int]string{faultToken: "401 INVALID_ACCESS_TOKEN", faultKind: "403 PERMISSION_DENIED", faultScope: "403 MISSING_SCOPES",
			faultPartner: "403 AUTHENTICATION_FAILED", faultValue: "400 INVALID_PARAMETER"}}
	legacy := pages
	legacy.name, legacy.path = "GET accounts, isLegacy=true", paged("?isLegacy=true")
	foreign := func(_ *world, b object) object { return b.with("email", "bob@elsewhere.example.com") }
	return append(list, pages, legacy, orderedMigration(), orderedRegistration(),
		list[1].valuing("its country", func(_ *world, b object) object { return b.with("countryCode", "ZZZ") }),
		list[2].lacking("a blank"), list[2].valuing("its domain", foreign), list[3].valuing("its domain", foreign))
}

func orderedMigration() ordered {
	email := func(value string) func(*world, object) object {
		return func(_ *world, b object) object { return b.with("email", value) }
	}
	return ordered{name: "POST users/migrationStatus", method: "POST", scope: "sign_user_read", form: true,
		path: func(*world, []int) string { return statusPath }, body: func(w *world) object { return object{"email": w.plain.email} },
		spoil: map[int]func(*world, object) object{faultRequired: email(""), faultValue: email("a@b@example.com"), faultExistence: email("nobody@example.com")},
		answers: map[int]string{faultToken: "401 INVALID_TOKEN", faultKind: "403 PERMISSION_DENIED", faultScope: "403 MISSING_SCOPES",
			faultPartner: "403 AUTHENTICATION_FAILED", faultJSON: "400 BAD_REQUEST", faultRequired: "400 MISSING_REQUIRED_PARAM",
			faultValue: "400 INVALID_PARAMETER", faultExistence: "404 USER_NOT_FOUND"}}
}

// orderedRegistration: whoever registers has no partner whose state there is to check.
func orderedRegistration() ordered {
	return ordered{name: "POST partners", method: "POST", scope: "sign_account_read", path: func(*world, []int) string { return partnersPath },
		home: func(w *world, faults []int) *tenant {
			switch {
			case slices.Contains(faults, faultExistence):
				return w.bare()
			case slices.Contains(faults, faultConflict):
				return w.idle
			}
			return w.nobody
		},
		body: func(*world) object { return object{"name": "Partner Name"} },
		spoil: map[int]func(*world, object) object{
			faultRequired: func(_ *world, b object) object { return b.without("name") },
			faultType:     func(_ *world, b object) object { return b.with("domains", "x") },
			faultValue:    func(_ *world, b object) object { return b.with("domains", []string{"not a domain"}) }},
		answers: map[int]string{faultToken: "401 INVALID_ACCESS_TOKEN", faultKind: "403 MISSING_SCOPES", faultScope: "403 MISSING_SCOPES",
			faultJSON: "400 INVALID_JSON", faultRequired: "400 MISSING_REQUIRED_PARAM", faultType: "400 INVALID_PARAMETER",
			faultValue: "400 INVALID_PARAMETER", faultExistence: "404 ORG_DOMAINS_NOT_FOUND", faultConflict: "409 TECHNICAL_ACCOUNT_ID_ALREADY_EXISTS"}}
}

func endpointsWithBody() []ordered {
	set := func(name string, value any) func(*world, object) object {
		return func(_ *world, b object) object { return b.with(name, value) }
	}
	drop := func(name string) func(*world, object) object {
		return func(_ *world, b object) object { return b.without(name) }
	}
	common := func(more map[int]string) map[int]string {
		out := map[int]string{faultToken: "401 INVALID_ACCESS_TOKEN", faultScope: "403 MISSING_SCOPES", faultPartner: "403 AUTHENTICATION_FAILED",
			faultJSON: "400 INVALID_JSON", faultRequired: "400 MISSING_REQUIRED_PARAMS", faultType: "400 INVALID_PARAMETER", faultValue: "400 INVALID_PARAMETER"}
		for fault, answer := range more {
			out[fault] = answer
		}
		return out
	}
	fixed := func(path string) func(*world, []int) string { return func(*world, []int) string { return path } }
	return []ordered{
		{name: "POST accounts", method: "POST", scope: "sign_account_write", path: fixed(accountsPath),
			body: (*world).newAccountBody,
			spoil: map[int]func(*world, object) object{faultRequired: drop("countryCode"), faultType: set("company", 1),
				faultValue: set("consumables", []object{seats(-2)}), faultConflict: func(w *world, b object) object {
					return b.with("name", w.accountBody()["name"])
				}},
			answers: common(map[int]string{faultKind: "403 MISSING_SCOPES", faultConflict: "409 ACCOUNT_ALREADY_EXISTS"})},
		{name: "PUT accounts/{id}", method: "PUT", scope: "sign_account_write",
			path: func(w *world, faults []int) string {
				if slices.Contains(faults, faultExistence) {
					return accountsPath + "/" + w.foreign
				}
				return accountsPath + "/" + w.account
			},
			body: (*world).accountBody,
			spoil: map[int]func(*world, object) object{faultRequired: drop("id"), faultType: set("company", 1), faultValue: set("consumables", []object{seats(-2)}),
				faultExistence: func(w *world, b object) object { return b.with("id", w.foreign) },
				faultConflict: func(w *world, b object) object {
					return b.with("name", w.a.Get(accountsPath+"/"+w.elsewhere).Want(200).Text("name"))
				}},
			answers: common(map[int]string{faultKind: "403 PERMISSION_DENIED", faultExistence: "404 ACCOUNT_NOT_FOUND", faultConflict: "409 ACCOUNT_ALREADY_EXISTS"})},
		{name: "POST users", method: "POST", scope: "sign_user_write", path: fixed(usersPath), body: (*world).newUserBody,
			spoil: map[int]func(*world, object) object{faultRequired: drop("lastName"), faultType: set("initials", 1), faultValue: set("roles", []string{"BOSS"}),
				faultExistence: func(w *world, b object) object { return b.with("accountId", w.foreign) },
				faultConflict:  func(w *world, b object) object { return b.with("email", w.plain.email) },
				faultQuota:     func(w *world, b object) object { return b.with("accountId", w.full) }},
			answers: common(map[int]string{faultExistence: "404 ACCOUNT_NOT_FOUND", faultConflict: "409 USER_ALREADY_EXISTS",
				faultQuota: "403 MAXIMUM_USERS_FOR_ACCOUNT_LIMIT_EXCEEDED"})},
		{name: "PUT users/{id}", method: "PUT", scope: "sign_user_write",
			path: func(w *world, faults []int) string {
				switch {
				case slices.Contains(faults, faultExistence):
					return usersPath + "/abcdefghijkl"
				case slices.Contains(faults, faultQuota):
					return w.userPath(w.sleeper)
				}
				return w.userPath(w.plain)
			},
			body: func(w *world) object { return w.asSent(w.plain) },
			spoil: map[int]func(*world, object) object{faultRequired: drop("lastName"), faultType: set("initials", 1), faultValue: set("roles", []string{"BOSS"}),
				faultExistence: set("id", "abcdefghijkl"), faultConflict: func(w *world, b object) object { return b.with("email", w.admin.email) },
				faultQuota: func(w *world, b object) object {
					if b["email"] == w.plain.email {
						b = b.with("email", w.sleeper.email)
					}
					return b.with("id", w.sleeper.id).with("status", "ACTIVE")
				}},
			answers: common(map[int]string{faultExistence: "404 USER_NOT_FOUND", faultConflict: "409 USER_ALREADY_EXISTS",
				faultQuota: "403 MAXIMUM_USERS_FOR_ACCOUNT_LIMIT_EXCEEDED"})},
	}
}

// form is the object as a form.
func (o object) form() string {
	values := url.Values{}
	for name, value := range o {
		values.Set(name, fmt.Sprint(value))
	}
	return values.Encode()
}

// with makes the call with some faults at once.
func (e ordered) with(w *world, faults ...int) apitest.Answer {
	has := func(fault int) bool { return slices.Contains(faults, fault) }
	home := w.a
	if has(faultPartner) {
		home = w.idle
	}
	if e.home != nil {
		home = e.home(w, faults)
	}
	client := home.Client
	switch {
	case has(faultKind):
		client = w.a.as(w.admin.email, bothUserScopes)
	case has(faultScope):
		client = home.with(without(e.scope)...)
	}
	if has(faultToken) {
		client = w.As("Bearer x")
	}
	call := apitest.Call{Method: e.method, Path: e.path(w, faults)}
	if e.body == nil {
		return client.Do(call)
	}
	body := e.body(w)
	for _, fault := range slices.Backward(faults) { // the earlier fault has the last word
		if spoil := e.spoil[fault]; spoil != nil {
			body = spoil(w, body)
		}
	}
	text, broken := body.String(), "}"
	if e.form {
		call.Media, text, broken = formMedia, body.form(), "&x=%zz"
	}
	if has(faultJSON) {
		text += broken
	}
	call.Body = []byte(text)
	return client.Do(call)
}

// Of two faults at once the earlier is told: every pair that one call can have.
func TestCheckOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		pairs := 0
		for _, e := range orderedEndpoints() {
			for first := range faultCount {
				if e.answers[first] == "" {
					continue
				}
				if got := verdict(e.with(w, first)); got != e.answers[first] {
					t.Errorf("%s: %s alone: %s, want %s", e.name, faultNames[first], got, e.answers[first])
				}
				for second := first + 1; second < faultCount; second++ {
					if e.answers[second] == "" || first == faultKind && second <= faultPartner || first == faultExistence && second == faultQuota {
						continue // one caller is not of two kinds, one account not both unknown and full
					}
					pairs++
					if got := verdict(e.with(w, first, second)); got != e.answers[first] {
						t.Errorf("%s: %s and %s: %s, want %s", e.name, faultNames[first], faultNames[second], got, e.answers[first])
					}
				}
			}
		}
		t.Logf("%d pairs of faults", pairs)
	})
}

// The token exchange has an order of its own ("Create an Embed user token"): every pair of faults.
func TestCheckOrderOfTheExchange(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		bare := w.a.token("sign_user_read,sign_user_write")
		steps := []struct{ name, parameter, value, answer string }{
			{"missing", "subject_token_type", "", "400 INVALID_REQUEST subject_token_type is missing or invalid."},
			{"wrong value", "grant_type", "password", "400 INVALID_REQUEST grant_type is missing or invalid."},
			{"client", "client_secret", "wrong", "400 INVALID_REQUEST client_secret is missing or invalid."},
			{"actor", "actor_token", "x.y.z", "401 INVALID_AUTHENTICATING_TOKEN actor_token is missing or invalid."},
			{"actor's scope", "actor_token", bare, "403 PERMISSION_DENIED The API caller does not have the permission to execute this operation."},
			{"partner", "", "", "403 AUTHENTICATION_FAILED Partner is not onboarded successfully."},
			{"scope", "scope", "openid,sign_account_read", "400 INVALID_REQUEST scope is missing or invalid."},
			{"subject token", "subject_token", "nonsense", "400 INVALID_REQUEST subject_token is missing or invalid."},
			{"subject", "subject_token", subject("nobody@example.com"), "403 PERMISSION_DENIED The API caller does not have the permission to execute this operation."},
		}
		pairs := 0
		for i, first := range steps {
			for _, second := range steps[i+1:] {
				if first.parameter == second.parameter {
					continue
				}
				home := w.a
				if first.name == "partner" || second.name == "partner" {
					home = w.idle
				}
				form := home.exchangeForm(w.plain.email, "openid")
				for _, f := range []struct{ name, value string }{{first.parameter, first.value}, {second.parameter, second.value}} {
					if f.value == bare && home == w.idle {
						f.value = w.idle.token("sign_user_read")
					}
					if f.name != "" {
						form.Set(f.name, f.value)
					}
				}
				pairs++
				a := w.form(tokenPath, form)
				if got := verdict(a) + " " + a.Text("message"); got != first.answer {
					t.Errorf("%s and %s: %s, want %s", first.name, second.name, got, first.answer)
				}
			}
		}
		t.Logf("%d pairs of faults", pairs)
		// Which of the missing ones is named first.
		for i, name := range exchangeParameters {
			form := w.a.exchangeForm(w.plain.email, "openid")
			for _, missing := range exchangeParameters[i:] {
				form.Del(missing)
			}
			want := name
			if a := w.form(tokenPath, form); !strings.HasPrefix(a.Text("message"), want+" ") {
				t.Errorf("from %s on all missing: %s", name, a.Body)
			}
		}
	})
}
