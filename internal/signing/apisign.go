package signing

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"maps"
	"slices"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// SignByAPI signs for the person the principal is: of a signer session its signer, of a member his user, for every
// role of the package that he may sign now. It takes the lease, fills in the values, consents, signs and releases in
// one transaction (rule 15). Documents that are not all of a role's are accepted, and the role is signed with the last.
//
// Conflict "lease.held" with the holder's name, "role.signed", "role.waiting", "package.closed"; Denied
// "signer.other" who is asked to sign nothing here, "signer.identify" for a group whose members must prove their mailbox
// each time; errors of Take, Fill and Sign. After a refusal nothing is changed.
func (s *Signing) SignByAPI(ctx context.Context, p authz.Principal, pkg string, in APISignature) error {
	mark, err := handDrawn(in.HandDrawn)
	if err != nil {
		return err
	}
	var last spot // whom a refusal is about
	var stranger audit.Event
	err = s.write(ctx, func(tx *db.Tx) error {
		last = spot{}
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		stranger = audit.Event{Type: "signature.refused", Account: row.AccountID, Package: row.ID, Actor: by(tx, p)}
		if err := lockOpen(tx, row.ID); err != nil && errs.KindOf(err) != errs.Conflict {
			return err // a conflict is told in the words of what happened
		}
		docs, err := documentsNamed(tx, p, row, in.Documents)
		if err != nil {
			return err
		}
		spots, err := s.spotsOf(tx, p, row)
		if err != nil {
			return err
		}
		return s.signAll(tx, spots, docs, in, mark, &last)
	})
	if errs.Is(err, "signer.other") {
		stranger.Detail = map[string]string{"what": "signer.other"}
		return errors.Join(err, recordRefused(ctx, s.db, stranger))
	}
	if err != nil {
		return s.refused(ctx, last, "signature.refused", err)
	}
	return nil
}

// signAll signs for each role whose turn it is, in order. The first refusal counts unless something was signed.
func (s *Signing) signAll(tx *db.Tx, spots []spot, docs map[string]string, in APISignature, mark Mark, last *spot) error {
	var refusal error
	done := 0
	for _, at := range spots {
		if err := at.load(tx); err != nil { // as the one before left it
			return err
		}
		*last = at
		err := at.over(tx)
		if err == nil {
			err = at.answered()
		}
		if err == nil {
			err = s.signOne(tx, at, docs, in, mark)
		}
		switch {
		case err == nil:
			done++
		case errs.Is(err, "role.signed") || errs.Is(err, "role.waiting") || errs.Is(err, "role.viewer") || errs.Is(err, "approval.none"):
			refusal = first(refusal, err)
		default:
			return err
		}
	}
	if done > 0 {
		return nil
	}
	return refusal
}

// answered refuses (Denied "signer.identify") a program where the account demands of every member that he proves his
// mailbox himself, for every package.
func (at spot) answered() error {
	if at.identification() == directory.Always {
		return errs.New(errs.Denied, "signer.identify", "Members of this group prove their mailbox by a code for every package: sign on the page.")
	}
	return nil
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// signOne is what a person does on the page, at once.
func (s *Signing) signOne(tx *db.Tx, at spot, docs map[string]string, in APISignature, mark Mark) error {
	approvals, err := at.approvals(tx)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(approvals), func(a approvalRow) bool { return docs[a.DocumentID] == "" })
	if len(chosen) == 0 && len(approvals) > 0 {
		return errs.New(errs.Invalid, "approval.none", "There is nothing for this signer in these documents.").On("documents")
	}
	lease, err := at.take(tx)
	if err != nil {
		return err
	}
	if at.role, err = db.One[roleRow](tx, `select * from roles where id = $1`, at.role.ID); err != nil {
		return err
	}
	if err := s.fillAll(tx, at, docs, in.Values); err != nil {
		return err
	}
	if err := at.consent(tx); err != nil {
		return err
	}
	at.role.ConsentBy = &at.me.ID
	complete, err := at.accept(tx, approvals, chosen)
	if err != nil {
		return err
	}
	if !complete {
		return s.acceptedPart(tx, at, chosen, mark)
	}
	submission := Submission{Epoch: lease.Epoch, Mark: mark}
	for _, a := range approvals {
		before := deref(a.AcceptedBy) == at.me.ID && a.AcceptedSHA256 != ""
		if before || docs[a.DocumentID] != "" {
			submission.Optional = append(submission.Optional, a.DocumentID+"/"+a.OuterID)
		}
	}
	return s.sign(tx, at, submission)
}

