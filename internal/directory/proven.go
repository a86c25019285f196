package directory

import (
	"errors"

	"countersign.dev/internal/db"
)

// ProvenBy is the organisation, by its internal id, that has proved the domain of an address its own; "" is none.
// Labels must be equal: who has a domain does not speak for those below it. Invalid "email.malformed".
func ProvenBy(tx *db.Tx, email string) (organisation string, err error) {
	if email, err = CanonicalEmail(email); err != nil {
		return "", err
	}
	organisation, err = db.One[string](tx, `select organisation_id from proven_domains where name = $1`, domainOf(email))
	if errors.Is(err, db.ErrNone) {
		err = nil
	}
	return organisation, err
}

// OrganisationByName is the internal id of the organisation that a name stands for. NotFound "organisation.unknown".
func OrganisationByName(tx *db.Tx, name string) (id string, err error) {
	return organisationByName(tx, name)
}
