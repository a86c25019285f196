package pdf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// Config says how a Jail works. The zero value is usable.
type Config struct {
	CacheDir string   // where PDFium's compiled code is kept, 20 MB; "" makes a directory that Close removes
	FontDirs []string // folders with .ttf, .otf, .ttc files, searched in order after the built-in fonts
	Limits   Limits
	Idle     int // started children waiting, of either kind; default 2. One with PDFium takes about 50 MB, one without 10
	Parallel int // documents worked on at a time; default the number of processors, at least 2
}

// Jail runs one child process per document. It is safe for concurrent use.
type Jail struct {
	config  Config
	exe     string
	fonts   *fontSet
	tempDir string // the cache directory, when it is ours to remove

	compiled   chan struct{} // closed when compileErr is set
	compileErr error
	idle       map[kind]chan *inmate // never changed
	slots      chan struct{}
	mending    sync.Mutex  // held while a lost cache is filled again
	alone      atomic.Bool // children can have no network namespace here
	ctx        context.Context
	stop       context.CancelFunc
	tasks      sync.WaitGroup
}

// Open loads the fonts and begins compiling PDFium in the background (about four
// seconds of processor time, once per cache directory). It fails when a font or the
// cache directory cannot be used. The children live until Close, whatever becomes of ctx.
func Open(ctx context.Context, c Config) (*Jail, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.Limits = c.Limits.withDefaults()
	if c.Idle <= 0 {
		c.Idle = 2
	}
	if c.Parallel <= 0 {
		c.Parallel = max(2, runtime.NumCPU())
	}
	exe, err := executable()
	if err != nil {
		return nil, err
	}
	fonts, err := openFonts(c.FontDirs)
	if err != nil {
		return nil, err
	}
	j := &Jail{config: c, exe: exe, fonts: fonts, compiled: make(chan struct{}),
		idle:  map[kind]chan *inmate{unaided: make(chan *inmate, c.Idle), viewing: make(chan *inmate, c.Idle)},
		slots: make(chan struct{}, c.Parallel)}
	if c.CacheDir == "" {
		if j.tempDir, err = os.MkdirTemp("", "countersign-pdfium-"); err != nil {
			return nil, err
		}
		j.config.CacheDir = j.tempDir
	}
	j.ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	j.tasks.Add(1)
	go func() {
		defer j.tasks.Done()
		for range c.Idle {
			j.refill(unaided)
		}
		j.compileErr = j.compile()
		close(j.compiled)
		for range c.Idle {
			if j.compileErr == nil {
				j.refill(viewing)
			}
		}
	}()
	return j, nil
}

// Close ends all children and waits for them. Requests still running fail.
func (j *Jail) Close() error {
	j.stop()
	j.tasks.Wait()
	for k := range j.idle {
		j.dismiss(k)
	}
	if j.tempDir != "" {
		return os.RemoveAll(j.tempDir)
	}
	return nil
}

// dismiss ends the waiting children of a kind.
func (j *Jail) dismiss(k kind) {
	for {
		select {
		case m := <-j.idle[k]:
			m.kill()
		default:
			return
		}
	}
}

// Ready waits until PDFium is compiled into the cache, and returns why it could not be.
func (j *Jail) Ready(ctx context.Context) error {
	select {
	case <-j.compiled:
		return j.compileErr
	case <-ctx.Done():
		return ctx.Err()
	case <-j.ctx.Done():
		return errClosed
	}
}

var errClosed = errors.New("pdf: the jail is closed")

// Inspect is the airlock at upload: it accepts a document or returns a Refusal with any
// Reason but MissingGlyphs.
func (j *Jail) Inspect(ctx context.Context, doc []byte) (Info, error) {
	if int64(len(doc)) > j.config.Limits.Bytes { // before it costs a child
		return Info{}, refuse(TooLarge, "%d bytes, allowed are %d", len(doc), j.config.Limits.Bytes)
	}
	if r := sniff(doc); r != nil {
		return Info{}, r
	}
	r, body, err := j.do(ctx, request{Op: "inspect"}, doc)
	if err != nil {
		return Info{}, err
	}
	if r.Info == nil || len(r.Info.Pages) == 0 {
		return Info{}, refuse(Broken, "no answer")
	}
	if len(body) > 0 {
		r.Info.Repaired = body
	}
	return *r.Info, nil
}

// Render returns the page (counted from 0) as a PNG of dpi dots per inch, 18 to 600:
// with annotations and form fields, on white. It fails with a Refusal (TooLarge beyond
// 30 million pixels, Exhausted, Broken).
func (j *Jail) Render(ctx context.Context, doc []byte, page int, dpi int) ([]byte, error) {
	if page < 0 || dpi < 18 || dpi > 600 {
		return nil, fmt.Errorf("%w: page %d at %d dpi", errFault, page, dpi)
	}
	_, body, err := j.do(ctx, request{Op: "render", Page: page, DPI: dpi}, doc)
	return body, err
}

// Text returns the words of a page (counted from 0) in reading order, for selection and
// screen readers.
func (j *Jail) Text(ctx context.Context, doc []byte, page int) ([]Word, error) {
	if page < 0 {
		return nil, fmt.Errorf("%w: page %d", errFault, page)
	}
	r, _, err := j.do(ctx, request{Op: "text", Page: page}, doc)
	return r.Words, err
}

// Compose draws on a document, appends pages, attaches files and prepares the signature
// container, all as one incremental update. The document must have been accepted by
// Inspect. It fails with a Refusal: MissingGlyphs or TooLarge for a text, Broken for a
// document that Inspect would not accept.
func (j *Jail) Compose(ctx context.Context, job Job) (Prepared, error) {
	plan, err := j.draw(job)
	if err != nil {
		return Prepared{}, err
	}
	r, body, err := j.do(ctx, request{Op: "compose", Plan: plan}, job.Doc)
	if err != nil {
		return Prepared{}, err
	}
	if r.Prepared == nil || len(body) < len(job.Doc) {
		return Prepared{}, refuse(Broken, "no answer")
	}
	r.Prepared.File = body
	if job.Container != nil {
		return *r.Prepared, r.Prepared.check(job)
	}
	return *r.Prepared, nil
}

// Signatures reads the structure of all signatures and attachments, for verification.
// It judges structure only; the CMS is returned unread. A file the strict reader does
// not accept is Broken.
func (j *Jail) Signatures(ctx context.Context, doc []byte) (Structure, error) {
	if r := sniff(doc); r != nil {
		return Structure{}, r
	}
	r, _, err := j.do(ctx, request{Op: "signatures"}, doc)
	if err != nil {
		return Structure{}, err
	}
	if r.Structure == nil {
		return Structure{}, refuse(Broken, "no answer")
	}
	return *r.Structure, nil
}
