package congasign

import (
	"cmp"
	"database/sql"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
)

// realm is what one account has of everything that paths name; its values are found by the names of routes.
type realm struct {
	mark   string
	values map[string]string
}

// newRealm makes one. No two realms share an id, an address or a name.
func (s *stack) newRealm(mark, status string) realm {
	s.T.Helper()
	var pairs []string
	for _, id := range []string{"r1", "r2", "s1", "s2", "d1", "a1", "a2", "f1", "f2", "licence"} {
		pairs = append(pairs, `"`+id+`"`, `"`+mark+id+`"`)
	}
	pairs = append(pairs, "ann@", mark+"ann@", "bob@", mark+"bob@", `"Edit"`, `"`+mark+`"`, "PDF", base64.StdEncoding.EncodeToString([]byte(paper())))
	pkg := s.Post("/api/packages", strings.NewReplacer(pairs...).Replace(editablePackage)).Want(200).Text("id")
	one := "/api/packages/" + pkg
	if status == "SENT" {
		s.Post(one, `{"status":"SENT"}`).Want(200)
		body, media := apitest.Multipart(apitest.Part{Name: "payload", File: "a.txt", Data: mark})
		s.Do(apitest.Call{Method: "POST", Path: one + "/attachment/" + mark + "licence", Media: media, Body: body}).Want(200)
	}
	sender := s.newSender(mark + "sender@example.com")[len("/api/account/senders/"):]
	delegate := s.newSender(mark + "delegate@example.com")[len("/api/account/senders/"):]
	s.Put("/api/account/senders/"+sender+"/delegates", `["`+delegate+`"]`).Want(200)
	group := s.Post("/api/groups", `{"name":"`+mark+`","members":[{"userId":"`+sender+`"}]}`).Want(200).Text("id")
	s.Post("/api/callback/connectors/"+mark, `{"url":"https://hooks.example.com/`+mark+`","events":["PACKAGE_COMPLETE"],"key":"k"}`).Want(200)
	s.Post("/api/account/customfields", `{"id":"`+mark+`","value":"`+mark+`"}`).Want(200)
	s.Post(reasonsPath, `["`+mark+`"]`).Want(200)
	return realm{mark, map[string]string{"package": pkg, "group": group, "user": sender, "sender": sender, "delegate": delegate, "role": mark + "r1",
		"signer": mark + "s1", "document": mark + "d1", "approval": mark + "a1", "field": mark + "f2", "attachment": mark + "licence", "file": "1", "page": "0",
		"language": "en", "setting": "accountSettings", "origin": mark, "account": s.account.OuterID, "layout": "x"}}
}

// outer are the names of things that belong to an account, inner those that belong to one of them.
var (
	outer     = []string{"package", "group", "sender"}
	inner     = []string{"user", "delegate", "role", "signer", "document", "approval", "field", "attachment"}
	nameInURL = regexp.MustCompile(`\{([a-z]+)\}`)
)

// path of a route: the outer things of one realm, the inner ones of another.
func pathOf(route api.Route, outside, inside realm) string {
	return nameInURL.ReplaceAllStringFunc("/api/cs-"+route.Path[1:], func(name string) string {
		name = name[1 : len(name)-1]
		if slices.Contains(inner, name) {
			return inside.values[name]
		}
		return outside.values[name]
	})
}

func names(route api.Route, among []string) (n int) {
	for _, found := range nameInURL.FindAllStringSubmatch(route.Path, -1) {
		if slices.Contains(among, found[1]) {
			n++
		}
	}
	return n
}

