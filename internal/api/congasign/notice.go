package congasign

import (
	"fmt"
	"strings"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// noticeHeader carries what a client should know although its call succeeded.
const noticeHeader = "X-Countersign-Notice"

// maxNotice keeps a header of many members short.
const maxNotice = 1000

// notices tells who of these cannot sign because no font of the server's can draw his name: the sender
// learns it when he adds the person, not when the person stands before the document.
func (s *surface) notices(users ...directory.User) map[string]string {
	var told []string
	for _, u := range users {
		missing := s.signing.Undrawable(u.Name())
		if len(missing) == 0 {
			continue
		}
		told = append(told, fmt.Sprintf("sender %s cannot sign: no font draws %U of his name", u.SenderID, missing))
	}
	if len(told) == 0 {
		return nil
	}
	text := strings.Join(told, "; ")
	return map[string]string{noticeHeader: text[:min(len(text), maxNotice)]}
}

// documentNotices tells what the airlock repaired in documents or took out of them.
func documentNotices(docs ...signing.Document) map[string]string {
	var told []string
	for _, d := range docs {
		for _, note := range d.Notes {
			told = append(told, fmt.Sprintf("document %q: %s", d.OuterID, note))
		}
	}
	return notice(told...)
}

// notice is the header that says these things; what a header cannot carry is left out.
func notice(told ...string) map[string]string {
	if len(told) == 0 {
		return nil
	}
	text := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, strings.Join(told, "; "))
	return map[string]string{noticeHeader: text[:min(len(text), maxNotice)]}
}

// memberUsers are a group's members as users.
func memberUsers(g directory.Group) []directory.User {
	users := make([]directory.User, len(g.Members))
	for i, m := range g.Members {
		users[i] = m.User
	}
	return users
}
