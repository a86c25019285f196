package signing_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// vendor is a partner whose channel the world's account is in.
type vendor struct {
	w *world
	p authz.Principal
	directory.Partner
}

// newVendor puts the world into an account that a partner has made by its technical token.
func newVendor(t *testing.T, d *dbtest.DB) (*world, *vendor) {
	t.Helper()
	w := newWorld(t, d, directory.Link)
	ctx := t.Context()
	fresh, err := authn.New(ctx, w.db.DB, w.box, w.post, "https://sign.example.com", slog.New(slog.DiscardHandler))
	check(t, err) // w.authn does not run, and vouches for tokens only while what it knows is news
	w.authn = fresh
	technical, err := w.authn.CreateTechnicalAccount(ctx, "Partner Ltd", "Onboarding", "EdDSA")
	check(t, err)
	token, err := w.authn.TechnicalToken(ctx, technical.ClientID, technical.ClientSecret, nil)
	check(t, err)
	v := &vendor{w: w}
	v.p, err = w.authn.Authenticate(ctx, token.Access)
	check(t, err)
	_, err = w.dir.VouchDomain(ctx, "Partner Ltd", "partnerdomain.com")
	check(t, err)
	v.Partner, err = w.dir.RegisterPartner(ctx, v.p, directory.NewPartner{Name: "Partner"})
	check(t, err)
	_, err = w.dir.SetPartnerStatus(ctx, v.OuterID, directory.PartnerActive)
	check(t, err)
	w.account, err = w.dir.CreatePartnerAccount(ctx, v.p, directory.NewPartnerAccount{Name: "Customer1", Country: "US"})
	check(t, err)
	id, password, err := w.authn.CreateClient(ctx, w.account.ID, []authz.Right{authz.ManageUsers, authz.Sign}, "Integration")
	check(t, err)
	client, err := w.authn.ClientToken(ctx, id, password, "")
	check(t, err)
	w.client, err = w.authn.Authenticate(ctx, client.Access)
	check(t, err)
	w.work()
	return w, v
}

// user makes a user of the customer's account.
func (v *vendor) user(name, email, alias string) directory.User {
	v.w.t.Helper()
	first, last, _ := strings.Cut(name, " ")
	u, err := v.w.dir.CreatePartnerUser(v.w.t.Context(), v.p, directory.NewPartnerUser{Email: email, EmailAlias: alias,
		FirstName: first, LastName: last, Account: v.w.account.OuterID})
	check(v.w.t, err)
	return u
}

// status changes a user as PUT users/{userId} does.
func (v *vendor) status(u directory.User, to string) {
	v.w.t.Helper()
	check(v.w.t, v.w.dir.ChangePartnerUser(v.w.t.Context(), v.p, u.SenderID,
		directory.PartnerUserChange{Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Status: to}))
}

// channel changes what the partner's accounts inherit.
func (v *vendor) channel(s directory.Settings) {
	v.w.t.Helper()
	check(v.w.t, v.w.dir.SetPartner(v.w.t.Context(), v.OuterID, directory.PartnerChange{Settings: s}))
}

// A user that a partner made is a user of the one directory: a member of a group, he signs with his name and stands
// in the evidence by his alias.
func TestProvisionedMemberSigns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, v := newVendor(t, d)
		john := v.user("José Ñandú", "john_customer@partnerdomain.com", "john.doe@customer.example.net")
		mary := v.user("Mary Doe", "mary_customer@partnerdomain.com", "")
		pkg := w.send(groupRole("role1", w.group("Customer's signers", mary, john)))
		visit := w.prove(w.enter(john.Email), john.Email)
		w.sign(visit)
		w.settle()
		p, err := w.signing.Get(t.Context(), w.client, pkg)
		check(t, err)
		if p.Status != signing.Completed || p.Roles[1].SignedBy != "José Ñandú" {
			t.Fatalf("%s, signed by %q", p.Status, p.Roles[1].SignedBy)
		}
		sealedEverywhere(t, w, pkg, []directory.User{john, mary})
		_, file, err := w.signing.PDF(t.Context(), w.client, pkg, "doc")
		check(t, err)
		text := words(t, file)
		for _, want := range []string{"SignedbyJoséÑandúonbehalfofCustomer'ssigners", "john.doe@customer.example.net", "codesenttothemailbox"} {
			if !strings.Contains(strings.ReplaceAll(text, " ", ""), want) {
				t.Errorf("the sealed file lacks %q", want)
			}
		}
		if strings.Contains(text, john.Email) {
			t.Error("the sealed file tells the address behind the alias")
		}
	})
}