// acceptedPart ends an act that accepted some of a role's documents: the rest is signed later, and the signature is
// made then. What is demanded of these documents is demanded now.
func (s *Signing) acceptedPart(tx *db.Tx, at spot, chosen []approvalRow, mark Mark) error {
	if mark.Kind != "drawn" {
		if err := at.typedWillDo(tx, chosen); err != nil {
			return err
		}
	}
	if err := at.checkInputs(tx, chosen); err != nil {
		return err
	}
	for _, a := range chosen {
		e := at.event("approval.accepted", "approval", a.OuterID)
		e.Document = a.DocumentID
		if _, err := record(tx, e); err != nil {
			return err
		}
	}
	return s.release(tx, at)
}

// release ends the visitor's lease at once and keeps the values entered so far.
func (s *Signing) release(tx *db.Tx, at spot) error {
	if _, err := tx.Exec(`update roles set holder = null, stage = '', consent_by = null, consent_ms = null,
		freed_ms = clock_ms(), idle_lapses = 0 where id = $1`, at.role.ID); err != nil {
		return err
	}
	if _, err := record(tx, at.event("lease.released")); err != nil {
		return err
	}
	return s.tellFree(tx, at.pkg, at.role)
}

// throughLease is an act by API of somebody who may sign: it takes the lease, acts and releases at once (rule 15), so that
// turn, lock-out and who else is signing count as on the page. Who holds it already, on the page, acts under it and goes on
// there. Refusals: those of Take; Denied "signer.identify".
func (s *Signing) throughLease(tx *db.Tx, at *spot, act func() error) error {
	mine, err := at.holdsNow(tx)
	if err != nil {
		return err
	}
	if mine {
		return act()
	}
	if err := at.takeByAPI(tx); err != nil {
		return err
	}
	if err := act(); err != nil {
		return err
	}
	return s.release(tx, *at)
}

// holdsNow locks the role and reports whether its lease is the visitor's own, of which a program may act.
func (at *spot) holdsNow(tx *db.Tx) (bool, error) {
	if err := at.lockRole(tx); err != nil {
		return false, err
	}
	now, err := tx.Now()
	if err != nil || deref(at.role.Holder) != at.me.ID || at.role.ExpiresMs <= now.UnixMilli() {
		return false, err
	}
	if err := at.load(tx); err != nil {
		return false, err
	}
	if err := at.over(tx); err != nil {
		return false, err
	}
	if err := at.answered(); err != nil {
		return false, err
	}
	return true, at.holdMe(tx)
}

// takeByAPI takes the lease for a program.
func (at *spot) takeByAPI(tx *db.Tx) error {
	if err := at.lockRole(tx); err != nil {
		return err
	}
	if err := at.load(tx); err != nil {
		return err
	}
	if err := at.over(tx); err != nil {
		return err
	}
	if err := at.answered(); err != nil {
		return err
	}
	if _, err := at.take(tx); err != nil {
		return err
	}
	return at.load(tx)
}

