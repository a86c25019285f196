package web

import (
	"net/http"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// inboxPage is the view of a person's packages.
type inboxPage struct {
	Unproven bool
	Items    []signing.InboxItem
}

// inbox lists the packages of those whose mailbox this browser has proved.
func (s *site) inbox(w http.ResponseWriter, r *http.Request) error {
	items, err := s.Signing.Inbox(r.Context(), browser(r))
	page := inboxPage{Items: items, Unproven: browser(r) == "" || errs.KindOf(err) == errs.Unauthenticated}
	if err != nil && !page.Unproven {
		return err
	}
	return s.Render(w, r, http.StatusOK, "inbox", page)
}
