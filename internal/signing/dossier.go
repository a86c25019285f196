package signing

import (
	"encoding/hex"
	"strings"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/evidence"
)

// dossier gathers all that the evidence of a package tells.
func (s *Signing) dossier(tx *db.Tx, pkg packageRow, docs []documentRow, signatures []signatureRow) (d evidence.Dossier, err error) {
	sender, account, err := people(tx, pkg)
	if err != nil {
		return d, err
	}
	now, err := tx.Now()
	if err != nil {
		return d, err
	}
	d.Product, d.Server = s.Product, s.BaseURL
	d.Package = evidence.Package{ID: pkg.OuterID, Name: pkg.Name, Sender: sender.Name(), SenderEmail: sender.ShownEmail(), SenderEmailIsAlias: sender.EmailAlias != "",
		Account: account.Name, Created: db.Time(pkg.CreatedMs), Sent: instant(pkg.SentMs), Completed: now}
	for _, row := range docs {
		doc, err := documentEvidence(tx, row)
		if err != nil {
			return d, err
		}
		d.Documents = append(d.Documents, doc)
	}
	if d.Signatures, err = signatureEvidence(tx, signatures); err != nil {
		return d, err
	}
	for r, err := range audit.OfPackage(tx, pkg.ID) {
		if err != nil {
			return d, err
		}
		e := eventEvidence(r)
		e.EmailIsAlias = e.Email != "" && (r.Personal["mailbox"] != "" || r.Actor.User == sender.ID && e.Email == sender.EmailAlias)
		d.Events = append(d.Events, e)
	}
	return d, nil
}

// documentEvidence is a document with the hash of every page image that those who signed it were shown.
func documentEvidence(tx *db.Tx, row documentRow) (evidence.Document, error) {
	doc := evidence.Document{ID: row.ID, Name: row.Name, Pages: len(row.Pages.V)}
	hash, err := hex.DecodeString(row.SHA256)
	if err != nil {
		return doc, err
	}
	copy(doc.Original[:], hash)
	type view struct {
		Page, Dpi int
		SHA256    string `db:"sha256"`
	}
	for v, err := range db.Rows[view](tx, `select distinct v.page, v.dpi, v.sha256 from page_views v
		join signatures s on s.invitee_id = v.invitee_id where v.document_id = $1 order by v.page, v.dpi`, row.ID) {
		if err != nil {
			return doc, err
		}
		image := evidence.PageImage{Page: v.Page + 1, DPI: v.Dpi}
		if hash, err = hex.DecodeString(v.SHA256); err != nil {
			return doc, err
		}
		copy(image.SHA256[:], hash)
		doc.PageImages = append(doc.PageImages, image)
	}
	return doc, nil
}

func signatureEvidence(tx *db.Tx, rows []signatureRow) ([]evidence.Signature, error) {
	var out []evidence.Signature
	for _, r := range rows {
		role, err := db.One[string](tx, `select name from roles where id = $1`, r.RoleID)
		if err != nil {
			return nil, err
		}
		in, names, seen, err := signedIn(tx, r)
		if err != nil {
			return nil, err
		}
		mailbox, err := db.One[string](tx, `select email from invitees where id = $1`, r.InviteeID)
		if err != nil {
			return nil, err
		}
		out = append(out, evidence.Signature{Name: r.Name, Email: r.Email, EmailIsAlias: r.Email != mailbox, Group: r.GroupName, Role: role,
			Signed: db.Time(r.SignedMs), IP: r.IP, UserAgent: r.UserAgent, Identified: r.Identified,
			ID: audit.ShortID(r.EventID), EventID: r.EventID, Documents: names, PagesSeen: seen, In: in})
	}
	return out, nil
}

// signedIn is what a signer did with each document, the names of those he signed, and how many pages he was shown in all.
func signedIn(tx *db.Tx, r signatureRow) (in []evidence.SignedIn, names []string, seen int, err error) {
	type row struct {
		ID, Name string
		Signed   bool
		Seen     int
	}
	for d, err := range db.Rows[row](tx, `select d.id, d.name,
			exists (select 1 from approvals a where a.document_id = d.id and a.role_id = $2 and a.signed_ms is not null) as signed,
			(select count(distinct v.page) from page_views v where v.document_id = d.id and v.invitee_id = $3) as seen
		from documents d where d.package_id = $1 order by d.name, d.position`,
		r.PackageID, r.RoleID, r.InviteeID) {
		if err != nil {
			return nil, nil, 0, err
		}
		seen += d.Seen
		in = append(in, evidence.SignedIn{Document: d.ID, Signed: d.Signed, PagesSeen: d.Seen})
		if d.Signed {
			names = append(names, d.Name)
		}
	}
	return in, names, seen, nil
}

// eventEvidence is an audit event as the evidence shows it.
func eventEvidence(r audit.Record) evidence.Event {
	name := r.Actor.Name
	switch r.Actor.Kind {
	case audit.KindClient:
		name += " (by the interface)"
	case audit.KindSystem:
		name, r.Origin = "Countersign", audit.Origin{} // the act that made it do so came from somewhere, it did not
	}
	e := evidence.Event{At: r.At, Type: r.Type, Actor: name, Email: r.Actor.Email, Group: r.Actor.Group, IP: r.Origin.IP,
		ID: audit.ShortID(r.ID), Document: r.Document}
	if to := r.Personal["to_name"]; to != "" {
		e.Target = to
	}
	if holder := r.Personal["holder"]; holder != "" {
		e.Target = holder
	}
	var notes []string
	if r.Refused {
		notes = append(notes, "refused")
	}
	if r.Actor.Identified != "" {
		notes = append(notes, "identified by "+r.Actor.Identified)
	}
	e.Detail = strings.Join(notes, "; ")
	return e
}
