package congasign

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// templateRoutes are the operations on templates, and what is derived from a package.
func (s *surface) templateRoutes() []api.Route {
	return []api.Route{
		{Method: "POST", Path: "/packages/{package}/clone", Right: authz.Sign, Beyond: true, Body: maxUpload, Handle: s.once(s.clonePackage)},
		{Method: "POST", Path: "/packages/{package}/bulk_send", Right: authz.Sign, Beyond: true, Body: maxPayload, Handle: s.onceAs(s.bulkSend, nil)},
		{Method: "GET", Path: "/packages/{package}/readiness", Right: authz.Sign, Handle: s.readiness},
		{Method: "GET", Path: "/packages/{package}/fieldSummary", Right: authz.Sign, Handle: s.fieldSummary},
		{Method: "GET", Path: "/packages/{package}/referencedConditions", Right: authz.Sign, Handle: s.referencedConditions},
		{Method: "GET", Path: "/packages/{package}/thank_you_dialog", Right: authz.Sign, Or: authz.SignOwn, Handle: s.thankYou},
		{Method: "GET", Path: "/package_information/{package}/support_information", Right: authz.Sign, Or: authz.SignOwn, Handle: s.support},
	}
}

// clonePackage makes a package from a template or from another package.
func (s *surface) clonePackage(r *api.Request) (api.Answer, error) {
	up, err := readUpload(r)
	if err != nil {
		return api.Answer{}, err
	}
	var in packageIn
	if err := api.Decode(up.payload, &in); err != nil {
		return api.Answer{}, err
	}
	docs, err := up.documents(in.Documents)
	if err != nil {
		return api.Answer{}, err
	}
	pkg, err := in.create(docs)
	if err != nil {
		return api.Answer{}, err
	}
	id, err := s.signing.Clone(r.Context(), r.Principal, r.Path("package"), pkg)
	if errs.Is(err, "package.unknown") {
		return api.Answer{}, err
	}
	return api.Answer{JSON: idOut{id}}, inBody(err)
}

// bulkOut is what became of one row of a bulk sending.
type bulkOut struct {
	Row    int            `json:"row"`
	ID     string         `json:"id"`
	Status signing.Status `json:"status"`
	Error  string         `json:"error"`
}

// bulkSend sends one package from a template for each row: {"signers":[{…}]} with a signer in each, {"packages":[{…}]} with
// whole payloads, or text/csv with a header line. With an Idempotency-Key each row has a key of its own, made from the
// call's, so that a call that broke off is taken up where it was.
func (s *surface) bulkSend(r *api.Request) (api.Answer, error) {
	call, err := s.keyed(r)
	if err != nil {
		return api.Answer{}, err
	}
	template, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	rows, err := bulkRows(r, template)
	if err != nil {
		return api.Answer{}, err
	}
	results, err := s.signing.BulkSend(r.Context(), r.Principal, template.OuterID, rows, s.rowsOnce(call))
	if err != nil {
		return api.Answer{}, err
	}
	out := result[bulkOut]{Count: len(results)}
	for i, b := range results {
		row := bulkOut{Row: i + 1, ID: b.ID, Status: signing.Sent}
		if refusal, ok := errors.AsType[*errs.Error](b.Err); ok {
			row.Status, row.Error = "", refuse("", refusal).JSON.(errorBody).MessageKey
		} else if b.Err != nil {
			row.Status, row.Error = "", wordings["fault"].key
		}
		out.Results = append(out.Results, row)
	}
	return api.Answer{JSON: out}, nil
}

