package kmstest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/yinxin/yinxin/shared/sm"
)

const (
	everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`
	adminARN   = "arn:aws:iam::111122223333:role/admin"
	stampARN   = "arn:aws:iam::111122223333:role/seal-stamp"
)

// world is a server and the ways to ask it.
type world struct {
	*Server
	url string
}

func start(t *testing.T, change func(*Config)) world {
	t.Helper()
	c := Config{Rand: rand.Reader, Callers: map[string]Caller{
		"ADMIN": {Secret: "admin-secret", ARN: adminARN, Policy: everything},
		"STAMP": {Secret: "stamp-secret", Token: "session", ARN: stampARN},
	}}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return world{s, h.URL}
}

func china(c *Config) { c.Partition = "aws-cn" }

// as is a client of the SDK for a caller; it asks once and never again.
func (w world) as(id, secret, token string) *kms.Client {
	return kms.New(kms.Options{Region: w.config.Region, BaseEndpoint: &w.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token)})
}

func (w world) admin() *kms.Client { return w.as("ADMIN", "admin-secret", "") }
func (w world) stamp() *kms.Client { return w.as("STAMP", "stamp-secret", "session") }

func (w world) key(t *testing.T, in kms.CreateKeyInput) string {
	t.Helper()
	out, err := w.admin().CreateKey(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

func (w world) signingKey(t *testing.T, spec types.KeySpec) string {
	return w.key(t, kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify})
}

// code is that of a refusal, "" for none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func want(t *testing.T, what string, err error, refusal string) {
	t.Helper()
	if got := code(err); got != refusal {
		t.Errorf("%s: %q, want %q", what, got, refusal)
	}
}

// changing alters requests on their way, after the SDK has signed them.
type changing func(*http.Request)

func (c changing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	c(r)
	return http.DefaultTransport.RoundTrip(r)
}

func TestOnlyRequestsOfTheSDKAsItSignedThemAreServed(t *testing.T) {
	w := start(t, nil)
	ask := func(c *kms.Client, change func(*http.Request)) error {
		_, err := c.ListAliases(t.Context(), &kms.ListAliasesInput{}, func(o *kms.Options) {
			if change != nil {
				o.HTTPClient = &http.Client{Transport: changing(change)}
			}
		})
		return err
	}
	want(t, "as signed", ask(w.admin(), nil), "")
	want(t, "another secret", ask(w.as("ADMIN", "guess", ""), nil), "InvalidSignatureException")
	want(t, "nobody", ask(w.as("NOBODY", "admin-secret", ""), nil), "UnrecognizedClientException")
	want(t, "another session", ask(w.as("STAMP", "stamp-secret", "other"), nil), "UnrecognizedClientException")
	for name, change := range map[string]func(*http.Request){
		"another body": func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`{"Limit":1}`)), 11
			r.GetBody = nil
		},
		"another operation": func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.CreateKey") },
		"another host":      func(r *http.Request) { r.Host = "kms.example" },
		"an unsigned header": func(r *http.Request) {
			r.Header.Set("X-Amz-Extra", "1")
		},
	} {
		want(t, name, ask(w.admin(), change), "InvalidSignatureException")
	}
	want(t, "no signature", ask(w.admin(), func(r *http.Request) { r.Header.Del("Authorization") }), "MissingAuthenticationTokenException")
	late := start(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(6 * time.Minute) } })
	_, err := late.admin().ListAliases(t.Context(), &kms.ListAliasesInput{})
	want(t, "six minutes old", err, "InvalidSignatureException")
	elsewhere := w.admin()
	_, err = elsewhere.ListAliases(t.Context(), &kms.ListAliasesInput{}, func(o *kms.Options) { o.Region = "eu-west-1" })
	want(t, "another region", err, "InvalidSignatureException")
}

func TestEverySignatureIsGoodUnderTheKeyThatIsPublished(t *testing.T) {
	w := start(t, china)
	message := []byte("印信")
	sum := sha256.Sum256(message)
	for spec, check := range map[types.KeySpec]func(pub crypto.PublicKey, sig []byte) bool{
		types.KeySpecEccNistP256: func(pub crypto.PublicKey, sig []byte) bool {
			return ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), sum[:], sig)
		},
		types.KeySpecRsa2048: func(pub crypto.PublicKey, sig []byte) bool {
			return rsa.VerifyPSS(pub.(*rsa.PublicKey), crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: 32}) == nil
		},
		types.KeySpecEccNistEdwards25519: func(pub crypto.PublicKey, sig []byte) bool {
			return ed25519.Verify(pub.(ed25519.PublicKey), message, sig)
		},
		types.KeySpecSm2: func(pub crypto.PublicKey, sig []byte) bool {
			return sm.Verify(pub.(*ecdsa.PublicKey), message, sig)
		},
	} {
		arn := w.signingKey(t, spec)
		published, err := w.admin().GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &arn})
		if err != nil {
			t.Fatal(err)
		}
		if published.KeySpec != spec || published.KeyUsage != types.KeyUsageTypeSignVerify || *published.KeyId != arn {
			t.Errorf("%s: published as %s %s", spec, published.KeySpec, published.KeyUsage)
		}
		pub, err := sm.ParsePKIXPublicKey(published.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		algorithm := map[types.KeySpec]types.SigningAlgorithmSpec{
			types.KeySpecEccNistP256: types.SigningAlgorithmSpecEcdsaSha256, types.KeySpecRsa2048: types.SigningAlgorithmSpecRsassaPssSha256,
			types.KeySpecEccNistEdwards25519: types.SigningAlgorithmSpecEd25519Sha512, types.KeySpecSm2: types.SigningAlgorithmSpecSm2dsa,
		}[spec]
		digests := map[types.KeySpec][]byte{types.KeySpecEccNistP256: sum[:], types.KeySpecRsa2048: sum[:]}
		if spec == types.KeySpecSm2 {
			if digests[spec], err = sm.Digest(pub.(*ecdsa.PublicKey), message); err != nil {
				t.Fatal(err)
			}
		}
		inputs := []kms.SignInput{{Message: message}, {Message: message, MessageType: types.MessageTypeRaw}}
		if d := digests[spec]; d != nil {
			inputs = append(inputs, kms.SignInput{Message: d, MessageType: types.MessageTypeDigest})
		}
		for _, in := range inputs {
			in.KeyId, in.SigningAlgorithm = &arn, algorithm
			out, err := w.admin().Sign(t.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			if !check(pub, out.Signature) || *out.KeyId != arn || out.SigningAlgorithm != algorithm {
				t.Errorf("%s %s: the signature is not good", spec, in.MessageType)
			}
			v := kms.VerifyInput{KeyId: &arn, Message: in.Message, MessageType: in.MessageType, SigningAlgorithm: algorithm, Signature: out.Signature}
			if ok, err := w.admin().Verify(t.Context(), &v); err != nil || !ok.SignatureValid {
				t.Errorf("%s %s: Verify = %v", spec, in.MessageType, err)
			}
			v.Signature = bytes.Clone(out.Signature)
			v.Signature[len(v.Signature)-1] ^= 1
			_, err = w.admin().Verify(t.Context(), &v)
			want(t, "Verify of another signature", err, "KMSInvalidSignatureException")
		}
	}
}

// TestOpenSSLAgreesAboutSM2 has the judge that the Developer Guide names ("AWS KMS confirmed this behavior in testing with
// OpenSSL version 3.0") check a signature over the digest that contains Z.
func TestOpenSSLAgreesAboutSM2(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs openssl")
		}
		t.Skip("needs openssl")
	}
	w := start(t, china)
	arn := w.signingKey(t, types.KeySpecSm2)
	published, err := w.admin().GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &arn})
	if err != nil {
		t.Fatal(err)
	}
	pub, err := sm.ParsePKIXPublicKey(published.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("a message longer than a digest, 印信")
	e, err := sm.Digest(pub.(*ecdsa.PublicKey), message)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.admin().Sign(t.Context(), &kms.SignInput{KeyId: &arn, Message: e, MessageType: types.MessageTypeDigest,
		SigningAlgorithm: types.SigningAlgorithmSpecSm2dsa})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"pub.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: published.PublicKey}), "m": message, "s": out.Signature,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-in", "m", "-rawin", "-digest", "sm3",
		"-sigfile", "s", "-pkeyopt", "distid:"+sm.DefaultID)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("openssl: %v: %s", err, text)
	}
}

func TestSignRefusesWhatTheReferenceForbids(t *testing.T) {
	w := start(t, china)
	ec, ed := w.signingKey(t, types.KeySpecEccNistP256), w.signingKey(t, types.KeySpecEccNistEdwards25519)
	sm2, aes := w.signingKey(t, types.KeySpecSm2), w.key(t, kms.CreateKeyInput{})
	for name, c := range map[string]struct {
		key     string
		size    int
		kind    types.MessageType
		alg     types.SigningAlgorithmSpec
		refusal string
	}{
		"4096 bytes":               {ec, 4096, "RAW", "ECDSA_SHA_256", ""},
		"4097 bytes":               {ec, 4097, "RAW", "ECDSA_SHA_256", "ValidationException"},
		"an empty message":         {ec, 0, "RAW", "ECDSA_SHA_256", "ValidationException"},
		"a short digest":           {ec, 31, "DIGEST", "ECDSA_SHA_256", "ValidationException"},
		"a long digest":            {ec, 33, "DIGEST", "ECDSA_SHA_256", "ValidationException"},
		"a digest":                 {ec, 32, "DIGEST", "ECDSA_SHA_256", ""},
		"an external mu":           {ec, 64, "EXTERNAL_MU", "ECDSA_SHA_256", "ValidationException"},
		"no message type":          {ec, 32, "HASH", "ECDSA_SHA_256", "ValidationException"},
		"an algorithm of RSA":      {ec, 32, "DIGEST", "RSASSA_PSS_SHA_256", "InvalidKeyUsageException"},
		"an algorithm of SM2":      {ec, 32, "DIGEST", "SM2DSA", "InvalidKeyUsageException"},
		"a digest for Ed25519":     {ed, 64, "DIGEST", "ED25519_SHA_512", "ValidationException"},
		"a message for Ed25519ph":  {ed, 64, "RAW", "ED25519_PH_SHA_512", "ValidationException"},
		"a digest for Ed25519ph":   {ed, 64, "DIGEST", "ED25519_PH_SHA_512", ""},
		"a digest of SM2":          {sm2, 32, "DIGEST", "SM2DSA", ""},
		"a long digest of SM2":     {sm2, 64, "DIGEST", "SM2DSA", "ValidationException"},
		"an encryption key":        {aes, 32, "DIGEST", "ECDSA_SHA_256", "InvalidKeyUsageException"},
		"a key that never was":     {"alias/none", 32, "RAW", "ECDSA_SHA_256", "NotFoundException"},
		"a key of another account": {strings.Replace(ec, "111122223333", "444455556666", 1), 32, "RAW", "ECDSA_SHA_256", "NotFoundException"},
	} {
		_, err := w.admin().Sign(t.Context(), &kms.SignInput{KeyId: &c.key, Message: make([]byte, c.size), MessageType: c.kind, SigningAlgorithm: c.alg})
		want(t, name, err, c.refusal)
	}
	_, err := w.admin().Sign(t.Context(), &kms.SignInput{KeyId: &ec, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256", DryRun: aws.Bool(true)})
	want(t, "a dry run", err, "DryRunOperationException")
	_, err = w.admin().Sign(t.Context(), &kms.SignInput{KeyId: &ec, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256", GrantTokens: []string{"g"}})
	want(t, "a parameter that is not known here", err, "SerializationException")
	_, err = start(t, nil).admin().CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecSm2, KeyUsage: types.KeyUsageTypeSignVerify})
	want(t, "SM2 outside China", err, "UnsupportedOperationException")
}

func TestOnlyTheSameContextDecrypts(t *testing.T) {
	w := start(t, nil)
	c, arn, other := w.admin(), w.key(t, kms.CreateKeyInput{}), w.key(t, kms.CreateKeyInput{})
	context := map[string]string{"purpose": "seal", "owner": "1"}
	sealed, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &arn, Plaintext: []byte("secret"), EncryptionContext: context})
	if err != nil {
		t.Fatal(err)
	}
	open := func(key *string, blob []byte, context map[string]string) (string, error) {
		out, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: key, CiphertextBlob: blob, EncryptionContext: context})
		if err != nil {
			return "", err
		}
		return string(out.Plaintext), nil
	}
	for _, key := range []*string{nil, &arn} {
		if text, err := open(key, sealed.CiphertextBlob, maps.Clone(context)); text != "secret" {
			t.Errorf("Decrypt = %q, %v", text, err)
		}
	}
	for name, context := range map[string]map[string]string{
		"none": nil, "another value": {"purpose": "seal", "owner": "2"}, "one more": {"purpose": "seal", "owner": "1", "x": ""},
		"one less": {"purpose": "seal"}, "swapped": {"purpose": "1", "owner": "seal"}, "joined": {"purpose": "sealowner1"},
		"another case": {"Purpose": "seal", "owner": "1"},
	} {
		_, err := open(&arn, sealed.CiphertextBlob, context)
		want(t, name, err, "InvalidCiphertextException")
	}
	for i := range sealed.CiphertextBlob {
		blob := bytes.Clone(sealed.CiphertextBlob)
		blob[i] ^= 1
		if _, err := open(nil, blob, context); code(err) != "InvalidCiphertextException" {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	_, err = open(&other, sealed.CiphertextBlob, context)
	want(t, "another key", err, "IncorrectKeyException")
	for size, refusal := range map[int]string{0: "ValidationException", 1: "", 4096: "", 4097: "ValidationException"} {
		_, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &arn, Plaintext: make([]byte, size)})
		want(t, "Encrypt", err, refusal)
	}
}

func TestDataKeysOpenToWhatWasGiven(t *testing.T) {
	w := start(t, china)
	c, arn := w.admin(), w.key(t, kms.CreateKeyInput{})
	context := map[string]string{"purpose": "token"}
	decrypted := func(blob []byte) []byte {
		out, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context})
		if err != nil {
			t.Fatal(err)
		}
		return out.Plaintext
	}
	key, err := c.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: context})
	if err != nil || len(key.Plaintext) != 32 || !bytes.Equal(decrypted(key.CiphertextBlob), key.Plaintext) {
		t.Errorf("GenerateDataKey: %v", err)
	}
	blind, err := c.GenerateDataKeyWithoutPlaintext(t.Context(), &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &arn,
		NumberOfBytes: aws.Int32(48), EncryptionContext: context})
	if err != nil || len(decrypted(blind.CiphertextBlob)) != 48 {
		t.Errorf("GenerateDataKeyWithoutPlaintext: %v", err)
	}
	for _, spec := range []types.DataKeyPairSpec{"ECC_NIST_P256", "ECC_NIST_EDWARDS25519", "SM2", "RSA_2048"} {
		shown, err := c.GenerateDataKeyPair(t.Context(), &kms.GenerateDataKeyPairInput{KeyId: &arn, KeyPairSpec: spec, EncryptionContext: context})
		if err != nil || !bytes.Equal(decrypted(shown.PrivateKeyCiphertextBlob), shown.PrivateKeyPlaintext) {
			t.Fatalf("GenerateDataKeyPair: %v", err)
		}
		hidden, err := c.GenerateDataKeyPairWithoutPlaintext(t.Context(),
			&kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &arn, KeyPairSpec: spec, EncryptionContext: context})
		if err != nil {
			t.Fatal(err)
		}
		for blob, public := range map[*[]byte][]byte{&shown.PrivateKeyCiphertextBlob: shown.PublicKey, &hidden.PrivateKeyCiphertextBlob: hidden.PublicKey} {
			private, err := sm.ParsePKCS8PrivateKey(decrypted(*blob))
			if err != nil {
				t.Fatal(err)
			}
			if spki, err := sm.MarshalPKIXPublicKey(private.(crypto.Signer).Public()); err != nil || !bytes.Equal(spki, public) {
				t.Errorf("%s: the halves do not belong together", spec)
			}
		}
		if spec == "ECC_NIST_P256" {
			if _, err := x509.ParsePKCS8PrivateKey(shown.PrivateKeyPlaintext); err != nil {
				t.Errorf("the standard library: %v", err)
			}
		}
	}
	signing := w.signingKey(t, types.KeySpecEccNistP256)
	_, err = c.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &signing, KeySpec: types.DataKeySpecAes256})
	want(t, "a signing key", err, "InvalidKeyUsageException")
	_, err = start(t, nil).admin().GenerateDataKeyPair(t.Context(), &kms.GenerateDataKeyPairInput{KeyId: aws.String("alias/none"), KeyPairSpec: "SM2"})
	want(t, "no key", err, "NotFoundException")
}

func TestKeyStatesDecideWhatWorks(t *testing.T) {
	w := start(t, nil)
	c, arn := w.admin(), w.signingKey(t, types.KeySpecEccNistP256)
	sign := func() error {
		_, err := c.Sign(t.Context(), &kms.SignInput{KeyId: &arn, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
		return err
	}
	public := func() error {
		_, err := c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &arn})
		return err
	}
	state := func() types.KeyState {
		out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &arn})
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyMetadata.KeyState
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want(t, "enabled", sign(), "")
	_, err := c.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &arn})
	do(err)
	want(t, "Sign when disabled", sign(), "DisabledException")
	want(t, "GetPublicKey when disabled", public(), "DisabledException")
	_, err = c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &arn})
	do(err)
	want(t, "enabled again", sign(), "")
	_, err = c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(6)})
	want(t, "six days", err, "ValidationException")
	out, err := c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(7)})
	do(err)
	if out.KeyState != types.KeyStatePendingDeletion || out.DeletionDate == nil || state() != types.KeyStatePendingDeletion {
		t.Errorf("scheduled: %+v", out)
	}
	want(t, "Sign when pending deletion", sign(), "KMSInvalidStateException")
	want(t, "GetPublicKey when pending deletion", public(), "KMSInvalidStateException")
	_, err = c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &arn})
	want(t, "EnableKey when pending deletion", err, "KMSInvalidStateException")
	_, err = c.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &arn})
	do(err)
	if state() != types.KeyStateDisabled {
		t.Errorf("after the cancellation: %s", state())
	}
}

func TestAnAliasIsAKeyByName(t *testing.T) {
	w := start(t, nil)
	c, first, second := w.admin(), w.signingKey(t, types.KeySpecEccNistP256), w.signingKey(t, types.KeySpecEccNistP256)
	name := aws.String("alias/yinxin/receipt")
	keyOf := func(id string) string {
		out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			return code(err)
		}
		return *out.KeyMetadata.Arn
	}
	if got := keyOf(*name); got != "NotFoundException" {
		t.Errorf("before it is made: %s", got)
	}
	if _, err := c.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: name, TargetKeyId: &first}); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: name, TargetKeyId: &second})
	want(t, "a second of the name", err, "AlreadyExistsException")
	for _, id := range []string{*name, "arn:aws:kms:us-east-1:111122223333:" + *name, first, first[strings.LastIndex(first, "/")+1:]} {
		if got := keyOf(id); got != first {
			t.Errorf("%s is %s", id, got)
		}
	}
	if _, err := c.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: name, TargetKeyId: &second}); err != nil || keyOf(*name) != second {
		t.Errorf("UpdateAlias: %v", err)
	}
	list, err := c.ListAliases(t.Context(), &kms.ListAliasesInput{KeyId: &second})
	if err != nil || len(list.Aliases) != 1 || *list.Aliases[0].AliasName != *name {
		t.Errorf("ListAliases: %v", err)
	}
	_, err = c.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("receipt"), TargetKeyId: &first})
	want(t, "no alias name", err, "InvalidAliasNameException")
	if _, err := c.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: name}); err != nil || keyOf(*name) != "NotFoundException" {
		t.Errorf("DeleteAlias: %v", err)
	}
}

func TestFaultsHappenAsOftenAsInjected(t *testing.T) {
	w := start(t, nil)
	arn := w.signingKey(t, types.KeySpecEccNistP256)
	sign := func(ctx context.Context) (*kms.SignOutput, error) {
		return w.admin().Sign(ctx, &kms.SignInput{KeyId: &arn, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
	}
	w.Inject(Fault{Operation: "Sign", Times: 2, Refusal: Throttling()})
	w.Inject(Fault{Operation: "Sign", Refusal: Internal()})
	for _, refusal := range []string{"ThrottlingException", "ThrottlingException", "KMSInternalException", ""} {
		_, err := sign(t.Context())
		want(t, "Sign", err, refusal)
	}
	w.Inject(Fault{Operation: "Sign", Lost: true})
	before := w.Count("Sign")
	if _, err := sign(t.Context()); err == nil || w.Count("Sign") != before+1 || w.Calls()[len(w.Calls())-1].Error != "" {
		t.Errorf("a lost answer: %v", err)
	}
	w.Inject(Fault{Operation: "Sign", Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := sign(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a service that hangs: %v", err)
	}
	w.Inject(Fault{Operation: "Sign", Spoil: true})
	out, err := sign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.admin().Verify(t.Context(), &kms.VerifyInput{KeyId: &arn, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256", Signature: out.Signature})
	want(t, "a spoiled signature", err, "KMSInvalidSignatureException")
}
