package congasign

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/signing"
)

// auditOut is a package's audit trail, in kebab case; every member of an event is always there.
type auditOut struct {
	XMLName   xml.Name   `json:"-" xml:"audit"`
	PackageID string     `json:"package-id" xml:"package-id"`
	Events    []eventOut `json:"audit-events" xml:"audit-events>audit-event"`
}

type eventOut struct {
	Type       string `json:"type" xml:"type"`
	DateTime   date   `json:"date-time" xml:"date-time"`
	Target     string `json:"target" xml:"target"`
	TargetType string `json:"target-type" xml:"target-type"`
	User       string `json:"user" xml:"user"`
	UserEmail  string `json:"user-email" xml:"user-email"`
	UserIP     string `json:"user-ip" xml:"user-ip"`
	Data       string `json:"data" xml:"data"`
}

// vocabulary gives our events the vendor's types and targets (OneSpan Sign,
// Audit trail). The vendor tells what signers do; what only the sender or the
// server does is in the evidence summary, not here. For the group's lock the
// vendor has no words, so data tells. A signature is told of each document.
var vocabulary = map[string]struct{ kind, target string }{
	"invitation.opened":   {"View", "Package"},
	"mailbox.proven":      {"Login", "AuthMethod"},
	"lease.taken":         {"Signing Session For Recipient", "Package"},
	"lease.taken_over":    {"Signing Session For Recipient", "Package"},
	"lease.refused":       {"Signing Session For Recipient", "Package"},
	"lease.released":      {"Signing Session For Recipient", "Package"},
	"lease.lapsed":        {"Signing Session For Recipient", "Package"},
	"lease.voided":        {"Signing Session For Recipient", "Package"},
	"lease.broken":        {"Signing Session For Recipient", "Package"},
	"consent.accepted":    {"Accept", "Document"},
	"field.filled":        {"Form Field", "Document"},
	"document.viewed":     {"View", "Document"},
	"document.downloaded": {"Download", "Document"},
	"role.signed":         {"Click To Sign", "Document"},
	"role.declined":       {"Decline", "Package"},
	"package.opted_out":   {"Opt Out", "Package"},
	"approval.accepted":   {"Accept", "Document"},
	"session.made":        {"Signing Session For Recipient", "Package"},
	"device.handed_over":  {"Confirm", "Package"},
}

func (s *surface) trail(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	if err != nil {
		return api.Answer{}, err
	}
	records, err := s.signing.Trail(r.Context(), r.Principal, p.OuterID)
	if err != nil {
		return api.Answer{}, err
	}
	out := auditOut{PackageID: p.OuterID, Events: []eventOut{}}
	for _, record := range records {
		out.Events = append(out.Events, wordEvents(record, p)...)
	}
	if wantsMedia(r, "application/xml") || wantsMedia(r, "text/xml") {
		text, err := xml.Marshal(out)
		return api.Answer{File: &api.File{Media: "application/xml", Bytes: append([]byte(xml.Header), text...)}}, err
	}
	return api.Answer{JSON: out}, nil
}

// wordEvents is an event in the vendor's words: none, one, or for a signature one of each document.
func wordEvents(r audit.Record, p signing.Package) []eventOut {
	word, known := vocabulary[r.Type]
	if !known {
		return nil
	}
	e := eventOut{Type: word.kind, TargetType: word.target, Target: p.Name, DateTime: date(r.At),
		User: r.Actor.Name, UserEmail: r.Actor.Email, UserIP: r.Origin.IP, Data: facts(r)}
	if owner := ownerOf(p); e.User == "" && r.Actor.User != "" && r.Actor.User == owner.UserID {
		e.User = strings.TrimSpace(owner.FirstName + " " + owner.LastName)
	}
	switch {
	case r.Type == "role.signed":
		return wordSignature(e, r, p)
	case r.Type == "consent.accepted":
		e.Target = consentName
	case word.target == "AuthMethod":
		e.Target = r.Actor.Email
	case word.target == "Document" && r.Document == "": // the whole package's
		e.TargetType = "Package"
	case word.target == "Document":
		e.Target = documentTitle(r.Document, p)
	}
	return []eventOut{e}
}

func ownerOf(p signing.Package) signing.Signer {
	for _, r := range p.Roles {
		if r.Kind == signing.Owner {
			return r.Signer
		}
	}
	return signing.Signer{}
}

func documentTitle(id string, p signing.Package) string {
	for _, d := range p.Documents {
		if d.ID == id {
			return d.Name
		}
	}
	return p.Name
}

// wordSignature tells of a role's signature on each document it signed: a typed
// or drawn one, or an acceptance where the role has no signature field.
func wordSignature(e eventOut, r audit.Record, p signing.Package) (out []eventOut) {
	outer := ""
	for _, role := range p.Roles {
		if role.ID == r.Role {
			outer = role.OuterID
		}
	}
	for _, d := range p.Documents {
		touched, signature := false, false
		for _, a := range d.Approvals {
			if a.Role == outer && !a.Signed.IsZero() {
				touched = true
				signature = signature || slices.ContainsFunc(a.Fields, func(f signing.Field) bool { return f.Type == "SIGNATURE" })
			}
		}
		e.Type, e.Target = "Accept", d.Name
		switch {
		case signature && r.Detail["mark"] == "drawn":
			e.Type = "Capture Signature"
		case signature:
			e.Type = "Click To Sign"
		}
		if touched {
			out = append(out, e)
		}
	}
	return out
}

// facts are what an event says beside its type: "lease.taken; group: Pharmacists; epoch: 1".
func facts(r audit.Record) string {
	out := []string{r.Type}
	if r.Actor.Group != "" {
		out = append(out, "group: "+r.Actor.Group)
	}
	if r.Actor.Identified != "" {
		out = append(out, "identified: "+r.Actor.Identified)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Detail)) {
		out = append(out, name+": "+r.Detail[name])
	}
	return strings.Join(out, "; ")
}
