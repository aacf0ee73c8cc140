// Package ses reads and writes electronic seals (电子印章) and the stamps made with them (电子签章): SESeal and
// SES_Signature of GB/T 38540-2020, called v4 after its version number.
//
//	SealInfo ── PrepareSeal ── ToBeSigned = DER(eSealInfo) ── maker's key (制章) ── Assemble ── SESeal
//	seal, digest, path ── PrepareStamp ── ToBeSigned = DER(TBS_Sign) ── owner's key (签章) ── Assemble ── SES_Signature
//	bytes ── ParseSeal, ParseStamp ── Seal, Stamp ── VerifyMaker, VerifySigner, Lists
//
// The maker signs eSealInfo alone and the stamper TBS_Sign alone: the certificate and the algorithm beside a signature
// are not signed. That the signer's certificate stands in the seal's list ([Seal.Lists]) is therefore part of the
// proof, not a formality.
//
// PreparedSeal.Sign and PreparedStamp.Sign take the middle steps with a key.Signer at hand.
//
// Writing is strict DER. Reading is strict in structure and size and forgives only what issued seals contain, naming
// each case in Tolerances; signatures are always checked over the original bytes, never over a re-encoding.
//
// The package does not read certificates beyond the public key, builds no chains (shared/trust), knows no policy
// (shared/proof), and does not read v1 (GM/T 0031-2014) or v5 (GM/T 0031-2025): it recognises them, see
// [VersionError].
package ses

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// The versions of the format, as SES_Header.version numbers them.
const (
	V1 = 1 // GM/T 0031-2014
	V4 = 4 // GB/T 38540-2020
	V5 = 5 // GM/T 0031-2025
)

// The bounds of a parser that strangers feed.
const (
	MaxPicture   = 1 << 20 // bytes of a seal's picture
	MaxCertList  = 64      // certificates or digests in a seal
	MaxStamp     = 4 << 20 // bytes of a whole SES_Signature or SESeal
	maxExtension = 32      // extensions of a seal or stamp
	maxName      = 1024    // bytes of an identifier, name or path
)

// CertListType tells how a seal lists the certificates of those who may stamp with it.
type CertListType int

// The two kinds of list (certListType).
const (
	Certificates       CertListType = 1 // each entry is a DER certificate
	CertificateDigests CertListType = 2 // each entry is the digest of a DER certificate
)

// SealInfo is what a seal says of itself: SES_SealInfo.
type SealInfo struct {
	ID           string // esID, unique: for government seals 14 digits, GB/T 2260 division and serial
	VendorID     string // Vid of the header
	Type         int    // an opaque number; issuers use their own tables
	Name         string
	CertListType CertListType
	Certificates [][]byte // DER certificates of those who may stamp, also for a list of digests
	CreatedAt    time.Time
	ValidFrom    time.Time
	ValidTo      time.Time
	Picture      Picture
	Extensions   []Extension
}

// Picture is SES_ESPictrueInfo (the standard's spelling).
type Picture struct {
	Type          string // "PNG", "SVG", "OFD", …; compared without regard to case
	Data          []byte
	Width, Height int // millimetres
}

// Extension is ExtData.
type Extension struct {
	ID       asn1.ObjectIdentifier
	Critical bool
	Value    []byte
}

// StampInfo is what a stamp says: TBS_Sign.
type StampInfo struct {
	Seal         []byte    // the whole SESeal, as made
	Time         time.Time // timeInfo: the signer's claim, whole seconds
	DataHash     [32]byte  // SM3 of what is stamped: for OFD of Signature.xml, without the signer's Z value
	PropertyInfo string    // what is protected: for OFD the absolute path of Signature.xml in the package
	Extensions   []Extension
}

// CertEntry is one entry of a seal's certificate list.
type CertEntry struct {
	Certificate []byte // certListType 1
	DigestType  string // certListType 2: the algorithm, as an object identifier or a name
	Digest      []byte
}

// Seal is a parsed SESeal. Its slices are copies, or parts of Raw; do not change them.
type Seal struct {
	Raw          []byte // DER(SESeal)
	InfoRaw      []byte // DER(eSealInfo), the original bytes: what the maker signed
	Version      int
	VendorID     string
	ID           string
	Type         int
	Name         string
	CertListType CertListType
	CertList     []CertEntry
	CreatedAt    time.Time
	ValidFrom    time.Time
	ValidTo      time.Time
	Picture      Picture
	Extensions   []Extension

	MakerCert          []byte // DER certificate of the maker (制章者); not signed
	SignatureAlgorithm asn1.ObjectIdentifier
	Signature          []byte // DER SEQUENCE{r, s}, also where the seal holds r‖s
	Tolerances         []Tolerance
}

// Stamp is a parsed SES_Signature. Its slices are copies, or parts of Raw; do not change them.
type Stamp struct {
	Raw          []byte // DER(SES_Signature)
	TBSRaw       []byte // DER(TBS_Sign), the original bytes: what the signer signed
	Version      int
	Seal         *Seal
	Time         time.Time // timeInfo
	DataHash     []byte
	PropertyInfo string
	Extensions   []Extension

	SignerCert         []byte // DER certificate of the signer (签章者); not signed, see [Seal.Lists]
	SignatureAlgorithm asn1.ObjectIdentifier
	Signature          []byte // DER SEQUENCE{r, s}, also where the stamp holds r‖s
	SignatureValue     []byte // the content of the BIT STRING, as it stands: what a time stamp is over
	TimeStamp          []byte // RFC 3161 token (GB/T 20520), nil if there is none
	Tolerances         []Tolerance
}

// Tolerance names a departure from GB/T 38540 or DER that issued seals contain and the parser forgives.
type Tolerance string

// The tolerances.
const (
	RawSignature       Tolerance = "signature_encoding=raw"      // 64 bytes r‖s instead of SEQUENCE{r, s}
	TaggedExtensions   Tolerance = "seal_ext_datas=tagged"       // eSealInfo.extDatas inside [0]
	UntaggedExtensions Tolerance = "stamp_ext_datas=untagged"    // TBS_Sign.extDatas without [0]
	CriticalFalse      Tolerance = "critical=false_present"      // DEFAULT FALSE written out
	DraftTimes         Tolerance = "profile=zwfw-draft"          // UTCTime beside a certListType
	FractionalTime     Tolerance = "time=fractional"             // GeneralizedTime with fractions of a second
	VersionMismatch    Tolerance = "version=mismatch"            // TBS_Sign.version differs from the seal's
	HeaderVersion      Tolerance = "header_version=unregistered" // four elements, but a version that is neither 4 nor 5
)

// VersionError reports a seal or stamp of another version of the format, recognised by its shape.
type VersionError struct {
	Version int // V1 or V5
}

// Error names the version.
func (e *VersionError) Error() string {
	return fmt.Sprintf("ses: version %d of the seal format is not read", e.Version)
}

// The reasons for which a seal or stamp is not made, or does not verify.
var (
	ErrFormat    = errors.New("ses: malformed")                                // all of the parser's but VersionError
	ErrInput     = errors.New("ses: not to be written")                        // writer: the contents break a rule
	ErrAlgorithm = errors.New("ses: signature algorithm is not SM2 with SM3")  // OID 1.2.156.10197.1.501
	ErrSignature = errors.New("ses: signature does not verify")                //
	ErrNotListed = errors.New("ses: certificate is not in the seal's list")    //
	ErrPeriod    = errors.New("ses: outside the seal's period of validity")    //
	ErrPublicKey = errors.New("ses: certificate holds no readable public key") //
)
