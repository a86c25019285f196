package congasign

import (
	"regexp"
	"slices"
	"strings"

	"countersign.dev/internal/api"
)

// Prefixes of the one tree: Conga writes /api/cs-… and /api/sign/v1/cs-…,
// OneSpan's libraries /api/…. The two with "sign/cs-packages" are misprints of
// Conga's pages that occur in copied code.
var (
	tree     = regexp.MustCompile(`^/api(?:/sign/v1)?/(?:cs-)?`)
	misprint = regexp.MustCompile(`^(?:/api/sign)?/v1/sign/cs-packages(?:/|$)`)
)

// elsewhere are paths below /api that belong to other surfaces, served or not.
// Letter case does not count, for some of those surfaces ignore it.
var elsewhere = []string{"/api/rest/v6", "/api/gateway", "/api/user-management", "/api/v1/auth", "/api/users", "/api/accounts"}

// strays are what clients of this surface ask for and no surface serves: the rest of the tree, the misprint's, and
// what lies near where OneSpan's libraries fetch tokens. Their libraries read any answer as this surface's error.
var strays = []string{"/api", "/v1/sign", "/auth", "/authorize", "/oauth", "/oauth2", "/apitoken", "/token", "/connect/token"}

func stray(path string) bool {
	return slices.ContainsFunc(strays, func(p string) bool { return api.Under(path, p) })
}

// roots are the operations that OneSpan's libraries call at the root of the host. They are aliases as others are.
var roots = []string{oauthPath, "/apitoken/clientApp/accessToken", "/auth"}

// claim strips the prefix: every alias of an operation becomes one path.
func claim(escaped string) (string, bool) {
	if misprint.MatchString(escaped) {
		return "/" + escaped[strings.Index(escaped, "packages"):], true
	}
	if slices.Contains(roots, escaped) {
		return escaped, true
	}
	lower := strings.ToLower(escaped)
	if slices.ContainsFunc(elsewhere, func(p string) bool { return lower == p || strings.HasPrefix(lower, p+"/") }) {
		return "", false
	}
	prefix := tree.FindString(escaped)
	if prefix == "" {
		return "", false
	}
	return "/" + escaped[len(prefix):], true
}
