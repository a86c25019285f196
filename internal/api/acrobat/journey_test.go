package acrobat

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// claims of a token, unchecked.
func claims(t testing.TB, token string) (c map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %s", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	must(t, json.Unmarshal(payload, &c))
	return c
}

// The order of use that the vendor's documentation gives, every route once,
// against the golden samples: technical token, base URIs, registration, the
// operator's activation, account, user, exchange, validation; then changes, and
// a token that ends.
func TestJourney(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		j := newTraveller(t, d)
		technical := j.token()
		j.register()
		account := j.accounts()
		user := j.users(account)
		j.exchange(user)
		j.end(technical)

		var patterns []string
		for _, route := range New(Config{Points: []AccessPoint{onePoint}}).Routes {
			patterns = append(patterns, route.Pattern())
		}
		if missing := j.Golden.Unseen(patterns); missing != nil {
			t.Errorf("routes without a golden sample: %q", missing)
		}
	})
}

// traveller makes the journey; his client records samples.
type traveller struct {
	*tenant
	t *testing.T
}

func newTraveller(t *testing.T, d *dbtest.DB) *traveller {
	s := newStack(t, d)
	o := &tenant{stack: s, organisation: "Partner Org", domain: "partnerdomain.com"}
	o.technical()
	for _, domain := range []string{"partnerdomain.com", "partnerdomain.us"} {
		_, err := s.dir.VouchDomain(t.Context(), o.organisation, domain)
		must(t, err)
	}
	s.Golden = apitest.NewGolden("testdata")
	s.Golden.Name("technicalToken", strings.TrimPrefix(o.Authorization, "Bearer "))
	s.Golden.Name("clientId", o.account.ClientID)
	s.Golden.Name("clientSecret", o.account.ClientSecret)
	s.Golden.Name("technicalAccountId", url.QueryEscape(o.account.ID))
	s.Golden.Name("technicalAccountId", o.account.ID)
	o.Golden = s.Golden
	return &traveller{o, t}
}

// post is a golden call of a route with a form or, without a media type, JSON.
func (j *traveller) post(path, media, body string, learn map[string]string) apitest.Answer {
	j.t.Helper()
	return j.Do(apitest.Call{Route: "POST " + path, Method: "POST", Path: path, Media: media, Body: []byte(body), Learn: learn})
}

func (j *traveller) token() string {
	form := j.imsForm("sign_user_read,sign_user_write,sign_account_read,sign_account_write,sign_oem_user_impersonate").Encode()
	made := j.post(imsPath+"/v2", formMedia, form, map[string]string{"otherToken": "access_token"}).Want(200)
	if made.At("expires_in") != 86399.0 || made.Text("token_type") != "bearer" {
		j.t.Errorf("token: %s", made.Body)
	}
	token := j.Do(apitest.Call{Route: "POST " + imsPath + "/v3", Method: "POST", Path: imsPath + "/v3?" + form,
		Learn: map[string]string{"otherToken": "access_token"}}).Want(200).Text("access_token")
	j.Do(apitest.Call{Route: "GET " + urisPath, Method: "GET", Path: urisPath}).Want(200)
	j.Do(apitest.Call{Route: urisPath, Method: "PUT", Path: urisPath}).Want(405)
	j.Do(apitest.Call{Route: restPath + "/{rest...}", Method: "GET", Path: restPath + "/agreements"}).Want(404)
	return token
}

func (j *traveller) register() {
	registered := j.post(partnersPath, "", `{"name":"Partner Name","domains":["partnerdomain.com","partnerdomain.us"]}`,
		map[string]string{"partnerId": "id", "orgGuid": "orgGuid"}).Want(201)
	j.partner = registered.Text("id")
	j.Post(accountsPath, `{"name":"TooEarly","countryCode":"US"}`).Want(403)
	j.activate(directory.PartnerActive)
}

func (j *traveller) accounts() string {
	account := j.post(accountsPath, "", `{
  "name": "SignEmbedTestAccount",
  "company": "Sign Embed Test Account",
  "countryCode": "US",
  "consumables": [
    {"type": "SEATS", "attributes": {"cap": 1}},
    {"type": "PHONE_AUTH", "attributes": {"cap": 1}},
    {"type": "KBA", "attributes": {"cap": 1}}
  ]
}`, map[string]string{"accountId": "accountId"}).Want(201).Text("accountId")
	one := accountsPath + "/" + account
	j.Do(apitest.Call{Route: "PUT " + accountsPath + "/{accountId}", Method: "PUT", Path: one, Body: fmt.Appendf(nil, `{
  "id": %q,
  "name": "SignEmbedTestAccountUpdated",
  "company": "Sign Embed Test Account Updated",
  "consumables": [
    {"type": "SEATS", "attributes": {"cap": 10}},
    {"type": "PHONE_AUTH", "attributes": {"cap": 10}},
    {"type": "KBA", "attributes": {"cap": 10}}
  ]
}`, account)}).Want(204)
	j.Do(apitest.Call{Route: "GET " + accountsPath + "/{accountId}", Method: "GET", Path: one}).Want(200)
	j.Do(apitest.Call{Route: "GET " + accountsPath, Method: "GET", Path: accountsPath + "?pageNumber=0&pageSize=20"}).Want(200)
	return account
}