// documentsNamed are the documents of a package with the given outer ids that the caller sees, by id; none named is all.
func documentsNamed(tx *db.Tx, p authz.Principal, pkg packageRow, named []string) (map[string]string, error) {
	rows, err := db.All[documentRow](tx, `select * from documents where package_id = $1`, pkg.ID)
	if err != nil {
		return nil, err
	}
	hidden := map[string]bool{}
	if p.Kind == authz.Signer {
		if hidden, err = hiddenFrom(tx, pkg.ID, p.Role); err != nil {
			return nil, err
		}
	}
	docs := map[string]string{}
	for _, d := range rows {
		if hidden[d.ID] {
			continue
		}
		if len(named) == 0 || slices.Contains(named, d.OuterID) {
			docs[d.ID] = d.OuterID
		}
	}
	for _, id := range named {
		if !slices.Contains(slices.Collect(maps.Values(docs)), id) {
			return nil, orUnknown(db.ErrNone, "document", id)
		}
	}
	return docs, nil
}

// fillAll fills in the values that are for this role's fields; read-only ones may come back as they are.
func (s *Signing) fillAll(tx *db.Tx, at spot, docs map[string]string, values map[string]map[string]string) error {
	for doc, outer := range docs {
		for _, field := range slices.Sorted(maps.Keys(values[outer])) {
			row, err := fieldNamed(tx, at.role, doc, field)
			if errs.Is(err, "field.unknown") { // another role's, or nobody's to fill in
				continue
			}
			if err == nil {
				err = s.fill(tx, at, row, values[outer][field])
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldNamed finds a field that the role fills in, by its outer id on a document, or by "approval/field".
func fieldNamed(tx *db.Tx, role roleRow, doc, field string) (fieldRow, error) {
	approval, id, both := strings.Cut(field, "/")
	if !both {
		approval, id = "", field
	}
	rows, err := db.All[fieldRow](tx, `select f.* from fields f join approvals a on a.id = f.approval_id
		where a.role_id = $1 and not a.disabled and a.document_id = $2 and f.outer_id = $3 and ($4 = '' or a.outer_id = $4) and `+entered,
		role.ID, doc, id, approval)
	if err != nil {
		return fieldRow{}, err
	}
	if len(rows) != 1 {
		return fieldRow{}, unknownField()
	}
	return rows[0], nil
}

// spotsOf are the roles of a package that the principal's person signs for, in the order of signing. Denied "signer.other".
func (s *Signing) spotsOf(tx *db.Tx, p authz.Principal, pkg packageRow) ([]spot, error) {
	if p.Kind == authz.Signer {
		at, err := s.signerSpot(tx, p)
		if err == nil && at.pkg.ID != pkg.ID {
			err = orUnknown(db.ErrNone, "package", pkg.OuterID)
		}
		return []spot{at}, err
	}
	roles, err := db.All[roleRow](tx, `select * from roles where package_id = $1 and (state <> 'viewer' or kind <> 'owner') order by sequence, position`, pkg.ID)
	if err != nil {
		return nil, err
	}
	var out []spot
	for _, r := range roles {
		persons, err := personsOf(tx, r)
		if err != nil {
			return nil, err
		}
		for _, who := range persons {
			if p.User == "" || deref(who.User) != p.User || r.State == viewer {
				continue
			}
			at := spot{how: byAPI, client: p.Client}
			if at.me, err = ensureInvitee(tx, pkg, r, who.invited); err != nil {
				return nil, err
			}
			out = append(out, at)
			break
		}
	}
	if len(out) == 0 {
		return nil, errs.New(errs.Denied, "signer.other", "This caller is asked to sign nothing in this package.")
	}
	return out, loadAll(tx, out)
}

func loadAll(tx *db.Tx, spots []spot) error {
	for i := range spots {
		if err := spots[i].load(tx); err != nil {
			return err
		}
	}
	return nil
}

// signerSpot is where a signer session stands. What the signer may no longer do is found out by what he does.
func (s *Signing) signerSpot(tx *db.Tx, p authz.Principal) (spot, error) {
	at := spot{how: authn.BySession, client: p.Client}
	var err error
	if at.me, err = db.One[inviteeRow](tx, `select * from invitees where id = $1 and role_id = $2`, p.Invitee, p.Role); err != nil {
		return at, orUnknownVisit(err)
	}
	if deref(at.me.UserID) != p.User { // the address is another user's now
		return at, orUnknownVisit(db.ErrNone)
	}
	if err := at.load(tx); err != nil {
		return at, err
	}
	return at, at.here()
}

// Signable are the approvals of a document that a signer may sign now: none while others sign first, or once he has
// signed, and none that he has accepted; of a group, that the caller has. signer is a role's or a signer's outer id.
func (s *Signing) Signable(ctx context.Context, p authz.Principal, pkg, doc, signer string) (out []Approval, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		role, err := roleOf(tx, row, signer)
		if err == nil && p.Kind == authz.Signer && role.ID != p.Role {
			err = orUnknown(db.ErrNone, "role", signer)
		}
		if err != nil {
			return err
		}
		names, err := inviteeNames(tx, row.ID)
		if err != nil {
			return err
		}
		docs, err := documentsOf(tx, row.ID, map[string]string{role.ID: role.OuterID}, names)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(docs, func(d Document) bool { return d.OuterID == doc })
		if i < 0 || p.Kind == authz.Signer && !docs[i].visibleTo(role.OuterID) {
			return orUnknown(db.ErrNone, "document", doc)
		}
		accepted, err := acceptedBy(tx, p, role)
		if err != nil {
			return err
		}
		at := spot{pkg: row, role: role}
		waits, err := at.othersFirst(tx)
		if err != nil || waits && role.Sequence > 0 || role.State != open || row.Status != Sent || row.Trashed {
			return err
		}
		for _, a := range docs[i].Approvals {
			if a.Role == role.OuterID && !a.Disabled && !accepted[a.ID] {
				out = append(out, a)
			}
		}
		return nil
	})
	return out, err
}

// SignerSession resolves a package and a signer of the caller's account into a principal that is this signer and no
// more. Of a group, delegate says which member: a sender's outer id, of an ad-hoc group a signer's. It is recorded.
// The package's owner and the managers of his account may, and the signer himself. NotFound "package.unknown",
// "role.unknown"; Invalid "delegate.missing"; Denied "package.not_owner", "member.removed", "member.inactive".
func (s *Signing) SignerSession(ctx context.Context, p authz.Principal, pkg, signer, delegate string) (out authz.Principal, err error) {
	err = s.write(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		role, err := roleOf(tx, row, signer)
		if err != nil {
			return err
		}
		who, err := delegated(tx, role, delegate)
		if err != nil {
			return err
		}
		if err := ownersOr(tx, p, row, who); err != nil {
			return err
		}
		at := spot{how: authn.BySession, client: p.Client}
		if at.me, err = ensureInvitee(tx, row, role, who); err != nil {
			return err
		}
		if err := at.load(tx); err != nil {
			return err
		}
		if err := at.holdMe(tx); err != nil {
			return err
		}
		out = authz.Principal{Kind: authz.Signer, Client: p.Client, Account: row.AccountID, User: deref(at.me.UserID),
			Package: row.ID, Role: role.ID, Invitee: at.me.ID, Rights: []authz.Right{authz.SignOwn}}
		e := at.event("session.made")
		e.Actor = by(tx, p)
		e.Personal = map[string]string{"to_name": at.me.Name, "to_email": at.shown}
		_, err = record(tx, e)
		return err
	})
	return out, err
}

// delegated is the person who signs for a role: of a group the member that delegate names.
func delegated(tx *db.Tx, role roleRow, delegate string) (invited, error) {
	if !role.isGroup() {
		return role.person(tx)
	}
	if delegate == "" {
		return invited{}, errs.New(errs.Invalid, "delegate.missing", "Say which member of the group %q signs.", role.FirstName).On("delegateeId")
	}
	persons, err := personsOf(tx, role)
	if err != nil {
		return invited{}, err
	}
	i := slices.IndexFunc(persons, func(m roleMember) bool { return m.id == delegate })
	if i < 0 {
		return invited{}, errs.New(errs.Denied, "member.removed", "This user is no member of the group %q.", role.FirstName).On("delegateeId")
	}
	return persons[i].invited, nil
}

// HandleOf is where the page of a signer session is. NotFound "visit.unknown".
func (s *Signing) HandleOf(ctx context.Context, p authz.Principal) (handle string, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		at, err := s.signerSpot(tx, p)
		handle = at.me.Handle
		return err
	})
	return handle, err
}

