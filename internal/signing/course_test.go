package signing_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// The course of a package tells who was asked, came, waits, signs and signed, in the order of signing, and each event in words.
func TestProgress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := t.Context()
		users := w.senders("Mary Doe", "John Smith", "Ann Lee")
		g := w.group("Pharmacists", users[:2]...)
		first, last := person("patient", "patient@example.com", "Paul", "Patient"), groupRole("role1", g)
		first.Index, last.Index = 1, 2
		pkg := w.send(last, first)
		course := func() signing.Course {
			t.Helper()
			c, err := w.signing.Progress(ctx, w.client, pkg)
			check(t, err)
			return c
		}
		c := course()
		if len(c.Roles) != 2 || c.Roles[0].Name != "Paul Patient" || c.Roles[0].Phase != "free" || c.Roles[1].Phase != "waiting" || !c.Roles[1].Invited.IsZero() {
			t.Fatalf("sent: %+v", c.Roles)
		}
		if p := c.Roles[0].People; len(p) != 1 || p[0].Asked.IsZero() || !p[0].Opened.IsZero() || !c.Owns || !c.Sends || !c.Withdraws || len(c.Documents) != 1 {
			t.Errorf("sent: %+v, %+v", c, p)
		}
		paul := w.enter("patient@example.com")
		w.sign(paul)
		w.settle()
		mary, john := w.enter(users[0].Email), w.enter(users[1].Email)
		l := w.take(mary)
		wants(t, second(w.signing.Take(ctx, john)), "lease.held")
		check(t, w.signing.Watch(ctx, john))
		c = course()
		if r := c.Roles[0]; r.Phase != "signed" || r.By != "Paul Patient" || r.At.IsZero() || r.People[0].Opened.IsZero() || !r.People[0].Signed {
			t.Errorf("the first: %+v", r)
		}
		r := c.Roles[1]
		if r.Phase != "held" || r.Lease == nil || r.Lease.Holder != "Mary Doe" || r.Lease.Stage != signing.Soft || r.Group != "Pharmacists" || !r.Breaks || !r.Reminds {
			t.Errorf("the group: %+v", r)
		}
		who := map[string]signing.CoursePerson{}
		for _, p := range r.People {
			who[p.Name] = p
		}
		if m, j := who["Mary Doe"], who["John Smith"]; !m.Holds || !m.Waiting.IsZero() || j.Holds || j.Waiting.IsZero() || !j.Watching || j.Opened.IsZero() || j.Email != users[1].Email {
			t.Errorf("its members: %+v", who)
		}
		check(t, w.signing.BreakLease(ctx, w.client, pkg, "role1", "A reason"))
		check(t, w.dir.RemoveMember(ctx, w.client, g.OuterID, users[1].SenderID))
		c = course()
		if r := c.Roles[1]; r.Lease != nil || r.Breaks || r.Broken == nil || r.Broken.Reason != "A reason" || r.Broken.Epoch != l.Epoch || !slices.ContainsFunc(r.People, func(p signing.CoursePerson) bool { return p.Name == "John Smith" && p.Gone }) {
			t.Errorf("broken: %+v", r)
		}
		var told []string
		for _, m := range c.Moments {
			if m.Who != "" {
				m.Words = m.Who + " " + m.Words
			}
			if strings.ContainsAny(m.Words, "{}") || m.ID == "" || m.At.IsZero() {
				t.Errorf("%+v", m)
			}
			told = append(told, m.Words)
		}
		all := strings.Join(told, "\n")
		for _, want := range []string{"sent the package", "Paul Patient was asked to sign", "Paul Patient opened the invitation", "Paul Patient signed",
			"Mary Doe began to sign", "John Smith asked to sign and had to wait", "ended the turn of Mary Doe: “A reason”"} {
			if !strings.Contains(all, want) {
				t.Errorf("nobody is told %q:\n%s", want, all)
			}
		}
		w.sign(w.enter(users[0].Email))
		w.settle()
		if c = course(); c.Package.Status != signing.Completed || c.Sends || c.Roles[1].Phase != "signed" || c.Roles[1].Broken != nil || !c.Documents[0].Sealed {
			t.Errorf("completed: %+v", c)
		}
	})
}

