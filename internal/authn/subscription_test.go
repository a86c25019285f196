package authn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// keys are a subscription's and a user's account key.
func (h *house) keys(u directory.User) (subscription, account string, ids [2]string) {
	h.t.Helper()
	var err, failed error
	ids[0], subscription, err = h.NewSubscription(bg, h.home.OuterID, "Production")
	ids[1], account, failed = h.NewAccountKey(bg, h.home.OuterID, u.SenderID, "Sync")
	if err = errors.Join(err, failed); err != nil {
		h.t.Fatal(err)
	}
	return subscription, account, ids
}

func (h *house) accountToken(subscription, account string) string {
	h.t.Helper()
	token, _, err := h.AccountToken(bg, subscription, account)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func TestAccountToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss := h.administrator("boss@example.com", "Boss Doe")
		subscription, account, ids := h.keys(boss)
		if got, err := h.CheckSubscription(bg, subscription); err != nil || got.Account != h.home.ID || got.ID != ids[0] {
			t.Fatalf("%+v, %v", got, err)
		}
		before := boss.LastLogin
		token, expires, err := h.AccountToken(bg, subscription, account)
		if err != nil || time.Until(expires) < 23*time.Hour || time.Until(expires) > 25*time.Hour {
			t.Fatalf("%s, %v", expires, err)
		}
		p, err := h.Authenticate(bg, token)
		if err != nil || p.Client != ids[1] || p.Credential != ids[0] || p.User != boss.ID || p.Account != h.home.ID ||
			!slices.Equal(p.Rights, []authz.Right{authz.ManageUsers, authz.IntelAgree}) {
			t.Errorf("%+v, %v", p, err)
		}
		if !h.user(boss.ID).LastLogin.After(before) {
			t.Error("no sign-in was noted")
		}
		if list, err := h.AccountKeys(bg); err != nil || len(list) != 1 || list[0].SenderID != boss.SenderID || list[0].Name != "Sync" {
			t.Errorf("%+v, %v", list, err)
		}
		d.Shift(24 * time.Hour)
		h.hear()
		h.dead("expired", h.bearer(token))
	})
}

func TestAccountTokenRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss := h.administrator("boss@example.com", "Boss Doe")
		subscription, account, _ := h.keys(boss)
		other, err := h.dir.CreateAccount(bg, directory.NewAccount{Name: "Other Ltd"})
		if err != nil {
			t.Fatal(err)
		}
		_, foreign, err := h.NewSubscription(bg, other.OuterID, "Other")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ subscription, account, what string }{
			{"", account, "subscription.missing"}, {"x", account, "subscription.invalid"}, {account, account, "subscription.invalid"},
			{"\x00", account, "subscription.invalid"}, {strings.ToUpper(subscription), account, "subscription.invalid"},
			{subscription, "", "account_key.invalid"}, {subscription, subscription, "account_key.invalid"}, {subscription, "\xff", "account_key.invalid"},
			{foreign, account, "account_key.invalid"},
		} {
			_, _, err := h.AccountToken(bg, c.subscription, c.account)
			refused(t, err, errs.Unauthenticated, c.what)
			if strings.HasPrefix(c.what, "subscription") {
				_, err = h.CheckSubscription(bg, c.subscription)
				refused(t, err, errs.Unauthenticated, c.what)
			}
		}
		for what, err := range map[string]error{
			"account.unknown": func() error { _, _, err := h.NewSubscription(bg, "none", "x"); return err }(),
			"user.unknown":    func() error { _, _, err := h.NewAccountKey(bg, other.OuterID, boss.SenderID, "x"); return err }(),
			"name.missing":    func() error { _, _, err := h.NewSubscription(bg, other.OuterID, ""); return err }(),
			"key.unknown":     errors.Join(h.EndSubscription(bg, "none")),
		} {
			if !errs.Is(err, what) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// T6: ended keys are good for nothing, and neither is what was made with them.
func TestT6IntelAgreeKeysEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss := h.administrator("boss@example.com", "Boss Doe")
		subscription, account, ids := h.keys(boss)
		token := h.accountToken(subscription, account)
		other := &house{Authn: h.replica(d.DB, h.post), t: t}
		if err := other.bearer(token)(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := h.EndAccountKey(bg, ids[1]); err != nil {
				t.Fatal(err)
			}
		}
		h.dead("ended", h.bearer(token))
		other.hear()
		other.dead("ended, elsewhere", other.bearer(token))
		_, _, err := h.AccountToken(bg, subscription, account)
		refused(t, err, errs.Unauthenticated, "account_key.invalid")
		if err := h.EndSubscription(bg, ids[0]); err != nil {
			t.Fatal(err)
		}
		_, err = h.CheckSubscription(bg, subscription)
		refused(t, err, errs.Unauthenticated, "subscription.invalid")
		subscription, account, _ = h.keys(boss)
		token = h.accountToken(subscription, account)
		h.lock(boss.ID)
		h.dead("locked", h.bearer(token))
		_, _, err = h.AccountToken(bg, subscription, account)
		refused(t, err, errs.Unauthenticated, "account_key.invalid")
	})
}