// soundBodies are bodies that are refused for nothing but what the path names.
var soundBodies = map[string]string{
	"POST /packages/{package}":     `{"status":"DECLINED","messages":[{"content":"No"}]}`,
	"PUT /packages/{package}":      `{"status":"DECLINED","messages":[{"content":"No"}]}`,
	"POST /groups/{group}/members": `{"userId":"SENDER"}`, "POST /groups/{group}/invite": `{"userId":"SENDER"}`,
	"PUT /groups/{group}/members/{user}": `{"memberType":"REGULAR"}`, "PUT /account/senders/{sender}/delegates": `[]`,
	"POST /packages/{package}/notifications": `{"email":"ann@example.com"}`,
	"POST /packages/{package}/roles":         `{"id":"new","signers":[{"email":"n@example.com","firstName":"N"}]}`,
	"PUT /packages/{package}/roles":          `[]`, "PUT /packages/{package}/documents": `[]`, "DELETE /packages/{package}/documents": `["d"]`,
	"POST /packages/{package}/groups":    `{"name":"Board","members":[{"userId":"x"}]}`,
	"PUT /packages/{package}/groups":     `{"name":"Board","members":[{"userId":"x"}]}`,
	"POST /packages/{package}/documents": `{"name":"x","base64Content":"PDF"}`, "POST /packages/{package}/documents/visibility": `{"configurations":[]}`,
	"POST /packages/{package}/documents/localize-consent":                                                `{"language":"fr"}`,
	"POST /packages/{package}/documents/signConfirm":                                                     `{"id":"d"}`,
	"POST /packages/{package}/documents/signed_documents":                                                `{"documents":[]}`,
	"POST /packages/{package}/documents/{document}/approvals":                                            `{"role":"r","fields":[]}`,
	"PUT /packages/{package}/documents/{document}/approvals":                                             `[]`,
	"POST /packages/{package}/documents/{document}/approvals/{approval}/fields":                          `{"type":"INPUT","subtype":"TEXTFIELD","page":0,"left":1,"top":1,"width":50,"height":20}`,
	"PUT /packages/{package}/documents/{document}/approvals/{approval}/fields/{field}/conditionalFields": `[]`,
	"POST /packages/{package}/documents/{document}/approvals/{approval}/fields/{field}":                  `{"value":"x"}`,
	"PUT /packages/{package}/documents/{document}/approvals/{approval}/fields/{field}":                   `{"value":"x"}`,
	"POST /packages/{package}/bulk_send":                                                                 `{"signers":[{"email":"m@example.com","firstName":"M","lastName":"N"}]}`,
}

// call is the call of a route with a body that fits it.
func soundCall(route api.Route, path, sender string) apitest.Call {
	c := apitest.Call{Method: cmp.Or(route.Method, "GET"), Path: path}
	body, known := soundBodies[route.Pattern()]
	switch {
	case strings.Contains(route.Path, "ignatureImage") || strings.Contains(route.Path, "signature/image"):
		if c.Method == "POST" {
			c.Body, c.Media = apitest.Multipart(apitest.Part{Name: "file", File: "a.png", Data: string(pngOf(1))})
		}
	case c.Method == "POST" && strings.HasSuffix(route.Path, "/attachment/{attachment}"):
		c.Body, c.Media = apitest.Multipart(apitest.Part{Name: "payload", File: "a.txt", Data: "x"})
	case known:
		c.Body = []byte(strings.NewReplacer("SENDER", sender, "PDF", base64.StdEncoding.EncodeToString([]byte(paper()))).Replace(body))
	case c.Method != "GET" && c.Method != "DELETE":
		c.Body = []byte(`{}`)
	}
	return c
}

// caller is a kind of caller and what it may reach.
type caller struct {
	name string
	apitest.Client
	sign, own, anywhere, manages bool // has the right to sign; a signer's; not bound to a package; manages the account
	elsewhere                    bool // bound to another package of the account
}

func (s *stack) callers(own, second realm) []caller {
	s.T.Helper()
	s.activeSender("regular@example.com")
	manager := s.activeSender("manager@example.com")
	s.Post("/api/account/senders/"+manager, `{"type":"MANAGER"}`).Want(200)
	one, two := "/api/packages/"+own.values["package"], "/api/packages/"+second.values["package"]
	return []caller{
		{name: "client", Client: s.Client, sign: true, anywhere: true, manages: true},
		{name: "API key of a regular sender", Client: s.as(s.apiKey("regular@example.com")), sign: true, anywhere: true},
		{name: "API key of a manager", Client: s.as(s.apiKey("manager@example.com")), sign: true, anywhere: true, manages: true},
		{name: "user session", Client: s.userSession(), sign: true, anywhere: true, manages: true},
		{name: "sender session", Client: s.senderSession(own.values["package"]), sign: true, manages: true},
		{name: "signer session", Client: s.session(one, own.values["signer"]), own: true},
		{name: "sender session of another package", Client: s.senderSession(second.values["package"]), sign: true, elsewhere: true},
		{name: "signer session of another package", Client: s.session(two, second.values["signer"]), own: true, elsewhere: true},
		{name: "token of other rights", Client: s.as(s.newClient(s.account, authz.ManageUsers, authz.AccountRead, authz.UserRead)), anywhere: true},
	}
}

