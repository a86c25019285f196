package signing

import (
	"context"
	"iter"
	"strconv"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// reportBatch is how many packages a report reads at a time. Between two batches it holds no transaction: who reads a
// report slowly keeps nobody waiting.
const reportBatch = 200

// ReportQuery selects what a report tells of: packages made from a time on and before another.
type ReportQuery struct {
	From, Before time.Time // zero: no bound
	Status       Status    // "" is every one
	Sender       string    // sender's outer id; "" is everybody
	Summary      bool      // without documents and signers
}

// ReportLine is one package of a completion report. Lines come by sender, and each sender's from the oldest.
type ReportLine struct {
	Sender    directory.User
	Package   Package // without roles and documents
	Documents []ReportPart
	Signers   []ReportSigner
}

// ReportPart tells how far something is: a document, or what one signs.
type ReportPart struct {
	ID, Name    string // outer id
	Completed   bool
	First, Last time.Time // signatures; zero before
}

// ReportSigner is how far a signer is.
type ReportSigner struct {
	ReportPart
	Email, FirstName, LastName string
}

// CompletionReport tells of the packages that the principal sees, in constant memory. What ends it early comes as an
// error: NotFound "user.unknown" for an unknown sender, before the first line.
func (s *Signing) CompletionReport(ctx context.Context, p authz.Principal, q ReportQuery) iter.Seq2[ReportLine, error] {
	return func(yield func(ReportLine, error) bool) {
		var at reportMark
		for {
			var lines []ReportLine
			err := s.read(ctx, func(tx *db.Tx) (err error) {
				lines, err = reportLines(tx, p, q, &at)
				return err
			})
			if err != nil {
				yield(ReportLine{}, err)
				return
			}
			for _, line := range lines {
				if !yield(line, nil) {
					return
				}
			}
			if len(lines) < reportBatch {
				return
			}
		}
	}
}

// reportMark is the last package that a report told of.
type reportMark struct {
	owner, id string
	created   int64
	sender    directory.User // the owner's
}

func reportLines(tx *db.Tx, p authz.Principal, q ReportQuery, at *reportMark) ([]ReportLine, error) {
	l, err := reportOn(tx, p, q)
	if err != nil {
		return nil, err
	}
	l.where(`(owner_id, created_ms, id) > (?, ?, ?)`, at.owner, at.created, at.id)
	rows, err := db.All[packageRow](tx, `select * from packages where `+l.condition()+` order by owner_id, created_ms, id limit `+strconv.Itoa(reportBatch), l.args...)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	lines := make([]ReportLine, len(rows))
	for i, r := range rows {
		if at.sender.ID != r.OwnerID {
			if at.sender, err = directory.UserByID(tx, r.OwnerID); err != nil && errs.KindOf(err) != errs.NotFound {
				return nil, err
			}
		}
		lines[i] = ReportLine{Sender: at.sender, Package: r.view()}
		at.owner, at.created, at.id = r.OwnerID, r.CreatedMs, r.ID
	}
	if q.Summary {
		return lines, nil
	}
	return lines, reportParts(tx, rows, lines)
}

// reportOn is what reports look at: the packages that are no templates and that the principal sees.
func reportOn(tx *db.Tx, p authz.Principal, q ReportQuery) (*listing, error) {
	l := &listing{by: p}
	l.where(`account_id = ?`, p.Account)
	l.where(`type = 'PACKAGE' and (visibility = 'ACCOUNT' or owner_id = ?)`, p.User)
	if q.Sender != "" {
		u, err := directory.UserBySender(tx, p.Account, q.Sender)
		if err != nil {
			return nil, err
		}
		l.where(`owner_id = ?`, u.ID)
	}
	if q.Status != "" {
		l.where(`status = ?`, q.Status)
	}
	if !q.From.IsZero() {
		l.where(`created_ms >= ?`, q.From.UnixMilli())
	}
	if !q.Before.IsZero() {
		l.where(`created_ms < ?`, q.Before.UnixMilli())
	}
	return l, nil
}

// reportParts adds documents and signers to the lines of packages, with one query for each table.
func reportParts(tx *db.Tx, rows []packageRow, lines []ReportLine) error {
	ids, line := make([]string, len(rows)), map[string]*ReportLine{}
	for i, r := range rows {
		ids[i], line[r.ID] = r.ID, &lines[i]
	}
	type docRow struct{ ID, PackageID, OuterID, Name string }
	docs, err := among[docRow](tx, `select id, package_id, outer_id, name from documents where package_id`, ids, `order by position, id`)
	if err != nil {
		return err
	}
	type roleLine struct{ ID, PackageID, SignerID, State, Email, FirstName, LastName, Name string }
	roles, err := among[roleLine](tx, `select id, package_id, signer_id, state, email, first_name, last_name, name from roles
		where state <> 'viewer' and package_id`, ids, `order by position, id`)
	if err != nil {
		return err
	}
	type part struct {
		DocumentID, RoleID string
		SignedMs           *int64
		Optional           bool
	}
	parts, err := among[part](tx, `select document_id, role_id, signed_ms, optional from approvals where not disabled and package_id`, ids, ``)
	if err != nil {
		return err
	}
	documents, signers := map[string]ReportPart{}, map[string]ReportPart{}
	for _, a := range parts {
		documents[a.DocumentID] = documents[a.DocumentID].with(a.SignedMs, a.Optional)
		signers[a.RoleID] = signers[a.RoleID].with(a.SignedMs, a.Optional)
	}
	for _, d := range docs {
		done := documents[d.ID]
		done.Completed = !done.Completed && !done.First.IsZero()
		done.ID, done.Name = d.OuterID, d.Name
		line[d.PackageID].Documents = append(line[d.PackageID].Documents, done)
	}
	for _, r := range roles {
		done := signers[r.ID]
		done.ID, done.Name, done.Completed = r.SignerID, r.Name, r.State == signed
		line[r.PackageID].Signers = append(line[r.PackageID].Signers, ReportSigner{done, r.Email, r.FirstName, r.LastName})
	}
	return nil
}

// with counts in one approval. Until the whole is known, Completed means that something is missing.
func (r ReportPart) with(signedMs *int64, optional bool) ReportPart {
	t := instant(signedMs)
	if t.IsZero() {
		r.Completed = r.Completed || !optional
		return r
	}
	if r.First.IsZero() || t.Before(r.First) {
		r.First = t
	}
	if t.After(r.Last) {
		r.Last = t
	}
	return r
}

// UsageLine is how many packages a sender made, by their state; those in the trash count as trashed alone.
type UsageLine struct {
	Sender   directory.User
	Packages map[Status]int
	Trashed  int
}

// UsageReport counts the packages that the principal sees, by sender.
func (s *Signing) UsageReport(ctx context.Context, p authz.Principal, q ReportQuery) (out []UsageLine, err error) {
	type row struct {
		OwnerID string
		Status  Status
		Trashed bool
		N       int
	}
	err = s.read(ctx, func(tx *db.Tx) error {
		l, err := reportOn(tx, p, q)
		if err != nil {
			return err
		}
		rows, err := db.All[row](tx, `select owner_id, status, trashed, count(*) as n from packages where `+l.condition()+`
			group by owner_id, status, trashed order by owner_id`, l.args...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if n := len(out); n == 0 || out[n-1].Sender.ID != r.OwnerID {
				u, err := directory.UserByID(tx, r.OwnerID)
				if err != nil {
					return err
				}
				out = append(out, UsageLine{Sender: u, Packages: map[Status]int{}})
			}
			line := &out[len(out)-1]
			if r.Trashed {
				line.Trashed += r.N
			} else {
				line.Packages[r.Status] += r.N
			}
		}
		return nil
	})
	return out, err
}
