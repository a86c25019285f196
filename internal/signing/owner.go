package signing

import (
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// owns reports whether the caller owns the package or manages its account: a MANAGER, an integration user, the operator.
func owns(tx *db.Tx, p authz.Principal, pkg packageRow) (bool, error) {
	if p.Kind == authz.Signer {
		return false, nil
	}
	if p.User != "" && p.User == pkg.OwnerID {
		return true, nil
	}
	err := directory.MayManage(tx, p)
	if errs.KindOf(err) == errs.Denied {
		return false, nil
	}
	return err == nil, err
}

// ownersOnly refuses (Denied "package.not_owner") every caller else.
func ownersOnly(tx *db.Tx, p authz.Principal, pkg packageRow) error {
	ok, err := owns(tx, p, pkg)
	if err == nil && !ok {
		err = notOwner()
	}
	return err
}

func notOwner() error {
	return errs.New(errs.Denied, "package.not_owner", "Only the package's owner and the managers of his account may do that.")
}

// ownersOr is ownersOnly where the caller's own user may do it for himself: he is one of these persons.
func ownersOr(tx *db.Tx, p authz.Principal, pkg packageRow, persons ...invited) error {
	if p.User != "" && slices.ContainsFunc(persons, func(who invited) bool { return deref(who.User) == p.User }) {
		return nil
	}
	return ownersOnly(tx, p, pkg)
}

// ownersOrRole is ownersOr for those who may sign for a role.
func ownersOrRole(tx *db.Tx, p authz.Principal, pkg packageRow, role roleRow) error {
	members, err := personsOf(tx, role)
	if err != nil {
		return err
	}
	var persons []invited
	for _, m := range members {
		persons = append(persons, m.invited)
	}
	return ownersOr(tx, p, pkg, persons...)
}