// G8: a partner deactivates the user who is signing; his next statement is refused, and who waits may sign. Made active
// again he is asked again.
func TestG8ProvisionedHolderDeactivated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, v := newVendor(t, d)
		w.set(directory.Settings{MemberIdentification: directory.Link})
		john, mary := v.user("John Doe", "john@partnerdomain.com", ""), v.user("Mary Doe", "mary@partnerdomain.com", "")
		pkg := w.send(groupRole("role1", w.group("Signers", john, mary)))
		his, hers := w.enter(john.Email), w.enter(mary.Email)
		l := w.take(his)
		check(t, w.signing.Consent(t.Context(), his, l.Epoch))
		_, err := w.signing.Take(t.Context(), hers)
		wants(t, err, "lease.held")
		v.status(john, "INACTIVE")
		_, beat := w.signing.Beat(t.Context(), his, l.Epoch)
		_, take := w.signing.Take(t.Context(), his)
		for _, err := range []error{beat, take, w.signing.Sign(t.Context(), his, signing.Submission{Epoch: l.Epoch}), w.signing.Leave(t.Context(), his, l.Epoch)} {
			wants(t, err, "member.inactive")
		}
		w.take(hers)
		v.status(john, "ACTIVE")
		_, err = w.signing.Take(t.Context(), his)
		wants(t, err, "lease.held")
		wants(t, w.signing.Sign(t.Context(), his, signing.Submission{Epoch: l.Epoch}), "lease.stale")
		if events := w.events(pkg); !slices.Contains(events, "lease.voided") {
			t.Errorf("nothing was voided: %v", events)
		}
		w.sign(hers)
	})
}

// The channel's settings hold in each of its accounts from the next statement on, and an account may only narrow them.
func TestChannelSettings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, v := newVendor(t, d)
		john, mary := v.user("John Doe", "john@partnerdomain.com", ""), v.user("Mary Doe", "mary@partnerdomain.com", "")
		v.channel(directory.Settings{MemberIdentification: directory.Link, SoftLease: time.Minute, HardLease: 10 * time.Minute, Heartbeat: 20 * time.Second})
		g := w.group("Signers", john, mary)
		w.send(groupRole("role1", g))
		his, hers := w.enter(john.Email), w.enter(mary.Email)
		lasts := func(l signing.Lease, want time.Duration) {
			t.Helper()
			if got := l.Expires.Sub(l.Since); got < want || got > want+5*time.Second {
				t.Errorf("the lease lasts %v, want %v", got, want)
			}
		}
		l := w.take(his)
		lasts(l, time.Minute)
		l, err := w.signing.Beat(t.Context(), his, l.Epoch)
		check(t, err)
		lasts(l, 10*time.Minute)
		w.set(directory.Settings{SoftLease: 30 * time.Second, HardLease: 5 * time.Minute})
		l, err = w.signing.Beat(t.Context(), his, l.Epoch)
		check(t, err)
		lasts(l, 5*time.Minute)
		wants(t, w.dir.SetAccount(t.Context(), w.account.OuterID, directory.Settings{HardLease: 11 * time.Minute}, nil), "settings.wider")
		page, err := w.signing.Ceremony(t.Context(), his)
		check(t, err)
		if page.Heartbeat != 20*time.Second {
			t.Errorf("the heartbeat is %v", page.Heartbeat)
		}
		v.channel(directory.Settings{HardLease: 2 * time.Minute, MemberIdentification: directory.Always})
		check(t, w.signing.Leave(t.Context(), w.prove(his, john.Email), l.Epoch))
		_, err = w.signing.Take(t.Context(), hers)
		wants(t, err, "identify.code")
		hers = w.prove(hers, mary.Email)
		l = w.take(hers)
		lasts(l, 30*time.Second)
		l, err = w.signing.Beat(t.Context(), hers, l.Epoch)
		check(t, err)
		lasts(l, 2*time.Minute)
	})
}

// The channel's reminders reach the people of all its accounts; an account may have fewer, later and rarer ones.
func TestChannelReminders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, v := newVendor(t, d)
		v.channel(directory.Settings{RemindFirst: 2 * day, RemindEvery: day, RemindAtMost: 3})
		john := v.user("John Doe", "john@partnerdomain.com", "")
		w.send(groupRole("role1", w.group("Signers", john)))
		w.after(2 * day)
		w.wantReminded("as the channel says", []int{1}, john.Email)
		w.set(directory.Settings{RemindEvery: 2 * day, RemindAtMost: 2})
		w.after(day)
		w.wantReminded("rarer", []int{1}, john.Email)
		w.after(day)
		w.after(9 * day)
		w.wantReminded("and fewer", []int{2}, john.Email)
	})
}
