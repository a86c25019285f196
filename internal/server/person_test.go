package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/mail"
)

// One person seen through all windows: the contract system makes her through IntelAgree in an account of a partner, Conga
// Sign makes her a member of a signer group, the partner's program gets a token for her through Embed, the access list
// tells why she may what she may, and an administrator deactivates her in the console: her token and her session there end
// within a second, her lease at its next statement.
func TestOnePersonInAllWindows(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		data := t.TempDir()
		onePerson(t, config(t, "sqlite:"+filepath.Join(data, "test.db"), data))
	})
	t.Run("postgres", func(t *testing.T) { onePerson(t, config(t, dbtest.PostgresURL(t), t.TempDir())) })
}

const anna = "anna.smith@partnerdomain.com"

func onePerson(t *testing.T, c Config) {
	h := startHere(t, c)
	c.URL = h.url
	rooms, err := OpenRooms(t.Context(), c, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { rooms.Close() })
	v := newVendor(t, rooms, h.url, "EdDSA")
	v.register(rooms)
	must(t, rooms.Directory.SetPartner(t.Context(), v.partner, directory.PartnerChange{Settings: directory.Settings{MemberIdentification: directory.Link}}))
	o := office{vendor: v, rooms: rooms, account: v.newAccount("Customer", "US")}
	o.open()
	o.hire()
	w := &tenant{t: t, rooms: rooms, bearer: v.signer(rooms, o.account)}
	v.does(200, "POST", "/api/account/senders", w.bearer, map[string]any{"email": anna, "firstName": "Anna", "lastName": "Smith"})
	made := v.does(200, "POST", "/api/cs-groups", w.bearer, map[string]any{"name": "Approvers", "email": "approvers@example.com",
		"members": []any{map[string]any{"email": anna, "memberType": "MANAGER"}}})
	w.group.OuterID = v.str(made, "id")
	token := v.userToken(anna)
	v.does(200, "GET", "/api/rest/v6/baseUris", token, nil)
	o.explained()

	hers := newVisitor(t, h.url)
	hers.enterByMail(rooms, anna)
	if status := hers.status("/console"); status != http.StatusOK {
		t.Fatalf("her console answers %d", status)
	}
	w.send(h.url, 1)
	b := w.enterAs(h.url, anna)
	epoch := b.epoch()
	b.must("beat", map[string]any{"epoch": epoch})

	boss := newVisitor(t, h.url)
	boss.enterByMail(rooms, o.boss.Email)
	boss.presses("/console/accounts/"+o.account+"/users/"+o.anna+"/end", nil)
	since := time.Now()
	out, err := b.act("beat", map[string]any{"epoch": epoch})
	must(t, err)
	if out.Status < 400 {
		t.Errorf("the lease of a deactivated user goes on: %d", out.Status)
	}
	took := v.dies("/api/rest/v6/baseUris", token, since)
	session := hers.endsAt("/console/sessions", since)
	t.Logf("the lease ended at its next statement (%s); token dead after %d ms, session after %d ms", out.Error.What, took.Milliseconds(), session.Milliseconds())
	if took > oneSecond || session > oneSecond {
		t.Error("what she held outlived her by more than a second")
	}
	if s := o.list("?user_id=" + o.anna); s.body["total_results"] != float64(0) {
		t.Errorf("she is still among the active: %s", s.text)
	}
	if s := o.list("?status=inactive&user_id=" + o.anna); s.body["total_results"] != float64(1) {
		t.Errorf("she is not among the inactive: %s", s.text)
	}
}

// office is an account's administrator, with the keys of the contract system and of the access list.
type office struct {
	*vendor
	rooms                       *Rooms
	account                     string // outer id
	boss                        directory.User
	subscription, key, auditors string
	anna                        string // sender id
}

// open makes the administrator, presets and keys.
func (o *office) open() {
	o.t.Helper()
	ctx := o.t.Context()
	operator, err := o.rooms.OperatorOf(ctx, o.account)
	must(o.t, err)
	o.boss, _, err = o.rooms.Directory.InviteSender(ctx, operator, directory.NewUser{Email: "boss@partnerdomain.com", FirstName: "Bo", LastName: "Boss", Type: directory.Manager})
	must(o.t, err)
	view, err := o.rooms.Access.DefinePermission(ctx, operator, access.NewPermission{Name: "View Contracts"})
	must(o.t, err)
	_, err = o.rooms.Access.DefinePermission(ctx, operator, access.NewPermission{Name: "Delete Contracts"})
	must(o.t, err)
	_, err = o.rooms.Access.DefinePreset(ctx, operator, access.NewPreset{Name: "Contract Manager", Licence: directory.LicenceSalesforce,
		Contents: []access.Content{{Permission: view.Number}}})
	must(o.t, err)
	_, o.subscription, err = o.rooms.Authn.NewSubscription(ctx, o.account, "Contracts")
	must(o.t, err)
	_, o.key, err = o.rooms.Authn.NewAccountKey(ctx, o.account, o.boss.SenderID, "Contracts")
	must(o.t, err)
	_, o.auditors, _, err = o.rooms.Authn.NewAccessToken(ctx, operator, o.account, o.boss.SenderID, "Auditors", time.Hour)
	must(o.t, err)
}