const bobsAddress = "johndoe_joesbikeshop@partnerdomain.com"

func (j *traveller) users(account string) string {
	user := j.post(usersPath, "", fmt.Sprintf(`{
  "firstName": "John",
  "lastName": "Doe",
  "email": %q,
  "emailAlias": "johndoe@joesbikeshop.example.com",
  "accountId": %q,
  "status": "ACTIVE",
  "initials": "JD",
  "phone": "12345678111",
  "title": "SDE",
  "company": "Joes Bike Shop",
  "roles": ["ACCOUNT_ADMIN", "PRIVACY_ADMIN"]
}`, bobsAddress, account), map[string]string{"userId": "userId"}).Want(201).Text("userId")
	one := usersPath + "/" + user
	j.Do(apitest.Call{Route: "GET " + usersPath + "/{userId}", Method: "GET", Path: one}).Want(200)
	j.post(statusPath, formMedia, "email="+url.QueryEscape(bobsAddress), nil).Want(200)
	return user
}

func (j *traveller) exchange(user string) {
	form := j.exchangeForm(bobsAddress, "agreement_read,sign_user_read,sign_user_write")
	j.Golden.Name("subjectToken", form.Get("subject_token"))
	made := j.post(tokenPath, formMedia, form.Encode(), map[string]string{"userToken": "access_token"}).Want(200)
	if made.At("expires_in") != 300.0 || made.Text("token_type") != "access_token" || made.Text("scope") != form.Get("scope") {
		j.t.Errorf("user token: %s", made.Body)
	}
	token := made.Text("access_token")
	said := claims(j.t, token)
	if said["user_id"] != user || said["iss"] != "oem-prod" || said["aud"] != "OEM PARTNERS" || said["scope"] != form.Get("scope") || said["expires_in"] != 300.0 {
		j.t.Errorf("claims %v", said)
	}
	j.Golden.Name("expiresAt", strconv.FormatFloat(said["exp"].(float64), 'f', 0, 64))
	check := func() apitest.Answer { // as the vendor's sample asks: without the secret
		return j.form(validatePath, url.Values{"client_id": {j.account.ClientID}, "token": {token}, "type": {"access_token"}})
	}
	valid := j.post(validatePath, formMedia, url.Values{"client_id": {j.account.ClientID}, "token": {token}, "type": {"access_token"}}.Encode(), nil).Want(200)
	if valid.At("valid") != true || valid.At("expires_at") != said["exp"] {
		j.t.Errorf("validation: %s", valid.Body)
	}
	admin := j.stack.As("Bearer " + token)
	one := usersPath + "/" + user
	if got := admin.Get(one).Want(200).Text("status"); got != "ACTIVE" {
		j.t.Errorf("status %s", got)
	}
	j.Do(apitest.Call{Route: "PUT " + usersPath + "/{userId}", Method: "PUT", Path: one, Body: fmt.Appendf(nil,
		`{"id":%q,"firstName":"John","lastName":"Doe","email":%q,"status":"INACTIVE"}`, user, bobsAddress)}).Want(204)
	j.until(func() bool { return check().Want(200).At("valid") == false })
	if a := admin.Get(one).Want(401); a.Text("code") != "INVALID_ACCESS_TOKEN" {
		j.t.Errorf("a deactivated user's token: %s", a.Body)
	}
	if got := j.Get(one).Want(200).Text("status"); got != "INACTIVE" {
		j.t.Errorf("status %s", got)
	}
	j.form(tokenPath, form).Want(403)
}

// until waits for what every replica must know within a second.
func (s *stack) until(done func() bool) {
	s.T.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		if done() {
			return
		}
	}
	s.T.Fatal("it did not come to pass")
}

// end takes the other technical token back.
func (j *traveller) end(token string) {
	form := url.Values{"client_id": {j.account.ClientID}, "client_secret": {j.account.ClientSecret}, "token": {token}, "token_type": {"access_token"}}
	other := j.stack.As("Bearer " + token)
	other.Get(accountsPath).Want(200)
	j.post(endPath, formMedia, form.Encode(), nil).Want(200)
	other.Get(accountsPath).Want(401)
	form.Set("type", "access_token")
	if a := j.form(validatePath, form).Want(200); a.At("valid") != false {
		j.t.Errorf("a token taken back: %s", a.Body)
	}
}
