package console

import (
	"countersign.dev/internal/directory"
)

// listedAtOnce is how many lines a part of a list has.
const listedAtOnce = 50

// usersPage is the view of the list of users.
type usersPage struct {
	Form  form // the filter
	Users []directory.Listed
	Total int64
	Pager pages
}

// users lists the account's users.
func (c *console) users(v *visit) error {
	v.trail("Users", "")
	view := usersPage{Form: form{Values: v.r.URL.Query()}}
	f := directory.ListedFilter{Status: orElse(v.asked("status"), "active"), Search: v.asked("search"), Licence: v.asked("licence")}
	found, err := c.Directory.Users(v.ctx(), v.p, f, v.asked("after"), listedAtOnce)
	if err != nil {
		return err
	}
	view.Users, view.Total = found.Users, found.Total
	view.Pager = v.pager(found.Next, number(found.Total)+plural(int(found.Total), " user", " users"))
	return v.show("users", view)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// userForm is the view of the page on which a user is made.
type userForm struct{ Form form }

// newUser asks whom to invite.
func (c *console) newUser(v *visit) error {
	v.trail("Users", v.path("users"), "New user", "")
	return v.show("user_new", userForm{filled("type", directory.Regular)})
}

// createUser invites a sender to the account.
func (c *console) createUser(v *visit) error {
	u, created, err := c.Directory.InviteSender(v.ctx(), v.p, directory.NewUser{Email: v.value("email"), FirstName: v.value("firstName"),
		LastName: v.value("lastName"), Title: v.value("title"), Company: v.value("company"), Type: v.value("type")})
	if err != nil {
		v.trail("Users", v.path("users"), "New user", "")
		return v.again(err, "user_new", userForm{v.refused(err)})
	}
	word := "user.created"
	if !created {
		word = "user.known"
	}
	return v.done(v.path("users", u.SenderID), word)
}
