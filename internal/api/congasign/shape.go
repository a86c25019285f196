package congasign

import (
	"errors"
	"maps"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
)

// rule says what a member of free JSON must be. Such members are kept and sent
// back as they came, and clients read them into typed objects: one value of
// another type, and nobody can read the package any more.
type rule struct {
	want    string
	fits    func(any) bool
	members map[string]rule // of an object; what it has beside them is kept unseen
}

var (
	boolean = rule{want: "true or false", fits: is[bool]}
	text    = rule{want: "a text", fits: is[string]}
	list    = rule{want: "an array", fits: is[[]any]}
	texts   = rule{want: "an array of texts", fits: isTexts}
	number  = rule{want: "a whole number", fits: func(v any) bool { return isWhole(v, math.MinInt32) }}
	count   = rule{want: "a whole number from 0", fits: func(v any) bool { return isWhole(v, 0) }}
	object  = objectOf(nil)
)

func objectOf(members map[string]rule) rule {
	return rule{want: "an object", fits: is[map[string]any], members: members}
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

func isTexts(v any) bool {
	elements, ok := v.([]any)
	return ok && !slices.ContainsFunc(elements, func(e any) bool { return !is[string](e) })
}

// isWhole: client libraries read 32 bits.
func isWhole(v any, least float64) bool {
	n, ok := v.(float64)
	return ok && n == math.Trunc(n) && n >= least && n <= math.MaxInt32
}

// Settings of a package (OneSpan Sign, PackageSettings).
var settings = objectOf(map[string]rule{
	"integrationFrameworkWorkflows": list,
	"ceremony": objectOf(map[string]rule{
		"ada": boolean, "declineButton": boolean, "declineReasons": texts, "defaultTimeBasedExpiry": boolean,
		"disableDeclineOther": boolean, "disableDownloadForUncompletedPackage": boolean, "disableFirstInPersonAffidavit": boolean,
		"disableInPersonAffidavit": boolean, "disableOptOutOther": boolean, "disableSecondInPersonAffidavit": boolean,
		"documentToolbarOptions": object, "enforceCaptureSignature": boolean, "events": object, "fontSize": number,
		"handOver": object, "hideCaptureText": boolean, "hideLanguageDropdown": boolean, "hidePackageOwnerInPerson": boolean,
		"hideWatermark": boolean, "inPerson": boolean, "leftMenuExpand": boolean, "maxAttachmentFiles": number,
		"maxAuthFailsAllowed": number, "optOutButton": boolean, "optOutReasons": texts, "remainingDays": number,
		"showNseHelp": boolean, "showNseLogoInIframe": boolean, "showNseOverview": boolean, "style": object,
		"layout": objectOf(map[string]rule{
			"iframe": boolean, "navigator": boolean, "brandingBar": object, "header": object, "footer": object,
		}),
	}),
})

var address = objectOf(map[string]rule{
	"address1": text, "address2": text, "city": text, "state": text, "country": text, "zipcode": text,
})

var fieldValidation = objectOf(map[string]rule{
	"required": boolean, "disabled": boolean, "enum": texts, "errorCode": number, "errorMessage": text, "pattern": text,
	"group": text, "groupTooltip": text, "minLength": count, "maxLength": count, "minimumRequired": count, "maximumRequired": count,
})

// of refuses (Invalid "value.type") a value that does not follow the rule. A null is as good as nothing.
func (r rule) of(field string, raw jsontext.Value) error {
	if given(raw) == nil {
		return nil
	}
	var v any
	if err := jsonv2.Unmarshal(raw, &v); err != nil {
		return err // it came through the strict decoder
	}
	return r.check(field, v)
}

func (r rule) check(field string, v any) error {
	if v == nil {
		return nil
	}
	if !r.fits(v) {
		return errs.New(errs.Invalid, "value.type", "%s must be %s.", field, r.want).On(field)
	}
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		if err := r.members[name].check(field+"."+name, v.(map[string]any)[name]); err != nil {
			return err
		}
	}
	return nil
}

// choice refuses (Invalid "value.choice") a value that is none of a few; "" is as good as nothing.
func choice(field, value, want string, of ...string) error {
	if value == "" || slices.Contains(of, value) {
		return nil
	}
	return errs.New(errs.Invalid, "value.choice", "%s must be %s.", field, want).On(field)
}

// within refuses (Invalid "value.range") a number out of a range.
func within(field string, n, least, most float64) error {
	if n >= least && n <= most {
		return nil
	}
	return errs.New(errs.Invalid, "value.range", "%s must be from %v to %v.", field, least, most).On(field)
}

// languageTag is what RFC 5646 tags look like; Java writes the parts with an underscore.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$`)

func checkLanguage(field, tag string) error {
	if tag == "" || len(tag) <= 35 && languageTag.MatchString(tag) {
		return nil
	}
	return errs.New(errs.Invalid, "value.language", "%s must be a language tag such as en or pt-BR.", field).On(field)
}

// checkValidation is what a field's validation must be beyond the types of its members.
func checkValidation(field string, raw jsontext.Value) error {
	if err := fieldValidation.of(field, raw); err != nil || given(raw) == nil {
		return err
	}
	var v struct {
		MinLength int    `json:"minLength"`
		MaxLength *int   `json:"maxLength"`
		Pattern   string `json:"pattern"`
	}
	if err := jsonv2.Unmarshal(raw, &v); err != nil {
		return errs.New(errs.Invalid, "value.type", "%s has lengths that are no whole numbers.", field).On(field).Because(err)
	}
	if v.MaxLength != nil && v.MinLength > *v.MaxLength {
		return errs.New(errs.Invalid, "value.range", "%s.minLength must not be above maxLength.", field).On(field + ".minLength")
	}
	if err := checkPattern(v.Pattern); err != nil {
		return errs.New(errs.Invalid, "value.pattern", "%s.pattern is not a regular expression.", field).On(field + ".pattern").Because(err)
	}
	return nil
}

// foreign are the complaints of Go's parser about what other dialects of regular expressions have: lookahead,
// backreferences, possessive and long repetitions. Clients write theirs for Java and browsers.
var foreign = []syntax.ErrorCode{syntax.ErrInvalidPerlOp, syntax.ErrInvalidEscape, syntax.ErrInvalidRepeatOp, syntax.ErrInvalidRepeatSize,
	syntax.ErrInvalidNamedCapture, syntax.ErrInvalidCharRange}

func checkPattern(pattern string) error {
	_, err := regexp.Compile(pattern)
	if parse, ok := errors.AsType[*syntax.Error](err); ok && slices.Contains(foreign, parse.Code) {
		return nil
	}
	return err
}
