package pdf

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const script = "<</S/JavaScript/JS(app.alert\\(1\\))>>"

// dangers are pieces of active content: where they stand and what they are called.
var dangers = map[string]struct{ catalog, page, want string }{
	"open script":    {"/OpenAction" + script, "", "javascript"},
	"open uri":       {"/OpenAction<</S/URI/URI(http://x)>>", "", "open_action"},
	"open chain":     {"/OpenAction<</S/GoTo/D[5 0 R/Fit]/Next<</S/URI/URI(http://x)>>>>", "", "open_action"},
	"named scripts":  {"/Names<</JavaScript<</Names[(a)" + script + "]>>>>", "", "javascript"},
	"hidden name":    {"/OpenAction<</S/J#61vaScript/J#53(x)>>", "", "javascript"},
	"additional":     {"/AA<</WC" + script + ">>", "", "additional_actions"},
	"page actions":   {"", "/AA<</O" + script + ">>", "additional_actions"},
	"launch":         {"", link("<</S/Launch/F(x)>>"), "launch"},
	"submit":         {"", link("<</S/SubmitForm/F(x)>>"), "submit_form"},
	"import":         {"", link("<</S/ImportData/F(x)>>"), "import_data"},
	"go to remote":   {"", link("<</S/GoToR/F(x)>>"), "goto_remote"},
	"go to embedded": {"", link("<</S/GoToE>>"), "goto_embedded"},
	"as structure":   {"", link("<</Type/StructElem/S/Launch/F(x)>>"), "launch"},
	"chain":          {"", link("<</S/GoTo/D[5 0 R/Fit]/Next[<</S/URI/URI(https://example.com)/Next<</S/Launch/F(x)>>>>]>>"), "launch"},
	"script link":    {"", link("<</S/URI/URI(java\\nscript:alert)>>"), "unsafe_link"},
	"layers":         {"", link("<</S/SetOCGState/State[/ON 5 0 R]>>"), "layers"},
	"hide":           {"", link("<</S/Hide/T(x)>>"), "hide"},
	"rendition":      {"", "/Annots[<</Subtype/Screen/Rect[0 0 9 9]/A<</S/Rendition>>>>]", "screen"},
	"3d":             {"", "/Annots[<</Subtype/3D/Rect[0 0 9 9]>>]", "three_d"},
	"rich media":     {"", "/Annots[<</Subtype/RichMedia/Rect[0 0 9 9]>>]", "rich_media"},
	"attachment":     {"", "/Annots[<</Subtype/FileAttachment/Rect[0 0 9 9]>>]", "embedded_file"},
	"embedded":       {"/Names<</EmbeddedFiles<</Names[(a)<</EF<<>>>>]>>>>", "", "embedded_file"},
	"associated":     {"/AF[<</Type/Filespec/F(x)/EF<</F 4 0 R>>>>]", "", "embedded_file"},
	"xfa":            {"/AcroForm<</Fields[<</T(a)/FT/Tx>>]/XFA[(a)4 0 R]>>", "", "xfa"},
	"appearances":    {"/AcroForm<</Fields[]/NeedAppearances true>>", "", "need_appearances"},
}

func link(action string) string { return "/Annots[<</Subtype/Link/Rect[0 0 9 9]/A " + action + ">>]" }

func TestP2ActiveContentIsRemoved(t *testing.T) {
	for title, c := range dangers {
		t.Run(title, func(t *testing.T) {
			m := document(c.page).catalog(c.catalog)
			for _, original := range [][]byte{m.table(), m.packed(false)} {
				doc, info := accepted(t, original)
				if info.Repaired == nil || !slices.Contains(info.Removed, c.want) {
					t.Fatalf("removed %q, want %s", info.Removed, c.want)
				}
				if len(info.Notes) != len(info.Removed) || !strings.HasPrefix(info.Notes[0], "Removed ") {
					t.Errorf("notes %q", info.Notes)
				}
				inert(t, doc)
				if out := output(t, doc, "pdftotext", "{}", "-"); !strings.Contains(out, "Hello agreement") {
					t.Errorf("text %q", out)
				}
			}
		})
	}
}

// inert asserts that nothing active is left in doc, and that other readers take it.
func inert(t *testing.T, doc []byte) {
	t.Helper()
	for _, word := range []string{"JavaScript", "Launch", "SubmitForm", "ImportData", "GoToR", "GoToE", "RichMedia",
		"EmbeddedFiles", "/AA", "/XFA", "NeedAppearances", "app.alert"} {
		if bytes.Contains(doc, []byte(word)) {
			t.Errorf("%s is still in the file", word)
		}
	}
	_, _, left, err := peruse(doc, Limits{}.withDefaults())
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	if out := output(t, doc, "qpdf", "--check", "{}"); strings.Contains(out, "WARNING") {
		t.Error(out)
	}
}

// What is cleaned, and freed of form fields, is sealed and verifies in other programs.
func TestP2CleanedDocumentsSeal(t *testing.T) {
	tool(t, "pdfsig")
	doc, _ := accepted(t, form("/AA<</O"+script+">>").catalog("/Names<</EmbeddedFiles<</Names[(a)<</EF<<>>>>]>>>>").packed(false))
	x := extracted(t, doc, Wanted{Fields: true, Roles: []string{"Buyer"}})
	p := composed(t, Job{Doc: x.File, Container: container()})
	sealed, err := p.Patch(sign(t, p))
	if err != nil {
		t.Fatal(err)
	}
	if out := output(t, sealed, "pdfsig", "-nocert", "{}"); !strings.Contains(out, "Signature is Valid") || !strings.Contains(out, "Total document signed") {
		t.Error(out)
	}
	if out := output(t, sealed, "qpdf", "--check", "{}"); strings.Contains(out, "WARNING") {
		t.Error(out)
	}
	if out := output(t, sealed, "mutool", "info", "{}"); strings.Contains(out, "warning") || strings.Contains(out, "error") {
		t.Error(out)
	}
}

