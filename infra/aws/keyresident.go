package aws

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// kmsSpec is the key spec of an algorithm, the same word for KMS keys and data key pairs.
func kmsSpec(alg key.Algorithm) (types.KeySpec, error) {
	switch alg {
	case key.ES256:
		return types.KeySpecEccNistP256, nil
	case key.PS256:
		return types.KeySpecRsa3072, nil
	case key.EdDSA:
		return types.KeySpecEccNistEdwards25519, nil
	case key.SM2SM3:
		return types.KeySpecSm2, nil
	default:
		return "", fmt.Errorf("keys of %q are not kept here", alg)
	}
}

// algorithmOf is the algorithm of a signing key of KMS.
func algorithmOf(spec types.KeySpec) (key.Algorithm, error) {
	switch spec {
	case types.KeySpecEccNistP256:
		return key.ES256, nil
	case types.KeySpecRsa2048, types.KeySpecRsa3072, types.KeySpecRsa4096:
		return key.PS256, nil
	case types.KeySpecEccNistEdwards25519:
		return key.EdDSA, nil
	case types.KeySpecSm2:
		return key.SM2SM3, nil
	default:
		return "", fmt.Errorf("a key of %s signs nothing here", spec)
	}
}

// The tags of KMS keys that are made here: policies of roles ask for them (condition key
// aws:ResourceTag/yinxin:purpose).
const (
	tagPurpose = "yinxin:purpose"
	tagOwner   = "yinxin:owner"
)

// makeResident makes a KMS key and tries it. The policy is the default key policy, which leaves its use to the policies
// of the roles.
func (k *Keys) makeResident(ctx context.Context, n ringName, alg key.Algorithm) (ringKey, error) {
	spec, err := kmsSpec(alg)
	if err != nil {
		return ringKey{}, err
	}
	tags := []types.Tag{{TagKey: sdk.String(tagPurpose), TagValue: sdk.String(string(n.purpose))}}
	if n.owner != "" {
		tags = append(tags, types.Tag{TagKey: sdk.String(tagOwner), TagValue: sdk.String(escaped(n.owner))})
	}
	out, err := k.kms.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify, Tags: tags})
	if err != nil {
		return ringKey{}, fmt.Errorf("making a KMS key: %w", err)
	}
	entry, err := k.published(ctx, sdk.ToString(out.KeyMetadata.Arn))
	if err == nil {
		_, err = key.Sign(ctx, &residentKey{client: k.kms, entry: entry}, []byte(testMessage))
	}
	if err != nil {
		return ringKey{}, errors.Join(err, k.discard(ctx, ringKey{KMSKey: sdk.ToString(out.KeyMetadata.Arn)}))
	}
	return entry, nil
}

// published reads the public half of a signing key of KMS.
func (k *Keys) published(ctx context.Context, kmsKey string) (ringKey, error) {
	out, err := k.kms.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &kmsKey})
	if err != nil {
		return ringKey{}, fmt.Errorf("reading the public key of a KMS key: %w", err)
	}
	if out.KeyUsage != types.KeyUsageTypeSignVerify {
		return ringKey{}, fmt.Errorf("the KMS key is for %s, not for signatures", out.KeyUsage)
	}
	alg, err := algorithmOf(out.KeySpec)
	if err != nil {
		return ringKey{}, err
	}
	public, err := sm.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return ringKey{}, fmt.Errorf("reading the public key of a KMS key: %w", err)
	}
	entry, err := newRingKey(alg, public)
	entry.KMSKey = sdk.ToString(out.KeyId) // the ARN, also where an alias was asked for
	return entry, err
}

// given is the ring of a purpose that has one key, made by the template.
func (k *Keys) given(ctx context.Context, n ringName, c Custody) (keyRing, error) {
	if n.owner != "" {
		return keyRing{}, nil
	}
	entry, err := k.published(ctx, c.KMSKey)
	if err != nil {
		return keyRing{}, err
	}
	return keyRing{Purpose: n.purpose, Keys: []ringKey{entry}}, nil
}

const deletionDays = 7 // the shortest that KMS allows

// discard lets a KMS key go that no item names; another call may have done so. A wrapped key is gone by itself.
func (k *Keys) discard(ctx context.Context, entry ringKey) error {
	if entry.KMSKey == "" {
		return nil
	}
	_, err := k.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &entry.KMSKey,
		PendingWindowInDays: sdk.Int32(deletionDays)})
	var gone *types.KMSInvalidStateException // it waits for its deletion already
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("letting a KMS key go: %w", err)
	}
	return nil
}

// residentKey is a key that never leaves KMS.
type residentKey struct {
	client *kms.Client
	entry  ringKey
}

func (r *residentKey) KeyID() string            { return r.entry.ID }
func (r *residentKey) Algorithm() key.Algorithm { return r.entry.Algorithm }
func (r *residentKey) Public() crypto.PublicKey { return r.entry.public }

const maxRaw = 4096 // bytes of a message that KMS signs unhashed

// SignDigest implements [key.Signer]. It gives KMS digests (MessageType DIGEST): for SM2DSA the one over the signer's Z
// value and the message, as "Offline verification with SM2 key pairs" of the AWS KMS Developer Guide computes it.
// Ed25519 takes the message itself, up to 4096 bytes. No signature leaves that the public key refuses.
func (r *residentKey) SignDigest(ctx context.Context, digest []byte) ([]byte, error) {
	in := kms.SignInput{KeyId: &r.entry.KMSKey, Message: digest, MessageType: types.MessageTypeDigest}
	switch r.entry.Algorithm {
	case key.ES256:
		in.SigningAlgorithm = types.SigningAlgorithmSpecEcdsaSha256
	case key.PS256:
		in.SigningAlgorithm = types.SigningAlgorithmSpecRsassaPssSha256
	case key.SM2SM3:
		in.SigningAlgorithm = types.SigningAlgorithmSpecSm2dsa
	case key.EdDSA:
		in.SigningAlgorithm, in.MessageType = types.SigningAlgorithmSpecEd25519Sha512, types.MessageTypeRaw
		if len(digest) > maxRaw {
			return nil, fmt.Errorf("KMS signs messages of up to %d bytes with Ed25519, not of %d", maxRaw, len(digest))
		}
	default:
		return nil, fmt.Errorf("keys of %q are not kept here", r.entry.Algorithm)
	}
	out, err := r.client.Sign(ctx, &in)
	if err != nil {
		return nil, fmt.Errorf("signing with KMS: %w", err)
	}
	if sdk.ToString(out.KeyId) != r.entry.KMSKey || out.SigningAlgorithm != in.SigningAlgorithm {
		return nil, fmt.Errorf("KMS signed with %s and %s, which nobody asked for", sdk.ToString(out.KeyId), out.SigningAlgorithm)
	}
	if !verifyDigest(r.entry.public, digest, out.Signature) {
		return nil, fmt.Errorf("KMS returned a signature that the public key of %s refuses", r.entry.ID)
	}
	return out.Signature, nil
}

// verifyDigest checks a signature over what [key.Digest] returns.
func verifyDigest(public crypto.PublicKey, digest, signature []byte) bool {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		if sm.IsKey(public) {
			return sm.VerifyDigest(public, digest, signature)
		}
		return ecdsa.VerifyASN1(public, digest, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(public, crypto.SHA256, digest, signature, nil) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, digest, signature)
	default:
		return false
	}
}
