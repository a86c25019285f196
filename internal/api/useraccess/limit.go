package useraccess

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/limit"
)

// quota is "100 requests per minute per Admin Token", "Sliding 60-second window" (User Access API, Rate Limiting).
var quota = limit.Policy{Name: "admin", Quota: 100, Window: time.Minute}

// strangersPolicy is how often an address may fail to get in before it is no longer told why. It never bars who has a
// good token: many callers may share an address, and none of them may shut the others out.
var strangersPolicy = limit.Policy{Name: "strangers", Quota: 600, Window: time.Minute}

// maxStrangers bounds the addresses that are remembered; further ones are counted as one.
const maxStrangers = 20_000

// policyHeader describes the quota (IETF draft-ietf-httpapi-ratelimit-headers-11 §3).
var policyHeader = fmt.Sprintf(`"%s";q=%d;w=%d`, quota.Name, quota.Quota, int(quota.Window.Seconds()))

// admit counts a call that has the right, by its credential.
func (s *surface) admit(r *http.Request, p authz.Principal) (map[string]string, error) {
	d, err := s.Limit.Take(r.Context(), quota, credential(p))
	if err != nil {
		return rate(limit.Decision{Reset: quota.Window}), err
	}
	if !d.Allowed {
		return rate(d), exceeded(d)
	}
	return rate(d), nil
}

// turned hears of calls that were not let in. They take nothing of a token's quota.
func (s *surface) turned(r api.Refusal) (map[string]string, error) {
	d := limit.Decision{Reset: quota.Window} // nothing is left for whom nobody knows
	if r.Principal.Account != "" {
		if own, err := s.Limit.Look(r.HTTP.Context(), quota, credential(r.Principal)); err == nil {
			d = own
		}
	}
	if r.Error.Kind != errs.Unauthenticated && r.Error.Kind != errs.Denied {
		return rate(d), nil
	}
	if of := s.strangers.Take(address(r.Origin.IP)); !of.Allowed {
		return rate(d), exceeded(of)
	}
	return rate(d), nil
}

// credential is what calls are counted by: an access token, or a client, for which another token wins nothing.
func credential(p authz.Principal) string { return cmp.Or(p.Credential, p.Client, p.User) }

// address is an IPv4 address, or the network of an IPv6 one, in which whoever has one address has them all.
func address(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Is4() {
		return ip
	}
	network, err := a.Prefix(64)
	if err != nil {
		return ip
	}
	return network.String()
}

// rate words a decision (IETF draft-ietf-httpapi-ratelimit-headers-11 §4).
func rate(d limit.Decision) map[string]string {
	return map[string]string{"RateLimit-Policy": policyHeader, "RateLimit": fmt.Sprintf(`"%s";r=%d;t=%d`, quota.Name, d.Remaining, seconds(d.Reset))}
}

func exceeded(d limit.Decision) error {
	return errs.New(errs.Limited, "limit.exceeded", "").With("retry_after", strconv.Itoa(min(max(seconds(d.Retry), 1), 60)))
}

// seconds rounds up: whoever waits so long has waited long enough.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
