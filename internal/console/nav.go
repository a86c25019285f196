package console

import (
	"net/url"
	"strings"

	"countersign.dev/internal/authz"
)

// crumb is one step of the way to a page.
type crumb struct{ Title, Path string }

// trail sets the way to the page: title, path, title, path…; what is below an account begins with it.
func (v *visit) trail(pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		v.crumbs = append(v.crumbs, crumb{pairs[i], pairs[i+1]})
	}
}

// navSection is a part of the navigation.
type navSection struct {
	Title string
	Items []navItem
}

type navItem struct {
	Title, Path, Icon string
	Here              bool
}

// places are the entries of the navigation in their order. What the viewer may not see is left out.
var places = []struct{ section, title, icon, pattern string }{
	{"", "Home", "home", "GET /console"},
	{"Server", "Partners", "partners", "GET /console/partners"},
	{"Server", "Accounts", "accounts", "GET /console/accounts"},
	{"Server", "Server’s audit trail", "list", "GET /console/audit"},
	{"account", "Overview", "home", "GET /console/accounts/{account}"},
	{"account", "Packages", "doc", "GET /console/accounts/{account}/packages"},
	{"account", "Users", "people", "GET /console/accounts/{account}/users"},
	{"account", "Groups", "group", "GET /console/accounts/{account}/groups"},
	{"account", "Access list", "key", "GET /console/accounts/{account}/access"},
	{"account", "Permissions", "lock", "GET /console/accounts/{account}/permissions"},
	{"account", "Clients", "plug", "GET /console/accounts/{account}/clients"},
	{"account", "Callbacks", "bell", "GET /console/accounts/{account}/callbacks"},
	{"account", "Audit trail", "list", "GET /console/accounts/{account}/audit"},
	{"account", "Settings", "gear", "GET /console/accounts/{account}/settings"},
	{"You", "Sessions", "screen", "GET /console/sessions"},
	{"You", "Password", "shield", "GET /console/password"},
}

// nav is the navigation as the viewer sees it. The place he is at is the one with the longest path that begins his.
func (v *visit) nav() (out []navSection) {
	longest := ""
	for _, p := range places {
		section, path := p.section, strings.TrimPrefix(p.pattern, "GET ")
		if section == "account" {
			if v.account.OuterID == "" || p.title == "Overview" && v.p.Kind != authz.Staff { // a user's is his home
				continue
			}
			section = v.account.Name
			path = strings.Replace(path, "{account}", url.PathEscape(v.account.OuterID), 1)
		}
		if !v.may(p.pattern) {
			continue
		}
		if len(out) == 0 || out[len(out)-1].Title != section {
			out = append(out, navSection{Title: section})
		}
		last := &out[len(out)-1]
		last.Items = append(last.Items, navItem{Title: p.title, Path: path, Icon: "icon-" + p.icon})
		at := v.r.URL.Path
		if strings.HasPrefix(at, root+"/organisations/") { // they stand among the partners
			at = root + "/partners"
		}
		if len(path) > len(longest) && (at == path || path != root && strings.HasPrefix(at, path+"/")) {
			longest = path
		}
	}
	for _, section := range out {
		for i := range section.Items {
			section.Items[i].Here = section.Items[i].Path == longest
		}
	}
	return out
}
