package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"countersign.dev/internal/server"
)

// journey is an outside client and what it has learnt so far.
type journey struct {
	ctx    context.Context
	url    string
	data   string
	out    io.Writer
	server *server.Server

	platform, integration client
	partner               client // a technical account, not registered as a partner yet
	integrationUser       string
	token                 string
	group, pkg            string
	links                 []string
	account               string // outer id
	people                people
}

// client is an id and a secret.
type client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

func (j *journey) say(format string, args ...any) { fmt.Fprintf(j.out, "• "+format+"\n", args...) }

// call sends a request with a JSON body and reads a JSON answer.
func (j *journey) call(method, path, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	return j.send(method, path, token, "application/json", body, out)
}

func (j *journey) send(method, path, token, media string, body io.Reader, out any) error {
	r, err := http.NewRequestWithContext(j.ctx, method, j.url+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", media)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, path, answer.Status, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// makeTenant is the operator's part.
func (j *journey) makeTenant() error {
	account, err := j.server.NewAccount(j.ctx, organisation, accountName)
	if err != nil {
		return err
	}
	j.account = account.OuterID
	j.platform.ID, j.platform.Secret, err = j.server.NewClient(j.ctx, account.OuterID, "Platform", []string{"users.manage"})
	j.say("The operator made the account %q and a platform client", accountName)
	return err
}

// makePartner is the operator's part for a vendor: a technical account, whose
// program registers itself. The operator then lets it in.
func (j *journey) makePartner() error {
	t, err := j.server.Authn.CreateTechnicalAccount(j.ctx, partnerName, "Embed", "RS256")
	if err != nil {
		return err
	}
	j.partner = client{t.ClientID, t.ClientSecret}
	for _, domain := range partnerDomains {
		if _, err := j.server.Directory.VouchDomain(j.ctx, partnerName, domain); err != nil {
			return err
		}
	}
	j.say("The operator made a technical account for %q; when its program has registered: countersign partner activate ID --data %s",
		partnerName, j.data)
	return nil
}

// credentials asks for a token with a client's id and secret.
func (j *journey) credentials(c client, scope string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {c.Secret}, "scope": {scope}}
	var answer struct {
		Token string `json:"access_token"`
	}
	err := j.send("POST", "/api/v1/auth/connect/token", "", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()), &answer)
	return answer.Token, err
}

// makeIntegrationUser makes the user whose id and secret the sign API is used with.
func (j *journey) makeIntegrationUser() error {
	token, err := j.credentials(j.platform, "users.manage")
	if err != nil {
		return err
	}
	var made struct{ Data string }
	err = j.call("POST", "/api/user-management/v1/users", token, map[string]any{"FirstName": "Ordering", "LastName": "System",
		"Email": "orders@example.com", "UserType": "Integration", "Role": map[string]string{"Name": "CongaSign Integration Role"}}, &made)
	if err != nil {
		return err
	}
	j.integrationUser = made.Data
	path := "/api/user-management/v1/users/" + url.PathEscape(made.Data) + "/secret"
	var secret struct {
		Data struct{ ClientID, ClientSecret string }
	}
	if err := j.call("GET", path, token, nil, &secret); err != nil {
		return err
	}
	j.integration.ID = secret.Data.ClientID
	if err := j.call("PATCH", path, token, nil, &secret); err != nil {
		return err
	}
	j.integration.Secret = secret.Data.ClientSecret
	j.say("POST %s → integration user %s, its client id and secret", "/api/user-management/v1/users", made.Data)
	return nil
}

func (j *journey) getToken() (err error) {
	j.token, err = j.credentials(j.integration, "sign")
	j.say("POST /api/v1/auth/connect/token → an access token")
	return err
}

func (j *journey) makeMembers() error {
	for _, m := range members {
		var made struct{ ID string }
		err := j.call("POST", "/api/account/senders", j.token, map[string]string{"email": m.Email, "firstName": m.First, "lastName": m.Last}, &made)
		if err != nil {
			return err
		}
		j.say("POST /api/account/senders → %s is sender %s", m.name(), made.ID)
	}
	return nil
}

