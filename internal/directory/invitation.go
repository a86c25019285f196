package directory

import (
	"countersign.dev/internal/db"
	"countersign.dev/internal/mail"
)

// mailSender tells u that he is a sender of his account; by is zero for the operator.
func (d *Directory) mailSender(tx *db.Tx, u, by User) error {
	a, err := AccountByID(tx, u.Account)
	if err != nil {
		return err
	}
	return d.send(tx, u, mail.SenderInvitation{Person: u.Name(), Account: a.Known(), By: nameOf(by)})
}

// mailMembers tells members that they are in g (Conga Sign, Creating Groups).
func (d *Directory) mailMembers(tx *db.Tx, g Group, by User, members []User) error {
	if len(members) == 0 {
		return nil
	}
	a, err := AccountByID(tx, g.Account)
	if err != nil {
		return err
	}
	for _, u := range members {
		if err = d.send(tx, u, mail.GroupInvitation{Person: u.Name(), Group: g.Name, Account: a.Known(), By: nameOf(by)}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) send(tx *db.Tx, u User, words mail.Data) error {
	return d.post.Send(tx, mail.Message{To: mail.Address{Name: u.Name(), Email: u.Email}, Data: words, Account: u.Account})
}

// nameOf is the name of who acted, empty for the operator.
func nameOf(by User) string {
	if by.ID == "" {
		return ""
	}
	return by.Name()
}