// FillByAPI keeps the value of one field for the principal's person, whose turn it is, while nobody else is signing: it
// takes the lease and releases it at once. field is its outer id, or "approval/field". Errors: those of SignByAPI and Fill.
func (s *Signing) FillByAPI(ctx context.Context, p authz.Principal, pkg, doc, field, value string) error {
	var last spot
	err := s.write(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, pkg)
		if err != nil {
			return err
		}
		docs, err := documentsNamed(tx, p, row, []string{doc})
		if err != nil {
			return err
		}
		spots, err := s.spotsOf(tx, p, row)
		if err != nil {
			return err
		}
		for _, at := range spots {
			for id := range docs {
				f, err := fieldNamed(tx, at.role, id, field)
				if errs.Is(err, "field.unknown") {
					continue
				}
				if err != nil {
					return err
				}
				last = at
				return s.throughLease(tx, &at, func() error { return s.fill(tx, at, f, value) })
			}
		}
		return unknownField()
	})
	return s.held(ctx, &last, err)
}

// Limits of an image of a hand-drawn signature, and the grid it is redrawn on.
const (
	maxImage = 2000 // pixels on a side
	gridRows = 48
	gridCols = 288
)

// handDrawn makes a drawn mark of an image: its dark runs become the strokes of a pen. nil is a typed mark.
func handDrawn(file []byte) (Mark, error) {
	if len(file) == 0 {
		return Mark{Kind: "typed"}, nil
	}
	malformed := errs.New(errs.Invalid, "mark.malformed", "A hand-drawn signature is a PNG image, dark on light, of at most %d by %d pixels.",
		maxImage, maxImage).On("handdrawn")
	size, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil || size.Width < 2 || size.Height < 2 || size.Width > maxImage || size.Height > maxImage {
		return Mark{}, malformed
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return Mark{}, malformed
	}
	m := Mark{Kind: "drawn", Aspect: float64(size.Width) / float64(size.Height), Strokes: runs(img)}
	return m, m.checkStrokes()
}

