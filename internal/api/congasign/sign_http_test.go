package congasign

import (
	"encoding/base64"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
)

const signablePackage = `{"name":"Sign","status":"SENT",
 "roles":[{"id":"r1","name":"Own","index":0,"signers":[{"id":"s1","email":"signer1@example.com","firstName":"John","lastName":"Smith"}]},
  {"id":"r2","name":"Group","index":0,"signers":[{"group":{"id":"GROUP"}}]},
  {"id":"r3","name":"Later","index":2,"signers":[{"id":"s3","email":"cy@example.org","firstName":"Cy","lastName":"Orr"}]},
  {"id":"r4","name":"First","index":1,"signers":[{"id":"s4","email":"di@example.org","firstName":"Di","lastName":"Poe"}]}],
 "documents":[{"id":"d1","name":"Contract","base64Content":"PDF","approvals":[
   {"id":"a1","role":"r1","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":100,"width":200,"height":50},
     {"id":"zip","type":"INPUT","subtype":"TEXTFIELD","page":0,"left":100,"top":200,"width":200,"height":30,"validation":{"required":true,"pattern":"^[0-9]{5}$"}}]},
   {"id":"a2","role":"r2","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":400,"top":100,"width":200,"height":50}]},
   {"id":"a3","role":"r3","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":300,"width":200,"height":50}]},
   {"id":"a4","role":"r4","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":400,"top":300,"width":200,"height":50}]}]}]}`

// signable sends a package that the first sender signs for himself and for a group, and two more in order; it returns
// the package's path. The senders are there already.
func (s *stack) signable(group string) string {
	s.T.Helper()
	payload := strings.Replace(strings.Replace(signablePackage, "GROUP", group, 1), "PDF", base64.StdEncoding.EncodeToString([]byte(paper())), 1)
	return "/api/packages/" + s.Post("/api/packages", payload).Want(200).Text("id")
}

// john is a client that acts as the first sender.
func (s *stack) john() apitest.Client { return s.as(s.apiKey("signer1@example.com")) }

// zipCode is the document as a client sends it back with a value.
func zipCode(value string) string {
	return `{"id":"d1","name":"Contract","index":1,"pages":[],"approvals":[{"id":"a1","role":"r1","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","value":null},
		{"id":"zip","type":"INPUT","subtype":"TEXTFIELD","value":"` + value + `"}]}],"fields":[]}`
}

// playSigning calls every route of signing for its golden sample.
func (s *stack) playSigning() {
	s.T.Helper()
	group := s.Post("/api/groups", `{"name":"Signers","members":[{"email":"signer1@example.com","memberType":"REGULAR"}]}`).Want(200).Text("id")
	one := s.signable(group)
	s.Golden.Name("signable", one[len("/api/packages/"):])
	key := s.apiKey("signer1@example.com")
	john := *s
	john.Authorization = key
	john.sample("GET /packages/{package}/documents/{document}/signers/{signer}/approvals", "GET", one+"/documents/d1/signers/s1/approvals", "").Want(200)
	john.sample("POST /packages/{package}/documents/signConfirm", "POST", one+"/documents/signConfirm", zipCode("12345")).Want(200)
	two := s.signable(group)
	s.Golden.Name("signable2", two[len("/api/packages/"):])
	john.sample("POST /packages/{package}/documents/signed_documents", "POST", two+"/documents/signed_documents",
		`{"documents":[{"id":"default-consent"},`+zipCode("12345")+`],"handdrawn":""}`).Want(200)
}

// Signing by API over HTTP: a sender signs his own block and his group's; others get 403, 409 names the holder.
func testSigningByAPI(t *testing.T, s *stack) {
	s.senders()
	one := s.signable(s.group())
	sign, all := one+"/documents/signed_documents", `{"documents":[`+zipCode("12345")+`],"handdrawn":""}`
	if a := s.Post(sign, all); a.Status != 403 { // the owner signs nothing here
		t.Errorf("who is not asked to sign gets %d %s", a.Status, a.Body)
	}
	john := s.john()
	if list := john.Get(one + "/documents/d1/signers/s3/approvals").Want(200); string(list.Body) != "[]\n" && string(list.Body) != "[]" {
		t.Errorf("who waits may sign %s", list.Body)
	}
	if list := john.Get(one + "/documents/d1/signers/s4/approvals").Want(200); list.Text("0.id") != "a4" {
		t.Errorf("whose turn it is may sign %s", list.Body)
	}
	john.Post(sign, `{"documents":[{"id":"default-consent"}]}`).Want(200) // alone it is nothing to sign
	if got := john.Get(one + "/signingStatus?signer=s1").Text("status"); got != "SIGNING_PENDING" {
		t.Errorf("the consent alone made it %s", got)
	}
	john.Post(sign, all).Want(200)
	for _, signer := range []string{"s1", "r2"} {
		if list := john.Get(one + "/documents/d1/signers/" + signer + "/approvals").Want(200); bareArray(t, list) != 0 {
			t.Errorf("%s may sign again: %s", signer, list.Body)
		}
	}
	got := john.Get(one).Want(200)
	if got.Text("documents.1.approvals.0.signed") == "" || !strings.Contains(string(got.Body), `"12345"`) {
		t.Errorf("after signing: %s", got.Body)
	}
}

