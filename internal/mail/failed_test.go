package mail

import (
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// Who asked to be told of a message that was given up is told once, in its transaction.
func TestFailureIsTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		relay.refuse = func(int) error { return &smtp.SMTPError{Code: 550, Message: "no such user"} }
		o := newOffice(t, d, Config{SMTP: plainRelay(relay)})
		var told []string
		o.OnFailed(func(_ *db.Tx, _, pkg, kind, to string) error {
			told = append(told, pkg+" "+kind+" "+to)
			return nil
		})
		o.send(t, invitation())
		o.later(t, 24*time.Hour)
		if len(told) != 1 || told[0] != "pkg invitation "+invitation().To.Email {
			t.Errorf("told %q", told)
		}
	})
}