func TestP2IrremovableIsRefused(t *testing.T) {
	for title, catalog := range map[string]string{
		"portfolio":       "/Collection<<>>",
		"dynamic XFA":     "/AcroForm<</Fields[]/XFA[]>>",
		"needs rendering": "/NeedsRendering true/AcroForm<</Fields[<</T(a)/FT/Tx>>]/XFA[]>>",
	} {
		t.Run(title, func(t *testing.T) {
			_, err := jail.Inspect(context.Background(), document("").catalog(catalog).table())
			refused(t, err, ActiveContent)
		})
	}
}

func TestP2HarmlessStaysAsItIs(t *testing.T) {
	m := document("/Resources<</Font<</H 3 0 R/AA 3 0 R/JS 3 0 R>>>>" + link("<</S/URI/URI(https://example.com)>>")).
		catalog("/OpenAction[5 0 R/Fit]/Names<</EmbeddedFiles<</Names[]>>/JavaScript<<>>>>/AcroForm<</Fields[]/NeedAppearances false>>")
	if _, info := accepted(t, m.table()); info.Repaired != nil || len(info.Notes) > 0 {
		t.Errorf("a link, a place to open at and odd names of fonts are no reason for a change: %q", info.Notes)
	}
}

// A font called AA stays even when something else has to go, and an object that is both
// a font and an action loses its action.
func TestP2NamesAreNotActions(t *testing.T) {
	m := document("/Resources<</Font<</H 3 0 R/AA 3 0 R/JS 6 0 R>>>>" + link("6 0 R"))
	m.with("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/S/Launch/F(x)/JS(app.alert)>>")
	doc, info := accepted(t, m.table())
	if !slices.Contains(info.Removed, "launch") || !bytes.Contains(doc, []byte("/AA")) {
		t.Errorf("removed %q", info.Removed)
	}
	if bytes.Contains(doc, []byte("app.alert")) {
		t.Error("the script is still there")
	}
}

// Any number of dangers in one file, behind references, in chains and in object streams.
func TestP2RandomCombinations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	names := make([]string, 0, len(dangers))
	for title := range dangers {
		names = append(names, title)
	}
	slices.Sort(names)
	limits := Limits{}.withDefaults()
	for range 300 {
		m := document("")
		var pageKeys, annots, catalog []string
		used := map[string]bool{}
		for range 1 + r.IntN(5) {
			d := dangers[names[r.IntN(len(names))]]
			if key, _, _ := strings.Cut(strings.TrimPrefix(d.catalog, "/"), "<"); d.catalog != "" && !used[key] {
				used[key] = true
				catalog = append(catalog, d.catalog)
			}
			if inner, ok := strings.CutPrefix(d.page, "/Annots["); ok {
				annots = append(annots, buried(r, &m, strings.TrimSuffix(inner, "]")))
			} else if d.page != "" && !used["page"] {
				used["page"] = true
				pageKeys = append(pageKeys, d.page)
			}
		}
		m.objects[4] = strings.TrimSuffix(m.objects[4], ">>") + strings.Join(pageKeys, "") + "/Annots[" + strings.Join(annots, " ") + "]>>"
		m = m.catalog(strings.Join(catalog, ""))
		doc := m.table()
		if r.IntN(2) == 0 {
			doc = m.packed(r.IntN(2) == 0)
		}
		f, _, removed, err := peruse(doc, limits)
		if err != nil || len(removed) == 0 {
			t.Fatalf("%v: removed %q of\n%s", err, removed, m.table())
		}
		if _, _, err = f.cleaned(limits); err != nil {
			t.Fatalf("%v: after removal of %q from\n%s", err, removed, m.table())
		}
	}
}

// buried puts an annotation behind references, or its action at the end of a chain.
func buried(r *rand.Rand, m *maker, annotation string) string {
	if before, action, ok := strings.Cut(strings.Replace(annotation, "/A <<", "/A<<", 1), "/A<<"); ok {
		action = "<<" + strings.TrimSuffix(action, ">>")
		for range r.IntN(4) {
			action = fmt.Sprintf("%d 0 R", m.with("<</S/URI/URI(https://example.com)/Next["+action+"]>>"))
		}
		annotation = before + "/A " + action + ">>"
	}
	for range r.IntN(3) {
		annotation = fmt.Sprintf("%d 0 R", m.with(annotation))
	}
	return annotation
}

func TestP1LongChainsOfActions(t *testing.T) {
	m := document(link("6 0 R"))
	for i := range 100_000 {
		m.with(fmt.Sprintf("<</S/GoTo/D[5 0 R/Fit]/Next %d 0 R>>", i+7))
	}
	m.with("<</S/Launch/F(x)/Next 6 0 R>>")
	_, info := accepted(t, m.table())
	if !slices.Equal(info.Removed, []string{"launch"}) {
		t.Errorf("removed %q", info.Removed)
	}
}
