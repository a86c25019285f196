package authn

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/secret"
)

// vendor is a partner with its technical account and one account of a customer.
type vendor struct {
	*house
	tech    TechnicalAccount
	partner directory.Partner
	account directory.Account
}

// technical makes a technical account of an organisation of its own.
func (h *house) technical(alg string) TechnicalAccount {
	h.t.Helper()
	tech, err := h.CreateTechnicalAccount(context.Background(), "Vendor "+secret.Alphanumeric(8), "Product", alg)
	if err != nil {
		h.t.Fatal(err)
	}
	return tech
}

// vendor makes an active partner whose users have addresses at partnerdomain.com.
func (h *house) vendor(alg string) *vendor {
	h.t.Helper()
	ctx := context.Background()
	v := &vendor{house: h, tech: h.technical(alg)}
	v.register(directory.PartnerActive)
	p, err := h.Authenticate(ctx, v.actor())
	if err != nil {
		h.t.Fatal(err)
	}
	if v.account, err = h.dir.CreatePartnerAccount(ctx, p, directory.NewPartnerAccount{Name: "Customer", Country: "DE"}); err != nil {
		h.t.Fatal(err)
	}
	v.user("ann@partnerdomain.com")
	return v
}

// register writes the partner down as if its domain had been proved.
func (v *vendor) register(status directory.PartnerStatus) {
	v.t.Helper()
	v.write(func(tx *db.Tx) error {
		id := secret.NewID()
		if _, err := tx.Exec(`insert into partners (id, outer_id, organisation_id, client_id, technical_account, name, status, domains, settings,
				updated_by, created_ms, updated_ms) values ($1, $2, $3, $4, $5, 'Vendor', $6, '["partnerdomain.com"]', '{}', $5, 0, 0)`,
			id, secret.NewGUID(), v.tech.Organisation, v.tech.ClientID, v.tech.ID, string(status)); err != nil {
			return err
		}
		var err error
		v.partner, err = directory.PartnerOfClient(tx, v.tech.ClientID)
		return err
	})
}

// user makes an active user of the customer's account.
func (v *vendor) user(email string) (u directory.User) {
	v.t.Helper()
	v.write(func(tx *db.Tx) (err error) {
		u, err = directory.AddUser(tx, v.account.ID, directory.NewUser{Email: email, FirstName: "Ann", LastName: "Lee"},
			directory.Standing{Status: directory.Active, Sender: true})
		return err
	})
	return u
}

func (v *vendor) actor(scopes ...string) string {
	v.t.Helper()
	t, err := v.TechnicalToken(context.Background(), v.tech.ClientID, v.tech.ClientSecret, scopes)
	if err != nil {
		v.t.Fatal(err)
	}
	return t.Access
}

// request is a good one.
func (v *vendor) request(email string, scopes ...string) ExchangeRequest {
	v.t.Helper()
	if scopes == nil {
		scopes = []string{"agreement_read", "sign_user_read"}
	}
	return ExchangeRequest{ClientID: v.tech.ClientID, ClientSecret: v.tech.ClientSecret, ActorToken: v.actor(),
		SubjectToken: unsecured(`{"email":"` + email + `"}`), Scopes: scopes}
}

func (v *vendor) userToken(email string, scopes ...string) string {
	v.t.Helper()
	t, err := v.Exchange(context.Background(), v.request(email, scopes...))
	if err != nil {
		v.t.Fatal(err)
	}
	return t.Access
}

func unsecured(payload string) string {
	return b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(payload)) + "."
}

// tend does what Run does, and waits for what it would do in the background.
func (a *Authn) tend(t testing.TB) {
	t.Helper()
	var background sync.WaitGroup
	err := a.follow(t.Context())
	if err == nil {
		err = a.tendKeys(t.Context(), &background)
	}
	background.Wait()
	if err == nil {
		err = a.follow(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rights(scope string) (list []authz.Right) {
	for _, s := range strings.Fields(scope) {
		list = append(list, authz.Right(s))
	}
	return list
}

// as moves the process's own clock on together with the database's.
func (h *house) later(by time.Duration) {
	h.t.Helper()
	h.d.Shift(by)
	h.hear()
}
