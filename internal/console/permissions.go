package console

import (
	"strconv"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// permissionsPage is the view of what can be held in an account.
type permissionsPage struct {
	access.Catalogue
	Names   map[int64]string // of permissions
	Change  bool             // the viewer may define
	Path    string
	Forms   map[string]form // by what is defined
	Kinds   []choice
	Offered []choice // licences a permission or preset may come with
}

// The kinds of entities, as people call them.
var entityWords = map[string]string{access.Organization: "Organisation", access.LegalEntity: "Legal entity", access.ContractType: "Contract type"}

// permissions lists permissions, presets, licences and entities.
func (c *console) permissions(v *visit) error {
	view, err := v.permissionsPage()
	if err != nil {
		return err
	}
	return v.show("permissions", view)
}

func (v *visit) permissionsPage() (view permissionsPage, err error) {
	v.trail("Permissions", "")
	view = permissionsPage{Names: map[int64]string{}, Path: v.path(), Forms: map[string]form{}, Change: v.role&managers != 0 || v.p.Has(authz.ManageUsers)}
	if view.Catalogue, err = v.c.Access.Catalogue(v.ctx(), v.p); err != nil {
		return view, err
	}
	for _, p := range view.Permissions {
		view.Names[p.Number] = p.Name
	}
	for _, k := range []string{access.Organization, access.LegalEntity, access.ContractType} {
		view.Kinds = append(view.Kinds, choice{k, entityWords[k]})
	}
	view.Offered = []choice{{"", "None"}}
	for _, l := range view.Licences {
		view.Offered = append(view.Offered, choice{l.Name, l.Title})
	}
	for _, what := range []string{"permission", "preset", "licence", "entity"} {
		view.Forms[what] = filled()
	}
	return view, nil
}

// defined ends an act that defines something: it shows the page again, with the form that was refused.
func (v *visit) defined(what string, err error) error {
	if err == nil {
		return v.done(v.path("permissions"), "defined")
	}
	view, failed := v.permissionsPage()
	if failed != nil {
		return failed
	}
	view.Forms[what] = v.refused(err)
	return v.again(err, "permissions", view)
}

func (c *console) definePermission(v *visit) error {
	_, err := c.Access.DefinePermission(v.ctx(), v.p, access.NewPermission{Name: v.value("name"), Licence: v.value("licence"), Description: v.value("description")})
	return v.defined("permission", err)
}

func (c *console) definePreset(v *visit) error {
	in := access.NewPreset{Name: v.value("name"), Licence: v.value("licence"), Description: v.value("description"), Contents: []access.Content{}}
	for _, text := range v.r.PostForm["permission"] {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return v.defined("preset", errs.New(errs.Invalid, "permission.unknown", "Choose permissions of the list."))
		}
		in.Contents = append(in.Contents, access.Content{Permission: n})
	}
	_, err := c.Access.DefinePreset(v.ctx(), v.p, in)
	return v.defined("preset", err)
}

func (c *console) defineLicence(v *visit) error {
	return v.defined("licence", c.Directory.NewLicence(v.ctx(), v.p, v.value("name"), v.value("title")))
}

func (c *console) defineEntity(v *visit) error {
	n, err := strconv.ParseInt(v.value("number"), 10, 64)
	if err != nil {
		err = errs.New(errs.Invalid, "entity.number", "The number is a whole number from 1.").On("number")
	} else {
		err = c.Access.DefineEntity(v.ctx(), v.p, access.Entity{Kind: v.value("kind"), Number: n, Name: v.value("name")})
	}
	return v.defined("entity", err)
}
