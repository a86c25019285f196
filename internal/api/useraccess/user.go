package useraccess

import (
	"net/http"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
	"countersign.dev/internal/directory"
)

// user answers one user: all that he holds, and each reason.
func (s *surface) user(r *api.Request) (api.Answer, error) {
	d, err := s.Access.One(r.Context(), r.Principal, r.Path("user"))
	if err != nil {
		return api.Answer{}, err
	}
	text, err := json.Marshal(wordDetail(d), json.Deterministic(true))
	return whole(r, text, bodyTag(text)), err
}

// whole answers a body that was made before it is sent, or that the client has it already.
func whole(r *api.Request, body []byte, tag string) api.Answer {
	if unchanged(r.HTTP.Header, tag) {
		return api.Answer{Status: http.StatusNotModified, Header: tagged(tag)}
	}
	return api.Answer{Header: tagged(tag), File: &api.File{Media: jsonMedia, Bytes: body}}
}

// detailOut is a user of the list with everything behind it.
type detailOut struct {
	userOut
	Status         string      `json:"status"` // active or inactive, as the list's filter
	Licenses       []string    `json:"licenses"`
	Groups         []groupOut  `json:"groups"`
	PermissionSets []setOut    `json:"permission_sets"`
	Effective      []rightsOut `json:"effective_permissions"`
}

type groupOut struct {
	Name    string `json:"name"`
	Manager bool   `json:"manager"`
}

type setOut struct {
	ID      int64       `json:"id"`
	Name    string      `json:"name"`
	License *string     `json:"license_type"` // that comes with it; null: none
	Reasons []reasonOut `json:"reasons"`
}

type rightsOut struct {
	ID      int64       `json:"id"`
	Name    string      `json:"name"`
	Reasons []reasonOut `json:"reasons"`
}

// reasonOut is one way in which a user comes to hold something. What nobody granted has no grant.
type reasonOut struct {
	Via           string    `json:"via"`            // role, permission_set, direct, group or clone
	Name          *string   `json:"name"`           // of the role, the permission set or the group
	PermissionSet *string   `json:"permission_set"` // that holds the permission
	ClonedFrom    *string   `json:"cloned_from"`    // user_id
	GrantID       *string   `json:"grant_id"`
	GrantedAt     *string   `json:"granted_at"`
	GrantedBy     *giverOut `json:"granted_by"`
	Scope         scopeOut  `json:"scope"`
	Overridden    bool      `json:"overridden"` // a grant to the user himself takes the place of this one
}

// giverOut is who granted: a user, the user through whom he was acted for, and the program; the operator has no id.
type giverOut struct {
	UserID        *string `json:"user_id"`
	Name          *string `json:"name"`
	ThroughUserID *string `json:"through_user_id"`
	Client        *string `json:"client"`
}

// scopeOut is what something is held for; null is all.
type scopeOut struct {
	Organizations *[]int64 `json:"organizations"`
	LegalEntities *[]int64 `json:"legal_entities"`
	ContractTypes *[]int64 `json:"contract_types"`
}

func wordDetail(d access.Detail) detailOut {
	out := detailOut{userOut: wordUser(&d.Entry), Status: "inactive", Licenses: d.Licences, Groups: wordGroups(d.Memberships),
		PermissionSets: []setOut{}, Effective: []rightsOut{}}
	if d.Alive {
		out.Status = "active"
	}
	for _, s := range d.Sets {
		out.PermissionSets = append(out.PermissionSets, setOut{s.Number, s.Name, known(s.Licence), wordReasons(s.Reasons)})
	}
	for _, h := range d.Held {
		out.Effective = append(out.Effective, rightsOut{h.Number, h.Name, wordReasons(h.Reasons)})
	}
	return out
}

func wordGroups(in []directory.Membership) []groupOut {
	out := []groupOut{}
	for _, m := range in {
		out = append(out, groupOut{m.GroupName, m.Manager})
	}
	return out
}

func wordReasons(reasons []access.Reason) []reasonOut {
	out := []reasonOut{}
	for _, r := range reasons {
		o := reasonOut{Via: setWord(r.Via), Name: known(r.Name), PermissionSet: known(r.Preset), ClonedFrom: known(r.ClonedFrom),
			GrantID: known(r.GrantID), GrantedAt: moment(r.At), Scope: wordScope(r.Scope), Overridden: r.Overridden}
		if r.GrantID != "" {
			o.GrantedBy = &giverOut{known(r.GrantedBy), known(r.GrantedByName), known(r.GrantedThrough), known(r.Client)}
		}
		out = append(out, o)
	}
	return out
}

func wordScope(s access.Scope) scopeOut {
	part := func(list []int64) *[]int64 {
		if list == nil {
			return nil
		}
		return &list
	}
	return scopeOut{part(s.Organizations), part(s.LegalEntities), part(s.ContractTypes)}
}

// setWord is the room's preset in the vendor's words.
func setWord(word string) string {
	if word == access.OfPreset {
		return "permission_set"
	}
	return word
}

// known is nil for what there is not.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