// may is the status that keeps a caller from a route before anything is looked up, 0 when none does.
func (c caller) may(route api.Route) int {
	switch {
	case !c.anywhere && route.Or == "" && !strings.Contains(route.Path, "{package}"):
		return 403
	case route.Beyond && !c.anywhere:
		return 403
	case route.Or == authz.SignOwn && c.own, c.sign:
		return 0
	}
	return 403
}

// rows are the tables that must stay as they are, every row in words.
func (s *stack) rows() string {
	s.T.Helper()
	driver, url := "pgx", s.db.URL
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, url = "sqlite", file
	}
	pool, err := sql.Open(driver, url)
	if err != nil {
		s.T.Fatal(err)
	}
	defer pool.Close()
	var all []string
	for _, table := range strings.Fields(`accounts users signer_groups group_names group_members packages documents document_viewers roles adhoc_members invitees links
		approvals fields signatures attachments attachment_files callbacks account_documents sender_signatures reminder_schedules logos consumables clients api_keys`) {
		columns := "*"
		if table == "account_documents" {
			columns = "account_id, kind, name, data" // when it was written is no change
		}
		found, err := pool.Query("select " + columns + " from " + table)
		if err != nil {
			s.T.Fatal(err)
		}
		names, err := found.Columns()
		if err != nil {
			s.T.Fatal(err)
		}
		for found.Next() {
			cells, into := make([]any, len(names)), make([]any, len(names))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := found.Scan(into...); err != nil {
				s.T.Fatal(err)
			}
			all = append(all, table+fmt.Sprint(cells...))
		}
		if err := found.Err(); err != nil {
			s.T.Fatal(err)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// refusedAs is the status of what a caller asks of things that are not there for him: 404 unless he may not ask, or nobody may.
func (c caller) refusedAs(route api.Route, ownOuter bool) int {
	pattern := route.Pattern()
	switch {
	case c.may(route) != 0:
		return c.may(route)
	case route.Method == "" || pattern == "PUT /account/senders/{sender}/roles":
		return 501
	case c.sign && c.anywhere && !c.manages && (pattern == "POST /account/senders/{sender}" || pattern == "DELETE /account/senders/{sender}" ||
		ownOuter && !strings.Contains(pattern, "{package}")):
		return 403 // he manages nothing, whatever it is
	case ownOuter && pattern == "POST /account/senders/{sender}/delegates/{delegate}":
		return 400 // whom it names is part of the request
	case ownOuter && pattern == "DELETE /account/senders/{sender}/delegates/{delegate}":
		return 204 // who is no delegate is none
	}
	return 404
}

// matrix is the work of testT13Matrix.
type matrix struct {
	t                           *testing.T
	own, second, draft, foreign realm
	cells                       int
}

func (m *matrix) cell(c caller, route api.Route, path string, want int) apitest.Answer {
	m.t.Helper()
	m.cells++
	a := c.Do(soundCall(route, path, m.own.values["sender"]))
	if strings.Contains(string(a.Body), "zebra") && a.Status < 400 {
		m.t.Errorf("%s: %s tells of another account: %.500s", c.name, route.Pattern(), a.Body)
	}
	if a.Status != want && !(a.Status == 400 && a.Text("messageKey") == "error.validation.package.notDraft") {
		m.t.Errorf("%s: %s %s: %d, want %d: %.200s", c.name, route.Pattern(), path, a.Status, want, a.Body)
	}
	return a
}

// strange calls a route for things of another account, or of another package of the same.
func (m *matrix) strange(c caller, route api.Route) {
	m.t.Helper()
	if names(route, outer) == 0 {
		return
	}
	m.cell(c, route, pathOf(route, m.foreign, m.foreign), c.refusedAs(route, false))
	if strings.Contains(route.Path, "{package}") && c.elsewhere {
		m.cell(c, route, pathOf(route, m.own, m.own), c.refusedAs(route, false))
	}
	if names(route, inner) == 0 {
		return
	}
	a := m.cell(c, route, pathOf(route, m.own, m.foreign), c.refusedAs(route, true))
	if a.Status == 400 && c.anywhere { // it is sent already: the same in a draft
		if a = m.cell(c, route, pathOf(route, m.draft, m.foreign), c.refusedAs(route, true)); a.Status == 400 && strings.Contains(route.Path, "{package}") {
			m.t.Errorf("%s: %s in a draft: %.200s", c.name, route.Pattern(), a.Body)
		}
	}
}

// T13: every route × every kind of caller × own and foreign things. What an account does not have is not found, whatever is asked of
// it and by whom; nothing of it is told; nothing changes.
func testT13Matrix(t *testing.T, s *stack) {
	stranger := s.fresh(t)
	m := &matrix{t: t, foreign: stranger.newRealm("zebra", "SENT"), own: s.newRealm("own", "SENT"), second: s.newRealm("second", "SENT"),
		draft: s.newRealm("draft", "DRAFT")}
	callers := s.callers(m.own, m.second)
	stranger.settle()
	before := stranger.rows()
	for _, route := range New(Config{}).Routes {
		if route.Right == api.Public {
			continue
		}
		for _, c := range callers {
			m.strange(c, route)
		}
	}
	stranger.settle()
	if after := stranger.rows(); after != before {
		t.Errorf("rows changed:\n%s", difference(before, after))
	}
	for _, route := range New(Config{}).Routes { // after that: a signing address is a new row
		for _, c := range callers {
			m.ours(c, route)
		}
	}
	t.Logf("%d cells", m.cells)
}

// difference are the lines that only one of two texts has, some of them.
func difference(a, b string) string {
	has := map[string]int{}
	for line := range strings.SplitSeq(a, "\n") {
		has[line]++
	}
	for line := range strings.SplitSeq(b, "\n") {
		has[line] -= 1
	}
	var out []string
	for line, n := range has {
		if n != 0 && len(out) < 6 {
			out = append(out, fmt.Sprintf("%+d %.300s", -n, line))
		}
	}
	return strings.Join(out, "\n")
}

// ours calls a route for the caller's own account's. All try to read; who may not is refused by 403, and nobody else is. What reading
// is refused with is the state of what is there. Writing is tried by who may not; the other tests write.
func (m *matrix) ours(c caller, route api.Route) {
	m.t.Helper()
	want := c.may(route)
	if route.Right == api.Public || c.elsewhere || want == 0 && route.Method != "GET" {
		return
	}
	m.cells++
	a := c.Do(soundCall(route, pathOf(route, m.own, m.own), m.own.values["sender"]))
	switch {
	case strings.Contains(string(a.Body), "zebra"):
		m.t.Errorf("%s: %s tells of another account: %.500s", c.name, route.Pattern(), a.Body)
	case want != 0 && a.Status != want:
		m.t.Errorf("%s: %s: %d, want %d: %.200s", c.name, route.Pattern(), a.Status, want, a.Body)
	case want == 0 && a.Status >= 400 && !slices.Contains(readingRefusals, a.Text("messageKey")) &&
		!(!c.manages && slices.ContainsFunc(managersReads, func(path string) bool { return strings.HasPrefix(route.Path, path) }) &&
			slices.Contains([]string{"error.forbidden.account.notManager", "error.forbidden.package.notOwner"}, a.Text("messageKey"))):
		m.t.Errorf("%s: %s: %.200s", c.name, route.Pattern(), a.Body)
	}
}

// managersReads are the paths of which only managers, and a package's owner, may read.
var managersReads = []string{"/account/senders/{sender}/", "/callback", "/packages/{package}/roles/{role}/signingUrl"}

// readingRefusals are what reading one's own is refused with for its state.
var readingRefusals = []string{"error.notFound.signature.unknown", "error.conflict.package.notCompleted",
	"error.notFound.accountRole.unknown"}
