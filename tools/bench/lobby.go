package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

// lobbyItems are what happens behind the links of a package sent to a group.
var lobbyItems = []item{
	{id: "B10-kept", work: "page image at 100 dpi, kept / bare of the same size", status: 200, goal: always(0.7), requests: keptImage, floor: kind("answer")},
	losing("B7a", 10), losing("B7b", 100), losing("B7c", 1000),
	{id: "B7d", work: "read how the signing stands, group of 1000 / of 10", status: 200, goal: always(0.9), requests: reading(1000), sides: besideReading},
}

// losing is a member's wish to sign while another one of so many does.
func losing(id string, members int) item {
	return item{id: id, work: fmt.Sprintf("lose the race for a lease, group of %d / read the standing, of 10", members), status: 409,
		goal: always(1 / 1.5), sqlAs: "B7a", requests: everyLoser(members, visitor.takes), sides: besideReading}
}

// reading is what the pages of those who wait ask again and again.
func reading(members int) func(*bench) (source, error) {
	return everyLoser(members, func(v visitor) []byte { return v.request("GET", "/state", "") })
}

// everyLoser sends a request from each connection for another member.
func everyLoser(members int, of func(visitor) []byte) func(*bench) (source, error) {
	return func(b *bench) (source, error) {
		r, err := b.room(members)
		if err != nil {
			return nil, err
		}
		var raw [][]byte
		for _, v := range r.losers {
			raw = append(raw, of(v))
		}
		return func(conn, _ int) []byte { return raw[conn%len(raw)] }, r.hold(b.ours)
	}
}

// besideReading holds against a plain read: how the signing stands in a small group.
func besideReading(_ context.Context, b *bench) (ours, other side, err error) {
	ours, other = b.side(), b.side()
	other.status = 200
	other.next, err = reading(10)(b)
	return ours, other, err
}

// keptImage is a page that somebody was shown before.
func keptImage(b *bench) (source, error) {
	r, err := b.room(10)
	if err != nil {
		return nil, err
	}
	return same(r.losers[0].request("GET", "/d/"+r.document+"/0.png?dpi=100", "")), r.hold(b.ours)
}

// lobby is a group that was sent a package: the personal links of some members.
type lobby struct{ links []string }

// room is a lobby's members in browsers of their own, the first of whom signs.
type room struct {
	holder   visitor
	losers   []visitor
	document string
}

// visitor is a browser on the pages of an invitation.
type visitor struct{ cookie, handle, nonce string }

// openHall makes an account whose members need no code.
func openHall(ctx context.Context, rooms *server.Rooms) (*desk, error) {
	hall, err := openDesk(ctx, rooms)
	if err != nil {
		return nil, err
	}
	const day = 24 * time.Hour
	return hall, rooms.Directory.SetAccount(ctx, hall.outer, directory.Settings{MemberIdentification: directory.Link, HardLease: day, MaxHold: day}, nil)
}

// openLobbies sends a package to a group of each size and reads its members' mail.
func (t *tenant) openLobbies(ctx context.Context, c *child, rooms *server.Rooms, conns int) error {
	hall, err := openHall(ctx, rooms)
	if err != nil {
		return err
	}
	if err = hall.signIn(c); err != nil {
		return err
	}
	t.lobbies = map[int]lobby{}
	for _, size := range []int{10, 100, 1000} {
		emails, err := hall.sendToGroup(c, size)
		if err != nil {
			return err
		}
		var l lobby
		for _, email := range emails[:min(conns+1, size)] {
			link, err := c.linkTo(ctx, email)
			if err != nil {
				return err
			}
			l.links = append(l.links, link)
		}
		t.lobbies[size] = l
	}
	return t.delivered(ctx)
}

// sendToGroup makes a group and sends it a package.
func (k *desk) sendToGroup(c *child, size int) (emails []string, err error) {
	var members []string
	for i := range size {
		emails = append(emails, fmt.Sprintf("m%d-%s@example.org", i, letters(8)))
		members = append(members, `{"email":"`+emails[i]+`","memberType":"REGULAR"}`)
		raw := request("POST", "/api/account/senders", jsonMedia, k.bearer, `{"email":"`+emails[i]+`","firstName":"Mary","lastName":"Doe"}`)
		if _, err := c.get(raw, 200, "id"); err != nil {
			return nil, err
		}
	}
	group, err := c.get(request("POST", "/api/groups", jsonMedia, k.bearer,
		fmt.Sprintf(`{"name":"Group of %d","members":[%s]}`, size, strings.Join(members, ","))), 200, "id")
	if err != nil {
		return nil, err
	}
	signer := `{"id":"s1","email":"` + payloadEmail + `","firstName":"Mary","lastName":"Doe"}`
	text := strings.NewReplacer(signer, `{"id":"s1","group":{"id":"`+group+`"}}`, `"DRAFT"`, `"SENT"`).Replace(payload)
	_, err = c.get(k.send(text, 1), 200, "id")
	return emails, err
}

