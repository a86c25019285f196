package web

import (
	"net/http"
	"net/url"
	"strconv"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// ceremonyPage is the view of all pages of an invitation after the code.
type ceremonyPage struct {
	signing.Ceremony
	Handle, Nonce string
	Initials      string
	Host          string           // the list of signers on this device, for who was handed it
	Sheets        []sheet          // documents with their fields, on the signing page
	Files         []attachmentView // what the role is asked to add, on the signing page
	Affidavit     bool             // at the signature
}

// ceremony shows the page that fits how the signing stands for this visitor.
//
// The signing page is for who took the lease here: its address carries the epoch.
// The same member elsewhere is asked first whether to go on there, because that
// ends the page he left (rule 5: a new epoch, the first page is told).
func (s *site) ceremony(w http.ResponseWriter, r *http.Request) error {
	v := visit(r)
	c, err := s.Signing.Ceremony(r.Context(), v)
	if errs.Is(err, "identify.code") {
		return s.askCode(w, r, v.Handle, err, nil)
	}
	if err != nil {
		return err
	}
	for i, one := range c.Others {
		if one.Phase == "declined" && c.Standing.Package == signing.OptedOut {
			c.Others[i].Phase = optedOut
		}
	}
	view := ceremonyPage{Ceremony: c, Handle: v.Handle, Nonce: s.Nonce(v.Browser, v.Handle)}
	if here(r, c.Standing) {
		view.Sheets, view.Initials = sheets(c), signing.Initials(c.Me.Name)
		view.Files, view.Affidavit = attachmentViews(c.Attachments), atSignature(c)
		return s.Render(w, r, http.StatusOK, "signing", view)
	}
	if view.Host = hostOf(r, c); view.Host != "" && c.Standing.Phase == "signed" {
		return page.SeeOther(w, r, view.Host)
	}
	if c.InPerson && c.Me.Host == "" && c.Standing.Package == signing.Sent {
		return s.host(w, r, view)
	}
	return s.Render(w, r, http.StatusOK, "standing", view)
}

// here tells whether the visitor's lease is the one of this address.
func here(r *http.Request, st signing.Standing) bool {
	return st.Phase == "mine" && st.Lease != nil &&
		r.URL.Query().Get("lease") == strconv.FormatInt(st.Lease.Epoch, 10)
}

// at is the address of an invitation's page, never made from more than its handle.
func at(v signing.Visit) string { return "/sign/" + url.PathEscape(v.Handle) }

// atLease is the address of the signing page of a lease.
func atLease(v signing.Visit, l signing.Lease) string {
	return at(v) + "?lease=" + strconv.FormatInt(l.Epoch, 10)
}
