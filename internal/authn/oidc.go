package authn

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	statePurpose    = "provider.state"
	beganPurpose    = "provider.browser"
	verifierPurpose = "provider.verifier"
	attemptLife     = 10 * time.Minute
)

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func compareText(a, b string) int { return cmp.Compare(a, b) }

// attempt is a sign-in at a provider that is under way.
type attempt struct {
	OrganisationID, Nonce, ReturnTo string
	Verifier                        []byte
}

// BeginOIDC is the address at the provider of an organisation, given by its name, to send a browser to (OpenID Connect Core
// 1.0 §3.1, with PKCE, RFC 7636). cookie is the browser's for FinishOIDC, within ten minutes: the one it brought, or a new
// one. returnTo goes through ReturnTo.
//
// NotFound "organisation.unknown", "provider.unknown"; Limited "sign_in.flood"; Unavailable "provider.unavailable".
func (a *Authn) BeginOIDC(ctx context.Context, organisation, browser, returnTo string) (url, cookie string, err error) {
	if err = a.spend(ctx, providersOfIP, network(ctx)); err != nil {
		return "", "", err
	}
	var r identityProviderRow
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		id, err := directory.OrganisationByName(tx, organisation)
		if err == nil {
			r, err = providerOf(tx, id)
		}
		return err
	})
	if err != nil {
		return "", "", err
	}
	p, err := a.provider(ctx, r.Issuer)
	if err != nil {
		return "", "", err
	}
	if cookie = browser; len(browser) < 43 || len(browser) > maxCookie {
		cookie = secret.Token(cookieBytes)
	}
	state, nonce, verifier := secret.Token(32), secret.Token(32), oauth2.GenerateVerifier()
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into provider_attempts (hash, browser, organisation_id, verifier, nonce, return_to, expires_ms)
			values ($1, $2, $3, $4, $5, $6, clock_ms() + $7)`,
			a.box.Hash(statePurpose, state), a.box.Hash(beganPurpose, cookie), r.OrganisationID, a.box.Seal(verifierPurpose, []byte(verifier)),
			nonce, ReturnTo(returnTo), attemptLife.Milliseconds())
		return err
	})
	if err != nil {
		return "", "", err
	}
	return a.oauth(p, r, "").AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), cookie, nil
}

// RedirectURI is the address to register at a provider.
func (a *Authn) RedirectURI() string { return a.issuer + ProviderPath }

// OIDCAnswer is the query with which a provider sends a browser back: state, code, iss (RFC 9207) and error.
type OIDCAnswer struct{ State, Code, Issuer, Error string }

// FinishOIDC takes a provider's answer, once and only from the browser that began, and signs in whom the provider names: the
// person its issuer and subject were linked with. The first time that is the one person of the organisation with the
// address that the provider says it has verified, in a domain which the organisation has proved its own.
//
// Unauthenticated "provider.attempt" (unknown, used, too old, or another browser's), "provider.answer" (refused there, or
// not to be believed); Denied "provider.unlinked" for who is nobody here; Unavailable "provider.unavailable".
func (a *Authn) FinishOIDC(ctx context.Context, in OIDCAnswer, browser string) (e Entered, err error) {
	at, r, now, err := a.takeAttempt(ctx, in.State, browser)
	if err != nil {
		return e, err
	}
	claims, err := a.answered(ctx, in, at, r, now)
	if err != nil {
		return e, a.refuseAnswer(ctx, at, r, err)
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		now, err := providerOf(tx, at.OrganisationID)
		if errs.KindOf(err) == errs.NotFound || err == nil && (now.Issuer != r.Issuer || now.ClientID != r.ClientID) {
			err = attemptOver() // it was turned off, or another set, while we asked
		}
		if err != nil {
			return err
		}
		who, err := linked(tx, at.OrganisationID, claims)
		if err != nil {
			return err
		}
		e = Entered{ReturnTo: at.ReturnTo}
		e.Cookie, err = a.beginSession(tx, who, HowOIDC)
		return err
	})
	if err != nil {
		return Entered{}, a.refuseAnswer(ctx, at, r, err)
	}
	return e, nil
}

// takeAttempt uses up what BeginOIDC noted. Unauthenticated "provider.attempt".
func (a *Authn) takeAttempt(ctx context.Context, state, browser string) (at attempt, r identityProviderRow, now time.Time, err error) {
	unknown := attemptOver()
	if state == "" || browser == "" || len(state) > maxCookie || len(browser) > maxCookie {
		return at, r, now, unknown
	}
	err = a.db.Write(ctx, func(tx *db.Tx) (err error) {
		at, err = db.One[attempt](tx, `delete from provider_attempts where hash = $1 and browser = $2 and expires_ms > clock_ms()
			returning organisation_id, nonce, return_to, verifier`, a.box.Hash(statePurpose, state), a.box.Hash(beganPurpose, browser))
		if err != nil {
			return err
		}
		if now, err = tx.Now(); err == nil {
			r, err = providerOf(tx, at.OrganisationID)
		}
		return err
	})
	if errors.Is(err, db.ErrNone) || errs.KindOf(err) == errs.NotFound {
		err = unknown
	}
	return at, r, now, err
}

func attemptOver() error {
	return errs.New(errs.Unauthenticated, "provider.attempt", "This sign-in is over. Begin again.")
}

// answered exchanges a code for an ID token and checks it. Unauthenticated "provider.answer"; Unavailable "provider.unavailable".
func (a *Authn) answered(ctx context.Context, in OIDCAnswer, at attempt, r identityProviderRow, now time.Time) (claims idToken, err error) {
	p, err := a.provider(ctx, r.Issuer)
	if err != nil {
		return claims, err
	}
	switch { // whose code it is comes before whom we send it to (RFC 9700 §4.4)
	case in.Issuer != r.Issuer && (in.Issuer != "" || p.NamesItself):
		return claims, badAnswer(errors.New("iss is another provider, or missing"))
	case in.Error != "" || in.Code == "":
		return claims, badAnswer(errors.New("the provider refused"))
	}
	clientSecret, err := a.box.Unseal(providerPurpose, r.Secret)
	if err != nil {
		return claims, err
	}
	verifier, err := a.box.Unseal(verifierPurpose, at.Verifier)
	if err != nil {
		return claims, err
	}
	t, err := a.oauth(p, r, string(clientSecret)).Exchange(a.calling(ctx), in.Code, oauth2.VerifierOption(string(verifier)))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok { // its text holds the answer, which may hold secrets
		return claims, badAnswer(errors.New("the token endpoint answered " + refused.Response.Status))
	}
	if err != nil {
		return claims, unavailableProvider(err)
	}
	raw, ok := t.Extra("id_token").(string)
	if !ok || len(raw) > 64<<10 {
		return claims, badAnswer(errors.New("there is no ID token"))
	}
	if claims, err = a.check(ctx, p, r.ClientID, at.Nonce, raw, now); err != nil {
		return claims, badAnswer(err)
	}
	return claims, nil
}

func badAnswer(err error) error {
	return errs.New(errs.Unauthenticated, "provider.answer", "The identity provider's answer cannot be taken. Begin again.").Because(err)
}

// linked is the person of an organisation whom an issuer's subject stands for, as long as he has the address that he had
// when they were linked: a user who is given to another mailbox is somebody else. Denied "provider.unlinked".
func linked(tx *db.Tx, organisation string, t idToken) (who directory.Person, err error) {
	type link struct{ PersonID, Email string }
	links, err := db.All[link](tx, `select person_id, email from provider_people where issuer = $1 and subject = $2 order by linked_ms, person_id`, t.issuer, t.subject)
	if err != nil {
		return who, err
	}
	for _, l := range links {
		who, err = personNamed(tx, l.PersonID)
		if err == nil && who.Organisation == organisation && who.Email == l.Email {
			return who, nil
		}
		if err != nil && errs.KindOf(err) != errs.NotFound {
			return who, err
		}
	}
	if who, err = vouched(tx, organisation, t); err != nil {
		return who, err
	}
	if _, err = tx.Exec(`insert into provider_people (issuer, subject, person_id, email, linked_ms) values ($1, $2, $3, $4, clock_ms())
		on conflict (issuer, subject, person_id) do update set email = excluded.email, linked_ms = excluded.linked_ms`,
		t.issuer, t.subject, who.ID, who.Email); err != nil {
		return who, err
	}
	return who, recordPerson(tx, "console.provider_linked", who, map[string]string{"issuer": t.issuer})
}

// vouched is the one person of an organisation for whom its provider vouches by his address. An address alone would let any
// organisation's provider speak for anybody. Denied "provider.unlinked".
func vouched(tx *db.Tx, organisation string, t idToken) (who directory.Person, err error) {
	unlinked := errs.New(errs.Denied, "provider.unlinked", "You are signed in at your organisation, but nobody here is known by that. Ask your administrator.")
	if verified, ok := t.EmailVerified.(bool); !ok || !verified {
		return who, unlinked.Because(errors.New("the provider has not verified the address"))
	}
	by, err := directory.ProvenBy(tx, t.Email)
	if errs.KindOf(err) == errs.Invalid || err == nil && by != organisation {
		return who, unlinked.Because(errors.New("the organisation has not proved the address's domain"))
	}
	if err != nil {
		return who, err
	}
	people, err := directory.PeopleAt(tx, t.Email)
	if err != nil {
		return who, err
	}
	found := 0
	for _, p := range people {
		if p.Organisation == organisation {
			who, found = p, found+1
		}
	}
	if found != 1 {
		return directory.Person{}, unlinked.Because(errors.New("the organisation has not exactly one person of the address"))
	}
	return who, nil
}

// refuseAnswer records who could not be believed, or is nobody here.
func (a *Authn) refuseAnswer(ctx context.Context, at attempt, r identityProviderRow, refusal error) error {
	refused, ok := errors.AsType[*errs.Error](refusal)
	if !ok || refused.Kind != errs.Unauthenticated && refused.Kind != errs.Denied {
		return refusal
	}
	detail := map[string]string{"organisation": at.OrganisationID, "issuer": r.Issuer, "refused": refused.What}
	if err := audit.Refused(ctx, a.db, audit.Event{Type: "console.provider_refused", Actor: audit.Actor{Kind: audit.KindPerson}, Detail: detail}); err != nil {
		return err
	}
	return refusal
}
