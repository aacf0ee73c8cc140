package ses

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/sm"
)

const (
	headerID = "ES"  // SES_Header.ID
	maxSide  = 10000 // millimetres of a picture's side
)

// tagExplicit0 is [0] EXPLICIT.
var tagExplicit0 = cbasn1.Tag(0).ContextSpecific().Constructed()

// ParseSeal reads an SESeal of GB/T 38540-2020. It returns a *[VersionError] for v1 and v5, and an error that is
// [ErrFormat] for anything else that is not one. Time and memory are linear in the input.
//
// No element is read that the structure does not name, so that nesting ends where the standard's does.
func ParseSeal(der []byte) (*Seal, error) {
	s := new(Seal)
	if err := s.parse(bytes.Clone(der)); err != nil {
		return nil, fmt.Errorf("parsing the seal: %w", err)
	}
	return s, nil
}

// ParseStamp reads an SES_Signature of GB/T 38540-2020 (SignedValue.dat of an OFD) with the seal in it. Errors are
// those of [ParseSeal].
func ParseStamp(der []byte) (*Stamp, error) {
	s := new(Stamp)
	if err := s.parse(bytes.Clone(der)); err != nil {
		return nil, fmt.Errorf("parsing the stamp: %w", err)
	}
	return s, nil
}

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrFormat, what) }

// elements splits the contents of the one SEQUENCE that der consists of. It returns nil if der is anything else.
func elements(der []byte, most int) []cryptobyte.String {
	in, inner := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&inner, cbasn1.SEQUENCE) || !in.Empty() {
		return nil
	}
	var list []cryptobyte.String
	for !inner.Empty() {
		var e cryptobyte.String
		var tag cbasn1.Tag
		if len(list) == most || !inner.ReadAnyASN1Element(&e, &tag) {
			return nil
		}
		list = append(list, e)
	}
	return list
}

func (s *Seal) parse(der []byte) error {
	if len(der) > MaxStamp {
		return malformed("too large")
	}
	e := elements(der, 6)
	switch len(e) {
	case 2:
		return &VersionError{V1}
	case 5:
		return &VersionError{V5}
	case 4:
	default:
		return malformed("SESeal is not a SEQUENCE of four elements")
	}
	s.Raw = der
	if err := s.parseInfo(e[0]); err != nil {
		return err
	}
	var err error
	s.MakerCert, s.SignatureAlgorithm, s.Signature, _, err = readSignature(e[1], e[2], e[3], &s.Tolerances)
	return err
}

// readSignature reads cert OCTET STRING, signatureAlgID OBJECT IDENTIFIER and signature BIT STRING, and returns the
// signature both as DER SEQUENCE{r, s} and as it stands.
func readSignature(cert, alg, sig cryptobyte.String, tolerances *[]Tolerance) (
	certificate []byte, oid asn1.ObjectIdentifier, signature, value []byte, err error) {
	var c cryptobyte.String
	if !cert.ReadASN1(&c, cbasn1.OCTET_STRING) || c.Empty() {
		return nil, nil, nil, nil, malformed("certificate")
	}
	if !alg.ReadASN1ObjectIdentifier(&oid) {
		return nil, nil, nil, nil, malformed("signature algorithm")
	}
	value, ok := readBitString(&sig)
	if !ok {
		return nil, nil, nil, nil, malformed("signature value")
	}
	signature = value
	if !isDERSignature(value) {
		if len(value) != 64 {
			return nil, nil, nil, nil, malformed("signature value is neither SEQUENCE{r, s} nor r‖s")
		}
		*tolerances = append(*tolerances, RawSignature)
		if signature, err = sm.RawToDER(value); err != nil {
			return nil, nil, nil, nil, malformed("signature value")
		}
	}
	return c, oid, signature, value, nil
}

// parseInfo reads SES_SealInfo.
func (s *Seal) parseInfo(der []byte) error {
	e := elements(der, 5)
	if len(e) < 4 {
		return malformed("SES_SealInfo")
	}
	s.InfoRaw = der
	if err := s.parseHeader(e[0]); err != nil {
		return err
	}
	var ok bool
	if s.ID, ok = readString(&e[1], cbasn1.IA5String); !ok {
		return malformed("esID")
	}
	if err := s.parseProperty(e[2]); err != nil {
		return err
	}
	if err := s.parsePicture(e[3]); err != nil {
		return err
	}
	if len(e) < 5 {
		return nil
	}
	ext := e[4]
	if ext.PeekASN1Tag(tagExplicit0) {
		s.Tolerances = append(s.Tolerances, TaggedExtensions)
		var inner cryptobyte.String
		if !ext.ReadASN1(&inner, tagExplicit0) {
			return malformed("extDatas of the seal")
		}
		ext = inner
	}
	var err error
	s.Extensions, err = readExtensions(ext, &s.Tolerances)
	return err
}

