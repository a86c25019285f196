package console_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/console"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// payloads try to become markup, a script, a formula, or to turn the direction of writing.
var payloads = []string{
	`<script>pwned=1</script>`, `"><img src=x onerror=pwned=1>`, `'onfocus='pwned=1' autofocus='`, `</title><svg onload=pwned=1>`,
	`</option></select><script>pwned=1</script>`, `javascript:pwned=1`, `{{.Nonce}}<b>`, `=HYPERLINK("http://x.invalid","y")`, `+1+cmd|' /C calc'!A0`,
	`@SUM(1+1)`, `-2+3`, `שלום עולם`, `</bdi><style>*{display:none}</style>`,
}

// TestL6NamesAreInert: a text stays a text on every page that shows it, and no cell of a file is a formula.
func TestL6NamesAreInert(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	ctx := context.Background()
	c, operator := h.signIn("administrator"), h.signIn("operator")
	for i, payload := range payloads {
		u, _, err := h.dir.InviteSender(ctx, h.client, directory.NewUser{Email: fmt.Sprintf("p%d@example.com", i), FirstName: payload, LastName: "Doe",
			Title: payload, Company: payload, Phone: payload})
		if err != nil {
			t.Fatal(payload, err)
		}
		list := at(h.account, "/permissions")
		for path, form := range map[string]url.Values{"/permissions": {"name": {payload}, "description": {payload}}, "/presets": {"name": {"P " + payload}, "description": {payload}},
			"/licences": {"name": {fmt.Sprintf("licence_%d", i)}, "title": {payload}}, "/entities": {"kind": {"organization"}, "number": {fmt.Sprint(i + 1)}, "name": {payload}}} {
			if a := c.post(list, at(h.account, path), form); a.StatusCode >= 500 {
				t.Errorf("%s: %d\n%s", path, a.StatusCode, a.body)
			}
		}
		if _, err := h.dir.CreateGroup(ctx, h.client, directory.NewGroup{Name: "G " + payload, Members: []directory.NewMember{{Email: u.Email, MemberType: "REGULAR"}}}); err != nil {
			t.Fatal(err)
		}
		path := at(h.account, "/users/"+u.SenderID)
		granted := c.post(path, path+"/grants", url.Values{"thing": {"preset 2"}})
		account := must(h.dir.CreateAccount(ctx, directory.NewAccount{Name: payload}))
		pages := map[string]string{
			"user": c.page(path), "end": c.page(path + "/end"), "users": c.page(at(h.account, "/users?search="+url.QueryEscape(payload))),
			"access": c.page(at(h.account, "/access?search="+url.QueryEscape(payload))), "permissions": c.page(list), "granted": granted.body,
			"refused":     c.post(at(h.account, "/users/new"), at(h.account, "/users/new"), url.Values{"email": {payload}, "firstName": {payload}}).body,
			"ways":        h.newBrowser().post("/console/sign-in", "/console/sign-in", url.Values{"email": {payload}}).body,
			"unknown":     c.get("/console/" + url.PathEscape(payload)).body,
			"done":        c.page("/console?done=" + url.QueryEscape(payload)),
			"return to":   h.newBrowser().page("/console/sign-in?return_to=" + url.QueryEscape(payload)),
			"link":        h.newBrowser().page("/console/sign-in/link?token=" + url.QueryEscape(payload)),
			"home":        operator.page("/console"),
			"account":     operator.page(at(account, "")),
			"its users":   operator.page(at(account, "/users")),
			"deactivated": c.lands(path+"/end", path+"/end", nil),
		}
		for name, body := range pages {
			checkInert(t, name+" with "+payload, payload, body)
		}
		for _, name := range []string{"user", "end", "users", "permissions", "account"} {
			if !strings.Contains(pages[name], strings.ReplaceAll(html.EscapeString(payload), "+", "&#43;")) {
				t.Errorf("%s does not show %s", name, payload)
			}
		}
	}
	checkCells(t, c.page(at(h.account, "/access.csv?status=all")))
}

// checkInert finds a text that would have become markup or a script's address.
func checkInert(t *testing.T, what, payload, body string) {
	t.Helper()
	if strings.ContainsAny(payload, `<"'`) && strings.Contains(body, payload) {
		t.Errorf("%s: the page holds it as it is", what)
	}
	for _, attribute := range []string{"href", "src", "action"} {
		if strings.Contains(body, attribute+`="javascript:`) {
			t.Errorf("%s: the page's %s is a script", what, attribute)
		}
	}
}

