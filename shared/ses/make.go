package ses

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// PreparedSeal is a seal of which only the maker's signature is missing. [PrepareSeal] makes it.
type PreparedSeal struct {
	info, cert []byte
	pub        *ecdsa.PublicKey
}

// PrepareSeal builds eSealInfo in strict DER and reads it back. makerCert is the DER certificate of the maker (制章者).
// It returns [ErrInput] for contents that break a rule and [ErrPublicKey] for a certificate without an SM2 key.
func PrepareSeal(info SealInfo, makerCert []byte) (*PreparedSeal, error) {
	pub, err := publicKey(makerCert)
	if err != nil {
		return nil, fmt.Errorf("preparing the seal: maker: %w", err)
	}
	if err := info.check(); err != nil {
		return nil, fmt.Errorf("preparing the seal: %w", err)
	}
	der, err := build(func(b *cryptobyte.Builder) { addSealInfo(b, info) })
	if err != nil {
		return nil, fmt.Errorf("preparing the seal: %w: %w", ErrInput, err)
	}
	var back Seal
	if err := back.parseInfo(der); err != nil || len(back.Tolerances) > 0 {
		return nil, fmt.Errorf("preparing the seal: %w: it does not read back: %v %v", ErrInput, err, back.Tolerances)
	}
	return &PreparedSeal{info: der, cert: bytes.Clone(makerCert), pub: pub}, nil
}

// ToBeSigned returns DER(eSealInfo): GB/T 38540-2020 has the maker sign this alone.
func (p *PreparedSeal) ToBeSigned() []byte { return bytes.Clone(p.info) }

// Assemble returns DER(SESeal). signature is DER SEQUENCE{r, s} over ToBeSigned under the maker's key; one that does
// not verify is refused with [ErrSignature], so that a faulty signature never leaves.
func (p *PreparedSeal) Assemble(signature []byte) ([]byte, error) {
	return assemble(p.info, p.cert, p.pub, signature)
}

// Sign signs with the maker's key and assembles. It returns [ErrPublicKey] for a key that is not the certificate's.
func (p *PreparedSeal) Sign(ctx context.Context, s key.Signer) ([]byte, error) {
	return signAndJoin(ctx, s, p.info, p.cert, p.pub)
}

// PreparedStamp is a stamp of which only the signature is missing. [PrepareStamp] makes it.
type PreparedStamp struct {
	tbs, cert []byte
	pub       *ecdsa.PublicKey
}

// PrepareStamp builds TBS_Sign in strict DER and reads it back. signerCert is the DER certificate of the one who
// stamps (签章者).
//
// It returns [ErrNotListed] if the seal does not list the certificate, [ErrPeriod] if Time is outside the seal's
// validity, and [ErrInput], [ErrFormat] or [ErrPublicKey] for contents that break a rule. It does not check the
// maker's signature or any chain: the caller knows which seals it holds.
func PrepareStamp(info StampInfo, signerCert []byte) (*PreparedStamp, error) {
	pub, err := publicKey(signerCert)
	if err != nil {
		return nil, fmt.Errorf("preparing the stamp: signer: %w", err)
	}
	seal, err := ParseSeal(info.Seal)
	if err != nil {
		return nil, fmt.Errorf("preparing the stamp: %w", err)
	}
	at := info.Time.UTC().Truncate(time.Second)
	switch {
	case !seal.Lists(signerCert):
		return nil, fmt.Errorf("preparing the stamp: %w", ErrNotListed)
	case !seal.ValidAt(at):
		return nil, fmt.Errorf("preparing the stamp: %w", ErrPeriod)
	case info.PropertyInfo == "" || len(info.PropertyInfo) > maxName || !isIA5(info.PropertyInfo):
		return nil, fmt.Errorf("preparing the stamp: %w: propertyInfo %q", ErrInput, info.PropertyInfo)
	}
	if err := checkExtensions(info.Extensions); err != nil {
		return nil, fmt.Errorf("preparing the stamp: %w", err)
	}
	der, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(int64(seal.Version))
			b.AddBytes(seal.Raw)
			b.AddASN1GeneralizedTime(at)
			b.AddASN1BitString(info.DataHash[:])
			addString(b, cbasn1.IA5String, info.PropertyInfo)
			if len(info.Extensions) > 0 {
				b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) { addExtensions(b, info.Extensions) })
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the stamp: %w: %w", ErrInput, err)
	}
	var back Stamp
	if err := back.parseTBS(der); err != nil || len(back.Tolerances) > 0 {
		return nil, fmt.Errorf("preparing the stamp: %w: it does not read back: %v %v", ErrInput, err, back.Tolerances)
	}
	return &PreparedStamp{tbs: der, cert: bytes.Clone(signerCert), pub: pub}, nil
}

