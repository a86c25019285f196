package acrobat

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// object is a JSON body to spoil.
type object map[string]any

func (o object) with(name string, value any) object {
	out := maps.Clone(o)
	out[name] = value
	return out
}

func (o object) without(name string) object {
	out := maps.Clone(o)
	delete(out, name)
	return out
}

func (o object) String() string {
	text, err := json.Marshal(map[string]any(o))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// world is what the refusals are tried on.
type world struct {
	*stack
	a, b         *tenant // two active partners of two organisations
	idle         *tenant // registered, not active
	nobody       *tenant // not registered
	account      string  // of a
	elsewhere    string  // another of a
	foreign      string  // of b
	admin, plain person  // of account
	stranger     person  // of elsewhere
	full         string  // an account of a without a free seat
	sleeper      person  // of full, inactive
}

func newWorld(s *stack) *world {
	w := &world{stack: s, a: s.newTenant(), b: s.newTenant(), idle: s.newPartner(), nobody: s.newTechnical()}
	w.account, w.elsewhere, w.full, w.foreign = w.a.newAccount(0), w.a.newAccount(-1), w.a.newAccount(1), w.b.newAccount(0)
	w.admin, w.plain = w.a.newUser(w.account, "ACCOUNT_ADMIN"), w.a.newUser(w.account)
	w.stranger = w.a.newUser(w.elsewhere)
	w.sleeper = w.a.newUser(w.full)
	w.a.Put(w.userPath(w.sleeper), w.asSent(w.sleeper).with("status", "INACTIVE").String()).Want(204)
	w.a.newUser(w.full)
	return w
}

const (
	partnersPath = embedPath + "/partners"
	accountsPath = embedPath + "/accounts"
	usersPath    = embedPath + "/users"
	statusPath   = usersPath + "/migrationStatus"
	tokenPath    = authPath + "/token"
	validatePath = authPath + "/validate_token"
	endPath      = authPath + "/invalidate_token"
	urisPath     = restPath + "/baseUris"
)

func (w *world) userPath(p person) string { return usersPath + "/" + p.id }

// newAccountBody is the vendor's sample, under another name.
func (w *world) newAccountBody() object {
	return object{"name": w.unique("SignEmbedTestAccount"), "company": "Sign Embed Test Account", "countryCode": "US",
		"consumables": []object{seats(1), {"type": "PHONE_AUTH", "attributes": object{"cap": 1}}, {"type": "KBA", "attributes": object{"cap": 1}}}}
}

func seats(n any) object { return object{"type": "SEATS", "attributes": object{"cap": n}} }

// accountBody changes nothing of account.
func (w *world) accountBody() object {
	return object{"id": w.account, "name": w.a.Get(accountsPath + "/" + w.account).Want(200).Text("name")}
}

// newUserBody is the vendor's sample, with another address.
func (w *world) newUserBody() object {
	return object{"firstName": "John", "lastName": "Doe", "email": w.unique("johndoe") + "@" + w.a.domain, "emailAlias": "johndoe@customer.example.com",
		"accountId": w.account, "status": "ACTIVE", "initials": "JD", "phone": "12345678111", "title": "SDE", "company": "Joes Bike Shop",
		"roles": []string{"ACCOUNT_ADMIN", "PRIVACY_ADMIN"}}
}

// asSent changes nothing of a user that newUser made.
func (w *world) asSent(p person) object {
	return object{"id": p.id, "email": p.email, "firstName": "Bob", "lastName": "Smith"}
}

func (w *world) postAccount(body object) apitest.Answer { return w.a.Post(accountsPath, body.String()) }
func (w *world) putAccount(body object) apitest.Answer {
	return w.a.Put(accountsPath+"/"+w.account, body.String())
}
func (w *world) postUser(body object) apitest.Answer { return w.a.Post(usersPath, body.String()) }
func (w *world) putUser(body object) apitest.Answer {
	return w.a.Put(w.userPath(w.plain), body.String())
}

// ask asks for a user's token with one parameter changed; no value leaves it out.
func (w *world) ask(name string, value ...string) apitest.Answer {
	form := w.a.exchangeForm(w.plain.email, bothUserScopes)
	delete(form, name)
	if value != nil {
		form[name] = value
	}
	return w.form(tokenPath, form)
}

// check asks whether a token is valid with one parameter changed.
func (w *world) check(path, name string, value ...string) apitest.Answer {
	form := url.Values{"client_id": {w.a.account.ClientID}, "client_secret": {w.a.account.ClientSecret}, "token": {"x"}, "type": {"access_token"}}
	if path == endPath {
		form["token_type"] = form["type"]
	}
	delete(form, name)
	if value != nil {
		form[name] = value
	}
	return w.form(path, form)
}

// ims asks for a technical token with one parameter changed.
func (w *world) ims(name string, value ...string) apitest.Answer {
	form := w.a.imsForm("")
	delete(form, name)
	if value != nil {
		form[name] = value
	}
	return w.form(imsPath+"/v3", form)
}

// broken makes a call while a trigger of the table refuses.
func (s *stack) broken(table, event string, call func() apitest.Answer) apitest.Answer {
	s.T.Helper()
	if strings.HasPrefix(s.db.URL, "sqlite:") {
		s.exec(`create trigger broken before ` + event + ` on ` + table + ` begin select raise(abort, 'broken for the test'); end`)
		defer s.exec(`drop trigger broken`)
		return call()
	}
	s.exec(`create function broken() returns trigger language plpgsql as 'begin raise exception ''broken for the test''; end'`)
	defer s.exec(`drop function broken() cascade`)
	s.exec(`create trigger broken before ` + event + ` on ` + table + ` for each statement execute function broken()`)
	return call()
}

// gone makes a call while a table is not there.
func (s *stack) gone(table string, call func() apitest.Answer) apitest.Answer {
	s.T.Helper()
	s.exec(`alter table ` + table + ` rename to ` + table + `_gone`)
	defer s.exec(`alter table ` + table + `_gone rename to ` + table)
	return call()
}

func (s *stack) exec(sql string) {
	s.T.Helper()
	must(s.T, s.db.Write(s.T.Context(), func(tx *db.Tx) error { _, err := tx.Exec(sql); return err }))
}

// refusal is one way to be refused at an endpoint.
type refusal struct {
	endpoint, when string
	make           func(w *world) apitest.Answer
}

// bearer are the refusals of every endpoint with a token.
func bearer(endpoint string, call func(apitest.Client) apitest.Answer) []refusal {
	return []refusal{
		{endpoint, "no Authorization header", func(w *world) apitest.Answer { return call(w.stack.Client) }},
		{endpoint, "no such token", func(w *world) apitest.Answer { return call(w.As("Bearer x")) }},
	}
}

// provisioning are those of every endpoint of partners, accounts and users that is called with scopes.
func provisioning(endpoint string, scope string, call func(apitest.Client) apitest.Answer) []refusal {
	return append(bearer(endpoint, call),
		refusal{endpoint, "scope missing", func(w *world) apitest.Answer { return call(w.a.with(without(scope)...)) }})
}

// onboarding are those of the endpoints that only an active partner may call.
func onboarding(endpoint string, scope string, call func(apitest.Client) apitest.Answer) []refusal {
	return append(provisioning(endpoint, scope, call),
		refusal{endpoint, "partner inactive", func(w *world) apitest.Answer { return call(w.idle.Client) }},
		refusal{endpoint, "not registered", func(w *world) apitest.Answer { return call(w.nobody.Client) }})
}

// jsonBodies are the refusals of every JSON body.
func jsonBodies(endpoint string, post func(w *world, body string) apitest.Answer) (list []refusal) {
	for when, body := range map[string]string{"not JSON": `name=x`, "not an object": `[]`, "member twice": `{"x":1,"x":2}`, "trailing data": `{}{}`,
		"byte order mark": "\xef\xbb\xbf{}", "not UTF-8": "{\"x\":\"\xff\"}", "empty body": ``, "null": `null`, "NUL in a text": `{"x":"\u0000"}`} {
		list = append(list, refusal{endpoint, when, func(w *world) apitest.Answer { return post(w, body) }})
	}
	return append(list,
		refusal{endpoint, "too large", func(w *world) apitest.Answer { return post(w, `{"x":"`+strings.Repeat("x", 2<<20)+`"}`) }})
}

// without are all scopes but one.
func without(scope string) []string {
	return slices.DeleteFunc(strings.Split(allScopes, ","), func(s string) bool { return s == scope })
}

func refusals() []refusal {
	return slices.Concat(tokenRefusals(), restRefusals(), partnerRefusals(), accountRefusals(), userRefusals(), faults())
}

// Every row of errors.tsv is produced through HTTP, with its status, code and
// sentence, and every way to be refused is in it.
func TestErrors(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		want := map[string]map[string]string{}
		for _, row := range apitest.Errors(t, "errors.tsv") {
			switch row["test"] {
			case "TestErrors":
				want[row["endpoint"]+"\t"+row["when"]] = row
			case "TestLocation", "TestRefusalsOfLoad", "TestBodyCutShort": // they read their rows themselves
			default:
				t.Errorf("errors.tsv names the test %s", row["test"])
			}
		}
		var produced []string
		for _, r := range refusals() {
			key := r.endpoint + "\t" + r.when
			row := want[key]
			delete(want, key)
			got := errorLine(t, key, r.make(w))
			produced = append(produced, got)
			if row == nil {
				t.Errorf("not in errors.tsv: %s\tTestErrors", got)
			} else if line := key + "\t" + row["status"] + "\t" + row["code"] + "\t" + row["message"]; line != w.anonymous(got) {
				t.Errorf("\nwant %s\ngot  %s", line, got)
			}
		}
		for key := range want {
			t.Errorf("nothing produces %s", key)
		}
		checkPublished(t, produced)
		t.Logf("%d refusals", len(produced))
	})
}

