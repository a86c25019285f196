package evidence

import (
	"bytes"
	"context"
	"errors"
	"regexp"

	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
)

// compared bounds how many pages are drawn, twice, to tell what a later change
// shows: about 0.2 s a page.
const compared = 5

// comparedDPI is enough to see any change of a word.
const comparedDPI = 72

// coverage judges what was added after each signature. Only a file that ends
// where its last signature ends is intact. An earlier signature may be followed
// by others if it did not certify the document, and if all signers are trusted
// or have the same issuer: otherwise anybody could add a page and sign it.
func (e *examination) coverage(ctx context.Context, j *pdf.Jail) error {
	size := int64(len(e.file))
	for i, f := range e.structure.Signatures {
		end := f.ByteRange[2] + f.ByteRange[3]
		if _, _, ok := ranges(e.file, f.ByteRange); !ok || end >= size {
			continue
		}
		last := i == len(e.structure.Signatures)-1
		switch {
		case last:
			e.find(IncrementalSaving, "After the last signature was made, %s appended.", plural(int(size-end), "byte was", "bytes were"))
		case f.DocMDP == 1:
			e.find(SneakySignature, "Signature %d certified the document and allowed no change, but another signature was added.", i+1)
		case e.trusted(i):
			continue
		default:
			e.find(SneakySignature, "After signature %d the document was changed and signed under another authority, "+
				"which nobody said is to be trusted.", i+1)
		}
		if err := e.change(ctx, j, int(end), last); err != nil {
			return err
		}
	}
	if n := len(e.Signatures); n > 0 && !e.Signatures[n-1].WholeFile && e.Verdict == Intact {
		e.find(SignatureWrapping, "The last signature does not cover the whole file.")
	}
	return nil
}

// trusted reports whether those who signed after signature i are trusted as
// much as its own signer.
func (e *examination) trusted(i int) bool {
	first := e.judged[i]
	for _, s := range e.judged[i:] {
		if s.Trusted != seal.Trusted && (first.Issuer == nil || s.Issuer == nil || !s.Issuer.Equal(first.Issuer)) {
			return false
		}
	}
	return true
}

var (
	annotated = regexp.MustCompile(`/Subtype\s*/(FreeText|Stamp|Redact|Text|Highlight|Square|Line|Ink|Widget|Link)` +
		`|/FT\s*/(Tx|Btn|Ch)`)
	signature = regexp.MustCompile(`/ByteRange|/FT\s*/Sig|/Type\s*/Sig\b`)
)

// change names what the bytes after end did, by what they contain and by
// drawing the pages with and without them. The words of the search may miss
// something (they only name), the drawing shows what a reader sees.
func (e *examination) change(ctx context.Context, j *pdf.Jail, end int, last bool) error {
	later := e.file[end:]
	if last && annotated.Match(later) {
		e.find(EvilAnnotation, "Annotations or form fields were added or changed after signing.")
	}
	if last && signature.Match(later) {
		e.find(SneakySignature, "A further signature was added, which is not a valid one over the whole file.")
	}
	if !bytes.Contains(later, []byte("startxref")) {
		return nil // no update, just bytes behind the end (ISO 32000-1 §7.5.6)
	}
	return e.compare(ctx, j, e.file[:end])
}

// compare finds the first page that looks different in signed, the file as it
// was when it was signed.
func (e *examination) compare(ctx context.Context, j *pdf.Jail, signed []byte) error {
	for page := range compared {
		before, err := image(ctx, j, signed, page)
		if err != nil {
			return err
		}
		after, err := image(ctx, j, e.file, page)
		switch {
		case err != nil:
			return err
		case before == nil && after == nil:
			return nil
		case before == nil || after == nil:
			e.find(ShadowAttack, "The file does not have the pages any more that were signed.")
			return nil
		case !bytes.Equal(before, after):
			e.find(ShadowAttack, "Page %d now looks different from what was signed.", page+1)
			return nil
		}
	}
	return nil
}

// image is a page's picture; nil when there is no such page or it cannot be drawn.
func image(ctx context.Context, j *pdf.Jail, file []byte, page int) ([]byte, error) {
	picture, err := j.Render(ctx, file, page, comparedDPI)
	if _, refused := errors.AsType[*pdf.Refusal](err); refused {
		return nil, nil
	}
	return picture, err
}
