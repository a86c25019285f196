package congasign

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
)

func (s *stack) patch(path, body string) apitest.Answer {
	s.T.Helper()
	return s.Do(apitest.Call{Method: "PATCH", Path: path, Body: []byte(body)})
}

// pngOf is a PNG image of so many pixels a side.
func pngOf(side int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (s *stack) look(f func(tx *db.Tx) error) {
	s.T.Helper()
	if err := s.db.Read(s.T.Context(), f); err != nil {
		s.T.Fatal(err)
	}
}

// elements is how many a bare array has.
func elements(a apitest.Answer) int {
	var list []any
	a.Into(&list)
	return len(list)
}

func wantBody(t *testing.T, a apitest.Answer, body string) {
	t.Helper()
	if string(a.Want(200).Body) != body {
		t.Errorf("got %s\nwant %s", a.Body, body)
	}
}

// What an account sets is kept as it came, replaced, merged and taken away.
func testSettings(t *testing.T, s *stack) {
	const reasons = "/api/accountConfig/declineReasons/en"
	wantBody(t, s.Get(reasons), `[]`)
	wantBody(t, s.Post(reasons, `["Decline Reason 1","Decline Reason 2"]`), `["Decline Reason 1","Decline Reason 2"]`)
	wantBody(t, s.Put(reasons, `["Decline Reason 1","Decline Reason 3"]`), `["Decline Reason 1","Decline Reason 3"]`)
	s.Post("/api/cs-accountConfig/declineReasons/fr_CA", `["Non"]`).Want(200)
	s.look(func(tx *db.Tx) error {
		for language, want := range map[string]string{"en": "[Decline Reason 1 Decline Reason 3]", "en-US": "[Decline Reason 1 Decline Reason 3]",
			"fr-CA": "[Non]", "fr": "[]", "de": "[]", "": "[]", "a\x00": "[]"} {
			if got, err := directory.DeclineReasons(tx, s.account.ID, language); err != nil || fmt.Sprint(got) != want {
				t.Errorf("%q: %v, %v", language, got, err)
			}
		}
		return nil
	})
	s.Delete(reasons).Want(204)
	s.Delete(reasons).Want(204)
	wantBody(t, s.Get(reasons), `[]`)

	const handover = "/api/accountConfig/handoverUrl/it"
	wantBody(t, s.Get(handover), `{"href":"","text":"","title":""}`)
	s.Post(handover, `{"href":"https://www.example.com/done?a=1","text":"Continue","title":"Done","autoRedirect":true}`).Want(200)
	s.Post("/api/accountConfig/handoverUrl/en", `{"href":"http://www.example.com/","text":"Continue","title":null}`).Want(200)
	s.look(func(tx *db.Tx) error {
		for language, want := range map[string]directory.Handover{"it": {Href: "https://www.example.com/done?a=1", Text: "Continue", Title: "Done"}, "en": {}, "de": {}} {
			if got, err := directory.HandoverOf(tx, s.account.ID, language); err != nil || got != want {
				t.Errorf("%s: %+v, %v", language, got, err)
			}
		}
		return nil
	})
	if !strings.Contains(string(s.Get(handover).Want(200).Body), `"autoRedirect":true`) {
		t.Error("an unknown member was lost")
	}
	s.Put(handover, `{"href":"","text":"","title":"updated"}`).Want(200)
	s.Delete(handover).Want(204)

	const choose = "/api/account/admin/chooseSignature"
	wantBody(t, s.Get(choose), `{}`)
	s.patch(choose, `{"signature":{"allowStyling":true,"fontsPerWritingSystem":{"latin":["A"]}}}`).Want(200)
	wantBody(t, s.patch(choose, `{"signature":{"allowDrawing":false,"allowStyling":null}}`),
		`{"signature":{"allowDrawing":false,"allowStyling":true,"fontsPerWritingSystem":{"latin":["A"]}}}`)
	s.Delete(choose).Want(204)

	const retention, expiry = "/api/dataRetentionSettings/dataManagementPolicy", "/api/dataRetentionSettings/expiryTimeConfiguration"
	s.Get(retention).Want(200)
	s.Put(retention, `{"transactionRetention":{"draft":60,"sent":0,"completed":60,"archived":60,"declined":60,"optedOut":60,"expired":60}}`).Want(200)
	if got := s.Get(retention).At("transactionRetention.optedOut"); got != 60.0 {
		t.Errorf("optedOut %v", got)
	}
	wantBody(t, s.Put(expiry, `{"maximumRemainingDays":60,"remainingDays":60}`), `{"maximumRemainingDays":60,"remainingDays":60}`)
	s.look(func(tx *db.Tx) error {
		if got, err := directory.ExpiryOf(tx, s.account.ID); err != nil || got.Most != 60 || got.Usual != 60 {
			t.Errorf("%+v, %v", got, err)
		}
		return nil
	})
	for _, path := range []string{"/api/account/admin/accountSettings", "/api/account/admin/accountSettings/accountPackageSettings", "/api/account/admin/signingUiOptions"} {
		s.patch(path, `{"a":{"b":1}}`).Want(200)
		wantBody(t, s.patch(path, `{"a":{"c":[null,true]}}`), `{"a":{"b":1,"c":[null,true]}}`)
		s.Delete(path).Want(204)
	}
	s.Get("/api/account/admin/nonsense").Want(404)
	other := s.fresh(t)
	wantBody(t, other.Get("/api/dataRetentionSettings/expiryTimeConfiguration"), `{"maximumRemainingDays":0,"remainingDays":0}`)
}

// Themes and logos are kept, checked, and shown by the brand of the account.
func testThemesAndLogos(t *testing.T, s *stack) {
	brand := func() (b directory.Brand) {
		s.look(func(tx *db.Tx) (err error) { b, err = directory.BrandOf(tx, s.account.ID); return err })
		return b
	}
	const themes = "/api/account/signingThemes"
	wantBody(t, s.Get(themes), `{}`)
	wantBody(t, s.Post(themes, `{"default":{"color":{"primary":"#5940C3"}}}`), `{"default":{"color":{"primary":"#5940C3"}}}`)
	s.Put(themes, `{"default":{"color":{"primary":"#5940C3","secondary": "#F31C8B"}},"night":{"color":{}}}`).Want(200)
	if got := brand().Theme; got.Primary != "#5940c3" || got.Secondary != "#f31c8b" || got.Error != "" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{`"red"`, `"#fff"`, `"#5940C3;x:y"`, `"#5940CG"`, `7`, `{}`, `"</style>"`} {
		wantKey(t, s.Post(themes, `{"default":{"color":{"primary":`+bad+`}}}`), 400, "error.validation.theme.color")
	}
	s.Delete(themes).Want(204)
	if got := brand().Theme; got != (directory.Theme{}) {
		t.Errorf("%+v", got)
	}

	const logos = "/api/account/admin/signingLogos"
	wantBody(t, s.Get(logos), `[]`)
	var jpg bytes.Buffer
	must(t, jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 8, 8)), nil))
	en := base64.StdEncoding.EncodeToString(pngOf(4))
	fr := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpg.Bytes())
	in := `[{"language":"fr","image":"` + fr + `"},{"language":"en","image":"` + en + `"}]`
	wantBody(t, s.Post(logos, in), strings.ReplaceAll(in, `"language":"fr","image":"`+fr+`"`, `"language":"fr","image":"`+fr+`"`))
	wantBody(t, s.Get(logos), in)
	media, data, err := s.dir.Logo(t.Context(), brand().Logo)
	if err != nil || media != "image/png" || !bytes.Equal(data, pngOf(4)) {
		t.Errorf("the account's logo is %s of %d bytes, %v", media, len(data), err)
	}
	svg := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`))
	for name, image := range map[string]string{"SVG": svg, "page": "data:text/html;base64,PGI+", "too wide": base64.StdEncoding.EncodeToString(pngOf(1025)),
		"cut short": base64.StdEncoding.EncodeToString(pngOf(4)[:40]), "no base64": "%%%", "nothing": "", "address": "https://www.example.com/logo.png"} {
		got := s.Post(logos, `[{"language":"en","image":"`+image+`"}]`)
		if got.Want(400).Text("messageKey") != "error.validation.logo.malformed" {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
	s.Post(logos, `[{"language":"en","image":"`+en+`"},{"language":"EN","image":"`+en+`"}]`).Want(400)
	wantBody(t, s.Get(logos), in) // nothing of these was kept
	wantBody(t, s.Post("/api/account/signingLogos", `[]`), `[]`)
	if got := brand().Logo; got != "" {
		t.Errorf("logo %s", got)
	}
}

// Custom fields as the library handles them: it asks for one, makes or changes it, lists, and deletes.
func testCustomFields(t *testing.T, s *stack) {
	for _, path := range []string{"/api/account/customfields", "/api/user/customfields"} {
		if got := s.Get(path + "/f1").Want(204); len(got.Body) != 0 {
			t.Errorf("%s", got.Body)
		}
		field := `{"id":"f1","name":"F","required":true,"translations":[{"id":"t","language":"en","name":"N"}],"value":"v"}`
		wantBody(t, s.Post(path, field), field)
		wantBody(t, s.Get(path+"/f1"), field)
		s.Put(path, `{"id":"f1","value":"w","required":null}`).Want(200)
		s.Post(path, `{"id":"f2"}`).Want(200)
		wantBody(t, s.Get(path), `[{"id":"f1","value":"w"},{"id":"f2"}]`)
		s.Delete(path + "/f1").Want(204)
		wantBody(t, s.Get(path+"?dir=asc&from=1&to=5"), `[{"id":"f2"}]`)
		s.Post(path, `{"value":"v"}`).Want(400)
	}
	me := s.Get("/api/account/senders?from=1&to=9").At("results").([]any)[0].(map[string]any)
	if fields := fmt.Sprint(me["userCustomFields"]); fields != "[map[id:f2]]" {
		t.Errorf("the user has %s", fields)
	}
}

// Only managers change settings; everybody of the account reads them.
func testT13SettingsAreManagers(t *testing.T, s *stack) {
	s.senders()
	regular := s.as(s.apiKey("signer1@example.com"))
	john := "/api/account/senders/" + s.Get("/api/account/senders?search=smith").Text("results.0.id")
	mary := "/api/account/senders/" + s.Get("/api/account/senders?search=doe").Text("results.0.id")
	for path, body := range map[string]string{
		"/api/accountConfig/declineReasons/en": `["x"]`, "/api/accountConfig/handoverUrl/en": `{}`, "/api/account/signingThemes": `{}`,
		"/api/account/admin/accountSettings": `{}`, "/api/account/admin/signingLogos": `[]`, "/api/account/customfields": `{"id":"x"}`,
	} {
		wantKey(t, regular.Post(path, body), 403, "error.forbidden.account.notManager")
		regular.Get(path).Want(200)
	}
	for _, path := range []string{"/api/accountConfig/declineReasons/en", "/api/account/signingThemes", "/api/account/admin/signingLogos", "/api/account/customfields/x"} {
		wantKey(t, regular.Delete(path), 403, "error.forbidden.account.notManager")
	}
	wantKey(t, regular.Get(mary+"/delegates"), 403, "error.forbidden.account.notManager")
	wantKey(t, regular.Put(mary+"/delegates", `[]`), 403, "error.forbidden.account.notManager")
	wantKey(t, regular.Get(mary+"/signature/image"), 403, "error.forbidden.account.notManager")
	regular.Get(john + "/delegates").Want(200)
	regular.Post("/api/user/customfields", `{"id":"own"}`).Want(200)
}

// Senders: what clients keep with them, pictures of signatures, delegates, contacts.
func testSenderExtras(t *testing.T, s *stack) {
	made := s.Post("/api/account/senders", `{"email":"signer1@example.com","firstName":"John","lastName":"Smith","external":{"id":"x","provider":"p","data":null},
		"userCustomFields":[{"id":"c","value":"v"}],"specialTypes":["NOTARY"],"professionalIdentityFields":null}`).Want(200)
	john := "/api/account/senders/" + made.Text("id")
	s.Post(john, `{"specialTypes":[],"title":"Dr"}`).Want(200)
	got := s.Get(john).Want(200)
	if got.Text("external.id") != "x" || got.Text("userCustomFields.0.value") != "v" || len(got.At("specialTypes").([]any)) != 0 || got.Text("title") != "Dr" {
		t.Errorf("%s", got.Body)
	}
	mary := s.Post("/api/account/senders", `{"email":"signer2@example.com","firstName":"Mary","lastName":"Doe"}`).Want(200).Text("id")

	image := func(path string, parts ...apitest.Part) apitest.Answer {
		body, media := apitest.Multipart(parts...)
		return s.Do(apitest.Call{Method: "POST", Path: path, Media: media, Body: body})
	}
	file := apitest.Part{Name: "file", File: "../John's.png", Media: "text/html", Data: string(pngOf(9))}
	s.Get(john + "/signature/image").Want(404)
	image(john+"/signature/image", file).Want(200)
	kept := s.Get(john + "/signatureImage").Want(200)
	if kept.Text("fileName") != "John's.png" || kept.Text("mediaType") != "image/png" || kept.Text("content") != base64.StdEncoding.EncodeToString(pngOf(9)) {
		t.Errorf("%s", kept.Body)
	}
	for _, bad := range []string{"", "<svg/>", paper(), "GIF89a\x01\x00\x01\x00\x00\x00\x00;", string(pngOf(2000))} {
		wantKey(t, image(john+"/signature/image", apitest.Part{Name: "file", File: "a.png", Data: bad}), 400, "error.validation.signature.malformed")
	}
	image(john+"/signature/image", file, file).Want(400)
	image(john+"/signature/image", apitest.Part{Name: "other", Data: "x"}).Want(400)
	image(john+"/signature/image", apitest.Part{Name: "file", File: "a.png", Data: strings.Repeat("x", 600<<10)}).Want(413)
	s.Delete(john + "/signature/image").Want(204)
	s.Delete(john + "/signature/image").Want(204)
	s.Get(john + "/signature/image").Want(404)

	wantBody(t, s.Get(john+"/delegates"), `[]`)
	s.Put(john+"/delegates", `["`+mary+`","`+mary+`"]`).Want(200)
	s.Put(john+"/delegates", `[{"id":"`+mary+`","email":"signer2@example.com"}]`).Want(200)
	if got := s.Get(john + "/delegates").Want(200); elements(got) != 1 || got.Text("0.email") != "signer2@example.com" {
		t.Errorf("%s", got.Body)
	}
	wantKey(t, s.Put(john+"/delegates", `["nobody"]`), 400, "error.validation.delegate.unknown")
	wantKey(t, s.Put(john+"/delegates", `["`+made.Text("id")+`"]`), 400, "error.validation.delegate.self")
	wantKey(t, s.Put(john+"/delegates", `[7]`), 400, "error.validation.json.type")
	s.Delete(john + "/delegates/" + mary).Want(204)
	s.Post(john+"/delegates/"+mary, `{"id":"`+mary+`"}`).Want(200)
	s.Delete("/api/account/senders/" + mary).Want(204)
	wantBody(t, s.Get(john+"/delegates"), `[]`)
	wantKey(t, s.Post("/api/account/senders/"+mary+"/invite", ""), 400, "error.validation.sender.deleted")

	for _, path := range []string{"/api/cs-users", "/api/sign/v1/cs-users"} {
		if n := elements(s.Get(path).Want(200)); n != 2 {
			t.Errorf("%s: %d contacts", path, n)
		}
	}
	s.Get("/api/users").Want(404)
	s.Get("/api/sign/v1/users").Want(404)
}

// Account roles are the two built-in ones; what is not offered says so.
func testRolesAndNotServed(t *testing.T, s *stack) {
	s.senders()
	if n := s.count("/api/account/roles"); n != 2 {
		t.Errorf("%v roles", n)
	}
	if s.Get("/api/account/roles/MANAGER").Want(200).Text("id") != "MANAGER" || s.count("/api/account/roles/REGULAR/users") != 3 {
		t.Error("the roles' users are others")
	}
	s.Get("/api/account/roles/OTHER").Want(404)
	if n := s.count("/api/account/dummyAccountId/verificationTypes"); n != 0 {
		t.Errorf("%v verification types", n)
	}
	for _, r := range notServedRoutes() {
		path := strings.NewReplacer("{", "", "}", "").Replace(r.Path)
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			wantKey(t, s.Do(apitest.Call{Method: method, Path: "/api" + path}), 501, "error.notServed.operation.notServed")
		}
	}
}

// Groups to the letter: what the Java library does, and what the pages of the vendor say.
func testGroupLetter(t *testing.T, s *stack) {
	s.senders()
	s.Post("/api/groups", `{"id":null,"name":null,"email":null,"emailMembers":null,"members":null,"data":null,"account":null}`).Want(200)
	made := s.Post("/api/groups", `{"id":"f00dabcd1234","email":"group@example.com","name":"Group name","emailMembers":true,"data":{"a":1}}`).Want(200)
	one := "/api/groups/" + made.Text("id")
	if made.Text("id") != "f00dabcd1234" || made.At("emailMembers") != true || len(made.At("members").([]any)) != 0 {
		t.Errorf("%s", made.Body)
	}
	m := s.Post(one+"/members", `{"email":"Signer1@Example.com","userId":"","firstName":null,"memberType":"SIGNER"}`).Want(200)
	if m.Text("email") != "signer1@example.com" || m.Text("memberType") != "REGULAR" || m.Text("userId") == "" || m.At("pending") != true {
		t.Errorf("%s", m.Body)
	}
	s.Post(one+"/members", `{"userId":"`+m.Text("userId")+`"}`).Want(200) // again
	if g := s.Post(one+"/invite", `{"email":"signer2@example.com","memberType":"MANAGER"}`).Want(200); len(g.At("members").([]any)) != 2 || g.Text("members.1.memberType") != "MANAGER" {
		t.Errorf("%s", g.Body)
	}
	s.Post(one+"/members", `{"email":"signer1@example.com","memberType":"AD_HOC_GROUP_MEMBER"}`).Want(400)
	for query, want := range map[string]float64{"?name=ROUP%20NA": 1, "?name=signer": 1, "?requestType=manager": 2, "?from=2&to=2": 2, "?name=%25": 0, "?requestType=": 2} {
		if n := s.count("/api/groups" + query); n != want {
			t.Errorf("%s: %v, want %v", query, n, want)
		}
	}
	if own := s.as(s.apiKey("signer2@example.com")).Get("/api/groups?requestType=manager").Want(200); own.At("count") != 1.0 {
		t.Errorf("a manager of one group manages %s", own.Body)
	}
	if sum := s.Get("/api/groups/summary?name=Group%20name").Want(200); sum.Text("results.0.id") != "f00dabcd1234" || sum.At("results.0.data.a") != 1.0 || strings.Contains(string(sum.Body), "members") {
		t.Errorf("%s", sum.Body)
	}
	read := s.Get(one).Want(200)
	s.Put(one, string(read.Body)).Want(200) // as it was read
	if put := s.Put(one, `{"email":"new@example.com","emailMembers":false,"members":[{"email":"signer2@example.com"}]}`).Want(200); put.Text("name") != "Group name" ||
		put.Text("email") != "new@example.com" || len(put.At("members").([]any)) != 1 || put.Text("members.0.memberType") != "MANAGER" {
		t.Errorf("%s", put.Body)
	}
	if put := s.Put(one, `{"members":[]}`).Want(200); len(put.At("members").([]any)) != 0 {
		t.Errorf("%s", put.Body)
	}
	s.Put(one, `{"name":"Group name"}`).Want(200)
	s.Post("/api/groups", `{"name":"Group name"}`).Want(400)
	s.Delete(one).Want(204)
	s.Delete(one).Want(404)
}
