package aws

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/licence"
)

// agency is the code of 示例省人力资源和社会保障厅.
const agency = "11990000YX0000067R"

// issuingAuthority certifies what it is asked to.
type issuingAuthority struct {
	root, ca *cert.Certificate
	key      key.Signer
}

func newIssuingAuthority(t *testing.T, at time.Time) issuingAuthority {
	t.Helper()
	parse := func(der []byte, err error) *cert.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		c, err := cert.Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	template := func(serial int64, name string) cert.Template {
		return cert.Template{Serial: big.NewInt(serial), Subject: cert.Name{Country: "CN", CommonName: name}, IsCA: true, MaxPathLen: -1,
			NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(9, 0, 0), KeyUsage: cert.CertSign | cert.CRLSign}
	}
	rootKey, caKey := keytest.New(t, key.ES256), keytest.New(t, key.ES256)
	root := parse(cert.CreateRoot(t.Context(), template(1, "示例根"), rootKey))
	ca := parse(cert.Create(t.Context(), template(2, "示例CA"), root, rootKey, caKey.Public()))
	return issuingAuthority{root, ca, caKey}
}

func (a issuingAuthority) certify(t *testing.T, request string, to time.Time) string {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		t.Fatalf("%q is no request", request)
	}
	csr, err := cert.ParseCSR(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if uscc, _, ok := cert.SplitOwner(csr.Subject.Organization); !ok || uscc != agency {
		t.Errorf("the request is of %s", csr.Subject.Organization)
	}
	template := cert.Template{Serial: big.NewInt(3), Subject: csr.Subject, NotBefore: to.AddDate(-1, 0, 0), NotAfter: to,
		KeyUsage: cert.DigitalSignature}
	leaf, err := cert.Create(t.Context(), template, a.ca, a.key, csr.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return certificates(leaf, a.ca.Raw)
}

func certificates(ders ...[]byte) string {
	var text bytes.Buffer
	for _, der := range ders {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	}
	return text.String()
}

func TestAKeyOfAnAgencyIsMadeRequestedAndImported(t *testing.T) {
	h := newKeyHouse(t, "")
	db := h.db(t, nil)
	s := Enrolment{Keys: h.keys(t, "ADMIN", db, resident), Certificates: Certificates{db}}
	order := EnrolmentOrder{Purpose: key.LicenceIssuer, Owner: agency, Name: "示例省人力资源和社会保障厅"}
	first, err := s.Enrol(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Enrol(t.Context(), order)
	if err != nil || again.KeyID != first.KeyID || first.KeyID == "" {
		t.Fatalf("a second request is for %v, the first was for %v; %v", again.KeyID, first.KeyID, err)
	}
	if _, err := s.Certificates.IssuerChain(t.Context(), key.LicenceIssuer, agency); !errors.Is(err, licence.ErrUnknown) {
		t.Errorf("before the import: %v, want ErrUnknown", err)
	}
	a, end := newIssuingAuthority(t, h.now()), h.now().AddDate(0, 6, 0)
	order.Chain = a.certify(t, first.Request, end)
	if _, err := s.Enrol(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	chain, err := s.Certificates.IssuerChain(t.Context(), key.LicenceIssuer, agency)
	if err != nil || len(chain) != 2 || !bytes.Equal(chain[1], a.ca.Raw) {
		t.Errorf("%d certificates, %v", len(chain), err)
	}
	if _, err := s.Certificates.IssuerChain(t.Context(), key.StatusList, agency); !errors.Is(err, licence.ErrUnknown) {
		t.Errorf("of another purpose: %v, want ErrUnknown", err)
	}
	h.pass(end.Sub(h.now()) + time.Second)
	if _, err := s.Certificates.IssuerChain(t.Context(), key.LicenceIssuer, agency); !errors.Is(err, licence.ErrUnknown) {
		t.Errorf("after its end: %v, want ErrUnknown", err)
	}
}

func TestWhatDoesNotFitTheKeyIsNotImported(t *testing.T) {
	h := newKeyHouse(t, "")
	db := h.db(t, nil)
	s := Enrolment{Keys: h.keys(t, "ADMIN", db, resident), Certificates: Certificates{db}}
	order := EnrolmentOrder{Purpose: key.LicenceIssuer, Owner: agency, Name: "示例省人力资源和社会保障厅"}
	made, err := s.Enrol(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	a, b := newIssuingAuthority(t, h.now()), newIssuingAuthority(t, h.now())
	good := a.certify(t, made.Request, h.now().AddDate(1, 0, 0))
	block, _ := pem.Decode([]byte(good))
	other, err := cert.CreateCSR(t.Context(), cert.Name{Country: "CN", Organization: agency + "别的", CommonName: "别的"}, keytest.New(t, key.ES256))
	if err != nil {
		t.Fatal(err)
	}
	request := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: other}))
	for name, chain := range map[string]string{
		"another key":                     a.certify(t, request, h.now().AddDate(1, 0, 0)),
		"an issuer that certified it not": certificates(block.Bytes, b.ca.Raw),
		"no certificate":                  "none",
		"a request":                       made.Request,
		"what cannot be read":             certificates([]byte{1, 2, 3}),
	} {
		order.Chain = chain
		if _, err := s.Enrol(t.Context(), order); err == nil {
			t.Errorf("%s was imported", name)
		}
	}
	for name, bad := range map[string]EnrolmentOrder{
		"a seal's key":  {Purpose: key.Seal, Owner: "1", Name: "x"},
		"the token key": {Purpose: key.Token, Owner: agency, Name: "x"},
		"nobody's key":  {Purpose: key.LicenceIssuer, Name: "x"},
		"no name":       {Purpose: key.LicenceIssuer, Owner: agency},
	} {
		if _, err := s.Enrol(t.Context(), bad); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

// served is a store of key items as an endpoint.
func (h *keyHouse) served(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := h.items.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body) // the client is gone if this fails
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestADeploymentIsFoundedOnceAndThenOpens(t *testing.T) {
	h := newKeyHouse(t, "")
	h.items = &itemStore{items: map[string]json.RawMessage{}}
	variables := map[string]string{"SSO_TABLE": "sso", "REGISTRY_TABLE": "registry", "SECRET_KEY": h.wrapper, "TOKEN_KEYS": "blind:" + h.wrapper,
		"AWS_REGION": "cn-north-1", "AWS_ACCESS_KEY_ID": "ADMIN", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL_DYNAMODB": h.served(t), "AWS_ENDPOINT_URL_KMS": h.url}
	early, _ := lent(t, variables)
	if early.PairwiseKey(); !errors.Is(early.Err(), ErrSecretUnknown) {
		t.Errorf("before it is founded: %v, want ErrSecretUnknown", early.Err())
	}
	var pairwise, identity []byte
	var token string
	for range 2 {
		e, _ := lent(t, variables)
		e.Found()
		p, i := e.PairwiseKey(), e.Mandates().key
		signer, err := e.TokenSigners().OpenKey(t.Context(), key.Token, "")
		if err != nil || e.Err() != nil {
			t.Fatal(err, e.Err())
		}
		if signature, err := key.Sign(t.Context(), signer, []byte("x")); err != nil || len(signature) == 0 {
			t.Error(err)
		}
		if len(p) != 32 || len(i) != 32 || bytes.Equal(p, i) {
			t.Errorf("secrets of %d and %d bytes", len(p), len(i))
		}
		if pairwise != nil && (!bytes.Equal(p, pairwise) || !bytes.Equal(i, identity) || signer.KeyID() != token) {
			t.Error("founding again made something new")
		}
		pairwise, identity, token = p, i, signer.KeyID()
	}
	if got := h.Count("GenerateDataKeyPairWithoutPlaintext"); got != 1 {
		t.Errorf("%d token keys were made", got)
	}

}
