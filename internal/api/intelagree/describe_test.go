package intelagree

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/db/dbtest"
)

var info = object{"title": "IntelAgree users", "version": "2.0", "description": "Makes users, finds and changes them, with the permissions they " +
	"hold. Every call carries the subscription's key and ApiVersion 2.0; a token is got for an account key. Letter case of paths does not count."}

var schemes = object{
	"subscription": object{"type": "apiKey", "in": "header", "name": subscriptionHeader, "description": "The subscription's key, on every call."},
	"bearer":       object{"type": "http", "scheme": "bearer", "description": "A token of POST /api/Accounts, got with the same subscription's key."},
}

var headers = object{
	"ApiVersion": object{"name": "ApiVersion", "in": "header", "required": true, "description": "The version.", "schema": object{"type": "string", "enum": []any{version}}},
	"AsUserType": object{"name": asTypeHeader, "in": "header", "description": "The type of the business key of the user who makes the call; " +
		"absent: the API user.", "schema": line(1)},
	"AsUserKey": object{"name": asKeyHeader, "in": "header", "description": "The value of that business key; sent exactly when AsUserType is.", "schema": line(1)},
	"IdempotencyKey": object{"name": "Idempotency-Key", "in": "header", "description": "A text in double quotes. The same key with the same body makes " +
		"one user, for 24 hours.", "schema": object{"type": "string", "pattern": `^"[ -~]{1,510}"$`}},
}

var refusalTexts = map[int]string{
	400: "The version is not supported, or fields are wrong: errors has the sentences, by field.",
	401: "The subscription's key (in the gateway's shape), or the token or account key (a problem), is missing or not valid.",
	403: "The user may not do this, or cannot be acted as.", 404: "There is no such user in the account.",
	409: "The e-mail address or a business key is another user's; or the same Idempotency-Key is in progress; or it is the account's last manager.",
	413: "The body is too large.", 415: "Only application/json, without a content encoding.",
	422: "The Idempotency-Key came with another body.", 429: "The subscription calls too often.",
	500: "An unexpected error.", 503: "Not available at the moment; try again.",
}

// line is the schema of one line of text.
func line(least int) object {
	return object{"type": "string", "minLength": least, "maxLength": maxLine}
}

// orAbsent is a member that null leaves out.
func orAbsent(s object) object {
	if kind, ok := s["type"].(string); ok {
		s["type"] = []string{kind, "null"}
		return s
	}
	return object{"anyOf": []any{s, object{"type": "null"}}}
}

func list(items object, most int) object {
	return object{"type": "array", "items": items, "maxItems": most}
}

var number = object{"type": "integer", "minimum": 1}

var ids = object{"type": []string{"array", "null"}, "items": number, "minItems": 1, "maxItems": maxScope, "uniqueItems": true}

