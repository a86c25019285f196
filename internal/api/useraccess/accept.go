package useraccess

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// What the surface can answer with.
const (
	jsonMedia    = "application/json"
	csvMedia     = "text/csv"
	problemMedia = "application/problem+json"
)

// csvWanted reports that the caller would rather have CSV than JSON (RFC 9110 §12.5.1). Whoever accepts neither gets JSON.
func csvWanted(h http.Header) bool { return preference(h, csvMedia) > preference(h, jsonMedia) }

// problemsWanted reports that the caller names problem details (RFC 9457 §3) and does not like JSON better.
func problemsWanted(h http.Header) bool {
	return named(h, problemMedia) && preference(h, problemMedia) >= preference(h, jsonMedia)
}

// preference is the weight that Accept gives to a media type: 1 without the header, 0 when nothing matches.
// The most specific range counts.
func preference(h http.Header, media string) float64 {
	ranges := accepted(h)
	if len(ranges) == 0 {
		return 1
	}
	group, _, _ := strings.Cut(media, "/")
	for _, name := range []string{media, group + "/*", "*/*"} {
		if q, ok := ranges[name]; ok {
			return q
		}
	}
	return 0
}

func named(h http.Header, media string) bool {
	q, ok := accepted(h)[media]
	return ok && q > 0
}

// maxAccept bounds what is read of Accept.
const maxAccept = 50

// accepted are the media ranges of Accept and their weights; ranges that cannot be read are left out.
func accepted(h http.Header) map[string]float64 {
	ranges := map[string]float64{}
	for _, text := range strings.SplitN(strings.Join(h.Values("Accept"), ","), ",", maxAccept) {
		media, params, err := mime.ParseMediaType(text)
		if err != nil {
			continue
		}
		q := 1.0
		if weight, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(weight, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		ranges[media] = max(q, ranges[media])
	}
	return ranges
}
