package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/evidence"
	"countersign.dev/internal/jobs"
	"countersign.dev/internal/mail"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
)

// The steps of the seal job, in order, as its observer is told them. A process
// that dies at any of them leaves a job that another one does again from the start.
const (
	StepClaimed   = "claimed"   // this attempt is the newest
	StepComposed  = "composed"  // stamps and evidence are on the page, the signature is not
	StepSealed    = "sealed"    // signed, in memory
	StepStored    = "stored"    // the bytes are durable under this attempt's key
	StepSummed    = "summed"    // the evidence summary is stored, too
	StepCommitted = "committed" // the package is completed
	StepTidied    = "tidied"    // what earlier attempts stored is gone
)

// SealSteps are all steps.
var SealSteps = []string{StepClaimed, StepComposed, StepSealed, StepStored, StepSummed, StepCommitted, StepTidied}

// sealFor is how long one attempt at a package may take.
const sealFor = 10 * time.Minute

func (s *Signing) registerJobs() {
	patient := jobs.Policy{Tries: 1000, First: time.Second, Max: 5 * time.Minute, Timeout: sealFor}
	s.Queue.Handle("seal", patient, s.seal)
	s.Queue.Handle("seal.tidy", patient, s.tidy)
	s.Queue.Handle("package.expire", patient, s.expire)
	s.Queue.Handle("lease.lapsed", patient, s.lookForLapse)
	s.Queue.Handle("reminder", patient, s.remind)
	s.Queue.Handle(directory.Joined, patient, s.inviteNewMember)
}

// seal stamps and seals every document of a package and completes it. It is
// idempotent: bytes are stored under the attempt's number, and the one
// transaction that completes the package refuses any attempt but the newest.
func (s *Signing) seal(ctx context.Context, payload []byte) error {
	var in sealJob
	if err := json.Unmarshal(payload, &in); err != nil {
		return jobs.Final(err)
	}
	c, err := s.claim(ctx, in.Package)
	if errors.Is(err, errNotSealable) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Observe(StepClaimed)
	if err := s.sealAll(ctx, c); err != nil {
		s.remove(context.WithoutCancel(ctx), c.keys()...)
		return err
	}
	won := false
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		won, err = s.finish(tx, c)
		return err
	})
	if err != nil {
		return err // the commit may have happened: the files stay
	}
	if !won { // the package may be gone, and with it whatever else would tidy
		s.remove(context.WithoutCancel(ctx), c.keys()...)
		return nil
	}
	s.Observe(StepCommitted)
	return nil
}

// sealAll makes and stores the files of an attempt.
func (s *Signing) sealAll(ctx context.Context, c *claimed) error {
	for i := range c.files {
		if err := s.sealDocument(ctx, c, i); err != nil {
			return fmt.Errorf("document %s: %w", c.files[i].row.ID, err)
		}
	}
	if err := s.sealSummary(ctx, c); err != nil {
		return fmt.Errorf("evidence summary: %w", err)
	}
	s.Observe(StepSummed)
	return nil
}

// claimed is one attempt at sealing one package.
type claimed struct {
	pkg        packageRow
	dossier    evidence.Dossier // its documents are in the order of files
	signatures []signatureRow
	stamps     map[string][]pdf.Overlay // by document
	files      []sealedFile
	summary    string // blob key
}

// keys are where an attempt stores. No other attempt uses them.
func (c *claimed) keys() []string {
	keys := []string{c.summary}
	for _, f := range c.files {
		keys = append(keys, f.key)
	}
	return keys
}

// sealedFile is one document of an attempt.
type sealedFile struct {
	row    documentRow
	key    string
	sha256 string
}

// claim begins an attempt: the package is signed by all and not completed.
func (s *Signing) claim(ctx context.Context, id string) (*claimed, error) {
	c := &claimed{}
	err := s.write(ctx, func(tx *db.Tx) (err error) {
		c.pkg, err = db.One[packageRow](tx, `update packages set seal_attempt = seal_attempt + 1
			where id = $1 and status = 'SENT' and not trashed
				and not exists (select 1 from roles r where r.package_id = packages.id and r.state = 'open') returning *`, id)
		if errors.Is(err, db.ErrNone) {
			return errNotSealable
		}
		if err != nil {
			return err
		}
		docs, err := db.All[documentRow](tx, `select * from documents where package_id = $1 order by position, id`, id)
		if err != nil {
			return err
		}
		c.files = nil
		for _, row := range docs {
			c.files = append(c.files, sealedFile{row: row, key: sealedKey(row.ID, c.pkg.SealAttempt)})
		}
		c.summary = sealedKey(c.pkg.ID+"/summary", c.pkg.SealAttempt)
		if c.signatures, err = signaturesOf(tx, c.pkg.ID); err != nil {
			return err
		}
		if c.dossier, err = s.dossier(tx, c.pkg, docs, c.signatures); err != nil {
			return err
		}
		c.stamps, err = s.stamps(tx, c.pkg, c.signatures)
		return err
	})
	return c, err
}

