package acrobat

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

// The address of an INACTIVE user is nobody else's until he gets another one.
func TestInactiveKeepsAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		w := &world{stack: s, a: s.newTenant()}
		w.account = w.a.newAccount(0)
		body := w.newUserBody()
		id := w.postUser(body).Want(201).Text("userId")
		change := object{"id": id, "email": body["email"], "firstName": "John", "lastName": "Doe"}
		w.a.Put(usersPath+"/"+id, change.with("status", "INACTIVE").String()).Want(204)
		if got := w.postUser(body).Want(409).Text("code"); got != "USER_ALREADY_EXISTS" {
			t.Errorf("his address is given away: %s", got)
		}
		w.a.Put(usersPath+"/"+id, change.with("status", "ACTIVE").String()).Want(204)
		w.a.Put(usersPath+"/"+id, change.with("email", w.unique("moved")+"@"+w.a.domain).with("status", "INACTIVE").String()).Want(204)
		if heir := w.postUser(body).Want(201).Text("userId"); heir == id {
			t.Error("the heir of an address is the old user")
		}
	})
}

// An update keeps what was not sent and clears what was sent as null or empty.
func TestUpdateUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		w := &world{stack: s, a: s.newTenant()}
		w.account = w.a.newAccount(0)
		body := w.newUserBody()
		id := w.postUser(body).Want(201).Text("userId")
		at := usersPath + "/" + id
		base := object{"id": id, "email": body["email"], "firstName": "John", "lastName": "Doe"}
		full := string(w.a.Get(at).Want(200).Body)
		w.a.Put(at, base.String()).Want(204)
		if got := string(w.a.Get(at).Body); got != full {
			t.Errorf("absent members: %s became %s", full, got)
		}
		for _, empty := range []any{nil, ""} {
			for _, name := range []string{"emailAlias", "initials", "phone", "title", "company"} {
				w.a.Put(at, base.with(name, body[name]).String()).Want(204)
				w.a.Put(at, base.with(name, empty).String()).Want(204)
				if got := w.a.Get(at).Text(name); got != "" {
					t.Errorf("%s sent as %v is %q", name, empty, got)
				}
			}
		}
		for _, empty := range []any{nil, []string{}} {
			w.a.Put(at, base.with("roles", body["roles"]).String()).Want(204)
			w.a.Put(at, base.with("roles", empty).String()).Want(204)
			if got := w.a.Get(at).At("roles").([]any); len(got) != 0 {
				t.Errorf("roles sent as %v are %v", empty, got)
			}
		}
		w.a.Put(at, base.with("status", nil).with("accountId", nil).String()).Want(204)
		w.a.Put(at, base.with("accountId", w.account).with("status", "ACTIVE").with("firstName", "Jon").with("unknown", object{"x": 1}).String()).Want(204)
		if got := w.a.Get(at); got.Text("firstName") != "Jon" || got.Text("accountId") != w.account {
			t.Errorf("%s", got.Body)
		}
		// A new address: the old one ends at once, tokens go on with the same user.
		old := body["email"].(string)
		token := w.a.as(old, "openid")
		now := w.unique("jon") + "@" + w.a.domain
		w.a.Put(at, base.with("email", now).String()).Want(204)
		if got := verdict(w.form(tokenPath, w.a.exchangeForm(old, "openid"))); got != "403 PERMISSION_DENIED" {
			t.Errorf("the old address: %s", got)
		}
		token.Get(urisPath).Want(200)
		exact := strings.Repeat("x", 59-len(w.a.domain)) + "@" + w.a.domain // 60 characters
		w.a.Put(at, base.with("email", exact).String()).Want(204)
		w.a.Put(at, base.with("email", now).String()).Want(204)
		if got := w.postUser(w.newUserBody().with("email", exact)).Status; got != 201 || len(exact) != 60 {
			t.Errorf("an address of %d characters: %d", len(exact), got)
		}
		if got := claims(t, bearerOf(w.a.as(now, "openid")))["user_id"]; got != id {
			t.Errorf("the new address is %v's", got)
		}
	})
}

