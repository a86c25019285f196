package outward

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"countersign.dev/internal/errs"
)

// Gate decides whom we may call. The zero Gate lets through to the internet alone.
type Gate struct {
	what  string         // the refusal's name
	hosts []string       // allowed by name
	nets  []netip.Prefix // allowed by address
}

// New makes a gate through which the operator's hosts, addresses and networks can be reached although they lie inside.
// what names its refusals. It is an error when an entry is none of the three.
func New(what string, allow []string) (g Gate, err error) {
	g.what = what
	for _, entry := range allow {
		text := strings.ToLower(strings.TrimSpace(entry))
		if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
			g.nets = append(g.nets, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
		} else if p, err := netip.ParsePrefix(text); err == nil {
			g.nets = append(g.nets, p.Masked())
		} else if text == "" || strings.ContainsAny(text, "/:*@ ") {
			return g, fmt.Errorf("%q is neither a host name nor an address nor a network", entry)
		} else {
			g.hosts = append(g.hosts, strings.TrimSuffix(text, "."))
		}
	}
	return g, nil
}

// inside are the networks that no call may reach (IANA, Special-Purpose Address
// Registries), and two addresses of clouds' metadata outside of those.
var inside = networks(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // Azure
	"2001::/23",        // protocols: Teredo, ORCHID, benchmarks
	"2001:db8::/32", "3fff::/20",
	"2002::/16", // 6to4: an IPv4 address in disguise, and out of use (RFC 7526)
)

var (
	globalIPv6 = netip.MustParsePrefix("2000::/3") // all that IANA gave to anybody; ULA, link-local, multicast and mapped forms lie outside
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
)

func networks(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

func within(ip netip.Addr, nets []netip.Prefix) bool {
	return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// outside tells whether an address belongs to somebody on the internet.
func outside(ip netip.Addr) bool {
	if nat64.Contains(ip) { // translated to IPv4 on its way
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if ip.Is6() && (!globalIPv6.Contains(ip) || isatap(ip)) {
		return false
	}
	return !within(ip, inside)
}

// isatap: an IPv4 address at the end, behind ::0:5efe or ::200:5efe (RFC 5214).
func isatap(ip netip.Addr) bool {
	b := ip.As16()
	return (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// port tells whether a port may be called: those of the web, and those that anybody may listen on.
func port(n uint16) bool { return n == 80 || n == 443 || n >= 1024 }

// Check refuses (Denied) an address that may not be called.
func (g Gate) Check(at netip.AddrPort) error {
	ip := at.Addr().Unmap()
	switch {
	case within(ip, g.nets):
		return nil
	case !outside(ip) || ours(ip):
		return g.refusal("The address %s is not on the internet: the operator of this server has to allow it.", ip)
	case !port(at.Port()):
		return g.refusal("The port %d is not one to call: 80, 443, or 1024 and above.", at.Port())
	}
	return nil
}

// ours tells whether an address is this machine's, public though it may be: its services that
// are shut to the world by a firewall are open to itself.
func ours(ip netip.Addr) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return true // who cannot look does not dial
	}
	return slices.ContainsFunc(addresses, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, ok := netip.AddrFromSlice(n.IP)
		return ok && own.Unmap() == ip
	})
}

func (g Gate) refusal(detail string, args ...any) *errs.Error {
	return errs.New(errs.Denied, g.what, detail, args...)
}

// Named tells whether the operator allows a host by its name.
func (g Gate) Named(host string) bool {
	return slices.Contains(g.hosts, strings.TrimSuffix(strings.ToLower(host), "."))
}

// Dial connects through the gate, within a time; nil is the system's resolver.
func (g Gate) Dial(resolver *net.Resolver, within time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{Timeout: within, Resolver: resolver, Control: g.control}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if g.Named(host) {
			d.Control = nil
		}
		return d.DialContext(ctx, network, address)
	}
}

// control is called with each address a dialer is about to connect to.
func (g Gate) control(network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return g.refusal("This is no address to call.").Because(err)
	}
	return g.Check(at)
}
