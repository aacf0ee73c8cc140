package kmstest

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func keyPolicy(statements ...string) *string {
	all := append([]string{`{"Effect":"Allow","Principal":{"AWS":"` + adminARN + `"},"Action":"kms:*","Resource":"*"}`}, statements...)
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(all, ",") + `]}`)
}

func TestAKeyPolicyBindsOperationsToTheEncryptionContext(t *testing.T) {
	w := start(t, nil)
	arn := w.key(t, kms.CreateKeyInput{Policy: keyPolicy(
		`{"Effect":"Allow","Principal":{"AWS":["` + stampARN + `"]},"Action":["kms:Decrypt"],"Resource":"*",` +
			`"Condition":{"StringEquals":{"kms:EncryptionContext:purpose":["seal"]}}}`)})
	for name, c := range map[string]struct {
		context map[string]string
		refusal string
	}{
		"its purpose":          {map[string]string{"purpose": "seal", "owner": "1"}, ""},
		"another purpose":      {map[string]string{"purpose": "token"}, "AccessDeniedException"},
		"no context":           {nil, "AccessDeniedException"},
		"another case of name": {map[string]string{"Purpose": "seal"}, "AccessDeniedException"},
	} {
		sealed, err := w.admin().Encrypt(t.Context(), &kms.EncryptInput{KeyId: &arn, Plaintext: []byte("k"), EncryptionContext: c.context})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.stamp().Decrypt(t.Context(), &kms.DecryptInput{KeyId: &arn, CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: c.context})
		want(t, name, err, c.refusal)
	}
	_, err := w.stamp().Encrypt(t.Context(), &kms.EncryptInput{KeyId: &arn, Plaintext: []byte("k"), EncryptionContext: map[string]string{"purpose": "seal"}})
	want(t, "an operation that is not named", err, "AccessDeniedException")
	last := w.Calls()[len(w.Calls())-1]
	if last.Caller != stampARN || last.KeyID != arn || last.Context["purpose"] != "seal" || last.Error != "AccessDeniedException" {
		t.Errorf("the record says %+v", last)
	}
}

func TestTheDefaultKeyPolicyLeavesItToTheRole(t *testing.T) {
	role := func(policy string) world {
		return start(t, func(c *Config) {
			s := c.Callers["STAMP"]
			s.Policy = policy
			c.Callers["STAMP"] = s
		})
	}
	sign := func(w world, tags ...types.Tag) error {
		arn := w.key(t, kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify, Tags: tags})
		_, err := w.stamp().Sign(t.Context(), &kms.SignInput{KeyId: &arn, Message: make([]byte, 32), MessageType: types.MessageTypeDigest,
			SigningAlgorithm: "ECDSA_SHA_256"})
		return err
	}
	statement := func(effect, condition string) string {
		return `{"Effect":"` + effect + `","Action":"kms:Sign","Resource":"arn:aws:kms:*:111122223333:key/*"` + condition + `}`
	}
	policy := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	tagged := `,"Condition":{"StringEquals":{"aws:ResourceTag/purpose":"seal"}}`
	seal := types.Tag{TagKey: aws.String("purpose"), TagValue: aws.String("seal")}
	want(t, "a role without policy", sign(role("")), "AccessDeniedException")
	want(t, "a role that may", sign(role(policy(statement("Allow", "")))), "")
	want(t, "a key without the tag", sign(role(policy(statement("Allow", tagged)))), "AccessDeniedException")
	want(t, "a key with the tag", sign(role(policy(statement("Allow", tagged))), seal), "")
	want(t, "a denial beside the right", sign(role(policy(statement("Allow", ""), statement("Deny", tagged))), seal), "AccessDeniedException")
	want(t, "another message type", sign(role(policy(statement("Allow", `,"Condition":{"StringEquals":{"kms:MessageType":"RAW"}}`)))), "AccessDeniedException")
	want(t, "its algorithm", sign(role(policy(statement("Allow", `,"Condition":{"StringLike":{"kms:SigningAlgorithm":"ECDSA_*"}}`)))), "")
}

func TestPoliciesThatAreNotUnderstoodAreRefused(t *testing.T) {
	w := start(t, nil)
	for name, text := range map[string]string{
		"not JSON":            `{`,
		"another version":     `{"Version":"2008-10-17","Statement":[]}`,
		"an unknown element":  *keyPolicy(`{"Effect":"Allow","Principal":"*","NotAction":"kms:Sign","Resource":"*"}`),
		"an unknown operator": *keyPolicy(`{"Effect":"Allow","Principal":"*","Action":"kms:Sign","Resource":"*","Condition":{"ArnLike":{"a":"b"}}}`),
		"no principal":        *keyPolicy(`{"Effect":"Allow","Action":"kms:Sign","Resource":"*"}`),
		"no resource":         *keyPolicy(`{"Effect":"Allow","Principal":"*","Action":"kms:Sign"}`),
		"a lock-out":          `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + stampARN + `"},"Action":"kms:Sign","Resource":"*"}]}`,
	} {
		_, err := w.admin().CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &text})
		want(t, name, err, "MalformedPolicyDocumentException")
	}
	if _, err := New(Config{Rand: strings.NewReader(""), Callers: map[string]Caller{"A": {Policy: "{"}}}); err == nil {
		t.Error("a server took a caller with a broken policy")
	}
}

func TestLikeMatchesStarsAndMarks(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		match          bool
	}{
		{"*", "", true}, {"*", "kms:Sign", true}, {"kms:*", "kms:Sign", true}, {"kms:*", "s3:Get", false}, {"kms:S??n", "kms:Sign", true},
		{"kms:S?n", "kms:Sign", false}, {"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-b-b", false}, {"", "", true}, {"", "a", false}, {"a*", "a", true},
	} {
		if got := like(c.pattern, c.value); got != c.match {
			t.Errorf("like(%q, %q) = %v", c.pattern, c.value, got)
		}
	}
}
