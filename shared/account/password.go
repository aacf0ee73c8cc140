package account

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Params are the costs of Argon2id (RFC 9106, section 3.1).
type Params struct {
	Memory uint32 // KiB
	Passes uint32
	Lanes  uint8
}

// DefaultParams are those of the OWASP Password Storage Cheat Sheet for Argon2id: 19 MiB, two passes, one lane.
func DefaultParams() Params { return Params{Memory: 19 << 10, Passes: 2, Lanes: 1} }

const (
	saltSize    = 16
	tagSize     = 32
	maxPassword = 512 // bytes
)

// The bounds of what [Verify] computes: a stored string must not be able to stop a function.
const (
	maxMemory = 256 << 10 // KiB
	maxPasses = 16
	maxLanes  = 16
)

// ErrHash reports a stored string that is no Argon2id hash within bounds.
var ErrHash = errors.New("account: not an Argon2id hash")

// ErrPassword reports a password that is empty or too long.
var ErrPassword = errors.New("account: a password has 1 to 512 bytes")

// Hash returns the PHC string of a password: $argon2id$v=19$m=…,t=…,p=…$salt$tag. The password is compared in Unicode
// normalization form C (RFC 8265, section 4.2), so that one typed on another keyboard is the same.
func Hash(password string, p Params, random io.Reader) (string, error) {
	if password == "" || len(password) > maxPassword {
		return "", ErrPassword
	}
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("drawing a salt: %w", err)
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Passes, p.Lanes,
		b64.EncodeToString(salt), b64.EncodeToString(tag(password, salt, p, tagSize))), nil
}

// Verify tells whether password is that of a PHC string.
func Verify(encoded, password string) (bool, error) {
	p, salt, want, err := parsePHC(encoded)
	if err != nil {
		return false, err
	}
	// What no password can be costs as much as one: the time must not tell which user names exist.
	possible := password != "" && len(password) <= maxPassword
	if !possible {
		password = ""
	}
	return subtle.ConstantTimeCompare(tag(password, salt, p, uint32(len(want))), want) == 1 && possible, nil
}

// waste costs what [Verify] costs, for a user name that does not exist.
func waste(password string, p Params) {
	if len(password) > maxPassword {
		password = ""
	}
	tag(password, make([]byte, saltSize), p, tagSize)
}

func tag(password string, salt []byte, p Params, size uint32) []byte {
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, p.Passes, p.Memory, p.Lanes, size)
}

func parsePHC(encoded string) (p Params, salt, tag []byte, err error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, ErrHash
	}
	// Sscanf takes "+3" or a trailing word as well: what is written back must be what was read.
	_, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Passes, &p.Lanes)
	if err != nil || fmt.Sprintf("m=%d,t=%d,p=%d", p.Memory, p.Passes, p.Lanes) != parts[3] {
		return p, nil, nil, ErrHash
	}
	if p.Memory < 8*uint32(p.Lanes) || p.Memory > maxMemory || p.Passes < 1 || p.Passes > maxPasses || p.Lanes < 1 || p.Lanes > maxLanes {
		return p, nil, nil, ErrHash
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, err = b64.DecodeString(parts[4])
	if err != nil || len(salt) < 8 || len(salt) > 64 || strings.ContainsAny(parts[4], "\r\n") {
		return p, nil, nil, ErrHash
	}
	tag, err = b64.DecodeString(parts[5])
	if err != nil || len(tag) < 16 || len(tag) > 64 || strings.ContainsAny(parts[5], "\r\n") {
		return p, nil, nil, ErrHash
	}
	return p, salt, tag, nil
}
