package signing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"countersign.dev/internal/blob"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/pdf"
)

// resolutions in which pages are shown, in dots per inch. A closed list keeps the cache of images bounded.
var resolutions = []int{60, 100, 150, 200}

// PageImage is one page as a PNG, rendered by the server from the stored bytes,
// and its hash. The hash of what a signer was shown is recorded with his
// signature. doc is the document's id in the ceremony, page counts from 0.
func (s *Signing) PageImage(ctx context.Context, v Visit, doc string, page, dpi int) (png []byte, hash string, err error) {
	if !slices.Contains(resolutions, dpi) {
		return nil, "", errs.New(errs.Invalid, "page.dpi", "Pages are shown in %d dots per inch.", resolutions).On("dpi")
	}
	at, row, err := s.pageOf(ctx, v, doc, page, dpi)
	if err != nil {
		return nil, "", err
	}
	if png, err = s.image(ctx, row.documentRow, page, dpi); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(png)
	hash = hex.EncodeToString(sum[:])
	if row.Viewed || at.role.State != open {
		return png, hash, nil
	}
	return png, hash, s.recordView(ctx, at, row.documentRow, page, dpi, hash)
}

// pageRow is a document as a visitor sees it.
type pageRow struct {
	Shown  bool // to his role
	Viewed bool // he was sent this image of the page before
	documentRow
}

// pageOf finds a page of the visitor's package.
func (s *Signing) pageOf(ctx context.Context, v Visit, doc string, page, dpi int) (at spot, row pageRow, err error) {
	err = s.read(ctx, func(tx *db.Tx) (err error) {
		if at, err = s.glance(tx, v); err != nil {
			return err
		}
		if err = at.follows(tx); err != nil {
			return err
		}
		row, err = db.One[pageRow](tx, `select `+seen+` as shown, exists (select 1 from page_views w
				where w.invitee_id = $4 and w.document_id = documents.id and w.page = $5 and w.dpi = $6) as viewed, documents.*
			from documents where id = $1 and package_id = $3`, doc, at.role.ID, at.pkg.ID, at.me.ID, page, dpi)
		if err != nil || !row.Shown {
			return orUnknown(or(err, db.ErrNone), "document", doc)
		}
		if page < 0 || page >= len(row.Pages.V) {
			return errs.New(errs.NotFound, "page.unknown", "The document has no such page.")
		}
		return nil
	})
	return at, row, err
}

func imageKey(doc string, page, dpi int) string {
	return fmt.Sprintf("pages/%s/%d-%d.png", doc, page, dpi)
}

// image renders a page, or takes it from the cache.
func (s *Signing) image(ctx context.Context, row documentRow, page, dpi int) ([]byte, error) {
	key := imageKey(row.ID, page, dpi)
	png, err := s.Blobs.Get(ctx, key)
	if !errors.Is(err, blob.ErrNone) {
		return png, err
	}
	shown, err := s.Blobs.Get(ctx, row.ShownBlob)
	if err != nil {
		return nil, err
	}
	if png, err = s.Jail.Render(ctx, shown, page, dpi); err != nil {
		return nil, documentRefusal(err, row.Name)
	}
	return png, s.Blobs.Put(ctx, key, png)
}

// recordView notes once that a signer was sent this image.
func (s *Signing) recordView(ctx context.Context, at spot, row documentRow, page, dpi int, hash string) error {
	return s.write(ctx, func(tx *db.Tx) error {
		first, err := db.One[bool](tx, `select not exists (select 1 from page_views where invitee_id = $1 and document_id = $2)`, at.me.ID, row.ID)
		if err != nil {
			return err
		}
		added, err := tx.Exec(`insert into page_views (invitee_id, document_id, page, dpi, sha256) values ($1, $2, $3, $4, $5)
			on conflict do nothing`, at.me.ID, row.ID, page, dpi, hash)
		if err != nil || added == 0 || !first {
			return err
		}
		e := at.event("document.viewed")
		e.Document = row.ID
		_, err = record(tx, e)
		return err
	})
}

// PageText is the text of a page with the place of each word, for selection and screen readers.
func (s *Signing) PageText(ctx context.Context, v Visit, doc string, page int) ([]pdf.Word, error) {
	_, row, err := s.pageOf(ctx, v, doc, page, 0)
	if err != nil {
		return nil, err
	}
	shown, err := s.Blobs.Get(ctx, row.ShownBlob)
	if err != nil {
		return nil, err
	}
	words, err := s.Jail.Text(ctx, shown, page)
	if err != nil {
		return nil, documentRefusal(err, row.Name)
	}
	return words, nil
}

// Copy is the document for the visitor to keep: sealed once the package is completed.
func (s *Signing) Copy(ctx context.Context, v Visit, doc string) (name string, file []byte, err error) {
	at, row, err := s.pageOf(ctx, v, doc, 0, 0)
	if err != nil {
		return "", nil, err
	}
	if row.SealedBlob == nil && !at.pkg.copies() {
		return "", nil, copyOff()
	}
	file, err = s.bytesOf(ctx, row.documentRow)
	if err != nil {
		return "", nil, err
	}
	return pdfName(row.Name), file, s.write(ctx, func(tx *db.Tx) error {
		e := at.event("document.downloaded")
		e.Document = row.ID
		_, err := record(tx, e)
		return err
	})
}

// copies tells whether signers may download documents: of a package that is not completed the sender may not want it.
func (p packageRow) copies() bool {
	return p.Status == Completed || p.Status == Archived || !p.ceremony().DisableDownloadForUncompletedPackage
}

// bytesOf are a document's sealed bytes, or before the seal those that are signed.
func (s *Signing) bytesOf(ctx context.Context, row documentRow) ([]byte, error) {
	if row.SealedBlob != nil {
		return s.Blobs.Get(ctx, *row.SealedBlob)
	}
	return s.Blobs.Get(ctx, row.ShownBlob)
}
