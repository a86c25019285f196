package apitest

import (
	"net/http"
	"strings"
	"testing"
)

const pets = `{"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}, "paths": {
"/pets/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "minLength": 2}},
	{"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 0}}],
	"responses": {"200": {"description": "A pet.", "headers": {"X-Id": {"required": true, "schema": {"type": "string", "pattern": "^[a-z]+$"}}},
		"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
		"404": {"description": "None.", "content": {"application/json": {"schema": {"type": "object", "required": ["code"], "additionalProperties": false,
			"properties": {"code": {"type": "string", "enum": ["NO_PET"]}}}}}}}},
	"put": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
	"requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["name"],
		"properties": {"name": {"type": "string", "maxLength": 3}, "owner": {"type": ["string", "null"]}}}}}},
	"responses": {"204": {"description": "Done."}, "400": {"description": "Bad."}}}},
"/pets/find": {"post": {"requestBody": {"required": true, "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object",
	"required": ["by"], "properties": {"by": {"type": "string", "const": "name"}}}}}}, "responses": {"204": {"description": "Done."}}}}},
"components": {"schemas": {"Pet": {"type": "object", "required": ["name"], "additionalProperties": false,
	"properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"], "minimum": 0}, "owners": {"type": "array", "uniqueItems": true, "items": {"$ref": "#/components/schemas/Owner"}}}},
	"Owner": {"type": "object", "additionalProperties": false, "properties": {"kind": {"const": "person"}, "since": {"type": "string", "format": "date-time"}}}}}}`

// Each way in which a call or an answer leaves the document is noticed, and what keeps to it passes.
func TestSpec(t *testing.T) {
	spec, err := NewSpec([]byte(pets))
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) Call { return Call{Method: "GET", Path: path} }
	put := func(body string) Call {
		return Call{Method: "PUT", Path: "/pets/tom", Media: "application/json", Body: []byte(body)}
	}
	find := func(media, body string) Call {
		return Call{Method: "POST", Path: "/pets/find", Media: media, Body: []byte(body)}
	}
	says := func(status int, body string) Answer {
		return Answer{Status: status, Body: []byte(body), Header: http.Header{"Content-Type": {"application/json"}, "X-Id": {"x"}}}
	}
	const form = "application/x-www-form-urlencoded"
	without, twice, text := says(200, `{"name":"Tom"}`), says(200, `{"name":"Tom"}`), says(200, `{"name":"Tom"}`)
	without.Header.Del("X-Id")
	twice.Header.Add("X-Id", "y")
	text.Header.Set("Content-Type", "text/plain")
	for _, test := range []struct {
		name, fault string // a part of the fault; "" is none
		call        Call
		answer      Answer
	}{
		{"a pet", "", get("/pets/tom"), says(200, `{"name":"Tom","age":null,"owners":[{"kind":"person","since":"2026-01-17T12:27:08Z"}]}`)},
		{"two slashes, a query", "", get("//pets/tom/?page=1&other=2"), says(200, `{"name":"Tom"}`)},
		{"three slashes", "", get("///pets/tom"), says(200, `{"name":"Tom"}`)},
		{"no pet", "", get("/pets/x"), says(404, `{"code":"NO_PET"}`)},
		{"unknown path, refused", "", get("/cats"), says(404, `{}`)},
		{"unknown method, refused", "", Call{Method: "PATCH", Path: "/pets/tom"}, says(405, ``)},
		{"unknown path, answered", "no operation", get("/cats"), says(200, `{}`)},
		{"unknown path, broken", "no operation", get("/cats"), says(500, `{}`)},
		{"unknown status", "no status 500", get("/pets/tom"), says(500, `{}`)},
		{"other code", "code", get("/pets/tom"), says(404, `{"code":"NO_CAT"}`)},
		{"unknown member", "additional", get("/pets/tom"), says(200, `{"name":"Tom","tail":1}`)},
		{"unknown member inside", "additional", get("/pets/tom"), says(200, `{"name":"Tom","owners":[{"x":1}]}`)},
		{"wrong constant", "kind", get("/pets/tom"), says(200, `{"name":"Tom","owners":[{"kind":"cat"}]}`)},
		{"wrong format", "since", get("/pets/tom"), says(200, `{"name":"Tom","owners":[{"since":"today"}]}`)},
		{"same twice", "equal", get("/pets/tom"), says(200, `{"name":"Tom","owners":[{},{}]}`)},
		{"missing member", "name", get("/pets/tom"), says(200, `{}`)},
		{"wrong type", "age", get("/pets/tom"), says(200, `{"name":"Tom","age":"1"}`)},
		{"out of range", "age", get("/pets/tom"), says(200, `{"name":"Tom","age":-1}`)},
		{"no JSON", "invalid character", get("/pets/tom"), says(200, `<x>`)},
		{"other media", "text/plain", get("/pets/tom"), text},
		{"no header", "X-Id", get("/pets/tom"), without},
		{"header twice", "X-Id", get("/pets/tom"), twice},
		{"path too short, answered", "parameter id", get("/pets/x"), says(200, `{"name":"Tom"}`)},
		{"bad query, answered", "parameter page", get("/pets/tom?page=-1"), says(200, `{"name":"Tom"}`)},
		{"text for a number, answered", "parameter page", get("/pets/tom?page=x"), says(200, `{"name":"Tom"}`)},
		{"changed", "", put(`{"name":"Tim","owner":null,"more":1}`), Answer{Status: 204}},
		{"a body where none is", "no body", put(`{"name":"Tim"}`), says(204, `{}`)},
		{"bad body, refused", "", put(`{}`), Answer{Status: 400}},
		{"bad body, accepted", "name", put(`{}`), Answer{Status: 204}},
		{"too long, accepted", "name", put(`{"name":"Timothy"}`), Answer{Status: 204}},
		{"no body, accepted", "missing", put(``), Answer{Status: 204}},
		{"a form", "", find(form, "by=name"), Answer{Status: 204}},
		{"a wrong form, accepted", "by", find(form, "by=age"), Answer{Status: 204}},
		{"JSON for a form, accepted", "application/json", find("application/json", `{"by":"name"}`), Answer{Status: 204}},
	} {
		err := spec.Fault(test.call, test.answer)
		if (err != nil) != (test.fault != "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if n := spec.Answers()["GET /pets/{id} 200"]; n != 3 {
		t.Errorf("%d pets were in order", n)
	}
	if missing := spec.Unproven(); missing != nil {
		t.Errorf("unproven: %q", missing)
	}
}

// An operation counts only when a call of it succeeded, and only an OpenAPI 3.1 document will do.
func TestSpecUnproven(t *testing.T) {
	spec, err := NewSpec([]byte(pets))
	if err != nil {
		t.Fatal(err)
	}
	_ = spec.Fault(Call{Method: "PUT", Path: "/pets/tom"}, Answer{Status: 400})
	_ = spec.Fault(Call{Method: "PUT", Path: "/pets/tom"}, Answer{Status: 204}) // no body: a fault
	if missing := strings.Join(spec.Unproven(), ", "); missing != "GET /pets/{id}, POST /pets/find, PUT /pets/{id}" {
		t.Errorf("unproven: %s", missing)
	}
	for name, document := range map[string]string{
		"no JSON": "x", "3.0": strings.Replace(pets, "3.1.0", "3.0.3", 1), "no info": strings.Replace(pets, `"title": "Pets",`, "", 1),
		"no target": strings.Replace(pets, "schemas/Owner", "schemas/Nobody", 1), "bad schema": strings.Replace(pets, `"integer"`, `"number of legs"`, 1),
	} {
		if _, err := NewSpec([]byte(document)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
