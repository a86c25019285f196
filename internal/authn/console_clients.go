package authn

import (
	"context"
	"errors"
	"slices"
	"time"

	"countersign.dev/internal/access"
	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// asker finds who does an act that is the operator's by command, and others' in the console, in the act's transaction.
type asker func(tx *db.Tx) (audit.Actor, error)

// commanded is an act of whoever may run commands on the server.
func commanded(*db.Tx) (audit.Actor, error) { return operator, nil }

// owner finds the organisation of an act, an internal id, and who does it.
type owner func(tx *db.Tx) (id string, by audit.Actor, err error)

// named is the organisation of a name, for commands.
func named(organisation string) owner {
	return func(tx *db.Tx) (string, audit.Actor, error) {
		id, err := directory.OrganisationByName(tx, organisation)
		return id, operator, err
	}
}

// ClientRights are those that a client of an account may have, the most common first.
var ClientRights = []authz.Right{authz.Sign, authz.ManageUsers, authz.ReadAccess}

// AccountClient is a client of an account with the user it acts as.
type AccountClient struct {
	Client
	SenderID, UserName string
	UserAlive          bool
	NoSecret           bool // none was made yet
	Hands              bool // who asks may make it another secret
}

// connecting is how audit events name a person who connects programs to the account p.Account. A program connects no
// other: it could make one that outlives it. Denied as directory.MayConnect, and "right.missing".
func connecting(p authz.Principal) asker {
	return func(tx *db.Tx) (audit.Actor, error) {
		by := audit.By(p)
		if p.Client != "" || p.Kind != authz.Member && p.Kind != authz.Staff {
			return by, errs.New(errs.Denied, "right.missing", "Only a person may do this.")
		}
		if err := directory.MayConnect(tx, p); err != nil {
			return by, err
		}
		return calledBy(tx, p)
	}
}

// calledBy is how audit events name a person of the console.
func calledBy(tx *db.Tx, p authz.Principal) (audit.Actor, error) {
	by := audit.By(p)
	if p.Kind == authz.Staff {
		s, err := directory.StaffByID(tx, p.By)
		by.Name, by.Email = s.Name, s.Email
		return by, err
	}
	u, err := directory.UserByID(tx, p.User)
	by.Name, by.Email = u.Name(), u.Email
	return by, err
}

// mayHand refuses (Denied "grant.escalation") a client with rights that the person may not give: a user what he does
// not hold himself, and a partner's developer all but Sign.
func mayHand(tx *db.Tx, p authz.Principal, rights []authz.Right) error {
	held := []authz.Right{authz.Sign}
	switch {
	case p.Has(authz.Operate) || p.Has(authz.Administer):
		return nil
	case p.Kind == authz.Member:
		own, err := access.RightsOf(tx, p.User)
		if err != nil {
			return err
		}
		held = own
	}
	for _, r := range rights {
		if !slices.Contains(held, r) {
			return errs.New(errs.Denied, "grant.escalation", "Nobody hands out more than he may: %s is not yours to give.", r).With("right", string(r)).On("right")
		}
	}
	return nil
}

// ClientsOf lists the clients of the account p.Account, the oldest first, revoked ones too. It is for those who connect
// programs to it, directory.MayConnect. Denied "account.not_manager", "user.inactive", "right.missing".
func (a *Authn) ClientsOf(ctx context.Context, p authz.Principal) (list []AccountClient, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		if _, err := connecting(p)(tx); err != nil {
			return err
		}
		rows, err := db.All[clientRow](tx, `select `+clientColumns+` from clients where kind = 'member' and account_id = $1 order by created_ms, id`, p.Account)
		if err != nil {
			return err
		}
		for _, r := range rows {
			c := AccountClient{Client: r.client(), NoSecret: len(r.SecretHash) == 0}
			u, err := directory.UserByID(tx, c.User)
			if err != nil {
				return err
			}
			c.SenderID, c.UserName, c.UserAlive = u.SenderID, u.Name(), u.Alive()
			if err = mayHand(tx, p, c.Rights); err != nil && errs.KindOf(err) != errs.Denied {
				return err
			}
			c.Hands = err == nil && !c.Disabled
			list = append(list, c)
		}
		return nil
	})
	return list, err
}

// CreateClientAs makes a client of the account p.Account and the integration user it acts as, as CreateClient does, for
// who connects programs to it. Nobody gives a right that he does not hold; a partner's developer gives Sign alone.
// Denied as ClientsOf, "grant.escalation"; Invalid "name.missing", "name.malformed", "right.unknown".
func (a *Authn) CreateClientAs(ctx context.Context, p authz.Principal, rights []authz.Right, name string) (clientID, clientSecret string, err error) {
	if name, err = label(name); err != nil {
		return "", "", err
	}
	for _, r := range rights {
		if !slices.Contains(ClientRights, r) {
			rights = nil
		}
	}
	if len(rights) == 0 {
		return "", "", errs.New(errs.Invalid, "right.unknown", "Choose at least one right of the list.").On("right")
	}
	return a.createClient(ctx, func(tx *db.Tx) (audit.Actor, error) {
		by, err := connecting(p)(tx)
		if err == nil {
			err = mayHand(tx, p, rights)
		}
		return by, err
	}, p.Account, rights, name)
}

