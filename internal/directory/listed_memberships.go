package directory

import "countersign.dev/internal/db"

// MembershipsOfListed are the memberships of users in the order of their internal ids, as ListUsersAfter gives them,
// each at its user's place. Those of users between them are passed over, so that a list of few among many stays small.
func MembershipsOfListed(tx *db.Tx, account string, list []Listed) ([][]Membership, error) {
	of := make([][]Membership, len(list))
	if len(list) == 0 {
		return of, nil
	}
	type row struct{ UserID, GroupID, Name, MemberType string }
	i := 0
	for r, err := range db.Rows[row](tx, `select m.user_id, m.group_id, g.name, m.member_type
		from group_members m join signer_groups g on g.id = m.group_id
		where m.user_id between $2 and $3 and g.account_id = $1 and g.deleted_ms is null order by m.user_id, m.group_id`,
		account, list[0].ID, list[len(list)-1].ID) {
		if err != nil {
			return nil, err
		}
		for i < len(list) && list[i].ID < r.UserID {
			i++
		}
		if i < len(list) && list[i].ID == r.UserID {
			of[i] = append(of[i], Membership{r.GroupID, r.Name, r.MemberType == Manager})
		}
	}
	return of, nil
}
