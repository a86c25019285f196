package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

// settings are the members of a configuration file.
type settings map[string]any

// fromFile reads a configuration file: a JSON object whose members are flags by their names.
func fromFile(r io.Reader) (kong.Resolver, error) {
	var s settings
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return nil, fmt.Errorf("the configuration file is not a JSON object: %w", err)
	}
	return s, nil
}

// Validate refuses a member that is no flag of any command: most likely it is misspelt.
func (s settings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	names(app.Node, known)
	for name := range s {
		if !known[name] {
			return fmt.Errorf("the configuration file sets %q, which no command knows", name)
		}
	}
	return nil
}

func names(n *kong.Node, known map[string]bool) {
	for _, f := range n.Flags {
		known[f.Name] = true
	}
	for _, child := range n.Children {
		names(child, known)
	}
}

// Resolve gives way to the environment.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if slices.ContainsFunc(flag.Envs, func(name string) bool { return os.Getenv(name) != "" }) {
		return nil, nil
	}
	return s[flag.Name], nil
}
