package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// browser is one person's browser: a cookie jar and the page it is on.
type browser struct {
	j    *journey
	http *http.Client
	page *url.URL
	html string
}

func (j *journey) newBrowser() (*browser, error) {
	jar, err := cookiejar.New(nil)
	return &browser{j: j, http: &http.Client{Jar: jar}}, err
}

func (b *browser) do(method, address, media string, body io.Reader) ([]byte, error) {
	r, err := http.NewRequestWithContext(b.j.ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	answer, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s", method, answer.Request.URL.Path, answer.Status)
	}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
		b.page, b.html = answer.Request.URL, string(text)
	}
	return text, err
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)"`)

// submit sends the form of the page whose action ends with action, with its hidden members and more.
func (b *browser) submit(action string, more url.Values) error {
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(b.html, -1) {
		form.Set(m[1], m[2])
	}
	for k, v := range more {
		form[k] = v
	}
	_, err := b.do("POST", b.j.url+action, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	return err
}

var sixDigits = regexp.MustCompile(`(?m)^\s*(\d{6})\s*$`)

// start opens a member's link, presses the button, and types the code from the mail.
func (b *browser) start(link string, m person) error {
	if _, err := b.do("GET", link, "", nil); err != nil {
		return err
	}
	if err := b.submit("/s", nil); err != nil {
		return err
	}
	l, err := b.j.mailTo(m.Email, func(l letter) bool { return sixDigits.MatchString(l.Text) })
	if err != nil {
		return err
	}
	return b.submit(b.page.Path+"/code", url.Values{"code": {sixDigits.FindStringSubmatch(l.Text)[1]}})
}

// standing is what the page's poll answers.
type standing struct {
	Phase, Package string
	Lease          *struct {
		Epoch  int64
		Holder string
	}
}

func (b *browser) standing() (s standing, err error) {
	text, err := b.do("GET", b.j.url+b.page.Path+"/state", "", nil)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

func (b *browser) act(name string, in any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, err = b.do("POST", b.j.url+b.page.Path+"/"+name, "application/json", strings.NewReader(string(text)))
	return err
}

var pageImage = regexp.MustCompile(`/d/([0-9a-f-]{36})/`)

// signAndCheck plays both members, then checks what came out.
func (j *journey) signAndCheck(out string) error {
	first, err := j.newBrowser()
	if err != nil {
		return err
	}
	second, err := j.newBrowser()
	if err != nil {
		return err
	}
	if err := first.start(j.links[0], members[0]); err != nil {
		return err
	}
	j.say("%s opened the link, typed the code from the mailbox and started signing", members[0].name())
	if err := second.start(j.links[1], members[1]); err != nil {
		return err
	}
	s, err := second.standing()
	if err != nil {
		return err
	}
	if s.Phase != "held" || s.Lease == nil || s.Lease.Holder != members[0].name() {
		return fmt.Errorf("%s was not locked out: %+v", members[1].name(), s)
	}
	j.say("%s is locked out and sees that %s is signing", members[1].name(), s.Lease.Holder)
	if err := first.sign(); err != nil {
		return err
	}
	j.say("%s signed", members[0].name())
	return j.fetchAndVerify(out)
}

// sign looks at the page, consents and signs.
func (b *browser) sign() error {
	if doc := pageImage.FindStringSubmatch(b.html); doc != nil {
		if _, err := b.do("GET", b.j.url+b.page.Path+"/d/"+doc[1]+"/0.png?dpi=100", "", nil); err != nil {
			return err
		}
	}
	s, err := b.standing()
	if err != nil {
		return err
	}
	if s.Lease == nil {
		return fmt.Errorf("the lease is lost: %+v", s)
	}
	epoch := map[string]any{"epoch": s.Lease.Epoch}
	mark := map[string]string{"kind": "typed"}
	return errors.Join(b.act("beat", epoch), b.act("consent", epoch),
		b.act("sign", map[string]any{"epoch": s.Lease.Epoch, "mark": mark, "initials": mark}))
}

// fetchAndVerify waits for the seal, downloads the document by the API and checks it.
func (j *journey) fetchAndVerify(out string) error {
	_, err := j.mailTo(members[1].Email, func(l letter) bool { return strings.HasPrefix(l.Subject, "Completed") })
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(j.ctx, "GET", j.url+"/api/packages/"+j.pkg+"/documents/prescription/pdf", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+j.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	file, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return errors.Join(err, fmt.Errorf("the sealed PDF: %s", answer.Status))
	}
	j.say("The package is completed; both members have the sealed PDF in their mail")
	if out != "" {
		if err := os.WriteFile(out, file, 0o644); err != nil {
			return err
		}
		j.say("The sealed PDF is in %s", out)
	}
	verdict, err := j.server.Verify(j.ctx, file)
	if err != nil {
		return err
	}
	j.say("Verified: %s", verdict)
	if verdict != "INTACT" {
		return fmt.Errorf("the sealed PDF is %s", verdict)
	}
	return nil
}
