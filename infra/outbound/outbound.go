// Package outbound is the HTTP client for addresses that others chose: it does not reach into our own network.
//
//	URL ── https, port 443, no user ── resolver ── address looked at while dialling ── answer, bounded in size and time
//	└── each redirect again, three at most ──────────────────────────────────────────────┘
//
// An address that a client or a document names may point anywhere, and a name may resolve to another address a moment
// later. So the guard stands in the dialler, after the resolver, and looks at the address that is really connected to:
// only global unicast outside the special-purpose registries of IANA (RFC 6890) passes. Hosts that the operator names
// are exempt, also from https and the port.
//
// It keeps no cookies, asks no proxy, sends no credentials, and does not retry.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// The refusals of a fetch. The error says which rule was broken.
var (
	ErrRefused  = errors.New("outbound: this address may not be reached")
	ErrTooLarge = errors.New("outbound: the answer is too large")
	ErrAnswer   = errors.New("outbound: not a usable answer")
)

// The bounds where Options name none.
const (
	DefaultTimeout   = 10 * time.Second
	DefaultMaxBytes  = 4 << 20
	MaxRedirects     = 3
	maxHeaderBytes   = 64 << 10
	maxAddressLength = 2048
)

// Options of [New].
type Options struct {
	Hosts    []string      // "host" or "host:port" that may be reached whatever its address, also over http
	Timeout  time.Duration // for everything, redirects included
	MaxBytes int64         // of the body
}

// Client fetches documents. It may be used by several goroutines.
type Client struct {
	http     *http.Client
	maxBytes int64
}

// New makes a client.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	g := guard{hosts: map[string]bool{}}
	for _, h := range o.Hosts {
		g.hosts[strings.ToLower(h)] = true
	}
	return &Client{maxBytes: o.MaxBytes, http: &http.Client{
		Timeout:       o.Timeout,
		Transport:     g.transport(o.Timeout),
		CheckRedirect: g.redirect,
	}}
}

// Document is what an address answered.
type Document struct {
	URL       string // after redirects
	MediaType string // Content-Type as sent
	Body      []byte
}

// Get fetches a document; accept is the media type asked for. Any status but 200 is [ErrAnswer].
func (c *Client) Get(ctx context.Context, address, accept string) (Document, error) {
	if len(address) > maxAddressLength {
		return Document{}, fmt.Errorf("%w: longer than %d bytes", ErrRefused, maxAddressLength)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Document{}, fmt.Errorf("%w: not a URL", ErrRefused)
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("User-Agent", "yinxin")
	answer, err := c.http.Do(r)
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err // without the address: it is somebody else's text, and errors are logged
	}
	if err != nil {
		return Document{}, fmt.Errorf("fetching from %.253q: %w", r.URL.Hostname(), err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read as far as it is wanted
	if answer.StatusCode != http.StatusOK {
		return Document{}, fmt.Errorf("%w: status %d", ErrAnswer, answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.maxBytes+1))
	if err != nil {
		return Document{}, fmt.Errorf("reading the answer: %w", err)
	}
	if int64(len(body)) > c.maxBytes {
		return Document{}, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, c.maxBytes)
	}
	return Document{URL: answer.Request.URL.String(), MediaType: answer.Header.Get("Content-Type"), Body: body}, nil
}

// guard decides what may be reached.
type guard struct{ hosts map[string]bool }

func (g guard) named(host, port string) bool {
	host = strings.ToLower(host)
	return g.hosts[host] || g.hosts[net.JoinHostPort(host, port)]
}

func (g guard) transport(timeout time.Duration) http.RoundTripper {
	t := &http.Transport{
		Proxy:                  nil, // a proxy would be the one to resolve the name
		DialContext:            g.dial,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
	}
	return hop(func(r *http.Request) (*http.Response, error) {
		if err := g.check(r.URL); err != nil {
			return nil, err
		}
		return t.RoundTrip(r)
	})
}

// hop is one request of several.
type hop func(*http.Request) (*http.Response, error)

func (h hop) RoundTrip(r *http.Request) (*http.Response, error) { return h(r) }

func (g guard) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > MaxRedirects {
		return fmt.Errorf("%w: more than %d redirects", ErrRefused, MaxRedirects)
	}
	r.Header.Del("Referer")
	return nil
}

// check looks at the URL of one hop.
func (g guard) check(u *url.URL) error {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	switch {
	case u.Hostname() == "" || u.User != nil || u.Opaque != "":
		return fmt.Errorf("%w: it needs a host and no user", ErrRefused)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: the scheme is not https", ErrRefused)
	case g.named(u.Hostname(), port):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("%w: the scheme is not https", ErrRefused)
	case port != "443":
		return fmt.Errorf("%w: the port is not 443", ErrRefused)
	}
	return nil
}

func (g guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: DefaultTimeout}
	if host, port, err := net.SplitHostPort(address); err != nil || !g.named(host, port) {
		d.Control = connectable
	}
	return d.DialContext(ctx, network, address)
}

// connectable runs when the address is resolved and the socket not yet connected.
func connectable(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !Public(a.Addr()) {
		return fmt.Errorf("%w: it is not a public address", ErrRefused)
	}
	return nil
}

// special are the blocks of the IANA special-purpose registries (RFC 6890 and its updates) inside 0.0.0.0/0 and
// 2000::/3, and multicast.
var special = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private, RFC 1918
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, and where clouds keep credentials
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/4"),     // multicast
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo, ORCHID
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: an IPv4 address inside
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

// global6 is all that IPv6 has allocated as global unicast; loopback, link-local, unique local, NAT64 and multicast
// addresses lie outside.
var global6 = netip.MustParsePrefix("2000::/3")

// Public tells whether an address belongs to the public internet. An IPv4 address mapped into IPv6 is judged as IPv4.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !global6.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
