// Package db is the only room that knows there are two engines, SQLite and
// PostgreSQL. Everybody else writes one SQL text, with $1 placeholders, and
// runs it on a Tx:
//
//	err := d.Write(ctx, func(tx *db.Tx) error {
//		changed, err := tx.Exec(`update roles set holder = $1 where id = $2 and holder is null`, who, id)
//		…
//	})
//
// What holds on both engines:
//
//   - Write runs one act as one transaction. When it returns nil the act is
//     durable: SQLite runs with synchronous=FULL, and acts that arrive together
//     share one durable commit (group commit).
//   - Read sees one snapshot and cannot write; Peek is for a single statement, at half the price.
//   - Later runs a statement whose result nobody needs; PostgreSQL gets it with the
//     next one or with COMMIT, as BEGIN comes with the first.
//   - BeforeCommit puts rows that many acts change off to the end of the act, so that they are locked last and shortly.
//   - An act is run again after a deadlock or serialisation failure, so it must
//     have no effect outside its Tx; such effects go through Tx.OnCommit.
//   - Time in SQL is clock_ms(), epoch milliseconds: PostgreSQL's
//     clock_timestamp(), or on SQLite the wall clock at the start plus the time
//     elapsed since, never below a mark kept in the database. A wall clock that
//     jumps while the server runs moves nothing.
//
// SQLite serialises writers and so hides races; PostgreSQL runs at READ
// COMMITTED, where only conditional updates and locked rows are safe. Therefore
// every test of the house runs on both (package dbtest).
//
// Common SQL: times are bigint milliseconds, JSON is text, ids are text, bytes
// are bytea; "for update" does not exist, so lock a row with an update that
// changes nothing; "on conflict do nothing" instead of catching a violation,
// which would abort the transaction on PostgreSQL.
package db
