package acrobat

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// The ids and secrets that the document's examples have in place of real ones.
const (
	exampleClient  = "6f1c8e5b-2d7a-4c3e-9b0f-1a2d3c4e5f60"
	exampleSecret  = "the-secret"
	exampleAccount = "8Rk2vQh5TnYw"
	exampleUser    = "Lb6sXe9GtUaV"
	exampleToken   = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJleGFtcGxlIjp0cnVlfQ.c2lnbmF0dXJl"
)

// order is the document's operations so that each finds what those before it made.
var order = []string{
	"POST " + imsPath + "/v2", "POST " + imsPath + "/v3", "GET " + restPath + "/baseUris", "POST " + embedPath + "/partners",
	"POST " + embedPath + "/accounts", "GET " + embedPath + "/accounts", "POST " + embedPath + "/users", "POST " + authPath + "/token",
	"POST " + authPath + "/validate_token", "POST " + embedPath + "/users/migrationStatus", "GET " + embedPath + "/users/{userId}",
	"PUT " + embedPath + "/users/{userId}", "GET " + embedPath + "/accounts/{accountId}", "PUT " + embedPath + "/accounts/{accountId}",
	"POST " + authPath + "/invalidate_token",
}

// player makes the calls of the document's examples.
type player struct {
	*tenant
	real map[string]string // what stands for an example's id or secret
}

// Every request that the document shows as an example succeeds, with ids and secrets of this server in their places.
func TestOpenAPIExamplesWork(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		p := &player{tenant: newStack(t, d).newTechnical("partnerdomain.com", "partnerdomain.us")}
		p.learn()
		operations := published.Operations()
		for _, name := range order {
			op := operations[name]
			delete(operations, name)
			method, path, _ := strings.Cut(name, " ")
			if op.RequestBody == nil {
				p.play(apitest.Call{Method: method, Path: path})
				continue
			}
			for media, content := range op.RequestBody.Value.Content {
				for _, example := range slices.Sorted(maps.Keys(content.Examples)) {
					value := content.Examples[example].Value.Value
					p.play(apitest.Call{Method: method, Path: path, Media: media, Body: encoded(t, media, value)})
				}
			}
		}
		for name := range operations {
			t.Errorf("%s is not played", name)
		}
	})
}

func (p *player) learn() {
	p.real = map[string]string{exampleClient: p.account.ClientID, exampleSecret: p.account.ClientSecret,
		exampleToken: strings.TrimPrefix(p.Authorization, "Bearer ")}
}

// play makes a call that must succeed, and keeps what the next ones need.
func (p *player) play(c apitest.Call) {
	t := p.stack.T
	t.Helper()
	who, pattern := p.Client, c.Method+" "+c.Path
	if pattern == "POST "+partnersPath && p.partner != "" {
		beside := *p.tenant
		beside.technical() // a client registers once
		who = beside.Client
	}
	for example, value := range p.real {
		c.Body = []byte(strings.ReplaceAll(string(c.Body), example, value))
	}
	c.Path = strings.NewReplacer("{accountId}", p.real[exampleAccount], "{userId}", p.real[exampleUser]).Replace(c.Path)
	if len(c.Body) == 0 {
		c.Body = nil
	}
	a := who.Do(c)
	if a.Status >= 300 {
		t.Fatalf("%s: the example %s was answered %d: %s", pattern, c.Body, a.Status, a.Body)
	}
	switch {
	case pattern == "POST "+partnersPath && p.partner == "":
		p.partner = a.Text("id")
		p.activate(directory.PartnerActive)
		p.real[exampleAccount] = p.newAccount(0)
	case pattern == "POST "+usersPath && p.real[exampleUser] == "":
		p.real[exampleUser] = a.Text("userId")
	}
}

func encoded(t *testing.T, media string, value any) []byte {
	t.Helper()
	if media == "application/json" {
		text, err := json.Marshal(value)
		must(t, err)
		return text
	}
	form := url.Values{}
	for name, text := range value.(map[string]any) {
		form.Set(name, text.(string))
	}
	return []byte(form.Encode())
}
