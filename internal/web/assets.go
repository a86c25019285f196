package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"

	"countersign.dev/internal/errs"
)

// assetFiles are our own files and, in the folder embedded, those of others that
// third_party/fetch.sh put there.
//
//go:embed assets embedded
var assetFiles embed.FS

// assets are the static files. One hash over all of them is a folder of their
// address, so that modules import each other by relative names and every file
// may be cached for ever.
type assets struct {
	version string
	files   map[string][]byte
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() (*assets, error) {
	a := &assets{files: map[string][]byte{}}
	all := sha256.New()
	files, err := fs.Glob(assetFiles, "*/*")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		folder, name := path.Split(file)
		if assetTypes[path.Ext(name)] == "" {
			if folder == "embedded/" {
				continue // a licence text
			}
			return nil, fmt.Errorf("asset %s: unknown type", name)
		}
		b, err := assetFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		a.files[name] = b
		fmt.Fprintf(all, "%s %d\n%s", name, len(b), b)
	}
	a.version = base64.RawURLEncoding.EncodeToString(all.Sum(nil)[:9])
	return a, nil
}

// url is the address of a file.
func (a *assets) url(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return "/assets/" + a.version + "/" + name, nil
}

// asset serves a static file. A page of another release gets this one's file, not to be kept.
func (s *site) asset(w http.ResponseWriter, r *http.Request) error {
	b, ok := s.assets.files[r.PathValue("file")]
	if !ok {
		return errs.New(errs.NotFound, "page.unknown", "There is no such file.")
	}
	cache := "no-cache"
	if r.PathValue("version") == s.assets.version {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Type", assetTypes[path.Ext(r.PathValue("file"))])
	_, err := w.Write(b)
	return err
}

// favicon is asked for by browsers at this address whatever the page says.
func (s *site) favicon(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", assetTypes[".svg"])
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, err := w.Write(s.assets.files["mark.svg"])
	return err
}
