package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/sm"
)

// Rule names one rule that a message must keep.
type Rule string

// The rules, in the order in which [SignedData.Verify] applies them.
const (
	OneSigner          Rule = "one-signer"          // exactly one SignerInfo (EN 319 142-1, section 4.1)
	Detached           Rule = "detached"            // no content inside
	AllowedAlgorithm   Rule = "allowed-algorithm"   // digest and signature algorithm on our list, and fitting
	Attributes         Rule = "attributes"          // content-type and message-digest, once each (RFC 5652, 5.3)
	MessageDigest      Rule = "message-digest"      // equals the digest of the content
	SignerCertificate  Rule = "signer-certificate"  // the signer's certificate is in the message, once
	SigningCertificate Rule = "signing-certificate" // signing-certificate-v2 names that certificate (RFC 5035)
	SignatureValue     Rule = "signature-value"     // verifies under that certificate's key
)

// Codes of failures, after the sub-indications of EN 319 102-1.
const (
	FormatFailure       = "FORMAT_FAILURE"
	HashFailure         = "HASH_FAILURE"
	SigCryptoFailure    = "SIG_CRYPTO_FAILURE"
	AlgorithmNotAllowed = "ALGORITHM_NOT_ALLOWED"
	SignerNotFound      = "NO_SIGNING_CERTIFICATE_FOUND"
	SigCertMismatch     = "SIGNING_CERTIFICATE_MISMATCH"
)

// Failure says why a rule is broken.
type Failure struct {
	Rule   Rule
	Code   string
	Detail string // English, for the evidence of a check
}

func (f *Failure) Error() string { return fmt.Sprintf("cms: %s: %s: %s", f.Rule, f.Code, f.Detail) }

// Outcome is what became of one rule: Failure nil and Skipped false is a pass.
type Outcome struct {
	Rule    Rule
	Failure *Failure
	Skipped bool // not looked at, because an earlier failure left nothing to look at
}

// verification is what the rules find out on the way.
type verification struct {
	*SignedData
	digest func(Digest) []byte
	signer *SignerInfo
	hash   Digest
	cert   certificate
	public crypto.PublicKey
}

type step struct {
	rule   Rule
	needed bool // without it, nothing after it can be looked at
	run    func(*verification) *Failure
}

func steps() []step {
	return []step{
		{OneSigner, true, (*verification).oneSigner},
		{Detached, false, (*verification).detached},
		{AllowedAlgorithm, true, (*verification).allowedAlgorithm},
		{Attributes, true, (*verification).attributes},
		{MessageDigest, false, (*verification).messageDigest},
		{SignerCertificate, true, (*verification).signerCertificate},
		{SigningCertificate, false, (*verification).signingCertificate},
		{SignatureValue, false, (*verification).signatureValue},
	}
}

