package web

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"regexp"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/page"
)

// branded is a view that knows whose page it is.
type branded interface{ brand() directory.Brand }

func (v landing) brand() directory.Brand { return v.Brand }

// brand is the one of all packages in the inbox; people of several accounts see the product's.
func (v inboxPage) brand() (b directory.Brand) {
	for i, item := range v.Items {
		if i > 0 && item.Brand != b {
			return directory.Brand{}
		}
		b = item.Brand
	}
	return b
}

// headOf finds out whose page it is: of the view, else of the invitation in the
// address, refusals included. What cannot be found out is the product's: an error
// page must not fail for want of a logo.
func (s *site) headOf(r *http.Request, view any) page.Head {
	var b directory.Brand
	if v, ok := view.(branded); ok {
		b = v.brand()
	} else if handle := r.PathValue("handle"); handle != "" {
		b, _ = s.Signing.Brand(r.Context(), handle)
	}
	h := s.accountHead(b)
	h.Name = cmp.Or(h.Name, s.Product)
	return h
}

// accountHead is a brand as pages show it; Name is empty when it has none.
func (s *site) accountHead(b directory.Brand) page.Head {
	h := page.Head{Name: b.Name, Logo: s.logoURL(b.Logo), Alt: "Logo", Theme: themeURL(b.Theme)}
	if b.Name != "" {
		h.Alt = "Logo of " + b.Name
	}
	h.Account = h.Name != "" || h.Logo != ""
	return h
}

// logoURL is the address of a logo, which may be kept for ever because its digest is in it.
func (s *site) logoURL(digest string) string {
	if s.Logo == nil || !isDigest.MatchString(digest) {
		return ""
	}
	return "/logo/" + digest
}

var isDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// logo serves an account's logo to anybody: it stands in mails.
func (s *site) logo(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	if !isDigest.MatchString(digest) {
		return errs.New(errs.NotFound, "logo.unknown", "There is no such logo.")
	}
	media, image, err := s.Logo(r.Context(), digest)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", media)
	_, err = w.Write(image)
	return err
}

// goesAlong is a logo that went along with a message under its digest.
var goesAlong = regexp.MustCompile(`cid:([0-9a-f]{64})@logo\.invalid`)

// withPictures puts the logo that went along with a message into its HTML, as a
// mail program does. The message's frame may load nothing, so the bytes stand in it.
func (s *site) withPictures(r *http.Request, page string) string {
	return goesAlong.ReplaceAllStringFunc(page, func(cid string) string {
		if s.Logo == nil {
			return cid
		}
		media, image, err := s.Logo(r.Context(), goesAlong.FindStringSubmatch(cid)[1])
		if err != nil {
			return cid // the words beside it stand for it
		}
		return "data:" + media + ";base64," + base64.StdEncoding.EncodeToString(image)
	})
}