// T7: keys are kept as hashes.
func TestT7IntelAgreeKeysAreHashes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		subscription, account, _ := h.keys(h.administrator("boss@example.com", "Boss Doe"))
		for table, key := range map[string]string{"subscription_keys": subscription, "account_keys": account} {
			h.write(func(tx *db.Tx) error {
				kept, err := db.One[[]byte](tx, `select hash from `+table)
				if len(kept) != 32 || strings.Contains(string(kept), key) || len(key) != 64 {
					t.Errorf("%s keeps %q", table, kept)
				}
				return err
			})
		}
	})
}

func (h *house) known(u directory.User, key directory.BusinessKey) {
	h.t.Helper()
	h.write(func(tx *db.Tx) error { return directory.AddBusinessKey(tx, u.Account, u.ID, key) })
}

func TestImpersonation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		api, boss, ann := h.active("api@example.com", "Api Doe"), h.administrator("boss@example.com", "Boss Doe"), h.active("ann@example.com", "Ann Doe")
		ofBoss, ofAnn := directory.BusinessKey{Type: "Salesforce", Value: "005A"}, directory.BusinessKey{Type: "Salesforce", Value: "005B"}
		h.known(boss, ofBoss)
		h.known(ann, ofAnn)
		p := authz.Principal{Client: "key", Credential: "key", Account: h.home.ID, User: api.ID, Stands: "1", Rights: []authz.Right{authz.IntelAgree, authz.Impersonate}}
		got, err := h.Impersonated(bg, p, ofBoss)
		if err != nil || got.User != boss.ID || got.For != api.ID || got.Client != "key" || got.Credential != "key" || got.Stands != "" ||
			!slices.Equal(got.Rights, []authz.Right{authz.IntelAgree}) {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err = h.Impersonated(bg, p, ofAnn); err != nil || len(got.Rights) != 0 || got.User != ann.ID {
			t.Errorf("both must be allowed what is done: %+v, %v", got, err)
		}
		_, err = h.Impersonated(bg, authz.Principal{Account: h.home.ID, User: boss.ID, Rights: []authz.Right{authz.IntelAgree, authz.ManageUsers}}, ofAnn)
		refused(t, err, errs.Denied, "right.missing")
		for _, key := range []directory.BusinessKey{{}, {Type: "Salesforce", Value: "none"}, {Type: "salesforce\x00", Value: "005A"}} {
			_, err = h.Impersonated(bg, p, key)
			refused(t, err, errs.Invalid, "impersonation.unknown")
		}
		elsewhere := p
		elsewhere.Account = "another"
		_, err = h.Impersonated(bg, elsewhere, ofBoss)
		refused(t, err, errs.Invalid, "impersonation.unknown")
		nested := p
		nested.For = "somebody"
		_, err = h.Impersonated(bg, nested, ofBoss)
		refused(t, err, errs.Denied, "impersonation.nested")
		h.lock(boss.ID)
		_, err = h.Impersonated(context.Background(), p, ofBoss)
		refused(t, err, errs.Denied, "impersonation.inactive")
	})
}
