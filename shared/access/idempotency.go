package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/yinxin/yinxin/shared/problem"
)

// The refusals of an Idempotency-Key.
var (
	ErrKeyReused = problem.New(http.StatusUnprocessableEntity, "idempotency_key_reused",
		"The Idempotency-Key was used for another request.")
	ErrKeyMalformed = problem.New(http.StatusBadRequest, "idempotency_key_malformed",
		"An Idempotency-Key has 1 to 128 visible ASCII characters.")
)

// IdempotencyKey returns the digest of the Idempotency-Key under which c asks for one thing, or "" where there is none:
// 64 hexadecimal characters, of which the first 32 do as the identifier of the one record that the request makes, so that
// a single conditional write keeps the key. Keys of different callers are different keys.
func IdempotencyKey(r *http.Request, c Caller) (string, error) {
	k := r.Header.Get("Idempotency-Key")
	if k == "" {
		return "", nil
	}
	if len(k) > 128 || strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", ErrKeyMalformed
	}
	return Digest("idempotency", c.Client, c.Person, k), nil
}

// Digest is SHA-256 over texts, hexadecimal: what a record keeps of a request. Texts of different lists never make the
// same bytes.
func Digest(texts ...string) string {
	h := sha256.New()
	for _, s := range texts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}
