package signing_test

import (
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// Letters and pages name an account as people know it, not by the name that a partner's program gave it.
func TestAccountIsNamedAsPeopleKnowIt(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), directory.Always)
	w.work()
	w.exec(`update accounts set name = 'JoesBikeShop5933', company = 'Joe’s Bike Shop' where id = $1`, w.account.ID)
	w.send(personRole("role1", "Ann", "Lee", "ann@example.com", 0))
	w.settle()
	link := w.token("ann@example.com")
	inv, err := w.signing.Look(t.Context(), link)
	check(t, err)
	box, err := w.post.Mailbox(t.Context(), "ann@example.com")
	check(t, err)
	v := w.prove(w.enter("ann@example.com"), "ann@example.com")
	page, err := w.signing.Ceremony(t.Context(), v)
	check(t, err)
	if inv.AccountName != "Joe’s Bike Shop" || page.AccountName != inv.AccountName {
		t.Errorf("the pages name %q and %q", inv.AccountName, page.AccountName)
	}
	for _, l := range box {
		if strings.Contains(l.Text+l.HTML, "5933") {
			t.Errorf("the letter says:\n%s", l.Text)
		}
	}
	if len(box) == 0 || !strings.Contains(box[len(box)-1].Text, " of Joe’s Bike Shop asks you to sign") {
		t.Errorf("%d letters", len(box))
	}
}
