package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
)

// mailboxPage is the view of the built-in mailbox.
type mailboxPage struct {
	To      string
	People  []string
	Letters []Letter
	Open    *Letter
}

// mailbox lists the letters, of everybody or to one address (?to=).
func (s *site) mailbox(w http.ResponseWriter, r *http.Request) error {
	view, err := s.mailboxPage(r)
	if err != nil {
		return err
	}
	return s.Render(w, r, http.StatusOK, "mailbox", view)
}

func (s *site) mailboxPage(r *http.Request) (mailboxPage, error) {
	all, err := s.Mailbox.List(r.Context(), "")
	if err != nil {
		return mailboxPage{}, err
	}
	view := mailboxPage{To: strings.ToLower(strings.TrimSpace(r.URL.Query().Get("to")))}
	for _, l := range all {
		view.People = append(view.People, l.To)
		if view.To == "" || strings.EqualFold(l.To, view.To) {
			view.Letters = append(view.Letters, l)
		}
	}
	slices.Sort(view.People)
	view.People = slices.Compact(view.People)
	return view, nil
}

// letter opens one message.
func (s *site) letter(w http.ResponseWriter, r *http.Request) error {
	view, err := s.mailboxPage(r)
	if err != nil {
		return err
	}
	if view.Open, err = s.letterOf(r); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", page.Policy+"; frame-src 'self'")
	return s.Render(w, r, http.StatusOK, "mailbox", view)
}

func (s *site) letterOf(r *http.Request) (*Letter, error) {
	all, err := s.Mailbox.List(r.Context(), "")
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if l.ID == r.PathValue("id") {
			return &l, nil
		}
	}
	return nil, errs.New(errs.NotFound, "letter.unknown", "There is no such message.")
}

// letterPolicy lets a message's own styles work inside its frame, and nothing
// else: no scripts, no forms, no pictures from elsewhere. Links leave the frame.
const letterPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; " +
	"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'"

// letterBody is the message's HTML, shown in a frame of the mailbox.
func (s *site) letterBody(w http.ResponseWriter, r *http.Request) error {
	l, err := s.letterOf(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", letterPolicy)
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = w.Write([]byte(outward(s.withPictures(r, l.HTML))))
	return err
}

// outward makes the links of a message open in the whole window.
func outward(message string) string {
	const base = `<base target="_top">`
	if i := strings.Index(strings.ToLower(message), "<head>"); i >= 0 {
		i += len("<head>")
		return message[:i] + base + message[i:]
	}
	return base + message
}

// letterAttachment downloads one attachment.
func (s *site) letterAttachment(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 {
		return errs.New(errs.NotFound, "letter.unknown", "There is no such attachment.")
	}
	name, kind, b, err := s.Mailbox.Attachment(r.Context(), r.PathValue("id"), n)
	if err != nil {
		return err
	}
	page.Attach(w, name, kind, b)
	return nil
}

// letterJSON is a message as scripts read it.
type letterJSON struct {
	ID      string   `json:"id"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	Subject string   `json:"subject"`
	Date    string   `json:"date"`
	Text    string   `json:"text"`
	HTML    string   `json:"html"`
	Links   []string `json:"links"`
}

// messages answers the letters to an address (?to=) as JSON, newest first.
func (s *site) messages(w http.ResponseWriter, r *http.Request) error {
	letters, err := s.Mailbox.List(r.Context(), r.URL.Query().Get("to"))
	if err != nil {
		return err
	}
	out := make([]letterJSON, 0, len(letters))
	for _, l := range letters {
		links := l.Links
		if links == nil {
			links = []string{}
		}
		out = append(out, letterJSON{l.ID, l.From, l.To, l.Subject, page.Machine(l.Date), l.Text, l.HTML, links})
	}
	page.JSON(w, http.StatusOK, out)
	return nil
}
