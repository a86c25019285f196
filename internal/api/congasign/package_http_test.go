package congasign

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
)

// templatePayload has a role that nobody plays yet: without a signer.
const templatePayload = `{"name":"Form","type":"TEMPLATE","roles":[{"id":"Placeholder1","name":"Patient","index":1,"signers":[]},
	{"id":"pharmacist","name":"Pharmacist","index":2,"signers":[{"id":"p1","email":"pharmacist@example.org","firstName":"Ann","lastName":"Jones"}]}],
	"documents":[{"id":"form","name":"Form","approvals":[
		{"id":"a1","role":"Placeholder1","fields":[{"id":"s1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":100,"width":200,"height":50},
			{"id":"f1","name":"allergy","type":"INPUT","subtype":"TEXTFIELD","page":0,"left":100,"top":200,"width":200,"height":30,
			"conditions":[{"id":"c1","condition":"document['form'].field['f1'].value == 'X'","action":"document['form'].field['s1'].disabled = true"}]}]},
		{"id":"a2","role":"pharmacist","fields":[{"id":"s2","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":400,"width":200,"height":50}]}]}]}`

func (s *stack) template() string {
	s.T.Helper()
	return s.upload("/api/packages", templatePayload, "Form").Want(200).Text("id")
}

// patient plays the role that the template leaves open.
const patient = `{"id":"Placeholder1","name":"Patient","signers":[{"id":"m1","email":"mary@example.org","firstName":"Mary","lastName":"Doe"}]}`

// playTemplates is the part of the journey that the operations on whole packages go.
func (s *stack) playTemplates() {
	s.T.Helper()
	id := s.template()
	s.Golden.Name("template", id)
	made := s.sample("POST /packages/{package}/clone", "POST", "/api/packages/"+id+"/clone", `{"name":"For Mary","roles":[`+patient+`]}`, "clone", "id").
		Want(200).Text("id")
	one := "/api/packages/" + made
	s.sample("POST /packages/{package}/bulk_send", "POST", "/api/packages/"+id+"/bulk_send",
		`{"signers":[{"email":"mary@example.org","firstName":"Mary","lastName":"Doe"}]}`, "bulk", "results.0.id").Want(200)
	s.sample("GET /packages/{package}/readiness", "GET", one+"/readiness", "").Want(200)
	s.sample("GET /packages/{package}/fieldSummary", "GET", one+"/fieldSummary", "").Want(200)
	s.sample("GET /packages/{package}/referencedConditions", "GET", one+"/referencedConditions?documentId=form&fieldId=", "").Want(200)
	s.sample("GET /packages/{package}/thank_you_dialog", "GET", one+"/thank_you_dialog", "").Want(200)
	s.sample("GET /package_information/{package}/support_information", "GET", "/api/package_information/"+made+"/support_information", "").Want(200)
	s.sample("GET /reports/completion", "GET", "/api/reports/completion?status=DRAFT&from=2020-01-01&to=2099-01-01T00:00:00Z&senderId=", "").Want(200)
	s.sample("GET /reports/usage", "GET", "/api/reports/usage?from=2020-01-01&to=2099-01-01", "").Want(200)
	s.sample("GET /reports/delegation", "GET", "/api/reports/delegation", "").Want(200)
}