// inputs are the schemas of bodies. Members that they do not name are ignored, but for those of a permission.
var inputs = object{
	"AccountKey": object{"type": "object", "required": []string{"accountKey"}, "properties": object{"accountKey": object{"type": "string", "minLength": 1}}},
	"NewUser": object{"type": "object", "required": []string{"name", "legalName", "email"}, "properties": object{
		"name": described(line(1), "The name of the user. What follows the last space is the last name."), "legalName": described(line(1), "The user's legal name."),
		"email": described(line(1), "The user's e-mail address."), "title": orAbsent(described(line(0), "The user's job title.")),
		"businessKeys":           orAbsent(described(list(ref("BusinessKeyInput"), maxKeys), "How other systems know the user.")),
		"userPermissions":        orAbsent(described(list(ref("PermissionInput"), maxGrants), "Permissions to give.")),
		"permissionPresets":      orAbsent(described(list(ref("Reference"), maxGrants), "Presets to give.")),
		"userPermissionsToClone": orAbsent(ref("BusinessKeyInput")),
		"hasAllOrganizations":    orAbsent(object{"type": "boolean", "description": "Whether what is given applies to all organisations."}),
		"primaryLegalEntityId":   orAbsent(object{"type": "integer", "minimum": 1, "description": "The id of the primary legal entity."}),
	}},
	"UserChange": object{"type": "object", "properties": object{
		"name": line(1), "legalName": line(1), "email": line(1), "title": orAbsent(line(0)),
		"businessKeys": orAbsent(list(ref("BusinessKeyInput"), maxKeys)), "hasAllOrganizations": orAbsent(object{"type": "boolean"}),
		"primaryLegalEntityId": orAbsent(object{"type": "integer", "minimum": 1}),
		"isActive":             orAbsent(object{"type": "boolean", "description": "As it is; what differs is refused. DELETE deactivates a user."}),
		"userPermissions":      false, "permissionPresets": false, "userPermissionsToClone": false,
	}},
	"BusinessKeyInput": object{"description": "A business key in one of three forms.", "type": "object", "anyOf": []any{
		keyInput("type", "value"), keyInput("businessKeyType", "businessKeyValue"), keyInput("name", "value")},
		"properties": object{"type": orAbsent(line(1)), "value": orAbsent(line(1)), "businessKeyType": orAbsent(line(1)), "businessKeyValue": orAbsent(line(1)),
			"name": orAbsent(line(1)), "entity": orAbsent(object{"enum": []any{keyed}})}},
	"Reference": object{"description": "A name or an id.", "anyOf": []any{line(1), number}},
	"PermissionInput": object{"description": "A permission by name or id, alone or with what it applies to; a list that is absent is all.", "anyOf": []any{line(1), number,
		object{"type": "object", "required": []string{"permission"}, "additionalProperties": false, "properties": object{
			"permission": ref("Reference"), "organizationIds": ids, "legalEntityIds": ids, "contractTypeIds": ids}}}},
}

// keyInput is one form of a business key.
func keyInput(kind, value string) object {
	return object{"required": []string{kind, value}, "properties": object{kind: line(1), value: line(1)}}
}

func described(s object, text string) object {
	s["description"] = text
	return s
}

// components are the answers' types that have a name in the document.
var components = map[reflect.Type]string{reflect.TypeFor[tokenOut](): "Token", reflect.TypeFor[userOut](): "User", reflect.TypeFor[keyOut](): "BusinessKey",
	reflect.TypeFor[creatorOut](): "Creator", reflect.TypeFor[throughOut](): "Through"}

const (
	newUserExample = `{"name":"Pat Example","legalName":"Patricia Example","email":"pat@example.com","title":"Contract Manager",
		"businessKeys":[{"type":"Salesforce","value":"0055e000001TjLw"}],"userPermissions":["Send And Sign"],"permissionPresets":["Conga Sign User"]}`
	changeExample = `{"title":"Head of Contracts","businessKeys":[{"type":"Salesforce","value":"0055e000001TjLw"},{"type":"HR","value":"4711"}]}`
)

var operations = map[string]operation{
	"POST /api/accounts": {id: "getToken", summary: "Get a token", in: "AccountKey", example: `{"accountKey":"your account key"}`, status: 200, out: tokenOut{},
		text: "Gives an access token, good for 24 hours, that acts as the account key's user. It is good with this subscription's key only."},
	"POST /api/users": {id: "createUser", summary: "Create a user", in: "NewUser", example: newUserExample, status: 201, out: userOut{}, refused: []int{403, 409, 422},
		text: "Makes a user with business keys, permissions and presets: everything, or nothing when anything is refused."},
	"GET /api/users": {id: "findUser", summary: "Find a user by business key", query: []string{"userKey", "userKeyType"}, status: 200, out: userOut{}, refused: []int{403, 404},
		text: "Finds the one user whom a business key identifies. Who was not made here gets an id by being found."},
	"GET /api/users/{id}": {id: "getUser", summary: "Read a user", status: 200, out: userOut{}, refused: []int{403, 404}, text: "Reads a user, also one who is deactivated."},
	"PATCH /api/users/{id}": {id: "changeUser", summary: "Change a user", in: "UserChange", example: changeExample, status: 200, out: userOut{}, refused: []int{403, 404, 409},
		text: "Changes what is sent; null removes what may be missing. businessKeys takes the place of all the user has. Permissions are not changed here."},
	"DELETE /api/users/{id}": {id: "deactivateUser", summary: "Deactivate a user", status: 204, refused: []int{403, 404, 409},
		text: "Ends the user's sessions and tokens; he stays to be read. Again it changes nothing."},
}

