package pdf

import (
	"regexp"
	"strings"
)

// The names of AcroForm fields that become signatures and inputs (OneSpan Sign, Document
// Extraction), in any case, with or without the brackets:
//
//	[Role.Signature]                     Signature: Fullname, Initials, Capture or MobileCapture, and a number
//	[Role.Signature.Optional]
//	[Role.Signature.Input]               Input: Textfield, Textarea, Checkbox, Radio, List, Label, Date, Datepicker
//	[Role.Signature.Input.Optional]      or Customfield, and a number
//	[Role.Signature.Label1.Binding]      Binding: Name, Title, Company, Date, {signer.name}, {signer.title},
//	                                     {signer.company} or {approval.signed}
//
// The numbers may be missing. Role may hold dots; the longest role that fits is taken.

// FieldName is what the name of an AcroForm field says.
type FieldName struct {
	Role      string `json:"role"`              // as it was asked for
	Signature string `json:"signature"`         // the signature it belongs to, in lower case: "capture1"
	Type      string `json:"type"`              // SIGNATURE or INPUT
	Subtype   string `json:"subtype"`           // FULLNAME, TEXTFIELD, …
	Binding   string `json:"binding,omitempty"` // {signer.name}, …
	Optional  bool   `json:"optional,omitempty"`
	Input     string `json:"input,omitempty"` // "radio1", of an input
}

var (
	signatureWord = regexp.MustCompile(`^(fullname|initials|mobile[ _]?capture|capture)\d*$`)
	inputWord     = regexp.MustCompile(`^((textfield|textarea|checkbox|radio|list|label|datepicker|date|customfield)\d*)(?:\.(.+))?$`)
)

// bindings of labels, by their long and short names.
var bindings = map[string]string{
	"name": "{signer.name}", "title": "{signer.title}", "company": "{signer.company}", "date": "{approval.signed}",
	"{signer.name}": "{signer.name}", "{signer.title}": "{signer.title}", "{signer.company}": "{signer.company}",
	"{approval.signed}": "{approval.signed}",
}

// parseFieldName reads a full field name; ok is false when it does not follow the
// grammar or names none of the roles.
func parseFieldName(full string, roles []string) (n FieldName, ok bool) {
	s := strings.TrimSpace(full)
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	s = strings.ToLower(s)
	rest := ""
	for _, r := range roles {
		after, found := strings.CutPrefix(s, strings.ToLower(r)+".")
		if found && r != "" && len(r) > len(n.Role) {
			n.Role, rest = r, after
		}
	}
	if n.Role == "" {
		return n, false
	}
	word, after, more := strings.Cut(rest, ".")
	kind := signatureWord.FindStringSubmatch(word)
	if kind == nil {
		return n, false
	}
	n.Signature = word
	if after == "optional" {
		after, more, n.Optional = "", false, true
	}
	if !more {
		n.Type, n.Subtype = "SIGNATURE", strings.ToUpper(kind[1])
		if strings.HasPrefix(n.Subtype, "MOBILE") {
			n.Subtype = "MOBILE_CAPTURE"
		}
		return n, true
	}
	return n.input(after)
}

func (n FieldName) input(s string) (FieldName, bool) {
	s, n.Optional = strings.CutSuffix(s, ".optional")
	m := inputWord.FindStringSubmatch(s)
	if m == nil {
		return n, false
	}
	n.Type, n.Subtype, n.Input = "INPUT", strings.ToUpper(m[2]), m[1]
	if m[3] == "" {
		return n, true
	}
	n.Binding = bindings[m[3]]
	return n, n.Subtype == "LABEL" && n.Binding != ""
}
