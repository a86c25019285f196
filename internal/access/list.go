package access

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// Filter selects users; what is zero selects all, of Status the active ones.
type Filter struct {
	Status          string // "active" (also empty), "inactive", "all"
	Licence         string
	UserID          string // sender id
	Email           string
	Permission      string // name of a permission or preset as Entry shows it
	LastLoginBefore time.Time
	Search          string
}

// Entry is a user of the access list.
type Entry struct {
	directory.Listed
	// Permissions are the names of the presets and permissions he holds, derived ones included, in order, each once. Not to be changed.
	Permissions []string
}

// ListHead is what is known before the first entry.
type ListHead struct {
	Total   int64 // how many users the filter selects, on all pages
	Version int64 // of the account's directory
}

// List tells who holds what, all on one snapshot and in constant memory: first head, once, then each entry in the order in
// which users were made. An error of either ends it and is returned. next is the cursor of the page after this one, "" when it is the last.
//
// Denied "right.missing"; Invalid "filter.status", "licence.unknown", "permission.unknown", "email.malformed", "cursor.unknown".
func (a *Access) List(ctx context.Context, p authz.Principal, f Filter, page Page, head func(ListHead) error,
	yield func(Entry) error) (next string, err error) {
	if err = mayOne(p, authz.ReadAccess); err != nil {
		return "", err
	}
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		l, err := newLister(tx, p.Account, f)
		if err != nil {
			return err
		}
		after, err := cursorOf(tx, p.Account, page.Cursor)
		if err != nil {
			return err
		}
		h, err := l.head()
		if err == nil {
			err = head(h)
		}
		if err != nil {
			return err
		}
		next, err = l.page(after, page.Limit, yield)
		return err
	})
	return next, err
}

// cursorOf is the internal id of the user a page ended with; cursors name users by what others may know. Invalid
// "cursor.unknown".
func cursorOf(tx *db.Tx, account, cursor string) (after string, err error) {
	if cursor == "" {
		return "", nil
	}
	sender, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", unknownCursor()
	}
	u, err := directory.UserBySender(tx, account, string(sender))
	if errs.KindOf(err) == errs.NotFound {
		err = unknownCursor()
	}
	return u.ID, err
}

// chunk is how many users are read at once: four statements for so many.
const chunk = 1000

// errEnough ends a list whose page is full.
var errEnough = errors.New("enough")

// lister tells what users hold. What it keeps grows with the groups and with what there is to hold, not with the users.
type lister struct {
	tx         *db.Tx
	book       *book
	filter     directory.ListedFilter
	permission string
	groups     map[string][]code   // what each group holds
	names      map[string][]string // of each combination that was seen
	codes      []code              // of the user in hand
	key        []byte              // likewise
	rows       []userGrant         // of the chunk in hand
}

// code is a thing as one number.
type code int64

func codeOf(t thing) code {
	if t.what == OfPreset {
		return code(t.number<<1 | 1)
	}
	return code(t.number << 1)
}

func (c code) thing() thing {
	if c&1 == 1 {
		return thing{OfPreset, int64(c >> 1)}
	}
	return thing{OfPermission, int64(c >> 1)}
}

// grantCode is a grant's thing in SQL.
const grantCode = `case what when 'preset' then 2 * number + 1 else 2 * number end as code`

type userGrant struct {
	HolderID string
	Code     code
}

// maxNames bounds the combinations that are kept.
const maxNames = 10_000

func newLister(tx *db.Tx, account string, f Filter) (*lister, error) {
	b, err := readBook(tx, account)
	if err != nil {
		return nil, err
	}
	if err = f.check(tx, b); err != nil {
		return nil, err
	}
	l := &lister{tx: tx, book: b, permission: f.Permission, groups: map[string][]code{}, names: map[string][]string{},
		filter: directory.ListedFilter{Status: cmp.Or(f.Status, "active"), Licence: f.Licence, SenderID: f.UserID, Email: f.Email,
			LastLoginBefore: f.LastLoginBefore, Search: f.Search}}
	for g, err := range db.Rows[userGrant](tx, `select holder_id, `+grantCode+` from grants
			where account_id = $1 and holder_kind = 'group' and ended_ms is null`, account) {
		if err != nil {
			return nil, err
		}
		l.groups[g.HolderID] = append(l.groups[g.HolderID], g.Code)
	}
	return l, nil
}

// check: Invalid "filter.status", "licence.unknown", "permission.unknown".
func (f *Filter) check(tx *db.Tx, b *book) error {
	if f.Status != "" && f.Status != "active" && f.Status != "inactive" && f.Status != "all" {
		return errs.New(errs.Invalid, "filter.status", "A status is active, inactive or all.").On("status")
	}
	if !storable(f.UserID) {
		f.UserID = "-" // nobody's
	}
	if err := knownLicence(tx, b.account, f.Licence); err != nil {
		return err
	}
	if f.Permission != "" && !b.knows(f.Permission) {
		return errs.New(errs.Invalid, "permission.unknown", "There is no permission or preset of that name.").On("permission")
	}
	return nil
}

// knows reports that a permission or a preset has this name, letter for letter.
func (b *book) knows(name string) bool {
	for _, what := range []string{OfPermission, OfPreset} {
		if n, ok := b.names[what][folded(name)]; ok && b.name(thing{what, n}) == name {
			return true
		}
	}
	return false
}

