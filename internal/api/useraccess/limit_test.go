package useraccess

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
)

// 16 callers at two processes with one token: a hundred calls are let through, and each answer says what is left.
func TestT14TwoProcesses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		first := newStack(t, d)
		second := *first
		second.serve()
		processes := []*stack{first, &second}
		for round := range dbtest.Rounds(2, 50) {
			var accepted, refused atomic.Int64
			var seen sync.Map
			var running sync.WaitGroup
			for caller := range 16 {
				running.Go(func() {
					for range 10 {
						a := processes[caller%2].Get(usersPath)
						switch a.Status {
						case http.StatusOK:
							accepted.Add(1)
							if _, twice := seen.LoadOrStore(left(t, a), true); twice {
								t.Errorf("two calls were told that %d are left", left(t, a))
							}
						case http.StatusTooManyRequests:
							refused.Add(1)
							if left(t, a) != 0 {
								t.Errorf("refused with RateLimit %q", a.Header.Get("RateLimit"))
							}
						default:
							t.Errorf("%d %s", a.Status, a.Body)
						}
					}
				})
			}
			running.Wait()
			if accepted.Load() != 100 || refused.Load() != 60 {
				t.Fatalf("round %d: %d were accepted, %d refused", round, accepted.Load(), refused.Load())
			}
			if d.Shift(30 * time.Second); first.Get(usersPath).Status != http.StatusTooManyRequests {
				t.Error("a call was accepted after half a minute")
			}
			d.Shift(30 * time.Second)
			for _, s := range processes {
				s.serve() // by its own clock a process goes on to refuse for the rest of a minute
			}
		}
	})
}

// A process that begins anew, another address, another header and another token of the same client win nothing; another token has its own quota.
func TestT14KeyedByCredential(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.useUp()
		s.Get(usersPath).Want(429)
		for i, header := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Client-Ip"} {
			s.Do(apitest.Call{Method: "GET", Path: usersPath, Header: map[string]string{header: fmt.Sprintf("198.51.100.%d", i)}}).Want(429)
		}
		s.serve()
		s.Get(usersPath).Want(429)
		s.serve(netip.MustParsePrefix("127.0.0.0/8"))
		s.Do(apitest.Call{Method: "GET", Path: usersPath, Header: map[string]string{"X-Forwarded-For": "198.51.100.1"}}).Want(429)
		if a := s.As(s.token(s.admin)).Get(usersPath).Want(200); left(t, a) != 99 {
			t.Errorf("another token: %q", a.Header.Get("RateLimit"))
		}
		id, password := s.client(authz.ReadAccess)
		client := s.As(s.clientToken(id, password))
		for range 100 {
			client.Get(usersPath).Want(200)
		}
		client.Get(usersPath).Want(429)
		s.As(s.clientToken(id, password)).Get(usersPath).Want(429)
	})
}

// Who waits as long as Retry-After says is let in, and it is the time till the oldest call leaves the window.
func TestT14RetryAfter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		s.useUp()
		d.Shift(20 * time.Second)
		s.serve()
		a := s.Get(usersPath).Want(429)
		wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if err != nil || wait > 40 || wait < 20 || a.Header.Get("RateLimit") != fmt.Sprintf(`"admin";r=0;t=%d`, wait) {
			t.Errorf("Retry-After %q, RateLimit %q", a.Header.Get("Retry-After"), a.Header.Get("RateLimit"))
		}
		d.Shift(time.Duration(wait) * time.Second)
		s.serve()
		s.Get(usersPath).Want(200)
	})
}

// What counts: each call of who may see the list, whatever comes of it, and none that was refused for the quota or for who makes it.
func TestT14WhatCounts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		tag := s.Get(usersPath).Want(200).Header.Get("ETag") // 99 are left
		for i, c := range []struct {
			call   apitest.Call
			status int
		}{
			{apitest.Call{Method: "GET", Path: usersPath + "?status=x"}, 400},
			{apitest.Call{Method: "GET", Path: usersPath, Header: map[string]string{"If-None-Match": tag}}, 304},
			{apitest.Call{Method: "GET", Path: usersPath + "/nobody"}, 404},
			{apitest.Call{Method: "GET", Path: root + "/nothing"}, 404},
			{apitest.Call{Method: "POST", Path: usersPath}, 405},
			{apitest.Call{Method: "HEAD", Path: usersPath}, 200},
			{apitest.Call{Method: "GET", Path: usersPath + "?status=%zz"}, 400},
		} {
			if a := s.Do(c.call).Want(c.status); left(t, a) != 98-i {
				t.Errorf("%s %s: %q", c.call.Method, c.call.Path, a.Header.Get("RateLimit"))
			}
		}
		weak := s.As(s.clientToken(s.client(authz.Sign)))
		for range 3 {
			if a := weak.Get(usersPath).Want(403); left(t, a) != 100 {
				t.Errorf("403: %q", a.Header.Get("RateLimit"))
			}
			s.As("Bearer x").Get(usersPath).Want(401)
		}
		s.useUp()
		before := s.times()
		for range 20 {
			s.Get(usersPath).Want(429)
		}
		if after := s.times(); after != before {
			t.Error("a refused call was written down")
		}
	})
}

// times are all windows as they are kept.
func (s *stack) times() (all string) {
	s.T.Helper()
	must(s.T, s.db.Peek(s.T.Context(), func(tx *db.Tx) error {
		list, err := db.All[string](tx, `select times from limit_windows order by name`)
		all = strings.Join(list, "\n")
		return err
	}))
	return all
}

// Whom nobody knows is counted by his address, as the proxies that we trust tell it and nobody else; a good token is never barred.
func TestT14StrangersByAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		s := newStack(t, d)
		ask := func(forwarded string) int {
			return s.As("Bearer x").Do(apitest.Call{Method: "GET", Path: usersPath, Header: map[string]string{"X-Forwarded-For": forwarded}}).Status
		}
		for i := range strangersPolicy.Quota { // whatever he says he is
			if status := ask(fmt.Sprintf("198.51.%d.%d", i/250, i%250)); status != 401 {
				t.Fatalf("call %d: %d", i, status)
			}
		}
		for _, forged := range []string{"", "198.51.100.200", "127.0.0.2", "::1"} {
			if status := ask(forged); status != 429 {
				t.Errorf("forged %q: %d", forged, status)
			}
		}
		s.Get(usersPath).Want(200)
		s.As(s.clientToken(s.client(authz.Sign))).Get(usersPath).Want(429)
		s.Get(root + "//users").Want(404)

		s.serve(netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
		for s.surface.strangers.Take("198.51.100.7").Allowed {
		}
		for forwarded, want := range map[string]int{
			"198.51.100.7": 429, "203.0.113.9, 198.51.100.7": 429, "198.51.100.7, 203.0.113.9": 401, "nonsense": 401, "198.51.100.7, nonsense": 401,
		} {
			if status := ask(forwarded); status != want {
				t.Errorf("through a proxy, %q: %d", forwarded, status)
			}
		}
	})
}

// A network of IPv6 is one stranger.
func TestAddress(t *testing.T) {
	for ip, want := range map[string]string{"203.0.113.9": "203.0.113.9", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::1": "2001:db8:1:2::/64", "": ""} {
		if got := address(ip); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
}
