package congasign

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// surface holds the rooms its handlers call.
type surface struct {
	signing *signing.Signing
	dir     *directory.Directory
}

// New makes the dialect.
func New(s *signing.Signing, d *directory.Directory) *api.Dialect {
	sf := &surface{signing: s, dir: d}
	return &api.Dialect{Name: "conga sign", Claim: claim, Stray: stray, Routes: sf.routes(), APIKeys: true, Refuse: refuse}
}
