package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
)

// vendor is a partner's program at the Embed interface of a server.
type vendor struct {
	t          *testing.T
	base       string // of the server that is called
	host       string // Host header; "": the server's own
	id, secret string
	technical  string // id of the technical account
	token      string
	partner    string // as registered
	user       string // one that was made
}

// said is an answer of the Embed interface.
type said struct {
	status int
	body   map[string]any
	header http.Header
	text   string
}

// str is a member of the answer that must be a string, and not empty.
func (v *vendor) str(s said, name string) string {
	v.t.Helper()
	text, _ := s.body[name].(string)
	if text == "" {
		v.t.Fatalf("%d without %s: %s", s.status, name, s.text)
	}
	return text
}

// newVendor makes a technical account of an organisation that owns partnerdomain.com, on the operator's word.
func newVendor(t *testing.T, rooms *Rooms, base, alg string) *vendor {
	t.Helper()
	made, err := rooms.Authn.CreateTechnicalAccount(t.Context(), "Example Software", "Embed", alg)
	must(t, err)
	_, err = rooms.Directory.VouchDomain(t.Context(), "Example Software", "partnerdomain.com")
	must(t, err)
	return &vendor{t: t, base: base, id: made.ClientID, secret: made.ClientSecret, technical: made.ID}
}

const embedPath, authPath = "/api/gateway/signembed/v1/", "/api/gateway/adobesignauthservice/api/v1/"

// try sends a request; the body is a form, or anything else as JSON.
func (v *vendor) try(method, path, token string, in any, header ...string) (s said, err error) {
	var body io.Reader
	media := ""
	switch in := in.(type) {
	case nil:
	case url.Values:
		body, media = strings.NewReader(in.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(in)
		if err != nil {
			return s, err
		}
		body, media = bytes.NewReader(text), "application/json"
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, body)
	if err != nil {
		return s, err
	}
	r.Host = v.host
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	s = said{status: answer.StatusCode, header: answer.Header, text: string(text)}
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &s.body)
	}
	return s, err
}

// call is try that must come back.
func (v *vendor) call(method, path, token string, in any, header ...string) said {
	v.t.Helper()
	s, err := v.try(method, path, token, in, header...)
	if err != nil {
		v.t.Fatalf("%s %s: %v %s", method, path, err, s.text)
	}
	return s
}

// does is call with the status it must have.
func (v *vendor) does(want int, method, path, token string, in any, header ...string) said {
	v.t.Helper()
	s := v.call(method, path, token, in, header...)
	if s.status != want {
		v.t.Fatalf("%s %s: %d, want %d: %s", method, path, s.status, want, s.text)
	}
	return s
}

// credentials are the form of a technical token.
func (v *vendor) credentials() url.Values {
	var scopes []string
	for _, s := range authz.TechnicalScopes {
		scopes = append(scopes, string(s))
	}
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {v.id}, "client_secret": {v.secret}, "scope": {strings.Join(scopes, ",")}}
}

func (v *vendor) login() {
	v.t.Helper()
	v.token = v.str(v.does(200, "POST", "/ims/token/v3", "", v.credentials()), "access_token")
}

// register logs in, registers the partner and has the operator let it in.
func (v *vendor) register(rooms *Rooms) {
	v.t.Helper()
	v.login()
	made := v.does(201, "POST", embedPath+"partners", v.token, map[string]any{"name": "Example Software"})
	if v.partner = v.str(made, "id"); made.body["status"] != "INACTIVE" {
		v.t.Errorf("registered as %v", made.body["status"])
	}
	_, err := rooms.Directory.SetPartnerStatus(v.t.Context(), v.partner, directory.PartnerActive)
	must(v.t, err)
}

func (v *vendor) newAccount(name, country string) string {
	v.t.Helper()
	return v.str(v.does(201, "POST", embedPath+"accounts", v.token, map[string]any{"name": name, "countryCode": country}), "accountId")
}

// person is the body of a user.
func person(account, email string) map[string]any {
	return map[string]any{"email": email, "emailAlias": "bob@example.com", "firstName": "Bob", "lastName": "Smith", "accountId": account,
		"roles": []string{"ACCOUNT_ADMIN"}}
}

func (v *vendor) newUser(account, email string) string {
	v.t.Helper()
	return v.str(v.does(201, "POST", embedPath+"users", v.token, person(account, email)), "userId")
}

// subject is the unsigned JWT that names a user.
func subject(email string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"email":%q}`, email)) + "."
}

// exchange is the form of a user token.
func (v *vendor) exchange(email string) url.Values {
	return url.Values{"client_id": {v.id}, "client_secret": {v.secret}, "grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token": {subject(email)}, "subject_token_type": {"jwt"}, "actor_token": {v.token}, "actor_token_type": {"access_token"},
		"scope": {"sign_user_read,sign_user_write,agreement_read"}}
}

func (v *vendor) userToken(email string) string {
	v.t.Helper()
	return v.str(v.does(200, "POST", authPath+"token", "", v.exchange(email)), "access_token")
}

// dies waits until a GET with a token is answered with 401, and returns how long after since that was.
func (v *vendor) dies(path, token string, since time.Time) time.Duration {
	v.t.Helper()
	for tick := time.Tick(10 * time.Millisecond); ; <-tick {
		sent := time.Now()
		s := v.call("GET", path, token, nil)
		if s.status == http.StatusUnauthorized {
			return max(0, sent.Sub(since))
		}
		if time.Since(since) > 10*time.Second {
			v.t.Fatalf("a dead token still gets %d: %s", s.status, s.text)
		}
	}
}
