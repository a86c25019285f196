package congasign

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
)

// One tree under every prefix, with and without a trailing slash, and never a redirect.
func testAliases(t *testing.T, s *stack) {
	group := s.group()
	id := s.upload("/v1/sign/cs-packages", packageFor(group), "a.pdf").Want(200).Text("id")
	for _, path := range []string{"/api/cs-groups/", "/api/groups/", "/api/sign/v1/cs-groups/", "/api/sign/v1/groups/"} {
		if got := s.Get(path + group).Want(200).Text("id"); got != group {
			t.Errorf("%s: %s", path, got)
		}
		s.Get(path).Want(200)
		s.Get(strings.TrimSuffix(path, "/")).Want(200)
	}
	for _, prefix := range []string{"/api/cs-packages/", "/api/packages/", "/api/sign/v1/cs-packages/", "/api/sign/v1/sign/cs-packages/", "/v1/sign/cs-packages/"} {
		for _, path := range []string{id, id + "/", strings.ReplaceAll(id, "=", "%3D")} {
			if got := s.Get(prefix + path).Want(200).Text("id"); got != id {
				t.Errorf("%s%s: %s", prefix, path, got)
			}
		}
	}
	for _, path := range []string{"/api//cs-groups", "/api/cs-groups//", "/api/./cs-groups", "/api/x/../cs-groups", "/api/users", "/api/Accounts/1", "/api/rest/v6/x"} {
		s.Get(path).Want(404)
	}
}

// seedGroup is the answer printed in "Conga Sign, Creating Groups", with addresses of example.com.
const seedGroup = `{
    "id": "bc65203e-99df-47b4-a51c-33e8082780c5",
    "members": [
        {"userId": "2q37oSloj5AD", "pending": false, "lastName": "Drake", "email": "signer3@example.com", "firstName": "Bill", "memberType": "REGULAR"},
        {"userId": "FxktNzFzmkIY", "pending": false, "lastName": "Mann", "email": "signer4@example.com", "firstName": "Audrey", "memberType": "REGULAR"}
    ],
    "emailMembers": false, "reciprocalDelegation": false, "data": null,
    "account": {
        "id": "3vD0Dc9Fh7wQ", "data": null, "updated": "2017-11-20T19:03:28Z",
        "company": {"id": "", "data": null, "address": null, "name": ""},
        "licenses": [], "logoUrl": "", "providers": null, "customFields": [],
        "created": "2017-11-20T19:03:28Z", "owner": "", "name": ""
    },
    "updated": "2017-11-20T19:03:28Z", "email": "your_group_email@example.com", "created": "2017-11-20T19:03:28Z", "name": "your_group_name"
}`

// shape is a JSON value with the length and the form of its texts in their place.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			out[name] = shape(member)
		}
		return out
	case []any:
		out := []any{}
		for _, element := range v {
			out = append(out, shape(element))
		}
		return out
	case string:
		form := strings.Map(func(r rune) rune {
			if r == '-' || r == ':' || r == 'T' || r == 'Z' {
				return r
			}
			return 'x'
		}, v)
		if len(v) == 12 {
			return "an id of 12"
		}
		if len(v) == 36 && strings.Count(v, "-") == 4 {
			return "a GUID"
		}
		if len(v) == 20 && strings.Count(form, "-") == 2 {
			return form // a date
		}
		return v
	}
	return v
}

