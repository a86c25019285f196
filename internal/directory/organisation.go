package directory

import (
	"errors"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

// OrganisationNamed finds the organisation a name stands for, and makes it when
// there is none; of those who make it at once one does. It returns the internal
// id. Invalid "name.missing", "name.malformed".
func OrganisationNamed(tx *db.Tx, name string) (id string, err error) {
	if name, err = required("organisation", name); err != nil {
		return "", err
	}
	id = secret.NewID()
	first, err := claimOrganisationName(tx, name, id)
	if err != nil {
		return "", err
	}
	if first {
		return id, makeOrganisation(tx, id, name)
	}
	return organisationByName(tx, name)
}

// claimOrganisationName has a name stand for an organisation, unless it stands for one already.
func claimOrganisationName(tx *db.Tx, name, id string) (first bool, err error) {
	changed, err := tx.Exec(`insert into organisation_names (name, organisation_id) values ($1, $2) on conflict do nothing`, name, id)
	return changed == 1, err
}

func makeOrganisation(tx *db.Tx, id, name string) error {
	_, err := tx.Exec(`insert into organisations (id, outer_id, name, created_ms) values ($1, $2, $3, clock_ms())`,
		id, secret.NewGUID(), name)
	return err
}

// showOrganisation gives an organisation of before there were partners its outer id.
func showOrganisation(tx *db.Tx, id string) error {
	_, err := tx.Exec(`update organisations set outer_id = $2 where id = $1 and outer_id = ''`, id, secret.NewGUID())
	return err
}

// organisationByName is the internal id. NotFound "organisation.unknown".
func organisationByName(tx *db.Tx, name string) (id string, err error) {
	name, ok := line(name)
	if !ok {
		name = "" // nobody's
	}
	id, err = db.One[string](tx, `select organisation_id from organisation_names where name = $1`, name)
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.NotFound, "organisation.unknown", "There is no such organisation.").On("organisation")
	}
	return id, err
}

// joinOrganisation is the organisation that a new account belongs to.
func joinOrganisation(tx *db.Tx, in NewAccount) (id string, err error) {
	if in.Organisation != "" {
		return OrganisationNamed(tx, in.Organisation)
	}
	id = secret.NewID()
	if _, err = claimOrganisationName(tx, in.Name, id); err != nil {
		return "", err
	}
	return id, makeOrganisation(tx, id, in.Name)
}
