package api

import (
	"io"
	"net/http"
	"time"
)

// What a refused call may still send: enough for any document that clients
// upload, not so much or so long that refusing costs more than serving.
const (
	drainBytes = 64 << 20
	drainTime  = 5 * time.Second
)

// watchedBody knows how far a request's body was read.
type watchedBody struct {
	io.ReadCloser
	read int64
	end  bool // nothing more comes
}

// watch puts itself around the body of r; nil when there is none.
func watch(r *http.Request) *watchedBody {
	if r.Body == http.NoBody {
		return nil
	}
	b := &watchedBody{ReadCloser: r.Body}
	r.Body = b
	return b
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	b.end = b.end || err != nil
	return n, err
}

// drain reads what a refused call still sends. Many clients write their whole
// request before they read: a connection closed under their hands gives them a
// broken pipe in the place of the answer.
func drain(w http.ResponseWriter, r *http.Request, b *watchedBody) {
	switch {
	case b == nil || b.end || r.ContentLength == 0:
		return
	case r.ContentLength-b.read > drainBytes:
		return // it would not arrive whole anyhow
	case b.read == 0 && r.Header.Get("Expect") != "":
		return // this client asks before it sends
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(drainTime)) // not every writer can; the server's own deadline holds then
	if n, err := io.CopyN(io.Discard, b, drainBytes); err == io.EOF || n == r.ContentLength-b.read {
		_ = control.SetReadDeadline(time.Time{}) // the connection serves on; the server sets the next deadline
	}
}
