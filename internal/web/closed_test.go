package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// TestClosedLinks: a link that has nothing to sign says why, and has no button (L3).
func TestClosedLinks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		ctx := context.Background()
		trashed := true
		for name, c := range map[string]struct {
			close func(h *house, id string, g directory.Group) error
			says  string
		}{
			"withdrawn": {func(h *house, id string, _ directory.Group) error {
				return h.signing.Update(ctx, h.client, id, signing.Change{Trashed: &trashed})
			}, "The sender has withdrawn this package"},
			"declined": {func(h *house, id string, _ directory.Group) error {
				c := h.newBrowser()
				base, epoch := c.start(john)
				if a := c.json(base+"/decline", fmt.Sprintf(`{"epoch":%s,"reason":"Wrong pharmacy"}`, epoch)); a.StatusCode != http.StatusNoContent {
					return fmt.Errorf("decline: %d %s", a.StatusCode, a.body)
				}
				return nil
			}, "Declined by <bdi>John Smith</bdi>"},
			"removed": {func(h *house, id string, g directory.Group) error {
				return h.dir.RemoveMember(ctx, h.client, g.OuterID, g.Members[0].SenderID)
			}, "You are no longer asked to sign"},
			"deleted": {func(h *house, id string, _ directory.Group) error { return h.signing.Delete(ctx, h.client, id) }, "This link is not valid"},
		} {
			t.Run(name, func(t *testing.T) {
				h := newHouse(t, d)
				members := []person{{"Mary", "Doe", name + "." + mary.email}, john}
				g := h.group("Pharmacists "+name, members...)
				id := h.send(agreement(g.OuterID))
				link := h.link(members[0])
				g = must(h.dir.GetGroup(ctx, h.client, g.OuterID))
				if g.Members[0].Email != members[0].email {
					g.Members[0] = g.Members[1]
				}
				if err := c.close(h, id, g); err != nil {
					t.Fatal(err)
				}
				page := h.newBrowser().get(link)
				if !strings.Contains(page.body, c.says) || strings.Contains(page.body, "Start signing") {
					t.Errorf("%d, want %q in\n%s", page.StatusCode, c.says, page.body)
				}
			})
		}
	})
}

// TestDeletedWhileSigning: every call tells that the package is gone, in words of its own that pages
// know, and the page leads to the inbox.
func TestDeletedWhileSigning(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		id := h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
		c := h.newBrowser()
		base, epoch := c.start(mary)
		if err := h.signing.Delete(context.Background(), h.client, id); err != nil {
			t.Fatal(err)
		}
		answers := map[string]answer{"state": c.get(base + "/state")}
		for act, body := range bodies {
			if strings.Contains(body, "%s") {
				body = fmt.Sprintf(body, epoch)
			}
			answers[act] = c.json(base+"/"+act, body)
		}
		for act, a := range answers {
			if a.StatusCode != http.StatusNotFound || !strings.Contains(a.body, `"what":"visit.unknown"`) {
				t.Errorf("%s: %d %s", act, a.StatusCode, a.body)
			}
		}
		for _, path := range []string{base, base + "?lease=" + epoch} {
			if a := c.get(path); a.StatusCode != http.StatusNotFound || !strings.Contains(a.body, "This package is no longer there") || !strings.Contains(a.body, `class="button" href="/inbox"`) {
				t.Errorf("%s: %d\n%s", path, a.StatusCode, a.body)
			}
		}
	})
}

// TestNothingToSign: who was made a mere viewer meanwhile is told so, and not asked to start again.
func TestNothingToSign(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		h.send(agreement(h.group("Pharmacists", mary, john).OuterID))
		c := h.newBrowser()
		base, epoch := c.start(mary)
		err := h.db.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(`update roles set state = 'viewer', holder = null`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if a := c.json(base+"/consent", `{"epoch":`+epoch+`}`); a.StatusCode != http.StatusConflict || !strings.Contains(a.body, `"what":"role.viewer"`) {
			t.Errorf("consent: %d %s", a.StatusCode, a.body)
		}
		a := c.form(base+"/take", hiddenFields(c.get(base).body))
		if a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "There is nothing for you to sign") {
			t.Errorf("take: %d\n%s", a.StatusCode, a.body)
		}
	})
}

// TestRemovedWhileSigning is G8 at the pages: the next request of who was removed is refused, and his page is told.
func TestRemovedWhileSigning(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		g := h.group("Pharmacists", mary, john)
		h.send(agreement(g.OuterID))
		c := h.newBrowser()
		base, epoch := c.start(mary)
		m, _ := must(h.dir.GetGroup(context.Background(), h.client, g.OuterID)).Member(memberID(h, g, mary))
		if err := h.dir.RemoveMember(context.Background(), h.client, g.OuterID, m.SenderID); err != nil {
			t.Fatal(err)
		}
		a := c.json(base+"/consent", `{"epoch":`+epoch+`}`)
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, `"what":"member.removed"`) {
			t.Errorf("the next write: %d %s", a.StatusCode, a.body)
		}
		if a := c.get(base + "/state"); !strings.Contains(a.body, `"phase":"closed"`) {
			t.Errorf("the page is not told: %d %s", a.StatusCode, a.body)
		}
		if page := c.get(base + "?lease=" + epoch); strings.Contains(page.body, `class="signing"`) || !strings.Contains(page.body, "This package is closed") {
			t.Errorf("the page still signs: %d\n%s", page.StatusCode, page.body)
		}
	})
}

func memberID(h *house, g directory.Group, p person) string {
	h.t.Helper()
	for _, m := range must(h.dir.GetGroup(context.Background(), h.client, g.OuterID)).Members {
		if m.Email == p.email {
			return m.User.ID
		}
	}
	h.t.Fatalf("%s is no member", p.email)
	return ""
}

// TestGroupLink: whoever opens the group's own link says who he is, and proves it.
func TestGroupLink(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := newHouse(t, d)
		g := h.group("Pharmacists", mary)
		yes, no, address := true, false, "pharmacy@example.com"
		for _, c := range []directory.GroupChange{{Email: &address, EmailMembers: &yes}, {EmailMembers: &no}} { // "no" counts where a choice was made
			if _, err := h.dir.UpdateGroup(context.Background(), h.client, g.OuterID, c); err != nil {
				t.Fatal(err)
			}
		}
		h.send(agreement(g.OuterID))
		c := h.newBrowser()
		link := h.link(person{email: address})
		page := c.get(link)
		if !strings.Contains(page.body, `name="email"`) || strings.Contains(page.body, "Mary Doe") {
			t.Errorf("the group's link does not ask who it is, or tells:\n%s", page.body)
		}
		fields := hiddenFields(page.body)
		for email, want := range map[string]string{"": "", "nobody": "", "john.smith@example.com": "Nobody with this address is asked to sign here."} {
			fields.Set("email", email)
			a := c.form("/s", fields)
			if a.StatusCode < 400 || a.StatusCode > 499 || !strings.Contains(a.body, `role="alert"`) || !strings.Contains(a.body, want) {
				t.Errorf("%q: %d\n%s", email, a.StatusCode, a.body)
			}
		}
		fields.Set("email", "Mary.Doe@Example.com ")
		a := c.form("/s", fields)
		if a.StatusCode != http.StatusSeeOther || !strings.HasSuffix(a.Header.Get("Location"), "?sent") {
			t.Errorf("Mary: %d %s\n%s", a.StatusCode, a.Header.Get("Location"), a.body)
		}
		if h.code(mary) == "" {
			t.Error("Mary got no code")
		}
	})
}
