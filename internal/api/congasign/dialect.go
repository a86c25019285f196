package congasign

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/authn"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// Config holds the rooms that the surface speaks for.
type Config struct {
	Signing   *signing.Signing
	Directory *directory.Directory
	Authn     *authn.Authn
}

// surface holds the rooms its handlers call.
type surface struct {
	signing *signing.Signing
	dir     *directory.Directory
	authn   *authn.Authn
}

// New makes the dialect.
func New(c Config) *api.Dialect {
	sf := &surface{signing: c.Signing, dir: c.Directory, authn: c.Authn}
	return &api.Dialect{Name: "conga sign", Claim: claim, Stray: stray, Routes: sf.routes(), APIKeys: true, Refuse: refuse}
}
