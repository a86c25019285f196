package signing_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// john is a person who signs.
func john(id string) signing.NewRole {
	return signing.NewRole{OuterID: id, Name: "Role " + id, Signer: signing.NewSigner{Email: id + "@example.org", FirstName: "John", LastName: "Smith"}}
}

func (w *world) draft(roles ...signing.NewRole) string {
	w.t.Helper()
	id, err := w.signing.Create(w.t.Context(), w.client, w.pack(false, roles...))
	check(w.t, err)
	return id
}

func (w *world) move(id string, to signing.Status) error {
	return w.signing.Update(w.t.Context(), w.client, id, signing.Change{Status: to, DeclineRole: "r1", DeclineReason: "no"})
}

func (w *world) stands(id string) string {
	w.t.Helper()
	p, err := w.signing.Get(w.t.Context(), w.client, id)
	check(w.t, err)
	if p.Trashed {
		return string(p.Status) + " trashed"
	}
	return string(p.Status)
}

// other is a user of the same account, as a principal.
func (w *world) other() authz.Principal {
	w.t.Helper()
	u, _, err := w.dir.InviteSender(w.t.Context(), w.client, directory.NewUser{Email: "other@example.com", FirstName: "Olga", LastName: "Other"})
	check(w.t, err)
	p := w.client
	p.User = u.ID
	return p
}

// miscounted compares the counters with what there is.
func (w *world) miscounted() int {
	return w.count(`select count(*) from (
		select account_id, scope, type, status, trashed, sum(n) as n from package_counts group by account_id, scope, type, status, trashed
		having sum(n) <> 0
		except
		select account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed, count(*) from packages
			group by account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed) d`) +
		w.count(`select count(*) from (
		select account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed, count(*) as n from packages
			group by account_id, case when visibility = 'SENDER' then owner_id else '' end, type, status, trashed
		except
		select account_id, scope, type, status, trashed, sum(n) from package_counts group by account_id, scope, type, status, trashed) d`)
}

// The counters tell what a count of the rows tells, after any history.
func TestCountersAfterRandomHistories(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		var ids []string
		visibilities, refused, done := []string{"ACCOUNT", "SENDER"}, 0, 0
		r := rand.New(rand.NewPCG(14, uint64(time.Now().UnixNano())))
		yes, no := true, false
		for range dbtest.Rounds(120, 1200) {
			var err error
			if len(ids) == 0 || r.IntN(6) == 0 {
				in := w.pack(r.IntN(2) == 0, john("r1"))
				in.Visibility, in.Type = visibilities[r.IntN(2)], []string{"PACKAGE", "PACKAGE", "TEMPLATE"}[r.IntN(3)]
				in.Send = in.Send && in.Type == "PACKAGE"
				in.Due = time.Now().Add(time.Hour)
				var id string
				if id, err = w.signing.Create(t.Context(), w.client, in); err == nil {
					ids = append(ids, id)
				}
			} else {
				i := r.IntN(len(ids))
				switch id := ids[i]; r.IntN(9) {
				case 0:
					err = w.signing.Update(t.Context(), w.client, id, signing.Change{Trashed: &yes})
				case 1, 2:
					err = w.signing.Update(t.Context(), w.client, id, signing.Change{Trashed: &no})
				case 3:
					err = w.signing.Update(t.Context(), w.client, id, signing.Change{Visibility: &visibilities[r.IntN(2)]})
				case 4:
					err = w.signing.Delete(t.Context(), w.client, id)
					ids = append(ids[:i], ids[i+1:]...)
				case 5:
					var copied string
					if copied, err = w.signing.Clone(t.Context(), w.client, id, signing.NewPackage{}); err == nil {
						ids = append(ids, copied)
					}
				case 6:
					if w.stands(id) == "SENT" {
						err = w.signIfOpen("r1@example.org")
						w.settle()
					}
				default:
					to := []signing.Status{"SENT", "SENT", "DRAFT", "COMPLETED", "ARCHIVED", "DECLINED", "OPTED_OUT"}[r.IntN(7)]
					err = w.move(id, to)
				}
			}
			if err != nil {
				if errs.KindOf(err) == errs.Fault {
					t.Fatal(err)
				}
				refused++
			} else {
				done++
			}
		}
		d.Shift(2 * time.Hour)
		w.settle()
		if n := w.count(`select count(*) from packages where status = 'SENT'`); n != 0 {
			t.Errorf("%d packages are still being signed after their time", n)
		}
		if n := w.miscounted(); n != 0 {
			t.Errorf("%d counters are wrong", n)
		}
		t.Logf("%d acts, %d refused, %d packages left, %d kinds", done, refused, len(ids), w.count(`select count(distinct status) from packages`))
	})
}

