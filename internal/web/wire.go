package web

import (
	"errors"
	"time"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// The JSON of the signing page: lower camel case, times as RFC 3339 with
// milliseconds in UTC, absent when they are not set.

type refusal struct {
	Error refusalBody `json:"error"`
}

type refusalBody struct {
	What   string            `json:"what"`
	Detail string            `json:"detail"`
	Field  string            `json:"field,omitempty"`
	Params map[string]string `json:"params,omitempty"`
}

func refusalWire(err error) refusal {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return refusal{refusalBody{What: "fault", Detail: "Something went wrong on our side. Please try again."}}
	}
	return refusal{refusalBody{What: e.What, Detail: e.Detail, Field: e.Field, Params: e.Params}}
}

type leaseJSON struct {
	Epoch   int64  `json:"epoch"`
	Stage   string `json:"stage"`
	Holder  string `json:"holder"`
	Mine    bool   `json:"mine"`
	Since   string `json:"since"`
	Expires string `json:"expires"`
}

func leaseWire(l signing.Lease) leaseJSON {
	return leaseJSON{l.Epoch, string(l.Stage), l.Holder, l.Mine, machine(l.Since), machine(l.Expires)}
}

type standingJSON struct {
	Phase    string     `json:"phase"`
	Package  string     `json:"package"`
	Lease    *leaseJSON `json:"lease,omitempty"`
	By       string     `json:"by,omitempty"`
	At       string     `json:"at,omitempty"`
	Watching bool       `json:"watching"`
	Now      string     `json:"now"`
}

func standingWire(s signing.Standing) standingJSON {
	out := standingJSON{Phase: s.Phase, Package: string(s.Package), By: s.By, At: instant(s.At),
		Watching: s.Watching, Now: machine(s.Now)}
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
	return machine(t)
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
