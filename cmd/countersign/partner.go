package main

import (
	"context"
	"slices"
	"strings"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

type partnerCommand struct {
	List       partnerList       `cmd:"" help:"List the partners that have registered."`
	Activate   partnerActivate   `cmd:"" help:"Let a partner make accounts, users and user tokens; effective at once."`
	Deactivate partnerDeactivate `cmd:"" help:"Shut a partner out; its user tokens end within a second. Its accounts, their own clients and packages under way go on."`
	Set        partnerSet        `cmd:"" help:"Change the settings that a partner's accounts inherit; what is not given stays as it is, and the value inherit takes back what was set."`
}

// partnerLine is a partner as it is printed.
type partnerLine struct {
	ID               string   `json:"id"`
	Name             string   `json:"name"`
	Status           string   `json:"status"`
	Organisation     string   `json:"organisation"`
	OrgGUID          string   `json:"org_guid"`
	ClientID         string   `json:"client_id"`
	TechnicalAccount string   `json:"technical_account_id"`
	Domains          []string `json:"domains"`
	SignedSubject    bool     `json:"require_signed_subject_token"`
	SubjectKeys      bool     `json:"subject_keys"`
	settingsLine
	Created  string `json:"created"`
	Modified string `json:"modified"`
}

func lineOfPartner(p directory.Partner, names *server.Names) partnerLine {
	return partnerLine{ID: p.OuterID, Name: p.Name, Status: string(p.Status), Organisation: names.Organisation[p.Organisation],
		OrgGUID: p.OrganisationOuterID, ClientID: p.Client, TechnicalAccount: p.TechnicalAccount, Domains: p.Domains, SignedSubject: p.RequireSignedSubjectToken,
		SubjectKeys: len(p.SubjectKeys) > 0, settingsLine: lineOfSettings(p.Settings), Created: moment(p.Created), Modified: moment(p.Modified)}
}

type partnerList struct {
	database `embed:""`
}

// Run lists the partners.
func (c *partnerList) Run(ctx context.Context) error {
	return c.act(ctx, func(r *server.Rooms) error {
		all, err := r.Directory.Partners(ctx)
		if err != nil {
			return err
		}
		names, err := r.Names(ctx)
		if err != nil {
			return err
		}
		var lines []partnerLine
		for _, p := range all {
			lines = append(lines, lineOfPartner(p, names))
		}
		return list(&c.database, lines,
			column[partnerLine]{"id", func(l partnerLine) string { return l.ID }},
			column[partnerLine]{"name", func(l partnerLine) string { return l.Name }},
			column[partnerLine]{"status", func(l partnerLine) string { return l.Status }},
			column[partnerLine]{"organisation", func(l partnerLine) string { return l.Organisation }},
			column[partnerLine]{"client", func(l partnerLine) string { return l.ClientID }},
			column[partnerLine]{"domains", func(l partnerLine) string { return strings.Join(l.Domains, " ") }},
			column[partnerLine]{"settings", func(l partnerLine) string { return l.words(signedWords(l)...) }})
	})
}

// signedWords says which subject tokens the exchange takes.
func signedWords(l partnerLine) []string {
	if l.SignedSubject {
		return []string{"signed subject tokens"}
	}
	return []string{"unsigned subject tokens"}
}

// onePartner is what acts on one partner need.
type onePartner struct {
	database `embed:""`
	ID       string `arg:"" help:"The partner's id, as registered or listed."`
}

func (c *onePartner) turn(ctx context.Context, to directory.PartnerStatus) error {
	return c.act(ctx, func(r *server.Rooms) error {
		p, err := r.Directory.SetPartnerStatus(ctx, c.ID, to)
		if err != nil {
			return err
		}
		told := [][2]string{{"id", p.OuterID}, {"name", p.Name}, {"status", string(p.Status)}}
		if to == directory.PartnerActive && !p.RequireSignedSubjectToken {
			told = append(told, [2]string{"note", "subject tokens need not be signed (partner set --require-signed-subject-token)"})
		}
		return c.print(told...)
	})
}

type partnerActivate struct {
	onePartner `embed:""`
}

// Run activates the partner.
func (c *partnerActivate) Run(ctx context.Context) error { return c.turn(ctx, directory.PartnerActive) }

type partnerDeactivate struct {
	onePartner `embed:""`
}

// Run deactivates the partner.
func (c *partnerDeactivate) Run(ctx context.Context) error {
	return c.turn(ctx, directory.PartnerInactive)
}

type partnerSet struct {
	onePartner                `embed:""`
	settingFlags              `embed:""`
	Domain                    []string `placeholder:"NAME" help:"Domains its users may have addresses in, of those its organisation has proven; all takes every one of these."`
	RequireSignedSubjectToken *bool    `negatable:"" help:"In the token exchange take only subject tokens that the partner signed: with its client secret, or with one of --subject-keys."`
	SubjectKeys               string   `placeholder:"FILE" help:"File with the partner's public keys (JWKS), for RS256 or ES256; - removes them." type:"path"`
}

// Run changes the partner.
func (c *partnerSet) Run(ctx context.Context) error {
	change := directory.PartnerChange{Settings: c.settings(), RequireSignedSubjectToken: c.RequireSignedSubjectToken}
	if change.Domains = c.Domain; slices.Equal(c.Domain, []string{"all"}) {
		change.Domains = []string{}
	}
	var err error
	if change.Logo, err = c.logo(); err != nil {
		return err
	}
	if change.SubjectKeys, err = fileOrNone(c.SubjectKeys); err != nil {
		return err
	}
	if c.empty() && c.Domain == nil && c.SubjectKeys == "" && c.RequireSignedSubjectToken == nil {
		return errNothing
	}
	return c.act(ctx, func(r *server.Rooms) error {
		if err := r.Directory.SetPartner(ctx, c.ID, change); err != nil {
			return err
		}
		return c.print([2]string{"id", c.ID}, [2]string{"result", "changed"})
	})
}