// linkTo waits for the mail with somebody's personal link.
func (c *child) linkTo(ctx context.Context, email string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		a, err := c.ask(request("GET", "/mailbox/api/messages?to="+url.QueryEscape(email), "", "", ""))
		if err != nil {
			return "", err
		}
		var all []struct{ Links []string }
		if err := json.Unmarshal(a.body, &all); err != nil {
			return "", fmt.Errorf("mailbox: %w: %.300s", err, a.body)
		}
		for _, letter := range all {
			if len(letter.Links) > 0 && strings.Contains(letter.Links[0], "/s/") {
				return letter.Links[0], nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return "", fmt.Errorf("the mail to %s did not come: %w", email, ctx.Err())
		}
	}
}

// delivered waits until no job is due.
func (t *tenant) delivered(ctx context.Context) error {
	for {
		due, err := column(ctx, t.pool, `select id from jobs where state <> 'failed' and due_ms <= $1 limit 1`, time.Now().UnixMilli())
		if err != nil || len(due) == 0 {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// room lets the members in, once for each server; the first one then holds the lease.
func (b *bench) room(members int) (*room, error) {
	if r := b.rooms[members]; r != nil {
		return r, nil
	}
	if b.rooms == nil {
		b.rooms = map[int]*room{}
	}
	r := &room{}
	for i, link := range b.tenant.lobbies[members].links {
		v, page, err := b.ours.enter(link)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			r.losers = append(r.losers, v)
			continue
		}
		r.holder = v
		if found := shownDocument.FindSubmatch(page); found != nil {
			r.document = string(found[1])
		}
	}
	if len(r.losers) == 0 || r.document == "" {
		return nil, errors.New("nobody signs in the group's package")
	}
	b.rooms[members] = r
	return r, nil
}

// hold makes sure that the first one holds the lease for the next hours.
func (r *room) hold(c *child) error {
	epoch, err := r.holder.take(c)
	if err != nil {
		return err
	}
	return r.holder.post(c, "/beat", fmt.Sprintf(`{"epoch":%d}`, epoch), 200)
}

var (
	hiddenInput   = regexp.MustCompile(`name="(nonce|token)" value="([^"]+)"`)
	pageNonce     = regexp.MustCompile(`(?:data-nonce|name="nonce" value)="([^"]+)"`)
	shownDocument = regexp.MustCompile(`/d/([0-9a-f-]{36})/`)
)

// enter opens a personal link, presses the button and returns the page he is led to.
func (c *child) enter(link string) (v visitor, page []byte, err error) {
	at := strings.Index(link, "/s/")
	if at < 0 {
		return v, nil, errors.New("not a personal link: " + link)
	}
	a, err := c.ask(request("GET", link[at:], "", "", ""))
	if err != nil {
		return v, nil, err
	}
	form := url.Values{}
	for _, m := range hiddenInput.FindAllSubmatch(a.body, -1) {
		form.Set(string(m[1]), string(m[2]))
	}
	if a, err = c.ask(request("POST", "/s", formMedia, "", form.Encode())); err != nil {
		return v, nil, err
	}
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	_, v.cookie, _ = strings.Cut(cookie, "=")
	where, ok := strings.CutPrefix(a.header.Get("Location"), "/sign/")
	if a.status != 303 || !ok || v.cookie == "" {
		return v, nil, fmt.Errorf("enter: status %d: %.300s", a.status, a.body)
	}
	handle, query, _ := strings.Cut(where, "?")
	v.handle = handle
	if a, err = c.ask(v.request("GET", "?"+query, "")); err != nil {
		return v, nil, err
	}
	found := pageNonce.FindSubmatch(a.body)
	if a.status != 200 || found == nil {
		return v, nil, fmt.Errorf("the signing page: status %d: %.300s", a.status, a.body)
	}
	v.nonce = string(found[1])
	return v, a.body, nil
}

// request is one from the pages of the invitation.
func (v visitor) request(method, path, body string) []byte {
	raw := request(method, "/sign/"+v.handle+path, jsonMedia, "", body)
	return bytes.Replace(raw, []byte("User-Agent"), []byte("Cookie: cs_browser="+v.cookie+"\r\nUser-Agent"), 1)
}

// takes is the wish to sign.
func (v visitor) takes() []byte { return v.request("POST", "/take", `{"nonce":"`+v.nonce+`"}`) }

// take takes the lease and returns its epoch.
func (v visitor) take(c *child) (epoch int64, err error) {
	a, err := c.ask(v.takes())
	if err != nil {
		return 0, err
	}
	var lease struct{ Epoch int64 }
	if err = json.Unmarshal(a.body, &lease); err != nil || a.status != 200 {
		return 0, errors.Join(err, fmt.Errorf("take: status %d: %.300s", a.status, a.body))
	}
	return lease.Epoch, nil
}

func (v visitor) post(c *child, path, body string, status int) error {
	a, err := c.ask(v.request("POST", path, body))
	if err == nil && a.status != status {
		err = fmt.Errorf("%s: status %d: %.300s", path, a.status, a.body)
	}
	return err
}
