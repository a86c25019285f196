package console

import (
	"context"
	"strconv"

	"countersign.dev/internal/directory"
)

// groupsPage is the view of the list of groups.
type groupsPage struct {
	Form   form // the filter
	Groups []groupLine
	New    bool
	Pager  pages
}

type groupLine struct {
	directory.Group
	Pending int // members who have not accepted their invitation
	Path    string
}

// groups lists those that the viewer sees.
func (c *console) groups(v *visit) error {
	v.trail("Groups", "")
	from, err := strconv.Atoi(orElse(v.asked("after"), "0"))
	if err != nil {
		from = 0
	}
	view := groupsPage{Form: form{Values: v.r.URL.Query()}, New: v.may("GET /console/accounts/{account}/groups/new")}
	list, count, err := c.Directory.SeeGroups(v.ctx(), v.p, directory.GroupQuery{Name: v.asked("search"), From: from + 1, To: from + listedAtOnce})
	if err != nil {
		return err
	}
	for _, g := range list {
		l := groupLine{Group: g, Path: v.path("groups", g.OuterID)}
		for _, m := range g.Members {
			if m.Pending {
				l.Pending++
			}
		}
		view.Groups = append(view.Groups, l)
	}
	next := ""
	if from+len(list) < count && len(list) > 0 {
		next = strconv.Itoa(from + len(list))
	}
	view.Pager = v.pager(next, number(count)+plural(count, " group", " groups"))
	return v.show("groups", view)
}

// newGroup asks for a new group.
func (c *console) newGroup(v *visit) error {
	v.trail("Groups", v.path("groups"), "New group", "")
	return v.show("group_new", userForm{filled()})
}

func (c *console) createGroup(v *visit) error {
	g, err := c.Directory.CreateGroup(v.ctx(), v.p, directory.NewGroup{Name: v.value("name"), Email: v.value("email")})
	if err != nil {
		v.trail("Groups", v.path("groups"), "New group", "")
		return v.again(err, "group_new", userForm{v.refused(err)})
	}
	return v.done(v.path("groups", g.OuterID), "group.created")
}

// groupPage is the view of one group.
type groupPage struct {
	directory.SeenGroup
	Path       string
	Present    []directory.Member
	Pending    []directory.Member
	Users      bool // the viewer sees the pages of users
	Senders    []directory.Listed
	Self       string // sender id of the viewer
	Text, Join form
}

// group shows a group with its members.
func (c *console) group(v *visit) error {
	view, err := v.groupPage()
	if err != nil {
		return err
	}
	return v.show("group", view)
}

func (v *visit) groupPage() (view groupPage, err error) {
	if view.SeenGroup, err = v.c.Directory.SeeGroup(v.ctx(), v.p, v.r.PathValue("group")); err != nil {
		return view, err
	}
	g := view.Group
	v.trail("Groups", v.path("groups"), g.Name, "")
	view.Path, view.Users = v.path("groups", g.OuterID), v.may("GET /console/accounts/{account}/users/{user}")
	view.Text, view.Join = filled("name", g.Name, "email", g.Email), filled("type", directory.Regular)
	for _, m := range g.Members {
		if m.ID == v.p.User {
			view.Self = m.SenderID
		}
		if m.Pending {
			view.Pending = append(view.Pending, m)
		} else {
			view.Present = append(view.Present, m)
		}
	}
	if view.Invites { // whom the form offers as one types
		found, err := v.c.Directory.Users(v.ctx(), v.p, directory.ListedFilter{Status: "active", Licence: directory.LicenceSign}, "", 200)
		if err != nil {
			return view, err
		}
		for _, u := range found.Users {
			if _, in := g.Member(u.ID); !in && u.UserType != directory.Integration {
				view.Senders = append(view.Senders, u)
			}
		}
	}
	return view, nil
}

func (v *visit) groupAgain(err error, at func(*groupPage) *form) error {
	view, failed := v.groupPage()
	if failed != nil {
		return failed
	}
	*at(&view) = v.refused(err)
	return v.again(err, "group", view)
}

func (v *visit) toGroup(word string) error {
	return v.done(v.path("groups", v.r.PathValue("group")), word)
}

