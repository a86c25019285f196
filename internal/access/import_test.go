package access_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/access"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func (w *world) imports(what, text string) access.ImportReport {
	w.t.Helper()
	report, err := w.Import(context.Background(), w.op, what, strings.NewReader(text))
	if err != nil {
		w.t.Fatalf("%v %+v", err, report.Problems)
	}
	return report
}

func counts(r access.ImportReport) [4]int { return [4]int{r.Lines, r.New, r.Changed, r.Unchanged} }

// An export of Salesforce's permission sets and their assignments comes in, and comes in again without a change.
func TestImportFromSalesforce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		u, v := w.plain(), w.user(directory.Standing{Sender: true})
		for i, want := range [][4]int{{2, 2, 0, 0}, {2, 0, 0, 2}} {
			if r := w.imports(access.Licences, "name,title\nsalesforce_platform,Salesforce Platform\nconga_composer,Conga Composer\n"); counts(r) != want {
				t.Errorf("licences %d: %+v", i, r)
			}
			if r := w.imports(access.Presets, "\uFEFFName,Label,License.Name,Description\r\nSalesforce_User,Salesforce User,Salesforce,\r\n"+
				"Field_Sales,\"Sales, field\",Salesforce Platform,\"Those who \"\"travel\"\"\"\r\n"); counts(r) != want {
				t.Errorf("presets %d: %+v", i, r)
			}
			if r := w.imports(access.Grants, "Assignee.Email,PermissionSet.Label\n"+strings.ToUpper(u.Email)+",Salesforce User\n"+v.Email+",\"Sales, field\"\n"); counts(r) != want {
				t.Errorf("grants %d: %+v", i, r)
			}
		}
		if e := w.entry(u); !slices.Equal(e.Permissions, []string{"Salesforce User"}) || !slices.Equal(e.Licences, []string{"salesforce"}) {
			t.Errorf("%+v", e)
		}
		if e := w.entry(v); !slices.Equal(e.Permissions, []string{"Conga Sign User", "Sales, field"}) || !slices.Equal(e.Licences, []string{"conga_sign", "salesforce_platform"}) {
			t.Errorf("%+v", e)
		}
		if n := w.events("access.imported"); n != 3 {
			t.Errorf("%d events", n)
		}
		h, _, err := w.History(context.Background(), w.op, access.HistoryFilter{Holder: of(u)}, access.Page{})
		if err != nil || len(h) != 1 || h[0].Grant.Source != access.Imported || h[0].By.Name != "Operator" {
			t.Errorf("%+v %v", h, err)
		}
	})
}

func TestImportEverything(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		u := w.user(directory.Standing{Sender: true})
		g := w.group(directory.NewMember{SenderID: u.SenderID})
		if r := w.imports(access.Permissions, "name,licence,description,number\nApprove,,Approve contracts,2000\nDraft,conga_sign,,\n"); counts(r) != [4]int{2, 2, 0, 0} {
			t.Errorf("%+v", r)
		}
		if r := w.imports(access.Permissions, "name,description\nAPPROVE,Approve\nSend,\n"); counts(r) != [4]int{2, 1, 1, 0} {
			t.Errorf("%+v", r)
		}
		if r := w.imports(access.Presets, "name,permissions\nLawyer,Approve; draft\nEmpty,\n"); counts(r) != [4]int{2, 2, 0, 0} {
			t.Errorf("%+v", r)
		}
		if r := w.imports(access.Entities, "kind,number,name\norganization,1,North\norganization,2,South\nlegal_entity,1,North Ltd\n"); counts(r) != [4]int{3, 3, 0, 0} {
			t.Errorf("%+v", r)
		}
		if r := w.imports(access.Entities, "kind,number,name\norganization,1,North\norganization,2,Deep South\n"); counts(r) != [4]int{2, 0, 1, 1} {
			t.Errorf("%+v", r)
		}
		lines := fmt.Sprintf("user_id,group,preset,permission,organizations\n%s,,Lawyer,,1; 2\n,%s,,Approve,\n", u.SenderID, g.OuterID)
		if r := w.imports(access.Grants, lines); counts(r) != [4]int{2, 2, 0, 0} {
			t.Errorf("%+v", r)
		}
		if r := w.imports(access.Grants, strings.Replace(lines, "1; 2", "1", 1)); counts(r) != [4]int{2, 0, 1, 1} {
			t.Errorf("%+v", r)
		}
		all, err := w.Catalogue(context.Background(), w.op)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range all.Permissions[6:] {
			names = append(names, fmt.Sprint(p.Number, p.Name))
		}
		if !slices.Equal(names, []string{"2000APPROVE", "2001Draft", "2002Send"}) || len(all.Presets) != 7 || len(all.Presets[5].Contents) != 2 || len(all.Entities) != 3 {
			t.Errorf("%v %+v", names, all)
		}
		if got, want := w.entry(u).Permissions, []string{"APPROVE", "Conga Sign User", "Lawyer"}; !slices.Equal(got, want) {
			t.Error(got)
		}
	})
}

