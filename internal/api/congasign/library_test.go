package congasign

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
)

// library calls the surface as one of the published client libraries does, or as Conga's samples.
type library struct {
	*stack
	t      *testing.T
	name   string
	prefix string // before a bare path
	accept string
	media  string // of JSON bodies
	onRead bool   // also names the media type where there is no body
	last   bool   // the payload comes after the files
	part   string // media type of the payload's part
}

// libraries are those whose habits the surface serves.
func libraries(t *testing.T, s *stack) []*library {
	return []*library{
		{stack: s, t: t, name: "Java", prefix: "/api/", accept: "application/json; esl-api-version=11.68.0",
			media: "application/json; esl-api-version=11.68.0", part: "text/plain; charset=UTF-8"},
		{stack: s, t: t, name: "Node", prefix: "/api/", accept: "application/json", media: "application/json", onRead: true, last: true},
		{stack: s, t: t, name: "Conga", prefix: "/api/cs-", accept: "application/json", media: "application/json", last: true},
		{stack: s, t: t, name: "Conga v1", prefix: "/api/sign/v1/cs-", accept: "application/json", media: "application/json", last: true},
	}
}

func (l *library) call(method, path, body string) apitest.Answer {
	l.t.Helper()
	c := apitest.Call{Method: method, Path: l.prefix + path, Header: map[string]string{"Accept": l.accept}}
	if body != "" {
		c.Body, c.Media = []byte(body), l.media
	} else if l.onRead {
		c.Media = l.media
	}
	return l.Do(c)
}

func (l *library) get(path string) apitest.Answer { return l.call("GET", path, "").Want(200) }

// void is a call of which the library reads nothing.
func (l *library) void(method, path, body string) {
	l.t.Helper()
	if a := l.call(method, path, body); a.Status != 200 && a.Status != 204 {
		l.t.Fatalf("%s %s: %d %.500s", method, path, a.Status, a.Body)
	}
}

// upload sends a payload and files in the library's order.
func (l *library) upload(path, payload string, names ...string) apitest.Answer {
	l.t.Helper()
	var parts []apitest.Part
	for _, name := range names {
		parts = append(parts, apitest.Part{Name: "file", File: name, Media: "application/pdf", Data: paper()})
	}
	word := apitest.Part{Name: "payload", Media: l.part, Data: payload}
	if l.last {
		parts = append(parts, word)
	} else {
		parts = append([]apitest.Part{word}, parts...)
	}
	body, media := apitest.Multipart(parts...)
	return l.Do(apitest.Call{Method: "POST", Path: l.prefix + path, Media: media, Body: body, Header: map[string]string{"Accept": l.accept}})
}

// only fails unless an answer has exactly these members.
func (l *library) only(a apitest.Answer, members ...string) apitest.Answer {
	l.t.Helper()
	var got map[string]json.RawMessage
	a.Into(&got)
	for _, m := range members {
		if _, ok := got[m]; !ok {
			l.t.Errorf("no %s in %s", m, a.Body)
		}
	}
	if len(got) != len(members) {
		l.t.Errorf("more than %v in %s", members, a.Body)
	}
	return a
}

// testLibraries walks the surface as each library does.
func testLibraries(t *testing.T, s *stack) {
	for _, l := range libraries(t, s) {
		t.Run(l.name, func(t *testing.T) {
			fresh := s.fresh(t)
			l.stack, l.t = fresh, t
			l.walk()
		})
	}
}

func (l *library) walk() {
	l.walkAccess()
	group := l.walkGroups()
	id := l.walkPackage(group)
	l.walkSettings(id)
	l.walkEditing()
	l.walkSigning(group)
	l.walkTemplates()
	l.walkReports()
}

