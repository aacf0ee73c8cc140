package aws

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/yinxin/yinxin/infra/aws/kmstest"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
)

func custodies(h *keyHouse) map[string]Custody {
	return map[string]Custody{"wrapped": h.wrapped(), "blind": h.blind(), "resident": resident}
}

func TestKeysKeepTheContract(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range custodies(h) {
		t.Run(name, func(t *testing.T) {
			keytest.Keys(t, func(t *testing.T) keytest.Store {
				h.freshItems(t)
				return h.keys(t, "ADMIN", h.db(t, nil), c)
			})
		})
	}
}

func TestOfManyProcessesOneMakesTheKey(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range custodies(h) {
		t.Run(name, func(t *testing.T) {
			h.freshItems(t)
			created, deleted := h.Count("CreateKey"), h.Count("ScheduleKeyDeletion")
			const processes = 50
			ids := make([]string, processes)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range processes {
				k := h.keys(t, "ADMIN", h.db(t, nil), c)
				wg.Add(1)
				go func() {
					defer wg.Done()
					<-start
					s, err := k.MakeKey(t.Context(), key.Seal, "one", key.SM2SM3)
					if err != nil {
						t.Errorf("MakeKey: %v", err)
						return
					}
					ids[i] = s.KeyID()
				}()
			}
			close(start)
			wg.Wait()
			if t.Failed() {
				return
			}
			for _, id := range ids[1:] {
				if id != ids[0] {
					t.Fatal("two processes have different keys")
				}
			}
			s, err := h.keys(t, "ADMIN", h.db(t, nil), c).OpenKey(t.Context(), key.Seal, "one")
			if err != nil || s.KeyID() != ids[0] {
				t.Fatalf("afterwards: %v", err)
			}
			if _, err := key.Sign(t.Context(), s, []byte("印")); err != nil {
				t.Errorf("the key that won does not sign: %v", err)
			}
			if created, deleted := h.Count("CreateKey")-created, h.Count("ScheduleKeyDeletion")-deleted; created > 0 && deleted != created-1 {
				t.Errorf("of %d KMS keys %d were let go, want all but one", created, deleted)
			}
		})
	}
}

