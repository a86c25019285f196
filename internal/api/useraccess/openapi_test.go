package useraccess

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
)

// published is the document that every answer of this package's tests is held against.
var published *apitest.Spec

// publish loads the document; while it is being written anew there may be none.
func publish() {
	var err error
	if published, err = apitest.NewSpec(OpenAPI); err != nil {
		if !updating() {
			panic("openapi.json: " + err.Error())
		}
		published = nil
	}
}

// updating tells that samples and the document are being written anew.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// unproven tells when every test ran and an operation has succeeded in none.
func unproven() int {
	if published == nil {
		return 0
	}
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return 0
		}
	}
	total := 0
	for _, n := range published.Answers() {
		total += n
	}
	fmt.Printf("openapi.json: %d answers of %d operations were as it says\n", total, len(published.Operations()))
	if missing := published.Unproven(); len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: openapi.json: no test has a success of %q\n", missing)
		return 1
	}
	return 0
}

type object = map[string]any

// operation describes one route for the document; the rest follows from the route table and the wire types.
type operation struct {
	id, summary, text string
	parameters        []string // names in parameterTexts
	out               any
	csv, missing      bool // it answers CSV too; it may answer 404
}

var operations = map[string]operation{
	"GET /v2/access/users": {id: "listUserPermissions", summary: "Who has which permission sets",
		text: "Lists the active users of the account and their permission sets, all of them at once, or page by page when `limit` is given. Filters are " +
			"combined with AND; they choose users and never trim what is told of one. `total_results` counts all that match, on whatever page. " +
			"A list of many users is streamed from one snapshot; a connection that is cut short was not the whole list. With `Accept: text/csv` the same as CSV.",
		parameters: []string{"status", "license_type", "user_id", "email", "permission", "last_login_before", "limit", "cursor", "If-None-Match"},
		out:        listOut{}, csv: true},
	"GET /v2/access/users/{user}": {id: "getUserPermissions", summary: "One user, and why he has what he has",
		text:       "Tells every permission set and every effective permission of a user, each with all reasons for it: a role, a permission set, a grant of its own, a group, or a copy of another user.",
		parameters: []string{"user", "If-None-Match"}, out: detailOut{}, missing: true},
	"GET /v2/access/history": {id: "listGrantHistory", summary: "Who granted and revoked what",
		text:       "Lists what was granted and ended, the newest first, 100 at once unless `limit` says otherwise. What follows from a user's role is no grant and has no history here.",
		parameters: []string{"user_id", "group_id", "from", "to", "limit", "cursor", "If-None-Match"}, out: historyOut{}, missing: true},
}

// parameterTexts describe the parameters: where, schema, text.
var parameterTexts = map[string]struct {
	in     string
	schema object
	text   string
}{
	"status":            {"query", object{"type": "string", "enum": []string{"active", "inactive", "all"}, "default": "active"}, "Users who are active, who are locked or deactivated, or both."},
	"license_type":      {"query", object{"type": "string", "minLength": 1}, "Users with a license: `conga_sign`, `salesforce`, or another of the account."},
	"user_id":           {"query", object{"type": "string", "minLength": 1}, "One user."},
	"group_id":          {"query", object{"type": "string", "minLength": 1}, "One group."},
	"email":             {"query", object{"type": "string", "minLength": 1}, "The user with this address."},
	"permission":        {"query", object{"type": "string", "minLength": 1}, "Users with this permission or permission set, by its name in `permissions`."},
	"last_login_before": {"query", object{"type": "string", "format": "date-time"}, "Users who have not signed in since, and those who never have."},
	"from":              {"query", object{"type": "string", "format": "date-time"}, "Events at this time and later."},
	"to":                {"query", object{"type": "string", "format": "date-time"}, "Events before this time."},
	"limit":             {"query", object{"type": "integer", "minimum": 1, "maximum": maxPage}, "The size of a page."},
	"cursor":            {"query", object{"type": "string", "minLength": 1}, "`next_cursor` of the page before, with the same filters."},
	"user":              {"path", object{"type": "string"}, "`user_id` of the list."},
	"If-None-Match":     {"header", object{"type": "string"}, "`ETag` of an earlier answer: 304 when nothing has changed. It counts against the quota as any call."},
}

