package aws

import (
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/yinxin/yinxin/shared/key"
)

// The secrets of a deployment. [Env.Found] makes them.
const (
	identitySecret = "identity-hmac" // key of the HMACs that stand in keys for people
	pairwiseSecret = "pairwise"      // key of the pairwise subjects
)

// hiding is the store for adapters in whose keys HMACs stand for people.
func (e *Env) hiding(d *DB) *DB {
	hiding := *d
	hiding.key = e.identityKey()
	return &hiding
}

func (e *Env) identityKey() []byte {
	if e.identity == nil {
		e.identity = e.secret(identitySecret)
	}
	return e.identity
}

// PairwiseKey is the key of the pairwise subjects.
func (e *Env) PairwiseKey() []byte { return e.secret(pairwiseSecret) }

func (e *Env) secret(name string) []byte {
	s := e.secrets()
	if e.Err() != nil {
		return nil // the cold start ends with what is known already
	}
	secret, err := s.Secret(e.ctx, name)
	e.fault("reading the environment", err)
	return secret
}

func (e *Env) secrets() *Secrets {
	return OpenSecrets(e.registry(), e.config("KMS"), e.variable("SECRET_KEY"))
}

// decrypted is a variable that holds a secret as kms:Encrypt made it of the operator's text, in base64.
func (e *Env) decrypted(sealed, kmsKey, name string) (string, error) {
	blob, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", err
	}
	out, err := openKMS(e.config("KMS"), e.open()).Decrypt(e.ctx, &kms.DecryptInput{
		KeyId: &kmsKey, CiphertextBlob: blob, EncryptionContext: map[string]string{"purpose": "secret", "owner": name},
	})
	if err != nil {
		return "", fmt.Errorf("decrypting: %w", err)
	}
	return string(out.Plaintext), nil
}

// Found makes what a deployment has one of: its secrets, which nobody sees, and the first token key. What is there
// already stays. It belongs to the function that an operator invokes first.
func (e *Env) Found() {
	secrets, keys := e.secrets(), e.keys(e.sso(), e.custody(key.Token, "TOKEN_KEYS"))
	if e.Err() != nil {
		return
	}
	for _, name := range []string{identitySecret, pairwiseSecret} {
		e.fault("founding", secrets.MakeSecret(e.ctx, name))
	}
	_, err := keys.MakeKey(e.ctx, key.Token, "", key.ES256)
	e.fault("founding", err)
}

// kept is how the keys of a purpose are kept.
type kept struct {
	purpose key.Purpose
	custody Custody
}

func (e *Env) custody(purpose key.Purpose, name string) kept {
	text := e.variable(name)
	if text == "" {
		return kept{purpose: purpose}
	}
	c, err := ParseCustody(text)
	e.fault("reading "+name, err)
	return kept{purpose, c}
}

func (e *Env) keys(db *DB, list ...kept) *Keys {
	custody := map[key.Purpose]Custody{}
	for _, k := range list {
		custody[k.purpose] = k.custody
	}
	if e.Err() != nil {
		return nil // the cold start ends with what is known already
	}
	k, err := OpenKeys(KeysOptions{DB: db, Config: e.config("KMS"), Custody: custody})
	e.fault("opening the keys", err)
	return k
}
