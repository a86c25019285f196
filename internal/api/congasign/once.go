package congasign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/retry"
	"countersign.dev/internal/signing"
)

// handler answers a call.
type handler = func(*api.Request) (api.Answer, error)

// once has a call that makes something, and answers {"id"}, happen once for each Idempotency-Key.
func (s *surface) once(h handler) handler {
	return s.onceAs(h, func(_ *api.Request, id string) (api.Answer, error) { return api.Answer{JSON: idOut{id}}, nil })
}

// onceAs is once for a call with another answer: word makes it from the outer id
// of what an earlier call made whose answer nobody kept; nil for a call that is not told what it makes.
//
// Refusals: Invalid "idempotency_key.malformed", and those of retry.Begin.
func (s *surface) onceAs(h handler, word func(r *api.Request, id string) (api.Answer, error)) handler {
	return func(r *api.Request) (api.Answer, error) {
		call, err := s.keyed(r)
		if err != nil || call == nil {
			return either(h, r, err)
		}
		ctx, prior, err := s.retry.Begin(r.Context(), *call)
		if err != nil {
			return api.Answer{}, err
		}
		acting := r.WithContext(ctx)
		if prior != nil && prior.Answer != nil {
			return again(*prior.Answer), nil
		}
		var a api.Answer
		if prior != nil {
			a, err = word(acting, prior.Made)
		} else if a, err = h(acting); err != nil {
			err = errors.Join(err, s.retry.Free(ctx))
		}
		if err != nil {
			return api.Answer{}, err
		}
		return s.keep(acting, *call, a)
	}
}

// rowsOnce has each row of a call with a key happen once; nil without a key.
func (s *surface) rowsOnce(call *retry.Call) signing.RowOnce {
	if call == nil {
		return nil
	}
	return func(ctx context.Context, row int, act func(context.Context) (string, error)) (string, error) {
		one := *call
		one.Operation += " row " + strconv.Itoa(row)
		ctx, prior, err := s.retry.Begin(ctx, one)
		if err != nil {
			return "", err
		}
		if prior != nil {
			return prior.Made, nil
		}
		id, err := act(ctx)
		if err != nil {
			err = errors.Join(err, s.retry.Free(ctx))
		}
		return id, err
	}
}

func either(h handler, r *api.Request, err error) (api.Answer, error) {
	if err != nil {
		return api.Answer{}, err
	}
	return h(r)
}

// keep keeps an answer and returns the one that all callers with the key get.
func (s *surface) keep(r *api.Request, c retry.Call, a api.Answer) (api.Answer, error) {
	body, err := jsonv2.Marshal(a.JSON, jsonv2.Deterministic(true))
	if err != nil {
		return api.Answer{}, err
	}
	kept, err := s.retry.Keep(r.Context(), c, retry.Answer{Status: max(a.Status, http.StatusOK), Header: a.Header, Body: body})
	return again(kept), err
}

func again(a retry.Answer) api.Answer {
	return api.Answer{Status: a.Status, Header: a.Header, JSON: jsontext.Value(a.Body)}
}

// keyed reads the call of a request with an Idempotency-Key; nil when it has none.
// The body is read, and is there to be read again.
func (s *surface) keyed(r *api.Request) (*retry.Call, error) {
	if s.retry == nil {
		return nil, nil
	}
	key, err := r.IdempotencyKey()
	if err != nil || key == "" {
		return nil, err
	}
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	r.HTTP.Body = io.NopCloser(bytes.NewReader(body))
	path, _ := claim(strings.TrimSuffix(r.HTTP.URL.Path, "/"))
	return &retry.Call{Account: r.Principal.Account, Caller: callerOf(r.Principal),
		Operation: r.HTTP.Method + " " + path, Key: key, Body: fingerprint(r, body)}, nil
}

// callerOf tells apart whose keys are whose: also two who act in the place of the same user.
func callerOf(p authz.Principal) string { return string(p.Kind) + " " + p.User + " " + p.By }

// fingerprint is a digest of what a call says: the media type, the query and the body. The boundary of a multipart body, which clients make anew each
// time, does not count.
func fingerprint(r *api.Request, body []byte) []byte {
	h := sha256.New()
	media, params, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type")) // what cannot be read is refused later
	write := func(b []byte) { fmt.Fprintf(h, "%d:%s", len(b), b) }
	write([]byte(media))
	write([]byte(r.HTTP.URL.RawQuery))
	if boundary := params["boundary"]; boundary != "" {
		for piece := range bytes.SplitSeq(body, []byte("--"+boundary)) {
			write(piece)
		}
		return h.Sum(nil)
	}
	write(body)
	return h.Sum(nil)
}
