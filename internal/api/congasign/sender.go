package congasign

import (
	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

func (s *surface) senderRoutes() []api.Route {
	return []api.Route{
		{Method: "POST", Path: "/account/senders", Right: authz.Sign, Handle: s.onceAs(s.inviteSender, s.senderAgain)},
		{Method: "GET", Path: "/account/senders", Right: authz.Sign, Handle: s.listSenders},
		{Method: "GET", Path: "/account/senders/{sender}", Right: authz.Sign, Handle: s.getSender},
		{Method: "POST", Path: "/account/senders/{sender}", Right: authz.Sign, Handle: s.updateSender},
		{Method: "DELETE", Path: "/account/senders/{sender}", Right: authz.Sign, Handle: s.deleteSender},
		{Method: "POST", Path: "/account/senders/{sender}/invite", Right: authz.Sign, Handle: s.reinviteSender},
		{Method: "GET", Path: "/users", Right: authz.Sign, Handle: s.listContacts},
		{Method: "GET", Path: "/account/senders/{sender}/delegates", Right: authz.Sign, Handle: s.listDelegates},
		{Method: "PUT", Path: "/account/senders/{sender}/delegates", Right: authz.Sign, Handle: s.setDelegates},
		{Method: "DELETE", Path: "/account/senders/{sender}/delegates", Right: authz.Sign, Handle: s.clearDelegates},
		{Method: "POST", Path: "/account/senders/{sender}/delegates/{delegate}", Right: authz.Sign, Handle: s.addDelegate},
		{Method: "DELETE", Path: "/account/senders/{sender}/delegates/{delegate}", Right: authz.Sign, Handle: s.removeDelegate},
		{Method: "GET", Path: "/account/senders/{sender}/signature/image", Right: authz.Sign, Handle: s.getSignatureImage},
		{Method: "POST", Path: "/account/senders/{sender}/signature/image", Right: authz.Sign, Handle: s.setSignatureImage},
		{Method: "DELETE", Path: "/account/senders/{sender}/signature/image", Right: authz.Sign, Handle: s.deleteSignatureImage},
		{Method: "GET", Path: "/account/senders/{sender}/signatureImage", Right: authz.Sign, Handle: s.getSignatureImage},
		{Method: "POST", Path: "/account/senders/{sender}/signatureImage", Right: authz.Sign, Handle: s.setSignatureImage},
		{Method: "DELETE", Path: "/account/senders/{sender}/signatureImage", Right: authz.Sign, Handle: s.deleteSignatureImage},
	}
}

// inviteSender is idempotent: who is a sender already is answered as he is.
func (s *surface) inviteSender(r *api.Request) (api.Answer, error) {
	var in senderIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if err := in.check(); err != nil {
		return api.Answer{}, err
	}
	u, _, err := s.dir.InviteSender(r.Context(), r.Principal, in.invitation())
	return s.answerSender(r, u, err)
}

// senderAgain words a sender who was made before.
func (s *surface) senderAgain(r *api.Request, id string) (api.Answer, error) {
	u, err := s.dir.GetSender(r.Context(), r.Principal, id)
	return s.answerSender(r, u, err)
}

// listSenders gives one sender when no range is asked for, as the vendor documents.
func (s *surface) listSenders(r *api.Request) (api.Answer, error) {
	from, to, err := window(r)
	if err != nil {
		return api.Answer{}, err
	}
	if from == 0 && to == 0 {
		from, to = 1, 1
	}
	users, count, err := s.dir.ListSenders(r.Context(), r.Principal,
		directory.Query{From: from, To: to, Search: r.Query("search"), Dir: r.Query("dir")})
	if err != nil {
		return api.Answer{}, err
	}
	account, err := s.dir.Account(r.Context(), r.Principal)
	out := result[senderOut]{Count: count}
	for _, u := range users {
		out.Results = append(out.Results, wordSender(u, account))
	}
	return api.Answer{JSON: out}, err
}

func (s *surface) getSender(r *api.Request) (api.Answer, error) {
	u, err := s.dir.GetSender(r.Context(), r.Principal, r.Path("sender"))
	if err == nil && u.Status == directory.Inactive { // client libraries have no word for one who was deleted
		err = errs.New(errs.NotFound, "sender.unknown", "There is no such sender.")
	}
	return s.answerSender(r, u, err)
}

func (s *surface) updateSender(r *api.Request) (api.Answer, error) {
	var in senderIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	if err := in.check(); err != nil {
		return api.Answer{}, err
	}
	u, err := s.dir.UpdateSender(r.Context(), r.Principal, r.Path("sender"), in.change())
	return s.answerSender(r, u, err)
}

func (s *surface) deleteSender(r *api.Request) (api.Answer, error) {
	return noContent(s.dir.DeleteSender(r.Context(), r.Principal, r.Path("sender")))
}

// reinviteSender mails the invitation again, to who has not accepted it yet.
func (s *surface) reinviteSender(r *api.Request) (api.Answer, error) {
	u, err := s.dir.GetSender(r.Context(), r.Principal, r.Path("sender"))
	if err != nil {
		return api.Answer{}, err
	}
	if u.Status == directory.Inactive {
		return api.Answer{}, errs.New(errs.Invalid, "sender.deleted", "This sender was deleted; invite the person anew.")
	}
	u, _, err = s.dir.InviteSender(r.Context(), r.Principal, directory.NewUser{Email: u.Email, FirstName: u.FirstName, LastName: u.LastName})
	return s.answerSender(r, u, err)
}

func (s *surface) answerSender(r *api.Request, u directory.User, err error) (api.Answer, error) {
	if err != nil {
		return api.Answer{}, err
	}
	account, err := s.dir.Account(r.Context(), r.Principal)
	return api.Answer{JSON: wordSender(u, account), Header: s.notices(u)}, err
}