// Who is LOCKED, which the surface has no word for, is answered as INACTIVE.
func TestLockedUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		at := w.userPath(w.plain)
		if got := w.a.Get(at).Want(200).Text("status"); got != "ACTIVE" {
			t.Errorf("at first: %s", got)
		}
		w.exec(`update users set status = 'LOCKED' where sender_id = '` + w.plain.id + `'`)
		if got := w.a.Get(at).Want(200).Text("status"); got != "INACTIVE" {
			t.Errorf("locked: %s", got)
		}
	})
}

// Of two names in a question about migration the id counts.
func TestMigrationByID(t *testing.T) {
	w := newWorld(newStack(t, dbtest.SQLite(t)))
	for form, want := range map[string]string{"userId=" + w.plain.id + "&email=nobody%40example.com": "200", "userId=" + w.plain.id + "&email=no+address": "200",
		"userId=abcdefghijkl&email=" + url.QueryEscape(w.plain.email): "404 USER_NOT_FOUND"} {
		if got := verdict(w.a.Do(apitest.Call{Method: "POST", Path: statusPath, Media: formMedia, Body: []byte(form)})); got != want {
			t.Errorf("%s: %s, want %s", form, got, want)
		}
	}
}

// An update of an account merges; quotas that were not sent stay.
func TestUpdateAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		w := &world{stack: s, a: s.newTenant()}
		id := w.postAccount(w.newAccountBody()).Want(201).Text("accountId")
		at := accountsPath + "/" + id
		base := object{"id": id, "name": w.a.Get(at).Text("name")}
		full := string(w.a.Get(at).Body)
		for _, same := range []object{base, base.with("consumables", nil), base.with("consumables", []object{}), base.with("countryCode", "US"),
			base.with("countryCode", nil), base.with("consumables", []object{{"type": "KBA_ANNUAL", "attributes": object{"cap": 1, "total": 9}}}),
			base.with("consumables", []object{seats(json.RawMessage("1.0")), {"type": "KBA", "attributes": object{"cap": json.RawMessage("10e-1")}}})} {
			w.a.Put(at, same.String()).Want(204)
			if got := string(w.a.Get(at).Body); got != full {
				t.Errorf("%s: %s became %s", same, full, got)
			}
		}
		w.a.Put(at, base.with("company", nil).with("consumables", []object{{"type": "SEAT", "attributes": object{"cap": -1}}}).String()).Want(204)
		got := w.a.Get(at)
		if got.Text("company") != "" || got.At("consumables.0.attributes.cap") != -1.0 || got.At("consumables.1.attributes.cap") != 1.0 {
			t.Errorf("%s", got.Body)
		}
		bare := w.a.Get(accountsPath + "/" + w.a.Post(accountsPath, `{"name":"Bare","countryCode":"FR","company":null,"consumables":null}`).Want(201).Text("accountId"))
		if !strings.Contains(string(bare.Body), `"company":"","consumables":[],"countryCode":"FR"`) {
			t.Errorf("%s", bare.Body)
		}
	})
}

// Pages of accounts: each account once, the newest last.
func TestAccountPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		o := s.newTenant()
		var made []string
		for range 5 {
			made = append(made, o.newAccount(0))
		}
		var seen []string
		for _, page := range []string{"0", "1", "2", "3"} {
			var got struct {
				AccountList []struct{ AccountId, Name, Created string }
			}
			o.Get(accountsPath + "?pageSize=2&pageNumber=" + page).Want(200).Into(&got)
			for _, a := range got.AccountList {
				seen = append(seen, a.AccountId)
				if !isDate.MatchString(a.Created) || a.Name == "" {
					t.Errorf("%+v", a)
				}
			}
		}
		if strings.Join(seen, " ") != strings.Join(made, " ") {
			t.Errorf("saw %q, made %q", seen, made)
		}
		for range 16 {
			o.newAccount(0)
		}
		for query, want := range map[string]int{"": 20, "?pageNumber=1": 1, "?pageSize=100": 21} {
			if got := o.Get(accountsPath + query).Want(200).At("accountList").([]any); len(got) != want {
				t.Errorf("%s: %d accounts, want %d", query, len(got), want)
			}
		}
		for query, want := range map[string]string{"?isLegacy=true": `{"accountList":[]}`, "?pageNumber=9": `{"accountList":[]}`, "?pageNumber=1073741823&pageSize=100": `{"accountList":[]}`} {
			if got := o.Get(accountsPath + query).Want(200); string(got.Body) != want {
				t.Errorf("%s: %s", query, got.Body)
			}
		}
	})
}

var isDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)

// Dates have whole seconds; access points end with a slash and templates add one; a trailing slash is taken.
func TestPathsAndDates(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	o := s.newTenant()
	account := o.newAccount(0)
	bob := o.newUser(account)
	for _, path := range []string{accountsPath + "/" + account, "/" + accountsPath + "/" + account, accountsPath + "/" + account + "/", "/" + usersPath + "/" + bob.id} {
		if got := o.Get(path).Want(200).Text("created"); !isDate.MatchString(got) {
			t.Errorf("%s: %s", path, got)
		}
	}
	s.form("/"+tokenPath, o.exchangeForm(bob.email, "openid")).Want(200)
	s.form("/"+imsPath+"/v3", o.imsForm("")).Want(200)
	o.Get("/" + urisPath).Want(200)
	o.Get("/" + restPath + "/users").Want(404)
	for _, path := range []string{accountsPath, "/" + accountsPath, imsPath + "/v2", tokenPath, restPath, gateway, "/" + gateway + "/x", "///api/rest/v6/x"} {
		if got, ok := claim(path); !ok || strings.HasPrefix(got, "//") {
			t.Errorf("%s is claimed: %v, as %s", path, ok, got)
		}
	}
	for _, path := range []string{"/api", "/api/rest/v7/x", "/api/rest/v6x", "/api/gatewayx", "/imsx", "/", "//", "/API/REST/v6/x", "/ims/token2", "/api/account"} {
		if _, ok := claim(path); ok {
			t.Errorf("%s is claimed", path)
		}
	}
}

// T7: however many slashes a path begins with or has inside, nothing is redirected: the query, which may hold a secret, would be in Location.
func TestT7NothingRedirects(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	o := s.newTenant()
	query := "?" + o.imsForm("").Encode()
	for path, want := range map[string]int{
		imsPath + "/v3": 200, "/" + imsPath + "/v3": 200, "//" + imsPath + "/v3": 200, "/////" + imsPath + "/v3/": 200,
		"/ims//token/v3": 404, "/ims/token//v3": 404, "/./ims/token/v3": 404, "/x/../ims/token/v3": 404, "/IMS/token/v3": 404,
	} {
		got := s.Do(apitest.Call{Method: "POST", Path: path + query})
		if got.Status != want || got.Header.Get("Location") != "" || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %d, Location %q: %s", path, got.Status, got.Header.Get("Location"), got.Body)
		}
	}
	if got := o.Get("///" + accountsPath); got.Status != 200 {
		t.Errorf("many slashes: %d", got.Status)
	}
	if strings.Contains(s.log.String(), o.account.ClientSecret) {
		t.Error("the log has the secret")
	}
}

// The vendor's query URL works with whatever media type is sent beside it, as long as there is no body.
func TestTechnicalTokenByQuery(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	o := s.newTechnical()
	for _, media := range []string{"", "application/json", "text/plain; charset=latin1", formMedia} {
		for _, body := range [][]byte{nil, {}} {
			s.Do(apitest.Call{Method: "POST", Path: imsPath + "/v3?" + o.imsForm("").Encode(), Media: media, Body: body}).Want(200)
		}
		request, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+imsPath+"/v3?"+o.imsForm("").Encode(), io.MultiReader()) // of unknown length: sent in chunks
		must(t, err)
		request.Header.Set("Content-Type", media)
		answer, err := http.DefaultClient.Do(request)
		must(t, err)
		must(t, answer.Body.Close())
		if answer.StatusCode != 200 {
			t.Errorf("%q, chunks: %d", media, answer.StatusCode)
		}
	}
}