// The seed's request gives the seed's answer, member for member.
func testSeedGroup(t *testing.T, s *stack) {
	for email, name := range map[string]string{"signer3@example.com": "Bill Drake", "signer4@example.com": "Audrey Mann"} {
		first, last, _ := strings.Cut(name, " ")
		id := s.Post("/api/account/senders", `{"email":"`+email+`","firstName":"`+first+`","lastName":"`+last+`"}`).Want(200).Text("id")
		if id == "" {
			t.Fatal("a sender without id")
		}
	}
	var got, want any
	s.Post("/api/cs-groups", `{"email":"your_group_email@example.com","name":"your_group_name","members":[
		{"pending":false,"email":"Signer3@Example.com","memberType":"REGULAR","firstName":"John","lastName":"Smith"},
		{"pending":false,"email":"signer4@example.com","memberType":"REGULAR","firstName":"Mary","lastName":"Doe"}]}`).Want(200).Into(&got)
	for _, m := range got.(map[string]any)["members"].([]any) {
		member := m.(map[string]any)
		if member["pending"] != true {
			t.Errorf("the request decided pending: %v", member)
		}
		member["pending"] = false // the sample's members have accepted
	}
	if err := json.Unmarshal([]byte(seedGroup), &want); err != nil {
		t.Fatal(err)
	}
	g, _ := json.MarshalIndent(shape(got), "", " ")
	w, _ := json.MarshalIndent(shape(want), "", " ")
	if !bytes.Equal(g, w) {
		t.Errorf("got %s\nwant %s", g, w)
	}
	var empty map[string]any
	s.Post("/api/cs-groups", `{"email":"invitee@example.com","name":"REST Developers"}`).Want(200).Into(&empty)
	if members, ok := empty["members"].([]any); !ok || len(members) != 0 {
		t.Errorf("an empty group has the members %v", empty["members"])
	}
}

// The Java library strips the members, then posts each; it chooses the id itself.
func testLibraryGroup(t *testing.T, s *stack) {
	s.senders()
	s.Post("/api/groups", `{"id":"f1c2d3","email":"group@example.com","name":"Group name","emailMembers":true,"data":null,"members":null}`).Want(200)
	for i, kind := range []string{"MANAGER", "SIGNER"} {
		got := s.Post("/api/groups/f1c2d3/members", fmt.Sprintf(`{"email":"signer%d@example.com","userId":"","memberType":"%s"}`, i+1, kind)).Want(200)
		if got.Text("email") != fmt.Sprintf("signer%d@example.com", i+1) || got.At("pending") != true {
			t.Errorf("%s", got.Body)
		}
	}
	g := s.Get("/api/groups/f1c2d3").Want(200)
	if g.Text("members.0.memberType") != "MANAGER" || g.Text("members.1.memberType") != "REGULAR" || g.At("emailMembers") != true {
		t.Errorf("%s", g.Body)
	}
	cleared := s.Put("/api/groups/f1c2d3", `{"members":[]}`).Want(200)
	if n := len(cleared.At("members").([]any)); n != 0 {
		t.Errorf("%d members are left", n)
	}
	nameless := s.Post("/api/groups", `{"email":"Only@Example.com"}`).Want(200)
	if nameless.Text("name") != "only@example.com" || s.Post("/api/groups", `{}`).Want(200).Text("name") != "Signer group" {
		t.Errorf("%s", nameless.Body)
	}
}

func testSenders(t *testing.T, s *stack) {
	s.senders()
	again := s.Post("/api/account/senders", `{"email":"SIGNER1@example.com","firstName":"Other","lastName":"Name"}`).Want(200)
	if again.Text("firstName") != "John" || again.Text("status") != "INVITED" {
		t.Errorf("inviting again changed the sender: %s", again.Body)
	}
	for query, want := range map[string]int{"": 1, "?from=1&to=2": 2, "?from=2": 2, "?from=1&to=50": 3, "?from=4&to=9": 0, "?search=DOE&from=1&to=9": 1} {
		got := s.Get("/api/account/senders" + query).Want(200)
		if n := len(got.At("results").([]any)); n != want {
			t.Errorf("%s: %d results, want %d", query, n, want)
		}
	}
	if count := s.Get("/api/account/senders").At("count"); count != 3.0 { // with the client's own
		t.Errorf("count %v", count)
	}
}

