package signing

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
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
	DefaultTimeBasedExpiry                               bool
	RemainingDays                                        int64
	HandOver                                             directory.Handover
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

// decline is how the visitor may decline. A package that gives no reasons offers the account's, in the signer's language.
func (at spot) decline(tx *db.Tx) (Refusing, error) {
	c := at.pkg.ceremony()
	r := refusing(c.DeclineButton == nil || *c.DeclineButton, c.DeclineReasons, c.DisableDeclineOther)
	if len(r.Reasons) > 0 {
		return r, nil
	}
	reasons, err := directory.DeclineReasons(tx, at.pkg.AccountID, at.language())
	return refusing(r.Offered, reasons, c.DisableDeclineOther), err
}

func (c ceremony) optOut() Refusing {
	return refusing(c.OptOutButton, c.OptOutReasons, c.DisableOptOutOther)
}

// handover is the link that the page offers who has signed: the package's, else the account's.
func (at spot) handover(tx *db.Tx) (directory.Handover, error) {
	if own := at.pkg.ceremony().HandOver.Offered(); own.Href != "" {
		return own, nil
	}
	return directory.HandoverOf(tx, at.pkg.AccountID, at.language())
}

// language is that of the visitor's page.
func (at spot) language() string { return cmp.Or(at.role.Language, at.pkg.Language) }

// affidavits are what signers in person confirm.
func (c ceremony) affidavits() Affidavits {
	return Affidavits{First: !c.DisableInPersonAffidavit && !c.DisableFirstInPersonAffidavit,
		Second: !c.DisableInPersonAffidavit && !c.DisableSecondInPersonAffidavit}
}

// defaultDays is after how many days a package expires when its sender gave no time but wants one
// (OneSpan Sign, package settings: defaultTimeBasedExpiry, remainingDays); 0 is never.
func (c ceremony) defaultDays() int64 {
	if !c.DefaultTimeBasedExpiry {
		return 0
	}
	return max(0, min(c.RemainingDays, 36500))
}

// defaultAuthFails is how many wrong codes in a row lock a person out when the sender says nothing: three codes used
// up, at the five tries that each has (authn). Fewer would lock out who mistypes one code and may ask for another.
const defaultAuthFails = 15

func (c ceremony) authFails() int {
	if c.MaxAuthFailsAllowed == nil || *c.MaxAuthFailsAllowed < 1 {
		return defaultAuthFails
	}
	return *c.MaxAuthFailsAllowed
}
