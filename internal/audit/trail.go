package audit

import (
	"encoding/json"
	"fmt"
	"iter"

	"countersign.dev/internal/db"
)

type row struct {
	ID        string
	Canonical []byte
	Salt      []byte
	Data      *string
}

// OfPackage streams the events of a package, oldest first, and ends with an error
// if a row is not what was appended. The Tx can run no other statement until the
// loop ends. pkg is an internal id; whether the caller may see it is the caller's
// business.
func OfPackage(tx *db.Tx, pkg string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		rows := db.Rows[row](tx, `select e.id, e.canonical, p.salt, p.data
			from audit_events e left join audit_personal p on p.event_id = e.id
			where e.package = $1 and e.package <> '' order by e.at_ms, e.id`, pkg)
		for row, err := range rows {
			var r Record
			if err == nil {
				r, err = row.record()
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// record decodes a row and holds the personal data against the hash in the event.
func (w row) record() (Record, error) {
	var l leaf
	if err := json.Unmarshal(w.Canonical, &l); err != nil {
		return Record{}, fmt.Errorf("audit event %s: %w", w.ID, err)
	}
	if l.ID != w.ID {
		return Record{}, fmt.Errorf("audit event %s holds event %s", w.ID, l.ID)
	}
	if w.Data == nil {
		r := l.record(personal{})
		r.Erased = true
		return r, nil
	}
	if commitment(w.Salt, []byte(*w.Data)) != l.Personal {
		return Record{}, fmt.Errorf("audit event %s: its personal data was altered", w.ID)
	}
	var p personal
	if err := json.Unmarshal([]byte(*w.Data), &p); err != nil {
		return Record{}, fmt.Errorf("audit event %s: %w", w.ID, err)
	}
	return l.record(p), nil
}
