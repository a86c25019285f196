package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Log is the room's door for those who read it.
type Log struct {
	db   *db.DB
	most int // events that a search looks at before it answers
}

// Open makes the door.
func Open(d *db.DB) *Log { return &Log{d, lookAtMost} }

// Filter selects events; what is empty selects nothing.
type Filter struct {
	From, Before time.Time
	Type         string // how it begins: "lease."
	Actor        string // internal id of the user or of the person of the console who acted, or through whom another did
	Package      string // internal id
	Refused      bool   // only what was refused
	Text         string // anywhere in it, whatever the case; or an event's short id
}

// How much a search looks at before it answers with what it has found.
const (
	maxFound   = 200
	lookAtMost = 20_000
	lookAtOnce = 500
)

// Listed is an event that was found.
type Listed struct {
	Record
	// Altered tells that its row is not what was appended. What it says then is not to be believed; its personal data is left out.
	Altered bool
}

// Found is a page of a search, the newest first.
type Found struct {
	Events []Listed
	// Next goes on behind the page; empty: there is nothing more.
	Next string
	// Back is how far back the search looked.
	Back time.Time
}

// Search lists events of the caller's account, for the operator without one those of no account, from the newest back,
// behind a page's Next, at most limit and 200. Beside account, package and time there are no indexes: after 20,000 events
// it answers with what it has, and Next goes on. Denied "right.missing"; Invalid "audit.cursor".
func (l *Log) Search(ctx context.Context, p authz.Principal, f Filter, after string, limit int) (out Found, err error) {
	if err := mayRead(p); err != nil {
		return out, err
	}
	at, err := parseMark(after)
	if err != nil {
		return out, err
	}
	if !f.Before.IsZero() {
		at = at.min(mark{f.Before.UnixMilli(), ""})
	}
	limit = max(1, min(limit, maxFound))
	want := f.matcher()
	for looked := 0; looked < l.most && len(out.Events) < limit; {
		rows, err := l.chunk(ctx, p.Account, f, at)
		if err != nil {
			return out, err
		}
		for _, r := range rows {
			looked, at = looked+1, mark{r.AtMs, r.ID}
			if !want(r) {
				continue
			}
			if out.Events = append(out.Events, r.listed()); len(out.Events) == limit {
				break
			}
		}
		if looked > 0 {
			out.Back = db.Time(at.ms)
		}
		if len(rows) < lookAtOnce && len(out.Events) < limit {
			return out, nil
		}
	}
	out.Next = at.text()
	return out, nil
}

// mayRead refuses who may not read the audit log of his account; one without an account is the operator's alone.
func mayRead(p authz.Principal) error {
	if p.Has(authz.Operate) {
		return nil
	}
	if p.Kind != authz.Member || p.Account == "" || p.Package != "" {
		return errs.New(errs.Denied, "right.missing", "the right %s is needed", authz.ReadAudit).With("right", string(authz.ReadAudit))
	}
	return p.Need(authz.ReadAudit)
}

type searchRow struct {
	ID        string
	AtMs      int64
	Seq       *int64
	Canonical []byte
	Salt      []byte
	Data      *string
}

const searchColumns = `e.id, e.at_ms, e.seq, e.canonical, p.salt, p.data from audit_events e left join audit_personal p on p.event_id = e.id`

// chunk reads events behind a mark.
func (l *Log) chunk(ctx context.Context, account string, f Filter, at mark) (rows []searchRow, err error) {
	from := int64(0)
	if !f.From.IsZero() {
		from = f.From.UnixMilli()
	}
	query, args := `select `+searchColumns+` where e.account = $1`, []any{account, at.ms, at.id, from}
	if f.Package != "" {
		query, args = query+` and e.package = $5 and e.package <> ''`, append(args, f.Package)
	}
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		rows, err = db.All[searchRow](tx, query+` and (e.at_ms, e.id) < ($2, $3) and e.at_ms >= $4 order by e.at_ms desc, e.id desc limit `+
			strconv.Itoa(lookAtOnce), args...)
		return err
	})
	return rows, err
}

