package access

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
)

// The events of a grant.
const (
	Given = "grant.given"
	Ended = "grant.ended"
)

// GrantEvent is that a grant was given or ended.
type GrantEvent struct {
	Event string // Given or Ended
	At    time.Time
	By    Giver
	Grant Grant // as it is now
}

// HistoryFilter selects events; what is zero selects all.
type HistoryFilter struct {
	Holder   Holder
	From, To time.Time // From <= At < To
}

// History tells who gave and ended what, the newest first, at most 1000 at once (Page.Limit 0 is 100), and the cursor of
// the next page, "" at the end. Denied "right.missing"; NotFound "user.unknown", "group.unknown"; Invalid "cursor.unknown".
func (a *Access) History(ctx context.Context, p authz.Principal, f HistoryFilter, page Page) (list []GrantEvent, next string, err error) {
	if err = mayOne(p, authz.ReadAccess); err != nil {
		return nil, "", err
	}
	before, err := momentOf(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		id, err := holderID(tx, p.Account, f.Holder)
		if err != nil {
			return err
		}
		limit := page.limit()
		events, err := eventsBefore(tx, p.Account, id, f, before, limit+1)
		if err != nil {
			return err
		}
		if len(events) > limit {
			events = events[:limit]
			next = events[limit-1].cursor()
		}
		list, err = eventsInWords(tx, p.Account, events)
		return err
	})
	return list, next, err
}

// moment is the place of an event in the history: time, grant, and of one grant the end after the beginning.
type moment struct {
	at    int64
	id    string
	ended bool
}

// lastMoment is after all events.
var lastMoment = moment{at: 1 << 60}

func (m moment) cursor() string {
	kind := "g"
	if m.ended {
		kind = "e"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(m.at, 36) + "." + kind + "." + m.id))
}

// momentOf reads a cursor. Invalid "cursor.unknown".
func momentOf(cursor string) (moment, error) {
	if cursor == "" {
		return lastMoment, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	parts := strings.Split(string(text), ".")
	if err != nil || len(parts) != 3 || !storable(parts[2]) {
		return moment{}, unknownCursor()
	}
	at, err := strconv.ParseInt(parts[0], 36, 64)
	if err != nil || parts[1] != "g" && parts[1] != "e" {
		return moment{}, unknownCursor()
	}
	return moment{at, parts[2], parts[1] == "e"}, nil
}

func (m moment) compare(n moment) int {
	kind := func(m moment) int {
		if m.ended {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(m.at, n.at), cmp.Compare(m.id, n.id), cmp.Compare(kind(m), kind(n)))
}

// event is a row as one of its two events.
type event struct {
	moment
	row *grantRow
}

// eventsBefore are the newest events before a moment, the newest first: beginnings and ends, each by its own index.
func eventsBefore(tx *db.Tx, account, holder string, f HistoryFilter, before moment, limit int) ([]event, error) {
	to := int64(1 << 60)
	if !f.To.IsZero() {
		to = f.To.UnixMilli()
	}
	from := int64(0)
	if !f.From.IsZero() {
		from = f.From.UnixMilli()
	}
	var events []event
	for _, ended := range []bool{false, true} {
		column, where := "granted_ms", ""
		if ended {
			column, where = "ended_ms", " and ended_ms is not null"
		}
		// Of the moment's own grant the beginning may still come when the end was told.
		rows, err := db.All[grantRow](tx, `select `+grantColumns+` from grants where account_id = $1 and ($2 = '' or holder_id = $2)
			and `+column+` >= $3 and `+column+` < $4 and (`+column+` < $5 or `+column+` = $5 and id <= $6)`+where+`
			order by `+column+` desc, id desc limit `+strconv.Itoa(limit+1), account, holder, from, to, before.at, before.id)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			e := event{moment{rows[i].GrantedMs, rows[i].ID, ended}, &rows[i]}
			if ended {
				e.at = *rows[i].EndedMs
			}
			if e.compare(before) < 0 {
				events = append(events, e)
			}
		}
	}
	slices.SortFunc(events, func(a, b event) int { return b.compare(a.moment) })
	return events[:min(limit, len(events))], nil
}

func eventsInWords(tx *db.Tx, account string, events []event) (list []GrantEvent, err error) {
	b, err := readBook(tx, account)
	if err != nil {
		return nil, err
	}
	names := newPeople(tx, account)
	for _, e := range events {
		g, err := names.grant(b, e.row)
		if err != nil {
			return nil, err
		}
		told := GrantEvent{Event: Given, At: db.Time(e.at), By: g.By, Grant: g}
		if e.ended {
			told.Event, told.By = Ended, g.EndedBy
		}
		list = append(list, told)
	}
	return list, nil
}
