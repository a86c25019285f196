package signing

import (
	"encoding/json"
	"time"

	"countersign.dev/internal/directory"
)

// Stage of a lease.
type Stage string

// A soft lease is one nobody has acted on yet; a hard lease is renewed by activity.
const (
	Soft Stage = "soft"
	Hard Stage = "hard"
)

// Lease is the right of one person to sign for one role.
type Lease struct {
	Epoch   int64
	Stage   Stage
	Holder  string // name
	Mine    bool
	Since   time.Time
	Expires time.Time
}

// Visit is a browser at the page of one invitation: the invitation's handle
// from the address, and the browser's session cookie.
type Visit struct{ Handle, Browser string }

// Invitation is what a link says to whoever opens it. Reading it changes nothing.
type Invitation struct {
	PackageName, SenderName, AccountName, EmailMessage string
	GroupName                                          string // empty for a single signer
	PersonName                                         string // who is asked; empty when the link is the whole group's
	MaskedEmail                                        string // j•••@example.com
	AskEmail                                           bool   // the link is the group's: the member must say who he is
	Documents                                          []string
	Due                                                time.Time
	Closed                                             string // empty, or why nothing is to be signed: SIGNED, DECLINED, OPTED_OUT, EXPIRED, COMPLETED, ARCHIVED, WITHDRAWN, REMOVED
	ClosedBy                                           string // name, for SIGNED, DECLINED and OPTED_OUT
	ClosedAt                                           time.Time
	Handle                                             string // where the browser goes when it already has entered; empty unless Closed leaves something to see
	Brand                                              directory.Brand
}

// Standing is how one role's signing stands as seen by one visitor; polled by pages.
type Standing struct {
	// Phase: free (may be taken), resting (others of the group go first), mine, held (by somebody else), waiting (others
	// sign first), signed, declined, closed.
	Phase   string
	Package Status
	Lease   *Lease // for mine and held
	// By and At tell who signed or declined, and when.
	By       string
	At       time.Time
	Watching bool
	Until    time.Time // of resting: when the visitor may take it; Idle because he let it lapse, else because he had it long enough
	Idle     bool
	Broken   *Broken   // who ended the visitor's last lease; nil when nobody did
	Now      time.Time // the database's clock
}

// Ceremony is all that the signing page shows.
type Ceremony struct {
	Standing     Standing
	PackageName  string
	SenderName   string
	AccountName  string
	EmailMessage string
	GroupName    string
	Me           Me
	Documents    []CeremonyDocument
	Consent      Consent
	Heartbeat    time.Duration // how often the page tells that the visitor is active
	Others       []Progress    // every signing role, in order, with mine
	Attachments  []Attachment  // that the visitor's role is asked for
	Switched     []SwitchedField
	Decline      Refusing
	OptOut       Refusing
	InPerson     bool // one device hosts several signers: see Signing.InPerson
	Affidavits   Affidavits
	// Handover is where the visitor may go on to once the role is signed; its Href is https, or empty: nothing is offered.
	Handover  directory.Handover
	Copies    bool // the visitor may download the documents as they are now
	DrawnOnly bool // a typed signature is refused ("mark.drawn_needed"): some block of the role demands a drawn one
}

// SwitchedField is a field that conditions are about (OneSpan Sign, conditional fields), as they leave it now.
type SwitchedField struct {
	Field              string // "document/approval/field", as Fill takes it
	Disabled, Required bool   // nothing is entered; it must be filled. Never both
}

// Affidavits are what signers in person confirm; of neither there is one unless the package is signed in person.
type Affidavits struct {
	First  bool // before: the signer who takes the device confirms who he is
	Second bool // at the signature: that he signs in the presence of the host
}

// Refusing is how a signer may say no: decline, or opt out of signing electronically.
type Refusing struct {
	Offered bool     // the page shows it, and it is accepted from the page
	Reasons []string // to choose from; empty: only his own words
	Other   bool     // his own words are accepted; always true without Reasons
}

// Me is the visitor.
type Me struct {
	Name, Email, Identified string
	Locked                  bool   // too many wrong codes: neither a new code nor the lease is given
	Host                    string // who lent his device, of a signer in person; empty otherwise
}

// FieldRules are what a field demands of its value, read from its validation.
type FieldRules struct {
	Required             bool
	ReadOnly             bool     // the signer does not change it
	Pattern              string   // the whole value matches; one that RE2 cannot read is for the browser alone
	MinLength, MaxLength int      // characters of a value that is not empty; 0 is no limit
	Options              []string // of a LIST
	Group                string   // of RADIO and CHECKBOX; empty: it stands alone
	Minimum, Maximum     int      // check boxes to tick in the group; 0 is no limit
	DateFormat           string   // of a DATEPICKER, such as dd/MM/yyyy; empty: yyyy-MM-dd. ISO dates are always accepted
	Message              string   // the sender's words for a value that is refused
}

// APISignature is what a program signs for the person it acts as.
type APISignature struct {
	Documents []string                     // outer ids; empty: all
	Values    map[string]map[string]string // by document and field (outer ids); "approval/field" where a field's id is not the document's only one
	HandDrawn []byte                       // a PNG image of the signature, dark on light; nil: the signer's name is typed
}

// InPersonSigner is somebody who may sign on the visitor's device.
type InPersonSigner struct {
	ID    string // for HandOver: the role's outer id, of a group with the member's
	Name  string
	Group string // on whose behalf; empty for a single signer
	Phase string // as Standing.Phase
	Mine  bool   // the visitor himself
}

// Consent to sign electronically, asked first.
type Consent struct {
	Text     string
	Accepted time.Time // by this visitor; zero before
}

// CeremonyDocument is a document with this role's approvals on it.
type CeremonyDocument struct {
	ID        string // opaque, for the addresses of its pages
	Name      string
	Pages     []PageSize
	Approvals []Approval
}

// Progress of one role.
type Progress struct {
	Name   string // of the group or person
	Phase  string // as Standing.Phase, never "mine"
	By     string
	At     time.Time
	IsMine bool
}

// Mark is how a signature is drawn: a typed name, or strokes of a pen.
type Mark struct {
	Kind string // "typed" or "drawn"
	// Text of a typed signature; empty is the signer's name. It must be the signer's name or its initials.
	Text string
	// Strokes of a drawn one: points in a unit square as wide as Aspect times its height, at most 10,000 points.
	Strokes [][]Point
	Aspect  float64
}

// Point of a stroke, 0…1 from the top left.
type Point struct{ X, Y float64 }

// MarshalJSON writes a point as [x,y].
func (p Point) MarshalJSON() ([]byte, error) { return json.Marshal([2]float64{p.X, p.Y}) }

// UnmarshalJSON reads [x,y].
func (p *Point) UnmarshalJSON(b []byte) error {
	var xy [2]float64
	err := json.Unmarshal(b, &xy)
	p.X, p.Y = xy[0], xy[1]
	return err
}

// Submission is what the signer submits at the end.
type Submission struct {
	Epoch int64
	Mark  Mark
	// Initials is used in fields of subtype INITIALS; zero means typed initials.
	Initials Mark
	// Approvals are the outer ids of optional approvals to sign, "document/approval"; required ones are always signed.
	Optional []string
}

// InboxItem is one package in a person's inbox.
type InboxItem struct {
	Handle      string
	PackageName string
	SenderName  string
	GroupName   string
	Sent        time.Time
	Standing    Standing
	Roles       []Progress
	Brand       directory.Brand
}
