package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// trailItems are what the audit log costs. Our server has no switch for it, so it
// is held against itself on a database that drops the rows, which leaves out the
// writing but not the making of an event, and against raw inserts without them.
var trailItems = []item{
	{id: "B11a", work: "create user / the same, audit rows dropped by the database", status: 201, goal: always(0.8), requests: createUser, sides: withoutTrail},
	{id: "B11b", work: "create a package, PDF of 1 page / the same, audit rows dropped", status: 200, goal: always(0.8),
		requests: createPackage(1), sides: withoutTrail},
	{id: "B11c", work: "create user / raw durable insert of its rows but the audit's", status: 201, requests: createUser,
		floor: inserting(func(t *tenant) []row { return untraced(t.userRows) })},
	{id: "B11d", work: fmt.Sprintf("create users in %d accounts at once / in one, as many callers", accountsAtOnce), status: 201, goal: always(0.9),
		requests: func(b *bench) (source, error) { return newUsersIn(b.tenant, b.tenant.accounts) }, sides: manyAccounts},
}

// accountsAtOnce is also the number of callers.
const accountsAtOnce = 64

// auditTables are where events are written.
var auditTables = []string{"audit_events", "audit_personal"}

func untraced(rows []row) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return slices.Contains(auditTables, r.Table) })
}

// swallow makes a database drop the rows of the audit log.
func swallow(engine string) (statements []string) {
	if engine == "postgres" {
		statements = append(statements, `create function swallow() returns trigger language plpgsql as 'begin return null; end'`)
	}
	for _, table := range auditTables {
		s := "create trigger swallow_" + table + " before insert on " + table + " begin select raise(ignore); end"
		if engine == "postgres" {
			s = "create trigger swallow before insert on " + table + " for each row execute function swallow()"
		}
		statements = append(statements, s)
	}
	return statements
}

// withoutTrail are our server, and another one whose database drops the audit rows.
func withoutTrail(_ context.Context, b *bench) (ours, other side, err error) {
	t, err := b.twin(untrailed)
	if err != nil {
		return ours, other, err
	}
	return b.side(), side{child: t.child, database: t.database.Name}, nil
}

// manyAccounts are creating users in many accounts, and in one, over the same connections.
func manyAccounts(_ context.Context, b *bench) (ours, other side, err error) {
	if b.crowd == nil {
		if b.crowd, err = dial(b.ours.Main, accountsAtOnce); err != nil {
			return ours, other, err
		}
	}
	ours, other = b.side(), b.side()
	ours.over, other.over = b.crowd, b.crowd
	other.next, err = newUsersIn(b.tenant, b.tenant.accounts[:1])
	return ours, other, err
}

// newUsersIn makes somebody new each time, each caller in the next account.
func newUsersIn(t *tenant, accounts []string) (source, error) {
	if len(accounts) == 0 {
		return nil, errors.New("no accounts")
	}
	prefix := letters(8)
	email := prefix + "00000000@" + domain
	var copies [][]byte
	var at []int
	for i := range accountsAtOnce {
		raw := strings.Replace(string(t.newUser(email)), t.account, accounts[i%len(accounts)], 1)
		copies, at = append(copies, []byte(raw)), append(at, strings.Index(raw, email))
	}
	return func(conn, n int) []byte {
		copy(copies[conn][at[conn]+8:], fmt.Sprintf("%08d", n*accountsAtOnce+conn))
		return copies[conn]
	}, nil
}