// head counts. By a permission users are told apart only by looking at each.
func (l *lister) head() (h ListHead, err error) {
	if h.Version, err = directory.Version(l.tx, l.book.account); err != nil {
		return h, err
	}
	if l.permission == "" {
		h.Total, err = directory.CountUsers(l.tx, l.book.account, l.filter)
		return h, err
	}
	err = l.each("", chunk, func(*Entry) error { h.Total++; return nil })
	return h, err
}

// page yields up to limit entries, 0 is all, and tells how to go on.
func (l *lister) page(after string, limit int, yield func(Entry) error) (next string, err error) {
	size := chunk
	if limit > 0 && l.permission == "" {
		size = min(chunk, limit+1)
	}
	told, last := 0, ""
	err = l.each(after, size, func(e *Entry) error {
		if limit > 0 && told == limit {
			next = base64.RawURLEncoding.EncodeToString([]byte(last))
			return errEnough
		}
		told, last = told+1, e.SenderID
		return yield(*e)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return next, err
}

// each yields the users that the filter selects, after one of them.
func (l *lister) each(after string, size int, yield func(*Entry) error) error {
	for {
		users, err := directory.ListUsersAfter(l.tx, l.book.account, l.filter, after, size)
		if err != nil || len(users) == 0 {
			return err
		}
		if err = l.eachOf(users, yield); err != nil || len(users) < size {
			return err
		}
		after = users[len(users)-1].ID
	}
}

// eachOf yields those of a chunk who hold what is asked for.
func (l *lister) eachOf(users []directory.Listed, yield func(*Entry) error) error {
	first, last := users[0].ID, users[len(users)-1].ID
	in, err := directory.MembershipsOfListed(l.tx, l.book.account, users)
	if err != nil {
		return err
	}
	if err = l.readGrants(users, first, last); err != nil {
		return err
	}
	at := 0
	for i := range users {
		from := at
		for at < len(l.rows) && l.rows[at].HolderID == users[i].ID {
			at++
		}
		e := Entry{Listed: users[i], Permissions: l.permissions(&users[i], l.rows[from:at], in[i])}
		if l.permission != "" {
			if _, found := slices.BinarySearch(e.Permissions, l.permission); !found {
				continue
			}
		}
		if err := yield(&e); err != nil {
			return err
		}
	}
	return nil
}

// readGrants reads the grants of the users of a chunk, in their order; others between them are passed over.
func (l *lister) readGrants(users []directory.Listed, first, last string) error {
	l.rows = l.rows[:0]
	i := 0
	for g, err := range db.Rows[userGrant](l.tx, `select holder_id, `+grantCode+` from grants where account_id = $1 and holder_kind = 'user'
			and holder_id between $2 and $3 and ended_ms is null order by holder_id`, l.book.account, first, last) {
		if err != nil {
			return err
		}
		for i < len(users) && users[i].ID < g.HolderID {
			i++
		}
		if i < len(users) && users[i].ID == g.HolderID {
			l.rows = append(l.rows, g)
		}
	}
	return nil
}

// permissions are the names of what a user holds; own are his grants.
func (l *lister) permissions(u *directory.Listed, own []userGrant, in []directory.Membership) []string {
	l.codes = l.codes[:0]
	s := standingOf(u.Type, u.UserType, u.Sender, u.PrivacyAdmin, in)
	for i := range roles {
		if roles[i].of(s) {
			l.codes = append(l.codes, codeOf(thing{OfPreset, roles[i].preset}))
		}
	}
	for i := range own {
		l.codes = append(l.codes, own[i].Code)
	}
	for _, m := range in {
		l.codes = append(l.codes, l.groups[m.Group]...)
	}
	slices.Sort(l.codes)
	l.codes = slices.Compact(l.codes)
	l.key = l.key[:0]
	for _, c := range l.codes {
		l.key = binary.LittleEndian.AppendUint64(l.key, uint64(c))
	}
	names, ok := l.names[string(l.key)]
	if !ok {
		names = []string{}
		for _, c := range l.codes {
			if name := l.book.name(c.thing()); name != "" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if len(l.names) == maxNames {
			clear(l.names)
		}
		l.names[string(l.key)] = names
	}
	return names
}

// Version is the number of the account's directory: as long as it stays, each list stays. Denied "right.missing".
func (a *Access) Version(ctx context.Context, p authz.Principal) (version int64, err error) {
	if err = mayOne(p, authz.ReadAccess); err != nil {
		return 0, err
	}
	err = a.db.Peek(ctx, func(tx *db.Tx) error {
		version, err = directory.Version(tx, p.Account)
		return err
	})
	return version, err
}

// Detail is one user with the reasons.
type Detail struct {
	Entry
	Held        []Held
	Sets        []SetHeld
	Memberships []directory.Membership
	Version     int64
}

// One tells what a user holds and why. Denied "right.missing"; NotFound "user.unknown".
func (a *Access) One(ctx context.Context, p authz.Principal, senderID string) (d Detail, err error) {
	if err = mayOne(p, authz.ReadAccess); err != nil {
		return Detail{}, err
	}
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		u, err := directory.UserBySender(tx, p.Account, senderID)
		if err != nil {
			return err
		}
		l, err := newLister(tx, p.Account, Filter{Status: "all", UserID: senderID})
		if err != nil {
			return err
		}
		if err = l.each("", 1, func(e *Entry) error { d.Entry = *e; return nil }); err != nil {
			return err
		}
		in, err := directory.MembershipsOf(tx, p.Account, u.ID, u.ID)
		if err != nil {
			return err
		}
		d.Memberships = in[u.ID]
		if d.Version, err = directory.Version(tx, p.Account); err == nil {
			d.Held, d.Sets, err = Effective(tx, u)
		}
		return err
	})
	return d, err
}
