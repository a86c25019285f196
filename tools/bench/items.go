package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// item is one kind of request, and what it is held against.
type item struct {
	id, work string
	status   int
	// goal is the least ratio to the floor by engine; none where it is absent.
	goal map[string]float64
	// noSQL says that a request may run no statement; fewCommits that on SQLite
	// at most every eighth may cost a commit of its own.
	noSQL, fewCommits bool
	// sqlAs is another item whose number of statements this one's must not pass.
	sqlAs string
	// requests makes them anew for each round; none where the sides bring their own.
	requests func(*bench) (source, error)
	// sides are held against each other instead of our server and the floor; with
	// byCPU by the processor time they take instead of their rates.
	sides func(context.Context, *bench) (ours, other side, err error)
	byCPU bool
	// within is the longest median time of a request; 0: any.
	within time.Duration
	// grows says that the cost must not follow the number of users or packages.
	grows bool
	// floor is what the floor does, given the server's answer to a request.
	floor func(*bench, answer) (work, error)
}

func always(ratio float64) map[string]float64 {
	return map[string]float64{"sqlite": ratio, "postgres": ratio, noEngine: ratio}
}

// kind is a floor that needs to know no more than the answer.
func kind(name string) func(*bench, answer) (work, error) {
	return func(_ *bench, a answer) (work, error) { return a.work(name), nil }
}

// items in the order of their running: within each list those that write come last.
var items = slices.Concat(accessItems, basicItems, lobbyItems, trailItems, paperItems)

var basicItems = []item{
	{id: "B1", work: "technical token / bare, signs Ed25519", status: 200, goal: always(0.7), noSQL: true,
		requests: func(b *bench) (source, error) { return same(b.tenant.technicalToken()), nil }, floor: signing},
	{id: "B2a", work: "validate_token, warm / bare, reads the form", status: 200, goal: always(0.7), noSQL: true,
		requests: validateWarm, floor: kind("form")},
	{id: "B2b", work: "front hall: baseUris / bare GET", status: 200, goal: always(0.7), noSQL: true,
		requests: func(b *bench) (source, error) {
			return same(request("GET", "/api/rest/v6/baseUris", "", b.tenant.bearer, "")), nil
		}, floor: kind("answer")},
	{id: "B2c", work: "validate_token, cold / bare, form + 1 Ed25519 check", status: 200, goal: always(0.8), noSQL: true,
		requests: validateCold, floor: verifying},
	{id: "B5", work: "get user / raw select", status: 200, goal: always(0.7), grows: true, requests: getUser, floor: selectUser},
	{id: "B6", work: "list 100 accounts / raw select", status: 200,
		requests: func(b *bench) (source, error) {
			return same(request("GET", embed+"/accounts?pageSize=100", "", b.tenant.bearer, "")), nil
		}, floor: selectAccounts},
	{id: "B3", work: "token exchange / raw durable insert of its event", status: 200, goal: always(0.7),
		requests: exchange, floor: inserting(func(t *tenant) []row { return t.exchangeRows })},
	{id: "B3+", work: "the same / raw insert, form + signs Ed25519", status: 200,
		requests: exchange, floor: signingAndInserting},
	{id: "B4", work: "create user / raw durable insert of its rows", status: 201, fewCommits: true,
		goal:     map[string]float64{"sqlite": 0.6, "postgres": 0.8},
		requests: createUser, floor: inserting(func(t *tenant) []row { return t.userRows })},
	{id: "P-get", work: "get a package / raw select of its row", status: 200, grows: true, requests: getPackage, floor: selectPackage},
	{id: "P-list", work: "list 100 packages, newest first / raw select of their rows", status: 200, grows: true,
		requests: func(b *bench) (source, error) {
			return same(request("GET", "/api/packages?from=1&to=100", "", b.tenant.desk.bearer, "")), nil
		}, floor: selectPackages},
	{id: "P-new1", work: "create a package, PDF of 1 page / raw insert of its rows", status: 200, requests: createPackage(1), floor: insertingPackage},
	{id: "P-new20", work: "the same, PDF of 20 pages", status: 200, requests: createPackage(20), floor: insertingPackage},
}

// getPackage gets packages in random order.
func getPackage(b *bench) (source, error) {
	ids := b.tenant.desk.many
	raw := request("GET", "/api/packages/"+ids[0], "", b.tenant.desk.bearer, "")
	return b.patched(raw, ids[0], func(conn, n int) string { return ids[(conn*7919+n*b.options.conns)%len(ids)] })
}

func selectPackage(_ *bench, a answer) (work, error) {
	k := a.work("select")
	k.ByPath = true
	k.Query = `select * from packages where outer_id = $1`
	return k, nil
}

func selectPackages(b *bench, a answer) (work, error) {
	k := a.work("select")
	k.Args = []string{b.tenant.desk.account}
	k.Query = `select * from packages where account_id = $1 order by created_ms desc, id desc limit 100`
	return k, nil
}

func createPackage(pages int) func(*bench) (source, error) {
	return func(b *bench) (source, error) { return same(b.tenant.desk.create(pages)), nil }
}

var insertingPackage = inserting(func(t *tenant) []row {
	return t.desk.rows(append(packageTables, "audit_events", "audit_personal")...)
})

func same(raw []byte) source { return func(int, int) []byte { return raw } }

// cycle hands out requests in turn, on each connection others until all were sent.
func (b *bench) cycle(requests [][]byte) source {
	return func(conn, n int) []byte { return requests[(conn+n*b.options.conns)%len(requests)] }
}

