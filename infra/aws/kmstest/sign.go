package kmstest

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash.New
	_ "crypto/sha512" // for crypto.Hash.New
	"slices"

	"github.com/yinxin/yinxin/shared/sm"
)

// A scheme is one signing algorithm of the service: what it hashes with and which message types it takes.
type scheme struct {
	hash  crypto.Hash // 0 for SM2DSA and Ed25519
	types []string    // message types
	size  int         // of a digest, in bytes
	sign  func(s *Server, private crypto.Signer, digest []byte, h crypto.Hash) ([]byte, error)
	check func(public crypto.PublicKey, digest, signature []byte, h crypto.Hash) bool
}

const (
	raw        = "RAW"
	digestType = "DIGEST"
)

// signingAlgorithms are those of a key spec (Developer Guide, "Key spec reference").
func signingAlgorithms(spec string) map[string]scheme {
	both := []string{raw, digestType}
	switch spec {
	case "RSA_2048", "RSA_3072", "RSA_4096":
		list := map[string]scheme{}
		for name, h := range map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512} {
			list["RSASSA_PSS_SHA_"+name] = scheme{h, both, h.Size(), signPSS, checkPSS}
			list["RSASSA_PKCS1_V1_5_SHA_"+name] = scheme{h, both, h.Size(), signPKCS1, checkPKCS1}
		}
		return list
	case "ECC_NIST_P256":
		return map[string]scheme{"ECDSA_SHA_256": {crypto.SHA256, both, 32, signECDSA, checkECDSA}}
	case "ECC_NIST_P384":
		return map[string]scheme{"ECDSA_SHA_384": {crypto.SHA384, both, 48, signECDSA, checkECDSA}}
	case "ECC_NIST_EDWARDS25519":
		return map[string]scheme{
			"ED25519_SHA_512":    {0, []string{raw}, 0, signEd25519, checkEd25519},
			"ED25519_PH_SHA_512": {crypto.SHA512, []string{digestType}, 64, signEd25519ph, checkEd25519ph},
		}
	case "SM2":
		return map[string]scheme{"SM2DSA": {0, both, 32, signSM2, checkSM2}}
	default:
		return nil
	}
}

type signInput struct {
	KeyId, MessageType, SigningAlgorithm string
	Message                              []byte
	DryRun                               bool
}

type signOutput struct {
	KeyId, SigningAlgorithm string
	Signature               []byte
}

func sign(r *request, in signInput) (out signOutput, err error) {
	k, sc, digest, err := r.prepare(in)
	if err != nil {
		return out, err
	}
	signature, err := sc.sign(r.Server, k.private, digest, sc.hash)
	return signOutput{KeyId: k.arn, SigningAlgorithm: in.SigningAlgorithm, Signature: signature}, err
}

type verifyInput struct {
	KeyId, MessageType, SigningAlgorithm string
	Message, Signature                   []byte
	DryRun                               bool
}

type verifyOutput struct {
	KeyId, SigningAlgorithm string
	SignatureValid          bool
}

// verify answers true or refuses: "If the signature is verified, the value of the SignatureValid field is True. If the
// signature verification fails, the Verify operation fails with a KMSInvalidSignatureException."
func verify(r *request, in verifyInput) (out verifyOutput, err error) {
	k, sc, digest, err := r.prepare(signInput{in.KeyId, in.MessageType, in.SigningAlgorithm, in.Message, in.DryRun})
	if err != nil {
		return out, err
	}
	if !sc.check(k.private.Public(), digest, in.Signature, sc.hash) {
		return out, refuse("KMSInvalidSignatureException", "")
	}
	return verifyOutput{KeyId: k.arn, SigningAlgorithm: in.SigningAlgorithm, SignatureValid: true}, nil
}

const maxMessage = 4096

