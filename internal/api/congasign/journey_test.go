package congasign

import (
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
)

// Every route on one journey, against the golden samples, on both engines.
func testJourney(t *testing.T, s *stack) {
	s.Golden = apitest.NewGolden("testdata")
	s.Golden.Name("accountId", s.account.OuterID)
	group := s.playGroups()
	s.playSettings()
	s.playPackage(group)
	s.playEditing()
	s.playCallbacks()
	s.playSigning()
	s.playTemplates()
	s.playAccess()
	var patterns []string
	for _, route := range New(Config{}).Routes {
		patterns = append(patterns, route.Pattern())
	}
	if missing := s.Golden.Unseen(patterns); missing != nil {
		t.Errorf("routes without a golden sample: %q", missing)
	}
}

// sample makes a call that is a golden sample of its route.
func (s *stack) sample(route, method, path, body string, learn ...string) apitest.Answer {
	s.T.Helper()
	c := apitest.Call{Route: route, Method: method, Path: path, Learn: map[string]string{}}
	if body != "" {
		c.Body = []byte(body)
	}
	for i := 0; i+1 < len(learn); i += 2 {
		c.Learn[learn[i]] = learn[i+1]
	}
	return s.Do(c)
}

func (s *stack) playGroups() (group string) {
	s.T.Helper()
	senders := "/api/cs-account/senders"
	john := s.sample("POST /account/senders", "POST", senders,
		`{"email":"Signer1@Example.com","firstName":"John","lastName":"Smith","title":"Pharmacist","company":"Example Pharmacy","phone":null,"language":"en","address":{"city":"Springfield"}}`,
		"john", "id").Want(200).Text("id")
	mary := s.Post(senders, `{"email":"signer2@example.com","firstName":"Mary","lastName":"Doe"}`).Want(200).Text("id")
	s.Golden.Name("mary", mary)
	s.sample("GET /account/senders", "GET", senders+"?search=smith", "").Want(200)
	s.sample("GET /account/senders/{sender}", "GET", senders+"/"+john, "").Want(200)
	s.sample("POST /account/senders/{sender}", "POST", senders+"/"+john, `{"id":"`+john+`","email":"signer1@example.com","phone":"+1 555 0100","timezoneId":"UTC"}`).Want(200)
	s.sample("POST /account/senders/{sender}/invite", "POST", senders+"/"+john+"/invite", "").Want(200)

	groups := "/api/cs-groups"
	group = s.sample("POST /groups", "POST", groups, `{
		"email": "your_group_email@example.com", "name": "your_group_name",
		"members": [
			{"pending": true, "email": "signer1@example.com", "memberType": "REGULAR", "firstName": "John", "lastName": "Smith"},
			{"pending": true, "email": "signer2@example.com", "memberType": "REGULAR", "firstName": "Mary", "lastName": "Doe"}]}`,
		"group", "id").Want(200).Text("id")
	s.sample("GET /groups", "GET", "/api/groups", "").Want(200)
	s.sample("GET /groups/summary", "GET", groups+"/summary?name=GROUP", "").Want(200)
	s.sample("GET /groups/{group}", "GET", groups+"/"+group, "").Want(200)
	s.sample("PUT /groups/{group}", "PUT", groups+"/"+group, `{"name":"REST Developers","members":[{"userId":"`+john+`","memberType":"MANAGER"}]}`).Want(200)
	s.sample("POST /groups/{group}/members", "POST", groups+"/"+group+"/members", `{"email":"signer2@example.com","userId":"`+mary+`","memberType":"REGULAR"}`).Want(200)
	s.sample("PUT /groups/{group}/members/{user}", "PUT", groups+"/"+group+"/members/"+mary, `{"memberType":"MANAGER"}`).Want(200)
	s.sample("DELETE /groups/{group}/members/{user}", "DELETE", groups+"/"+group+"/members/"+mary, "").Want(204)
	s.sample("POST /groups/{group}/invite", "POST", groups+"/"+group+"/invite", `{"email":"signer2@example.com","userId":"","memberType":"REGULAR"}`).Want(200)
	other := s.Post(groups, `{"name":"Night shift"}`).Want(200).Text("id")
	s.Golden.Name("other", other)
	s.sample("DELETE /groups/{group}", "DELETE", groups+"/"+other, "").Want(204)
	return group
}

