package main

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers TXT questions on loopback.
type nameServer struct {
	address string
	mu      sync.Mutex
	records map[string][]string // by absolute name
	asked   atomic.Int64
}

// startNameServer starts one that ends with the test.
func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{address: conn.LocalAddr().String(), records: map[string][]string{}}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer, err := s.answer(buffer[:n]); err == nil {
				_, _ = conn.WriteTo(answer, peer)
			}
		}
	}()
	return s
}

// publish sets the TXT records of a name.
func (s *nameServer) publish(name string, texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name] = texts
}

func (s *nameServer) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.Add(1)
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	for _, q := range m.Questions {
		texts, known := s.records[q.Name.String()]
		if !known {
			m.RCode = dnsmessage.RCodeNameError
		}
		for _, text := range texts {
			if q.Type == dnsmessage.TypeTXT {
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body: &dnsmessage.TXTResource{TXT: []string{text}}})
			}
		}
	}
	return m.Pack()
}

// closedPort is an address where nobody answers.
func closedPort(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}
