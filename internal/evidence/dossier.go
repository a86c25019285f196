package evidence

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/pdf"
)

// Hash is a SHA-256. It is written as hexadecimal digits.
type Hash [32]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("a SHA-256 has %d hexadecimal digits", 2*len(h))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Dossier is all that the evidence tells about one package. Times are shown and
// written in UTC; a zero time means that it did not happen.
type Dossier struct {
	Product    string      `json:"product"`
	Server     string      `json:"server"` // the outside URL
	Package    Package     `json:"package"`
	Documents  []Document  `json:"documents"`
	Signatures []Signature `json:"signatures"`
	Events     []Event     `json:"events"`
}

// Package is the transaction that was signed.
type Package struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Sender      string `json:"sender"`
	SenderEmail string `json:"sender_email"`
	// SenderEmailIsAlias: the address stands for the sender's own, which others do not see.
	SenderEmailIsAlias bool      `json:"sender_email_is_alias,omitempty"`
	Account            string    `json:"account"`
	Created            time.Time `json:"created,omitzero"`
	Sent               time.Time `json:"sent,omitzero"`
	Completed          time.Time `json:"completed,omitzero"`
}

// Document is one document of the package.
type Document struct {
	ID         string      `json:"-"` // tells Of which it is; names may be the same
	Name       string      `json:"name"`
	Original   Hash        `json:"original_sha256"` // of the uploaded bytes
	Pages      int         `json:"pages"`
	PageImages []PageImage `json:"page_images"`
}

// PageImage is the picture of a page as signers were shown it.
type PageImage struct {
	Page   int  `json:"page"` // counted from 1
	DPI    int  `json:"dpi"`
	SHA256 Hash `json:"sha256"` // of the PNG file
}

// Signature is one person's act of signing. Email, as everywhere in a dossier, is
// the address by which the person is known to others: his alias, if he has one.
type Signature struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	// EmailIsAlias: nobody proved this address; Identified is about the person's own mailbox.
	EmailIsAlias bool      `json:"email_is_alias,omitempty"`
	Group        string    `json:"group,omitempty"` // on behalf of; empty: for oneself
	Role         string    `json:"role,omitempty"`
	Signed       time.Time `json:"signed"`
	IP           string    `json:"ip,omitempty"`
	UserAgent    string    `json:"user_agent,omitempty"`
	Identified   string    `json:"identified"` // such as "code sent to the mailbox"
	ID           string    `json:"id"`         // short, as in the stamp
	EventID      string    `json:"event_id"`
	Documents    []string  `json:"documents"`
	PagesSeen    int       `json:"pages_seen"`
	// In are the Documents and the number of pages seen of each, by their ids.
	In []SignedIn `json:"-"`
}

// SignedIn is what a signer did with one document of the package.
type SignedIn struct {
	Document  string // id
	Signed    bool
	PagesSeen int
}

// Event is one line of the timeline.
type Event struct {
	At           time.Time `json:"at"`
	Type         string    `json:"type"` // such as "package.sent"
	Actor        string    `json:"actor,omitempty"`
	Email        string    `json:"email,omitempty"`
	EmailIsAlias bool      `json:"email_is_alias,omitempty"`
	Group        string    `json:"group,omitempty"`
	Target       string    `json:"target,omitempty"`
	IP           string    `json:"ip,omitempty"`
	Detail       string    `json:"detail,omitempty"`
	ID           string    `json:"id"`
	Document     string    `json:"-"` // id of the one document it is about; empty: of the package
}

// Of is what the dossier tells about one of its documents, by id: it, its signatures, and the events that are about no
// other. Whoever may read that document may not see another, and neither its name nor its hash is told in it.
func (d Dossier) Of(id string) Dossier {
	all := d
	d.Documents, d.Signatures, d.Events = nil, nil, nil
	name := ""
	for _, doc := range all.Documents {
		if doc.ID == id {
			d.Documents, name = append(d.Documents, doc), doc.Name
		}
	}
	for _, s := range all.Signatures {
		if one, signed := s.in(id, name); signed {
			d.Signatures = append(d.Signatures, one)
		}
	}
	for _, e := range all.Events {
		if e.Document == "" || e.Document == id {
			d.Events = append(d.Events, e)
		}
	}
	return d
}

// in is the signature as it is told of in one document; signed is false when it is not on it. One on no document at
// all, of a role that accepts nothing, is the whole package's.
func (s Signature) in(id, name string) (one Signature, signed bool) {
	none := true
	one = s
	one.Documents, one.PagesSeen, one.In = nil, 0, nil
	for _, in := range s.In {
		none = none && !in.Signed
		if in.Document == id {
			one.PagesSeen, one.In, signed = in.PagesSeen, []SignedIn{in}, in.Signed
		}
	}
	if signed {
		one.Documents = []string{name}
	}
	return one, signed || none
}

// AttachmentName is the file in a sealed document that holds its Dossier.
const AttachmentName = "countersign-evidence.json"

// format names the layout of the attachment; another layout gets another number.
const format = "countersign-evidence/1"

type attachment struct {
	Format string `json:"format"`
	Dossier
}

// Attachment is the dossier for machines: canonical JSON (RFC 8785), so equal
// dossiers give equal bytes. Invalid UTF-8 becomes U+FFFD. It panics on a time
// outside the years 0 to 9999, which no clock gives.
func Attachment(d Dossier) pdf.Attachment {
	data, err := json.Marshal(attachment{format, d.inUTC()}, jsontext.AllowInvalidUTF8(true))
	value := jsontext.Value(strings.ToValidUTF8(string(data), "\uFFFD"))
	if err == nil {
		err = value.Canonicalize()
	}
	if err != nil {
		panic("evidence: " + err.Error())
	}
	return pdf.Attachment{Name: AttachmentName, MIME: "application/json", Data: value,
		Description: "Who signed, when, from where and how identified, for machines"}
}

func (d Dossier) inUTC() Dossier {
	p := &d.Package
	p.Created, p.Sent, p.Completed = p.Created.UTC(), p.Sent.UTC(), p.Completed.UTC()
	d.Signatures = append([]Signature{}, d.Signatures...)
	for i := range d.Signatures {
		d.Signatures[i].Signed = d.Signatures[i].Signed.UTC()
	}
	d.Events = append([]Event{}, d.Events...)
	for i := range d.Events {
		d.Events[i].At = d.Events[i].At.UTC()
	}
	return d
}

var errNoDossier = errors.New("the file carries no evidence of this product")

// dossierIn finds the dossier among a file's attachments. Two of them would
// leave open which one counts, so that is an error like none.
func dossierIn(attachments []pdf.Attachment) (*Dossier, error) {
	var found *pdf.Attachment
	for i, a := range attachments {
		if a.Name != AttachmentName {
			continue
		}
		if found != nil {
			return nil, errors.New("the file carries two sets of evidence")
		}
		found = &attachments[i]
	}
	if found == nil {
		return nil, errNoDossier
	}
	var a attachment
	if err := json.Unmarshal(found.Data, &a); err != nil {
		return nil, fmt.Errorf("the evidence in the file cannot be read: %w", err)
	}
	if a.Format != format {
		return nil, fmt.Errorf("the evidence in the file has the layout %q, which this version does not know", a.Format)
	}
	return &a.Dossier, nil
}
