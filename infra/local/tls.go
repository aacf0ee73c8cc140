package main

import (
	"crypto/tls"
	"errors"
)

// certificate is the server's own for https, issued by the demo authority.
func (s *server) certificate() (tls.Certificate, error) {
	return tls.Certificate{}, errors.New("-tls needs the demo authority, which this build lacks")
}
