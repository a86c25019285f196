package console

import (
	"encoding/json"
	"io"
	"slices"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// partnerPage is the view of one partner.
type partnerPage struct {
	directory.Partner
	Path         string
	Organisation organisationView
	Accounts     []directory.Account
	Count        int
	More         string // the rest of the accounts

	Change   bool // the channel
	Settings []settingLine
	Form     form
	Logo     string // digest of the channel's

	Trust   form
	Keys    []keyLine
	Offered []offeredDomain
}

// keyLine is one public key for subject tokens.
type keyLine struct {
	ID   string `json:"kid"`
	Type string `json:"kty"`
	Alg  string `json:"alg"`
}

// offeredDomain is a proven domain of the organisation.
type offeredDomain struct {
	Name   string
	Chosen bool
}

// partner shows a partner with all that belongs to it.
func (c *console) partner(v *visit) error {
	view, err := v.partnerPage()
	if err != nil {
		return err
	}
	return v.show("partner", view)
}

// thePartner is the one of the address.
func (v *visit) thePartner() (directory.Partner, error) {
	return v.c.Directory.PartnerOf(v.ctx(), v.p, v.r.PathValue("partner"))
}

func (v *visit) partnerPage() (view partnerPage, err error) {
	if view.Partner, err = v.thePartner(); err != nil {
		return view, err
	}
	p := view.Partner
	v.trail("Partners", root+"/partners", p.Name, "")
	view.Path, view.Change = partnerPath(p.OuterID), v.role == operator || v.role == partnerAdmin && p.Status == directory.PartnerActive
	if view.Organisation, err = v.organisationView(p.Organisation); err != nil {
		return view, err
	}
	view.Organisation.Partner = p.OuterID
	if view.Accounts, view.Count, err = v.c.Directory.ReachedAccounts(v.ctx(), v.p, directory.AccountQuery{Partner: p.OuterID}, "", 20); err != nil {
		return view, err
	}
	if view.Count > len(view.Accounts) {
		view.More = root + "/accounts?partner=" + p.OuterID
	}
	for _, d := range view.Organisation.Domains {
		if !d.Proven.IsZero() {
			view.Offered = append(view.Offered, offeredDomain{d.Name, slices.Contains(p.Domains, d.Name)})
		}
	}
	var set struct{ Keys []keyLine }
	if len(p.SubjectKeys) > 0 && json.Unmarshal(p.SubjectKeys, &set) == nil {
		view.Keys = set.Keys
	}
	view.Form = settingsForm(p.Settings)
	view.Trust = filled("keys", string(p.SubjectKeys))
	if p.RequireSignedSubjectToken {
		view.Trust.Values.Set("signed", "yes")
	}
	view.Logo, err = v.c.Directory.ChannelLogoOf(v.ctx(), v.p, p.OuterID)
	view.Settings = settingLines(view.Form, p.Settings, directory.Settings{}, p.Settings.Or(directory.Defaults))
	return view, err
}

// partnerAgain shows a partner's page again with a form that was refused.
func (v *visit) partnerAgain(err error, at func(*partnerPage) *form) error {
	view, failed := v.partnerPage()
	if failed != nil {
		return failed
	}
	*at(&view) = settingProblem(err, v.refused(err))
	view.Settings = settingLines(view.Form, view.Partner.Settings, directory.Settings{}, view.Partner.Settings.Or(directory.Defaults))
	return v.again(err, "partner", view)
}

// changeChannel changes the settings and the logo that the partner's accounts inherit.
func (c *console) changeChannel(v *visit) error {
	s, err := v.settings()
	var logo []byte
	if err == nil {
		logo, err = v.logo()
	}
	if err == nil {
		err = c.Directory.ChangeChannel(v.ctx(), v.p, v.r.PathValue("partner"), directory.PartnerChange{Settings: s, Logo: logo})
	}
	if err != nil {
		return v.partnerAgain(err, func(p *partnerPage) *form { return &p.Form })
	}
	return v.done(partnerPath(v.r.PathValue("partner")), "settings.changed")
}

// changeTrust changes what is believed of a partner: its domains, and its keys for subject tokens.
func (c *console) changeTrust(v *visit) error {
	signed := v.value("signed") == "yes"
	change := directory.PartnerChange{RequireSignedSubjectToken: &signed, SubjectKeys: []byte(v.value("keys")), Domains: v.r.PostForm["domain"]}
	var err error
	if signed && len(change.SubjectKeys) == 0 {
		err = errs.New(errs.Invalid, "keys.malformed", "Signed subject tokens need keys to check them with.").On("keys")
	} else {
		err = c.Directory.ChangeChannel(v.ctx(), v.p, v.r.PathValue("partner"), change)
	}
	if err != nil {
		return v.partnerAgain(err, func(p *partnerPage) *form { return &p.Trust })
	}
	return v.done(partnerPath(v.r.PathValue("partner")), "partner.changed")
}

// askPartnerStatus asks before a partner is let in or shut out.
func (c *console) askPartnerStatus(v *visit) error {
	p, err := v.thePartner()
	if err != nil {
		return err
	}
	v.trail("Partners", root+"/partners", p.Name, partnerPath(p.OuterID), "Status", "")
	view := askPage{Title: "Deactivate", Name: p.Name, Word: "Deactivate", Danger: true, Back: partnerPath(p.OuterID), Path: partnerPath(p.OuterID, "status"),
		Text: "Within a second it can do nothing any more by its technical account or in the name of its users. Its accounts go on, with their own programs, packages under way and signers."}
	if p.Status != directory.PartnerActive {
		view.Title, view.Word, view.Danger = "Activate", "Activate", false
		view.Text = "It can then make accounts and users in its domains, and act in the name of those users."
		if !p.RequireSignedSubjectToken {
			view.Text += " Its subject tokens need not be signed: set its keys if they shall be."
		}
	}
	return v.show("ask", view)
}

// setPartnerStatus turns it: what was ACTIVE becomes INACTIVE, by the word of the page that asked.
func (c *console) setPartnerStatus(v *visit) error {
	to, word := directory.PartnerActive, "partner.activated"
	if v.value("word") == "Deactivate" {
		to, word = directory.PartnerInactive, "partner.deactivated"
	}
	if _, err := c.Directory.SetPartnerStatusAs(v.ctx(), v.p, v.r.PathValue("partner"), to); err != nil {
		return err
	}
	return v.done(partnerPath(v.r.PathValue("partner")), word)
}

// logo is the picture that was sent: nil keeps what is there, an empty one removes it.
func (v *visit) logo() ([]byte, error) {
	if v.value("logo_remove") == "yes" {
		return []byte{}, nil
	}
	if v.r.MultipartForm == nil {
		return nil, nil
	}
	file, head, err := v.r.FormFile("logo")
	if err != nil || head.Size == 0 {
		return nil, nil // none was chosen
	}
	defer file.Close()
	return io.ReadAll(file)
}
