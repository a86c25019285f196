package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strconv"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// What can be imported.
const (
	Permissions = "permissions"
	Presets     = "presets"
	Licences    = "licences"
	Entities    = "entities"
	Grants      = "grants"
)

const (
	maxImport   = 10 << 20 // bytes
	maxLines    = 100_000
	maxProblems = 100
)

// ImportReport is what an import did, or what kept it from doing anything.
type ImportReport struct {
	Lines     int // of data
	New       int
	Changed   int
	Unchanged int
	Problems  []Problem // at most 100; with any of them nothing was changed
	More      int       // problems beyond those
}

// Problem is what is wrong with a line.
type Problem struct {
	Line     int    // of the file, counted from 1; the heading is 1
	Column   string // "" is the whole line
	Sentence string
}

func (r *ImportReport) problem(line int, column, sentence string) {
	if len(r.Problems) == maxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, Problem{line, column, sentence})
}

func (r *ImportReport) did(o outcome) {
	switch o {
	case created:
		r.New++
	case changed:
		r.Changed++
	default:
		r.Unchanged++
	}
}

// refused is the error of a report with problems.
func (r *ImportReport) refused() error {
	n := len(r.Problems) + r.More
	if n == 0 {
		return nil
	}
	lines := strconv.Itoa(n) + " lines are"
	if n == 1 {
		lines = "1 line is"
	}
	first := r.Problems[0]
	return errs.New(errs.Invalid, "import.refused", "Nothing was imported: %s wrong. Line %d: %s", lines, first.Line, first.Sentence)
}

// importer reads one kind of file: its columns, and what to do with each line.
type importer struct {
	columns []column
	line    func(*importing, csvLine) (outcome, error)
}

var importers = map[string]importer{
	Permissions: {permissionColumns, (*importing).permission},
	Presets:     {presetColumns, (*importing).preset},
	Licences:    {licenceColumns, (*importing).licence},
	Entities:    {entityColumns, (*importing).entity},
	Grants:      {grantColumnsOf, (*importing).grant},
}

// importing is an import under way.
type importing struct {
	*powers
	tx       *db.Tx
	p        authz.Principal
	at       *places
	entities *entityMap
	licences []directory.Licence
	holders  map[Holder]*bulk
	seen     map[string]int // what lines were about, to the line
}

// Import reads a CSV file into the account, all of it or, when a line is wrong, nothing. Reading it again changes nothing.
// docs/access.md has the columns. It is one audit event, "access.imported", whose grants the history tells one by one.
//
// Denied "right.missing", "user.inactive"; Invalid "import.what", "import.malformed", "import.refused" (see Problems); TooLarge
// "import.too_large" (10 MB, 100,000 lines).
func (a *Access) Import(ctx context.Context, p authz.Principal, what string, file io.Reader) (report ImportReport, err error) {
	if err = mayOne(p, authz.ManageUsers); err != nil {
		return report, err
	}
	kind, ok := importers[what]
	if !ok {
		return report, errs.New(errs.Invalid, "import.what", "There is no import of %q.", what)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxImport+1))
	if err != nil {
		return report, err
	}
	if len(text) > maxImport {
		return report, errs.New(errs.TooLarge, "import.too_large", "A file has at most 10 MB.")
	}
	records, err := readRecords(text, kind.columns)
	if err != nil {
		return report, err
	}
	hash := sha256.Sum256(text)
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		report = ImportReport{Lines: len(records)}
		w, err := managing(tx, p)
		if err != nil {
			return err
		}
		in := &importing{powers: w, tx: tx, p: p, at: &places{tx: tx, account: p.Account}, holders: map[Holder]*bulk{}, seen: map[string]int{}}
		w.quiet = true
		if err = in.all(records, kind, &report); err != nil || report.New+report.Changed == 0 {
			return err
		}
		detail := map[string]string{"what": what, "sha256": hex.EncodeToString(hash[:]), "lines": strconv.Itoa(report.Lines),
			"new": strconv.Itoa(report.New), "changed": strconv.Itoa(report.Changed)}
		if err = record(tx, p, w.actor, "access.imported", detail, nil); err != nil {
			return err
		}
		return directory.Touch(tx, p.Account)
	})
	return report, err
}

// all reads the lines. A refusal of one is a problem of the report, and any problem undoes everything.
func (in *importing) all(records []csvLine, kind importer, report *ImportReport) error {
	for _, r := range records {
		done, err := kind.line(in, r)
		if refusal, ok := errors.AsType[*errs.Error](err); ok && refusal.Kind != errs.Fault {
			report.problem(r.line, refusal.Field, refusal.Detail)
			continue
		}
		if err != nil {
			return err
		}
		report.did(done)
	}
	return report.refused()
}

// once refuses (Invalid "import.twice") a line about what a line before was about.
func (in *importing) once(r csvLine, key string) error {
	if line, twice := in.seen[key]; twice {
		return errs.New(errs.Invalid, "import.twice", "Line %d is about the same.", line)
	}
	in.seen[key] = r.line
	return nil
}
