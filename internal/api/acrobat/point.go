package acrobat

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// AccessPoint is where the accounts of some countries live.
type AccessPoint struct {
	// API and Web are absolute URLs that end with "/": of the API, and of the pages.
	API, Web string
	// Countries are ISO 3166-1 alpha-2 codes. Countries that no point has are the default point's.
	Countries []string
}

// point is an AccessPoint and the host that its API is called at, with the port
// unless that is the scheme's own, which clients leave out of Host or not.
type point struct {
	AccessPoint
	host, ownPort string
}

// DefaultPort is ":443" for https and ":80" for http.
func DefaultPort(scheme string) string {
	if scheme == "https" {
		return ":443"
	}
	return ":80"
}

// points are in the order of the configuration; the first is the default.
type points []point

// newPoints panics when an API is no URL: it was to be checked where it was configured.
func newPoints(list []AccessPoint) (out points) {
	for _, p := range list {
		u, err := url.Parse(p.API)
		if err != nil {
			panic("access point: " + err.Error())
		}
		own := DefaultPort(u.Scheme)
		out = append(out, point{p, strings.TrimSuffix(u.Host, own), own})
	}
	return out
}

// of is the access point of a country.
func (ps points) of(country string) point {
	for _, p := range ps {
		if slices.Contains(p.Countries, country) {
			return p
		}
	}
	return ps[0]
}

// at is the access point that a call came to.
func (ps points) at(r *http.Request) point {
	for _, p := range ps {
		if strings.EqualFold(p.host, strings.TrimSuffix(r.Host, p.ownPort)) {
			return p
		}
	}
	return ps[0]
}

// here refuses a call about an account of another access point. With one there is none.
func (s *surface) here(r *api.Request, a directory.Account) error {
	if home := s.points.of(a.Country); home.host != s.points.at(r.HTTP).host {
		return errs.New(errs.Denied, "point.other", "The account belongs to another access point.").With("point", home.API)
	}
	return nil
}

// hereAccount is here for an account by its id. What else is wrong with the
// account the act itself says.
func (s *surface) hereAccount(r *api.Request, id string) error {
	if len(s.points) < 2 {
		return nil
	}
	var a directory.Account
	var err error
	if r.Principal.Kind == authz.Delegated {
		a, err = s.dir.Account(r.Context(), r.Principal) // he may act in no other
	} else {
		a, err = s.dir.PartnerAccount(r.Context(), r.Principal, id)
	}
	if err != nil {
		return faultOnly(err)
	}
	return s.here(r, a)
}

// faultOnly leaves out refusals: the act itself says them, in their order.
func faultOnly(err error) error {
	if kind := errs.KindOf(err); kind == errs.Fault || kind == errs.Unavailable {
		return err
	}
	return nil
}

// hereUser is hereAccount for the account of a user.
func (s *surface) hereUser(r *api.Request, id string) error {
	if len(s.points) < 2 {
		return nil
	}
	u, err := s.dir.PartnerUser(r.Context(), r.Principal, id)
	if err != nil {
		return faultOnly(err)
	}
	return s.hereAccount(r, u.AccountOuterID)
}
