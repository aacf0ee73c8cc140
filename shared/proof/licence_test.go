package proof

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/sdjwt"
	"github.com/yinxin/yinxin/shared/statuslist"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

const (
	agency   = "11990000YX0000067R" // 示例省人力资源和社会保障厅
	typeCode = agency + "001"
	listURI  = "http://localhost:8080/status-lists/1"
)

// issuer is an agency that issues licences, with everything that a verifier trusts.
type issuer struct {
	t        *testing.T
	now      time.Time
	root     *cert.Certificate
	rootKey  key.Signer
	key      key.Signer
	leaf     *cert.Certificate
	list     *statuslist.List
	revoked  []cert.Revocation
	tokenKey key.Signer
	tokenDER []byte
	trust    Trust
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t, now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), rootKey: keytest.New(t, key.ES256), key: keytest.New(t, key.ES256)}
	der, err := cert.CreateRoot(t.Context(), cert.Template{Serial: big.NewInt(1), Subject: cert.Name{Organization: "示例", CommonName: "示例根"},
		NotBefore: i.now.AddDate(-1, 0, 0), NotAfter: i.now.AddDate(9, 0, 0), KeyUsage: cert.CertSign | cert.CRLSign, IsCA: true,
		MaxPathLen: -1}, i.rootKey)
	i.root = i.parse(der, err)
	i.leaf = i.certify(i.key, agency+"示例省人力资源和社会保障厅", 2)
	i.tokenKey, i.tokenDER = i.key, i.leaf.Raw
	if i.list, err = statuslist.New(2, 64); err != nil {
		t.Fatal(err)
	}
	i.trust = Trust{
		Anchors: trust.Anchors{{Purpose: trust.LicenceIssuer, Root: i.root}},
		List:    trust.List{Issuers: []trust.Issuer{{USCC: agency, Name: "示例", Types: []string{typeCode}}}},
		StatusList: func(_ context.Context, uri string) (string, bool, error) {
			if uri != listURI {
				return "", false, nil
			}
			return i.token(), true, nil
		},
	}
	return i
}

