package kmstest

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/sm"
)

// kmsKey is a KMS key.
type kmsKey struct {
	id, arn     string
	spec, usage string
	description string
	created     time.Time
	deletion    time.Time // of a key that is pending deletion
	state       string
	tags        map[string]string
	policy      policy
	private     crypto.Signer // of asymmetric keys
	secret      []byte        // of symmetric keys: 32 bytes
}

const (
	enabled         = "Enabled"
	disabled        = "Disabled"
	pendingDeletion = "PendingDeletion"
)

const (
	signVerify     = "SIGN_VERIFY"
	encryptDecrypt = "ENCRYPT_DECRYPT"
	symmetric      = "SYMMETRIC_DEFAULT"
)

// pair generates a key pair of a spec. It is also what data key pairs are made of.
func (s *Server) pair(spec string) (crypto.Signer, error) {
	random := s.config.Rand
	switch spec {
	case "RSA_2048", "RSA_3072", "RSA_4096":
		bits := map[string]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}[spec]
		return rsa.GenerateKey(random, bits)
	case "ECC_NIST_P256":
		return ecdsa.GenerateKey(elliptic.P256(), random)
	case "ECC_NIST_P384":
		return ecdsa.GenerateKey(elliptic.P384(), random)
	case "ECC_NIST_EDWARDS25519":
		_, private, err := ed25519.GenerateKey(random)
		return private, err
	case "SM2":
		if s.config.Partition != "aws-cn" {
			return nil, refuse("UnsupportedOperationException", "SM2 is available in China Regions only")
		}
		return sm.GenerateKey(random)
	default:
		return nil, refuse("ValidationException", "no key spec %q here", spec)
	}
}

type tag struct{ TagKey, TagValue string }

type createKeyInput struct {
	Description, KeySpec, KeyUsage, Origin, Policy string
	BypassPolicyLockoutSafetyCheck                 bool
	Tags                                           []tag
}

// keyMetadata is KeyMetadata of the API Reference.
type keyMetadata struct {
	AWSAccountId, KeyId, Arn, Description   string
	KeySpec, CustomerMasterKeySpec          string
	KeyUsage, KeyState, KeyManager, Origin  string
	CreationDate                            float64
	DeletionDate                            float64  `json:",omitempty"`
	PendingDeletionWindowInDays             int      `json:",omitempty"`
	SigningAlgorithms, EncryptionAlgorithms []string `json:",omitempty"`
	Enabled, MultiRegion                    bool
}

type metadataOutput struct{ KeyMetadata keyMetadata }

