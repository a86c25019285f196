package acrobat

import (
	"net/http"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
)

func (s *surface) createUser(r *api.Request) (api.Answer, error) {
	required := []string{"email", "firstName", "lastName", "accountId"}
	if r.Principal.Kind == authz.Delegated {
		required = required[:3] // the account is his own
	}
	b := readBody(r, required...)
	in := b.newUser()
	if b.err != nil {
		return api.Answer{}, s.onboarded(r, b.err)
	}
	if err := s.hereAccount(r, in.Account); err != nil {
		return api.Answer{}, err
	}
	u, err := s.dir.CreatePartnerUser(r.Context(), r.Principal, in)
	return api.Answer{Status: http.StatusCreated, JSON: struct {
		UserID string `json:"userId"`
	}{u.SenderID}}, s.onboarded(r, err)
}

// changeUser keeps what was not sent, and clears what was sent empty.
func (s *surface) changeUser(r *api.Request) (api.Answer, error) {
	id := r.Path("userId")
	b := readBody(r, "id", "email", "firstName", "lastName")
	change := b.userChange()
	b.sameID(id)
	if b.err != nil {
		return api.Answer{}, s.onboarded(r, b.err)
	}
	if err := s.hereUser(r, id); err != nil {
		return api.Answer{}, err
	}
	err := s.dir.ChangePartnerUser(r.Context(), r.Principal, id, change)
	return api.Answer{Status: http.StatusNoContent}, s.onboarded(r, err)
}

func (s *surface) getUser(r *api.Request) (api.Answer, error) {
	u, err := s.dir.PartnerUser(r.Context(), r.Principal, r.Path("userId"))
	if err == nil {
		err = s.hereAccount(r, u.AccountOuterID)
	}
	return api.Answer{JSON: wordUser(u)}, err
}

type migrationOut struct {
	State  string `json:"state"`
	Status string `json:"migrationStatus"`
}

// migrationStatus: nobody here comes from the model before Embed 2.0.
func (s *surface) migrationStatus(r *api.Request) (api.Answer, error) {
	form, err := r.Form()
	if err != nil {
		return api.Answer{}, s.onboarded(r, err)
	}
	id, email := form.Get("userId"), form.Get("email")
	switch {
	case id != "":
		_, err = s.dir.PartnerUser(r.Context(), r.Principal, id)
	case email != "":
		_, err = s.dir.PartnerUserByEmail(r.Context(), r.Principal, email)
	default:
		err = missing("email")
	}
	return api.Answer{JSON: migrationOut{"MIGRATED", "SUCCEEDED"}}, s.onboarded(r, err)
}

// newUser reads a user to make. He is ACTIVE from the start.
func (b *body) newUser() directory.NewPartnerUser {
	in := directory.NewPartnerUser{
		Email: b.text("email"), EmailAlias: b.text("emailAlias"), FirstName: b.text("firstName"), LastName: b.text("lastName"),
		Account: b.text("accountId"), Initials: b.text("initials"), Phone: b.text("phone"), Title: b.text("title"),
		Company: b.text("company"), Roles: b.texts("roles"),
	}
	if status := b.text("status"); b.sent("status") && status != string(directory.Active) {
		b.wrong("status")
	}
	if b.sent("id") {
		b.wrong("id") // permitted only in an update
	}
	return in
}

func (b *body) userChange() directory.PartnerUserChange {
	c := directory.PartnerUserChange{
		Email: b.text("email"), FirstName: b.text("firstName"), LastName: b.text("lastName"),
		EmailAlias: b.change("emailAlias"), Initials: b.change("initials"), Phone: b.change("phone"), Title: b.change("title"),
		Company: b.change("company"), Account: b.keep("accountId"), Roles: b.texts("roles"), Status: b.text("status"),
	}
	if b.sent("status") && c.Status == "" {
		b.wrong("status") // it cannot be cleared
	}
	return c
}

type userOut struct {
	ID         string   `json:"id"`
	Email      string   `json:"email"`
	EmailAlias string   `json:"emailAlias"`
	FirstName  string   `json:"firstName"`
	LastName   string   `json:"lastName"`
	AccountID  string   `json:"accountId"`
	Status     string   `json:"status"`
	Initials   string   `json:"initials"`
	Phone      string   `json:"phone"`
	Title      string   `json:"title"`
	Company    string   `json:"company"`
	Roles      []string `json:"roles"`
	Created    string   `json:"created"`
}

// wordUser: the surface has two states; who is locked may act no more than who is inactive.
func wordUser(u directory.Profile) userOut {
	status := directory.Inactive
	if u.Alive() {
		status = directory.Active
	}
	return userOut{
		ID: u.SenderID, Email: u.Email, EmailAlias: u.EmailAlias, FirstName: u.FirstName, LastName: u.LastName,
		AccountID: u.AccountOuterID, Status: string(status), Initials: u.Initials, Phone: u.Phone, Title: u.Title,
		Company: u.Company, Roles: u.Roles, Created: date(u.Created),
	}
}
