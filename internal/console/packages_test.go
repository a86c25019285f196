package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/secret"
	"countersign.dev/internal/signing"
	"countersign.dev/internal/web"
	"countersign.dev/internal/webhook"
)

var jail = sync.OnceValue(func() *pdf.Jail {
	folder := must(os.MkdirTemp("", "countersign-test-pdfium-"))
	return must(pdf.Open(context.Background(), pdf.Config{CacheDir: folder}))
})

// signable gives the house a group of two, and sends it and a patient a package, the patient first.
func (h *house) signable() (pkg string) {
	h.t.Helper()
	ctx := context.Background()
	if err := h.dir.SetAccount(ctx, h.account.OuterID, directory.Settings{MemberIdentification: directory.Link}, nil); err != nil {
		h.t.Fatal(err)
	}
	for i, name := range [][2]string{{"Mary", "Doe"}, {"John", "Smith"}} {
		_, _, err := h.dir.InviteSender(ctx, h.client, directory.NewUser{Email: fmt.Sprintf("signer%d@example.com", i+1), FirstName: name[0], LastName: name[1]})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	h.sends("member", true) // who is no sender any more stays a member of the groups he is in
	defer h.sends("member", false)
	g := must(h.dir.CreateGroup(ctx, h.client, directory.NewGroup{Name: "Pharmacists of Riverside", Members: []directory.NewMember{
		{Email: "signer1@example.com"}, {Email: "signer2@example.com"}, {Email: h.people["member"].email}}}))
	paper := must(jail().Compose(ctx, pdf.Job{Title: "Prescription", Append: []pdf.NewPage{{Width: 612, Height: 792,
		Items: []pdf.Item{pdf.Text{X: 72, Y: 90, Size: 20, String: "Prescription"}}}}})).File
	block := func(id, role string, top float64) signing.Approval {
		return signing.Approval{OuterID: id, Role: role, Fields: []signing.Field{{OuterID: "s", Type: "SIGNATURE", Subtype: "FULLNAME", Left: 100, Top: top, Width: 200, Height: 50}}}
	}
	return must(h.signing.Create(ctx, h.client, signing.NewPackage{Name: "Prescription <b>for</b> Paul", Send: true,
		Roles: []signing.NewRole{
			{OuterID: "patient", Index: 1, Signer: signing.NewSigner{Email: "patient@example.com", FirstName: "Paul", LastName: "Patient"}},
			{OuterID: "pharmacy", Index: 2, Signer: signing.NewSigner{Group: g.OuterID}}},
		Documents: []signing.NewDocument{{OuterID: "d", Name: "Prescription", PDF: paper, Approvals: []signing.Approval{block("a", "patient", 300), block("b", "pharmacy", 400)}}}}))
}

// sends makes somebody a sender, or none.
func (h *house) sends(role string, yes bool) {
	h.t.Helper()
	err := h.db.Write(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(`update users set sender = $1 where email = $2`, yes, h.people[role].email)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// enters opens the newest link of an address.
func (h *house) enters(email string) signing.Visit {
	h.t.Helper()
	link := must(url.Parse(h.mailed(email, "/s/")))
	return must(h.signing.Enter(context.Background(), strings.TrimPrefix(link.Path, "/s/"), "", ""))
}

// patientSigned has the patient sign, so that the group is asked.
func (h *house) patientSigned() {
	h.t.Helper()
	ctx := context.Background()
	v := h.enters("patient@example.com")
	l := must(h.signing.Take(ctx, v))
	if err := h.signing.Consent(ctx, v, l.Epoch); err != nil {
		h.t.Fatal(err)
	}
	if err := h.signing.Sign(ctx, v, signing.Submission{Epoch: l.Epoch}); err != nil {
		h.t.Fatal(err)
	}
}

// A package's page tells how it goes; who may ends a turn, sends the invitation again, and moves it to the trash.
func TestPackagePage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		pkg := h.signable()
		h.patientSigned()
		ctx := context.Background()
		mary := h.enters("signer1@example.com")
		lease := must(h.signing.Take(ctx, mary))
		path := at(h.account, "/packages/"+pkg)
		boss := h.signIn("administrator")
		if list := boss.page(at(h.account, "/packages")); !strings.Contains(list, "1 of 2") || !strings.Contains(list, "<bdi>Mary Doe</bdi> is signing") || strings.Contains(list, "<b>for</b>") {
			t.Errorf("the list:\n%s", list)
		}
		body := boss.page(path)
		for _, want := range []string{"<bdi>Mary Doe</bdi> is signing since", "Signed by <bdi>Paul Patient</bdi>", "<bdi>began to sign</bdi>", "End the turn of <bdi>Mary Doe</bdi>", "3 asked, 1 opened"} {
			if !strings.Contains(body, want) {
				t.Errorf("the page lacks %q:\n%s", want, body)
			}
		}
		again := boss.post(path, path+"/roles/pharmacy/break", url.Values{"reason": {" "}})
		if again.StatusCode != http.StatusBadRequest || !strings.Contains(again.body, "Say why") {
			t.Errorf("without a reason: %d", again.StatusCode)
		}
		for role, want := range map[string]int{"member": http.StatusForbidden, "sender": http.StatusForbidden} {
			if a := h.signIn(role).post(path, path+"/roles/pharmacy/break", url.Values{"reason": {"Mine"}}); a.StatusCode != want {
				t.Errorf("%s: %d", role, a.StatusCode)
			}
		}
		if body = boss.lands(path, path+"/roles/pharmacy/break", url.Values{"reason": {"The patient waits"}}); !strings.Contains(body, "The turn has ended") || !strings.Contains(body, "“<bdi>The patient waits</bdi>”") {
			t.Errorf("after it:\n%s", body)
		}
		if _, err := h.signing.Beat(ctx, mary, lease.Epoch); err == nil || !strings.Contains(err.Error(), "Anna Berg has ended your turn at signing: The patient waits") {
			t.Errorf("Mary is told %v", err)
		}
		if body = boss.lands(path, path+"/roles/pharmacy/remind", nil); !strings.Contains(body, "The invitation is sent again") {
			t.Errorf("reminded:\n%s", body)
		}
		if body = boss.lands(path, path+"/trash", url.Values{"trashed": {"yes"}}); !strings.Contains(body, "In the trash") || !strings.Contains(body, "Take out of the trash") {
			t.Errorf("trashed:\n%s", body)
		}
		if list := boss.page(at(h.account, "/packages?status=TRASH")); !strings.Contains(list, "Prescription") {
			t.Errorf("it is not in the trash:\n%s", list)
		}
		boss.lands(path, path+"/trash", url.Values{"trashed": {"no"}})
	})
}

