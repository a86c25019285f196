package congasign

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
)

// refusal is one way to be refused; its name is the first column of errors.tsv.
type refusal struct {
	name string
	make func(s *stack) apitest.Answer
}

// unknown is an id that nothing has.
const unknown = "540b86f9-2d93-4498-bdb4-b7b320540bb6"

// draft makes the seed's package and returns its path.
func (s *stack) draft() string {
	s.T.Helper()
	return "/api/packages/" + s.upload("/api/packages", packageFor(s.group()), "a.pdf").Want(200).Text("id")
}

// sent makes and sends the seed's package.
func (s *stack) sent() string {
	s.T.Helper()
	one := s.draft()
	s.Post(one, `{"status":"SENT"}`).Want(200)
	return one
}

// edited is the seed's package for a new group with one text replaced.
func (s *stack) edited(old, new string) apitest.Answer {
	s.T.Helper()
	payload := packageFor(s.group())
	if !strings.Contains(payload, old) {
		s.T.Fatalf("no %q in the payload", old)
	}
	return s.upload("/api/packages", strings.Replace(payload, old, new, 1), "a.pdf")
}

// file uploads the seed's package with other bytes in the place of the PDF.
func (s *stack) file(data string) apitest.Answer {
	s.T.Helper()
	body, media := apitest.Multipart(apitest.Part{Name: "file", File: "a.pdf", Data: data}, apitest.Part{Name: "payload", Data: packageFor(s.group())})
	return s.Do(apitest.Call{Method: "POST", Path: "/api/packages", Media: media, Body: body})
}

func (s *stack) parts(parts ...apitest.Part) apitest.Answer {
	body, media := apitest.Multipart(parts...)
	return s.Do(apitest.Call{Method: "POST", Path: "/api/packages", Media: media, Body: body})
}

// as makes the same call with another Authorization header.
func (s *stack) as(authorization string) apitest.Client {
	c := s.Client
	c.Authorization = authorization
	return c
}

// manyPages is a PDF of n empty pages.
func manyPages(n int) string {
	var b strings.Builder
	b.WriteString("%PDF-1.4\n")
	var offsets []int
	object := func(format string, args ...any) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n"+format+"\nendobj\n", append([]any{len(offsets)}, args...)...)
	}
	object("<</Type/Catalog/Pages 2 0 R>>")
	var kids strings.Builder
	for i := range n {
		fmt.Fprintf(&kids, "%d 0 R ", i+3)
	}
	object("<</Type/Pages/Count %d/Kids[%s]>>", n, kids.String())
	for range n {
		object("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>")
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, xref)
	return b.String()
}

var requestRefusals = []refusal{
	{"no token", func(s *stack) apitest.Answer { return s.as("").Get("/api/groups") }},
	{"bad token", func(s *stack) apitest.Answer { return s.as("Bearer x").Get("/api/groups") }},
	{"bad API key", func(s *stack) apitest.Answer { return s.as("Basic eDp5").Get("/api/groups") }},
	{"right missing", func(s *stack) apitest.Answer {
		return s.as(s.newClient(s.account, authz.ManageUsers)).Get("/api/groups")
	}},
	{"unknown path", func(s *stack) apitest.Answer { return s.Get("/api/nothing") }},
	{"other method", func(s *stack) apitest.Answer { return s.Put("/api/cs-groups", "{}") }},
	{"no JSON", func(s *stack) apitest.Answer { return s.Post("/api/groups", "name=x") }},
	{"member twice", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"name":"a","name":"b"}`) }},
	{"NUL in a text", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"name":"a\u0000"}`) }},
	{"wrong type", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"members":{}}`) }},
	{"wrong media", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: "/api/groups", Media: "text/plain", Body: []byte("{}")})
	}},
	{"body too large", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"x":"`+strings.Repeat("x", 2<<20)+`"}`) }},
	{"NUL in a path", func(s *stack) apitest.Answer { return s.Get("/api/packages/a%00") }},
	{"bad from", func(s *stack) apitest.Answer { return s.Get("/api/groups?from=0") }},
	{"to before from", func(s *stack) apitest.Answer { return s.Get("/api/packages?from=5&to=2") }},
	{"unknown query", func(s *stack) apitest.Answer { return s.Get("/api/packages?query=nonsense") }},
	{"unknown dir", func(s *stack) apitest.Answer { return s.Get("/api/groups?dir=up") }},
}

