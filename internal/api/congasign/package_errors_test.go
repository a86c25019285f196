package congasign

import (
	"strings"

	"countersign.dev/internal/api/apitest"
)

// wholeRefusals are the refusals of what is done with packages as a whole.
var wholeRefusals = []refusal{
	{"package type unknown", func(s *stack) apitest.Answer { return s.Post("/api/packages", `{"name":"x","type":"LAYOUT"}`) }},
	{"template sent at once", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","type":"TEMPLATE","status":"SENT"}`)
	}},
	{"template sent", func(s *stack) apitest.Answer {
		return s.Post("/api/packages/"+s.Post("/api/packages", `{"name":"x","type":"TEMPLATE"}`).Text("id"), `{"status":"SENT"}`)
	}},
	{"archived package completed", func(s *stack) apitest.Answer {
		one := s.sent()
		s.sign("signer1@example.com")
		s.Post(one, `{"status":"ARCHIVED"}`).Want(200)
		return s.Post(one, `{"status":"COMPLETED"}`)
	}},
	{"opt-out without comment", func(s *stack) apitest.Answer {
		return s.Post(s.sent(), strings.Replace(decline(""), "DECLINED", "OPTED_OUT", 1))
	}},
	{"sent after it was due", func(s *stack) apitest.Answer {
		one := s.draft()
		s.Post(one, `{"due":"2020-01-01T00:00:00Z"}`).Want(200)
		return s.Post(one, `{"status":"SENT"}`)
	}},
	{"role that nobody plays", func(s *stack) apitest.Answer {
		return s.Post("/api/packages/"+s.Post("/api/packages/"+s.template()+"/clone", `{}`).Want(200).Text("id"), `{"status":"SENT"}`)
	}},
	{"clone of nothing", func(s *stack) apitest.Answer { return s.Post("/api/packages/unknown/clone", `{}`) }},
	{"list sort", func(s *stack) apitest.Answer { return s.Get("/api/packages?sort=price") }},
	{"list date", func(s *stack) apitest.Answer { return s.Get("/api/packages?startDate=yesterday") }},
	{"stored text too long", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","timezoneId":"`+strings.Repeat("x", 300)+`"}`)
	}},
	{"bulk sending of nothing", func(s *stack) apitest.Answer {
		return s.Post("/api/packages/"+s.template()+"/bulk_send", `{"signers":[]}`)
	}},
	{"bulk sending with a bad row", func(s *stack) apitest.Answer {
		return s.Post("/api/packages/"+s.template()+"/bulk_send", `{"signers":[{"email":"nonsense","firstName":"A","lastName":"B"}]}`)
	}},
	{"bulk sending without open role", func(s *stack) apitest.Answer {
		return s.Post("/api/packages/"+s.Post("/api/packages", `{"name":"x"}`).Text("id")+"/bulk_send", `{"signers":[{"email":"a@example.org","firstName":"A"}]}`)
	}},
	{"bulk file with a bad column", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: "/api/packages/" + s.template() + "/bulk_send", Media: "text/csv", Body: []byte("colour\nred\n")})
	}},
	{"bulk file unreadable", func(s *stack) apitest.Answer {
		return s.Do(apitest.Call{Method: "POST", Path: "/api/packages/" + s.template() + "/bulk_send", Media: "text/csv", Body: []byte("email\n\"x")})
	}},
	{"package of an unknown sender", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","sender":{"email":"nobody@example.com"}}`)
	}},
	{"body of too many values", func(s *stack) apitest.Answer {
		return s.Post("/api/packages", `{"name":"x","roles":[`+strings.Repeat("{},", 100_000)+`{}]}`)
	}},
	{"report of a stranger", func(s *stack) apitest.Answer { return s.Get("/api/reports/completion?senderId=stranger") }},
	{"signing address of another's package", func(s *stack) apitest.Answer {
		return s.regular().Get(s.sent() + "/roles/" + seedRole + "/signingUrl")
	}},
}
