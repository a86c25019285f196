package console

import (
	"countersign.dev/internal/authn"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
)

// partnersPage is the view of the list of partners.
type partnersPage struct {
	Partners []partnerLine
	Vendors  []vendorLine // organisations that have a technical account and no partner yet
	Create   bool         // the viewer may let vendors in
	Form     form
}

type partnerLine struct {
	directory.Partner
	Company  string // its organisation's name
	Accounts int
	Path     string
}

type vendorLine struct {
	Name, Path string
	Technical  int // live technical accounts
}

// partners lists those that the viewer reaches.
func (c *console) partners(v *visit) error {
	view, err := v.partnersPage()
	if err != nil {
		return err
	}
	return v.show("partners", view)
}

func (v *visit) partnersPage() (view partnersPage, err error) {
	v.trail("Partners", "")
	view = partnersPage{Create: v.role == operator, Form: filled("alg", authn.EdDSA)}
	list, err := v.c.Directory.PartnersOf(v.ctx(), v.p)
	if err != nil {
		return view, err
	}
	names, accounts, err := v.c.Directory.OrganisationsOf(v.ctx(), v.p)
	if err != nil {
		return view, err
	}
	registered := map[string]bool{}
	for _, p := range list {
		registered[p.Organisation] = true
		view.Partners = append(view.Partners, partnerLine{p, names[p.Organisation], accounts[p.ID], partnerPath(p.OuterID)})
	}
	technical, err := v.c.Authn.TechnicalAccountsOf(v.ctx(), v.p)
	at := map[string]int{}
	for _, t := range technical {
		if registered[t.Organisation] {
			continue
		}
		i, known := at[t.Organisation]
		if !known {
			i, at[t.Organisation] = len(view.Vendors), len(view.Vendors)
			view.Vendors = append(view.Vendors, vendorLine{Name: names[t.Organisation], Path: organisationPath(t.Organisation)})
		}
		if !t.Disabled {
			view.Vendors[i].Technical++
		}
	}
	return view, err
}

func partnerPath(outerID string, parts ...string) string {
	return below(root+"/partners", append([]string{outerID}, parts...)...)
}

func organisationPath(id string, parts ...string) string {
	return below(root+"/organisations", append([]string{id}, parts...)...)
}

// newVendor makes a technical account for an organisation, which is made when there is none of the name, and shows its secret.
func (c *console) newVendor(v *visit) error {
	name := v.value("organisation")
	t, err := c.Authn.CreateTechnicalAccountAs(v.ctx(), v.p, name, v.value("name"), v.value("alg"))
	if err != nil {
		view, failed := v.partnersPage()
		if failed != nil {
			return failed
		}
		view.Form = v.refused(err)
		return v.again(err, "partners", view)
	}
	v.trail("Partners", root+"/partners", name, "")
	return v.technicalSecret(t, organisationPath(t.Organisation))
}

// technicalSecret shows what a vendor's program is given.
func (v *visit) technicalSecret(t authn.TechnicalAccount, back string) error {
	return v.showSecret("Technical account", back, secretShown{"Client id", "It names the technical account, and is no secret.", t.ClientID},
		secretShown{"Client secret", "Whoever has it acts as the technical account.", t.ClientSecret},
		secretShown{"Technical account id", "The subject of tokens that are exchanged for users.", t.ID})
}

// organisationView is what the pages of an organisation and of its partners show of it.
type organisationView struct {
	directory.Organisation
	Path      string
	Partner   string // outer id of the partner on whose page it stands
	Domains   []directory.Domain
	Technical []authn.Client

	Operate, Rotate, Revoke bool
	Domain, Account         form // to claim a domain, to make a technical account
}

// organisationView reads an organisation that the viewer reaches.
func (v *visit) organisationView(id string) (view organisationView, err error) {
	view = organisationView{Path: organisationPath(id), Operate: v.role == operator, Rotate: true, Revoke: v.role != partnerDeveloper,
		Domain: filled(), Account: filled("alg", authn.EdDSA)}
	if view.Organisation, view.Domains, err = v.c.Directory.OrganisationOf(v.ctx(), v.p, id); err != nil {
		return view, err
	}
	all, err := v.c.Authn.TechnicalAccountsOf(v.ctx(), v.p)
	for _, t := range all {
		if t.Organisation == id {
			view.Technical = append(view.Technical, t)
		}
	}
	return view, err
}

