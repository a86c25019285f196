package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/errs"
)

// What a call may cost.
const (
	callWithin    = 30 * time.Second // until the status is read (Conga Sign documentation, Callbacks)
	connectWithin = 10 * time.Second
	maxHeaders    = 16 << 10 // bytes of an answer's header
	maxAnswer     = 4 << 10  // bytes read of an answer's body
)

// Headers of Standard Webhooks.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// tolerance is how old or how far ahead a call's time may be for who verifies it.
const tolerance = 5 * time.Minute

// newClient makes the client of all calls: through the gate and no proxy, to one answer and no further.
func (w *Webhook) newClient(resolver *net.Resolver) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: w.gate.Dial(resolver, connectWithin), Proxy: nil, DisableCompression: true, MaxResponseHeaderBytes: maxHeaders,
			TLSHandshakeTimeout: connectWithin, MaxIdleConnsPerHost: perHost, IdleConnTimeout: time.Minute,
			ReadBufferSize: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call is one delivery as it is sent.
type call struct {
	ID      string // stable across tries
	At      time.Time
	URL     string
	Header  string // Authorization; empty is none
	Secrets []string
	Body    []byte
}

// send makes the call and returns the answer's status; 0 when there was none. Its error says why
// the event is not delivered.
func (w *Webhook) send(ctx context.Context, c call) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(c.Body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", w.Product)
	if c.Header != "" {
		r.Header.Set("Authorization", c.Header)
	}
	timestamp := strconv.FormatInt(c.At.Unix(), 10)
	var signatures []string
	for _, s := range c.Secrets {
		signatures = append(signatures, sign(s, c.ID, timestamp, c.Body))
	}
	r.Header.Set(headerID, c.ID)
	r.Header.Set(headerTimestamp, timestamp)
	r.Header.Set(headerSignature, strings.Join(signatures, " "))
	answer, err := w.client.Do(r)
	if err != nil {
		return 0, plainError(err)
	}
	defer answer.Body.Close()
	// A short answer is read to its end, so that the connection can be used again; a long or slow one is cut off.
	if answer.ContentLength >= 0 && answer.ContentLength <= maxAnswer {
		_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	}
	if answer.StatusCode/100 != 2 {
		return answer.StatusCode, fmt.Errorf("the receiver answered %d", answer.StatusCode)
	}
	return answer.StatusCode, nil
}

// plainError says what went wrong without the URL, which may hold a secret.
func plainError(err error) error {
	if refusal, ok := errors.AsType[*errs.Error](err); ok {
		return errors.New(refusal.Detail)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	for {
		under := errors.Unwrap(err)
		if under == nil {
			return err
		}
		if _, ok := err.(*net.OpError); ok { // "dial tcp 192.0.2.1:443: connect: connection refused"
			return err
		}
		err = under
	}
}

// sign is the signature of Standard Webhooks, version 1.
func sign(secret, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key(secret))
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// key is the bytes of a secret, which is written whsec_ and base64.
func key(secret string) []byte {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil {
		return []byte(secret)
	}
	return raw
}

const secretPrefix = "whsec_"

// Verify is the check that receivers make (docs/callbacks.md): that a call was signed with
// secret, whsec_…, and is not older than five minutes at now. Its errors are Denied
// "callback.unsigned", "callback.stale" and "callback.forged".
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	id, timestamp := header.Get(headerID), header.Get(headerTimestamp)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if id == "" || err != nil || !strings.HasPrefix(secret, secretPrefix) || len(key(secret)) == 0 {
		return errs.New(errs.Denied, "callback.unsigned", "The call carries no id and time.")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return errs.New(errs.Denied, "callback.stale", "The call is of another time: it is repeated, or a clock is wrong.")
	}
	want := sign(secret, id, timestamp, body)
	for _, got := range strings.Fields(header.Get(headerSignature)) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return nil
		}
	}
	return errs.New(errs.Denied, "callback.forged", "No signature of the call is made with this secret.")
}
