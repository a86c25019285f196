package authn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// ExchangeRequest is the input of Exchange.
type ExchangeRequest struct {
	ClientID, ClientSecret string
	ActorToken             string // of the client's technical account
	SubjectToken           string // a JWT that names the user by his e-mail address
	Scopes                 []string
}

// Exchange gives a token of an Embed user, good for 5 minutes, to the technical
// account of his partner (Acrobat Sign Embed 2.0, Create an Embed user token). It
// carries exactly the scopes asked for. The user is looked up among those of the
// partner's accounts and nowhere else.
//
// In this order: Unauthenticated "client.credentials", "actor.invalid"; Denied
// "right.missing" (the actor has no scope to act for users), "partner.inactive"
// (or none); Invalid "scope.unknown" (unknown, not for users, not the actor's, or
// none), "subject.malformed"; Denied "subject.unknown" for a user who is unknown,
// another partner's or not active, alike. Unavailable "authn.stale".
func (a *Authn) Exchange(ctx context.Context, in ExchangeRequest) (Token, error) {
	n, now, err := a.current()
	if err != nil {
		return Token{}, err
	}
	c, err := a.credentialsOf(ctx, n, now, authz.Technical, in.ClientID, in.ClientSecret)
	if err != nil {
		return Token{}, hideDisabled(err)
	}
	actor, ok := a.recognise(ctx, n, in.ActorToken)
	if !ok || actor.principal.Kind != authz.Technical || actor.principal.Client != c.ID ||
		!a.good(n, actor) || actor.expired(now) || actor.early(now) {
		return Token{}, errs.New(errs.Unauthenticated, "actor.invalid", "The actor token is not a valid token of this client.").On("actor_token")
	}
	x := exchange{ExchangeRequest: in, client: c, actor: actor.principal, now: now, token: secret.NewGUID()}
	x.subject, x.readable = readSubject(in.SubjectToken)
	key, err := a.signingKey(ctx, c.Alg, now) // before the log names the token
	if err != nil {
		return Token{}, err
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		if err := x.look(tx, a); err != nil {
			return err
		}
		if err := directory.SignedIn(tx, x.may.User); err != nil {
			return err
		}
		return x.record(tx)
	})
	if err != nil {
		return Token{}, a.refuse(ctx, x, err)
	}
	t := newToken(userLife, x.granted)
	t.Access, err = key.token(a.userClaims(x.token, c.ID, x.may.SenderID, x.standing(n), strings.Join(x.granted, ","), now))
	if err != nil {
		return Token{}, err
	}
	return t, nil
}

// exchange is one call of Exchange under way.
type exchange struct {
	ExchangeRequest
	client   *clientRecord
	actor    authz.Principal
	now      time.Time
	token    string // id of the token to give
	subject  subject
	readable bool // the subject token
	may      directory.Delegation
	granted  []string
	sought   bool // the user
}

// look finds out what is asked for and whether it may be had.
func (x *exchange) look(tx *db.Tx, a *Authn) (err error) {
	if err = x.actor.Need(authz.UserImpersonate); err != nil {
		return err
	}
	x.may, err = directory.DelegationOf(tx, x.client.ID, x.subject.email)
	if errs.KindOf(err) == errs.NotFound || err == nil && x.may.PartnerStatus != directory.PartnerActive {
		return errs.New(errs.Denied, "partner.inactive", "The partner is not registered, or not active.")
	}
	if err != nil {
		return err
	}
	if x.granted, err = x.scopes(); err != nil {
		return err
	}
	doubt := errors.New("it is no JWT of one address: three or two parts, each a JSON object in base64url, with email or user_email")
	if x.readable {
		doubt = a.doubts(x.subject, x.may, x.ClientSecret, x.now)
	}
	if doubt != nil {
		return errs.New(errs.Invalid, "subject.malformed", "The subject token cannot be taken.").On("subject_token").Because(doubt)
	}
	x.sought = true
	if x.may.User == "" {
		return errs.New(errs.Denied, "subject.unknown", "The partner has no active user of this address.").On("subject_token")
	}
	return nil
}

// scopes are those asked for, each one a user may have and the actor has. Invalid "scope.unknown".
func (x *exchange) scopes() ([]string, error) {
	allowed := slices.DeleteFunc(slices.Clone(x.actor.Rights), func(r authz.Right) bool { return !slices.Contains(authz.UserScopes, r) })
	if len(x.Scopes) == 0 {
		return nil, errs.New(errs.Invalid, "scope.unknown", "At least one scope must be asked for.").On("scope")
	}
	return grant(allowed, x.Scopes)
}

func (x *exchange) standing(n *news) standing {
	return standing{organisation: x.may.Organisation, partner: x.may.Partner, account: x.may.Account, user: x.may.User,
		generations: generationsNow{Client: x.client.generations.Client, User: x.may.UserGeneration, Partner: x.may.PartnerGeneration,
			Account: n.generations[holder{directory.OfAccount, x.may.Account}]}}
}

func (x *exchange) record(tx *db.Tx) error {
	_, err := audit.Append(tx, audit.Event{Type: "token.exchanged", Account: x.may.Account,
		Actor:  audit.Actor{Kind: audit.KindClient, Client: x.client.ID, User: x.may.User},
		Detail: map[string]string{"partner": x.may.Partner, "scope": strings.Join(x.granted, " "), "token": x.token}})
	return err
}

// refuse records a refusal that somebody should look at: of who may not act for
// others at all, or not for this one.
func (a *Authn) refuse(ctx context.Context, x exchange, refusal error) error {
	if errs.KindOf(refusal) != errs.Denied {
		return refusal
	}
	e := audit.Event{Type: "token.exchange_refused", Actor: audit.Actor{Kind: audit.KindClient, Client: x.client.ID}, Detail: map[string]string{}}
	if refused, ok := errors.AsType[*errs.Error](refusal); ok {
		e.Detail["why"] = refused.What
	}
	if x.sought {
		e.Personal = map[string]string{"subject_email": x.subject.email}
	}
	if err := audit.Refused(ctx, a.db, e); err != nil {
		return err
	}
	return refusal
}
