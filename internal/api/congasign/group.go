package congasign

import (
	"errors"
	"net/http"
	"regexp"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func (s *surface) groupRoutes() []api.Route {
	return []api.Route{
		{Method: "POST", Path: "/groups", Right: authz.Sign, Handle: s.onceAs(s.createGroup, s.groupAgain)},
		{Method: "GET", Path: "/groups", Right: authz.Sign, Handle: s.listGroups},
		{Method: "GET", Path: "/groups/summary", Right: authz.Sign, Handle: s.summarizeGroups},
		{Method: "GET", Path: "/groups/{group}", Right: authz.Sign, Handle: s.getGroup},
		{Method: "PUT", Path: "/groups/{group}", Right: authz.Sign, Handle: s.updateGroup},
		{Method: "DELETE", Path: "/groups/{group}", Right: authz.Sign, Handle: s.deleteGroup},
		{Method: "POST", Path: "/groups/{group}/members", Right: authz.Sign, Handle: s.addMember},
		{Method: "POST", Path: "/groups/{group}/invite", Right: authz.Sign, Handle: s.inviteMember},
		{Method: "PUT", Path: "/groups/{group}/members/{user}", Right: authz.Sign, Handle: s.retypeMember},
		{Method: "DELETE", Path: "/groups/{group}/members/{user}", Right: authz.Sign, Handle: s.removeMember},
	}
}

func (s *surface) createGroup(r *api.Request) (api.Answer, error) {
	var in groupIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if err := object.of("data", in.Data); err != nil {
		return api.Answer{}, err
	}
	g, err := s.dir.CreateGroup(r.Context(), r.Principal, directory.NewGroup{
		OuterID: or(in.ID, ""), Name: or(in.Name, ""), Email: or(in.Email, ""), EmailMembers: in.EmailMembers,
		Data: given(in.Data), Members: membersIn(or(in.Members, nil)),
	})
	return s.answerGroup(r, g, inBody(err))
}

// groupAgain words a group that was made before.
func (s *surface) groupAgain(r *api.Request, id string) (api.Answer, error) {
	g, err := s.dir.GetGroup(r.Context(), r.Principal, id)
	return s.answerGroup(r, g, err)
}

func (s *surface) getGroup(r *api.Request) (api.Answer, error) {
	id, err := groupID(r)
	if err != nil {
		return api.Answer{}, err
	}
	g, err := s.dir.GetGroup(r.Context(), r.Principal, id)
	return s.answerGroup(r, g, err)
}

func (s *surface) listGroups(r *api.Request) (api.Answer, error) {
	groups, count, err := s.groups(r)
	if err != nil {
		return api.Answer{}, err
	}
	account, err := s.dir.Account(r.Context(), r.Principal)
	if err != nil {
		return api.Answer{}, err
	}
	out := result[groupOut]{Count: count}
	for _, g := range groups {
		out.Results = append(out.Results, wordGroup(g, account))
	}
	return api.Answer{JSON: out}, nil
}

func (s *surface) summarizeGroups(r *api.Request) (api.Answer, error) {
	groups, count, err := s.groups(r)
	if err != nil {
		return api.Answer{}, err
	}
	out := result[summaryOut]{Count: count}
	for _, g := range groups {
		out.Results = append(out.Results, summaryOut{ID: g.OuterID, Name: g.Name, Email: g.Email, Data: jsontext.Value(g.Data)})
	}
	return api.Answer{JSON: out}, nil
}

func (s *surface) groups(r *api.Request) ([]directory.Group, int, error) {
	from, to, err := window(r)
	if err != nil {
		return nil, 0, err
	}
	return s.dir.ListGroups(r.Context(), r.Principal, directory.GroupQuery{
		Name: r.Query("name"), From: from, To: to, Dir: r.Query("dir"), RequestType: r.Query("requestType"),
	})
}

func (s *surface) updateGroup(r *api.Request) (api.Answer, error) {
	var in groupIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if err := object.of("data", in.Data); err != nil {
		return api.Answer{}, err
	}
	id, err := groupID(r)
	if err != nil {
		return api.Answer{}, err
	}
	change := directory.GroupChange{Name: in.Name, Email: in.Email, EmailMembers: in.EmailMembers, Data: given(in.Data)}
	if in.Members != nil {
		change.Members = membersIn(*in.Members)
	}
	g, err := s.dir.UpdateGroup(r.Context(), r.Principal, id, change)
	return s.answerGroup(r, g, err)
}

func (s *surface) deleteGroup(r *api.Request) (api.Answer, error) {
	id, err := groupID(r)
	if err != nil {
		return api.Answer{}, err
	}
	return noContent(s.dir.DeleteGroup(r.Context(), r.Principal, id))
}

// addMember answers the member: the libraries expect that, although the vendor's interface description says Group.
func (s *surface) addMember(r *api.Request) (api.Answer, error) {
	_, m, err := s.join(r, false)
	return api.Answer{JSON: wordMember(m)}, err
}

func (s *surface) inviteMember(r *api.Request) (api.Answer, error) {
	g, _, err := s.join(r, true)
	return s.answerGroup(r, g, err)
}

func (s *surface) join(r *api.Request, invite bool) (directory.Group, directory.Member, error) {
	var in memberIn
	if err := r.JSON(&in); err != nil {
		return directory.Group{}, directory.Member{}, err
	}
	id, err := groupID(r)
	if err != nil {
		return directory.Group{}, directory.Member{}, err
	}
	return s.dir.AddMember(r.Context(), r.Principal, id, in.core(), invite)
}

func (s *surface) retypeMember(r *api.Request) (api.Answer, error) {
	var in memberIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	m, err := s.dir.RetypeMember(r.Context(), r.Principal, r.Path("group"), r.Path("user"), in.MemberType)
	return api.Answer{JSON: wordMember(m)}, err
}

func (s *surface) removeMember(r *api.Request) (api.Answer, error) {
	return noContent(s.dir.RemoveMember(r.Context(), r.Principal, r.Path("group"), r.Path("user")))
}

var plainID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// groupID is the group of the path. Invalid "group.id_malformed" when no group can have it.
func groupID(r *api.Request) (string, error) {
	id := r.Path("group")
	if !plainID.MatchString(id) {
		return "", errs.New(errs.Invalid, "group.id_malformed", "A group id has letters, digits, - and _.").On("id")
	}
	return id, nil
}

func (s *surface) answerGroup(r *api.Request, g directory.Group, err error) (api.Answer, error) {
	if err != nil {
		return api.Answer{}, err
	}
	account, err := s.dir.Account(r.Context(), r.Principal)
	return api.Answer{JSON: wordGroup(g, account), Header: s.notices(memberUsers(g)...)}, err
}

// noContent answers a call that gives nothing back.
func noContent(err error) (api.Answer, error) {
	return api.Answer{Status: http.StatusNoContent}, err
}

// inBody words what a body names and does not exist as a mistake in the input:
// the path of a call that makes something always exists.
func inBody(err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Kind != errs.NotFound {
		return err
	}
	worded := *e
	worded.Kind = errs.Invalid
	return worded.Because(err)
}