// What validate tells: of a technical token too, more to who has the secret, nothing about others' tokens.
func TestValidate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(newStack(t, d))
		user := bearerOf(w.a.as(w.plain.email, "openid,AdobeID"))
		ask := func(client, secret, token string) string {
			form := url.Values{"client_id": {client}, "token": {token}, "type": {"access_token"}}
			if secret != "" {
				form.Set("client_secret", secret)
			}
			return string(w.form(validatePath, form).Want(200).Body)
		}
		a := w.a.account
		for what, token := range map[string]string{"user": user, "technical": bearerOf(w.a.Client)} {
			if got := ask(a.ClientID, "", token); !regexp.MustCompile(`^\{"valid":true,"expires_at":\d{10}\}$`).MatchString(got) {
				t.Errorf("%s: %s", what, got)
			}
			if got := ask(a.ClientID, "wrong", token); !regexp.MustCompile(`^\{"valid":true,"expires_at":\d{10}\}$`).MatchString(got) {
				t.Errorf("%s, wrong secret: %s", what, got)
			}
			got := ask(a.ClientID, a.ClientSecret, token)
			for _, member := range []string{`"client_id":"` + a.ClientID + `"`, `"user_id":`, `"id":`, `"type":"access_token"`, `"scope":"`} {
				if !strings.Contains(got, member) {
					t.Errorf("%s, with the secret: no %s in %s", what, member, got)
				}
			}
		}
		for what, got := range map[string]string{"other client": ask(w.b.account.ClientID, "", user), "unknown client": ask("x", "", user),
			"garbage": ask(a.ClientID, a.ClientSecret, "x"), "this house's": ask(a.ClientID, "", bearerOf(w.member()))} {
			if got != `{"valid":false}` {
				t.Errorf("%s: %s", what, got)
			}
		}
		// Whoever is wrong about the client ends nothing, and is not told.
		for _, form := range []url.Values{{"client_id": {a.ClientID}, "client_secret": {"wrong"}}, {"client_id": {w.b.account.ClientID}, "client_secret": {w.b.account.ClientSecret}}, {}} {
			form["token"], form["token_type"] = []string{user}, []string{"access_token"}
			if got := w.form(endPath, form).Want(200); string(got.Body) != `{}` {
				t.Errorf("%s", got.Body)
			}
		}
		if got := ask(a.ClientID, "", user); !strings.Contains(got, `"valid":true`) {
			t.Errorf("ended by others: %s", got)
		}
		d.Shift(6 * time.Minute) // the user's token expires, the technical account's does not
		w.until(func() bool { return strings.HasPrefix(ask(a.ClientID, "", user), `{"valid":false`) })
		for _, secret := range []string{"", "wrong", a.ClientSecret} {
			if got := ask(a.ClientID, secret, user); !regexp.MustCompile(`^\{"valid":false,"expires_at":\d{10}\}$`).MatchString(got) {
				t.Errorf("expired: %s", got)
			}
			if got := ask(w.b.account.ClientID, secret, user); got != `{"valid":false}` {
				t.Errorf("expired, to another client: %s", got)
			}
		}
		if got := ask(a.ClientID, "", bearerOf(w.a.Client)); !strings.Contains(got, `"valid":true`) {
			t.Errorf("the technical token: %s", got)
		}
	})
}