func (j *journey) makeGroup() error {
	type member map[string]any
	in := map[string]any{"name": groupName, "email": "pharmacists@example.com"}
	var list []member
	for _, m := range members {
		list = append(list, member{"email": m.Email, "memberType": "REGULAR", "firstName": m.First, "lastName": m.Last, "pending": true})
	}
	in["members"] = list
	var made struct{ ID string }
	err := j.call("POST", "/api/cs-groups", j.token, in, &made)
	j.group = made.ID
	j.say("POST /api/cs-groups → group %s with %d members", made.ID, len(members))
	return err
}

// sendPackage sends a prescription to the group.
func (j *journey) sendPackage() error {
	payload, err := json.Marshal(map[string]any{
		"name": "Prescription 2026-1121", "type": "PACKAGE", "status": "SENT", "language": "en",
		"emailMessage": "Please sign the delivery of this prescription.",
		"roles": []any{map[string]any{"id": "pharmacist", "type": "SIGNER", "index": 0, "name": "Pharmacist",
			"signers": []any{map[string]any{"group": map[string]string{"id": j.group}}}}},
		"documents": []any{map[string]any{"id": "prescription", "name": "Prescription", "approvals": []any{map[string]any{
			"id": "delivery", "role": "pharmacist", "fields": []any{signatureField, nameField}}}}},
	})
	if err != nil {
		return err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="prescription.pdf"`},
		"Content-Type": {"application/pdf"}})
	if err == nil {
		_, err = file.Write(prescription())
	}
	if err = errors.Join(err, form.WriteField("payload", string(payload)), form.Close()); err != nil {
		return err
	}
	var made struct{ ID string }
	err = j.send("POST", "/api/cs-packages", j.token, form.FormDataContentType(), &body, &made)
	j.pkg = made.ID
	j.say("POST /api/cs-packages → package %s with a PDF, sent to the group", made.ID)
	return err
}

// letter is a mail in the mailbox.
type letter struct {
	ID, Subject, Text string
	Links             []string
}

// mailTo waits for a mail that find likes.
func (j *journey) mailTo(email string, find func(letter) bool) (letter, error) {
	ctx, cancel := context.WithTimeout(j.ctx, time.Minute)
	defer cancel()
	for {
		var letters []letter
		if err := j.call("GET", "/mailbox/api/messages?to="+url.QueryEscape(email), "", nil, &letters); err != nil {
			return letter{}, err
		}
		for _, l := range letters {
			if find(l) {
				return l, nil
			}
		}
		select {
		case <-ctx.Done():
			return letter{}, fmt.Errorf("the mail to %s did not come: %w", email, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// readMail finds the link in each member's mail.
func (j *journey) readMail() error {
	for _, m := range members {
		l, err := j.mailTo(m.Email, func(l letter) bool { return len(l.Links) > 0 && strings.Contains(l.Links[0], "/s/") })
		if err != nil {
			return err
		}
		j.links = append(j.links, l.Links[0])
	}
	j.say("Every member got a mail with a link of his own")
	return nil
}

// writeCredentials writes what an outside client needs, last of all and in one step.
func (j *journey) writeCredentials(path string) error {
	principal, err := j.server.Authn.Authenticate(j.ctx, j.token)
	if err != nil {
		return err
	}
	key, err := j.server.Authn.NewAPIKey(j.ctx, principal)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{
		"base_url":       j.url,
		"mailbox":        map[string]string{"url": j.url + "/mailbox", "api": j.url + "/mailbox/api/messages"},
		"acrobat_sign":   map[string]any{"client_id": j.partner.ID, "client_secret": j.partner.Secret, "domains": partnerDomains},
		"conga_platform": j.platform,
		"conga_sign": map[string]string{"client_id": j.integration.ID, "client_secret": j.integration.Secret, "api_key": key,
			"sender_email": "orders@example.com"},
		"console":     map[string]string{"url": j.url + "/console", "email": adminEmail, "password": j.people.adminPassword},
		"user_access": map[string]string{"admin_token": j.people.adminToken, "user_token": j.people.userToken},
		"intelagree":  map[string]string{"subscription_key": j.people.subscription, "account_key": j.people.accountKey},
		"operator":    map[string]string{"url": j.url + "/console", "email": operatorEmail, "password": j.people.operatorPassword},
	}, "", " ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".credentials-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(text, '\n'))
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
