package directory

import (
	"context"
	"encoding/json"
	"errors"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Kinds of documents that an account keeps; see Document.
const (
	Themes          = "themes"
	SigningLogos    = "signing_logos"
	Reasons         = "decline_reasons" // a document for each language
	Handovers       = "handover"        // a document for each language
	Retention       = "retention"       // stored only
	ExpiryTimes     = "expiry_times"
	ChooseSignature = "choose_signature" // stored only
	AdminSettings   = "admin"            // stored only; a document for each setting
	CustomFields    = "custom_field"     // stored only; a document for each field
	delegates       = "delegates"        // a document for each user, by internal id
)

// maxDocuments bounds how many documents of a kind an account keeps.
const maxDocuments = 500

// Document is a setting of an account in JSON, as its clients gave it.
type Document struct {
	// Kind is one of the constants, Name which one of the kind; "" where there is one.
	Kind, Name string
	Data       json.RawMessage
}

// DocumentOf finds a document; nil when the account, an internal id, keeps none.
func DocumentOf(tx *db.Tx, account, kind, name string) (json.RawMessage, error) {
	if !storable(name) {
		return nil, nil
	}
	data, err := db.One[*string](tx, `select data from account_documents where account_id = $1 and kind = $2 and name = $3`,
		account, kind, name)
	if errors.Is(err, db.ErrNone) || err == nil && data == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return json.RawMessage(*data), nil
}

// Document finds a document of the caller's account; nil when there is none. Denied "user.inactive".
func (d *Directory) Document(ctx context.Context, p authz.Principal, kind, name string) (data json.RawMessage, err error) {
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if _, _, err := actor(tx, p); err != nil {
			return err
		}
		data, err = DocumentOf(tx, p.Account, kind, name)
		return err
	})
	return data, err
}

// Documents lists the documents of a kind of the caller's account by name.
// Denied "user.inactive"; Invalid "query.range", "query.dir".
func (d *Directory) Documents(ctx context.Context, p authz.Principal, kind string, q Query) (list []Document, err error) {
	w, err := windowOf(q.From, q.To, q.Dir)
	if err != nil {
		return nil, err
	}
	err = d.db.Read(ctx, func(tx *db.Tx) error {
		if _, _, err := actor(tx, p); err != nil {
			return err
		}
		type row struct{ Name, Data string }
		rows, err := db.All[row](tx, w.of(`select name, data from account_documents where account_id = $1 and kind = $2
			and data is not null`, "name"), p.Account, kind)
		list = []Document{}
		for _, r := range rows {
			list = append(list, Document{kind, r.Name, json.RawMessage(r.Data)})
		}
		return err
	})
	return list, err
}

// ChangeDocument puts what change makes of a document in its place, and returns
// it; nil stands for none, before and after.
//
// Denied "account.not_manager", "user.inactive"; Invalid "data.malformed" for
// more than 64 KiB, "document.too_many"; and what change refuses.
func (d *Directory) ChangeDocument(ctx context.Context, p authz.Principal, kind, name string,
	change func(was json.RawMessage) (json.RawMessage, error)) (data json.RawMessage, err error) {
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		by, err := managing(tx, p)
		if err != nil {
			return err
		}
		was, err := holdDocument(tx, p.Account, kind, name)
		if err != nil {
			return err
		}
		if data, err = change(was); err != nil {
			return err
		}
		if err = storeDocument(tx, p.Account, kind, name, data); err != nil {
			return err
		}
		return record(tx, p, by, "account.setting_changed", map[string]string{"setting": kind, "name": name, "kept": yesNo(data != nil)})
	})
	return data, err
}

// holdDocument keeps others from changing a document until the transaction ends, and reads it.
func holdDocument(tx *db.Tx, account, kind, name string) (json.RawMessage, error) {
	if !storable(name) || len(name) > maxLine {
		return nil, errs.New(errs.Invalid, "document.name", "The name of a setting has at most %d characters.", maxLine).On("name")
	}
	if _, err := tx.Exec(`insert into account_documents (account_id, kind, name, updated_ms) values ($1, $2, $3, clock_ms())
		on conflict do nothing`, account, kind, name); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`update account_documents set updated_ms = clock_ms() where account_id = $1 and kind = $2 and name = $3`,
		account, kind, name); err != nil {
		return nil, err
	}
	return DocumentOf(tx, account, kind, name)
}

// storeDocument writes a document whose row the caller holds; nil deletes it.
func storeDocument(tx *db.Tx, account, kind, name string, data json.RawMessage) error {
	text, err := jsonText("setting", data)
	if err != nil {
		return err
	}
	if text == nil {
		_, err = tx.Exec(`delete from account_documents where account_id = $1 and kind = $2 and name = $3`, account, kind, name)
		return err
	}
	if _, err = tx.Exec(`update account_documents set data = $4 where account_id = $1 and kind = $2 and name = $3`,
		account, kind, name, *text); err != nil {
		return err
	}
	n, err := db.One[int](tx, `select count(*) from account_documents where account_id = $1 and kind = $2`, account, kind)
	if err == nil && n > maxDocuments {
		err = errs.New(errs.Invalid, "document.too_many", "An account keeps at most %d of these.", maxDocuments)
	}
	return err
}

// read decodes a document that was checked when it was stored; what is of another shape is as good as nothing.
func read[T any](data json.RawMessage) (v T) {
	_ = json.Unmarshal(data, &v)
	return v
}