// libraryPackage has the members that the Java library sends.
const libraryPackage = `{"name":"Library","description":"d","emailMessage":"m","autocomplete":true,"data":{"sdk":"Java v11.68.0","n":1.5},"due":null,
 "roles":[{"id":"role1","name":"signer1","index":1,"locked":false,"reassign":true,"emailMessage":{"content":"Dear John"},"data":null,
   "signers":[{"id":"signer1","firstName":"John","lastName":"Smith","email":"John.Smith@Example.com","title":"Dr","company":"Example","phone":null,
     "knowledgeBasedAuthentication":null,"delivery":{"email":false},"auth":{"scheme":"NONE","challenges":[]}}]},
  {"id":"GROUP","name":"","index":2,"signers":[{"group":{"id":"GROUP"}}]}],
 "documents":[{"id":"documentId","name":"First Document","index":0,"extract":false,"extractionTypes":[],"data":{},"externalSigned":false,"base64Content":"PDF",
   "approvals":[{"id":"a1","role":"role1","fromFile":false,"enforceCaptureSignature":false,"optional":false,"disabled":false,
     "fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100.0,"top":100.5,"width":200.25,"height":50.0,"extract":false,"tooltip":null},
               {"id":"f2","type":"INPUT","subtype":"TEXTFIELD","name":"note","value":"prefilled","page":0,"left":1,"top":2,"width":130,"height":20,"validation":{"pattern":"","group":null,"required":true,"minLength":0,"maxLength":2147483647,"minimumRequired":0,"maximumRequired":0,"groupTooltip":null,"disabled":false,"enum":["group1"]}},
               {"id":"f3","type":"INPUT","subtype":"LABEL","name":"title","binding":"{signer.title}","page":0,"left":120.0,"top":200.0,"width":200.0,"height":50.0,"extract":false,"value":null,"fontSize":null}]},
     {"id":"a2","role":"GROUP","fields":[{"type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":0,"top":0,"width":0,"height":0}]}]}],
 "settings":{"integrationFrameworkWorkflows":[],"ceremony":{"inPerson":true,"declineReasons":["No"],"style":null,"maxAuthFailsAllowed":3,"layout":{"iframe":false,"brandingBar":{"logo":null}},"ours":1.5}}}`