// signIfOpen signs what the newest link of an address leads to, which may have ended.
func (w *world) signIfOpen(email string) error {
	v, err := w.signing.Enter(w.t.Context(), w.token(email), "", "")
	if err != nil {
		return err
	}
	lease, err := w.signing.Take(w.t.Context(), v)
	if err != nil {
		return err
	}
	if err := w.signing.Consent(w.t.Context(), v, lease.Epoch); err != nil {
		return err
	}
	return w.signing.Sign(w.t.Context(), v, signing.Submission{Epoch: lease.Epoch})
}

func TestListSelects(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		olga := w.other()
		olgaUser, err := w.dir.GetSender(t.Context(), w.client, w.senderOf(olga.User))
		check(t, err)
		names := map[string]string{}
		make := func(name string, by authz.Principal, change func(*signing.NewPackage)) string {
			in := w.pack(false, john("r1"))
			in.Name, in.Documents = name, nil
			change(&in)
			id, err := w.signing.Create(t.Context(), by, in)
			check(t, err)
			names[id] = name
			d.Shift(time.Second)
			return id
		}
		make("Ébène", w.client, func(p *signing.NewPackage) { p.Description = "ZWÖLF" })
		b := make("beta", w.client, func(p *signing.NewPackage) { p.Due = time.Now().Add(240 * time.Hour) })
		make("Alpha", olga, func(p *signing.NewPackage) { p.Due = time.Now().Add(24 * time.Hour) })
		make("hidden", olga, func(p *signing.NewPackage) { p.Visibility = "SENDER" })
		make("Form", w.client, func(p *signing.NewPackage) { p.Type = "TEMPLATE" })
		mine := make("asked", w.client, func(p *signing.NewPackage) {
			*p = w.pack(true, signing.NewRole{OuterID: "r1", Signer: signing.NewSigner{Email: "other@example.com", FirstName: "Olga", LastName: "Other"}})
			p.Name = "asked"
			p.Due = time.Now().Add(48 * time.Hour)
		})
		yes := true
		check(t, w.signing.Update(t.Context(), w.client, make("gone", w.client, func(*signing.NewPackage) {}), signing.Change{Trashed: &yes}))
		check(t, w.signing.Update(t.Context(), w.client, b, signing.Change{Description: new(string), EmailMessage: &[]string{"x"}[0]}))
		middle := time.UnixMilli(int64(w.count(`select created_ms from packages where outer_id = $1`, b)))
		for want, q := range map[string]signing.Query{
			"asked Alpha beta Ébène":        {},
			"Ébène beta Alpha asked":        {Oldest: true},
			"Alpha asked beta Ébène":        {Sort: signing.ByName, Oldest: true},
			"beta asked Alpha Ébène":        {Sort: signing.ByUpdated},
			"Alpha asked beta  Ébène":       {Sort: signing.ByDue, Oldest: true},
			"asked Alpha beta Ébène status": {Sort: signing.ByStatus},
			"beta Alpha ":                   {First: 1, Limit: 2, Oldest: true},
			"Ébène  ":                       {First: 3, Limit: 2},
			"Form":                          {Type: signing.Template},
			"gone":                          {Trashed: &yes},
			"Alpha beta Ébène drafts":       {Status: []signing.Status{signing.Draft}},
			"asked ":                        {Expiring: true},
			"Ébène":                         {Search: "ÉBÈNE"},
			"Ébène text":                    {Search: "zwölf"},
			" name":                         {Search: "zwölf", SearchIn: "name"},
			"Alpha":                         {Owner: olgaUser.SenderID},
			"Alpha mail":                    {OwnerEmail: "OTHER@example.com"},
			" nobody":                       {OwnerEmail: "nobody@example.com"},
			" stranger":                     {Owner: "stranger"},
			" none":                         {None: true},
			" private":                      {Visibility: signing.BySender},
			"asked Alpha beta from":         {CreatedFrom: middle},
			"Ébène before":                  {CreatedBefore: middle},
			" inbox":                        {Inbox: true},
		} {
			page, err := w.signing.List(t.Context(), w.client, q)
			check(t, err)
			if got := list(page); strings.Join(got, " ") != strings.Join(listed(want), " ") {
				t.Errorf("%+v: %q, want %q", q, got, want)
			}
		}
		page, err := w.signing.List(t.Context(), olga, signing.Query{})
		check(t, err)
		if page.Count != 5 || page.Packages[0].Name != "asked" || page.Packages[1].Name != "hidden" {
			t.Errorf("she sees %d: %v", page.Count, list(page))
		}
		page, err = w.signing.List(t.Context(), olga, signing.Query{Inbox: true})
		check(t, err)
		if page.Count != 1 || page.Packages[0].OuterID != mine || len(page.Packages[0].Roles) != 2 || len(page.Packages[0].Documents) != 1 {
			t.Errorf("her inbox has %+v", page)
		}
		if _, err := w.signing.List(t.Context(), w.client, signing.Query{Sort: "id; drop table packages"}); !errs.Is(err, "list.sort") {
			t.Error(err)
		}
		if n := w.miscounted(); n != 0 {
			t.Errorf("%d counters are wrong", n)
		}
	})
}

