package aws

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

const rsaBits = 3072

// makeWrapped makes a key in this process and encrypts it with kms:Encrypt, which takes 4096 bytes: the PKCS #8 form of
// every algorithm here is shorter.
func (k *Keys) makeWrapped(ctx context.Context, n ringName, c Custody, alg key.Algorithm) (ringKey, crypto.Signer, error) {
	private, err := generatePrivate(alg, k.db.rand)
	if err != nil {
		return ringKey{}, nil, err
	}
	entry, err := newRingKey(alg, private.Public())
	if err != nil {
		return ringKey{}, nil, err
	}
	pkcs8, err := sm.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return ringKey{}, nil, fmt.Errorf("encoding a private key: %w", err)
	}
	defer clear(pkcs8)
	out, err := k.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &c.KMSKey, Plaintext: pkcs8, EncryptionContext: n.context()})
	if err != nil {
		return ringKey{}, nil, fmt.Errorf("encrypting a private key: %w", err)
	}
	entry.sealed = out.CiphertextBlob
	return entry, private, nil
}

func generatePrivate(alg key.Algorithm, random io.Reader) (crypto.Signer, error) {
	switch alg {
	case key.SM2SM3:
		return sm.GenerateKey(random)
	case key.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), random)
	case key.PS256:
		return rsa.GenerateKey(random, rsaBits)
	case key.EdDSA:
		_, private, err := ed25519.GenerateKey(random)
		return private, err
	default:
		return nil, fmt.Errorf("keys of %q are not kept here", alg)
	}
}

// makeBlind lets KMS make a data key pair and sees its public half only. Outside China Regions KMS makes none for SM2.
func (k *Keys) makeBlind(ctx context.Context, n ringName, c Custody, alg key.Algorithm) (ringKey, error) {
	spec, err := kmsSpec(alg)
	if err != nil {
		return ringKey{}, err
	}
	out, err := k.kms.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{
		KeyId: &c.KMSKey, KeyPairSpec: types.DataKeyPairSpec(spec), EncryptionContext: n.context(),
	})
	if err != nil {
		return ringKey{}, fmt.Errorf("having a key pair made: %w", err)
	}
	public, err := sm.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return ringKey{}, fmt.Errorf("reading the public key that KMS made: %w", err)
	}
	entry, err := newRingKey(alg, public)
	entry.sealed = out.PrivateKeyCiphertextBlob
	return entry, err
}

// wrappedKey is a key whose private half is encrypted until it signs first. Signing takes no turn once it is open.
type wrappedKey struct {
	keys   *Keys
	name   ringName
	kmsKey string
	entry  ringKey

	turn    chan struct{} // holds one value while it is free
	private crypto.Signer // nil while it is encrypted; whoever has the turn may read and set it
}

func (w *wrappedKey) KeyID() string            { return w.entry.ID }
func (w *wrappedKey) Algorithm() key.Algorithm { return w.entry.Algorithm }
func (w *wrappedKey) Public() crypto.PublicKey { return w.entry.public }

// SignDigest implements [key.Signer].
func (w *wrappedKey) SignDigest(ctx context.Context, digest []byte) ([]byte, error) {
	private, err := w.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the %s key of %q: %w", w.name.purpose, w.name.owner, err)
	}
	return signWith(private, w.keys.db.rand, digest)
}

func (w *wrappedKey) open(ctx context.Context) (crypto.Signer, error) {
	select {
	case <-w.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { w.turn <- struct{}{} }()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.private != nil {
		return w.private, nil
	}
	if w.entry.sealed == nil || w.kmsKey == "" {
		return nil, errors.New("its item holds no private key, or there is no KMS key that opens it")
	}
	// The KMS key is that of the configuration, not the one that the ciphertext names: who may write items cannot bring a
	// private key of their own.
	out, err := w.keys.kms.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &w.kmsKey, CiphertextBlob: w.entry.sealed, EncryptionContext: w.name.context(),
	})
	if err != nil {
		return nil, fmt.Errorf("decrypting a private key: %w", err)
	}
	defer clear(out.Plaintext)
	private, err := w.parse(out.Plaintext)
	if err != nil {
		return nil, err
	}
	w.private = private
	return private, nil
}

// parse reads a private key, and tries whether what it signs is good under the public key of the ring.
func (w *wrappedKey) parse(pkcs8 []byte) (crypto.Signer, error) {
	parsed, err := sm.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, fmt.Errorf("reading a private key: %w", err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key is of a kind that signs nothing")
	}
	digest, err := key.Digest(w.entry.Algorithm, w.entry.public, []byte(testMessage))
	if err != nil {
		return nil, err
	}
	signature, err := signWith(private, w.keys.db.rand, digest)
	if err != nil {
		return nil, fmt.Errorf("trying a private key: %w", err)
	}
	if !key.Verify(w.entry.Algorithm, w.entry.public, []byte(testMessage), signature) {
		return nil, errors.New("private and public key do not belong together")
	}
	return private, nil
}

// testMessage is what a key is tried on. It cannot be taken for anything that is signed here.
const testMessage = "yinxin: a key was tried, and this is not a document"

// signWith signs what [key.Digest] returns.
func signWith(private crypto.Signer, random io.Reader, digest []byte) ([]byte, error) {
	switch private := private.(type) {
	case *sm.PrivateKey:
		return sm.SignDigest(random, private, digest)
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(random, private, digest)
	case *rsa.PrivateKey:
		return rsa.SignPSS(random, private, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case ed25519.PrivateKey:
		return ed25519.Sign(private, digest), nil
	default:
		return nil, fmt.Errorf("private keys of type %T sign nothing here", private)
	}
}
