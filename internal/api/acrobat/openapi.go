package acrobat

import _ "embed" // the document below

// OpenAPI is the surface as an OpenAPI 3.1 document in JSON. Its tests hold it
// equal to the route table, to errors.tsv and to what the server answers.
//
//go:embed openapi.json
var OpenAPI []byte
