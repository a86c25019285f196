package congasign

import (
	"testing"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/signing"
)

// An event without the owner's address does not tell his mailbox, for which an alias may stand.
func TestOwnersMailboxIsNotTold(t *testing.T) {
	p := signing.Package{Roles: []signing.Role{{Kind: signing.Owner, Signer: signing.Signer{UserID: "u", FirstName: "Ann", LastName: "Lee", Email: "ann@example.com"}}}}
	out := wordEvents(audit.Record{Event: audit.Event{Type: "document.downloaded", Actor: audit.Actor{User: "u"}}}, p)
	if len(out) != 1 || out[0].User != "Ann Lee" || out[0].UserEmail != "" {
		t.Errorf("%+v", out)
	}
}
