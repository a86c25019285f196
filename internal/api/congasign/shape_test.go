package congasign

import (
	"encoding/base64"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/errs"
)

// payload creates a package with more members.
func (s *stack) payload(members string) apitest.Answer {
	return s.Post("/api/packages", `{"name":"x",`+members+`}`)
}

// field creates the seed's package with more members in its field.
func (s *stack) field(members string) apitest.Answer {
	return s.edited(`"top": 512`, `"top": 512, `+members)
}

var shapeRefusals = []refusal{
	{"wrong media for a package", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: "/api/packages", Media: "text/plain", Body: []byte("{}")})
	}},
	{"settings no object", func(s *stack) apitest.Answer { return s.payload(`"settings":"x"`) }},
	{"ceremony no object", func(s *stack) apitest.Answer { return s.payload(`"settings":{"ceremony":[]}`) }},
	{"inPerson a text", func(s *stack) apitest.Answer { return s.payload(`"settings":{"ceremony":{"inPerson":"yes"}}`) }},
	{"decline reasons of numbers", func(s *stack) apitest.Answer { return s.payload(`"settings":{"ceremony":{"declineReasons":[1]}}`) }},
	{"settings changed to no object", func(s *stack) apitest.Answer { return s.Put(s.draft(), `{"settings":1}`) }},
	{"data no object", func(s *stack) apitest.Answer { return s.payload(`"data":"x"`) }},
	{"data of a group no object", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"data":[]}`) }},
	{"visibility unknown", func(s *stack) apitest.Answer { return s.payload(`"visibility":"WORLD"`) }},
	{"visibility changed to unknown", func(s *stack) apitest.Answer { return s.Put(s.draft(), `{"visibility":"WORLD"}`) }},
	{"language no tag", func(s *stack) apitest.Answer { return s.payload(`"language":"<b>"`) }},
	{"address no object", func(s *stack) apitest.Answer {
		return s.Post("/api/account/senders", `{"email":"a@example.com","firstName":"A","address":"Main Street"}`)
	}},
	{"address changed to a city of no text", func(s *stack) apitest.Answer {
		s.senders()
		return s.Post("/api/account/senders/"+s.Get("/api/account/senders?search=smith").Text("results.0.id"), `{"address":{"city":1}}`)
	}},
	{"role type unknown", func(s *stack) apitest.Answer { return s.edited(`"type": "SIGNER"`, `"type": "BOSS"`) }},
	{"role index below 0", func(s *stack) apitest.Answer { return s.edited(`"index": 0`, `"index": -1`) }},
	{"role index too high", func(s *stack) apitest.Answer { return s.edited(`"index": 0`, `"index": 10001`) }},
	{"document index too high", func(s *stack) apitest.Answer {
		return s.edited(`"name": "sample_contract"`, `"name": "sample_contract", "index": 2147483648`)
	}},
	{"field without a type", func(s *stack) apitest.Answer { return s.edited(`"type": "SIGNATURE"`, `"type": ""`) }},
	{"field without a subtype", func(s *stack) apitest.Answer { return s.edited("FULLNAME", "") }},
	{"field of no size", func(s *stack) apitest.Answer { return s.edited(`"height": 52`, `"height": 1`) }},
	{"font size too large", func(s *stack) apitest.Answer { return s.field(`"fontSize": 201`) }},
	{"binding unknown", func(s *stack) apitest.Answer { return s.field(`"binding": "{signer.salary}"`) }},
	{"binding of a signature", func(s *stack) apitest.Answer { return s.field(`"binding": "{signer.name}"`) }},
	{"validation no object", func(s *stack) apitest.Answer { return s.field(`"validation": "x"`) }},
	{"validation required a text", func(s *stack) apitest.Answer { return s.field(`"validation": {"required":"yes"}`) }},
	{"validation length below 0", func(s *stack) apitest.Answer { return s.field(`"validation": {"minLength":-1}`) }},
	{"validation lengths crossed", func(s *stack) apitest.Answer { return s.field(`"validation": {"minLength":3,"maxLength":2}`) }},
	{"validation pattern broken", func(s *stack) apitest.Answer { return s.field(`"validation": {"pattern":"(["}`) }},
	{"document without a name", func(s *stack) apitest.Answer { return s.payload(`"documents":[{"base64Content":"JVBERg=="}]`) }},
	{"document name with a slash", func(s *stack) apitest.Answer { return s.edited(`"name": "sample_contract"`, `"name": "a/b"`) }},
	{"document name with a backslash", func(s *stack) apitest.Answer { return s.edited(`"name": "sample_contract"`, `"name": "a\\b"`) }},
}

// What clients send beside the plain cases is taken, and the field to blame is told.
func testShapes(t *testing.T, s *stack) {
	for _, members := range []string{
		`"settings":null,"data":null,"visibility":null,"language":null`, `"settings":{"ceremony":null,"ours":[1]}`,
		`"visibility":"SENDER","language":"zh_CN"`, `"language":"pt-BR","visibility":""`,
		`"settings":{"ceremony":{"inPerson":null,"maxAuthFailsAllowed":3,"remainingDays":null,"optOutReasons":["a"],"events":{"complete":{"dialog":true}}}}`,
	} {
		s.payload(members).Want(200)
	}
	bad := s.payload(`"settings":{"ceremony":{"layout":{"iframe":1}}}`).Want(400)
	if got := bad.Text("parameters.field"); got != "settings.ceremony.layout.iframe" {
		t.Errorf("blamed %s", bad.Body)
	}
	one := s.draft()
	p := s.Put(one, `{"visibility":"","language":""}`).Want(200)
	if p.Text("visibility") != "ACCOUNT" || p.Text("language") != "en" {
		t.Errorf("%s", p.Body)
	}
	s.Put(one, string(p.Body)).Want(200)
}

func TestValidationShape(t *testing.T) {
	for raw, what := range map[string]string{
		`null`: "", `{}`: "", `{"pattern":"","group":null,"minLength":0,"maxLength":2147483647,"minimumRequired":0,"maximumRequired":0}`: "",
		`{"pattern":"(?=.*\\d)[a-z]++","errorCode":150}`: "", `{"pattern":"^[0-9]{5}$","enum":["a"],"more":{}}`: "", `{"maxLength":0,"minLength":0}`: "",
		`[]`: "value.type", `{"enum":["a",1]}`: "value.type", `{"enum":"a"}`: "value.type", `{"disabled":0}`: "value.type", `{"pattern":1}`: "value.type",
		`{"maxLength":1.5}`: "value.type", `{"maxLength":2147483648}`: "value.type", `{"group":1}`: "value.type",
		`{"minLength":2,"maxLength":1}`: "value.range", `{"pattern":"*"}`: "value.pattern", `{"pattern":"("}`: "value.pattern",
	} {
		err := checkValidation("v", jsontext.Value(raw))
		if (err == nil) != (what == "") || err != nil && !errs.Is(err, what) {
			t.Errorf("%s: %v, want %q", raw, err, what)
		}
	}
}

// A document is called what the payload says, else as its file without the path
// that some browsers send.
func testDocumentNames(t *testing.T, s *stack) {
	one := s.draft()
	for file, want := range map[string]string{`C:\\Users\\me\\Lease 1.pdf`: "Lease 1", "../../etc/Lease 2.pdf": "Lease 2", "Lease 3": "Lease 3"} {
		if got := s.upload(one+"/documents", `{"description":"d"}`, file).Want(200).Text("name"); got != want {
			t.Errorf("%s is called %q", file, got)
		}
	}
	data := base64.StdEncoding.EncodeToString([]byte(paper()))
	s.Post(one+"/documents", `{"base64Content":"`+data+`"}`).Want(400)
}

// Paths that nobody serves and clients of this surface ask for get its error, never a page.
func testStrays(t *testing.T, s *stack) {
	hall := s.server.Config.Handler.(*api.Hall)
	for _, path := range []string{"/oauth2/tokens", "/OAuth2/token", "/auth/x", "/apitoken/clientApp", "/oauth/token",
		"/v1/sign", "/v1/sign/packages", "/v1/sign/cs-groups/1", "/api", "/api/", "/api%2Fgroups", "/api%2fcs-packages/1", "//api/groups", "/api//groups",
		"/API/groups", "/api/rest/v6/agreements", "/api/users", "/api/session/x", "/api/sign/v1"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := s.as("").Do(apitest.Call{Method: method, Path: path})
			if row := errorRow("x", got); row != "x\t404\terror.notFound.route.unknown\tThere is nothing at this path." {
				t.Errorf("%s %s: %s", method, path, row)
			}
		}
		if r, err := newRequest(s.URL + path); err != nil || !hall.Claims(r) {
			t.Errorf("%s is not claimed, %v", path, err)
		}
	}
	for _, path := range []string{"/", "/s/token", "/sign/handle", "/inbox", "/verify", "/authors", "/mailbox/api/messages", "/healthz", "/v1"} {
		if r, err := newRequest(s.URL + path); err != nil || hall.Claims(r) {
			t.Errorf("%s is claimed, %v", path, err)
		}
	}
}
