package directory

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"countersign.dev/internal/errs"
)

const (
	maxEmail = 254 // RFC 5321 §4.5.3.1.3, less the angle brackets
	maxLocal = 64  // RFC 5321 §4.5.3.1.1
	maxLine  = 200
	maxJSON  = 64 << 10
)

var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true),
	idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// CanonicalEmail is the form in which addresses are stored, compared and
// answered: lower case, the domain in its ASCII form (UTS 46) without a final
// dot, so that a homograph shows as xn--…. The local part is an RFC 5321
// dot-string in ASCII; quoted ones, comments and address literals are refused,
// as is a domain of one label. Invalid "email.malformed".
func CanonicalEmail(s string) (string, error) {
	s = strings.Trim(s, " \t")
	local, domain, ok := cutLast(s, "@")
	if !ok || len(s) > maxEmail || !utf8.ValidString(s) || !dotString(local) {
		return "", badEmail()
	}
	if domain, ok = canonicalDomain(domain); !ok {
		return "", badEmail()
	}
	address := strings.ToLower(local) + "@" + domain
	if len(address) > maxEmail {
		return "", badEmail()
	}
	return address, nil
}

// canonicalDomain is a domain in lower case and ASCII, without a final dot; ok is false when mail cannot be sent there.
func canonicalDomain(s string) (domain string, ok bool) {
	if len(s) > maxEmail || !utf8.ValidString(s) {
		return "", false
	}
	domain, err := domains.ToASCII(strings.TrimSuffix(s, "."))
	return domain, err == nil && strings.Contains(domain, ".") && !strings.HasSuffix(domain, ".") && !nobodys(domain)
}

// nobodys reports the domains under which the vendor names signer groups. They are names, never recipients: a person
// there could never be reached.
func nobodys(domain string) bool {
	return domain == "groups.e-signlive.com" || strings.HasSuffix(domain, ".groups.e-signlive.com")
}

func badEmail() error {
	return errs.New(errs.Invalid, "email.malformed", "The e-mail address is not valid.").On("email")
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// dotString reports RFC 5321 §4.1.2 Dot-string.
func dotString(local string) bool {
	if local == "" || len(local) > maxLocal {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtext) {
			return false
		}
	}
	return true
}

func notAtext(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// PersonName trims a name and refuses one that could be shown as something
// else: with line breaks, NUL or other controls, marks that turn the direction
// of writing, zero-width and other invisible format characters, or more than
// 200 characters. The result is in Unicode's NFC. Invalid "name.malformed".
func PersonName(s string) (string, error) {
	if out, ok := line(s); ok {
		return out, nil
	}
	return "", errs.New(errs.Invalid, "name.malformed",
		"A name is one line of at most %d visible characters.", maxLine).On("name")
}

// line cleans one line of text; ok is false when it cannot be shown as it is.
func line(s string) (string, bool) {
	if len(s) > 10*maxLine || !utf8.ValidString(s) {
		return "", false
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	if utf8.RuneCountInString(s) > maxLine || strings.ContainsFunc(s, unshowable) {
		return "", false
	}
	return s, true
}

// unshowable: everything that puts no mark on paper, in Unicode's terms the
// controls (NUL and line breaks among them), format characters (bidi, zero
// width, tags), line and paragraph separators, private use and unassigned.
func unshowable(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }

// plain cleans a line of text other than a name in place. Invalid "text.malformed".
func plain(field string, s *string) error {
	out, ok := line(*s)
	if !ok {
		return errs.New(errs.Invalid, "text.malformed", "%s is one line of at most %d visible characters.", field, maxLine).On(field)
	}
	*s = out
	return nil
}

// jsonText is the column of a client's own JSON: null when there is none. Invalid "data.malformed".
func jsonText(field string, data json.RawMessage) (*string, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	if len(data) > maxJSON || !utf8.Valid(data) || !json.Valid(data) {
		return nil, errs.New(errs.Invalid, "data.malformed", "%s is JSON of at most %d bytes.", field, maxJSON).On(field)
	}
	text := string(data)
	return &text, nil
}

// storable reports text that both engines can hold and compare; nothing else can be an id or be found.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// containing is a LIKE pattern, escaped by a backslash, for a folded column that contains s.
func containing(s string) string {
	if !storable(s) {
		s = "\uFFFF" // a noncharacter: in no name
	}
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(fold(s)) + "%"
}

func fold(s string) string { return strings.ToLower(norm.NFC.String(s)) }
