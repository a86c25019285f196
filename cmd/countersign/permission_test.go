package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The operator brings in what Salesforce knows, gives and ends grants, and sees who holds what.
func TestPermissionCommands(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		account := text(t, o.tells("account", "create", "--organisation", "Example Health", "--name", "Example Pharmacy"), "account_id")
		client := o.tells("client", "create", "--account", account, "--right", "sign", "--name", "Orders")
		status, told := o.call("POST", "/api/v1/auth/connect/token", "", url.Values{"grant_type": {"client_credentials"},
			"client_id": {text(t, client, "client_id")}, "client_secret": {text(t, client, "client_secret")}})
		if status != 200 {
			t.Fatal(status, told)
		}
		status, anna := o.call("POST", "/api/account/senders", text(t, told, "access_token"), map[string]any{"email": "anna@example.com", "firstName": "Anna", "lastName": "Smith"})
		if status != 200 {
			t.Fatal(status, anna)
		}
		user := text(t, anna, "id")
		file := func(text string) string {
			name := filepath.Join(o.scratch, "import.csv")
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return name
		}
		brings := func(what, text, lines, fresh string) {
			t.Helper()
			if got := o.tells(what, "import", file(text), "--account", account); got["lines"] != lines || got["new"] != fresh {
				t.Errorf("%s: %v", what, got)
			}
		}
		brings("licence", "name,title\nplatform,Salesforce Platform\n", "1", "1")
		brings("permission", "name\nApprove\nDraft\n", "2", "2")
		brings("preset", "Name,Label,License.Name,permissions\nSales,Field Sales,Salesforce Platform,Approve\n", "1", "1")
		brings("entity", "kind,number,name\norganization,1,North\n", "1", "1")
		brings("entity", "kind,number,name\norganization,1,North\n", "1", "0")
		if n := len(o.lists("permission", "list", "--account", account)); n != 8 {
			t.Errorf("%d permissions", n)
		}
		presets := o.lists("preset", "list", "--account", account)
		if p := presets[len(presets)-1]; p["name"] != "Field Sales" || p["licence"] != "platform" {
			t.Errorf("%v", p)
		}
		if l, e := o.lists("licence", "list", "--account", account), o.lists("entity", "list", "--account", account); len(l) != 3 || len(e) != 1 {
			t.Errorf("%v %v", l, e)
		}
		given := o.tells("grant", "give", "--account", account, "--user", "Anna@example.com", "--preset", "field sales", "--organization", "1")
		if given["new"] != "true" || o.tells("grant", "give", "--account", account, "--user", user, "--preset", "Field Sales", "--organization", "1")["grant"] != given["grant"] {
			t.Errorf("%v", given)
		}
		brings("grant", "user_id,permission\n"+user+",Draft\n", "1", "1")
		grants := o.lists("grant", "list", "--account", account, "--user", user)
		if len(grants) != 2 || grants[0]["name"] != "Field Sales" || grants[0]["granted_by"] != "Operator" || grants[1]["source"] != "import" {
			t.Errorf("%v", grants)
		}
		o.tells("grant", "end", text(t, given, "grant"), "--account", account)
		if n := len(o.lists("grant", "list", "--account", account)); n != 1 {
			t.Errorf("%d grants", n)
		}
		o.refused("no such grant", "grant", "end", "nothing", "--account", account)
		o.refused("no preset of that name", "grant", "give", "--account", account, "--user", user, "--preset", "Nothing")
		o.refused("no such user", "grant", "give", "--account", account, "--user", "nobody@example.com", "--preset", "1000")
		o.refused("no such account", "grant", "list", "--account", "nobody")
		o.refused("no column", "grant", "import", file("user,organisation\n"), "--account", account)
		if status, _, _ := o.run("grant", "give", "--account", account, "--preset", "1000"); status != 2 {
			t.Errorf("a grant of nobody exits with %d", status)
		}
		status, out, complaint := o.run("permission", "import", file("name,number\nGood,\n,\nBad,7\n"), "--account", account, "--json")
		var problems []map[string]any
		if err := json.Unmarshal([]byte(out), &problems); status != 1 || err != nil || len(problems) != 2 || problems[0]["line"] != 3.0 ||
			!strings.Contains(complaint, "2 lines are wrong") {
			t.Errorf("%d %s %s", status, out, complaint)
		}
		if n := len(o.lists("permission", "list", "--account", account)); n != 8 {
			t.Errorf("%d permissions", n)
		}
	})
}