// matcher tells the rows that a filter wants. The type's text in the canonical JSON is looked for first: it costs least.
func (f Filter) matcher() func(searchRow) bool {
	kind, text := []byte(`"type":"`+f.Type), strings.ToLower(strings.TrimSpace(f.Text))
	short := strings.ToUpper(text)
	return func(r searchRow) bool {
		if f.Type != "" && !bytes.Contains(r.Canonical, kind) {
			return false
		}
		if f.Type != "" || f.Actor != "" || f.Refused {
			var l leaf
			if json.Unmarshal(r.Canonical, &l) != nil {
				return true // it is altered: whoever searches is shown it
			}
			if !strings.HasPrefix(l.Type, f.Type) || f.Refused && !l.Refused || f.Actor != "" && l.Actor.User != f.Actor && l.Actor.Through != f.Actor {
				return false
			}
		}
		if text == "" || ShortID(r.ID) == short {
			return true
		}
		data := ""
		if r.Data != nil {
			data = *r.Data
		}
		return strings.Contains(strings.ToLower(string(r.Canonical)), text) || strings.Contains(strings.ToLower(data), text)
	}
}

// listed is the row as a list shows it.
func (r searchRow) listed() Listed {
	if rec, err := (row{r.ID, r.Canonical, r.Salt, r.Data}).record(); err == nil {
		return Listed{Record: rec, Altered: rec.At.UnixMilli() != r.AtMs}
	}
	var l leaf
	_ = json.Unmarshal(r.Canonical, &l) // what can be read of it
	rec := l.record(personal{})
	rec.ID, rec.At = r.ID, db.Time(r.AtMs)
	return Listed{Record: rec, Altered: true}
}

// Full is an event with all that can be checked of it.
type Full struct {
	Listed
	// Leaf is what enters the log, as canonical JSON (RFC 8785); Personal is what lies beside it, empty when it was erased.
	Leaf, Personal string
	// Salt, Committed and Computed are hexadecimal: the hash in the leaf, and the one of salt and personal data now.
	Salt, Committed, Computed string
	// Holds tells that both are the same. Of erased data there is nothing to compare.
	Holds bool
	// Seq is its index in the log; nil: it has none yet.
	Seq *int64
}

// Event is one event of the caller's account, for the operator of any. Denied "right.missing"; NotFound "event.unknown".
func (l *Log) Event(ctx context.Context, p authz.Principal, id string) (out Full, err error) {
	if err := mayRead(p); err != nil {
		return out, err
	}
	var r searchRow
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		r, err = db.One[searchRow](tx, `select `+searchColumns+` where e.id = $1 and e.account = $2`, id, p.Account)
		return err
	})
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.NotFound, "event.unknown", "There is no such event.")
	}
	if err != nil {
		return out, err
	}
	out = Full{Listed: r.listed(), Leaf: string(r.Canonical), Salt: hex.EncodeToString(r.Salt), Seq: r.Seq}
	var in leaf
	_ = json.Unmarshal(r.Canonical, &in)
	out.Committed = in.Personal
	if r.Data != nil {
		out.Personal, out.Computed = *r.Data, commitment(r.Salt, []byte(*r.Data))
		out.Holds = out.Computed == out.Committed
	}
	return out, nil
}

// Kinds are how the types of events begin, for those who choose one.
var Kinds = []string{"access.", "account.", "act.", "api_key.", "approval.", "attachment.", "callback.", "client.", "consent.", "console.", "device.",
	"document.", "domain.", "group.", "invitation.", "lease.", "link.", "mail.", "mailbox.", "package.", "partner.", "reminder.", "role.",
	"sender.", "session.", "signature.", "signer.", "staff.", "template.", "token.", "user."}

// mark is a place in the list of events: the last that was looked at.
type mark struct {
	ms int64
	id string
}

// parseMark undoes text; an empty text is before the newest.
func parseMark(text string) (mark, error) {
	if text == "" {
		return mark{math.MaxInt64, ""}, nil
	}
	ms, id, ok := strings.Cut(text, ".")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || id == "" || len(id) > 64 {
		return mark{}, errs.New(errs.Invalid, "audit.cursor", "This is no place in the list of events.").On("after")
	}
	return mark{n, id}, nil
}

func (m mark) text() string { return strconv.FormatInt(m.ms, 10) + "." + m.id }

// min is whichever lies further back.
func (m mark) min(o mark) mark {
	if o.ms < m.ms {
		return o
	}
	return m
}
