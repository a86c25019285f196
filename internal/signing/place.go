package signing

import (
	"cmp"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// checkFields refuses fields of a document that do not lie on their page.
func checkFields(name string, approvals []Approval, pages []PageSize) error {
	count := 0
	for _, a := range approvals {
		if count += len(a.Fields); count > maxFields {
			return errs.New(errs.Invalid, "document.too_many_fields", "A document has at most %d fields.", maxFields).On("fields")
		}
		for _, f := range a.Fields {
			if tooSmall(f) {
				return errs.New(errs.Invalid, "field.size", "A field is at least %g points wide and high; only a signature field of no size "+
					"at all is taken, as an acceptance.", leastSide).On("fields").With("approval", a.OuterID).With("document", name)
			}
			if !onPage(f, pages) {
				return errs.New(errs.Invalid, "field.outside", "Object placed outside of document page boundary.").
					On("fields").With("approval", a.OuterID).With("document", name)
			}
		}
	}
	return nil
}

// leastSide of a field, in points: what is smaller, nobody sees.
const leastSide = 4.0

// tooSmall reports a field that would be signed unseen. A signature field without any size stands for an
// acceptance, which shows nothing on the page.
func tooSmall(f Field) bool {
	acceptance := f.Type == "SIGNATURE" && f.Width == 0 && f.Height == 0
	return !acceptance && (f.Width < leastSide || f.Height < leastSide)
}

// tolerance of a field's right and lower edge beyond the page, in points: surfaces answer page sizes rounded up to
// whole units of their own, and a field may fill the page. Beyond the other edges only what arithmetic costs.
const (
	tolerance = 0.8
	rounding  = 1e-6
)

func onPage(f Field, pages []PageSize) bool {
	if f.Page < 0 || f.Page >= len(pages) {
		return false
	}
	p := pages[f.Page]
	return f.Left >= -rounding && f.Top >= -rounding && f.Left+f.Width <= p.Width+tolerance && f.Top+f.Height <= p.Height+tolerance
}

// insertApprovals adds approvals to a document, by its internal id; roles maps the outer ids of roles and signers.
func insertApprovals(tx *db.Tx, pkg, doc string, approvals []Approval, roles map[string]string) error {
	for i, a := range approvals {
		a.OuterID = cmp.Or(a.OuterID, secret.Alphanumeric(12))
		if _, err := insertApproval(tx, pkg, doc, i, a, roles); err != nil {
			return err
		}
	}
	return nil
}

// insertApproval adds one with its fields and returns its internal id.
func insertApproval(tx *db.Tx, pkg, doc string, position int, a Approval, roles map[string]string) (id string, err error) {
	role, err := approvalRole(a, roles)
	if err != nil {
		return "", err
	}
	if err := outerID(a.OuterID, "approvals.id"); err != nil {
		return "", err
	}
	id = secret.NewID()
	added, err := tx.Exec(`insert into approvals (id, package_id, document_id, role_id, outer_id, position, name, optional,
			disabled, enforce_capture, from_file, data)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (document_id, outer_id) do nothing`,
		id, pkg, doc, role, a.OuterID, position, clip(a.Name, maxName), a.Optional, a.Disabled, a.EnforceCaptureSignature, a.FromFile, jsonText(a.Data))
	if err != nil {
		return "", err
	}
	if added == 0 {
		return "", errs.New(errs.Invalid, "approval.duplicate", "Two approvals have the id %q.", clip(a.OuterID, 64)).On("approvals.id")
	}
	return id, insertFields(tx, pkg, id, a.Fields)
}

func approvalRole(a Approval, roles map[string]string) (string, error) {
	role, ok := roles[a.Role]
	if !ok {
		return "", errs.New(errs.Invalid, "approval.role_unknown", "An approval names the role %q, which the package does not have.",
			clip(a.Role, 64)).On("approvals.role")
	}
	return role, nil
}

// subtypes of fields, by type (Conga Sign documentation).
var subtypes = map[string]string{
	"FULLNAME": "SIGNATURE", "INITIALS": "SIGNATURE", "CAPTURE": "SIGNATURE", "MOBILE_CAPTURE": "SIGNATURE", "RAW_CAPTURE": "SIGNATURE",
	"SEAL": "SIGNATURE", "CHOOSE_SIGNATURE": "SIGNATURE", "CHOOSE_INITIALS": "SIGNATURE",
	"LABEL": "INPUT", "TEXTFIELD": "INPUT", "TEXTAREA": "INPUT", "CHECKBOX": "INPUT", "RADIO": "INPUT", "LIST": "INPUT",
	"DATE": "INPUT", "DATEPICKER": "INPUT", "CUSTOMFIELD": "INPUT", "QRCODE": "IMAGE",
}

func insertFields(tx *db.Tx, pkg, approval string, fields []Field) error {
	for i, f := range fields {
		if err := insertField(tx, pkg, approval, i, f); err != nil {
			return err
		}
	}
	return nil
}

func insertField(tx *db.Tx, pkg, approval string, position int, f Field) error {
	f.OuterID = cmp.Or(f.OuterID, secret.Alphanumeric(12))
	if err := checkField(&f); err != nil {
		return err
	}
	added, err := tx.Exec(`insert into fields (id, package_id, approval_id, outer_id, position, name, type, subtype, binding,
			value, tooltip, page, left_pt, top_pt, width_pt, height_pt, font_size, validation, data, conditions, anchor)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		on conflict (approval_id, outer_id) do nothing`,
		secret.NewID(), pkg, approval, f.OuterID, position, clip(f.Name, maxName), f.Type, f.Subtype, clip(f.Binding, 64), f.Value,
		clip(f.Tooltip, maxName), f.Page, f.Left, f.Top, f.Width, f.Height, f.FontSize, jsonText(f.Validation), jsonText(f.Data),
		jsonText(f.Conditions), db.AsJSON(f.Anchor))
	if err == nil && added == 0 {
		err = errs.New(errs.Invalid, "field.duplicate", "Two fields of an approval have the id %q.", clip(f.OuterID, 64)).On("fields.id")
	}
	return err
}

// checkField refuses what no field is, whatever page it is on, and brings a value into the form in which it is kept.
func checkField(f *Field) error {
	if subtypes[f.Subtype] == "" || subtypes[f.Subtype] != f.Type {
		return errs.New(errs.Invalid, "field.subtype", "A field of type %s and subtype %s is not served.",
			clip(f.Type, 32), clip(f.Subtype, 32)).On("fields.subtype")
	}
	if err := outerID(f.OuterID, "fields.id"); err != nil || f.Value == nil {
		return err
	}
	if len([]rune(*f.Value)) > maxValue {
		return errs.New(errs.Invalid, "field.value", "A value has at most %d characters.", maxValue).On("fields.value")
	}
	if f.Subtype == "CHECKBOX" || f.Subtype == "RADIO" {
		value, err := ticked(f.Subtype, *f.Value)
		f.Value = &value
		return err
	}
	return plainText(*f.Value, "fields.value")
}
