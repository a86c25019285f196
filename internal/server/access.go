package server

import (
	"fmt"
	"net/url"
	"strings"

	"countersign.dev/internal/api/acrobat"
	"countersign.dev/internal/directory"
)

// accessPoints are the addresses of the Embed surface, the default one first.
func (c *Config) accessPoints() ([]acrobat.AccessPoint, error) {
	if len(c.AccessPoints) == 0 {
		return []acrobat.AccessPoint{{API: c.URL + "/", Web: c.URL + "/"}}, nil
	}
	var points []acrobat.AccessPoint
	taken := map[string]bool{}
	for i, text := range c.AccessPoints {
		p, err := accessPoint(text)
		if err != nil {
			return nil, fmt.Errorf("--access-point %q: %w", text, err)
		}
		if i > 0 && len(p.Countries) == 0 {
			return nil, fmt.Errorf("--access-point %q: name the countries whose accounts live there; only the first may have none", text)
		}
		_, host, _ := strings.Cut(p.API, "://")
		for _, name := range append(p.Countries, host) {
			if taken[name] {
				return nil, fmt.Errorf("--access-point %q: %s is named twice", text, name)
			}
			taken[name] = true
		}
		points = append(points, p)
	}
	return points, nil
}

// accessPoint reads API_URL,WEB_URL[,CC:CC…].
func accessPoint(text string) (p acrobat.AccessPoint, err error) {
	parts := strings.Split(text, ",")
	if len(parts) != 2 && len(parts) != 3 {
		return p, fmt.Errorf("want API_URL,WEB_URL or API_URL,WEB_URL,CC:CC")
	}
	if p.API, err = outsideURL(parts[0]); err != nil {
		return p, err
	}
	if p.Web, err = outsideURL(parts[1]); err != nil || len(parts) == 2 {
		return p, err
	}
	for code := range strings.SplitSeq(parts[2], ":") {
		code = strings.TrimSpace(code)
		if !directory.IsCountry(code) {
			return p, fmt.Errorf("%q is no country code of ISO 3166-1 (two capital letters)", code)
		}
		p.Countries = append(p.Countries, code)
	}
	return p, nil
}

// outsideURL is the address of a host, with the slash that every access point
// ends with and without its scheme's own port, which clients leave out of Host.
func outsideURL(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("want http(s)://HOST without a path, not %q", text)
	}
	host := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(u.Host), acrobat.DefaultPort(u.Scheme)), ":")
	return u.Scheme + "://" + host + "/", nil
}
