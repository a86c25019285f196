package congasign

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// signerIn is the person or the group behind a role.
type signerIn struct {
	ID         string         `json:"id"`
	Email      string         `json:"email"`
	FirstName  string         `json:"firstName"`
	LastName   string         `json:"lastName"`
	Title      string         `json:"title"`
	Company    string         `json:"company"`
	Phone      string         `json:"phone"`
	Language   string         `json:"language"`
	SignerType string         `json:"signerType"`
	Group      *signerGroupIn `json:"group"`
	Auth       struct {
		Scheme string `json:"scheme"`
	} `json:"auth"`
	KnowledgeBasedAuthentication jsontext.Value `json:"knowledgeBasedAuthentication"`
	keptSigner
}

// keptSigner are the members of a signer that are only stored and shown.
type keptSigner struct {
	TimezoneID                 string         `json:"timezoneId,omitzero"`
	Delivery                   jsontext.Value `json:"delivery,omitzero"`
	NotificationMethods        jsontext.Value `json:"notificationMethods,omitzero"`
	Address                    jsontext.Value `json:"address,omitzero"`
	External                   jsontext.Value `json:"external,omitzero"`
	SpecialTypes               jsontext.Value `json:"specialTypes,omitzero"`
	ProfessionalIdentityFields jsontext.Value `json:"professionalIdentityFields,omitzero"`
	UserCustomFields           jsontext.Value `json:"userCustomFields,omitzero"`
}

// keptRole is what is stored of a role and its signer for showing only.
type keptRole struct {
	SpecialTypes jsontext.Value `json:"specialTypes,omitzero"`
	AdHocEmail   string         `json:"adHocEmail,omitzero"` // the name of an ad-hoc group in the shape of an address
	Signer       keptSigner     `json:"signer,omitzero"`
}

// signerGroupIn names a group by its id; name and e-mail come from the directory. An ad-hoc group has its members here.
type signerGroupIn struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Members []struct {
		UserID string `json:"userId"`
	} `json:"members"`
}

const (
	adHocSigner = "AD_HOC_GROUP_SIGNER"
	adHocMember = "AD_HOC_GROUP_MEMBER"
	adHocDomain = "@adhoc.groups.e-signlive.com"
)

var adHocAddress = regexp.MustCompile(`^[0-9a-f]{32}` + regexp.QuoteMeta(adHocDomain) + `$`)

// adHoc reports whether the signer is a group of persons of the package.
func (s signerIn) adHoc() bool {
	return s.SignerType == adHocSigner || strings.HasSuffix(strings.ToLower(s.Email), adHocDomain)
}

// core refuses a demand on a signer's identification that would not be met.
func (s signerIn) core() (signing.NewSigner, error) {
	out := signing.NewSigner{
		OuterID: s.ID, Email: s.Email, FirstName: s.FirstName, LastName: s.LastName,
		Title: s.Title, Company: s.Company, Phone: s.Phone, Language: s.Language,
	}
	if err := s.keptSigner.check(); err != nil {
		return out, err
	}
	switch {
	case s.Auth.Scheme != "" && s.Auth.Scheme != "NONE":
		return out, notTaken("signers.auth", "Signers are known by their mailbox; other authentication is not served.")
	case given(s.KnowledgeBasedAuthentication) != nil:
		return out, notTaken("signers.knowledgeBasedAuthentication", "Knowledge based authentication is not served.")
	case s.adHoc():
		return s.asAdHoc(out)
	case s.Group != nil && s.Group.ID != "":
		out.Group = s.Group.ID
	case s.Group != nil && (s.Group.Name != "" || len(s.Group.Members) > 0):
		return out, errs.New(errs.Invalid, "group.unnamed", "A group signer names its group by id.").On("signers.group.id")
	default:
		out.Group = groupOfAddress(s.Email)
	}
	return out, nil
}

// asAdHoc is a group of persons of the package. Its address is a name, and nothing is ever sent there.
func (s signerIn) asAdHoc(out signing.NewSigner) (signing.NewSigner, error) {
	out.AdHoc, out.Email = true, ""
	if s.Group == nil || len(s.Group.Members) == 0 {
		return out, errs.New(errs.Invalid, "adhoc.no_member", "An ad-hoc group names its members in group.members.").On("signers.group.members")
	}
	out.FirstName = cmp.Or(s.FirstName, s.Group.Name)
	for _, m := range s.Group.Members {
		out.Members = append(out.Members, m.UserID)
	}
	return out, nil
}

// Shapes of what is only stored.
var (
	delivery     = objectOf(map[string]rule{"download": boolean, "email": boolean, "provider": boolean})
	notification = objectOf(map[string]rule{"primary": texts, "secondary": texts})
)

