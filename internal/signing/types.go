package signing

import (
	"encoding/json"
	"time"

	"countersign.dev/internal/directory"
)

// Status is where a package stands.
type Status string

// The states of a package.
const (
	Draft     Status = "DRAFT"
	Sent      Status = "SENT"
	Completed Status = "COMPLETED"
	Archived  Status = "ARCHIVED"
	Declined  Status = "DECLINED"
	OptedOut  Status = "OPTED_OUT"
	Expired   Status = "EXPIRED"
)

// The types of a package.
const (
	Transaction = "PACKAGE"
	Template    = "TEMPLATE"
)

// RoleKind tells what stands behind a role.
type RoleKind string

// A role is played by one person, by any member of a group of the account, by any of several
// persons of the package itself, or is the owner's own.
const (
	Person RoleKind = "person"
	Group  RoleKind = "group"
	AdHoc  RoleKind = "adhoc"
	Owner  RoleKind = "owner"
)

// Package is a transaction: documents and the roles that sign them.
type Package struct {
	ID           string       `json:"-"` // internal
	OuterID      string       // 20 bytes base64url and '='
	Account      string       // internal id
	OwnerID      string       // internal id of a user
	Owner        PackageOwner `json:"-"`
	Name         string
	Description  string
	EmailMessage string
	Language     string
	Visibility   string
	Type         string
	Status       Status
	Trashed      bool
	Autocomplete bool
	Due          time.Time // zero: none
	Settings     json.RawMessage
	Data         json.RawMessage
	Created      time.Time
	Updated      time.Time
	Sent         time.Time       // zero: not yet
	Completed    time.Time       // zero: not yet
	Declined     *Refusal        // of status DECLINED and OPTED_OUT
	Kept         json.RawMessage // members that are only stored and shown
	Roles        []Role          // the owner's first
	Documents    []Document      // in order; the consent is not among them
}

// PackageOwner is what the owner of a package is in the directory now.
type PackageOwner struct {
	Status directory.Status
	Type   string // MANAGER, REGULAR
}

// Refusal is a signer's decline.
type Refusal struct {
	By     string // name
	Email  string
	Role   string // outer id
	Reason string
	At     time.Time
}

// Role is who signs: one person, or one of a group.
type Role struct {
	ID           string `json:"-"`
	OuterID      string // the client's, unique in the package
	Name         string
	Kind         RoleKind
	Index        int // 0 is unordered; equal ones sign in parallel
	Reassign     bool
	EmailMessage string
	Data         json.RawMessage
	Signer       Signer
	Kept         json.RawMessage // members of role and signer that are only stored and shown
	Locked       bool            // too many failed proofs of who he is
	Attachments  []Attachment    // that the signer must or may attach
	// Signed is when the role signed, zero before; SignedBy who did.
	Signed   time.Time
	SignedBy string
	// ConsentAccepted is when the consent was accepted by the one who signed or is signing.
	ConsentAccepted time.Time
	// Lease is who is signing just now; nil when nobody is.
	Lease *Lease
}

// Signer is the person or group behind a role.
type Signer struct {
	OuterID   string
	Email     string // of a group: as the dialect words it; empty in the core
	FirstName string
	LastName  string
	Title     string
	Company   string
	Phone     string
	Language  string
	UserID    string // internal id when the person is a user of the account
	GroupID   string // internal id of the group
	// GroupOuterID, GroupName and GroupEmail are read from the directory.
	GroupOuterID, GroupName, GroupEmail string
	// Members of an ad-hoc group, whose name is FirstName.
	Members []AdHocMember
}

// AdHocMember is a member of an ad-hoc group: the signer of another role of the package.
type AdHocMember struct {
	SignerID, Email, FirstName, LastName string
}

// Attachment is a file or several that a signer is asked to attach.
type Attachment struct {
	ID          string `json:"-"`
	OuterID     string
	Name        string
	Description string
	Required    bool
	Status      string // INCOMPLETE, COMPLETE, REJECTED
	Comment     string // why it was rejected
	Data        json.RawMessage
	Files       []AttachmentFile
}

// AttachmentFile is a file that a signer attached.
type AttachmentFile struct {
	Number   int // its id within the attachment, from 1
	Name     string
	Media    string
	Size     int64
	SHA256   string
	Uploaded time.Time
}

// Document is one PDF of a package.
type Document struct {
	ID          string `json:"-"`
	OuterID     string
	Name        string
	Description string
	Index       int // from 1 in the package; the consent is 0
	Size        int64
	SHA256      string // of the uploaded bytes, hexadecimal
	Pages       []PageSize
	Data        json.RawMessage
	Sealed      bool
	Notes       []string // what was repaired or removed at upload
	Extraction  []string // the kinds of extraction asked for: ACROFIELDS, TEXT_TAGS
	Restricted  bool     // only the roles of Viewers and the owner see it
	Viewers     []string // outer ids of roles
	Approvals   []Approval
}

// PageSize is the displayed size of a page in PDF points.
type PageSize struct{ Width, Height float64 }

