package mail

import (
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"countersign.dev/internal/errs"
)

// Address is a person's mailbox. Email is canonical; Name is for display and may be empty.
type Address struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

// Attachment is a stored file that goes along.
type Attachment struct {
	Name string `json:"name"` // file name shown
	MIME string `json:"mime"` // media type; what is none becomes application/octet-stream
	// BlobKey is where its bytes are; they are read when the message is sent.
	BlobKey string `json:"blob_key"`
}

// Message is one message to one person.
type Message struct {
	To Address
	// ReplyTo is who gets an answer; the zero Address is nobody but the sender address.
	ReplyTo Address
	// Data is what the message says: one of the kinds of this package, which also decides its words.
	Data        Data
	Attachments []Attachment
	// Key names the occasion: of several messages with one key only the first is sent. Empty has no such limit.
	Key string
	// Account and Package are internal ids that the message belongs to; Package may be empty.
	Account, Package string
}

// State is how far a message has come.
type State string

// The states of a message.
const (
	Queued    State = "queued"
	Delivered State = "delivered"
	Failed    State = "failed"
)

// Delivery is how a message fares.
type Delivery struct {
	ID      string
	Kind    string // "invitation", "code", …
	To      string // e-mail address
	State   State
	Created time.Time
	Ended   time.Time // when it was delivered or failed; zero before
	Error   string    // of the last failed try
}

// The domains under which groups have addresses that are nobody's mailbox (Conga Sign, Creating Groups).
const groupDomain = "groups.e-signlive.com"

// nobody reports whether an address is a group's or a program's, and never to be
// written to: names below invalid are no host's (RFC 2606 §2).
func nobody(email string) bool {
	domain := strings.TrimSuffix(strings.ToLower(email[strings.LastIndexByte(email, '@')+1:]), ".")
	return domain == groupDomain || domain == "invalid" || strings.HasSuffix(domain, ".invalid") || strings.HasSuffix(domain, "."+groupDomain)
}

// check refuses (Invalid, "email.malformed") what is not exactly one address.
// It is the last line of defence: directory has put addresses into canonical form.
func check(email, field string) error {
	a, err := netmail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > 254 || strings.ContainsFunc(email, unicode.IsControl) {
		return errs.New(errs.Invalid, "email.malformed", "this is not an e-mail address").On(field)
	}
	return nil
}

// line makes s fit for one line: what would break it, or turn its direction, becomes a space.
func line(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if breaks(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

// lines is line for a text of several lines.
func lines(s string) string {
	all := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range all {
		all[i] = line(all[i])
	}
	return strings.TrimSpace(strings.Join(all, "\n"))
}

func breaks(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}