func (w *world) senderOf(user string) string {
	w.t.Helper()
	var out string
	check(w.t, w.db.Read(w.t.Context(), func(tx *db.Tx) error {
		u, err := directory.UserByID(tx, user)
		out = u.SenderID
		return err
	}))
	return out
}

// listed are the names that a case of the table wants; lower-case notes that make its key unique are not among them.
func listed(want string) (out []string) {
	for _, word := range strings.Fields(want) {
		switch word {
		case "status", "drafts", "text", "name", "mail", "nobody", "stranger", "none", "private", "from", "before", "inbox":
		default:
			out = append(out, word)
		}
	}
	return out
}

func list(page signing.Page) (out []string) {
	for _, p := range page.Packages {
		out = append(out, p.Name)
	}
	return out
}

// B14: packages of a page, which are read table by table, are what each is by itself; pages make up the list, from both ends of the index.
func TestB14PageIsReadByTables(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		for i := range 25 {
			in := w.pack(false, john("r1"), john("r2"))
			in.Name = fmt.Sprintf("Package %02d", i)
			if i > 2 {
				in.Documents = nil
			}
			_, err := w.signing.Create(t.Context(), w.client, in)
			check(t, err)
		}
		all, err := w.signing.List(t.Context(), w.client, signing.Query{Limit: 100})
		check(t, err)
		if len(all.Packages) != 25 || all.Count != 25 {
			t.Fatalf("%d of %d", len(all.Packages), all.Count)
		}
		for i, p := range all.Packages {
			one, err := w.signing.Get(t.Context(), w.client, p.OuterID)
			check(t, err)
			if a, b := fmt.Sprintf("%+v", one), fmt.Sprintf("%+v", p); a != b {
				t.Errorf("package %d is in the list\n%s\nby itself\n%s", i, b, a)
			}
		}
		var seen []string
		for first := 0; first < 25; first += 4 {
			page, err := w.signing.List(t.Context(), w.client, signing.Query{First: first, Limit: 4, Bare: true})
			check(t, err)
			seen = append(seen, list(page)...)
		}
		if strings.Join(seen, ",") != strings.Join(list(all), ",") {
			t.Errorf("page by page %v", seen)
		}
		if n := w.count(`select count(*) from packages`); n != 25 {
			t.Error(n)
		}
	})
}
