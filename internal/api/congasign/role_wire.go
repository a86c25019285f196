package congasign

import (
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// roleIn is a role as clients send it.
type roleIn struct {
	ID                     string         `json:"id"`
	Name                   string         `json:"name"`
	Type                   string         `json:"type"`
	Index                  int            `json:"index"`
	Reassign               bool           `json:"reassign"`
	EmailMessage           contentIn      `json:"emailMessage"`
	Data                   jsontext.Value `json:"data"`
	SpecialTypes           jsontext.Value `json:"specialTypes"`
	Signers                []signerIn     `json:"signers"`
	AttachmentRequirements []attachmentIn `json:"attachmentRequirements"`
}

// contentIn is a message: {"content": …}.
type contentIn struct {
	Content string `json:"content"`
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
	for _, a := range r.AttachmentRequirements {
		attachment, err := a.core()
		if err != nil {
			return out, err
		}
		out.Attachments = append(out.Attachments, attachment)
	}
	var err error
	if out.Kept, err = keepRole(r); err != nil || len(r.Signers) == 0 {
		return out, err // nobody yet: a placeholder
	}
	if len(r.Signers) != 1 {
		return out, errs.New(errs.Invalid, "role.one_signer", "A role has exactly one signer.").On("roles.signers")
	}
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
	if err := list.of("roles.specialTypes", r.SpecialTypes); err != nil {
		return err
	}
	return object.of("roles.data", r.Data)
}

// notTaken refuses a member that asks for something this server does not do and
// that must not be passed over in silence.
func notTaken(field, detail string) error {
	return errs.New(errs.Invalid, "payload.not_served", "%s", detail).On(field)
}

// roleOut is a role with its one signer, or none while nobody is named.
type roleOut struct {
	ID                     string          `json:"id"`
	Name                   string          `json:"name"`
	Type                   string          `json:"type"`
	Index                  int             `json:"index"`
	Locked                 bool            `json:"locked"`
	Reassign               bool            `json:"reassign"`
	EmailMessage           contentOut      `json:"emailMessage"`
	AttachmentRequirements []attachmentOut `json:"attachmentRequirements"`
	SpecialTypes           jsontext.Value  `json:"specialTypes"`
	Signers                []signerOut     `json:"signers"`
	Data                   jsontext.Value  `json:"data"`
}

type contentOut struct {
	Content string `json:"content"`
}

func wordRole(r signing.Role, p signing.Package) roleOut {
	kind := "SIGNER"
	if r.Kind == signing.Owner {
		kind = "SENDER"
	}
	kept := keptOfRole(r)
	signers := []signerOut{}
	if !r.Placeholder() {
		signers = append(signers, wordSigner(r, p, kept.Signer))
	}
	return roleOut{
		ID: r.OuterID, Name: r.Name, Type: kind, Index: r.Index, Reassign: r.Reassign, Locked: r.Locked,
		EmailMessage: contentOut{r.EmailMessage}, Signers: signers, Data: jsontext.Value(r.Data),
		AttachmentRequirements: wordAttachments(r.Attachments), SpecialTypes: listOf(kept.SpecialTypes),
	}
}
