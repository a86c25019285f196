package signing_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// setting puts a document into the account's settings.
func (w *world) setting(kind, name, text string) {
	w.t.Helper()
	_, err := w.dir.ChangeDocument(w.t.Context(), w.client, kind, name, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(text), nil })
	check(w.t, err)
}

// Who declines chooses among the account's reasons, in his language, where the package gives none.
func TestDeclineReasonsOfTheAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		french := personRole("q", "Jean", "Petit", "jean@example.org", 0)
		french.Signer.Language = "fr-CA"
		w, pkg, mary, l := settled(t, d, `{"disableDeclineOther":true}`, french)
		reasons := func(v signing.Visit) string {
			t.Helper()
			c, err := w.signing.Ceremony(t.Context(), v)
			check(t, err)
			return strings.Join(c.Decline.Reasons, "|")
		}
		jean := w.enter("jean@example.org")
		if got := reasons(mary); got != "" {
			t.Errorf("without any she is offered %q", got)
		}
		w.setting(directory.Reasons, "en", `["Too dear","Too late"]`)
		w.setting(directory.Reasons, "fr", `["Trop cher"]`)
		if got := reasons(mary); got != "Too dear|Too late" {
			t.Errorf("she is offered %q", got)
		}
		if got := reasons(jean); got != "Trop cher" {
			t.Errorf("he is offered %q", got)
		}
		wants(t, w.signing.Decline(t.Context(), mary, l.Epoch, "Trop cher"), "package.decline_reason")
		check(t, w.signing.Decline(t.Context(), mary, l.Epoch, "Too late"))
		if got := w.stands(pkg); got != "DECLINED" {
			t.Errorf("it is %s", got)
		}
	})
}

// Who has signed is offered the package's link, else the account's, and only one of https.
func TestHandover(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, _, mary, _ := settled(t, d, `{"handOver":{"href":"javascript:alert(1)","title":"Evil"}}`)
		offered := func() directory.Handover {
			t.Helper()
			c, err := w.signing.Ceremony(t.Context(), mary)
			check(t, err)
			return c.Handover
		}
		w.setting(directory.Handovers, "en", `{"href":"https://shop.example.com/thanks","title":"Back to the shop","text":"Go on"}`)
		if h := offered(); h.Href != "" {
			t.Errorf("before she signed: %+v", h)
		}
		w.sign(mary)
		if h := offered(); h.Href != "https://shop.example.com/thanks" || h.Title != "Back to the shop" || h.Text != "Go on" {
			t.Errorf("%+v", h)
		}
		w.setting(directory.Handovers, "en", `{"href":"http://shop.example.com/","title":"Back"}`)
		if h := offered(); h != (directory.Handover{}) {
			t.Errorf("not https: %+v", h)
		}
		w.exec(`update packages set settings = '{"ceremony":{"handOver":{"href":"https://own.example.com/","title":"Own"}}}'`)
		if h := offered(); h.Href != "https://own.example.com/" || h.Title != "Own" {
			t.Errorf("the package's own: %+v", h)
		}
	})
}

// The settings of signing in person reach the page: what is confirmed, and whether the owner stands in the list.
func TestInPersonSettings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w, pkg, mary, _ := settled(t, d, `{"inPerson":true}`)
		u := w.column(`select email from users where id = (select owner_id from packages where outer_id = $1)`, pkg)[0]
		in := w.pack(true, personRole("r", "Mary", "Doe", "mary2@example.org", 0), personRole("o", "The", "Owner", u, 0))
		in.Settings = []byte(`{"ceremony":{"inPerson":true,"hidePackageOwnerInPerson":true}}`)
		hidden, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		second := w.enter("mary2@example.org")
		list, err := w.signing.InPerson(t.Context(), second)
		check(t, err)
		if len(list) != 1 || !list[0].Mine {
			t.Errorf("the list is %+v", list)
		}
		_, err = w.signing.HandOver(t.Context(), second, "o")
		wants(t, err, "role.unknown")
		w.exec(`update packages set settings = '{"ceremony":{"inPerson":true}}' where outer_id = $1`, hidden)
		if list, err = w.signing.InPerson(t.Context(), second); err != nil || len(list) != 2 {
			t.Errorf("the list is %+v, %v", list, err)
		}
		for settings, want := range map[string]signing.Affidavits{
			`{"inPerson":true}`: {First: true, Second: true},
			`{"inPerson":true,"disableFirstInPersonAffidavit":true}`:  {Second: true},
			`{"inPerson":true,"disableSecondInPersonAffidavit":true}`: {First: true},
			`{"inPerson":true,"disableInPersonAffidavit":true}`:       {},
		} {
			w.exec(`update packages set settings = $1 where outer_id = $2`, `{"ceremony":`+settings+`}`, pkg)
			c, err := w.signing.Ceremony(t.Context(), mary)
			check(t, err)
			if c.Affidavits != want {
				t.Errorf("%s: %+v", settings, c.Affidavits)
			}
		}
	})
}

