package congasign

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// window reads from and to, which count from 1 and are inclusive; 0 is not
// given. Invalid "query.range".
func window(r *api.Request) (from, to int, err error) {
	for name, n := range map[string]*int{"from": &from, "to": &to} {
		text := r.Query(name)
		if text == "" {
			continue
		}
		if *n, err = strconv.Atoi(text); err != nil || *n < 1 {
			return 0, 0, badRange()
		}
	}
	if from != 0 && to != 0 && to < from {
		return 0, 0, badRange()
	}
	return from, to, nil
}

func badRange() error {
	return errs.New(errs.Invalid, "query.range", "from and to are numbers from 1, and to is not before from.").On("from")
}

// badQuery refuses a value of a query parameter that has no meaning.
func badQuery(name string) error {
	return errs.New(errs.Invalid, "query.value", "The value of the parameter %s is not known.", name).On(name)
}

// defaultPage is how many packages a list gives when no range is asked for, maxPage the most it ever gives.
const (
	defaultPage = 10
	maxPage     = 100
)

// packageQuery reads what a list of packages is asked for. What is not known is refused: a client that misspells its
// question does not get everything for an answer.
func packageQuery(r *api.Request) (q signing.Query, err error) {
	from, to, err := window(r)
	if err != nil {
		return q, err
	}
	from = max(from, 1)
	q = signing.Query{Search: r.Query("search"), Owner: r.Query("ownerUserId"), OwnerEmail: r.Query("ownerEmail"),
		First: from - 1, Limit: defaultPage, Bare: strings.EqualFold(r.Query("fields"), "id")}
	if to != 0 {
		q.Limit = min(to-from+1, maxPage)
	}
	for name, set := range map[string]struct {
		to    *string
		known []string
	}{
		"type":       {&q.Type, []string{signing.Transaction, signing.Template}},
		"visibility": {&q.Visibility, []string{signing.ByAccount, signing.BySender}},
		"searchtype": {&q.SearchIn, []string{"name", "description"}},
		"sort":       {&q.Sort, []string{signing.ByCreated, signing.ByUpdated, signing.ByName, signing.ByDue, signing.ByStatus}},
		"dir":        {new(string), []string{"asc", "desc"}},
		"fields":     {new(string), []string{"id"}},
	} {
		if *set.to, err = oneOf(r, name, set.known...); err != nil {
			return q, err
		}
	}
	q.Oldest = strings.EqualFold(r.Query("dir"), "asc")
	if err := choose(&q, r.Query("query"), r.Query("predefined")); err != nil {
		return q, err
	}
	return q, times(r, &q)
}

// oneOf is the value of a parameter as we write it, in whatever letter case it came; "" when it was not sent.
func oneOf(r *api.Request, name string, known ...string) (string, error) {
	value := r.Query(name)
	if value == "" {
		return "", nil
	}
	i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, value) })
	if i < 0 {
		return "", badQuery(name)
	}
	return known[i], nil
}

// times reads the bounds of when packages were made and last changed. They are inclusive: a date is the whole day, a
// time the whole second.
func times(r *api.Request, q *signing.Query) error {
	for name, bound := range map[string]struct {
		at  *time.Time
		end bool
	}{
		"startDate": {&q.CreatedFrom, false}, "endDate": {&q.CreatedBefore, true},
		"lastUpdatedStartDate": {&q.UpdatedFrom, false}, "lastUpdatedEndDate": {&q.UpdatedBefore, true},
	} {
		t, err := moment(r, name, bound.end)
		if err != nil {
			return err
		}
		*bound.at = t
	}
	return nil
}

// moment is a date or time of the query, or the first moment after it.
func moment(r *api.Request, name string, end bool) (time.Time, error) {
	text := r.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := parseDate(text)
	if err != nil {
		return t, badQuery(name)
	}
	switch {
	case !end:
	case len(text) == len(time.DateOnly):
		t = t.AddDate(0, 0, 1)
	default:
		t = t.Add(time.Second)
	}
	return t, nil
}

// selection is what one word of query or predefined selects.
type selection struct {
	status   signing.Status // "" is every one
	trashed  bool
	inbox    bool
	expiring bool
}

// The words of query are those the vendor documents and the names of states, which its libraries send.
var (
	queries = map[string]selection{
		"inbox": {inbox: true}, "trashed": {trashed: true}, "drafts": {status: signing.Draft}, "draft": {status: signing.Draft},
		"sent": {status: signing.Sent}, "completed": {status: signing.Completed}, "archived": {status: signing.Archived},
		"declined": {status: signing.Declined}, "opted_out": {status: signing.OptedOut}, "expired": {status: signing.Expired},
	}
	predefined = map[string]selection{
		"all": {}, "awaitingsignature": {status: signing.Sent}, "sent": {status: signing.Sent},
		"completed": {status: signing.Completed}, "expiringsoon": {expiring: true},
	}
)

// choose adds what query and predefined select; both together select what both do.
func choose(q *signing.Query, query, preset string) error {
	for _, word := range []struct {
		name, value string
		known       map[string]selection
	}{{"query", query, queries}, {"predefined", preset, predefined}} {
		if word.value == "" {
			continue
		}
		s, ok := word.known[strings.ToLower(word.value)]
		if !ok {
			return badQuery(word.name)
		}
		q.Inbox, q.Expiring = q.Inbox || s.inbox, q.Expiring || s.expiring
		if s.trashed {
			q.Trashed = &s.trashed
		}
		switch {
		case s.status == "":
		case len(q.Status) > 0 && q.Status[0] != s.status:
			q.None = true
		default:
			q.Status = []signing.Status{s.status}
		}
	}
	return nil
}
