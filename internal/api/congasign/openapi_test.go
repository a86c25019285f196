package congasign

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
)

// published is the document that every answer of this package's tests is held against.
var published *apitest.Spec

// publish loads the document; while it is being written anew there may be none.
func publish() {
	var err error
	if published, err = apitest.NewSpec(OpenAPI); err != nil && !updating() {
		panic("openapi.json: " + err.Error())
	}
}

// updating tells that samples and the document are being written anew.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// checkDocument holds a call and its answer against the document, under the one prefix that it writes.
func checkDocument(t testing.TB, c apitest.Call, a apitest.Answer) {
	t.Helper()
	if published == nil {
		return
	}
	path, query, asked := strings.Cut(c.Path, "?")
	bare, ok := claim(strings.TrimSuffix(path, "/"))
	if !ok {
		return
	}
	if c.Path = documented(bare); asked {
		c.Path += "?" + query
	}
	if err := published.Fault(c, a); err != nil {
		t.Errorf("openapi.json: %v", err)
	}
}

// documented is a route's path as the document writes it.
func documented(path string) string {
	if slices.ContainsFunc(rootPaths, func(root string) bool { return api.Under(path, root) }) {
		return path
	}
	return "/api" + path
}

// rootPaths lie at the root of the host.
var rootPaths = []string{"/auth", "/oauth2", "/apitoken"}

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
	missing := slices.DeleteFunc(published.Unproven(), func(name string) bool { return operations[unprefixed(name)].status == 501 })
	if len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: openapi.json: no test has a success of %q\n", missing)
		return 1
	}
	return 0
}

// unprefixed is an operation's name as the route table writes it.
func unprefixed(name string) string { return strings.Replace(name, " /api/", " /", 1) }

// operation describes one route for the document; the rest follows from the route table and the wire types.
type operation struct {
	tag, summary, text string
	query              string   // parameters: "name" or "name:integer" or "name!" if it must be there
	in                 any      // wire type of a JSON body; nil: none
	media              []string // of other bodies
	optional           bool     // the body may be left out
	out                any      // wire type of the JSON answer; nil: none
	refusal            any      // wire type of the refusals; nil: the surface's own
	or                 any      // wire type of another JSON answer
	file               []string // media types of an answer that is no JSON, beside out
	status             int      // of success; 0 is 200
	also               int      // another status of success, without a body
}

