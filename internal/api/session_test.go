package api

import (
	"encoding/json"
	"net/http"
	"testing"
)

// L7: a session's cookie is a way in for a dialect that says so, where no header is sent; writes of foreign pages are
// refused, and who is bound to a package or to what a signer may stays there.
func TestL7SessionCookie(t *testing.T) {
	server, _ := newHall(t)
	with := func(cookie string, more ...string) map[string]string {
		h := map[string]string{"Authorization": "", "Cookie": cookie, "Content-Type": "application/json"}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	const get, post = http.MethodGet, http.MethodPost
	for name, c := range map[string]struct {
		call
		status int
		what   string
	}{
		"reads":                    {call{get, "/api/test/things", "", with("SESSION=s1")}, 200, ""},
		"writes":                   {call{post, "/api/test/things", "{}", with("SESSION=s1")}, 200, ""},
		"own page writes":          {call{post, "/api/test/things", "{}", with("SESSION=s1", "Sec-Fetch-Site", "same-origin", "Origin", "https://sign.example.com")}, 200, ""},
		"own page, proxy":          {call{post, "/api/test/things", "{}", with("SESSION=s1", "Origin", "https://sign.example.com")}, 200, ""},
		"address bar":              {call{post, "/api/test/things", "{}", with("SESSION=s1", "Sec-Fetch-Site", "none")}, 200, ""},
		"foreign page writes":      {call{post, "/api/test/things", "{}", with("SESSION=s1", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.com")}, 403, "origin.foreign"},
		"sister site writes":       {call{post, "/api/test/things", "{}", with("SESSION=s1", "Sec-Fetch-Site", "same-site")}, 403, "origin.foreign"},
		"foreign, old browser":     {call{post, "/api/test/things", "{}", with("SESSION=s1", "Origin", "https://evil.example.com")}, 403, "origin.foreign"},
		"other port":               {call{post, "/api/test/things", "{}", with("SESSION=s1", "Origin", "https://sign.example.com:8443")}, 403, "origin.foreign"},
		"opaque origin":            {call{"DELETE", "/api/test/things/1", "", with("SESSION=s1", "Origin", "null")}, 403, "origin.foreign"},
		"a header needs no origin": {call{post, "/api/test/things", "{}", with("SESSION=bad", "Authorization", "Bearer good", "Origin", "https://evil.example.com")}, 200, ""},
		"wrong header, good cookie": {call{get, "/api/test/things", "", with("SESSION=s1", "Authorization", "Bearer bad")}, 401,
			"token.invalid"},
		"wrong session":            {call{get, "/api/test/things", "", with("SESSION=bad")}, 401, "token.invalid"},
		"two sessions":             {call{get, "/api/test/things", "", with("SESSION=s1; SESSION=s1")}, 401, "token.invalid"},
		"other cookie":             {call{get, "/api/test/things", "", with("session=s1")}, 401, "token.missing"},
		"a token is no session":    {call{get, "/api/test/things", "", with("SESSION=good")}, 401, "token.invalid"},
		"another right":            {call{get, "/api/test/own-or", "", with("SESSION=own")}, 200, ""},
		"in the place of two":      {call{get, "/api/test/own-or-two", "", with("SESSION=own")}, 200, ""},
		"not with half of two":     {call{get, "/api/test/own-or-two", "", with("SESSION=s1")}, 403, "right.missing"},
		"no other route":           {call{get, "/api/test/things", "", with("SESSION=own")}, 403, "session.package"},
		"no package route either":  {call{get, "/api/test/packages/p", "", with("SESSION=own")}, 403, "right.missing"},
		"bound to a package":       {call{get, "/api/test/packages/p", "", with("SESSION=bound")}, 200, ""},
		"bound, elsewhere":         {call{get, "/api/test/things", "", with("SESSION=bound")}, 403, "session.package"},
		"bound, beyond it":         {call{post, "/api/test/packages/p/copy", "{}", with("SESSION=bound")}, 403, "session.package"},
		"signer, beyond it":        {call{post, "/api/test/packages/p/copy-or", "{}", with("SESSION=own")}, 403, "session.package"},
		"unbound, beyond it":       {call{post, "/api/test/packages/p/copy", "{}", with("SESSION=s1")}, 200, ""},
		"bound, anyone":            {call{get, "/api/test/anyone", "", with("SESSION=bound")}, 403, "session.package"},
		"bound, where signers are": {call{get, "/api/test/own-or", "", with("SESSION=bound")}, 200, ""},
	} {
		resp, body := c.do(t, server)
		var got struct{ What string }
		_ = json.Unmarshal([]byte(body), &got) // some answers are texts
		if resp.StatusCode != c.status || got.What != c.what {
			t.Errorf("%s: %d %s, want %d %s", name, resp.StatusCode, got.What, c.status, c.what)
		}
	}
}
