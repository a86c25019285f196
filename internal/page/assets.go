package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"

	"countersign.dev/internal/errs"
)

// shared are the files of every site: the look, the mark, and how times are shown.
//
//go:embed assets templates
var shared embed.FS

// assets are the static files of a site. One hash over all of them is a folder of
// their address, so that modules import each other by relative names and every file
// may be cached for ever.
type assets struct {
	root, version string
	files         map[string][]byte
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// loadAssets reads the shared files and a room's own, which lie in folders. Outside
// the folder assets, what is of no type that is served, such as a licence text, stays out.
func loadAssets(root string, own fs.FS) (*assets, error) {
	a := &assets{root: root, files: map[string][]byte{}}
	for _, files := range []fs.FS{shared, own} {
		names, err := fs.Glob(files, "*/*")
		if err != nil {
			return nil, err
		}
		for _, file := range names {
			name := path.Base(file)
			if assetTypes[path.Ext(name)] == "" {
				if path.Dir(file) == "assets" {
					return nil, fmt.Errorf("asset %s: unknown type", name)
				}
				continue
			}
			if _, twice := a.files[name]; twice {
				return nil, fmt.Errorf("two assets are called %s", name)
			}
			if a.files[name], err = fs.ReadFile(files, file); err != nil {
				return nil, err
			}
		}
	}
	a.version = a.hash()
	return a, nil
}

func (a *assets) hash() string {
	names := make([]string, 0, len(a.files))
	for name := range a.files {
		names = append(names, name)
	}
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		fmt.Fprintf(all, "%s %d\n%s", name, len(a.files[name]), a.files[name])
	}
	return base64.RawURLEncoding.EncodeToString(all.Sum(nil)[:9])
}

// url is the address of a file.
func (a *assets) url(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return a.root + "/assets/" + a.version + "/" + name, nil
}

// serve answers with a static file. A page of another release gets this one's file, not to be kept.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) error {
	b, ok := a.files[r.PathValue("file")]
	if !ok {
		return errs.New(errs.NotFound, "page.unknown", "There is no such file.")
	}
	cache := "no-cache"
	if r.PathValue("version") == a.version {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Type", assetTypes[path.Ext(r.PathValue("file"))])
	_, err := w.Write(b)
	return err
}

// AssetURL is the address of a static file of the site; an error if there is none.
func (s *Site) AssetURL(name string) (string, error) { return s.assets.url(name) }

// Favicon is asked for by browsers at /favicon.ico whatever the page says.
func (s *Site) Favicon(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", assetTypes[".svg"])
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, err := w.Write(s.assets.files["mark.svg"])
	return err
}
