package mail

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// kinds has one of each, with what its reader must find in it.
var kinds = map[string]struct {
	data Data
	want []string
}{
	"invitation": {invitation().Data, []string{"Ann Member", "Sam Sender of Example Ltd", "on behalf of Legal", "24 December 2026, 18:00 UTC",
		"Please have a look.", "Review and sign", "https://sign.example.com/s/SECRETLINK", "Nothing is signed until", yoursAlone}},
	"invitation of a single signer": {Invitation{Person: "Ann", Sender: "Sam", Package: "Lease", Link: "https://l.example.com/1"},
		[]string{"Hello Ann,", "Sam asks you to sign “Lease”.", "https://l.example.com/1", yoursAlone}},
	"invitation of a whole group": {Invitation{Sender: "Sam", Package: "Lease", Group: "Legal", Link: "https://l.example.com/1", Shared: true},
		[]string{"Hello,", "which member of Legal you are"}},
	"reminder": {Reminder{Person: "Ann", Sender: "Sam", Package: "Lease", Message: "First words", Note: "Second words", Group: "Legal", Link: "https://l.example.com/1"},
		[]string{"Reminder: please sign “Lease” for Legal", "Second words", "https://l.example.com/1"}},
	"code": {Code{Person: "Ann", Package: "Lease", Code: "048261", Minutes: 10}, []string{"048261", "“Lease”", "10 minutes", "ignore this message"}},
	"completed": {Completed{Person: "Ann", Package: "Lease", Sender: "Sam", Group: "Legal", SignedBy: "Bob", Link: "https://l.example.com/1"},
		[]string{"Completed: “Lease”", "Bob signed on behalf of Legal.", "https://l.example.com/1"}},
	"lease_free": {LeaseFree{"Ann", "Lease", "Legal", "https://l.example.com/1"}, []string{"Nobody is signing “Lease” for Legal any more", "https://l.example.com/1"}},
	"declined":   {DeclinedNotice{"Sam", "Lease", "Ann", "Legal", "Wrong price"}, []string{"Ann declined to sign “Lease” on behalf of Legal.", "Wrong price"}},
	"expired": {ExpiredNotice{"Sam", "Lease", time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC), []string{"Ann", "Legal"}},
		[]string{"“Lease” was not finished by 24 December 2026, 18:00 UTC", "not signed by Ann, Legal."}},
	"callback_failed": {CallbackFailed{"Sam", "Example Ltd", "hooks.example.com", "PACKAGE_COMPLETE", "the receiver answered 500"},
		[]string{"tell hooks.example.com of events of Example Ltd", "PACKAGE_COMPLETE was given up: the receiver answered 500."}},
	"withdrawn":        {Withdrawn{"Ann", "Lease", "Sam", "Legal"}, []string{"Sam withdrew “Lease”", "no longer works"}},
	"group_invitation": {GroupInvitation{"Ann", "Legal", "Example Ltd", "Sam"}, []string{"signer group Legal of Example Ltd, added by Sam."}},
	"sign_in": {SignIn{"Ann", "https://sign.example.com/console/sign-in/link?token=T", 15},
		[]string{"asked to sign in with this address", "15 minutes, once", "https://sign.example.com/console/sign-in/link?token=T", "ignore this message", yoursAlone}},
	"password_link": {PasswordLink{"", "https://l.example.com/1", 15}, []string{"Hello,", "Set a password", "https://l.example.com/1", "15 minutes, once", "ignore this message", yoursAlone}},
	"password_set": {PasswordSet{"Ann", "Example Ltd", time.Date(2026, 12, 24, 18, 0, 0, 0, time.UTC), "https://l.example.com/1"},
		[]string{"Your password for Example Ltd was set on 24 December 2026, 18:00 UTC", "tell your administrator", "https://l.example.com/1"}},
	"sender_invitation": {SenderInvitation{"Ann", "Example Ltd", ""}, []string{"You are now a sender of Example Ltd:"}},
}

func TestEveryKindSaysItsPart(t *testing.T) {
	for name, c := range kinds {
		t.Run(name, func(t *testing.T) {
			l := c.data.letter()
			l.Product, l.Home = "Countersign", "https://sign.example.com"
			l = l.clean()
			text, html, err := l.render()
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(name, " "); l.kind != first {
				t.Errorf("kind %q", l.kind)
			}
			plain := tags.ReplaceAllString(html, "")
			for _, want := range c.want {
				if !strings.Contains(plain, want) {
					t.Errorf("no %q in the HTML\n%s", want, html)
				}
				if want != l.Subject && !strings.Contains(text, want) && !strings.Contains(l.Subject, want) {
					t.Errorf("no %q in the text\n%s", want, text)
				}
			}
			buttons := 0
			if l.Link != "" {
				buttons = 1
			}
			if n := strings.Count(html, `class="button"`); n != buttons {
				t.Errorf("%d buttons, want %d", n, buttons)
			}
			if l.Code == "" && regexp.MustCompile(`\b\d{6}\b`).MatchString(text+html) {
				t.Error("something looks like a code")
			}
			if strings.Contains(text, "\n\n\n") || strings.Contains(text, "  \n") || strings.Contains(html, "<no value>") {
				t.Errorf("ragged text:\n%s", text)
			}
			if len(text) > 1500 {
				t.Errorf("%d characters are too many", len(text))
			}
		})
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

func TestSharedLinkIsNotCalledPersonal(t *testing.T) {
	for _, d := range []Data{Invitation{Group: "Legal", Link: "https://l.example.com", Shared: true}, Reminder{Group: "Legal", Link: "https://l.example.com", Shared: true}} {
		if text, _, err := d.letter().render(); err != nil || strings.Contains(text, yoursAlone) {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// L6: markup in what people write is shown, not obeyed; links that are programs are not links.
func TestL6MarkupIsInert(t *testing.T) {
	const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>"><a href='javascript:alert(3)'>{{.Link}}`
	for _, d := range []Data{
		Invitation{evil, evil, evil, evil, evil, evil, "javascript:alert(4)", time.Time{}, false},
		Code{evil, evil, evil, 10}, Completed{evil, evil, evil, evil, evil, `https://l.example.com/"><script>`},
		LeaseFree{evil, evil, evil, "data:text/html,x"}, DeclinedNotice{evil, evil, evil, evil, evil}, Withdrawn{evil, evil, evil, evil},
		GroupInvitation{evil, evil, evil, evil}, SenderInvitation{evil, evil, evil},
		Reminder{Person: evil, Note: evil, Link: "vbscript:x"},
	} {
		l := d.letter()
		l.Product, l.Files = evil, []string{evil}
		_, html, err := l.clean().render()
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<script", "<img", "href=\"javascript", "href=\"data", "href=\"vbscript", "<a href='", "onerror=alert(2)>\""} {
			if strings.Contains(html, bad) {
				t.Errorf("%T: %s in\n%s", d, bad, html)
			}
		}
	}
}

func TestForeignWordsCannotPassForOurs(t *testing.T) {
	d := invitation().Data.(Invitation)
	d.Message = "Hi\r\n\r\n-- \r\nCountersign\r\nReview and sign:\nhttps://evil.example.com/"
	d.Person = "Ann,\n\nReview and sign:\nhttps://evil.example.com/"
	l := d.letter().clean()
	text, _, err := l.render()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "https://evil") {
			t.Errorf("a line of its own in\n%s", text)
		}
	}
	if n := strings.Count(text, signature); n != 1 {
		t.Errorf("%d signatures in\n%s", n, text)
	}
}
