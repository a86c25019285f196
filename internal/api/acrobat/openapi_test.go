package acrobat

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
)

// published is the document that every answer of this package's tests is held against.
var published *apitest.Spec

// Every call of every test passes the document; when all tests ran, every operation has succeeded in one.
func TestMain(m *testing.M) {
	var err error
	if published, err = apitest.NewSpec(OpenAPI); err != nil {
		fmt.Fprintln(os.Stderr, "openapi.json:", err)
		os.Exit(1)
	}
	checkAnswer = func(t testing.TB, c apitest.Call, a apitest.Answer) {
		t.Helper()
		if err := published.Fault(c, a); err != nil {
			t.Errorf("openapi.json: %v", err)
		}
	}
	flag.Parse()
	code := m.Run()
	if code == 0 && everything() {
		code = unproven()
	}
	os.Exit(code)
}

// everything tells that no flag leaves tests out.
func everything() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

func unproven() int {
	answers, total := published.Answers(), 0
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		total += answers[name]
		if testing.Verbose() {
			fmt.Printf("%6d %s\n", answers[name], name)
		}
	}
	fmt.Printf("openapi.json: %d answers of %d operations were as it says\n", total, len(published.Operations()))
	if missing := published.Unproven(); missing != nil {
		fmt.Fprintf(os.Stderr, "FAIL: openapi.json: no test has a success of %q\n", missing)
		return 1
	}
	return 0
}