// headers that answers have, by name: schema, text.
var headers = map[string]struct {
	schema object
	text   string
}{
	"X-Request-Id":     {object{"type": "string"}, "The call's id, also in the server's log."},
	"RateLimit-Policy": {object{"type": "string", "const": policyHeader}, "100 calls in any 60 seconds."},
	"RateLimit":        {object{"type": "string", "pattern": rateLimit.String()}, "r: how many calls are left; t: seconds until there will be one more. r=0 where the caller is not known."},
	"ETag":             {object{"type": "string"}, "Of what the account's directory is now, and of what was asked for."},
	"Retry-After":      {object{"type": "string", "pattern": "^[0-9]+$"}, "Seconds."},
	"WWW-Authenticate": {object{"type": "string"}, "RFC 6750."},
	"Link":             {object{"type": "string"}, "The next page (RFC 8288, rel=next)."},
}

var statusTexts = map[int]string{
	200: "Success. The list of users was retrieved successfully.", 304: "Nothing has changed since that ETag.",
	400: "A parameter cannot be used; `errors` names it.", 401: "Auth Failed. Your Bearer Token is invalid or expired.",
	403: `Insufficient Privileges. Your account does not have "Admin" rights to view user access lists.`, 404: "There is no such user or group in the account.",
	413: "The request has a body that is too large.", 415: "The request has a body with a content encoding.",
	429: "Rate Limit. You have exceeded the administrative request quota. Please wait 60 seconds.",
	500: "Server Error. An unexpected error occurred. Please contact Conga Support.", 503: "Not available at the moment; try again.",
}

// document makes the OpenAPI document from the route table, the wire types and the descriptions.
func document() []byte {
	w := writer{}
	paths := object{}
	for _, route := range New(Config{}).Routes {
		if op, ok := operations[route.Pattern()]; ok {
			paths[route.Path] = object{"get": w.operation(op)}
		}
	}
	w.schema(reflect.TypeFor[errorBody]())
	w.schema(reflect.TypeFor[problemBody]())
	told := object{}
	for name, h := range headers {
		told[name] = object{"description": h.text, "schema": h.schema, "required": !slices.Contains([]string{"Link", "WWW-Authenticate"}, name)}
	}
	doc := object{"openapi": "3.1.0",
		"info": object{"title": "User Access API", "version": "2.1", "license": object{"name": "Apache License 2.0", "identifier": "Apache-2.0"},
			"summary":     "Who has which permission, and why.",
			"description": "Administrators audit the users of an account. Every call needs a bearer token whose user may read access lists; 100 calls are accepted in any 60 seconds, and every answer says how many are left. Unknown parameters are ignored; unknown, empty and repeated values are refused."},
		"servers": []any{object{"url": "/", "description": "This server."}}, "paths": paths, "security": []any{object{"bearer": []string{}}},
		"tags": []any{object{"name": "Access", "description": "Users and what they may do."}},
		"components": object{"schemas": w, "headers": told, "securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer",
			"description": "An access token, made in the console or on the command line, or a token of `POST /oauth2/token` with the scope `access.read`."}}}}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

// writer gathers the schemas of wire types.
type writer map[string]any

func (w writer) operation(op operation) object {
	parameters := []any{}
	for _, name := range op.parameters {
		p := parameterTexts[name]
		parameters = append(parameters, object{"name": name, "in": p.in, "required": p.in == "path", "schema": p.schema, "description": p.text})
	}
	responses := object{}
	for status, text := range statusTexts {
		if status != 404 || op.missing {
			responses[fmt.Sprint(status)] = w.answer(op, status, text)
		}
	}
	return object{"operationId": op.id, "tags": []string{"Access"}, "summary": op.summary, "description": op.text, "parameters": parameters, "responses": responses}
}

