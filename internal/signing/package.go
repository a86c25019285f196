package signing

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// documentRow is a row of documents.
type documentRow struct {
	ID, PackageID, OuterID  string
	Position                int
	Name, Description, Data string
	OriginalBlob, ShownBlob string
	SHA256                  string `db:"sha256"`
	Size                    int64
	Pages                   db.JSON[[]PageSize]
	Notes                   db.JSON[[]string]
	SealedBlob              *string
	SealedSHA256            *string `db:"sealed_sha256"`
	Extraction              db.JSON[[]string]
	Restricted              bool
}

// approvalRow is a row of approvals.
type approvalRow struct {
	ID, PackageID, DocumentID, RoleID, OuterID   string
	Position                                     int
	Name                                         string
	Optional, Disabled, EnforceCapture, FromFile bool
	Data                                         string
	SignedMs                                     *int64
	AcceptedMs                                   *int64
}

// fieldRow is a row of fields.
type fieldRow struct {
	ID, PackageID, ApprovalID, OuterID         string
	Position                                   int
	Name, Type, Subtype, Binding               string
	Value, EnteredBy                           *string
	Tooltip                                    string
	Page                                       int
	LeftPt, TopPt, WidthPt, HeightPt, FontSize float64
	Validation, Data                           string
	Conditions, Anchor                         string
}

// Get returns a package of the principal's account.
func (s *Signing) Get(ctx context.Context, p authz.Principal, id string) (out Package, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		out, err = assemble(tx, row)
		return err
	})
	return out, err
}

// GetDocument returns one document of a package.
func (s *Signing) GetDocument(ctx context.Context, p authz.Principal, id, doc string) (Document, error) {
	pkg, err := s.Get(ctx, p, id)
	if err != nil {
		return Document{}, err
	}
	for _, d := range pkg.Documents {
		if d.OuterID == doc {
			return d, nil
		}
	}
	return Document{}, orUnknown(db.ErrNone, "document", doc)
}

// List returns one page of the account's packages.
func (s *Signing) List(ctx context.Context, p authz.Principal, q Query) (out Page, err error) {
	if q.Limit <= 0 {
		q.Limit = 10
	}
	q.Limit = min(q.Limit, 100)
	order := "desc"
	if q.Oldest {
		order = "asc"
	}
	err = s.read(ctx, func(tx *db.Tx) error {
		if q.Owner != "" {
			owner, err := directory.UserBySender(tx, p.Account, q.Owner)
			if err != nil {
				return err
			}
			q.Owner = owner.ID
		}
		where, args := q.where(p)
		if out.Count, err = db.One[int](tx, `select count(*) from packages where `+where, args...); err != nil {
			return err
		}
		rows, err := db.All[packageRow](tx, `select * from packages where `+where+
			` order by created_ms `+order+`, id `+order+` limit `+strconv.Itoa(q.Limit)+` offset `+strconv.Itoa(max(0, q.First)), args...)
		if err != nil {
			return err
		}
		for _, row := range rows {
			pkg, err := assemble(tx, row)
			if err != nil {
				return err
			}
			out.Packages = append(out.Packages, pkg)
		}
		return nil
	})
	return out, err
}

// where is the condition of a query; only its arguments come from outside.
func (q Query) where(p authz.Principal) (string, []any) {
	conditions := []string{"account_id = $1"}
	args := []any{p.Account}
	add := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args))))
	}
	if len(q.Status) > 0 {
		var any []string
		for _, st := range q.Status {
			args = append(args, st)
			any = append(any, "$"+strconv.Itoa(len(args)))
		}
		conditions = append(conditions, "status in ("+strings.Join(any, ", ")+")")
	}
	if q.Trashed != nil {
		add("trashed = ?", *q.Trashed)
	}
	if q.Search != "" {
		escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(q.Search))
		add(`(lower(name) like ? escape '\' or lower(description) like ? escape '\')`, "%"+escaped+"%")
	}
	if q.Owner != "" {
		add("owner_id = ?", q.Owner)
	}
	return strings.Join(conditions, " and "), args
}

// assemble reads the whole tree of a package.
func assemble(tx *db.Tx, r packageRow) (Package, error) {
	p := Package{ID: r.ID, OuterID: r.OuterID, Account: r.AccountID, OwnerID: r.OwnerID, Name: r.Name, Description: r.Description,
		EmailMessage: r.EmailMessage, Language: r.Language, Visibility: r.Visibility, Type: r.Type, Status: r.Status,
		Trashed: r.Trashed, Autocomplete: r.Autocomplete, Due: instant(r.DueMs), Settings: rawJSON(r.Settings), Data: rawJSON(r.Data), Kept: rawJSON(r.Kept),
		Created: db.Time(r.CreatedMs), Updated: db.Time(r.UpdatedMs), Sent: instant(r.SentMs), Completed: instant(r.CompletedMs)}
	if r.Declined != nil {
		p.Declined = &r.Declined.V
	}
	names, err := inviteeNames(tx, r.ID)
	if err != nil {
		return p, err
	}
	roles, err := rolesOf(tx, r.ID)
	if err != nil {
		return p, err
	}
	now, err := tx.Now()
	if err != nil {
		return p, err
	}
	outer := map[string]string{}
	for _, row := range roles {
		outer[row.ID] = row.OuterID
		role, err := row.view(tx, names, now.UnixMilli())
		if err != nil {
			return p, err
		}
		p.Roles = append(p.Roles, role)
	}
	p.Documents, err = documentsOf(tx, r.ID, outer, names)
	return p, err
}

