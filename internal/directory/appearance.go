package directory

import (
	"encoding/json"
	"net/url"
	"strings"

	"countersign.dev/internal/db"
)

// Theme is the colours of an account's pages, each "#rrggbb" in lower case, or
// "" where the account says nothing (OneSpan Sign, Account Signing Themes).
type Theme struct {
	Primary, Secondary, Success, Warning, Error, Info string
	// SignatureButton and OptionalSignatureButton are those of the signing page.
	SignatureButton, OptionalSignatureButton string
}

// themeOf is the account's theme named "default".
func themeOf(data json.RawMessage) Theme {
	t := read[map[string]struct{ Color map[string]string }](data)["default"].Color
	return Theme{
		Primary: hue(t["primary"]), Secondary: hue(t["secondary"]), Success: hue(t["success"]), Warning: hue(t["warning"]),
		Error: hue(t["error"]), Info: hue(t["info"]),
		SignatureButton: hue(t["signatureButton"]), OptionalSignatureButton: hue(t["optionalSignatureButton"]),
	}
}

// Hue reports a colour written #rrggbb.
func Hue(s string) bool {
	return len(s) == 7 && s[0] == '#' && strings.Trim(strings.ToLower(s[1:]), "0123456789abcdef") == ""
}

func hue(s string) string {
	if !Hue(s) {
		return ""
	}
	return strings.ToLower(s)
}

// DeclineReasons are the reasons that an account, an internal id, offers who
// declines in a language, such as "en" or "fr-CA": those of the language, else
// of its first part. None is an empty list.
func DeclineReasons(tx *db.Tx, account, language string) ([]string, error) {
	data, err := localized(tx, account, Reasons, language)
	return read[[]string](data), err
}

// Handover is the link offered at the end of signing; zero: none (OneSpan Sign, Handover URL).
type Handover struct {
	Href, Text, Title string
}

// HandoverOf is the link of an account, an internal id, in a language as
// DeclineReasons takes it. Only https addresses are ever offered.
func HandoverOf(tx *db.Tx, account, language string) (Handover, error) {
	data, err := localized(tx, account, Handovers, language)
	return read[Handover](data).Offered(), err
}

// Offered is the link, or none when its address is not one of https that names a host and no user.
func (h Handover) Offered() Handover {
	if u, err := url.Parse(h.Href); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return Handover{}
	}
	return h
}

func localized(tx *db.Tx, account, kind, language string) (json.RawMessage, error) {
	language = Language(language)
	data, err := DocumentOf(tx, account, kind, language)
	if first, _, more := strings.Cut(language, "-"); err == nil && data == nil && more {
		return DocumentOf(tx, account, kind, first)
	}
	return data, err
}

// Language is a language tag as documents are named by it: en_US is en-us.
func Language(tag string) string { return strings.ToLower(strings.ReplaceAll(tag, "_", "-")) }

// Expiry is how long the packages of an account live once they are sent, in
// days; 0: nothing is said.
type Expiry struct {
	// Most is what a package may have at most, Usual what it has when it says nothing.
	Most  int `json:"maximumRemainingDays"`
	Usual int `json:"remainingDays"`
}

// ExpiryOf is the expiry of an account, an internal id.
func ExpiryOf(tx *db.Tx, account string) (Expiry, error) {
	data, err := DocumentOf(tx, account, ExpiryTimes, "")
	return read[Expiry](data), err
}
