package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/server"
)

// holderFlags name who holds a grant.
type holderFlags struct {
	User  string `placeholder:"USER" help:"Sender id or e-mail address of a user."`
	Group string `placeholder:"ID" help:"Id of a group."`
}

func (f *holderFlags) holder(ctx context.Context, r *server.Rooms, p authz.Principal) (h access.Holder, err error) {
	switch {
	case f.Group != "":
		return access.Holder{Kind: access.OfGroup, ID: f.Group}, nil
	case f.User == "":
		return access.Holder{}, nil
	}
	h.Kind = access.OfUser
	h.ID, err = r.UserAt(ctx, p, f.User)
	return h, err
}

type grantGive struct {
	ofAccount    `embed:""`
	holderFlags  `embed:""`
	Permission   string  `placeholder:"NAME" xor:"what" required:"" help:"Name or number of the permission."`
	Preset       string  `placeholder:"NAME" xor:"what" required:"" help:"Name or number of the preset; a user gets its licence, too."`
	Organization []int64 `placeholder:"NUMBER" help:"Only for these organisations. Default: all."`
	LegalEntity  []int64 `placeholder:"NUMBER" help:"Only for these legal entities. Default: all."`
	ContractType []int64 `placeholder:"NUMBER" help:"Only for these contract types. Default: all."`
}

// Validate refuses flags that do not go together.
func (c *grantGive) Validate() error {
	if (c.User == "") == (c.Group == "") {
		return errors.New("name either --user or --group")
	}
	return nil
}

// Run gives the grant.
func (c *grantGive) Run(ctx context.Context) error {
	return c.permit(ctx, func(r *server.Rooms, a *access.Access, p authz.Principal) error {
		h, err := c.holder(ctx, r, p)
		if err != nil {
			return err
		}
		all, err := a.Catalogue(ctx, p)
		if err != nil {
			return err
		}
		g := access.NewGrant{What: access.OfPermission, Scope: access.Scope{Organizations: c.Organization, LegalEntities: c.LegalEntity, ContractTypes: c.ContractType}}
		if c.Preset != "" {
			g.What = access.OfPreset
		}
		if g.Number, err = all.Find(g.What, c.Permission+c.Preset); err != nil {
			return err
		}
		made, err := a.Grant(ctx, p, h, g)
		if err != nil {
			return err
		}
		return c.print([2]string{"grant", made.ID}, [2]string{"name", made.Name}, [2]string{"holder", made.HolderName},
			[2]string{"new", strconv.FormatBool(made.Created)})
	})
}

type grantEnd struct {
	ofAccount `embed:""`
	Grant     string `arg:"" help:"The grant's id, as listed."`
}

// Run ends the grant.
func (c *grantEnd) Run(ctx context.Context) error {
	return c.permit(ctx, func(_ *server.Rooms, a *access.Access, p authz.Principal) error {
		if err := a.Revoke(ctx, p, c.Grant); err != nil {
			return err
		}
		return c.print([2]string{"grant", c.Grant}, [2]string{"status", "ended"})
	})
}

type grantList struct {
	ofAccount   `embed:""`
	holderFlags `embed:""`
}

// grantLine is a grant as it is printed.
type grantLine struct {
	ID         string       `json:"id"`
	Kind       string       `json:"holder_kind"` // user, group
	Holder     string       `json:"holder_id"`
	HolderName string       `json:"holder_name"`
	What       string       `json:"what"` // permission, preset
	Number     int64        `json:"number"`
	Name       string       `json:"name"`
	Scope      access.Scope `json:"scope"`
	Source     string       `json:"source"`
	ClonedFrom string       `json:"cloned_from,omitempty"`
	By         string       `json:"granted_by"`
	Client     string       `json:"client,omitempty"`
	At         string       `json:"granted"`
}

func lineOfGrant(g access.Grant) grantLine {
	return grantLine{ID: g.ID, Kind: g.Holder.Kind, Holder: g.Holder.ID, HolderName: g.HolderName, What: g.What, Number: g.Number, Name: g.Name,
		Scope: g.Scope, Source: g.Source, ClonedFrom: g.ClonedFrom, By: g.By.Name, Client: g.By.Client, At: moment(g.At)}
}

// within is the scope in one cell.
func (l grantLine) within() string {
	var parts []string
	for _, s := range []struct {
		name string
		list []int64
	}{{"organisations", l.Scope.Organizations}, {"legal entities", l.Scope.LegalEntities}, {"contract types", l.Scope.ContractTypes}} {
		if s.list != nil {
			parts = append(parts, s.name+" "+strings.Trim(fmt.Sprint(s.list), "[]"))
		}
	}
	if parts == nil {
		return "all"
	}
	return strings.Join(parts, "; ")
}

// Run lists the grants.
func (c *grantList) Run(ctx context.Context) error {
	return c.permit(ctx, func(r *server.Rooms, a *access.Access, p authz.Principal) error {
		h, err := c.holder(ctx, r, p)
		if err != nil {
			return err
		}
		var lines []grantLine
		for page := (access.Page{Limit: 1000}); ; {
			grants, next, err := a.Grants(ctx, p, access.GrantFilter{Holder: h}, page)
			if err != nil {
				return err
			}
			for _, g := range grants {
				lines = append(lines, lineOfGrant(g))
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		return list(&c.database, lines,
			column[grantLine]{"id", func(l grantLine) string { return l.ID }},
			column[grantLine]{"holder", func(l grantLine) string { return l.HolderName }},
			column[grantLine]{"holds", func(l grantLine) string { return l.Name }},
			column[grantLine]{"for", grantLine.within},
			column[grantLine]{"by", func(l grantLine) string { return l.By }},
			column[grantLine]{"since", func(l grantLine) string { return l.At }})
	})
}
