package congasign

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// visibilityIn says who sees which document; documents that are not named are for everybody.
type visibilityIn struct {
	Configurations []struct {
		DocumentUID string   `json:"documentUid"`
		RoleUIDs    []string `json:"roleUids"`
	} `json:"configurations"`
}

type visibilityOut struct {
	ID             string             `json:"id"`
	Name           string             `json:"name"`
	Data           jsontext.Value     `json:"data"`
	Configurations []configurationOut `json:"configurations"`
}

type configurationOut struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Data        jsontext.Value `json:"data"`
	DocumentUID string         `json:"documentUid"`
	RoleUIDs    []string       `json:"roleUids"`
}

func (s *surface) getVisibility(r *api.Request) (api.Answer, error) {
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	out := visibilityOut{Configurations: []configurationOut{}}
	for _, d := range p.Documents {
		if d.Restricted {
			out.Configurations = append(out.Configurations, configurationOut{DocumentUID: d.OuterID, RoleUIDs: d.Viewers})
		}
	}
	return api.Answer{JSON: out}, err
}

// setVisibility answers with what now holds: the Node library parses a body.
func (s *surface) setVisibility(r *api.Request) (api.Answer, error) {
	var in visibilityIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if len(in.Configurations) > maxElements {
		return api.Answer{}, errs.New(errs.Invalid, "value.range", "There are at most %d configurations.", maxElements).On("configurations")
	}
	var viewers []signing.Viewers
	for _, c := range in.Configurations {
		if c.DocumentUID != signing.ConsentID { // everybody sees the consent
			viewers = append(viewers, signing.Viewers{Document: c.DocumentUID, Roles: c.RoleUIDs})
		}
	}
	if err := s.signing.Restrict(r.Context(), r.Principal, r.Path("package"), viewers); err != nil {
		return api.Answer{}, err
	}
	return s.getVisibility(r)
}

// consentLanguages are those in which the vendor has the consent.
var consentLanguages = []string{"ar", "bg", "da", "de", "el", "en", "es", "fr", "he", "hr", "hu", "id", "it", "ja", "ko", "nb", "nl", "no",
	"pl", "pt", "ro", "ru", "sl", "sv", "th", "tr", "vi", "zh", "zh-CN", "zh-TW", "pt-BR", "fr-CA", "en-US"}

// localizeConsent takes the language in which the consent is wanted. Here it has one text, which is said.
func (s *surface) localizeConsent(r *api.Request) (api.Answer, error) {
	var in struct {
		Language string `json:"language"`
	}
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if !slices.Contains(consentLanguages, strings.ReplaceAll(in.Language, "_", "-")) {
		return api.Answer{}, errs.New(errs.Unprocessable, "i18n_configuration.not_found", "There is no consent in this language.").On("language")
	}
	p, err := s.signing.Get(r.Context(), r.Principal, r.Path("package"))
	out := api.Answer{JSON: wordConsent(p)}
	if !strings.HasPrefix(in.Language, "en") {
		out.Header = notice("the consent is shown in English: this server has it in no other language")
	}
	return out, err
}
