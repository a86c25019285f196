package pdf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
)

// childEnv marks the process as a child; nobody else can set a child's environment,
// which is this one variable and is cleared at once.
const childEnv = "COUNTERSIGN_PDF_CHILD"

// Child must be the first statement of main, and of TestMain in every package that
// opens a Jail. In a process started by a Jail it does the child's work and never
// returns; in any other it returns at once.
//
// Arguments of a child: its role (compile, or one of the kinds of children that wait for
// a document), the cache directory, and the memory limit in bytes and processor seconds.
func Child() {
	if os.Getenv(childEnv) != "1" {
		return
	}
	os.Clearenv()
	if err := child(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("pdf child: %d arguments", len(args))
	}
	memory, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	cpu, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	switch args[0] {
	case "compile":
		return compile(args[1])
	case string(unaided):
		return work(nil, memory, cpu)
	case string(viewing):
		return work(func() (*engine, error) { return viewer(args[1]) }, memory, cpu)
	}
	return fmt.Errorf("pdf child: unknown role %q", args[0])
}

// viewer opens PDFium in a child that may not write.
func viewer(cacheDir string) (*engine, error) {
	if !filled(cacheDir) { // compiling would take seconds and could not be kept
		return nil, fmt.Errorf("no compiled PDFium in %s", cacheDir)
	}
	e, err := newEngine(cacheDir)
	if err != nil {
		return nil, fmt.Errorf("PDFium did not start: %w", err)
	}
	return e, nil
}

// maxStack bounds one goroutine's stack. Go cannot recover from an overflow, so it
// should come early and cheap; our own recursion is bounded anyway.
const maxStack = 64 << 20

// work serves one document. PDFium is opened, if at all, before the child says that it
// is ready: its code comes from a file, and with a document in it a child has no files.
func work(viewer func() (*engine, error), memory, cpu int64) error {
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(memory * 3 / 4)
	if err := confine(memory, cpu); err != nil {
		return err
	}
	var e *engine
	if viewer != nil {
		var err error
		if e, err = viewer(); err != nil {
			return err
		}
	}
	if err := lockFiles(); err != nil {
		return err
	}
	if _, err := os.Stdout.Write([]byte{ready}); err != nil {
		return err
	}
	var q request
	doc, err := receive(os.Stdin, &q, 1<<40)
	if errors.Is(err, io.EOF) {
		return nil // the jail was closed
	}
	if err != nil {
		return err
	}
	r, body, err := answer(e, q, doc)
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		r, body = response{Refusal: refusal}, nil
	case errors.Is(err, errFault):
		r, body = response{Fault: err.Error()}, nil
	case trapped(err):
		r, body = response{Refusal: refuse(Exhausted, "PDFium gave up: %v", err)}, nil
	case err != nil:
		r, body = response{Refusal: refuse(Broken, "%v", err)}, nil
	}
	return send(os.Stdout, r, body)
}

// answer does what is asked; e is nil in an unaided child.
func answer(e *engine, q request, doc []byte) (r response, body []byte, err error) {
	if e == nil && q.kind() != unaided {
		return r, nil, fmt.Errorf("%w: %s in a child without PDFium", errFault, q.Op)
	}
	switch q.Op {
	case "inspect":
		info, err := inspect(e, doc, q.Limits)
		body, info.Repaired = info.Repaired, nil
		return response{Info: &info}, body, err
	case "render":
		body, err = e.render(doc, q.Page, q.DPI)
		return response{}, body, err
	case "text":
		words, err := e.words(doc, q.Page)
		return response{Words: words}, nil, err
	case "compose":
		p, err := compose(doc, q.Plan, q.Limits)
		body, p.File = p.File, nil
		return response{Prepared: &p}, body, err
	case "signatures":
		s, err := signatures(doc, q.Limits)
		return response{Structure: &s}, nil, err
	case "extract":
		x, err := extract(e, doc, q.Wanted, q.Limits)
		body, x.File = x.File, nil
		return response{Extraction: &x}, body, err
	}
	return r, nil, fmt.Errorf("%w: operation %q", errFault, q.Op)
}
