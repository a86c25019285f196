package directory_test

import (
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// T13: a partner's administrator says how people sign in only where all accounts are its partners': an organisation's own
// account is none that he reaches, and who says where its people sign in passes for them.
func TestT13AdministratorsSpeakForTheirPartnersAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("Customer")
		_, op := h.staff("op@example.com", "", directory.Operator, a)
		_, admin := h.staff("admin@vendor.example", "Vendor Inc", directory.PartnerAdmin, a)
		organisation := v.now().Organisation
		h.write(func(tx *db.Tx) error { _, err := directory.SpeaksFor(tx, admin, organisation); return err })
		h.account("Legal department", "Vendor Inc")
		h.write(func(tx *db.Tx) error {
			_, err := directory.SpeaksFor(tx, admin, organisation)
			refused(t, err, errs.Denied, "organisation.not_yours")
			_, err = directory.SpeaksFor(tx, op, organisation)
			return err
		})
	})
}
