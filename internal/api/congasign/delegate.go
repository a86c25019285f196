package congasign

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// maxContacts is how many contacts are given at once.
const maxContacts = 1000

// listContacts are the senders of the account, as a bare array. The path
// without "cs-" is another surface's.
func (s *surface) listContacts(r *api.Request) (api.Answer, error) {
	if !strings.Contains(r.HTTP.URL.Path, "/cs-users") {
		return api.Answer{}, errs.New(errs.NotFound, "route.unknown", "There is no such operation.")
	}
	users, _, err := s.dir.ListSenders(r.Context(), r.Principal, directory.Query{From: 1, To: maxContacts})
	if err != nil {
		return api.Answer{}, err
	}
	account, err := s.dir.Account(r.Context(), r.Principal)
	out := []senderOut{}
	for _, u := range users {
		out = append(out, wordSender(u, account))
	}
	return api.Answer{JSON: out}, err
}

// delegateOut is who may act for a sender (OneSpan Sign, DelegationUser).
type delegateOut struct {
	ID        string         `json:"id"`
	Email     string         `json:"email"`
	FirstName string         `json:"firstName"`
	LastName  string         `json:"lastName"`
	Name      string         `json:"name"`
	Data      jsontext.Value `json:"data"`
}

func wordDelegates(users []directory.User) api.Answer {
	out := []delegateOut{}
	for _, u := range users {
		out = append(out, delegateOut{ID: u.SenderID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Name: u.Name()})
	}
	return api.Answer{JSON: out}
}

func (s *surface) listDelegates(r *api.Request) (api.Answer, error) {
	users, err := s.dir.Delegates(r.Context(), r.Principal, r.Path("sender"))
	return wordDelegates(users), err
}

// setDelegates takes an array of ids, or of delegates.
func (s *surface) setDelegates(r *api.Request) (api.Answer, error) {
	var in []jsontext.Value
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	var ids []string
	for _, v := range in {
		var id string
		var user struct{ ID string }
		if json.Unmarshal(v, &id) != nil && json.Unmarshal(v, &user) != nil {
			return api.Answer{}, errs.New(errs.Invalid, "json.type", "A delegate is named by his id.").On("id")
		}
		ids = append(ids, id+user.ID)
	}
	return s.changeDelegates(r, func([]string) []string { return ids })
}

func (s *surface) addDelegate(r *api.Request) (api.Answer, error) {
	return s.changeDelegates(r, func(was []string) []string { return append(was, r.Path("delegate")) })
}

func (s *surface) removeDelegate(r *api.Request) (api.Answer, error) {
	_, err := s.changeDelegates(r, func(was []string) []string {
		return slices.DeleteFunc(was, func(id string) bool { return id == r.Path("delegate") })
	})
	return noContent(err)
}

func (s *surface) clearDelegates(r *api.Request) (api.Answer, error) {
	_, err := s.changeDelegates(r, func([]string) []string { return nil })
	return noContent(err)
}

func (s *surface) changeDelegates(r *api.Request, change func([]string) []string) (api.Answer, error) {
	users, err := s.dir.ChangeDelegates(r.Context(), r.Principal, r.Path("sender"), change)
	return wordDelegates(users), err
}

// signatureOut is the picture of a sender's signature.
type signatureOut struct {
	FileName  string `json:"fileName"`
	MediaType string `json:"mediaType"`
	Content   string `json:"content"` // base64
}

func (s *surface) getSignatureImage(r *api.Request) (api.Answer, error) {
	image, err := s.dir.SignatureImage(r.Context(), r.Principal, r.Path("sender"))
	return api.Answer{JSON: signatureOut{image.FileName, image.Media, base64.StdEncoding.EncodeToString(image.Bytes)}}, err
}

// setSignatureImage takes a multipart body with one part "file".
func (s *surface) setSignatureImage(r *api.Request) (api.Answer, error) {
	var file *api.Part
	for part, err := range r.Parts(func(name string) int64 { return map[string]int64{"file": maxSignature}[name] }) {
		switch {
		case err != nil:
			return api.Answer{}, err
		case file != nil:
			return api.Answer{}, errs.New(errs.Invalid, "file.repeated", "The part file was sent twice.").On("file")
		}
		file = &part
	}
	if file == nil {
		return api.Answer{}, errs.New(errs.Invalid, "file.missing", "The part file is missing.").On("file")
	}
	if err := s.dir.SetSignatureImage(r.Context(), r.Principal, r.Path("sender"), file.File, file.Data); err != nil {
		return api.Answer{}, err
	}
	return s.getSignatureImage(r)
}

// maxSignature bounds the part that is read; the directory takes less.
const maxSignature = 512 << 10

func (s *surface) deleteSignatureImage(r *api.Request) (api.Answer, error) {
	return noContent(s.dir.DeleteSignatureImage(r.Context(), r.Principal, r.Path("sender")))
}