func (s *Seal) parseHeader(der cryptobyte.String) error {
	e := elements(der, 3)
	if len(e) != 3 {
		return malformed("SES_Header")
	}
	id, ok := readString(&e[0], cbasn1.IA5String)
	if !ok || id != headerID {
		return malformed("SES_Header.ID is not ES")
	}
	if !e[1].ReadASN1Integer(&s.Version) {
		return malformed("SES_Header.version")
	}
	if s.VendorID, ok = readString(&e[2], cbasn1.IA5String); !ok {
		return malformed("SES_Header.Vid")
	}
	switch s.Version {
	case V4:
	case V5:
		return &VersionError{V5}
	default:
		s.Tolerances = append(s.Tolerances, HeaderVersion)
	}
	return nil
}

func (s *Seal) parseProperty(der cryptobyte.String) error {
	e := elements(der, 7)
	if len(e) != 7 {
		return malformed("SES_ESPropertyInfo")
	}
	if !e[0].ReadASN1Integer(&s.Type) {
		return malformed("type of the seal")
	}
	var ok bool
	if s.Name, ok = readString(&e[1], cbasn1.UTF8String); !ok {
		return malformed("name of the seal")
	}
	kind := 0
	if !e[2].ReadASN1Integer(&kind) || kind != int(Certificates) && kind != int(CertificateDigests) {
		return malformed("certListType")
	}
	s.CertListType = CertListType(kind)
	list := elements(e[3], MaxCertList)
	if len(list) == 0 {
		return malformed("certList is empty, too long or no SEQUENCE")
	}
	for _, entry := range list {
		c, ok := readCertEntry(entry, s.CertListType)
		if !ok {
			return malformed("entry of certList")
		}
		s.CertList = append(s.CertList, c)
	}
	for i, t := range []*time.Time{&s.CreatedAt, &s.ValidFrom, &s.ValidTo} {
		if !readTime(&e[4+i], t, &s.Tolerances) {
			return malformed("dates of the seal")
		}
	}
	return nil
}

func readCertEntry(der cryptobyte.String, kind CertListType) (CertEntry, bool) {
	var value cryptobyte.String
	if kind == Certificates {
		ok := der.ReadASN1(&value, cbasn1.OCTET_STRING) && !value.Empty()
		return CertEntry{Certificate: value}, ok
	}
	e := elements(der, 2)
	if len(e) != 2 {
		return CertEntry{}, false
	}
	name, ok := readString(&e[0], cbasn1.PrintableString)
	ok = ok && e[1].ReadASN1(&value, cbasn1.OCTET_STRING) && !value.Empty()
	return CertEntry{DigestType: name, Digest: value}, ok
}

func (s *Seal) parsePicture(der cryptobyte.String) error {
	e := elements(der, 4)
	if len(e) != 4 {
		return malformed("SES_ESPictrueInfo")
	}
	var ok bool
	if s.Picture.Type, ok = readString(&e[0], cbasn1.IA5String); !ok {
		return malformed("type of the picture")
	}
	var data cryptobyte.String
	if !e[1].ReadASN1(&data, cbasn1.OCTET_STRING) || len(data) > MaxPicture {
		return malformed("picture, or it is larger than 1 MiB")
	}
	s.Picture.Data = data
	for i, side := range []*int{&s.Picture.Width, &s.Picture.Height} {
		if !e[2+i].ReadASN1Integer(side) || *side < 0 || *side > maxSide {
			return malformed("size of the picture")
		}
	}
	return nil
}

func (s *Stamp) parse(der []byte) error {
	if len(der) > MaxStamp {
		return malformed("too large")
	}
	e := elements(der, 6)
	switch len(e) {
	case 2:
		return &VersionError{V1}
	case 4, 5:
	default:
		return malformed("SES_Signature is not a SEQUENCE of four or five elements")
	}
	s.Raw = der
	if err := s.parseTBS(e[0]); err != nil {
		return err
	}
	var err error
	s.SignerCert, s.SignatureAlgorithm, s.Signature, s.SignatureValue, err =
		readSignature(e[1], e[2], e[3], &s.Tolerances)
	if err != nil || len(e) == 4 {
		return err
	}
	var inner cryptobyte.String
	if !e[4].ReadASN1(&inner, tagExplicit0) {
		return malformed("timeStamp")
	}
	token, ok := readBitString(&inner)
	if !ok || !inner.Empty() {
		return malformed("timeStamp")
	}
	s.TimeStamp = token
	return nil
}

