package useraccess

import (
	"encoding/base64"
	"net/url"

	"countersign.dev/internal/api"
)

// A cursor is where a page ended, encrypted, and bound to the account and to what was asked for: it tells nothing, and
// goes on only with the same filters. Its own page size is free.

// nextCursor is a cursor after the place where a page ended.
func (s *surface) nextCursor(r *api.Request, list, place string) string {
	if place == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.Keys.Seal(cursorPurpose(r, list), []byte(place)))
}

// place reads a cursor; false: it is not one of this list.
func (s *surface) place(r *api.Request, list, cursor string) (string, bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", false
	}
	place, err := s.Keys.Unseal(cursorPurpose(r, list), sealed)
	return string(place), err == nil
}

func cursorPurpose(r *api.Request, list string) string {
	return "user access cursor\x00" + list + "\x00" + r.Principal.Account + "\x00" + filters(r).Encode()
}

// filters are the query's parameters that say what is listed, and not how much of it.
func filters(r *api.Request) url.Values {
	kept := url.Values{}
	for _, name := range filterNames {
		if values, sent := r.Queries()[name]; sent {
			kept[name] = values
		}
	}
	return kept
}

// nextLink is the Link header to the next page (RFC 8288), with the caller's own query.
func nextLink(r *api.Request, cursor string) string {
	query := url.Values{}
	for name, values := range r.Queries() {
		query[name] = values
	}
	query.Set("cursor", cursor)
	return "<" + r.HTTP.URL.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
}