// hire makes Anna through IntelAgree.
func (o *office) hire() {
	o.t.Helper()
	keys := []string{"ApiVersion", "2.0", "Ocp-Apim-Subscription-Key", o.subscription}
	token := o.str(o.does(200, "POST", "/api/Accounts", "", map[string]string{"accountKey": o.key}, keys...), "token")
	o.does(201, "POST", "/api/users", token, map[string]any{"name": "Anna Smith", "legalName": "Anna Maria Smith", "email": anna, "title": "Counsel",
		"businessKeys": []any{map[string]string{"type": "Salesforce", "value": "005A"}}, "permissionPresets": []string{"Contract Manager"},
		"userPermissions": []string{"Delete Contracts"}}, keys...)
	found := o.list("?email=" + url.QueryEscape(anna))
	users, _ := found.body["users"].([]any)
	if len(users) != 1 {
		o.t.Fatalf("the access list has her %d times: %s", len(users), found.text)
	}
	o.anna, _ = users[0].(map[string]any)["user_id"].(string)
}

func (o *office) list(query string) said {
	o.t.Helper()
	return o.does(200, "GET", "/v2/access/users"+query, o.auditors, nil)
}

// explained holds that every permission she has comes with the reason for it.
func (o *office) explained() {
	o.t.Helper()
	s := o.does(200, "GET", "/v2/access/users/"+o.anna, o.auditors, nil)
	var one struct {
		Permissions []string
		Effective   []struct {
			Name    string
			Reasons []struct {
				Via string
			}
		} `json:"effective_permissions"`
	}
	must(o.t, json.Unmarshal([]byte(s.text), &one))
	if want := []string{"Conga Sign User", "Contract Manager", "Delete Contracts", "Signer Group Manager"}; !slices.Equal(one.Permissions, want) {
		o.t.Errorf("she has %q, not %q", one.Permissions, want)
	}
	why := map[string]string{}
	for _, p := range one.Effective {
		for _, r := range p.Reasons {
			why[p.Name] += r.Via
		}
	}
	if want := map[string]string{"View Contracts": "permission_set", "Delete Contracts": "direct", "Send And Sign": "role"}; !maps.Equal(why, want) {
		o.t.Errorf("the reasons are %v, not %v", why, want)
	}
}

// visitor is a browser at the console.
type visitor struct {
	t    *testing.T
	base string
	http *http.Client
}

func newVisitor(t *testing.T, base string) *visitor {
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &visitor{t, base, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// does sends a form, or reads a page when there is none.
func (b *visitor) does(path string, form url.Values) (status int, page string) {
	b.t.Helper()
	answer, err := func() (*http.Response, error) {
		if form == nil {
			return b.http.Get(b.base + path)
		}
		return b.http.PostForm(b.base+path, form)
	}()
	must(b.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(b.t, err)
	return answer.StatusCode, string(text)
}

func (b *visitor) status(path string) int {
	b.t.Helper()
	status, _ := b.does(path, nil)
	return status
}

// presses loads a page and posts its form.
func (b *visitor) presses(path string, form url.Values) {
	b.t.Helper()
	status, page := b.does(path, nil)
	nonce := nonceForm.FindStringSubmatch(page)
	if status != http.StatusOK || nonce == nil {
		b.t.Fatalf("%s: %d %s", path, status, page)
	}
	if form == nil {
		form = url.Values{}
	}
	form.Set("nonce", nonce[1])
	path, _, _ = strings.Cut(path, "?")
	if status, page = b.does(path, form); status != http.StatusSeeOther {
		b.t.Fatalf("%s: %d %s", path, status, page)
	}
}

var signInLink = regexp.MustCompile(`/console/sign-in/link\?token=([A-Za-z0-9_-]+)`)

// enterByMail signs in by a link in a mail.
func (b *visitor) enterByMail(rooms *Rooms, email string) {
	b.t.Helper()
	must(b.t, rooms.Authn.SendSignInLink(b.t.Context(), email, ""))
	w := &tenant{t: b.t, rooms: rooms}
	m := w.mailed(email, func(m mail.MailboxMessage) bool { return signInLink.MatchString(m.Text) })
	token := signInLink.FindStringSubmatch(m.Text)[1]
	b.presses("/console/sign-in/link?token="+token, url.Values{"token": {token}})
}

// endsAt is how long after a moment a page is still shown.
func (b *visitor) endsAt(path string, since time.Time) time.Duration {
	b.t.Helper()
	for tick := time.Tick(10 * time.Millisecond); ; <-tick {
		sent := time.Now()
		if b.status(path) != http.StatusOK {
			return max(0, sent.Sub(since))
		}
		if time.Since(since) > 10*time.Second {
			b.t.Fatal("a session outlives its person")
		}
	}
}