var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`) // TagKey and TagValue of the API Reference

func createKey(r *request, in createKeyInput) (out metadataOutput, err error) {
	in.KeySpec, in.Origin = cmp.Or(in.KeySpec, symmetric), cmp.Or(in.Origin, "AWS_KMS")
	if in.KeySpec == symmetric {
		in.KeyUsage = cmp.Or(in.KeyUsage, encryptDecrypt)
	}
	values := map[string][]string{"kms:KeySpec": {in.KeySpec}, "kms:KeyUsage": {in.KeyUsage}}
	k := &kmsKey{spec: in.KeySpec, usage: in.KeyUsage, description: in.Description, created: r.config.Now(), state: enabled,
		tags: map[string]string{}}
	for _, t := range in.Tags {
		if !tagText.MatchString(t.TagKey) || !tagText.MatchString(t.TagValue) || t.TagKey == "" ||
			len(t.TagKey) > 128 || len(t.TagValue) > 256 {
			return out, refuse("TagException", "the tag %q=%q is not valid", t.TagKey, t.TagValue)
		}
		k.tags[t.TagKey] = t.TagValue
		values["aws:RequestTag/"+t.TagKey] = []string{t.TagValue}
		values["aws:TagKeys"] = append(values["aws:TagKeys"], t.TagKey)
	}
	if err := r.allowAccount("*", values); err != nil {
		return out, err
	}
	if in.Origin != "AWS_KMS" {
		return out, refuse("UnsupportedOperationException", "origin %s", in.Origin)
	}
	switch {
	case in.KeySpec == symmetric && in.KeyUsage == encryptDecrypt:
		k.secret = make([]byte, 32)
		if _, err := io.ReadFull(r.config.Rand, k.secret); err != nil {
			return out, err
		}
	case in.KeySpec != symmetric && in.KeyUsage == signVerify:
		if k.private, err = r.pair(in.KeySpec); err != nil {
			return out, err
		}
	case in.KeyUsage == encryptDecrypt && strings.HasPrefix(in.KeySpec, "RSA_"):
		if k.private, err = r.pair(in.KeySpec); err != nil {
			return out, err
		}
	default:
		return out, refuse("ValidationException", "KeyUsage %q does not fit KeySpec %q", in.KeyUsage, in.KeySpec)
	}
	if k.policy, err = r.keyPolicy(in); err != nil {
		return out, err
	}
	if k.id, err = r.uuid(); err != nil {
		return out, err
	}
	k.arn = fmt.Sprintf("arn:%s:kms:%s:%s:key/%s", r.config.Partition, r.config.Region, r.config.Account, k.id)
	r.keys[k.id], r.told.KeyID = k, k.arn
	return metadataOutput{r.metadata(k)}, nil
}

// keyPolicy reads the policy of a new key; without one it gets the default key policy, which leaves everything to the
// identity-based policies. A policy that locks its maker out is refused (CreateKey, parameter Policy).
func (r *request) keyPolicy(in createKeyInput) (policy, error) {
	text := in.Policy
	if text == "" {
		text = fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",`+
			`"Principal":{"AWS":%q},"Action":"kms:*","Resource":"*"}]}`, r.config.root())
	}
	p, err := parsePolicy(text)
	if err != nil {
		return p, refuse("MalformedPolicyDocumentException", "%v", err)
	}
	for _, st := range p.Statement {
		if st.Principal == nil {
			return p, refuse("MalformedPolicyDocumentException", "statement %q of a key policy names no principal", st.Sid)
		}
	}
	q := asked{action: "kms:PutKeyPolicy", resource: "*"}
	if !in.BypassPolicyLockoutSafetyCheck && p.says(q, r.caller.ARN) != allows && p.says(q, r.config.root()) != allows {
		return p, refuse("MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	}
	return p, nil
}

func (s *Server) uuid() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.config.Rand, b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

func (s *Server) metadata(k *kmsKey) keyMetadata {
	m := keyMetadata{
		AWSAccountId: s.config.Account, KeyId: k.id, Arn: k.arn, Description: k.description, KeySpec: k.spec,
		CustomerMasterKeySpec: k.spec, KeyUsage: k.usage, KeyState: k.state, KeyManager: "CUSTOMER", Origin: "AWS_KMS",
		CreationDate: epoch(k.created), Enabled: k.state == enabled,
	}
	if k.usage == signVerify {
		m.SigningAlgorithms = slices.Sorted(maps.Keys(signingAlgorithms(k.spec)))
	} else if k.spec == symmetric {
		m.EncryptionAlgorithms = []string{symmetric}
	}
	if k.state == pendingDeletion {
		m.DeletionDate = epoch(k.deletion)
	}
	return m
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// find resolves a key identifier, key ARN, alias name or alias ARN.
func (r *request) find(name string) (*kmsKey, error) {
	prefix := fmt.Sprintf("arn:%s:kms:%s:%s:", r.config.Partition, r.config.Region, r.config.Account)
	rest, isARN := strings.CutPrefix(name, prefix)
	switch {
	case name == "":
		return nil, refuse("ValidationException", "KeyId is required")
	case strings.HasPrefix(name, "arn:") && !isARN:
		return nil, refuse("NotFoundException", "Invalid arn %s", name)
	case isARN && strings.HasPrefix(rest, "key/"):
		rest = strings.TrimPrefix(rest, "key/")
	case strings.HasPrefix(rest, "alias/"):
		a, ok := r.aliases[rest]
		if !ok {
			return nil, refuse("NotFoundException", "Alias %s%s is not found.", prefix, rest)
		}
		rest = a.target
	}
	k, ok := r.keys[rest]
	if !ok {
		return nil, refuse("NotFoundException", "Key '%skey/%s' does not exist", prefix, rest)
	}
	r.told.KeyID = k.arn
	return k, nil
}

// use finds a key for an operation that needs it enabled: found, allowed, in state, of usage (Developer Guide, "Key states
// of AWS KMS keys").
func (r *request) use(name, usage string, values map[string][]string) (*kmsKey, error) {
	k, err := r.find(name)
	if err != nil {
		return nil, err
	}
	return k, r.may(k, usage, values)
}

func (r *request) may(k *kmsKey, usage string, values map[string][]string) error {
	if err := r.allow(k, values); err != nil {
		return err
	}
	switch k.state {
	case disabled:
		return refuse("DisabledException", "%s is disabled.", k.arn)
	case pendingDeletion:
		return refuse("KMSInvalidStateException", "%s is pending deletion.", k.arn)
	}
	if usage != "" && k.usage != usage {
		return refuse("InvalidKeyUsageException", "%s key usage is %s which is not valid for %s.", k.arn, k.usage, r.operation)
	}
	return nil
}

type keyInput struct{ KeyId string }

type nothing struct{}

func describeKey(r *request, in keyInput) (out metadataOutput, err error) {
	k, err := r.find(in.KeyId)
	if err != nil {
		return out, err
	}
	if err := r.allow(k, nil); err != nil {
		return out, err
	}
	return metadataOutput{r.metadata(k)}, nil
}

type publicKeyOutput struct {
	KeyId, KeySpec, CustomerMasterKeySpec, KeyUsage string
	PublicKey                                       []byte
	SigningAlgorithms                               []string
}

// getPublicKey works on asymmetric keys; a disabled key gives its public key no more.
func getPublicKey(r *request, in keyInput) (out publicKeyOutput, err error) {
	k, err := r.use(in.KeyId, "", nil)
	if err != nil {
		return out, err
	}
	if k.private == nil {
		return out, refuse("UnsupportedOperationException", "%s is not an asymmetric key", k.arn)
	}
	spki, err := sm.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		return out, err
	}
	return publicKeyOutput{KeyId: k.arn, KeySpec: k.spec, CustomerMasterKeySpec: k.spec, KeyUsage: k.usage, PublicKey: spki,
		SigningAlgorithms: r.metadata(k).SigningAlgorithms}, nil
}

func enableKey(r *request, in keyInput) (nothing, error)  { return r.setState(in, enabled) }
func disableKey(r *request, in keyInput) (nothing, error) { return r.setState(in, disabled) }

func (r *request) setState(in keyInput, state string) (nothing, error) {
	k, err := r.find(in.KeyId)
	if err != nil {
		return nothing{}, err
	}
	if err := r.allow(k, nil); err != nil {
		return nothing{}, err
	}
	if k.state == pendingDeletion {
		return nothing{}, refuse("KMSInvalidStateException", "%s is pending deletion.", k.arn)
	}
	k.state = state
	return nothing{}, nil
}

type tagsOutput struct {
	Tags      []tag
	Truncated bool
}

func listResourceTags(r *request, in keyInput) (out tagsOutput, err error) {
	k, err := r.find(in.KeyId)
	if err != nil {
		return out, err
	}
	if err := r.allow(k, nil); err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(k.tags)) {
		out.Tags = append(out.Tags, tag{name, k.tags[name]})
	}
	return out, nil
}

