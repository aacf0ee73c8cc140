package kmstest

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/sm"
)

// A ciphertext is the form byte, the key identifier in text (36 bytes), the nonce (12) and AES-256-GCM over the
// plaintext, with the encryption context as additional authenticated data.
const (
	form       = 1
	idLength   = 36
	nonceSize  = 12
	maxContext = 8192 // bytes of an encryption context
)

// contextBytes encodes an encryption context without ambiguity; the order of its pairs does not matter.
func contextBytes(context map[string]string) (b []byte) {
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, text := range []string{name, context[name]} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
			b = append(b, text...)
		}
	}
	return b
}

// context checks an encryption context and returns the condition keys that it gives a request.
func (r *request) context(context map[string]string) (map[string][]string, error) {
	values := map[string][]string{}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(context)) {
		if strings.HasPrefix(name, "aws:") || name == "" {
			return nil, refuse("ValidationException", "the encryption context must not have the key %q", name)
		}
		values["kms:EncryptionContext:"+name] = []string{context[name]}
		values["kms:EncryptionContextKeys"] = append(values["kms:EncryptionContextKeys"], name)
		size += len(name) + len(context[name])
	}
	if size > maxContext {
		return nil, refuse("ValidationException", "the encryption context has %d bytes", size)
	}
	if len(context) > 0 {
		r.told.Context = maps.Clone(context)
	}
	return values, nil
}

