package demo

import (
	"fmt"
	"net/url"
	"strings"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/secret"
)

// The people who look after the sample tenant in the console.
const (
	adminEmail    = "admin@example.com"
	operatorEmail = "operator@example.com"
)

// people are what outside clients of the console, the access list and IntelAgree need.
type people struct {
	adminPassword, operatorPassword string
	adminToken, userToken           string // of the access list: one that may see it, and one whose user may not any more
	subscription, accountKey        string
}

// makePeople is the operator's part: an administrator of the account and an operator, who set their passwords by a mailed
// link as people do, and the keys of the access list and of IntelAgree.
func (j *journey) makePeople() error {
	operator, err := j.server.OperatorOf(j.ctx, j.account)
	if err != nil {
		return err
	}
	admin, _, err := j.server.Directory.InviteSender(j.ctx, operator, directory.NewUser{Email: adminEmail, FirstName: "Ada", LastName: "Admin", Type: directory.Manager})
	if err != nil {
		return err
	}
	if _, err = j.server.Directory.CreateStaff(j.ctx, directory.NewStaff{Email: operatorEmail, Name: "Olga Operator", Role: directory.Operator}); err != nil {
		return err
	}
	if j.people.adminPassword, err = j.setPassword(adminEmail); err != nil {
		return err
	}
	if j.people.operatorPassword, err = j.setPassword(operatorEmail); err != nil {
		return err
	}
	if err = j.makeCatalogue(operator, admin); err != nil {
		return err
	}
	if err = j.makeAccessTokens(operator, admin); err != nil {
		return err
	}
	if _, j.people.subscription, err = j.server.Authn.NewSubscription(j.ctx, j.account, "Contract system"); err != nil {
		return err
	}
	_, j.people.accountKey, err = j.server.Authn.NewAccountKey(j.ctx, j.account, admin.SenderID, "Contract system")
	j.say("The operator made an administrator, tokens for the access list and keys for IntelAgree")
	return err
}

// setPassword sets a password of random letters by a mailed link.
func (j *journey) setPassword(email string) (password string, err error) {
	if err = j.server.Authn.SendPasswordLink(j.ctx, email); err != nil {
		return "", err
	}
	token := func(l letter) string {
		for _, link := range l.Links {
			if at, err := url.Parse(link); err == nil && strings.Contains(at.Path, "/sign-in/") {
				return at.Query().Get("token")
			}
		}
		return ""
	}
	l, err := j.mailTo(email, func(l letter) bool { return token(l) != "" })
	if err != nil {
		return "", err
	}
	password = secret.Token(16)
	if _, err = j.server.Authn.SetPasswordByLink(j.ctx, token(l), "", password); err != nil {
		return "", fmt.Errorf("the password of %s: %w", email, err)
	}
	return password, nil
}

// makeAccessTokens makes a token of the administrator, and one of a member who was allowed to see the list and is not any more.
func (j *journey) makeAccessTokens(operator authz.Principal, admin directory.User) (err error) {
	if _, j.people.adminToken, _, err = j.server.Authn.NewAccessToken(j.ctx, operator, j.account, admin.SenderID, "Auditors", 0); err != nil {
		return err
	}
	rooms := j.server.Access
	member, err := j.server.UserAt(j.ctx, operator, members[1].Email)
	if err != nil {
		return err
	}
	g, err := rooms.Grant(j.ctx, operator, access.Holder{Kind: access.OfUser, ID: member},
		access.NewGrant{What: access.OfPermission, Number: access.Giving(authz.ReadAccess)})
	if err != nil {
		return err
	}
	if _, j.people.userToken, _, err = j.server.Authn.NewAccessToken(j.ctx, operator, j.account, member, "A token that may no more", 0); err != nil {
		return err
	}
	return rooms.Revoke(j.ctx, operator, g.ID)
}

// makeCatalogue makes what the contract system and Salesforce give people in this account, and gives the administrator some.
func (j *journey) makeCatalogue(operator authz.Principal, admin directory.User) error {
	rooms := j.server.Access
	for _, e := range []access.Entity{{Kind: access.Organization, Number: 1, Name: "Pharmacies"}, {Kind: access.LegalEntity, Number: 1, Name: "Example Pharmacy Ltd"},
		{Kind: access.LegalEntity, Number: 2, Name: "Example Health Inc"}, {Kind: access.ContractType, Number: 1, Name: "Prescription"}, {Kind: access.ContractType, Number: 2, Name: "Supply agreement"}} {
		if err := rooms.DefineEntity(j.ctx, operator, e); err != nil {
			return err
		}
	}
	var contents []access.Content
	for _, name := range []string{"View Contracts", "Edit Contracts"} {
		p, err := rooms.DefinePermission(j.ctx, operator, access.NewPermission{Name: name})
		if err != nil {
			return err
		}
		contents = append(contents, access.Content{Permission: p.Number})
	}
	if _, err := rooms.DefinePreset(j.ctx, operator, access.NewPreset{Name: "Contract Manager", Contents: contents}); err != nil {
		return err
	}
	salesforce, err := rooms.DefinePreset(j.ctx, operator, access.NewPreset{Name: "Salesforce User", Licence: directory.LicenceSalesforce})
	if err != nil {
		return err
	}
	holder := access.Holder{Kind: access.OfUser, ID: admin.SenderID}
	for _, g := range []access.NewGrant{{What: access.OfPreset, Number: salesforce.Number}, {What: access.OfPermission, Number: access.Giving(authz.Impersonate)}} {
		if _, err := rooms.Grant(j.ctx, operator, holder, g); err != nil {
			return err
		}
	}
	return nil
}