func (i *issuer) parse(der []byte, err error) *cert.Certificate {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
	c, err := cert.Parse(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return c
}

func (i *issuer) certify(k key.Signer, organisation string, serial int64) *cert.Certificate {
	i.t.Helper()
	der, err := cert.Create(i.t.Context(), cert.Template{Serial: big.NewInt(serial), NotBefore: i.now.AddDate(-1, 0, 0),
		NotAfter: i.now.AddDate(1, 0, 0), KeyUsage: cert.DigitalSignature,
		Subject: cert.Name{Country: "CN", Organization: organisation, CommonName: "示例"}}, i.root, i.rootKey, k.Public())
	return i.parse(der, err)
}

// crls is the root's list of now.
func (i *issuer) crls() []*cert.CRL {
	i.t.Helper()
	der, err := cert.CreateCRL(i.t.Context(), cert.CRLTemplate{Number: big.NewInt(1), ThisUpdate: i.now.Add(-time.Hour),
		NextUpdate: i.now.Add(time.Hour), Revoked: i.revoked}, i.root, i.rootKey)
	if err != nil {
		i.t.Fatal(err)
	}
	l, err := cert.ParseCRL(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return []*cert.CRL{l}
}

func (i *issuer) token() string {
	i.t.Helper()
	unsigned, err := statuslist.Prepare(statuslist.Token{Subject: listURI, IssuedAt: i.now.Add(-time.Minute), Expires: i.now.Add(time.Hour),
		TTL: time.Hour, List: i.list, X5C: [][]byte{i.tokenDER}})
	if err != nil {
		i.t.Fatal(err)
	}
	token, err := unsigned.Sign(i.t.Context(), i.tokenKey)
	if err != nil {
		i.t.Fatal(err)
	}
	return token
}

func (i *issuer) identifier() string {
	i.t.Helper()
	id, err := ident.NewLicenceID(typeCode, agency, "2026000001", 1)
	if err != nil {
		i.t.Fatal(err)
	}
	return id.String()
}

func (i *issuer) content() sdjwt.Content {
	return sdjwt.Content{Issuer: "http://localhost:8080/issuers/" + agency, Type: "urn:cn:elicence:" + typeCode + ":1",
		IssuedAt: i.now.Add(-time.Hour), NotBefore: i.now.Add(-time.Hour), Expires: i.now.AddDate(1, 0, 0),
		Status: &sdjwt.Status{Index: 7, URI: listURI}, X5C: [][]byte{i.leaf.Raw},
		Claims: []sdjwt.Claim{sdjwt.Text(ClaimIdentifier, i.identifier(), false), sdjwt.Text(ClaimName, "居家上门服务证(示例)", false),
			sdjwt.Text(ClaimHolderType, "111", false), sdjwt.Text(ClaimHolder, "周八(示例)", true)}}
}

func (i *issuer) issue(c sdjwt.Content) string {
	i.t.Helper()
	unsigned, err := sdjwt.Prepare(c, rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := unsigned.Sign(i.t.Context(), i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

func (i *issuer) verify(text string, change func(*LicenceOptions)) verdict.Verdict {
	o := LicenceOptions{Text: text, Now: i.now}
	if change != nil {
		change(&o)
	}
	i.trust.CRLs = i.crls()
	return Licence(context.Background(), o, i.trust)
}

// outcome is a verdict in one line: the codes that failed, or where none did, those that are open.
func outcome(v verdict.Verdict) string {
	list := []string{string(v.Overall)}
	for _, want := range [][]verdict.Result{{verdict.Fail}, {verdict.Unknown, verdict.Skipped}} {
		for _, c := range v.Checks {
			for _, r := range want {
				if c.Result == r && (len(list) == 1 || list[len(list)-1] != c.Code) {
					list = append(list, c.Code)
				}
			}
		}
		if len(list) > 1 {
			break
		}
	}
	return strings.Join(list, " ")
}

func TestLicencesAreJudgedByNameOfWhatIsWrong(t *testing.T) {
	changed := func(f func(i *issuer, c *sdjwt.Content)) func(i *issuer) string {
		return func(i *issuer) string {
			c := i.content()
			f(i, &c)
			return i.issue(c)
		}
	}
	plain := changed(func(*issuer, *sdjwt.Content) {})
	for _, c := range []struct {
		name   string
		text   func(i *issuer) string
		option func(*LicenceOptions)
		want   string
	}{
		{"as issued", plain, nil, "valid"},
		{"with nothing disclosed", func(i *issuer) string { return strings.SplitAfter(plain(i), "~")[0] }, nil, "valid"},
		{"no licence at all", func(*issuer) string { return "hello~" }, nil, "invalid LIC_FORMAT"},
		{"another media type", func(i *issuer) string {
			text, err := jose.Sign(t.Context(), i.key, jose.Header{Type: "JWT"}, []byte(`{"iss":"x","vct":"y"}`))
			if err != nil {
				t.Fatal(err)
			}
			return text + "~"
		}, nil, "invalid LIC_FORMAT"},
		{"without an identifier", changed(func(_ *issuer, c *sdjwt.Content) { c.Claims = c.Claims[1:3] }), nil, "invalid LIC_ID_MISSING"},
		{"an identifier of another form", changed(func(_ *issuer, c *sdjwt.Content) { c.Claims[0] = sdjwt.Text(ClaimIdentifier, "1.2.3", false) }), nil, "invalid LIC_ID_STRUCTURE"},
		{"a wrong check character", changed(func(i *issuer, c *sdjwt.Content) {
			id := i.identifier()
			other := map[bool]string{true: "A", false: "B"}[id[len(id)-1] != 'A']
			c.Claims[0] = sdjwt.Text(ClaimIdentifier, id[:len(id)-1]+other, false)
		}), nil, "valid"},
		{"without a certificate", changed(func(_ *issuer, c *sdjwt.Content) { c.X5C = nil }), nil, "invalid LIC_NO_CERTIFICATE"},
		{"an issuer's address of another", changed(func(_ *issuer, c *sdjwt.Content) { c.Issuer = "http://localhost:8080/issuers/11990000YX0000016H" }), nil, "invalid LIC_ISSUER_MISMATCH"},
		{"an identifier of another issuer", changed(func(_ *issuer, c *sdjwt.Content) {
			id, err := ident.NewLicenceID(typeCode, "11990000YX0000016H", "1", 1)
			if err != nil {
				t.Fatal(err)
			}
			c.Claims[0] = sdjwt.Text(ClaimIdentifier, id.String(), false)
		}), nil, "invalid LIC_ISSUER_MISMATCH"},
		{"an issuer that nobody trusts", func(i *issuer) string {
			other := newIssuer(t)
			return other.issue(other.content())
		}, nil, "invalid NO_CERTIFICATE_CHAIN_FOUND"},
		{"a type that the issuer may not issue", func(i *issuer) string {
			i.trust.List.Issuers[0].Types = []string{agency + "002"}
			return plain(i)
		}, nil, "invalid ISSUER_NOT_TRUSTED"},
		{"a certificate revoked before", func(i *issuer) string {
			i.revoked = []cert.Revocation{{Serial: i.leaf.Serial, At: i.now.Add(-2 * time.Hour), Reason: cert.Superseded}}
			return plain(i)
		}, nil, "invalid REVOKED_BEFORE_SIGNING"},
		{"a signature of another key", func(i *issuer) string {
			own := i.key
			i.key = keytest.New(t, key.ES256)
			text := plain(i)
			i.key = own
			return text
		}, nil, "invalid LIC_SIGNATURE"},
		{"a changed disclosure", func(i *issuer) string {
			parts := strings.Split(plain(i), "~")
			value, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil {
				t.Fatal(err)
			}
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(value), "周八", "周九", 1)))
			return strings.Join(parts, "~")
		}, nil, "invalid LIC_DISCLOSURE"},
		{"not valid yet", changed(func(i *issuer, c *sdjwt.Content) { c.NotBefore = i.now.Add(time.Hour) }), nil, "invalid LIC_NOT_YET_VALID"},
		{"expired", changed(func(i *issuer, c *sdjwt.Content) { c.Expires = i.now.Add(-time.Minute - skew) }), nil, "invalid LIC_EXPIRED"},
		{"expired at the time asked for", plain, func(o *LicenceOptions) { o.At = o.Now.AddDate(2, 0, 0) }, "invalid LIC_EXPIRED"},
		{"signed tomorrow", changed(func(i *issuer, c *sdjwt.Content) {
			c.IssuedAt, c.NotBefore = i.now.AddDate(0, 0, 1), i.now.AddDate(0, 0, -1)
		}), nil, "invalid LIC_NOT_YET_VALID"},
		{"the vct of a type that the issuer may not issue", changed(func(_ *issuer, c *sdjwt.Content) {
			c.Type = "urn:cn:elicence:11990000YX0000059Y001:1"
		}), func(o *LicenceOptions) { o.Expect.Type = "urn:cn:elicence:11990000YX0000059Y001:1" }, "invalid LIC_TYPE_MISMATCH"},
		{"the type code of another type", changed(func(_ *issuer, c *sdjwt.Content) {
			c.Claims = append(c.Claims, sdjwt.Text(ClaimTypeCode, "11990000YX0000059Y001", false))
		}), nil, "invalid LIC_TYPE_MISMATCH"},
		{"a vct of no type of licence", changed(func(_ *issuer, c *sdjwt.Content) { c.Type = "https://example.org/licence" }), nil,
			"indeterminate LIC_TYPE_UNKNOWN"},
		{"an issuer in capital letters beside the issuer", members(func(m map[string]any) {
			m["ISS"], m["iss"] = m["iss"], "http://localhost:8080/issuers/11990000YX0000016H"
		}), nil, "invalid LIC_ISSUER_MISMATCH"},
		{"a time with a fraction", members(func(m map[string]any) { m["iat"] = m["iat"].(float64) + 0.5 }), nil, "valid"},
		{"a status that is on no list", members(func(m map[string]any) {
			m["status"] = map[string]any{"identifier_list": map[string]any{"id": "7", "uri": listURI}}
		}), nil, "indeterminate LIC_STATUS_UNKNOWN"},
		{"revoked", status(statuslist.Invalid), nil, "invalid LIC_REVOKED"},
		{"suspended", status(statuslist.Suspended), nil, "invalid LIC_SUSPENDED"},
		{"superseded", status(statuslist.Superseded), nil, "invalid LIC_SUPERSEDED"},
		{"suspended now, asked about a time before the list", status(statuslist.Suspended), before, "indeterminate LIC_STATUS_UNKNOWN"},
		{"valid now, asked about a time before the list", plain, before, "indeterminate LIC_STATUS_UNKNOWN"},
		{"valid now, asked about a time of the list", plain, func(o *LicenceOptions) { o.At = o.Now.Add(-time.Second) }, "valid"},
		{"valid now, asked about tomorrow", plain, func(o *LicenceOptions) { o.At = o.Now.AddDate(0, 0, 1) }, "indeterminate LIC_STATUS_UNKNOWN"},
		{"revoked now, asked about tomorrow", status(statuslist.Invalid), func(o *LicenceOptions) { o.At = o.Now.AddDate(0, 0, 1) }, "invalid LIC_REVOKED"},
		{"without a status", changed(func(_ *issuer, c *sdjwt.Content) { c.Status = nil }), nil, "valid"},
		{"a list that cannot be had", changed(func(_ *issuer, c *sdjwt.Content) { c.Status.URI = "https://elsewhere.example/1" }), nil, "indeterminate LIC_STATUS_UNKNOWN"},
		{"an index outside of the list", changed(func(_ *issuer, c *sdjwt.Content) { c.Status.Index = 64 }), nil, "indeterminate LIC_STATUS_LIST_INVALID"},
		{"a list of another agency", func(i *issuer) string {
			i.tokenKey = keytest.New(t, key.ES256)
			i.tokenDER = i.certify(i.tokenKey, "11990000YX0000016H示例省财政厅", 3).Raw
			return plain(i)
		}, nil, "indeterminate LIC_STATUS_LIST_INVALID"},
		{"a list of a key that is not certified", func(i *issuer) string {
			i.tokenKey = keytest.New(t, key.ES256)
			return plain(i)
		}, nil, "indeterminate LIC_STATUS_LIST_INVALID"},
		{"an old list without an end, played again", lasting(25 * time.Hour), nil, "indeterminate LIC_STATUS_LIST_INVALID"},
		{"a list of today without an end", lasting(23 * time.Hour), nil, "valid"},
		{"nobody to ask for lists", func(i *issuer) string {
			i.trust.StatusList = nil
			return plain(i)
		}, nil, "indeterminate LIC_STATUS_UNKNOWN"},
		{"a fault in asking for lists", func(i *issuer) string {
			i.trust.StatusList = func(context.Context, string) (string, bool, error) { return "", false, errors.New("down") }
			return plain(i)
		}, nil, "indeterminate LIC_STATUS_UNKNOWN"},
		{"key binding demanded and not given", plain, func(o *LicenceOptions) {
			o.KeyBinding = &sdjwt.KeyBinding{Audience: "a", Nonce: "n", MaxAge: time.Minute}
		}, "invalid LIC_KB_INVALID"},
		{"the type expected", plain, func(o *LicenceOptions) {
			o.Expect = Expectation{TypeCode: typeCode, HolderName: "周八(示例)", Type: "urn:cn:elicence:" + typeCode + ":1"}
		}, "valid"},
		{"another type expected", plain, func(o *LicenceOptions) { o.Expect.TypeCode = agency + "002" }, "invalid LIC_EXPECTATION_MISMATCH"},
		{"another holder expected", plain, func(o *LicenceOptions) { o.Expect.HolderName = "张三" }, "invalid LIC_EXPECTATION_MISMATCH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t)
			v := i.verify(c.text(i), c.option)
			if got := outcome(v); got != c.want {
				t.Errorf("%s, want %s\n%s", got, c.want, v.Summary.EN)
			}
			checkTexts(t, v)
		})
	}
}

// before asks about a time before the status list was made, at which a suspension could have been in force.
func before(o *LicenceOptions) { o.At = o.Now.Add(-2 * time.Minute) }

// members is a licence with members of its payload as the issuer alone could have written them.
func members(change func(map[string]any)) func(i *issuer) string {
	return func(i *issuer) string {
		parts := strings.SplitN(i.issue(i.content()), "~", 2)
		h, payload, err := jose.Parse(parts[0])
		m := map[string]any{}
		if err == nil {
			err = json.Unmarshal(payload, &m)
		}
		change(m)
		if err == nil {
			payload, err = json.Marshal(m)
		}
		if err == nil {
			parts[0], err = jose.Sign(i.t.Context(), i.key, jose.Header{Type: h.Type, X5C: h.X5C}, payload)
		}
		if err != nil {
			i.t.Fatal(err)
		}
		return strings.Join(parts, "~")
	}
}

// lasting is a licence whose status list says nothing of how long it may be used, and is of an age.
func lasting(age time.Duration) func(i *issuer) string {
	return func(i *issuer) string {
		unsigned, err := statuslist.Prepare(statuslist.Token{Subject: listURI, IssuedAt: i.now.Add(-age), List: i.list,
			X5C: [][]byte{i.tokenDER}})
		if err != nil {
			i.t.Fatal(err)
		}
		token, err := unsigned.Sign(i.t.Context(), i.tokenKey)
		if err != nil {
			i.t.Fatal(err)
		}
		i.trust.StatusList = func(context.Context, string) (string, bool, error) { return token, true, nil }
		return i.issue(i.content())
	}
}

// status is a licence whose entry in the list is s.
func status(s statuslist.Status) func(i *issuer) string {
	return func(i *issuer) string {
		if err := i.list.Set(7, s); err != nil {
			i.t.Fatal(err)
		}
		return i.issue(i.content())
	}
}

// checkTexts holds every check of a verdict to have its words in two languages, and a code where it is no pass.
func checkTexts(t *testing.T, v verdict.Verdict) {
	t.Helper()
	if v.Summary.ZH == "" || v.Summary.EN == "" {
		t.Error("the verdict has no summary")
	}
	for _, c := range v.Checks {
		if c.ID == "" || c.Text.ZH == "" || c.Text.EN == "" || strings.HasPrefix(c.Text.EN, "Not passed: ") {
			t.Errorf("check %+v lacks words", c)
		}
		if c.Code == "" && c.Result != verdict.Pass && c.Result != verdict.NotApplicable {
			t.Errorf("check %s is %s without a code", c.ID, c.Result)
		}
	}
}

func TestAHolderIsMaskedAndACompanyIsNot(t *testing.T) {
	i := newIssuer(t)
	if v := i.verify(i.issue(i.content()), nil); v.Licence.Holder != "周*" {
		t.Errorf("a person is shown as %q", v.Licence.Holder)
	}
	c := i.content()
	c.Claims[2] = sdjwt.Text(ClaimHolderType, "001", false)
	c.Claims[3] = sdjwt.Text(ClaimHolder, "示例家政服务有限公司", false)
	if v := i.verify(i.issue(c), nil); v.Licence.Holder != "示例家政服务有限公司" {
		t.Errorf("a company is shown as %q", v.Licence.Holder)
	}
}

func TestEveryCodeHasItsMeaningInTwoLanguages(t *testing.T) {
	for code, m := range meanings {
		if m.text.ZH == "" || m.text.EN == "" || (m.next.ZH == "") != (m.next.EN == "") {
			t.Errorf("%s: %+v", code, m)
		}
	}
}

func TestIdentifiersAreJudgedByTheRegister(t *testing.T) {
	i := newIssuer(t)
	at := i.now
	record := func(state string) *Registered {
		return &Registered{Facts: verdict.Licence{State: state}, HolderName: "周八(示例)", ValidFrom: at.AddDate(-1, 0, 0), ValidTo: at.AddDate(1, 0, 0), Since: at.AddDate(0, -1, 0)}
	}
	for _, c := range []struct {
		name   string
		text   string
		record *Registered
		expect Expectation
		at     time.Time
		want   string
	}{
		{"in force", i.identifier(), record("01"), Expectation{}, at, "valid"},
		{"suspended", i.identifier(), record("02"), Expectation{}, at, "invalid LIC_SUSPENDED"},
		{"revoked", i.identifier(), record("03"), Expectation{}, at, "invalid LIC_REVOKED"},
		{"lapsed", i.identifier(), record("05"), Expectation{}, at, "invalid LIC_EXPIRED"},
		{"in a state of its own", i.identifier(), record("99"), Expectation{}, at, "indeterminate LIC_STATUS_UNKNOWN"},
		{"unknown", i.identifier(), nil, Expectation{}, at, "indeterminate LIC_UNKNOWN NOT_EVALUATED"},
		{"malformed", "1.2.156.3005.2.x", nil, Expectation{}, at, "invalid LIC_ID_STRUCTURE"},
		{"too early", i.identifier(), record("01"), Expectation{}, at.AddDate(-2, 0, 0), "invalid LIC_NOT_YET_VALID"},
		{"too late", i.identifier(), record("01"), Expectation{}, at.AddDate(1, 0, 0), "invalid LIC_EXPIRED"},
		{"before the present state", i.identifier(), record("01"), Expectation{}, at.AddDate(0, -2, 0), "indeterminate LIC_STATUS_UNKNOWN"},
		{"suspended since, asked about a time before", i.identifier(), record("02"), Expectation{}, at.AddDate(0, -2, 0), "indeterminate LIC_STATUS_UNKNOWN"},
		{"since the present state", i.identifier(), record("01"), Expectation{}, at.AddDate(0, 0, -20), "valid"},
		{"tomorrow", i.identifier(), record("01"), Expectation{}, at.AddDate(0, 0, 1), "indeterminate LIC_STATUS_UNKNOWN"},
		{"of the holder expected", i.identifier(), record("01"), Expectation{HolderName: "周八(示例)", TypeCode: typeCode}, at, "valid"},
		{"of another holder", i.identifier(), record("01"), Expectation{HolderName: "周"}, at, "invalid LIC_EXPECTATION_MISMATCH"},
	} {
		v := Identifier(c.text, c.record, c.expect, c.at, i.now)
		if got := outcome(v); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		checkTexts(t, v)
	}
}
