package pdf

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A message between parent and child is two blobs, each after its length as eight bytes:
// a JSON header and one run of bytes (the document in, the file or image out). JSON
// because its decoder is fit for input from a child that a document has taken over.

type request struct {
	Op     string  `json:"op"` // inspect, render, text, compose, signatures, extract
	Limits Limits  `json:"limits"`
	Page   int     `json:"page,omitempty"`
	DPI    int     `json:"dpi,omitempty"`
	Plan   *plan   `json:"plan,omitempty"`
	Wanted *Wanted `json:"wanted,omitempty"`
}

// kind is what children are started for.
type kind string

const (
	unaided kind = "unaided" // our own reader and writer only: a tenth of the processor time
	viewing kind = "view"    // with PDFium open
)

// kind says which kind of child a request needs.
func (q request) kind() kind {
	switch q.Op {
	case "compose", "signatures":
		return unaided
	case "extract":
		if w := q.Wanted; w != nil && !w.Tags && len(w.Anchors) == 0 { // form fields: no text is read
			return unaided
		}
	}
	return viewing
}

type response struct {
	Refusal    *Refusal    `json:"refusal,omitempty"`
	Fault      string      `json:"fault,omitempty"` // a misuse of the call
	Info       *Info       `json:"info,omitempty"`  // Repaired travels as the body
	Words      []Word      `json:"words,omitempty"`
	Prepared   *Prepared   `json:"prepared,omitempty"` // File travels as the body
	Structure  *Structure  `json:"structure,omitempty"`
	Extraction *Extraction `json:"extraction,omitempty"` // File travels as the body
}

// ready is what a child says when it waits for its document.
const ready = 'R'

// maxHeader bounds the JSON part of a message, in bytes.
const maxHeader = 256 << 20

func send(w io.Writer, header any, body []byte) error {
	h, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for _, part := range [][]byte{h, body} {
		if err := binary.Write(w, binary.BigEndian, uint64(len(part))); err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// receive reads a message whose body is at most limit bytes long.
func receive(r io.Reader, header any, limit int64) ([]byte, error) {
	h, err := receivePart(r, maxHeader)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(h, header); err != nil {
		return nil, err
	}
	return receivePart(r, limit)
}

func receivePart(r io.Reader, limit int64) ([]byte, error) {
	var n uint64
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return nil, err
	}
	if limit < 0 || n > uint64(limit) {
		return nil, fmt.Errorf("message of %d bytes, allowed are %d", n, limit)
	}
	// Grow with what arrives: a claimed length is not yet memory.
	part, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && uint64(len(part)) < n {
		err = io.ErrUnexpectedEOF
	}
	return part, err
}

// errFault marks what the caller asked wrongly, as opposed to a document's fault.
var errFault = errors.New("pdf: bad call")
