package main

import (
	"context"
	"os"
	"strconv"
	"strings"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/server"
)

type permissionCommand struct {
	Import permissionImport `cmd:"" help:"Read permissions from a CSV file. Columns: name, licence, description, number."`
	List   permissionList   `cmd:"" help:"List the permissions that there are in an account."`
}

type presetCommand struct {
	Import presetImport `cmd:"" help:"Read presets (permission sets) from a CSV file. Columns: name, label, licence, description, number, permissions (by name, separated by semicolons). Salesforce's Name, Label and License.Name are understood."`
	List   presetList   `cmd:"" help:"List the presets that there are in an account."`
}

type licenceCommand struct {
	Import licenceImport `cmd:"" help:"Read licences from a CSV file. Columns: name, title."`
	List   licenceList   `cmd:"" help:"List the licences that there are in an account."`
}

type entityCommand struct {
	Import entityImport `cmd:"" help:"Read organisations, legal entities and contract types from a CSV file. Columns: kind (organization, legal_entity, contract_type), number, name."`
	List   entityList   `cmd:"" help:"List the organisations, legal entities and contract types of an account."`
}

type grantCommand struct {
	Give   grantGive   `cmd:"" help:"Give a user or a group a permission or a preset."`
	End    grantEnd    `cmd:"" help:"End a grant."`
	List   grantList   `cmd:"" help:"List the grants in force."`
	Import grantImport `cmd:"" help:"Read grants from a CSV file. Columns: user (e-mail address), user_id or group; preset (or label) or permission; organizations, legal_entities, contract_types (numbers, separated by semicolons; empty is all). Salesforce's Assignee.Email, PermissionSet.Name and PermissionSet.Label are understood."`
}

// ofAccount is what the commands on an account's permissions are about.
type ofAccount struct {
	database `embed:""`
	Account  string `required:"" placeholder:"ID" help:"The account's id."`
}

// permit acts on the account as the operator.
func (o *ofAccount) permit(ctx context.Context, do func(*server.Rooms, *access.Access, authz.Principal) error) error {
	return o.act(ctx, func(r *server.Rooms) error {
		p, err := r.OperatorOf(ctx, o.Account)
		if err != nil {
			return err
		}
		return do(r, r.Access, p)
	})
}

// importFile is what the imports need.
type importFile struct {
	ofAccount `embed:""`
	File      string `arg:"" type:"existingfile" help:"The CSV file, in UTF-8, at most 10 MB; its first line names the columns. All of it is read or, when a line is wrong, nothing. See docs/access.md."`
}

// problemLine is what is wrong with a line, as it is printed.
type problemLine struct {
	Line    int    `json:"line"`
	Column  string `json:"column,omitempty"`
	Problem string `json:"problem"`
}

// read imports the file. What is wrong with it is a list, and one sentence.
func (c *importFile) read(ctx context.Context, what string) error {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	return c.permit(ctx, func(_ *server.Rooms, a *access.Access, p authz.Principal) error {
		report, err := a.Import(ctx, p, what, file)
		if errs.Is(err, "import.refused") {
			if printed := c.problems(report); printed != nil {
				return printed
			}
		}
		if err != nil {
			return err
		}
		return c.print([2]string{"account_id", c.Account}, [2]string{"lines", strconv.Itoa(report.Lines)}, [2]string{"new", strconv.Itoa(report.New)},
			[2]string{"changed", strconv.Itoa(report.Changed)}, [2]string{"unchanged", strconv.Itoa(report.Unchanged)})
	})
}

func (c *importFile) problems(report access.ImportReport) error {
	var lines []problemLine
	for _, p := range report.Problems {
		lines = append(lines, problemLine{p.Line, p.Column, p.Sentence})
	}
	return list(&c.database, lines,
		column[problemLine]{"line", func(l problemLine) string { return strconv.Itoa(l.Line) }},
		column[problemLine]{"column", func(l problemLine) string { return orDash(l.Column) }},
		column[problemLine]{"problem", func(l problemLine) string { return l.Problem }})
}

type (
	permissionImport struct {
		importFile `embed:""`
	}
	presetImport struct {
		importFile `embed:""`
	}
	licenceImport struct {
		importFile `embed:""`
	}
	entityImport struct {
		importFile `embed:""`
	}
	grantImport struct {
		importFile `embed:""`
	}
)

// Run imports permissions.
func (c *permissionImport) Run(ctx context.Context) error { return c.read(ctx, access.Permissions) }

// Run imports presets.
func (c *presetImport) Run(ctx context.Context) error { return c.read(ctx, access.Presets) }

