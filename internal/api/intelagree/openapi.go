package intelagree

import _ "embed" // the document below

// OpenAPI is the surface as an OpenAPI 3.1 document in JSON, made from the route table and the wire
// types by the tests, which hold every answer against it.
//
//go:embed openapi.json
var OpenAPI []byte