// The bodies' schemas have the members that the code reads, which are the texts it hands to the readers of a form.
func TestOpenAPIRequests(t *testing.T) {
	reads := regexp.MustCompile(`\b(?:f|in)\.(?:line|email|kept|text|boolean|id|ids|permissions|presets|businessKeys|value|removed)\("([A-Za-z]+)"`)
	text := ""
	for _, name := range []string{"body.go", "account.go"} {
		b, err := os.ReadFile(name)
		must(t, err)
		text += string(b)
	}
	code := map[string]string{}
	for part := range strings.SplitSeq(text, "\nfunc ") {
		head, _, _ := strings.Cut(part, "{")
		code[head] = part
	}
	for schema, function := range map[string]string{"NewUser": "newUser", "UserChange": "change", "AccountKey": "token"} {
		var members []string
		for head, body := range code {
			if strings.Contains(head, ") "+function+"(") {
				for _, m := range reads.FindAllStringSubmatch(body, -1) {
					members = append(members, m[1])
				}
			}
		}
		var documented []string
		for name, s := range inputs[schema].(object)["properties"].(object) {
			if s != false {
				documented = append(documented, name)
			}
		}
		slices.Sort(members)
		slices.Sort(documented)
		if members = slices.Compact(members); schema == "UserChange" {
			members = append(members, "email")
			slices.Sort(members)
			members = slices.Compact(members)
		}
		if !slices.Equal(members, documented) {
			t.Errorf("%s: the code reads %q, the document has %q", schema, members, documented)
		}
	}
}

// Every example fits its schema.
func TestOpenAPIExamples(t *testing.T) {
	for name, op := range published.Operations() {
		if op.RequestBody == nil {
			continue
		}
		m := op.RequestBody.Value.Content["application/json"]
		if err := apitest.Fits(m.Schema, m.Example); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the document does not allow the server refuses: every member of a body with values of every kind.
func TestOpenAPIInvalidBodies(t *testing.T) {
	s := newStack(t, dbtest.SQLite(t))
	one := path(s.post(person()).Want(201).At("id"))
	long := `"` + strings.Repeat("x", maxLine+1) + `"`
	values := []string{`null`, `true`, `1`, `0`, `-1`, `1.5`, `""`, long, `{}`, `[]`, `[null]`, `[true]`, `[0]`, `[""]`, `[` + long + `]`, `[{}]`, `[[]]`, `{"type":"HR"}`,
		`[{"type":"HR"}]`, `[{"type":1,"value":"1"}]`, `[{"type":"HR","value":null}]`, `[{"entity":"Party","name":"HR","value":"1"}]`, `[{"permission":null}]`, `[{"permission":[]}]`,
		`[{"permission":5,"organizationIds":[]}]`, `[{"permission":5,"legalEntityIds":[0]}]`, `[{"permission":5,"contractTypeIds":[1,1]}]`, `[{"permission":5,"more":1}]`,
		`[` + strings.TrimSuffix(strings.Repeat(`"x",`, maxGrants+1), ",") + `]`}
	cells := 0
	for schema, send := range map[string]func(string) apitest.Answer{
		"NewUser":    func(text string) apitest.Answer { return s.post(text) },
		"UserChange": func(text string) apitest.Answer { return s.send("PATCH", one, text) },
	} {
		s.subscribe() // they are many calls
		before := s.state()
		for member := range inputs[schema].(object)["properties"].(object) {
			for _, value := range values {
				text := body(member, value)
				if schema == "UserChange" {
					text = `{"` + member + `":` + value + `}`
				}
				var v any
				must(t, json.Unmarshal([]byte(text), &v))
				if apitest.Fits(published.Doc.Components.Schemas[schema], v) == nil {
					continue
				}
				cells++
				if a := send(text); a.Status != 400 {
					t.Errorf("%s: %.100s: %d %s", schema, text, a.Status, a.Body)
				}
			}
		}
		if now := s.state(); now != before {
			t.Errorf("before %s; after %s", before, now)
		}
	}
	t.Logf("%d bodies", cells)
}
