package congasign

import (
	"bytes"
	"encoding/base64"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
)

// editable makes a draft of two persons and one document, and returns its path.
func (s *stack) editable() string {
	s.T.Helper()
	return "/api/packages/" + s.Post("/api/packages", strings.Replace(editablePackage, "PDF", base64.StdEncoding.EncodeToString([]byte(paper())), 1)).Want(200).Text("id")
}

const editablePackage = `{"name":"Edit","settings":{"ceremony":{"maxAttachmentFiles":3}},
 "roles":[{"id":"r1","name":"First","index":1,"attachmentRequirements":[{"id":"licence","name":"Licence","description":"Both sides","required":true,"data":null}],
   "signers":[{"id":"s1","email":"ann@example.com","firstName":"Ann","lastName":"Lee","delivery":{"email":true},"notificationMethods":{"primary":["EMAIL"]},
     "timezoneId":"UTC","specialTypes":[],"auth":{"scheme":"NONE","challenges":[]}}]},
  {"id":"r2","name":"Second","index":2,"signers":[{"id":"s2","email":"bob@example.com","firstName":"Bob","lastName":"Ray"}]}],
 "documents":[{"id":"d1","name":"Contract","base64Content":"PDF","approvals":[
   {"id":"a1","role":"r1","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":100,"width":200,"height":50},
     {"id":"f2","type":"INPUT","subtype":"TEXTFIELD","page":0,"left":100,"top":200,"width":200,"height":30}]},
   {"id":"a2","role":"s2","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":400,"top":100,"width":200,"height":50}]}]}]}`

// playEditing calls every route of editing for its golden sample.
func (s *stack) playEditing() {
	s.T.Helper()
	one := s.editable()
	s.Golden.Name("edited", one[len("/api/packages/"):])
	s.playRoles(one)
	s.playDocuments(one)
	s.playApprovals(one)
	s.Post(one, `{"status":"SENT"}`).Want(200)
	s.playAttachments(one)
}

func (s *stack) playRoles(one string) {
	s.T.Helper()
	s.sample("POST /packages/{package}/roles", "POST", one+"/roles",
		`{"id":"r3","index":3,"signers":[{"id":"s3","email":"Cy@Example.com","firstName":"Cy","lastName":"Orr"}]}`).Want(200)
	s.sample("PUT /packages/{package}/roles", "PUT", one+"/roles", `[{"id":"r2","index":1},{"id":"r1","index":2}]`).Want(200)
	s.sample("PUT /packages/{package}/roles/{role}", "PUT", one+"/roles/s3", `{"name":"Third","reassign":true,"emailMessage":{"content":"Dear Cy"}}`).Want(200)
	s.sample("POST /packages/{package}/groups", "POST", one+"/groups", `{"id":"board","name":"Board","signers":[{"id":"b0","firstName":"Board","signerType":"AD_HOC_GROUP_SIGNER",
		"email":"0123456789abcdef0123456789abcdef@adhoc.groups.e-signlive.com","group":{"name":"Board","members":[{"userId":"s1","memberType":"AD_HOC_GROUP_MEMBER"},{"userId":"s3","memberType":"AD_HOC_GROUP_MEMBER"}]}}]}`).Want(200)
	s.sample("PUT /packages/{package}/groups", "PUT", one+"/groups", `{"id":"board","signers":[{"id":"b0","signerType":"AD_HOC_GROUP_SIGNER",
		"email":"0123456789abcdef0123456789abcdef@adhoc.groups.e-signlive.com","group":{"name":"New board","members":[{"userId":"s3","memberType":"AD_HOC_GROUP_MEMBER"},{"userId":"s1","memberType":"AD_HOC_GROUP_MEMBER"}]}}]}`).Want(200)
	s.Delete(one + "/roles/board").Want(204)
	s.sample("DELETE /packages/{package}/roles/{role}", "DELETE", one+"/roles/s3", "").Want(204)
	s.sample("POST /packages/{package}/roles/{role}/unlock", "POST", one+"/roles/s1/unlock", "").Want(204)
}

