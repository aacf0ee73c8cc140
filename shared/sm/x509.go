package sm

import "github.com/emmansun/gmsm/smx509"

// The X.509 structures of gmsm, which know SM2 beside ECDSA, RSA and Ed25519 and are else those of crypto/x509.
type (
	Certificate        = smx509.Certificate
	CertificateRequest = smx509.CertificateRequest
	RevocationList     = smx509.RevocationList
	RevocationEntry    = smx509.RevocationListEntry
	CertPool           = smx509.CertPool
	VerifyOptions      = smx509.VerifyOptions
	KeyUsage           = smx509.KeyUsage
	ExtKeyUsage        = smx509.ExtKeyUsage
)

// The constructors, parsers and encoders of X.509 and PKCS #8, as gmsm has them.
var (
	ParseCertificate         = smx509.ParseCertificate
	CreateCertificate        = smx509.CreateCertificate
	CreateCertificateRequest = smx509.CreateCertificateRequest
	ParseCertificateRequest  = smx509.ParseCertificateRequest
	CreateRevocationList     = smx509.CreateRevocationList
	ParseRevocationList      = smx509.ParseRevocationList
	NewCertPool              = smx509.NewCertPool
	MarshalPKIXPublicKey     = smx509.MarshalPKIXPublicKey
	ParsePKIXPublicKey       = smx509.ParsePKIXPublicKey
	MarshalPKCS8PrivateKey   = smx509.MarshalPKCS8PrivateKey
	ParsePKCS8PrivateKey     = smx509.ParsePKCS8PrivateKey
)