// organisation shows an organisation's domains and technical accounts.
func (c *console) organisation(v *visit) error {
	view, err := v.organisationPage()
	if err != nil {
		return err
	}
	return v.show("organisation", view)
}

// organisationPage is the view of the organisation of the address.
type organisationPage struct {
	Organisation organisationView
	Partners     []directory.Partner
}

func (v *visit) organisationPage() (view organisationPage, err error) {
	if view.Organisation, err = v.organisationView(v.r.PathValue("organisation")); err != nil {
		return view, err
	}
	v.trail("Partners", root+"/partners", view.Organisation.Name, "")
	all, err := v.c.Directory.PartnersOf(v.ctx(), v.p)
	for _, p := range all {
		if p.Organisation == view.Organisation.ID {
			view.Partners = append(view.Partners, p)
		}
	}
	return view, err
}

// onOrganisation ends an act on an organisation: it leads back to the page where it was begun, or shows the form again.
func (v *visit) onOrganisation(err error, at func(*organisationView) *form, word string) error {
	if err == nil {
		return v.done(v.organisationBack(), word)
	}
	view, failed := v.organisationPage()
	if failed != nil {
		return failed
	}
	*at(&view.Organisation) = v.refused(err)
	return v.again(err, "organisation", view)
}

// organisationBack is the page of the partner that the form names, if it is one of the organisation, else the organisation's.
func (v *visit) organisationBack() string {
	id := v.r.PathValue("organisation")
	if outer := v.value("partner"); outer != "" {
		if p, err := v.c.Directory.PartnerOf(v.ctx(), v.p, outer); err == nil && p.Organisation == id {
			return partnerPath(p.OuterID)
		}
	}
	return organisationPath(id)
}

func ofDomain(o *organisationView) *form { return &o.Domain }

// claimDomain, verifyDomain and vouchDomain are the three steps to a domain of one's own.
func (c *console) claimDomain(v *visit) error {
	_, err := c.Directory.AddDomainAs(v.ctx(), v.p, v.r.PathValue("organisation"), v.value("domain"))
	return v.onOrganisation(err, ofDomain, "domain.claimed")
}

func (c *console) verifyDomain(v *visit) error {
	_, err := c.Directory.VerifyDomainAs(v.ctx(), v.p, c.Resolver, v.r.PathValue("organisation"), v.value("domain"))
	return v.onOrganisation(err, ofDomain, "domain.proven")
}

func (c *console) vouchDomain(v *visit) error {
	_, err := c.Directory.VouchDomainAs(v.ctx(), v.p, v.r.PathValue("organisation"), v.value("domain"))
	return v.onOrganisation(err, ofDomain, "domain.proven")
}

// newTechnical makes a technical account of an organisation there is.
func (c *console) newTechnical(v *visit) error {
	o, _, err := c.Directory.OrganisationOf(v.ctx(), v.p, v.r.PathValue("organisation"))
	if err != nil {
		return err
	}
	t, err := c.Authn.CreateTechnicalAccountAs(v.ctx(), v.p, o.Name, v.value("name"), v.value("alg"))
	if err != nil {
		return v.onOrganisation(err, func(o *organisationView) *form { return &o.Account }, "")
	}
	v.trail("Partners", root+"/partners", o.Name, organisationPath(o.ID), "Technical account", "")
	return v.technicalSecret(t, v.organisationBack())
}

// technical finds a technical account of the organisation of the address. NotFound "client.unknown".
func (v *visit) technical() (t authn.Client, err error) {
	o, err := v.organisationView(v.r.PathValue("organisation"))
	if err != nil {
		return t, err
	}
	for _, t := range o.Technical {
		if t.ID == v.r.PathValue("client") {
			v.trail("Partners", root+"/partners", o.Name, o.Path, t.Name, "")
			return t, nil
		}
	}
	return t, unknownClient()
}

// askRotateTechnical and askEndTechnical ask before a secret is made and an account revoked.
func (c *console) askRotateTechnical(v *visit) error {
	t, err := v.technical()
	if err != nil {
		return err
	}
	return v.show("ask", newSecretPage(t.Name, organisationPath(t.Organisation, "technical", t.ID, "rotate"), organisationPath(t.Organisation)))
}

