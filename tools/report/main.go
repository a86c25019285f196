// Command report prints the output of `go test -json` as one reads it: a line a
// package, everything about what failed, and at the end what was skipped and why.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
)

// event is a line of go test -json (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

func main() {
	os.Exit(read(bufio.NewScanner(os.Stdin)))
}

type tally struct {
	output                  map[string]*strings.Builder // by package and test
	skipped                 []string
	passed, failed, skipNum int
	broken                  bool
}

func read(in *bufio.Scanner) int {
	in.Buffer(nil, 16<<20)
	t := &tally{output: map[string]*strings.Builder{}}
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // the compiler's words
			continue
		}
		t.take(e)
	}
	t.end()
	if in.Err() != nil || t.broken || t.failed > 0 || t.passed == 0 {
		return 1
	}
	return 0
}

func (t *tally) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		if t.output[key] == nil {
			t.output[key] = &strings.Builder{}
		}
		t.output[key].WriteString(e.Output)
	case "pass":
		if e.Test == "" {
			fmt.Printf("ok    %-45s %.1fs\n", e.Package, e.Elapsed)
		} else {
			t.passed++
		}
	case "skip":
		if e.Test != "" {
			t.skipNum++
			t.skipped = append(t.skipped, e.Test+": "+reason(t.text(key)))
		}
	case "fail", "build-fail":
		t.broken = true
		if e.Test != "" {
			t.failed++
		}
		fmt.Printf("FAIL  %-45s %s\n%s", e.Package, e.Test, t.text(key))
	}
	if e.Action == "pass" || e.Action == "skip" {
		delete(t.output, key)
	}
}

func (t *tally) text(key string) string {
	if b := t.output[key]; b != nil {
		return b.String()
	}
	return ""
}

// reason is the line a skipped test gave.
func reason(output string) string {
	for line := range strings.SplitSeq(output, "\n") {
		if _, why, ok := strings.Cut(line, ".go:"); ok {
			_, why, _ = strings.Cut(why, ": ")
			return why
		}
	}
	return "no reason given"
}

func (t *tally) end() {
	sort.Strings(t.skipped)
	for _, s := range t.skipped {
		fmt.Println("SKIPPED", s)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipNum)
}