// onOwn is who acts on a client of the account p.Account. NotFound "client.unknown".
func onOwn(p authz.Principal, clientID string, hands bool) asker {
	return func(tx *db.Tx) (audit.Actor, error) {
		by, err := connecting(p)(tx)
		if err != nil {
			return by, err
		}
		r, err := db.One[clientRow](tx, `select `+clientColumns+` from clients where id = $1 and kind = 'member' and account_id = $2`, clientID, p.Account)
		if errors.Is(err, db.ErrNone) {
			err = unknownClient()
		}
		if err == nil && hands {
			err = mayHand(tx, p, r.Rights.V) // who makes the secret has the rights
		}
		return by, err
	}
}

// RotateClientAs gives a client of the account p.Account a new secret, as RotateSecret does. Who gets the secret must be
// one who may give its rights. As CreateClientAs; NotFound "client.unknown"; and as RotateSecret.
func (a *Authn) RotateClientAs(ctx context.Context, p authz.Principal, clientID string, overlap time.Duration) (clientSecret string, err error) {
	return a.rotateSecret(ctx, onOwn(p, clientID, true), clientID, overlap)
}

// RevokeClientAs revokes a client of the account p.Account, as RevokeClient does. Denied as ClientsOf; NotFound "client.unknown".
func (a *Authn) RevokeClientAs(ctx context.Context, p authz.Principal, clientID string) error {
	return a.revokeClient(ctx, onOwn(p, clientID, false), clientID)
}

// TechnicalAccountsOf lists the technical accounts that staff reaches, the oldest first, revoked ones too: those of all
// organisations for an operator, of his own for others. Denied "staff.only", "user.inactive".
func (a *Authn) TechnicalAccountsOf(ctx context.Context, p authz.Principal) (list []Client, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		organisation := p.Organisation
		switch {
		case p.Has(authz.Operate):
			organisation = ""
			_, err = directory.OperatorActor(tx, p)
		case p.Kind != authz.Staff:
			err = errs.New(errs.Denied, "staff.only", "Partners are for those who run them.")
		default:
			_, err = directory.ReachesOrganisation(tx, p, organisation)
		}
		if err != nil {
			return err
		}
		rows, err := db.All[clientRow](tx, `select `+clientColumns+` from clients where kind = 'technical' and ($1 = '' or organisation_id = $1)
			order by created_ms, id`, organisation)
		for _, r := range rows {
			list = append(list, r.client())
		}
		return err
	})
	return list, err
}

// CreateTechnicalAccountAs is CreateTechnicalAccount for an operator in the console. Denied "operator.only",
// "user.inactive"; and as CreateTechnicalAccount.
func (a *Authn) CreateTechnicalAccountAs(ctx context.Context, p authz.Principal, organisation, name, alg string) (TechnicalAccount, error) {
	return a.createTechnicalAccount(ctx, operating(p), organisation, name, alg)
}

// operating is an operator in the console. Denied "operator.only", "user.inactive".
func operating(p authz.Principal) asker {
	return func(tx *db.Tx) (audit.Actor, error) { return directory.OperatorActor(tx, p) }
}

// onTechnical is who of staff, in one of the roles, acts on a technical account. NotFound "client.unknown".
func onTechnical(p authz.Principal, clientID string, roles ...directory.StaffRole) asker {
	return func(tx *db.Tx) (audit.Actor, error) {
		organisation, err := db.One[string](tx, `select organisation_id from clients where id = $1 and kind = 'technical'`, clientID)
		if errors.Is(err, db.ErrNone) {
			return audit.Actor{}, unknownClient()
		}
		if err != nil {
			return audit.Actor{}, err
		}
		by, err := directory.StaffActor(tx, p, organisation, roles...)
		if errs.KindOf(err) == errs.NotFound {
			err = unknownClient()
		}
		return by, err
	}
}

// RotateTechnicalAs gives a technical account a new secret, as RotateSecret does. It is for operators and the people of
// its organisation. Denied as directory.StaffActor; NotFound "client.unknown"; and as RotateSecret.
func (a *Authn) RotateTechnicalAs(ctx context.Context, p authz.Principal, clientID string, overlap time.Duration) (clientSecret string, err error) {
	return a.rotateSecret(ctx, onTechnical(p, clientID, directory.PartnerAdmin, directory.PartnerDeveloper), clientID, overlap)
}

// RevokeTechnicalAs revokes a technical account, as RevokeClient does. It is for operators and its organisation's
// administrators. Denied as directory.StaffActor; NotFound "client.unknown".
func (a *Authn) RevokeTechnicalAs(ctx context.Context, p authz.Principal, clientID string) error {
	return a.revokeClient(ctx, onTechnical(p, clientID, directory.PartnerAdmin), clientID)
}