func mustMake(t *testing.T, k *Keys, purpose key.Purpose, owner string, alg key.Algorithm) key.Signer {
	t.Helper()
	s, err := k.MakeKey(t.Context(), purpose, owner, alg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSign(t *testing.T, k *Keys, purpose key.Purpose, owner string) {
	t.Helper()
	s, err := k.OpenKey(t.Context(), purpose, owner)
	if err == nil {
		_, err = key.Sign(t.Context(), s, []byte("印"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPrivateKeyIsDecryptedOnceWhileItIsFresh(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range map[string]Custody{"wrapped": h.wrapped(), "blind": h.blind()} {
		mustMake(t, h.keys(t, "ADMIN", h.db(t, nil), c), key.Seal, name, key.SM2SM3)
		k, before := h.keys(t, "ADMIN", h.db(t, nil), c), h.Count("Decrypt")
		for _, step := range []struct {
			pass  time.Duration
			count int
		}{{0, 1}, {0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {time.Second, 2}, {time.Hour, 3}} {
			h.pass(step.pass)
			mustSign(t, k, key.Seal, name)
			if got := h.Count("Decrypt") - before; got != step.count {
				t.Errorf("%s, %v later: decrypted %d times, want %d", name, step.pass, got, step.count)
			}
		}
	}
	maker := h.keys(t, "ADMIN", h.db(t, nil), h.wrapped())
	mustMake(t, maker, key.Seal, "of the maker", key.ES256)
	before := h.Count("Decrypt")
	mustSign(t, maker, key.Seal, "of the maker")
	if got := h.Count("Decrypt"); got != before {
		t.Errorf("the maker of a wrapped key decrypted it %d times", got-before)
	}
}

func TestEveryAlgorithmSignsInEveryCustody(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range custodies(h) {
		k := h.keys(t, "ADMIN", h.db(t, nil), c)
		for _, alg := range []key.Algorithm{key.ES256, key.EdDSA, key.SM2SM3, key.PS256} {
			mustMake(t, k, key.Receipt, name+string(alg), alg)
			mustSign(t, h.keys(t, "ADMIN", h.db(t, nil), c), key.Receipt, name+string(alg))
		}
	}
	for _, c := range h.Calls() {
		if c.Error != "" {
			t.Errorf("%s was refused: %s", c.Operation, c.Error)
		}
		if c.Operation == "Decrypt" || c.Operation == "Encrypt" {
			if want := "receipt"; c.Context["purpose"] != want || c.Context["owner"] == "" || len(c.Context) != 2 {
				t.Errorf("%s with the context %v", c.Operation, c.Context)
			}
		}
	}
}

func TestACiphertextOpensForItsPurposeAndOwnerOnly(t *testing.T) {
	h := newKeyHouse(t, "")
	db := h.db(t, nil)
	k := h.keys(t, "ADMIN", db, h.wrapped())
	mustMake(t, k, key.Seal, "a", key.SM2SM3)
	for _, to := range []ringName{{key.Seal, "b"}, {key.SealMaker, "a"}} {
		ring, err := db.readRing(t.Context(), ringName{key.Seal, "a"})
		if err != nil {
			t.Fatal(err)
		}
		ring.Purpose, ring.Owner = to.purpose, to.owner
		if _, won, err := db.createRing(t.Context(), ring); err != nil || !won {
			t.Fatal(err)
		}
		s, err := k.OpenKey(t.Context(), to.purpose, to.owner)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := key.Sign(t.Context(), s, []byte("印")); refusal(err) != "InvalidCiphertextException" {
			t.Errorf("a ciphertext moved to %v: %v", to, err)
		}
	}
}

// refusal is the code with which AWS refused, or "".
func refusal(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestAnItemThatWasChangedOpensNoKey(t *testing.T) {
	h := newKeyHouse(t, "")
	db := h.db(t, nil)
	k := h.keys(t, "ADMIN", db, h.wrapped())
	mustMake(t, k, key.Seal, "a", key.ES256)
	mustMake(t, k, key.Seal, "b", key.ES256)
	a, err := db.readRing(t.Context(), ringName{key.Seal, "a"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := db.readRing(t.Context(), ringName{key.Seal, "b"})
	if err != nil {
		t.Fatal(err)
	}
	// The public key of b beside the private key of a: both halves are real, but not of one key.
	mixed := a
	mixed.Owner = "mixed"
	mixed.Keys = []ringKey{b.Keys[0]}
	out, err := k.kms.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &h.wrapper, Plaintext: decrypted(t, k, a),
		EncryptionContext: ringName{key.Seal, "mixed"}.context()})
	if err != nil {
		t.Fatal(err)
	}
	mixed.Keys[0].sealed = out.CiphertextBlob
	if _, _, err := db.createRing(t.Context(), mixed); err != nil {
		t.Fatal(err)
	}
	s, err := k.OpenKey(t.Context(), key.Seal, "mixed")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SignDigest(t.Context(), make([]byte, 32)); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("halves of two keys: %v", err)
	}
	// A body that says it is another's, and a key under the name of another.
	for name, change := range map[string]func(*keyRing){
		"another owner":   func(r *keyRing) { r.Owner = "b" },
		"another purpose": func(r *keyRing) { r.Purpose = key.Token },
		"another name":    func(r *keyRing) { r.Keys[0].ID = b.Keys[0].ID },
		"no public key":   func(r *keyRing) { r.Keys[0].PublicKey = nil },
	} {
		ring := a
		ring.Keys = append([]ringKey{}, a.Keys...)
		change(&ring)
		it, err := ringItem(ring)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ringOf(it, ringName{key.Seal, "a"}); err == nil {
			t.Errorf("%s: the item was taken", name)
		}
	}
}

func decrypted(t *testing.T, k *Keys, r keyRing) []byte {
	t.Helper()
	out, err := k.kms.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: r.Keys[0].sealed, EncryptionContext: ringName{r.Purpose, r.Owner}.context()})
	if err != nil {
		t.Fatal(err)
	}
	return out.Plaintext
}

// TestARoleSignsForItsPurposeOnly has the policy of the template: a role may decrypt under one purpose; the maker of
// blind keys may decrypt nothing.
func TestARoleSignsForItsPurposeOnly(t *testing.T) {
	h := newKeyHouse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:purpose":"token"}}},
		{"Effect":"Allow","Action":"kms:GenerateDataKeyPairWithoutPlaintext","Resource":"*",
		 "Condition":{"StringEquals":{"kms:EncryptionContext:purpose":"seal"}}}]}`)
	admin := h.keys(t, "ADMIN", h.db(t, nil), h.blind())
	mustMake(t, admin, key.Token, "", key.ES256)
	mustMake(t, admin, key.SealMaker, "m", key.SM2SM3)
	other := h.keys(t, "OTHER", h.db(t, nil), h.blind())
	mustSign(t, other, key.Token, "")
	s, err := other.OpenKey(t.Context(), key.SealMaker, "m")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(t.Context(), s, []byte("印")); refusal(err) != "AccessDeniedException" {
		t.Errorf("a role signed for another purpose: %v", err)
	}
	made := mustMake(t, other, key.Seal, "s", key.SM2SM3)
	if _, err := key.Sign(t.Context(), made, []byte("印")); refusal(err) != "AccessDeniedException" {
		t.Errorf("who made a blind key signed with it: %v", err)
	}
}

func TestARoleSignsWithKMSKeysOfItsPurposeOnly(t *testing.T) {
	h := newKeyHouse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Sign","Resource":"*",
		"Condition":{"StringEquals":{"aws:ResourceTag/yinxin:purpose":"licence-issuer"}}}]}`)
	admin, other := h.keys(t, "ADMIN", h.db(t, nil), resident), h.keys(t, "OTHER", h.db(t, nil), resident)
	mustMake(t, admin, key.LicenceIssuer, "agency", key.ES256)
	mustMake(t, admin, key.Seal, "s", key.SM2SM3)
	mustSign(t, other, key.LicenceIssuer, "agency")
	s, err := other.OpenKey(t.Context(), key.Seal, "s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign(t.Context(), s, []byte("印")); refusal(err) != "AccessDeniedException" {
		t.Errorf("a role signed for another purpose: %v", err)
	}
}

func TestAWarmKeySignsWithoutAskingKMSAgain(t *testing.T) {
	h := newKeyHouse(t, "")
	mustMake(t, h.keys(t, "ADMIN", h.db(t, nil), h.blind()), key.Token, "", key.ES256)
	k := h.keys(t, "ADMIN", h.db(t, nil), h.blind())
	if err := k.WarmKey(t.Context(), key.Token, ""); err != nil {
		t.Fatal(err)
	}
	before := len(h.Calls())
	mustSign(t, k, key.Token, "")
	if got := len(h.Calls()); got != before {
		t.Errorf("signing asked KMS %d times", got-before)
	}
	if err := k.WarmKey(t.Context(), key.Seal, "none"); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("a key that was never made: %v, want ErrUnknown", err)
	}
}

func TestAKeyThatWasKilledSignsNoMoreAfterTheReload(t *testing.T) {
	h := newKeyHouse(t, "")
	db := h.db(t, nil)
	k, tokens := h.keys(t, "ADMIN", db, h.blind()), OpenTokenKeys(db, time.Minute)
	if _, err := tokens.TokenKeys(t.Context()); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("before there is a key: %v", err)
	}
	made := mustMake(t, k, key.Token, "", key.ES256)
	if set, err := tokens.TokenKeys(t.Context()); err != nil || len(set.Keys) != 1 || set.Keys[0].KeyID != made.KeyID() ||
		set.Keys[0].Alg != key.ES256 || !reflect.DeepEqual(set.Keys[0].Public, made.Public()) {
		t.Fatalf("TokenKeys: %v", err)
	}
	ring, err := db.readRing(t.Context(), ringName{purpose: key.Token})
	if err != nil {
		t.Fatal(err)
	}
	ring.Keys[0].Until, ring.Keys[0].Gone = h.now(), h.now()
	if err := db.replaceRing(t.Context(), ring); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Minute)
	if _, err := k.OpenKey(t.Context(), key.Token, ""); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("OpenKey = %v, want ErrUnknown", err)
	}
	if _, err := k.MakeKey(t.Context(), key.Token, "", key.ES256); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("MakeKey = %v, want ErrUnknown: it must not bring back what was killed", err)
	}
	if _, err := tokens.TokenKeys(t.Context()); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("TokenKeys = %v, want ErrUnknown", err)
	}
}

