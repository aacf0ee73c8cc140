package jose

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/yinxin/yinxin/shared/key"
)

// local is a key in this process.
type local struct {
	alg    key.Algorithm
	signer crypto.Signer
	spoil  bool
}

func (l local) KeyID() string            { return "k1" }
func (l local) Algorithm() key.Algorithm { return l.alg }
func (l local) Public() crypto.PublicKey { return l.signer.Public() }
func (l local) SignDigest(ctx context.Context, digest []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.spoil {
		digest = append([]byte{digest[0] ^ 1}, digest[1:]...)
	}
	switch l.alg {
	case key.PS256:
		return l.signer.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case key.EdDSA:
		return l.signer.Sign(nil, digest, crypto.Hash(0))
	default:
		return l.signer.Sign(rand.Reader, digest, crypto.SHA256)
	}
}

func newES256(t testing.TB) local {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return local{alg: key.ES256, signer: k}
}

func signers(t *testing.T) []local {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []local{newES256(t), {alg: key.PS256, signer: r}, {alg: key.EdDSA, signer: e}}
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// forge makes a compact JWS with a header of the test's choice, signed as ES256 with k.
func forge(t *testing.T, header, payload string, k crypto.Signer) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func TestWhatIsSignedVerifiesAndNothingElse(t *testing.T) {
	for _, s := range signers(t) {
		t.Run(string(s.alg), func(t *testing.T) {
			compact, err := Sign(t.Context(), s, Header{KeyID: "k1", Type: "at+jwt", ContentType: "x", X5C: [][]byte{{1, 2}, {3}}}, []byte(`{"a":1}`))
			if err != nil {
				t.Fatal(err)
			}
			h, payload, err := Verify(compact, s.Public(), s.alg)
			if err != nil || string(payload) != `{"a":1}` {
				t.Fatalf("Verify = %q, %v", payload, err)
			}
			if h.Alg != string(s.alg) || h.KeyID != "k1" || h.Type != "at+jwt" || h.ContentType != "x" || len(h.X5C) != 2 || !bytes.Equal(h.X5C[0], []byte{1, 2}) {
				t.Errorf("header = %+v", h)
			}
			for i := range compact {
				changed := []byte(compact)
				if changed[i] = 'A'; compact[i] == 'A' {
					changed[i] = 'B'
				}
				if _, _, err := Verify(string(changed), s.Public(), s.alg); err == nil {
					t.Fatalf("a changed byte %d still verifies", i)
				}
				if _, _, err := Verify(compact[:i], s.Public(), s.alg); err == nil {
					t.Fatalf("the first %d bytes verify", i)
				}
			}
		})
	}
}

func TestAnEmptyPayloadIsAPayload(t *testing.T) {
	s := newES256(t)
	compact, err := Sign(t.Context(), s, Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, payload, err := Verify(compact, s.Public(), key.ES256); err != nil || len(payload) != 0 {
		t.Errorf("Verify = %q, %v", payload, err)
	}
}

func TestASignatureThatItsOwnKeyRefusesNeverLeaves(t *testing.T) {
	for _, s := range signers(t) {
		s.spoil = true
		if compact, err := Sign(t.Context(), s, Header{}, []byte("x")); err == nil {
			t.Errorf("%s: Sign = %q", s.alg, compact)
		}
	}
}

func TestSigningStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Sign(ctx, newES256(t), Header{}, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Sign = %v, want context.Canceled", err)
	}
}

// RFC 7515, appendix A.3: a signature made by others.
func TestTheExampleOfRFC7515Verifies(t *testing.T) {
	const compact = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	k, err := ParseJWK([]byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, payload, err := Verify(compact, k.Public, key.ES256); err != nil || !strings.HasPrefix(string(payload), `{"iss":"joe"`) {
		t.Errorf("Verify = %q, %v", payload, err)
	}
}

// RFC 8037, appendix A.4.
func TestTheExampleOfRFC8037Verifies(t *testing.T) {
	const compact = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	k, err := ParseJWK([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, payload, err := Verify(compact, k.Public, key.EdDSA); err != nil || string(payload) != "Example of Ed25519 signing" {
		t.Errorf("Verify = %q, %v", payload, err)
	}
}

func TestTheAlgorithmIsTheCallersChoice(t *testing.T) {
	s, all := newES256(t), signers(t)
	ec := s.signer.(*ecdsa.PrivateKey)
	payload := b64([]byte(`{"admin":true}`))

	none := b64([]byte(`{"alg":"none"}`)) + "." + payload + "."
	for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
		forged := b64([]byte(`{"alg":"`+alg+`"}`)) + "." + payload + "."
		if _, _, err := Verify(forged, ec.Public(), key.ES256); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("alg %s: Verify = %v, want ErrAlgorithm", alg, err)
		}
	}
	if _, _, err := Verify(none, ec.Public(), "none"); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("a caller who asks for none gets %v", err)
	}

	// HMAC with the public key as the secret, in every form an attacker can know it.
	der, err := x509.MarshalPKIXPublicKey(ec.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(JWK{Public: ec.Public()})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), jwk} {
		input := b64([]byte(`{"alg":"HS256"}`)) + "." + payload
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		if _, _, err := Verify(input+"."+b64(m.Sum(nil)), ec.Public(), key.ES256); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("HS256 with the public key: Verify = %v, want ErrAlgorithm", err)
		}
	}

	// Each algorithm with each other's key, and another curve.
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		compact, err := Sign(t.Context(), a, Header{}, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Verify(compact, p384.Public(), a.alg); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s with a P-384 key: %v", a.alg, err)
		}
		for _, b := range all {
			if _, _, err := Verify(compact, a.Public(), b.alg); a.alg != b.alg && !errors.Is(err, ErrAlgorithm) {
				t.Errorf("%s verified as %s: %v", a.alg, b.alg, err)
			}
			if _, _, err := Verify(compact, b.Public(), a.alg); a.alg != b.alg && err == nil {
				t.Errorf("%s verified with a key for %s", a.alg, b.alg)
			}
		}
	}

	// ES384 named over an ES256 signature.
	if _, _, err := Verify(forge(t, `{"alg":"ES384"}`, "x", ec), ec.Public(), key.ES256); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("ES384: %v", err)
	}
}