// Run imports licences.
func (c *licenceImport) Run(ctx context.Context) error { return c.read(ctx, access.Licences) }

// Run imports entities.
func (c *entityImport) Run(ctx context.Context) error { return c.read(ctx, access.Entities) }

// Run imports grants.
func (c *grantImport) Run(ctx context.Context) error { return c.read(ctx, access.Grants) }

// catalogue is what there is in the account.
func (o *ofAccount) catalogue(ctx context.Context, do func(access.Catalogue) error) error {
	return o.permit(ctx, func(_ *server.Rooms, a *access.Access, p authz.Principal) error {
		all, err := a.Catalogue(ctx, p)
		if err != nil {
			return err
		}
		return do(all)
	})
}

type permissionList struct {
	ofAccount `embed:""`
}

// permissionLine is a permission or a preset as it is printed.
type permissionLine struct {
	Number      int64    `json:"number"`
	Name        string   `json:"name"`
	Licence     string   `json:"licence,omitempty"`
	Description string   `json:"description,omitempty"`
	BuiltIn     bool     `json:"built_in"`
	Permissions []string `json:"permissions,omitempty"`
}

func (l permissionLine) of() string {
	if l.BuiltIn {
		return "built in"
	}
	return "account"
}

var permissionColumns = []column[permissionLine]{
	{"number", func(l permissionLine) string { return strconv.FormatInt(l.Number, 10) }},
	{"name", func(l permissionLine) string { return l.Name }},
	{"licence", func(l permissionLine) string { return orDash(l.Licence) }},
	{"of", permissionLine.of},
}

// Run lists the permissions.
func (c *permissionList) Run(ctx context.Context) error {
	return c.catalogue(ctx, func(all access.Catalogue) error {
		var lines []permissionLine
		for _, p := range all.Permissions {
			lines = append(lines, permissionLine{Number: p.Number, Name: p.Name, Licence: p.Licence, Description: p.Description, BuiltIn: p.BuiltIn})
		}
		return list(&c.database, lines, permissionColumns...)
	})
}

type presetList struct {
	ofAccount `embed:""`
}

// Run lists the presets.
func (c *presetList) Run(ctx context.Context) error {
	return c.catalogue(ctx, func(all access.Catalogue) error {
		names := map[int64]string{}
		for _, p := range all.Permissions {
			names[p.Number] = p.Name
		}
		var lines []permissionLine
		for _, p := range all.Presets {
			l := permissionLine{Number: p.Number, Name: p.Name, Licence: p.Licence, Description: p.Description, BuiltIn: p.BuiltIn}
			for _, content := range p.Contents {
				l.Permissions = append(l.Permissions, names[content.Permission])
			}
			lines = append(lines, l)
		}
		return list(&c.database, lines, append(permissionColumns[:len(permissionColumns):len(permissionColumns)],
			column[permissionLine]{"permissions", func(l permissionLine) string { return orDash(strings.Join(l.Permissions, ", ")) }})...)
	})
}

type licenceList struct {
	ofAccount `embed:""`
}

// licenceLine is a licence as it is printed.
type licenceLine struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	BuiltIn bool   `json:"built_in"`
}

// Run lists the licences.
func (c *licenceList) Run(ctx context.Context) error {
	return c.catalogue(ctx, func(all access.Catalogue) error {
		var lines []licenceLine
		for _, l := range all.Licences {
			lines = append(lines, licenceLine{l.Name, l.Title, l.BuiltIn})
		}
		return list(&c.database, lines,
			column[licenceLine]{"name", func(l licenceLine) string { return l.Name }},
			column[licenceLine]{"title", func(l licenceLine) string { return l.Title }})
	})
}

type entityList struct {
	ofAccount `embed:""`
}

// entityLine is an entity as it is printed.
type entityLine struct {
	Kind   string `json:"kind"`
	Number int64  `json:"number"`
	Name   string `json:"name"`
}

// Run lists the entities.
func (c *entityList) Run(ctx context.Context) error {
	return c.catalogue(ctx, func(all access.Catalogue) error {
		var lines []entityLine
		for _, e := range all.Entities {
			lines = append(lines, entityLine(e))
		}
		return list(&c.database, lines,
			column[entityLine]{"kind", func(l entityLine) string { return l.Kind }},
			column[entityLine]{"number", func(l entityLine) string { return strconv.FormatInt(l.Number, 10) }},
			column[entityLine]{"name", func(l entityLine) string { return l.Name }})
	})
}