func TestOfTwoWhoChangeARingOneDoes(t *testing.T) {
	h := newKeyHouse(t, "")
	db := h.db(t, nil)
	mustMake(t, h.keys(t, "ADMIN", db, h.blind()), key.Token, "", key.ES256)
	ring, err := db.readRing(t.Context(), ringName{purpose: key.Token})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.replaceRing(t.Context(), ring); err != nil {
		t.Fatal(err)
	}
	if err := db.replaceRing(t.Context(), ring); !errors.Is(err, key.ErrChanged) {
		t.Errorf("the second = %v, want key.ErrChanged", err)
	}
}

func TestAKeyOfTheTemplateIsGiven(t *testing.T) {
	h := newKeyHouse(t, "")
	admin := kms.NewFromConfig(h.config("ADMIN", h.url, nil))
	arn := h.makeKMSKey(t, kms.CreateKeyInput{KeySpec: types.KeySpecEccNistEdwards25519, KeyUsage: types.KeyUsageTypeSignVerify})
	if _, err := admin.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: sdk.String("alias/yinxin/log"), TargetKeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{arn, "alias/yinxin/log"} {
		k := h.keys(t, "ADMIN", h.db(t, nil), Custody{Given, name})
		mustSign(t, k, key.Receipt, "")
		if s, err := k.MakeKey(t.Context(), key.Receipt, "", key.EdDSA); err != nil || s.Algorithm() != key.EdDSA {
			t.Errorf("MakeKey of a given key: %v", err)
		}
		if _, err := k.MakeKey(t.Context(), key.Receipt, "", key.ES256); err == nil {
			t.Error("MakeKey of another algorithm returned a key")
		}
		if _, err := k.OpenKey(t.Context(), key.Receipt, "agency"); !errors.Is(err, key.ErrUnknown) {
			t.Errorf("OpenKey for an owner = %v, want ErrUnknown", err)
		}
		s, err := k.OpenKey(t.Context(), key.Receipt, "")
		if err != nil {
			t.Fatal(err)
		}
		before := h.Count("Sign")
		if _, err := s.SignDigest(t.Context(), make([]byte, 4097)); err == nil || h.Count("Sign") != before {
			t.Errorf("a message longer than KMS takes: %v", err)
		}
		if _, err := key.Sign(t.Context(), s, make([]byte, 4096)); err != nil {
			t.Errorf("the longest message: %v", err)
		}
	}
	if _, err := admin.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.keys(t, "ADMIN", h.db(t, nil), Custody{Given, arn}).OpenKey(t.Context(), key.Receipt, ""); refusal(err) != "DisabledException" {
		t.Errorf("a disabled key: %v", err)
	}
	if _, err := h.keys(t, "ADMIN", h.db(t, nil), Custody{Given, h.wrapper}).OpenKey(t.Context(), key.Receipt, ""); err == nil {
		t.Error("a key for encryption was taken to sign")
	}
}