// parseTBS reads TBS_Sign.
func (s *Stamp) parseTBS(der []byte) error {
	e := elements(der, 6)
	if len(e) < 5 {
		return malformed("TBS_Sign")
	}
	s.TBSRaw = der
	if !e[0].ReadASN1Integer(&s.Version) {
		return malformed("version of TBS_Sign")
	}
	s.Seal = new(Seal)
	if err := s.Seal.parse(e[1]); err != nil {
		return err
	}
	if s.Version != s.Seal.Version {
		s.Tolerances = append(s.Tolerances, VersionMismatch)
	}
	if !readTime(&e[2], &s.Time, &s.Tolerances) {
		return malformed("timeInfo")
	}
	var ok bool
	if s.DataHash, ok = readBitString(&e[3]); !ok || len(s.DataHash) > 64 {
		return malformed("dataHash")
	}
	if s.PropertyInfo, ok = readString(&e[4], cbasn1.IA5String); !ok {
		return malformed("propertyInfo")
	}
	if len(e) < 6 {
		return nil
	}
	ext := e[5]
	if ext.PeekASN1Tag(tagExplicit0) {
		var inner cryptobyte.String
		if !ext.ReadASN1(&inner, tagExplicit0) {
			return malformed("extDatas of the stamp")
		}
		ext = inner
	} else {
		s.Tolerances = append(s.Tolerances, UntaggedExtensions)
	}
	var err error
	s.Extensions, err = readExtensions(ext, &s.Tolerances)
	return err
}

func readExtensions(der cryptobyte.String, tolerances *[]Tolerance) ([]Extension, error) {
	list := elements(der, maxExtension)
	if list == nil && !bytes.Equal(der, []byte{0x30, 0x00}) {
		return nil, malformed("extDatas")
	}
	var out []Extension
	for _, entry := range list {
		e := elements(entry, 3)
		if len(e) < 2 {
			return nil, malformed("ExtData")
		}
		var x Extension
		if !e[0].ReadASN1ObjectIdentifier(&x.ID) {
			return nil, malformed("extnID")
		}
		if len(e) == 3 {
			if !e[1].ReadASN1Boolean(&x.Critical) {
				return nil, malformed("critical")
			}
			if !x.Critical {
				*tolerances = append(*tolerances, CriticalFalse)
			}
		}
		var value cryptobyte.String
		if !e[len(e)-1].ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil, malformed("extnValue")
		}
		x.Value = value
		out = append(out, x)
	}
	return out, nil
}

// readBitString reads a BIT STRING of whole bytes, at least one.
func readBitString(in *cryptobyte.String) ([]byte, bool) {
	var b []byte
	ok := in.ReadASN1BitStringAsBytes(&b) && len(b) > 0
	return b, ok
}

// readString reads a string of one kind and checks its alphabet.
func readString(in *cryptobyte.String, tag cbasn1.Tag) (string, bool) {
	var b cryptobyte.String
	if !in.ReadASN1(&b, tag) || len(b) > maxName {
		return "", false
	}
	s := string(b)
	return s, utf8.ValidString(s) && (tag == cbasn1.UTF8String || isIA5(s))
}

// readTime reads a GeneralizedTime in UTC. Issued drafts hold UTCTime, and fractions of a second.
func readTime(in *cryptobyte.String, t *time.Time, tolerances *[]Tolerance) bool {
	if in.PeekASN1Tag(cbasn1.UTCTime) {
		if !in.ReadASN1UTCTime(t) {
			return false
		}
		*tolerances = append(*tolerances, DraftTimes)
		*t = t.UTC()
		return true
	}
	var b cryptobyte.String
	if !in.ReadASN1(&b, cbasn1.GeneralizedTime) || len(b) > len("20060102150405.999999999Z") {
		return false
	}
	at, err := time.Parse("20060102150405Z", string(b)) // also takes a fraction after the seconds
	if err != nil {
		return false
	}
	if len(b) != len("20060102150405Z") {
		*tolerances = append(*tolerances, FractionalTime)
	}
	*t = at
	return true
}
