package web

import (
	"cmp"
	"net/http"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
)

// endings are the refusals after which an invitation's visitor can do nothing here: what the page
// is called, what it says instead of the refusal's words, and what it adds to them.
var endings = map[string]struct{ title, detail, advice string }{
	"visit.unknown": {"This package is no longer there", "It was deleted, most likely by its sender, who can tell you more. There is nothing left for you to do here.", ""},
	"member.moved":  {"This invitation went to an old address", "", ""},
	"signer.locked": {"You are locked out of this package", "", ""},
	"role.viewer":   {"There is nothing for you to sign", "", ""},
	"name.glyphs": {"Your name cannot be written into the document", "",
		" Please ask the sender, or whoever looks after this server, to enter your name in a script the server has fonts for. Then open the link again."},
}

// word says what visitors of an invitation can do about a problem. After an ending their way on is the inbox.
func word(_ *http.Request, p page.Problem) page.Problem {
	if end, ok := endings[p.What]; ok {
		p.Title, p.Back = end.title, "/inbox"
		p.Detail = cmp.Or(end.detail, p.Detail) + end.advice
	}
	if p.What == "identify.link" {
		p.Detail = "Please open the link in the e-mail you received: it tells us who you are."
	}
	return p
}

// unknown answers every path that has no page.
func (s *site) unknown(http.ResponseWriter, *http.Request) error {
	return errs.New(errs.NotFound, "page.unknown", "There is no page at this address. The link may be incomplete: open it from the e-mail again.")
}

// front is the page at the root.
func (s *site) front(w http.ResponseWriter, r *http.Request) error {
	return s.Render(w, r, http.StatusOK, "front", s.References)
}
