package signing

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/errs"
)

// isoDate is the form of a date that every date field takes.
const isoDate = "2006-01-02"

// validation is what a field's JSON demands of its value (OneSpan Sign, field validation).
type validation struct {
	Required, Disabled               bool
	Pattern, Group, ErrorMessage     string
	MinLength, MaxLength             int
	MinimumRequired, MaximumRequired int
	Enum                             []string
}

// Rules are what the field demands of its value.
func (f Field) Rules() FieldRules { return rulesOf(f.Subtype, string(f.Validation)) }

func (f fieldRow) rules() FieldRules { return rulesOf(f.Subtype, f.Validation) }

func rulesOf(subtype, raw string) FieldRules {
	var v validation
	_ = json.Unmarshal([]byte(raw), &v) // what the sender wrote beyond these members is his own
	r := FieldRules{Required: v.Required, ReadOnly: v.Disabled || subtype == "CUSTOMFIELD", Pattern: v.Pattern, Message: v.ErrorMessage,
		MinLength: max(0, v.MinLength), MaxLength: max(0, v.MaxLength), Group: v.Group}
	switch subtype {
	case "LIST":
		r.Options = v.Enum
	case "RADIO":
		if r.Group == "" && len(v.Enum) > 0 {
			r.Group = v.Enum[0]
		}
	case "CHECKBOX":
		r.Minimum, r.Maximum = max(0, v.MinimumRequired), max(0, v.MaximumRequired)
	case "DATEPICKER", "DATE":
		for _, form := range append([]string{v.Pattern}, v.Enum...) {
			if r.DateFormat == "" && dateLayout(form) != "" {
				r.DateFormat = form
			}
		}
		if r.Pattern == r.DateFormat {
			r.Pattern = ""
		}
	}
	return r
}

var dateForm = regexp.MustCompile(`^[ymdYMD]+[ ./,-]+[ymdYMD]+[ ./,-]+[ymdYMD]+$`)

// dateLayout is Go's layout of a form of date such as dd/MM/yyyy, "" if it is none.
func dateLayout(form string) string {
	if !dateForm.MatchString(form) {
		return ""
	}
	layout := strings.NewReplacer("yyyy", "2006", "YYYY", "2006", "yy", "06", "YY", "06", "MMM", "Jan", "MM", "01", "mm", "01", "M", "1",
		"dd", "02", "DD", "02", "d", "2", "D", "2").Replace(form)
	if strings.ContainsAny(layout, "ymdYMD") && !strings.Contains(layout, "Jan") {
		return ""
	}
	return layout
}

// written is a date as the field writes dates.
func (r FieldRules) written(date time.Time) string {
	layout := dateLayout(r.DateFormat)
	if layout == "" {
		layout = isoDate
	}
	return date.UTC().Format(layout)
}

// refuse is the refusal of a value, in the sender's own words if he gave some.
func (r FieldRules) refuse(detail string, args ...any) error {
	if r.Message != "" {
		return errs.New(errs.Invalid, "field.value", "%s", clip(r.Message, maxName))
	}
	return errs.New(errs.Invalid, "field.value", detail, args...)
}

// takes refuses a value that the field does not take, and returns it as it is kept. The empty
// value is always taken: whether there must be one is asked at the signature.
func (f fieldRow) takes(value string) (string, error) {
	r := f.rules()
	switch f.Subtype {
	case "CHECKBOX", "RADIO":
		return ticked(f.Subtype, value)
	case "TEXTAREA":
	default:
		value = oneLine(value)
	}
	if value == "" {
		return "", nil
	}
	switch f.Subtype {
	case "LIST":
		if !slices.Contains(r.Options, value) {
			return "", r.refuse("Choose one of the options of the list.")
		}
		return value, nil
	case "DATEPICKER":
		if _, err := time.Parse(isoDate, value); err == nil {
			return value, nil
		}
		if layout := dateLayout(r.DateFormat); layout != "" {
			if _, err := time.Parse(layout, value); err == nil {
				return value, nil
			}
		}
		return "", r.refuse("This is no date of the form yyyy-MM-dd.")
	}
	return value, r.text(value)
}

// ticked is the value of a check box or radio button; some clients write booleans.
func ticked(subtype, value string) (string, error) {
	switch strings.ToLower(value) {
	case "", "false":
		return "", nil
	case "x", "true":
		return Checked, nil
	}
	what := "check box"
	if subtype == "RADIO" {
		what = "radio button"
	}
	return "", errs.New(errs.Invalid, "field.value", "A %s is %q or empty.", what, Checked)
}

// text refuses a text that is too short or too long or has not the pattern. RE2 takes time in
// proportion to the text; a pattern it cannot read is the browser's alone to check.
func (r FieldRules) text(value string) error {
	switch n := len([]rune(value)); {
	case r.MaxLength > 0 && n > r.MaxLength:
		return r.refuse("This field takes at most %d characters.", r.MaxLength)
	case n < r.MinLength:
		return r.refuse("This field takes at least %d characters.", r.MinLength)
	}
	if r.Pattern == "" {
		return nil
	}
	pattern, err := regexp.Compile(`^(?:` + r.Pattern + `)$`)
	if err == nil && !pattern.MatchString(value) {
		return r.refuse("This value does not have the form that is asked for.")
	}
	return nil
}

// ticks refuses groups in which too many or too few are chosen. of is a group of radio buttons or check boxes on one document.
func ticks(of []fieldRow, demanded func(fieldRow) bool) error {
	if len(of) == 0 {
		return nil
	}
	chosen, required, least, most := 0, false, 0, 0
	for _, f := range of {
		r := f.rules()
		if deref(f.Value) == Checked {
			chosen++
		}
		required = required || demanded(f)
		least, most = max(least, r.Minimum), max(most, r.Maximum)
	}
	r := of[0].rules()
	if of[0].Subtype == "RADIO" {
		most = 1
		if required {
			least = 1
		}
	}
	switch {
	case chosen < least:
		return errs.New(errs.Invalid, "field.group", "Choose at least %d of the group %q.", least, clip(r.Group, maxName)).
			With("group", r.Group).With("minimum", strconv.Itoa(least))
	case most > 0 && chosen > most:
		return errs.New(errs.Invalid, "field.group", "Choose at most %d of the group %q.", most, clip(r.Group, maxName)).
			With("group", r.Group).With("maximum", strconv.Itoa(most))
	}
	return nil
}

// ISO is a value of a date field in the form yyyy-MM-dd, empty if it is no date.
func (r FieldRules) ISO(value string) string {
	for _, layout := range []string{isoDate, dateLayout(r.DateFormat)} {
		if date, err := time.Parse(layout, value); err == nil && layout != "" {
			return date.Format(isoDate)
		}
	}
	return ""
}