func (w writer) answer(op operation, status int, text string) object {
	names := []string{"X-Request-Id", "RateLimit-Policy", "RateLimit"}
	content := object{}
	switch {
	case status == 200:
		names = append(names, "ETag", "Link")
		content[jsonMedia] = object{"schema": w.schema(reflect.TypeOf(op.out))}
		if op.csv {
			content[csvMedia] = object{"schema": object{"type": "string"}}
		}
	case status == 304:
		names = append(names, "ETag")
	default:
		content[jsonMedia] = object{"schema": w.schema(reflect.TypeFor[errorBody]())}
		content[problemMedia] = object{"schema": w.schema(reflect.TypeFor[problemBody]())}
	}
	switch status {
	case 401, 403:
		names = append(names, "WWW-Authenticate")
	case 429, 503:
		names = append(names, "Retry-After")
	}
	told := object{}
	for _, name := range names {
		told[name] = object{"$ref": "#/components/headers/" + name}
	}
	out := object{"description": text, "headers": told}
	if len(content) > 0 {
		out["content"] = content
	}
	return out
}

// schema is a type's schema; structs become components. Members are required unless they may be left out.
func (w writer) schema(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		s := w.schema(t.Elem())
		if s["$ref"] != nil {
			return object{"anyOf": []any{s, object{"type": "null"}}}
		}
		s["type"] = []any{s["type"], "null"}
		return s
	case reflect.Slice:
		return object{"type": "array", "items": w.schema(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Struct:
		name := strings.TrimSuffix(strings.TrimSuffix(t.Name(), "Out"), "Body")
		name = strings.ToUpper(name[:1]) + name[1:]
		if w[name] == nil {
			members, required := w.members(t)
			w[name] = object{"type": "object", "properties": members, "required": required, "additionalProperties": false}
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	panic("no schema of " + t.String())
}

func (w writer) members(t reflect.Type) (members object, required []string) {
	members = object{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			inner, needed := w.members(f.Type)
			for name, s := range inner {
				members[name] = s
			}
			required = append(required, needed...)
			continue
		}
		members[name] = w.schema(f.Type)
		if !strings.Contains(options, "omitzero") {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return members, required
}

// Values that the document does not allow are refused, whatever the parameter.
func TestOpenAPIInvalidValues(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	n := 0
	for name, op := range published.Operations() {
		path := strings.NewReplacer("GET ", "", "{user}", s.admin.SenderID).Replace(name)
		for _, p := range op.Parameters {
			if p.Value.In != "query" {
				continue
			}
			for _, value := range invalid(p.Value.Schema.Value) {
				s.forget()
				a := s.Get(path + "?" + p.Value.Name + "=" + url.QueryEscape(value))
				if n++; a.Status != 400 || a.Text("errors.0.field") != p.Value.Name {
					t.Errorf("%s: %s=%q was answered %d %s", name, p.Value.Name, value, a.Status, a.Body)
				}
			}
			s.forget()
			s.Get(path + "?" + p.Value.Name + "=1&" + p.Value.Name + "=1").Want(400)
		}
	}
	if n < 60 {
		t.Errorf("only %d values", n)
	}
}

// invalid are values that a schema does not allow.
func invalid(schema *openapi3.Schema) []string {
	list := []string{""}
	switch {
	case len(schema.Enum) > 0:
		for _, one := range schema.Enum {
			word := one.(string)
			list = append(list, strings.ToUpper(word), word+" ", word+",", word[1:])
		}
	case schema.Format == "date-time":
		list = append(list, "x", "0", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z")
	case schema.Type.Is("integer"):
		list = append(list, "x", "0", "-1", "1001", "1.0", "1e1", "0x1", "01", " 1", "99999999999999999999", "null", "١")
	}
	return list
}

// The committed document is the one that the code makes; go test -update writes it anew.
func TestOpenAPIIsTheCode(t *testing.T) {
	described := 0
	for _, route := range New(Config{}).Routes {
		if _, ok := operations[route.Pattern()]; ok {
			described++
		} else if route.Method != "" {
			t.Errorf("%s is not described", route.Pattern())
		}
	}
	if described != len(operations) {
		t.Errorf("%d of %d operations are routes", described, len(operations))
	}
	want := document()
	if updating() {
		must(t, os.WriteFile("openapi.json", want, 0o644))
		return
	}
	if !bytes.Equal(OpenAPI, want) {
		t.Error("openapi.json is not what the code says; go test -run OpenAPI -update writes it")
	}
	for _, route := range New(Config{}).Routes {
		if route.Right == "" || route.Right == api.Public || len(route.Kinds) != 1 {
			t.Errorf("%s lets others in", route.Pattern())
		}
	}
}
