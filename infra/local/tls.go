package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
)

// certificate is the server's own for https, issued by the demo authority: for the loopback, the listen address and the
// host of the issuer.
func (s *server) certificate() (tls.Certificate, error) {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(s.addr); err == nil && host != "" && !loopback(host) {
		hosts = append(hosts, host)
	}
	if u, err := url.Parse(s.issuer); err == nil && u.Hostname() != "localhost" {
		hosts = append(hosts, u.Hostname())
	}
	return s.authority.TLSCertificate(context.Background(), hosts...)
}
