package congasign

import (
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
)

// A package's own schedule of reminders: made and read before it is sent, changed and deleted afterwards.
func TestReminderSchedules(t *testing.T) {
	// The clock is shifted by more than tokens and keys live, so the database is its own.
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) { testReminderSchedules(t, newStack(t, d).fresh(t)) })
}

func testReminderSchedules(t *testing.T, s *stack) {
	s.Authorization = s.apiKey("") // which outlives tokens
	one := s.draft()
	path := one + "/reminders"
	id := one[len("/api/packages/"):]
	if got := s.Get(path).Want(204); len(got.Body) != 0 {
		t.Errorf("%s", got.Body)
	}
	s.Delete(path).Want(204)
	made := s.Post(path, `{"packageId":"`+id+`","repetitionsCount":5,"startInDaysDelay":2,"intervalInDays":1,"reminders":null}`).Want(200)
	wantBody(t, s.Get(path), string(made.Body))
	wantBody(t, made, `{"packageId":"`+id+`","startInDaysDelay":2,"intervalInDays":1,"repetitionsCount":5,"reminders":[]}`)
	for _, bad := range []string{`{"startInDaysDelay":0}`, `{"startInDaysDelay":366}`, `{"intervalInDays":0}`, `{"intervalInDays":-1}`,
		`{"repetitionsCount":6}`, `{"repetitionsCount":-1}`} {
		wantKey(t, s.Put(path, bad), 400, "error.validation.reminder.range")
	}
	wantKey(t, s.Put(path, `{"packageId":"other"}`), 400, "error.validation.reminder.package")
	s.Put(path, `{"startInDaysDelay":"x"}`).Want(400)
	s.Put(path, `{"packageId":"`+id+`","repetitionsCount":2,"startInDaysDelay":3,"intervalInDays":1}`).Want(200)
	s.Post(one, `{"status":"SENT"}`).Want(200)
	sent := s.Get(path).Want(200)
	if list := sent.At("reminders").([]any); len(list) != 2 || sent.At("reminders.0.sentDate") != nil {
		t.Fatalf("%s", sent.Body)
	}
	first, err := time.Parse(time.RFC3339, sent.Text("reminders.0.date"))
	must(t, err)
	second, err := time.Parse(time.RFC3339, sent.Text("reminders.1.date"))
	if err != nil || second.Sub(first) != 24*time.Hour {
		t.Errorf("%v, %v", second.Sub(first), err)
	}
	before := s.mails("signer1@example.com")
	s.db.Shift(3*24*time.Hour + time.Second)
	if n := s.mails("signer1@example.com"); n != before+1 {
		t.Errorf("%d mails, then %d", before, n)
	}
	if got := s.Get(path).Want(200); got.At("reminders.0.sentDate") == nil || got.At("reminders.1.sentDate") != nil {
		t.Errorf("%s", got.Body)
	}
	s.Put(path, `{"repetitionsCount":4,"startInDaysDelay":1,"intervalInDays":2}`).Want(200)
	s.Delete(path).Want(204)
	s.Get(path).Want(204)
	s.db.Shift(30 * 24 * time.Hour)
	if n := s.mails("signer1@example.com"); n != before+1 {
		t.Errorf("%d mails without a schedule", n-before-1)
	}
	s.Post(path, `{}`).Want(200)
	s.Post(one, `{"status":"DRAFT"}`)
	other := s.fresh(t)
	other.Get(path).Want(404)
	other.Put(path, `{}`).Want(404)
	other.Delete(path).Want(404)
}