var groupRefusals = []refusal{
	{"malformed group id", func(s *stack) apitest.Answer { return s.Get("/api/groups/a.b") }},
	{"unknown group", func(s *stack) apitest.Answer { return s.Get("/api/groups/" + unknown) }},
	{"group name taken", func(s *stack) apitest.Answer {
		s.Post("/api/groups", `{"name":"Taken"}`).Want(200)
		return s.Post("/api/groups", `{"name":"Taken"}`)
	}},
	{"group renamed to a taken name", func(s *stack) apitest.Answer {
		s.Post("/api/groups", `{"name":"Taken too"}`).Want(200)
		id := s.Post("/api/groups", `{"name":"Renamed"}`).Want(200).Text("id")
		return s.Put("/api/groups/"+id, `{"name":"Taken too"}`)
	}},
	{"group id taken", func(s *stack) apitest.Answer {
		s.Post("/api/groups", `{"id":"chosen1"}`).Want(200)
		return s.Post("/api/groups", `{"id":"chosen1"}`)
	}},
	{"group id malformed", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"id":"a b"}`) }},
	{"group e-mail malformed", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"email":"nobody"}`) }},
	{"CR LF in a group's name", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"name":"a\r\nBcc: x@example.com"}`) }},
	{"right-to-left mark in a group's name", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"name":"a\u202eb"}`) }},
	{"zero width in a group's name", func(s *stack) apitest.Answer { return s.Post("/api/groups", `{"name":"a\u200bb"}`) }},
	{"group's name of 10 kB", func(s *stack) apitest.Answer {
		return s.Post("/api/groups", `{"name":"`+strings.Repeat("x", 10_000)+`"}`)
	}},
	{"member unknown at creation", func(s *stack) apitest.Answer {
		return s.Post("/api/groups", `{"name":"Nobody","members":[{"email":"stranger@example.com"}]}`)
	}},
	{"member unknown", func(s *stack) apitest.Answer {
		return s.Post("/api/groups/"+s.group()+"/members", `{"email":"stranger@example.com"}`)
	}},
	{"member unnamed", func(s *stack) apitest.Answer {
		return s.Post("/api/groups/"+s.group()+"/invite", `{"memberType":"REGULAR"}`)
	}},
	{"member type unknown", func(s *stack) apitest.Answer {
		return s.Post("/api/groups/"+s.group()+"/members", `{"email":"signer1@example.com","memberType":"BOSS"}`)
	}},
	{"id and e-mail of two people", func(s *stack) apitest.Answer {
		group := s.group()
		john := s.Get("/api/account/senders?search=smith").Text("results.0.id")
		return s.Post("/api/groups/"+group+"/members", `{"userId":"`+john+`","email":"signer2@example.com"}`)
	}},
	{"locked member", func(s *stack) apitest.Answer {
		group := s.Post("/api/groups", `{"name":"Locked out"}`).Want(200).Text("id")
		id := s.Post("/api/account/senders", `{"email":"locked@example.com","firstName":"L"}`).Want(200).Text("id")
		s.Post("/api/account/senders/"+id, `{"status":"LOCKED"}`).Want(200)
		return s.Post("/api/groups/"+group+"/members", `{"userId":"`+id+`"}`)
	}},
	{"group changed by who manages nothing", func(s *stack) apitest.Answer {
		group := s.group()
		return s.as(s.apiKey("signer1@example.com")).Put("/api/groups/"+group, `{"name":"Mine"}`)
	}},
	{"group of another's", func(s *stack) apitest.Answer {
		other, err := s.dir.CreateAccount(s.T.Context(), directory.NewAccount{Name: "Other"})
		if err != nil {
			s.T.Fatal(err)
		}
		return s.as(s.newClient(other, authz.Sign)).Get("/api/groups/" + s.group())
	}},
	{"sender e-mail malformed", func(s *stack) apitest.Answer { return s.Post("/api/account/senders", `{"email":"x"}`) }},
	{"unknown sender", func(s *stack) apitest.Answer { return s.Get("/api/account/senders/2q37oSloj5AD") }},
	{"the caller's own sender deleted", func(s *stack) apitest.Answer {
		return s.Delete("/api/account/senders/" + s.Get("/api/account/senders").Want(200).Text("results.0.id"))
	}},
	{"no seat for a sender", func(s *stack) apitest.Answer {
		defer s.full()()
		return s.Post("/api/account/senders", `{"email":"seatless@example.com","firstName":"A"}`)
	}},
	{"unknown sender type", func(s *stack) apitest.Answer {
		return s.Post("/api/account/senders", `{"email":"a@example.com","firstName":"A","type":"BOSS"}`)
	}},
}

