package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// cell is a column of a row to write again and again. One of the pointers is
// set, or none: NULL. Fresh is 0 for what stays, else the number of a value that
// is made anew for each act; cells that share a number share the value.
type cell struct {
	Column string
	Text   *string
	Bytes  *[]byte
	Int    *int64
	Float  *float64
	Bool   *bool
	Fresh  int
	Outer  bool // a package's outer id
}

// row is what an act inserts into one table.
type row struct {
	Table string
	Cells []cell
}

// insert is the row's statement.
func (r row) insert() string {
	var columns, marks []string
	for i, c := range r.Cells {
		columns = append(columns, c.Column)
		marks = append(marks, fmt.Sprintf("$%d", i+1))
	}
	return "insert into " + r.Table + " (" + strings.Join(columns, ", ") + ") values (" + strings.Join(marks, ", ") + ")"
}

// values are the row's for one act; made holds the act's fresh values.
func (r row) values(made map[int]any) []any {
	out := make([]any, len(r.Cells))
	for i, c := range r.Cells {
		if c.Fresh == 0 {
			out[i] = c.value()
			continue
		}
		v, ok := made[c.Fresh]
		if !ok {
			v = c.anew()
			made[c.Fresh] = v
		}
		out[i] = v
	}
	return out
}

func (c cell) value() any {
	switch {
	case c.Text != nil:
		return *c.Text
	case c.Bytes != nil:
		return *c.Bytes
	case c.Int != nil:
		return *c.Int
	case c.Float != nil:
		return *c.Float
	case c.Bool != nil:
		return *c.Bool
	}
	return nil
}

// anew is a value of the same kind and size.
func (c cell) anew() any {
	switch {
	case c.Int != nil:
		return time.Now().UnixMilli()
	case c.Bytes != nil:
		return []byte(letters(len(*c.Bytes)))
	case c.Text == nil:
		return c.value()
	case c.Outer:
		return outerID()
	}
	if id, err := uuid.Parse(*c.Text); err == nil && id.Version() == 7 {
		return uuid.Must(uuid.NewV7()).String() // in time order, as the server's
	} else if err == nil {
		return uuid.NewString()
	}
	if at := strings.LastIndexByte(*c.Text, '@'); at >= 0 && !strings.Contains(*c.Text, " ") {
		return letters(at) + (*c.Text)[at:]
	}
	return letters(len(*c.Text))
}

func letters(n int) string {
	const alphabet = "0123456789abcdefghijklmnopqrstuv"
	out := make([]byte, n)
	var bits uint64
	for i := range out {
		if i%12 == 0 {
			bits = rand.Uint64()
		}
		out[i] = alphabet[bits&31]
		bits >>= 5
	}
	return string(out)
}

// snapshot is all rows of all tables.
type snapshot map[string][]row

// takeSnapshot reads a small database.
func takeSnapshot(ctx context.Context, d database, pool *sql.DB) (snapshot, error) {
	list := "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name"
	if d.Engine == "postgres" {
		list = "select tablename from pg_tables where schemaname = 'public' order by tablename"
	}
	tables, err := column(ctx, pool, list)
	if err != nil {
		return nil, err
	}
	s := snapshot{}
	for _, table := range tables {
		if table == "package_counts" || table == "user_counts" || table == "clock_mark" { // random shards: acts differ in which rows they make; the server's own
			continue
		}
		if s[table], err = readRows(ctx, pool, table); err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
	}
	return s, nil
}

