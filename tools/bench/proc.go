package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of processor time in /proc (USER_HZ is 100 on every Linux).
const tick = 10 * time.Millisecond

// process is a line of /proc/PID/stat.
type process struct {
	pid, parent int
	name        string
	kernel      bool
	used        time.Duration
	database    string // of a PostgreSQL process: its database, "*" when it serves all
}

// usage is the processor time used since the machine started.
type usage struct {
	busy      time.Duration // by all processes, and stolen
	processes map[int]process
}

// processorUse reads /proc.
func processorUse() (u usage, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return u, fmt.Errorf("/proc/stat: %q", line)
	}
	for _, i := range []int{1, 2, 3, 8} { // user, nice, system, steal
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return u, err
		}
		u.busy += time.Duration(n) * tick
	}
	u.processes = map[int]process{}
	entries, err := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, bad := strconv.Atoi(e.Name()); bad == nil {
			if p, ok := readProcess(pid); ok {
				u.processes[pid] = p
			}
		}
	}
	return u, err
}

// readProcess is false for a process that has gone.
func readProcess(pid int) (p process, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if err != nil || open < 0 || end < open {
		return p, false
	}
	f := strings.Fields(string(text[end+1:])) // from state, which is field 3 of proc(5)
	if len(f) < 13 {
		return p, false
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(f[field-3], 10, 64)
		return n
	}
	const kernelThread = 0x00200000
	p = process{pid: pid, name: string(text[open+1 : end]), parent: int(number(4)), kernel: number(9)&kernelThread != 0,
		used: time.Duration(number(14)+number(15)) * tick}
	if p.name == "postgres" {
		p.database = servedBy(pid)
	}
	return p, true
}

// servedBy reads "postgres: USER DATABASE ADDRESS" off a server process.
func servedBy(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	title := string(bytes.TrimRight(text, "\x00"))
	if at := strings.Index(title, scratchPrefix); at >= 0 {
		name, _, _ := strings.Cut(title[at:], " ")
		return name
	}
	for _, all := range []string{"walwriter", "checkpointer", "background writer", "autovacuum"} {
		if strings.Contains(title, all) {
			return "*"
		}
	}
	return ""
}

// descendant reports whether a process is root or was started by it.
func (u usage) descendant(p process, root int) bool {
	for range 32 {
		if p.pid == root {
			return true
		}
		var ok bool
		if p, ok = u.processes[p.parent]; !ok {
			return false
		}
	}
	return false
}

// since is what the processes that ours names used since before.
func (u usage) since(before usage, ours func(process) bool) (used time.Duration) {
	for pid, p := range u.processes {
		if ours(p) {
			used += p.used - before.processes[pid].used
		}
	}
	return max(used, 0)
}

// others is what processes used that have nothing to do with the measurement on
// these databases.
func (u usage) others(before usage, databases ...string) time.Duration {
	self := os.Getpid()
	ours := u.since(before, func(p process) bool {
		return p.kernel || u.descendant(p, self) || p.database == "*" && databases != nil || slices.Contains(databases, p.database)
	})
	return max(u.busy-before.busy-ours, 0)
}

// treeTime is the processor time of this process and all it started, of the
// living ones what they used themselves.
func treeTime() time.Duration {
	total := time.Duration(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if syscall.Getrusage(who, &r) == nil {
			total += time.Duration(r.Utime.Nano() + r.Stime.Nano())
		}
	}
	if u, err := processorUse(); err == nil {
		self := os.Getpid()
		for _, p := range u.processes {
			if p.pid != self && u.descendant(p, self) {
				total += p.used
			}
		}
	}
	return total
}
