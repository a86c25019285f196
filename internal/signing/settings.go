package signing

import (
	"encoding/json"
	"slices"
	"strings"
)

// ceremony are the members of a package's settings.ceremony that signing obeys (OneSpan Sign, package settings).
type ceremony struct {
	InPerson                                             bool
	EnforceCaptureSignature                              bool
	DeclineButton                                        *bool
	DeclineReasons                                       []string
	DisableDeclineOther                                  bool
	OptOutButton                                         bool
	OptOutReasons                                        []string
	DisableOptOutOther                                   bool
	MaxAuthFailsAllowed                                  *int
	DisableDownloadForUncompletedPackage                 bool
	DisableInPersonAffidavit, HidePackageOwnerInPerson   bool
	DisableFirstInPersonAffidavit                        bool
	DisableSecondInPersonAffidavit, HideLanguageDropdown bool
}

// ceremony reads a package's settings. What they hold beyond these members, or of other types, is the client's own.
func (p packageRow) ceremony() ceremony {
	var in struct{ Ceremony ceremony }
	_ = json.Unmarshal([]byte(p.Settings), &in)
	return in.Ceremony
}

// refusing is how a signer may say no, given a button, reasons and whether his own words are refused.
func refusing(offered bool, reasons []string, noOther bool) Refusing {
	reasons = slices.DeleteFunc(slices.Clone(reasons), func(r string) bool { return strings.TrimSpace(r) == "" })
	return Refusing{Offered: offered, Reasons: reasons, Other: len(reasons) == 0 || !noOther}
}

func (c ceremony) decline() Refusing {
	return refusing(c.DeclineButton == nil || *c.DeclineButton, c.DeclineReasons, c.DisableDeclineOther)
}

func (c ceremony) optOut() Refusing {
	return refusing(c.OptOutButton, c.OptOutReasons, c.DisableOptOutOther)
}

// defaultAuthFails is how many wrong codes in a row lock a person out when the sender says nothing.
const defaultAuthFails = 5

func (c ceremony) authFails() int {
	if c.MaxAuthFailsAllowed == nil || *c.MaxAuthFailsAllowed < 1 {
		return defaultAuthFails
	}
	return *c.MaxAuthFailsAllowed
}
