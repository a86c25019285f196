package congasign

import (
	"encoding/base64"
	"strings"

	"countersign.dev/internal/api/apitest"
)

// newSender is the path of a new sender.
func (s *stack) newSender(email string) string {
	s.T.Helper()
	return "/api/account/senders/" + s.Post("/api/account/senders", `{"email":"`+email+`","firstName":"A"}`).Want(200).Text("id")
}

func (s *stack) signatureImage(parts ...apitest.Part) apitest.Answer {
	s.T.Helper()
	body, media := apitest.Multipart(parts...)
	return s.Do(apitest.Call{Method: "POST", Path: s.newSender("hand@example.com") + "/signature/image", Media: media, Body: body})
}

func (s *stack) regular() apitest.Client {
	s.T.Helper()
	s.newSender("regular@example.com")
	return s.as(s.apiKey("regular@example.com"))
}

const (
	reasonsPath  = "/api/accountConfig/declineReasons/en"
	handoverPath = "/api/accountConfig/handoverUrl/en"
	themesPath   = "/api/account/signingThemes"
	logosPath    = "/api/account/admin/signingLogos"
	expiryPath   = "/api/dataRetentionSettings/expiryTimeConfiguration"
)

// accountRefusals are those of keys, settings, senders' extras and reminders.
var accountRefusals = []refusal{
	{"key without quotes", func(s *stack) apitest.Answer { return s.withKey("abc", "/api/packages", `{"name":"x"}`) }},
	{"key of another request", func(s *stack) apitest.Answer {
		s.withKey(`"taken"`, "/api/groups", `{"name":"First of the key"}`).Want(200)
		return s.withKey(`"taken"`, "/api/groups", `{"name":"Second of the key"}`)
	}},
	{"setting by no manager", func(s *stack) apitest.Answer { return s.regular().Put(reasonsPath, `["x"]`) }},
	{"delegates of another", func(s *stack) apitest.Answer {
		one := s.newSender("delegating@example.com")
		return s.regular().Get(one + "/delegates")
	}},
	{"unknown account setting", func(s *stack) apitest.Answer { return s.Get("/api/account/admin/nonsense") }},
	{"decline reasons no array", func(s *stack) apitest.Answer { return s.Post(reasonsPath, `{}`) }},
	{"decline reasons not texts", func(s *stack) apitest.Answer { return s.Post(reasonsPath, `[1]`) }},
	{"decline reason empty", func(s *stack) apitest.Answer { return s.Post(reasonsPath, `[" "]`) }},
	{"decline reason of two lines", func(s *stack) apitest.Answer { return s.Post(reasonsPath, `["a\nb"]`) }},
	{"too many decline reasons", func(s *stack) apitest.Answer {
		return s.Post(reasonsPath, `["x"`+strings.Repeat(`,"x"`, 50)+`]`)
	}},
	{"language of reasons malformed", func(s *stack) apitest.Answer { return s.Get("/api/accountConfig/declineReasons/e%20n") }},
	{"handover to a script", func(s *stack) apitest.Answer { return s.Post(handoverPath, `{"href":"javascript:alert(1)"}`) }},
	{"handover with a password", func(s *stack) apitest.Answer {
		return s.Post(handoverPath, `{"href":"https://user:secret@www.example.com/"}`)
	}},
	{"theme colour named", func(s *stack) apitest.Answer { return s.Post(themesPath, `{"default":{"color":{"primary":"red"}}}`) }},
	{"theme no object", func(s *stack) apitest.Answer { return s.Post(themesPath, `{"default":7}`) }},
	{"setting too large", func(s *stack) apitest.Answer {
		return s.Put("/api/account/admin/accountSettings", `{"x":"`+strings.Repeat("x", 70<<10)+`"}`)
	}},
	{"logo SVG", func(s *stack) apitest.Answer {
		return s.Post(logosPath, `[{"language":"en","image":"`+base64.StdEncoding.EncodeToString([]byte("<svg/>"))+`"}]`)
	}},
	{"logo without an image", func(s *stack) apitest.Answer { return s.Post(logosPath, `[{"language":"en"}]`) }},
	{"two logos of a language", func(s *stack) apitest.Answer {
		logo := `{"language":"en","image":"` + base64.StdEncoding.EncodeToString(pngOf(1)) + `"}`
		return s.Post(logosPath, "["+logo+","+logo+"]")
	}},
	{"too many logos", func(s *stack) apitest.Answer {
		var logos []string
		for i := range 41 {
			logos = append(logos, `{"language":"x`+string(rune('a'+i/26))+string(rune('a'+i%26))+`","image":"`+base64.StdEncoding.EncodeToString(pngOf(1))+`"}`)
		}
		return s.Post(logosPath, "["+strings.Join(logos, ",")+"]")
	}},
	{"expiry above the maximum", func(s *stack) apitest.Answer {
		return s.Put(expiryPath, `{"maximumRemainingDays":5,"remainingDays":6}`)
	}},
	{"expiry of a century", func(s *stack) apitest.Answer { return s.Put(expiryPath, `{"maximumRemainingDays":36500}`) }},
	{"retention below 0", func(s *stack) apitest.Answer {
		return s.Put("/api/dataRetentionSettings/dataManagementPolicy", `{"transactionRetention":{"draft":-1}}`)
	}},
	{"custom field without id", func(s *stack) apitest.Answer { return s.Post("/api/account/customfields", `{"value":"x"}`) }},
	{"too many custom values", func(s *stack) apitest.Answer {
		for i := range 100 {
			s.Post("/api/user/customfields", `{"id":"f`+string(rune('a'+i/26))+string(rune('a'+i%26))+`"}`).Want(200)
		}
		defer func() {
			for i := range 100 {
				s.Delete("/api/user/customfields/f" + string(rune('a'+i/26)) + string(rune('a'+i%26))).Want(204)
			}
		}()
		return s.Post("/api/user/customfields", `{"id":"one more"}`)
	}},
	{"unknown account role", func(s *stack) apitest.Answer { return s.Get("/api/account/roles/OTHER") }},
	{"operation not offered", func(s *stack) apitest.Answer { return s.Get("/api/layouts?from=1&to=5&dir=asc") }},
	{"contacts without cs-", func(s *stack) apitest.Answer { return s.Get("/api/sign/v1/users") }},
	{"delegate unknown", func(s *stack) apitest.Answer {
		return s.Put(s.newSender("delegating@example.com")+"/delegates", `["nobody"]`)
	}},
	{"delegate of himself", func(s *stack) apitest.Answer {
		one := s.newSender("delegating@example.com")
		return s.Put(one+"/delegates", `["`+one[len("/api/account/senders/"):]+`"]`)
	}},
	{"delegate a number", func(s *stack) apitest.Answer {
		return s.Put(s.newSender("delegating@example.com")+"/delegates", `[7]`)
	}},
	{"no picture of a signature", func(s *stack) apitest.Answer { return s.Get(s.newSender("hand@example.com") + "/signature/image") }},
	{"signature no image", func(s *stack) apitest.Answer {
		return s.signatureImage(apitest.Part{Name: "file", File: "a.png", Data: "<svg/>"})
	}},
	{"signature without a file", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: s.newSender("hand@example.com") + "/signature/image",
			Media: "multipart/form-data; boundary=X", Body: []byte("--X\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--X--\r\n")})
	}},
	{"two signatures at once", func(s *stack) apitest.Answer {
		file := apitest.Part{Name: "file", File: "a.png", Data: string(pngOf(1))}
		return s.signatureImage(file, file)
	}},
	{"deleted sender invited again", func(s *stack) apitest.Answer {
		one := s.newSender("deleted@example.com")
		s.Delete(one).Want(204)
		return s.Post(one+"/invite", "")
	}},
	{"sender's custom fields no objects", func(s *stack) apitest.Answer {
		return s.Post("/api/account/senders", `{"email":"x@example.com","userCustomFields":["x"]}`)
	}},
	{"reminders out of range", func(s *stack) apitest.Answer { return s.Post(s.draft()+"/reminders", `{"repetitionsCount":6}`) }},
	{"reminders of another package", func(s *stack) apitest.Answer { return s.Post(s.draft()+"/reminders", `{"packageId":"x"}`) }},
	{"reminders of a declined package", func(s *stack) apitest.Answer {
		one := s.sent()
		s.Post(one, decline("No")).Want(200)
		return s.Post(one+"/reminders", `{}`)
	}},
}
