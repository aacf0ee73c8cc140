package ses

import (
	"crypto/ecdsa"
	"crypto/subtle"
	"encoding/asn1"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/sm"
)

// VerifyMaker checks the maker's signature over the original bytes of eSealInfo (GB/T 38540-2020, 7.3, seal validity).
// pub is the key of a maker certificate that the caller has judged, usually the key in MakerCert. It returns
// [ErrAlgorithm] or [ErrSignature].
func (s *Seal) VerifyMaker(pub *ecdsa.PublicKey) error {
	return verify(pub, s.SignatureAlgorithm, s.InfoRaw, s.Signature)
}

// VerifySigner checks the signature over the original bytes of TBS_Sign. pub is the key in SignerCert, which alone
// proves nothing: see [Seal.Lists]. It returns [ErrAlgorithm] or [ErrSignature].
func (s *Stamp) VerifySigner(pub *ecdsa.PublicKey) error {
	return verify(pub, s.SignatureAlgorithm, s.TBSRaw, s.Signature)
}

func verify(pub *ecdsa.PublicKey, alg asn1.ObjectIdentifier, message, signature []byte) error {
	switch {
	case !alg.Equal(sm.OIDSM2WithSM3):
		return ErrAlgorithm
	case pub == nil || !sm.Verify(pub, message, signature):
		return ErrSignature
	}
	return nil
}

// MakerKey returns the SM2 public key in MakerCert, or an error that is [ErrPublicKey]. It reads nothing else of the
// certificate, so that a certificate which strict parsers refuse still yields its key.
func (s *Seal) MakerKey() (*ecdsa.PublicKey, error) { return publicKey(s.MakerCert) }

// SignerKey returns the SM2 public key in SignerCert, as [Seal.MakerKey] does.
func (s *Stamp) SignerKey() (*ecdsa.PublicKey, error) { return publicKey(s.SignerCert) }

// Lists tells whether the seal lists the DER certificate: byte by byte (certListType 1) or by its SM3 digest
// (certListType 2). A digest by another algorithm does not count.
func (s *Seal) Lists(cert []byte) bool {
	digest := sm.Sum3(cert)
	for _, e := range s.CertList {
		switch s.CertListType {
		case Certificates:
			if subtle.ConstantTimeCompare(e.Certificate, cert) == 1 {
				return true
			}
		case CertificateDigests:
			if isSM3(e.DigestType) && subtle.ConstantTimeCompare(e.Digest, digest[:]) == 1 {
				return true
			}
		}
	}
	return false
}

func isSM3(name string) bool {
	return name == sm.OIDSM3.String() || strings.EqualFold(name, "SM3")
}

// ValidAt tells whether t is in the seal's period of validity, both ends included.
func (s *Seal) ValidAt(t time.Time) bool { return !t.Before(s.ValidFrom) && !t.After(s.ValidTo) }
