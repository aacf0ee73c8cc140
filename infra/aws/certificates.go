package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
)

// Certificates keeps the certificates of keys: requests go out to a licensed authority (电子认证服务机构), and what it
// issues is imported, one item per purpose and owner in the table registry.
type Certificates struct{ *DB }

var _ licence.IssuerCertificates = Certificates{}

func (s Certificates) at(n ringName) at {
	return at{s.tables.Registry, "certificate#" + string(n.purpose) + "#" + escaped(n.owner), noSort}
}

// IssuerChain implements [licence.IssuerCertificates].
func (s Certificates) IssuerChain(ctx context.Context, purpose key.Purpose, uscc string) ([][]byte, error) {
	chain, err := s.chain(ctx, purpose, uscc)
	if err == nil && chain == nil {
		err = licence.ErrUnknown
	}
	return chain, err
}

// MakerCertificate is the part of [seal.Certifier] that reads.
func (s Certificates) MakerCertificate(ctx context.Context, maker string) ([]byte, error) {
	chain, err := s.chain(ctx, key.SealMaker, maker)
	switch {
	case err != nil:
		return nil, err
	case chain == nil:
		return nil, seal.ErrUnknown
	}
	return chain[0], nil
}

// chain returns a chain that was imported and whose first certificate is valid now, or nil.
func (s Certificates) chain(ctx context.Context, purpose key.Purpose, owner string) ([][]byte, error) {
	n, err := nameRing(purpose, owner)
	if err != nil {
		return nil, nil // nothing can have such a name
	}
	it, err := s.get(ctx, s.at(n))
	if err != nil || it == nil {
		return nil, err
	}
	list, _ := it["chain"].(*types.AttributeValueMemberL)
	if list == nil || len(list.Value) == 0 {
		return nil, fmt.Errorf("reading the certificate of the %s key of %q: its item holds none", purpose, owner)
	}
	var chain [][]byte
	for _, v := range list.Value {
		if b, ok := v.(*types.AttributeValueMemberB); ok {
			chain = append(chain, b.Value)
		}
	}
	leaf, err := cert.Parse(chain[0])
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the %s key of %q: %w", purpose, owner, err)
	}
	if !leaf.ValidAt(s.Now()) {
		return nil, nil
	}
	return chain, nil
}

// ErrNotOurKey refuses a certificate of another key than the one that signs.
var ErrNotOurKey = errors.New("aws: the certificate is that of another key")

// SaveChain imports the certificate of a key and its issuers, the root left out: each certifies the one before it, and the
// first certifies one of the keys that we keep under this purpose and owner. It replaces the chain before.
func (s Certificates) SaveChain(ctx context.Context, purpose key.Purpose, owner string, chain [][]byte) error {
	n, err := nameRing(purpose, owner)
	if err != nil {
		return err
	}
	if len(chain) == 0 {
		return errors.New("importing a certificate: there is none")
	}
	var before *cert.Certificate
	list := &types.AttributeValueMemberL{}
	for _, der := range chain {
		c, err := cert.Parse(der)
		if err != nil {
			return fmt.Errorf("importing a certificate: %w", err)
		}
		if before != nil && !before.SignedBy(c) {
			return errors.New("importing a certificate: the next in the chain did not certify it")
		}
		before = c
		list.Value = append(list.Value, &types.AttributeValueMemberB{Value: der})
	}
	leaf, err := cert.Parse(chain[0])
	if err != nil {
		return err
	}
	ring, err := s.readPublicRing(ctx, n)
	if err != nil {
		return err
	}
	ours := false
	for _, k := range ring.published(s.Now()) {
		ours = ours || bytes.Equal(k.PublicKey, leaf.SPKI)
	}
	if !ours {
		return fmt.Errorf("the %s key of %q: %w", purpose, owner, ErrNotOurKey)
	}
	_, err = s.write(ctx, write{at: s.at(n), put: item{"chain": list}})
	return err
}