var packageRefusals = []refusal{
	{"no payload", func(s *stack) apitest.Answer {
		return s.parts(apitest.Part{Name: "file", File: "a.pdf", Data: paper()})
	}},
	{"payload twice", func(s *stack) apitest.Answer {
		return s.parts(apitest.Part{Name: "payload", Data: "{}"}, apitest.Part{Name: "payload", Data: "{}"})
	}},
	{"unknown part", func(s *stack) apitest.Answer {
		return s.parts(apitest.Part{Name: "payload", Data: "{}"}, apitest.Part{Name: "extra", Data: "x"})
	}},
	{"201 parts", func(s *stack) apitest.Answer {
		parts := []apitest.Part{{Name: "payload", Data: "{}"}}
		for range 200 {
			parts = append(parts, apitest.Part{Name: "file", File: "a.pdf", Data: "x"})
		}
		return s.parts(parts...)
	}},
	{"payload too large", func(s *stack) apitest.Answer {
		return s.parts(apitest.Part{Name: "payload", Data: `{"x":"` + strings.Repeat("x", maxPayload) + `"}`})
	}},
	{"broken multipart", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: "/api/packages", Media: "multipart/form-data; boundary=x", Body: []byte("no part")})
	}},
	{"payload without a name", func(s *stack) apitest.Answer { return s.edited(`"name": "Group Signature Example"`, `"name": ""`) }},
	{"CR LF in a package's name", func(s *stack) apitest.Answer {
		return s.edited(`"name": "Group Signature Example"`, `"name": "a\r\nBcc: x@example.com"`)
	}},
	{"new package COMPLETED", func(s *stack) apitest.Answer { return s.edited(`"status": "DRAFT"`, `"status": "COMPLETED"`) }},
	{"file missing", func(s *stack) apitest.Answer { return s.upload("/api/packages", packageFor(s.group())) }},
	{"file too many", func(s *stack) apitest.Answer {
		return s.upload("/api/packages", packageFor(s.group()), "a.pdf", "b.pdf")
	}},
	{"group unknown", func(s *stack) apitest.Answer { return s.upload("/api/packages", packageFor(unknown), "a.pdf") }},
	{"group without id", func(s *stack) apitest.Answer {
		return s.upload("/api/packages", `{"name":"x","roles":[{"id":"r","signers":[{"group":{"name":"x"}}]}]}`)
	}},
	{"send a role without signer", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","status":"SENT","roles":[{"id":"r"}],"documents":[{"name":"d","base64Content":"`+base64Paper()+`"}]}`)
	}},
	{"role with two signers", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[{"id":"r","signers":[{"email":"a@example.com","firstName":"A"},{"email":"b@example.com","firstName":"B"}]}]}`)
	}},
	{"signer without name", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[{"id":"r","signers":[{"email":"a@example.com"}]}]}`)
	}},
	{"authentication by SMS", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[{"id":"r","signers":[{"email":"a@example.com","firstName":"A","auth":{"scheme":"SMS"}}]}]}`)
	}},
	{"approval of no role", func(s *stack) apitest.Answer { return s.edited(`"role": "`+seedRole, `"role": "nobody`) }},
	{"field subtype unknown", func(s *stack) apitest.Answer { return s.edited("FULLNAME", "THUMBPRINT") }},
	{"field off the page", func(s *stack) apitest.Answer { return s.edited(`"top": 512`, `"top": 1000`) }},
	{"field on no page", func(s *stack) apitest.Answer { return s.edited(`"top": 512`, `"top": 512, "page": 1`) }},
	{"document name forbidden", func(s *stack) apitest.Answer { return s.edited(`"name": "sample_contract"`, `"name": "a?b"`) }},
	{"no PDF", func(s *stack) apitest.Answer { return s.file("<html><script>alert(1)</script>") }},
	{"PDF cut short", func(s *stack) apitest.Answer { return s.file(paper()[:60]) }},
	{"PDF encrypted", func(s *stack) apitest.Answer {
		return s.file(strings.Replace(paper(), "/Root 1 0 R", "/Root 1 0 R/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -4/O<"+
			strings.Repeat("00", 32)+">/U<"+strings.Repeat("00", 32)+">>>/ID[<00><00>]", 1))
	}},
	{"PDF portfolio", func(s *stack) apitest.Answer {
		return s.file(strings.Replace(paper(), "/Pages 2 0 R>>", "/Pages 2 0 R/Collection<<>>>>", 1))
	}},
	{"PDF with a dynamic form", func(s *stack) apitest.Answer {
		return s.file(strings.Replace(paper(), "/Pages 2 0 R>>", "/Pages 2 0 R/AcroForm<</Fields[]/XFA[]>>>>", 1))
	}},
	{"PDF of 17 MB", func(s *stack) apitest.Answer { return s.file(paper() + strings.Repeat("%", 17<<20)) }},
	{"PDF of 17 MB in base64", func(s *stack) apitest.Answer {
		data := base64.StdEncoding.EncodeToString([]byte(paper() + strings.Repeat("%", 17<<20)))
		return s.Post("/api/packages", `{"name":"x","documents":[{"name":"d","base64Content":"`+data+`"}]}`)
	}},
	{"PDF of 5000 pages", func(s *stack) apitest.Answer { return s.file(manyPages(5000)) }},
	{"broken base64", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","documents":[{"name":"d","base64Content":"%%%"}]}`)
	}},
	{"unknown package", func(s *stack) apitest.Answer { return s.Get("/api/packages/9sKhW-h-qS9m6Ho3zRv3n2a-rkI=") }},
	{"unknown document", func(s *stack) apitest.Answer { return s.Get(s.draft() + "/documents/nothing") }},
	{"unknown role", func(s *stack) apitest.Answer { return s.Get(s.draft() + "/roles/nothing") }},
	{"no document in the request", func(s *stack) apitest.Answer { return s.Post(s.draft()+"/documents", `[]`) }},
	{"signing address of a draft", func(s *stack) apitest.Answer { return s.Get(s.draft() + "/roles/" + seedRole + "/signingUrl") }},
	{"evidence of a draft", func(s *stack) apitest.Answer { return s.Get(s.draft() + "/evidence/summary") }},
	{"notify nobody", func(s *stack) apitest.Answer { return s.Post(s.draft()+"/notifications", `{}`) }},
	{"notify for a draft", func(s *stack) apitest.Answer {
		return s.Post(s.draft()+"/notifications", `{"email":"signer1@example.com"}`)
	}},
	{"notify too often", func(s *stack) apitest.Answer {
		one := s.sent()
		s.Post(one+"/notifications", `{"email":"signer1@example.com"}`).Want(204) // the invitation itself does not count
		return s.Post(one+"/notifications", `{"email":"signer1@example.com"}`)
	}},
	{"package of another's", func(s *stack) apitest.Answer {
		other, err := s.dir.CreateAccount(s.T.Context(), directory.NewAccount{Name: "Other"})
		if err != nil {
			s.T.Fatal(err)
		}
		return s.as(s.newClient(other, authz.Sign)).Delete(s.draft())
	}},
}