// ToBeSigned returns DER(TBS_Sign).
func (p *PreparedStamp) ToBeSigned() []byte { return bytes.Clone(p.tbs) }

// Assemble returns DER(SES_Signature). signature is DER SEQUENCE{r, s} over ToBeSigned under the signer's key; one that
// does not verify is refused with [ErrSignature].
func (p *PreparedStamp) Assemble(signature []byte) ([]byte, error) {
	return assemble(p.tbs, p.cert, p.pub, signature)
}

// Sign signs with the owner's key and assembles. It returns [ErrPublicKey] for a key that is not the certificate's.
func (p *PreparedStamp) Sign(ctx context.Context, s key.Signer) ([]byte, error) {
	return signAndJoin(ctx, s, p.tbs, p.cert, p.pub)
}

// signAndJoin leaves the verification to key.Sign, which verifies under the signer's key: the certificate's.
func signAndJoin(ctx context.Context, s key.Signer, tbs, cert []byte, pub *ecdsa.PublicKey) ([]byte, error) {
	if s.Algorithm() != key.SM2SM3 || !pub.Equal(s.Public()) {
		return nil, fmt.Errorf("signing with key %s: %w: the certificate is of another key", s.KeyID(), ErrPublicKey)
	}
	signature, err := key.Sign(ctx, s, tbs)
	if err != nil {
		return nil, err
	}
	if !isDERSignature(signature) {
		return nil, ErrSignature
	}
	return join(tbs, cert, signature)
}

func assemble(tbs, cert []byte, pub *ecdsa.PublicKey, signature []byte) ([]byte, error) {
	if !isDERSignature(signature) || !sm.Verify(pub, tbs, signature) {
		return nil, ErrSignature
	}
	return join(tbs, cert, signature)
}

// join builds SEQUENCE{tbs, cert, algorithm, signature}, the shape that SESeal and SES_Signature share.
func join(tbs, cert, signature []byte) ([]byte, error) {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(tbs)
			b.AddASN1OctetString(cert)
			b.AddASN1ObjectIdentifier(sm.OIDSM2WithSM3)
			b.AddASN1BitString(signature)
		})
	})
}

// check holds what the writer accepts to what the parser accepts, and to what makes sense.
func (s SealInfo) check() error {
	switch {
	case s.ID == "" || len(s.ID) > maxName || !isIA5(s.ID):
		return fmt.Errorf("%w: esID %q", ErrInput, s.ID)
	case len(s.VendorID) > maxName || !isIA5(s.VendorID):
		return fmt.Errorf("%w: Vid %q", ErrInput, s.VendorID)
	case s.Name == "" || len(s.Name) > maxName || !utf8.ValidString(s.Name):
		return fmt.Errorf("%w: name %q", ErrInput, s.Name)
	case s.Type < 0:
		return fmt.Errorf("%w: type %d", ErrInput, s.Type)
	case s.CertListType != Certificates && s.CertListType != CertificateDigests:
		return fmt.Errorf("%w: certListType %d", ErrInput, s.CertListType)
	case len(s.Certificates) == 0 || len(s.Certificates) > MaxCertList:
		return fmt.Errorf("%w: %d certificates", ErrInput, len(s.Certificates))
	case slices.ContainsFunc(s.Certificates, func(c []byte) bool { return len(c) == 0 }):
		return fmt.Errorf("%w: empty certificate", ErrInput)
	case !s.ValidFrom.Before(s.ValidTo):
		return fmt.Errorf("%w: valid from %v to %v", ErrInput, s.ValidFrom, s.ValidTo)
	case s.Picture.Type == "" || len(s.Picture.Type) > maxName || !isIA5(s.Picture.Type):
		return fmt.Errorf("%w: picture type %q", ErrInput, s.Picture.Type)
	case len(s.Picture.Data) == 0 || len(s.Picture.Data) > MaxPicture:
		return fmt.Errorf("%w: picture of %d bytes", ErrInput, len(s.Picture.Data))
	case s.Picture.Width < 1 || s.Picture.Height < 1 || s.Picture.Width > maxSide || s.Picture.Height > maxSide:
		return fmt.Errorf("%w: picture of %d × %d mm", ErrInput, s.Picture.Width, s.Picture.Height)
	}
	return checkExtensions(s.Extensions)
}

