package signing

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
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
	AcceptedBy                                   *string
	AcceptedSHA256                               string `db:"accepted_sha256"`
}

// fieldRow is a row of fields.
type fieldRow struct {
	ID, PackageID, ApprovalID, OuterID         string
	Position                                   int
	Name, Type, Subtype, Binding               string
	Value, EnteredBy, Preset                   *string
	Tooltip                                    string
	Page                                       int
	LeftPt, TopPt, WidthPt, HeightPt, FontSize float64
	Validation, Data                           string
	Conditions, Anchor                         string
}

// Get returns a package of the principal's account, to a signer's session what its role may see of it.
func (s *Signing) Get(ctx context.Context, p authz.Principal, id string) (out Package, err error) {
	err = s.read(ctx, func(tx *db.Tx) error {
		row, err := ofAccount(tx, p, id)
		if err != nil {
			return err
		}
		if out, err = assemble(tx, row); err != nil {
			return err
		}
		out.showTo(p)
		return nil
	})
	return out, err
}

// showTo leaves of a package what a signer's session may know, which is what the page shows its role: its own role whole;
// of the others who they are and whether they signed; of the documents those it sees. What others are asked for,
// attached and enter is between them and the sender; what they entered stands in the documents once the package is
// completed.
func (p *Package) showTo(who authz.Principal) {
	if who.Kind != authz.Signer {
		return
	}
	p.Data, p.Kept = nil, nil
	mine := ""
	for i, r := range p.Roles {
		if r.ID == who.Role {
			mine = r.OuterID
			continue
		}
		p.Roles[i] = r.toOthers()
	}
	p.Documents = slices.DeleteFunc(p.Documents, func(d Document) bool { return !d.visibleTo(mine) })
	for i := range p.Documents {
		p.Documents[i].showTo(mine, p.Status == Completed)
	}
}

// toOthers is a role as other signers see it.
func (r Role) toOthers() Role {
	s := r.Signer
	return Role{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Kind: r.Kind, Index: r.Index, Signed: r.Signed, SignedBy: r.SignedBy,
		Signer: Signer{OuterID: s.OuterID, Email: s.Email, FirstName: s.FirstName, LastName: s.LastName,
			GroupID: s.GroupID, GroupOuterID: s.GroupOuterID, GroupName: s.GroupName, GroupEmail: s.GroupEmail}}
}

