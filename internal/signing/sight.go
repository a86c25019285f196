package signing

import (
	"slices"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// sight is what somebody in the console may do with a package that he sees.
type sight struct {
	owns  bool // it is his own, or he manages its account
	sends bool // he is a sender, and the account's senders see it
}

// inSight finds a package as the console shows it: to its owner and who manages the account any, to other senders those
// that the account sees, and to members of groups, senders or not, those that were sent to a group of theirs. For everybody
// else, staff of partners too, there is none (NotFound "package.unknown").
func inSight(tx *db.Tx, p authz.Principal, outerID string) (row packageRow, v sight, err error) {
	row, err = db.One[packageRow](tx, `select * from packages where outer_id = $1 and account_id = $2`, outerID, p.Account)
	if err != nil || p.Has(authz.Operate) {
		return row, sight{owns: true, sends: true}, orUnknown(err, "package", outerID)
	}
	if p.Kind == authz.Signer || p.Kind == authz.Staff || !p.Reaches(row.ID) {
		return packageRow{}, v, orUnknown(db.ErrNone, "package", outerID)
	}
	me, err := directory.UserByID(tx, p.User)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return packageRow{}, v, err
	}
	if err != nil || me.Account != p.Account || !me.Alive() {
		return packageRow{}, v, orUnknown(db.ErrNone, "package", outerID)
	}
	if v.owns, err = owns(tx, p, row); err != nil {
		return packageRow{}, v, err
	}
	v.sends = me.Sender && (v.owns || row.Visibility != BySender)
	if v.owns || v.sends {
		return row, v, nil
	}
	came, err := cameTo(tx, row, p.User)
	if err == nil && !came {
		err = orUnknown(db.ErrNone, "package", outerID)
	}
	return row, v, err
}

// cameTo reports whether a package was sent to a group that the user is a member of.
func cameTo(tx *db.Tx, pkg packageRow, user string) (bool, error) {
	if pkg.Status == Draft || pkg.Trashed {
		return false, nil
	}
	groups, err := directory.GroupsOfUser(tx, user)
	if err != nil || len(groups) == 0 {
		return false, err
	}
	asked, err := db.All[string](tx, `select group_id from roles where package_id = $1 and group_id is not null and invited_ms is not null`, pkg.ID)
	return slices.ContainsFunc(asked, func(g string) bool { return slices.Contains(groups, g) }), err
}
