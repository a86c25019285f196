package mail

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/errs"
)

func TestMailbox(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		o := newOffice(t, d, Config{Mailbox: true})
		m := invitation()
		m.Attachments = []Attachment{{"a.pdf", "application/pdf", "blob-1"}, {"b", "", "blob-2"}}
		m.Data = Invitation{Sender: "Sam", Package: "Lease", Message: "See https://example.com/terms, (https://example.com/more).", Link: "https://sign.example.com/s/SECRETLINK"}
		o.send(t, m)
		d.Shift(time.Second)
		o.send(t, Message{To: Address{"Bob", "bob@example.com"}, Data: Code{Package: "Lease", Code: "123456", Minutes: 10}})
		all, err := o.Mailbox(t.Context(), "")
		if err != nil || len(all) != 2 || all[0].To != "bob@example.com" || all[1].To != "ann@example.com" {
			t.Fatalf("%+v, %v", all, err)
		}
		for _, m := range all {
			if want := "Countersign <sign@example.com>"; m.From != want {
				t.Errorf("from %s, want %s", m.From, want)
			}
		}
		if len(all[0].Links) != 0 || !strings.Contains(all[0].Text, "\n    123456\n") {
			t.Errorf("links %v in\n%s", all[0].Links, all[0].Text)
		}
		if want := []string{"https://sign.example.com/s/SECRETLINK", "https://example.com/terms", "https://example.com/more"}; !slices.Equal(all[1].Links, want) {
			t.Errorf("links %v", all[1].Links)
		}
		if want := []MailboxFile{{"a.pdf", "application/pdf", 14}, {"b", "application/octet-stream", 6}}; !slices.Equal(all[1].Attachments, want) {
			t.Errorf("attachments %v", all[1].Attachments)
		}
		anns, err := o.Mailbox(t.Context(), "Ann@Example.com")
		if err != nil || len(anns) != 1 || anns[0].ID != all[1].ID {
			t.Errorf("by recipient: %+v, %v", anns, err)
		}
		name, mime, data, err := o.MailboxAttachment(t.Context(), all[1].ID, 0)
		if err != nil || name != "a.pdf" || mime != "application/pdf" || string(data) != string(blobs["blob-1"]) {
			t.Errorf("%s %s %q, %v", name, mime, data, err)
		}
		for id, n := range map[string]int{all[1].ID: 2, all[0].ID: 0, "x": 0, strings.Repeat("0", 36): -1} {
			if _, _, _, err := o.MailboxAttachment(t.Context(), id, n); !errs.Is(err, "mail.unknown") {
				t.Errorf("attachment %d of %s: %v", n, id, err)
			}
		}
		text, err := json.Marshal(all[0])
		if err != nil || !strings.Contains(string(text), `"links":[],"attachments":[]`) {
			t.Errorf("%s, %v", text, err)
		}
		if sealed := one[[]byte](t, d, `select sealed from mailbox where recipient = 'ann@example.com'`); strings.Contains(string(sealed), "SECRETLINK") {
			t.Error("readable in the database")
		}
	})
}

// Deliveries of one message that run at once, or again after a crash, leave one copy.
func TestMailboxGetsEachMessageOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		o := newOffice(t, d, Config{Mailbox: true})
		o.close() // the test plays the workers
		for range 10 {
			if err := d.Write(t.Context(), func(tx *db.Tx) error { return o.Send(tx, invitation()) }); err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		for _, delivery := range o.deliveries(t, "pkg") {
			ids = append(ids, delivery.ID)
		}
		var wg sync.WaitGroup
		for range 5 {
			for _, id := range ids {
				wg.Go(func() {
					payload, err := json.Marshal(id)
					if err == nil {
						err = o.deliver(t.Context(), payload)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if got, err := o.Mailbox(t.Context(), ""); err != nil || len(got) != 10 {
			t.Errorf("%d messages, %v", len(got), err)
		}
	})
}

func TestMissingAttachmentIsNotDelivered(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		for _, c := range []Config{{Mailbox: true}, {SMTP: plainRelay(relay)}} {
			o := newOffice(t, d, c)
			m := invitation()
			m.Attachments = []Attachment{{"a.pdf", "application/pdf", "gone"}}
			o.send(t, m)
			o.close()
			got := o.deliveries(t, "pkg")
			if last := got[len(got)-1]; last.State != Queued || !strings.Contains(last.Error, "no such blob") {
				t.Errorf("got %+v", got)
			}
		}
		if len(relay.messages()) != 0 {
			t.Error("sent without its attachment")
		}
	})
}

func TestRelayAndMailbox(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		relay := newTestRelay(t, "", nil)
		o := newOffice(t, d, Config{SMTP: plainRelay(relay), Mailbox: true})
		o.send(t, invitation())
		if got, err := o.Mailbox(t.Context(), ""); err != nil || len(got) != 1 || len(relay.messages()) != 1 {
			t.Errorf("%d in the mailbox, %d at the relay, %v", len(got), len(relay.messages()), err)
		}
	})
}