// changeGroup changes a group's name and e-mail.
func (c *console) changeGroup(v *visit) error {
	name, email := v.value("name"), v.value("email")
	if _, err := c.Directory.UpdateGroup(v.ctx(), v.p, v.r.PathValue("group"), directory.GroupChange{Name: &name, Email: &email}); err != nil {
		return v.groupAgain(err, func(p *groupPage) *form { return &p.Text })
	}
	return v.toGroup("group.changed")
}

// addMember puts somebody into a group by his address; who is no sender yet is invited.
func (c *console) addMember(v *visit) error {
	_, created, err := c.Directory.InviteMember(v.ctx(), v.p, v.r.PathValue("group"),
		directory.NewUser{Email: v.value("email"), FirstName: v.value("firstName"), LastName: v.value("lastName")}, v.value("type"))
	if err != nil {
		return v.groupAgain(err, func(p *groupPage) *form { return &p.Join })
	}
	if created {
		return v.toGroup("member.invited")
	}
	return v.toGroup("member.added")
}

// onMember does one act on the member of the address.
func (v *visit) onMember(act func(ctx context.Context, group, sender string) error, word string) error {
	if err := act(v.ctx(), v.r.PathValue("group"), v.r.PathValue("user")); err != nil {
		return err
	}
	return v.toGroup(word)
}

func (c *console) inviteAgain(v *visit) error {
	return v.onMember(func(ctx context.Context, group, sender string) error {
		return c.Directory.InviteAgain(ctx, v.p, group, sender)
	}, "member.again")
}

func (c *console) retypeMember(v *visit) error {
	return v.onMember(func(ctx context.Context, group, sender string) error {
		_, err := c.Directory.RetypeMember(ctx, v.p, group, sender, v.value("type"))
		return err
	}, "member.typed")
}

func (c *console) removeMember(v *visit) error {
	return v.onMember(func(ctx context.Context, group, sender string) error {
		return c.Directory.RemoveMember(ctx, v.p, group, sender)
	}, "member.removed")
}

// askEndGroup asks before a group is deleted.
func (c *console) askEndGroup(v *visit) error {
	g, err := c.Directory.SeeGroup(v.ctx(), v.p, v.r.PathValue("group"))
	if err != nil {
		return err
	}
	v.trail("Groups", v.path("groups"), g.Name, v.path("groups", g.OuterID), "Delete", "")
	return v.show("ask", askPage{Title: "Delete the group", Name: g.Name, Danger: true, Word: "Delete", Back: v.path("groups", g.OuterID), Path: v.path("groups", g.OuterID, "end"),
		Text: "Its members can sign for it no more, also packages that are under way. What it signed stays as it is. Its name is free again."})
}

func (c *console) endGroup(v *visit) error {
	if err := c.Directory.DeleteGroup(v.ctx(), v.p, v.r.PathValue("group")); err != nil {
		return err
	}
	return v.done(v.path("groups"), "group.ended")
}

// signerGroups are the pages of groups. Who of those that see a group may change it is for the directory to say.
func (c *console) signerGroups() []route {
	const group, seen = account + "/groups/{group}", managers | sender | member
	return []route{
		{pattern: "GET " + account + "/groups", roles: seen, handle: c.groups},
		{pattern: "GET " + account + "/groups/new", roles: managers, handle: c.newGroup},
		{pattern: "POST " + account + "/groups/new", roles: managers, handle: c.createGroup},
		{pattern: "GET " + group, roles: seen, handle: c.group},
		{pattern: "POST " + group + "/change", roles: seen, handle: c.changeGroup},
		{pattern: "POST " + group + "/members", roles: seen, handle: c.addMember},
		{pattern: "POST " + group + "/members/{user}/again", roles: seen, handle: c.inviteAgain},
		{pattern: "POST " + group + "/members/{user}/type", roles: seen, handle: c.retypeMember},
		{pattern: "POST " + group + "/members/{user}/remove", roles: seen, handle: c.removeMember},
		{pattern: "GET " + group + "/end", roles: seen, handle: c.askEndGroup},
		{pattern: "POST " + group + "/end", roles: seen, handle: c.endGroup},
	}
}