func sealedKey(of string, attempt int64) string { return fmt.Sprintf("sealed/%s/%d.pdf", of, attempt) }

// sealDocument stamps, signs and stores one document.
func (s *Signing) sealDocument(ctx context.Context, c *claimed, i int) error {
	f := &c.files[i]
	doc, err := s.Blobs.Get(ctx, f.row.ShownBlob)
	if err != nil {
		return err
	}
	job := pdf.Job{Doc: doc, Overlays: c.stamps[f.row.ID]}
	of := c.dossier.Of(f.row.ID) // who may see this document may not see another, nor hear of it
	sealed, err := s.sealed(ctx, c, job, of, &of.Documents[0])
	if err != nil {
		return err
	}
	sum := sha256.Sum256(sealed)
	f.sha256 = hex.EncodeToString(sum[:])
	if err := s.Blobs.Put(ctx, f.key, sealed); err != nil {
		return err
	}
	s.Observe(StepStored)
	return nil
}

// sealSummary makes the package's evidence a sealed document of its own.
func (s *Signing) sealSummary(ctx context.Context, c *claimed) error {
	sealed, err := s.sealed(ctx, c, pdf.Job{Title: "Evidence summary: " + c.pkg.Name}, c.dossier, nil)
	if err != nil {
		return err
	}
	return s.Blobs.Put(ctx, c.summary, sealed)
}

// sealed appends the evidence pages and signs.
func (s *Signing) sealed(ctx context.Context, c *claimed, job pdf.Job, d evidence.Dossier, of *evidence.Document) ([]byte, error) {
	job.Append = evidence.Pages(s.Jail, d, of)
	job.Attach = []pdf.Attachment{evidence.Attachment(d)}
	job.Container = &pdf.Container{Reserve: seal.Reserve, Name: s.Product, Reason: "Signed by all: " + c.pkg.OuterID,
		Time: c.dossier.Package.Completed, Certify: true}
	prepared, err := s.Jail.Compose(ctx, job)
	if err != nil {
		return nil, err
	}
	s.Observe(StepComposed)
	cms, err := s.Keys.Sign(prepared.Digest)
	if err != nil {
		return nil, err
	}
	file, err := prepared.Patch(cms)
	if err == nil {
		s.Observe(StepSealed)
	}
	return file, err
}

