package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/server"
)

// commandEnv makes the test binary run as the command.
const commandEnv = "COUNTERSIGN_TEST_COMMAND"

// operator works at a terminal beside a running server.
type operator struct {
	t        *testing.T
	database []string // flags that name the database
	url      string   // of the server
	scratch  string
}

// onEngines runs a test beside a server on SQLite and beside one on PostgreSQL.
func onEngines(t *testing.T, test func(*testing.T, *operator)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newOperator(t, "")) })
	t.Run("postgres", func(t *testing.T) { test(t, newOperator(t, dbtest.PostgresURL(t))) })
}

func newOperator(t *testing.T, database string) *operator {
	t.Helper()
	data := t.TempDir()
	o := &operator{t: t, database: []string{"--data", data}, scratch: t.TempDir()}
	if database != "" {
		o.database = append(o.database, "--database", database)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.url = "http://" + listener.Addr().String()
	s, err := server.Open(t.Context(), server.Config{Listen: listener.Addr().String(), Data: data, Database: database, Mailbox: true,
		MailFrom: "sign@example.com", MaxDocument: 16, Product: "Countersign", ShutdownAfter: 10 * time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// run runs a command and returns what it printed.
func (o *operator) run(args ...string) (status int, out, complaint string) {
	o.t.Helper()
	cmd := exec.Command(os.Args[0], append(args, o.database...)...)
	cmd.Env = append(os.Environ(), commandEnv+"=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		o.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// does runs a command that must succeed and say nothing but its answer.
func (o *operator) does(args ...string) string {
	o.t.Helper()
	status, out, complaint := o.run(args...)
	if status != 0 || complaint != "" {
		o.t.Fatalf("%v exits with %d: %s", args, status, complaint)
	}
	return out
}

// tells runs a command with --json.
func (o *operator) tells(args ...string) map[string]any {
	o.t.Helper()
	var members map[string]any
	if text := o.does(append(args, "--json")...); json.Unmarshal([]byte(text), &members) != nil {
		o.t.Fatalf("%v prints %s", args, text)
	}
	return members
}

// lists runs a list with --json, and checks that its table has as many rows.
func (o *operator) lists(args ...string) []map[string]any {
	o.t.Helper()
	var rows []map[string]any
	if text := o.does(append(args, "--json")...); json.Unmarshal([]byte(text), &rows) != nil || rows == nil {
		o.t.Fatalf("%v prints %s", args, text)
	}
	if n := strings.Count(o.does(args...), "\n") - 1; n != len(rows) {
		o.t.Errorf("the table of %v has %d rows, the array %d", args, n, len(rows))
	}
	return rows
}

// refused runs a command that must end with 1 and one sentence that holds why.
func (o *operator) refused(why string, args ...string) {
	o.t.Helper()
	status, out, complaint := o.run(args...)
	if status != 1 || out != "" || strings.Count(complaint, "\n") != 1 || !strings.HasPrefix(complaint, "countersign: ") ||
		!strings.Contains(complaint, why) {
		o.t.Errorf("%v exits with %d, prints %q and complains %q, which should say %q", args, status, out, complaint, why)
	}
}

// call asks the running server; a body that is a form goes out as one.
func (o *operator) call(method, path, token string, body any) (status int, members map[string]any) {
	o.t.Helper()
	media, text := "application/json", []byte(nil)
	if form, ok := body.(url.Values); ok {
		media, text = "application/x-www-form-urlencoded", []byte(form.Encode())
	} else if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			o.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.url+path, bytes.NewReader(text))
	if err != nil {
		o.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", media)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	_ = json.Unmarshal(all, &members) // an empty body has none
	return answer.StatusCode, members
}

// token of a technical account.
func (o *operator) token(id, secret string) (status int, token string) {
	o.t.Helper()
	var scopes []string
	for _, s := range authz.TechnicalScopes {
		scopes = append(scopes, string(s))
	}
	status, members := o.call("POST", "/ims/token/v3", "", url.Values{"grant_type": {"client_credentials"}, "client_id": {id},
		"client_secret": {secret}, "scope": {strings.Join(scopes, ",")}})
	token, _ = members["access_token"].(string)
	return status, token
}

func text(t *testing.T, members map[string]any, name string) string {
	t.Helper()
	s, ok := members[name].(string)
	if !ok || s == "" {
		t.Fatalf("no %s in %v", name, members)
	}
	return s
}

const vendorName = "Example Software"

// newVendor makes a technical account whose organisation owns partnerdomain.com, and registers it as a partner.
func (o *operator) newVendor() (id, secret, token, partner string) {
	o.t.Helper()
	made := o.tells("client", "create", "--technical", "--organisation", vendorName, "--name", "Embed")
	id, secret = text(o.t, made, "client_id"), text(o.t, made, "client_secret")
	if !strings.Contains(text(o.t, made, "technical_account_id"), "@techacct.invalid") {
		o.t.Errorf("the technical account is %v", made)
	}
	o.does("domain", "vouch", "--organisation", vendorName, "partnerdomain.com")
	_, token = o.token(id, secret)
	status, registered := o.call("POST", "/api/gateway/signembed/v1/partners", token, map[string]any{"name": "Example"})
	if status != 201 {
		o.t.Fatalf("register: %d %v", status, registered)
	}
	return id, secret, token, text(o.t, registered, "id")
}

// A domain is proven by its record in the DNS, or by the operator's word; the record is printed as it must be published.
func TestDomainCommands(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		dns := startNameServer(t)
		o.refused("There is no such organisation", "domain", "add", "--organisation", vendorName, "partnerdomain.com")
		o.refused("There is no such organisation", "domain", "list", "--organisation", vendorName)
		o.does("client", "create", "--technical", "--organisation", vendorName)
		if rows := o.lists("domain", "list", "--organisation", vendorName); len(rows) != 0 {
			t.Errorf("a new organisation has the domains %v", rows)
		}
		claimed := o.tells("domain", "add", "--organisation", vendorName, "PartnerDomain.com")
		record := text(t, claimed, "txt_record")
		if claimed["domain"] != "partnerdomain.com" || claimed["status"] != "claimed" ||
			!strings.HasPrefix(record, "countersign-domain-verification=") || len(record) != len("countersign-domain-verification=")+64 {
			t.Errorf("claimed: %v", claimed)
		}
		if out := o.does("domain", "add", "--organisation", vendorName, "partnerdomain.com"); !strings.Contains(out, `partnerdomain.com. IN TXT "`+record+`"`) {
			t.Errorf("the record is printed as %s", out)
		}
		verify := []string{"domain", "verify", "--organisation", vendorName, "--resolver", dns.address, "partnerdomain.com"}
		o.refused(record, verify...)
		o.refused("the DNS could not be asked", "domain", "verify", "--organisation", vendorName, "--resolver", closedPort(t), "partnerdomain.com")
		dns.publish("partnerdomain.com.", "v=spf1 -all")
		o.refused(record, verify...)
		dns.publish("partnerdomain.com.", "v=spf1 -all", record+"0")
		o.refused(record, verify...)
		dns.publish("partnerdomain.com.", "v=spf1 -all", record)
		if proven := o.tells(verify...); proven["status"] != "proven" || proven["how"] != "dns" {
			t.Errorf("proven: %v", proven)
		}
		if n := dns.asked.Load(); n < 4 {
			t.Errorf("the name server was asked %d times", n)
		}
		o.refused("", "domain", "verify", "--organisation", vendorName, "--resolver", dns.address, "partnerdomain.us") // never claimed
		if vouched := o.tells("domain", "vouch", "--organisation", vendorName, "partnerdomain.us"); vouched["how"] != "operator" {
			t.Errorf("vouched: %v", vouched)
		}
		for _, bad := range []string{"com", "co.uk", "not a domain", "x-.com", "someone@partnerdomain.com"} {
			o.refused("A domain is", "domain", "vouch", "--organisation", vendorName, bad)
		}
		o.does("client", "create", "--technical", "--organisation", "Another Vendor")
		o.refused("Another organisation has proved", "domain", "vouch", "--organisation", "Another Vendor", "partnerdomain.com")
		if rows := o.lists("domain", "list", "--organisation", vendorName); len(rows) != 2 || rows[0]["domain"] != "partnerdomain.com" {
			t.Errorf("the domains are %v", rows)
		}
	})
}

// A partner is let in and shut out while the server runs, with effect at its next call.
func TestPartnerCommands(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		if rows := o.lists("partner", "list"); len(rows) != 0 {
			t.Errorf("a new server has the partners %v", rows)
		}
		o.refused("There is no such partner", "partner", "activate", "nobody")
		id, _, token, partner := o.newVendor()
		create := func(name string) (int, map[string]any) {
			return o.call("POST", "/api/gateway/signembed/v1/accounts", token, map[string]any{"name": name, "countryCode": "US"})
		}
		if status, answer := create("Early"); status != 403 || answer["code"] != "AUTHENTICATION_FAILED" {
			t.Errorf("before the activation: %d %v", status, answer)
		}
		if done := o.tells("partner", "activate", partner); done["status"] != "ACTIVE" || !strings.Contains(text(t, done, "note"), "need not be signed") {
			t.Errorf("activated: %v", done)
		}
		status, account := create("Customer")
		if status != 201 {
			t.Fatalf("after the activation: %d %v", status, account)
		}
		if again := o.does("partner", "activate", partner); !strings.Contains(again, "\nnote    subject tokens need not be signed") {
			t.Errorf("activated again: %q", again)
		}
		if table := o.does("partner", "list"); !strings.Contains(table, "unsigned subject tokens") {
			t.Errorf("listed: %s", table)
		}
		rows := o.lists("partner", "list")
		if len(rows) != 1 || rows[0]["id"] != partner || rows[0]["status"] != "ACTIVE" || rows[0]["client_id"] != id || rows[0]["organisation"] != vendorName {
			t.Errorf("listed: %v", rows)
		}
		o.setPartner(partner, text(t, account, "accountId"))
		o.does("partner", "deactivate", partner)
		if status, answer := create("Late"); status != 403 || answer["code"] != "AUTHENTICATION_FAILED" {
			t.Errorf("after the deactivation: %d %v", status, answer)
		}
	})
}

// setPartner changes the channel, and an account below it.
func (o *operator) setPartner(partner, account string) {
	o.t.Helper()
	picture := filepath.Join(o.scratch, "logo.png")
	var logo bytes.Buffer
	if err := png.Encode(&logo, image.NewGray(image.Rect(0, 0, 40, 20))); err != nil {
		o.t.Fatal(err)
	}
	keys := filepath.Join(o.scratch, "keys.json")
	bad := filepath.Join(o.scratch, "bad")
	for path, content := range map[string][]byte{picture: logo.Bytes(), bad: []byte("GIF89a"),
		keys: []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
			"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
	o.does("partner", "set", partner, "--soft-lease", "1m", "--member-identification", "new browser", "--remind-at-most", "3",
		"--sender-name", "Example Sign", "--logo", picture, "--require-signed-subject-token", "--subject-keys", keys)
	row := o.lists("partner", "list")[0]
	for name, want := range map[string]any{"soft_lease": "1m", "member_identification": "new browser", "remind_at_most": 3.0,
		"sender_name": "Example Sign", "require_signed_subject_token": true, "subject_keys": true} {
		if row[name] != want {
			o.t.Errorf("%s is %v, want %v", name, row[name], want)
		}
	}
	before := o.does("partner", "list", "--json")
	o.refused("nothing to change", "partner", "set", partner)
	o.refused("A logo is", "partner", "set", partner, "--soft-lease", "30s", "--logo", bad)
	o.refused("JSON Web Key Set", "partner", "set", partner, "--soft-lease", "30s", "--subject-keys", bad)
	o.refused("soft_lease", "partner", "set", partner, "--sender-name", "New", "--soft-lease", "25h")
	o.refused("no such file", "partner", "set", partner, "--logo", filepath.Join(o.scratch, "missing"))
	o.refused("There is no such partner", "partner", "set", "nobody", "--soft-lease", "30s")
	if after := o.does("partner", "list", "--json"); after != before {
		o.t.Errorf("a refused change changed\n%sto\n%s", before, after)
	}
	o.does("domain", "vouch", "--organisation", vendorName, "partnerdomain.us")
	for _, c := range []struct {
		domain string
		want   int
	}{{"all", 2}, {"partnerdomain.us", 1}, {"partnerdomain.com,partnerdomain.us", 2}, {"partnerdomain.com", 1}} {
		o.does("partner", "set", partner, "--domain", c.domain)
		if got := o.lists("partner", "list")[0]["domains"].([]any); len(got) != c.want {
			o.t.Errorf("--domain %s leaves %v", c.domain, got)
		}
	}
	o.refused("not proved", "partner", "set", partner, "--domain", "example.com")
	if table := o.does("partner", "list"); strings.Contains(table, "unsigned") || !strings.Contains(table, "signed subject tokens") {
		o.t.Errorf("listed: %s", table)
	}
	o.does("partner", "set", partner, "--logo", "-", "--no-require-signed-subject-token", "--subject-keys", "-")
	if row := o.lists("partner", "list")[0]; row["require_signed_subject_token"] != false || row["subject_keys"] != false {
		o.t.Errorf("taken back: %v", row)
	}
	o.setAccount(account)
}

// setAccount narrows the channel's settings for one account, and cannot widen them.
func (o *operator) setAccount(account string) {
	o.t.Helper()
	o.does("account", "set", "--account", account, "--soft-lease", "30s", "--remind-at-most", "none", "--sender-name", "Customer")
	var row map[string]any
	for _, r := range o.lists("account", "list") {
		if r["account_id"] == account {
			row = r
		}
	}
	own, effective := row["settings"].(map[string]any), row["effective"].(map[string]any)
	if own["soft_lease"] != "30s" || effective["soft_lease"] != "30s" || effective["remind_at_most"] != -1.0 ||
		effective["member_identification"] != "new browser" || row["country"] != "US" || row["partner"] == nil {
		o.t.Errorf("the account is %v", row)
	}
	before := o.does("account", "list", "--json")
	bad := filepath.Join(o.scratch, "bad")
	o.refused("soft_lease", "account", "set", "--account", account, "--soft-lease", "2m", "--logo", filepath.Join(o.scratch, "logo.png"))
	o.refused("A logo is", "account", "set", "--account", account, "--soft-lease", "20s", "--logo", bad)
	o.refused("There is no such account", "account", "set", "--account", "nobody", "--soft-lease", "20s")
	o.refused("nothing to change", "account", "set", "--account", account)
	if after := o.does("account", "list", "--json"); after != before {
		o.t.Errorf("a refused change changed\n%sto\n%s", before, after)
	}
	o.inherit(row["partner"].(string), account)
}

// inherit takes back what setPartner and setAccount set.
func (o *operator) inherit(partner, account string) {
	o.t.Helper()
	args := []string{"--soft-lease", "inherit", "--remind-at-most", "inherit", "--sender-name", "inherit", "--member-identification", "inherit"}
	for _, c := range []struct{ sender, lease string }{{"Example Sign", "1m"}, {"", "1m30s"}} {
		o.does(append([]string{"account", "set", "--account", account}, args...)...)
		for _, r := range o.lists("account", "list") {
			effective := r["effective"].(map[string]any)
			if name, _ := effective["sender_name"].(string); r["account_id"] == account && (len(r["settings"].(map[string]any)) != 0 ||
				name != c.sender || effective["soft_lease"] != c.lease) {
				o.t.Errorf("the account is %v", r)
			}
		}
		o.does(append([]string{"partner", "set", partner}, args...)...)
	}
}

// A client's secret is shown once; a rotated one works at once, and the old one as long as it was given.
func TestClientCommands(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		id, secret, token, _ := o.newVendor()
		account := text(t, o.tells("account", "create", "--organisation", "Example Health", "--name", "Example Pharmacy"), "account_id")
		member := o.tells("client", "create", "--account", account, "--right", "sign", "--name", "Orders")
		rows := o.lists("client", "list")
		if len(rows) != 2 {
			t.Fatalf("listed: %v", rows)
		}
		for _, r := range rows {
			want := map[string]any{"kind": "technical", "organisation": vendorName, "status": "active", "account": nil}
			if r["client_id"] != id {
				want = map[string]any{"kind": "account", "organisation": "Example Health", "status": "active", "account": account, "name": "Orders"}
			}
			for name, w := range want {
				if r[name] != w {
					t.Errorf("%s of %v is not %v", name, r, w)
				}
			}
		}
		fresh := text(t, o.tells("client", "rotate", id, "--overlap", "1h"), "client_secret")
		for _, s := range []string{secret, fresh} {
			if status, _ := o.token(id, s); status != 200 {
				t.Errorf("in the overlap a secret gets %d", status)
			}
		}
		o.refused("", "client", "rotate", id, "--overlap", "169h")
		o.refused("", "client", "rotate", id, "--overlap=-1h")
		newest := text(t, o.tells("client", "rotate", id), "client_secret")
		o.ends("rotate", token)
		for _, s := range []string{secret, fresh} {
			if status, _ := o.token(id, s); status == 200 {
				t.Error("an old secret still works")
			}
		}
		_, token = o.token(id, newest)
		o.does("client", "revoke", id)
		o.ends("revoke", token)
		if status, _ := o.token(id, newest); status == 200 {
			t.Error("a revoked client still gets tokens")
		}
		o.refused("", "client", "rotate", "nobody")
		o.refused("", "client", "revoke", "nobody")
		o.refused("There is no such account", "client", "create", "--account", "nobody", "--right", "sign")
		o.refused("There is no right", "client", "create", "--account", account, "--right", "operate")
		o.does("client", "create", "--account", account, "--right", "access.read", "--name", "Audit")
		if list := o.does("client", "list") + o.does("client", "list", "--json"); strings.Contains(list, newest) ||
			strings.Contains(list, text(t, member, "client_secret")) || !strings.Contains(list, "revoked") {
			t.Errorf("the list is\n%s", list)
		}
	})
}

// ends waits until a technical token is refused, and fails when that takes more than a second.
func (o *operator) ends(how, token string) {
	o.t.Helper()
	since := time.Now()
	for tick := time.Tick(10 * time.Millisecond); ; <-tick {
		took := time.Since(since)
		if status, _ := o.call("GET", "/api/rest/v6/baseUris", token, nil); status == 401 {
			o.t.Logf("%s: the token was dead %d ms after the command ended", how, took.Milliseconds())
			return
		}
		if took > time.Second {
			o.t.Errorf("%s: the token outlived it", how)
			return
		}
	}
}

// What does not go together, or goes to the wrong place, is refused before anything is made.
func TestRefusedBeforeAnythingIsMade(t *testing.T) {
	o := &operator{t: t, database: []string{"--data", filepath.Join(t.TempDir(), "none")}}
	for _, args := range [][]string{
		{"client", "create"},
		{"client", "create", "--technical"},
		{"client", "create", "--technical", "--account", "x", "--organisation", "y"},
		{"client", "create", "--technical", "--organisation", "y", "--right", "sign"},
		{"client", "create", "--technical", "--organisation", "y", "--alg", "HS256"},
		{"client", "create", "--account", "x"},
		{"client", "create", "--account", "x", "--right", "sign", "--organisation", "y"},
		{"client", "create", "--account", "x", "--right", "sign", "--alg", "RS256"},
		{"partner", "set", "x", "--member-identification", "never"},
		{"partner", "set", "x", "--remind-at-most", "0"},
		{"partner", "set", "x", "--remind-at-most", "some"},
		{"partner", "set", "x", "--soft-lease", "soon"},
		{"partner", "set", "x", "--soft-lease", "-1s"},
		{"domain", "add", "partnerdomain.com"},
	} {
		status, out, complaint := o.run(args...)
		if status != 2 || out != "" || strings.Count(complaint, "\n") != 1 {
			t.Errorf("%v exits with %d, prints %q, complains %q", args, status, out, complaint)
		}
	}
	for _, args := range [][]string{{"partner", "list"}, {"partner", "activate", "x"}, {"client", "list"}, {"client", "rotate", "x"},
		{"account", "list"}, {"domain", "list", "--organisation", "x"}, {"client", "create", "--account", "x", "--right", "sign"}} {
		o.refused("there is no database", args...)
	}
	if _, err := os.Stat(o.database[1]); err == nil {
		t.Error("a data directory was made")
	}
}