// rawJSON is the value of a JSON column, nil for null.
func rawJSON(text string) json.RawMessage {
	if text == "null" {
		return nil
	}
	return json.RawMessage(text)
}

// inviteeNames are the names of all who were asked; of who signed, the name that was stamped.
func inviteeNames(tx *db.Tx, pkg string) (map[string]string, error) {
	names := map[string]string{}
	type row struct{ ID, Name string }
	for r, err := range db.Rows[row](tx, `select i.id, coalesce(s.name, i.name) as name from invitees i
		left join signatures s on s.invitee_id = i.id where i.package_id = $1`, pkg) {
		if err != nil {
			return nil, err
		}
		names[r.ID] = r.Name
	}
	return names, nil
}

// view is the role as others see it.
func (r roleRow) view(tx *db.Tx, names map[string]string, now int64) (Role, error) {
	role := Role{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Kind: r.Kind, Index: r.Sequence, Reassign: r.Reassign,
		EmailMessage: r.EmailMessage, Data: rawJSON(r.Data), Kept: rawJSON(r.Kept), Locked: r.Locked, Signed: instant(r.SignedMs), ConsentAccepted: instant(r.ConsentMs),
		Signer: Signer{OuterID: r.SignerID, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Title: r.Title,
			Company: r.Company, Phone: r.Phone, Language: r.Language}}
	if r.SignedBy != nil {
		role.SignedBy = names[*r.SignedBy]
	}
	role.Lease = r.lease(names, "", now)
	if r.UserID != nil {
		role.Signer.UserID = *r.UserID
	}
	if r.GroupID == nil {
		return role, nil
	}
	role.Signer.GroupID = *r.GroupID
	g, err := directory.GroupByID(tx, *r.GroupID)
	if errs.KindOf(err) == errs.NotFound { // deleted since: the role keeps the name it had
		role.Signer.GroupName = r.FirstName
		return role, nil
	}
	role.Signer.GroupOuterID, role.Signer.GroupName, role.Signer.GroupEmail = g.OuterID, g.Name, g.Email
	return role, err
}

// lease is who holds the role at the time now, nil when nobody does.
func (r roleRow) lease(names map[string]string, me string, now int64) *Lease {
	if r.Holder == nil || r.ExpiresMs <= now || r.State != open {
		return nil
	}
	return &Lease{Epoch: r.Epoch, Stage: r.Stage, Holder: names[*r.Holder], Mine: *r.Holder == me,
		Since: db.Time(r.TakenMs), Expires: db.Time(r.ExpiresMs)}
}

// documentsOf reads the documents with their approvals and fields; roles maps internal to outer ids.
func documentsOf(tx *db.Tx, pkg string, roles, names map[string]string) ([]Document, error) {
	rows, err := db.All[documentRow](tx, `select * from documents where package_id = $1 order by position, id`, pkg)
	if err != nil {
		return nil, err
	}
	docs := make([]Document, len(rows))
	byID := map[string]*Document{}
	for i, r := range rows {
		docs[i] = Document{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Description: r.Description, Index: r.Position,
			Size: r.Size, SHA256: r.SHA256, Pages: r.Pages.V, Data: rawJSON(r.Data), Sealed: r.SealedBlob != nil, Notes: r.Notes.V,
			Extraction: r.Extraction.V, Restricted: r.Restricted}
		byID[r.ID] = &docs[i]
	}
	fields, err := fieldsOf(tx, pkg, names)
	if err != nil {
		return nil, err
	}
	for a, err := range db.Rows[approvalRow](tx, `select * from approvals where package_id = $1 order by position`, pkg) {
		if err != nil {
			return nil, err
		}
		d := byID[a.DocumentID]
		d.Approvals = append(d.Approvals, Approval{ID: a.ID, OuterID: a.OuterID, Role: roles[a.RoleID], Name: a.Name,
			Optional: a.Optional, Disabled: a.Disabled, EnforceCaptureSignature: a.EnforceCapture, FromFile: a.FromFile,
			Data: rawJSON(a.Data), Signed: instant(a.SignedMs), Fields: fields[a.ID]})
	}
	return docs, nil
}

// fieldsOf reads the fields of a package by approval.
func fieldsOf(tx *db.Tx, pkg string, names map[string]string) (map[string][]Field, error) {
	out := map[string][]Field{}
	for r, err := range db.Rows[fieldRow](tx, `select * from fields where package_id = $1 order by position`, pkg) {
		if err != nil {
			return nil, err
		}
		f := Field{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Type: r.Type, Subtype: r.Subtype, Binding: r.Binding, Value: r.Value,
			Tooltip: r.Tooltip, Page: r.Page, Left: r.LeftPt, Top: r.TopPt, Width: r.WidthPt, Height: r.HeightPt,
			FontSize: r.FontSize, Validation: rawJSON(r.Validation), Conditions: rawJSON(r.Conditions), Data: rawJSON(r.Data)}
		if r.EnteredBy != nil {
			f.EnteredBy = names[*r.EnteredBy]
		}
		out[r.ApprovalID] = append(out[r.ApprovalID], f)
	}
	return out, nil
}
