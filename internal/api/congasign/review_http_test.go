package congasign

import (
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db"
)

// oneDocument is a payload of one document that r1 signs; members are the package's further ones.
func oneDocument(roles, members string) string {
	return `{"name":"One","status":"SENT",` + members + `"roles":[` + roles + `],"documents":[{"id":"d1","name":"Contract","base64Content":"` + base64Paper() + `",
		"approvals":[{"id":"a1","role":"r1","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":100,"width":200,"height":50}]}]}]}`
}

const ownRole = `{"id":"r1","signers":[{"id":"s1","email":"signer1@example.com","firstName":"John","lastName":"Smith"}]}`

// A group that is read and sent back as it is goes on mailing its members.
func testGroupAsRead(t *testing.T, s *stack) {
	const member = "member-as-read@example.com" // whom no other test mails
	s.Post("/api/account/senders", `{"email":"`+member+`","firstName":"John","lastName":"Smith"}`).Want(200)
	id := s.Post("/api/groups", `{"name":"Desk","email":"desk-as-read@example.com","members":[{"email":"`+member+`"}]}`).Want(200).Text("id")
	read := s.Get("/api/groups/" + id).Want(200)
	s.Put("/api/groups/"+id, string(read.Body)).Want(200)
	before := s.mails(member)
	s.Post("/api/packages", oneDocument(`{"id":"r1","signers":[{"group":{"id":"`+id+`"}}]}`, "")).Want(200)
	if s.mails(member) != before+1 || s.mails("desk-as-read@example.com") != 0 {
		t.Error("the members are no longer mailed")
	}
}

// The whole package as read can be sent back in every state, to change nothing or to archive it.
func testPackageAsRead(t *testing.T, s *stack) {
	s.senders()
	again := func(one, status string) {
		t.Helper()
		read := s.Get(one).Want(200)
		if got := s.Put(one, string(read.Body)).Want(200); got.Text("status") != status || read.Text("status") != status {
			t.Errorf("%s: %s", status, got.Body)
		}
	}
	one := "/api/packages/" + s.Post("/api/packages", oneDocument(ownRole, "")).Want(200).Text("id")
	again(one, "SENT")
	john := s.john()
	john.Post(one+"/documents/signed_documents", `{"documents":[{"id":"d1"}]}`).Want(200)
	again(one, "COMPLETED")
	read := string(s.Get(one).Want(200).Body)
	if got := s.Put(one, strings.Replace(read, `"COMPLETED"`, `"ARCHIVED"`, 1)).Want(200); got.Text("status") != "ARCHIVED" {
		t.Errorf("%s", got.Body)
	}
	again(one, "ARCHIVED")
	two := "/api/packages/" + s.Post("/api/packages", oneDocument(ownRole, `"notarized":true,"settings":{"ceremony":{"inPerson":true}},`)).Want(200).Text("id")
	s.Post(two, `{"status":"OPTED_OUT","messages":[{"from":{"id":"r1"},"content":"No"}]}`).Want(200)
	again(two, "OPTED_OUT")
	s.Put(two, `{"notarized":false}`).Want(400) // a change all the same
	if trail := s.Get(two + "/audit").Want(200); !strings.Contains(string(trail.Body), `"type":"Opt Out"`) {
		t.Errorf("%s", trail.Body)
	}
}

// Settings are never null, and the defaults sent back are no settings.
func testSettingsShown(t *testing.T, s *stack) {
	one := "/api/packages/" + s.Post("/api/packages", `{"name":"Plain"}`).Want(200).Text("id")
	read := s.Get(one).Want(200)
	if read.At("settings.ceremony.declineButton") != true || len(read.At("settings.integrationFrameworkWorkflows").([]any)) != 0 {
		t.Errorf("%s", read.Body)
	}
	s.Put(one, `{"settings":{"ceremony":{"inPerson":true}}}`).Want(200)
	if got := s.Put(one, string(read.Body)).Want(200); got.At("settings.ceremony.inPerson") != false {
		t.Errorf("%s", got.Body)
	}
}

