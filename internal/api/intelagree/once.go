package intelagree

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/retry"
)

// once has a call that makes something happen once for each Idempotency-Key. word makes the answer from the outer id of
// what an earlier call made whose answer nobody kept.
//
// Refusals: Invalid "idempotency_key.malformed", and those of retry.Begin.
func (s *surface) once(h handler, word func(r *api.Request, made string) (api.Answer, error)) handler {
	return func(r *api.Request) (api.Answer, error) {
		call, err := s.keyed(r)
		if err != nil {
			return api.Answer{}, err
		}
		if call == nil {
			return h(r)
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
		body, err := jsonv2.Marshal(a.JSON, jsonv2.Deterministic(true))
		if err != nil {
			return api.Answer{}, err
		}
		kept, err := s.retry.Keep(ctx, *call, retry.Answer{Status: a.Status, Header: a.Header, Body: body})
		return again(kept), err
	}
}

func again(a retry.Answer) api.Answer {
	return api.Answer{Status: a.Status, Header: a.Header, JSON: jsontext.Value(a.Body)}
}

// keyed reads the call of a request with an Idempotency-Key; nil when it has none. The body is read, and is there to be
// read again. A key is its user's, and another one's for whom he acts as.
func (s *surface) keyed(r *api.Request) (*retry.Call, error) {
	key, err := r.IdempotencyKey()
	if err != nil || key == "" {
		return nil, err
	}
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	r.HTTP.Body = io.NopCloser(bytes.NewReader(body))
	digest := sha256.Sum256(body)
	return &retry.Call{Account: r.Principal.Account, Caller: "intelagree " + r.Principal.User + " " + r.Principal.For,
		Operation: "POST " + usersPath, Key: key, Body: digest[:]}, nil
}
