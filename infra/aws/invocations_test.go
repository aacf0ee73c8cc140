package aws_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/trust"
)

// stamping is a FaceStamper whose function is answered for by a handler.
func stamping(t *testing.T, answer http.HandlerFunc) aws.FaceStamper {
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return aws.FaceStamper{Function: "arn:aws-cn:lambda:cn-north-1:123456789012:function:yinxin-seal-stamp:live",
		Now: func() time.Time { return noon }, Config: sdk.Config{BaseEndpoint: &server.URL,
			Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "token")}}
}

func TestAFaceIsStampedByAnInvocation(t *testing.T) {
	s := stamping(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Method + " " + r.URL.String(); got != "POST /2015-03-31/functions/yinxin-seal-stamp/invocations?Qualifier=live" {
			t.Error(got)
		}
		if a := r.Header.Get("Authorization"); !strings.Contains(a, "Credential=AKID/20260301/cn-north-1/lambda/aws4_request") {
			t.Errorf("signed as %s", a)
		}
		if r.Header.Get("X-Amz-Invocation-Type") != "RequestResponse" || r.Header.Get("X-Amz-Security-Token") != "token" {
			t.Errorf("%v", r.Header)
		}
		var o licence.FaceOrder
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || string(o.Document) != "face" || o.LicenceID != "7" {
			t.Errorf("%+v, %v", o, err)
		}
		_, _ = io.WriteString(w, `{"result":"c3RhbXBlZA=="}`)
	})
	got, err := s.StampFace(t.Context(), licence.FaceOrder{LicenceID: "7", Document: []byte("face")})
	if err != nil || string(got) != "stamped" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestARefusalOfTheSealServiceStaysOne(t *testing.T) {
	for answer, refused := range map[string]bool{
		`{"result":null,"problem":{"type":"urn:yinxin:problem:no_seal","title":"No.","status":409,"code":"no_seal"}}`: true,
		`{"result":null}`: false, `{}`: false, `<html>`: false, "FAULT": false, "STATUS": false,
	} {
		s := stamping(t, func(w http.ResponseWriter, _ *http.Request) {
			switch answer {
			case "FAULT":
				w.Header().Set("X-Amz-Function-Error", "Unhandled")
			case "STATUS":
				w.WriteHeader(http.StatusTooManyRequests)
			}
			_, _ = io.WriteString(w, answer)
		})
		got, err := s.StampFace(t.Context(), licence.FaceOrder{})
		var p *problem.Problem
		if got != nil || err == nil || errors.As(err, &p) != refused {
			t.Errorf("%s: %q, %v", answer, got, err)
		}
	}
	if _, err := (aws.FaceStamper{Function: "seal-stamp"}).StampFace(t.Context(), licence.FaceOrder{}); err == nil {
		t.Error("what is no ARN was invoked")
	}
}

func blocks(kind string, ders ...[]byte) string {
	var text bytes.Buffer
	for _, der := range ders {
		_ = pem.Encode(&text, &pem.Block{Type: kind, Bytes: der}) // a buffer takes everything
	}
	return text.String()
}

func TestAnOperatorSaysWhatIsTrusted(t *testing.T) {
	db, _, _ := open(t, noon)
	a := newAuthority(t)
	source := aws.NewTrust(db, aws.LicenceTypes{DB: db})
	s := aws.Trusting{Trust: source, Now: func() time.Time { return noon }, Rand: rand.Reader}
	root, ca := a.roots[key.ES256].Raw, a.cas[key.ES256].Raw
	a.list(source, a.cas[key.ES256], a.keys[key.ES256], 1, noon.Add(-time.Hour))
	order := aws.TrustOrder{Purpose: trust.LicenceIssuer, Anchor: blocks("CERTIFICATE", root, ca)}
	for range 2 {
		if got, err := s.Take(t.Context(), order); err != nil || got.Anchors != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	anchors, _, crls, err := source.Trust(t.Context())
	if err != nil || len(anchors) != 1 || anchors[0].Purpose != trust.LicenceIssuer || len(anchors[0].Issuers) != 1 || len(crls) != 1 {
		t.Errorf("%d anchors, %d lists, %v", len(anchors), len(crls), err)
	}
	for name, bad := range map[string]aws.TrustOrder{
		"nothing":                      {},
		"no purpose":                   {Anchor: order.Anchor},
		"an authority as a root":       {Purpose: trust.Platform, Anchor: blocks("CERTIFICATE", ca)},
		"another root's authority":     {Purpose: trust.Platform, Anchor: blocks("CERTIFICATE", root, a.cas[key.SM2SM3].Raw)},
		"a list that is a certificate": {CRLs: blocks("CERTIFICATE", root)},
		"a list that cannot be read":   {CRLs: blocks("X509 CRL", []byte{1})},
	} {
		if _, err := s.Take(t.Context(), bad); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