// A role that nobody plays yet has no signer, in templates and in drafts; it is named before sending.
func testPlaceholders(t *testing.T, s *stack) {
	one := "/api/packages/" + s.Post("/api/packages", strings.Replace(oneDocument(`{"id":"r1","name":"Patient","index":2,"signers":[]}`, ""), "SENT", "DRAFT", 1)).Want(200).Text("id")
	read := s.Get(one + "/roles/r1").Want(200)
	if len(read.At("signers").([]any)) != 0 {
		t.Errorf("%s", read.Body)
	}
	s.Put(one+"/roles/r1", string(read.Body)).Want(200)
	wantKey(t, s.Put(one, `{"status":"SENT"}`), 422, "error.unprocessableEntity.role.noSigner")
	s.Put(one+"/roles/r1", `{"signers":[{"email":"placed@example.com","firstName":"Ann"}]}`).Want(200)
	s.Put(one, `{"status":"SENT"}`).Want(200)
	if s.mails("placed@example.com") != 1 {
		t.Error("she was not asked")
	}
}

// Who has nothing to sign holds nothing up; who only attaches is asked, and the package waits for him.
func testIdleRoles(t *testing.T, s *stack) {
	s.senders()
	idle := `{"id":"r2","signers":[{"email":"idle@example.com","firstName":"Ida"}]}`
	one := "/api/packages/" + s.Post("/api/packages", oneDocument(ownRole+","+idle, "")).Want(200).Text("id")
	john := s.john()
	john.Post(one+"/documents/signed_documents", `{"documents":[{"id":"d1"}]}`).Want(200)
	if got := s.Get(one).Want(200); got.Text("status") != "COMPLETED" || s.mails("idle@example.com") != 0 {
		t.Errorf("%s", got.Body)
	}
	files := `{"id":"r2","signers":[{"id":"s2","email":"files@example.com","firstName":"Flo"}],"attachmentRequirements":[{"id":"licence","name":"Licence","required":true}]}`
	two := "/api/packages/" + s.Post("/api/packages", oneDocument(ownRole+","+files, "")).Want(200).Text("id")
	john.Post(two+"/documents/signed_documents", `{"documents":[{"id":"d1"}]}`).Want(200)
	if got := s.Get(two).Want(200); got.Text("status") != "SENT" || s.mails("files@example.com") != 1 {
		t.Errorf("%s", got.Body)
	}
	flo := s.session(two, "s2")
	wantKey(t, flo.Post(two+"/documents/signed_documents", `{"documents":[]}`), 400, "error.validation.attachment.missing")
	body, media := apitest.Multipart(apitest.Part{Name: "payload", File: "a.txt", Data: "x"})
	flo.Do(apitest.Call{Method: "POST", Path: two + "/attachment/licence", Media: media, Body: body}).Want(200)
	flo.Post(two+"/documents/signed_documents", `{"documents":[]}`).Want(200)
	if got := s.Get(two).Want(200); got.Text("status") != "COMPLETED" {
		t.Errorf("%s", got.Body)
	}
}

