package congasign

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/directory"
)

// groupIn is a group as clients send it. What the server owns (pending, names of
// members, account, dates) is not read.
type groupIn struct {
	ID           *string        `json:"id"`
	Name         *string        `json:"name"`
	Email        *string        `json:"email"`
	EmailMembers *bool          `json:"emailMembers"`
	Data         jsontext.Value `json:"data"`
	Members      *[]memberIn    `json:"members"`
}

// memberIn names a sender of the account by userId, else by email; /invite also
// sends a User, whose id is then the sender's.
type memberIn struct {
	UserID     string `json:"userId"`
	ID         string `json:"id"`
	Email      string `json:"email"`
	MemberType string `json:"memberType"`
}

func (m memberIn) core() directory.NewMember {
	id := m.UserID
	if id == "" {
		id = m.ID
	}
	return directory.NewMember{Email: m.Email, SenderID: id, MemberType: m.MemberType}
}

func membersIn(in []memberIn) []directory.NewMember {
	out := []directory.NewMember{}
	for _, m := range in {
		out = append(out, m.core())
	}
	return out
}

// groupOut is a group with its members ("Conga Sign, Creating Groups").
type groupOut struct {
	ID                   string         `json:"id"`
	Members              []memberOut    `json:"members"`
	EmailMembers         bool           `json:"emailMembers"`
	ReciprocalDelegation bool           `json:"reciprocalDelegation"`
	Data                 jsontext.Value `json:"data"`
	Account              accountOut     `json:"account"`
	Updated              date           `json:"updated"`
	Email                string         `json:"email"`
	Created              date           `json:"created"`
	Name                 string         `json:"name"`
}

type memberOut struct {
	UserID     string `json:"userId"`
	Pending    bool   `json:"pending"`
	LastName   string `json:"lastName"`
	Email      string `json:"email"`
	FirstName  string `json:"firstName"`
	MemberType string `json:"memberType"`
}

// summaryOut is a group in the summary list.
type summaryOut struct {
	ID    string         `json:"id"`
	Name  string         `json:"name"`
	Email string         `json:"email"`
	Data  jsontext.Value `json:"data"`
}

// accountOut is abbreviated as the vendor prints it inside a group: the id and
// the dates are real, the rest is empty.
type accountOut struct {
	ID           string         `json:"id"`
	Data         jsontext.Value `json:"data"`
	Updated      date           `json:"updated"`
	Company      companyOut     `json:"company"`
	Licenses     none           `json:"licenses"`
	LogoURL      string         `json:"logoUrl"`
	Providers    jsontext.Value `json:"providers"`
	CustomFields none           `json:"customFields"`
	Created      date           `json:"created"`
	Owner        string         `json:"owner"`
	Name         string         `json:"name"`
}

type companyOut struct {
	ID      string         `json:"id"`
	Data    jsontext.Value `json:"data"`
	Address jsontext.Value `json:"address"`
	Name    string         `json:"name"`
}

func wordAccount(a directory.Account) accountOut {
	return accountOut{ID: a.OuterID, Created: date(a.Created), Updated: date(a.Updated)}
}

func wordGroup(g directory.Group, a directory.Account) groupOut {
	out := groupOut{
		ID: g.OuterID, Name: g.Name, Email: g.Email, EmailMembers: or(g.EmailMembers, false), Data: jsontext.Value(g.Data),
		Account: wordAccount(a), Created: date(g.Created), Updated: date(g.Updated), Members: []memberOut{},
	}
	for _, m := range g.Members {
		out.Members = append(out.Members, wordMember(m))
	}
	return out
}

func wordMember(m directory.Member) memberOut {
	return memberOut{UserID: m.SenderID, Pending: m.Pending, LastName: m.LastName, Email: m.Email, FirstName: m.FirstName, MemberType: m.MemberType}
}

// groupAddress is the name of a group in the shape of an e-mail address. The
// domain is the vendor's: nothing is ever sent there.
func groupAddress(outerID string) string { return outerID + groupDomain }

const groupDomain = "@groups.e-signlive.com"

// groupOfAddress is the id of the group an address stands for, "" when it is a person's.
func groupOfAddress(email string) string {
	id, ok := strings.CutSuffix(strings.ToLower(email), groupDomain)
	if !ok {
		return ""
	}
	return email[:len(id)]
}