// The document has the operations of the route table, with their scopes and kinds of token.
func TestOpenAPIRoutes(t *testing.T) {
	operations := published.Operations()
	for _, route := range New(Config{Points: []AccessPoint{onePoint}}).Routes {
		if route.Method == "" {
			continue // it words refusals, and is no operation
		}
		op := operations[route.Pattern()]
		delete(operations, route.Pattern())
		if op == nil || op.Security == nil {
			t.Errorf("%s: not in the document, or without its security", route.Pattern())
			continue
		}
		want := map[string][]string{}
		if route.Right != api.Public {
			for _, kind := range route.Kinds {
				want[schemes[kind]] = scopes(route)
			}
		}
		got := map[string][]string{}
		for _, alternative := range *op.Security {
			for name, list := range alternative {
				slices.Sort(list)
				got[name] = append([]string{}, list...)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the document has the scopes %v, the route %v", route.Pattern(), got, want)
		}
	}
	for name := range operations {
		t.Errorf("%s is in the document and no route", name)
	}
}

var schemes = map[authz.Kind]string{authz.Technical: "technicalToken", authz.Delegated: "userToken"}

func scopes(route api.Route) []string {
	list := []string{}
	for _, right := range append([]authz.Right{route.Right}, route.Also...) {
		if right != api.Anyone {
			list = append(list, string(right))
		}
	}
	slices.Sort(list)
	return list
}

// operationsOf are the operations that errors.tsv calls by a shorter name.
var operationsOf = map[string][]string{
	"ims":                        {"POST " + imsPath + "/v2", "POST " + imsPath + "/v3"},
	"baseUris":                   {"GET " + restPath + "/baseUris"},
	"token":                      {"POST " + authPath + "/token"},
	"validate_token":             {"POST " + authPath + "/validate_token"},
	"invalidate_token":           {"POST " + authPath + "/invalidate_token"},
	"POST partners":              {"POST " + embedPath + "/partners"},
	"POST accounts":              {"POST " + embedPath + "/accounts"},
	"GET accounts":               {"GET " + embedPath + "/accounts"},
	"GET accounts/{id}":          {"GET " + embedPath + "/accounts/{accountId}"},
	"PUT accounts/{id}":          {"PUT " + embedPath + "/accounts/{accountId}"},
	"POST users":                 {"POST " + embedPath + "/users"},
	"GET users/{id}":             {"GET " + embedPath + "/users/{userId}"},
	"PUT users/{id}":             {"PUT " + embedPath + "/users/{userId}"},
	"POST users/migrationStatus": {"POST " + embedPath + "/users/migrationStatus"},
}

// refusedAnywhere are the hall's own refusals: of every operation, and of those that take a body.
var refusedAnywhere, refusedBodies = []*errs.Error{errs.New(errs.Unavailable, "stale", ""), errs.New(errs.Limited, "flood", "")},
	[]*errs.Error{errs.New(errs.TooLarge, "body.too_large", ""), errs.New(errs.Unsupported, "media.encoding", "")}

// knownErrors are the errors of each operation: "status code", "status code = twin" and
// "status code: message" of the rows of errors.tsv, and of what the hall may refuse.
func knownErrors(t *testing.T) map[string]map[string]bool {
	t.Helper()
	known := map[string]map[string]bool{}
	note := func(operation, status, code, twin, message string) {
		if known[operation] == nil {
			known[operation] = map[string]bool{}
		}
		at := status + " " + code
		known[operation][at], known[operation][at+" = "+twin], known[operation][at+": "+message] = true, true, true
	}
	for _, row := range apitest.Errors(t, "errors.tsv") {
		for _, operation := range operationsOf[row["endpoint"]] {
			code, twin, _ := strings.Cut(row["code"], " ")
			if row["status"] != "405" && !strings.EqualFold(code, "RESOURCE_NOT_FOUND") { // which no operation answers
				note(operation, row["status"], code, twin, row["message"])
			}
		}
	}
	dialect, operations := New(Config{Points: []AccessPoint{onePoint}}), published.Operations()
	for _, route := range dialect.Routes {
		refusals := slices.Clone(refusedAnywhere)
		if op := operations[route.Pattern()]; op == nil {
			continue
		} else if op.RequestBody != nil {
			refusals = append(refusals, refusedBodies...)
		}
		refuse := route.Refuse
		if refuse == nil {
			refuse = func(e *errs.Error) api.Answer { return dialect.Refuse(route.Path, e) }
		}
		for _, e := range refusals {
			a := refuse(e)
			var body map[string]any
			text, err := json.Marshal(a.JSON)
			must(t, err)
			must(t, json.Unmarshal(text, &body))
			note(route.Pattern(), strconv.Itoa(a.Status), first(body, "code", "error"), first(body, "error"), first(body, "message", "error_description"))
		}
	}
	return known
}

// The document's errors are those of errors.tsv and of the hall, operation by operation: statuses, codes and sentences.
func TestOpenAPIErrors(t *testing.T) {
	known := knownErrors(t)
	for name, op := range published.Operations() {
		told := map[string]bool{}
		for status, answer := range op.Responses.Map() {
			if status < "300" {
				continue
			}
			content := answer.Value.Content["application/json"]
			for _, code := range codes(content.Schema, "code", "error") {
				told[status+" "+code] = true
			}
			for key, example := range content.Examples {
				body := example.Value.Value.(map[string]any)
				at := status + " " + first(body, "code", "error")
				if message := first(body, "message", "error_description"); !known[name][at+": "+anonymous(message)] {
					t.Errorf("%s: the example %s says %q, the server does not", name, key, message)
				}
				if body["code"] != nil && body["error"] != nil && !known[name][at+" = "+body["error"].(string)] {
					t.Errorf("%s: the example %s has the twin %q, the server does not", name, key, body["error"])
				}
				told["example of "+at] = true
			}
		}
		for at := range known[name] {
			if !strings.ContainsAny(at, ":=") && !told[at] {
				t.Errorf("%s: the server has %s, the document does not", name, at)
			}
		}
		for at := range told {
			if !strings.HasPrefix(at, "example") && (!known[name][at] || !told["example of "+at]) {
				t.Errorf("%s: the document has %s; the server: %v, an example: %v", name, at, known[name][at], told["example of "+at])
			}
		}
	}
}

// anonymous takes an account's id out of a sentence, as errors.tsv does.
func anonymous(message string) string {
	words := strings.Fields(message)
	if strings.HasPrefix(message, "Account with accountId ") {
		words[3] = "{id}"
		return strings.Join(words, " ")
	}
	return message
}

// codes is the enumeration of the first property that a schema has.
func codes(schema *openapi3.SchemaRef, names ...string) (list []string) {
	for _, name := range names {
		if p := schema.Value.Properties[name]; p != nil {
			for _, value := range p.Value.Enum {
				list = append(list, value.(string))
			}
			return list
		}
	}
	return nil
}

func first(body map[string]any, names ...string) string {
	for _, name := range names {
		if text, ok := body[name].(string); ok {
			return text
		}
	}
	return ""
}

// Every body and every answer with one has an example, and every example fits its schema.
func TestOpenAPIExamples(t *testing.T) {
	n := 0
	check := func(where string, content openapi3.Content) {
		for media, m := range content {
			if len(m.Examples) == 0 {
				t.Errorf("%s, %s: no example", where, media)
			}
			for name, example := range m.Examples {
				n++
				if err := apitest.Fits(m.Schema, example.Value.Value); err != nil {
					t.Errorf("%s, %s, example %s: %v", where, media, name, err)
				}
			}
		}
	}
	for name, op := range published.Operations() {
		if op.Summary == "" || op.Description == "" || op.OperationID == "" || len(op.Tags) != 1 {
			t.Errorf("%s is not described", name)
		}
		if op.RequestBody != nil {
			check(name, op.RequestBody.Value.Content)
		}
		for status, answer := range op.Responses.Map() {
			check(name+" "+status, answer.Value.Content)
			if h := answer.Value.Headers["X-Request-Id"]; h == nil || !h.Value.Required {
				t.Errorf("%s %s: no X-Request-Id", name, status)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d examples", n)
	}
	t.Logf("%d examples", n)
}

// The answers' schemas have the members of the wire structs, with their types, all required, and no others.
func TestOpenAPIAnswers(t *testing.T) {
	for name, wire := range map[string]any{
		"TechnicalToken": technicalTokenOut{}, "AccessPoints": baseURIsOut{}, "UserToken": exchangeOut{}, "Partner": partnerOut{},
		"Account": accountOut{}, "Consumable": consumableOut{}, "AccountList": accountListOut{}, "User": userOut{}, "Migration": migrationOut{},
	} {
		holds(t, name, published.Doc.Components.Schemas[name], reflect.TypeOf(wire))
	}
	want := append(slices.Collect(maps.Keys(tells)), "valid", "expires_at")
	same(t, "Validation", slices.Collect(maps.Keys(published.Doc.Components.Schemas["Validation"].Value.Properties)), want)
}

// holds compares a schema with a Go type, and those of its members.
func holds(t *testing.T, name string, schema *openapi3.SchemaRef, wire reflect.Type) {
	t.Helper()
	kinds := map[reflect.Kind]string{reflect.String: "string", reflect.Int64: "integer", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Struct: "object"}
	if want := kinds[wire.Kind()]; !schema.Value.Type.Is(want) && !(schema.Value.Type == nil && schema.Value.Const != nil) {
		t.Errorf("%s is %v, not %s", name, schema.Value.Type, want)
	}
	switch wire.Kind() {
	case reflect.Slice:
		holds(t, name+"[]", schema.Value.Items, wire.Elem())
	case reflect.Struct:
		var members []string
		for i := range wire.NumField() {
			member, _, _ := strings.Cut(wire.Field(i).Tag.Get("json"), ",")
			members = append(members, member)
			if p := schema.Value.Properties[member]; p != nil {
				holds(t, name+"."+member, p, wire.Field(i).Type)
			}
		}
		same(t, name, slices.Collect(maps.Keys(schema.Value.Properties)), members)
		same(t, name+", required", schema.Value.Required, members)
		if has := schema.Value.AdditionalProperties.Has; has == nil || *has {
			t.Errorf("%s: other members are allowed", name)
		}
	}
}

func same(t *testing.T, name string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("%s: the document has %q, the code %q", name, got, slices.Compact(want))
	}
}

// The requests' schemas have the members that the handlers read, and require those that they require.
func TestOpenAPIRequests(t *testing.T) {
	read := readers(t)
	for name, functions := range map[string][]string{
		"TechnicalTokenForm": {"technicalToken"}, "ValidateForm": {"validate"}, "InvalidateForm": {"invalidate"}, "MigrationForm": {"migrationStatus"},
		"NewPartner": {"registerPartner"}, "NewAccount": {"createAccount", "consumables"}, "AccountChange": {"changeAccount", "consumables", "sameID"},
		"NewUser": {"createUser", "newUser"}, "UserChange": {"changeUser", "userChange", "sameID"},
	} {
		var members []string
		for _, f := range functions {
			if read[f] == nil {
				t.Errorf("there is no %s", f)
				continue
			}
			members = append(members, read[f].members...)
		}
		schema := published.Doc.Components.Schemas[name].Value
		// What consumables blames inside a list is not a member of the body.
		members = slices.DeleteFunc(members, func(s string) bool { return strings.Contains(s, ".") })
		same(t, name, slices.Collect(maps.Keys(schema.Properties)), members)
		required := read[functions[0]].required
		switch name {
		case "NewUser": // with a user's token the account is his own
			required = slices.DeleteFunc(slices.Clone(required), func(s string) bool { return s == "accountId" })
		case "TechnicalTokenForm": // which tells an unknown one from none
			required = append(slices.Clone(required), "grant_type")
		}
		same(t, name+", required", schema.Required, required)
	}
	exchange := published.Doc.Components.Schemas["UserTokenForm"].Value
	same(t, "UserTokenForm", slices.Collect(maps.Keys(exchange.Properties)), exchangeParameters)
	same(t, "UserTokenForm, required", exchange.Required, exchangeParameters)
	in := reflect.TypeOf(consumableIn{})
	var members []string
	for i := range in.NumField() {
		members = append(members, in.Field(i).Tag.Get("json"))
	}
	same(t, "ConsumableInput", slices.Collect(maps.Keys(published.Doc.Components.Schemas["ConsumableInput"].Value.Properties)), members)
	same(t, "types of consumables", codes(published.Doc.Components.Schemas["ConsumableInput"], "type"),
		append(codes(published.Doc.Components.Schemas["Consumable"], "type"), slices.Collect(maps.Keys(aliases))...))
}

// reader is what a function takes from a request.
type reader struct{ members, required []string }

// readers are the room's functions by name. Members are the texts that they pass to
// the readers of bodies and forms; required are those of readBody and authForm, and lists of names.
func readers(t *testing.T) map[string]*reader {
	t.Helper()
	all := map[string]*reader{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && !strings.HasSuffix(path, "_test.go") {
				all[f.Name.Name] = readerOf(f)
			}
		}
	}
	return all
}

func readerOf(f *ast.FuncDecl) *reader {
	r := &reader{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch name := callee(n); name {
			case "readBody", "authForm":
				r.required = append(r.required, texts(n.Args)...)
				r.members = append(r.members, texts(n.Args)...)
			case "text", "change", "keep", "texts", "read", "sent", "Get":
				r.members = append(r.members, texts(n.Args)...)
			}
		case *ast.CompositeLit:
			if list, ok := n.Type.(*ast.ArrayType); ok && fmt.Sprint(list.Elt) == "string" {
				r.required = append(r.required, texts(n.Elts)...)
				r.members = append(r.members, texts(n.Elts)...)
			}
		}
		return true
	})
	return r
}

func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

func texts(list []ast.Expr) (out []string) {
	for _, e := range list {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, _ := strconv.Unquote(lit.Value)
			out = append(out, text)
		}
	}
	return out
}