// walkAccess comes in by each of the five ways.
func (l *library) walkAccess() {
	id, secret, err := l.stack.authn.CreateClient(l.t.Context(), l.account.ID, []authz.Right{authz.Sign}, "Library")
	must(l.t, err)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	oauth := l.As(basic).Do(apitest.Call{Method: "POST", Path: "/oauth2/token", Media: "application/x-www-form-urlencoded",
		Body: []byte("grant_type=client_credentials")}).Want(200)
	l.only(oauth, "access_token", "token_type", "expires_in", "scope")
	parts := strings.Split(oauth.Text("access_token"), ".")
	if len(parts) != 3 {
		l.t.Fatal("the access token is no JWT")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(l.t, err)
	var exp struct{ Exp float64 }
	must(l.t, json.Unmarshal(claims, &exp))
	if exp.Exp == 0 {
		l.t.Error("the access token has no exp")
	}
	app := l.As("").Do(apitest.Call{Method: "POST", Path: "/apitoken/clientApp/accessToken", Media: "application/json; esl-api-version=11.68.0",
		Body: []byte(`{"clientId":"` + id + `","secret":"` + secret + `","type":"OWNER"}`)}).Want(200)
	l.only(app, "accessToken", "expiresAt")
	l.call("POST", "account/senders", `{"email":"keeper@example.com","firstName":"Ann","lastName":"Keeper"}`).Want(200)
	for name, authorization := range map[string]string{"OAuth 2": "Bearer " + oauth.Text("access_token"), "client app": "Bearer " + app.Text("accessToken"),
		"API key": l.apiKey("keeper@example.com")} {
		for _, prefix := range []string{"/api/cs-", "/api/", "/api/sign/v1/cs-"} {
			if a := l.As(authorization).Do(apitest.Call{Method: "GET", Path: prefix + "packages", Header: map[string]string{"Accept": l.accept}}); a.Status != 200 {
				l.t.Errorf("%s at %s: %d %s", name, prefix, a.Status, a.Body)
			}
		}
	}
}

// walkGroups makes senders and a group as libraries do: the members one by one.
func (l *library) walkGroups() (group string) {
	var ids []string
	for i, name := range []string{"John Smith", "Mary Doe", "Ada King"} {
		first, last, _ := strings.Cut(name, " ")
		body := fmt.Sprintf(`{"email":"Signer%d@Example.com","firstName":"%s","lastName":"%s","title":"","company":"","phone":null,"language":"en",
			"address":{"address1":"1 Main St","address2":"","city":"Springfield","state":"","country":"US","zipcode":"12345"}}`, i+1, first, last)
		first1 := l.call("POST", "account/senders", body).Want(200)
		if again := l.call("POST", "account/senders", body).Want(200); again.Text("id") != first1.Text("id") {
			l.t.Error("inviting again makes another sender")
		}
		if got := first1.Text("email"); got != fmt.Sprintf("signer%d@example.com", i+1) {
			l.t.Errorf("e-mail %s", got)
		}
		ids = append(ids, first1.Text("id"))
	}
	if n := len(l.get("account/senders").At("results").([]any)); n != 1 {
		l.t.Errorf("%d senders without a range", n)
	}
	if n := len(l.get("account/senders?from=1&to=100&dir=asc").At("results").([]any)); n < 4 {
		l.t.Errorf("%d senders", n)
	}
	l.call("POST", "account/senders/"+ids[0], `{"id":"`+ids[0]+`","email":"signer1@example.com","firstName":"John","lastName":"Smith","timezoneId":"GMT","phone":null}`).Want(200)
	group = "f" + strings.ReplaceAll(newGUID(l.t, l.stack), "-", "")
	l.call("POST", "groups", `{"id":"`+group+`","email":"group@example.com","name":"Group name","emailMembers":true}`).Want(200)
	member := l.call("POST", "groups/"+group+"/members", `{"email":"signer1@example.com","userId":"`+ids[0]+`","memberType":"MANAGER"}`).Want(200)
	if member.Text("userId") != ids[0] || member.Text("memberType") != "MANAGER" || member.Text("email") != "signer1@example.com" {
		l.t.Errorf("a member is answered as %s", member.Body)
	}
	l.call("POST", "groups/"+group+"/invite", `{"email":"signer2@example.com","userId":"","memberType":"REGULAR"}`).Want(200)
	if n := len(l.get("groups/" + group).At("members").([]any)); n != 2 {
		l.t.Errorf("%d members", n)
	}
	l.call("PUT", "groups/"+group, `{"id":"`+group+`","email":"group@example.com","name":"Group name","emailMembers":true,"members":[
		{"email":"signer1@example.com","userId":"`+ids[0]+`","firstName":"John","lastName":"Smith","memberType":"REGULAR"},
		{"email":"signer2@example.com","userId":"`+ids[1]+`","firstName":"Mary","lastName":"Doe","memberType":"REGULAR"}]}`).Want(200)
	if l.get("groups/summary").Text("results.0.id") != group || l.get("groups?name=roup").Text("results.0.id") != group {
		l.t.Error("the group is not listed")
	}
	return group
}

// newGUID is an id as client programs make them.
func newGUID(t *testing.T, s *stack) string {
	t.Helper()
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", len(t.Name()), s.account.Created.UnixNano()&0xffffffffffff)
}

// javaPackage is a payload as the Java library puts it together, with what it leaves null.
const javaPackage = `{"name":"Example package","description":"","emailMessage":"Please sign","autocomplete":true,"data":{"sdk":"Java v11.68.0"},
 "roles":[
  {"id":"group1","name":"group1","index":0,"reassign":false,"signers":[{"id":"group1","group":{"id":"GROUP"},"knowledgeBasedAuthentication":null}]},
  {"id":"role1","name":"signer1","index":0,"locked":false,"reassign":false,"emailMessage":{"content":""},
   "signers":[{"id":"signer1","firstName":"Rob","lastName":"Mason","email":"rob.mason@example.org","title":"Mr","company":"Acme Example","knowledgeBasedAuthentication":null,
    "delivery":{"email":false},"auth":{"scheme":"NONE"},"phone":null}]}],
 "documents":[{"id":"documentId","name":"First Document","index":0,"extract":false,"extractionTypes":[],"data":{},"externalSigned":false,
   "approvals":[
    {"id":"a1","role":"role1","fromFile":false,"enforceCaptureSignature":false,"optional":false,"disabled":false,"fields":[
     {"type":"INPUT","subtype":"TEXTFIELD","name":"field2","page":0,"left":120.0,"top":300.0,"width":200.0,"height":50.0,"extract":false,"value":null,"fontSize":null,"binding":null,
      "validation":{"pattern":"","group":null,"required":true,"minLength":0,"maxLength":2147483647,"minimumRequired":0,"maximumRequired":0,"groupTooltip":null,"disabled":false,"enum":[]}},
     {"type":"INPUT","subtype":"LABEL","name":"field title","binding":"{signer.title}","page":0,"left":120.0,"top":200.0,"width":200.0,"height":50.0,"extract":false,"value":null,"fontSize":null},
     {"type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100.0,"top":100.0,"width":200.0,"height":50.0,"extract":false,"tooltip":null,"validation":null}]},
    {"id":"a2","role":"group1","fields":[{"type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100.0,"top":500.0,"width":200.0,"height":50.0}]}]}],
 "settings":{"integrationFrameworkWorkflows":[],"ceremony":{"inPerson":false,"declineButton":true,"declineReasons":["Wrong terms"],"optOutReasons":[]}}}`

// walkPackage makes one, looks at it and lists it.
func (l *library) walkPackage(group string) (id string) {
	payload := strings.ReplaceAll(javaPackage, "GROUP", group)
	id = l.only(l.upload("packages", payload, "First Document").Want(200), "id").Text("id")
	p := l.get("packages/" + id)
	if n := len(p.At("roles").([]any)); n != 3 {
		l.t.Errorf("%d roles, with the owner's there should be 3", n)
	}
	if p.Text("documents.0.id") != "default-consent" || p.Text("documents.1.approvals.0.fields.0.type") != "SIGNATURE" ||
		p.Text("documents.1.approvals.0.fields.1.binding") != "{signer.title}" {
		l.t.Errorf("the order of documents or fields: %s", p.Body)
	}
	l.void("PUT", "packages/"+id, string(p.Body)) // the whole package as it was read
	for _, query := range []string{"query=DRAFT", "query=drafts&from=1&to=10&sort=name&dir=asc", "predefined=all", "search=Example&searchtype=name",
		"type=package", "fields=id", "visibility=account", "lastUpdatedStartDate=2020-01-01T00:00:00Z&lastUpdatedEndDate=2099-01-01T00:00:00Z",
		"ownerEmail=" + url.QueryEscape(p.Text("sender.email")), "ownerUserId=" + p.Text("sender.id")} {
		if got := l.get("packages?" + query).Text("results.0.id"); got != id {
			l.t.Errorf("%s finds %s", query, got)
		}
	}
	for _, query := range []string{"query=nonsense", "sort=nonsense", "dir=up", "predefined=nonsense", "type=nonsense", "from=0&to=-1", "lastUpdatedStartDate=yesterday"} {
		l.call("GET", "packages?"+query, "").Want(400)
	}
	if got := l.get("packages/" + id + "/signingStatus?signer=&document=").Text("status"); got != "DRAFT" {
		l.t.Errorf("status %s", got)
	}
	l.void("POST", "packages/"+id, `{"trashed":true}`)
	if got := l.get("packages/" + id + "/signingStatus").Text("status"); got != "DELETED" {
		l.t.Errorf("in the trash: %s", got)
	}
	l.void("POST", "packages/"+id, `{"trashed":false}`)
	return id
}

// walkSettings is what a library changes around a package: reminders, visibility, callbacks.
func (l *library) walkSettings(id string) {
	one := "packages/" + id
	if a := l.call("GET", one+"/reminders", ""); a.Status != 204 {
		l.t.Errorf("no reminders: %d", a.Status)
	}
	schedule := `{"packageId":"` + id + `","repetitionsCount":5,"startInDaysDelay":2,"intervalInDays":1}`
	l.call("POST", one+"/reminders", schedule).Want(200)
	l.call("PUT", one+"/reminders", strings.Replace(schedule, ":5", ":3", 1)).Want(200)
	if l.get(one+"/reminders").At("repetitionsCount") != 3.0 {
		l.t.Error("the reminders did not change")
	}
	l.void("DELETE", one+"/reminders", "")
	visible := `{"configurations":[{"roleUids":["role1","group1"],"documentUid":"documentId"}]}`
	if a := l.call("POST", one+"/documents/visibility", visible).Want(200); len(a.Body) == 0 {
		l.t.Error("Node parses the answer to visibility")
	}
	if l.get(one+"/documents/visibility").Text("configurations.0.documentUid") != "documentId" {
		l.t.Error("visibility was not kept")
	}
	l.call("POST", "callback", `{"url":"https://hooks.example.com/esign","key":"secret","events":["PACKAGE_COMPLETE"]}`).Want(200)
	if l.get("callback").Text("url") != "https://hooks.example.com/esign" {
		l.t.Error("the callback was not kept")
	}
	l.call("POST", "callback/connectors/salesforce", `{"url":"https://hooks.example.com/sf","key":"","events":["PACKAGE_CREATE"]}`).Want(200)
	l.void("POST", "callback", `{"url":"","key":"","events":[]}`)
	l.void("POST", "callback/connectors/salesforce", `{"url":"","key":"","events":[]}`)
}

// walkEditing changes roles, documents, approvals and fields of a draft, and throws it away.
func (l *library) walkEditing() {
	id := l.call("POST", "packages", `{"name":"Edited","description":null,"roles":[],"documents":[]}`).Want(200).Text("id")
	one := "packages/" + id
	for i, who := range []string{"ann", "ben"} {
		l.call("POST", one+"/roles", fmt.Sprintf(`{"id":"r%d","name":"r%d","index":%d,"signers":[{"id":"s%d","firstName":"%s","lastName":"Miller","email":"%s@example.org"}]}`,
			i, i, i+1, i, who, who)).Want(200)
	}
	l.void("PUT", one+"/roles", `[{"id":"r0","index":2},{"id":"r1","index":1}]`)
	if l.get(one+"/roles/s0").Text("id") != "r0" || l.get(one+"/roles/r0").At("index") != 2.0 {
		l.t.Error("a role is found by its signer's id, at its new place")
	}
	l.upload(one+"/documents", `{"id":"d1","name":"First Document","index":1}`, "First Document").Want(200)
	if n := bareArray(l.t, l.upload(one+"/documents", `[{"id":"d2","name":"Second"},{"id":"d3","name":"Third"}]`, "Second", "Third").Want(200)); n != 2 {
		l.t.Errorf("%d documents", n)
	}
	l.call("POST", one+"/documents", `[{"id":"d4","name":"Fourth","base64Content":"`+base64.StdEncoding.EncodeToString([]byte(paper()))+`"}]`).Want(200)
	l.void("PUT", one+"/documents", `[{"id":"default-consent","name":"Consent","index":0},{"id":"d2","name":"Second","index":1},{"id":"d1","name":"First Document","index":2}]`)
	l.call("PUT", one+"/documents/d1", `{"id":"d1","name":"Renamed","description":"new"}`).Want(200)
	l.call("POST", one+"/documents/d1", `{"id":"d1","name":"Renamed again"}`).Want(200)
	l.void("DELETE", one+"/documents", `["d3","d4"]`)
	base := one + "/documents/d1/approvals"
	field := `{"type":"SIGNATURE","subtype":"CAPTURE","page":0,"left":50,"top":50,"width":200,"height":50}`
	approval := l.call("POST", base+"/", `{"role":"r0","fields":[`+field+`]}`).Want(200).Text("id")
	text := l.call("POST", base+"/"+approval+"/fields", `{"type":"INPUT","subtype":"TEXTFIELD","name":"f1","page":0,"left":50,"top":150,"width":200,"height":50}`).Want(200).Text("id")
	l.call("PUT", base+"/"+approval+"/fields/"+text, `{"type":"INPUT","subtype":"TEXTFIELD","name":"f1","value":"x","page":0,"left":60,"top":150,"width":200,"height":50}`).Want(200)
	if l.get(base+"/"+approval+"/fields/"+text).At("left") != 60.0 {
		l.t.Error("the field did not move")
	}
	l.void("DELETE", base+"/"+approval+"/fields/"+text, "")
	if n := bareArray(l.t, l.call("PUT", base, `[{"id":"n1","role":"r0","fields":[`+field+`]},{"id":"n2","role":"r1","fields":[`+field+`]}]`).Want(200)); n != 2 {
		l.t.Errorf("%d approvals", n)
	}
	l.void("DELETE", base+"/n2", "")
	l.void("DELETE", one+"/documents/d2", "")
	l.void("DELETE", one+"/roles/r1", "")
	l.void("DELETE", one, "")
	l.call("GET", one, "").Want(404)
}

func bareArray(t *testing.T, a apitest.Answer) int {
	t.Helper()
	var list []any
	a.Into(&list)
	return len(list)
}

// walkSigning sends, signs by API in a signer's session, and fetches everything.
func (l *library) walkSigning(group string) {
	payload := strings.Replace(strings.ReplaceAll(javaPackage, "GROUP", group), `{"name":"Example package"`, `{"status":"SENT","name":"Signed"`, 1)
	id := l.upload("packages", payload, "First Document").Want(200).Text("id")
	one := "packages/" + id
	l.only(l.get(one+"/roles/signer1/signingUrl"), "packageId", "roleId", "url")
	l.void("POST", one+"/notifications", `{"email":"rob.mason@example.org","message":"Please"}`)
	signer := l.session(id, "signer1", "")
	signer.call("GET", "session", "").Want(200)
	approvals := signer.call("GET", one+"/documents/documentId/signers/signer1/approvals", "").Want(200)
	if bareArray(l.t, approvals) != 1 {
		l.t.Errorf("signable: %s", approvals.Body)
	}
	fields := approvals.At("0.fields").([]any)
	text := fields[len(fields)-1].(map[string]any)["id"].(string)
	signer.call("PUT", one+"/documents/documentId/approvals/a1/fields/"+text,
		`{"id":"`+text+`","type":"INPUT","subtype":"TEXTFIELD","name":"field2","value":"Blue"}`).Want(200)
	signer.call("POST", one+"/documents/signed_documents", `{"documents":[{"id":"default-consent","name":"Consent"},{"id":"documentId","name":"First Document","approvals":[],"fields":[]}]}`).Want(200)
	if got := l.get(one + "/signingStatus?signer=signer1&document=").Text("status"); got != "SIGNING_COMPLETED" {
		l.t.Errorf("the signer's status is %s", got)
	}
	other := l.session(id, "signer1", "")
	if a := other.call("GET", "packages/"+l.call("POST", "packages", `{"name":"Other"}`).Want(200).Text("id"), ""); a.Status != 404 {
		l.t.Errorf("a signer's session reads another package: %d", a.Status)
	}
	member := l.get("groups/" + group).Text("members.0.userId")
	l.session(id, "group1", member).call("POST", one+"/documents/signed_documents", `{"documents":[{"id":"documentId","name":"First Document"}]}`).Want(200)
	l.settle()
	if got := l.get(one).Text("status"); got != "COMPLETED" {
		l.t.Fatalf("the package is %s", got)
	}
	for _, path := range []string{"/documents/documentId/pdf?flatten=true", "/documents/documentId/original", "/documents/zip?flatten=true", "/evidence/summary"} {
		a := l.get(one + path)
		if !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment; filename*=UTF-8''") {
			l.t.Errorf("%s: %q", path, a.Header.Get("Content-Disposition"))
		}
	}
	l.get(one + "/audit")
	l.get(one + "/fieldSummary")
	l.void("POST", one, `{"status":"ARCHIVED"}`)
	l.call("POST", one, `{"status":"SENT"}`).Want(400)
}