type deletionInput struct {
	KeyId               string
	PendingWindowInDays *int
}

type deletionOutput struct {
	KeyId, KeyState     string
	DeletionDate        float64 `json:",omitempty"`
	PendingWindowInDays int     `json:",omitempty"`
}

// scheduleKeyDeletion waits 30 days, or the 7 to 30 that are asked for.
func scheduleKeyDeletion(r *request, in deletionInput) (out deletionOutput, err error) {
	k, err := r.find(in.KeyId)
	if err != nil {
		return out, err
	}
	if err := r.allow(k, nil); err != nil {
		return out, err
	}
	days := 30
	if in.PendingWindowInDays != nil {
		days = *in.PendingWindowInDays
	}
	if days < 7 || days > 30 {
		return out, refuse("ValidationException", "PendingWindowInDays is %d, not between 7 and 30", days)
	}
	if k.state == pendingDeletion {
		return out, refuse("KMSInvalidStateException", "%s is pending deletion.", k.arn)
	}
	k.state, k.deletion = pendingDeletion, r.config.Now().AddDate(0, 0, days)
	return deletionOutput{KeyId: k.arn, KeyState: k.state, DeletionDate: epoch(k.deletion), PendingWindowInDays: days}, nil
}

// cancelKeyDeletion leaves the key disabled.
func cancelKeyDeletion(r *request, in keyInput) (out deletionOutput, err error) {
	k, err := r.find(in.KeyId)
	if err != nil {
		return out, err
	}
	if err := r.allow(k, nil); err != nil {
		return out, err
	}
	if k.state != pendingDeletion {
		return out, refuse("KMSInvalidStateException", "%s is not pending deletion.", k.arn)
	}
	k.state = disabled
	return deletionOutput{KeyId: k.arn}, nil
}
