package directory

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"image/png"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

const (
	maxLogo     = 64 << 10
	maxLogoSide = 1024
)

// Brand is how an account shows itself in mails and on pages: by its own name
// and logo, else by its channel's.
type Brand struct {
	Name string // of the sender; empty: none was set
	Logo string // digest, for Directory.Logo; empty: none
	// Theme is the account's own; mails do without.
	Theme Theme
}

// Known is the name that people know the account by: its sender name or its
// channel's, else its company, else its name.
func (a Account) Known() string {
	return cmp.Or(a.Settings.SenderName, a.Channel.SenderName, a.Company, a.Name)
}

// BrandOf is the brand of an account, given by its internal id. NotFound "account.unknown".
func BrandOf(tx *db.Tx, account string) (Brand, error) {
	type row struct {
		SenderName, Logo, ChannelLogo string
		Channel                       db.JSON[Settings]
		Themes                        *string
	}
	r, err := db.One[row](tx, `select a.sender_name, a.logo, coalesce(p.logo, '') as channel_logo, p.settings as channel, t.data as themes
		from accounts a left join partners p on p.id = a.partner_id
		left join account_documents t on t.account_id = a.id and t.kind = 'themes' and t.name = '' where a.id = $1`, account)
	if errors.Is(err, db.ErrNone) {
		return Brand{}, unknownAccount()
	}
	b := Brand{Name: r.SenderName, Logo: r.Logo}
	if r.Themes != nil {
		b.Theme = themeOf(json.RawMessage(*r.Themes))
	}
	if b.Name == "" {
		b.Name = r.Channel.V.SenderName
	}
	if b.Logo == "" {
		b.Logo = r.ChannelLogo
	}
	return b, err
}

// logo is an image to be stored; the zero one removes.
type logo struct {
	digest, media string
	bytes         []byte
}

// cleanLogo checks an image: PNG or JPEG, at most 64 KiB and 1024 pixels a side.
// It is nil for nil. Invalid "logo.malformed".
func cleanLogo(data []byte) (*logo, error) {
	if data == nil {
		return nil, nil
	}
	if len(data) == 0 {
		return &logo{}, nil
	}
	return cleanPicture("logo", data)
}

// cleanPicture checks an image of a field as cleanLogo does. Invalid "<field>.malformed".
func cleanPicture(field string, data []byte) (*logo, error) {
	bad := errs.New(errs.Invalid, field+".malformed", "A "+field+" is a PNG or JPEG image of at most %d bytes and %d pixels a side.",
		maxLogo, maxLogoSide).On(field)
	if len(data) > maxLogo {
		return nil, bad
	}
	size, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width > maxLogoSide || size.Height > maxLogoSide || size.Width*size.Height == 0 {
		return nil, bad
	}
	switch format {
	case "png":
		_, err = png.Decode(bytes.NewReader(data))
	case "jpeg":
		_, err = jpeg.Decode(bytes.NewReader(data))
	default:
		return nil, bad
	}
	if err != nil {
		return nil, bad
	}
	sum := sha256.Sum256(data)
	return &logo{hex.EncodeToString(sum[:]), "image/" + format, data}, nil
}

func (l logo) store(tx *db.Tx) error {
	if l.digest == "" {
		return nil
	}
	_, err := tx.Exec(`insert into logos (digest, media, bytes, created_ms) values ($1, $2, $3, clock_ms())
		on conflict do nothing`, l.digest, l.media, l.bytes)
	return err
}

// give makes the image the account's own.
func (l logo) give(tx *db.Tx, by audit.Actor, account string) error {
	if err := l.store(tx); err != nil {
		return err
	}
	if _, err := tx.Exec(`update accounts set logo = $2, updated_ms = clock_ms() where id = $1`, account, l.digest); err != nil {
		return err
	}
	_, err := audit.Append(tx, audit.Event{Type: "account.logo_changed", Account: account, Actor: by,
		Detail: map[string]string{"logo": l.digest}})
	return err
}

// Logo is an image that was set, by its digest: its media type and bytes. Who
// has the digest may see it. NotFound "logo.unknown".
func (d *Directory) Logo(ctx context.Context, digest string) (media string, data []byte, err error) {
	type row struct {
		Media string
		Bytes []byte
	}
	var r row
	if !storable(digest) {
		digest = "" // nobody's
	}
	err = d.db.Peek(ctx, func(tx *db.Tx) (err error) {
		r, err = db.One[row](tx, `select media, bytes from logos where digest = $1`, digest)
		return err
	})
	if errors.Is(err, db.ErrNone) {
		err = errs.New(errs.NotFound, "logo.unknown", "There is no such logo.")
	}
	return r.Media, r.Bytes, err
}