func (s *stack) playDocuments(one string) {
	s.T.Helper()
	docs := one + "/documents"
	s.upload(docs, `[{"id":"d2","name":"Second"},{"id":"d3","name":"Third"}]`, "Second", "Third").Want(200)
	s.sample("PUT /packages/{package}/documents", "PUT", docs, `[{"id":"default-consent","name":"x","index":0},{"id":"d2","index":1},{"id":"d1","name":"Contract","index":2}]`).Want(200)
	s.sample("DELETE /packages/{package}/documents", "DELETE", docs, `["d2"]`).Want(204)
	s.sample("POST /packages/{package}/documents/visibility", "POST", docs+"/visibility", `{"configurations":[{"documentUid":"d3","roleUids":["s1"]}]}`).Want(200)
	s.sample("GET /packages/{package}/documents/visibility", "GET", docs+"/visibility", "").Want(200)
	s.sample("POST /packages/{package}/documents/localize-consent", "POST", docs+"/localize-consent", `{"language":"fr"}`).Want(200)
	body, media := apitest.Multipart(apitest.Part{Name: "payload", Data: `{"name":"Other"}`}, apitest.Part{Name: "file", File: "other.pdf", Data: paper()})
	s.Do(apitest.Call{Route: "POST /packages/{package}/documents/{document}", Method: "POST", Path: docs + "/d3", Media: media, Body: body}).Want(200)
	s.sample("PUT /packages/{package}/documents/{document}", "PUT", docs+"/d3", `{"name":"Renamed","description":"Terms","index":9}`).Want(200)
	s.sample("GET /packages/{package}/documents/{document}/pages/{page}", "GET", docs+"/d3/pages/0", "").Want(200)
}

func (s *stack) playApprovals(one string) {
	s.T.Helper()
	const all = "/packages/{package}/documents/{document}/approvals"
	path := one + "/documents/d3/approvals"
	s.sample("POST "+all, "POST", path+"/", `{"id":"n1","role":"r1","fields":[{"id":"m1","type":"INPUT","subtype":"CHECKBOX","value":"X","page":0,"left":10,"top":10,"width":20,"height":20},
		{"id":"m2","type":"INPUT","subtype":"LABEL","binding":"{signer.name}","page":0,"left":10,"top":40,"width":90,"height":20},
		{"id":"m3","type":"SIGNATURE","subtype":"CAPTURE","page":0,"left":10,"top":80,"width":90,"height":30}]}`).Want(200)
	s.sample("GET "+all+"/{approval}", "GET", path+"/n1", "").Want(200)
	s.sample("PUT "+all+"/{approval}", "PUT", path+"/n1", `{"name":"Block","optional":true}`).Want(200)
	s.sample("POST "+all+"/{approval}/fields", "POST", path+"/n1/fields", `{"id":"m4","type":"INPUT","subtype":"LIST","page":0,"left":10,"top":120,"width":90,"height":20,"validation":{"enum":["a","b"]}}`).Want(200)
	s.sample("GET "+all+"/{approval}/fields/{field}", "GET", path+"/n1/fields/m4", "").Want(200)
	s.sample("PUT "+all+"/{approval}/fields/{field}", "PUT", path+"/n1/fields/m4", `{"left":20,"tooltip":"Choose"}`).Want(200)
	s.sample("POST "+all+"/{approval}/fields/{field}", "POST", path+"/n1/fields/m4", `{"value":"a"}`).Want(200)
	s.sample("PUT "+all+"/{approval}/fields/{field}/conditionalFields", "PUT", path+"/n1/fields/m4/conditionalFields",
		`{"id":"m4","conditions":[{"id":"c1","condition":"document['d3'].field['m1'].value == 'X'","action":"document['d3'].field['m4'].disabled = true"}]}`).Want(200)
	s.sample("DELETE "+all+"/{approval}/fields/{field}", "DELETE", path+"/n1/fields/m4", "").Want(204)
	s.sample("PUT "+all, "PUT", path, `[{"id":"p1","role":"r1","fields":[{"type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":0,"top":0,"width":0,"height":0}]},{"id":"p2","role":"r2","fields":[]}]`).Want(200)
	s.sample("DELETE "+all+"/{approval}", "DELETE", path+"/p2", "").Want(204)
}

