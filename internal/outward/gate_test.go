package outward

import (
	"net/netip"
	"strings"
	"testing"

	"countersign.dev/internal/errs"
)

// W1: addresses that no callback may reach, and some that it may.
func TestW1Addresses(t *testing.T) {
	g, err := New("callback.address", nil)
	if err != nil {
		t.Fatal(err)
	}
	inside := strings.Fields(`0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 169.254.0.1
		172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
		255.255.255.255 168.63.129.16
		:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 ::127.0.0.1 ::ffff:0.0.0.0
		64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8 64:ff9b:1::127.0.0.1
		2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2001:0:7f00:1:: 2001:db8::1 2001:10::1 2001:2::1 3fff::1
		fc00::1 fd00:ec2::254 fd12:3456::1 fe80::1 fec0::1 ff02::1 ff0e::1 100::1 5f00::1 4000::1 2a00::5efe:127.0.0.1 2a00::200:5efe:10.0.0.1`)
	for _, text := range inside {
		if err := g.Check(netip.AddrPortFrom(netip.MustParseAddr(text), 443)); !errs.Is(err, "callback.address") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range strings.Fields(`8.8.8.8 1.1.1.1 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 192.0.1.1 11.0.0.1 126.1.1.1 2606:4700::1111 2a00:1450::1
		64:ff9b::8.8.8.8 ::ffff:8.8.8.8`) {
		if err := g.Check(netip.AddrPortFrom(netip.MustParseAddr(text), 443)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for n, ok := range map[uint16]bool{80: true, 443: true, 1024: true, 8443: true, 65535: true, 22: false, 25: false, 53: false, 81: false, 587: false, 1023: false} {
		if err := g.Check(netip.AddrPortFrom(netip.MustParseAddr("8.8.8.8"), n)); (err == nil) != ok {
			t.Errorf("port %d: %v", n, err)
		}
	}
	allowed, err := New("callback.address", []string{"10.1.0.0/16", "127.0.0.2", "Hooks.Example.COM.", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false, "127.0.0.2": true, "::ffff:127.0.0.2": true, "127.0.0.1": false, "fd00::1": true} {
		if err := allowed.Check(netip.AddrPortFrom(netip.MustParseAddr(text), 25)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	if !allowed.Named("hooks.example.com") || allowed.Named("evil.hooks.example.com") || allowed.Named("example.com") {
		t.Error("names")
	}
	for _, bad := range []string{"", "https://hooks.example.com", "*.example.com", "10.0.0.0/99", "a b", "[::1]:80"} {
		if _, err := New("callback.address", []string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
