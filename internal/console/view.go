package console

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/page"
)

// frame is what every page is made of: its own view and what the shell needs.
type frame struct {
	Product string
	Head    page.Head
	Signed  bool // somebody is signed in
	Name    string
	Email   string
	Role    string
	Account struct{ Name, Path string } // of the address, or the user's own
	Several bool                        // the viewer reaches several accounts
	Nav     []navSection
	Crumbs  []crumb
	Flash   string
	Nonce   string
	View    any
}

// roleWords are what people are called.
var roleWords = map[role]string{operator: "Operator", partnerAdmin: "Partner administrator", partnerDeveloper: "Partner developer",
	administrator: "Administrator", sender: "Sender", member: "Member"}

func (c *console) frame(r *http.Request, view any) any {
	v := visitOf(r)
	f := frame{Product: c.Product, Head: page.Head{Name: c.Product}, View: view, Nonce: c.Nonce(v.browser(), root)}
	if v.session.ID == "" {
		return f
	}
	f.Signed, f.Name, f.Email, f.Role = true, v.session.Person.Name, v.session.Person.Email, roleWords[v.role]
	f.Nav, f.Several = v.nav(), v.may("GET /console/accounts")
	if v.account.OuterID != "" {
		f.Account.Name, f.Account.Path = v.account.Name, v.path()
	}
	if len(v.crumbs) > 0 {
		if v.account.OuterID != "" && v.r.PathValue("account") != "" {
			f.Crumbs = append(f.Crumbs, crumb{v.account.Name, v.path()})
		}
		f.Crumbs = append(f.Crumbs, v.crumbs...)
	}
	f.Flash = flashes[r.URL.Query().Get("done")]
	return f
}

// word says where the way goes on after an error.
func word(r *http.Request, p page.Problem) page.Problem {
	p.Back = root
	if p.What == "page.nonce" || p.What == "session.none" {
		p.Title = "This page is out of date"
		p.Detail = "Your session changed since it was loaded. Please go back, load it again and repeat what you did."
	}
	return p
}

// funcs are for the templates.
func funcs() template.FuncMap {
	return template.FuncMap{"right": rightWord, "rights": rightsWords, "field": field, "select": selection, "choices": choices, "status": statusTag, "usage": usage, "dict": dict,
		"number": number, "ago": func(t time.Time) bool { return !t.IsZero() }, "title": title, "scope": scopeWords, "licence": licenceWord,
		"browser": browserWord, "how": func(how string) string { return howWords[how] }, "entity": func(kind string) string { return entityWords[kind] },
		"person": func(r directory.StaffRole) string { return roleWords[staffRoles[r]] }}
}

// tag is a word with a colour.
type tag struct{ Word, Tone string }

// tones of what things are in: good, warn, bad, or quiet.
var tones = map[string]tag{
	"ACTIVE": {"Active", "good"}, "INVITED": {"Invited", "warn"}, "LOCKED": {"Locked", "bad"}, "INACTIVE": {"Deactivated", "quiet"},
	"COMPLETED": {"Completed", "good"}, "SENT": {"Sent", "warn"}, "DRAFT": {"Draft", "quiet"}, "DECLINED": {"Declined", "bad"},
	"TRASH": {"In the trash", "quiet"}, "waiting": {"On its way", "warn"}, "delivered": {"Delivered", "good"}, "failed": {"Given up", "bad"},
	"EXPIRED": {"Expired", "bad"}, "OPTED_OUT": {"Opted out", "bad"}, "ARCHIVED": {"Archived", "quiet"},
}

// statusTag shows a state; one it does not know is shown as it is.
func statusTag(state any) tag {
	s := fmt.Sprint(state)
	if t, ok := tones[s]; ok {
		return t
	}
	return tag{title(strings.ReplaceAll(strings.ToLower(s), "_", " ")), "quiet"}
}

// title begins with a capital letter.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// bar shows how much of a quota is used.
type bar struct {
	Label     string
	Used, Cap int64
	Tone      string // good, warn from 80 %, bad when full
	Limited   bool
}

// usage is a bar; cap 0 or less is no limit.
func usage(label string, used, cap int64) bar {
	b := bar{Label: label, Used: used, Cap: cap, Limited: cap > 0, Tone: "good"}
	switch {
	case !b.Limited:
		return b
	case used >= cap:
		b.Tone = "bad"
	case used*10 >= cap*8:
		b.Tone = "warn"
	}
	return b
}

// pages leads to the next part of a list, and back to its beginning.
type pages struct{ First, Next, Words string }

// pager keeps the query of a list and moves on from a place in it; next "" is the end.
func (v *visit) pager(next, words string) pages {
	q := v.r.URL.Query()
	q.Del("done")
	p := pages{Words: words}
	if q.Get("after") != "" {
		q.Del("after")
		p.First = v.r.URL.Path + suffix(q)
	}
	if next != "" {
		q.Set("after", next)
		p.Next = v.r.URL.Path + suffix(q)
	}
	return p
}

func suffix(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// dict hands several values to a part: name, value, name, value…
func dict(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return out
}

// number words a count with its thousands apart.
func number(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// scopeWords says what a grant applies to.
func scopeWords(s access.Scope) string {
	if s.All() {
		return "everything"
	}
	var parts []string
	for _, l := range []struct {
		one, many string
		list      []int64
	}{{"organisation", "organisations", s.Organizations}, {"legal entity", "legal entities", s.LegalEntities}, {"contract type", "contract types", s.ContractTypes}} {
		if l.list == nil {
			continue
		}
		var numbers []string
		for _, n := range l.list {
			numbers = append(numbers, fmt.Sprint(n))
		}
		parts = append(parts, plural(len(l.list), l.one, l.many)+" "+strings.Join(numbers, ", "))
	}
	return strings.Join(parts, "; ")
}

// licenceWord is the title of a built-in licence, or the name of another.
func licenceWord(name string) string {
	switch name {
	case directory.LicenceSign:
		return "Conga Sign"
	case directory.LicenceSalesforce:
		return "Salesforce"
	}
	return name
}

// browserWord is what people call the program of a user agent; one it does not know is cut short.
func browserWord(agent string) string {
	what := ""
	for _, b := range []struct{ mark, name string }{{"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b.mark) {
			what = b.name
			break
		}
	}
	for _, s := range []struct{ mark, name string }{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if what != "" && strings.Contains(agent, s.mark) {
			return what + " on " + s.name
		}
	}
	if what == "" {
		what = string([]rune(agent)[:min(len([]rune(agent)), 60)])
	}
	if what == "" {
		return "An unknown program"
	}
	return what
}

// howWords are the ways of signing in.
var howWords = map[string]string{"link": "e-mail link", "password": "password", "oidc": "identity provider"}
