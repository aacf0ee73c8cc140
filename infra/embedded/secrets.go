package embedded

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// Secrets keeps secrets that are no signing keys, such as the key of the pairwise subjects. They lie unsealed in the
// store, beside the records that they protect.
type Secrets struct{ *DB }

const bucketSecrets = "secrets" // name → hex

// Secret returns the secret of a name, 32 bytes; the first call draws it. Of any number of concurrent calls all return
// the same.
func (s Secrets) Secret(_ context.Context, name string, random io.Reader) (secret []byte, err error) {
	fresh := make([]byte, 32)
	if _, err := io.ReadFull(random, fresh); err != nil {
		return nil, fmt.Errorf("drawing the secret %s: %w", name, err)
	}
	err = s.update(func(tx *bbolt.Tx) error {
		text, found, err := get[string](tx, bucketSecrets, name)
		if err != nil {
			return err
		}
		if !found {
			secret = fresh
			return put(tx, bucketSecrets, name, hex.EncodeToString(fresh))
		}
		secret, err = hex.DecodeString(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the secret %s: %w", name, err)
	}
	return secret, nil
}
