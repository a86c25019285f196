package useraccess

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// maxPage is the largest page that may be asked for.
const maxPage = 1000

// filterNames are the parameters, of both lists, that choose what is listed. Unknown parameters are ignored.
var filterNames = []string{"status", "license_type", "user_id", "email", "permission", "last_login_before", "group_id", "from", "to"}

// parameters reads a query and gathers what is wrong with it.
type parameters struct {
	*api.Request
	issues map[string]string
}

func parametersOf(r *api.Request) *parameters {
	return &parameters{Request: r, issues: map[string]string{}}
}

// blame notes what is wrong with a parameter.
func (p *parameters) blame(name, issue string) { p.issues[name] = issue }

// text is the value of a parameter, "" when it was not sent. One that is sent twice or is empty is to blame.
func (p *parameters) text(name, issue string) string {
	switch values := p.Queries()[name]; {
	case len(values) == 0:
		return ""
	case len(values) > 1:
		p.blame(name, "must be given once")
	case values[0] == "":
		p.blame(name, issue)
	default:
		return values[0]
	}
	return ""
}

// oneOf is a text that must be one of some words, in their own letter case.
func (p *parameters) oneOf(name, issue string, words ...string) string {
	value := p.text(name, issue)
	if value != "" && !slices.Contains(words, value) {
		p.blame(name, issue)
	}
	return value
}

// moment is a date with a time; zero when it was not sent.
func (p *parameters) moment(name string) time.Time {
	const issue = "must be a date and time as in 2025-12-18T10:30:00Z"
	value := p.text(name, issue)
	if value == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil || at.Year() < 1970 {
		p.blame(name, issue)
	}
	return at
}

// limit is the size of a page; 0 when none was asked for.
func (p *parameters) limit() int {
	const issue = "must be a whole number from 1 to 1000"
	value := p.text("limit", issue)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxPage || value != strconv.Itoa(n) {
		p.blame("limit", issue)
	}
	return n
}

// refusal is what is wrong (Invalid, "query.invalid"; Params are the issues by parameter); nil when nothing is.
func (p *parameters) refusal() error {
	if len(p.issues) == 0 {
		return nil
	}
	names := make([]string, 0, len(p.issues))
	for name := range p.issues {
		names = append(names, name)
	}
	slices.Sort(names)
	e := errs.New(errs.Invalid, "query.invalid", "%s cannot be used", strings.Join(names, ", "))
	e.Params = p.issues
	return e
}

// listQuery is what is asked of the list of users.
type listQuery struct {
	filter access.Filter
	page   access.Page
	csv    bool
}

func (s *surface) listQuery(r *api.Request) (q listQuery, err error) {
	p := parametersOf(r)
	q.filter = access.Filter{
		Status:          p.oneOf("status", "must be active or inactive", "active", "inactive", "all"),
		Licence:         p.text("license_type", unknownLicence),
		UserID:          p.text("user_id", "must be the id of a user"),
		Email:           p.text("email", badEmail),
		Permission:      p.text("permission", unknownPermission),
		LastLoginBefore: p.moment("last_login_before"),
	}
	q.page = s.page(p, "users")
	q.csv = csvWanted(r.HTTP.Header)
	return q, p.refusal()
}

// page is the part of a list that is asked for.
func (s *surface) page(p *parameters, list string) (page access.Page) {
	page.Limit = p.limit()
	if cursor := p.text("cursor", unknownCursor); cursor != "" {
		var ok bool
		if page.Cursor, ok = s.place(p.Request, list, cursor); !ok {
			p.blame("cursor", unknownCursor)
		}
	}
	return page
}

// What is wrong with values that only the room can judge.
const (
	unknownLicence    = "must be conga_sign, salesforce or another license of the account"
	unknownPermission = "must be the name of a permission or permission set of the account"
	badEmail          = "must be an e-mail address"
	unknownCursor     = "must be the next_cursor of an answer to the same filters"
)

// refused are the parameters that the room's refusals speak of, and what is wrong with them.
var refused = map[string][2]string{
	"licence.unknown":    {"license_type", unknownLicence},
	"permission.unknown": {"permission", unknownPermission},
	"email.malformed":    {"email", badEmail},
	"cursor.unknown":     {"cursor", unknownCursor},
}

// asParameter words a refusal of the room's as one of a parameter.
func asParameter(err error) error {
	for what, of := range refused {
		if errs.Is(err, what) {
			return errs.New(errs.Invalid, "query.invalid", "%s cannot be used", of[0]).With(of[0], of[1]).Because(err)
		}
	}
	return err
}