func (k keptSigner) check() error {
	for _, member := range []struct {
		name  string
		value jsontext.Value
		rule  rule
	}{{"delivery", k.Delivery, delivery}, {"notificationMethods", k.NotificationMethods, notification}, {"address", k.Address, address},
		{"external", k.External, object}, {"specialTypes", k.SpecialTypes, list}, {"professionalIdentityFields", k.ProfessionalIdentityFields, list},
		{"userCustomFields", k.UserCustomFields, list}} {
		if err := member.rule.of("signers."+member.name, member.value); err != nil {
			return err
		}
	}
	if len(k.TimezoneID) > 64 {
		return errs.New(errs.Invalid, "text.too_long", "signers.timezoneId has at most 64 bytes.").On("signers.timezoneId")
	}
	return nil
}

// keepRole is what is stored of a role for showing only, nil when there is nothing.
func keepRole(r roleIn) (json.RawMessage, error) {
	kept := keptRole{SpecialTypes: r.SpecialTypes}
	if len(r.Signers) > 0 {
		kept.Signer = r.Signers[0].keptSigner
		if email := strings.ToLower(r.Signers[0].Email); adHocAddress.MatchString(email) {
			kept.AdHocEmail = email
		}
	}
	raw, err := jsonv2.Marshal(kept)
	if err != nil {
		return nil, err
	}
	if raw = withoutNulls(raw); string(raw) == "{}" {
		return nil, nil
	}
	return raw, nil
}

func keptOfRole(r signing.Role) (out keptRole) {
	if r.Kept != nil {
		_ = jsonv2.Unmarshal(r.Kept, &out) // we wrote it
	}
	return out
}

// listOf is a list that must not be null.
func listOf(v jsontext.Value) jsontext.Value {
	if given(v) == nil {
		return jsontext.Value("[]")
	}
	return v
}

// signerOut is a signer: a user, and how he is reached and identified.
type signerOut struct {
	userOut
	TimezoneID                   string          `json:"timezoneId"`
	Address                      jsontext.Value  `json:"address"`
	External                     jsontext.Value  `json:"external"`
	ProfessionalIdentityFields   jsontext.Value  `json:"professionalIdentityFields"`
	UserCustomFields             jsontext.Value  `json:"userCustomFields"`
	SpecialTypes                 jsontext.Value  `json:"specialTypes"`
	NotificationMethods          jsontext.Value  `json:"notificationMethods,omitzero"`
	SignerType                   string          `json:"signerType"`
	Group                        *signerGroupOut `json:"group"`
	Auth                         authOut         `json:"auth"`
	Delivery                     deliveryOut     `json:"delivery"`
	KnowledgeBasedAuthentication jsontext.Value  `json:"knowledgeBasedAuthentication"`
}

type signerGroupOut struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Email        string         `json:"email"`
	EmailMembers bool           `json:"emailMembers"`
	Members      []memberOut    `json:"members"`
	Data         jsontext.Value `json:"data"`
}

type authOut struct {
	Scheme     string `json:"scheme"`
	Challenges none   `json:"challenges"`
}

type deliveryOut struct {
	Download bool `json:"download"`
	Email    bool `json:"email"`
	Provider bool `json:"provider"`
}

func wordSigner(r signing.Role, p signing.Package, kept keptSigner) signerOut {
	s := r.Signer
	out := signerOut{userOut: wordUser(s, p), SignerType: "EXTERNAL_SIGNER", Auth: authOut{Scheme: "NONE"},
		TimezoneID: kept.TimezoneID, Address: kept.Address, External: kept.External, NotificationMethods: kept.NotificationMethods,
		ProfessionalIdentityFields: listOf(kept.ProfessionalIdentityFields), UserCustomFields: listOf(kept.UserCustomFields),
		SpecialTypes: listOf(kept.SpecialTypes)}
	if kept.Delivery != nil {
		_ = jsonv2.Unmarshal(kept.Delivery, &out.Delivery) // it was checked when it came
	}
	switch {
	case r.Kind == signing.Group:
		out.SignerType = "GROUP_SIGNER"
		out.Group = &signerGroupOut{ID: s.GroupOuterID, Name: s.GroupName, Email: s.GroupEmail}
		out.Email, out.FirstName, out.LastName, out.Name = groupAddress(s.GroupOuterID), s.GroupName, "", s.GroupName
	case r.Kind == signing.AdHoc:
		out.SignerType = adHocSigner
		out.Email = adHocName(r, p)
		out.Group = &signerGroupOut{ID: s.OuterID, Name: s.FirstName, Email: out.Email, Members: wordAdHoc(s.Members)}
	case s.UserID != "":
		out.SignerType = "ACCOUNT_SENDER"
	}
	return out
}

// adHocName is the address that stands for an ad-hoc group: the client's, else one made of its role.
func adHocName(r signing.Role, p signing.Package) string {
	if email := keptOfRole(r).AdHocEmail; email != "" {
		return email
	}
	sum := sha256.Sum256([]byte(p.OuterID + r.OuterID))
	return hex.EncodeToString(sum[:16]) + adHocDomain
}

func wordAdHoc(members []signing.AdHocMember) (out []memberOut) {
	for _, m := range members {
		out = append(out, memberOut{UserID: m.SignerID, Email: m.Email, FirstName: m.FirstName, LastName: m.LastName, MemberType: adHocMember})
	}
	return out
}