// column reads a column of text.
func column(ctx context.Context, pool *sql.DB, query string, args ...any) (out []string, err error) {
	rows, err := pool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func readRows(ctx context.Context, pool *sql.DB, table string) (out []row, err error) {
	rows, err := pool.QueryContext(ctx, "select * from "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := row{Table: table}
		for i, v := range values {
			r.Cells = append(r.Cells, cellOf(columns[i], v))
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func cellOf(column string, v any) cell {
	c := cell{Column: column}
	switch v := v.(type) {
	case string:
		c.Text = &v
	case []byte:
		kept := bytes.Clone(v)
		c.Bytes = &kept
	case int64:
		c.Int = &v
	case float64:
		c.Float = &v
	case bool:
		c.Bool = &v
	}
	return c
}

// grown are the rows that were not there before, of tables that have more rows now.
func (s snapshot) grown(before snapshot) (out []row) {
	for table, rows := range s {
		n := len(rows) - len(before[table])
		var fresh []row
		for _, r := range rows {
			if !slices.ContainsFunc(before[table], r.same) {
				fresh = append(fresh, r)
			}
		}
		if n > 0 {
			out = append(out, fresh[len(fresh)-n:]...)
		}
	}
	slices.SortStableFunc(out, func(a, b row) int { return strings.Compare(a.Table, b.Table) })
	return out
}

func (r row) same(other row) bool {
	return slices.EqualFunc(r.Cells, other.Cells, func(a, b cell) bool { return fmt.Sprint(a.value()) == fmt.Sprint(b.value()) })
}

// template is what an act writes, from the rows of two of them: what differs is
// made anew each time.
func template(one, two []row) ([]row, error) {
	if len(one) != len(two) {
		return nil, fmt.Errorf("one act wrote %s, the next %s", tables(one), tables(two))
	}
	numbers := map[string]int{}
	for i := range one {
		if one[i].Table != two[i].Table {
			return nil, fmt.Errorf("one act wrote to %s, the next to %s", one[i].Table, two[i].Table)
		}
		for j := range one[i].Cells {
			a, b := &one[i].Cells[j], two[i].Cells[j]
			if text := fmt.Sprint(a.value()); text != fmt.Sprint(b.value()) {
				if numbers[text] == 0 {
					numbers[text] = len(numbers) + 1
				}
				a.Fresh = numbers[text]
			}
		}
	}
	return one, nil
}

// tables lists the tables of rows, for the report.
func tables(rows []row) string {
	var out []string
	for _, r := range rows {
		out = append(out, r.Table)
	}
	return strings.Join(out, ", ")
}

// of are the rows of some tables.
func of(rows []row, tables ...string) (out []row) {
	for _, r := range rows {
		if slices.Contains(tables, r.Table) {
			out = append(out, r)
		}
	}
	return out
}

// fill writes n acts' rows, many in a transaction.
func (d database) fill(ctx context.Context, pool *sql.DB, rows []row, n int) error {
	for n > 0 {
		part := min(n, 20_000)
		if err := d.fillPart(ctx, pool, rows, part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

func (d database) fillPart(ctx context.Context, pool *sql.DB, rows []row, n int) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after a commit
	made := make([]map[int]any, n)
	for i := range made {
		made[i] = map[int]any{}
	}
	for _, r := range rows {
		if err := fillTable(ctx, tx, d.Engine, r, made); err != nil {
			return fmt.Errorf("fill %s: %w", r.Table, err)
		}
	}
	return tx.Commit()
}

// manyRows is how many values go into one statement: PostgreSQL is quick at
// statements of many rows, SQLite's driver at short ones used again.
var manyRows = map[string]int{"sqlite": 1, "postgres": 2000}

func fillTable(ctx context.Context, tx *sql.Tx, engine string, r row, made []map[int]any) error {
	head, _, _ := strings.Cut(r.insert(), " values ")
	prepared := map[int]*sql.Stmt{} // by number of rows
	for batch := range slices.Chunk(made, max(1, manyRows[engine]/len(r.Cells))) {
		var args []any
		var tuples []string
		for _, act := range batch {
			marks := make([]string, len(r.Cells))
			for i := range marks {
				marks[i] = fmt.Sprintf("$%d", len(args)+i+1)
			}
			args = append(args, r.values(act)...)
			tuples = append(tuples, "("+strings.Join(marks, ",")+")")
		}
		statement := prepared[len(batch)]
		if statement == nil {
			var err error
			if statement, err = tx.PrepareContext(ctx, head+" values "+strings.Join(tuples, ",")); err != nil {
				return err
			}
			prepared[len(batch)] = statement
		}
		if _, err := statement.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