// Every parameter of the list and every value of it; what is not known is refused and never answered with everything.
func testPackageQueries(t *testing.T, s *stack) {
	sent := s.sent()
	draft := "/api/packages/" + s.Post("/api/packages", `{"name":"Zebra","description":"stripes","due":"2035-01-01T00:00:00Z"}`).Want(200).Text("id")
	s.Post("/api/packages/"+s.template(), `{"description":"a form"}`).Want(200)
	soon := "/api/packages/" + s.upload("/api/packages", strings.NewReplacer(`"name": "Group Signature Example"`, `"name":"Soon","due":"`+
		time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)+`"`, `"DRAFT"`, `"SENT"`).Replace(packageFor(s.Get("/api/groups").Text("results.0.id"))), "a.pdf").Want(200).Text("id")
	declined := "/api/packages/" + s.upload("/api/packages", strings.Replace(packageFor(s.Get("/api/groups").Text("results.0.id")), `"DRAFT"`, `"SENT"`, 1), "a.pdf").
		Want(200).Text("id")
	s.Post(declined, decline("no")).Want(200)
	owner := s.Get(draft).Text("sender.id")
	year := fmt.Sprint(time.Now().UTC().Year())
	for query, want := range map[string]int{
		"": 4, "query=DRAFTS": 1, "query=draft": 1, "query=inbox": 0, "query=Trashed": 0, "query=SENT": 2, "query=completed": 0,
		"query=DECLINED": 1, "query=ARCHIVED": 0, "query=OPTED_OUT": 0, "query=expired": 0,
		"predefined=all": 4, "predefined=awaitingSignature": 2, "predefined=sent": 2, "predefined=completed": 0, "predefined=EXPIRINGSOON": 1,
		"predefined=sent&query=draft": 0, "query=sent&predefined=all": 2,
		"search=zebra": 1, "search=STRIPES": 1, "search=stripes&searchtype=name": 0, "search=stripes&searchtype=Description": 1, "search=%25": 0,
		"type=PACKAGE": 4, "type=template": 1, "type=Template&query=drafts": 1,
		"visibility=account": 4, "visibility=SENDER": 0, "sort=name&dir=ASC": 4, "sort=Created": 4, "sort=updated": 4, "sort=status": 4, "sort=due": 4,
		"fields=id": 4, "from=2&to=3": 4, "startDate=" + year + "-01-01": 4, "endDate=" + year + "-01-01": 0, "lastUpdatedStartDate=2099-01-01T00:00:00Z": 0,
		"lastUpdatedEndDate=2099-01-01": 4, "lastUpdatedStartDate=" + url.QueryEscape(year+"-01-01T00:00:00+0000"): 4,
		"ownerUserId=" + owner: 4, "ownerUserId=nobody": 0, "ownerEmail=nobody@example.com": 0, "query=&predefined=&sort=&dir=&type=&search=": 4,
	} {
		got := s.Get("/api/packages?" + query).Want(200)
		if got.At("count") != float64(want) {
			t.Errorf("%s: %v, want %d", query, got.At("count"), want)
		}
	}
	for _, query := range []string{"query=all", "query=DRAFT;", "query=canceled", "predefined=inbox", "type=layouts", "type=PACKAGES", "visibility=all",
		"sort=price", "sort=id", "dir=down", "searchtype=x", "fields=name", "from=0", "from=x", "from=5&to=4", "startDate=yesterday", "endDate=2020-13-01",
		"lastUpdatedStartDate=1", "lastUpdatedEndDate=%00", "ownerEmail=nonsense"} {
		s.Get("/api/packages?" + query).Want(400)
	}
	names := []string{}
	for _, r := range s.Get("/api/packages?sort=name&dir=asc&from=1&to=100").At("results").([]any) {
		names = append(names, r.(map[string]any)["name"].(string))
	}
	if strings.Join(names, ",") != "Group Signature Example,Group Signature Example,Soon,Zebra" {
		t.Errorf("sorted by name %v", names)
	}
	_, _ = sent, soon
}

// A template is made, copied, and never sent; a copy has the union of the roles.
func testTemplates(t *testing.T, s *stack) {
	id := s.template()
	one := "/api/packages/" + id
	if got := s.Get(one).Want(200); got.Text("type") != "TEMPLATE" || got.Text("roles.1.id") != "Placeholder1" {
		t.Errorf("%s", got.Body)
	}
	if key := s.Post(one, `{"status":"SENT"}`).Want(400).Text("messageKey"); key != "error.validation.cannotChangePackageStatus" {
		t.Error(key)
	}
	s.upload("/api/packages", strings.Replace(templatePayload, `"name":"Form","type"`, `"status":"SENT","name":"Form","type"`, 1), "Form").Want(400)
	a := s.Post(one+"/clone", `{"name":"Copy","roles":[`+patient+`,{"id":"new","name":"Witness","signers":[{"email":"w@example.org","firstName":"W","lastName":"X"}]}]}`).Want(200)
	if string(a.Body) != `{"id":"`+a.Text("id")+`"}` {
		t.Errorf("%s", a.Body)
	}
	p := s.Get("/api/packages/" + a.Text("id")).Want(200)
	var got struct{ Roles []struct{ ID string } }
	p.Into(&got)
	if len(got.Roles) != 4 || p.Text("name") != "Copy" || p.Text("type") != "PACKAGE" || p.Text("documents.1.approvals.0.role") != "Placeholder1" {
		t.Errorf("%s", p.Body)
	}
	empty := "/api/packages/" + s.Post(one+"/clone", `{}`).Want(200).Text("id")
	ready := s.Get(empty + "/readiness").Want(200)
	if ready.At("status") != false || ready.Text("errorKeys.0") != "error.unprocessableEntity.role.noSigner" {
		t.Errorf("%s", ready.Body)
	}
	if key := s.Post(empty, `{"status":"SENT"}`).Want(422).Text("messageKey"); key != ready.Text("errorKeys.0") {
		t.Error(key)
	}
	template := s.Post("/api/packages/"+a.Text("id")+"/clone", `{"name":"Again","type":"TEMPLATE"}`).Want(200).Text("id")
	if kind := s.Get("/api/packages/" + template).Text("type"); kind != "TEMPLATE" {
		t.Error(kind)
	}
	s.Post("/api/packages/unknown/clone", `{"name":"x"}`).Want(404)
	if got := s.Get(empty + "/fieldSummary").Want(200); got.Text("0.fieldId") != "s1" || got.Text("0.documentId") != "form" || got.Text("0.approvalId") != "a1" {
		t.Errorf("%s", got.Body)
	}
}

