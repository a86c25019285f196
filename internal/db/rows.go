package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

// One returns the first row as T, or ErrNone. T is a struct whose fields are
// matched to the columns by name (FirstName is first_name, or a `db` tag), or
// any other type for a single column. Rows of several tables in one, "select a.*, b.*", are fields
// tagged `db:"*"` in that order, each a struct: a column that one has not, or has already, begins the next.
func One[T any](tx *Tx, query string, args ...any) (T, error) {
	for v, err := range Rows[T](tx, query, args...) {
		return v, err
	}
	var none T
	return none, ErrNone
}

// All returns every row. Use it where the number of rows is bounded; Rows streams.
func All[T any](tx *Tx, query string, args ...any) ([]T, error) {
	out := []T{}
	for v, err := range Rows[T](tx, query, args...) {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Rows streams the rows. The Tx can run no other statement until the loop ends.
func Rows[T any](tx *Tx, query string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := tx.ctx.Err(); err != nil {
			yield(none, err)
			return
		}
		rows, err := tx.conn.query(context.WithoutCancel(tx.ctx), query, args...)
		if err != nil {
			yield(none, fmt.Errorf("%s: %w", firstLine(query), err))
			return
		}
		defer rows.Close() // also when the consumer panics
		more, err := each(rows, yield)
		if err == nil && more {
			err = rows.Err()
		}
		if closing := rows.Close(); err == nil && more {
			err = closing
		}
		if err != nil {
			yield(none, fmt.Errorf("%s: %w", firstLine(query), err))
		}
	}
}

// each yields every row; more is false when the consumer stopped.
func each[T any](rows rows, yield func(T, error) bool) (more bool, err error) {
	columns, err := rows.Columns()
	if err != nil {
		return true, err
	}
	targets, err := planFor(reflect.TypeFor[T](), columns)
	if err != nil {
		return true, err
	}
	into := make([]any, len(columns))
	for rows.Next() {
		var v T
		targets.point(reflect.ValueOf(&v).Elem(), into)
		if err := rows.Scan(into...); err != nil {
			return true, err
		}
		if !yield(v, nil) {
			return false, nil
		}
	}
	return true, nil
}

// plan says which field takes which column; nil means the value itself.
type plan [][]int

func (p plan) point(v reflect.Value, into []any) {
	for i, index := range p {
		if index == nil {
			into[i] = v.Addr().Interface()
		} else {
			into[i] = v.FieldByIndex(index).Addr().Interface()
		}
	}
}

type planKey struct {
	t       reflect.Type
	columns string
}

var plans sync.Map // planKey → plan

func planFor(t reflect.Type, columns []string) (plan, error) {
	key := planKey{t, strings.Join(columns, ",")}
	if p, ok := plans.Load(key); ok {
		return p.(plan), nil
	}
	p, err := newPlan(t, columns)
	if err == nil {
		plans.Store(key, p)
	}
	return p, err
}

func newPlan(t reflect.Type, columns []string) (plan, error) {
	scanner := reflect.PointerTo(t).Implements(reflect.TypeFor[sql.Scanner]())
	if t.Kind() != reflect.Struct || scanner || t == reflect.TypeFor[time.Time]() {
		if len(columns) != 1 {
			return nil, fmt.Errorf("%d columns for one %s", len(columns), t)
		}
		return plan{nil}, nil
	}
	left := parts(t, nil)
	p := make(plan, len(columns))
	for i, c := range columns {
		for len(left) > 1 && left[0][c] == nil {
			left = left[1:]
		}
		if p[i] = left[0][c]; p[i] == nil {
			return nil, fmt.Errorf("%s has no field for column %s", t, c)
		}
		if len(left) > 1 {
			delete(left[0], c)
		}
	}
	return p, nil
}

// parts are the fields of a struct by column, and after them those of each field that is a row of its own.
func parts(t reflect.Type, at []int) []map[string][]int {
	own := map[string][]int{}
	list := []map[string][]int{own}
	for _, f := range reflect.VisibleFields(t) {
		index := append(slices.Clone(at), f.Index...)
		switch {
		case !f.IsExported() || f.Anonymous:
		case f.Tag.Get("db") == "*":
			list = append(list, parts(f.Type, index)...)
		default:
			own[columnName(f)] = index
		}
	}
	return list
}

func columnName(f reflect.StructField) string {
	if tag := f.Tag.Get("db"); tag != "" {
		return tag
	}
	var b strings.Builder
	for i, r := range f.Name {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(rune(f.Name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// JSON is a column of JSON text that reads and writes V.
type JSON[V any] struct{ V V }

// AsJSON wraps v for a JSON column.
func AsJSON[V any](v V) JSON[V] { return JSON[V]{v} }

// Value implements driver.Valuer.
func (j JSON[V]) Value() (driver.Value, error) {
	text, err := json.Marshal(j.V)
	return string(text), err
}

// Scan implements sql.Scanner.
func (j *JSON[V]) Scan(src any) error {
	switch text := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(text), &j.V)
	case []byte:
		return json.Unmarshal(text, &j.V)
	}
	return fmt.Errorf("JSON column of type %T", src)
}
