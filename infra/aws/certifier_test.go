package aws_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/kmstest"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/seal/sealtest"
)

// openKeys are keys of a key management service of the tests, kept in db.
func openKeys(t *testing.T, db *aws.DB) *aws.Keys {
	t.Helper()
	service, err := kmstest.New(kmstest.Config{Partition: "aws-cn", Rand: rand.Reader, Callers: map[string]kmstest.Caller{
		"ADMIN": {Secret: "secret", ARN: "arn:aws-cn:iam::111122223333:role/admin",
			Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	config := sdk.Config{Region: "cn-north-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("ADMIN", "secret", "")}
	wrapper, err := kms.NewFromConfig(config).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	custody := aws.Custody{Kind: aws.Wrapped, KMSKey: *wrapper.KeyMetadata.Arn}
	keys, err := aws.OpenKeys(aws.KeysOptions{DB: db, Config: config, Reload: time.Minute,
		Custody: map[key.Purpose]aws.Custody{key.Token: custody, key.SealMaker: custody}})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTokenKeysKeepTheContract(t *testing.T) {
	accesstest.Keys(t, func(t *testing.T) (access.Keys, key.Signer) {
		db, _, _ := open(t, noon)
		signer, err := openKeys(t, db).MakeKey(t.Context(), key.Token, "", key.ES256)
		if err != nil {
			t.Fatal(err)
		}
		return aws.OpenTokenKeys(db, time.Minute), signer
	})
}

// enrolment serves simple enrolment (RFC 7030, section 4.2) for an authority; OpenSSL makes the answers.
func (a *authority) enrolment(t *testing.T) *httptest.Server {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs openssl")
		}
		t.Skip("needs openssl")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if r.Method+" "+r.URL.Path != "POST /.well-known/est/seal/simpleenroll" || name != "yinxin" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		csr, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		chain, err := a.CertifySeal(r.Context(), csr, noon.Add(-time.Hour), noon.AddDate(2, 0, 0))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var file bytes.Buffer
		for _, der := range chain {
			if err := pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
				t.Error(err)
			}
		}
		path := filepath.Join(t.TempDir(), "chain.pem")
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Error(err)
		}
		der, err := exec.CommandContext(r.Context(), openssl, "crl2pkcs7", "-nocrl", "-certfile", path, "-outform", "DER").Output()
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
		w.Header().Set("Content-Transfer-Encoding", "base64")
		_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString(der)) // the client is gone if this fails
	}))
	t.Cleanup(server.Close)
	return server
}

func TestCertifiersKeepTheContract(t *testing.T) {
	sealtest.Certifier(t, func(t *testing.T) (seal.Certifier, string, time.Time) {
		a := newAuthority(t)
		server := a.enrolment(t)
		db, _, _ := open(t, noon)
		signer, err := openKeys(t, db).MakeKey(t.Context(), key.SealMaker, making, key.SM2SM3)
		if err != nil {
			t.Fatal(err)
		}
		name := cert.Name{Country: "CN", Organization: making + "示例省印章制作中心", CommonName: "示例省印章制作中心"}
		csr, err := cert.CreateCSR(t.Context(), name, signer)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := a.CertifySeal(t.Context(), csr, noon.Add(-time.Hour), noon.AddDate(3, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		certificates := aws.Certificates{DB: db}
		if err := certificates.SaveChain(t.Context(), key.SealMaker, making, chain); err != nil {
			t.Fatal(err)
		}
		a.publish(aws.NewTrust(db, aws.LicenceTypes{DB: db}))
		return aws.Certifier{Certificates: certificates, Anchors: aws.NewAnchors(db), Address: server.URL + "/.well-known/est/seal", Credential: "yinxin:secret",
			Client: server.Client()}, making, noon
	})
}
