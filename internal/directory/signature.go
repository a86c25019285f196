package directory

import (
	"context"
	"errors"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// SignatureImage is a picture of a sender's signature, kept for his clients.
type SignatureImage struct {
	FileName, Media string
	Bytes           []byte
}

// SetSignatureImage keeps a PNG or JPEG image of at most 64 KiB and 1024 pixels
// a side as a sender's signature, in the place of the one before. He or a manager may.
//
// Denied "account.not_manager", "user.inactive"; NotFound "sender.unknown";
// Invalid "signature.malformed", "name.malformed".
func (d *Directory) SetSignatureImage(ctx context.Context, p authz.Principal, senderID, fileName string, data []byte) error {
	picture, err := cleanPicture("signature", data)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(fileName)
	if err = plain("fileName", &name); err != nil {
		return err
	}
	return d.ownOr(ctx, p, senderID, func(tx *db.Tx, by, u User) error {
		if _, err := tx.Exec(`insert into sender_signatures (user_id, file_name, media, bytes, updated_ms) values ($1, $2, $3, $4, clock_ms())
			on conflict (user_id) do update set file_name = excluded.file_name, media = excluded.media, bytes = excluded.bytes,
				updated_ms = excluded.updated_ms`, u.ID, name, picture.media, picture.bytes); err != nil {
			return err
		}
		return record(tx, p, by, "sender.signature_changed", map[string]string{"user": u.ID, "sha256": picture.digest}, u)
	})
}

// SignatureImage is the picture of a sender's signature. NotFound
// "sender.unknown", "signature.unknown"; Denied "account.not_manager" for the picture of another.
func (d *Directory) SignatureImage(ctx context.Context, p authz.Principal, senderID string) (s SignatureImage, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		u, _, err := ownOr(tx, p, senderID)
		if err != nil {
			return err
		}
		s, err = db.One[SignatureImage](tx, `select file_name, media, bytes from sender_signatures where user_id = $1`, u.ID)
		if errors.Is(err, db.ErrNone) {
			err = errs.New(errs.NotFound, "signature.unknown", "There is no picture of this sender's signature.")
		}
		return err
	})
	return s, err
}

// DeleteSignatureImage removes the picture of a sender's signature, if there is
// one. Denied "account.not_manager", "user.inactive"; NotFound "sender.unknown".
func (d *Directory) DeleteSignatureImage(ctx context.Context, p authz.Principal, senderID string) error {
	return d.ownOr(ctx, p, senderID, func(tx *db.Tx, by, u User) error {
		changed, err := tx.Exec(`delete from sender_signatures where user_id = $1`, u.ID)
		if err != nil || changed == 0 {
			return err
		}
		return record(tx, p, by, "sender.signature_changed", map[string]string{"user": u.ID, "sha256": ""}, u)
	})
}

// ownOr finds a sender and the acting user, and refuses (Denied
// "account.not_manager") who is neither that sender nor a manager of the account.
func ownOr(tx *db.Tx, p authz.Principal, senderID string) (u, by User, err error) {
	by, manager, err := actor(tx, p)
	if err != nil {
		return u, by, err
	}
	if u, err = sender(tx, p.Account, senderID); err == nil && !manager && u.ID != by.ID {
		err = notManager()
	}
	return u, by, err
}

func (d *Directory) ownOr(ctx context.Context, p authz.Principal, senderID string, act func(tx *db.Tx, by, u User) error) error {
	return d.db.Write(ctx, func(tx *db.Tx) error {
		u, by, err := ownOr(tx, p, senderID)
		if err != nil {
			return err
		}
		return act(tx, by, u)
	})
}
