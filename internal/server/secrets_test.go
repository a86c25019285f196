package server

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/mail"
)

// here is a server of this process, which keeps its log.
type here struct {
	*Server
	url string
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is what was written so far.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startHere starts a server in this process that logs everything; it stops with the test.
func startHere(t *testing.T, c Config) *here {
	t.Helper()
	h := &here{log: &lockedBuffer{}}
	listener, err := net.Listen("tcp", c.Listen)
	must(t, err)
	h.url = "http://" + listener.Addr().String()
	c.URL = h.url
	h.Server, err = Open(t.Context(), c, slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		must(t, h.Close())
	})
	return h
}

// T7, L2: no secret that was used on the way of a package is in the log, in the database's files, or in an address.
func TestT7L2SecretsLeaveNoTrace(t *testing.T) {
	data := t.TempDir()
	c := config(t, "sqlite:"+filepath.Join(data, "test.db"), data)
	h := startHere(t, c)
	c.URL = h.url
	w := newTenant(t, c, 2)
	id, secret, err := w.rooms.NewClient(t.Context(), w.account.OuterID, "Another", []string{"sign"})
	must(t, err)
	for range 2 {
		answer, err := http.PostForm(h.url+"/api/v1/auth/connect/token", url.Values{"grant_type": {"client_credentials"},
			"client_id": {id}, "client_secret": {secret}, "scope": {"sign"}})
		must(t, err)
		answer.Body.Close()
		secret += "x" // and once wrong
	}
	must(t, w.rooms.Directory.SetAccount(t.Context(), w.account.OuterID, directory.Settings{MemberIdentification: directory.Always}, nil))
	w.send(h.url, 1)
	b := w.enter(h.url, 0)
	code := codeForm.FindStringSubmatch(w.mailed("signer0@example.com", func(m mail.MailboxMessage) bool { return codeForm.MatchString(m.Text) }).Text)[1]
	_, at := b.post(b.base+"/sign/"+b.handle+"/code", url.Values{"code": {code}})
	b.sign()
	w.tidied()
	link := linkForm.FindStringSubmatch(w.mailed("signer0@example.com", func(m mail.MailboxMessage) bool { return linkForm.MatchString(m.Text) }).Text)[1]
	base, err := url.Parse(h.url)
	must(t, err)
	secrets := map[string]string{"bearer token": w.bearer, "client secret": strings.TrimRight(secret, "x"), "link": link,
		"cookie": b.http.Jar.Cookies(base)[0].Value}
	refusals := embedSecrets(t, w.rooms, h.url, secrets)
	greps, found := 0, 0
	look := func(where, text string) {
		for what, s := range secrets {
			greps++
			if strings.Contains(text, s) {
				found++
				t.Errorf("the %s is in %s", what, where)
			}
		}
	}
	look("the log", h.log.String())
	look("an address", at)
	look("a refusal", refusals)
	if strings.Contains(h.log.String(), code) {
		t.Error("the code is in the log")
	}
	_ = filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			text, err := os.ReadFile(path)
			must(t, err)
			look(path, string(text))
		}
		return err
	})
	t.Logf("%d greps, %d found", greps, found)
	if strings.Contains(h.log.String(), "client_secret=") {
		t.Error("a query is in the log")
	}
	if greps < 60 || !strings.Contains(h.log.String(), "POST /ims/token/v2") || !strings.Contains(h.log.String(), "POST /sign/{handle}/sign") {
		t.Errorf("the test looked at too little: %d greps", greps)
	}
}

// embedSecrets uses all secrets of the Embed interface, in the places where they belong and where
// they do not, adds them to secrets, and returns all answers that are refusals.
func embedSecrets(t *testing.T, rooms *Rooms, base string, secrets map[string]string) string {
	t.Helper()
	const email = "secretive@partnerdomain.com"
	v := newVendor(t, rooms, base, "RS256")
	v.register(rooms)
	v.newUser(v.newAccount("Secretive", "US"), email)
	user := v.userToken(email)
	secrets["technical secret"], secrets["technical token, as actor"] = v.secret, v.token
	secrets["subject token"], secrets["user token"] = subject(email), user
	var refusals strings.Builder
	told := func(s said, err error) {
		if err == nil && s.status < 300 {
			return
		}
		refusals.WriteString(s.text)
	}
	query := v.credentials().Encode()
	told(v.does(200, "POST", "/ims/token/v2?"+query, "", nil), nil) // as the vendor's own sample does
	for _, path := range []string{"/ims/token/v3?x=%zz&", "/ims/token/v3?a;b&", "/ims/token/v9?", "/ims/token/v3/more?", embedPath + "accounts?",
		authPath + "token?", "/api/rest/v6/agreements?", "//api/rest/v6/baseUris?", "/sign?", "/nothing?"} {
		for _, method := range []string{"GET", "POST"} {
			told(v.try(method, path+query+"&token="+user, "", nil))
			told(v.try(method, path+query+"&token="+user, user, nil))
		}
	}
	for name := range v.exchange(email) {
		form := v.exchange(email)
		form.Set(name, form.Get(name)+"x")
		told(v.try("POST", authPath+"token", "", form))
		form.Del(name)
		told(v.try("POST", authPath+"token", "", form))
		told(v.try("POST", authPath+"token?"+v.exchange(email).Encode(), "", form))
	}
	told(v.try("POST", authPath+"validate_token", "", url.Values{"client_id": {v.id}, "client_secret": {v.secret + "x"}, "token": {user}, "type": {"none"}}))
	told(v.try("POST", embedPath+"accounts", v.token, map[string]any{"name": v.secret, "countryCode": user}))
	told(v.try("POST", embedPath+"users", user, map[string]any{"email": v.token}))
	told(v.try("POST", authPath+"invalidate_token", "", url.Values{"client_id": {v.id}, "client_secret": {v.secret}, "token": {user}, "token_type": {"access_token"}}))
	fresh, err := rooms.Authn.RotateSecret(t.Context(), v.id, time.Hour)
	must(t, err)
	secrets["rotated secret"] = fresh
	v.secret = fresh
	v.login()
	if refusals.Len() < 2000 {
		t.Errorf("only refused with %s", refusals.String())
	}
	return refusals.String()
}