// An account gives its packages a time; when it is up the sender is told and nobody is asked any more.
func TestExpiryOfTheAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newReminding(t, d)
		w.setting(directory.ExpiryTimes, "", `{"remainingDays":2,"maximumRemainingDays":4}`)
		sender := w.senders("Olga Owner")[0]
		usual, err := w.signing.Create(t.Context(), w.as(sender), w.pack(true, john("r1"), personRole("r2", "Ann", "Lee", "ann@example.org", 0)))
		check(t, err)
		p, err := w.signing.Get(t.Context(), w.client, usual)
		check(t, err)
		if left := p.Due.Sub(p.Sent); left < 47*time.Hour || left > 48*time.Hour+time.Minute {
			t.Errorf("it is due after %v", left)
		}
		in := w.pack(true, john("far"))
		in.Due = db.Time(int64(w.count(`select clock_ms()`))).Add(5 * 24 * time.Hour)
		if _, err := w.signing.Create(t.Context(), w.client, in); !errs.Is(err, "package.due_far") {
			t.Errorf("beyond the most: %v", err)
		}
		in.Due = time.Time{}
		in.Settings = []byte(`{"ceremony":{"defaultTimeBasedExpiry":true,"remainingDays":30}}`)
		long, err := w.signing.Create(t.Context(), w.client, in)
		check(t, err)
		if p, err = w.signing.Get(t.Context(), w.client, long); err != nil || p.Due.Sub(p.Sent) > 4*24*time.Hour+time.Minute || p.Due.Sub(p.Sent) < 95*time.Hour {
			t.Errorf("its own 30 days are %v, %v", p.Due.Sub(p.Sent), err)
		}
		w.sign(w.enter("ann@example.org"))
		before := w.mailsTo(sender.Email)
		w.after(48 * time.Hour)
		if got := w.stands(usual); got != "EXPIRED" {
			t.Fatalf("it is %s", got)
		}
		messages, err := w.post.Mailbox(t.Context(), sender.Email)
		check(t, err)
		if len(messages) != before+1 || messages[0].Subject != "Expired: “Prescription”" || !strings.Contains(messages[0].Text, "not signed by John Smith.") ||
			!strings.Contains(messages[0].Text, "was not finished by "+p.Sent.Add(48*time.Hour).Format("2 January 2006")) {
			t.Errorf("the sender got %+v", messages)
		}
		w.after(24 * time.Hour)
		w.wantReminded("after its time", []int{0, 1}, "r1@example.org", "far@example.org")
	})
}

// A code is asked of every member, always: a program signs for none of them, though it does for who signs alone.
func TestRule2AlwaysByAPI(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := newWorld(t, d, directory.Always)
		w.work()
		users := w.senders("Mary Doe")
		pkg := w.send(groupRole("g", w.group("Pharmacists", users...)), person("a", "a@example.com", "Ann", "Lee"))
		session, err := w.signing.SignerSession(t.Context(), w.client, pkg, "g", users[0].SenderID)
		check(t, err)
		wants(t, w.signing.SignByAPI(t.Context(), session, pkg, signing.APISignature{}), "signer.identify")
		wants(t, w.api(users[0], pkg, signing.APISignature{}), "signer.identify")
		v := w.sentBy(session, "")
		wants(t, second(w.signing.Take(t.Context(), v)), "identify.code")
		alone, err := w.signing.SignerSession(t.Context(), w.client, pkg, "a", "")
		check(t, err)
		check(t, w.signing.SignByAPI(t.Context(), alone, pkg, signing.APISignature{}))
		w.sign(w.prove(v, users[0].Email))
		if w.many(pkg, "signature.refused!") != 2 {
			t.Errorf("events %v", w.events(pkg))
		}
	})
}
