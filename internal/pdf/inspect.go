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
	Notes    []string // English sentences for the sender: what was repaired or removed, what is hidden
	Removed  []string // active content that was removed, by machine names such as "javascript"; sorted
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
		seen.SHA256 = info.SHA256
		return seen, nil
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
	if seen.SHA256 = info.SHA256; seen.Repaired == nil {
		seen.Repaired = saved
	}
	note := "The document was damaged and has been repaired: " + err.Error() + "."
	if errors.Is(err, errEncrypted) {
		note = "The document was protected by an owner password; the protection has been removed."
	}
	seen.Notes = append([]string{note}, seen.Notes...)
	return seen, nil
}

var errEncrypted = errors.New("encrypted")

// examine accepts a document, or says with a Refusal why never, or with another error
// why not without repair. Active content is removed; what is left is examined again.
func examine(e *engine, doc []byte, limits Limits) (seen Info, err error) {
	f, s, removed, err := peruse(doc, limits)
	if err != nil {
		return seen, err
	}
	if len(removed) > 0 {
		if f, seen.Repaired, err = f.cleaned(limits); err != nil {
			return seen, err
		}
		doc, seen.Removed = seen.Repaired, removed
		for _, what := range removed {
			seen.Notes = append(seen.Notes, "Removed "+activeWords[what]+".")
		}
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
	if err := e.agree(doc, leaves); err != nil {
		return seen, err
	}
	hidden, err := e.concealed(doc, f, leaves)
	seen.Notes = append(seen.Notes, hidden...)
	return seen, err
}

// peruse reads every object of a file, and takes active content out of those in memory.
func peruse(doc []byte, limits Limits) (*file, *scan, []string, error) {
	if !bytes.HasPrefix(doc, []byte("%PDF-")) {
		return nil, nil, nil, errors.New("there is something before the header")
	}
	f, err := open(doc, limits)
	if err != nil {
		return nil, nil, nil, err
	}
	if f.trailer["Encrypt"] != nil {
		return nil, nil, nil, errEncrypted
	}
	s, err := f.scan()
	if err != nil {
		return nil, nil, nil, err
	}
	if len(f.oddities) > 0 { // readers differ in which value they take
		return nil, nil, nil, errors.New(f.oddities[0])
	}
	if s.signed {
		return nil, nil, nil, refuse(Signed, "the document already carries a signature")
	}
	removed, err := f.clean()
	return f, s, removed, err
}

// cleaned writes the file as clean left it, and makes sure that nothing active is in it.
func (f *file) cleaned(limits Limits) (*file, []byte, error) {
	doc, err := f.rewrite(nil)
	if err != nil {
		return nil, nil, err
	}
	if int64(len(doc)) > limits.Bytes*2 {
		return nil, nil, refuse(TooLarge, "%d bytes without active content", len(doc))
	}
	again, _, left, err := peruse(doc, limits)
	if err != nil {
		return nil, nil, err
	}
	if len(left) > 0 {
		return nil, nil, refuse(ActiveContent, "%s could not be removed", strings.Join(left, ", "))
	}
	return again, doc, nil
}

// agree holds our reading against PDFium's.
func (e *engine) agree(doc []byte, pages []leaf) error {
	theirs, err := e.sizes(doc, len(pages))
	if err != nil {
		return err
	}
	if len(theirs) != len(pages) {
		return fmt.Errorf("the page tree has %d pages, but claims %d", len(pages), len(theirs))
	}
	for i, l := range pages {
		p, q := l.size(), theirs[i]
		q.Width, q.Height = q.Width*l.unit, q.Height*l.unit
		if max(math.Abs(p.Width-q.Width), math.Abs(p.Height-q.Height)) > pageTolerance*l.unit {
			return fmt.Errorf("page %d is %g by %g points to one reader and %g by %g to another",
				i+1, p.Width, p.Height, q.Width, q.Height)
		}
	}
	return nil
}
