package cms

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrFormat reports bytes that are no SignedData in DER within our bounds. Its wrappers say where.
var ErrFormat = errors.New("cms: not a SignedData message in DER")

// Algorithm is an AlgorithmIdentifier.
type Algorithm struct {
	OID        asn1.ObjectIdentifier
	Parameters []byte // DER; nil if absent
}

// Attribute is one attribute of a signer.
type Attribute struct {
	OID    asn1.ObjectIdentifier
	Values [][]byte // DER elements
}

// SignerInfo is the part of one signer (RFC 5652, section 5.3).
type SignerInfo struct {
	// The signer's certificate is named by Issuer (DER Name) and Serial (content of the INTEGER), or else by
	// SubjectKeyID, the others being nil.
	Issuer, Serial, SubjectKeyID []byte

	Digest                 Algorithm
	SignedAttributes       []Attribute // nil if the message has none
	SignedAttributesDER    []byte      // as they were signed: tag 0x31; nil if the message has none
	SignatureAlgorithm     Algorithm
	Signature              []byte
	UnsignedAttributes     []Attribute // such as a signature time-stamp
	SignedAttributesSorted bool        // whether they stand in the order that DER prescribes
}

// SignedData is a parsed message. Its slices share memory with the input of Parse.
type SignedData struct {
	ContentInfoType  asn1.ObjectIdentifier // id-signedData of PKCS #7 or of GB/T 35275
	ContentType      asn1.ObjectIdentifier
	Content          []byte // nil in a detached message
	DigestAlgorithms []Algorithm
	Certificates     [][]byte // DER, in the order of the message
	CRLs             [][]byte // DER
	Signers          []SignerInfo
}

func refuse(what string) error { return fmt.Errorf("%w: %s", ErrFormat, what) }

const (
	tag0 = cbasn1.Tag(0x80)
	ctx0 = cbasn1.Tag(0xa0)
	ctx1 = cbasn1.Tag(0xa1)
)

// Parse reads a ContentInfo that holds SignedData. It accepts DER alone, at most 1 MiB with 32 certificates and 8
// signers, with nothing after it, and never both returns a value and an error.
func Parse(der []byte) (*SignedData, error) {
	if len(der) > maxMessage {
		return nil, refuse("too long")
	}
	input := cryptobyte.String(der)
	var info, wrapped, signed cryptobyte.String
	d := &SignedData{}
	if !input.ReadASN1(&info, cbasn1.SEQUENCE) {
		return nil, refuse("ContentInfo")
	}
	if !input.Empty() {
		return nil, refuse("bytes after the message")
	}
	if !info.ReadASN1ObjectIdentifier(&d.ContentInfoType) {
		return nil, refuse("content type")
	}
	if !d.ContentInfoType.Equal(oidSignedData) && !d.ContentInfoType.Equal(oidGBSignedData) {
		return nil, refuse("content type " + d.ContentInfoType.String())
	}
	if !info.ReadASN1(&wrapped, ctx0) || !info.Empty() || !wrapped.ReadASN1(&signed, cbasn1.SEQUENCE) ||
		!wrapped.Empty() {
		return nil, refuse("SignedData")
	}
	if err := d.parseSignedData(signed); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *SignedData) parseSignedData(s cryptobyte.String) error {
	var version int
	var digests, content, certificates, crls, signers cryptobyte.String
	var hasCertificates, hasCRLs bool
	if !s.ReadASN1Integer(&version) || version < 1 || version > 5 {
		return refuse("version")
	}
	if !s.ReadASN1(&digests, cbasn1.SET) || !s.ReadASN1(&content, cbasn1.SEQUENCE) ||
		!s.ReadOptionalASN1(&certificates, &hasCertificates, ctx0) || !s.ReadOptionalASN1(&crls, &hasCRLs, ctx1) ||
		!s.ReadASN1(&signers, cbasn1.SET) || !s.Empty() {
		return refuse("fields of SignedData")
	}
	for !digests.Empty() {
		a, ok := readAlgorithm(&digests)
		if !ok || len(d.DigestAlgorithms) == maxSigners {
			return refuse("digestAlgorithms")
		}
		d.DigestAlgorithms = append(d.DigestAlgorithms, a)
	}
	if err := d.parseContent(content); err != nil {
		return err
	}
	var ok bool
	if d.Certificates, ok = readSequences(certificates, maxCertificates); !ok {
		return refuse("certificates")
	}
	if d.CRLs, ok = readSequences(crls, maxCRLs); !ok {
		return refuse("crls")
	}
	for !signers.Empty() {
		info, err := readSignerInfo(&signers)
		if err != nil {
			return err
		}
		if len(d.Signers) == maxSigners {
			return refuse("too many signers")
		}
		d.Signers = append(d.Signers, info)
	}
	return nil
}