// anonymous takes out the ids that differ from run to run.
func (w *world) anonymous(line string) string {
	before, after, ok := strings.Cut(line, "Account with accountId ")
	if !ok {
		return line
	}
	_, after, _ = strings.Cut(after, " ")
	return before + "Account with accountId {id} " + after
}

// errorLine words an answer as a line of errors.tsv and checks that its shape is the endpoint's.
func errorLine(t *testing.T, key string, a apitest.Answer) string {
	t.Helper()
	var body map[string]any
	a.Into(&body)
	if media := a.Header.Get("Content-Type"); media != "application/json" {
		t.Errorf("%s: media type %s", key, media)
	}
	text := func(name string) string { s, _ := body[name].(string); return s }
	endpoint, _, _ := strings.Cut(key, "\t")
	code, message := text("code"), text("message")
	var members []string
	switch endpoint {
	case "ims":
		members = []string{"error", "error_description"}
		code, message = text("error"), text("error_description")
	case "token", "validate_token", "invalidate_token":
		members = []string{"code", "error", "error_description", "message"}
		if message != text("error_description") {
			t.Errorf("%s: two sentences: %s", key, a.Body)
		}
		code += " " + text("error")
	default:
		members = []string{"code", "message"}
	}
	if got := slices.Sorted(maps.Keys(body)); !slices.Equal(got, members) {
		t.Errorf("%s: members %q, want %q", key, got, members)
	}
	return key + "\t" + strconv.Itoa(a.Status) + "\t" + code + "\t" + message
}