func (s *stack) playAttachments(one string) {
	s.T.Helper()
	const route = "/packages/{package}/attachment"
	path := one + "/attachment"
	body, media := apitest.Multipart(apitest.Part{Name: "payload", File: "../licence.txt", Media: "text/html", Data: "valid until 2030"})
	s.Do(apitest.Call{Route: "POST " + route + "/{attachment}", Method: "POST", Path: path + "/licence", Media: media, Body: body}).Want(200)
	s.sample("GET "+route+"/{attachment}", "GET", path+"/licence", "").Want(200)
	s.sample("GET "+route+"/{attachment}/exists", "GET", path+"/licence/exists", "").Want(200)
	s.sample("GET "+route+"/{attachment}/file/{file}", "GET", path+"/licence/file/1", "").Want(200)
	s.sample("GET "+route+"/{attachment}/file/{file}/exists", "GET", path+"/licence/file/1/exists", "").Want(200)
	s.sample("GET "+route+"/verifications", "GET", path+"/verifications", "").Want(200)
	s.sample("GET "+route+"/zip", "GET", path+"/zip", "").Want(200)
	s.sample("GET "+route+"/zip/{role}", "GET", path+"/zip/s1", "").Want(200)
	s.sample("DELETE "+route+"/{attachment}/file/{file}", "DELETE", path+"/licence/file/1", "").Want(204)
}

// attached uploads one part.
func (s *stack) attached(one, part, file, data string) apitest.Answer {
	body, media := apitest.Multipart(apitest.Part{Name: part, File: file, Data: data})
	return s.Do(apitest.Call{Method: "POST", Path: one + "/attachment/licence", Media: media, Body: body})
}

// sentEditable is the same package, sent.
func (s *stack) sentEditable() string {
	one := s.editable()
	s.Post(one, `{"status":"SENT"}`).Want(200)
	return one
}

const oneField = `"type":"INPUT","subtype":"TEXTFIELD","page":0,"left":1,"top":1,"width":50,"height":20`