// What the library sends comes back, and the whole package as read can be sent back as an update.
func testLibraryPackage(t *testing.T, s *stack) {
	group := s.group()
	payload := strings.NewReplacer("GROUP", group, "PDF", base64.StdEncoding.EncodeToString([]byte(paper()))).Replace(libraryPackage)
	created := s.Post("/api/packages", payload).Want(200)
	if got := string(created.Body); got != `{"id":"`+created.Text("id")+`"}` {
		t.Errorf("the answer has more than the id: %s", got)
	}
	one := "/api/packages/" + created.Text("id")
	p := s.Get(one).Want(200)
	for path, want := range map[string]any{
		"roles.1.id": "role1", "roles.1.index": 1.0, "roles.1.reassign": true, "roles.1.emailMessage.content": "Dear John",
		"roles.1.signers.0.email": "john.smith@example.com", "roles.1.signers.0.signerType": "EXTERNAL_SIGNER", "roles.1.signers.0.phone": "",
		"roles.2.id": group, "roles.2.signers.0.group.id": group, "roles.2.signers.0.signerType": "GROUP_SIGNER",
		"roles.2.signers.0.email": group + "@groups.e-signlive.com", "roles.2.signers.0.firstName": "REST Developers",
		"roles.0.type": "SENDER", "documents.0.id": "default-consent", "documents.0.index": 0.0,
		"documents.1.id": "documentId", "documents.1.approvals.0.fields.0.left": 100.0, "documents.1.approvals.0.fields.0.top": 100.5,
		"documents.1.approvals.0.fields.0.width": 200.25, "documents.1.approvals.0.fields.1.id": "f3",
		"documents.1.approvals.0.fields.1.binding": "{signer.title}", "documents.1.approvals.0.fields.2.value": "prefilled",
		"documents.1.approvals.0.fields.2.validation.maxLength": 2147483647.0, "data.sdk": "Java v11.68.0", "data.n": 1.5,
		"settings.ceremony.inPerson": true, "settings.ceremony.ours": 1.5,
	} {
		if got := p.At(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if n := len(p.At("documents.1.approvals.1.fields").([]any)); n != 0 {
		t.Errorf("an acceptance came back with %d fields", n)
	}
	if n := len(p.At("documents.0.approvals").([]any)); n != 2 {
		t.Errorf("the consent has %d approvals, want one for each signer", n)
	}
	if strings.Contains(string(p.Body), `"style"`) {
		t.Error("a null of the settings came back")
	}
	back := s.Put(one, string(p.Body)).Want(200)
	before, after := p.At("documents"), back.At("documents")
	if fmt.Sprint(before) != fmt.Sprint(after) || back.Text("status") != "DRAFT" {
		t.Errorf("sending the package back changed it: %s", back.Body)
	}
	s.Post(one, `{"status":"SENT"}`).Want(200)
	for _, address := range []string{group + "@groups.e-signlive.com", "invitee@example.com"} {
		if n := s.mails(address); n != 0 {
			t.Errorf("%d mails to %s", n, address)
		}
	}
}

// Parts in any order, the payload as one document or as an array, chunked or not.
func testMultipartForms(t *testing.T, s *stack) {
	group := s.group()
	payload := apitest.Part{Name: "payload", Media: "text/plain; charset=UTF-8", Data: packageFor(group)}
	file := apitest.Part{Name: "file", File: "sample_contract", Media: "application/octet-stream", Data: paper()}
	var one string
	for _, parts := range [][]apitest.Part{{payload, file}, {file, payload}} {
		one = "/api/packages/" + s.parts(parts...).Want(200).Text("id")
	}
	s.parts(apitest.Part{Name: "payload", File: "blob", Data: payload.Data}, file).Want(200)
	body, media := apitest.Multipart(file, payload)
	req, err := http.NewRequest("POST", s.URL+"/api/packages", struct{ io.Reader }{bytes.NewReader(body)}) // no length: chunked
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media+"; esl-api-version=11.68.0")
	req.Header.Set("Authorization", s.Authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("chunked: %d", resp.StatusCode)
	}
	single := s.upload(one+"/documents", `{"id":"x1","name":"X1"}`, "../../etc/X1.pdf").Want(200)
	if single.Text("name") != "X1" {
		t.Errorf("%s", single.Body)
	}
	many := s.upload(one+"/documents", `[{"id":"y1","name":"Y1"},{"id":"y2","name":"Y2"}]`, "Y2", "Y1").Want(200)
	if many.Text("0.id") != "y1" || many.Text("1.id") != "y2" {
		t.Errorf("%s", many.Body)
	}
	data := base64.StdEncoding.EncodeToString([]byte(paper()))
	inline := s.Post(one+"/documents", `[{"id":"z1","name":"Z1","base64Content":"`+data+`"}]`).Want(200)
	if inline.Text("0.id") != "z1" {
		t.Errorf("%s", inline.Body)
	}
}

func testPackageList(t *testing.T, s *stack) {
	var ids []string
	for i := range 4 {
		ids = append(ids, s.Post("/api/packages", fmt.Sprintf(`{"name":"Package %d","description":"Straße 50%%"}`, i)).Want(200).Text("id"))
	}
	s.Post("/api/packages/"+ids[3], `{"trashed":true}`).Want(200)
	for query, want := range map[string]string{
		"":                            "2 1 0",
		"?dir=asc":                    "0 1 2",
		"?query=drafts&from=2&to=2":   "1",
		"?query=DRAFT&from=3":         "0",
		"?query=SENT":                 "",
		"?query=inbox":                "",
		"?query=trashed":              "3",
		"?predefined=all":             "2 1 0",
		"?search=package%201":         "1",
		"?search=50%25":               "2 1 0",
		"?search=5_%25":               "",
		"?type=template":              "",
		"?type=PACKAGE&from=1&to=999": "2 1 0",
	} {
		var got struct {
			Results []struct{ Name string }
		}
		s.Get("/api/packages" + query).Want(200).Into(&got)
		var names []string
		for _, r := range got.Results {
			names = append(names, strings.TrimPrefix(r.Name, "Package "))
		}
		if list := strings.Join(names, " "); list != want {
			t.Errorf("%s: %q, want %q", query, list, want)
		}
	}
	if status := s.Get("/api/packages/" + ids[3] + "/signingStatus").Text("status"); status != "DELETED" {
		t.Errorf("a trashed package is %s", status)
	}
}

func testDeclineByAPI(t *testing.T, s *stack) {
	one := s.sent()
	p := s.Post(one, decline(`Wrong <script>alert(1)</script>`)).Want(200)
	if p.Text("status") != "DECLINED" || p.Text("messages.0.content") != "Wrong <script>alert(1)</script>" {
		t.Errorf("%s", p.Body)
	}
	from := p.At("messages.0.from").(map[string]any)
	if by := "Integration for REST Developers"; from["name"] != by || from["firstName"] != by || from["lastName"] != "" { // the owner did it, not the signer
		t.Errorf("declined by %v", from)
	}
	if p.Header.Get("X-Content-Type-Options") != "nosniff" || p.Header.Get("Content-Disposition") != "" {
		t.Errorf("headers %v", p.Header)
	}
	s.Post(one, `{"status":"SENT"}`).Want(400)
}

// The files: as uploaded byte for byte, sealed on top of it, and all in one archive.
func testDownloads(t *testing.T, s *stack) {
	one := s.sent()
	doc := one + "/documents/" + seedDocument
	if got := s.Get(doc + "/original").Want(200); string(got.Body) != paper() {
		t.Errorf("the original has %d bytes", len(got.Body))
	}
	s.sign("signer2@example.com")
	sealed := s.Get(doc + "/pdf").Want(200)
	if !bytes.HasPrefix(sealed.Body, []byte(paper())) || len(sealed.Body) <= len(paper()) {
		t.Errorf("the sealed file of %d bytes does not begin with the original", len(sealed.Body))
	}
	archive := s.Get(one + "/documents/zip").Want(200).Body
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil || len(files.File) != 1 || files.File[0].Name != "sample_contract.pdf" {
		t.Fatalf("%v, %v", files, err)
	}
	content, err := files.Open("sample_contract.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(content); err != nil || !bytes.Equal(data, sealed.Body) {
		t.Errorf("the archive holds %d other bytes, %v", len(data), err)
	}
	p := s.Get(one).Want(200)
	if p.Text("status") != "COMPLETED" || p.At("completed") == nil || p.At("documents.1.approvals.0.signed") == nil || p.At("documents.0.approvals.0.accepted") == nil {
		t.Errorf("%s", p.Body)
	}
	names := map[string]bool{"a.pdf": true}
	if got := unique("a.pdf", names) + unique("a.pdf", names); got != "2 a.pdf3 a.pdf" {
		t.Errorf("names %q", got)
	}
}

// A refused call leaves nothing behind.
func testRefusalChangesNothing(t *testing.T, s *stack) {
	s.senders()
	before := s.mails("signer1@example.com")
	s.Post("/api/groups", `{"name":"Half","members":[{"email":"signer1@example.com"},{"email":"stranger@example.com"}]}`).Want(400)
	payload := strings.Replace(packageFor(unknown), `"DRAFT"`, `"SENT"`, 1)
	s.upload("/api/packages", payload, "a.pdf").Want(400)
	s.upload("/api/packages", `{"name":"x","status":"SENT","documents":[{"name":"d"}]}`, "d.pdf").Want(422)
	one := "/api/packages/" + s.Post("/api/packages", `{"name":"Kept"}`).Want(200).Text("id")
	s.Put(one, `{"name":"Changed","status":"COMPLETED"}`).Want(400)
	if name := s.Get(one).Text("name"); name != "Kept" {
		t.Errorf("the package is called %s", name)
	}
	if groups, packages := s.Get("/api/groups").At("count"), s.Get("/api/packages").At("count"); groups != 0.0 || packages != 1.0 {
		t.Errorf("%v groups, %v packages", groups, packages)
	}
	if now := s.mails("signer1@example.com"); now != before {
		t.Errorf("%d mails were sent", now-before)
	}
}

// Attack P8 at this surface: in a body and in a payload alike.
func testBadJSON(t *testing.T, s *stack) {
	for name, body := range map[string]string{
		"member twice": `{"name":"a","name":"b"}`, "unknown member twice": `{"z":1,"z":2}`, "trailing data": `{}{}`, "BOM": "\xef\xbb\xbf{}",
		"invalid UTF-8": "{\"name\":\"\xff\"}", "NUL": `{"name":"\u0000"}`, "surrogate": `{"name":"\ud800"}`, "number": `{"z":1e400}`,
		"deep": `{"z":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "null": `null`, "nothing": ``, "wrong case is unknown": `{"Name":1,"name":2}`,
	} {
		for route, a := range map[string]apitest.Answer{
			"groups": s.Post("/api/groups", body), "packages": s.Post("/api/packages", body), "payload": s.parts(apitest.Part{Name: "payload", Data: body}),
		} {
			a.Want(400)
			if key := a.Text("messageKey"); !strings.HasPrefix(key, "error.validation.json.") {
				t.Errorf("%s in %s: %s", name, route, key)
			}
		}
	}
}

// endless is a body that never ends; it counts what is read of it.
type endless struct {
	head string
	read int64
}

func (e *endless) Read(b []byte) (n int, err error) {
	if e.head != "" {
		n = copy(b, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	for i := range b {
		b[i] = 'x'
	}
	e.read += int64(len(b))
	return len(b), nil
}

func (e *endless) Close() error { return nil }

// Attack P7: a part without end is read up to the limit of a file and not further.
func testEndlessPart(t *testing.T, s *stack) {
	for name, c := range map[string]struct {
		media, head string
		limit       int64
	}{
		"file":    {"multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n", maxFile},
		"payload": {"multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n", maxPayload},
		"head":    {"multipart/form-data; boundary=X", "--X\r\nContent-Disposition: ", 10 << 20},
		"JSON":    {"application/json", `{"name":"`, maxInline},
	} {
		body := &endless{head: c.head}
		r := httptest.NewRequest("POST", "/api/packages", body)
		r.ContentLength = maxUpload // more than the hall would hear out
		r.Header.Set("Content-Type", c.media)
		r.Header.Set("Authorization", s.Authorization)
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.server.Config.Handler.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if w.Code != 413 && w.Code != 400 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if body.read > c.limit+2<<20 {
			t.Errorf("%s: read %d bytes of a limit of %d", name, body.read, c.limit)
		}
		t.Logf("%s: %d, read %d kB, allocated %d kB", name, w.Code, body.read>>10, (after.TotalAlloc-before.TotalAlloc)>>10)
	}
}

// Script and other people's characters in names come back as they are, in JSON.
func testNamesComeBackFaithfully(t *testing.T, s *stack) {
	for _, name := range []string{`<script>alert(1)</script>`, `"'); drop table packages;--`, "José Ñandú", "Ελένη", "山田太郎", "Юлия", "=cmd|' /C calc'!A0", "😀"} {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Post("/api/groups", `{"name":`+string(quoted)+`}`).Want(200)
		if got.Text("name") != name || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%q came back as %q", name, got.Text("name"))
		}
	}
}
