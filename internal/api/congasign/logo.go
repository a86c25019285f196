package congasign

import (
	"bytes"
	"encoding/base64"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// logoOut is a logo of the signing page in one language (OneSpan Sign, Account Signing Logos).
type logoOut struct {
	Language string `json:"language"`
	// Image is a data URI, or base64 alone where a client sent it so.
	Image string `json:"image"`
}

func (s *surface) logoRoutes() (out []api.Route) {
	for _, path := range []string{"/account/admin/signingLogos", "/account/signingLogos"} {
		out = append(out,
			api.Route{Method: "GET", Path: path, Right: authz.Sign, Handle: s.getLogos},
			api.Route{Method: "POST", Path: path, Right: authz.Sign, Body: maxPayload, Handle: s.setLogos},
			api.Route{Method: "PUT", Path: path, Right: authz.Sign, Body: maxPayload, Handle: s.setLogos},
			api.Route{Method: "DELETE", Path: path, Right: authz.Sign, Handle: s.removeLogos})
	}
	return out
}

func (s *surface) getLogos(r *api.Request) (api.Answer, error) {
	logos, err := s.dir.SigningLogos(r.Context(), r.Principal)
	return wordLogos(logos), err
}

func wordLogos(logos []directory.SigningLogo) api.Answer {
	out := []logoOut{}
	for _, l := range logos {
		image := base64.StdEncoding.EncodeToString(l.Bytes)
		if !l.Bare {
			image = "data:" + l.Media + ";base64," + image
		}
		out = append(out, logoOut{l.Language, image})
	}
	return api.Answer{JSON: out}
}

// setLogos replaces all of the account's logos.
func (s *surface) setLogos(r *api.Request) (api.Answer, error) {
	var in []struct {
		Language string `json:"language"`
		Image    string `json:"image"`
	}
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	logos := []directory.SigningLogo{}
	for _, l := range in {
		if err := checkLanguage("language", l.Language); err != nil {
			return api.Answer{}, err
		}
		image, bare, err := picture(l.Image)
		if err != nil {
			return api.Answer{}, err
		}
		logos = append(logos, directory.SigningLogo{Language: l.Language, Bare: bare, Bytes: image})
	}
	kept, err := s.dir.SetSigningLogos(r.Context(), r.Principal, logos)
	return wordLogos(kept), err
}

func (s *surface) removeLogos(r *api.Request) (api.Answer, error) {
	_, err := s.dir.SetSigningLogos(r.Context(), r.Principal, nil)
	return noContent(err)
}

// picture reads a data URI, or base64 alone. Invalid "logo.malformed".
func picture(image string) (data []byte, bare bool, err error) {
	head, body, uri := strings.Cut(image, ";base64,")
	if !uri {
		head, body = "", image
	}
	var b base64Bytes
	if uri && !strings.HasPrefix(head, "data:image/") || b.UnmarshalText(bytes.Clone([]byte(body))) != nil || len(b) == 0 {
		return nil, false, errs.New(errs.Invalid, "logo.malformed", "A logo is a PNG or JPEG image as a data URI or in base64.").On("image")
	}
	return b, !uri, nil
}
