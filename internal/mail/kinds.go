package mail

import (
	"fmt"
	"strings"
	"time"
)

// Data is what a message says: one of the structs of this file.
type Data interface {
	letter() letter
}

// Invitation asks a signer to sign.
type Invitation struct {
	Person  string // who is asked; empty for a group's shared mailbox
	Sender  string // who asks
	Account string // in whose name
	Package string
	Message string // the sender's own words; may be empty
	Group   string // for which the person may sign; empty for a single signer
	Link    string // personal, or the group's when Shared
	Due     time.Time
	// Shared: the message goes to the group's own address, and whoever opens the link says who he is.
	Shared bool
}

func (d Invitation) letter() letter {
	l := letter{
		kind:       "invitation",
		Subject:    fmt.Sprintf("%s asks you to sign “%s”%s", d.Sender, d.Package, on(" for ", d.Group)),
		Person:     d.Person,
		Paragraphs: []string{fmt.Sprintf("%s%s asks you to sign “%s”%s.", d.Sender, on(" of ", d.Account), d.Package, on(" on behalf of ", d.Group))},
		QuoteOf:    d.Sender, Quote: d.Message,
		Button: "Review and sign", Link: d.Link,
		After: []string{"The button opens the documents in your browser. Nothing is signed until you say so there."},
	}
	if d.Group != "" {
		l.Paragraphs = append(l.Paragraphs, fmt.Sprintf("Any member of %s can sign. Whoever starts first signs for the group; the others are then locked out.", d.Group))
	}
	if !d.Due.IsZero() {
		l.Paragraphs = append(l.Paragraphs, "Please sign before "+d.Due.UTC().Format("2 January 2006, 15:04 UTC")+".")
	}
	if d.Shared {
		l.After = append(l.After, fmt.Sprintf("The page asks which member of %s you are, and sends a code to your own mailbox.", d.Group))
	} else {
		l.After = append(l.After, yoursAlone)
	}
	return l
}

const yoursAlone = "This link is yours alone: do not forward it."

// Reminder asks a signer again, with a note of the sender.
type Reminder struct {
	Person, Sender, Account, Package, Message, Group, Link string // as in Invitation
	Due                                                    time.Time
	Shared                                                 bool
	Note                                                   string // the sender's words for this reminder; empty repeats Message
}

func (d Reminder) letter() letter {
	l := Invitation{d.Person, d.Sender, d.Account, d.Package, d.Message, d.Group, d.Link, d.Due, d.Shared}.letter()
	l.kind, l.Subject = "reminder", fmt.Sprintf("Reminder: please sign “%s”%s", d.Package, on(" for ", d.Group))
	if d.Note != "" {
		l.Quote = d.Note
	}
	return l
}

// Code carries the code that proves a mailbox.
type Code struct {
	Person, Package string
	Code            string
	Minutes         int // how long it holds
}

func (d Code) letter() letter {
	return letter{
		kind: "code", Subject: fmt.Sprintf("Your code for “%s”", d.Package), Person: d.Person,
		Paragraphs: []string{fmt.Sprintf("Enter this code on the page that asked for it, to show that this mailbox is yours. Then you can go on to “%s”.", d.Package)},
		Code:       d.Code,
		After: []string{fmt.Sprintf("The code works for %d minutes, once, and only in the browser that asked for it.", d.Minutes),
			"Nobody will ever ask you to tell it. If you did not ask for a code, ignore this message."},
	}
}

// Completed says that everybody has signed.
type Completed struct {
	Person, Package, Sender string
	Group, SignedBy         string // SignedBy signed on behalf of Group; both empty for a single signer
	Link                    string // to the finished documents; may be empty
}

func (d Completed) letter() letter {
	l := letter{
		kind: "completed", Subject: fmt.Sprintf("Completed: “%s”", d.Package), Person: d.Person,
		Paragraphs: []string{fmt.Sprintf("Everybody has signed “%s”%s. The documents are sealed: any later change to them would show.", d.Package, on(", sent by ", d.Sender))},
	}
	if d.Group != "" && d.SignedBy != "" {
		l.Paragraphs = append(l.Paragraphs, fmt.Sprintf("%s signed on behalf of %s.", d.SignedBy, d.Group))
	}
	if d.Link != "" {
		l.Button, l.Link, l.After = "See the documents", d.Link, []string{yoursAlone}
	}
	return l
}

// LeaseFree tells a waiting member that the group's signature can be given again.
type LeaseFree struct{ Person, Package, Group, Link string }

func (d LeaseFree) letter() letter {
	return letter{
		kind: "lease_free", Subject: fmt.Sprintf("“%s” is free to be signed again", d.Package), Person: d.Person,
		Paragraphs: []string{fmt.Sprintf("Nobody is signing “%s” for %s any more. You asked to be told.", d.Package, d.Group)},
		Button:     "Review and sign", Link: d.Link,
		After: []string{"Whoever starts first signs for the group. Nothing is signed until you say so.", yoursAlone},
	}
}

// DeclinedNotice says that a signer declined; Group is empty for a single signer, Reason may be.
type DeclinedNotice struct{ Person, Package, By, Group, Reason string }

func (d DeclinedNotice) letter() letter {
	return letter{
		kind: "declined", Subject: fmt.Sprintf("Declined: “%s”", d.Package), Person: d.Person,
		Paragraphs: []string{fmt.Sprintf("%s declined to sign “%s”%s. Nobody can sign it any more.", d.By, d.Package, on(" on behalf of ", d.Group))},
		QuoteOf:    d.By, Quote: d.Reason,
	}
}