func TestFaultsOfKMSAreTriedAgainOrReported(t *testing.T) {
	h := newKeyHouse(t, "")
	k := h.keys(t, "ADMIN", h.db(t, nil), resident)
	s := mustMake(t, k, key.Seal, "s", key.SM2SM3)
	for name, f := range map[string]kmstest.Fault{
		"throttling":        {Operation: "Sign", Times: 3, Refusal: kmstest.Throttling()},
		"an internal fault": {Operation: "Sign", Times: 2, Refusal: kmstest.Internal()},
		"a lost answer":     {Operation: "Sign", Lost: true},
	} {
		before := h.Count("Sign")
		h.Inject(f)
		if _, err := key.Sign(t.Context(), s, []byte("印")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, want := h.Count("Sign")-before, max(f.Times, 1)+1; got != want {
			t.Errorf("%s: asked %d times, want %d", name, got, want)
		}
	}
	h.Inject(kmstest.Fault{Operation: "Sign", Spoil: true})
	if signature, err := s.SignDigest(t.Context(), make([]byte, 32)); err == nil || signature != nil {
		t.Error("a spoiled signature left")
	}
	h.Inject(kmstest.Fault{Operation: "Sign", Times: 10, Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := key.Sign(ctx, s, []byte("印")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a service that hangs: %v", err)
	}
	// What is spoiled on the way in is found before it signs.
	wrapped := h.keys(t, "ADMIN", h.db(t, nil), h.wrapped())
	mustMake(t, wrapped, key.SealCompat, "s", key.ES256)
	again := h.keys(t, "ADMIN", h.db(t, nil), h.wrapped())
	opened, err := again.OpenKey(t.Context(), key.SealCompat, "s")
	if err != nil {
		t.Fatal(err)
	}
	h.Inject(kmstest.Fault{Operation: "Decrypt", Spoil: true})
	if _, err := key.Sign(t.Context(), opened, []byte("印")); err == nil {
		t.Error("a spoiled private key signed")
	}
	if _, err := key.Sign(t.Context(), opened, []byte("印")); err != nil {
		t.Errorf("the next attempt: %v", err)
	}
}

// TestALostAnswerLeavesOneKey loses the answer to the write of the item: the SDK sends it again, and it meets its own.
func TestALostAnswerLeavesOneKey(t *testing.T) {
	h := newKeyHouse(t, "")
	for name, c := range custodies(h) {
		lost := false
		db := h.db(t, func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				answer, err := next.RoundTrip(r)
				if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "PutItem") && !lost && err == nil {
					lost = true
					_ = answer.Body.Close() // it is lost
					return nil, io.ErrUnexpectedEOF
				}
				return answer, err
			})
		})
		deleted := h.Count("ScheduleKeyDeletion")
		made := mustMake(t, h.keys(t, "ADMIN", db, c), key.Seal, "lost "+name, key.SM2SM3)
		k := h.keys(t, "ADMIN", h.db(t, nil), c)
		if s, err := k.OpenKey(t.Context(), key.Seal, "lost "+name); err != nil || s.KeyID() != made.KeyID() || !lost {
			t.Errorf("%s: %v", name, err)
		}
		mustSign(t, k, key.Seal, "lost "+name)
		if h.Count("ScheduleKeyDeletion") != deleted {
			t.Errorf("%s: the key that stands was let go", name)
		}
	}
}

