package signing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// planned is a role of a random package and who may sign for it.
type planned struct {
	id      string
	index   int
	persons []int // users; more than one is a group's
	group   bool
	signed  bool
}

// waits tells whether a role must wait: one with a lower index above 0 is still open.
func waits(all []planned, r planned) bool {
	for _, other := range all {
		if r.index > 0 && !other.signed && other.index > 0 && other.index < r.index {
			return true
		}
	}
	return false
}

// randomRoles are 2 to 5 roles, groups and persons mixed; the same people play several.
func randomRoles(w *world, users []directory.User, groups []directory.Group, of [][]int) ([]planned, []signing.NewRole) {
	var plan []planned
	var roles []signing.NewRole
	for i := range 2 + rand.IntN(4) {
		p := planned{id: fmt.Sprintf("role%d", i), index: rand.IntN(4)}
		if rand.IntN(2) == 0 {
			g := rand.IntN(len(groups))
			p.persons, p.group = of[g], true
			r := groupRole(p.id, groups[g])
			r.Index = p.index
			roles = append(roles, r)
		} else {
			u := rand.IntN(len(users))
			p.persons = []int{u}
			roles = append(roles, personRole(p.id, users[u].FirstName, users[u].LastName, users[u].Email, p.index))
		}
		plan = append(plan, p)
	}
	return plan, roles
}

// Rules 12 and 14, G11: in random packages of groups and persons, some of them the same people, everybody may sign each
// of his roles when, and only when, all roles of a lower index have been signed, and is asked then and not before.
func TestG11RandomOrders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith", "Ann Roe")
		groups := []directory.Group{w.group("Pharmacists", users[0], users[1]), w.group("Nurses", users[1], users[2])}
		n, acts := dbtest.Rounds(5, 300), 0
		for range n {
			plan, roles := randomRoles(w, users, groups, [][]int{{0, 1}, {1, 2}})
			pkg := w.send(roles...)
			for left := len(plan); left > 0; acts++ {
				w.invitedAsPlanned(pkg, plan)
				r := &plan[rand.IntN(len(plan))]
				who := r.persons[rand.IntN(len(r.persons))]
				err := w.signRole(pkg, *r, users[who])
				switch {
				case r.signed:
					wants(t, err, "role.signed")
				case waits(plan, *r):
					wants(t, err, "role.waiting")
				case err != nil:
					t.Fatalf("%+v: %v", *r, err)
				default:
					r.signed = true
					left--
				}
			}
			w.settle()
			if st := w.status(pkg); st != signing.Completed {
				t.Fatalf("it is %s", st)
			}
		}
		t.Logf("%d packages, %d attempts, 0 violations", n, acts)
	})
}

// signRole signs one role as one of its persons.
func (w *world) signRole(pkg string, r planned, u directory.User) error {
	delegate := ""
	if r.group {
		delegate = u.SenderID
	}
	p, err := w.signing.SignerSession(w.t.Context(), w.client, pkg, r.id, delegate)
	check(w.t, err)
	return w.signing.SignByAPI(w.t.Context(), p, pkg, signing.APISignature{})
}

func (w *world) invitedAsPlanned(pkg string, plan []planned) {
	w.t.Helper()
	for _, r := range plan {
		asked := w.count(`select count(*) from roles r join packages p on p.id = r.package_id
			where p.outer_id = $1 and r.outer_id = $2 and r.invited_ms is not null`, pkg, r.id) > 0
		if want := r.signed || !waits(plan, r); asked != want {
			w.t.Fatalf("%+v of %+v: invited %v", r, plan, asked)
		}
	}
}

// Rule 12: one person in two groups and as a signer of his own signs once for each, with a lease for each.
func TestG11OnePersonInThreeRoles(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Link)
		w.work()
		users := w.senders("Mary Doe", "John Smith")
		pkg := w.send(groupRole("a", w.group("Pharmacists", users...)), groupRole("b", w.group("Nurses", users...)),
			personRole("c", "Mary", "Doe", users[0].Email, 0))
		w.settle()
		var visits []signing.Visit
		for _, role := range []string{"a", "b"} {
			visits = append(visits, w.visitOf(users[0].Email, pkg, role))
		}
		one, two := w.take(visits[0]), w.take(visits[1])
		check(t, w.signing.Consent(t.Context(), visits[0], one.Epoch))
		check(t, w.signing.Sign(t.Context(), visits[0], signing.Submission{Epoch: one.Epoch}))
		check(t, w.signing.Consent(t.Context(), visits[1], two.Epoch)) // that lease is another
		if err := w.api(users[1], pkg, signing.APISignature{}); !errs.Is(err, "lease.held") {
			t.Errorf("got %v", err)
		}
		check(t, w.api(users[0], pkg, signing.APISignature{})) // whatever is left of hers, at once
		w.settle()
		if n := w.many(pkg, "role.signed"); n != 3 || w.status(pkg) != signing.Completed {
			t.Errorf("%d signatures, %s", n, w.status(pkg))
		}
	})
}

// visitOf enters by a link of one role.
func (w *world) visitOf(email, pkg, role string) signing.Visit {
	w.t.Helper()
	url, err := w.signing.SigningURL(w.t.Context(), w.client, pkg, role)
	check(w.t, err)
	v, err := w.signing.Enter(w.t.Context(), linkToken.FindStringSubmatch(url)[1], email, "")
	check(w.t, err)
	return w.prove(v, email)
}