// ExpiredNotice tells the sender that a package's time is up; Waiting are those who had not signed.
type ExpiredNotice struct {
	Person, Package string
	Due             time.Time
	Waiting         []string
}

func (d ExpiredNotice) letter() letter {
	return letter{
		kind: "expired", Subject: fmt.Sprintf("Expired: “%s”", d.Package), Person: d.Person,
		Paragraphs: []string{fmt.Sprintf("“%s” was not finished by %s, its time to sign%s. Nobody can sign it any more, and nobody is reminded.",
			d.Package, d.Due.UTC().Format("2 January 2006, 15:04 UTC"), on("; not signed by ", strings.Join(d.Waiting, ", ")))},
		After: []string{"To have it signed, send it again with another time."},
	}
}

// CallbackFailed tells who looks after an account's callbacks that an event could not be delivered in three days.
type CallbackFailed struct{ Person, Account, Host, Event, Why string }

func (d CallbackFailed) letter() letter {
	return letter{
		kind: "callback_failed", Subject: fmt.Sprintf("Events cannot be delivered to %s", d.Host), Person: d.Person,
		Paragraphs: []string{
			fmt.Sprintf("For three days we tried to tell %s of events of %s. The event %s was given up: %s.", d.Host, d.Account, d.Event, d.Why),
			"Others may be given up, too. You get this message at most once a day for each callback."},
		After: []string{"Check the receiver. Your operator can send again what was given up."},
	}
}

// Withdrawn tells a signer that there is nothing to sign any more; Group is empty for a single signer.
type Withdrawn struct{ Person, Package, Sender, Group string }

func (d Withdrawn) letter() letter {
	return letter{
		kind: "withdrawn", Subject: fmt.Sprintf("Withdrawn: “%s”", d.Package), Person: d.Person,
		Paragraphs: []string{fmt.Sprintf("%s withdrew “%s”, which you were asked to sign%s. There is nothing for you to do; the earlier link no longer works.",
			d.Sender, d.Package, on(" on behalf of ", d.Group))},
	}
}

// GroupInvitation tells a person that he is a member of a group now. By may be empty.
type GroupInvitation struct{ Person, Group, Account, By string }

func (d GroupInvitation) letter() letter {
	return letter{
		kind: "group_invitation", Subject: fmt.Sprintf("You can sign for %s", d.Group), Person: d.Person,
		Paragraphs: []string{
			fmt.Sprintf("You are now a member of the signer group %s%s%s.", d.Group, on(" of ", d.Account), on(", added by ", d.By)),
			fmt.Sprintf("When a document is sent to %s, you get a message with a link of your own. Any member can sign it for the group.", d.Group)},
		After: []string{"There is nothing for you to do now."},
	}
}

// SenderInvitation tells a person that he may send and sign documents for an account. By may be empty.
type SenderInvitation struct{ Person, Account, By string }

func (d SenderInvitation) letter() letter {
	return letter{
		kind: "sender_invitation", Subject: fmt.Sprintf("You are invited to %s", d.Account), Person: d.Person,
		Paragraphs: []string{
			fmt.Sprintf("You are now a sender of %s%s: you can send documents for signature and sign them.", d.Account, on(", invited by ", d.By)),
			"The first time you open a link from us, you are asked to show that this mailbox is yours."},
		After: []string{"There is nothing for you to do now."},
	}
}

// SignIn carries the link that signs a person in to the console.
type SignIn struct {
	Person  string // empty when several people share the address
	Link    string
	Minutes int // how long it holds
}

func (d SignIn) letter() letter {
	return letter{
		kind: "sign_in", Subject: "Your link to sign in", Person: d.Person,
		Paragraphs: []string{"Somebody, hopefully you, asked to sign in with this address. The link opens a page on which you confirm it."},
		Button:     "Sign in", Link: d.Link,
		After: []string{fmt.Sprintf("The link works for %d minutes, once.", d.Minutes), unasked, yoursAlone},
	}
}

const unasked = "If it was not you who asked, ignore this message: without the link nobody gets in."

// PasswordLink carries the link with which a person sets a password; its fields are SignIn's.
type PasswordLink SignIn

func (d PasswordLink) letter() letter {
	return letter{
		kind: "password_link", Subject: "Set your password", Person: d.Person,
		Paragraphs: []string{"Somebody, hopefully you, asked to set a new password for this address. The link opens a page on which you choose it."},
		Button:     "Set a password", Link: d.Link,
		After: []string{fmt.Sprintf("The link works for %d minutes, once. Your present password, if you have one, works until you set a new one.", d.Minutes),
			unasked, yoursAlone},
	}
}

// PasswordSet tells a person that his password was set. Account may be empty.
type PasswordSet struct {
	Person, Account string
	At              time.Time
	Link            string // where to ask for a link, if it was not he
}

func (d PasswordSet) letter() letter {
	return letter{
		kind: "password_set", Subject: "Your password was set", Person: d.Person,
		Paragraphs: []string{fmt.Sprintf("Your password%s was set on %s. Wherever else you were signed in, you are signed out.",
			on(" for ", d.Account), d.At.UTC().Format("2 January 2006, 15:04 UTC")),
			"If it was not you, set another one at once and tell your administrator."},
		Button: "Go to the sign-in page", Link: d.Link,
	}
}

// on is lead and name, or nothing without a name.
func on(lead, name string) string {
	if name == "" {
		return ""
	}
	return lead + name
}
