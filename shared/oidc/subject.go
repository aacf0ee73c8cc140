package oidc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// platformSector is the sector of our own APIs: there one person is one subject, whatever client acts.
const platformSector = "platform:"

// subject computes the pairwise subject of a person in a sector (OpenID Connect Core, section 8.1): HMAC-SHA256 under a
// key of the platform, so that nobody outside can link two sectors or find a person by trying identifiers.
func subject(pairwiseKey []byte, sector, person string) string {
	m := hmac.New(sha256.New, pairwiseKey)
	m.Write([]byte(sector + "\x00" + person))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// sessionClaim computes the claim sid: it names one session to one client and to nobody else.
func sessionClaim(pairwiseKey []byte, session, client string) string {
	if session == "" {
		return ""
	}
	return subject(pairwiseKey, "session:"+client, session)[:22]
}
