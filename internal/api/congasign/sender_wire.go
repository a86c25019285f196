package congasign

import (
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/directory"
)

// senderIn is a sender as clients send it to invite or to change; nil keeps.
type senderIn struct {
	Email      *string        `json:"email"`
	FirstName  *string        `json:"firstName"`
	LastName   *string        `json:"lastName"`
	Title      *string        `json:"title"`
	Company    *string        `json:"company"`
	Phone      *string        `json:"phone"`
	Language   *string        `json:"language"`
	TimezoneID *string        `json:"timezoneId"`
	Address    jsontext.Value `json:"address"`
	Type       *string        `json:"type"`
	Status     *string        `json:"status"`
}

func (in senderIn) invitation() directory.NewUser {
	return directory.NewUser{
		Email: or(in.Email, ""), FirstName: or(in.FirstName, ""), LastName: or(in.LastName, ""), Title: or(in.Title, ""),
		Company: or(in.Company, ""), Phone: or(in.Phone, ""), Language: or(in.Language, ""), TimezoneID: or(in.TimezoneID, ""),
		Address: given(in.Address), Type: or(in.Type, ""),
	}
}

func (in senderIn) change() directory.UserChange {
	return directory.UserChange{
		Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Title: in.Title, Company: in.Company, Phone: in.Phone,
		Language: in.Language, TimezoneID: in.TimezoneID, Address: given(in.Address), Type: in.Type,
		Status: (*directory.Status)(in.Status),
	}
}

// senderOut is a sender of the account. Members that are always the same here
// are there because client libraries refuse a null in their place.
type senderOut struct {
	userOut
	Memberships none        `json:"memberships"`
	Status      string      `json:"status"`
	Type        string      `json:"type"`
	Account     *accountOut `json:"account"`
	Activated   *date       `json:"activated"`
	Locked      *date       `json:"locked"`
}

// userOut is what a sender, a signer and the author of a message have in common.
type userOut struct {
	ID                         string         `json:"id"`
	Name                       string         `json:"name"`
	Email                      string         `json:"email"`
	FirstName                  string         `json:"firstName"`
	LastName                   string         `json:"lastName"`
	Title                      string         `json:"title"`
	Company                    string         `json:"company"`
	Phone                      string         `json:"phone"`
	Language                   string         `json:"language"`
	TimezoneID                 string         `json:"timezoneId"`
	Address                    jsontext.Value `json:"address"`
	External                   jsontext.Value `json:"external"`
	Signature                  jsontext.Value `json:"signature"`
	ProfessionalIdentityFields none           `json:"professionalIdentityFields"`
	UserCustomFields           none           `json:"userCustomFields"`
	SpecialTypes               none           `json:"specialTypes"`
	Created                    date           `json:"created"`
	Updated                    date           `json:"updated"`
	Data                       jsontext.Value `json:"data"`
}

func wordSender(u directory.User, a directory.Account) senderOut {
	account := wordAccount(a)
	return senderOut{
		userOut: userOut{
			ID: u.SenderID, Name: u.Name(), Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Title: u.Title,
			Company: u.Company, Phone: u.Phone, Language: u.Language, TimezoneID: u.TimezoneID, Address: jsontext.Value(u.Address),
			Created: date(u.Created), Updated: date(u.Updated),
		},
		Status: string(u.Status), Type: u.Type, Account: &account, Activated: when(u.Activated),
	}
}