func TestKeysNamedInTheHeaderAreNotUsed(t *testing.T) {
	ours, theirs := newES256(t), newES256(t)
	jwk, err := json.Marshal(JWK{Public: theirs.Public()})
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{
		`{"alg":"ES256","jwk":` + string(jwk) + `}`,
		`{"alg":"ES256","kid":"../../dev/null"}`,
		`{"alg":"ES256","jku":"https://attacker.example/jwks"}`,
		`{"alg":"ES256","x5u":"https://attacker.example/x5u"}`,
	} {
		forged := forge(t, header, `{}`, theirs.signer)
		if _, _, err := Verify(forged, theirs.Public(), key.ES256); err != nil {
			t.Errorf("%s: the header made a good signature bad: %v", header, err)
		}
		if _, _, err := Verify(forged, ours.Public(), key.ES256); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: Verify with our key = %v, want ErrSignature", header, err)
		}
	}
}

func TestHeadersThatTwoReadersCouldReadDifferentlyAreRefused(t *testing.T) {
	s := newES256(t)
	for name, header := range map[string]string{
		"crit":              `{"alg":"ES256","crit":["exp"],"exp":1}`,
		"empty crit":        `{"alg":"ES256","crit":[]}`,
		"b64":               `{"alg":"ES256","b64":false}`,
		"alg twice":         `{"alg":"none","alg":"ES256"}`,
		"unknown twice":     `{"alg":"ES256","a":1,"a":1}`,
		"no alg":            `{"typ":"JWT"}`,
		"ALG in capitals":   `{"ALG":"ES256"}`,
		"alg is a list":     `{"alg":["ES256"]}`,
		"typ is null":       `{"alg":"ES256","typ":null}`,
		"kid is a number":   `{"alg":"ES256","kid":1}`,
		"a list":            `["ES256"]`,
		"something follows": `{"alg":"ES256"}{}`,
		"not JSON":          `{"alg":"ES256"`,
		"x5c is a string":   `{"alg":"ES256","x5c":"AAAA"}`,
		"x5c is empty":      `{"alg":"ES256","x5c":[]}`,
		"x5c in base64url":  `{"alg":"ES256","x5c":["-_-_"]}`,
		"x5c of seventeen":  `{"alg":"ES256","x5c":["` + strings.Repeat(`AA==","`, 16) + `AA=="]}`,
		"too long":          `{"alg":"ES256","a":"` + strings.Repeat("x", MaxHeaderSize) + `"}`,
		"deep":              `{"alg":"ES256","a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
		"empty":             ``,
	} {
		if _, _, err := Verify(forge(t, header, `{}`, s.signer), s.Public(), key.ES256); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Verify = %v, want ErrMalformed", name, err)
		}
	}
}

func TestOnlyOneEncodingIsRead(t *testing.T) {
	s := newES256(t)
	good := forge(t, `{"alg":"ES256"}`, `{}`, s.signer)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	for name, compact := range map[string]string{
		"two parts":          head + "." + body,
		"four parts":         good + ".",
		"padding":            head + "." + body + "=." + signature,
		"line break":         head + "." + body + "." + signature[:40] + "\n" + signature[40:],
		"space":              " " + good,
		"trailing newline":   good + "\n",
		"trailing bits":      head + "." + "e31" + "." + signature,
		"standard alphabet":  head + "." + body + "." + strings.Repeat("+", len(signature)),
		"JSON serialization": `{"payload":"` + body + `","protected":"` + head + `","signature":"` + signature + `"}`,
		"too large":          head + "." + strings.Repeat("A", MaxSize) + "." + signature,
	} {
		if _, _, err := Verify(compact, s.Public(), key.ES256); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Verify = %v, want ErrMalformed", name, err)
		}
	}
	// The other signature of the same message, (r, n − s), verifies under ECDSA; DER instead of r‖s does not.
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"zero": make([]byte, 64), "short": raw[:63], "long": append(raw[:64:64], 0), "empty": nil,
		"r is n": append(elliptic.P256().Params().N.FillBytes(make([]byte, 32)), raw[32:]...),
	} {
		if _, _, err := Verify(head+"."+body+"."+b64(bad), s.Public(), key.ES256); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: Verify = %v, want ErrSignature", name, err)
		}
	}
}

func TestKeysAreReadStrictly(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(JWK{Public: private.Public(), KeyID: "1", Alg: key.ES256})
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseJWK(good)
	if err != nil || !private.PublicKey.Equal(k.Public) || k.KeyID != "1" || k.Alg != key.ES256 {
		t.Fatalf("ParseJWK = %+v, %v", k, err)
	}
	x, y := b64(private.X.FillBytes(make([]byte, 32))), b64(private.Y.FillBytes(make([]byte, 32)))
	off := b64(new(big.Int).Add(private.Y, big.NewInt(1)).FillBytes(make([]byte, 33))[1:])
	small := b64(append([]byte{0x80}, make([]byte, 127)...))
	for name, jwk := range map[string]string{
		"private EC":       `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `","d":"` + x + `"}`,
		"off the curve":    `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + off + `"}`,
		"no y":             `{"kty":"EC","crv":"P-256","x":"` + x + `"}`,
		"empty y":          `{"kty":"EC","crv":"P-256","x":"` + x + `","y":""}`,
		"origin":           `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`,
		"P-384 named":      `{"kty":"EC","crv":"P-384","x":"` + x + `","y":"` + y + `"}`,
		"secp256k1":        `{"kty":"EC","crv":"secp256k1","x":"` + x + `","y":"` + y + `"}`,
		"symmetric":        `{"kty":"oct","k":"AAAA"}`,
		"short RSA":        `{"kty":"RSA","n":"` + small + `","e":"AQAB"}`,
		"RSA exponent one": `{"kty":"RSA","n":"` + b64(bytes.Repeat([]byte{0xff}, 256)) + `","e":"AQ"}`,
		"huge RSA":         `{"kty":"RSA","n":"` + b64(bytes.Repeat([]byte{0xff}, 2000)) + `","e":"AQAB"}`,
		"private Ed25519":  `{"kty":"OKP","crv":"Ed25519","x":"` + x + `","d":"` + x + `"}`,
		"X25519":           `{"kty":"OKP","crv":"X25519","x":"` + x + `"}`,
		"short Ed25519":    `{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`,
		"for encryption":   `{"kty":"EC","crv":"P-256","use":"enc","x":"` + x + `","y":"` + y + `"}`,
		"twice":            `{"kty":"oct","kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"}`,
		"unknown":          `{"kty":"SM2"}`,
		"a list":           `[]`,
		"nothing":          ``,
	} {
		if k, err := ParseJWK([]byte(jwk)); !errors.Is(err, ErrMalformed) || k.Public != nil {
			t.Errorf("%s: ParseJWK = %+v, %v, want ErrMalformed", name, k, err)
		}
	}
}