var editRefusals = []refusal{
	{"ad-hoc group without members", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[{"id":"r","signers":[{"signerType":"AD_HOC_GROUP_SIGNER","firstName":"Board"}]}]}`)
	}},
	{"ad-hoc group of a stranger", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/groups", `{"name":"Board","members":[{"userId":"nobody"}]}`)
	}},
	{"external document", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents", `[{"name":"x","base64Content":"JVBERi0=","external":{"id":"1","providerName":"x"}}]`)
	}},
	{"role id taken", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/roles", `{"id":"r1","signers":[{"email":"c@example.com","firstName":"C"}]}`)
	}},
	{"role of an unknown group added", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/roles", `{"id":"r9","signers":[{"group":{"id":"`+unknown+`"}}]}`)
	}},
	{"unknown role changed", func(s *stack) apitest.Answer { return s.Put(s.editable()+"/roles/nobody", `{"index":1}`) }},
	{"role changed by an array", func(s *stack) apitest.Answer { return s.Put(s.editable()+"/roles/r1", `[]`) }},
	{"owner's role deleted", func(s *stack) apitest.Answer {
		one := s.editable()
		return s.Delete(one + "/roles/" + s.Get(one).Text("sender.id"))
	}},
	{"role added after sending", func(s *stack) apitest.Answer {
		return s.Post(s.sentEditable()+"/roles", `{"id":"r9","signers":[{"email":"c@example.com","firstName":"C"}]}`)
	}},
	{"role named twice", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/roles", `[{"id":"r1","index":1},{"id":"s1","index":2}]`)
	}},
	{"role with a delivery of another type", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/roles/r1", `{"signers":[{"email":"a@example.com","firstName":"A","delivery":{"email":"yes"}}]}`)
	}},
	{"attachment without a name", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/roles/r1", `{"attachmentRequirements":[{"id":"x"}]}`)
	}},
	{"attachment id taken", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/roles/r2", `{"attachmentRequirements":[{"id":"licence","name":"x"}]}`)
	}},
	{"attachment status unknown", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/roles/r1", `{"attachmentRequirements":[{"id":"licence","name":"Licence","status":"FINE"}]}`)
	}},
	{"attachment accepted before it is there", func(s *stack) apitest.Answer {
		return s.Put(s.sentEditable()+"/roles/r1", `{"attachmentRequirements":[{"id":"licence","name":"Licence","description":"Both sides","required":true,"status":"COMPLETE"}]}`)
	}},
	{"unknown attachment", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/attachment/nothing") }},
	{"attachment without a file", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/attachment/licence") }},
	{"attachment file of no number", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/attachment/licence/file/x") }},
	{"attached to a draft", func(s *stack) apitest.Answer { return s.attached(s.editable(), "payload", "a.txt", "x") }},
	{"attached as JSON", func(s *stack) apitest.Answer { return s.Post(s.sentEditable()+"/attachment/licence", `{}`) }},
	{"attached without a file", func(s *stack) apitest.Answer { return s.attached(s.sentEditable(), "payload", "", "x") }},
	{"attached in an unknown part", func(s *stack) apitest.Answer { return s.attached(s.sentEditable(), "document", "a.txt", "x") }},
	{"attached an empty file", func(s *stack) apitest.Answer { return s.attached(s.sentEditable(), "payload", "a.txt", "") }},
	{"attached a program", func(s *stack) apitest.Answer { return s.attached(s.sentEditable(), "payload", "a.pdf", "MZ\x90\x00") }},
	{"attached a file too large", func(s *stack) apitest.Answer {
		return s.attached(s.sentEditable(), "payload", "a.txt", strings.Repeat("x", 16<<20+1))
	}},
	{"too many attached", func(s *stack) apitest.Answer {
		one := s.sentEditable()
		for range 3 {
			s.attached(one, "payload", "a.txt", "x").Want(200)
		}
		return s.attached(one, "payload", "a.txt", "x")
	}},
	{"documents of no body deleted", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "DELETE", Path: s.editable() + "/documents", Body: []byte(`[]`)})
	}},
	{"unknown document deleted", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "DELETE", Path: s.editable() + "/documents", Body: []byte(`["d1","d9"]`)})
	}},
	{"document reordered without an index", func(s *stack) apitest.Answer { return s.Put(s.editable()+"/documents", `[{"id":"d1"}]`) }},
	{"unknown document reordered", func(s *stack) apitest.Answer { return s.Put(s.editable()+"/documents", `[{"id":"d9","index":1}]`) }},
	{"document replaced by two files", func(s *stack) apitest.Answer { return s.upload(s.editable()+"/documents/d1", `{}`, "a.pdf", "b.pdf") }},
	{"document changed after sending", func(s *stack) apitest.Answer { return s.Put(s.sentEditable()+"/documents/d1", `{"name":"x"}`) }},
	{"visibility of no document", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents/visibility", `{"configurations":[{"documentUid":"d9","roleUids":[]}]}`)
	}},
	{"visibility for no role", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents/visibility", `{"configurations":[{"documentUid":"d1","roleUids":["nobody"]}]}`)
	}},
	{"consent in an unknown language", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents/localize-consent", `{"language":"tlh"}`)
	}},
	{"page beyond the last", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/documents/d1/pages/1") }},
	{"page of no number", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/documents/d1/pages/one") }},
	{"flatten neither", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/documents/d1/pdf?flatten=maybe") }},
	{"unknown approval", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/documents/d1/approvals/a9") }},
	{"unknown field", func(s *stack) apitest.Answer { return s.Get(s.editable() + "/documents/d1/approvals/a1/fields/f9") }},
	{"approval id taken", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents/d1/approvals", `{"id":"a1","role":"r1","fields":[]}`)
	}},
	{"field id taken", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents/d1/approvals/a1/fields", `{"id":"f2",`+oneField+`}`)
	}},
	{"field moved off the page", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/documents/d1/approvals/a1/fields/f2", `{"left":700}`)
	}},
	{"anchor after the upload", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents/d1/approvals/a1/fields", `{`+oneField+`,"extractAnchor":{"text":"x","width":50,"height":20}}`)
	}},
	{"radio button of another value", func(s *stack) apitest.Answer {
		return s.Post(s.editable()+"/documents/d1/approvals/a1/fields", `{"type":"INPUT","subtype":"RADIO","value":"maybe","page":0,"left":1,"top":1,"width":50,"height":20}`)
	}},
	{"condition of other words", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/documents/d1/approvals/a1/fields/f2/conditionalFields", `[{"id":"c","condition":"alert(1)","action":"document['d1'].field['f2'].disabled = true"}]`)
	}},
	{"action of other words", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/documents/d1/approvals/a1/fields/f2/conditionalFields", `[{"id":"c","condition":"document['d1'].field['f2'].value == 'X'","action":"document['d1'].field['f2'].value = 'X'"}]`)
	}},
	{"field moved after sending", func(s *stack) apitest.Answer {
		return s.Put(s.sentEditable()+"/documents/d1/approvals/a1/fields/f2", `{"left":20}`)
	}},
	{"approvals replaced after sending", func(s *stack) apitest.Answer { return s.Put(s.sentEditable()+"/documents/d1/approvals", `[]`) }},
}

// What is edited comes back as libraries expect it, and a whole object as read can be sent back.
func testEditing(t *testing.T, s *stack) {
	one := s.editable()
	role := s.Get(one + "/roles/s1").Want(200)
	if role.At("signers.0.delivery.email") != true || role.Text("signers.0.timezoneId") != "UTC" || role.Text("signers.0.notificationMethods.primary.0") != "EMAIL" ||
		role.Text("attachmentRequirements.0.status") != "INCOMPLETE" {
		t.Errorf("%s", role.Body)
	}
	for _, path := range []string{"/roles/s1", "/documents/d1", "/documents/d1/approvals/a1", "/documents/d1/approvals/a1/fields/f2"} {
		before := s.Get(one + path).Want(200)
		if after := s.Put(one+path, string(before.Body)).Want(200); undated(after.Body) != undated(before.Body) {
			t.Errorf("%s sent back became\n%s\nit was\n%s", path, after.Body, before.Body)
		}
	}
	roles := s.Get(one + "/roles").Want(200)
	list := string(roles.Body[bytes.IndexByte(roles.Body, '['):bytes.LastIndexByte(roles.Body, ']')])
	if after := s.Put(one+"/roles", list+"]").Want(200); undated(after.Body) != undated(roles.Body) {
		t.Errorf("roles sent back became\n%s\nthey were\n%s", after.Body, roles.Body)
	}
	got := s.Post(one+"/documents/d1/approvals/", `{"id":"n","role":"s1","fields":[{"id":"i",`+oneField+`},
		{"id":"l","type":"INPUT","subtype":"LABEL","binding":"{signer.name}","page":0,"left":1,"top":30,"width":50,"height":20},
		{"id":"s","type":"SIGNATURE","subtype":"CHOOSE_SIGNATURE","page":0,"left":1,"top":60,"width":50,"height":20}]}`).Want(200)
	for i, want := range []string{"s", "l", "i"} {
		if id := got.Text("fields." + string(rune('0'+i)) + ".id"); id != want {
			t.Errorf("field %d is %s", i, id)
		}
	}
	if out := s.Put(one+"/documents/d1/approvals/n/fields/i", `{"left":790}`).Want(400); out.Text("messageKey") != "error.validation.invalidPageLocation" ||
		out.Text("parameters.approvalDataName") != "n" || out.Text("parameters.documentName") != "Contract" {
		t.Errorf("%s", out.Body)
	}
	group := s.Post(one+"/groups", `{"id":"board","name":"Board","members":[{"userId":"s1"},{"userId":"s2"}]}`).Want(200)
	if group.Text("signers.0.signerType") != adHocSigner || group.Text("signers.0.group.members.1.email") != "bob@example.com" ||
		!adHocAddress.MatchString(group.Text("signers.0.email")) || group.Text("signers.0.firstName") != "Board" {
		t.Errorf("%s", group.Body)
	}
	again := s.Put(one+"/roles/board", string(s.Get(one+"/roles/board").Want(200).Body)).Want(200)
	if undated(again.Body) != undated(group.Body) {
		t.Errorf("the ad-hoc group sent back became\n%s\nit was\n%s", again.Body, group.Body)
	}
	notice := s.Post(one+"/documents/localize-consent", `{"language":"fr"}`).Want(200).Header.Get(noticeHeader)
	if !strings.Contains(notice, "English") {
		t.Errorf("notice %q", notice)
	}
}

// What signers attach is a download and never a page; what the sender thinks of it comes back.
func testAttaching(t *testing.T, s *stack) {
	one := s.sentEditable()
	s.attached(one, "payload", "../x.html", "<script>alert(1)</script>").Want(200)
	for _, path := range []string{"/attachment/licence", "/attachment/licence/file/1"} {
		got := s.Get(one + path).Want(200)
		if got.Header.Get("Content-Type") != "text/plain; charset=utf-8" || got.Header.Get("X-Content-Type-Options") != "nosniff" ||
			got.Header.Get("Content-Disposition") != "attachment; filename*=UTF-8''x.html.txt" || !strings.HasPrefix(got.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", path, got.Header)
		}
	}
	reviewed := s.Put(one+"/roles/s1", `{"attachmentRequirements":[{"id":"licence","name":"Licence","description":"Both sides","required":true,"status":"REJECTED","comment":"Too dark"}]}`).Want(200)
	if reviewed.Text("attachmentRequirements.0.status") != "REJECTED" || reviewed.Text("attachmentRequirements.0.comment") != "Too dark" ||
		reviewed.Text("attachmentRequirements.0.files.0.name") != "x.html.txt" {
		t.Errorf("%s", reviewed.Body)
	}
	s.Delete(one + "/attachment/licence/file/1").Want(204)
	if s.Get(one+"/attachment/licence/exists").At("exists") != false {
		t.Error("it exists still")
	}
}

// Attack P8: JSON that parsers read differently is refused alike on every route of editing.
func testP8EditingBadJSON(t *testing.T, s *stack) {
	one := s.editable()
	before := s.Get(one).Want(200)
	for name, body := range map[string]string{
		"member twice": `{"id":"a","id":"b"}`, "unknown member twice": `{"z":1,"z":2}`, "twice in an array": `[{"z":1,"z":2}]`, "trailing data": `{}{}`,
		"BOM": "\xef\xbb\xbf{}", "invalid UTF-8": "{\"name\":\"\xff\"}", "NUL": `{"name":"\u0000"}`, "surrogate": `{"name":"\ud800"}`, "number": `{"z":1e400}`,
		"deep": `{"z":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "null": `null`, "nothing": ``,
	} {
		for _, call := range [][2]string{{"POST", "/roles"}, {"PUT", "/roles"}, {"PUT", "/roles/r1"}, {"POST", "/groups"}, {"PUT", "/documents"}, {"DELETE", "/documents"},
			{"POST", "/documents/visibility"}, {"POST", "/documents/localize-consent"}, {"PUT", "/documents/d1"}, {"POST", "/documents/d1/approvals"},
			{"PUT", "/documents/d1/approvals"}, {"PUT", "/documents/d1/approvals/a1"}, {"POST", "/documents/d1/approvals/a1/fields"},
			{"PUT", "/documents/d1/approvals/a1/fields/f2"}, {"PUT", "/documents/d1/approvals/a1/fields/f2/conditionalFields"}} {
			a := s.Do(apitest.Call{Method: call[0], Path: one + call[1], Media: "application/json", Body: []byte(body)}).Want(400)
			if key := a.Text("messageKey"); !strings.HasPrefix(key, "error.validation.json.") {
				t.Errorf("%s in %s %s: %s", name, call[0], call[1], key)
			}
		}
	}
	if after := s.Get(one).Want(200); !bytes.Equal(after.Body, before.Body) {
		t.Error("a refused call changed the package")
	}
}