func (c *console) rotateTechnical(v *visit) error {
	t, err := v.technical()
	if err != nil {
		return err
	}
	back := organisationPath(t.Organisation)
	overlap, err := v.overlap()
	secret := ""
	if err == nil {
		secret, err = c.Authn.RotateTechnicalAs(v.ctx(), v.p, t.ID, overlap)
	}
	if err != nil {
		view := newSecretPage(t.Name, organisationPath(t.Organisation, "technical", t.ID, "rotate"), back)
		view.Form = v.refused(err)
		return v.again(err, "ask", view)
	}
	return v.showSecret("New secret", back, secretShown{"Client secret", "Of the client " + t.ID + ".", secret})
}

func (c *console) askEndTechnical(v *visit) error {
	t, err := v.technical()
	if err != nil {
		return err
	}
	return v.show("ask", askPage{Title: "Revoke", Name: t.Name, Danger: true, Word: "Revoke", Back: organisationPath(t.Organisation),
		Text: "Its secret and tokens end at once and for good. The accounts that it made stay, with their users and packages.",
		Path: organisationPath(t.Organisation, "technical", t.ID, "end")})
}

func (c *console) endTechnical(v *visit) error {
	t, err := v.technical()
	if err == nil {
		err = c.Authn.RevokeTechnicalAs(v.ctx(), v.p, t.ID)
	}
	if err != nil {
		return err
	}
	return v.done(organisationPath(t.Organisation), "client.ended")
}

// rightWords are what rights of programs are called.
var rightWords = map[authz.Right]string{authz.Sign: "Send and sign", authz.ManageUsers: "Manage users", authz.ReadAccess: "Read the access list",
	authz.IntelAgree: "Provision users", authz.Impersonate: "Act as others", authz.ReadAudit: "Read the audit trail"}

// rightWord is the name of a right as people know it.
func rightWord(r authz.Right) string { return orElse(rightWords[r], string(r)) }

// logoBody is how large a form with a logo may be.
const logoBody = 256 << 10

// vendors are the pages of partners, their organisations, and of all accounts.
func (c *console) vendors() []route {
	const partner, organisation = root + "/partners/{partner}", root + "/organisations/{organisation}"
	return []route{
		{pattern: "GET /console/partners", roles: staff, handle: c.partners},
		{pattern: "POST /console/partners", roles: operator, handle: c.newVendor},
		{pattern: "GET " + partner, roles: staff, handle: c.partner},
		{pattern: "POST " + partner + "/settings", roles: operator | partnerAdmin, handle: c.changeChannel, upload: logoBody},
		{pattern: "POST " + partner + "/trust", roles: operator, handle: c.changeTrust},
		{pattern: "GET " + partner + "/status", roles: operator, handle: c.askPartnerStatus},
		{pattern: "POST " + partner + "/status", roles: operator, handle: c.setPartnerStatus},
		{pattern: "GET " + organisation, roles: staff, handle: c.organisation},
		{pattern: "POST " + organisation + "/domains", roles: operator, handle: c.claimDomain},
		{pattern: "POST " + organisation + "/domains/verify", roles: operator, handle: c.verifyDomain},
		{pattern: "POST " + organisation + "/domains/vouch", roles: operator, handle: c.vouchDomain},
		{pattern: "POST " + organisation + "/technical", roles: operator, handle: c.newTechnical},
		{pattern: "GET " + organisation + "/technical/{client}/rotate", roles: staff, handle: c.askRotateTechnical},
		{pattern: "POST " + organisation + "/technical/{client}/rotate", roles: staff, handle: c.rotateTechnical},
		{pattern: "GET " + organisation + "/technical/{client}/end", roles: operator | partnerAdmin, handle: c.askEndTechnical},
		{pattern: "POST " + organisation + "/technical/{client}/end", roles: operator | partnerAdmin, handle: c.endTechnical},
		{pattern: "GET /console/accounts", roles: staff, handle: c.accounts},
		{pattern: "GET /console/accounts/new", roles: operator, handle: c.newAccount},
		{pattern: "POST /console/accounts/new", roles: operator, handle: c.createAccount},
	}
}
