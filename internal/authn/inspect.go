package authn

import (
	"context"
	"encoding/json"
	"time"

	"countersign.dev/internal/errs"
)

// Inspection tells whether a token is good.
type Inspection struct {
	Valid   bool
	Expires time.Time      // zero: unknown
	Claims  map[string]any // of a valid token, when the client's secret was right
}

// Inspect tells whether token is a good one of the client. Of one that has only
// expired it tells when. What the token says it tells those who send the
// client's secret; a wrong one is as none. An opaque token says nothing, and is
// unknown once it has expired. Without a secret the database is asked only for an
// opaque token and for a key of ours that was not heard of. Unavailable "authn.stale".
func (a *Authn) Inspect(ctx context.Context, clientID, clientSecret, token string) (Inspection, error) {
	n, now, err := a.current()
	if err != nil {
		return Inspection{}, err
	}
	v, err := a.find(ctx, n, token)
	if errs.KindOf(err) == errs.Unauthenticated {
		return Inspection{}, nil
	}
	if err != nil {
		return Inspection{}, err
	}
	if v.principal.Client != clientID || !a.good(n, v) || v.early(now) || isAppToken(token) && v.expired(now) {
		return Inspection{}, nil
	}
	found := Inspection{Valid: !v.expired(now), Expires: time.Unix(v.expires, 0).UTC()}
	if !found.Valid || clientSecret == "" {
		return found, nil
	}
	_, err = a.credentials(ctx, n, now, clientID, clientSecret)
	switch errs.KindOf(err) {
	case errs.Unauthenticated, errs.Denied:
		return found, nil
	}
	if err != nil {
		return Inspection{}, err
	}
	if payload, ok := a.news.Load().keys.open(token); ok {
		err = json.Unmarshal(payload, &found.Claims)
	}
	return found, err
}
