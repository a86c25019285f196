package congasign

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/errs"
)

// rooms are the folders of code whose refusals a client of this surface can meet.
var rooms = []string{"..", ".", "../../signing", "../../directory", "../../webhook", "../../authn", "../../authz", "../../retry", "../../blob"}

// elsewhereFiles are files of those rooms that serve other surfaces only, or the operator, with the reason.
var elsewhereFiles = map[string]string{
	"../../directory/partner*.go": "partners, their accounts and users: the surface for partners",
	"../../directory/caller.go":   "the surface for user management", "../../directory/country.go": "partners' accounts",
	"../../directory/channel.go": "partners' channels", "../../directory/domain.go": "domains of organisations: the operator and the surface for user management",
	"../../directory/consumable.go": "partners' accounts", "../../directory/settings.go": "partners and the operator",
	"../../directory/account_user.go": "the console", "../../directory/own_settings.go": "the console", "../../directory/reach.go": "the console",
	"../../directory/staff.go": "the console", "../../directory/people.go": "the console", "../../directory/console_*.go": "the console",
	"../../directory/businesskey.go": "the surface for IntelAgree", "../../directory/numbered.go": "the surface for IntelAgree",
	"../../directory/licence*.go": "the console", "../../directory/listed.go": "the surface for access lists",
	"../../authn/platform.go": "the surface for user management", "../../authn/exchange.go": "the surface for token exchange",
	"../../authn/technical.go": "technical accounts: the operator", "../../authn/clients.go": "the operator",
	"../../authn/accesstoken.go": "tokens of the access list", "../../authn/subscription.go": "the surface for IntelAgree",
	"../../authn/console*.go": "the console", "../../authn/oidc.go": "the console", "../../authn/provider.go": "the console",
	"../../authn/password.go": "the console", "../../authn/signin.go": "the console",
	"../../authn/code.go": "codes on the signing pages", "../../authn/browser.go": "the signing pages", "../../authn/proof.go": "the signing pages",
	"../../webhook/gate.go": "what keeps a call from being made: it is in the list of deliveries", "../../webhook/call.go": "for who receives the calls",
	"../../webhook/list.go": "the operator's command", "../../webhook/browse.go": "the console",
	"oauth.go": "the token endpoint words its refusals by RFC 6749: TestSurface/OAuthErrors",
}

// unreached are refusals that no row of errors.tsv shows, with the reason.
var unreached = map[string]string{
	// On the signing pages.
	"consent.missing": "the API consents with the signature", "copy.off": "pages", "decline.off": "pages", "lease.stale": "pages: the API takes, signs and releases at once",
	"link.unknown": "pages", "mark.missing": "pages: the API takes an image", "member.moved": "pages", "page.dpi": "pages", "visit.unknown": "pages",
	"lease.none": "the console's pages", "lease.not_breaker": "the console's pages", "lease.break_reason": "the console's pages", "manager.needed": "the console's people",
	"package.not_in_person": "pages", "signer.locked": "pages: by the API nobody enters a code", "logo.unknown": "pages",
	// In other surfaces and for the operator.
	"account.unknown": "the operator", "organisation.unknown": "the operator", "callback.unknown": "the operator's command",
	"callback.overlap": "the operator's command", "kind.denied": "routes that name kinds of callers, which this surface has none of", "scope.unknown": "the token endpoint: TestSurface/OAuthErrors",
	"form.malformed": "the token endpoint: TestSurface/OAuthErrors", "form.repeated": "the token endpoint: TestSurface/OAuthErrors",
	// Not to be had on demand.
	"fault": "a defect", "right.undeclared": "a defect: a house rule sees to it", "authn.stale": "the database is away", "body.incomplete": "the client has hung up",
	"document.changed": "two calls at the same moment", "document.exhausting": "limits of the airlock: the tests of pdf",
	"idempotency_key.in_progress": "two calls at the same moment: TestSurface/T10Concurrent",
	// Guards of rooms that the surface does not let anybody come to.
	"date.malformed": "the decoder words it as json.type", "list.sort": "the surface knows the orders", "role.index": "the surface knows the range",
	"file.missing": "a form without any part is malformed already", "user.inactive": "who is locked or deactivated has no credentials",
	"member.inactive Denied": "who is locked or deactivated has no credentials", "member.unknown Denied": "pages",
}

// said is one refusal as the code makes it.
type said struct{ kind, what, where string }

// whats are the refusals of a folder's code: calls of errs.New with a What in so many words.
func whats(t *testing.T, folder string) (out []said) {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.go")
	must(t, err)
	set := token.NewFileSet()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || isElsewhere(file) {
			continue
		}
		tree, err := parser.ParseFile(set, file, nil, 0)
		must(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			if s, ok := refusalIn(n); ok {
				s.where = set.Position(n.Pos()).String()
				out = append(out, s)
			}
			return true
		})
	}
	return out
}

func isElsewhere(file string) bool {
	for pattern := range elsewhereFiles {
		if ok, _ := filepath.Match(pattern, file); ok {
			return true
		}
	}
	return false
}

func refusalIn(n ast.Node) (s said, ok bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) < 2 {
		return s, false
	}
	made, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || made.Sel.Name != "New" {
		return s, false
	}
	kind, ok := call.Args[0].(*ast.SelectorExpr)
	what, literal := call.Args[1].(*ast.BasicLit)
	if room, named := made.X.(*ast.Ident); !ok || !literal || !named || room.Name != "errs" {
		return s, false
	}
	s.kind = kind.Sel.Name
	s.what, _ = strconv.Unquote(what.Value)
	return s, true
}

// kinds by the name that code calls them.
var kinds = map[string]errs.Kind{"Fault": errs.Fault, "Invalid": errs.Invalid, "Unauthenticated": errs.Unauthenticated, "Denied": errs.Denied,
	"NotFound": errs.NotFound, "Conflict": errs.Conflict, "Unprocessable": errs.Unprocessable, "TooLarge": errs.TooLarge, "Unsupported": errs.Unsupported,
	"Limited": errs.Limited, "Unavailable": errs.Unavailable, "NotServed": errs.NotServed, "MethodNotAllowed": errs.MethodNotAllowed}

// Whatever a room refuses has a row in errors.tsv, which testErrors produces over HTTP, or a reason why not.
func TestEveryRefusalHasARow(t *testing.T) {
	rows, spent := map[string]bool{}, map[string]bool{}
	for _, row := range apitest.Errors(t, "errors.tsv") {
		rows[row["key"]] = true
	}
	for _, folder := range rooms {
		for _, s := range whats(t, folder) {
			kind, ok := kinds[s.kind]
			if !ok {
				t.Errorf("%s: no kind %s", s.where, s.kind)
			}
			key := refuse("", errs.New(kind, s.what, "")).JSON.(errorBody).MessageKey
			name := s.what
			if unreached[name] == "" {
				name += " " + s.kind
			}
			switch {
			case rows[key] && unreached[s.what+" "+s.kind] != "":
				t.Errorf("%s: %s has a row, and a reason why it has none", s.where, key)
			case !rows[key] && unreached[name] == "":
				t.Errorf("%s: %s has no row in errors.tsv and no reason why", s.where, key)
			case !rows[key]:
				spent[name] = true
			}
		}
	}
	for name := range unreached {
		if !spent[name] {
			t.Errorf("the reason for %s is of no use any more", name)
		}
	}
}

// A row names one way to be refused.
func TestNoRowTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range apitest.Errors(t, "errors.tsv") {
		if seen[row["when"]] {
			t.Errorf("%s is there twice", row["when"])
		}
		seen[row["when"]] = true
	}
}