// Approval is a signature block of one role on one document. Without a signature field it is an acceptance.
type Approval struct {
	ID                      string `json:"-"`
	OuterID                 string
	Role                    string // outer id
	Name                    string
	Optional                bool
	Disabled                bool
	EnforceCaptureSignature bool
	FromFile                bool
	Data                    json.RawMessage
	Accepted                time.Time // zero before; a signature accepts what was not accepted one by one before it
	Signed                  time.Time // zero before
	Fields                  []Field
}

// Field is a place on a page, in PDF points from the top left of the page as displayed.
type Field struct {
	ID                       string `json:"-"`
	OuterID                  string
	Name                     string
	Type                     string // SIGNATURE, INPUT
	Subtype                  string // FULLNAME, CAPTURE, INITIALS, LABEL, TEXTFIELD, CHECKBOX, …
	Binding                  string
	Value                    *string
	EnteredBy                string // who entered the value, when it was somebody of the group
	Tooltip                  string
	Page                     int // 0-based
	Left, Top, Width, Height float64
	FontSize                 float64
	Validation               json.RawMessage
	Conditions               json.RawMessage
	Data                     json.RawMessage
	// Extract asks for the place of the AcroForm field or text tag of this name; Anchor for a place beside a text.
	Extract bool
	Anchor  *Anchor
}

// Anchor places a field beside a text of the document. Lengths are PDF points.
type Anchor struct {
	Text          string
	Occurrence    int     // 0-based
	Character     int     // 0-based within the text
	Point         string  // TOPLEFT, TOPRIGHT, BOTTOMLEFT, BOTTOMRIGHT of the character
	Left, Top     float64 // offset from there
	Width, Height float64 // of the field
}

// NewPackage is the input of Create. Ids that are empty are made.
type NewPackage struct {
	Name, Description, EmailMessage, Language, Visibility, Type string
	Autocomplete                                                *bool
	Due                                                         time.Time
	Settings, Data, Kept                                        json.RawMessage
	Roles                                                       []NewRole
	Documents                                                   []NewDocument
	Send                                                        bool
	Sender                                                      NewSender
}

// NewSender says whose package it is: a sender of the account by his id or e-mail address, the caller when neither is
// given, and how he is called in it.
type NewSender struct {
	SenderID, Email, FirstName, LastName, Title, Company string
}

// NewRole is a role to add. A role of the owner's sender id is his own and is not made again.
type NewRole struct {
	OuterID, Name, Type string // Type SIGNER or SENDER
	Index               int
	Reassign            bool
	EmailMessage        string
	Data, Kept          json.RawMessage
	Signer              NewSigner
	Attachments         []Attachment // the files and the read-only members are ignored
}

// NewSigner names a person by e-mail address, or a group by its id.
type NewSigner struct {
	OuterID, Email, FirstName, LastName, Title, Company, Phone, Language string
	Group                                                                string // the group's outer id
	Open                                                                 bool   // nobody yet: the role of a template being copied
	// AdHoc makes the role an ad-hoc group called FirstName; Members are signer ids of other roles.
	AdHoc   bool
	Members []string
}

// NewDocument is a file to add.
type NewDocument struct {
	OuterID, Name, Description string
	Index                      *int
	PDF                        []byte
	Extract                    bool
	Extraction                 []string // ACROFIELDS, TEXT_TAGS; none is ACROFIELDS
	Data                       json.RawMessage
	Approvals                  []Approval // Role is an outer id; the read-only members are ignored
}

// Change is a partial update of a package; nil keeps.
type Change struct {
	Name, Description, EmailMessage, Language, Visibility *string
	Autocomplete, Trashed                                 *bool
	Due                                                   *time.Time
	Settings, Data, Kept                                  json.RawMessage
	Status                                                Status // empty keeps
	// Decline by API: the role that declines and why.
	DeclineRole, DeclineReason string
}

// Query selects packages that the caller sees. Results are newest first; what is empty selects nothing.
type Query struct {
	Type       string // PACKAGE when empty
	Status     []Status
	Trashed    *bool  // nil: those that are not
	Inbox      bool   // only what the caller himself is asked to sign now
	Came       bool   // only what was sent to a group of the caller's, also what its sender shows nobody else
	Expiring   bool   // only what expires within ExpiringSoon
	None       bool   // no package at all: what was asked contradicts itself
	Search     string // in name and description, or where SearchIn says: name, description
	SearchIn   string
	Visibility string // ACCOUNT, SENDER
	Owner      string // sender's outer id
	OwnerEmail string
	// Created and updated from a time on and before another.
	CreatedFrom, CreatedBefore, UpdatedFrom, UpdatedBefore time.Time
	Sort                                                   string // ByCreated when empty
	Oldest                                                 bool   // ascending
	First                                                  int    // 0-based
	Limit                                                  int    // at most 100; 0 is 10
	Bare                                                   bool   // without roles and documents
}

// Page is one page of a list and the number of all.
type Page struct {
	Count    int
	Packages []Package // Roles and Documents included
}
