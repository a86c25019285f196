package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// printTable prints what was measured, by id.
func printTable(w io.Writer, o options, all []result) {
	fmt.Fprintf(w, "%d connections, %d rounds of %s a side, %d processors; goals are ratios to the floor in the same run.\n",
		o.conns, o.rounds, o.slice, runtime.NumCPU())
	fmt.Fprintln(w, "CPU is the whole process tree's; +db is PostgreSQL's own for that database; by CPU is the floor's sum over ours, which other programs disturb less.")
	fmt.Fprintln(w, "Allocations and bytes are the server's. SQL, round trips and PostgreSQL's commits were counted in a proxy on one connection, SQLite's commits in its WAL index.")
	slices.SortStableFunc(all, func(a, b result) int { return cmp.Or(cmp.Compare(a.number(), b.number()), cmp.Compare(a.id, b.id)) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\twork / floor\tengine\tours/s\tfloor/s\tratio\tgoal\tby CPU\tp50/p99 ms\tfloor's\tCPU µs\tfloor's\tallocs\tbytes\tSQL\ttrips\tcommits\trounds")
	for _, r := range all {
		fmt.Fprintln(t, strings.Join(r.cells(), "\t"))
	}
	_ = t.Flush() // to a terminal
	for _, r := range all {
		if r.busy > 0 {
			fmt.Fprintln(w, "busy n: the machine was not quiet often enough; n rounds count although other programs took more than 10 % of a processor.")
			break
		}
	}
}

// number is the number in an id, for B10 to follow B9; 100 where there is none.
func (r result) number() int {
	digits := strings.IndexFunc(r.id[1:]+"-", func(c rune) bool { return c < '0' || c > '9' })
	if n, err := strconv.Atoi(r.id[1 : 1+digits]); err == nil {
		return n
	}
	return 100
}

func (r result) cells() []string {
	rounds := "quiet"
	if r.busy > 0 {
		rounds = fmt.Sprintf("busy %d", r.busy)
	}
	if r.thrown > 0 {
		rounds += fmt.Sprintf(", %d thrown away", r.thrown)
	}
	sql, trips, commits := "–", "–", fmt.Sprintf("%.3f", r.ours.commits)
	if r.count != nil {
		sql, trips = fmt.Sprintf("%.1f", r.count.statements), fmt.Sprintf("%.1f", r.count.trips)
		commits = fmt.Sprintf("%.1f", r.count.commits)
	}
	return []string{r.id, r.work, r.engine, fmt.Sprintf("%.0f", r.ours.rate), fmt.Sprintf("%.0f", r.floor.rate), ratio(r.ratio),
		r.verdict(), ratio(r.cpuRatio()), times(r.ours), times(r.floor), r.cpu(r.ours), r.cpu(r.floor),
		fmt.Sprintf("%.0f", r.ours.objects), fmt.Sprintf("%.0f", r.ours.bytes), sql, trips, commits, rounds}
}

// ratio keeps two digits of a small one.
func ratio(of float64) string {
	if of < 0.095 {
		return fmt.Sprintf("%.2g", of)
	}
	return fmt.Sprintf("%.2f", of)
}

func (r result) cpu(f figures) string {
	s := fmt.Sprint(f.cpu.Microseconds())
	if r.engine == "postgres" {
		s += fmt.Sprintf("+%d", f.dbCPU.Microseconds())
	}
	return s
}

// cpuRatio is what the floor takes of processor time, as a share of what we take.
func (r result) cpuRatio() float64 {
	return float64(r.floor.cpu+r.floor.dbCPU) / float64(r.ours.cpu+r.ours.dbCPU)
}

func times(f figures) string {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("%.2f/%.2f", ms(f.p50), ms(f.p99))
}

// verdict says what was wanted and whether it was met.
func (r result) verdict() string {
	goal, ok := r.goal[r.engine]
	if !ok {
		return "none"
	}
	missed := ""
	if r.ratio < goal {
		missed = fmt.Sprintf("MISSED (%d %%)", int(100*r.ratio/goal))
	}
	if r.within > 0 && r.ours.p50 > r.within {
		missed += fmt.Sprintf(" p50 > %s", r.within)
	}
	if r.noSQL && r.count != nil && r.count.statements > 0.05 {
		missed += " SQL"
	}
	if r.like != nil && r.count.statements > r.like.statements+0.5 {
		missed += " SQL grows"
	}
	if r.fewCommits && r.engine == "sqlite" && r.ours.commits > 1./8 {
		missed += " commits"
	}
	if missed == "" {
		missed = "met"
	}
	by := ""
	if r.byCPU {
		by = "by CPU "
	}
	return fmt.Sprintf("%s≥ %.2g %s", by, goal, strings.TrimSpace(missed))
}
