package useraccess

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/access"
)

// listOut is the answer (User Access API, Response Example). It is written piece by piece and never made whole.
type listOut struct {
	TotalResults int64     `json:"total_results"` // of all pages
	Users        []userOut `json:"users"`
	NextCursor   string    `json:"next_cursor,omitzero"` // of the next page, if there is one
}

// userOut is a user of the list.
type userOut struct {
	UserID      string   `json:"user_id"`
	Name        string   `json:"name"`
	Email       string   `json:"email"`
	Permissions []string `json:"permissions"` // names of permission sets and single permissions
	LastLogin   *string  `json:"last_login"`  // null: never
}

func wordUser(e *access.Entry) userOut {
	out := userOut{UserID: e.SenderID, Name: e.Name, Email: e.Email, Permissions: e.Permissions, LastLogin: moment(e.LastLogin)}
	if out.Permissions == nil {
		out.Permissions = []string{}
	}
	return out
}

// moment words a time as RFC 3339 in UTC, in whole seconds as the vendor's example; nil of the zero time.
func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339)
	return &text
}

// form is a way to write a list.
type form interface {
	begin(access.ListHead) error
	entry(*access.Entry) error
	end(cursor string) error
}

type jsonForm struct {
	w    *bufio.Writer
	many bool
}

func (f *jsonForm) begin(h access.ListHead) error {
	_, err := fmt.Fprintf(f.w, `{"total_results":%d,"users":[`, h.Total)
	return err
}

func (f *jsonForm) entry(e *access.Entry) error {
	if f.many {
		if err := f.w.WriteByte(','); err != nil {
			return err
		}
	}
	f.many = true
	return json.MarshalWrite(f.w, wordUser(e))
}

func (f *jsonForm) end(cursor string) error {
	if cursor != "" { // of an alphabet that needs no escapes
		_, err := fmt.Fprintf(f.w, `],"next_cursor":%q}`, cursor)
		return err
	}
	_, err := f.w.WriteString(`]}`)
	return err
}

// csvForm is the list as RFC 4180 says, with a header line.
type csvForm struct{ w *csv.Writer }

func newCSVForm(w *bufio.Writer) *csvForm {
	f := &csvForm{csv.NewWriter(w)}
	f.w.UseCRLF = true
	return f
}

func (f *csvForm) begin(access.ListHead) error {
	return f.w.Write([]string{"user_id", "name", "email", "permissions", "last_login"})
}

func (f *csvForm) entry(e *access.Entry) error {
	u := wordUser(e)
	last := ""
	if u.LastLogin != nil {
		last = *u.LastLogin
	}
	return f.w.Write([]string{inert(u.UserID), inert(u.Name), inert(u.Email), inert(strings.Join(u.Permissions, "; ")), last})
}

func (f *csvForm) end(string) error {
	f.w.Flush()
	return f.w.Error()
}

// inert keeps a spreadsheet from taking a text for a formula (OWASP, CSV Injection).
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
