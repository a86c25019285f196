package console

import (
	"encoding/csv"
	"net/http"
	"strings"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
)

// accessPage is the view of the access list.
type accessPage struct {
	Form      form // the filter
	Entries   []access.Entry
	Total     int64
	Version   int64
	Pager     pages
	CSV       string // path of the same list as a file
	Link      bool   // the viewer sees the pages of users
	Catalogue access.Catalogue
}

// accessFilter reads the filter from the address. Invalid "filter.date".
func (v *visit) accessFilter() (f access.Filter, err error) {
	f = access.Filter{Status: v.asked("status"), Licence: v.asked("licence"), UserID: v.asked("user"), Email: v.asked("email"),
		Permission: v.asked("permission"), Search: v.asked("search")}
	if day := v.asked("before"); day != "" {
		if f.LastLoginBefore, err = time.Parse(time.DateOnly, day); err != nil {
			return f, errs.New(errs.Invalid, "filter.date", "A day is written as in 2026-12-31.").On("before")
		}
	}
	return f, nil
}

// accessList shows who holds which permission.
func (c *console) accessList(v *visit) error {
	v.trail("Access list", "")
	view := accessPage{Form: form{Values: v.r.URL.Query()}, Link: v.below("users") != ""}
	var err error
	if view.Catalogue, err = c.Access.Catalogue(v.ctx(), v.p); err != nil {
		return err
	}
	f, err := v.accessFilter()
	next := ""
	if err == nil {
		next, err = c.Access.List(v.ctx(), v.p, f, access.Page{Cursor: v.asked("after"), Limit: listedAtOnce},
			func(h access.ListHead) error { view.Total, view.Version = h.Total, h.Version; return nil },
			func(e access.Entry) error { view.Entries = append(view.Entries, e); return nil })
	}
	if err != nil {
		view.Form = v.refused(err)
		view.Form.Values = v.r.URL.Query()
		return v.again(err, "access", view)
	}
	view.Pager = v.pager(next, number(view.Total)+plural(int(view.Total), " user", " users"))
	q := v.r.URL.Query()
	q.Del("after")
	q.Del("done")
	view.CSV = v.path("access.csv") + suffix(q)
	return v.show("access", view)
}

// accessCSV is the whole list as a file, as it is at one moment.
func (c *console) accessCSV(v *visit) error {
	f, err := v.accessFilter()
	if err != nil {
		return err
	}
	out := csv.NewWriter(v.w)
	row := func(cells ...string) error {
		for i := range cells {
			cells[i] = csvCell(cells[i])
		}
		return out.Write(cells)
	}
	begun := false
	_, err = c.Access.List(v.ctx(), v.p, f, access.Page{}, func(access.ListHead) error {
		begun = true
		page.AsDownload(v.w, "access-list.csv", "text/csv; charset=utf-8")
		return row("Name", "E-mail", "Sender id", "Status", "Title", "Last sign-in", "Licences", "Permissions")
	}, func(e access.Entry) error {
		last := ""
		if !e.LastLogin.IsZero() {
			last = page.Machine(e.LastLogin)
		}
		return row(e.Name, e.Email, e.SenderID, string(e.Status), e.Title, last, strings.Join(e.Licences, "; "), strings.Join(e.Permissions, "; "))
	})
	if err == nil {
		out.Flush()
		err = out.Error()
	}
	if err != nil && begun {
		page.Note(v.r, err)
		panic(http.ErrAbortHandler) // a file that ends early would be taken for the whole list
	}
	return err
}

// csvCell is a text that no spreadsheet takes for a formula.
func csvCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
