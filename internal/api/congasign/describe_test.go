package congasign

// operations describe the routes for the document, by pattern.
var operations = map[string]operation{}

var documentInfo = map[string]any{"title": "Conga Sign", "version": "1.0"}

var documentTags = []any{}

var documentSchemes = map[string]any{}
