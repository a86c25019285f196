package main

import (
	"context"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

type staffCommand struct {
	Create staffCreate `cmd:"" help:"Make a person of the console who is no account's user. He signs in by a link that is mailed to him."`
	List   staffList   `cmd:"" help:"List those people, those that have ended among them."`
	End    staffEnd    `cmd:"" help:"Shut such a person out; his sessions end within a second."`
}

type staffCreate struct {
	database     `embed:""`
	Email        string `required:"" help:"Mail address."`
	Name         string `required:"" help:"Name."`
	Role         string `required:"" enum:"operator,partner_admin,partner_developer" help:"What he may do: operator (everything), partner_admin (run the accounts of his organisation's partners), partner_developer (connect programs)."`
	Organisation string `placeholder:"NAME" help:"The partner's organisation; an operator has none."`
}

// Run makes the person.
func (c *staffCreate) Run(ctx context.Context) error {
	return c.begin(ctx, func(r *server.Rooms) error {
		s, err := r.Directory.CreateStaff(ctx, directory.NewStaff{Email: c.Email, Name: c.Name, Role: directory.StaffRole(c.Role), Organisation: c.Organisation})
		if err != nil {
			return err
		}
		return c.print([2]string{"staff_id", s.ID}, [2]string{"email", s.Email}, [2]string{"role", string(s.Role)})
	})
}

type staffList struct {
	database `embed:""`
}

// staffLine is such a person as it is printed.
type staffLine struct {
	ID           string `json:"staff_id"`
	Name         string `json:"name"`
	Email        string `json:"email"`
	Role         string `json:"role"`
	Organisation string `json:"organisation,omitempty"`
	Status       string `json:"status"` // active, ended
	Created      string `json:"created"`
	LastLogin    string `json:"last_login,omitempty"`
}

func lineOfStaff(s directory.Staff, names *server.Names) staffLine {
	l := staffLine{ID: s.ID, Name: s.Name, Email: s.Email, Role: string(s.Role), Organisation: names.Organisation[s.Organisation],
		Status: "active", Created: moment(s.Created), LastLogin: moment(s.LastLogin)}
	if !s.Active {
		l.Status = "ended"
	}
	return l
}

// Run lists the people.
func (c *staffList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Directory.StaffMembers(ctx)
		if err != nil {
			return err
		}
		names, err := r.Names(ctx)
		if err != nil {
			return err
		}
		var lines []staffLine
		for _, s := range all {
			lines = append(lines, lineOfStaff(s, names))
		}
		return list(&c.database, lines,
			column[staffLine]{"id", func(l staffLine) string { return l.ID }},
			column[staffLine]{"name", func(l staffLine) string { return l.Name }},
			column[staffLine]{"email", func(l staffLine) string { return l.Email }},
			column[staffLine]{"role", func(l staffLine) string { return l.Role }},
			column[staffLine]{"organisation", func(l staffLine) string { return orDash(l.Organisation) }},
			column[staffLine]{"last sign-in", func(l staffLine) string { return orDash(l.LastLogin) }},
			column[staffLine]{"status", func(l staffLine) string { return l.Status }})
	})
}

type staffEnd struct {
	database `embed:""`
	ID       string `arg:"" help:"The person's id, as listed."`
}

// Run shuts the person out.
func (c *staffEnd) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		if err := r.Directory.EndStaff(ctx, c.ID); err != nil {
			return err
		}
		return c.print([2]string{"staff_id", c.ID}, [2]string{"status", "ended"})
	})
}
