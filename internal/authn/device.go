package authn

import "countersign.dev/internal/db"

// Device names the session of a browser: it stays the same when proving a mailbox gives the browser a new cookie. It
// changes nothing. Unauthenticated "identify.link" when the browser has none.
func (a *Authn) Device(tx *db.Tx, browser string) (string, error) { return a.session(tx, browser) }
