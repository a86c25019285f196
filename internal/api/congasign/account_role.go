package congasign

import (
	"slices"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// accountRoleOut is a role of an account (OneSpan Sign, Account Roles).
type accountRoleOut struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	Description string   `json:"description"`
	Enabled     bool     `json:"enabled"`
}

// The built-in roles are the types of a sender; there are no others.
var accountRoles = []accountRoleOut{
	{ID: directory.Manager, Name: "Manager", Description: "Manages the account, its senders, groups and settings.", Enabled: true,
		Permissions: []string{"sender_admin.users", "sender_admin.groups", "sender_admin.self_service_account_settings", "transaction.transaction"}},
	{ID: directory.Regular, Name: "Regular", Description: "Makes and sends packages.", Enabled: true,
		Permissions: []string{"transaction.transaction"}},
}

func (s *surface) accountRoleRoutes() []api.Route {
	const path = "/account/roles"
	return []api.Route{
		{Method: "GET", Path: path, Right: authz.Sign, Handle: s.listAccountRoles},
		{Method: "GET", Path: path + "/{role}", Right: authz.Sign, Handle: s.getAccountRole},
		{Method: "GET", Path: path + "/{role}/users", Right: authz.Sign, Handle: s.accountRoleUsers},
		{Method: "GET", Path: "/account/senders/{sender}/roles", Right: authz.Sign, Handle: s.rolesOfSender},
		{Method: "POST", Path: path, Right: authz.Sign, Handle: notServed},
		{Method: "PUT", Path: path + "/{role}", Right: authz.Sign, Handle: notServed},
		{Method: "DELETE", Path: path + "/{role}", Right: authz.Sign, Handle: notServed},
		{Method: "PUT", Path: "/account/senders/{sender}/roles", Right: authz.Sign, Handle: notServed},
		{Method: "GET", Path: "/account/{account}/verificationTypes", Right: authz.Sign, Handle: s.verificationTypes},
	}
}

func (s *surface) listAccountRoles(*api.Request) (api.Answer, error) {
	return api.Answer{JSON: result[accountRoleOut]{Count: len(accountRoles), Results: accountRoles}}, nil
}

func accountRole(id string) (accountRoleOut, error) {
	if i := slices.IndexFunc(accountRoles, func(a accountRoleOut) bool { return a.ID == id }); i >= 0 {
		return accountRoles[i], nil
	}
	return accountRoleOut{}, errs.New(errs.NotFound, "account_role.unknown", "There is no such role of an account.")
}

func (s *surface) getAccountRole(r *api.Request) (api.Answer, error) {
	role, err := accountRole(r.Path("role"))
	return api.Answer{JSON: role}, err
}

// accountRoleUsers are the ids of the senders of a type.
func (s *surface) accountRoleUsers(r *api.Request) (api.Answer, error) {
	role, err := accountRole(r.Path("role"))
	if err != nil {
		return api.Answer{}, err
	}
	users, _, err := s.dir.ListSenders(r.Context(), r.Principal, directory.Query{From: 1, To: maxContacts})
	out := result[string]{}
	for _, u := range users {
		if u.Type == role.ID {
			out.Results = append(out.Results, u.SenderID)
		}
	}
	out.Count = len(out.Results)
	return api.Answer{JSON: out}, err
}

func (s *surface) rolesOfSender(r *api.Request) (api.Answer, error) {
	u, err := s.dir.GetSender(r.Context(), r.Principal, r.Path("sender"))
	if err != nil {
		return api.Answer{}, err
	}
	role, err := accountRole(u.Type)
	return api.Answer{JSON: result[accountRoleOut]{Count: 1, Results: []accountRoleOut{role}}}, err
}

// verificationTypes is a list of none: signers prove their mailbox here, and nothing else is on offer.
func (s *surface) verificationTypes(*api.Request) (api.Answer, error) {
	return api.Answer{JSON: result[accountRoleOut]{}}, nil
}
