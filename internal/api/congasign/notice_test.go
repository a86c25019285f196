package congasign

import (
	"strings"
	"testing"
)

// Who cannot be stamped is told when he is added, and when his group is shown; nobody else is.
func testNotices(t *testing.T, s *stack) {
	made := s.Post("/api/account/senders", `{"email":"ali@example.com","firstName":"محمد","lastName":"علي"}`).Want(200)
	if notice := made.Header.Get(noticeHeader); !strings.Contains(notice, made.Text("id")) || !strings.Contains(notice, "U+0645") {
		t.Errorf("the notice says %q", notice)
	}
	group := s.Post("/api/cs-groups", `{"name":"G","members":[{"email":"ali@example.com"}]}`).Want(200)
	if group.Header.Get(noticeHeader) == "" {
		t.Error("no notice with the group")
	}
	other := s.Post("/api/account/senders", `{"email":"jose@example.com","firstName":"José","lastName":"山田"}`).Want(200)
	if notice := other.Header.Get(noticeHeader); notice != "" {
		t.Errorf("a notice for a name that can be drawn: %q", notice)
	}
}
