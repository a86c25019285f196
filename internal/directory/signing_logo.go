package directory

import (
	"context"
	"encoding/json"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// maxLogos of one account, one for each language.
const maxLogos = 40

// SigningLogo is an account's logo in one language. The first, or the one of
// "en" if there is one, is the account's own on pages and in mails.
type SigningLogo struct {
	Language string
	Bare     bool // the client sent it without its media type
	Media    string
	Bytes    []byte
}

// keptLogo is how a SigningLogo stands in its document; the image is among the logos.
type keptLogo struct {
	Language string `json:"language"`
	Bare     bool   `json:"bare,omitempty"`
	Digest   string `json:"digest"`
}

// SigningLogos are the logos that were set. Denied "user.inactive".
func (d *Directory) SigningLogos(ctx context.Context, p authz.Principal) (list []SigningLogo, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if _, _, err := actor(tx, p); err != nil {
			return err
		}
		list, err = signingLogos(tx, p.Account)
		return err
	})
	return list, err
}

func signingLogos(tx *db.Tx, account string) ([]SigningLogo, error) {
	data, err := DocumentOf(tx, account, SigningLogos, "")
	if err != nil {
		return nil, err
	}
	list := []SigningLogo{}
	for _, k := range read[[]keptLogo](data) {
		type row struct {
			Media string
			Bytes []byte
		}
		r, err := db.One[row](tx, `select media, bytes from logos where digest = $1`, k.Digest)
		if err != nil {
			return nil, err
		}
		list = append(list, SigningLogo{Language: k.Language, Bare: k.Bare, Media: r.Media, Bytes: r.Bytes})
	}
	return list, nil
}

// SetSigningLogos puts logos in the place of all that were set; none takes the
// account's own away, so that its channel's shows. Denied "account.not_manager",
// "user.inactive"; Invalid "logo.malformed", "logo.twice", "logo.too_many".
func (d *Directory) SetSigningLogos(ctx context.Context, p authz.Principal, logos []SigningLogo) (list []SigningLogo, err error) {
	pictures, kept, err := checkLogos(logos)
	if err != nil {
		return nil, err
	}
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		if _, err = holdDocument(tx, p.Account, SigningLogos, ""); err != nil {
			return err
		}
		own, detail := logo{}, map[string]string{"setting": SigningLogos, "name": "", "kept": yesNo(len(kept) > 0)}
		for i, l := range pictures {
			if err = l.store(tx); err != nil {
				return err
			}
			if i == 0 || Language(kept[i].Language) == "en" {
				own = *l
			}
		}
		if _, err = tx.Exec(`update accounts set logo = $2, updated_ms = clock_ms() where id = $1`, p.Account, own.digest); err != nil {
			return err
		}
		var data json.RawMessage
		if len(kept) > 0 {
			if data, err = json.Marshal(kept); err != nil {
				return err
			}
		}
		if err = storeDocument(tx, p.Account, SigningLogos, "", data); err != nil {
			return err
		}
		if list, err = signingLogos(tx, p.Account); err != nil {
			return err
		}
		return record(tx, p, by, "account.setting_changed", detail)
	})
	return list, err
}

func checkLogos(logos []SigningLogo) (pictures []*logo, kept []keptLogo, err error) {
	if len(logos) > maxLogos {
		return nil, nil, errs.New(errs.Invalid, "logo.too_many", "An account has at most %d logos.", maxLogos)
	}
	languages := map[string]bool{}
	for _, l := range logos {
		if languages[Language(l.Language)] {
			return nil, nil, errs.New(errs.Invalid, "logo.twice", "A language has two logos.").On("language")
		}
		languages[Language(l.Language)] = true
		picture, err := cleanPicture("logo", l.Bytes)
		if err != nil {
			return nil, nil, err
		}
		pictures = append(pictures, picture)
		kept = append(kept, keptLogo{Language: l.Language, Bare: l.Bare, Digest: picture.digest})
	}
	return pictures, kept, nil
}
