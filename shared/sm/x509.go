package sm

import (
	"crypto"
	"io"

	"github.com/emmansun/gmsm/smx509"
)

// The X.509 structures of gmsm, which know SM2 beside ECDSA, RSA and Ed25519 and are else those of crypto/x509.
// shared/cert reads and makes certificates by its own rules; these are its strict second opinion, and the stranger in
// the tests of other packages.
type (
	Certificate        = smx509.Certificate
	CertificateRequest = smx509.CertificateRequest
	RevocationList     = smx509.RevocationList
	RevocationEntry    = smx509.RevocationListEntry
	KeyUsage           = smx509.KeyUsage
)

// ParseCertificate is as in crypto/x509.
func ParseCertificate(der []byte) (*Certificate, error) { return smx509.ParseCertificate(der) }

// ParseCertificateRequest is as in crypto/x509.
func ParseCertificateRequest(der []byte) (*CertificateRequest, error) {
	return smx509.ParseCertificateRequest(der)
}

// ParseRevocationList is as in crypto/x509.
func ParseRevocationList(der []byte) (*RevocationList, error) { return smx509.ParseRevocationList(der) }

// CreateCertificate is as in crypto/x509.
func CreateCertificate(random io.Reader, template, parent *Certificate, pub, priv any) ([]byte, error) {
	return smx509.CreateCertificate(random, template, parent, pub, priv)
}

// CreateCertificateRequest is as in crypto/x509.
func CreateCertificateRequest(random io.Reader, template *CertificateRequest, priv any) ([]byte, error) {
	return smx509.CreateCertificateRequest(random, template, priv)
}

// CreateRevocationList is as in crypto/x509.
func CreateRevocationList(
	random io.Reader, template *RevocationList, issuer *Certificate, priv crypto.Signer,
) ([]byte, error) {
	return smx509.CreateRevocationList(random, template, issuer, priv)
}

// MarshalPKIXPublicKey encodes a public key as SubjectPublicKeyInfo (RFC 5280, section 4.1), DER.
func MarshalPKIXPublicKey(pub crypto.PublicKey) ([]byte, error) {
	return smx509.MarshalPKIXPublicKey(pub)
}

// ParsePKIXPublicKey reads SubjectPublicKeyInfo, DER; an SM2 key is an *ecdsa.PublicKey that [IsKey] knows.
func ParsePKIXPublicKey(der []byte) (crypto.PublicKey, error) { return smx509.ParsePKIXPublicKey(der) }

// MarshalPKCS8PrivateKey encodes a private key as PKCS #8 (RFC 5958), DER.
func MarshalPKCS8PrivateKey(priv crypto.PrivateKey) ([]byte, error) {
	return smx509.MarshalPKCS8PrivateKey(priv)
}

// ParsePKCS8PrivateKey reads PKCS #8, DER; an SM2 key is a [*PrivateKey].
func ParsePKCS8PrivateKey(der []byte) (crypto.PrivateKey, error) {
	return smx509.ParsePKCS8PrivateKey(der)
}