func checkExtensions(list []Extension) error {
	if len(list) > maxExtension {
		return fmt.Errorf("%w: %d extensions", ErrInput, len(list))
	}
	return nil
}

func addSealInfo(b *cryptobyte.Builder, s SealInfo) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addString(b, cbasn1.IA5String, headerID)
			b.AddASN1Int64(V4)
			addString(b, cbasn1.IA5String, s.VendorID)
		})
		addString(b, cbasn1.IA5String, s.ID)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(int64(s.Type))
			addString(b, cbasn1.UTF8String, s.Name)
			b.AddASN1Int64(int64(s.CertListType))
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, cert := range s.Certificates {
					addCertEntry(b, s.CertListType, cert)
				}
			})
			for _, t := range []time.Time{s.CreatedAt, s.ValidFrom, s.ValidTo} {
				b.AddASN1GeneralizedTime(t.UTC().Truncate(time.Second))
			}
		})
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addString(b, cbasn1.IA5String, s.Picture.Type)
			b.AddASN1OctetString(s.Picture.Data)
			b.AddASN1Int64(int64(s.Picture.Width))
			b.AddASN1Int64(int64(s.Picture.Height))
		})
		if len(s.Extensions) > 0 {
			addExtensions(b, s.Extensions)
		}
	})
}

func addCertEntry(b *cryptobyte.Builder, kind CertListType, cert []byte) {
	if kind == Certificates {
		b.AddASN1OctetString(cert)
		return
	}
	digest := sm.Sum3(cert)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addString(b, cbasn1.PrintableString, sm.OIDSM3.String())
		b.AddASN1OctetString(digest[:])
	})
}

func addExtensions(b *cryptobyte.Builder, list []Extension) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range list {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.ID)
				if e.Critical { // DER leaves DEFAULT FALSE out
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(e.Value)
			})
		}
	})
}

func addString(b *cryptobyte.Builder, tag cbasn1.Tag, s string) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
}

func build(f func(*cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	f(&b)
	return b.Bytes()
}

func isIA5(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool { return c >= utf8.RuneSelf })
}

// isDERSignature tells whether b is exactly DER SEQUENCE{INTEGER r, INTEGER s} of two positive numbers.
func isDERSignature(b []byte) bool {
	in, inner := cryptobyte.String(b), cryptobyte.String(nil)
	r, s := new(big.Int), new(big.Int)
	return in.ReadASN1(&inner, cbasn1.SEQUENCE) && in.Empty() &&
		inner.ReadASN1Integer(r) && inner.ReadASN1Integer(s) && inner.Empty() && r.Sign() > 0 && s.Sign() > 0
}

// publicKey reads the SM2 public key of a certificate and nothing else of it: certificate authorities in use issue
// certificates with names and e-mail addresses that strict parsers refuse (RFC 5280, section 4.1, TBSCertificate).
func publicKey(cert []byte) (*ecdsa.PublicKey, error) {
	var outer, tbs, skip cryptobyte.String
	var spki cryptobyte.String
	in := cryptobyte.String(cert)
	ok := in.ReadASN1(&outer, cbasn1.SEQUENCE) && in.Empty() && outer.ReadASN1(&tbs, cbasn1.SEQUENCE) &&
		tbs.SkipOptionalASN1(tagExplicit0) && // version
		tbs.SkipASN1(cbasn1.INTEGER) && // serialNumber
		tbs.ReadASN1(&skip, cbasn1.SEQUENCE) && // signature
		tbs.ReadASN1(&skip, cbasn1.SEQUENCE) && // issuer
		tbs.ReadASN1(&skip, cbasn1.SEQUENCE) && // validity
		tbs.ReadASN1(&skip, cbasn1.SEQUENCE) && // subject
		tbs.ReadASN1Element(&spki, cbasn1.SEQUENCE)
	if !ok {
		return nil, ErrPublicKey
	}
	pub, err := sm.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	ec, ok := pub.(*ecdsa.PublicKey)
	if !ok || !sm.IsKey(ec) {
		return nil, fmt.Errorf("%w: %w", ErrPublicKey, sm.ErrNotSM2)
	}
	return ec, nil
}
