package db

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// The schema: one text for both engines, one file a room.
//
//go:embed schema/*.sql
var schema embed.FS

// SchemaText is all of the schema, so that dbtest knows whether a database it keeps is of this one.
func SchemaText() string {
	var all strings.Builder
	files, _ := schema.ReadDir("schema") // it is embedded
	for _, f := range files {
		text, _ := schema.ReadFile("schema/" + f.Name())
		all.WriteString(f.Name())
		all.Write(text)
	}
	return all.String()
}

// clock_ms is made once and not replaced, so that tests can put a clock in its place that they can shift.
const postgresClock = `do $$ begin
	perform pg_advisory_xact_lock(7261001);
	if to_regprocedure('clock_ms()') is null then
		create function clock_ms() returns bigint language sql volatile
			as 'select (extract(epoch from clock_timestamp()) * 1000)::bigint';
	end if;
end $$`

func migrate(ctx context.Context, pool *sql.DB, dialect goose.Dialect) error {
	files, err := fs.Sub(schema, "schema")
	if err != nil {
		return err
	}
	var opts []goose.ProviderOption
	if dialect == goose.DialectPostgres {
		if _, err := pool.ExecContext(ctx, postgresClock); err != nil {
			return err
		}
		locker, err := lock.NewPostgresSessionLocker() // replicas that start together migrate once
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, pool, files, opts...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