var sendingRefusals = []refusal{
	{"send without a document", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","status":"SENT","roles":[{"id":"r","signers":[{"email":"a@example.com","firstName":"A"}]}]}`)
	}},
	{"send only roles without an approval", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","status":"SENT","roles":[{"id":"idle","name":"Idle","signers":[{"email":"idle@example.com","firstName":"Idle"}]}],
			"documents":[{"name":"d","base64Content":"`+base64Paper()+`"}]}`)
	}},
	{"send to an empty group", func(s *stack) apitest.Answer {
		id := s.Post("/api/groups", `{"id":"emptygroup","name":"Empty"}`).Want(200).Text("id")
		one := "/api/packages/" + s.upload("/api/packages", packageFor(id), "a.pdf").Want(200).Text("id")
		return s.Post(one, `{"status":"SENT"}`)
	}},
	{"send a document nobody signs", func(s *stack) apitest.Answer {
		return s.upload("/api/packages", `{"name":"x","status":"SENT","documents":[{"name":"d"}]}`, "d.pdf")
	}},
	{"DRAFT to COMPLETED", func(s *stack) apitest.Answer { return s.Put(s.draft(), `{"status":"COMPLETED"}`) }},
	{"DRAFT to DECLINED", func(s *stack) apitest.Answer { return s.Post(s.draft(), decline("No")) }},
	{"DECLINED without a reason", func(s *stack) apitest.Answer { return s.Post(s.sent(), decline("")) }},
	{"unknown status", func(s *stack) apitest.Answer { return s.Put(s.draft(), `{"status":"NONSENSE"}`) }},
	{"document added after sending", func(s *stack) apitest.Answer {
		return s.upload(s.sent()+"/documents", `{"name":"late"}`, "late.pdf")
	}},
	{"document removed after sending", func(s *stack) apitest.Answer { return s.Delete(s.sent() + "/documents/" + seedDocument) }},
	{"completed package changed", func(s *stack) apitest.Answer {
		one := s.sent()
		s.sign("signer1@example.com")
		return s.Put(one, `{"name":"Other"}`)
	}},
}

func decline(reason string) string {
	return `{"messages":[{"from":{"id":"` + seedRole + `"},"content":"` + reason + `","documents":[{"id":"default-consent"}]}],"status":"DECLINED"}`
}

// Every error of errors.tsv is produced through HTTP on both engines, every way
// to be refused is in it, and a refusal leaves nothing behind.
func testErrors(t *testing.T, s *stack) {
	want := map[string]map[string]string{}
	for _, row := range apitest.Errors(t, "errors.tsv") {
		want[row["when"]] = row
	}
	for _, r := range slices.Concat(requestRefusals, groupRefusals, packageRefusals, shapeRefusals, sendingRefusals, editRefusals, signingRefusals, callbackRefusals, wholeRefusals, accountRefusals, tokenRefusals, extractRefusals, rareRefusals) {
		s.forget()
		got := errorRow(r.name, r.make(s))
		row := want[r.name]
		delete(want, r.name)
		if row == nil {
			t.Errorf("not in errors.tsv: %s", got)
		} else if line := row["when"] + "\t" + row["status"] + "\t" + row["key"] + "\t" + row["message"]; line != got {
			t.Errorf("\nwant %s\ngot  %s", line, got)
		}
	}
	for name := range want {
		t.Errorf("nothing produces %s", name)
	}
}

// forget deletes what a refusal before needed.
func (s *stack) forget() {
	s.T.Helper()
	var groups struct {
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
	}
	s.Get("/api/groups/summary").Want(200).Into(&groups)
	for _, g := range groups.Results {
		s.Delete("/api/groups/" + g.ID).Want(204)
	}
}

// errorRow words an answer as a line of errors.tsv; what breaks a client library is no such line.
func errorRow(name string, a apitest.Answer) string {
	var body struct {
		Code       int               `json:"code"`
		MessageKey *string           `json:"messageKey"`
		Message    *string           `json:"message"`
		Name       *string           `json:"name"`
		Parameters map[string]string `json:"parameters"`
	}
	a.Into(&body)
	if a.Header.Get("Content-Type") != "application/json" || body.Code != a.Status || body.Name == nil || *body.Name == "" ||
		body.Message == nil || *body.Message == "" || body.MessageKey == nil {
		return "a wrong error body: " + string(a.Body)
	}
	return name + "\t" + strconv.Itoa(a.Status) + "\t" + *body.MessageKey + "\t" + *body.Message
}
