package embedded

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/asn1"
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/trust"
)

// TLSCertificate returns a certificate for https on hosts, which are names or addresses; the first is its common name.
// It is kept, and made anew when it has expired.
func (a *Authority) TLSCertificate(ctx context.Context, hosts ...string) (tls.Certificate, error) {
	if len(hosts) == 0 {
		return tls.Certificate{}, errors.New("authority: a certificate for https names a host")
	}
	owner := strings.Join(hosts, ",")
	k, err := a.Keys.MakeKey(ctx, key.TLS, "", key.ES256)
	if err != nil {
		return tls.Certificate{}, err
	}
	chain, err := a.Chain(ctx, key.TLS, owner)
	if errors.Is(err, ErrNoCertificate) {
		chain, err = a.certifyHosts(ctx, k, owner, hosts)
	}
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: chain, PrivateKey: tlsKey{k}}, nil
}

func (a *Authority) certifyHosts(ctx context.Context, k key.Signer, owner string, hosts []string) ([][]byte, error) {
	ca, _ := a.byPurpose(trust.Platform)
	from := a.Now().UTC().Truncate(time.Second)
	t := cert.Template{
		Subject:   cert.Name{CommonName: hosts[0]},
		NotBefore: from, NotAfter: from.AddDate(ca.years, 0, 0),
		KeyUsage: cert.DigitalSignature, ExtKeyUsage: []asn1.ObjectIdentifier{cert.ServerAuth},
	}
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			t.IPs = append(t.IPs, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	der, err := a.issue(ctx, ca, t, k.Public())
	if err != nil {
		return nil, err
	}
	return [][]byte{der, ca.certificate.Raw}, a.hold(key.TLS, owner, der)
}

// tlsKey is a key as crypto/tls calls it, which knows no context.
type tlsKey struct{ key.Signer }

// Sign implements crypto.Signer.
func (k tlsKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return k.SignDigest(context.Background(), digest)
}