// runs are the dark stretches of an image's rows, on a coarse grid.
func runs(img image.Image) (out [][]Point) {
	b := img.Bounds()
	rows, cols := min(gridRows, b.Dy()), min(gridCols, b.Dx())
	at := func(n, of int) float64 { return (float64(n) + 0.5) / float64(of) }
	for r := range rows {
		from := -1
		for c := 0; c <= cols; c++ {
			inked := c < cols && dark(img, image.Rect(b.Min.X+c*b.Dx()/cols, b.Min.Y+r*b.Dy()/rows,
				b.Min.X+(c+1)*b.Dx()/cols, b.Min.Y+(r+1)*b.Dy()/rows))
			if inked && from < 0 {
				from = c
			}
			if !inked && from >= 0 {
				out = append(out, []Point{{at(from, cols), at(r, rows)}, {at(c-1, cols), at(r, rows)}})
				from = -1
			}
		}
	}
	return out
}

// dark reports whether a cell has ink: a pixel that is not light and not transparent.
func dark(img image.Image, cell image.Rectangle) bool {
	for y := cell.Min.Y; y < cell.Max.Y; y++ {
		for x := cell.Min.X; x < cell.Max.X; x++ {
			r, g, b, a := img.At(x, y).RGBA()
			if a > 0x8000 && (r+g+b)/3 < 0x9000 {
				return true
			}
		}
	}
	return false
}