// checkCells looks for formulas in a CSV file.
func checkCells(t *testing.T, file string) {
	t.Helper()
	rows := must(csv.NewReader(bytes.NewBufferString(file)).ReadAll())
	if len(rows) < len(payloads) {
		t.Errorf("only %d rows", len(rows))
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	for _, formula := range []string{"=1", "+1", "-1", "@A1", "\t=1", "\r=1"} {
		if got := console.Cell(formula); got != "'"+formula {
			t.Errorf("%q becomes %q", formula, got)
		}
	}
}

// TestL10NamesThatTurn: a name that would deceive the eye is refused by the form that offers it.
func TestL10NamesThatTurn(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	c := h.signIn("administrator")
	for _, name := range []string{"Mary\u202eeoD", "Mary\u200bDoe", "Mary\x00Doe", "Mary\r\nDoe", strings.Repeat("a", 10_000)} {
		a := c.post(at(h.account, "/users/new"), at(h.account, "/users/new"), url.Values{"email": {"turn@example.com"}, "firstName": {name}, "lastName": {"Doe"}})
		if a.StatusCode != 400 || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("%.20q: %d", name, a.StatusCode)
		}
	}
}

// TestUsers walks through what an administrator does with people.
func TestUsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		c := h.signIn("administrator")
		form := at(h.account, "/users/new")
		if a := c.post(form, form, url.Values{"email": {"not an address"}, "firstName": {"Cleo"}, "lastName": {"Roth"}, "type": {"REGULAR"}}); a.StatusCode != 400 || !strings.Contains(a.body, `value="Cleo"`) || !strings.Contains(a.body, `aria-invalid="true"`) {
			t.Errorf("refused: %d\n%s", a.StatusCode, a.body)
		}
		made := c.lands(form, form, url.Values{"email": {"cleo@example.com"}, "firstName": {"Cleo"}, "lastName": {"Roth"}, "type": {"REGULAR"}})
		if !strings.Contains(made, "has been sent an invitation") || !strings.Contains(made, "<bdi>Cleo Roth</bdi>") {
			t.Error(made)
		}
		u := must(h.dir.Users(context.Background(), h.client, directory.ListedFilter{Email: "cleo@example.com"}, "", 1)).Users[0]
		path := at(h.account, "/users/"+u.SenderID)
		for _, step := range []struct {
			path  string
			form  url.Values
			words string
		}{
			{"/change", url.Values{"email": {"cleo@example.com"}, "firstName": {"Cleopatra"}, "lastName": {"Roth"}}, "<bdi>Cleopatra Roth</bdi>"},
			{"/type", url.Values{"type": {"MANAGER"}}, "Role: <bdi>"},
			{"/grants", url.Values{"thing": {"permission 6"}}, "The grant is given"},
			{"/lock", nil, "Locked"},
			{"/unlock", nil, "The user is unlocked"},
			{"/end", nil, "Deactivated"},
			{"/restore", nil, "The user is active again"},
		} {
			if page := c.lands(path, path+step.path, step.form); !strings.Contains(page, step.words) {
				t.Errorf("%s: no %q in\n%s", step.path, step.words, page)
			}
		}
		grants, _, err := h.access.Grants(context.Background(), h.client, access.GrantFilter{Holder: access.Holder{Kind: access.OfUser, ID: u.SenderID}}, access.Page{})
		if err != nil || len(grants) != 1 {
			t.Fatal(grants, err)
		}
		if page := c.lands(path, path+"/grants/"+grants[0].ID+"/end", nil); !strings.Contains(page, "The grant has ended") {
			t.Error(page)
		}
		token := c.post(path, path+"/tokens", url.Values{"name": {"Report"}, "days": {"30"}})
		if token.StatusCode != 200 || !strings.Contains(token.body, "cst_") || token.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d\n%s", token.StatusCode, token.body)
		}
		if page := c.page(path); strings.Contains(page, "cst_") || !strings.Contains(page, "<bdi>Report</bdi>") {
			t.Error(page)
		}
	})
}
