package pdf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Text tags (OneSpan Sign, Text Tag Extraction):
//
//	{{[*|?]esl[_fieldName]:roleName:type[:parameter,…]}}
//
// type is signature, initials, capture, signername, signertitle, signercompany,
// signingdate, textfield, textarea, checkbox, radio, list or label. Parameters are
// offset(x,y), size(w,h), maxlen(n), value("…"), group("…") and options("…","…") or
// options("…,…"). * makes an input required and ? a signature optional; without either
// an input is optional and a signature is not. Case does not matter but within quotes,
// nor does white space; typographic quotes are taken as quotes. A tag stands on one line.

// TagText is what a text tag says. Lengths are in units of 1/93.6 inch, as it is written.
type TagText struct {
	Role     string   `json:"role"` // as it is written, without white space
	Name     string   `json:"name,omitempty"`
	Type     string   `json:"type"`    // SIGNATURE or INPUT
	Subtype  string   `json:"subtype"` // FULLNAME, TEXTFIELD, …
	Binding  string   `json:"binding,omitempty"`
	Required bool     `json:"required,omitempty"` // * is written
	Optional bool     `json:"optional,omitempty"` // ? is written
	OffsetX  float64  `json:"offsetX,omitempty"`
	OffsetY  float64  `json:"offsetY,omitempty"`
	Width    float64  `json:"width"`
	Height   float64  `json:"height"`
	MaxLen   int      `json:"maxLen,omitempty"`
	Value    string   `json:"value,omitempty"`
	Group    string   `json:"group,omitempty"`
	Options  []string `json:"options,omitempty"`
}

// tagType is what a type of tag becomes, and its size where the tag gives none.
type tagType struct {
	kind, subtype, binding string
	width, height          float64
}

var tagTypes = map[string]tagType{
	"signature":     {"SIGNATURE", "FULLNAME", "", 200, 50},
	"capture":       {"SIGNATURE", "CAPTURE", "", 200, 50},
	"initials":      {"SIGNATURE", "INITIALS", "", 100, 50},
	"signername":    {"INPUT", "LABEL", "{signer.name}", 200, 30},
	"signertitle":   {"INPUT", "LABEL", "{signer.title}", 200, 30},
	"signercompany": {"INPUT", "LABEL", "{signer.company}", 200, 30},
	"signingdate":   {"INPUT", "LABEL", "{approval.signed}", 200, 30},
	"label":         {"INPUT", "LABEL", "", 200, 30},
	"textfield":     {"INPUT", "TEXTFIELD", "", 200, 30},
	"textarea":      {"INPUT", "TEXTAREA", "", 200, 100},
	"list":          {"INPUT", "LIST", "", 200, 30},
	"checkbox":      {"INPUT", "CHECKBOX", "", 20, 20},
	"radio":         {"INPUT", "RADIO", "", 20, 20},
}

// The bounds of what a tag may say.
const (
	maxTagText   = 2000 // characters
	maxTagLength = 100_000
	maxTagChars  = 10_000 // of maxlen
)

var (
	tagHead  = regexp.MustCompile(`(?i)^([*?]?)esl(?:_([a-z0-9_]+))?:([^:]+):([a-z]+)(?::(.*))?$`)
	parmHead = regexp.MustCompile(`(?i)^([a-z]+)\(`)
)

var curly = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "‘", `"`, "’", `"`)

// squeezed takes white space away but within quotes.
func squeezed(s string) string {
	quoted := false
	return strings.Map(func(r rune) rune {
		if r == '"' {
			quoted = !quoted
		}
		if unicode.IsSpace(r) {
			if !quoted {
				return -1
			}
			return ' '
		}
		return r
	}, curly.Replace(s))
}

// parseTag reads what stands between the braces; why says what is wrong, "" when nothing is.
func parseTag(inner string) (t TagText, why string) {
	m := tagHead.FindStringSubmatch(squeezed(inner))
	if m == nil {
		return t, "it is not of the form {{esl_name:role:type:parameters}}"
	}
	kind, ok := tagTypes[strings.ToLower(m[4])]
	if !ok {
		return t, "there is no type " + strconv.Quote(m[4])
	}
	t = TagText{Role: m[3], Name: m[2], Type: kind.kind, Subtype: kind.subtype, Binding: kind.binding,
		Required: m[1] == "*", Optional: m[1] == "?", Width: kind.width, Height: kind.height}
	for rest := m[5]; rest != ""; rest = strings.TrimLeft(rest, ",;:") {
		head := parmHead.FindStringSubmatch(rest)
		if head == nil {
			return t, "its parameters cannot be read"
		}
		args, after, ok := arguments(rest[len(head[0]):])
		if !ok {
			return t, "a parameter is not closed"
		}
		if why := t.set(strings.ToLower(head[1]), args); why != "" {
			return t, why
		}
		rest = after
	}
	return t, t.whole()
}

// whole tells what is missing or at odds.
func (t TagText) whole() string {
	switch {
	case t.Subtype == "RADIO" && t.Group == "":
		return "a radio button needs a group"
	case t.Subtype == "LIST" && len(t.Options) == 0:
		return "a list needs options"
	case t.Subtype == "LIST" && t.Value != "" && !slices.Contains(t.Options, t.Value):
		return "its value is none of its options"
	}
	return ""
}

// arguments reads up to the closing parenthesis; commas and parentheses in quotes are text.
func arguments(s string) (args []string, rest string, ok bool) {
	var b strings.Builder
	quoted := false
	for i, r := range s {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
			b.WriteRune(r)
		case r == ')':
			return append(args, b.String()), s[i+1:], true
		case r == ',':
			args = append(args, b.String())
			b.Reset()
		default:
			b.WriteRune(r)
		}
	}
	return nil, "", false
}

func (t *TagText) set(parameter string, args []string) (why string) {
	switch parameter {
	case "offset", "size":
		v, ok := lengths(args)
		if parameter == "offset" {
			t.OffsetX, t.OffsetY = v[0], v[1]
		} else {
			t.Width, t.Height = v[0], v[1]
			ok = ok && v[0] > 0 && v[1] > 0
		}
		if !ok {
			return parameter + " needs two numbers"
		}
	case "maxlen":
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 || n > maxTagChars || len(args) > 1 {
			return "maxlen needs a number from 1 to 10000"
		}
		t.MaxLen = n
	case "value":
		t.Value = strings.Join(args, ",")
	case "group":
		t.Group = strings.Join(args, ",")
	case "options":
		if len(args) == 1 {
			args = strings.Split(args[0], ",")
		}
		for _, a := range args {
			if a = strings.TrimSpace(a); a != "" {
				t.Options = append(t.Options, a)
			}
		}
	default:
		return "there is no parameter " + strconv.Quote(parameter)
	}
	return ""
}

func lengths(args []string) (v [2]float64, ok bool) {
	if len(args) != 2 {
		return v, false
	}
	for i, a := range args {
		x, err := strconv.ParseFloat(a, 64)
		if err != nil || !(x > -maxTagLength && x < maxTagLength) {
			return v, false
		}
		v[i] = x
	}
	return v, true
}
