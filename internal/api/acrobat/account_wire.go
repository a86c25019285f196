package acrobat

import (
	"errors"
	"math"
	"strconv"

	"countersign.dev/internal/directory"
)

// consumableIn is a quota as clients send it; nil is not given.
type consumableIn struct {
	Type       *string `json:"type"`
	Attributes *struct {
		Cap *whole `json:"cap"`
	} `json:"attributes"`
}

// whole is a whole number however JSON writes it: 10, 10.0 and 1e1 are the same.
type whole int64

// UnmarshalJSON refuses other numbers, and beyond 2^53 those with a point or an exponent.
func (w *whole) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		f, bad := strconv.ParseFloat(string(text), 64)
		if bad != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return errors.New("no whole number")
		}
		n = int64(f)
	}
	*w = whole(n)
	return nil
}

// aliases are the names in the vendor's table; its samples have the others.
var aliases = map[string]string{"SEAT": "SEATS", "PHONE_AUTH_ANNUAL": "PHONE_AUTH", "KBA_ANNUAL": "KBA"}

// consumables is nil when none were sent; an empty list is one.
func (b *body) consumables() (list []directory.Consumable) {
	var in []consumableIn
	b.read("consumables", &in)
	if in != nil {
		list = []directory.Consumable{}
	}
	for _, c := range in {
		switch {
		case c.Type == nil || *c.Type == "":
			b.refuse(missing("consumables.type"))
		case c.Attributes == nil:
			b.refuse(missing("consumables.attributes"))
		case c.Attributes.Cap == nil:
			b.refuse(missing("consumables.attributes.cap"))
		default:
			name := *c.Type
			if canonical, ok := aliases[name]; ok {
				name = canonical
			}
			list = append(list, directory.Consumable{Type: name, Cap: int64(*c.Attributes.Cap)})
		}
	}
	return list
}

type consumableOut struct {
	Type       string        `json:"type"`
	Attributes attributesOut `json:"attributes"`
}

type attributesOut struct {
	Cap int64 `json:"cap"`
}

type accountOut struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Company     string          `json:"company"`
	Consumables []consumableOut `json:"consumables"`
	CountryCode string          `json:"countryCode"`
	Created     string          `json:"created"`
}

func wordAccount(a directory.Account) accountOut {
	out := accountOut{ID: a.OuterID, Name: a.Name, Company: a.Company, CountryCode: a.Country, Created: date(a.Created)}
	for _, c := range a.Consumables {
		out.Consumables = append(out.Consumables, consumableOut{c.Type, attributesOut{c.Cap}})
	}
	return out
}

type accountListOut struct {
	Accounts []accountLineOut `json:"accountList"`
}

type accountLineOut struct {
	AccountID string `json:"accountId"`
	Name      string `json:"name"`
	Created   string `json:"created"`
}