// Every audit event of a package that the code of the room makes has words.
func TestEveryMomentHasWords(t *testing.T) {
	files, err := filepath.Glob("*.go")
	check(t, err)
	made := regexp.MustCompile(`(?:Type: |\.event\(|refused\(ctx, \w+, |kind = |recordRefused\(.*|refusalEvents = .*|kinds := .*)"([a-z_]+\.[a-z_]+)"`)
	n := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		check(t, err)
		for _, m := range made.FindAllSubmatch(text, -1) {
			n++
			if signing.MomentWords[string(m[1])] == "" {
				t.Errorf("%s: %s has no words", file, m[1])
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d events are found", n)
	}
}

// T13: who sees how a package goes, and what of it.
func TestT13WhoFollows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		ctx := from(t.Context(), "192.0.2.44")
		users := w.senders("Mary Doe", "John Smith", "Ann Lee")
		g := w.group("Pharmacists", users[0])
		w.exec(`update users set sender = false where id in ($1, $2)`, users[0].ID, users[2].ID) // a member, and one who is none
		in := w.pack(true, groupRole("role1", g), person("patient", "patient@example.com", "Paul", "Patient"))
		open, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		in = w.pack(true, groupRole("role1", g))
		in.Visibility = signing.BySender
		private, err := w.signing.Create(ctx, w.client, in)
		check(t, err)
		draft, err := w.signing.Create(ctx, w.client, w.pack(false, groupRole("role1", g)))
		check(t, err)
		member, sender, outsider := w.as(users[0]), w.as(users[1]), w.as(users[2])
		boss, _, err := w.dir.InviteSender(ctx, w.client, directory.NewUser{Email: "boss@example.com", FirstName: "Bea", LastName: "Boss", Type: directory.Manager})
		check(t, err)
		operator := authz.Principal{Account: w.account.ID, Rights: []authz.Right{authz.Operate}}
		partner := authz.Principal{Kind: authz.Staff, Account: w.account.ID, Rights: []authz.Right{authz.Administer}}
		for name, c := range map[string]struct {
			p       authz.Principal
			sees    []string
			listed  int
			owns    bool
			address bool
		}{
			"owner":    {w.client, []string{open, private, draft}, 3, true, true},
			"operator": {operator, []string{open, private, draft}, 2, true, true},
			"manager":  {w.as(boss), []string{open, private, draft}, 2, true, true},
			"sender":   {sender, []string{open, draft}, 2, false, false},
			"member":   {member, []string{open, private}, 2, false, false},
			"outsider": {outsider, nil, 0, false, false},
		} {
			for _, pkg := range []string{open, private, draft} {
				course, err := w.signing.Progress(ctx, c.p, pkg)
				if !slices.Contains(c.sees, pkg) {
					if !errs.Is(err, "package.unknown") {
						t.Errorf("%s sees what is none of his: %v", name, err)
					}
					continue
				}
				check(t, err)
				addresses := slices.ContainsFunc(course.Moments, func(m signing.Moment) bool { return m.IP != "" })
				if course.Owns != c.owns || addresses != c.address {
					t.Errorf("%s: owns %v, learns addresses %v", name, course.Owns, addresses)
				}
			}
			list, err := w.signing.Followed(ctx, c.p, signing.Query{Bare: true})
			if err != nil || list.Count != c.listed || len(list.Packages) != c.listed {
				t.Errorf("%s is listed %d, %v", name, list.Count, err)
			}
		}
		if _, err := w.signing.Progress(ctx, partner, open); !errs.Is(err, "package.unknown") {
			t.Errorf("the partner's administrator: %v", err)
		}
		if _, err := w.signing.Followed(ctx, partner, signing.Query{}); !errs.Is(err, "right.missing") {
			t.Errorf("the partner's administrator lists: %v", err)
		}
		c, err := w.signing.Progress(ctx, member, open)
		check(t, err)
		if c.Sends || c.Withdraws || len(c.Roles[0].People) == 0 || len(c.Roles[1].People) != 0 || slices.ContainsFunc(c.Moments, func(m signing.Moment) bool { return m.Email != "" }) {
			t.Errorf("the member sees %+v", c)
		}
		ids := w.column(`select id from packages order by created_ms`)
		for name, want := range map[string]int{"owner": 3, "sender": 2, "partner": 0} {
			names, err := w.signing.Names(ctx, map[string]authz.Principal{"owner": w.client, "sender": sender, "partner": partner}[name], ids)
			if err != nil || len(names) != want {
				t.Errorf("%s learns %d names, %v", name, len(names), err)
			}
		}
	})
}
