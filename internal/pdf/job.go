package pdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Job is all that is done to a document before it is sealed.
type Job struct {
	Doc      []byte // accepted by Inspect; nil: an empty document, Append must have pages
	Overlays []Overlay
	Append   []NewPage
	Attach   []Attachment
	Title    string // "" keeps the title
	// Container leaves room for a signature; nil: none, the digest is of the whole file.
	Container *Container
}

// Container is an empty signature (ETSI EN 319 142-1: PAdES baseline) to be filled by
// Prepared.Patch.
type Container struct {
	Reserve  int // bytes for the CMS, 1,024 to 1 MiB
	Name     string
	Reason   string
	Location string
	Time     time.Time // the claimed signing time, written with its zone
	// Certify makes it a certification signature with DocMDP P=1: no change is allowed
	// afterwards (ISO 32000-1 §12.8.2.2). A sealed document is finished; form filling
	// (P=2) would let values change under a valid seal. Time stamps and validation data
	// added later for long-term levels are allowed all the same (ISO 32000-2).
	Certify bool
}

// Attachment is a file embedded in the document (ISO 32000-1 §7.11.4).
type Attachment struct {
	Name        string `json:"name"` // file name, without directories
	MIME        string `json:"mime"`
	Description string `json:"description"`
	Data        []byte `json:"data"`
}

// Prepared is a finished file but for the signature.
type Prepared struct {
	File      []byte   `json:"-"`
	ByteRange [4]int64 `json:"byteRange"` // zero without a container
	Digest    [32]byte `json:"digest"`    // SHA-256 of the byte range, or of the file without a container
}

// plan is a Job as the child gets it: text is glyphs, fonts are subsets.
type plan struct {
	Blank     bool         `json:"blank,omitempty"`
	Overlays  []planPage   `json:"overlays,omitempty"`
	Append    []planPage   `json:"append,omitempty"`
	Fonts     []planFont   `json:"fonts,omitempty"`
	Attach    []Attachment `json:"attach,omitempty"`
	Title     string       `json:"title,omitempty"`
	Container *Container   `json:"container,omitempty"`
}

type planPage struct {
	Page    int     `json:"page,omitempty"`
	Width   float64 `json:"width,omitempty"`
	Height  float64 `json:"height,omitempty"`
	Content []byte  `json:"content"` // in displayed coordinates
}

// The bounds of what a caller may ask for.
const (
	minReserve  = 1 << 10
	maxReserve  = 1 << 20
	minPageSide = 3 // ISO 32000-1 Annex C
)

// draw turns a job into a plan: the trusted half of composing.
func (j *Jail) draw(job Job) (*plan, error) {
	if job.Doc == nil && len(job.Append) == 0 {
		return nil, fmt.Errorf("%w: neither a document nor pages", errFault)
	}
	if c := job.Container; c != nil && (c.Reserve < minReserve || c.Reserve > maxReserve) {
		return nil, fmt.Errorf("%w: %d bytes reserved", errFault, c.Reserve)
	}
	t := j.fonts.setters.Get().(*setter)
	defer j.fonts.setters.Put(t)
	book := &fontBook{setter: t}
	points := 0
	content := func(items []Item) ([]byte, error) {
		c := &canvas{book: book, points: points}
		for _, item := range items {
			if err := item.draw(c); err != nil {
				return nil, err
			}
		}
		points = c.points
		return c.out.Bytes(), nil
	}
	p := &plan{Blank: job.Doc == nil, Attach: job.Attach, Title: job.Title, Container: job.Container}
	for _, o := range job.Overlays {
		body, err := content(o.Items)
		if err != nil {
			return nil, err
		}
		p.Overlays = append(p.Overlays, planPage{Page: o.Page, Content: body})
	}
	for _, n := range job.Append {
		if finite(n.Width, n.Height) != nil || min(n.Width, n.Height) < minPageSide {
			return nil, fmt.Errorf("%w: page of %g by %g points", errFault, n.Width, n.Height)
		}
		body, err := content(n.Items)
		if err != nil {
			return nil, err
		}
		p.Append = append(p.Append, planPage{Width: n.Width, Height: n.Height, Content: body})
	}
	for _, f := range book.fonts {
		p.Fonts = append(p.Fonts, f.finish())
	}
	return p, nil
}

// check makes sure, without parsing, that what is about to be signed is what was asked
// for: the document is a prefix, the range spans the file but for a hole of the size
// reserved, and the digest is of it.
func (p Prepared) check(job Job) error {
	bad := refuse(Broken, "the prepared file is not what was asked for")
	if !bytes.HasPrefix(p.File, job.Doc) {
		return bad
	}
	r, size := p.ByteRange, int64(len(p.File))
	hole := int64(2*job.Container.Reserve + 2)
	if r[0] != 0 || r[1] < int64(len(job.Doc)) || r[1] > size-hole || r[2] != r[1]+hole || r[3] != size-r[2] {
		return bad
	}
	if !empty(p.File[r[1]:r[2]]) || p.Digest != p.sum() {
		return bad
	}
	return nil
}

func (p Prepared) sum() (sum [32]byte) {
	h := sha256.New()
	r := p.ByteRange
	h.Write(p.File[:r[1]])
	h.Write(p.File[r[2] : r[2]+r[3]])
	h.Sum(sum[:0])
	return sum
}

// empty tells whether hole is "<000…0>".
func empty(hole []byte) bool {
	n := len(hole)
	return n > 2 && hole[0] == '<' && hole[n-1] == '>' && len(bytes.Trim(hole[1:n-1], "0")) == 0
}

// Patch returns the file with the CMS in its container. The parent calls it: it copies
// bytes and never parses. It fails when the CMS is larger than Container.Reserve, or
// when there is no empty container.
func (p Prepared) Patch(cms []byte) ([]byte, error) {
	start, end := p.ByteRange[1], p.ByteRange[2]
	if start <= 0 || end <= start || end > int64(len(p.File)) || !empty(p.File[start:end]) {
		return nil, fmt.Errorf("%w: no empty signature container", errFault)
	}
	if room := int(end-start-2) / 2; len(cms) > room {
		return nil, fmt.Errorf("%w: a signature of %d bytes, reserved are %d", errFault, len(cms), room)
	}
	out := bytes.Clone(p.File)
	hex.Encode(out[start+1:], cms)
	return out, nil
}