// Attack T12: members that the server decides are not the client's to set.
func testT12MembersOfTheServer(t *testing.T, s *stack) {
	one := s.editable()
	a := s.Put(one+"/documents/d1/approvals/a1", `{"id":"stolen","signed":"2020-01-01T00:00:00Z","accepted":"2020-01-01T00:00:00Z"}`).Want(200)
	if a.Text("id") != "a1" || a.At("signed") != nil || a.At("accepted") != nil {
		t.Errorf("%s", a.Body)
	}
	r := s.Put(one+"/roles/r1", `{"id":"stolen","locked":true,"type":"SENDER","attachmentRequirements":[{"id":"licence","name":"Licence","status":"COMPLETE","files":[{"id":1,"name":"x"}]}]}`).Want(200)
	if r.Text("id") != "r1" || r.At("locked") != false || r.Text("type") != "SIGNER" || r.Text("attachmentRequirements.0.status") != "INCOMPLETE" {
		t.Errorf("%s", r.Body)
	}
	d := s.Put(one+"/documents/d1", `{"id":"stolen","size":1,"pages":[],"externalSigned":true}`).Want(200)
	if d.Text("id") != "d1" || d.At("size") == 1.0 || len(d.At("pages").([]any)) != 1 {
		t.Errorf("%s", d.Body)
	}
	f := s.Put(one+"/documents/d1/approvals/a1/fields/f2", `{"id":"stolen"}`).Want(200)
	if f.Text("id") != "f2" {
		t.Errorf("%s", f.Body)
	}
}

