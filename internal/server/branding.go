package server

import (
	"context"

	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/mail"
)

// branding gives mails the names and logos of accounts. The directory sends mails
// itself, so it is made after the post; it is there before the first message.
func (r *Rooms) branding() mail.Branding {
	return mail.Branding{
		Of: func(tx *db.Tx, account string) (mail.Brand, error) {
			b, err := directory.BrandOf(tx, account)
			return mail.Brand{Name: b.Name, Logo: b.Logo}, err
		},
		Logo: func(ctx context.Context, digest string) (string, []byte, error) { return r.Directory.Logo(ctx, digest) },
	}
}