// Bulk sending by JSON and by CSV: all or none.
func testBulkSend(t *testing.T, s *stack) {
	one := "/api/packages/" + s.template() + "/bulk_send"
	refused := s.Post(one, `{"signers":[{"email":"a@example.org","firstName":"A","lastName":"B"},{"email":"nonsense","firstName":"A","lastName":"B"}]}`).Want(400)
	if refused.Text("messageKey") != "error.validation.bulk.rows" || refused.At("parameters").(map[string]any)["row 2"] == nil {
		t.Errorf("%s", refused.Body)
	}
	if n := s.Get("/api/packages").At("count"); n != 0.0 {
		t.Errorf("%v packages", n)
	}
	file := "Email,First Name,Last Name,role\r\nada.bulk@example.org,Ada,One,Patient\r\n\"bob.bulk@example.org\",Bob,\"Two\"\"s\",\r\n"
	a := s.Do(apitest.Call{Method: "POST", Path: one, Media: "text/csv; charset=utf-8", Body: []byte(file)}).Want(200)
	if a.At("count") != 2.0 || a.Text("results.1.status") != "SENT" {
		t.Errorf("%s", a.Body)
	}
	if s.mails("ada.bulk@example.org") != 1 || s.mails("bob.bulk@example.org") != 1 { // whom no other test mails
		t.Error("who was to sign was not asked")
	}
	for body, media := range map[string]string{"a,b\n": "text/csv", "email,role\n\"x": "text/csv", "email,role\na@example.org,Nobody\n": "text/csv", "": "text/csv",
		`{"signers":[]}`: "application/json"} {
		s.Do(apitest.Call{Method: "POST", Path: one, Media: media, Body: []byte(body)}).Want(400)
	}
}

// Attack L6: names that programs would take for formulas are inert in CSV; reports are no downloads.
func testReports(t *testing.T, s *stack) {
	for _, name := range []string{`=cmd|' /C calc'!A0`, `+1`, `-2+3`, `@SUM(A1)`, `＝1`, `"quoted", and more`} {
		s.Post("/api/packages", fmt.Sprintf(`{"name":%q}`, name)).Want(200)
	}
	s.sent()
	a := s.Do(apitest.Call{Method: "GET", Path: "/api/reports/completion?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z",
		Header: map[string]string{"Accept": "text/csv; esl-api-version=11.68.0"}}).Want(200)
	if a.Header.Get("Content-Disposition") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") {
		t.Errorf("headers %v", a.Header)
	}
	rows, err := csv.NewReader(strings.NewReader(string(a.Body))).ReadAll()
	if err != nil || len(rows) != 8 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") || strings.HasPrefix(cell, "＝") {
				t.Errorf("the cell %q is a formula", cell)
			}
		}
	}
	whole := s.Get("/api/reports/completion").Want(200)
	if whole.Text("senders.0.packages.6.status") != "SENT" || whole.Text("senders.0.packages.0.name") != `=cmd|' /C calc'!A0` ||
		whole.Text("senders.0.packages.6.signers.0.firstName") != "REST Developers" || whole.Header.Get("Content-Disposition") != "" ||
		whole.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", whole.Body, whole.Header)
	}
	if got := s.Get("/api/reports/completion?status=sent&summary=true").Want(200); len(got.At("senders.0.packages").([]any)) != 1 {
		t.Errorf("%s", got.Body)
	}
	if got := s.Get("/api/reports/completion?to=2001-01-01").Want(200); len(got.At("senders").([]any)) != 0 {
		t.Errorf("%s", got.Body)
	}
	usage := s.Get("/api/reports/usage").Want(200)
	if usage.At("senders.0.packages.draft") != 6.0 || usage.At("senders.0.packages.sent") != 1.0 {
		t.Errorf("%s", usage.Body)
	}
	csvUsage := s.Do(apitest.Call{Method: "GET", Path: "/api/reports/usage", Header: map[string]string{"Accept": "text/csv"}}).Want(200)
	if !strings.HasPrefix(string(csvUsage.Body), "Sender,Sender email,DRAFT,SENT") {
		t.Errorf("%s", csvUsage.Body)
	}
	for _, query := range []string{"from=x", "status=none", "summary=maybe", "from=2021-01-01&to=2020-01-01"} {
		s.Get("/api/reports/completion?" + query).Want(400)
	}
	s.Get("/api/reports/completion?senderId=nobody").Want(404)
	if none := s.Get("/api/reports/delegation?from=2020-01-01").Want(200); none.Text("from") != "2020-01-01T00:00:00Z" ||
		len(none.At("delegationEvents").(map[string]any)) != 0 {
		t.Errorf("%s", none.Body)
	}
	s.Get("/api/reports/delegation?from=x").Want(400)
}

