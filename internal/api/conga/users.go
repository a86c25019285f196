package conga

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

type users struct{ authn *authn.Authn }

func (u *users) create(r *api.Request) (api.Answer, error) {
	var in userIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if err := in.complete(); err != nil {
		return api.Answer{}, err
	}
	made, err := u.authn.CreatePlatformUser(r.Context(), r.Principal, in.user())
	return answer(http.StatusCreated, made.PlatformID), err
}

func (u *users) get(r *api.Request) (api.Answer, error) {
	found, err := u.authn.PlatformUser(r.Context(), r.Principal, r.Path("user"))
	if err != nil {
		return api.Answer{}, err
	}
	client, err := u.authn.ClientIDOf(r.Context(), r.Principal, r.Path("user"))
	out := wordUser(found)
	out.ClientID = client
	return answer(http.StatusOK, out), err
}

func (u *users) update(r *api.Request) (api.Answer, error) {
	var in userIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	changed, err := u.authn.UpdatePlatformUser(r.Context(), r.Principal, r.Path("user"), in.change())
	return answer(http.StatusOK, wordUser(changed)), err
}

// deactivated is the vendor's sentence.
const deactivated = "User InActivate request has been processed. Kindly review identity status of user."

func (u *users) deactivate(r *api.Request) (api.Answer, error) {
	_, err := u.authn.DeactivatePlatformUser(r.Context(), r.Principal, r.Path("user"))
	return answer(http.StatusOK, deactivated), err
}

func (u *users) restore(r *api.Request) (api.Answer, error) {
	restored, err := u.authn.RestorePlatformUser(r.Context(), r.Principal, r.Path("user"))
	return answer(http.StatusOK, wordUser(restored)), err
}

// clientID answers the ClientId every time; null only when the user has none.
// The vendor's text says null for a user that has one, its sample shows one.
func (u *users) clientID(r *api.Request) (api.Answer, error) {
	id, err := u.authn.ClientIDOf(r.Context(), r.Principal, r.Path("user"))
	return answer(http.StatusOK, struct {
		ClientID *string `json:"ClientId"`
	}{id}), err
}

func (u *users) newSecret(r *api.Request) (api.Answer, error) {
	id, secret, err := u.authn.NewSecret(r.Context(), r.Principal, r.Path("user"))
	return answer(http.StatusOK, struct {
		ClientID     string `json:"ClientId"`
		ClientSecret string `json:"ClientSecret"`
	}{id, secret}), err
}

func (u *users) list(r *api.Request) (api.Answer, error) {
	active, err := criteria(r.Query("criteria"))
	if err != nil {
		return api.Answer{}, err
	}
	q, size, err := page(r)
	if err != nil {
		return api.Answer{}, err
	}
	found, count, err := u.authn.PlatformUsers(r.Context(), r.Principal, active, q)
	if err != nil {
		return api.Answer{}, err
	}
	out := []userOut{}
	for _, user := range found {
		out = append(out, wordUser(user))
	}
	return api.Answer{JSON: envelope{Success: true, Data: out, RecordCount: &count, StatusCode: statusName(http.StatusOK),
		HasMoreRecords: q.From-1+size < count}}, nil
}

var isActive = regexp.MustCompile(`(?i)^\s*IsActive\s*=\s*'(true|false)'\s*$`)

// criteria reads the one filter that is served; nil is no filter.
func criteria(text string) (*bool, error) {
	if text == "" {
		return nil, nil
	}
	match := isActive.FindStringSubmatch(text)
	if match == nil {
		return nil, errs.New(errs.Invalid, "query.criteria", "criteria can only be IsActive = 'true' or IsActive = 'false'.").On("criteria")
	}
	active := strings.EqualFold(match[1], "true")
	return &active, nil
}

const (
	defaultPage = 20
	maxPage     = 1000
)

// page reads paging and order. Users can be sorted by CreatedDate.
func page(r *api.Request) (q directory.Query, size int, err error) {
	size, err = number(r, "pageSize", defaultPage, maxPage)
	if err != nil {
		return q, 0, err
	}
	n, err := number(r, "pageNumber", 1, 1_000_000)
	if err != nil {
		return q, 0, err
	}
	q = directory.Query{From: (n-1)*size + 1, To: n * size}
	switch field, dir := r.Query("sortField"), strings.ToUpper(r.Query("sortDirection")); {
	case field != "" && field != "CreatedDate":
		return q, 0, errs.New(errs.Invalid, "query.sort", "sortField can only be CreatedDate.").On("sortField")
	case dir != "" && dir != "ASC" && dir != "DESC":
		return q, 0, errs.New(errs.Invalid, "query.sort", "sortDirection is ASC or DESC.").On("sortDirection")
	case dir == "DESC", field != "" && dir == "":
		q.Dir = "desc"
	}
	return q, size, nil
}

func number(r *api.Request, name string, otherwise, most int) (int, error) {
	text := r.Query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, errs.New(errs.Invalid, "query.range", "%s is a number from 1 to %d.", name, most).On(name)
	}
	return n, nil
}