func (k *kmsKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (r *request) seal(k *kmsKey, plaintext []byte, context map[string]string) ([]byte, error) {
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	blob := append([]byte{form}, k.id...)
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(r.config.Rand, nonce); err != nil {
		return nil, err
	}
	return aead.Seal(append(blob, nonce...), nonce, plaintext, contextBytes(context)), nil
}

type encryptInput struct {
	KeyId, EncryptionAlgorithm string
	Plaintext                  []byte
	EncryptionContext          map[string]string
}

type encryptOutput struct {
	KeyId, EncryptionAlgorithm string
	CiphertextBlob             []byte
}

const maxPlaintext = 4096

func encrypt(r *request, in encryptInput) (out encryptOutput, err error) {
	if len(in.Plaintext) == 0 || len(in.Plaintext) > maxPlaintext {
		return out, refuse("ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "+
			"Member must have length between 1 and 4096, inclusive")
	}
	k, err := r.wrapping(in.KeyId, in.EncryptionContext)
	if err != nil {
		return out, err
	}
	if cmp.Or(in.EncryptionAlgorithm, symmetric) != symmetric {
		return out, refuse("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s.", in.EncryptionAlgorithm, k.spec)
	}
	blob, err := r.seal(k, in.Plaintext, in.EncryptionContext)
	return encryptOutput{KeyId: k.arn, EncryptionAlgorithm: symmetric, CiphertextBlob: blob}, err
}

// wrapping finds a symmetric key for encryption under a context.
func (r *request) wrapping(name string, context map[string]string) (*kmsKey, error) {
	values, err := r.context(context)
	if err != nil {
		return nil, err
	}
	k, err := r.use(name, encryptDecrypt, values)
	if err != nil {
		return nil, err
	}
	if k.spec != symmetric {
		return nil, refuse("UnsupportedOperationException", "there is no asymmetric encryption here")
	}
	return k, nil
}

type decryptInput struct {
	KeyId, EncryptionAlgorithm string
	CiphertextBlob             []byte
	EncryptionContext          map[string]string
}

type decryptOutput struct {
	KeyId, EncryptionAlgorithm string
	Plaintext                  []byte
}

// decrypt finds the key in the ciphertext. Of two keys, the one that is named must be the one that encrypted.
func decrypt(r *request, in decryptInput) (out decryptOutput, err error) {
	values, err := r.context(in.EncryptionContext)
	if err != nil {
		return out, err
	}
	if len(in.CiphertextBlob) <= 1+idLength+nonceSize || in.CiphertextBlob[0] != form {
		return out, refuse("InvalidCiphertextException", "")
	}
	id := string(in.CiphertextBlob[1 : 1+idLength])
	k, known := r.keys[id]
	if in.KeyId != "" {
		named, err := r.find(in.KeyId)
		if err != nil {
			return out, err
		}
		if named.id != id {
			if err := r.may(named, encryptDecrypt, values); err != nil {
				return out, err
			}
			return out, refuse("IncorrectKeyException",
				"The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	if !known {
		return out, refuse("InvalidCiphertextException", "")
	}
	r.told.KeyID = k.arn
	if err := r.may(k, encryptDecrypt, values); err != nil {
		return out, err
	}
	aead, err := k.aead()
	if err != nil {
		return out, err
	}
	rest := in.CiphertextBlob[1+idLength:]
	plaintext, err := aead.Open(nil, rest[:nonceSize], rest[nonceSize:], contextBytes(in.EncryptionContext))
	if err != nil {
		return out, refuse("InvalidCiphertextException", "")
	}
	return decryptOutput{KeyId: k.arn, EncryptionAlgorithm: symmetric, Plaintext: bytes.Clone(plaintext)}, nil
}

type dataKeyInput struct {
	KeyId, KeySpec    string
	NumberOfBytes     *int
	EncryptionContext map[string]string
}

type dataKeyOutput struct {
	KeyId          string
	CiphertextBlob []byte
	Plaintext      []byte `json:",omitempty"`
}

func generateDataKey(r *request, in dataKeyInput) (out dataKeyOutput, err error) {
	size := 0
	switch {
	case in.NumberOfBytes != nil && in.KeySpec == "" && *in.NumberOfBytes >= 1 && *in.NumberOfBytes <= 1024:
		size = *in.NumberOfBytes
	case in.NumberOfBytes == nil && in.KeySpec == "AES_128":
		size = 16
	case in.NumberOfBytes == nil && in.KeySpec == "AES_256":
		size = 32
	default:
		return out, refuse("ValidationException", "Please specify either number of bytes or key spec.")
	}
	k, err := r.wrapping(in.KeyId, in.EncryptionContext)
	if err != nil {
		return out, err
	}
	plaintext := make([]byte, size)
	if _, err := io.ReadFull(r.config.Rand, plaintext); err != nil {
		return out, err
	}
	blob, err := r.seal(k, plaintext, in.EncryptionContext)
	return dataKeyOutput{KeyId: k.arn, CiphertextBlob: blob, Plaintext: plaintext}, err
}

func generateDataKeyWithoutPlaintext(r *request, in dataKeyInput) (dataKeyOutput, error) {
	out, err := generateDataKey(r, in)
	out.Plaintext = nil
	return out, err
}

type pairInput struct {
	KeyId, KeyPairSpec string
	EncryptionContext  map[string]string
}

type pairOutput struct {
	KeyId, KeyPairSpec       string
	PrivateKeyCiphertextBlob []byte
	PrivateKeyPlaintext      []byte `json:",omitempty"` // PKCS #8, DER
	PublicKey                []byte // SubjectPublicKeyInfo, DER
}

func generateDataKeyPair(r *request, in pairInput) (out pairOutput, err error) {
	values, err := r.context(in.EncryptionContext)
	if err != nil {
		return out, err
	}
	values["kms:DataKeyPairSpec"] = []string{in.KeyPairSpec}
	k, err := r.use(in.KeyId, encryptDecrypt, values)
	if err != nil {
		return out, err
	}
	if k.spec != symmetric {
		return out, refuse("InvalidKeyUsageException", "%s is not a symmetric encryption key.", k.arn)
	}
	private, err := r.pair(in.KeyPairSpec)
	if err != nil {
		return out, err
	}
	out = pairOutput{KeyId: k.arn, KeyPairSpec: in.KeyPairSpec}
	if out.PublicKey, err = sm.MarshalPKIXPublicKey(private.Public()); err != nil {
		return out, err
	}
	if out.PrivateKeyPlaintext, err = sm.MarshalPKCS8PrivateKey(private); err != nil {
		return out, err
	}
	out.PrivateKeyCiphertextBlob, err = r.seal(k, out.PrivateKeyPlaintext, in.EncryptionContext)
	return out, err
}

func generateDataKeyPairWithoutPlaintext(r *request, in pairInput) (pairOutput, error) {
	out, err := generateDataKeyPair(r, in)
	out.PrivateKeyPlaintext = nil
	return out, err
}