// The audit trail is searched, and one event shows what can be checked of it.
func TestAuditPages(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	pkg := h.signable()
	h.patientSigned()
	boss := h.signIn("administrator")
	trail := at(h.account, "/audit")
	for query, want := range map[string][2]string{
		"?type=role.": {"Role signed", "Lease taken"}, "?type=lease.": {"Lease taken", "Role signed"}, "?search=paul+patient&type=consent.": {"Consent accepted", "Role signed"},
		"?package=" + url.QueryEscape(pkg): {"Package sent", "Group created"}, "?refused=yes": {"No events", "Role signed"}, "?from=2999-01-01": {"No events", "Role signed"}, "?to=1999-01-01": {"No events", "Role signed"},
	} {
		if body := boss.page(trail + query); !strings.Contains(body, want[0]) || strings.Contains(body, ">"+want[1]+"<") {
			t.Errorf("%s: want %q and not %q:\n%s", query, want[0], want[1], body)
		}
	}
	if a := boss.get(trail + "?from=yesterday"); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "2026-03-31") {
		t.Errorf("a day of another form: %d", a.StatusCode)
	}
	body := boss.page(trail + "?type=role.signed")
	event := body[strings.Index(body, trail+"/"):]
	event = event[:strings.Index(event, `"`)]
	if body = boss.page(event); !strings.Contains(body, "the same") || !strings.Contains(body, "paul patient") && !strings.Contains(body, "Paul Patient") || !strings.Contains(body, "&#34;type&#34;:&#34;role.signed&#34;") {
		t.Errorf("one event:\n%s", body)
	}
	for _, role := range []string{"sender", "member"} {
		if a := h.signIn(role).get(trail); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s reads the trail: %d", role, a.StatusCode)
		}
	}
	if body = h.signIn("operator").page("/console/audit"); !strings.Contains(body, "What belongs to no account") {
		t.Errorf("the server's:\n%s", body)
	}
}

// failed gives the account a callback that nobody answers at, and an event that was given up.
func (h *house) failed() {
	h.t.Helper()
	ctx := context.Background()
	p := authz.Principal{Account: h.account.ID, Rights: []authz.Right{authz.Operate}}
	if err := h.hooks.Register(ctx, p, webhook.Registration{URL: "http://127.0.0.1:9/hooks", Style: webhook.None, All: true}); err != nil {
		h.t.Fatal(err)
	}
	if err := h.hooks.Register(ctx, p, webhook.Registration{Origin: "crm", URL: "https://hooks.example.com/crm", Style: webhook.None, Events: []string{"PACKAGE_COMPLETE"}}); err != nil {
		h.t.Fatal(err)
	}
	h.signable()
	if err := h.hooks.Register(ctx, p, webhook.Registration{URL: "http://127.0.0.1:10/hooks", Style: webhook.None, All: true}); err != nil { // another address: what waited is given up
		h.t.Fatal(err)
	}
}

