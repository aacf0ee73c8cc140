package aws

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// keyRing is the keys of one purpose and owner, all in one item, so that making, rotating and killing one are single
// conditional writes:
//
//	pk        key#<purpose>#<owner>
//	body      the ring without private keys, as JSON
//	revision  counts the writes
//	sealed    key identifier → ciphertext of the private key
//
// Who publishes or checks reads body alone and can be given no more (IAM condition dynamodb:Attributes).
//
// Which key signs, and which are accepted, follows from times that were written ahead: see [key.Term].
type keyRing struct {
	Purpose key.Purpose `json:"purpose"`
	Owner   string      `json:"owner"`
	Keys    []ringKey   `json:"keys"` // oldest first

	revision int64
}

// ringKey is one key of a ring.
type ringKey struct {
	key.Term
	PublicKey []byte `json:"publicKey"`         // SubjectPublicKeyInfo, DER
	KMSKey    string `json:"kmsKey,omitempty"`  // ARN of the KMS key that signs; "" for a key that is wrapped
	Request   []byte `json:"request,omitempty"` // the certificate request (CSR, DER) that it signed when it was made

	sealed []byte           // ciphertext of PKCS #8; nil for a key that KMS keeps, and where it was not read
	public crypto.PublicKey // of PublicKey
}

// terms are the times of the ring, by which shared/key says what each key does.
func (r keyRing) terms() (list key.Ring) {
	for _, k := range r.Keys {
		list = append(list, k.Term)
	}
	return list
}

// under are the keys under other terms: of those in the ring, and of more.
func (r keyRing) under(terms key.Ring, more ...ringKey) (list []ringKey) {
	all := keyRing{Keys: append(slices.Clone(r.Keys), more...)}
	for _, t := range terms {
		if k, ok := all.find(t.ID); ok {
			k.Term = t
			list = append(list, k)
		}
	}
	return list
}

// signing returns the key that signs at a time.
func (r keyRing) signing(at time.Time) (ringKey, bool) {
	t, ok := r.terms().Signing(at)
	if !ok {
		return ringKey{}, false
	}
	return r.find(t.ID)
}

// published returns the keys whose signatures are accepted at a time, or will be: the one that signs first.
func (r keyRing) published(at time.Time) []ringKey { return r.under(r.terms().Published(at)) }

func (r keyRing) find(id string) (ringKey, bool) {
	for _, k := range r.Keys {
		if k.ID == id {
			return k, true
		}
	}
	return ringKey{}, false
}

// keyID is the beginning of the SHA-256 digest of a public key, in hexadecimal, as infra/embedded has it.
func keyID(public crypto.PublicKey) (id string, spki []byte, err error) {
	if spki, err = sm.MarshalPKIXPublicKey(public); err != nil {
		return "", nil, fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:16]), spki, nil
}

// newRingKey is the entry of a public key.
func newRingKey(alg key.Algorithm, public crypto.PublicKey) (ringKey, error) {
	id, spki, err := keyID(public)
	return ringKey{Term: key.Term{ID: id, Algorithm: alg}, PublicKey: spki, public: public}, err
}

// ringName is purpose and owner.
type ringName struct {
	purpose key.Purpose
	owner   string
}

const maxOwner = 100 // bytes of an owner, as in infra/embedded

func nameRing(purpose key.Purpose, owner string) (ringName, error) {
	if purpose == "" || strings.Trim(string(purpose), "abcdefghijklmnopqrstuvwxyz-") != "" || len(purpose) > 32 {
		return ringName{}, fmt.Errorf("%q is no purpose of a key", purpose)
	}
	if len(owner) > maxOwner || len(escaped(owner)) > 256 { // 256: the value of a tag
		return ringName{}, fmt.Errorf("the owner of a key has at most %d bytes", maxOwner)
	}
	return ringName{purpose, owner}, nil
}

func (n ringName) pk() string { return "key#" + string(n.purpose) + "#" + escaped(n.owner) }

// context is the encryption context of a wrapped key. A purpose with one key for the platform names no owner.
func (n ringName) context() map[string]string {
	c := map[string]string{"purpose": string(n.purpose)}
	if n.owner != "" {
		c["owner"] = escaped(n.owner)
	}
	return c
}

