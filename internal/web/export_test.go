package web

// Patterns are the patterns of all routes, with every optional page switched on.
func Patterns(c Config) []string {
	var patterns []string
	for _, r := range (&site{Config: c}).routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}
