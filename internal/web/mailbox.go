package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/internal/errs"
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
	page, err := s.mailboxPage(r)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "mailbox", page)
}

func (s *site) mailboxPage(r *http.Request) (mailboxPage, error) {
	all, err := s.Mailbox.List(r.Context(), "")
	if err != nil {
		return mailboxPage{}, err
	}
	page := mailboxPage{To: strings.ToLower(strings.TrimSpace(r.URL.Query().Get("to")))}
	for _, l := range all {
		page.People = append(page.People, l.To)
		if page.To == "" || strings.EqualFold(l.To, page.To) {
			page.Letters = append(page.Letters, l)
		}
	}
	slices.Sort(page.People)
	page.People = slices.Compact(page.People)
	return page, nil
}

// letter opens one message.
func (s *site) letter(w http.ResponseWriter, r *http.Request) error {
	page, err := s.mailboxPage(r)
	if err != nil {
		return err
	}
	if page.Open, err = s.letterOf(r); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", policy+"; frame-src 'self'")
	return s.render(w, r, http.StatusOK, "mailbox", page)
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
func outward(page string) string {
	const base = `<base target="_top">`
	if i := strings.Index(strings.ToLower(page), "<head>"); i >= 0 {
		i += len("<head>")
		return page[:i] + base + page[i:]
	}
	return base + page
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
	attach(w, name, kind, b)
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
		out = append(out, letterJSON{l.ID, l.From, l.To, l.Subject, machine(l.Date), l.Text, l.HTML, links})
	}
	s.json(w, http.StatusOK, out)
	return nil
}