// showTo is the same of a document.
func (d *Document) showTo(mine string, completed bool) {
	d.Viewers = nil
	for i := range d.Approvals {
		a := &d.Approvals[i]
		if a.Role == mine {
			continue
		}
		a.Data = nil
		for j := range a.Fields {
			f := &a.Fields[j]
			f.Data = nil
			if !completed {
				f.Value, f.EnteredBy = nil, ""
			}
		}
	}
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

// placeholders adds values to a statement's arguments and returns what stands for them: "$3, $4".
func placeholders[T any](args *[]any, values ...T) string {
	marks := make([]string, len(values))
	for i, v := range values {
		*args = append(*args, v)
		marks[i] = "$" + strconv.Itoa(len(*args))
	}
	return strings.Join(marks, ", ")
}

// among reads the rows that belong to packages, by a query that ends before the condition: "select … where x.package_id".
// However many packages, there are only three statements to prepare.
func among[T any](tx *db.Tx, query string, packages []string, order string) ([]T, error) {
	var args []any
	return db.All[T](tx, query+` in (`+placeholders(&args, padded(packages)...)+`) `+order, args...)
}

// padded repeats the first id until there are 1, 10, 100, … of them.
func padded(packages []string) []string {
	full := 1
	for full < len(packages) {
		full *= 10
	}
	ids := slices.Clone(packages)
	for len(ids) < full {
		ids = append(ids, packages[0])
	}
	return ids
}

// assemble reads the whole tree of a package.
func assemble(tx *db.Tx, r packageRow) (Package, error) {
	all, err := assembleAll(tx, []packageRow{r})
	if err != nil {
		return Package{}, err
	}
	return all[0], nil
}

// forest is what belongs to some packages, read with one query for each table.
type forest struct {
	names       map[string]string          // of invitees, by id
	owners      map[string]PackageOwner    // by user
	roles       map[string][]roleRow       // by package
	outer       map[string]string          // outer ids of roles, by id
	groups      map[string]directory.Group // by id
	members     map[string][]AdHocMember   // by role
	attachments map[string][]Attachment    // by role
	documents   map[string][]documentRow   // by package
	viewers     map[string][]string        // outer ids of roles, by document
	approvals   map[string][]approvalRow   // by document
	fields      map[string][]Field         // by approval
}

// assembleAll reads the whole trees of packages, in their order.
func assembleAll(tx *db.Tx, rows []packageRow) ([]Package, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	f, err := growForest(tx, ids)
	if err == nil {
		f.owners, err = ownersOf(tx, rows)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Package, len(rows))
	for i, r := range rows {
		out[i] = r.view()
		out[i].Owner = f.owners[r.OwnerID]
		for _, role := range f.roles[r.ID] {
			out[i].Roles = append(out[i].Roles, f.role(role, now.UnixMilli()))
		}
		for _, d := range f.documents[r.ID] {
			out[i].Documents = append(out[i].Documents, f.document(d, f.outer))
		}
	}
	return out, nil
}

// ownersOf are the standings of the packages' owners, by user.
func ownersOf(tx *db.Tx, rows []packageRow) (map[string]PackageOwner, error) {
	var ids []string
	for _, r := range rows {
		if !slices.Contains(ids, r.OwnerID) {
			ids = append(ids, r.OwnerID)
		}
	}
	out := map[string]PackageOwner{}
	for _, id := range ids { // a page of packages has few owners, most often one
		u, err := directory.UserByID(tx, id)
		if err != nil {
			return nil, err
		}
		out[id] = PackageOwner{u.Status, u.Type}
	}
	return out, nil
}

// view is a package without what belongs to it.
func (r packageRow) view() Package {
	p := Package{ID: r.ID, OuterID: r.OuterID, Account: r.AccountID, OwnerID: r.OwnerID, Name: r.Name, Description: r.Description,
		EmailMessage: r.EmailMessage, Language: r.Language, Visibility: r.Visibility, Type: r.Type, Status: r.Status,
		Trashed: r.Trashed, Autocomplete: r.Autocomplete, Due: instant(r.DueMs), Settings: rawJSON(r.Settings), Data: rawJSON(r.Data),
		Kept: rawJSON(r.Kept), Created: db.Time(r.CreatedMs), Updated: db.Time(r.UpdatedMs), Sent: instant(r.SentMs),
		Completed: instant(r.CompletedMs)}
	if r.Declined != nil {
		p.Declined = &r.Declined.V
	}
	return p
}

func growForest(tx *db.Tx, ids []string) (*forest, error) {
	f := &forest{roles: map[string][]roleRow{}, outer: map[string]string{}}
	var err error
	if f.names, err = namesAmong(tx, ids); err != nil {
		return nil, err
	}
	roles, err := among[roleRow](tx, `select * from roles where package_id`, ids, `order by package_id, position, id`)
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, r := range roles {
		f.roles[r.PackageID] = append(f.roles[r.PackageID], r)
		f.outer[r.ID] = r.OuterID
		if r.GroupID != nil && !slices.Contains(groups, *r.GroupID) {
			groups = append(groups, *r.GroupID)
		}
	}
	if f.groups, err = directory.GroupLines(tx, groups); err != nil {
		return nil, err
	}
	if f.members, err = adHocMembersAmong(tx, ids); err != nil {
		return nil, err
	}
	if f.attachments, err = attachmentsAmong(tx, ids); err != nil {
		return nil, err
	}
	return f, f.growDocuments(tx, ids)
}

func (f *forest) growDocuments(tx *db.Tx, ids []string) error {
	f.documents, f.viewers, f.approvals = map[string][]documentRow{}, map[string][]string{}, map[string][]approvalRow{}
	docs, err := among[documentRow](tx, `select * from documents where package_id`, ids, `order by package_id, position, id`)
	if err != nil {
		return err
	}
	for _, d := range docs {
		f.documents[d.PackageID] = append(f.documents[d.PackageID], d)
	}
	type viewer struct{ DocumentID, OuterID string }
	seen, err := among[viewer](tx, `select v.document_id, r.outer_id from document_viewers v join roles r on r.id = v.role_id
		where r.package_id`, ids, `order by r.position, r.id`)
	if err != nil {
		return err
	}
	for _, v := range seen {
		f.viewers[v.DocumentID] = append(f.viewers[v.DocumentID], v.OuterID)
	}
	approvals, err := among[approvalRow](tx, `select * from approvals where package_id`, ids, `order by position, id`)
	if err != nil {
		return err
	}
	for _, a := range approvals {
		f.approvals[a.DocumentID] = append(f.approvals[a.DocumentID], a)
	}
	f.fields, err = fieldsAmong(tx, ids, f.names)
	return err
}

// adHocMembersAmong are the members of ad-hoc groups, by role.
func adHocMembersAmong(tx *db.Tx, ids []string) (map[string][]AdHocMember, error) {
	type row struct{ RoleID, SignerID, Email, FirstName, LastName string }
	rows, err := among[row](tx, `select m.role_id, r.signer_id, r.email, r.first_name, r.last_name from adhoc_members m
		join roles r on r.id = m.member_id where r.package_id`, ids, `order by m.role_id, m.position`)
	out := map[string][]AdHocMember{}
	for _, r := range rows {
		out[r.RoleID] = append(out[r.RoleID], AdHocMember{SignerID: r.SignerID, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName})
	}
	return out, err
}

// attachmentsAmong are what signers are asked to attach and what they attached, by role.
func attachmentsAmong(tx *db.Tx, ids []string) (map[string][]Attachment, error) {
	type fileRow struct {
		AttachmentID        string
		Number              int
		Name, Media, SHA256 string
		Size, UploadedMs    int64
	}
	files, err := among[fileRow](tx, `select f.attachment_id, f.number, f.name, f.media, f.sha256 as sha256, f.size, f.uploaded_ms
		from attachment_files f join attachments a on a.id = f.attachment_id where a.package_id`, ids, `order by f.attachment_id, f.number`)
	if err != nil {
		return nil, err
	}
	uploaded := map[string][]AttachmentFile{}
	for _, f := range files {
		uploaded[f.AttachmentID] = append(uploaded[f.AttachmentID], AttachmentFile{Number: f.Number, Name: f.Name, Media: f.Media,
			Size: f.Size, SHA256: f.SHA256, Uploaded: db.Time(f.UploadedMs)})
	}
	type row struct {
		ID, RoleID, OuterID, Name, Description, Status, Comment, Data string
		Required                                                      bool
	}
	rows, err := among[row](tx, `select id, role_id, outer_id, name, description, status, comment, data, required from attachments
		where package_id`, ids, `order by role_id, position, id`)
	out := map[string][]Attachment{}
	for _, a := range rows {
		out[a.RoleID] = append(out[a.RoleID], Attachment{ID: a.ID, OuterID: a.OuterID, Name: a.Name, Description: a.Description,
			Required: a.Required, Status: a.Status, Comment: a.Comment, Data: rawJSON(a.Data), Files: uploaded[a.ID]})
	}
	return out, err
}

// rawJSON is the value of a JSON column, nil for null.
func rawJSON(text string) json.RawMessage {
	if text == "null" {
		return nil
	}
	return json.RawMessage(text)
}

// inviteeNames are the names of those of whom a package tells what they did: who holds a lease, entered a value or
// signed, of who signed the name that was stamped. Of the others, who may be a thousand, it tells nothing.
func inviteeNames(tx *db.Tx, pkg string) (map[string]string, error) {
	return namesAmong(tx, []string{pkg})
}

func namesAmong(tx *db.Tx, packages []string) (map[string]string, error) {
	type row struct{ ID, Name string }
	var args []any
	in := ` in (` + placeholders(&args, padded(packages)...) + `)`
	rows, err := db.All[row](tx, `select i.id, coalesce(s.name, i.name) as name from (
			select holder as id from roles where holder is not null and package_id`+in+`
			union select signed_by from roles where signed_by is not null and package_id`+in+`
			union select entered_by from fields where entered_by is not null and package_id`+in+`) who
		join invitees i on i.id = who.id left join signatures s on s.role_id = i.role_id and s.invitee_id = i.id`, args...)
	names := map[string]string{}
	for _, r := range rows {
		names[r.ID] = r.Name
	}
	return names, err
}

// role is the role as others see it.
func (f *forest) role(r roleRow, now int64) Role {
	role := Role{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Kind: r.Kind, Index: r.Sequence, Reassign: r.Reassign,
		EmailMessage: r.EmailMessage, Data: rawJSON(r.Data), Kept: rawJSON(r.Kept), Locked: r.Locked, Signed: instant(r.SignedMs),
		ConsentAccepted: instant(r.ConsentMs), Attachments: f.attachments[r.ID],
		Signer: Signer{OuterID: r.SignerID, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Title: r.Title,
			Company: r.Company, Phone: r.Phone, Language: r.Language, Members: f.members[r.ID]}}
	if r.SignedBy != nil {
		role.SignedBy = f.names[*r.SignedBy]
	}
	role.Lease = r.lease(f.names, "", now)
	if r.UserID != nil {
		role.Signer.UserID = *r.UserID
	}
	if r.GroupID == nil {
		return role
	}
	role.Signer.GroupID = *r.GroupID
	g, found := f.groups[*r.GroupID]
	if !found {
		role.Signer.GroupName = r.FirstName
		return role
	}
	role.Signer.GroupOuterID, role.Signer.GroupName, role.Signer.GroupEmail = g.OuterID, g.Name, g.Email
	return role
}

// lease is who holds the role at the time now, nil when nobody does.
func (r roleRow) lease(names map[string]string, me string, now int64) *Lease {
	if r.Holder == nil || r.ExpiresMs <= now || r.State != open {
		return nil
	}
	return &Lease{Epoch: r.Epoch, Stage: r.Stage, Holder: names[*r.Holder], Mine: *r.Holder == me,
		Since: db.Time(r.TakenMs), Expires: db.Time(r.ExpiresMs)}
}

// documentsOf reads a package's documents with their approvals and fields; roles maps internal to outer ids.
func documentsOf(tx *db.Tx, pkg string, roles, names map[string]string) ([]Document, error) {
	f := &forest{names: names}
	if err := f.growDocuments(tx, []string{pkg}); err != nil {
		return nil, err
	}
	var docs []Document
	for _, d := range f.documents[pkg] {
		docs = append(docs, f.document(d, roles))
	}
	return docs, nil
}

// document is a document with its approvals; roles maps internal to outer ids.
func (f *forest) document(r documentRow, roles map[string]string) Document {
	d := Document{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Description: r.Description, Index: r.Position,
		Size: r.Size, SHA256: r.SHA256, Pages: r.Pages.V, Data: rawJSON(r.Data), Sealed: r.SealedBlob != nil, Notes: r.Notes.V,
		Extraction: r.Extraction.V, Restricted: r.Restricted, Viewers: f.viewers[r.ID]}
	for _, a := range f.approvals[r.ID] {
		d.Approvals = append(d.Approvals, Approval{ID: a.ID, OuterID: a.OuterID, Role: roles[a.RoleID], Name: a.Name,
			Optional: a.Optional, Disabled: a.Disabled, EnforceCaptureSignature: a.EnforceCapture, FromFile: a.FromFile,
			Data: rawJSON(a.Data), Accepted: cmp.Or(instant(a.AcceptedMs), instant(a.SignedMs)), Signed: instant(a.SignedMs), Fields: f.fields[a.ID]})
	}
	return d
}

// fieldsAmong are the fields of packages, by approval.
func fieldsAmong(tx *db.Tx, packages []string, names map[string]string) (map[string][]Field, error) {
	rows, err := among[fieldRow](tx, `select * from fields where package_id`, packages, `order by position, id`)
	out := map[string][]Field{}
	for _, r := range rows {
		f := Field{ID: r.ID, OuterID: r.OuterID, Name: r.Name, Type: r.Type, Subtype: r.Subtype, Binding: r.Binding, Value: r.Value,
			Tooltip: r.Tooltip, Page: r.Page, Left: r.LeftPt, Top: r.TopPt, Width: r.WidthPt, Height: r.HeightPt,
			FontSize: r.FontSize, Validation: rawJSON(r.Validation), Conditions: rawJSON(r.Conditions), Data: rawJSON(r.Data)}
		if r.EnteredBy != nil {
			f.EnteredBy = names[*r.EnteredBy]
		}
		out[r.ApprovalID] = append(out[r.ApprovalID], f)
	}
	return out, err
}