// prepare checks the parameters of Sign and Verify and returns what the scheme signs: a digest, or the message itself for
// Ed25519.
func (r *request) prepare(in signInput) (k *kmsKey, sc scheme, digest []byte, err error) {
	in.MessageType = cmp.Or(in.MessageType, raw)
	if len(in.Message) == 0 || len(in.Message) > maxMessage {
		return nil, sc, nil, refuse("ValidationException", "1 validation error detected: Value at 'message' failed to satisfy "+
			"constraint: Member must have length between 1 and 4096, inclusive")
	}
	if !slices.Contains([]string{raw, digestType, "EXTERNAL_MU"}, in.MessageType) {
		return nil, sc, nil, refuse("ValidationException", "no message type %q", in.MessageType)
	}
	values := map[string][]string{"kms:SigningAlgorithm": {in.SigningAlgorithm}, "kms:MessageType": {in.MessageType}}
	if k, err = r.use(in.KeyId, signVerify, values); err != nil {
		return nil, sc, nil, err
	}
	sc, ok := signingAlgorithms(k.spec)[in.SigningAlgorithm]
	if !ok {
		return nil, sc, nil, refuse("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", in.SigningAlgorithm, k.spec)
	}
	if !slices.Contains(sc.types, in.MessageType) {
		return nil, sc, nil, refuse("ValidationException", "Algorithm %s and message type %s are incompatible.",
			in.SigningAlgorithm, in.MessageType)
	}
	if in.MessageType == digestType && len(in.Message) != sc.size {
		return nil, sc, nil, refuse("ValidationException", "Digest is invalid length for algorithm %s.", in.SigningAlgorithm)
	}
	if in.DryRun {
		return nil, sc, nil, refuse("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	}
	switch {
	case in.MessageType == digestType:
		return k, sc, in.Message, nil
	case k.spec == "SM2": // KMS combines the message with the default distinguishing identifier
		digest, err = sm.Digest(k.private.Public().(*ecdsa.PublicKey), in.Message)
		return k, sc, digest, err
	case sc.hash == 0:
		return k, sc, in.Message, nil
	default:
		h := sc.hash.New()
		h.Write(in.Message)
		return k, sc, h.Sum(nil), nil
	}
}

func signPSS(s *Server, private crypto.Signer, digest []byte, h crypto.Hash) ([]byte, error) {
	return private.Sign(s.config.Rand, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h})
}

func checkPSS(public crypto.PublicKey, digest, signature []byte, h crypto.Hash) bool {
	return rsa.VerifyPSS(public.(*rsa.PublicKey), h, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
}

func signPKCS1(s *Server, private crypto.Signer, digest []byte, h crypto.Hash) ([]byte, error) {
	return private.Sign(s.config.Rand, digest, h)
}

func checkPKCS1(public crypto.PublicKey, digest, signature []byte, h crypto.Hash) bool {
	return rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), h, digest, signature) == nil
}

func signECDSA(s *Server, private crypto.Signer, digest []byte, h crypto.Hash) ([]byte, error) {
	return private.Sign(s.config.Rand, digest, h)
}

func checkECDSA(public crypto.PublicKey, digest, signature []byte, _ crypto.Hash) bool {
	return ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest, signature)
}

func signEd25519(s *Server, private crypto.Signer, message []byte, _ crypto.Hash) ([]byte, error) {
	return private.Sign(s.config.Rand, message, crypto.Hash(0))
}

func checkEd25519(public crypto.PublicKey, message, signature []byte, _ crypto.Hash) bool {
	return ed25519.Verify(public.(ed25519.PublicKey), message, signature)
}

// signEd25519ph hashes the digest once more: "the input is hashed twice: once by you and once by KMS".
func signEd25519ph(s *Server, private crypto.Signer, digest []byte, h crypto.Hash) ([]byte, error) {
	return private.Sign(s.config.Rand, again(digest, h), &ed25519.Options{Hash: h})
}

func checkEd25519ph(public crypto.PublicKey, digest, signature []byte, h crypto.Hash) bool {
	return ed25519.VerifyWithOptions(public.(ed25519.PublicKey), again(digest, h), signature, &ed25519.Options{Hash: h}) == nil
}

func again(digest []byte, h crypto.Hash) []byte {
	sum := h.New()
	sum.Write(digest)
	return sum.Sum(nil)
}

func signSM2(s *Server, private crypto.Signer, e []byte, _ crypto.Hash) ([]byte, error) {
	return sm.SignDigest(s.config.Rand, private.(*sm.PrivateKey), e)
}

// checkSM2 verifies a digest that already contains the signer's Z value.
func checkSM2(public crypto.PublicKey, e, signature []byte, _ crypto.Hash) bool {
	return sm.VerifyDigest(public.(*ecdsa.PublicKey), e, signature)
}
