package useraccess

import (
	"github.com/go-json-experiment/json"

	"countersign.dev/internal/access"
	"countersign.dev/internal/api"
)

// historyPage is the size of a page when none is asked for.
const historyPage = 100

// history answers who gave and took what, the newest first, page by page.
func (s *surface) history(r *api.Request) (api.Answer, error) {
	p := parametersOf(r)
	user, group := p.text("user_id", "must be the id of a user"), p.text("group_id", "must be the id of a group")
	f := access.HistoryFilter{From: p.moment("from"), To: p.moment("to")}
	switch {
	case user != "" && group != "":
		p.blame("group_id", "must not be given with user_id")
	case user != "":
		f.Holder = access.Holder{Kind: access.OfUser, ID: user}
	case group != "":
		f.Holder = access.Holder{Kind: access.OfGroup, ID: group}
	}
	page := s.page(p, "history")
	if page.Limit == 0 {
		page.Limit = historyPage
	}
	if err := p.refusal(); err != nil {
		return api.Answer{}, err
	}
	events, next, err := s.Access.History(r.Context(), r.Principal, f, page)
	if err != nil {
		return api.Answer{}, asParameter(err)
	}
	out := historyOut{Events: []eventOut{}}
	for _, e := range events {
		out.Events = append(out.Events, wordEvent(e))
	}
	text, err := json.Marshal(out, json.Deterministic(true))
	if err != nil || next == "" {
		return whole(r, text, bodyTag(text)), err
	}
	tag := "W/" + bodyTag(text) // weak: the cursor is another one each time
	out.NextCursor = s.nextCursor(r, "history", next)
	text, err = json.Marshal(out, json.Deterministic(true))
	a := whole(r, text, tag)
	a.Header["Link"] = nextLink(r, out.NextCursor)
	return a, err
}

// historyOut is a page of events.
type historyOut struct {
	Events     []eventOut `json:"events"`
	NextCursor string     `json:"next_cursor,omitzero"`
}

// eventOut is that a grant was given or ended.
type eventOut struct {
	Event string   `json:"event"` // grant.given or grant.ended
	At    *string  `json:"at"`
	By    actorOut `json:"by"`
	Grant grantOut `json:"grant"`
}

// actorOut is who did it.
type actorOut struct {
	Kind        string  `json:"kind"`
	UserID      *string `json:"user_id"`
	Name        *string `json:"name"`
	ThroughID   *string `json:"through_user_id"` // of the API user who acted as him
	ThroughName *string `json:"through_name"`
	Client      *string `json:"client"`
}

// grantOut is the grant as it is now.
type grantOut struct {
	GrantID    string    `json:"grant_id"`
	Holder     holderOut `json:"holder"`
	Type       string    `json:"type"` // permission or permission_set
	ID         int64     `json:"id"`
	Name       string    `json:"name"`
	Scope      scopeOut  `json:"scope"`
	Source     string    `json:"source"`      // direct, clone or import
	ClonedFrom *string   `json:"cloned_from"` // user_id
	GrantedAt  *string   `json:"granted_at"`
	EndedAt    *string   `json:"ended_at"` // null: it is held
}

type holderOut struct {
	Type string `json:"type"` // user or group
	ID   string `json:"id"`
	Name string `json:"name"`
}

func wordEvent(e access.GrantEvent) eventOut {
	g := e.Grant
	return eventOut{Event: e.Event, At: moment(e.At),
		By: actorOut{e.By.Kind, known(e.By.SenderID), known(e.By.Name), known(e.By.Through), known(e.By.ThroughName), known(e.By.Client)},
		Grant: grantOut{GrantID: g.ID, Holder: holderOut{g.Holder.Kind, g.Holder.ID, g.HolderName}, Type: setWord(g.What), ID: g.Number, Name: g.Name,
			Scope: wordScope(g.Scope), Source: g.Source, ClonedFrom: known(g.ClonedFrom), GrantedAt: moment(g.At), EndedAt: moment(g.Ended)}}
}
