package access

import (
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
)

// holding is one way in which a user holds a thing.
type holding struct {
	thing
	scope Scope
	via   string
	role  string               // of ViaRole
	group directory.Membership // of ViaGroup
	row   *grantRow            // nil of a role
}

// holdingsOf are all ways in which a user holds things: his roles, his grants, his groups' grants, in that order.
func holdingsOf(tx *db.Tx, u directory.User) ([]holding, error) {
	memberships, err := directory.MembershipsOf(tx, u.Account, u.ID, u.ID)
	if err != nil {
		return nil, err
	}
	in := memberships[u.ID]
	var list []holding
	s := standingOf(u.Type, u.UserType, u.Sender, u.PrivacyAdmin, in)
	for _, r := range roles {
		if r.of(s) {
			list = append(list, holding{thing: thing{OfPreset, r.preset}, via: ViaRole, role: r.name})
		}
	}
	own, err := liveOf(tx, u.Account, OfUser, u.ID, u.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range own {
		list = append(list, holding{thing: r.thing(), scope: r.Scope.V, via: r.via(), row: r})
	}
	return withGroups(tx, u.Account, in, list)
}

func withGroups(tx *db.Tx, account string, in []directory.Membership, list []holding) ([]holding, error) {
	if len(in) == 0 {
		return list, nil
	}
	groups := map[string]directory.Membership{}
	first, last := in[0].Group, in[0].Group
	for _, m := range in {
		groups[m.Group] = m
		first, last = min(first, m.Group), max(last, m.Group)
	}
	rows, err := liveOf(tx, account, OfGroup, first, last)
	for _, r := range rows {
		if m, ok := groups[r.HolderID]; ok {
			list = append(list, holding{thing: r.thing(), scope: r.Scope.V, via: ViaGroup, group: m, row: r})
		}
	}
	return list, err
}

// liveOf are the grants that users or groups hold whose internal ids are from first to last.
func liveOf(tx *db.Tx, account, kind, first, last string) (list []*grantRow, err error) {
	rows, err := db.All[grantRow](tx, `select `+grantColumns+` from grants where account_id = $1 and holder_kind = $2
		and holder_id between $3 and $4 and ended_ms is null order by holder_id, id`, account, kind, first, last)
	for i := range rows {
		list = append(list, &rows[i])
	}
	return list, err
}

// source is a holding by which somebody holds a permission.
type source struct {
	*holding
	preset     *Preset // through which; nil: the permission itself is held
	scope      Scope   // of the holding, and of the permission in the preset
	overridden bool
}

// expand tells by which holdings each permission is held. What the user's own presets say of a permission that he
// holds by an explicit grant is overridden by it. No group carries what makes powerful, for who manages the group, or
// a program that may change groups, would hand it out.
func (b *book) expand(list []holding) map[int64][]source {
	explicit := map[int64]bool{}
	for _, h := range list {
		if h.what == OfPermission && h.via == ViaDirect {
			explicit[h.number] = true
		}
	}
	all := map[int64][]source{}
	for i := range list {
		h := &list[i]
		if h.what == OfPermission {
			if h.via == ViaGroup && powerful(h.number) {
				continue
			}
			all[h.number] = append(all[h.number], source{holding: h, scope: h.scope})
			continue
		}
		p := b.presets[h.number]
		if p == nil {
			continue
		}
		for _, c := range p.Contents {
			if both, ok := h.scope.Within(c.Scope); ok && !(h.via == ViaGroup && powerful(c.Permission)) {
				own := h.via == ViaDirect || h.via == ViaClone
				all[c.Permission] = append(all[c.Permission], source{h, p, both, own && explicit[c.Permission]})
			}
		}
	}
	return all
}