// escaped writes an owner in the letters that keys, encryption contexts and tags all have: other bytes stand as "=XX".
// Two owners are never written alike.
func escaped(owner string) string {
	var b strings.Builder
	for _, c := range []byte(owner) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// ringTable is the table in which the rings of a purpose lie: the table of whoever signs.
func (d *DB) ringTable(purpose key.Purpose) string {
	switch purpose {
	case key.Token:
		return d.tables.SSO
	case key.Seal, key.SealCompat, key.SealMaker:
		return d.tables.Seals
	case key.LicenceIssuer, key.LicenceGM, key.StatusList:
		return d.tables.Licences
	default:
		return d.tables.Registry
	}
}

func (d *DB) ringAt(n ringName) at { return at{d.ringTable(n.purpose), n.pk(), noSort} }

// readRing reads a ring with the ciphertexts. A ring that is not there has no keys.
func (d *DB) readRing(ctx context.Context, n ringName) (keyRing, error) {
	it, err := d.get(ctx, d.ringAt(n))
	if err != nil || it == nil {
		return keyRing{}, err
	}
	return ringOf(it, n)
}

// readPublicRing reads a ring without the ciphertexts.
func (d *DB) readPublicRing(ctx context.Context, n ringName) (keyRing, error) {
	a := d.ringAt(n)
	if err := noTable(a); err != nil {
		return keyRing{}, err
	}
	const projection = "#pk, #body, #revision"
	out, err := d.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &a.table, Key: a.key(), ConsistentRead: sdk.Bool(true), ProjectionExpression: sdk.String(projection),
		ExpressionAttributeNames: namesOf(projection),
	})
	if err != nil {
		return keyRing{}, fmt.Errorf("reading %s: %w", prefix(a.pk), err)
	}
	if len(out.Item) == 0 {
		return keyRing{}, nil
	}
	return ringOf(out.Item, n)
}

// ringOf decodes an item and checks that it is the ring of that name, and that every key is what its identifier says.
func ringOf(it item, n ringName) (r keyRing, err error) {
	if r, err = decode[keyRing](it); err != nil {
		return keyRing{}, err
	}
	if r.revision, err = numberOf(it, "revision"); err != nil {
		return keyRing{}, err
	}
	if r.Purpose != n.purpose || r.Owner != n.owner {
		return keyRing{}, errors.New("the item is that of other keys")
	}
	sealed, _ := it["sealed"].(*types.AttributeValueMemberM)
	for i := range r.Keys {
		k := &r.Keys[i]
		if k.public, err = sm.ParsePKIXPublicKey(k.PublicKey); err != nil {
			return keyRing{}, fmt.Errorf("reading a public key: %w", err)
		}
		id, spki, err := keyID(k.public)
		if err != nil {
			return keyRing{}, err
		}
		if id != k.ID || !bytes.Equal(spki, k.PublicKey) {
			return keyRing{}, fmt.Errorf("key %s is not the one of its name", k.ID)
		}
		if sealed != nil {
			if b, ok := sealed.Value[k.ID].(*types.AttributeValueMemberB); ok {
				k.sealed = b.Value
			}
		}
	}
	return r, nil
}

// ringItem is a ring as the attributes of its item.
func ringItem(r keyRing) (item, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a key ring: %w", err)
	}
	sealed := item{}
	for _, k := range r.Keys {
		if k.sealed != nil {
			sealed[k.ID] = &types.AttributeValueMemberB{Value: k.sealed}
		}
	}
	return item{"body": text(string(data)), "revision": number(r.revision),
		"sealed": &types.AttributeValueMemberM{Value: sealed}}, nil
}

// createRing writes a ring that is not there yet; won tells whether it did. It returns the ring that stands there then.
func (d *DB) createRing(ctx context.Context, r keyRing) (stands keyRing, won bool, err error) {
	n := ringName{r.Purpose, r.Owner}
	put, err := ringItem(r)
	if err != nil {
		return keyRing{}, false, err
	}
	out, err := d.write(ctx, write{at: d.ringAt(n), put: put, condition: absent})
	switch {
	case err != nil:
		return keyRing{}, false, err
	case out.held:
		return r, true, nil
	case out.item == nil:
		stands, err = d.readRing(ctx, n)
	default:
		stands, err = ringOf(out.item, n)
	}
	return stands, false, err
}

// replaceRing writes the next revision of a ring, or returns [key.ErrChanged] where another has written it in the
// meantime.
func (d *DB) replaceRing(ctx context.Context, r keyRing) error {
	before := r.revision
	r.revision++
	put, err := ringItem(r)
	if err != nil {
		return err
	}
	out, err := d.write(ctx, write{at: d.ringAt(ringName{r.Purpose, r.Owner}), put: put, condition: "#revision = :before",
		values: item{":before": number(before)}})
	if err == nil && !out.held {
		err = key.ErrChanged
	}
	return err
}
