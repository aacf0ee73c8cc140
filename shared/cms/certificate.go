package cms

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/sm"
)

// certificate holds the few parts of an X.509 certificate (RFC 5280, section 4.1) that bind it to a SignerInfo. They
// are cut out of the DER as they stand: whether the certificate is well formed and trusted is shared/trust's to say,
// and a certificate that a strict parser rejects can still be the one that signed.
type certificate struct {
	raw, issuer, serial, spki []byte // whole DER elements; serial is the content of the INTEGER
	keyID                     []byte // subjectKeyIdentifier, nil if there is none
}

var oidSubjectKeyID = asn1.ObjectIdentifier{2, 5, 29, 14}

var errCertificate = errors.New("cms: not a certificate")

func cutCertificate(der []byte) (certificate, error) {
	c := certificate{raw: der}
	input := cryptobyte.String(der)
	var outer, tbs, serial, issuer, spki cryptobyte.String
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) ||
		!tbs.ReadASN1(&serial, cbasn1.INTEGER) || len(serial) == 0 ||
		!tbs.SkipASN1(cbasn1.SEQUENCE) || // signature
		!tbs.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
		!tbs.SkipASN1(cbasn1.SEQUENCE) || // validity
		!tbs.SkipASN1(cbasn1.SEQUENCE) || // subject
		!tbs.ReadASN1Element(&spki, cbasn1.SEQUENCE) {
		return c, errCertificate
	}
	c.serial, c.issuer, c.spki = serial, issuer, spki
	c.keyID = subjectKeyID(tbs)
	return c, nil
}

// subjectKeyID finds the extension in what follows the public key of a TBSCertificate.
func subjectKeyID(rest cryptobyte.String) []byte {
	var wrapped, extensions cryptobyte.String
	if !rest.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific()) ||
		!rest.SkipOptionalASN1(cbasn1.Tag(2).ContextSpecific()) ||
		!rest.ReadASN1(&wrapped, cbasn1.Tag(3).Constructed().ContextSpecific()) ||
		!wrapped.ReadASN1(&extensions, cbasn1.SEQUENCE) {
		return nil
	}
	for !extensions.Empty() {
		var extension, value, id cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !extensions.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) ||
			!extension.SkipOptionalASN1(cbasn1.BOOLEAN) || !extension.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil
		}
		if oid.Equal(oidSubjectKeyID) && value.ReadASN1(&id, cbasn1.OCTET_STRING) {
			return id
		}
	}
	return nil
}

func (c certificate) publicKey() (crypto.PublicKey, error) {
	pub, err := sm.ParsePKIXPublicKey(c.spki)
	if err != nil {
		return nil, fmt.Errorf("cms: public key of the certificate: %w", err)
	}
	return pub, nil
}

func (c certificate) matches(s *SignerInfo) bool {
	if s.SubjectKeyID != nil {
		return bytes.Equal(c.keyID, s.SubjectKeyID)
	}
	return bytes.Equal(c.issuer, s.Issuer) && bytes.Equal(c.serial, s.Serial)
}
