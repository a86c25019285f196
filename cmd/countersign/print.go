package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"countersign.dev/internal/server"
)

// database is where the administration works, also beside a running server.
type database struct {
	server.Config `embed:"" group:"server"`
	JSON          bool `name:"json" help:"Print JSON."`
}

// act opens the rooms for one act on what is there.
func (d *database) act(ctx context.Context, do func(*server.Rooms) error) error {
	if err := d.Exists(); err != nil {
		return err
	}
	return d.begin(ctx, do)
}

// begin opens the rooms for one act that may be the first of all.
func (d *database) begin(ctx context.Context, do func(*server.Rooms) error) error {
	rooms, err := server.OpenRooms(ctx, d.Config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	defer rooms.Close()
	return do(rooms)
}

// print writes members as JSON, or as lines.
func (d *database) print(members ...[2]string) error {
	if d.JSON {
		out := map[string]string{}
		for _, m := range members {
			out[m[0]] = m[1]
		}
		return printJSON(out)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, m := range members {
		fmt.Fprintf(w, "%s\t%s\n", m[0], m[1])
	}
	return w.Flush()
}

func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// column is one column of a table: its heading and what it says of a row.
type column[T any] struct {
	name string
	cell func(T) string
}

// list writes rows as a JSON array, or as a table.
func list[T any](d *database, rows []T, columns ...column[T]) error {
	if d.JSON {
		if rows == nil {
			rows = []T{}
		}
		return printJSON(rows)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for i, c := range columns {
		fmt.Fprint(w, separator(i), strings.ToUpper(c.name))
	}
	fmt.Fprintln(w)
	for _, r := range rows {
		for i, c := range columns {
			fmt.Fprint(w, separator(i), c.cell(r))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return "\t"
}

// brief is a duration without the zeros Go ends it with; "" for none.
func brief(d time.Duration) string {
	if d == 0 {
		return ""
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// moment is a time as JSON and tables show it; "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