// finish is the transaction that makes an attempt the package's seal: files, status, mails, audit.
// It has not won when another attempt was faster, or the sender withdrew the package.
func (s *Signing) finish(tx *db.Tx, c *claimed) (won bool, err error) {
	done, err := db.One[packageRow](tx, `update packages set status = 'COMPLETED', completed_ms = clock_ms(), updated_ms = clock_ms(), evidence_blob = $3
		where id = $1 and seal_attempt = $2 and status = 'SENT' and not trashed returning *`, c.pkg.ID, c.pkg.SealAttempt, c.summary)
	if errors.Is(err, db.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	was := done
	was.Status = Sent
	if err := recount(tx, &was, &done); err != nil {
		return false, err
	}
	hashes := map[string]string{}
	for _, f := range c.files {
		if _, err := tx.Exec(`update documents set sealed_blob = $2, sealed_sha256 = $3 where id = $1`, f.row.ID, f.key, f.sha256); err != nil {
			return false, err
		}
		hashes["sha256 "+f.row.ID] = f.sha256
	}
	if _, err := record(tx, audit.Event{Type: "package.completed", Account: c.pkg.AccountID, Package: c.pkg.ID,
		Actor: audit.System, Detail: hashes}); err != nil {
		return false, err
	}
	if err := s.mailCompleted(tx, c); err != nil {
		return false, err
	}
	return true, jobs.Add(tx, "seal.tidy", c.pkg.ID, sealJob{c.pkg.ID}, 0)
}

// mailCompleted sends the sealed documents to the sender and to everybody who was asked, once each.
func (s *Signing) mailCompleted(tx *db.Tx, c *claimed) error {
	sender, err := directory.UserByID(tx, c.pkg.OwnerID)
	if err != nil {
		return err
	}
	send := func(to mail.Address, hidden map[string]bool, group, by, link string) error {
		return s.Post.Send(tx, mail.Message{To: to, Account: c.pkg.AccountID, Package: c.pkg.ID, Attachments: c.attachments(hidden),
			Key:  "completed " + c.pkg.ID + " " + to.Email,
			Data: mail.Completed{Person: to.Name, Package: c.pkg.Name, Sender: sender.Name(), Group: group, SignedBy: by, Link: link}})
	}
	followers, err := followersOf(tx, c.pkg.ID)
	if err != nil {
		return err
	}
	for _, who := range followers {
		hidden, err := hiddenFromAll(tx, c.pkg.ID, who.Email, followers)
		if err != nil {
			return err
		}
		link, err := s.newLink(tx, who.RoleID, &who.ID)
		if err != nil {
			return err
		}
		group, by := c.signedFor(who.RoleID)
		if err := send(mail.Address{Name: who.Name, Email: who.Email}, hidden, group, by, link); err != nil {
			return err
		}
	}
	return send(mail.Address{Name: sender.Name(), Email: sender.Email}, nil, "", "", "")
}

// attachments are the sealed files that somebody is mailed who does not see the hidden documents. The summary tells of all,
// so only he gets it from whom nothing is hidden.
func (c *claimed) attachments(hidden map[string]bool) []mail.Attachment {
	out := []mail.Attachment{}
	for _, f := range c.files {
		if !hidden[f.row.ID] {
			out = append(out, mail.Attachment{Name: pdfName(f.row.Name), MIME: "application/pdf", BlobKey: f.key})
		}
	}
	if len(hidden) == 0 {
		out = append(out, mail.Attachment{Name: "Evidence summary.pdf", MIME: "application/pdf", BlobKey: c.summary})
	}
	return out
}

// hiddenFromAll are the documents that none of a person's roles sees: he gets one mail for them all.
func hiddenFromAll(tx *db.Tx, pkg, email string, followers []inviteeRow) (hidden map[string]bool, err error) {
	for _, who := range followers {
		if who.Email != email {
			continue
		}
		his, err := hiddenFrom(tx, pkg, who.RoleID)
		if err != nil {
			return nil, err
		}
		if hidden == nil {
			hidden = his
			continue
		}
		maps.DeleteFunc(hidden, func(doc string, _ bool) bool { return !his[doc] })
	}
	return hidden, nil
}

// signedFor is the group of a role and who signed for it.
func (c *claimed) signedFor(role string) (group, by string) {
	for _, sig := range c.signatures {
		if sig.RoleID == role && sig.GroupName != "" {
			return sig.GroupName, sig.Name
		}
	}
	return "", ""
}

// tidy removes what attempts stored that did not become the seal.
func (s *Signing) tidy(ctx context.Context, payload []byte) error {
	var in sealJob
	if err := json.Unmarshal(payload, &in); err != nil {
		return jobs.Final(err)
	}
	keep, attempts, err := s.keptKeys(ctx, in.Package)
	if err != nil {
		return err
	}
	for of, kept := range keep {
		for n := int64(1); n <= attempts; n++ {
			if key := sealedKey(of, n); key != kept {
				if err := s.Blobs.Delete(ctx, key); err != nil {
					return err
				}
			}
		}
	}
	s.Observe(StepTidied)
	return nil
}

// keptKeys are the keys to keep, by what they hold, and the number of attempts so far.
func (s *Signing) keptKeys(ctx context.Context, id string) (keep map[string]string, attempts int64, err error) {
	keep = map[string]string{}
	err = s.read(ctx, func(tx *db.Tx) error {
		pkg, err := db.One[packageRow](tx, `select * from packages where id = $1`, id)
		if errors.Is(err, db.ErrNone) || err == nil && pkg.Status == Sent {
			return nil // an attempt may be running, or come when the package is taken out of the trash
		}
		if err != nil {
			return err
		}
		attempts = pkg.SealAttempt
		keep[pkg.ID+"/summary"] = deref(pkg.EvidenceBlob)
		docs, err := db.All[documentRow](tx, `select * from documents where package_id = $1`, id)
		for _, d := range docs {
			keep[d.ID] = deref(d.SealedBlob)
		}
		return err
	})
	return keep, attempts, err
}
