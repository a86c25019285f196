package congasign

import (
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// roleIn is a role as clients send it.
type roleIn struct {
	ID                     string           `json:"id"`
	Name                   string           `json:"name"`
	Type                   string           `json:"type"`
	Index                  int              `json:"index"`
	Reassign               bool             `json:"reassign"`
	EmailMessage           contentIn        `json:"emailMessage"`
	Data                   jsontext.Value   `json:"data"`
	Signers                []signerIn       `json:"signers"`
	AttachmentRequirements []jsontext.Value `json:"attachmentRequirements"`
}

// contentIn is a message: {"content": …}.
type contentIn struct {
	Content string `json:"content"`
}

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
}

// signerGroupIn names a group by its id; name and e-mail come from the directory.
type signerGroupIn struct {
	ID string `json:"id"`
}

func rolesIn(in []roleIn) ([]signing.NewRole, error) {
	var out []signing.NewRole
	for _, r := range in {
		role, err := r.core()
		if err != nil {
			return nil, err
		}
		out = append(out, role)
	}
	return out, nil
}

func (r roleIn) core() (signing.NewRole, error) {
	out := signing.NewRole{
		OuterID: r.ID, Name: r.Name, Type: r.Type, Index: r.Index, Reassign: r.Reassign,
		EmailMessage: r.EmailMessage.Content, Data: given(r.Data),
	}
	if err := r.check(); err != nil {
		return out, err
	}
	if len(r.AttachmentRequirements) > 0 {
		return out, notTaken("roles.attachmentRequirements", "Attachments of signers are not served.")
	}
	if len(r.Signers) != 1 {
		return out, errs.New(errs.Invalid, "role.one_signer", "A role has exactly one signer.").On("roles.signers")
	}
	var err error
	out.Signer, err = r.Signers[0].core()
	return out, err
}

func (r roleIn) check() error {
	if err := choice("roles.type", r.Type, "SIGNER or SENDER", "SIGNER", "SENDER"); err != nil {
		return err
	}
	if err := within("roles.index", float64(r.Index), 0, 10_000); err != nil {
		return err
	}
	return object.of("roles.data", r.Data)
}

// core refuses a demand on a signer's identification that would not be met.
func (s signerIn) core() (signing.NewSigner, error) {
	out := signing.NewSigner{
		OuterID: s.ID, Email: s.Email, FirstName: s.FirstName, LastName: s.LastName,
		Title: s.Title, Company: s.Company, Phone: s.Phone, Language: s.Language,
	}
	switch {
	case s.Auth.Scheme != "" && s.Auth.Scheme != "NONE":
		return out, notTaken("signers.auth", "Signers are known by their mailbox; other authentication is not served.")
	case given(s.KnowledgeBasedAuthentication) != nil:
		return out, notTaken("signers.knowledgeBasedAuthentication", "Knowledge based authentication is not served.")
	case s.SignerType == "AD_HOC_GROUP_SIGNER":
		return out, notTaken("signers.signerType", "Ad-hoc groups are not served.")
	case s.Group != nil && s.Group.ID != "":
		out.Group = s.Group.ID
	case s.Group != nil:
		return out, errs.New(errs.Invalid, "group.unnamed", "A group signer names its group by id.").On("signers.group.id")
	default:
		out.Group = groupOfAddress(s.Email)
	}
	return out, nil
}

// notTaken refuses a member that asks for something this server does not do and
// that must not be passed over in silence.
func notTaken(field, detail string) error {
	return errs.New(errs.Invalid, "payload.not_served", "%s", detail).On(field)
}

// roleOut is a role with its one signer.
type roleOut struct {
	ID                     string         `json:"id"`
	Name                   string         `json:"name"`
	Type                   string         `json:"type"`
	Index                  int            `json:"index"`
	Locked                 bool           `json:"locked"`
	Reassign               bool           `json:"reassign"`
	EmailMessage           contentOut     `json:"emailMessage"`
	AttachmentRequirements none           `json:"attachmentRequirements"`
	SpecialTypes           none           `json:"specialTypes"`
	Signers                []signerOut    `json:"signers"`
	Data                   jsontext.Value `json:"data"`
}

type contentOut struct {
	Content string `json:"content"`
}

// signerOut is a signer: a user, and how he is reached and identified.
type signerOut struct {
	userOut
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
	Members      none           `json:"members"`
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

func wordRole(r signing.Role, p signing.Package) roleOut {
	kind := "SIGNER"
	if r.Kind == signing.Owner {
		kind = "SENDER"
	}
	return roleOut{
		ID: r.OuterID, Name: r.Name, Type: kind, Index: r.Index, Reassign: r.Reassign,
		EmailMessage: contentOut{r.EmailMessage}, Signers: []signerOut{wordSigner(r, p)}, Data: jsontext.Value(r.Data),
	}
}

func wordSigner(r signing.Role, p signing.Package) signerOut {
	s := r.Signer
	out := signerOut{userOut: wordUser(s, p), SignerType: "EXTERNAL_SIGNER", Auth: authOut{Scheme: "NONE"}}
	switch {
	case r.Kind == signing.Group:
		out.SignerType = "GROUP_SIGNER"
		out.Group = &signerGroupOut{ID: s.GroupOuterID, Name: s.GroupName, Email: s.GroupEmail}
		out.Email, out.FirstName, out.LastName, out.Name = groupAddress(s.GroupOuterID), s.GroupName, "", s.GroupName
	case s.UserID != "":
		out.SignerType = "ACCOUNT_SENDER"
	}
	return out
}
