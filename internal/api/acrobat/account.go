package acrobat

import (
	"net/http"
	"strconv"

	"countersign.dev/internal/api"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func (s *surface) createAccount(r *api.Request) (api.Answer, error) {
	b := readBody(r, "name", "countryCode")
	quotas := b.consumables() // before the others: what is missing in one of them is told before the wrong type of another member
	in := directory.NewPartnerAccount{Consumables: quotas, Name: b.text("name"), Company: b.text("company"),
		Country: b.text("countryCode")}
	if b.sent("id") {
		b.wrong("id") // permitted only in an update
	}
	if b.err != nil {
		return api.Answer{}, s.onboarded(r, b.err)
	}
	made, err := s.dir.CreatePartnerAccount(r.Context(), r.Principal, in)
	return api.Answer{Status: http.StatusCreated, JSON: struct {
		AccountID string `json:"accountId"`
	}{made.OuterID}}, s.onboarded(r, err)
}

// changeAccount merges: what was not sent keeps its value.
func (s *surface) changeAccount(r *api.Request) (api.Answer, error) {
	id := r.Path("accountId")
	b := readBody(r, "id", "name")
	quotas := b.consumables() // first, as in createAccount
	change := directory.PartnerAccountChange{Consumables: quotas, Name: b.text("name"), Company: b.change("company"),
		Country: b.keep("countryCode")}
	b.sameID(id)
	if b.err != nil {
		return api.Answer{}, s.onboarded(r, b.err)
	}
	if err := s.hereAccount(r, id); err != nil {
		return api.Answer{}, err
	}
	err := s.dir.ChangePartnerAccount(r.Context(), r.Principal, id, change)
	return api.Answer{Status: http.StatusNoContent}, s.onboarded(r, err)
}

func (s *surface) getAccount(r *api.Request) (api.Answer, error) {
	a, err := s.dir.PartnerAccount(r.Context(), r.Principal, r.Path("accountId"))
	if err == nil {
		err = s.here(r, a)
	}
	return api.Answer{JSON: wordAccount(a)}, err
}

const (
	defaultPage = 20
	maxPage     = 100
)

func (s *surface) listAccounts(r *api.Request) (api.Answer, error) {
	page, size, legacy, err := readPage(r)
	if err != nil {
		return api.Answer{}, s.onboarded(r, err)
	}
	out := accountListOut{Accounts: []accountLineOut{}}
	if legacy { // accounts of the model before Embed 2.0: there are none
		return api.Answer{JSON: out}, s.dir.CheckPartner(r.Context(), r.Principal)
	}
	list, err := s.dir.PartnerAccounts(r.Context(), r.Principal, page, size)
	for _, a := range list {
		out.Accounts = append(out.Accounts, accountLineOut{a.OuterID, a.Name, date(a.Created)})
	}
	return api.Answer{JSON: out}, err
}

// pageParameters may each be sent once.
var pageParameters = []string{"pageNumber", "pageSize", "isLegacy"}

// readPage reads pageNumber, from 0, pageSize and isLegacy.
func readPage(r *api.Request) (page, size int, legacy bool, err error) {
	for _, name := range pageParameters {
		if len(r.Queries()[name]) > 1 {
			return 0, 0, false, badQuery(name)
		}
	}
	number := func(name string, otherwise int) int {
		text := r.Query(name)
		if text == "" {
			return otherwise
		}
		n, bad := strconv.ParseInt(text, 10, 31) // as many pages as the directory counts
		if bad != nil && err == nil {
			err = badQuery(name)
		}
		return int(n)
	}
	page, size = number("pageNumber", 0), number("pageSize", defaultPage)
	switch legacyText := r.Query("isLegacy"); {
	case err != nil:
	case page < 0:
		err = badQuery("pageNumber")
	case size < 1:
		err = errs.New(errs.Invalid, "page.small", "pageSize is at least 1.").On("pageSize")
	case size > maxPage:
		err = errs.New(errs.Invalid, "page.large", "pageSize is at most %d.", maxPage).On("pageSize")
	case legacyText != "" && legacyText != "true" && legacyText != "false":
		err = badQuery("isLegacy")
	default:
		legacy = legacyText == "true"
	}
	return page, size, legacy, err
}

func badQuery(name string) error {
	return errs.New(errs.Invalid, "parameter.value", "The value of %s is not taken.", name).On(name)
}
