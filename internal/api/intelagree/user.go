package intelagree

import (
	"net/http"
	"strconv"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// userOut is a user as he is answered.
type userOut struct {
	ID                   int64       `json:"id"`
	Name                 string      `json:"name"`
	LegalName            string      `json:"legalName"`
	Email                string      `json:"email"`
	Title                string      `json:"title"`
	BusinessKeys         []keyOut    `json:"businessKeys"`
	HasAllOrganizations  bool        `json:"hasAllOrganizations"`
	PrimaryLegalEntityID *int64      `json:"primaryLegalEntityId"`
	IsActive             bool        `json:"isActive"`
	CreatedBy            *creatorOut `json:"createdBy"`
	CreatedDate          string      `json:"createdDate"`
}

// creatorOut is who made a user; ID is null for who has no number.
type creatorOut struct {
	ID    *int64 `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	// Through is the API user who acted as him; null when nobody did.
	Through *throughOut `json:"through"`
}

// throughOut is the API user through whom a user was made.
type throughOut struct {
	ID    *int64 `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

func wordUser(u access.Made) userOut {
	out := userOut{ID: u.Number, Name: u.Name(), LegalName: u.LegalName, Email: u.Email, Title: u.Title, BusinessKeys: []keyOut{},
		HasAllOrganizations: u.AllOrganisations, PrimaryLegalEntityID: orNull(u.LegalEntity), IsActive: u.Alive(),
		CreatedDate: u.Created.UTC().Format(time.RFC3339)}
	for _, k := range u.Keys {
		out.BusinessKeys = append(out.BusinessKeys, keyOut(k))
	}
	if u.By != nil {
		out.CreatedBy = &creatorOut{ID: orNull(u.By.Number), Name: u.By.Name, Email: u.By.Email}
		if u.Through != nil {
			out.CreatedBy.Through = &throughOut{orNull(u.Through.Number), u.Through.Name, u.Through.Email}
		}
	}
	return out
}

// orNull is null for who, or what, has no number.
func orNull(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func (s *surface) create(r *api.Request) (api.Answer, error) {
	in, err := readForm(r)
	if err != nil {
		return api.Answer{}, err
	}
	user := in.newUser()
	if err := in.refusal(); err != nil {
		return api.Answer{}, err
	}
	made, err := s.access.CreateUser(r.Context(), r.Principal, user)
	return s.created(made), err
}

// created answers a new user.
func (s *surface) created(u access.Made) api.Answer {
	return api.Answer{Status: http.StatusCreated, JSON: wordUser(u),
		Header: map[string]string{"Location": s.base + usersPath + "/" + strconv.FormatInt(u.Number, 10)}}
}

// recreated answers a user who was made before, whatever became of him.
func (s *surface) recreated(r *api.Request, number string) (api.Answer, error) {
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return api.Answer{}, err
	}
	u, err := s.access.User(r.Context(), r.Principal, id)
	return s.created(u), err
}

func (s *surface) get(r *api.Request) (api.Answer, error) {
	id, err := idOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	found, err := s.access.User(r.Context(), r.Principal, id)
	return api.Answer{JSON: wordUser(found)}, err
}

// find finds the one user of a business key, by the parameters of version 1.
func (s *surface) find(r *api.Request) (api.Answer, error) {
	wrong := faults{}
	k := directory.BusinessKey{Type: parameter(r, "userKeyType", wrong), Value: parameter(r, "userKey", wrong)}
	if err := wrong.refusal(); err != nil {
		return api.Answer{}, err
	}
	found, err := s.access.FindByKey(r.Context(), r.Principal, k)
	return api.Answer{JSON: wordUser(found)}, err
}

// parameter is the one line of a query parameter that must be there.
func parameter(r *api.Request, name string, wrong faults) string {
	values := r.Queries()[name]
	if len(values) > 1 {
		wrong.add(name, "The %s parameter must be sent once.", name)
		return ""
	}
	clean, err := directory.PersonName(r.Query(name))
	switch {
	case err != nil:
		wrong.add(name, "The %s parameter must be one line of at most %d visible characters.", name, maxLine)
	case clean == "":
		wrong.add(name, "The %s parameter is required.", name)
	}
	return clean
}

func (s *surface) change(r *api.Request) (api.Answer, error) {
	id, err := idOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	in, err := readForm(r)
	if err != nil {
		return api.Answer{}, err
	}
	change := in.change()
	if err := in.refusal(); err != nil {
		return api.Answer{}, err
	}
	changed, err := s.access.ChangeUser(r.Context(), r.Principal, id, change)
	return api.Answer{JSON: wordUser(changed)}, err
}

func (s *surface) deactivate(r *api.Request) (api.Answer, error) {
	id, err := idOf(r)
	if err != nil {
		return api.Answer{}, err
	}
	return api.Answer{Status: http.StatusNoContent}, s.access.DeactivateUser(r.Context(), r.Principal, id)
}

// idOf is the number in the path. What is no number is nobody's: NotFound "user.unknown".
func idOf(r *api.Request) (int64, error) {
	text := r.Path("id")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, errs.New(errs.NotFound, "user.unknown", "There is no such user.")
	}
	return n, nil
}