// signingRefusals are the refusals of signing by API.
var signingRefusals = []refusal{
	{"sign what is another's", func(s *stack) apitest.Answer {
		s.senders()
		return s.Post(s.signable(s.group())+"/documents/signed_documents", `{"documents":[]}`)
	}},
	{"sign a document that is not there", func(s *stack) apitest.Answer {
		s.senders()
		return s.john().Post(s.signable(s.group())+"/documents/signConfirm", `{"id":"other"}`)
	}},
	{"sign a document without its id", func(s *stack) apitest.Answer {
		s.senders()
		return s.john().Post(s.signable(s.group())+"/documents/signConfirm", `{"name":"Contract"}`)
	}},
	{"sign with a value of another form", func(s *stack) apitest.Answer {
		s.senders()
		return s.john().Post(s.signable(s.group())+"/documents/signConfirm", zipCode("x"))
	}},
	{"sign with a required field empty", func(s *stack) apitest.Answer {
		s.senders()
		return s.john().Post(s.signable(s.group())+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"sign by an image that is none", func(s *stack) apitest.Answer {
		s.senders()
		return s.john().Post(s.signable(s.group())+"/documents/signed_documents", `{"documents":[],"handdrawn":"R0lGODlh"}`)
	}},
	{"sign by an image that is no base64", func(s *stack) apitest.Answer {
		s.senders()
		return s.john().Post(s.signable(s.group())+"/documents/signed_documents", `{"documents":[],"handdrawn":"%"}`)
	}},
	{"sign again", func(s *stack) apitest.Answer {
		s.senders()
		path := s.signable(s.group()) + "/documents/signConfirm"
		s.john().Post(path, zipCode("12345")).Want(200)
		return s.john().Post(path, zipCode("12345"))
	}},
	{"sign before one's turn", func(s *stack) apitest.Answer {
		s.senders()
		one := s.signable(s.group())
		return s.session(one, "s3").Post(one+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"sign while another member does", func(s *stack) apitest.Answer {
		s.senders()
		one := s.signable(s.group())
		v := s.enter("signer2@example.com")
		if _, err := s.signing.Take(s.T.Context(), v); err != nil {
			s.T.Fatal(err)
		}
		return s.john().Post(one+"/documents/signConfirm", zipCode("12345"))
	}},
	{"sign after three idle turns while another waits", func(s *stack) apitest.Answer {
		s.senders()
		one := s.signable(s.group())
		v := s.enter("signer2@example.com")
		for range 3 {
			_, err := s.signing.Take(s.T.Context(), v)
			if err == nil {
				err = s.db.Write(s.T.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(`update invitees set waiting_ms = clock_ms() where email = 'signer1@example.com'`)
					return err
				})
			}
			if err != nil {
				s.T.Fatal(err)
			}
			s.db.Shift(directory.Defaults.SoftLease)
		}
		return s.as(s.apiKey("signer2@example.com")).Post(one+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"sign a draft", func(s *stack) apitest.Answer {
		s.senders()
		one := s.signable(s.group())
		s.Put(one, `{"status":"DRAFT"}`).Want(200)
		return s.john().Post(one+"/documents/signConfirm", zipCode("12345"))
	}},
}

// session is a client with a signer's session.
func (s *stack) session(one, signer string) apitest.Client {
	s.T.Helper()
	token := s.Post("/api/authenticationTokens/signer/multiUse", `{"packageId":"`+one[len("/api/packages/"):]+`","signerId":"`+signer+`"}`).Want(200).Text("value")
	opened := s.as("").Do(apitest.Call{Method: "GET", Path: "/auth?signerAuthenticationToken=" + token, Header: map[string]string{"Accept": "application/json"}}).Want(200)
	c := s.as("")
	c.Cookie = "ESIGNLIVE_SESSION_ID=" + opened.Text("sessionToken")
	return c
}