// reworded are published sentences that would not be true here, and ours.
var reworded = map[string]string{
	"Value provided in x-api-user header is in invalid format.": "The x-api-user header must not be sent.", // there is no impersonation by header
}

// checkPublished: every row of the vendor's error tables is among the refusals.
func checkPublished(t *testing.T, produced []string) {
	t.Helper()
	n := 0
	for _, row := range apitest.Errors(t, "testdata/published.tsv") {
		if ours, ok := reworded[row["message"]]; ok {
			row["message"] = ours
		}
		found := slices.ContainsFunc(produced, func(line string) bool {
			cells := strings.Split(line, "\t")
			code, _, _ := strings.Cut(cells[3], " ")
			return cells[0] == row["endpoint"] && cells[2] == row["status"] && code == row["code"] && fits(row["message"], cells[4])
		})
		if !found {
			t.Errorf("published, but nothing produces it: %v", row)
		}
		n++
	}
	if n < 90 {
		t.Errorf("only %d rows are published", n)
	}
	t.Logf("%d published rows", n)
}

// fits reports that a sentence is a published one, in which <…> stands for a name.
func fits(published, got string) bool {
	before, after, ok := strings.Cut(published, "<")
	if !ok {
		return published == got
	}
	_, after, _ = strings.Cut(after, ">")
	return strings.HasPrefix(got, before) && strings.HasSuffix(got, after) && len(got) > len(before)+len(after)
}

