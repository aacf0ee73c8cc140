package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/yinxin/yinxin/shared/trust"
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

// transport reaches this server from within, as the demonstration applications and the story do: under -tls it trusts
// the demo authority and nobody else.
func (s *server) transport() (*http.Transport, error) {
	pool := x509.NewCertPool()
	for _, a := range s.authority.Anchors() {
		if a.Purpose != trust.Platform {
			continue
		}
		root, err := x509.ParseCertificate(a.Root.Raw)
		if err != nil {
			return nil, fmt.Errorf("reading the root for https: %w", err)
		}
		pool.AddCert(root)
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}, nil
}