// Secrets stay out of the log, wherever they were sent; the request id is in every line and audit event.
func TestT7LogAndRequestID(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		o := s.newTenant()
		bob := o.newUser(o.newAccount(0))
		query := "?" + o.imsForm("openid").Encode()
		header := map[string]string{"X-Request-Id": "track-7/!~"}
		var secrets []string
		for _, c := range []apitest.Call{
			{Method: "POST", Path: imsPath + "/v2" + query},
			{Method: "POST", Path: imsPath + "/v2" + query + "&x=%zz"},
			{Method: "GET", Path: imsPath + "/v2" + query},
			{Method: "POST", Path: imsPath + "/v9" + query},
			{Method: "POST", Path: imsPath + "/v2" + query, Media: formMedia, Body: []byte(o.imsForm("openid").Encode())},
			{Method: "POST", Path: tokenPath, Media: formMedia, Body: []byte(o.exchangeForm(bob.email, "openid").Encode())},
			{Method: "POST", Path: tokenPath, Media: formMedia, Body: []byte(o.exchangeForm(bob.email, "x").Encode() + "&a=%z")},
			{Method: "POST", Path: tokenPath + "?" + o.exchangeForm(bob.email, "openid").Encode()},
		} {
			c.Header = header
			a := s.Do(c)
			if got := a.Header.Get("X-Request-Id"); got != header["X-Request-Id"] {
				t.Errorf("%s %s: request id %q", c.Method, c.Path, got)
			}
			if a.Status == http.StatusOK {
				secrets = append(secrets, a.Text("access_token"))
			}
		}
		secrets = append(secrets, o.account.ClientSecret, bearerOf(o.Client), subject(bob.email), bob.email)
		log := s.log.String()
		for _, secret := range secrets {
			if strings.Contains(log, secret) {
				t.Errorf("the log has %s", secret)
			}
		}
		if n := strings.Count(log, "client secret came in the query"); n != 2 {
			t.Errorf("%d warnings", n)
		}
		if n := strings.Count(log, `"request_id":"track-\u003c7\u003e/!~"`) + strings.Count(log, `"request_id":"track-7/!~"`); n != 8+2 {
			t.Errorf("%d lines with the request id in %s", n, log)
		}
		id := o.Do(apitest.Call{Method: "POST", Path: accountsPath, Body: []byte(`{"name":"Tracked","countryCode":"US"}`), Header: header}).Want(201).Text("accountId")
		must(t, d.Read(t.Context(), func(tx *db.Tx) error {
			event, err := db.One[[]byte](tx, `select e.canonical from audit_events e join accounts a on a.id = e.account where a.outer_id = $1`, id)
			if err == nil && !bytes.Contains(event, []byte(header["X-Request-Id"])) {
				t.Errorf("the audit event is %s", event)
			}
			return err
		}))
	})
}

// What no test can provoke at the door: too many calls, and a database that is away.
func TestRefusalsOfLoad(t *testing.T) {
	paths := map[string]string{"ims": imsPath + "/v2", "v6": urisPath, "token": tokenPath, "anywhere": accountsPath}
	kinds := map[string]errs.Kind{"429": errs.Limited, "503": errs.Unavailable}
	n := 0
	for _, row := range apitest.Errors(t, "errors.tsv") {
		if row["test"] != "TestRefusalsOfLoad" {
			continue
		}
		n++
		answer := refuse(paths[row["endpoint"]], errs.New(kinds[row["status"]], "anything", ""))
		text, err := json.Marshal(answer.JSON)
		must(t, err)
		var body map[string]any
		must(t, json.Unmarshal(text, &body))
		code, twin, _ := strings.Cut(row["code"], " ")
		want := map[string]any{"code": code, "message": row["message"]}
		switch row["endpoint"] {
		case "ims":
			want = map[string]any{"error": code, "error_description": row["message"]}
		case "token":
			want["error"], want["error_description"] = twin, row["message"]
		case "v6":
			if row["status"] == "429" {
				want["retryAfter"] = 1.0
			}
		}
		if strconv.Itoa(answer.Status) != row["status"] || !reflect.DeepEqual(body, want) {
			t.Errorf("%v: %d %s", row, answer.Status, text)
		}
	}
	if n != 8 {
		t.Errorf("%d rows", n)
	}
}
