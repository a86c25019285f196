package intelagree

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/api"
	"countersign.dev/internal/api/apitest"
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

// checkDocument holds a call and its answer against the document, in the letter case that it writes.
func checkDocument(t testing.TB, c apitest.Call, a apitest.Answer) {
	t.Helper()
	if published == nil {
		return
	}
	bare, query, asked := strings.Cut(c.Path, "?")
	path, ok := claim(strings.TrimSuffix(bare, "/"))
	if !ok {
		return
	}
	if c.Path = documented(path); asked {
		c.Path += "?" + query
	}
	if err := published.Fault(c, a); err != nil {
		t.Errorf("openapi.json: %v", err)
	}
}

// documented is a route's path as the document writes it.
func documented(path string) string {
	if after, ok := strings.CutPrefix(path, accountsPath); ok {
		return "/api/Accounts" + after
	}
	return path
}

// unproven tells when every test ran and an operation has succeeded in none.
func unproven() int {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return 0
		}
	}
	if published == nil {
		return 0
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
	in                string // schema of the body; "" is none
	example           string // of the body
	query             []string
	status            int
	out               any // wire type of the answer; nil: none
	refused           []int
}

// document makes the OpenAPI document from the route table, the wire types and the descriptions.
func document() []byte {
	schemas := object{}
	for name, s := range inputs {
		schemas[name] = s
	}
	schemas["Problem"], schemas["GatewayRefusal"] = schemaOf(schemas, reflect.TypeFor[problemOut]()), schemaOf(schemas, reflect.TypeFor[gatewayOut]())
	paths := map[string]object{}
	for _, route := range New(Config{}).Routes {
		path := documented(route.Path)
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path][strings.ToLower(route.Method)] = operations[route.Pattern()].document(schemas, route)
	}
	text, err := json.MarshalIndent(object{"openapi": "3.1.0", "info": info, "servers": []any{object{"url": "/", "description": "This server."}},
		"tags":  []any{object{"name": "Accounts", "description": "Access tokens."}, object{"name": "Users", "description": "Users and what they may do."}},
		"paths": paths, "components": object{"schemas": schemas, "responses": refusals(), "securitySchemes": schemes, "parameters": headers,
			"headers": object{"RequestId": object{"description": "The call's id, also in the log and the audit events.", "required": true, "schema": object{"type": "string"}}}}}, "", " ")
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

func (op operation) document(schemas object, route api.Route) object {
	answer := object{"description": "Done.", "headers": answerHeaders()}
	if op.out != nil {
		answer["content"] = object{"application/json": object{"schema": schemaOf(schemas, reflect.TypeOf(op.out))}}
	}
	if op.status == 201 {
		answer["headers"].(object)["Location"] = object{"description": "Where the user is.", "required": true, "schema": object{"type": "string"}}
	}
	responses := object{fmt.Sprint(op.status): answer}
	for _, status := range append(slices.Clone(always), op.refused...) {
		responses[fmt.Sprint(status)] = object{"$ref": fmt.Sprintf("#/components/responses/Refused%d", status)}
	}
	out := object{"operationId": op.id, "summary": op.summary, "description": op.text, "responses": responses,
		"parameters": op.parameters(route), "security": []any{object{"subscription": []string{}, "bearer": []string{}}}, "tags": []string{"Users"}}
	if route.Right == api.Public {
		out["security"], out["tags"] = []any{object{"subscription": []string{}}}, []string{"Accounts"}
	}
	if op.in != "" {
		var example any
		if err := json.Unmarshal([]byte(op.example), &example); err != nil {
			panic(err)
		}
		out["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": ref(op.in), "example": example}}}
	}
	return out
}

func (op operation) parameters(route api.Route) []any {
	list := []any{object{"$ref": "#/components/parameters/ApiVersion"}}
	if strings.Contains(route.Path, "{id}") {
		list = append(list, object{"name": "id", "in": "path", "required": true, "schema": object{"type": "integer", "minimum": 1}})
	}
	for _, name := range op.query {
		list = append(list, object{"name": name, "in": "query", "required": true, "schema": line(1)})
	}
	if route.Right == api.Public {
		return list
	}
	list = append(list, object{"$ref": "#/components/parameters/AsUserType"}, object{"$ref": "#/components/parameters/AsUserKey"})
	if route.Method == "POST" {
		list = append(list, object{"$ref": "#/components/parameters/IdempotencyKey"})
	}
	return list
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func answerHeaders() object {
	return object{"X-Request-Id": object{"$ref": "#/components/headers/RequestId"}}
}

// always are the refusals that every operation has.
var always = []int{400, 401, 413, 415, 429, 500, 503}

// refusals are the answers to calls that are refused, with their shapes.
func refusals() object {
	out := object{}
	for status, meaning := range refusalTexts {
		headers, content := answerHeaders(), object{"application/problem+json": object{"schema": ref("Problem")}}
		text := func(name, why string) {
			headers[name] = object{"description": why, "required": true, "schema": object{"type": "string"}}
		}
		switch status {
		case 401:
			content["application/json"] = object{"schema": ref("GatewayRefusal")}
			text("WWW-Authenticate", "Which credentials are wanted.")
		case 429:
			content = object{"application/json": object{"schema": ref("GatewayRefusal")}}
			text("Retry-After", "Seconds.")
		case 503:
			text("Retry-After", "Seconds.")
		}
		out[fmt.Sprint("Refused", status)] = object{"description": meaning, "headers": headers, "content": content}
	}
	return out
}

// schemaOf is the schema of an answer's type: all members, always, and no others. Structs that have a name become components.
func schemaOf(schemas object, t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		s := schemaOf(schemas, t.Elem())
		if kind, ok := s["type"].(string); ok {
			return object{"type": []string{kind, "null"}}
		}
		return object{"anyOf": []any{s, object{"type": "null"}}}
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(schemas, t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(schemas, t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	}
	members, required := object{}, []string{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		members[name] = schemaOf(schemas, f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	s := object{"type": "object", "properties": members, "required": required, "additionalProperties": false}
	name, named := components[t]
	if !named {
		return s
	}
	schemas[name] = s
	return ref(name)
}

// The committed document is the one that the code makes; go test -update writes it anew.
func TestOpenAPIIsTheCode(t *testing.T) {
	for pattern := range operations {
		if !slices.ContainsFunc(New(Config{}).Routes, func(r api.Route) bool { return r.Pattern() == pattern }) {
			t.Errorf("%s is described and no route", pattern)
		}
	}
	for _, route := range New(Config{}).Routes {
		if op := operations[route.Pattern()]; op.summary == "" || op.text == "" || op.id == "" {
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
