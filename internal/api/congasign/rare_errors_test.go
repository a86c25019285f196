package congasign

import (
	"encoding/base64"
	"fmt"
	"strings"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
)

// repeated writes a text n times, with a number for each %d, divided by commas.
func repeated(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

func base64Paper() string { return base64.StdEncoding.EncodeToString([]byte(paper())) }

// one signs: a sent package of one signer, r1 and s1, whose fields are given; it returns the package's path.
func (s *stack) oneSigns(fields string) string {
	s.T.Helper()
	return "/api/packages/" + s.oneSigner(`"SENT"`, "Ann", fields).Want(200).Text("id")
}

func (s *stack) oneSigner(status, first, fields string) apitest.Answer {
	s.T.Helper()
	return s.Post("/api/packages", `{"name":"One","status":`+status+`,"roles":[{"id":"r1","signers":[{"id":"s1","email":"ann@example.com","firstName":"`+first+`"}]}],
		"documents":[{"id":"d1","name":"Contract","base64Content":"`+base64Paper()+`","approvals":[{"id":"a1","role":"r1","fields":[`+fields+`]}]},
		{"id":"d2","name":"Terms","base64Content":"`+base64Paper()+`"}]}`)
}

const (
	signatureField = `{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":100,"width":200,"height":50}`
	boxes          = `{"id":"b%d","type":"INPUT","subtype":"CHECKBOX","page":0,"left":10,"top":10,"width":20,"height":20,"validation":{"group":"colours","minimumRequired":1}}`
)

// rareRefusals are limits, and what few clients meet.
var rareRefusals = []refusal{
	{"body in gzip", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: "/api/groups", Body: []byte("x"), Header: map[string]string{"Content-Encoding": "gzip"}})
	}},
	{"query that cannot be read", func(s *stack) apitest.Answer { return s.Get("/api/groups?name=%zz") }},
	{"unknown request type", func(s *stack) apitest.Answer { return s.Get("/api/groups?requestType=all") }},
	{"member named twice with two types", func(s *stack) apitest.Answer {
		s.senders()
		return s.Post("/api/groups", `{"name":"Twice","members":[{"email":"signer1@example.com","memberType":"REGULAR"},{"email":"signer1@example.com","memberType":"MANAGER"}]}`)
	}},
	{"group of 1001 members", func(s *stack) apitest.Answer {
		return s.Post("/api/groups", `{"name":"Crowd","members":[`+repeated(1001, `{"email":"m%d@example.com"}`)+`]}`)
	}},
	{"invited sender made active", func(s *stack) apitest.Answer {
		return s.Post(s.newSender("invited@example.com"), `{"status":"ACTIVE"}`)
	}},
	{"sender's e-mail changed to another's", func(s *stack) apitest.Answer {
		s.senders()
		return s.Post(s.newSender("changing@example.com"), `{"email":"signer1@example.com"}`)
	}},
	{"too many delegates", func(s *stack) apitest.Answer {
		one, ids := s.newSender("delegating@example.com"), []string{}
		for i := range 101 {
			ids = append(ids, `"`+s.newSender(fmt.Sprintf("delegate%d@example.com", i))[len("/api/account/senders/"):]+`"`)
		}
		return s.Put(one+"/delegates", "["+strings.Join(ids, ",")+"]")
	}},
	{"custom field of a long name deleted", func(s *stack) apitest.Answer {
		return s.Delete("/api/account/customfields/" + strings.Repeat("x", 201))
	}},
	{"too many custom fields", func(s *stack) apitest.Answer {
		if err := s.db.Write(s.T.Context(), func(tx *db.Tx) error {
			for i := range 500 {
				if _, err := tx.Exec(`insert into account_documents (account_id, kind, name, updated_ms) values ($1, 'custom_field', $2, 0)`,
					s.account.ID, fmt.Sprint("x", i)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			s.T.Fatal(err)
		}
		return s.Post("/api/account/customfields", `{"id":"one more"}`)
	}},
	{"package's name of 10 kB", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"`+strings.Repeat("x", 10_000)+`"}`)
	}},
	{"due later than the account allows", func(s *stack) apitest.Answer {
		s.Put(expiryPath, `{"maximumRemainingDays":5}`).Want(200)
		defer func() { s.Put(expiryPath, `{"maximumRemainingDays":0}`).Want(200) }()
		one := "/api/packages/" + s.oneSigner(`"DRAFT"`, "Ann", signatureField).Want(200).Text("id")
		s.Post(one, `{"due":"2099-01-01T00:00:00Z"}`).Want(200)
		return s.Post(one, `{"status":"SENT"}`)
	}},
	{"101 roles", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[`+repeated(101, `{"id":"r%d","signers":[{"email":"a@example.com","firstName":"A"}]}`)+`]}`)
	}},
	{"101 documents", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","documents":[`+repeated(101, `{"name":"d%d","base64Content":"JVBERi0="}`)+`]}`)
	}},
	{"2001 fields", func(s *stack) apitest.Answer {
		return s.oneSigner(`"DRAFT"`, "Ann", repeated(2001, `{"id":"f%d","type":"INPUT","subtype":"TEXTFIELD","page":0,"left":1,"top":1,"width":50,"height":20}`))
	}},
	{"role id with a slash", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[{"id":"a/b","signers":[{"email":"a@example.com","firstName":"A"}]}]}`)
	}},
	{"role id of 200 characters", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[{"id":"`+strings.Repeat("x", 200)+`","signers":[{"email":"a@example.com","firstName":"A"}]}]}`)
	}},
	{"two documents of one id", func(s *stack) apitest.Answer {
		one := `{"id":"d","name":"D","base64Content":"` + base64Paper() + `"}`
		return s.Post("/api/packages", `{"name":"x","documents":[`+one+`,`+one+`]}`)
	}},
	{"document called as the consent", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","documents":[{"id":"default-consent","name":"D","base64Content":"`+base64Paper()+`"}]}`)
	}},
	{"PDF that is signed", func(s *stack) apitest.Answer {
		return s.file(strings.Replace(paper(), "/Pages 2 0 R>>", "/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[<</FT/Sig/T(a)/V<</Type/Sig/Filter/Adobe.PPKLite/ByteRange[0 1 2 3]/Contents<00>>>>>]>>>>", 1))
	}},
	{"role with 21 attachments", func(s *stack) apitest.Answer {
		return s.Put(s.editable()+"/roles/r2", `{"attachmentRequirements":[`+repeated(21, `{"id":"a%d","name":"A"}`)+`]}`)
	}},
	{"send to a name no font draws", func(s *stack) apitest.Answer { return s.oneSigner(`"SENT"`, "محمد", signatureField) }},
	{"send a QR code that holds too much", func(s *stack) apitest.Answer {
		return s.oneSigner(`"SENT"`, "Ann", signatureField+`,{"id":"q","type":"IMAGE","subtype":"QRCODE","page":0,"left":10,"top":10,"width":200,"height":200,"value":"`+
			strings.Repeat("x", 3000)+`"}`)
	}},
	{"package renamed after a signature", func(s *stack) apitest.Answer {
		s.senders()
		one := s.signable(s.group())
		s.john().Post(one+"/documents/signConfirm", zipCode("12345")).Want(200)
		return s.Put(one, `{"name":"Other"}`)
	}},
	{"signer changed by who may not", func(s *stack) apitest.Answer {
		s.senders()
		return s.john().Put(s.sentEditable()+"/roles/r1", `{"signers":[{"id":"s1","email":"signer1@example.com","firstName":"John"}]}`)
	}},
	{"package changed by its signer", func(s *stack) apitest.Answer {
		one := s.oneSigns(signatureField)
		return s.session(one, "s1").Post(one, `{"name":"Mine"}`)
	}},
	{"sign a document without a place for the signer", func(s *stack) apitest.Answer {
		one := s.oneSigns(signatureField)
		return s.session(one, "s1").Post(one+"/documents/signConfirm", `{"id":"d2"}`)
	}},
	{"sign before a file is attached", func(s *stack) apitest.Answer {
		one := s.sentEditable()
		return s.session(one, "s1").Post(one+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"sign typed what must be drawn", func(s *stack) apitest.Answer {
		one := s.oneSigns(strings.Replace(signatureField, "FULLNAME", "CAPTURE", 1))
		return s.session(one, "s1").Post(one+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"sign with no box of a group checked", func(s *stack) apitest.Answer {
		one := s.oneSigns(signatureField + "," + repeated(2, boxes))
		return s.session(one, "s1").Post(one+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"fill a field that is read only", func(s *stack) apitest.Answer {
		one := s.oneSigns(signatureField + `,{"id":"f2","type":"INPUT","subtype":"TEXTFIELD","page":0,"left":10,"top":10,"width":50,"height":20,"value":"x","validation":{"disabled":true}}`)
		return s.session(one, "s1").Put(one+"/documents/d1/approvals/a1/fields/f2", `{"value":"y"}`)
	}},
	{"sign as a member only of a group whose turn comes later", func(s *stack) apitest.Answer {
		one := "/api/packages/" + s.Post("/api/packages", `{"name":"Board","status":"SENT","roles":[
			{"id":"r1","index":1,"signers":[{"id":"s1","email":"ann@example.com","firstName":"Ann"}]},
			{"id":"r2","index":1,"signers":[{"id":"s2","email":"bob@example.com","firstName":"Bob"}]},
			{"id":"board","index":2,"signers":[{"id":"b0","firstName":"Board","signerType":"AD_HOC_GROUP_SIGNER",
				"email":"0123456789abcdef0123456789abcdef@adhoc.groups.e-signlive.com","group":{"name":"Board","members":[
				{"userId":"s1","memberType":"AD_HOC_GROUP_MEMBER"},{"userId":"s2","memberType":"AD_HOC_GROUP_MEMBER"}]}}]}],
			"documents":[{"id":"d1","name":"Contract","base64Content":"`+base64Paper()+`","approvals":[{"id":"a1","role":"r1","fields":[`+signatureField+`]},
				{"id":"a2","role":"board","fields":[`+signatureField+`]}]}]}`).Want(200).Text("id")
		return s.session(one, "s2").Post(one+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"sign as who only looks on", func(s *stack) apitest.Answer {
		one := s.lookedOn()
		return s.session(one, "s2").Post(one+"/documents/signConfirm", `{"id":"d1"}`)
	}},
	{"who only looks on changed while others sign", func(s *stack) apitest.Answer {
		return s.Put(s.lookedOn()+"/roles/r2", `{"signers":[{"id":"s2","email":"other@example.com","firstName":"Bob"}]}`)
	}},
	{"sign by a program what members prove for themselves", func(s *stack) apitest.Answer {
		must := func(settings directory.Settings) {
			if err := s.dir.SetAccount(s.T.Context(), s.account.OuterID, settings, nil); err != nil {
				s.T.Fatal(err)
			}
		}
		s.senders()
		one := s.signable(s.group())
		must(directory.Settings{MemberIdentification: directory.Always})
		defer must(directory.Settings{MemberIdentification: directory.Link})
		return s.john().Post(one+"/documents/signConfirm", zipCode("12345"))
	}},
	{"API key of a locked sender", func(s *stack) apitest.Answer {
		one := s.newSender("lockedout@example.com")
		key := s.apiKey("lockedout@example.com")
		s.Post(one, `{"status":"LOCKED"}`)
		return s.as(key).Post("/api/groups", `{"name":"Mine"}`)
	}},
}

// lookedOn makes and sends a package that one signs and another only looks at.
func (s *stack) lookedOn() string {
	s.T.Helper()
	return "/api/packages/" + s.Post("/api/packages", `{"name":"Looked on","status":"SENT","roles":[
		{"id":"r1","signers":[{"id":"s1","email":"ann@example.com","firstName":"Ann"}]},
		{"id":"r2","signers":[{"id":"s2","email":"bob@example.com","firstName":"Bob"}]}],
		"documents":[{"id":"d1","name":"Contract","base64Content":"`+base64Paper()+`","approvals":[
			{"id":"a1","role":"r1","fields":[`+signatureField+`]}]}]}`).Want(200).Text("id")
}
