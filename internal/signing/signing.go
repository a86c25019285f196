package signing

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/blob"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
)

// Config is what signing works with.
type Config struct {
	DB    *db.DB
	Box   *secret.Box
	Blobs blob.Store
	Jail  *pdf.Jail
	Keys  *seal.Keys
	Authn *authn.Authn
	Post  *mail.Post
	Queue *jobs.Queue
	Log   *slog.Logger
	// BaseURL is the outside address, without a slash at its end.
	BaseURL string
	// Product is the name on evidence pages.
	Product string
	// Observe is called with the name of each step of the seal job; nil in production.
	Observe func(step string)
}

// Signing is the room's door.
type Signing struct {
	Config
	db      *db.DB
	consent paperConsent
}

// New makes the room and registers its jobs with the queue.
func New(c Config) *Signing {
	if c.Observe == nil {
		c.Observe = func(string) {}
	}
	s := &Signing{Config: c, db: c.DB}
	s.registerJobs()
	c.Post.OnFailed(raiseBounce)
	return s
}

// packageRow is a row of packages.
type packageRow struct {
	ID, OuterID, AccountID, OwnerID string
	Name, Description, EmailMessage string
	Language, Visibility, Type      string
	Status                          Status
	Trashed, Autocomplete           bool
	DueMs                           *int64
	Settings, Data                  string
	CreatedMs, UpdatedMs            int64
	SentMs, CompletedMs             *int64
	Declined                        *db.JSON[Refusal]
	SealAttempt                     int64
	EvidenceBlob                    *string
	Kept                            string
	EndedMs                         *int64
	FoldedName, FoldedText          string // for searches and lists
}

// roleRow is a row of roles.
type roleRow struct {
	ID, PackageID, OuterID               string
	Position                             int
	Name                                 string
	Kind                                 RoleKind
	Sequence                             int
	Reassign                             bool
	EmailMessage, Data                   string
	SignerID, Email, FirstName, LastName string
	Title, Company, Phone, Language      string
	UserID, GroupID                      *string
	State                                string
	InvitedMs                            *int64
	Holder                               *string
	Epoch                                int64
	Stage                                Stage
	TakenMs, ExpiresMs                   int64
	ConsentBy                            *string
	ConsentMs                            *int64
	SignedBy                             *string
	SignedMs                             *int64
	AskedMs                              *int64 // when a mail last asked the group at its own address
	Reminders                            int    // how many of them were reminders
	Locked                               bool
	Fails                                int
	Kept                                 string
	NotifiedMs                           *int64
	LastHolder                           string // who held last, or holds
	RowMs, FreedMs                       int64  // since when he holds in a row; when his last lease ended, while none runs
	IdleLapses                           int    // of his in a row, while others waited
	BrokenHolder, BrokenBy, BrokenReason string // whose lease was broken, by whom and why
	BrokenEpoch, BrokenMs                int64
}

// The states of a role.
const (
	viewer       = "viewer" // the owner who signs nothing
	open         = "open"
	signed       = "signed"
	declinedRole = "declined"
)

// ofAccount finds a package of the principal's account; anybody else's does not exist, nor one that only its owner
// sees, nor for a signer's session any but its own.
func ofAccount(tx *db.Tx, p authz.Principal, outerID string) (packageRow, error) {
	row, err := db.One[packageRow](tx, `select * from packages where outer_id = $1 and account_id = $2`, outerID, p.Account)
	if err == nil && (!p.Reaches(row.ID) || p.Kind != authz.Signer && row.Visibility == BySender && row.OwnerID != p.User) {
		err = db.ErrNone
	}
	if err == nil && p.Kind == authz.Signer {
		return row, sessionFollows(tx, p)
	}
	return row, orUnknown(err, "package", outerID)
}

// orUnknown turns the absence of a row into a refusal.
func orUnknown(err error, what, id string) error {
	if err == db.ErrNone {
		return errs.New(errs.NotFound, what+".unknown", "There is no %s %q.", what, clip(id, 64)).With("id", clip(id, 64))
	}
	return err
}

// clip keeps what a client sent out of long error texts.
func clip(s string, max int) string {
	if len(s) > max {
		return strings.ToValidUTF8(s[:max], "") + "…" // PostgreSQL takes no half characters
	}
	return s
}

func rolesOf(tx *db.Tx, pkg string) ([]roleRow, error) {
	return db.All[roleRow](tx, `select * from roles where package_id = $1 order by position`, pkg)
}

// lockOpen locks a package that is being signed and refuses any other. Acts that
// decide on several rows begin with it, so that two of them see each other.
func lockOpen(tx *db.Tx, pkg string) error {
	// Locked whatever its state is: some acts go on after the refusal and tell what happened, and it may be sent meanwhile.
	open, err := db.All[int](tx, `update packages set updated_ms = case when status = 'SENT' and not trashed then clock_ms() else updated_ms end
		where id = $1 returning case when status = 'SENT' and not trashed then 1 else 0 end`, pkg)
	if err != nil {
		return err
	}
	if len(open) == 0 || open[0] == 0 {
		return errs.New(errs.Conflict, "package.closed", "This package is no longer being signed.")
	}
	return nil
}

// by is the caller as the audit log names him: a client with the name and the shown address of the user it acts as.
func by(tx *db.Tx, p authz.Principal) audit.Actor {
	a := audit.By(p)
	if p.Kind == authz.Staff {
		if who, err := directory.StaffByID(tx, p.By); err == nil {
			a.Name, a.Email = who.Name, who.Email
		}
		return a
	}
	if u, err := directory.UserByID(tx, p.User); err == nil {
		a.Name, a.Email = u.Name(), u.ShownEmail()
	}
	return a
}

// instant is the time of a column that may be null.
func instant(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return db.Time(*ms)
}

// write and read are the room's transactions.
func (s *Signing) write(ctx context.Context, act func(*db.Tx) error) error {
	return s.db.Write(ctx, act)
}
func (s *Signing) read(ctx context.Context, look func(*db.Tx) error) error {
	return s.db.Read(ctx, look)
}
