package web

import (
	"fmt"
	"net/http"
)

// Reference is an interface that developers read about, and try, at /openapi/{Name}.
type Reference struct {
	// Name is the last segment of the page's address; the document is beside it, at {Name}.json.
	Name string
	// Title heads the page.
	Title string
	// Document is an OpenAPI document in JSON. Its server is "/", so that calls
	// from the page stay on this host; the content policy refuses others.
	Document []byte
}

// library is the files that draw a reference (Swagger UI), in the folder embedded.
var library = []string{"swagger-ui-bundle.js", "swagger-ui.css"}

// references are the routes of the reference pages.
func (s *site) references() (routes []route) {
	for _, ref := range s.References {
		routes = append(routes,
			route{"GET /openapi/" + ref.Name, public, html, func(w http.ResponseWriter, r *http.Request) error {
				return s.Render(w, r, http.StatusOK, "reference", ref)
			}},
			route{"GET /openapi/" + ref.Name + ".json", public, data, func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Content-Type", "application/json")
				_, err := w.Write(ref.Document)
				return err
			}})
	}
	return routes
}

// complete returns an error when references are to be served by a program that
// was built without the library.
func (s *site) complete() error {
	for _, name := range library {
		if _, err := s.AssetURL(name); err != nil && len(s.References) > 0 {
			return fmt.Errorf("web: %s is missing: run third_party/fetch.sh before building", name)
		}
	}
	return nil
}