// RFC 7638, section 3.1, and RFC 8037, appendix A.3.
func TestThumbprintsAreThoseOfTheStandards(t *testing.T) {
	for want, jwk := range map[string]string{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
	} {
		k, err := ParseJWK([]byte(jwk))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Thumbprint(k.Public); err != nil || got != want {
			t.Errorf("Thumbprint = %q, %v, want %q", got, err, want)
		}
	}
}

func TestASetLeavesOutWhatItCannotUse(t *testing.T) {
	s := newES256(t)
	good, err := json.Marshal(JWK{Public: s.Public(), KeyID: "good"})
	if err != nil {
		t.Fatal(err)
	}
	set, err := ParseSet([]byte(`{"keys":[{"kty":"oct","k":"AAAA","kid":"secret"},` + string(good) + `,7]}`))
	if err != nil || len(set.Keys) != 1 {
		t.Fatalf("ParseSet = %+v, %v", set, err)
	}
	if _, found := set.Find("good"); !found {
		t.Error("the good key is not found")
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"keys":{}}`, `{"keys":null}`} {
		if _, err := ParseSet([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("ParseSet(%q) = %v", bad, err)
		}
	}
	if data, err := json.Marshal(set); err != nil || bytes.Contains(data, []byte(`"d"`)) {
		t.Errorf("Marshal = %s, %v", data, err)
	}
}

func FuzzParse(f *testing.F) {
	s := newES256(f)
	for _, h := range []Header{{}, {KeyID: "1", Type: "JWT"}, {X5C: [][]byte{{1}}}} {
		compact, err := Sign(context.Background(), s, h, []byte(`{"a":1}`))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(compact)
	}
	f.Add("eyJhbGciOiJub25lIn0..")
	f.Fuzz(func(t *testing.T, compact string) {
		h, payload, err := Parse(compact)
		if err != nil {
			if h.Alg != "" || h.X5C != nil || payload != nil {
				t.Fatalf("an error and a value: %+v %q", h, payload)
			}
			return
		}
		parts := strings.Split(compact, ".")
		if len(parts) != 3 || b64(payload) != parts[1] {
			t.Fatalf("%q does not encode again", compact)
		}
		if _, _, err := Verify(compact, s.Public(), key.ES256); err == nil && h.Alg != "ES256" {
			t.Fatalf("verified with alg %q", h.Alg)
		}
	})
}

func FuzzParseJWK(f *testing.F) {
	good, err := json.Marshal(JWK{Public: newES256(f).Public(), KeyID: "1", Alg: key.ES256})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	f.Add([]byte(`{"kty":"RSA","n":"AQAB","e":"AQAB"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseJWK(data)
		if err != nil {
			if k.Public != nil {
				t.Fatal("an error and a key")
			}
			return
		}
		again, err := json.Marshal(JWK{Public: k.Public})
		if err != nil {
			t.Fatalf("a key that was read cannot be written: %v", err)
		}
		back, err := ParseJWK(again)
		if err != nil || !back.Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(k.Public) {
			t.Fatalf("%s reads back as another key: %v", again, err)
		}
	})
}

func BenchmarkES256(b *testing.B) {
	s := newES256(b)
	payload := bytes.Repeat([]byte("x"), 400)
	compact, err := Sign(b.Context(), s, Header{Type: "at+jwt"}, payload)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(payload)
	signature, err := s.SignDigest(b.Context(), sum[:])
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Sign", func(b *testing.B) {
		for b.Loop() {
			if _, err := Sign(b.Context(), s, Header{Type: "at+jwt"}, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare sign and verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.SignDigest(b.Context(), sum[:]); err != nil {
				b.Fatal(err)
			}
			ecdsa.VerifyASN1(s.Public().(*ecdsa.PublicKey), sum[:], signature)
		}
	})
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := Verify(compact, s.Public(), key.ES256); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare verify", func(b *testing.B) {
		for b.Loop() {
			ecdsa.VerifyASN1(s.Public().(*ecdsa.PublicKey), sum[:], signature)
		}
	})
}
