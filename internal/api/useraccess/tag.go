package useraccess

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"countersign.dev/internal/api"
)

// wireVersion changes with what the list looks like: answers of an older server then match no longer.
const wireVersion = 1

// listTag is the tag of a list. It is weak (RFC 9110 §8.8.1): not made of the bytes, which are still to be read, but of
// what they are made of, that is the state of the account's directory, who asks and what for.
func listTag(r *api.Request, q listQuery, version int64) string {
	return `W/"` + digest(fmt.Sprint(wireVersion), fmt.Sprint(version), r.Principal.Account, string(r.Principal.Kind), fmt.Sprint(q.csv),
		filters(r).Encode(), q.page.Cursor, fmt.Sprint(q.page.Limit)) + `"`
}

// bodyTag is the strong tag of an answer that is whole before it is sent.
func bodyTag(body []byte) string { return `"` + digest(string(body)) + `"` }

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// tagged are the headers of an answer with a tag.
func tagged(tag string) map[string]string {
	return map[string]string{"ETag": tag, "Vary": "Accept"}
}

// unchanged reports that the client has what the tag stands for (RFC 9110 §13.1.2, compared weakly).
func unchanged(h http.Header, tag string) bool {
	for one := range strings.SplitSeq(strings.Join(h.Values("If-None-Match"), ","), ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