// TestTheRequestsAboutKeyItems compares what is sent with expectations after the DynamoDB API Reference (GetItem, PutItem):
// consistent reads, a condition on the partition key, no reserved word outside of names, no ciphertext for who publishes.
func TestTheRequestsAboutKeyItems(t *testing.T) {
	h := newKeyHouse(t, "")
	h.itemsHere()
	h.table = "sso"
	type request struct {
		target string
		body   map[string]any
	}
	var sent []request
	db := h.db(t, func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			var body map[string]any
			if err := json.Unmarshal(data, &body); err != nil {
				return nil, err
			}
			sent = append(sent, request{strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810."), body})
			r.Body = io.NopCloser(strings.NewReader(string(data)))
			return next.RoundTrip(r)
		})
	})
	made := mustMake(t, h.keys(t, "ADMIN", db, h.blind()), key.Token, "", key.ES256)
	if _, err := OpenTokenKeys(db, 0).TokenKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	place := map[string]any{"pk": map[string]any{"S": "key#token#"}, "sk": map[string]any{"S": "-"}}
	want := []request{
		{"GetItem", map[string]any{"TableName": "sso", "Key": place, "ConsistentRead": true}},
		{"PutItem", map[string]any{"TableName": "sso", "ConditionExpression": "attribute_not_exists(#pk)",
			"ExpressionAttributeNames": map[string]any{"#pk": "pk"}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
		{"GetItem", map[string]any{"TableName": "sso", "Key": place, "ConsistentRead": true, "ProjectionExpression": "#pk, #body, #revision",
			"ExpressionAttributeNames": map[string]any{"#pk": "pk", "#body": "body", "#revision": "revision"}}},
	}
	if len(sent) != len(want) {
		t.Fatalf("%d requests, want %d", len(sent), len(want))
	}
	stored, _ := sent[1].body["Item"].(map[string]any)
	delete(sent[1].body, "Item") // its ciphertext and public key are random
	for i := range want {
		if !reflect.DeepEqual(sent[i], want[i]) {
			t.Errorf("request %d is %v, want %v", i, sent[i], want[i])
		}
	}
	sealed, _ := stored["sealed"].(map[string]any)
	halves, _ := sealed["M"].(map[string]any)
	cipher, _ := halves[made.KeyID()].(map[string]any)
	if len(stored) != 5 || !reflect.DeepEqual(stored["pk"], place["pk"]) || !reflect.DeepEqual(stored["sk"], place["sk"]) ||
		!reflect.DeepEqual(stored["revision"], map[string]any{"N": "1"}) || len(halves) != 1 || cipher["B"] == "" {
		t.Errorf("the item is %v", stored)
	}
}

func TestOwnersAreNeverWrittenAlike(t *testing.T) {
	seen := map[string]string{}
	for _, owner := range []string{"", "a", "A", "a/b", "a=2Fb", "a=b", "=61", "示例", "a b", "a#b", "..", "-", "a\x00"} {
		e := escaped(owner)
		if other, taken := seen[e]; taken {
			t.Errorf("%q and %q are both %q", owner, other, e)
		}
		seen[e] = owner
		if strings.Trim(e, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._=") != "" {
			t.Errorf("%q is %q", owner, e)
		}
	}
	for _, owner := range []string{strings.Repeat("9", 101), strings.Repeat("示", 33)} {
		if _, err := nameRing(key.Seal, owner); err == nil {
			t.Errorf("an owner of %d bytes was taken", len(owner))
		}
	}
	for _, purpose := range []key.Purpose{"", "a#b", "Seal", key.Purpose(strings.Repeat("a", 33))} {
		if _, err := nameRing(purpose, ""); err == nil {
			t.Errorf("the purpose %q was taken", purpose)
		}
	}
}

func TestCustodiesAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]Custody{
		"wrapped:arn:aws:kms:r:1:key/2": {Wrapped, "arn:aws:kms:r:1:key/2"}, "blind:alias/k": {Blind, "alias/k"},
		"given:k": {Given, "k"}, "resident": {Kind: Resident},
	} {
		if got, err := ParseCustody(text); err != nil || got != want {
			t.Errorf("ParseCustody(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "wrapped", "wrapped:", "blind", "given:", "resident:k", "file:k"} {
		if c, err := ParseCustody(text); err == nil {
			t.Errorf("ParseCustody(%q) = %v", text, c)
		}
	}
	h := newKeyHouse(t, "")
	if _, err := OpenKeys(KeysOptions{DB: h.db(t, nil), Custody: map[key.Purpose]Custody{key.Seal: {Kind: Wrapped}}}); err == nil {
		t.Error("a custody without its KMS key was taken")
	}
	k, err := OpenKeys(KeysOptions{DB: h.db(t, nil), Custody: map[key.Purpose]Custody{key.Token: resident}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.OpenKey(t.Context(), key.Seal, "s"); err == nil || errors.Is(err, key.ErrUnknown) {
		t.Errorf("a purpose without custody: %v, want a fault", err)
	}
}

// BenchmarkSign measures signing with an open key next to the bare signature.
func BenchmarkSign(b *testing.B) {
	h := newKeyHouse(b, "")
	for _, alg := range []key.Algorithm{key.ES256, key.SM2SM3} {
		k := h.keys(b, "ADMIN", h.db(b, nil), h.wrapped())
		if _, err := k.MakeKey(b.Context(), key.Token, string(alg), alg); err != nil {
			b.Fatal(err)
		}
		b.Run(string(alg)+"/open and sign", func(b *testing.B) {
			for b.Loop() {
				s, err := k.OpenKey(b.Context(), key.Token, string(alg))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.SignDigest(b.Context(), make([]byte, 32)); err != nil {
					b.Fatal(err)
				}
			}
		})
		private, err := generatePrivate(alg, rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(alg)+"/bare", func(b *testing.B) {
			for b.Loop() {
				if _, err := signWith(private, rand.Reader, make([]byte, 32)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