// session is the library as a signer, by a cookie it got for a token.
func (l *library) session(pkg, signer, member string) *library {
	l.t.Helper()
	delegate := "null"
	if member != "" {
		delegate = `"` + member + `"`
	}
	token := l.call("POST", "authenticationTokens/signer/singleUse",
		`{"packageId":"`+pkg+`","signerId":"`+signer+`","delegateeId":`+delegate+`,"sessionFields":{},"value":""}`).Want(200).Text("value")
	address := "/auth?signerAuthenticationToken=" + url.QueryEscape(token)
	got := l.As("").Do(apitest.Call{Method: "GET", Path: address, Header: map[string]string{"Accept": "application/json"}}).Want(200)
	l.only(got, "sessionToken")
	if again := l.As("").Do(apitest.Call{Method: "GET", Path: address, Header: map[string]string{"Accept": "application/json"}}); again.Status < 400 {
		l.t.Error("a token for one use was good for two")
	}
	s := *l.stack
	s.Client = s.Client.As("")
	s.Client.Cookie = "ESIGNLIVE_SESSION_ID=" + got.Text("sessionToken")
	signed := *l
	signed.stack = &s
	return &signed
}

// walkTemplates makes packages of a template.
func (l *library) walkTemplates() {
	template := l.upload("packages", `{"type":"TEMPLATE","name":"Lease","roles":[{"id":"tenant","name":"tenant","signers":[]}],
		"documents":[{"id":"d","name":"Lease","approvals":[{"role":"tenant","fields":[{"type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":100,"width":200,"height":50}]}]}]}`, "Lease").
		Want(200).Text("id")
	if l.get("packages?type=template").Text("results.0.id") != template {
		l.t.Error("the template is not listed")
	}
	l.call("POST", "packages/"+template, `{"status":"SENT"}`).Want(400)
	id := l.only(l.call("POST", "packages/"+template+"/clone", `{"name":"Lease of Ann","roles":[{"id":"tenant","name":"tenant",
		"signers":[{"id":"s","firstName":"Ann","lastName":"Miller","email":"ann@example.org"}]}]}`).Want(200), "id").Text("id")
	l.void("POST", "packages/"+id, `{"status":"SENT"}`)
	l.void("POST", "packages/"+id, `{"status":"DRAFT"}`)
	l.void("PUT", "packages/"+id, `{"status":"SENT","name":"Lease of Ann Miller"}`)
	l.call("POST", "packages/"+id, `{"status":"DECLINED","messages":[{"from":{"id":"tenant"},"content":"","documents":[]}]}`).Want(400)
	l.void("POST", "packages/"+id, `{"id":"`+id+`","messages":[{"from":{"id":"tenant"},"content":"Too dear","documents":[{"id":"default-consent"}]}],"status":"DECLINED"}`)
	if got := l.get("packages/" + id + "/signingStatus").Text("status"); got != "DECLINED" {
		l.t.Errorf("declined: %s", got)
	}
}

func (l *library) walkReports() {
	report := "reports/completion?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z"
	l.get(report)
	a := l.Do(apitest.Call{Method: "GET", Path: l.prefix + report, Header: map[string]string{"Accept": "text/csv"}}).Want(200)
	if media := a.Header.Get("Content-Type"); !strings.HasPrefix(media, "text/csv") || a.Header.Get("Content-Disposition") != "" {
		l.t.Errorf("CSV comes as %q, %q", media, a.Header.Get("Content-Disposition"))
	}
}