// The sender of a new package is another of the account when the caller may say so, and is shown by his own id.
func testPackageSender(t *testing.T, s *stack) {
	s.senders()
	mary := s.Get("/api/account/senders?search=signer2@example.com").Text("results.0.id")
	for _, sender := range []string{`{"email":"Signer2@example.com"}`, `{"id":"` + mary + `"}`} {
		id := s.Post("/api/packages", `{"name":"Hers","sender":`+sender+`}`).Want(200).Text("id")
		got := s.Get("/api/packages/" + id).Want(200)
		if got.Text("sender.id") != mary || got.Text("sender.email") != "signer2@example.com" || got.Text("sender.status") != "INVITED" ||
			got.Text("sender.type") != "REGULAR" || len(got.At("sender.memberships").([]any)) != 0 {
			t.Errorf("%s: %s", sender, got.Body)
		}
	}
	// What only she sees: its maker is told its id, and no more.
	id := s.Post("/api/packages", `{"name":"Hers","visibility":"SENDER","sender":{"id":"`+mary+`"},
		"documents":[{"id":"d1","name":"D","base64Content":"`+base64Paper()+`"}]}`).Want(200).Text("id")
	wantKey(t, s.Get("/api/packages/"+id), 404, "error.notFound.package.unknown")
	before := s.count("/api/packages")
	wantKey(t, s.Post("/api/packages", `{"name":"x","sender":{"email":"nobody@example.com"}}`), 400, "error.validation.package.senderUnknown")
	regular := s.john()
	wantKey(t, regular.Post("/api/packages", `{"name":"x","sender":{"email":"signer2@example.com"}}`), 403, "error.forbidden.account.notManager")
	if now := s.count("/api/packages"); now != before {
		t.Errorf("%v packages, then %v", before, now)
	}
	id = regular.Post("/api/packages", `{"name":"Own","sender":{"email":"signer1@example.com","firstName":"Rob","title":"Chief"},
		"roles":[{"id":"own","signers":[{"id":"own","email":"signer1@example.com","firstName":"John","lastName":"Smith"}]}]}`).Want(200).Text("id")
	got := s.Get("/api/packages/" + id).Want(200)
	if got.Text("roles.0.id") != "own" || got.Text("roles.0.signers.0.title") != "Chief" || got.Text("roles.0.signers.0.firstName") != "Rob" ||
		got.Text("sender.id") == "own" || got.Text("sender.id") != got.Text("roles.0.signers.0.id") {
		t.Errorf("%s", got.Body)
	}
}

// The consent is there to be fetched and to be sent back; external documents are refused for what they are.
func testConsentFile(t *testing.T, s *stack) {
	one := s.draft()
	for _, path := range []string{"/pdf", "/original"} {
		if got := s.Get(one + "/documents/default-consent" + path).Want(200); !strings.HasPrefix(string(got.Body), "%PDF-") {
			t.Errorf("%.40q", got.Body)
		}
	}
	if got := s.Put(one+"/documents/default-consent", `{"name":"Mine"}`).Want(200); got.Text("name") != consentName {
		t.Errorf("%s", got.Body)
	}
	s.fresh(t).Get(one + "/documents/default-consent/pdf").Want(404)
	made := s.Post("/api/packages", `{"name":"Again","documents":[{"id":"default-consent","name":"Consent"},{"name":"d","base64Content":"`+base64Paper()+`"}]}`).Want(200)
	if got := s.Get("/api/packages/" + made.Text("id")).Want(200); len(got.At("documents").([]any)) != 2 {
		t.Errorf("%s", got.Body)
	}
	wantKey(t, s.Post(one+"/documents", `[{"name":"x","external":{"id":"1"}}]`), 400, "error.validation.payload.notServed")
	read := s.Get(one).Want(200)
	got := s.Put(one+"/documents", `[{"id":"default-consent","index":0},{"id":"`+read.Text("documents.1.id")+`","name":"Renamed","description":"New","index":1}]`).Want(200)
	if got.Text("1.name") != "Renamed" || got.Text("1.description") != "New" {
		t.Errorf("%s", got.Body)
	}
}

