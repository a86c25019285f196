package web

import (
	"time"

	"countersign.dev/internal/page"
	"countersign.dev/internal/signing"
)

// The JSON of the signing page: lower camel case, times as RFC 3339 with
// milliseconds in UTC, absent when they are not set.

type leaseJSON struct {
	Epoch   int64  `json:"epoch"`
	Stage   string `json:"stage"`
	Holder  string `json:"holder"`
	Mine    bool   `json:"mine"`
	Since   string `json:"since"`
	Expires string `json:"expires"`
}

func leaseWire(l signing.Lease) leaseJSON {
	return leaseJSON{l.Epoch, string(l.Stage), l.Holder, l.Mine, page.Machine(l.Since), page.Machine(l.Expires)}
}

type standingJSON struct {
	Phase    string      `json:"phase"`
	Package  string      `json:"package"`
	Lease    *leaseJSON  `json:"lease,omitempty"`
	By       string      `json:"by,omitempty"`
	At       string      `json:"at,omitempty"`
	Watching bool        `json:"watching"`
	Until    string      `json:"until,omitempty"` // of resting
	Idle     bool        `json:"idle,omitempty"`
	Broken   *brokenJSON `json:"broken,omitempty"`
	Now      string      `json:"now"`
}

// brokenJSON tells a page whose lease was ended by somebody else.
type brokenJSON struct {
	Epoch  int64  `json:"epoch"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

func standingWire(s signing.Standing) standingJSON {
	out := standingJSON{Phase: s.Phase, Package: string(s.Package), By: s.By, At: instant(s.At),
		Watching: s.Watching, Now: page.Machine(s.Now)}
	out.Until, out.Idle = instant(s.Until), s.Idle
	if s.Broken != nil {
		out.Broken = &brokenJSON{s.Broken.Epoch, s.Broken.By, s.Broken.Reason}
	}
	if s.Lease != nil {
		l := leaseWire(*s.Lease)
		out.Lease = &l
	}
	return out
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return page.Machine(t)
}

// switchedJSON is a field that conditions are about.
type switchedJSON struct {
	Field    string `json:"field"`
	Disabled bool   `json:"disabled"`
	Required bool   `json:"required"`
}

// epochJSON is the body of acts that need nothing but the lease.
type epochJSON struct {
	Epoch int64 `json:"epoch"`
}

type markJSON struct {
	Kind    string            `json:"kind"`
	Text    string            `json:"text"`
	Strokes [][]signing.Point `json:"strokes"`
	Aspect  float64           `json:"aspect"`
}

func (m markJSON) mark() signing.Mark {
	return signing.Mark{Kind: m.Kind, Text: m.Text, Strokes: m.Strokes, Aspect: m.Aspect}
}

type submissionJSON struct {
	Epoch    int64    `json:"epoch"`
	Mark     markJSON `json:"mark"`
	Initials markJSON `json:"initials"`
	Optional []string `json:"optional"`
	// Affidavit: who signs on another's device confirmed it, where the package asks for that.
	Affidavit bool `json:"affidavit"`
}
