package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign.dev/internal/authn"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// TestPasswordOfOneOfSeveral: who is several people at one address says for whom the mailed link sets a password, and no
// page has it in its text.
func TestPasswordOfOneOfSeveral(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		email, words := h.people["sender"].email, "correct horse battery"
		boss := must(h.dir.CreateStaff(context.Background(), directory.NewStaff{Email: email, Name: "Ben O.", Role: directory.Operator}))
		c := h.newBrowser()
		c.post("/console/sign-in", "/console/sign-in/forgotten", url.Values{"email": {email}})
		link := h.mailed(email, authn.PasswordPath)
		set := url.Values{"token": {must(url.Parse(link)).Query().Get("token")}, "password": {words}, "again": {words}}
		a := c.post(link, "/console/sign-in/password", set)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `value="`+boss.ID+`"`) || strings.Contains(a.body, words) {
			t.Fatalf("%d\n%s", a.StatusCode, a.body)
		}
		set.Set("person", boss.ID)
		if a = c.post(link, "/console/sign-in/password", set); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d\n%s", a.StatusCode, a.body)
		}
		if a = c.get("/console"); !strings.Contains(a.body, "Ben O.") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
	})
}
