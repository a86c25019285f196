package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// accepted is a call that was let through: the moment it was counted lies between the two.
type accepted struct{ sent, answered time.Time }

// T14: two servers on PostgreSQL share one window, 16 callers forge where they come from, one server is killed and started
// again in the middle: in no 60 seconds are more than 100 calls accepted, and refused ones do not count. `make soak` runs
// it for three minutes.
func TestT14NeverMoreThanTheQuota(t *testing.T) {
	c := config(t, dbtest.PostgresURL(t), t.TempDir())
	rooms, err := OpenRooms(t.Context(), c, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { rooms.Close() })
	token := newAccessToken(t, rooms)
	long := time.Duration(dbtest.Rounds(4, 180)) * time.Second
	first, second := start(t, c, ""), start(t, c, "")
	var mu sync.Mutex
	servers := []string{first.url, second.url}
	at := func(i int) string { mu.Lock(); defer mu.Unlock(); return servers[i%2] }
	begun := time.Now()
	var all []accepted
	var refused, lost int
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			for n := 0; time.Since(begun) < long; n++ {
				a := accepted{sent: time.Now()}
				status, header := listOnce(t, at(i+n), token, fmt.Sprintf("203.0.113.%d", (i*37+n)%250))
				a.answered = time.Now()
				mu.Lock()
				switch status {
				case http.StatusOK:
					all = append(all, a)
				case http.StatusTooManyRequests:
					refused++
					if wait := header.Get("Retry-After"); wait == "" || wait == "0" || len(wait) > 2 {
						t.Errorf("Retry-After is %q", wait)
					}
				case 0:
					lost++ // the server was down
				default:
					t.Errorf("a call was answered %d", status)
				}
				mu.Unlock()
			}
		})
	}
	<-time.After(long / 2)
	first.kill()
	again := start(t, c, "")
	mu.Lock()
	servers[0] = again.url
	mu.Unlock()
	callers.Wait()
	most := mostWithin(all, time.Minute)
	t.Logf("%v: %d accepted, %d refused, %d lost in the restart; most in any 60 s: %d", long, len(all), refused, lost, most)
	if most > 100 {
		t.Errorf("%d calls were accepted within 60 s", most)
	}
	if refused == 0 || len(all)+lost < 100 {
		t.Errorf("%d accepted and %d refused: the quota was not reached", len(all), refused)
	}
	// What was refused has not counted: after each minute the whole quota is there again.
	if minutes := int(long / time.Minute); len(all)+lost < 100*minutes {
		t.Errorf("only %d calls were accepted in %v", len(all), long)
	}
}

// mostWithin is how many calls were, whatever the moment they were counted at, accepted within a span.
func mostWithin(all []accepted, span time.Duration) (most int) {
	slices.SortFunc(all, func(a, b accepted) int { return a.sent.Compare(b.sent) })
	for i, a := range all {
		n := 0
		for _, b := range all[i:] {
			if b.answered.Sub(a.sent) < span {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// listOnce asks for one user of the access list; 0 is no answer.
func listOnce(t *testing.T, base, token, pretends string) (status int, header http.Header) {
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/v2/access/users?limit=1", nil)
	if err != nil {
		return 0, nil
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token}, "X-Forwarded-For": {pretends}, "Forwarded": {"for=" + pretends}, "X-Real-Ip": {pretends}}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	answer.Body.Close()
	return answer.StatusCode, answer.Header
}

// newAccessToken is an access-list token of a new account's manager.
func newAccessToken(t *testing.T, rooms *Rooms) string {
	t.Helper()
	account, err := rooms.NewAccount(t.Context(), "Example Health", "Example Pharmacy")
	must(t, err)
	operator, err := rooms.OperatorOf(t.Context(), account.OuterID)
	must(t, err)
	u, _, err := rooms.Directory.InviteSender(t.Context(), operator, directory.NewUser{Email: "admin@example.com", FirstName: "Ada", LastName: "Admin", Type: directory.Manager})
	must(t, err)
	_, token, _, err := rooms.Authn.NewAccessToken(t.Context(), operator, account.OuterID, u.SenderID, "auditors", time.Hour)
	must(t, err)
	return token
}
