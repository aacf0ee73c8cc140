package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// canned answers what functions ask at their cold start: the items of secrets and of the token key, and their
// decryption. What is not among them is empty. Its ciphertexts are the plaintexts.
type canned struct {
	address string
	server  *http.Server
	ring    map[string]any // the item of the token key

	mu               sync.Mutex
	calls, sent, got int
}

func newCanned() (*canned, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(spki)
	id := hex.EncodeToString(sum[:16])
	body, err := json.Marshal(map[string]any{"purpose": "token", "owner": "", "keys": []any{
		map[string]any{"id": id, "algorithm": "ES256", "publicKey": spki, "made": time.Now().Add(-time.Hour)}}})
	if err != nil {
		return nil, err
	}
	c := &canned{ring: map[string]any{"pk": text("key#token#"), "sk": text("-"), "body": text(string(body)),
		"revision": map[string]string{"N": "1"}, "sealed": map[string]any{"M": map[string]any{id: bytes(pkcs8)}}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.address = "http://" + l.Addr().String()
	c.server = &http.Server{Handler: http.HandlerFunc(c.serve), ReadHeaderTimeout: 10 * time.Second}
	go c.server.Serve(l) // ends with Close
	return c, nil
}

// Close ends the server.
func (c *canned) Close() { _ = c.server.Close() } // the program ends too

func text(s string) map[string]string { return map[string]string{"S": s} }
func bytes(b []byte) map[string]string {
	return map[string]string{"B": base64.StdEncoding.EncodeToString(b)}
}

// environment is what functions have: names of what is not there, but for this server.
func (c *canned) environment() map[string]string {
	env := map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL": c.address, "ISSUER": "https://platform.example", "TOKEN_EPOCH": "2026-01-01T00:00:00Z",
		"CA_ADDRESS": "https://ca.example", "CA_CREDENTIAL": "bmFtZTpwYXNzd29yZA==",
		"STAMP_FUNCTION": "arn:aws:lambda:us-east-1:000000000000:function:seal-stamp:live",
		"JOBS_QUEUE":     "https://sqs.us-east-1.amazonaws.com/000000000000/jobs",
		"NOTICES_QUEUE":  "https://sqs.us-east-1.amazonaws.com/000000000000/notices.fifo"}
	for _, name := range []string{"SSO_TABLE", "REGISTRY_TABLE", "SEALS_TABLE", "LICENCES_TABLE", "LOG_TABLE",
		"SECRET_KEY", "BUCKET_KEY",
		"ARTEFACTS_BUCKET"} {
		env[name] = strings.ToLower(name)
	}
	for _, name := range []string{"TOKEN_KEYS", "SEAL_KEYS", "MAKER_KEYS", "ISSUER_KEYS", "ISSUER_GM_KEYS", "STATUS_KEYS"} {
		env[name] = "wrapped:key"
	}
	return env
}

func (c *canned) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls, c.sent, c.got = 0, 0, 0
}

func (c *canned) counts() (calls, sent, got int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, c.sent, c.got
}

func (c *canned) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the function has gone
	}
	var in struct {
		Key            map[string]struct{ S string }
		CiphertextBlob []byte
	}
	answer := map[string]any{}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if err := json.Unmarshal(body, &in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch pk := in.Key["pk"].S; {
	case operation == "Decrypt":
		answer["Plaintext"] = in.CiphertextBlob
		answer["KeyId"] = "key"
	case operation == "GetItem" && strings.HasPrefix(pk, "secret#"):
		answer["Item"] = map[string]any{"pk": text(pk), "sk": text("-"), "sealed": bytes(make([]byte, 32))}
	case operation == "GetItem" && pk == "key#token#":
		answer["Item"] = c.ring
	case operation == "Query":
		answer["Items"], answer["Count"] = []any{}, 0
	}
	data, err := json.Marshal(answer)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	c.mu.Lock()
	c.calls, c.sent, c.got = c.calls+1, c.sent+len(body), c.got+len(data)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = w.Write(data) // the function has gone if this fails
}