// A file with a wrong line changes nothing and says which lines are wrong.
func TestImportRefusesWhole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		w := build(t, d)
		w.entities(1)
		u, boss := w.plain(), w.manager()
		w.preset("Mighty", access.Content{Permission: 4})
		for _, c := range []struct {
			name, what, text string
			lines            []int
			p                authz.Principal
		}{
			{"presets", access.Presets, "name,licence,permissions\nGood,,\nBad,nothing,\nWorse,,Nothing\nGood,,\n,,\nConga Sign User,,\n", []int{3, 4, 5, 6, 7}, w.op},
			{"permissions", access.Permissions, "name,number\nGood,\n\"Two\nlines\",\nLow,7\nZero,0\nText,x\n", []int{3, 5, 6, 7}, w.op},
			{"entities", access.Entities, "kind,number,name\norganization,8,Good\nplanet,1,Mars\norganization,,Nameless\norganization,9,organization1\n", []int{3, 4, 5}, w.op},
			{"licences", access.Licences, "name,title\ngood,\nNot Good,\nsalesforce,Mine\n", []int{3, 4}, w.op},
			{"grants", access.Grants, "user,preset,permission,organizations\n" + u.Email + ",Conga Sign User,,\n" + u.Email + ",Nothing,,\nnobody@example.com,Conga Sign User,,\n" +
				u.Email + ",Conga Sign User,Send And Sign,\n" + u.Email + ",,,\n" + u.Email + ",,Send And Sign,9\n" + u.Email + ",,Send And Sign,;\n" +
				",,Send And Sign,\n" + u.Email + ",conga sign user,,1\nnot an address,Conga Sign User,,\n", []int{3, 4, 5, 6, 7, 8, 9, 10, 11}, w.op},
			{"escalation", access.Grants, "user,preset,permission\n" + boss.Email + ",,Read Audit\n" + boss.Email + ",,Act As Another User\n" + boss.Email + ",Mighty,\n", []int{3, 4}, w.as(boss)},
		} {
			before := [6]int{}
			tables := []string{"permissions", "presets", "entities", "licences", "grants", "audit_events"}
			for i, table := range tables {
				before[i] = w.count(`select count(*) from ` + table)
			}
			report, err := w.Import(context.Background(), c.p, c.what, strings.NewReader(c.text))
			is(t, err, errs.Invalid, "import.refused")
			var lines []int
			for _, p := range report.Problems {
				lines = append(lines, p.Line)
				if p.Sentence == "" {
					t.Errorf("%s: %+v", c.name, p)
				}
			}
			if !slices.Equal(lines, c.lines) {
				t.Errorf("%s: %+v", c.name, report.Problems)
			}
			for i, table := range tables {
				if n := w.count(`select count(*) from ` + table); n != before[i] {
					t.Errorf("%s: %s grew by %d", c.name, table, n-before[i])
				}
			}
		}
	})
}

func TestImportMalformed(t *testing.T) {
	w := build(t, dbtest.SQLite(t))
	for _, c := range []struct {
		what, text string
		kind       errs.Kind
		rule       string
	}{
		{"planets", "name\n", errs.Invalid, "import.what"},
		{access.Grants, "", errs.Invalid, "import.malformed"},
		{access.Grants, "user,preset,organisation\nx,y,1\n", errs.Invalid, "import.malformed"}, // misspelt: it would be all of them
		{access.Grants, "user,email\nx,y\n", errs.Invalid, "import.malformed"},
		{access.Grants, "user,preset\nx\n", errs.Invalid, "import.malformed"},
		{access.Grants, "user,preset\n\"x,y\n", errs.Invalid, "import.malformed"},
		{access.Grants, "user,preset\n\xff,y\n", errs.Invalid, "import.malformed"},
		{access.Grants, "user,preset\nx\x00,y\n", errs.Invalid, "import.malformed"},
		{access.Licences, "name\n" + strings.Repeat("a\n", 100_001), errs.TooLarge, "import.too_large"},
		{access.Licences, "name\n" + strings.Repeat("a", 10<<20), errs.TooLarge, "import.too_large"},
	} {
		_, err := w.Import(context.Background(), w.op, c.what, strings.NewReader(c.text))
		is(t, err, c.kind, c.rule)
	}
	many := "name\n" + strings.Repeat("Nothing Good\n", 250)
	report, err := w.Import(context.Background(), w.op, access.Licences, strings.NewReader(many))
	is(t, err, errs.Invalid, "import.refused")
	if len(report.Problems) != 100 || report.More != 150 {
		t.Errorf("%d problems and %d more", len(report.Problems), report.More)
	}
}