// Verify applies every rule and returns one outcome per rule. digest returns the digest of the detached content; it
// is called at most once, with an algorithm of our list.
//
// PKCS #7 signatures of older PDF software (adbe.pkcs7.detached) need not carry signing-certificate-v2: whether a
// failure of SigningCertificate counts there is the caller's to decide.
func (d *SignedData) Verify(digest func(Digest) []byte) []Outcome {
	v := &verification{SignedData: d, digest: digest}
	var outcomes []Outcome
	stopped := false
	for _, s := range steps() {
		o := Outcome{Rule: s.rule, Skipped: stopped}
		if !stopped {
			o.Failure = s.run(v)
			stopped = o.Failure != nil && s.needed
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// VerifyDigest applies every rule to a message over content with this digest and returns the first [Failure].
func (d *SignedData) VerifyDigest(alg Digest, sum []byte) error {
	for _, o := range d.Verify(func(want Digest) []byte {
		if want != alg {
			return nil
		}
		return sum
	}) {
		if o.Failure != nil {
			return o.Failure
		}
	}
	return nil
}

// SignerCertificate returns the DER of the certificate that the one signer names, or nil.
func (d *SignedData) SignerCertificate() []byte {
	v := &verification{SignedData: d}
	if v.oneSigner() != nil || v.signerCertificate() != nil {
		return nil
	}
	return v.cert.raw
}

// ContentDigest returns the digest algorithm of the one signer, or "" if it is not on our list.
func (d *SignedData) ContentDigest() Digest {
	if len(d.Signers) != 1 {
		return ""
	}
	return digestOf(d.Signers[0].Digest.OID)
}

func fail(rule Rule, code, format string, args ...any) *Failure {
	return &Failure{Rule: rule, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func (v *verification) oneSigner() *Failure {
	if n := len(v.Signers); n != 1 {
		return fail(OneSigner, FormatFailure, "%d signers", n)
	}
	v.signer = &v.Signers[0]
	return nil
}

func (v *verification) detached() *Failure {
	if v.Content != nil {
		return fail(Detached, FormatFailure, "%d bytes of content inside", len(v.Content))
	}
	return nil
}

// allowedAlgorithm is the allow-list. SM2 goes with SM3 and nothing else; the digest inside a combined signature
// identifier must be the signer's digest.
func (v *verification) allowedAlgorithm() *Failure {
	v.hash = digestOf(v.signer.Digest.OID)
	if v.hash == "" {
		return fail(AllowedAlgorithm, AlgorithmNotAllowed, "digest %s", v.signer.Digest.OID)
	}
	if !emptyParameters(v.signer.Digest.Parameters) {
		return fail(AllowedAlgorithm, FormatFailure, "parameters of the digest")
	}
	if !slices.ContainsFunc(v.DigestAlgorithms, func(a Algorithm) bool { return a.OID.Equal(v.signer.Digest.OID) }) {
		return fail(AllowedAlgorithm, FormatFailure, "the message does not announce its digest %s", v.hash)
	}
	a := v.signer.SignatureAlgorithm
	var want Digest
	switch {
	case a.OID.Equal(oidRSAPSS):
		if !pssFits(a.Parameters, v.signer.Digest.OID, v.hash.New().Size()) {
			return fail(AllowedAlgorithm, AlgorithmNotAllowed, "RSASSA-PSS parameters that differ from the digest")
		}
		return nil
	case a.OID.Equal(oidECDSAWithSHA256), a.OID.Equal(oidRSAWithSHA256):
		want = SHA256
	case a.OID.Equal(oidECDSAWithSHA384), a.OID.Equal(oidRSAWithSHA384):
		want = SHA384
	case a.OID.Equal(oidECDSAWithSHA512), a.OID.Equal(oidRSAWithSHA512):
		want = SHA512
	case a.OID.Equal(sm.OIDSM2WithSM3), a.OID.Equal(oidSM2Sign):
		want = SM3
	case a.OID.Equal(oidRSA) && v.hash != SM3:
		want = v.hash
	default:
		return fail(AllowedAlgorithm, AlgorithmNotAllowed, "signature algorithm %s", a.OID)
	}
	if want != v.hash {
		return fail(AllowedAlgorithm, AlgorithmNotAllowed, "digest %s under signature algorithm %s", v.hash, a.OID)
	}
	if !emptyParameters(a.Parameters) {
		return fail(AllowedAlgorithm, FormatFailure, "parameters of the signature algorithm")
	}
	return nil
}

func emptyParameters(der []byte) bool {
	return len(der) == 0 || len(der) == 2 && der[0] == byte(cbasn1.NULL) && der[1] == 0
}

// pssFits tells whether RSASSA-PSS-params (RFC 4055) name digest for both hashes and its size as salt length.
func pssFits(der []byte, digest asn1.ObjectIdentifier, size int) bool {
	input := cryptobyte.String(der)
	var sequence, hash, mgf, mgfAlgorithm, salt cryptobyte.String
	var oid asn1.ObjectIdentifier
	var length int
	if !input.ReadASN1(&sequence, cbasn1.SEQUENCE) || !input.Empty() || !sequence.ReadASN1(&hash, ctx0) ||
		!sequence.ReadASN1(&mgf, ctx1) || !sequence.ReadASN1(&salt, cbasn1.Tag(0xa2)) ||
		!salt.ReadASN1Integer(&length) || length != size {
		return false
	}
	if h, ok := readAlgorithm(&hash); !ok || !h.OID.Equal(digest) {
		return false
	}
	if !mgf.ReadASN1(&mgfAlgorithm, cbasn1.SEQUENCE) || !mgfAlgorithm.ReadASN1ObjectIdentifier(&oid) ||
		!oid.Equal(oidMGF1) {
		return false
	}
	h, ok := readAlgorithm(&mgfAlgorithm)
	return ok && h.OID.Equal(digest)
}

// single returns the value of an attribute that must occur once, with one value.
func (v *verification) single(oid asn1.ObjectIdentifier) (cryptobyte.String, int) {
	var value []byte
	n := 0
	for _, a := range v.signer.SignedAttributes {
		if !a.OID.Equal(oid) {
			continue
		}
		n++
		if len(a.Values) != 1 {
			return nil, len(a.Values)
		}
		value = a.Values[0]
	}
	return value, n
}

func (v *verification) attributes() *Failure {
	if v.signer.SignedAttributes == nil {
		return fail(Attributes, FormatFailure, "no signed attributes")
	}
	value, n := v.single(oidContentType)
	var contentType asn1.ObjectIdentifier
	if n != 1 || !value.ReadASN1ObjectIdentifier(&contentType) || !value.Empty() {
		return fail(Attributes, FormatFailure, "content-type occurs %d times or is malformed", n)
	}
	if !contentType.Equal(v.ContentType) || !(contentType.Equal(oidData) || contentType.Equal(oidGBData)) {
		return fail(Attributes, FormatFailure, "content-type %s, message %s", contentType, v.ContentType)
	}
	var sum cryptobyte.String
	if value, n = v.single(oidMessageDigest); n != 1 || !value.ReadASN1(&sum, cbasn1.OCTET_STRING) || !value.Empty() {
		return fail(Attributes, FormatFailure, "message-digest occurs %d times or is malformed", n)
	}
	return nil
}

func (v *verification) messageDigest() *Failure {
	value, _ := v.single(oidMessageDigest)
	var sum cryptobyte.String
	value.ReadASN1(&sum, cbasn1.OCTET_STRING) // its form is checked by attributes
	if got := v.digest(v.hash); len(got) == 0 || subtle.ConstantTimeCompare(got, sum) != 1 {
		return fail(MessageDigest, HashFailure, "message-digest %x, content %x", []byte(sum), got)
	}
	return nil
}

func (v *verification) signerCertificate() *Failure {
	found := 0
	for _, der := range v.Certificates {
		c, err := cutCertificate(der)
		if err == nil && c.matches(v.signer) {
			found++
			v.cert = c
		}
	}
	if found != 1 {
		return fail(SignerCertificate, SignerNotFound, "%d certificates match the signer", found)
	}
	public, err := v.cert.publicKey()
	if err != nil {
		return fail(SignerCertificate, AlgorithmNotAllowed, "%v", err)
	}
	v.public = public
	return nil
}

// signingCertificate reads ESSCertIDv2 of the first certificate, which must be the signer's (RFC 5035, section 3).
func (v *verification) signingCertificate() *Failure {
	value, n := v.single(oidSigningCertificateV2)
	if n != 1 {
		return fail(SigningCertificate, FormatFailure, "signing-certificate-v2 occurs %d times", n)
	}
	var signing, certs, id, hash cryptobyte.String
	if !value.ReadASN1(&signing, cbasn1.SEQUENCE) || !value.Empty() || !signing.ReadASN1(&certs, cbasn1.SEQUENCE) ||
		!certs.ReadASN1(&id, cbasn1.SEQUENCE) {
		return fail(SigningCertificate, FormatFailure, "signing-certificate-v2 is malformed")
	}
	digest := SHA256
	if id.PeekASN1Tag(cbasn1.SEQUENCE) {
		a, ok := readAlgorithm(&id)
		if digest = digestOf(a.OID); !ok || digest == "" {
			return fail(SigningCertificate, AlgorithmNotAllowed, "certificate digest %s", a.OID)
		}
	}
	if !id.ReadASN1(&hash, cbasn1.OCTET_STRING) {
		return fail(SigningCertificate, FormatFailure, "signing-certificate-v2 is malformed")
	}
	h := digest.New()
	h.Write(v.cert.raw)
	if subtle.ConstantTimeCompare(h.Sum(nil), hash) != 1 {
		return fail(SigningCertificate, SigCertMismatch, "signing-certificate-v2 names another certificate")
	}
	return nil
}

func (v *verification) signatureValue() *Failure {
	ok, why := v.verifySignature()
	switch {
	case why != "":
		return fail(SignatureValue, AlgorithmNotAllowed, "%s", why)
	case !ok:
		return fail(SignatureValue, SigCryptoFailure, "the signature is not that of the certificate's key")
	default:
		return nil
	}
}

// verifySignature checks the value over the signed attributes. The algorithm was found on the list; here the key must
// fit it.
func (v *verification) verifySignature() (ok bool, why string) {
	message, signature, oid := v.signer.SignedAttributesDER, v.signer.Signature, v.signer.SignatureAlgorithm.OID
	if oid.Equal(sm.OIDSM2WithSM3) || oid.Equal(oidSM2Sign) {
		pub, isEC := v.public.(*ecdsa.PublicKey)
		if !isEC || !sm.IsKey(pub) {
			return false, "an SM2 signature under a key that is none"
		}
		return sm.Verify(pub, message, signature), ""
	}
	h := v.hash.New()
	h.Write(message)
	sum := h.Sum(nil)
	switch pub := v.public.(type) {
	case *ecdsa.PublicKey:
		if !isECDSA(oid) || sm.IsKey(pub) || !isNISTCurve(pub.Curve) {
			return false, "an ECDSA key that does not fit the algorithm"
		}
		return ecdsa.VerifyASN1(pub, sum, signature), ""
	case *rsa.PublicKey:
		if isECDSA(oid) || pub.N.BitLen() < 2048 || pub.N.BitLen() > 8192 {
			return false, "an RSA key that does not fit the algorithm or our sizes"
		}
		hash := map[Digest]crypto.Hash{SHA256: crypto.SHA256, SHA384: crypto.SHA384, SHA512: crypto.SHA512}[v.hash]
		if oid.Equal(oidRSAPSS) {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(pub, hash, sum, signature, options) == nil, ""
		}
		return rsa.VerifyPKCS1v15(pub, hash, sum, signature) == nil, ""
	default:
		return false, "a public key of an unknown kind"
	}
}

func isECDSA(oid asn1.ObjectIdentifier) bool {
	return oid.Equal(oidECDSAWithSHA256) || oid.Equal(oidECDSAWithSHA384) || oid.Equal(oidECDSAWithSHA512)
}

func isNISTCurve(c elliptic.Curve) bool {
	return c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521()
}
