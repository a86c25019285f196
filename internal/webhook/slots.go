package webhook

import "sync"

// How many calls this process makes at once: in all, to one host, for one account. So
// receivers that are slow keep neither the others waiting nor all of the workers busy.
const (
	inAll      = 64
	perHost    = 4
	perAccount = 8
)

// slots counts the calls under way.
type slots struct {
	mu       *sync.Mutex
	all      int
	hosts    map[string]int
	accounts map[string]int
}

func newSlots() slots {
	return slots{mu: &sync.Mutex{}, hosts: map[string]int{}, accounts: map[string]int{}}
}

// free is how many more calls there may be to a receiver.
func (s *slots) free(r receiver) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, min(inAll-s.all, perHost-s.hosts[r.Host], perAccount-s.accounts[r.AccountID]))
}

// take counts one more call; false when there may not be one.
func (s *slots) take(r receiver) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= inAll || s.hosts[r.Host] >= perHost || s.accounts[r.AccountID] >= perAccount {
		return false
	}
	s.all++
	s.hosts[r.Host]++
	s.accounts[r.AccountID]++
	return true
}

// leave counts one call less.
func (s *slots) leave(r receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	for _, m := range []struct {
		of   map[string]int
		name string
	}{{s.hosts, r.Host}, {s.accounts, r.AccountID}} {
		if m.of[m.name]--; m.of[m.name] == 0 {
			delete(m.of, m.name)
		}
	}
}
