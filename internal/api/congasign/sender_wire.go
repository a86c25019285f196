package congasign

import (
	"cmp"
	"encoding/json"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
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
	External   jsontext.Value `json:"external"`
	Signature  jsontext.Value `json:"signature"`
	Custom     jsontext.Value `json:"userCustomFields"`
	Special    jsontext.Value `json:"specialTypes"`
	Identity   jsontext.Value `json:"professionalIdentityFields"`
	Data       jsontext.Value `json:"data"`
}

// senderKept are the members of a sender that are kept for clients and do nothing here.
type senderKept struct {
	External                   jsontext.Value   `json:"external,omitempty"`
	Signature                  jsontext.Value   `json:"signature,omitempty"`
	UserCustomFields           []jsontext.Value `json:"userCustomFields,omitempty"`
	SpecialTypes               []jsontext.Value `json:"specialTypes,omitempty"`
	ProfessionalIdentityFields []jsontext.Value `json:"professionalIdentityFields,omitempty"`
	Data                       jsontext.Value   `json:"data,omitempty"`
}

// senderKeptOf reads what is kept of a sender.
func senderKeptOf(raw json.RawMessage) (k senderKept) {
	_ = jsonv2.Unmarshal(raw, &k) // nothing, or what check let in
	return k
}

var (
	objectList = rule{want: "an array of objects", fits: func(v any) bool {
		elements, ok := v.([]any)
		return ok && !slices.ContainsFunc(elements, func(e any) bool { return !is[map[string]any](e) })
	}}
	externalSource = objectOf(map[string]rule{"id": text, "provider": text, "providerName": text})
	// senderSignature is the sender's as the vendor shows it: an id and his handwriting.
	senderSignature = objectOf(map[string]rule{"id": text})
)

// check refuses (Invalid "value.type") what clients could not read back.
func (in senderIn) check() error {
	for _, m := range []struct {
		name string
		rule rule
		v    jsontext.Value
	}{
		{"address", address, in.Address}, {"external", externalSource, in.External}, {"signature", senderSignature, in.Signature},
		{"userCustomFields", objectList, in.Custom}, {"specialTypes", texts, in.Special},
		{"professionalIdentityFields", objectList, in.Identity}, {"data", object, in.Data},
	} {
		if err := m.rule.of(m.name, m.v); err != nil {
			return err
		}
	}
	return nil
}

// kept is what is kept of the members given; nil when none was.
func (in senderIn) kept() json.RawMessage {
	out := map[string]jsontext.Value{}
	for name, v := range map[string]jsontext.Value{"external": in.External, "signature": in.Signature, "userCustomFields": in.Custom,
		"specialTypes": in.Special, "professionalIdentityFields": in.Identity, "data": in.Data} {
		if given(v) != nil {
			out[name] = withoutNulls(json.RawMessage(v))
		}
	}
	if len(out) == 0 {
		return nil
	}
	raw, err := jsonv2.Marshal(out, jsonv2.Deterministic(true))
	if err != nil {
		return nil // each member was JSON
	}
	return json.RawMessage(raw)
}

func (in senderIn) invitation() directory.NewUser {
	return directory.NewUser{
		Email: or(in.Email, ""), FirstName: or(in.FirstName, ""), LastName: or(in.LastName, ""), Title: or(in.Title, ""),
		Company: or(in.Company, ""), Phone: or(in.Phone, ""), Language: or(in.Language, ""), TimezoneID: or(in.TimezoneID, ""),
		Address: json.RawMessage(withoutNulls(given(in.Address))), Kept: in.kept(), Type: or(in.Type, ""),
	}
}

func (in senderIn) change() directory.UserChange {
	return directory.UserChange{
		Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Title: in.Title, Company: in.Company, Phone: in.Phone,
		Language: in.Language, TimezoneID: in.TimezoneID, Address: json.RawMessage(withoutNulls(given(in.Address))), Kept: in.kept(), Type: in.Type,
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
	ProfessionalIdentityFields kepts          `json:"professionalIdentityFields"`
	UserCustomFields           kepts          `json:"userCustomFields"`
	SpecialTypes               kepts          `json:"specialTypes"`
	Created                    date           `json:"created"`
	Updated                    date           `json:"updated"`
	Data                       jsontext.Value `json:"data"`
}

// kepts is a list that is never null.
type kepts []jsontext.Value

// senderStatus words one who was deleted as locked: client libraries know no other word for him.
func senderStatus(s directory.Status) string {
	if s == directory.Inactive {
		s = directory.Locked
	}
	return string(cmp.Or(s, directory.Active))
}

func wordSender(u directory.User, a directory.Account) senderOut {
	account, k := wordAccount(a), senderKeptOf(u.Kept)
	return senderOut{
		userOut: userOut{
			ID: u.SenderID, Name: u.Name(), Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Title: u.Title,
			Company: u.Company, Phone: u.Phone, Language: u.Language, TimezoneID: u.TimezoneID, Address: nullFree(u.Address),
			Created: date(u.Created), Updated: date(u.Updated), External: k.External, Signature: k.Signature,
			UserCustomFields: k.UserCustomFields, SpecialTypes: k.SpecialTypes, ProfessionalIdentityFields: k.ProfessionalIdentityFields, Data: k.Data,
		},
		Status: senderStatus(u.Status), Type: u.Type, Account: &account, Activated: when(u.Activated),
	}
}
