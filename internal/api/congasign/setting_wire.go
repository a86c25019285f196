package congasign

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// of0 is of for a value that must be there.
func (r rule) of0(field string, raw jsontext.Value) error {
	if given(raw) == nil {
		return errs.New(errs.Invalid, "value.type", "%s must be %s.", field, r.want).On(field)
	}
	return r.of(field, raw)
}

var chooseSignature = objectOf(map[string]rule{
	"signature": objectOf(map[string]rule{
		"allowStyling": boolean, "allowDrawing": boolean, "allowUploading": boolean, "allowMobileSigning": boolean,
		"defaultSignatureType": text, "fontsPerWritingSystem": object,
	}),
})

const (
	maxReasons = 50
	maxReason  = 200 // characters
)

// checkReasons: an array of lines of text.
func checkReasons(field string, raw jsontext.Value) error {
	if err := texts.of0(field, raw); err != nil {
		return err
	}
	var list []string
	if err := jsonv2.Unmarshal(raw, &list); err != nil {
		return err // it has the type by now
	}
	if len(list) > maxReasons {
		return errs.New(errs.Invalid, "value.too_many", "%s are at most %d.", field, maxReasons).On(field)
	}
	for _, reason := range list {
		if err := checkLine(field, reason, maxReason); err != nil {
			return err
		}
	}
	return nil
}

// checkLine refuses (Invalid "text.malformed") a text that is not one line of
// visible characters, for it is shown to people.
func checkLine(field, s string, most int) error {
	bad := func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }
	if strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > most || strings.ContainsFunc(s, bad) {
		return errs.New(errs.Invalid, "text.malformed", "%s is one line of 1 to %d visible characters.", field, most).On(field)
	}
	return nil
}

var handoverLink = objectOf(map[string]rule{"href": text, "text": text, "title": text})

// checkHandover: an address of the web, or none, and words for it.
func checkHandover(field string, raw jsontext.Value) error {
	if err := handoverLink.of0(field, raw); err != nil {
		return err
	}
	var link struct{ Href, Text, Title string }
	if err := json.Unmarshal(raw, &link); err != nil {
		return err // it has the types by now
	}
	for name, s := range map[string]string{"text": link.Text, "title": link.Title} {
		if s == "" {
			continue
		}
		if err := checkLine(field+"."+name, s, maxReason); err != nil {
			return err
		}
	}
	u, err := url.Parse(link.Href)
	if link.Href != "" && (err != nil || len(link.Href) > 2000 || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil) {
		return errs.New(errs.Invalid, "handover.href", "%s.href must be an address that begins with https://.", field).On(field + ".href")
	}
	return nil
}

// checkThemes: themes by name, each with colours written #rrggbb.
func checkThemes(field string, raw jsontext.Value) error {
	if err := object.of0(field, raw); err != nil {
		return err
	}
	var themes map[string]jsontext.Value
	if err := jsonv2.Unmarshal(raw, &themes); err != nil {
		return err // it is an object
	}
	for _, name := range slices.Sorted(maps.Keys(themes)) {
		if err := objectOf(map[string]rule{"color": object}).of0(field+"."+clipped(name), themes[name]); err != nil {
			return err
		}
		var theme struct{ Color map[string]any }
		if err := json.Unmarshal(themes[name], &theme); err != nil {
			return err // it has the types by now
		}
		for _, part := range slices.Sorted(maps.Keys(theme.Color)) {
			colour, ok := theme.Color[part].(string)
			if theme.Color[part] != nil && (!ok || !directory.Hue(colour)) {
				return errs.New(errs.Invalid, "theme.color", "A colour is written #rrggbb.").On(field + "." + clipped(name) + ".color." + clipped(part))
			}
		}
	}
	return nil
}

// clipped keeps a long name out of a refusal.
func clipped(name string) string {
	if utf8.RuneCountInString(name) > 40 {
		return string([]rune(name)[:40]) + "…"
	}
	return name
}

var dayCount = rule{want: "a whole number of days from 0", fits: func(v any) bool { return isWhole(v, 0) }}

var retention = objectOf(map[string]rule{"transactionRetention": objectOf(map[string]rule{
	"draft": dayCount, "sent": dayCount, "completed": dayCount, "archived": dayCount, "declined": dayCount, "optedOut": dayCount, "expired": dayCount,
})})

var defaultRetention = jsontext.Value(`{"transactionRetention":{"draft":0,"sent":0,"completed":0,"archived":0,"declined":0,"optedOut":0,"expired":0}}`)

func checkRetention(field string, raw jsontext.Value) error { return retention.of0(field, raw) }

var expiryTimes = objectOf(map[string]rule{"maximumRemainingDays": dayCount, "remainingDays": dayCount})

// maxExpiryDays is the longest that a package may be open.
const maxExpiryDays = 3650

// checkExpiry: the usual number of days is not above the most.
func checkExpiry(field string, raw jsontext.Value) error {
	if err := expiryTimes.of0(field, raw); err != nil {
		return err
	}
	var in directory.Expiry
	if err := json.Unmarshal(raw, &in); err != nil {
		return err // it has the types by now
	}
	for name, n := range map[string]int{"maximumRemainingDays": in.Most, "remainingDays": in.Usual} {
		if err := within(field+"."+name, float64(n), 0, maxExpiryDays); err != nil {
			return err
		}
	}
	if in.Most > 0 && in.Usual > in.Most {
		return errs.New(errs.Invalid, "value.range", "%s.remainingDays must not be above maximumRemainingDays.", field).On(field + ".remainingDays")
	}
	return nil
}

// overlaid is a JSON object with the members of another in the place of its own, at every depth; nulls change nothing.
func overlaid(was, change json.RawMessage) json.RawMessage {
	var a, b any
	_ = jsonv2.Unmarshal(was, &a) // nothing, or what was stored
	if err := jsonv2.Unmarshal(change, &b); err != nil {
		return was // it came through the strict decoder
	}
	out, err := jsonv2.Marshal(overlay(a, b), jsonv2.Deterministic(true))
	if err != nil {
		return was
	}
	return json.RawMessage(out)
}

func overlay(a, b any) any {
	object, ok := b.(map[string]any)
	if !ok {
		drop(b)
		return b
	}
	out, ok := a.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for name, member := range object {
		if member != nil {
			out[name] = overlay(out[name], member)
		}
	}
	return out
}