// Members that are null inside what is kept, an empty group, a deleted sender, a group's own address: as clients need them.
func testSmallShapes(t *testing.T, s *stack) {
	sender := s.Post("/api/account/senders", `{"email":"addr@example.com","firstName":"A","address":{"city":"Bonn","address2":null}}`).Want(200)
	if strings.Contains(string(sender.Body), "address2") {
		t.Errorf("%s", sender.Body)
	}
	gone := "/api/account/senders/" + sender.Text("id")
	s.Delete(gone).Want(204)
	s.Get(gone).Want(404)
	one := "/api/packages/" + s.Post("/api/packages", strings.Replace(strings.Replace(oneDocument(strings.Replace(ownRole, `"id":"s1"`, `"id":"s1","group":{"id":null}`, 1), ""),
		"SENT", "DRAFT", 1), `"subtype":"FULLNAME"`, `"subtype":"FULLNAME","validation":{"required":null,"maxLength":5}`, 1)).Want(200).Text("id")
	if got := s.Get(one).Want(200); strings.Contains(string(got.Body), `"required":null`) {
		t.Errorf("%s", got.Body)
	}
	group := s.group()
	two := "/api/packages/" + s.Post("/api/packages", oneDocument(`{"id":"r1","signers":[{"group":{"id":"`+group+`"}}]}`, "")).Want(200).Text("id")
	s.Post(two+"/notifications", `{"email":"`+group+`@groups.e-signlive.com"}`).Want(204)
	wantKey(t, s.Post(two+"/notifications", `{"email":"invitee@example.com"}`), 429, "error.limit.notify.flood")
}

// R1 B7: a bulk sending with a key is sent once; one that broke off goes on where it was.
func testT10BulkSend(t *testing.T, s *stack) {
	path := "/api/packages/" + s.template() + "/bulk_send"
	const body = `{"signers":[{"email":"once-a@example.org","firstName":"A","lastName":"B"},{"email":"once-b@example.org","firstName":"C","lastName":"D"}]}`
	first := s.withKey(`"bulk"`, path, body).Want(200)
	again := s.withKey(`"bulk"`, path, body).Want(200)
	if string(first.Body) != string(again.Body) || first.At("count") != 2.0 || first.Text("results.0.id") == first.Text("results.1.id") {
		t.Errorf("%s, then %s", first.Body, again.Body)
	}
	if n := s.count("/api/packages"); n != 2 || s.mails("once-a@example.org") != 1 {
		t.Errorf("%v packages", n)
	}
	wantKey(t, s.withKey(`"bulk"`, path, strings.Replace(body, "once-a@", "once-c@", 1)), 422, "error.unprocessableEntity.idempotencyKey.reused")
	must(t, s.db.Write(t.Context(), func(tx *db.Tx) error { // the process died before it could answer
		_, err := tx.Exec(`update retries set status = 0, answer = '', lapses_ms = 0 where account_id = $1 and made = ''`, s.account.ID)
		return err
	}))
	if third := s.withKey(`"bulk"`, path, body).Want(200); string(third.Body) != string(first.Body) {
		t.Errorf("%s, then %s", first.Body, third.Body)
	}
	if n := s.count("/api/packages"); n != 2 {
		t.Errorf("%v packages", n)
	}
}

// R1 B11: a body of many values, or of many lines, is refused before anything is made of it.
func testP7ManyValues(t *testing.T, s *stack) {
	many := `{"name":"x","roles":[` + strings.Repeat("{},", 1<<20) + `{}]}`
	wantKey(t, s.Post("/api/packages", many), 400, "error.validation.json.tooMany")
	wantKey(t, s.Post("/api/packages", `{"name":"x","data":{"a":[`+strings.Repeat("1,", 210_000)+`1]}}`), 400, "error.validation.json.tooMany")
	csv := []byte("role,email\n" + strings.Repeat("x,a\n", 300_000))
	path := "/api/packages/" + s.template() + "/bulk_send"
	s.Do(apitest.Call{Method: "POST", Path: path, Media: "text/csv", Body: csv}).Want(400)
	rows := "email,firstName,lastName\n" + strings.Repeat("a@example.org,A,B\n", 300_000)
	wantKey(t, s.Do(apitest.Call{Method: "POST", Path: path, Media: "text/csv", Body: []byte(rows[:3<<20])}), 400, "error.validation.bulk.size")
	body, media := apitest.Multipart(apitest.Part{Name: "file", File: "a.csv", Data: "email,firstName,lastName\na@example.org,A,B\n"})
	if got := s.Do(apitest.Call{Method: "POST", Path: path, Media: media, Body: body}).Want(200); got.At("count") != 1.0 {
		t.Errorf("%s", got.Body)
	}
}
