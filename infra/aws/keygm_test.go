package aws

import (
	"crypto/rand"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/aws/kmstest"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/sm"
)

// enrolPolicy is what the template gives key-enrol of KMS in China Regions.
const enrolPolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":["kms:GetPublicKey","kms:ScheduleKeyDeletion","kms:Sign"],"Resource":"*",
	 "Condition":{"StringEquals":{"aws:ResourceTag/yinxin:purpose":["licence-issuer-gm"]}}},
	{"Effect":"Allow","Action":["kms:CreateKey","kms:TagResource"],"Resource":"*",
	 "Condition":{"StringEquals":{"aws:RequestTag/yinxin:purpose":["licence-issuer-gm"]}}}]}`

// TestAnSM2KeyOfAnIssuerIsMadeInKMS makes one as key-enrol does in a China Region: KMS makes, tags and keeps it, it signs
// its request by SM2DSA, and nobody else signs with it.
func TestAnSM2KeyOfAnIssuerIsMadeInKMS(t *testing.T) {
	h := newKeyHouse(t, enrolPolicy)
	db := h.db(t, nil)
	s := Enrolment{Keys: h.keys(t, "OTHER", db, resident), Certificates: Certificates{db}}
	made, err := s.Enrol(t.Context(), EnrolmentOrder{Purpose: key.LicenceGM, Owner: agency, Name: "示例省人力资源和社会保障厅"})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(made.Request))
	r, err := cert.ParseCSR(block.Bytes) // verifies the signature, with the Z value of the default identifier
	if err != nil {
		t.Fatal(err)
	}
	if alg, _ := r.KeyAlgorithm(); alg != key.SM2SM3 {
		t.Errorf("the request is for a key of %s", alg)
	}
	if h.Count("CreateKey") != 2 || h.Count("Sign") != 2 { // with the wrapper; the trial and the request
		t.Errorf("%d keys were made, %d signatures", h.Count("CreateKey"), h.Count("Sign"))
	}
	ring, err := db.readRing(t.Context(), ringName{key.LicenceGM, agency})
	if err != nil || len(ring.Keys) != 1 || ring.Keys[0].KMSKey == "" || ring.Keys[0].sealed != nil || ring.Keys[0].ID != made.KeyID {
		t.Errorf("the ring is %+v: %v", ring, err)
	}
	signer, err := h.keys(t, "OTHER", db, resident).OpenKey(t.Context(), key.LicenceGM, agency)
	if err != nil {
		t.Fatal(err)
	}
	public, err := sm.MarshalPKIXPublicKey(signer.Public())
	if err != nil || string(public) != string(r.SPKI) {
		t.Errorf("the key that is opened is another: %v", err)
	}
	if _, err := key.Sign(t.Context(), signer, []byte("电子证照(示例)")); err != nil {
		t.Error(err)
	}
	// Nor can the role make a key of another purpose.
	if _, err := h.keys(t, "OTHER", db, resident).MakeKey(t.Context(), key.Seal, "s", key.SM2SM3); refusal(err) != "AccessDeniedException" {
		t.Errorf("a key of another purpose: %v", err)
	}
}

func TestElsewhereKMSMakesNoSM2Key(t *testing.T) {
	k, err := kmstest.New(kmstest.Config{Partition: "aws", Rand: rand.Reader, Callers: map[string]kmstest.Caller{
		"ADMIN": {Secret: "secret", ARN: strings.Replace(adminRole, "aws-cn", "aws", 1), Policy: policyOfAll}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(k)
	defer server.Close()
	h := newKeyHouse(t, "")
	for c, want := range map[Custody]string{resident: "", {Kind: None}: "not kept"} {
		keys, err := OpenKeys(KeysOptions{DB: h.db(t, nil), Config: h.config("ADMIN", server.URL, nil), Reload: time.Minute,
			Custody: map[key.Purpose]Custody{key.LicenceGM: c}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = keys.MakeKey(t.Context(), key.LicenceGM, agency, key.SM2SM3)
		if err == nil || !strings.Contains(err.Error(), want) || want == "" && refusal(err) == "" {
			t.Errorf("%s: %v", c.Kind, err)
		}
	}
}