// document makes the OpenAPI document from the route table, the wire types and the descriptions.
func document() []byte {
	w := &writer{schemas: map[string]any{}}
	paths := map[string]map[string]any{}
	for _, route := range New(Config{}).Routes {
		if route.Method == "" {
			continue // it words refusals, and is no operation
		}
		path := documented(route.Path)
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(route.Method)] = w.operation(route, operations[route.Pattern()])
	}
	w.schemas["Error"] = w.of(reflect.TypeFor[errorBody](), true)
	doc := map[string]any{
		"openapi": "3.1.0", "info": documentInfo, "servers": []any{map[string]any{"url": "/", "description": "This server."}},
		"paths": paths, "tags": documentTags,
		"components": map[string]any{"schemas": w.schemas, "securitySchemes": documentSchemes,
			"headers":   map[string]any{"RequestId": map[string]any{"description": "The call's id, also in the log and the audit events.", "required": true, "schema": map[string]any{"type": "string"}}},
			"responses": errorResponses()},
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

// refusalTexts say what a status means on this surface.
var refusalTexts = map[int]string{
	400: "Something in the request is wrong; or the package cannot change its status so.", 401: "No credentials, or none that are valid.",
	403: "The caller may not do this.", 404: "There is no such thing in the caller's account.", 409: "Somebody else is doing this just now, or it has been done.",
	405: "Only GET.", 413: "The body or a part of it is too large.", 415: "A media type that is not taken here.", 422: "The request is well formed and cannot be carried out.",
	429: "Too often.", 500: "An unexpected error.", 501: "Not offered by this server.", 503: "Not available at the moment; try again.",
}

func errorResponses() map[string]any {
	out := map[string]any{}
	for status, text := range refusalTexts {
		out[fmt.Sprint("Refused", status)] = map[string]any{"description": text, "headers": requestID(),
			"content": map[string]any{"application/json": map[string]any{"schema": ref("Error")}}}
	}
	return out
}

func requestID() map[string]any {
	return map[string]any{"X-Request-Id": map[string]any{"$ref": "#/components/headers/RequestId"}}
}

func ref(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// refusals are the statuses that a route may be refused with.
func refusals(route api.Route, op operation) (list []int) {
	if op.status == 501 {
		list = append(list, 501)
	}
	list = append(list, 400, 404, 429, 500, 503)
	list = append(list, 401, 403)
	if route.Method != "GET" {
		list = append(list, 409, 413, 415, 422)
	} else if strings.Contains(route.Path, "/packages/") {
		list = append(list, 409, 422)
	}
	if route.Path == "/auth" { // a HEAD would spend the token
		list = append(list, 405)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (w *writer) operation(route api.Route, op operation) map[string]any {
	responses := map[string]any{}
	if op.status != 501 {
		status := op.status
		if status == 0 {
			status = 200
		}
		responses[fmt.Sprint(status)] = w.success(op)
		if op.also != 0 {
			responses[fmt.Sprint(op.also)] = map[string]any{"description": "Done, or nothing to tell.", "headers": requestID()}
		}
	}
	for _, status := range refusals(route, op) {
		responses[fmt.Sprint(status)] = map[string]any{"$ref": fmt.Sprintf("#/components/responses/Refused%d", status)}
		if op.refusal != nil {
			responses[fmt.Sprint(status)] = map[string]any{"description": refusalTexts[status], "headers": requestID(),
				"content": map[string]any{"application/json": map[string]any{"schema": w.schema(reflect.TypeOf(op.refusal), true)}}}
		}
	}
	out := map[string]any{"operationId": operationID(route), "tags": []string{op.tag}, "summary": op.summary, "description": op.text,
		"responses": responses, "parameters": parametersOf(route, op), "security": security(route)}
	content := map[string]any{}
	if op.in != nil {
		content["application/json"] = map[string]any{"schema": w.schema(reflect.TypeOf(op.in), false)}
	}
	for _, media := range op.media {
		content[media] = map[string]any{"schema": map[string]any{"type": "object"}}
	}
	if len(content) > 0 {
		out["requestBody"] = map[string]any{"required": !op.optional, "content": content}
	}
	return out
}

func (w *writer) success(op operation) map[string]any {
	out := map[string]any{"description": "Done.", "headers": requestID()}
	content := map[string]any{}
	if op.out != nil {
		schema := w.schema(reflect.TypeOf(op.out), true)
		if op.or != nil {
			schema = map[string]any{"anyOf": []any{schema, w.schema(reflect.TypeOf(op.or), true)}}
		}
		content["application/json"] = map[string]any{"schema": schema}
	}
	for _, media := range op.file {
		content[media] = map[string]any{"schema": map[string]any{"type": "string", "format": "binary"}}
	}
	if len(content) > 0 {
		out["content"] = content
	}
	return out
}

// operationID is made of the method and the path: get_packages_package_audit.
func operationID(route api.Route) string {
	return strings.ToLower(route.Method) + strings.NewReplacer("/", "_", "{", "", "}", "", "-", "_").Replace(route.Path)
}

func security(route api.Route) []any {
	switch {
	case route.Right == api.Public:
		return []any{}
	case route.Or == authz.SignOwn:
		return []any{map[string]any{"bearer": []string{}}, map[string]any{"apiKey": []string{}}, map[string]any{"signerSession": []string{}}}
	}
	return []any{map[string]any{"bearer": []string{}}, map[string]any{"apiKey": []string{}}}
}

func parametersOf(route api.Route, op operation) []any {
	list := []any{}
	for segment := range strings.SplitSeq(route.Path, "/") {
		if name, named := strings.CutPrefix(segment, "{"); named {
			list = append(list, map[string]any{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
		}
	}
	for name := range strings.FieldsSeq(op.query) {
		name, must := strings.CutSuffix(name, "!")
		name, kind, _ := strings.Cut(name, ":")
		if kind == "" {
			kind = "string"
		}
		list = append(list, map[string]any{"name": name, "in": "query", "required": must, "schema": map[string]any{"type": kind}})
	}
	return list
}

// writer turns wire types into schemas.
type writer struct{ schemas map[string]any }

// schema is a type's schema; structs that have a name become components. out types name all members
// and have them always; in types may have others, and null stands for nothing.
func (w *writer) schema(t reflect.Type, out bool) map[string]any {
	switch t {
	case reflect.TypeFor[date]():
		return map[string]any{"type": "string", "pattern": wireDate.String()}
	case reflect.TypeFor[jsontext.Value](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]():
		return map[string]any{"type": []string{"object", "array", "string", "number", "boolean", "null"}} // whatever it is
	case reflect.TypeFor[none]():
		return map[string]any{"type": "array", "maxItems": 0}
	case reflect.TypeFor[base64Bytes]():
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(w.schema(t.Elem(), out))
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": w.schema(t.Elem(), out)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": w.schema(t.Elem(), out)}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Int32:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Struct:
		return w.object(t, out)
	}
	panic("no schema of " + t.String())
}

func nullable(s map[string]any) map[string]any {
	if kind, ok := s["type"].(string); ok {
		s = maps.Clone(s)
		s["type"] = []string{kind, "null"}
		return s
	}
	if list, ok := s["type"].([]string); ok && slices.Contains(list, "null") {
		return s
	}
	return map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
}

func (w *writer) object(t reflect.Type, out bool) map[string]any {
	name := strings.TrimSuffix(strings.TrimSuffix(t.Name(), "Out"), "In")
	if name == "" || strings.Contains(name, "[") {
		return w.of(t, out)
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	if !out {
		name += "Input"
	}
	if w.schemas[name] == nil {
		w.schemas[name] = map[string]any{} // it may hold itself
		w.schemas[name] = w.of(t, out)
	}
	return ref(name)
}

// of is the schema of a struct's members.
func (w *writer) of(t reflect.Type, out bool) map[string]any {
	members, required := map[string]any{}, []string{}
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			inner := w.of(f.Type, out)
			maps.Copy(members, inner["properties"].(map[string]any))
			if list, ok := inner["required"].([]string); ok {
				required = append(required, list...)
			}
			continue
		}
		if tag == "" || tag == "-" {
			continue
		}
		members[tag] = w.schema(f.Type, out)
		if !out {
			members[tag] = nullable(members[tag].(map[string]any))
		} else if !strings.Contains(options, "omit") {
			required = append(required, tag)
		}
	}
	s := map[string]any{"type": "object", "properties": members}
	if out {
		slices.Sort(required)
		s["required"], s["additionalProperties"] = slices.Compact(required), false
	}
	return s
}

func containsWord(words, word string) bool { return slices.Contains(strings.Fields(words), word) }

// The committed document is the one that the code makes; go test -update writes it anew.
func TestOpenAPIIsTheCode(t *testing.T) {
	for pattern := range operations {
		if !slices.ContainsFunc(New(Config{}).Routes, func(r api.Route) bool { return r.Pattern() == pattern }) {
			t.Errorf("%s is described and no route", pattern)
		}
	}
	for _, route := range New(Config{}).Routes {
		if op, ok := operations[route.Pattern()]; route.Method != "" && (!ok || op.summary == "" || op.tag == "" || op.text == "") {
			t.Errorf("%s is not described", route.Pattern())
		}
	}
	want := document()
	if updating() {
		must(t, os.WriteFile("openapi.json", want, 0o644))
		return
	}
	if !bytes.Equal(OpenAPI, want) {
		t.Error("openapi.json is not what the code says; go test -run OpenAPI -update writes it")
	}
}
