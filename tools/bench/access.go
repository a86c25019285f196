package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

// accessItems are the list of who may do what, asked for with tokens that have 100 calls a minute each.
var accessItems = []item{
	{id: "B6-page", work: "access list: 100 of all users, with total / raw select of their rows", status: 200, grows: true,
		requests: func(b *bench) (source, error) { return b.cycle(b.tenant.auditors.ask("?limit=100")), nil }, floor: selectUsers(100)},
	{id: "B6-all", work: "access list: all users, streamed / raw select of all rows", status: 200,
		requests: func(b *bench) (source, error) { return b.cycle(b.tenant.auditors.ask("")), nil }, sides: streaming},
	{id: "B13-full", work: "refused by the quota / bare of the same size", status: 429,
		requests: func(b *bench) (source, error) {
			return same(b.tenant.auditors.exhausted()), b.tenant.auditors.exhaust(b.ours)
		}, floor: kind("answer")},
}

// auditorTokens are enough that none reaches its quota.
const auditorTokens = 1000

// auditors are tokens for the access list of the users' account.
type auditors struct {
	account string // internal id
	tokens  []string
}

// hire makes the tokens of one manager of the account.
func hire(ctx context.Context, rooms *server.Rooms, outer string) (*auditors, error) {
	operator, err := rooms.OperatorOf(ctx, outer)
	if err != nil {
		return nil, err
	}
	u, _, err := rooms.Directory.InviteSender(ctx, operator, directory.NewUser{Email: "auditor@" + domain, FirstName: "Ada", LastName: "Auditor", Type: directory.Manager})
	if err != nil {
		return nil, err
	}
	a := &auditors{account: operator.Account}
	for range auditorTokens {
		_, token, _, err := rooms.Authn.NewAccessToken(ctx, operator, outer, u.SenderID, "bench", 24*time.Hour)
		if err != nil {
			return nil, err
		}
		a.tokens = append(a.tokens, token)
	}
	return a, nil
}

// ask is the request of each token.
func (a *auditors) ask(query string) (out [][]byte) {
	for _, token := range a.tokens[:len(a.tokens)-1] {
		out = append(out, request("GET", "/v2/access/users"+query, "", token, ""))
	}
	return out
}

// exhausted is a call beyond the quota of a token that does nothing else.
func (a *auditors) exhausted() []byte {
	return request("GET", "/v2/access/users?limit=1", "", a.tokens[len(a.tokens)-1], "")
}

// exhaust uses up the quota of that token; it is there again a minute later.
func (a *auditors) exhaust(c *child) error {
	for range 200 {
		got, err := c.ask(a.exhausted())
		if err != nil || got.status == 429 {
			return err
		}
		if got.status != 200 {
			return fmt.Errorf("the access list answers %d", got.status)
		}
	}
	return errors.New("the quota is not reached")
}

// streaming is the whole list over one connection, and the same rows read by the driver alone: an account has no more than
// two such lists at once.
func streaming(_ context.Context, b *bench) (ours, other side, err error) {
	next := b.cycle(b.tenant.auditors.ask(""))
	sample, err := b.ours.ask(next(0, 0))
	if err != nil || sample.status != 200 {
		return ours, other, errors.Join(err, fmt.Errorf("status %d: %.300s", sample.status, sample.body))
	}
	k, err := selectUsers(1<<40)(b, sample)
	if err == nil {
		_, err = b.floor.control("POST", "/work", k)
	}
	if err != nil {
		return ours, other, err
	}
	ours, other = b.side(), side{child: b.floor, database: b.floorDB.Name}
	ours.next, other.next = next, next
	if ours.over, err = dial(b.ours.Main, 1); err == nil {
		other.over, err = dial(b.floor.Main, 1)
	}
	return ours, other, err
}

func selectUsers(most int) func(*bench, answer) (work, error) {
	return func(b *bench, a answer) (work, error) {
		k := a.work("select")
		k.Args = []string{b.tenant.auditors.account}
		k.Query = fmt.Sprintf(`select u.id, u.sender_id, u.first_name, u.last_name, u.email, u.last_login_ms, u.type, u.status from users u
			where u.account_id = $1 and u.status in ('INVITED', 'ACTIVE') order by u.id limit %d`, most)
		return k, nil
	}
}
