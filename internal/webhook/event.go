package webhook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
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

// Wanted tells whether some callback of an account wants one of the names, with one statement.
func Wanted(tx *db.Tx, account string, names ...string) (bool, error) {
	if len(names) == 0 {
		return false, nil
	}
	args, likes := []any{account}, []string{}
	for _, n := range names {
		args = append(args, "% "+n+" %")
		likes = append(likes, fmt.Sprintf("events like $%d", len(args)))
	}
	found, err := db.All[string](tx, `select id from callbacks where account_id = $1 and url <> '' and (events = '*' or `+
		strings.Join(likes, " or ")+`) limit 1`, args...)
	return len(found) > 0, err
}

// Raise queues an event in the act's transaction for every callback of the account that
// wants it. The deliveries about one package keep the order in which acts are committed.
// It only notes the event: lanes are locked when the act has locked all that it needs, so
// that no act waits for a lane with something in its hands that the lane's act waits for.
func Raise(tx *db.Tx, e Event) error {
	db.BeforeCommit(tx, e, raiseAll)
	return nil
}

// listener is a callback that is told of something at the time NowMs.
type listener struct {
	ID, Events        string
	Generation, NowMs int64
}

func (l listener) wants(name string) bool {
	return l.Events == "*" || slices.Contains(strings.Fields(l.Events), name)
}

// raiseAll writes what an act raised, just before it is committed. Whoever locks several lanes does so
// in the order of their callbacks' and packages' ids.
func raiseAll(tx *db.Tx, events []Event) error {
	lanes, err := linesOf(tx, events)
	if err != nil || len(lanes) == 0 {
		return err
	}
	slices.SortFunc(lanes, func(a, b line) int {
		return cmp.Or(strings.Compare(a.to.ID, b.to.ID), strings.Compare(a.pkg, b.pkg))
	})
	for _, l := range lanes {
		if err := l.queue(tx); err != nil {
			return err
		}
	}
	tx.OnCommit(wakeups.ring)
	return nil
}

// line is what an act puts at the end of one lane.
type line struct {
	to     listener
	pkg    string
	events []Event
}

// linesOf sorts events into the lanes of those who want them.
func linesOf(tx *db.Tx, events []Event) (out []line, err error) {
	listeners := map[string][]listener{} // by account
	for _, e := range events {
		all, asked := listeners[e.Account]
		if !asked {
			if all, err = db.All[listener](tx, `select id, events, generation, clock_ms() as now_ms from callbacks
				where account_id = $1 and url <> ''`, e.Account); err != nil {
				return nil, err
			}
			listeners[e.Account] = all
		}
		for _, to := range all {
			if !to.wants(e.Name) {
				continue
			}
			i := slices.IndexFunc(out, func(l line) bool { return l.to.ID == to.ID && l.pkg == e.Package })
			if i < 0 {
				i = len(out)
				out = append(out, line{to: to, pkg: e.Package})
			}
			out[i].events = append(out[i].events, e)
		}
	}
	return out, nil
}

// queue puts deliveries at the end of the lane, whose row stays locked until the act ends.
func (l line) queue(tx *db.Tx) error {
	if err := tx.Later(`insert into lanes (id, callback_id, package, last_seq, due_ms, held, claim, touched_ms)
		values ($1, $2, $3, $4, clock_ms(), false, 0, clock_ms())
		on conflict (callback_id, package) do update set last_seq = lanes.last_seq + excluded.last_seq,
			due_ms = coalesce(lanes.due_ms, clock_ms()), touched_ms = clock_ms()`, secret.NewID(), l.to.ID, l.pkg, len(l.events)); err != nil {
		return err
	}
	for i, e := range l.events {
		text, err := e.body(db.Time(l.to.NowMs))
		if err != nil {
			return fmt.Errorf("raise %s: %w", e.Name, err)
		}
		if err := tx.Later(`insert into deliveries (id, lane_id, seq, name, body, state, raised_ms, since_ms, tries, status, last_error, generation)
			select $1, id, last_seq - $2, $3, $4, 'waiting', clock_ms(), clock_ms(), 0, 0, '', $5 from lanes where callback_id = $6 and package = $7`,
			secret.NewID(), len(l.events)-1-i, e.Name, text, l.to.Generation, l.to.ID, l.pkg); err != nil {
			return err
		}
	}
	return nil
}
