package signing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
)

// maxPoints of a drawn signature.
const maxPoints = 10_000

// Sign makes the visitor's signature on every approval of his role, ends his
// lease for good, and queues the seal if it was the last (rules 4 and 9).
// Errors: Conflict "lease.stale", "role.signed", "package.closed"; Invalid
// "consent.missing", "mark.missing", "mark.malformed", "mark.drawn_needed",
// "field.required", "field.value", "field.group", "attachment.missing".
func (s *Signing) Sign(ctx context.Context, v Visit, in Submission) error {
	var at spot
	err := s.write(ctx, func(tx *db.Tx) error {
		pkg, err := packageOfHandle(tx, v.Handle)
		if err != nil {
			return err
		}
		if err := lockOpen(tx, pkg); err != nil && errs.KindOf(err) != errs.Conflict {
			return err // a conflict is told by holding, in the words of what happened
		}
		if at, err = s.holding(tx, v, in.Epoch); err != nil {
			return err
		}
		return s.sign(tx, at, in)
	})
	if err != nil {
		return s.refused(ctx, at, "signature.refused", err)
	}
	return nil
}

func packageOfHandle(tx *db.Tx, handle string) (string, error) {
	id, err := db.One[string](tx, `select package_id from invitees where handle = $1`, handle)
	return id, orUnknownVisit(err)
}

func (s *Signing) sign(tx *db.Tx, at spot, in Submission) error {
	name, err := at.signingName(tx)
	if err != nil {
		return err
	}
	if err := s.drawable(name); err != nil {
		return err
	}
	for _, mark := range []*Mark{&in.Mark, &in.Initials} {
		if err := mark.check(name); err != nil {
			return err
		}
	}
	if at.role.ConsentBy == nil || *at.role.ConsentBy != at.me.ID {
		return errs.New(errs.Invalid, "consent.missing", "Accept to sign electronically first.").On("consent")
	}
	if err := at.signApprovals(tx, in); err != nil {
		return err
	}
	if _, err := tx.Exec(`update roles set state = 'signed', signed_by = $2, signed_ms = clock_ms(), holder = null, stage = ''
		where id = $1`, at.role.ID, at.me.ID); err != nil {
		return err
	}
	if err := s.recordSignature(tx, at, name, in); err != nil {
		return err
	}
	if _, err := tx.Exec(`update hosted set ended_ms = clock_ms() where invitee_id = $1 and ended_ms is null`, at.me.ID); err != nil {
		return err
	}
	return s.afterSignature(tx, at.pkg)
}

// signingName is the name to stamp: the directory's, for its users, as it is now.
func (at spot) signingName(tx *db.Tx) (string, error) {
	if at.me.UserID == nil {
		return at.me.Name, nil
	}
	u, err := directory.UserByID(tx, *at.me.UserID)
	return u.Name(), err
}

// check completes and refuses a mark; name is the signer's.
func (m *Mark) check(name string) error {
	switch m.Kind {
	case "":
		*m = Mark{Kind: "typed"}
		fallthrough
	case "typed":
		if m.Text == "" {
			m.Text = name
		}
		if !ownMark(m.Text, name) {
			return errs.New(errs.Invalid, "mark.malformed", "A typed signature is the signer's own name or its initials.").On("mark")
		}
		m.Strokes = nil
	case "drawn":
		m.Text = ""
		return m.checkStrokes()
	default:
		return errs.New(errs.Invalid, "mark.malformed", "A signature is typed or drawn.").On("mark")
	}
	return nil
}

// ownMark reports whether a typed text is the name or its initials.
func ownMark(text, name string) bool { return text == name || text == Initials(name) }

// Initials are the first letters of a name's words.
func Initials(name string) string {
	var out []rune
	for _, word := range strings.Fields(name) {
		out = append(out, []rune(word)[0])
	}
	return string(out)
}

func (m *Mark) checkStrokes() error {
	points := 0
	for _, stroke := range m.Strokes {
		points += len(stroke)
		for _, p := range stroke {
			if !(p.X >= 0 && p.X <= 1 && p.Y >= 0 && p.Y <= 1) {
				return errs.New(errs.Invalid, "mark.malformed", "A point of the drawn signature lies outside its box.").On("mark")
			}
		}
	}
	if points == 0 {
		return errs.New(errs.Invalid, "mark.missing", "Draw a signature first.").On("mark")
	}
	if points > maxPoints {
		return errs.New(errs.Invalid, "mark.malformed", "A drawn signature has at most %d points.", maxPoints).On("mark")
	}
	if math.IsNaN(m.Aspect) || m.Aspect < 0.1 || m.Aspect > 20 {
		m.Aspect = 3
	}
	return nil
}

// signApprovals signs the role's approvals: all that must be, and the optional ones that were chosen.
func (at spot) signApprovals(tx *db.Tx, in Submission) error {
	rows, err := at.approvals(tx)
	if err != nil {
		return err
	}
	idle := len(rows) == 0 // who has only files to attach
	rows = slices.DeleteFunc(rows, func(a approvalRow) bool {
		return a.Optional && !slices.Contains(in.Optional, a.DocumentID+"/"+a.OuterID)
	})
	if len(rows) == 0 && !idle {
		return errs.New(errs.Invalid, "approval.none", "Choose at least one place to sign.").On("optional")
	}
	if in.Mark.Kind != "drawn" {
		if err := at.typedWillDo(tx, rows); err != nil {
			return err
		}
	}
	if err := at.checkInputs(tx, rows); err != nil {
		return err
	}
	if err := at.attached(tx); err != nil {
		return err
	}
	for _, a := range rows {
		// What another member accepted before is not his who signs.
		if _, err := tx.Exec(`update approvals set signed_ms = clock_ms(), accepted_by = $2,
				accepted_ms = case when accepted_by = $2 and accepted_ms is not null then accepted_ms else clock_ms() end where id = $1`,
			a.ID, at.me.ID); err != nil {
			return err
		}
	}
	return nil
}

