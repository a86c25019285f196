package directory

import (
	"context"

	"countersign.dev/internal/db"
)

// Accounts are all accounts of the server, the oldest first. It is the operator's to ask.
func (d *Directory) Accounts(ctx context.Context) (all []Account, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := db.All[accountRow](tx, `select `+accountColumns+`
			from accounts a left join partners p on p.id = a.partner_id order by a.id`)
		for _, r := range rows {
			all = append(all, r.account())
		}
		return err
	})
	return all, err
}

// SetAccount changes the settings of an account, given by its outer id, and its
// logo: what is zero stays, what is Inherit is unset and so its channel's again;
// nil keeps the logo, an empty one removes it. It is
// the operator's act. NotFound "account.unknown"; Invalid "settings.range",
// "settings.wider", "logo.malformed".
func (d *Directory) SetAccount(ctx context.Context, outerID string, s Settings, logo []byte) error {
	if err := s.clean(); err != nil {
		return err
	}
	image, err := cleanLogo(logo)
	if err != nil {
		return err
	}
	return d.db.Write(ctx, func(tx *db.Tx) error {
		a, err := AccountByOuterID(tx, outerID)
		if err == nil && s != (Settings{}) {
			err = changeSettings(tx, operator, a.ID, s)
		}
		if err == nil && image != nil {
			err = image.give(tx, operator, a.ID)
		}
		return err
	})
}

// OrganisationNames are the names of all organisations by their internal ids.
func OrganisationNames(tx *db.Tx) (map[string]string, error) {
	type row struct{ ID, Name string }
	rows, err := db.All[row](tx, `select id, name from organisations`)
	names := make(map[string]string, len(rows))
	for _, r := range rows {
		names[r.ID] = r.Name
	}
	return names, err
}

// IsCountry reports whether code is a two-letter code of ISO 3166-1, in capitals.
func IsCountry(code string) bool { return goodCountry(code) == nil }

// ActivatePartnersAtOnce makes partners ACTIVE as they register, from now on. It is for development.
func (d *Directory) ActivatePartnersAtOnce() { d.registered = PartnerActive }