var updatedAt = regexp.MustCompile(`("?updated"?:)[^ ,}\]]+`)

// undated is an answer without the times of change, which move on with each second.
func undated[T string | []byte](answer T) string {
	return updatedAt.ReplaceAllString(string(answer), "$1")
}

// Attack T12: members of a body that are not the client's to say are passed over.
func testT12ForeignMembers(t *testing.T, s *stack) {
	id := s.Post("/api/packages", `{"id":"mine","name":"Named","created":"2001-01-01T00:00:00Z","updated":"2001-01-01T00:00:00Z","completed":"2001-01-01T00:00:00Z",
		"accountId":"x","account":{"id":"x"},"owner":"x","trashed":true}`).Want(200).Text("id")
	one := "/api/packages/" + id
	before := s.Get(one).Want(200)
	if id == "mine" || before.At("completed") != nil || strings.HasPrefix(before.Text("created"), "2001") || before.Text("sender.email") == "stranger@example.com" ||
		before.At("trashed") != false {
		t.Errorf("%s", before.Body)
	}
	after := s.Put(one, `{"id":"mine","created":"2001-01-01T00:00:00Z","completed":"2001-01-01T00:00:00Z","sender":{"id":"x","email":"stranger@example.com"},
		"type":"TEMPLATE","roles":[{"id":"r","signers":[{"email":"x@example.org","firstName":"X","lastName":"Y"}]}],"documents":[{"id":"d","name":"D"}],
		"accountId":"x","evidence":{"content":"x"}}`).Want(200)
	for _, member := range []string{"id", "created", "completed", "sender", "type", "roles", "documents", "status"} {
		if a, b := undated(fmt.Sprint(before.At(member))), undated(fmt.Sprint(after.At(member))); a != b {
			t.Errorf("%s was %s and is %s", member, a, b)
		}
	}
}

// Members that are only stored come back with the types that clients read, and null is as good as nothing.
func testKeptMembers(t *testing.T, s *stack) {
	one := "/api/packages/" + s.Post("/api/packages", `{"name":"Kept","notarized":true,"timezoneId":"GMT","limits":{"a":1},"consent":null,
		"conditions":[{"id":"c","condition":"x","action":"y"}],"signedDocumentDelivery":{"b":[1]}}`).Want(200).Text("id")
	check := func(p apitest.Answer) {
		t.Helper()
		if p.At("notarized") != true || p.Text("timezoneId") != "GMT" || p.At("limits.a") != 1.0 || p.At("consent") != nil ||
			p.Text("conditions.0.id") != "c" || p.At("signedDocumentDelivery.b.0") != 1.0 {
			t.Errorf("%s", p.Body)
		}
	}
	p := s.Get(one).Want(200)
	check(p)
	check(s.Put(one, string(p.Body)).Want(200))
	check(s.Put(one, `{"notarized":null,"timezoneId":null,"limits":null,"conditions":null}`).Want(200))
	if got := s.Put(one, `{"notarized":false,"consent":{"x":1}}`).Want(200); got.At("notarized") != false || got.At("consent.x") != 1.0 || got.Text("timezoneId") != "GMT" {
		t.Errorf("%s", got.Body)
	}
	for _, body := range []string{`{"notarized":"yes"}`, `{"limits":[]}`, `{"conditions":{}}`, `{"consent":1}`, `{"timezoneId":5}`} {
		s.Put(one, body).Want(400)
	}
}

// The trail as XML, for who asks for it by name.
func testAuditXML(t *testing.T, s *stack) {
	one := s.sent()
	s.enter("signer1@example.com")
	a := s.Do(apitest.Call{Method: "GET", Path: one + "/audit", Header: map[string]string{"Accept": "application/xml; esl-api-version=11.68.0"}}).Want(200)
	if a.Header.Get("Content-Type") != "application/xml" || a.Header.Get("Content-Disposition") != "" ||
		!strings.Contains(string(a.Body), "<audit-events><audit-event><type>View</type>") {
		t.Errorf("%v %s", a.Header, a.Body)
	}
}
