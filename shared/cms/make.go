package cms

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/key"
)

// Request says what is to be signed and as whom.
type Request struct {
	Algorithm key.Algorithm // of the key that will sign: ES256 or SM2SM3
	// Certificates are DER: the signer's first, then its chain as far as it is to be sent along.
	Certificates [][]byte
	// Public is the public key that will sign. A certificate over another key is refused here, before anything is
	// recorded or signed.
	Public crypto.PublicKey
	// ContentDigest is the digest of the detached content: [DigestFor] Algorithm, 32 bytes.
	ContentDigest []byte
}

// Prepared is a message that lacks its signature.
type Prepared struct {
	profile      profile
	signer       certificate
	certificates [][]byte
	attributes   []byte // DER of the signed attributes as SET (0x31)
}

// Prepare builds the signed attributes.
func Prepare(r Request) (*Prepared, error) {
	p, err := profileOf(r.Algorithm)
	if err != nil {
		return nil, err
	}
	if len(r.ContentDigest) != p.digest.New().Size() {
		return nil, fmt.Errorf("cms: the content digest has %d bytes", len(r.ContentDigest))
	}
	if len(r.Certificates) == 0 || len(r.Certificates) > maxCertificates {
		return nil, fmt.Errorf("cms: %d certificates", len(r.Certificates))
	}
	for _, der := range r.Certificates {
		if _, err := cutCertificate(der); err != nil {
			return nil, err
		}
	}
	signer, err := cutCertificate(r.Certificates[0])
	if err != nil {
		return nil, err
	}
	certified, err := signer.publicKey()
	if err != nil {
		return nil, err
	}
	public, ok := r.Public.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(certified) {
		return nil, errors.New("cms: the certificate is over another key than the one that signs")
	}
	prepared := &Prepared{profile: p, signer: signer, certificates: slices.Clone(r.Certificates)}
	prepared.attributes, err = signedAttributes(p, r.ContentDigest, signer.raw)
	return prepared, err
}

// signedAttributes is the DER of SET OF Attribute with the three attributes of EN 319 142-1, section 6.3.
func signedAttributes(p profile, contentDigest, certificate []byte) ([]byte, error) {
	certHash := p.digest.New()
	certHash.Write(certificate)
	contentType, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidContentType)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(p.dataContentType) })
	})
	if err != nil {
		return nil, err
	}
	messageDigest, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidMessageDigest)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1OctetString(contentDigest) })
	})
	if err != nil {
		return nil, err
	}
	signingCertificate, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSigningCertificateV2)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SigningCertificateV2
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // certs
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // ESSCertIDv2
						if p.digest != SHA256 { // hashAlgorithm DEFAULT sha256
							b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
								b.AddASN1ObjectIdentifier(p.digestOID)
							})
						}
						b.AddASN1OctetString(certHash.Sum(nil))
					})
				})
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return setOf([][]byte{contentType, messageDigest, signingCertificate}, cbasn1.SET)
}

// build returns the DER of a SEQUENCE.
func build(content cryptobyte.BuilderContinuation) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, content)
	return b.Bytes()
}

// setOf returns the elements in the order of DER (X.690, section 11.6) under tag.
func setOf(elements [][]byte, tag cbasn1.Tag) ([]byte, error) {
	sorted := slices.Clone(elements)
	slices.SortFunc(sorted, bytes.Compare)
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, element := range sorted {
			b.AddBytes(element)
		}
	})
	return b.Bytes()
}

// ToBeSigned returns the message that the key signs: the signed attributes as SET OF, tag 0x31, as RFC 5652, section
// 5.4 demands, although the message stores them under [0].
func (p *Prepared) ToBeSigned() []byte { return bytes.Clone(p.attributes) }

// Size bounds the length of what Assemble returns, so that room can be reserved before the signature exists.
func (p *Prepared) Size() int {
	const framing, signature = 256, 128
	n := framing + signature + len(p.attributes) + len(p.signer.issuer) + len(p.signer.serial)
	for _, der := range p.certificates {
		n += len(der)
	}
	return n
}

// Assemble returns the DER of the ContentInfo around signature, the value over [Prepared.ToBeSigned]: DER
// SEQUENCE{r, s}. It does not verify the signature: key.Sign has done so.
func (p *Prepared) Assemble(signature []byte) ([]byte, error) {
	if !isSignatureValue(signature) {
		return nil, errors.New("cms: the signature is not DER SEQUENCE{r, s}")
	}
	certificates, err := setOf(p.certificates, cbasn1.Tag(0).Constructed().ContextSpecific())
	if err != nil {
		return nil, err
	}
	digestAlgorithm := func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(p.profile.digestOID) }
	stored := bytes.Clone(p.attributes)
	stored[0] = byte(cbasn1.Tag(0).Constructed().ContextSpecific())
	return build(func(b *cryptobyte.Builder) { // ContentInfo
		b.AddASN1ObjectIdentifier(p.profile.contentTypeOID)
		b.AddASN1(cbasn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignedData
				b.AddASN1Int64(1)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, digestAlgorithm) })
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // encapContentInfo without content: detached
					b.AddASN1ObjectIdentifier(p.profile.dataContentType)
				})
				b.AddBytes(certificates)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignerInfo
						b.AddASN1Int64(1)
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // issuerAndSerialNumber
							b.AddBytes(p.signer.issuer)
							b.AddASN1(cbasn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(p.signer.serial) })
						})
						b.AddASN1(cbasn1.SEQUENCE, digestAlgorithm)
						b.AddBytes(stored)
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(p.profile.signatureOID)
						})
						b.AddASN1OctetString(signature)
					})
				})
			})
		})
	})
}

// isSignatureValue tells whether der is SEQUENCE{INTEGER r, INTEGER s} and nothing more.
func isSignatureValue(der []byte) bool {
	input := cryptobyte.String(der)
	var sequence, r, s cryptobyte.String
	return input.ReadASN1(&sequence, cbasn1.SEQUENCE) && input.Empty() && sequence.ReadASN1(&r, cbasn1.INTEGER) &&
		sequence.ReadASN1(&s, cbasn1.INTEGER) && sequence.Empty() && len(r) > 0 && len(s) > 0
}
