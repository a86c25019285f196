package pdf

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Page is the size of a page as displayed, in points: its CropBox, else its MediaBox,
// after /Rotate.
type Page struct {
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// Info describes a document that was accepted.
type Info struct {
	Pages    []Page   // in order; at least one
	SHA256   [32]byte // of the bytes given to Inspect
	Repaired []byte   // nil: usable as is; else the bytes to show, sign and seal instead
	Notes    []string // English sentences for the sender: what was repaired or removed
}

// pageTolerance is how far, in points, reader and PDFium may differ on a page's size:
// PDFium computes in single precision.
const pageTolerance = 0.5

// sniff refuses what is not, or not only, a PDF.
func sniff(doc []byte) *Refusal {
	at := bytes.Index(doc[:min(len(doc), 1024)], []byte("%PDF-"))
	if at < 0 {
		return refuse(NotPDF, "no %%PDF- within the first 1,024 bytes")
	}
	head := doc[:at]
	for _, magic := range []string{"PK\x03\x04", "GIF8", "\x89PNG", "\xff\xd8\xff", "\x7fELF", "MZ", "Rar!", "7z\xbc\xaf",
		"\x1f\x8b", "BM", "RIFF", "II*\x00", "MM\x00*", "\xd0\xcf\x11\xe0", "ustar", "%!PS", "#!", "{\\rtf"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return refuse(NotPDF, "starts as another kind of file")
		}
	}
	lower := strings.ToLower(string(head))
	for _, tag := range []string{"<html", "<!doctype", "<script", "<svg", "<?xml", "<?php", "<body", "<iframe"} {
		if strings.Contains(lower, tag) {
			return refuse(NotPDF, "starts as another kind of file")
		}
	}
	return nil
}

// inspect is the airlock, in the child.
func inspect(e *engine, doc []byte, limits Limits) (Info, error) {
	info := Info{SHA256: sha256.Sum256(doc)}
	if int64(len(doc)) > limits.Bytes {
		return info, refuse(TooLarge, "%d bytes, allowed are %d", len(doc), limits.Bytes)
	}
	if r := sniff(doc); r != nil {
		return info, r
	}
	seen, err := examine(e, doc, limits)
	if err == nil {
		info.Pages, info.Notes = seen.Pages, seen.Notes
		return info, nil
	}
	var r *Refusal
	if errors.As(err, &r) {
		return info, err
	}
	if trapped(err) {
		return info, refuse(Exhausted, "PDFium gave up: %v", err)
	}
	saved, saveErr := e.save(doc)
	if errors.As(saveErr, &r) {
		return info, saveErr
	}
	if saveErr != nil {
		return info, refuse(Broken, "%v; repair failed: %v", err, saveErr)
	}
	if int64(len(saved)) > limits.Bytes*2 {
		return info, refuse(TooLarge, "%d bytes after repair", len(saved))
	}
	seen, again := examine(e, saved, limits)
	if errors.As(again, &r) {
		return info, again
	}
	if again != nil {
		return info, refuse(Broken, "%v; after repair: %v", err, again)
	}
	info.Pages, info.Repaired = seen.Pages, saved
	note := "The document was damaged and has been repaired: " + err.Error() + "."
	if errors.Is(err, errEncrypted) {
		note = "The document was protected by an owner password; the protection has been removed."
	}
	info.Notes = append([]string{note}, seen.Notes...)
	return info, nil
}

var errEncrypted = errors.New("encrypted")

// examine accepts a document, or says with a Refusal why never, or with another error
// why not without repair.
func examine(e *engine, doc []byte, limits Limits) (seen Info, err error) {
	if !bytes.HasPrefix(doc, []byte("%PDF-")) {
		return seen, errors.New("there is something before the header")
	}
	f, err := open(doc, limits)
	if err != nil {
		return seen, err
	}
	if f.trailer["Encrypt"] != nil {
		return seen, errEncrypted
	}
	s, err := f.scan()
	if err != nil {
		return seen, err
	}
	if len(f.oddities) > 0 { // readers differ in which value they take
		return seen, errors.New(f.oddities[0])
	}
	if s.signed {
		return seen, refuse(Signed, "the document already carries a signature")
	}
	if found := s.found(); len(found) > 0 {
		return seen, refuse(ActiveContent, "%s", strings.Join(found, ", "))
	}
	leaves, err := f.pages()
	if err != nil {
		return seen, err
	}
	for _, l := range leaves {
		seen.Pages = append(seen.Pages, l.size())
	}
	if s.foreign {
		seen.Notes = append(seen.Notes, "The document does not contain all of its fonts; programs may show its text with others.")
	}
	return seen, e.agree(doc, seen.Pages)
}

// agree holds our reading against PDFium's.
func (e *engine) agree(doc []byte, pages []Page) error {
	theirs, err := e.sizes(doc, len(pages))
	if err != nil {
		return err
	}
	if len(theirs) != len(pages) {
		return fmt.Errorf("the page tree has %d pages, but claims %d", len(pages), len(theirs))
	}
	for i, p := range pages {
		q := theirs[i]
		if math.Abs(p.Width-q.Width) > pageTolerance || math.Abs(p.Height-q.Height) > pageTolerance {
			return fmt.Errorf("page %d is %g by %g points to one reader and %g by %g to another",
				i+1, p.Width, p.Height, q.Width, q.Height)
		}
	}
	return nil
}