// faults are the 500 rows, and those that nothing stored.
func faults() []refusal {
	fault := func(endpoint, when, table, event string, call func(w *world) apitest.Answer) refusal {
		return refusal{endpoint, when, func(w *world) apitest.Answer {
			return w.broken(table, event, func() apitest.Answer { return call(w) })
		}}
	}
	gone := func(endpoint, when, table string, call func(w *world) apitest.Answer) refusal {
		return refusal{endpoint, when, func(w *world) apitest.Answer { return w.gone(table, func() apitest.Answer { return call(w) }) }}
	}
	newAccount := func(w *world) apitest.Answer { return w.postAccount(w.newAccountBody()) }
	newUser := func(w *world) apitest.Answer { return w.postUser(w.newUserBody()) }
	changed := func(w *world) apitest.Answer { return w.putUser(w.asSent(w.plain).with("title", w.unique("Title "))) }
	return []refusal{
		fault("POST users", "the user's row is not stored", "users", "insert", newUser),
		fault("POST users", "the audit log is not stored", "audit_events", "insert", newUser),
		fault("PUT users/{id}", "the user's row is not stored", "users", "update", changed),
		fault("PUT users/{id}", "the audit log is not stored", "audit_events", "insert", changed),
		fault("POST accounts", "the consumables are not stored", "consumables", "insert", newAccount),
		fault("POST accounts", "the account's row is not stored", "accounts", "insert", newAccount),
		fault("PUT accounts/{id}", "the account's row is not stored", "accounts", "update", func(w *world) apitest.Answer {
			return w.putAccount(w.accountBody().with("company", w.unique("Company ")))
		}),
		fault("POST partners", "the partner's row is not stored", "partners", "insert", func(w *world) apitest.Answer {
			return w.newTechnicalBeside(w.a).Post(partnersPath, `{"name":"x"}`)
		}),
		fault("token", "the audit log is not stored", "audit_events", "insert", func(w *world) apitest.Answer { return w.ask("") }),
		gone("GET accounts/{id}", "the accounts cannot be read", "accounts", func(w *world) apitest.Answer { return w.a.Get(accountsPath + "/" + w.account) }),
		gone("GET accounts", "the accounts cannot be read", "accounts", func(w *world) apitest.Answer { return w.a.Get(accountsPath) }),
		gone("GET users/{id}", "the users cannot be read", "users", func(w *world) apitest.Answer { return w.a.Get(w.userPath(w.plain)) }),
		gone("POST users/migrationStatus", "the users cannot be read", "users", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "POST", Path: statusPath, Media: formMedia, Body: []byte("userId=" + w.plain.id)})
		}),
		gone("ims", "the clients cannot be read", "clients", func(w *world) apitest.Answer { return w.cold().ims("") }),
		gone("validate_token", "the clients cannot be read", "clients", func(w *world) apitest.Answer {
			return w.cold().check(validatePath, "token", strings.TrimPrefix(w.a.Authorization, "Bearer "))
		}),
		gone("invalidate_token", "the clients cannot be read", "clients", func(w *world) apitest.Answer {
			return w.cold().check(endPath, "token", strings.TrimPrefix(w.a.Authorization, "Bearer "))
		}),
	}
}

// newTechnicalBeside is another technical account of a tenant's organisation.
func (w *world) newTechnicalBeside(o *tenant) *tenant {
	beside := *o
	beside.partner = ""
	beside.technical()
	return &beside
}

// bare is a technical account of an organisation without domains.
func (w *world) bare() *tenant {
	bare := *w.a
	bare.organisation, bare.partner = w.unique("Bare "), ""
	bare.technical()
	return &bare
}

// cold is the same world behind a server that has just started.
func (w *world) cold() *world {
	w.T.Helper()
	other := *w
	other.stack = newStack(w.T.(*testing.T), w.db)
	return &other
}
