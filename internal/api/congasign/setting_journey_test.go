package congasign

import (
	"encoding/base64"
	"strings"

	"countersign.dev/internal/api/apitest"
)

// playSettings has a golden sample of every route on settings, reminders and what senders have beside their names.
func (s *stack) playSettings() {
	s.T.Helper()
	s.playShelves()
	s.playSenderExtras()
	one := "/api/cs-packages/" + s.Post("/api/packages", `{"name":"With reminders"}`).Want(200).Text("id")
	s.Golden.Name("draft", one[len("/api/cs-packages/"):])
	const reminders = " /packages/{package}/reminders"
	s.sample("POST"+reminders, "POST", one+"/reminders", `{"repetitionsCount":5,"startInDaysDelay":2,"intervalInDays":1}`).Want(200)
	s.sample("PUT"+reminders, "PUT", one+"/reminders", `{"repetitionsCount":3,"startInDaysDelay":1,"intervalInDays":7}`).Want(200)
	s.sample("GET"+reminders, "GET", one+"/reminders", "").Want(200)
	s.sample("DELETE"+reminders, "DELETE", one+"/reminders", "").Want(204)
	for _, r := range notServedRoutes() {
		path := strings.NewReplacer("{", "", "}", "").Replace(r.Path)
		s.sample(r.Pattern(), "GET", "/api/cs-"+path[1:], "").Want(501)
	}
}

func (s *stack) playShelves() {
	s.T.Helper()
	fill := strings.NewReplacer("{language}", "en", "accountSettings/{setting}", "accountSettings/accountPackageSettings", "{setting}", "accountSettings", "{field}", "f1", "{role}", "MANAGER", "{account}", "dummyAccountId")
	logo := `[{"language":"en","image":"` + base64.StdEncoding.EncodeToString(pngOf(1)) + `"}]`
	bodies := map[string]string{
		"/accountConfig/declineReasons/{language}":       `["Decline Reason 1","Decline Reason 2"]`,
		"/accountConfig/handoverUrl/{language}":          `{"href":"https://www.example.com/done","text":"Continue","title":"Done"}`,
		"/account/signingThemes":                         `{"default":{"color":{"primary":"#5940C3"}}}`,
		"/account/admin/signingThemes":                   `{"default":{"color":{"primary":"#5940C3"}}}`,
		"/account/admin/chooseSignature":                 `{"signature":{"allowStyling":true,"allowDrawing":true,"defaultSignatureType":"DRAW"}}`,
		"/account/admin/{setting}":                       `{"anything":{"enabled":true}}`,
		"/account/admin/accountSettings/{setting}":       `{"anything":{"enabled":true}}`,
		"/dataRetentionSettings/dataManagementPolicy":    `{"transactionRetention":{"draft":60,"sent":0,"completed":60,"archived":60,"declined":60,"optedOut":60,"expired":60}}`,
		"/dataRetentionSettings/expiryTimeConfiguration": `{"maximumRemainingDays":60,"remainingDays":60}`,
		"/account/admin/signingLogos":                    logo,
		"/account/signingLogos":                          logo,
		"/account/customfields":                          `{"id":"f1","value":"Default","required":true,"translations":[{"language":"en","name":"Player Number"}]}`,
		"/user/customfields":                             `{"id":"f1","value":"99"}`,
		"/account/roles":                                 `{"name":"Custom"}`,
	}
	sf := &surface{}
	for _, method := range []string{"POST", "PUT", "PATCH", "GET", "DELETE"} {
		for _, r := range sf.settingRoutes() {
			if r.Method == "" || r.Method != method || strings.Contains(r.Path, "/senders/") {
				continue
			}
			body := ""
			if method != "GET" && method != "DELETE" {
				body = bodies[r.Path]
			}
			a := s.sample(r.Pattern(), method, "/api/cs-"+fill.Replace(r.Path)[1:], body)
			if a.Status >= 400 && a.Status != 501 {
				s.T.Errorf("%s is refused: %s", r.Pattern(), a.Body)
			}
		}
	}
}

func (s *stack) playSenderExtras() {
	s.T.Helper()
	john := s.Get("/api/account/senders?search=smith").Text("results.0.id")
	mary := s.Get("/api/account/senders?search=doe").Text("results.0.id")
	one, route := "/api/cs-account/senders/"+john, "/account/senders/{sender}"
	s.Do(apitest.Call{Route: "GET /users", Method: "GET", Path: "/api/cs-users", Learn: map[string]string{"owner": "0.id", "ownerEmail": "0.email"}}).Want(200)
	s.sample("PUT "+route+"/delegates", "PUT", one+"/delegates", `["`+mary+`"]`).Want(200)
	s.sample("GET "+route+"/delegates", "GET", one+"/delegates", "").Want(200)
	s.sample("DELETE "+route+"/delegates/{delegate}", "DELETE", one+"/delegates/"+mary, "").Want(204)
	s.sample("POST "+route+"/delegates/{delegate}", "POST", one+"/delegates/"+mary, `{"id":"`+mary+`"}`).Want(200)
	s.sample("DELETE "+route+"/delegates", "DELETE", one+"/delegates", "").Want(204)
	s.sample("GET "+route+"/roles", "GET", one+"/roles", "").Want(200)
	s.sample("PUT "+route+"/roles", "PUT", one+"/roles", `{"roles":[]}`).Want(501)
	for _, path := range []string{"/signature/image", "/signatureImage"} {
		body, media := apitest.Multipart(apitest.Part{Name: "file", File: "john.png", Media: "image/png", Data: string(pngOf(1))})
		s.Golden.Name("png", strings.ReplaceAll(string(pngOf(1)), "\r\n", "\n"))
		s.Do(apitest.Call{Route: "POST " + route + path, Method: "POST", Path: one + path, Media: media, Body: body}).Want(200)
		s.sample("GET "+route+path, "GET", one+path, "").Want(200)
		s.sample("DELETE "+route+path, "DELETE", one+path, "").Want(204)
	}
}
