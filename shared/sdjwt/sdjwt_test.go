package sdjwt

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
)

var (
	now  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	skew = time.Minute
)

// software is a P-256 key in this process.
type software struct{ *ecdsa.PrivateKey }

func newSoftware(t testing.TB) software {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return software{k}
}

func (s software) KeyID() string            { return "k1" }
func (s software) Algorithm() key.Algorithm { return key.ES256 }
func (s software) Public() crypto.PublicKey { return &s.PublicKey }
func (s software) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, s.PrivateKey, digest)
}

func content(holder *jose.JWK) Content {
	return Content{
		Issuer: "https://licence.example/issuers/12990000000000000X", Type: "urn:cn:elicence:example:1", Integrity: "sha256-AAAA",
		IssuedAt: now, NotBefore: now, Expires: now.AddDate(1, 0, 0),
		Status: &Status{Index: 4711, URI: "https://licence.example/status-lists/7"}, Confirmation: holder,
		Claims: []Claim{
			Text("certificateTypeCode", "<T&1>", false),
			Text("holderName", "周八(示例)", true),
			Text("holderCode", "110105…", true),
			{Name: "address", Object: []Claim{Text("division", "990000", false), Text("street", "示例路1号", true)}, SD: true},
			{Name: "skills", Array: []Claim{{Value: json.RawMessage(`"保洁"`), SD: true}, {Value: json.RawMessage(`"护理"`), SD: true},
				{Value: json.RawMessage(`"烹饪"`)}}},
		},
		Decoys: 3, KeyID: "k1",
	}
}

