package congasign

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// settingRoutes are the operations on settings of the account.
func (s *surface) settingRoutes() []api.Route {
	reasons := shelf{s, directory.Reasons, "declineReasons", language, checkReasons, jsontext.Value(`[]`)}
	handover := shelf{s, directory.Handovers, "handoverUrl", language, checkHandover, jsontext.Value(`{"href":"","text":"","title":""}`)}
	themes := shelf{s, directory.Themes, "signingThemes", single, checkThemes, jsontext.Value(`{}`)}
	choose := shelf{s, directory.ChooseSignature, "chooseSignature", single, chooseSignature.of0, jsontext.Value(`{}`)}
	admin := shelf{s, directory.AdminSettings, "setting", adminSetting, object.of0, jsontext.Value(`{}`)}
	return slices.Concat(
		reasons.routes("/accountConfig/declineReasons/{language}", "GET POST PUT DELETE"),
		handover.routes("/accountConfig/handoverUrl/{language}", "GET POST PUT DELETE"),
		themes.routes("/account/signingThemes", "GET POST PUT DELETE"),
		themes.routes("/account/admin/signingThemes", "GET POST PUT DELETE"),
		choose.routes("/account/admin/chooseSignature", "GET PATCH DELETE"),
		admin.routes("/account/admin/{setting}", "GET POST PUT PATCH DELETE"),
		admin.routes("/account/admin/accountSettings/{setting}", "GET POST PUT PATCH DELETE"),
		shelf{s, directory.Retention, "dataManagementPolicy", single, checkRetention, defaultRetention}.routes("/dataRetentionSettings/dataManagementPolicy", "GET PUT"),
		shelf{s, directory.ExpiryTimes, "expiryTimeConfiguration", single, checkExpiry, jsontext.Value(`{"maximumRemainingDays":0,"remainingDays":0}`)}.
			routes("/dataRetentionSettings/expiryTimeConfiguration", "GET PUT"),
		s.logoRoutes(), s.customFieldRoutes(), s.accountRoleRoutes(), notServedRoutes())
}

// shelf is a place for documents of one kind: how their paths name them, what
// they must be, and what is answered where there is none.
type shelf struct {
	s     *surface
	kind  string
	label string // in refusals
	name  func(*api.Request) (string, error)
	check func(field string, v jsontext.Value) error
	none  jsontext.Value
}

// routes are the operations of a path. POST and PUT replace a document, PATCH
// replaces the members it gives.
func (d shelf) routes(path, methods string) (out []api.Route) {
	handlers := map[string]handler{"GET": d.get, "POST": d.replace, "PUT": d.replace, "PATCH": d.patch, "DELETE": d.remove}
	for _, method := range strings.Fields(methods) {
		out = append(out, api.Route{Method: method, Path: path, Right: authz.Sign, Handle: handlers[method]})
	}
	return out
}

func (d shelf) get(r *api.Request) (api.Answer, error) {
	name, err := d.name(r)
	if err != nil {
		return api.Answer{}, err
	}
	data, err := d.s.dir.Document(r.Context(), r.Principal, d.kind, name)
	return d.answer(data, err)
}

func (d shelf) answer(data json.RawMessage, err error) (api.Answer, error) {
	if data == nil {
		return api.Answer{JSON: d.none}, err
	}
	return api.Answer{JSON: jsontext.Value(data)}, err
}

func (d shelf) replace(r *api.Request) (api.Answer, error) {
	return d.change(r, func(_ json.RawMessage, in jsontext.Value) json.RawMessage {
		return json.RawMessage(withoutNulls(json.RawMessage(in)))
	})
}

func (d shelf) patch(r *api.Request) (api.Answer, error) {
	return d.change(r, func(was json.RawMessage, in jsontext.Value) json.RawMessage {
		return overlaid(was, json.RawMessage(in))
	})
}

func (d shelf) change(r *api.Request, make func(was json.RawMessage, in jsontext.Value) json.RawMessage) (api.Answer, error) {
	name, err := d.name(r)
	if err != nil {
		return api.Answer{}, err
	}
	var in jsontext.Value
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if err := d.check(d.label, in); err != nil {
		return api.Answer{}, err
	}
	data, err := d.s.dir.ChangeDocument(r.Context(), r.Principal, d.kind, name,
		func(was json.RawMessage) (json.RawMessage, error) {
			next := make(was, in)
			return next, d.check(d.label, jsontext.Value(next))
		})
	return d.answer(data, err)
}

func (d shelf) remove(r *api.Request) (api.Answer, error) {
	name, err := d.name(r)
	if err != nil {
		return api.Answer{}, err
	}
	_, err = d.s.dir.ChangeDocument(r.Context(), r.Principal, d.kind, name,
		func(json.RawMessage) (json.RawMessage, error) { return nil, nil })
	return noContent(err)
}

// single names the one document of a kind.
func single(*api.Request) (string, error) { return "", nil }

// language names a document by the language of the path. Invalid "value.language".
func language(r *api.Request) (string, error) {
	tag := r.Path("language")
	return directory.Language(tag), checkLanguage("language", tag)
}

// adminSettings are the settings of an account that are kept for clients and do nothing here.
var adminSettings = []string{"accountSettings", "accountFeatureSettings", "accountPackageSettings", "accountDesignerSettings",
	"accountEmailReminderSettings", "accountUploadSettings", "accountSystemSettingProperties", "signingUiOptions"}

// adminSetting names a document by the setting of the path. NotFound "setting.unknown".
func adminSetting(r *api.Request) (string, error) {
	if name := r.Path("setting"); slices.Contains(adminSettings, name) {
		return name, nil
	}
	return "", errs.New(errs.NotFound, "setting.unknown", "There is no such setting.")
}

// notServedRoutes are the vendor's operations that this server knows of and does not offer.
func notServedRoutes() (out []api.Route) {
	for _, path := range []string{
		"/layouts", "/layouts/{layout}", "/packages/{package}/documents/{document}/layout",
		"/account/subaccounts", "/account/subaccounts/{account}", "/accountConfig/idvWorkflowConfigs",
		"/account/senders/{sender}/password", "/account/senders/{sender}/resetpassword",
		"/packages/{package}/roles/{role}/verification", "/packages/{package}/roles/{role}/sms_notification",
		"/packages/{package}/roles/{role}/signatureImage", "/packages/{package}/virtual-room/config",
		"/fastTrack/{package}/url", "/supporting-documents/v1/transactions/{package}", "/user/{user}/journal",
	} {
		out = append(out, api.Route{Path: path, Right: authz.Sign, Handle: notServed})
	}
	return out
}

func notServed(*api.Request) (api.Answer, error) {
	return api.Answer{}, errs.New(errs.NotServed, "operation.not_served", "This server does not offer the operation.")
}