// approvals are those of the visitor's role, in order.
func (at spot) approvals(tx *db.Tx) ([]approvalRow, error) {
	return db.All[approvalRow](tx, `select a.* from approvals a join documents d on d.id = a.document_id
		where a.role_id = $1 and not a.disabled order by d.position, d.id, a.position, a.id`, at.role.ID)
}

// typedWillDo refuses approvals that demand a drawn signature (OneSpan Sign, capture signatures).
func (at spot) typedWillDo(tx *db.Tx, approvals []approvalRow) error {
	demanded, err := at.drawnDemanded(tx, approvals)
	if err == nil && demanded {
		err = errs.New(errs.Invalid, "mark.drawn_needed", "Draw the signature: a typed one is not accepted here.").On("mark")
	}
	return err
}

func (at spot) drawnDemanded(tx *db.Tx, approvals []approvalRow) (bool, error) {
	everywhere := at.pkg.ceremony().EnforceCaptureSignature
	for _, a := range approvals {
		n, err := db.One[int](tx, `select count(*) from fields where approval_id = $1 and type = 'SIGNATURE'
			and subtype not in ('INITIALS', 'CHOOSE_INITIALS')
			and ($2 or subtype in ('CAPTURE', 'RAW_CAPTURE', 'MOBILE_CAPTURE'))`, a.ID, everywhere || a.EnforceCapture)
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// attached refuses a signature while a file that the role must attach is missing or was rejected.
func (at spot) attached(tx *db.Tx) error {
	missing, err := db.All[string](tx, `select name from attachments where role_id = $1 and required and status <> 'COMPLETE'
		order by position limit 1`, at.role.ID)
	if err == nil && len(missing) > 0 {
		err = errs.New(errs.Invalid, "attachment.missing", "Attach %q first.", missing[0]).On("attachments").With("attachment", missing[0])
	}
	return err
}

// recordSignature writes the signature and its audit event.
func (s *Signing) recordSignature(tx *db.Tx, at spot, name string, in Submission) error {
	views, err := db.One[int](tx, `select count(*) from page_views where invitee_id = $1`, at.me.ID)
	if err != nil {
		return err
	}
	e := at.event("role.signed", "epoch", strconv.FormatInt(in.Epoch, 10), "mark", in.Mark.Kind, "page_images", strconv.Itoa(views))
	e.Actor.Name = name
	if err := at.noteSender(tx, s.Authn, e.Detail); err != nil {
		return err
	}
	id, err := record(tx, e)
	if err != nil {
		return err
	}
	origin := audit.OriginOf(tx.Context())
	added, err := tx.Exec(`insert into signatures (role_id, package_id, invitee_id, name, email, group_name, mark, initials,
			identified, ip, user_agent, signed_ms, event_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_ms(), $12) on conflict (role_id) do nothing`,
		at.role.ID, at.pkg.ID, at.me.ID, name, at.shown, at.group(), db.AsJSON(in.Mark), db.AsJSON(in.Initials),
		at.identified(), origin.IP, origin.UserAgent, id)
	if err == nil && added == 0 {
		err = fmt.Errorf("role %s was open but has a signature", at.role.ID)
	}
	return err
}

// afterSignature seals when the last has signed, else invites whose turn it is. The package's row
// is locked: two last signers cannot each miss the other.
func (s *Signing) afterSignature(tx *db.Tx, pkg packageRow) error {
	stillOpen, err := db.One[int](tx, `select count(*) from roles where package_id = $1 and state = 'open'`, pkg.ID)
	if err != nil {
		return err
	}
	if stillOpen > 0 {
		return s.inviteNext(tx, pkg)
	}
	if pkg.Autocomplete {
		return queueSeal(tx, pkg)
	}
	_, err = record(tx, audit.Event{Type: "package.ready", Account: pkg.AccountID, Package: pkg.ID, Actor: audit.System})
	return err
}

// sealJob is the payload of the seal job.
type sealJob struct {
	Package string `json:"package"`
}

// AwaitSeal waits up to a time until a package whose seal was just queued is completed: programs read it right after the
// last signature. Where nothing is to be waited for, or the first try has failed, it returns at once.
func (s *Signing) AwaitSeal(ctx context.Context, p authz.Principal, id string, most time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, most)
	defer stop()
	look := time.NewTicker(sealLook)
	defer look.Stop()
	for {
		waits, err := s.sealing(ctx, p, id)
		if err != nil || !waits {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
	}
}

// sealLook is how often AwaitSeal looks.
const sealLook = 50 * time.Millisecond

// sealing reports whether the seal of a package is on its first try or waits for it.
func (s *Signing) sealing(ctx context.Context, p authz.Principal, id string) (yes bool, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, id)
		if err != nil || row.Status != Sent {
			return err
		}
		yes, err = jobs.First(tx, "seal", row.ID)
		return err
	})
	if ctx.Err() != nil {
		return false, nil // the time is over
	}
	return yes, err
}

func queueSeal(tx *db.Tx, pkg packageRow) error {
	return jobs.Add(tx, "seal", pkg.ID, sealJob{pkg.ID}, 0)
}

// errNotSealable tells that there is nothing (more) to seal.
var errNotSealable = errors.New("nothing to seal")
