package aws

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Secrets keeps secrets that are no signing keys, such as the key of the pairwise subjects: 32 bytes that KMS drew, in one
// item each (secret#<name> in the table registry), encrypted under the purpose "secret" and the name. Nobody but who may
// decrypt under that name ever sees one, its maker neither.
type Secrets struct {
	db     *DB
	kms    *kms.Client
	kmsKey string
}

// OpenSecrets makes a Secrets with the symmetric KMS key that encrypts. It sends nothing. Of db it needs no key of HMACs.
func OpenSecrets(db *DB, config sdk.Config, kmsKey string) *Secrets {
	return &Secrets{db: db, kms: openKMS(config, db), kmsKey: kmsKey}
}

// ErrSecretUnknown reports a secret that was never made.
var ErrSecretUnknown = errors.New("aws: no such secret")

const secretSize = 32

func (s *Secrets) at(n ringName) at {
	return at{s.db.tables.Registry, "secret#" + escaped(n.owner), noSort}
}

func secretName(name string) (ringName, error) {
	if name == "" {
		return ringName{}, errors.New("a secret needs a name")
	}
	return nameRing("secret", name)
}

// Secret returns the secret of a name, or [ErrSecretUnknown]. Every call asks KMS: a function asks at its cold start.
func (s *Secrets) Secret(ctx context.Context, name string) ([]byte, error) {
	n, err := secretName(name)
	if err != nil {
		return nil, err
	}
	it, err := s.db.get(ctx, s.at(n))
	if err == nil && it == nil {
		err = ErrSecretUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("reading the secret %s: %w", name, err)
	}
	sealed, _ := it["sealed"].(*types.AttributeValueMemberB)
	if sealed == nil {
		return nil, fmt.Errorf("reading the secret %s: its item holds none", name)
	}
	out, err := s.kms.Decrypt(ctx, &kms.DecryptInput{KeyId: &s.kmsKey, CiphertextBlob: sealed.Value, EncryptionContext: n.context()})
	if err != nil {
		return nil, fmt.Errorf("decrypting the secret %s: %w", name, err)
	}
	if len(out.Plaintext) != secretSize {
		return nil, fmt.Errorf("the secret %s has %d bytes, not %d", name, len(out.Plaintext), secretSize)
	}
	return out.Plaintext, nil
}

// MakeSecret makes the secret of a name unless there is one: of any number of concurrent calls one makes it.
func (s *Secrets) MakeSecret(ctx context.Context, name string) error {
	n, err := secretName(name)
	if err != nil {
		return err
	}
	it, err := s.db.get(ctx, s.at(n))
	if err != nil || it != nil {
		return err
	}
	out, err := s.kms.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{
		KeyId: &s.kmsKey, NumberOfBytes: sdk.Int32(secretSize), EncryptionContext: n.context(),
	})
	if err != nil {
		return fmt.Errorf("having the secret %s drawn: %w", name, err)
	}
	_, err = s.db.write(ctx, write{at: s.at(n), put: item{"sealed": &types.AttributeValueMemberB{Value: out.CiphertextBlob}},
		condition: absent})
	return err // a condition that did not hold is another's secret, which stands
}