// What was given up is seen and sent again.
func TestCallbackPages(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t))
	h.failed()
	boss, path := h.signIn("administrator"), at(h.account, "/callbacks")
	body := boss.page(path + "?state=failed")
	if !strings.Contains(body, "PACKAGE_CREATE") || !strings.Contains(body, "http://127.0.0.1:10/hooks") || !strings.Contains(body, "Given up") {
		t.Fatalf("the list:\n%s", body)
	}
	one := body[strings.Index(body, path+"/msg_"):]
	one = one[:strings.Index(one, `"`)]
	if body = boss.page(one); !strings.Contains(body, "the callback has another address now") || !strings.Contains(body, "&#34;name&#34;: &#34;PACKAGE_") || !strings.Contains(body, "Send again") {
		t.Errorf("one:\n%s", body)
	}
	if body = boss.lands(one, one+"/again", nil); !strings.Contains(body, "It is sent again") || !strings.Contains(body, "On its way") {
		t.Errorf("again:\n%s", body)
	}
	if body = boss.lands(path, path+"/again", nil); !strings.Contains(body, "All that failed is sent again") {
		t.Errorf("all again:\n%s", body)
	}
	if a := boss.get(path + "?state=lost"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a state of another kind: %d", a.StatusCode)
	}
	if a := h.signIn("sender").get(path); a.StatusCode != http.StatusForbidden {
		t.Errorf("a sender: %d", a.StatusCode)
	}
}

// withPages has the signing pages beside the console.
func (h *house) withPages() {
	h.t.Helper()
	desk, pages := h.handler, must(web.New(web.Config{BaseURL: h.url, Signing: h.signing, Keys: must(secret.FromMaster(make([]byte, 32))), Log: h.config.Log, Logo: h.dir.Logo}))
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/console") {
			desk.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// TestRule7BreakInBrowser: an administrator ends a turn on the package's page; who was signing sees it at once, with who and why; who
// had the turn three times and did nothing sees that the others go first.
func TestRule7BreakInBrowser(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.withPages()
	pkg := h.signable()
	h.patientSigned()
	m, boss := newTab(t, browser, screens[2]), newTab(t, browser, screens[0])
	m.open(h.mailed("signer1@example.com", "/s/"))
	m.click(".start button")
	m.until(`document.querySelector("#consent")?.open`)
	m.click("#consent button[type=submit], #consent .button-primary")
	m.until(`!document.querySelector("#consent").open`)
	john := h.enters("signer2@example.com")
	if _, err := h.signing.Take(context.Background(), john); err == nil {
		t.Fatal("both sign")
	}
	boss.signedIn(h, "administrator")
	boss.open(h.url + at(h.account, "/packages/"+pkg))
	boss.until(`document.querySelector(".who-now")?.innerText.includes("Mary Doe is signing")`)
	boss.look("package-held")
	boss.click(".more > summary")
	boss.click("textarea[name=reason]")
	boss.keys("The patient waits at the counter")
	boss.look("package-break")
	boss.click("form[action$='/break'] button")
	boss.until(`document.querySelector(".flash")?.innerText.includes("The turn has ended")`)
	boss.look("package-broken")
	m.until(`document.querySelector("#lost")?.open`)
	if told := m.text("#lost-text"); !strings.Contains(told, "Anna Berg has ended your turn") || !strings.Contains(told, "The patient waits at the counter") {
		t.Errorf("Mary is told %q", told)
	}
	m.look("signing-broken")
	m.click("#lost-show")
	m.until(`document.querySelector("#standing")?.innerText.includes("Anna Berg ended your turn")`)
	m.look("standing-broken")
	mary := h.enters("signer1@example.com")
	for range 3 {
		must(h.signing.Take(context.Background(), mary))
		h.db.Shift(directory.Defaults.SoftLease)
	}
	m.until(`document.querySelector("h1")?.innerText.includes("The others go first until")`)
	m.look("standing-resting")
}

// TestPackagePages: the pages of packages, the trail and callbacks can be read by all, on every screen.
func TestPackagePages(t *testing.T) {
	browser := chrome(t)
	h := newHouse(t, dbtest.SQLite(t))
	h.failed()
	h.patientSigned()
	list := must(h.signing.List(context.Background(), h.client, signing.Query{}))
	pkg := list.Packages[0].OuterID
	mary, john := h.enters("signer1@example.com"), h.enters("signer2@example.com")
	must(h.signing.Take(context.Background(), mary))
	_, _ = h.signing.Take(context.Background(), john) // refused: he waits
	c := h.signIn("administrator")
	trail, hooks := at(h.account, "/audit"), at(h.account, "/callbacks")
	first := func(page, prefix string) string {
		i := strings.Index(page, prefix)
		return page[i : i+strings.Index(page[i:], `"`)]
	}
	event, delivery := first(c.page(trail+"?type=role.signed"), trail+"/"), first(c.page(hooks), hooks+"/msg_")
	for role, pages := range map[string]map[string]string{
		"administrator": {"packages": at(h.account, "/packages"), "package": at(h.account, "/packages/"+pkg), "audit": trail, "audit-package": trail + "?package=" + pkg, "event": event,
			"callbacks": hooks, "delivery": delivery, "no-packages": at(h.account, "/packages?search=qqq")},
		"member":   {"packages": at(h.account, "/packages"), "package": at(h.account, "/packages/"+pkg)},
		"operator": {"server-audit": "/console/audit"},
	} {
		for _, s := range screens {
			b := newTab(t, browser, s)
			b.signedIn(h, role)
			for name, path := range pages {
				b.open(h.url + path)
				b.until(`document.readyState === "complete"`)
				b.look(role + "-" + name)
			}
		}
	}
}
