package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// shown is how many messages the mailbox lists at most.
const shown = 200

const mailboxPurpose = "mail.mailbox"

// MailboxMessage is a message in the built-in mailbox.
type MailboxMessage struct {
	ID      string    `json:"id"`
	From    string    `json:"from"` // as readers see it: a name and, in angle brackets, the address
	To      string    `json:"to"`   // e-mail address
	Subject string    `json:"subject"`
	Date    time.Time `json:"date"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"` // as sent; show it in a sandbox
	// Links are the addresses in the text, what the message's button opens first.
	Links       []string      `json:"links"`
	Attachments []MailboxFile `json:"attachments"`
}

// MailboxFile is an attachment of a message in the built-in mailbox.
type MailboxFile struct {
	Name string `json:"name"`
	MIME string `json:"mime"`
	Size int64  `json:"size"` // bytes
}

// kept is a message in the mailbox, encrypted there.
type kept struct {
	Envelope envelope `json:"envelope"`
	Sizes    []int64  `json:"sizes"` // of the attachments
}

// keep makes the mailbox's copy of a message.
func (p *Post) keep(ctx context.Context, e envelope) ([]byte, error) {
	k := kept{Envelope: e}
	for i, a := range e.Attachments {
		data, err := p.open(ctx, a.BlobKey)
		if err != nil {
			return nil, fmt.Errorf("attachment %d: %w", i, err)
		}
		k.Sizes = append(k.Sizes, int64(len(data)))
	}
	plain, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	return p.box.Seal(mailboxPurpose, plain), nil
}

type mailboxRow struct {
	ID         string
	ReceivedMs int64
	Sealed     []byte
}

// Mailbox returns the newest 200 messages of the built-in mailbox, newest first:
// those to one address, or all when to is empty.
func (p *Post) Mailbox(ctx context.Context, to string) ([]MailboxMessage, error) {
	out := []MailboxMessage{}
	err := p.db.Read(ctx, func(tx *db.Tx) error {
		rows := db.Rows[mailboxRow](tx, `select id, received_ms, sealed from mailbox
			where $1 = '' or recipient = $1 order by received_ms desc, id desc limit $2`, strings.ToLower(to), shown)
		for row, err := range rows {
			if err != nil {
				return err
			}
			k, err := p.unseal(row)
			if err != nil {
				return err
			}
			out = append(out, k.message(row, p.sender(k.Envelope)))
		}
		return nil
	})
	return out, err
}

func (p *Post) unseal(row mailboxRow) (k kept, err error) {
	plain, err := p.box.Unseal(mailboxPurpose, row.Sealed)
	if err != nil {
		return k, fmt.Errorf("mailbox message %s: %w", row.ID, err)
	}
	return k, json.Unmarshal(plain, &k)
}

func (k kept) message(row mailboxRow, from netmail.Address) MailboxMessage {
	e := k.Envelope
	m := MailboxMessage{ID: row.ID, From: strings.TrimSpace(from.Name + " <" + from.Address + ">"), To: e.To.Email, Subject: e.Subject, Date: db.Time(row.ReceivedMs), Text: e.Text, HTML: e.HTML,
		Links: linksIn(e), Attachments: make([]MailboxFile, len(e.Attachments))}
	for i, a := range e.Attachments {
		m.Attachments[i] = MailboxFile{a.Name, a.MIME, k.Sizes[i]}
	}
	return m
}

var link = regexp.MustCompile(`https?://[^\s<>"]+`)

// linksIn lists the addresses in the text, the button's first. The footer's own is none.
func linksIn(e envelope) []string {
	out := []string{}
	if e.Link != "" {
		out = append(out, e.Link)
	}
	body, _, _ := strings.Cut(e.Text, signature)
	for _, found := range link.FindAllString(body, -1) {
		if found = strings.TrimRight(found, ".,;:!?)'”"); !slices.Contains(out, found) {
			out = append(out, found)
		}
	}
	return out
}

// MailboxAttachment returns the nth attachment, from 0, of a message in the
// built-in mailbox. Errors: NotFound "mail.unknown".
func (p *Post) MailboxAttachment(ctx context.Context, id string, n int) (name, mime string, data []byte, err error) {
	var row mailboxRow
	err = p.db.Read(ctx, func(tx *db.Tx) (err error) {
		row, err = db.One[mailboxRow](tx, `select id, received_ms, sealed from mailbox where id = $1`, id)
		return err
	})
	unknown := errs.New(errs.NotFound, "mail.unknown", "there is no such message or attachment")
	if errors.Is(err, db.ErrNone) {
		return "", "", nil, unknown
	}
	if err != nil {
		return "", "", nil, err
	}
	k, err := p.unseal(row)
	if err != nil {
		return "", "", nil, err
	}
	if n < 0 || n >= len(k.Envelope.Attachments) {
		return "", "", nil, unknown
	}
	a := k.Envelope.Attachments[n]
	data, err = p.open(ctx, a.BlobKey)
	return a.Name, a.MIME, data, err
}
