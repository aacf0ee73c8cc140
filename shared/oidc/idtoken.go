package oidc

import (
	"crypto/sha256"
	"encoding/base64"
)

// idTokenType is the header typ of our ID Tokens. It keeps other JWTs of the same key from passing for one.
const idTokenType = "JWT"

// idToken are the claims of an ID Token (OpenID Connect Core, section 2). Times are in seconds.
type idToken struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"` // the client, as a string
	Expires   int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	AuthTime  int64  `json:"auth_time"`
	Nonce     string `json:"nonce,omitempty"`
	ACR       string `json:"acr,omitempty"`
	TokenHash string `json:"at_hash,omitempty"`
	SessionID string `json:"sid,omitempty"`
}

// tokenHash computes at_hash (OpenID Connect Core, section 3.1.3.6) for ES256: the left half of the SHA-256 digest.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