// patched sends raw with a new text of the same length in place of old.
func (b *bench) patched(raw []byte, old string, text func(conn, n int) string) (source, error) {
	at := bytes.Index(raw, []byte(old))
	if at < 0 {
		return nil, errors.New("the request does not hold " + old)
	}
	var copies [][]byte
	for range b.options.conns {
		copies = append(copies, bytes.Clone(raw))
	}
	return func(conn, n int) []byte {
		copy(copies[conn][at:at+len(old)], text(conn, n))
		return copies[conn]
	}, nil
}

// signing puts a token of the floor's own into the answer.
func signing(_ *bench, a answer) (work, error) {
	k := a.work("sign")
	token, err := a.member("access_token")
	k.Token = token
	return k, err
}

// validateWarm checks one user token, which is good for five minutes.
func validateWarm(b *bench) (source, error) {
	token, err := b.ours.get(b.tenant.exchange(b.tenant.emails[0]), 200, "access_token")
	return same(b.tenant.validate(token)), err
}

// coldTokens is more than the server keeps verified ones.
const coldTokens = 12_000

// validateCold checks another technical token each time.
func validateCold(b *bench) (source, error) {
	if b.cold == nil {
		n := coldTokens
		if len(b.ours.work.wires) == 1 {
			n = settled + counted
		}
		tokens, err := b.ours.work.collect(b.tenant.technicalToken(), n, "access_token")
		if err != nil {
			return nil, err
		}
		for _, token := range tokens {
			b.cold = append(b.cold, b.tenant.validate(token))
		}
	}
	return b.cycle(b.cold), nil
}

func verifying(b *bench, a answer) (work, error) {
	k := a.work("verify")
	k.Token = b.tenant.bearer
	return k, nil
}

// getUser gets users in random order.
func getUser(b *bench) (source, error) { return getFrom(b, b.tenant.ids) }

func getFrom(b *bench, ids []string) (source, error) {
	raw := request("GET", embed+"/users/"+ids[0], "", b.tenant.bearer, "")
	return b.patched(raw, ids[0], func(conn, n int) string { return ids[(conn*7919+n*b.options.conns)%len(ids)] })
}

func selectUser(_ *bench, a answer) (work, error) {
	k := a.work("select")
	k.ByPath = true
	k.Query = `select sender_id, email, email_alias, first_name, last_name, account_id, status, initials, phone, title, company,
		type, privacy_admin, created_ms from users where sender_id = $1`
	return k, nil
}

func selectAccounts(b *bench, a answer) (work, error) {
	k := a.work("select")
	k.Args = []string{b.tenant.partner}
	k.Query = `select outer_id, name, created_ms from accounts where partner_id = $1 order by id limit 100`
	return k, nil
}

// exchange takes turns among many users.
func exchange(b *bench) (source, error) {
	if b.subjects == nil {
		for _, email := range b.tenant.emails {
			b.subjects = append(b.subjects, b.tenant.exchange(email))
		}
	}
	return b.cycle(b.subjects), nil
}

func inserting(rows func(*tenant) []row) func(*bench, answer) (work, error) {
	return func(b *bench, a answer) (work, error) {
		k := a.work("insert")
		k.Rows = rows(b.tenant)
		if len(k.Rows) == 0 {
			return k, errors.New("the server wrote no rows")
		}
		return k, nil
	}
}

// signingAndInserting is the least that any exchange must do.
func signingAndInserting(b *bench, a answer) (work, error) {
	k, err := signing(b, a)
	k.Kind, k.Rows = "sign+insert", b.tenant.exchangeRows
	return k, err
}

// createUser makes somebody new each time, over all rounds and servers.
func createUser(b *bench) (source, error) {
	prefix := letters(8)
	email := prefix + "00000000@" + domain
	return b.patched(b.tenant.newUser(email), email[:16], func(conn, n int) string {
		return fmt.Sprintf("%s%08d", prefix, n*b.options.conns+conn)
	})
}

// tenfold holds what must not grow against the same server on a tenth of the users and packages.
func (b *bench) tenfold(ctx context.Context, dir string) (out []result, err error) {
	big := b.options
	big.users, big.packages = 10*big.users, 10*big.packages
	big.only = []string{"none"} // nothing is sent to a group there
	d, err := newDatabase(ctx, b.tenant.db.Engine, dir, "tenfold")
	if err != nil {
		return out, err
	}
	defer d.drop() //nolint:errcheck // a scratch database
	many, err := newTenant(ctx, big, d, dir)
	if err != nil {
		return out, err
	}
	defer many.pool.Close()
	large := *b
	large.tenant, large.cold, large.subjects = many, nil, nil
	if large.ours, err = startChild("role-server", many.config, b.options.conns); err != nil {
		return out, err
	}
	defer large.ours.stop() //nolint:errcheck // it has been measured
	if err := many.signIn(large.ours); err != nil {
		return out, err
	}
	for _, it := range items {
		if !it.grows || !b.options.wants(it.id) {
			continue
		}
		few, err := it.requests(b)
		if err != nil {
			return out, err
		}
		it.id, it.work, it.goal = it.id+" x10", it.work+" … among 10 × as many / among as many", always(0.9)
		r, err := large.compare(ctx, it, large.side(), side{child: b.ours, database: b.tenant.db.Name, next: few})
		if err != nil {
			return out, fmt.Errorf("%s: %w", it.id, err)
		}
		out = append(out, r)
	}
	return out, nil
}
