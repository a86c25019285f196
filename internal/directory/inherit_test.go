package directory_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// detail is what the last event of a type says.
func (h *house) detail(event string) (last map[string]string) {
	h.t.Helper()
	h.write(func(tx *db.Tx) error {
		rows, err := db.All[[]byte](tx, `select canonical from audit_events order by id`)
		for _, r := range rows {
			var e struct {
				Type   string
				Detail map[string]string
			}
			if err = json.Unmarshal(r, &e); err == nil && e.Type == event {
				last = e.Detail
			}
		}
		return err
	})
	return last
}

// An account may narrow a channel that is consistent in itself.
func TestNarrowingIsJudgedWithTheChannel(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		channel := directory.Settings{HardLease: time.Minute, Heartbeat: 5 * time.Second}
		if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Settings: channel}); err != nil {
			t.Fatal(err)
		}
		if err := h.SetAccount(t.Context(), a.OuterID, directory.Settings{HardLease: 20 * time.Second}, nil); err != nil {
			t.Error(err)
		}
		refused(t, h.SetAccount(t.Context(), a.OuterID, directory.Settings{HardLease: 5 * time.Second}, nil), errs.Invalid, "settings.range")
	})
}

// What was set can be inherited again, by an account and by a channel.
func TestInheritAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		set := directory.Settings{MemberIdentification: directory.Always, SoftLease: time.Minute, HardLease: time.Hour, Heartbeat: time.Minute,
			MaxHold: 2 * time.Hour, RemindFirst: time.Hour, RemindEvery: time.Hour, RemindAtMost: 3, SenderName: "Sender"}
		again := directory.Settings{MemberIdentification: directory.Inherit, SoftLease: directory.InheritTime, HardLease: directory.InheritTime,
			Heartbeat: directory.InheritTime, MaxHold: directory.InheritTime, RemindFirst: directory.InheritTime,
			RemindEvery: directory.InheritTime, RemindAtMost: directory.InheritNumber, SenderName: directory.Inherit}
		own := func() directory.Settings {
			now, err := h.PartnerAccount(t.Context(), v.p, a.OuterID)
			if err != nil {
				t.Fatal(err)
			}
			return now.Settings
		}
		for _, c := range []struct{ change, want directory.Settings }{{set, set},
			{directory.Settings{SoftLease: directory.InheritTime, RemindAtMost: 2}, func() directory.Settings { s := set; s.SoftLease, s.RemindAtMost = 0, 2; return s }()},
			{again, directory.Settings{}}} {
			if err := h.SetAccount(t.Context(), a.OuterID, c.change, nil); err != nil || own() != c.want {
				t.Errorf("account: %+v, %v, want %+v", own(), err, c.want)
			}
			if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Settings: c.change}); err != nil || v.now().Settings != c.want {
				t.Errorf("channel: %+v, %v, want %+v", v.now().Settings, err, c.want)
			}
			if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Settings: again}); err != nil { // so that it narrows nothing
				t.Error(err)
			}
			if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Settings: c.want}); err != nil {
				t.Error(err)
			}
		}
		// Not back to what is not consistent: a heartbeat above the default lease.
		if err := h.SetAccount(t.Context(), h.home.OuterID, directory.Settings{HardLease: time.Hour, Heartbeat: 20 * time.Minute}, nil); err != nil {
			t.Fatal(err)
		}
		refused(t, h.SetAccount(t.Context(), h.home.OuterID, directory.Settings{HardLease: directory.InheritTime}, nil), errs.Invalid, "settings.range")
	})
}

// The log says what was set, and of keys which.
func TestWhatWasChangedIsRecorded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		yes := true
		c := directory.PartnerChange{Settings: directory.Settings{HardLease: time.Minute, MemberIdentification: directory.Always}, Logo: picture(t, "png", 1, 1),
			RequireSignedSubjectToken: &yes, SubjectKeys: []byte(ecKeys), Domains: []string{"partner.example"}}
		if err := h.SetPartner(t.Context(), v.OuterID, c); err != nil {
			t.Fatal(err)
		}
		got := h.detail("partner.changed")
		if got["require_signed"] != "true" || got["domains"] != "partner.example" || len(got["subject_keys"]) != 64 || len(got["logo"]) != 64 ||
			got["settings"] != `{"member_identification":"always","hard_lease":60000000000}` {
			t.Errorf("recorded %q", got)
		}
		if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{SubjectKeys: []byte{}}); err != nil {
			t.Fatal(err)
		}
		if got = h.detail("partner.changed"); got["subject_keys"] != "none" || len(got) != 2 {
			t.Errorf("removed: %q", got)
		}
		if err := h.SetAccount(t.Context(), h.home.OuterID, directory.Settings{SoftLease: time.Minute}, nil); err != nil {
			t.Fatal(err)
		}
		if got = h.detail("account.settings_changed"); got["settings"] != `{"soft_lease":60000000000}` {
			t.Errorf("account: %q", got)
		}
	})
}

// ecKeys is a set with a key that subject tokens can be checked with (RFC 7515, A.3).
const ecKeys = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"EC","crv":"P-256",
	"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`

// Keys that no subject token could be checked with, and secrets, are refused.
func TestSubjectKeysMustServe(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		set := func(keys string) error {
			return h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{SubjectKeys: []byte(keys)})
		}
		rsa := `{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("z", 342) + `"}]}`
		for _, good := range []string{ecKeys, rsa} {
			if err := set(good); err != nil {
				t.Errorf("%s: %v", good, err)
			}
		}
		for name, bad := range map[string]string{"none": `{"keys":[]}`, "symmetric": `{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMko"}]}`,
			"private":                strings.Replace(ecKeys, `"x":"f8`, `"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","x":"f8`, 1),
			"of no algorithm served": `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
			"of another curve":       strings.Replace(ecKeys, "P-256", "P-384", 1), "for encryption": strings.Replace(ecKeys, `"EC"`, `"EC","use":"enc"`, 1),
			"short RSA": strings.Replace(rsa, strings.Repeat("z", 342), strings.Repeat("z", 171), 1), "no object": `{"keys":["x"]}`} {
			if err := set(bad); !errs.Is(err, "keys.malformed") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Who renames an account while another gives the name up gets it or a refusal, no fault.
func TestAccountNamesInARace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		var all []directory.Account
		for _, name := range []string{"One", "Two", "Three", "Four"} {
			all = append(all, v.account(name))
		}
		race(t, len(all), func(i int) error {
			for n := range dbtest.Rounds(60, 1000) {
				err := h.ChangePartnerAccount(context.Background(), v.p, all[i].OuterID, directory.PartnerAccountChange{Name: []string{"North", "South", "East"}[(n+i)%3]})
				if err != nil && !errs.Is(err, "account.taken") {
					return err
				}
			}
			return nil
		}, "")
		if names, accounts := h.count(`select count(distinct account_id) from account_names`), h.count(`select count(*) from account_names`); names != 4 || accounts != 4 {
			t.Errorf("%d names of %d accounts", names, accounts)
		}
	})
}