func (s *stack) playPackage(group string) {
	s.T.Helper()
	body, media := apitest.Multipart(
		apitest.Part{Name: "file", File: "testDocumentExtraction.pdf", Media: "application/pdf", Data: paper()},
		apitest.Part{Name: "payload", Data: packageFor(group)})
	id := s.Do(apitest.Call{Route: "POST /packages", Method: "POST", Path: "/api/cs-packages", Media: media, Body: body,
		Learn: map[string]string{"package": "id"}}).Want(200).Text("id")
	one := "/api/cs-packages/" + id
	s.Golden.Name("owner", s.Get(one).Text("sender.id"))
	s.Golden.Name("ownerEmail", s.Get(one).Text("sender.email"))
	s.sample("GET /packages/{package}", "GET", one, "").Want(200)
	s.sample("GET /packages", "GET", "/api/cs-packages?query=drafts&from=1&to=5&fields=id", "").Want(200)
	s.sample("GET /packages/{package}/roles", "GET", one+"/roles", "").Want(200)
	s.sample("GET /packages/{package}/roles/{role}", "GET", one+"/roles/98b9db64-39ca-4b5b-a1eb-629e49c46dec", "").Want(200)
	body, media = apitest.Multipart(
		apitest.Part{Name: "payload", Media: "text/plain; charset=UTF-8", Data: `{"id":"doc2","name":"Second Document","approvals":[{"id":"a2","role":"` + seedRole + `","fields":[]}]}`},
		apitest.Part{Name: "file", File: "Second Document", Data: paper()})
	s.Do(apitest.Call{Route: "POST /packages/{package}/documents", Method: "POST", Path: one + "/documents", Media: media, Body: body}).Want(200)
	s.sample("GET /packages/{package}/documents/{document}", "GET", one+"/documents/doc2", "").Want(200)
	s.sample("DELETE /packages/{package}/documents/{document}", "DELETE", one+"/documents/doc2", "").Want(204)
	s.sample("PUT /packages/{package}", "PUT", one, `{"description":"For the night shift","autocomplete":true,"data":{"sdk":"Java v11.68.0"}}`).Want(200)
	s.sample("POST /packages/{package}", "POST", one, `{"status":"SENT"}`).Want(200)
	s.sample("GET /packages/{package}/signingStatus", "GET", one+"/signingStatus?signer=&document=", "").Want(200)
	s.sample("GET /packages/{package}/roles/{role}/signingUrl", "GET", one+"/roles/"+seedRole+"/signingUrl", "", "url", "url").Want(200)
	s.db.Shift(2 * time.Minute) // a signer is reminded once a minute
	s.sample("POST /packages/{package}/notifications", "POST", one+"/notifications", `{"email":"signer2@example.com","message":"Please"}`).Want(204)
	s.db.Shift(2 * time.Minute)
	s.sample("POST /packages/{package}/roles/{role}/notifications", "POST", one+"/roles/"+seedRole+"/notifications", "").Want(204)
	s.sign("signer1@example.com")
	if status := s.Get(one + "/signingStatus").Want(200).Text("status"); status != "COMPLETED" {
		s.T.Fatalf("after the signature the package is %s", status)
	}
	s.sample("GET /packages/{package}/documents/{document}/pdf", "GET", one+"/documents/"+seedDocument+"/pdf?flatten=true", "").Want(200)
	s.sample("GET /packages/{package}/documents/{document}/original", "GET", one+"/documents/"+seedDocument+"/original", "").Want(200)
	s.sample("GET /packages/{package}/documents/zip", "GET", one+"/documents/zip", "").Want(200)
	s.sample("GET /packages/{package}/evidence/summary", "GET", one+"/evidence/summary", "").Want(200)
	s.sample("GET /packages/{package}/audit", "GET", one+"/audit", "").Want(200)
	s.sample("DELETE /packages/{package}", "DELETE", one, "").Want(204)
	mary := s.Get("/api/account/senders?search=doe").Want(200).Text("results.0.id")
	s.sample("DELETE /account/senders/{sender}", "DELETE", "/api/cs-account/senders/"+mary, "").Want(204)
}
