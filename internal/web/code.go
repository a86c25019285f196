package web

import (
	"errors"
	"net/http"
	"strings"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// codePage is the view of the page that asks for the code from the mail.
type codePage struct {
	Handle  string
	Who     map[string]string // what the refusal tells of the visitor: name, email (masked)
	Problem string
	Left    string // tries left
	Sent    bool   // a code is on its way
	Useless bool   // the code that was sent can be used no more
}

// askCode shows the code page; refused is why signing wants a code, problem why
// the last try did not do.
func (s *site) askCode(w http.ResponseWriter, r *http.Request, handle string, refused, problem error) error {
	page := codePage{Handle: handle, Sent: r.URL.Query().Has("sent") || problem != nil}
	status := http.StatusOK
	if e, ok := errors.AsType[*errs.Error](refused); ok {
		page.Who = e.Params
	}
	if e, ok := errors.AsType[*errs.Error](problem); ok {
		status = http.StatusUnprocessableEntity
		page.Problem, page.Left = e.Detail, e.Params["left"]
		page.Useless = e.What == "code.spent" || e.What == "code.expired" || page.Left == "0"
		if page.Left == "0" {
			page.Problem, page.Left = "This was not the code, and it was the last try: the code can be used no more. Please ask for a new one.", ""
		}
	}
	return s.Render(w, r, status, "code", page)
}

// sendCode mails a new code.
func (s *site) sendCode(w http.ResponseWriter, r *http.Request) error {
	v := visit(r)
	err := s.Signing.SendCode(r.Context(), v)
	if errs.KindOf(err) == errs.Limited {
		return s.codeProblem(w, r, v, err)
	}
	if err != nil {
		return err
	}
	return page.SeeOther(w, r, at(v)+"?sent")
}

// proveCode compares the code; right, it goes on to what the person asked for.
func (s *site) proveCode(w http.ResponseWriter, r *http.Request) error {
	if err := page.Form(w, r); err != nil {
		return err
	}
	code := strings.Map(digit, r.PostFormValue("code"))
	v, err := s.Signing.ProveCode(r.Context(), visit(r), code)
	if e, ok := errors.AsType[*errs.Error](err); ok && strings.HasPrefix(e.What, "code.") {
		return s.codeProblem(w, r, visit(r), err)
	}
	if err != nil {
		return err
	}
	s.remember(w, v.Browser)
	return s.start(w, r, v)
}

// codeProblem shows the code page again with what was wrong, or goes on when no code is needed any more.
func (s *site) codeProblem(w http.ResponseWriter, r *http.Request, v signing.Visit, problem error) error {
	_, refused := s.Signing.Standing(r.Context(), v)
	if !errs.Is(refused, "identify.code") {
		return page.SeeOther(w, r, at(v))
	}
	return s.askCode(w, r, v.Handle, refused, problem)
}

// codeAgain answers a reload after a wrong code.
func (s *site) codeAgain(w http.ResponseWriter, r *http.Request) error {
	return page.SeeOther(w, r, at(visit(r))+"?sent")
}

// digit keeps the digits of a code that was pasted with blanks or a hyphen.
func digit(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}
