package directory_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// zone answers TXT queries.
type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if records, ok := z[name]; ok {
		return records, nil
	}
	return nil, errors.New("no such host")
}

func TestProveDomain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.technical("Vendor Inc")
		h.technical("Rival Inc")
		claim, err := h.AddDomain(t.Context(), "Vendor Inc", "Partner.Example.")
		if err != nil || claim.Name != "partner.example" || len(claim.Token) != 64 || !claim.Proven.IsZero() || claim.How != "" {
			t.Fatalf("claim %+v, %v", claim, err)
		}
		if again, err := h.AddDomain(t.Context(), "Vendor Inc", "partner.example"); err != nil || again != claim {
			t.Errorf("claimed again: %+v, %v", again, err)
		}
		other, err := h.AddDomain(t.Context(), "Rival Inc", "partner.example")
		if err != nil || other.Token == claim.Token {
			t.Errorf("the rival's claim %+v, %v", other, err)
		}
		for _, z := range []zone{{}, {"partner.example.": {other.Record(), claim.Token, claim.Record() + "0", strings.ToUpper(claim.Record())}},
			{"www.partner.example.": {claim.Record()}}} {
			_, err = h.VerifyDomain(t.Context(), z, "Vendor Inc", "partner.example")
			refused(t, err, errs.Invalid, "domain.unproven")
		}
		dns := zone{"partner.example.": {"v=spf1 -all", claim.Record(), other.Record()}}
		proven, err := h.VerifyDomain(t.Context(), dns, "Vendor Inc", "PARTNER.example")
		if err != nil || proven.Proven.IsZero() || proven.How != "dns" {
			t.Errorf("proven %+v, %v", proven, err)
		}
		if again, err := h.VerifyDomain(t.Context(), zone{}, "Vendor Inc", "partner.example"); err != nil || again != proven {
			t.Errorf("proven again: %+v, %v", again, err)
		}
		_, err = h.VerifyDomain(t.Context(), dns, "Rival Inc", "partner.example")
		refused(t, err, errs.Conflict, "domain.taken")
		_, err = h.VouchDomain(t.Context(), "Rival Inc", "partner.example")
		refused(t, err, errs.Conflict, "domain.taken")
		_, err = h.VerifyDomain(t.Context(), dns, "Vendor Inc", "unclaimed.example")
		refused(t, err, errs.NotFound, "domain.unknown")
		for _, name := range []string{"", "Nobody Inc", "a\x00b", "\xff"} {
			_, err = h.AddDomain(t.Context(), name, "a.example")
			refused(t, err, errs.NotFound, "organisation.unknown")
			_, err = h.Domains(t.Context(), name)
			refused(t, err, errs.NotFound, "organisation.unknown")
		}
		vouched, err := h.VouchDomain(t.Context(), "Vendor Inc", "a.example")
		if err != nil || vouched.How != "operator" || vouched.Proven.IsZero() {
			t.Errorf("vouched %+v, %v", vouched, err)
		}
		if list, err := h.Domains(t.Context(), "Vendor Inc"); err != nil || !slices.Equal(list, []directory.Domain{vouched, proven}) {
			t.Errorf("domains %+v, %v", list, err)
		}
		if a, p := h.audited("domain.added"), h.audited("domain.proven"); a != 3 || p != 2 {
			t.Errorf("%d events of claims, %d of proofs, want 3 and 2", a, p)
		}
	})
}

// T5: what is proved is one name, whatever it looks like.
func TestT5DomainsAreExact(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "example.com")
		a := v.account("One")
		cases := 0
		for _, same := range []string{"EXAMPLE.COM", "example.com.", "ｅｘａｍｐｌｅ.com", "example。com", "ex\u200bample.com"} {
			cases++
			if got, err := h.VouchDomain(t.Context(), "Vendor Inc", same); err != nil || got.Name != "example.com" {
				t.Errorf("T5: %q is %q, %v", same, got.Name, err)
			}
			if u, err := v.create(a, "case"+string(rune('a'+cases))+"@"+same); err != nil || !strings.HasSuffix(u.Email, "@example.com") {
				t.Errorf("T5: an address at %q is %q, %v", same, u.Email, err)
			}
		}
		for _, other := range []string{"evilexample.com", "example.com.evil.example", "sub.example.com", "ехample.com", "example.co",
			"xn--ample-ywe6i.com", "example.org"} {
			cases++
			_, err := h.RegisterPartner(t.Context(), h.technical("Vendor Inc"), directory.NewPartner{Name: "V", Domains: []string{other}})
			refused(t, err, errs.Invalid, "domain.not_eligible")
			_, err = v.create(a, "john@"+other)
			refused(t, err, errs.Invalid, "email.domain")
		}
		for _, bad := range []string{"", ".", "com", "co.uk", "github.io", "example", "localhost", "example..com", ".example.com", "*.example.com",
			"example.com/", "example.com:25", "john@example.com", "exa mple.com", " example.com", "example.com\n", "exam\x00ple.com",
			"-example.com", "exa_mple.com", "ex\xffample.com", "groups.e-signlive.com", strings.Repeat("a.", 127) + "com",
			strings.Repeat("a", 64) + ".com"} {
			cases++
			if got, err := h.AddDomain(t.Context(), "Vendor Inc", bad); !errs.Is(err, "domain.malformed") {
				t.Errorf("T5: %q was accepted as %q, %v", bad, got.Name, err)
			}
		}
		t.Logf("T5: %d cases", cases)
	})
}

// Of organisations that prove one domain at once, one has it.
func TestOneDomainOneOrganisation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		names := []string{"Aye", "Bee", "Cee", "Dee", "Eee", "Eff", "Gee", "Aitch"}
		dns := zone{}
		for _, name := range names {
			h.technical(name)
			claim, err := h.AddDomain(t.Context(), name, "partner.example")
			if err != nil {
				t.Fatal(err)
			}
			dns["partner.example."] = append(dns["partner.example."], claim.Record())
		}
		won := race(t, 2*len(names), func(i int) error {
			name := names[i/2]
			if i%2 == 0 {
				_, err := h.VerifyDomain(context.Background(), dns, name, "partner.example")
				return err
			}
			_, err := h.VouchDomain(context.Background(), name, "partner.example")
			return err
		}, "domain.taken")
		proven := 0
		for _, name := range names {
			list, err := h.Domains(t.Context(), name)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			if !list[0].Proven.IsZero() {
				proven++
			}
		}
		if n := h.count(`select count(*) from proven_domains`); won != 2 || proven != 1 || n != 1 {
			t.Errorf("%d acts won, %d organisations have it, %d rows; want both acts of one", won, proven, n)
		}
	})
}