func bulkRows(r *api.Request, template signing.Package) ([]signing.NewPackage, error) {
	switch r.Media() {
	case "text/csv":
		return bulkCSV(r.HTTP.Body, template)
	case "multipart/form-data":
		for part, err := range r.Parts(func(string) int64 { return maxPayload }) {
			if err != nil {
				return nil, err
			}
			return bulkCSV(bytes.NewReader(part.Data), template)
		}
	}
	var in struct {
		Signers  []signerIn  `json:"signers"`
		Packages []packageIn `json:"packages"`
	}
	if err := r.JSON(&in); err != nil {
		return nil, err
	}
	if len(in.Packages)+len(in.Signers) > signing.MaxBulk {
		return nil, signing.BulkSize()
	}
	var rows []signing.NewPackage
	for _, one := range in.Packages {
		pkg, err := one.create(nil)
		if err != nil {
			return nil, err
		}
		rows = append(rows, pkg)
	}
	for _, one := range in.Signers {
		signer, err := one.core()
		if err != nil {
			return nil, err
		}
		row, err := bulkRow(template, "", signer)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// bulkColumns are the columns of a CSV file of signers; role names the role that the signer plays.
var bulkColumns = []string{"email", "firstname", "lastname", "title", "company", "phone", "role"}

func bulkCSV(body io.Reader, template signing.Package) (rows []signing.NewPackage, err error) {
	file := csv.NewReader(body)
	file.TrimLeadingSpace = true
	header, err := file.Read()
	if err != nil {
		return nil, badCSV(err)
	}
	at := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.NewReplacer(" ", "", "_", "", "\ufeff", "").Replace(name))
		if !slices.Contains(bulkColumns, name) {
			return nil, errs.New(errs.Invalid, "csv.column", "The columns of the file are email, firstName, lastName, title, company, phone and role.").On("file")
		}
		at[name] = i
	}
	for {
		line, err := file.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, badCSV(err)
		}
		if len(rows) == signing.MaxBulk {
			return nil, signing.BulkSize()
		}
		cell := func(name string) string {
			if i, ok := at[name]; ok {
				return strings.TrimSpace(line[i])
			}
			return ""
		}
		row, err := bulkRow(template, cell("role"), signing.NewSigner{Email: cell("email"), FirstName: cell("firstname"),
			LastName: cell("lastname"), Title: cell("title"), Company: cell("company"), Phone: cell("phone")})
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

func badCSV(err error) error {
	return errs.New(errs.Invalid, "csv.malformed", "The file cannot be read as CSV.").On("file").Because(err)
}

// bulkRow is a package with one signer in a role of the template: the named one, or the only one that is open.
func bulkRow(template signing.Package, role string, signer signing.NewSigner) (signing.NewPackage, error) {
	var open []signing.Role
	for _, r := range template.Roles {
		if role != "" && (r.OuterID == role || r.Name == role) || role == "" && r.Kind == signing.Person && r.Signer.Email == "" {
			open = append(open, r)
		}
	}
	if len(open) != 1 {
		return signing.NewPackage{}, errs.New(errs.Invalid, "bulk.role", "Say which role of the template the signers play: it has not exactly one that is open.").On("role")
	}
	return signing.NewPackage{Roles: []signing.NewRole{{OuterID: open[0].OuterID, Name: open[0].Name, Signer: signer}}}, nil
}

// readiness tells whether a package could be sent, and the keys of the errors that sending would meet.
func (s *surface) readiness(r *api.Request) (api.Answer, error) {
	refusals, err := s.signing.Readiness(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	out := struct {
		Status    bool     `json:"status"`
		ErrorKeys []string `json:"errorKeys"`
	}{Status: len(refusals) == 0}
	for _, e := range refusals {
		if key := refuse("", e).JSON.(errorBody).MessageKey; !slices.Contains(out.ErrorKeys, key) {
			out.ErrorKeys = append(out.ErrorKeys, key)
		}
	}
	return api.Answer{JSON: out}, nil
}

// fieldLineOut is one field of a package and what stands in it.
type fieldLineOut struct {
	FieldID    string `json:"fieldId"`
	FieldName  string `json:"fieldName"`
	FieldValue string `json:"fieldValue"`
	DocumentID string `json:"documentId"`
	ApprovalID string `json:"approvalId"`
	SignerID   string `json:"signerId"`
}

// fieldSummary is a bare array.
func (s *surface) fieldSummary(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	signers := map[string]string{}
	for _, role := range p.Roles {
		signers[role.OuterID] = role.Signer.OuterID
	}
	out := []fieldLineOut{}
	for _, d := range p.Documents {
		for _, a := range d.Approvals {
			for _, f := range a.Fields {
				out = append(out, fieldLineOut{f.OuterID, f.Name, or(f.Value, ""), d.OuterID, a.OuterID, signers[a.Role]})
			}
		}
	}
	return api.Answer{JSON: out}, nil
}

// conditionOut is a condition of a field, as it was given.
type conditionOut struct {
	ID        string `json:"id"`
	Condition string `json:"condition"`
	Action    string `json:"action"`
}

type referencedField struct {
	FieldID    string `json:"fieldId"`
	Conditions struct {
		InCondition []conditionOut `json:"referencedInCondition"`
		InAction    []conditionOut `json:"referencedInAction"`
	} `json:"conditions"`
}

type referencedDocument struct {
	DocumentID string            `json:"documentId"`
	Fields     []referencedField `json:"fields"`
}

// named finds the fields that a condition or an action names.
var named = regexp.MustCompile(`document\[['"]([^'"\]]*)['"]\]\.field\[['"]([^'"\]]*)['"]\]`)

// referencedConditions tells, of each field or of those asked for, which conditions name it.
func (s *surface) referencedConditions(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	out := struct {
		PackageID string               `json:"packageId"`
		Documents []referencedDocument `json:"documents"`
	}{PackageID: p.OuterID}
	all := conditionsOf(p)
	for _, d := range p.Documents {
		if asked := r.Query("documentId"); asked != "" && asked != d.OuterID {
			continue
		}
		of := referencedDocument{DocumentID: d.OuterID}
		for _, a := range d.Approvals {
			for _, f := range a.Fields {
				if asked := r.Query("fieldId"); asked != "" && asked != f.OuterID {
					continue
				}
				if ref := references(all, d.OuterID, f.OuterID); len(ref.Conditions.InAction)+len(ref.Conditions.InCondition) > 0 {
					of.Fields = append(of.Fields, ref)
				}
			}
		}
		if len(of.Fields) > 0 {
			out.Documents = append(out.Documents, of)
		}
	}
	return api.Answer{JSON: out}, nil
}

// conditionsOf are all conditions of a package's fields.
func conditionsOf(p signing.Package) (all []conditionOut) {
	read := func(raw jsontext.Value) {
		var some []conditionOut
		if len(raw) > 0 && jsonv2.Unmarshal(raw, &some) == nil {
			all = append(all, some...)
		}
	}
	for _, d := range p.Documents {
		for _, a := range d.Approvals {
			for _, f := range a.Fields {
				read(jsontext.Value(f.Conditions))
			}
		}
	}
	read(wordKept(p.Kept).Conditions)
	return all
}

func references(all []conditionOut, document, field string) (out referencedField) {
	out.FieldID = field
	names := func(text string) bool {
		return slices.ContainsFunc(named.FindAllStringSubmatch(text, -1), func(m []string) bool { return m[1] == document && m[2] == field })
	}
	for _, c := range all {
		if names(c.Condition) {
			out.Conditions.InCondition = append(out.Conditions.InCondition, c)
		}
		if names(c.Action) {
			out.Conditions.InAction = append(out.Conditions.InAction, c)
		}
	}
	return out
}

// thankYou is what an application may show to who has signed.
func (s *surface) thankYou(r *api.Request) (api.Answer, error) {
	_, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	return api.Answer{JSON: struct {
		Body string `json:"body"`
	}{"Thank you. You get the signed documents by e-mail once everybody has signed."}}, err
}

// support is whom a signer may ask: the sender.
func (s *surface) support(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	owner := ownerOf(p)
	return api.Answer{JSON: struct {
		Email string `json:"email"`
		Phone string `json:"phone"`
	}{owner.Email, owner.Phone}}, err
}
