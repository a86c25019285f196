package congasign

import (
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/signing"
)

// attachmentIn is a demand for files as clients send it; files come by uploads only.
type attachmentIn struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Required    bool           `json:"required"`
	Status      string         `json:"status"`
	Comment     string         `json:"comment"`
	Data        jsontext.Value `json:"data"`
}

func (a attachmentIn) core() (signing.Attachment, error) {
	out := signing.Attachment{OuterID: a.ID, Name: a.Name, Description: a.Description, Required: a.Required,
		Status: a.Status, Comment: a.Comment, Data: given(a.Data)}
	if err := choice("roles.attachmentRequirements.status", a.Status, "INCOMPLETE, COMPLETE or REJECTED",
		signing.AttachmentIncomplete, signing.AttachmentComplete, signing.AttachmentRejected); err != nil {
		return out, err
	}
	return out, object.of("roles.attachmentRequirements.data", a.Data)
}

// attachmentOut is a demand for files with those there are.
type attachmentOut struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Required    bool           `json:"required"`
	Status      string         `json:"status"`
	Comment     string         `json:"comment"`
	Files       []attachedOut  `json:"files"`
	Data        jsontext.Value `json:"data"`
}

// attachedOut is an attached file; its id counts from 1 within the attachment.
type attachedOut struct {
	ID         int    `json:"id"`
	Name       string `json:"name"`
	InsertDate date   `json:"insertDate"`
	Preview    bool   `json:"preview"`
}

func wordAttachments(in []signing.Attachment) []attachmentOut {
	out := []attachmentOut{}
	for _, a := range in {
		out = append(out, wordAttachment(a))
	}
	return out
}

func wordAttachment(a signing.Attachment) attachmentOut {
	out := attachmentOut{ID: a.OuterID, Name: a.Name, Description: a.Description, Required: a.Required, Status: a.Status,
		Comment: a.Comment, Files: []attachedOut{}, Data: jsontext.Value(a.Data)}
	for _, f := range a.Files {
		out.Files = append(out.Files, wordAttached(f))
	}
	return out
}

func wordAttached(f signing.AttachmentFile) attachedOut {
	return attachedOut{ID: f.Number, Name: f.Name, InsertDate: date(f.Uploaded)}
}