func (d *SignedData) parseContent(content cryptobyte.String) error {
	var explicit, octets cryptobyte.String
	var present bool
	if !content.ReadASN1ObjectIdentifier(&d.ContentType) || !content.ReadOptionalASN1(&explicit, &present, ctx0) ||
		!content.Empty() {
		return refuse("encapContentInfo")
	}
	if !present {
		return nil
	}
	if !explicit.ReadASN1(&octets, cbasn1.OCTET_STRING) || !explicit.Empty() {
		return refuse("eContent")
	}
	d.Content = append([]byte{}, octets...)
	return nil
}

// readSequences reads at most limit SEQUENCE elements. Other choices of CertificateSet (attribute certificates, other
// formats) are refused: nothing here would look at them.
func readSequences(s cryptobyte.String, limit int) ([][]byte, bool) {
	var all [][]byte
	for !s.Empty() {
		var element cryptobyte.String
		if !s.ReadASN1Element(&element, cbasn1.SEQUENCE) || len(all) == limit {
			return nil, false
		}
		all = append(all, element)
	}
	return all, true
}

func readAlgorithm(s *cryptobyte.String) (Algorithm, bool) {
	var sequence, parameters cryptobyte.String
	var tag cbasn1.Tag
	var a Algorithm
	if !s.ReadASN1(&sequence, cbasn1.SEQUENCE) || !sequence.ReadASN1ObjectIdentifier(&a.OID) {
		return a, false
	}
	if sequence.Empty() {
		return a, true
	}
	if !sequence.ReadAnyASN1Element(&parameters, &tag) || !sequence.Empty() {
		return a, false
	}
	a.Parameters = parameters
	return a, true
}

func readSignerInfo(s *cryptobyte.String) (SignerInfo, error) {
	var info SignerInfo
	var sequence, name, signed, signature, unsigned cryptobyte.String
	var version int
	var hasSigned, hasUnsigned, ok bool
	if !s.ReadASN1(&sequence, cbasn1.SEQUENCE) || !sequence.ReadASN1Integer(&version) {
		return info, refuse("SignerInfo")
	}
	switch {
	case version == 1 && sequence.ReadASN1(&name, cbasn1.SEQUENCE):
		var issuer, serial cryptobyte.String
		if !name.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !name.ReadASN1(&serial, cbasn1.INTEGER) ||
			!name.Empty() || len(serial) == 0 {
			return info, refuse("issuerAndSerialNumber")
		}
		info.Issuer, info.Serial = issuer, serial
	case version == 3 && sequence.ReadASN1(&name, tag0) && len(name) > 0:
		info.SubjectKeyID = name
	default:
		return info, refuse("signer identifier")
	}
	if info.Digest, ok = readAlgorithm(&sequence); !ok {
		return info, refuse("digestAlgorithm")
	}
	whole := sequence
	if !sequence.ReadOptionalASN1(&signed, &hasSigned, ctx0) {
		return info, refuse("signedAttrs")
	}
	if hasSigned {
		info.SignedAttributesDER = bytes.Clone(whole[:len(whole)-len(sequence)])
		info.SignedAttributesDER[0] = byte(cbasn1.SET)
		if info.SignedAttributes, info.SignedAttributesSorted, ok = readAttributes(signed); !ok {
			return info, refuse("signedAttrs")
		}
	}
	if info.SignatureAlgorithm, ok = readAlgorithm(&sequence); !ok {
		return info, refuse("signatureAlgorithm")
	}
	if !sequence.ReadASN1(&signature, cbasn1.OCTET_STRING) || len(signature) == 0 {
		return info, refuse("signature")
	}
	info.Signature = signature
	if !sequence.ReadOptionalASN1(&unsigned, &hasUnsigned, ctx1) || !sequence.Empty() {
		return info, refuse("unsignedAttrs")
	}
	if hasUnsigned {
		if info.UnsignedAttributes, _, ok = readAttributes(unsigned); !ok {
			return info, refuse("unsignedAttrs")
		}
	}
	return info, nil
}

// readAttributes reads SET SIZE (1..MAX) OF Attribute and tells whether it is in DER order.
func readAttributes(s cryptobyte.String) (all []Attribute, sorted, ok bool) {
	sorted = true
	var last []byte
	for !s.Empty() {
		var element, sequence, values cryptobyte.String
		var a Attribute
		if !s.ReadASN1Element(&element, cbasn1.SEQUENCE) || len(all) == maxAttributes {
			return nil, false, false
		}
		sorted = sorted && bytes.Compare(last, element) <= 0
		last = element
		if !element.ReadASN1(&sequence, cbasn1.SEQUENCE) || !sequence.ReadASN1ObjectIdentifier(&a.OID) ||
			!sequence.ReadASN1(&values, cbasn1.SET) || !sequence.Empty() {
			return nil, false, false
		}
		for !values.Empty() {
			var value cryptobyte.String
			var tag cbasn1.Tag
			if !values.ReadAnyASN1Element(&value, &tag) || len(a.Values) == maxAttributes {
				return nil, false, false
			}
			a.Values = append(a.Values, value)
		}
		all = append(all, a)
	}
	return all, sorted, len(all) > 0
}