// Attack P7: a body without end, or of endless parts, is read up to a limit and not further.
func testP7EndlessUploads(t *testing.T, s *stack) {
	one := s.sentEditable()
	const part = "--X\r\nContent-Disposition: form-data; name=\"payload\"; filename=\"a.txt\"\r\n\r\n"
	many := strings.Repeat("--X\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n\r\n", 100_000)
	for name, c := range map[string]struct {
		path, media, head string
		limit             int64
	}{
		"attached file":   {one + "/attachment/licence", "multipart/form-data; boundary=X", part, maxFile},
		"10⁵ parts":       {one + "/attachment/licence", "multipart/form-data; boundary=X", many, 2 << 20},
		"document":        {s.editable() + "/documents/d1", "multipart/form-data; boundary=X", strings.Replace(part, "payload", "file", 1), maxFile},
		"document's JSON": {s.editable() + "/documents/d1", "application/json", `{"base64Content":"`, maxInline},
		"approvals":       {s.editable() + "/documents/d1/approvals", "application/json", `{"name":"`, maxApprovals},
	} {
		body := &endless{head: c.head}
		r := httptest.NewRequest("POST", c.path, body)
		r.ContentLength = maxUpload // more than the hall would hear out
		r.Header.Set("Content-Type", c.media)
		r.Header.Set("Authorization", s.Authorization)
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.server.Config.Handler.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if w.Code != 413 && w.Code != 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if body.read > c.limit+2<<20 {
			t.Errorf("%s: read %d bytes of a limit of %d", name, body.read, c.limit)
		}
		t.Logf("%s: %d, read %d kB, allocated %d kB", name, w.Code, body.read>>10, (after.TotalAlloc-before.TotalAlloc)>>10)
	}
}
