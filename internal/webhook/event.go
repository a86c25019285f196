package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/secret"
)

// vendorEvents are the names that OneSpan Sign documents.
var vendorEvents = []string{
	"PACKAGE_CREATE", "PACKAGE_ACTIVATE", "PACKAGE_DEACTIVATE", "PACKAGE_READY_FOR_COMPLETE", "PACKAGE_COMPLETE",
	"PACKAGE_TRASH", "PACKAGE_RESTORE", "PACKAGE_DELETE", "PACKAGE_ARCHIVE", "PACKAGE_DECLINE", "PACKAGE_OPT_OUT",
	"PACKAGE_EXPIRE", "PACKAGE_ATTACHMENT", "DOCUMENT_VIEWED", "DOCUMENT_SIGNED", "SIGNER_COMPLETE", "SIGNER_LOCKED",
	"ROLE_REASSIGN", "EMAIL_BOUNCE", "KBA_FAILURE", "TEMPLATE_CREATE", "COBROWSE_REQUEST",
}

// leaseEvents are ours: what happens to the lease of a signer group.
var leaseEvents = []string{
	"LEASE_TAKEN", "LEASE_REFUSED", "LEASE_RENEWED", "LEASE_RELEASED", "LEASE_LAPSED", "LEASE_VOIDED", "LEASE_BROKEN", "LEASE_TAKEN_OVER",
}

// Event is something that a sender's systems may want to hear of.
type Event struct {
	Account string // internal id
	Package string // the package's id outside
	Name    string // PACKAGE_COMPLETE …
	// SessionUser is the sender or signer who did it; empty for the server itself.
	SessionUser string
	// Message is the name of an attachment, or the type of a bounce.
	Message string
	// Document is the document's id outside, where the event is about one.
	Document string
}

// body is what receivers read (OneSpan Sign, Callback events). No member is ever missing or null.
type body struct {
	Class       string `json:"@class"`
	Name        string `json:"name"`
	SessionUser string `json:"sessionUser"`
	PackageID   string `json:"packageId"`
	Message     string `json:"message"`
	DocumentID  string `json:"documentId"`
	CreatedDate string `json:"createdDate"`
}

func (e Event) body(at time.Time) ([]byte, error) {
	return json.Marshal(body{Class: "com.silanis.esl.packages.event.ESLProcessEvent", Name: e.Name, SessionUser: e.SessionUser,
		PackageID: e.Package, Message: e.Message, DocumentID: e.Document, CreatedDate: at.UTC().Format("2006-01-02T15:04:05.000Z")})
}

const wanted = `select id from callbacks where account_id = $1 and url <> '' and (events = '*' or `

// Wanted tells whether some callback of an account wants one of the names, with one statement.
func Wanted(tx *db.Tx, account string, names ...string) (bool, error) {
	if len(names) == 0 {
		return false, nil
	}
	found, err := listeners(tx, account, names...)
	return len(found) > 0, err
}

func listeners(tx *db.Tx, account string, names ...string) ([]string, error) {
	args, likes := []any{account}, []string{}
	for _, n := range names {
		args = append(args, "% "+n+" %")
		likes = append(likes, fmt.Sprintf("events like $%d", len(args)))
	}
	return db.All[string](tx, wanted+strings.Join(likes, " or ")+`) order by id`, args...)
}

// Raise queues an event in the act's transaction for every callback of the account that
// wants it. The deliveries about one package keep the order in which acts are committed.
func Raise(tx *db.Tx, e Event) error {
	callbacks, err := listeners(tx, e.Account, e.Name)
	if err != nil || len(callbacks) == 0 {
		return err
	}
	at, err := tx.Now()
	if err != nil {
		return err
	}
	text, err := e.body(at)
	if err != nil {
		return fmt.Errorf("raise %s: %w", e.Name, err)
	}
	for _, c := range callbacks {
		if err := queue(tx, c, e, text); err != nil {
			return err
		}
	}
	tx.OnCommit(wakeups.ring)
	return nil
}

// queue puts a delivery at the end of its lane, whose row stays locked until the act ends.
func queue(tx *db.Tx, callback string, e Event, text []byte) error {
	if err := tx.Later(`insert into lanes (id, callback_id, package, last_seq, due_ms, held, claim, touched_ms)
		values ($1, $2, $3, 1, clock_ms(), false, 0, clock_ms())
		on conflict (callback_id, package) do update set last_seq = lanes.last_seq + 1,
			due_ms = coalesce(lanes.due_ms, clock_ms()), touched_ms = clock_ms()`, secret.NewID(), callback, e.Package); err != nil {
		return err
	}
	return tx.Later(`insert into deliveries (id, lane_id, seq, name, body, state, raised_ms, since_ms, tries, status, last_error)
		select $1, id, last_seq, $2, $3, 'waiting', clock_ms(), clock_ms(), 0, 0, '' from lanes where callback_id = $4 and package = $5`,
		secret.NewID(), e.Name, text, callback, e.Package)
}
