package embedded

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// Secrets keeps secrets that are no signing keys, such as the key of the pairwise subjects: in the store, sealed by the
// master key of Keys and bound to their names. Whoever has the store alone has none of them.
type Secrets struct {
	*DB
	Keys *Keys
}

const bucketSecrets = "secrets" // name → sealedSecret; a text, the secret in hexadecimal, in stores of before 0.3

const secretSize = 32

type sealedSecret struct {
	Nonce  []byte `json:"nonce"`
	Sealed []byte `json:"sealed"`
}

func boundSecret(name string) []byte { return []byte("secret " + name) }

// Secret returns the secret of a name, 32 bytes; the first call draws it. Of any number of concurrent calls all return
// the same. One that lies unsealed is sealed; the pages that it stood on stay in the file until bbolt writes them
// again.
func (s Secrets) Secret(_ context.Context, name string, random io.Reader) (secret []byte, err error) {
	fresh := make([]byte, secretSize)
	if _, err := io.ReadFull(random, fresh); err != nil {
		return nil, fmt.Errorf("drawing the secret %s: %w", name, err)
	}
	err = s.update(func(tx *bbolt.Tx) error {
		if text, found, err := get[string](tx, bucketSecrets, name); err == nil {
			if secret = fresh; found {
				if secret, err = hex.DecodeString(text); err != nil {
					return err
				}
			}
			var sealed sealedSecret
			if sealed.Nonce, sealed.Sealed, err = s.Keys.lock(secret, boundSecret(name)); err != nil {
				return err
			}
			return put(tx, bucketSecrets, name, sealed)
		}
		sealed, _, err := get[sealedSecret](tx, bucketSecrets, name)
		if err != nil {
			return err
		}
		secret, err = s.Keys.unlock(sealed.Nonce, sealed.Sealed, boundSecret(name))
		return err
	})
	if err == nil && len(secret) != secretSize {
		err = fmt.Errorf("it has %d bytes", len(secret))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the secret %s: %w", name, err)
	}
	return secret, nil
}