func issue(t testing.TB, s key.Signer, c Content) string {
	t.Helper()
	u, err := Prepare(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := u.Sign(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhatIsIssuedVerifies(t *testing.T) {
	s, holder := newSoftware(t), newSoftware(t)
	text := issue(t, s, content(&jose.JWK{Public: holder.Public()}))
	r := Verify(text, Options{Key: s.Public(), Algorithm: key.ES256, Now: now})
	if !r.OK() {
		t.Fatalf("findings %v", r.Findings)
	}
	c := r.Credential
	if c.Disclosed != 6 || c.Withheld != 3 || c.Issuer != content(nil).Issuer || c.Type != content(nil).Type ||
		!c.IssuedAt.Equal(now) || !c.Expires.Equal(now.AddDate(1, 0, 0)) || *c.Status != *content(nil).Status {
		t.Errorf("credential %+v", c)
	}
	if got := string(c.Claims["skills"]); got != `["保洁","护理","烹饪"]` {
		t.Errorf("skills %s", got)
	}
	if got := string(c.Claims["address"]); got != `{"division":"990000","street":"示例路1号"}` {
		t.Errorf("address %s", got)
	}
	if got := c.Text("certificateTypeCode"); got != "<T&1>" {
		t.Errorf("type code %q", got)
	}
	if r.SDJWT.Text() != text {
		t.Error("Text is not what was read")
	}
	for _, gone := range []string{"_sd", "_sd_alg"} {
		if _, there := c.Claims[gone]; there {
			t.Errorf("%s is left among the claims", gone)
		}
	}
}

func TestASelectionShowsNothingElse(t *testing.T) {
	s := newSoftware(t)
	text := issue(t, s, content(nil))
	parsed, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	shown := parsed.Select(func(d Disclosure) bool { return d.Name == "holderName" })
	r := Verify(shown, Options{Key: s.Public(), Algorithm: key.ES256, Now: now})
	if !r.OK() || r.Credential.Text("holderName") != "周八(示例)" || r.Credential.Disclosed != 1 {
		t.Fatalf("result %+v %v", r.Credential, r.Findings)
	}
	if r.Credential.Withheld != 3+2+2 { // decoys, top level, array; the street hides inside the withheld address
		t.Errorf("withheld %d", r.Credential.Withheld)
	}
	if got := string(r.Credential.Claims["skills"]); got != `["烹饪"]` {
		t.Errorf("skills %s: a withheld element leaves a trace", got)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(shown, ".")[1])
	for _, secret := range []string{"周八", "110105", "护理", "示例路"} {
		if strings.Contains(string(payload), secret) {
			t.Errorf("the signed payload holds %s", secret)
		}
	}
}

func TestTheOrderOfDigestsTellsNothing(t *testing.T) {
	text := issue(t, newSoftware(t), content(nil))
	parsed, _ := Parse(text)
	digests := parsed.payload.members["_sd"].elements
	if !slices.IsSortedFunc(digests, func(a, b *value) int { return strings.Compare(a.text, b.text) }) {
		t.Error("digests are not sorted")
	}
	if len(digests) != 3+3 {
		t.Errorf("%d digests at the top, want 3 claims and 3 decoys", len(digests))
	}
}

func TestAnUnsignedIsSpentOnce(t *testing.T) {
	u, err := Prepare(content(nil), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := newSoftware(t)
	if _, err := u.Sign(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Sign(context.Background(), s); !errors.Is(err, ErrSpent) {
		t.Errorf("second Sign = %v, want ErrSpent", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	with := func(f func(*Content)) Content { c := content(nil); f(&c); return c }
	for name, c := range map[string]Content{
		"no iss":           with(func(c *Content) { c.Issuer = "" }),
		"no vct":           with(func(c *Content) { c.Type = "" }),
		"no iat":           with(func(c *Content) { c.IssuedAt = time.Time{} }),
		"a claim twice":    with(func(c *Content) { c.Claims = append(c.Claims, Text("holderName", "x", false)) }),
		"iss as claim":     with(func(c *Content) { c.Claims = append(c.Claims, Text("iss", "x", false)) }),
		"exp disclosable":  with(func(c *Content) { c.Claims = append(c.Claims, Text("exp", "x", true)) }),
		"_sd as name":      with(func(c *Content) { c.Claims = append(c.Claims, Text("_sd", "x", true)) }),
		"_sd as claim":     with(func(c *Content) { c.Claims = append(c.Claims, Text("_sd", "x", false)) }),
		"no JSON":          with(func(c *Content) { c.Claims = append(c.Claims, Claim{Name: "x", Value: []byte("{")}) }),
		"_sd in a value":   with(func(c *Content) { c.Claims = append(c.Claims, Claim{Name: "x", Value: []byte(`{"_sd":1}`)}) }),
		"... in a value":   with(func(c *Content) { c.Claims = append(c.Claims, Claim{Name: "x", Value: []byte(`{"...":"a"}`)}) }),
		"negative index":   with(func(c *Content) { c.Status.Index = -1 }),
		"a member doubled": with(func(c *Content) { c.Claims = append(c.Claims, Claim{Name: "x", Value: []byte(`{"a":1,"a":2}`)}) }),
	} {
		if _, err := Prepare(c, rand.Reader); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Prepare(content(nil), strings.NewReader("short")); err == nil {
		t.Error("without enough randomness: accepted")
	}
}

// forge signs any payload and appends disclosures, as a careless or hostile issuer would.
func forge(t testing.TB, s key.Signer, typ, payload string, disclosures ...string) string {
	t.Helper()
	jwt, err := jose.Sign(context.Background(), s, jose.Header{Type: typ, KeyID: "k1"}, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return jwt + "~" + strings.Join(append(disclosures, ""), "~")
}

// disclosure encodes JSON and returns it with its digest.
func disclosure(jsonText string) (encoded, hash string) {
	encoded = base64.RawURLEncoding.EncodeToString([]byte(jsonText))
	return encoded, digest(encoded)
}

func TestRulesOfRFC9901AndSDJWTVC(t *testing.T) {
	s := newSoftware(t)
	name, nameHash := disclosure(`["s","name","v"]`)
	element, elementHash := disclosure(`["s","v"]`)
	sd, sdHash := disclosure(`["s","_sd","v"]`)
	dots, dotsHash := disclosure(`["s","...","v"]`)
	exp, expHash := disclosure(`["s","exp",1]`)
	alg, algHash := disclosure(`["s","_sd_alg","sha-256"]`)
	nested, nestedHash := disclosure(fmt.Sprintf(`["s","outer",{"_sd":[%q]}]`, nameHash))
	four, fourHash := disclosure(`["s","a","b","c"]`)
	self := func(payload string, ds ...string) string { return forge(t, s, Type, payload, ds...) }
	for _, c := range []struct {
		rule string
		text string
		want Code // "": accepted
	}{
		{"a claim", self(`{"vct":"v","_sd":["`+nameHash+`"]}`, name), ""},
		{"a claim inside a disclosed one", self(`{"vct":"v","_sd":["`+nestedHash+`"]}`, nested, name), ""},
		{"an array element", self(`{"vct":"v","a":[{"...":"`+elementHash+`"}]}`, element), ""},
		{"sha-256 named", self(`{"vct":"v","_sd_alg":"sha-256"}`), ""},
		{"no tilde", strings.TrimSuffix(self(`{"vct":"v"}`), "~"), Malformed},
		{"payload no object", self(`["vct"]`), Malformed},
		{"a member twice", self(`{"vct":"v","vct":"w"}`), Malformed},
		{"an empty disclosure", self(`{"vct":"v"}`, ""), DisclosureMalformed},
		{"a disclosure with padding", self(`{"vct":"v"}`, name+"="), DisclosureMalformed},
		{"four elements", self(`{"vct":"v","_sd":["`+fourHash+`"]}`, four), DisclosureMalformed},
		{"typ jwt", forge(t, s, "jwt", `{"vct":"v"}`), WrongType},
		{"typ of 2023", forge(t, s, LegacyType, `{"vct":"v"}`), WrongType},
		{"sha-512", self(`{"vct":"v","_sd_alg":"sha-512"}`), HashAlgorithm},
		{"_sd_alg no string", self(`{"vct":"v","_sd_alg":1}`), HashAlgorithm},
		{"unreferenced disclosure", self(`{"vct":"v"}`, name), Unreferenced},
		{"inner disclosure without its outer", self(`{"vct":"v","_sd":["`+nestedHash+`"]}`, name), Unreferenced},
		{"a disclosure twice", self(`{"vct":"v","_sd":["`+nameHash+`"]}`, name, name), DigestRepeated},
		{"a digest twice", self(`{"vct":"v","_sd":["`+nameHash+`","`+nameHash+`"]}`, name), DigestRepeated},
		{"a digest twice, withheld", self(`{"vct":"v","_sd":["` + nameHash + `"],"a":{"_sd":["` + nameHash + `"]}}`), DigestRepeated},
		{"a digest again inside a disclosure", self(`{"vct":"v","_sd":["`+nameHash+`","`+nestedHash+`"]}`, name, nested), DigestRepeated},
		{"_sd as name", self(`{"vct":"v","_sd":["`+sdHash+`"]}`, sd), DisclosureName},
		{"... as name", self(`{"vct":"v","_sd":["`+dotsHash+`"]}`, dots), DisclosureName},
		{"a claim that is there", self(`{"vct":"v","name":1,"_sd":["`+nameHash+`"]}`, name), ClaimRepeated},
		{"element for a claim", self(`{"vct":"v","_sd":["`+elementHash+`"]}`, element), DisclosureMalformed},
		{"claim for an element", self(`{"vct":"v","a":[{"...":"`+nameHash+`"}]}`, name), DisclosureMalformed},
		{"exp disclosed", self(`{"vct":"v","_sd":["`+expHash+`"]}`, exp), ReservedDisclosed},
		{"_sd_alg disclosed", self(`{"vct":"v","_sd":["`+algHash+`"]}`, alg), ReservedDisclosed},
		{"a digest inside status", self(`{"vct":"v","status":{"_sd":["`+nameHash+`"]}}`, name), ReservedDisclosed},
		{"a digest inside cnf, withheld", self(`{"vct":"v","cnf":{"_sd":["` + nameHash + `"]}}`), ReservedDisclosed},
		{"an element inside aka_vcts", self(`{"vct":"v","aka_vcts":[{"...":"`+elementHash+`"}]}`, element), ReservedDisclosed},
		{"exp disclosed further down is another claim", self(`{"vct":"v","a":{"_sd":["`+expHash+`"]}}`, exp), ""},
		{"_sd no array", self(`{"vct":"v","_sd":"` + nameHash + `"}`), Malformed},
		{"a digest no string", self(`{"vct":"v","_sd":[1]}`), Malformed},
		{"... beside more", self(`{"vct":"v","a":[{"...":"`+elementHash+`","b":1}]}`, element), Malformed},
		{"... outside of an array", self(`{"vct":"v","...":"` + elementHash + `"}`), Malformed},
		{"too deep", self(`{"vct":"v","a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`), Malformed},
		{"no vct", self(`{"iss":"x"}`), ClaimMalformed},
		{"vct no string", self(`{"vct":7}`), ClaimMalformed},
		{"exp no number", self(`{"vct":"v","exp":"1"}`), ClaimMalformed},
		{"exp infinite", self(`{"vct":"v","exp":1e400}`), ClaimMalformed},
		{"idx negative", self(`{"vct":"v","status":{"status_list":{"idx":-1,"uri":"u"}}}`), ClaimMalformed},
		{"idx a fraction", self(`{"vct":"v","status":{"status_list":{"idx":1.5,"uri":"u"}}}`), ClaimMalformed},
		{"cnf without a key", self(`{"vct":"v","cnf":{}}`), ClaimMalformed},
		{"cnf with a secret", self(`{"vct":"v","cnf":{"jwk":{"kty":"oct","k":"AA"}}}`), ClaimMalformed},
		{"expired", self(fmt.Sprintf(`{"vct":"v","exp":%d}`, now.Add(-2*skew).Unix())), Expired},
		{"expired within the skew", self(fmt.Sprintf(`{"vct":"v","exp":%d}`, now.Add(-skew/2).Unix())), ""},
		{"not yet", self(fmt.Sprintf(`{"vct":"v","nbf":%d}`, now.Add(2*skew).Unix())), NotYetValid},
		{"another issuer", forge(t, newSoftware(t), Type, `{"vct":"v"}`), WrongSignature},
	} {
		r := Verify(c.text, Options{Key: s.Public(), Algorithm: key.ES256, Now: now, Skew: skew})
		want := []Code{c.want}
		if c.want == "" {
			want = []Code{}
		}
		if got := r.Codes(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.rule, r.Findings, want)
		}
		if r.OK() != (c.want == "") {
			t.Errorf("%s: OK is %v", c.rule, r.OK())
		}
	}
	old := forge(t, s, LegacyType, `{"vct":"v"}`)
	if r := Verify(old, Options{Key: s.Public(), Algorithm: key.ES256, Now: now, LegacyType: true}); !r.OK() {
		t.Errorf("the old typ, allowed: %v", r.Findings)
	}
}

func TestAlgorithmsAreTheCallersChoice(t *testing.T) {
	s := newSoftware(t)
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, alg := range []string{"none", "HS256", "ES384", "RS256"} {
		text := encode(`{"alg":"`+alg+`","typ":"dc+sd-jwt"}`) + "." + encode(`{"vct":"v"}`) + "." + encode("x") + "~"
		r := Verify(text, Options{Key: s.Public(), Algorithm: key.ES256, Now: now})
		if got := r.Codes(); !slices.Equal(got, []Code{WrongAlgorithm}) {
			t.Errorf("alg %s: %v, want %s", alg, r.Findings, WrongAlgorithm)
		}
	}
}

func TestAFailedCheckHidesNoLaterOne(t *testing.T) {
	name, _ := disclosure(`["s","name","v"]`)
	text := forge(t, newSoftware(t), "jwt", `{"vct":"v"}`, name)
	r := Verify(text, Options{Key: newSoftware(t).Public(), Algorithm: key.ES256, Now: now})
	if got, want := r.Codes(), []Code{WrongType, WrongSignature, Unreferenced}; !slices.Equal(got, want) {
		t.Errorf("codes %v, want %v", got, want)
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	s := newSoftware(t)
	text := issue(t, s, content(nil))
	for i := 0; i < len(text); i += 7 {
		for _, c := range []byte{'A', '~', '.', 0} {
			if text[i] == c {
				continue
			}
			changed := text[:i] + string(c) + text[i+1:]
			if r := Verify(changed, Options{Key: s.Public(), Algorithm: key.ES256, Now: now}); r.OK() {
				t.Fatalf("byte %d changed to %q: accepted", i, c)
			}
		}
	}
	for i := range len(text) {
		r := Verify(text[:i], Options{Key: s.Public(), Algorithm: key.ES256, Now: now})
		if r.OK() && text[i-1] != '~' { // cut after a tilde, it is a presentation with fewer disclosures
			t.Fatalf("cut at %d: accepted", i)
		}
	}
}

func TestKeyBinding(t *testing.T) {
	s, holder := newSoftware(t), newSoftware(t)
	bound := issue(t, s, content(&jose.JWK{Public: holder.Public()}))
	parsed, _ := Parse(bound)
	shown := parsed.Select(func(d Disclosure) bool { return d.Name == "holderName" })
	bind := func(text string, k key.Signer, aud, nonce string, at time.Time) string {
		t.Helper()
		out, err := Bind(context.Background(), text, k, aud, nonce, at)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	kb := func(typ, payload string) string {
		jwt, err := jose.Sign(context.Background(), holder, jose.Header{Type: typ}, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return shown + jwt
	}
	const aud, nonce = "https://portal.example", "n-1"
	good := bind(shown, holder, aud, nonce, now)
	hash := digest(shown)
	for _, c := range []struct {
		rule, text string
		want       Code
	}{
		{"bound", good, ""},
		{"no KB-JWT", shown, KeyBindingMissing},
		{"no cnf", bind(issue(t, s, content(nil)), holder, aud, nonce, now), KeyBindingMissing},
		{"another key", bind(shown, newSoftware(t), aud, nonce, now), KeyBindingSignature},
		{"another audience", bind(shown, holder, aud+"/", nonce, now), KeyBindingAudience},
		{"another nonce", bind(shown, holder, aud, "n-2", now), KeyBindingNonce},
		{"stale", bind(shown, holder, aud, nonce, now.Add(-5*time.Minute-2*skew)), KeyBindingTime},
		{"from the future", bind(shown, holder, aud, nonce, now.Add(2*skew)), KeyBindingTime},
		{"proof of another presentation", shown + strings.TrimPrefix(bind(bound, holder, aud, nonce, now), bound), KeyBindingDigest},
		{"typ jwt", kb("jwt", fmt.Sprintf(`{"iat":%d,"aud":%q,"nonce":%q,"sd_hash":%q}`, now.Unix(), aud, nonce, hash)), KeyBindingMalformed},
		{"aud a list", kb(KBType, fmt.Sprintf(`{"iat":%d,"aud":[%q],"nonce":%q,"sd_hash":%q}`, now.Unix(), aud, nonce, hash)), KeyBindingMalformed},
		{"no iat", kb(KBType, fmt.Sprintf(`{"aud":%q,"nonce":%q,"sd_hash":%q}`, aud, nonce, hash)), KeyBindingMalformed},
		{"iat text", kb(KBType, fmt.Sprintf(`{"iat":"now","aud":%q,"nonce":%q,"sd_hash":%q}`, aud, nonce, hash)), KeyBindingMalformed},
		{"not a JWT", shown + "x", Malformed},
	} {
		r := Verify(c.text, Options{Key: s.Public(), Algorithm: key.ES256, Now: now, Skew: skew,
			KeyBinding: &KeyBinding{Audience: aud, Nonce: nonce, MaxAge: 5 * time.Minute}})
		want := []Code{c.want}
		if c.want == "" {
			want = []Code{}
		}
		if got := r.Codes(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.rule, r.Findings, want)
		}
	}
	// Not demanded: it proves nothing, and a foreign one harms nothing.
	for _, text := range []string{good, bind(shown, newSoftware(t), aud, nonce, now)} {
		if r := Verify(text, Options{Key: s.Public(), Algorithm: key.ES256, Now: now}); !r.OK() {
			t.Errorf("key binding not demanded: %v", r.Findings)
		}
	}
	// An empty nonce never matches an empty demand.
	r := Verify(bind(shown, holder, aud, "", now), Options{Key: s.Public(), Algorithm: key.ES256, Now: now,
		KeyBinding: &KeyBinding{Audience: aud, MaxAge: time.Minute}})
	if !slices.Equal(r.Codes(), []Code{KeyBindingNonce}) {
		t.Errorf("empty nonce: %v", r.Findings)
	}
}

// rfcIssuer is the issuer's key of RFC 9901, appendix A.5.
func rfcIssuer(t *testing.T) *ecdsa.PublicKey {
	t.Helper()
	k, err := jose.ParseJWK([]byte(`{"kty":"EC","crv":"P-256","x":"b28d4MwZMjw8-00CG4xfnn9SLMVMM19SlqZpVb_uNtQ",
		"y":"Xv5zWwuoaTgdS6hV43yI6gBwTnjukmFQQnJ_kCxzqk8"}`))
	if err != nil {
		t.Fatal(err)
	}
	return k.Public.(*ecdsa.PublicKey)
}

func vector(t *testing.T, name string) *SDJWT {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func sameJSON(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("claims %s, want %s", got, want)
	}
}

func TestDigestOfRFC9901Section423(t *testing.T) {
	if got := digest("WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"); got !=
		"X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0" {
		t.Errorf("digest %s", got)
	}
}

func TestRFC9901A2NestedClaims(t *testing.T) {
	parsed := vector(t, "rfc9901-a2.txt")
	if err := parsed.CheckSignature(rfcIssuer(t), key.ES256); err != nil {
		t.Error(err)
	}
	claims, withheld, err := parsed.open()
	if err != nil {
		t.Fatal(err)
	}
	if withheld == 0 {
		t.Error("nothing withheld")
	}
	sameJSON(t, claims.appendJSON(nil), `{"iss":"https://issuer.example.com","iat":1683000000,"exp":1883000000,
		"verified_claims":{"verification":{"trust_framework":"de_aml","evidence":[{"method":"pipp"}],"time":"2012-04-23T18:25Z"},
		"claims":{"given_name":"Max","family_name":"Müller","address":{"locality":"Maxstadt","postal_code":"12344",
		"country":"DE","street_address":"Weidenstraße 22"}}}}`)
	if _, err := parsed.Open(); !errors.Is(err, &Error{Code: ClaimMalformed}) {
		t.Errorf("without vct it is no credential: %v", err)
	}
}

func TestRFC9901A3Credential(t *testing.T) {
	parsed := vector(t, "rfc9901-a3.txt")
	at := time.Unix(1700000000, 0)
	r := Verify(parsed.Text(), Options{Key: rfcIssuer(t), Algorithm: key.ES256, Now: at, LegacyType: true})
	if !r.OK() {
		t.Fatalf("findings %v", r.Findings)
	}
	claims, _, _ := parsed.open()
	sameJSON(t, claims.appendJSON(nil), `{"given_name":"Erika","family_name":"Mustermann","birthdate":"1963-08-12",
		"source_document_type":"id_card","address":{"street_address":"Heidestraße 17","locality":"Köln","postal_code":"51147",
		"country":"DE"},"nationalities":["DE"],"gender":"female","birth_family_name":"Gabler","place_of_birth":{
		"locality":"Berlin","country":"DE"},"also_known_as":"Schwester Agnes","age_equal_or_over":{"12":true,"14":true,
		"16":true,"18":true,"21":true,"65":false},"iss":"https://issuer.example.com","iat":1683000000,"exp":1883000000,
		"vct":"https://bmi.bund.example/credential/pid/1.0","cnf":{"jwk":{"kty":"EC","crv":"P-256",
		"x":"TCAER19Zvu3OHF4j4W4vfSVoHIP1ILilDls7vCeGemc","y":"ZxjiWWbZMQGHVWKVQ4hbSIirsVfuecCE6t4jT9F2HZQ"}}}`)
	if r.Credential.Disclosed != 21 || r.Credential.Confirmation == nil {
		t.Errorf("disclosed %d", r.Credential.Disclosed)
	}
	strict := Verify(parsed.Text(), Options{Key: rfcIssuer(t), Algorithm: key.ES256, Now: at})
	if !slices.Equal(strict.Codes(), []Code{WrongType}) {
		t.Errorf("without the switch: %v", strict.Findings)
	}
}

func TestBounds(t *testing.T) {
	if _, err := Parse(strings.Repeat("a", MaxSize+1)); !errors.Is(err, &Error{Code: Malformed}) {
		t.Errorf("too long: %v", err)
	}
	if _, err := Parse("a.b.c" + strings.Repeat("~a", MaxDisclosures+1) + "~"); !errors.Is(err, &Error{Code: Malformed}) {
		t.Errorf("too many disclosures: %v", err)
	}
	// A chain of disclosures, each inside the next, stops at the depth limit.
	s := newSoftware(t)
	encoded, hash := disclosure(`["s","a",1]`)
	chain := []string{encoded}
	for range 100 {
		encoded, hash = disclosure(fmt.Sprintf(`["s","a",{"_sd":[%q]}]`, hash))
		chain = append(chain, encoded)
	}
	r := Verify(forge(t, s, Type, `{"vct":"v","_sd":["`+hash+`"]}`, chain...), Options{Key: s.Public(), Algorithm: key.ES256, Now: now})
	if !slices.Equal(r.Codes(), []Code{Malformed}) {
		t.Errorf("chain of disclosures: %v", r.Findings)
	}
}

func FuzzParse(f *testing.F) {
	s := newSoftware(f)
	f.Add(issue(f, s, content(nil)))
	name, hash := disclosure(`["s","name",{"a":[1,2,{"b":null}]}]`)
	f.Add(forge(f, s, Type, `{"vct":"v","_sd":["`+hash+`"]}`, name))
	f.Add("a.b.c~~")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if (parsed == nil) == (err == nil) {
			t.Fatalf("value %v, error %v", parsed, err)
		}
		var e *Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Errorf("error without a code: %v", err)
			}
			return
		}
		if parsed.Text() != text {
			t.Errorf("Text = %q, want %q", parsed.Text(), text)
		}
		c, err := parsed.Open()
		if (c == nil) == (err == nil) || err != nil && !errors.As(err, &e) {
			t.Fatalf("Open: value %v, error %v", c, err)
		}
		if err == nil {
			for name, raw := range c.Claims {
				if !json.Valid(raw) {
					t.Errorf("claim %q is no JSON: %q", name, raw)
				}
			}
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	s := newSoftware(b)
	c := content(nil)
	c.Claims, c.Decoys = nil, 4
	for i := range 12 {
		c.Claims = append(c.Claims, Text(fmt.Sprintf("claim%d", i), "a value of a licence", true))
	}
	b.Run("Licence", func(b *testing.B) {
		for b.Loop() {
			issue(b, s, c)
		}
	})
	b.Run("Prepare", func(b *testing.B) {
		for b.Loop() {
			if _, err := Prepare(c, rand.Reader); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("BareES256Sign", func(b *testing.B) {
		digest := make([]byte, 32)
		for b.Loop() {
			if _, err := s.SignDigest(context.Background(), digest); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := newSoftware(b)
	c := content(nil)
	c.Claims, c.Decoys = nil, 4
	for i := range 12 {
		c.Claims = append(c.Claims, Text(fmt.Sprintf("claim%d", i), "a value of a licence", true))
	}
	text := issue(b, s, c)
	b.Run("Licence", func(b *testing.B) {
		for b.Loop() {
			if !Verify(text, Options{Key: s.Public(), Algorithm: key.ES256, Now: now}).OK() {
				b.Fatal("refused")
			}
		}
	})
	b.Run("BareES256Verify", func(b *testing.B) {
		message := []byte("message")
		signature, err := key.Sign(context.Background(), s, message)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if !key.Verify(key.ES256, s.Public(), message, signature) {
				b.Fatal("refused")
			}
		}
	})
}
