package trust

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/verdict"
)

const (
	agency = "11990000MB00000019"
	maker  = "12990000MB00000027"
)

var (
	start  = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	signed = start.Add(48 * time.Hour) // T of most tests
	now    = signed.Add(time.Hour)
)

// pki makes authorities and certificates for tests.
type pki struct {
	testing.TB
	alg    key.Algorithm
	serial int64
}

// node is a certificate with its key.
type node struct {
	*cert.Certificate
	key key.Signer
}

// issue makes a certificate; issuer is nil for a root.
func (p *pki) issue(issuer *node, common string, change func(*cert.Template)) *node {
	p.Helper()
	p.serial++
	t := cert.Template{
		Serial: big.NewInt(p.serial), Subject: cert.Name{CommonName: common, Organization: agency + "示例省财政厅"},
		NotBefore: start, NotAfter: start.AddDate(1, 0, 0), KeyUsage: cert.DigitalSignature | cert.NonRepudiation, MaxPathLen: -1,
	}
	if change != nil {
		change(&t)
	}
	n := &node{key: keytest.New(p, p.alg)}
	var der []byte
	var err error
	if issuer == nil {
		der, err = cert.CreateRoot(p.Context(), t, n.key)
	} else {
		der, err = cert.Create(p.Context(), t, issuer.Certificate, issuer.key, n.key.Public())
	}
	if err != nil {
		p.Fatal(err)
	}
	n.Certificate = p.parse(der)
	return n
}

func (p *pki) parse(der []byte) *cert.Certificate {
	p.Helper()
	c, err := cert.Parse(der)
	if err != nil {
		p.Fatal(err)
	}
	return c
}

func ca(t *cert.Template) {
	t.IsCA, t.KeyUsage, t.NotAfter = true, cert.CertSign|cert.CRLSign, start.AddDate(10, 0, 0)
}

// crl makes a list that is fresh at now, with changes.
func (p *pki) crl(issuer *node, change func(*cert.CRLTemplate)) *cert.CRL {
	p.Helper()
	t := cert.CRLTemplate{
		Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour), KeepsExpiredSince: start,
	}
	if change != nil {
		change(&t)
	}
	der, err := cert.CreateCRL(p.Context(), t, issuer.Certificate, issuer.key)
	if err != nil {
		p.Fatal(err)
	}
	l, err := cert.ParseCRL(der)
	if err != nil {
		p.Fatal(err)
	}
	return l
}

func revoke(c *node, at time.Time, reason cert.Reason) func(*cert.CRLTemplate) {
	return func(t *cert.CRLTemplate) {
		t.Revoked = append(t.Revoked, cert.Revocation{Serial: c.Serial, At: at, Reason: reason})
	}
}

// world is a root, the authorities of two purposes and a leaf of each.
type world struct {
	*pki
	root, makerCA, ownerCA, maker, owner *node
	anchors                              Anchors
}

func newWorld(t testing.TB, alg key.Algorithm) *world {
	w := &world{pki: &pki{TB: t, alg: alg}}
	w.root = w.issue(nil, "示例根", ca)
	w.makerCA = w.issue(w.root, "示例制章CA", ca)
	w.ownerCA = w.issue(w.root, "示例电子印章CA", ca)
	w.maker = w.issue(w.makerCA, "示例省印章制作中心", func(t *cert.Template) { t.Subject.Organization = maker + "示例省印章制作中心" })
	w.owner = w.issue(w.ownerCA, "99000000000001", nil)
	w.anchors = Anchors{
		{Purpose: SealMaker, Root: w.root.Certificate, Issuers: []*cert.Certificate{w.makerCA.Certificate}},
		{Purpose: SealOwner, Root: w.root.Certificate, Issuers: []*cert.Certificate{w.ownerCA.Certificate}},
	}
	return w
}

// request asks about the owner's certificate, and everything is in order.
func (w *world) request() Request {
	return Request{
		Leaf: w.owner.Certificate, Purpose: SealOwner, At: signed, Now: now,
		KeyUsage: cert.DigitalSignature | cert.NonRepudiation, CRLs: []*cert.CRL{w.crl(w.root, nil), w.crl(w.ownerCA, nil)},
	}
}

// want asks for an outcome and the codes that led to it.
func want(t *testing.T, name string, r Result, overall verdict.Overall, codes ...string) {
	t.Helper()
	if r.Overall() != overall || !slices.Equal(r.Codes(), codes) {
		t.Errorf("%s: %s %v, want %s %v", name, r.Overall(), r.Codes(), overall, codes)
	}
	ids := []string{CheckChain, CheckAlgorithm, CheckValidity, CheckKeyUsage, CheckRevocation}
	for i, c := range r.Checks {
		if c.ID != ids[i] || c.Text.ZH == "" || c.Text.EN == "" {
			t.Errorf("%s: check %d is %+v, want %s with its texts", name, i, c, ids[i])
		}
		if (c.Result == verdict.Pass) != (c.Code == "") {
			t.Errorf("%s: %s is %s with code %q", name, c.ID, c.Result, c.Code)
		}
	}
	if len(r.Checks) != len(ids) {
		t.Errorf("%s: %d checks, want %d", name, len(r.Checks), len(ids))
	}
}

func TestAGoodCertificateIsValid(t *testing.T) {
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256, key.EdDSA} {
		w := newWorld(t, alg)
		r := w.anchors.Validate(w.request())
		want(t, string(alg), r, verdict.Valid)
		if len(r.Chain) != 3 || !r.Chain[0].Equal(w.owner.Certificate) || !r.Chain[2].Equal(w.root.Certificate) {
			t.Errorf("%s: the chain has %d certificates", alg, len(r.Chain))
		}
		if as := r.As("signer", "s1"); as[0].ID != "signer.chain" || as[4].Subject != "s1" || r.Checks[0].ID != CheckChain {
			t.Errorf("As = %+v", as)
		}
	}
}

func TestACertificateIsGoodForItsPurposeOnly(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	r := w.request()
	r.Purpose = SealMaker
	want(t, "an owner as maker", w.anchors.Validate(r), verdict.Invalid, NoChain, RevocationUnknown)
	r.Others = []*cert.Certificate{w.ownerCA.Certificate, w.root.Certificate}
	want(t, "an owner as maker, bringing its authority", w.anchors.Validate(r), verdict.Invalid, NoChain, RevocationUnknown)
	r = w.request()
	r.Leaf = w.ownerCA.Certificate
	want(t, "the authority itself", w.anchors.Validate(r), verdict.Invalid, NoChain, KeyUsageWrong, RevocationUnknown)
	r.Leaf = w.root.Certificate
	want(t, "the root itself", w.anchors.Validate(r), verdict.Invalid, NoChain, KeyUsageWrong, RevocationUnknown)
	r = w.request()
	want(t, "no anchors", Anchors{}.Validate(r), verdict.Invalid, NoChain, RevocationUnknown)
	r.Purpose = ""
	want(t, "no purpose", w.anchors.Validate(r), verdict.Invalid, NoChain, RevocationUnknown)
}

func TestAForgedIssuerLeadsNowhere(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	forgedRoot := w.issue(nil, "示例根", ca) // the same name, another key
	forgedCA := w.issue(forgedRoot, "示例电子印章CA", ca)
	leaf := w.issue(forgedCA, "99000000000001", nil)
	r := w.request()
	r.Leaf, r.Others = leaf.Certificate, []*cert.Certificate{forgedCA.Certificate, forgedRoot.Certificate}
	want(t, "forged", w.anchors.Validate(r), verdict.Invalid, NoChain, RevocationUnknown)

	selfSigned := w.issue(nil, "99000000000001", nil)
	r.Leaf, r.Others = selfSigned.Certificate, []*cert.Certificate{selfSigned.Certificate}
	want(t, "signed by itself", w.anchors.Validate(r), verdict.Invalid, NoChain, RevocationUnknown)
}

func TestAChangedCertificateIsNotBelieved(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	changed := bytes.Clone(w.owner.Raw)
	i := bytes.Index(changed, []byte("示例省财政厅"))
	copy(changed[i:], "假的")
	r := w.request()
	r.Leaf = w.parse(changed)
	want(t, "another owner's name", w.anchors.Validate(r), verdict.Invalid, NoChain, RevocationUnknown)
}

func TestTheValidityIsThatOfTheTimeOfSigning(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	for name, test := range map[string]struct {
		at   time.Time
		good bool
	}{
		"before it began":        {start.Add(-time.Second), false},
		"when it began":          {start, true},
		"when it ended":          {start.AddDate(1, 0, 0), true},
		"after it ended":         {start.AddDate(1, 0, 0).Add(time.Second), false},
		"at a time not given":    {time.Time{}, false},
		"long before it expired": {signed, true},
	} {
		r := w.request()
		r.At = test.at
		if test.good {
			want(t, name, w.anchors.Validate(r), verdict.Valid)
		} else {
			want(t, name, w.anchors.Validate(r), verdict.Invalid, ExpiredAtSigning)
		}
	}
	// Years later: the certificate has expired, the signature was made when it had not.
	r := w.request()
	r.Now = start.AddDate(3, 0, 0)
	later := func(t *cert.CRLTemplate) { t.ThisUpdate, t.NextUpdate = r.Now, r.Now.Add(time.Hour) }
	r.CRLs = []*cert.CRL{w.crl(w.root, later), w.crl(w.ownerCA, later)}
	want(t, "expired since", w.anchors.Validate(r), verdict.Valid)
}

func TestRevocationIsJudgedAtTheTimeOfSigning(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	hour, none := time.Hour, []string(nil)
	before, unproven := []string{RevokedBeforeSigning}, []string{RevokedNoProof}
	for name, test := range map[string]struct {
		at      time.Time
		reason  cert.Reason
		proven  bool
		overall verdict.Overall
		codes   []string
	}{
		"revoked before":                         {signed.Add(-hour), cert.Superseded, true, verdict.Invalid, before},
		"revoked in the same second":             {signed, cert.Superseded, true, verdict.Invalid, before},
		"revoked after":                          {signed.Add(time.Second), cert.CessationOfOperation, false, verdict.Valid, none},
		"compromised before":                     {signed.Add(-hour), cert.KeyCompromise, true, verdict.Invalid, before},
		"compromised after, the time claimed":    {signed.Add(hour), cert.KeyCompromise, false, verdict.Indeterminate, unproven},
		"compromised after, the time proven":     {signed.Add(hour), cert.KeyCompromise, true, verdict.Valid, none},
		"authority compromised after, claimed":   {signed.Add(hour), cert.CACompromise, false, verdict.Indeterminate, unproven},
		"on hold before":                         {signed.Add(-hour), cert.CertificateHold, true, verdict.Invalid, before},
		"on hold before, and off the list again": {signed.Add(-hour), cert.RemoveFromCRL, true, verdict.Valid, none},
	} {
		r := w.request()
		r.AtProven = test.proven
		r.CRLs[1] = w.crl(w.ownerCA, revoke(w.owner, test.at, test.reason))
		result := w.anchors.Validate(r)
		if c := result.Checks[4]; name == "revoked after" && (c.Result != verdict.Warn || c.Code != RevokedAfterSigning) {
			t.Errorf("%s: %+v, want a remark", name, c)
		}
		want(t, name, result, test.overall, test.codes...)
		// The same of the authority above.
		r.CRLs = []*cert.CRL{w.crl(w.root, revoke(w.ownerCA, test.at, test.reason)), w.crl(w.ownerCA, nil)}
		want(t, name+", the authority", w.anchors.Validate(r), test.overall, test.codes...)
	}
	// The key was out before it was revoked, and before the signature.
	r := w.request()
	r.AtProven = true
	r.CRLs[1] = w.crl(w.ownerCA, func(t *cert.CRLTemplate) {
		t.Revoked = []cert.Revocation{{Serial: w.owner.Serial, At: now, Reason: cert.KeyCompromise, InvalidityDate: signed.Add(-hour)}}
	})
	want(t, "invalid since before", w.anchors.Validate(r), verdict.Invalid, RevokedBeforeSigning)
}

func TestOnlyAFreshListOfTheIssuerSaysThatNothingIsRevoked(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	good := w.request().CRLs
	stale := func(t *cert.CRLTemplate) { t.ThisUpdate, t.NextUpdate = now.Add(-3*time.Hour), now.Add(-time.Second) }
	noSign := w.issue(w.root, "示例电子印章CA", func(t *cert.Template) { ca(t); t.KeyUsage = cert.CertSign })
	// The leaf of an authority that may not sign lists, and the list that it signed.
	lame := w.issue(noSign, "99000000000002", nil)
	for name, lists := range map[string][]*cert.CRL{
		"no list":                     nil,
		"only the root's":             good[:1],
		"only the authority's":        good[1:],
		"another authority's":         {good[0], w.crl(w.makerCA, nil)},
		"a stale one":                 {good[0], w.crl(w.ownerCA, stale)},
		"a list out of the future":    {good[0], w.crl(w.ownerCA, func(t *cert.CRLTemplate) { t.ThisUpdate = now.Add(Skew + time.Second) })},
		"a list of the same name":     {good[0], w.crl(noSign, nil)},
		"a list with a changed entry": {good[0], tampered(w, good[1])},
	} {
		r := w.request()
		r.CRLs = lists
		want(t, name, w.anchors.Validate(r), verdict.Indeterminate, RevocationUnknown)
	}
	r := w.request()
	r.Leaf = lame.Certificate
	r.CRLs = []*cert.CRL{good[0], w.crl(noSign, nil)}
	anchors := Anchors{{Purpose: SealOwner, Root: w.root.Certificate, Issuers: []*cert.Certificate{noSign.Certificate}}}
	want(t, "an authority that may not sign lists", anchors.Validate(r), verdict.Indeterminate, RevocationUnknown)

	r = w.request()
	r.CRLs = []*cert.CRL{good[0], w.crl(w.ownerCA, func(t *cert.CRLTemplate) { t.ThisUpdate = now.Add(Skew) })}
	want(t, "one by a clock that is a little ahead", w.anchors.Validate(r), verdict.Valid)
	r.CRLs = []*cert.CRL{good[0], w.crl(w.ownerCA, stale), good[1]}
	want(t, "a stale one beside a fresh one", w.anchors.Validate(r), verdict.Valid)
	r.CRLs = []*cert.CRL{good[0], w.crl(w.ownerCA, func(t *cert.CRLTemplate) {
		stale(t)
		revoke(w.owner, start, cert.Superseded)(t)
	})}
	want(t, "revoked, by a stale one", w.anchors.Validate(r), verdict.Invalid, RevokedBeforeSigning)
	r.CRLs = append(r.CRLs, good[1])
	want(t, "on hold once, and no more", w.anchors.Validate(r), verdict.Valid)

	r = w.request()
	r.NoRevocation = true
	want(t, "not asked for", w.anchors.Validate(r), verdict.Indeterminate, RevocationUnknown)
}

// tampered is a list in which a byte was changed after it was signed.
func tampered(w *world, l *cert.CRL) *cert.CRL {
	w.Helper()
	changed := bytes.Clone(l.Raw)
	i := bytes.Index(changed, []byte(agency))
	changed[len(changed)-1] ^= 1
	if i < 0 {
		w.Fatal("the list does not name its issuer")
	}
	parsed, err := cert.ParseCRL(changed)
	if err != nil {
		w.Fatal(err)
	}
	return parsed
}

func TestAListThatDropsExpiredCertificatesSaysNothingOfThem(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	r := w.request()
	r.Now = start.AddDate(2, 0, 0)
	for name, test := range map[string]struct {
		keeps   time.Time
		overall verdict.Overall
		codes   []string
	}{
		"it drops them":               {time.Time{}, verdict.Indeterminate, []string{RevocationUnknown}},
		"it keeps them":               {start, verdict.Valid, nil},
		"it keeps those of last week": {r.Now.AddDate(0, 0, -7), verdict.Indeterminate, []string{RevocationUnknown}},
	} {
		later := func(t *cert.CRLTemplate) {
			t.ThisUpdate, t.NextUpdate, t.KeepsExpiredSince = r.Now, r.Now.Add(time.Hour), test.keeps
		}
		r.CRLs = []*cert.CRL{w.crl(w.root, later), w.crl(w.ownerCA, later)}
		want(t, name, w.anchors.Validate(r), test.overall, test.codes...)
	}
}

// A certificate of a web server, a time stamping authority or an OCSP responder signs no licence, also where one
// authority certifies for everything.
func TestTheCertificateOfAServerSignsNothingElse(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	oid := func(last int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, last} }
	for name, c := range map[string]struct {
		usages []asn1.ObjectIdentifier
		good   bool
	}{
		"server":                {[]asn1.ObjectIdentifier{oid(1)}, false},
		"server and client":     {[]asn1.ObjectIdentifier{oid(1), oid(2)}, false},
		"code":                  {[]asn1.ObjectIdentifier{oid(3)}, false},
		"time stamps":           {[]asn1.ObjectIdentifier{oid(8)}, false},
		"OCSP":                  {[]asn1.ObjectIdentifier{oid(9)}, false},
		"client":                {[]asn1.ObjectIdentifier{oid(2)}, true},
		"client and mail":       {[]asn1.ObjectIdentifier{oid(2), oid(4)}, true},
		"document signing":      {[]asn1.ObjectIdentifier{oid(36)}, true},
		"server and everything": {[]asn1.ObjectIdentifier{oid(1), {2, 5, 29, 37, 0}}, true},
	} {
		r := w.request()
		r.Leaf = w.issue(w.ownerCA, "99000000000009", func(t *cert.Template) { t.ExtKeyUsage = c.usages }).Certificate
		if got := w.anchors.Validate(r); (got.Overall() == verdict.Valid) != c.good || !c.good && !slices.Equal(got.Codes(), []string{KeyUsageWrong}) {
			t.Errorf("%s: %s %v", name, got.Overall(), got.Codes())
		}
	}
}

func TestTheKeyUsageMustAllowTheSignature(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	for usage, good := range map[cert.KeyUsage]bool{
		cert.DigitalSignature: true, cert.NonRepudiation: true, cert.KeyEncipherment: false, 0: true,
		cert.DigitalSignature | cert.DataEncipherment: true, cert.CertSign | cert.CRLSign: false,
	} {
		r := w.request()
		r.Leaf = w.issue(w.ownerCA, "99000000000009", func(t *cert.Template) { t.KeyUsage = usage }).Certificate
		if good {
			want(t, "", w.anchors.Validate(r), verdict.Valid)
		} else {
			want(t, "", w.anchors.Validate(r), verdict.Invalid, KeyUsageWrong)
		}
	}
	r := w.request()
	r.ExtKeyUsage = cert.TimeStamping
	want(t, "no extended usage", w.anchors.Validate(r), verdict.Valid)
	r.Leaf = w.issue(w.ownerCA, "99000000000009", func(t *cert.Template) {
		t.ExtKeyUsage = []asn1.ObjectIdentifier{cert.ServerAuth}
	}).Certificate
	want(t, "another extended usage", w.anchors.Validate(r), verdict.Invalid, KeyUsageWrong)
}

func TestTheChainKeepsItsConstraints(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	lists := func(nodes ...*node) (l []*cert.CRL) {
		for _, n := range nodes {
			l = append(l, w.crl(n, nil))
		}
		return l
	}
	open := Anchors{{Purpose: SealOwner, Root: w.root.Certificate}}
	ask := func(leaf *node, others ...*node) Request {
		r := w.request()
		r.Leaf, r.CRLs = leaf.Certificate, lists(append(others, w.root)...)
		for _, o := range others {
			r.Others = append(r.Others, o.Certificate)
		}
		return r
	}

	sub := w.issue(w.ownerCA, "示例下级CA", ca)
	deep := w.issue(sub, "99000000000002", nil)
	want(t, "one more authority", open.Validate(ask(deep, sub, w.ownerCA)), verdict.Valid)

	narrow := w.issue(w.root, "示例窄CA", func(t *cert.Template) { ca(t); t.MaxPathLen = 0 })
	below := w.issue(narrow, "示例越权CA", ca)
	want(t, "an authority below one that allows none", open.Validate(ask(w.issue(below, "99000000000003", nil), below, narrow)),
		verdict.Invalid, ChainConstraints)
	want(t, "a leaf below it", open.Validate(ask(w.issue(narrow, "99000000000004", nil), narrow)), verdict.Valid)

	// An owner that plays authority: it has the key, and a certificate that says it may not.
	posing := w.issue(w.root, "99000000000005", nil)
	want(t, "an owner that certifies", open.Validate(ask(w.forge(posing, nil), posing)), verdict.Invalid,
		ChainConstraints, RevocationUnknown)
	noCertSign := w.issue(w.root, "示例无权CA", func(t *cert.Template) { ca(t); t.KeyUsage = cert.CRLSign })
	want(t, "an authority that may not sign certificates", open.Validate(ask(w.forge(noCertSign, nil), noCertSign)),
		verdict.Invalid, ChainConstraints)

	critical := w.forge(w.ownerCA, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 156, 10197, 9, 9})
			b.AddASN1Boolean(true)
			b.AddASN1OctetString([]byte{5, 0})
		})
	})
	want(t, "a critical extension that nobody knows", open.Validate(ask(critical, w.ownerCA)), verdict.Invalid, ChainConstraints)
}

// forge makes a certificate that cert.Create refuses to make: by any issuer, with one extension or none.
func (w *world) forge(issuer *node, extension func(*cryptobyte.Builder)) *node {
	w.Helper()
	model := w.issue(w.ownerCA, "99000000000006", nil)
	var b cryptobyte.Builder
	algorithm := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501})
		})
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(model.Serial)
		algorithm(b)
		b.AddBytes(issuer.Subject.Raw)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1UTCTime(model.NotBefore)
			b.AddASN1UTCTime(model.NotAfter)
		})
		b.AddBytes(model.Subject.Raw)
		b.AddBytes(model.SPKI)
		if extension != nil {
			b.AddASN1(cbasn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, extension)
			})
		}
	})
	tbs, err := b.Bytes()
	if err != nil {
		w.Fatal(err)
	}
	signature, err := key.Sign(w.Context(), issuer.key, tbs)
	if err != nil {
		w.Fatal(err)
	}
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		algorithm(b)
		b.AddASN1BitString(signature)
	})
	der, err := out.Bytes()
	if err != nil {
		w.Fatal(err)
	}
	return &node{w.parse(der), model.key}
}

func TestOfSeveralChainsTheBestCounts(t *testing.T) {
	w := newWorld(t, key.SM2SM3)
	// The authority's key has two certificates: the first one expired with the root's old certificate.
	old := w.issue(w.root, "示例电子印章CA", func(t *cert.Template) { ca(t); t.NotAfter = start.Add(time.Hour) })
	renewed, err := cert.Create(t.Context(), cert.Template{
		Serial: big.NewInt(500), Subject: old.Subject, NotBefore: start, NotAfter: start.AddDate(5, 0, 0),
		KeyUsage: cert.CertSign | cert.CRLSign, IsCA: true, MaxPathLen: -1,
	}, w.root.Certificate, w.root.key, old.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	fresh := &node{w.parse(renewed), old.key}
	r := w.request()
	r.Leaf = w.issue(fresh, "99000000000007", nil).Certificate
	r.CRLs = []*cert.CRL{w.crl(w.root, nil), w.crl(fresh, nil)}
	for _, issuers := range [][]*cert.Certificate{{old.Certificate, fresh.Certificate}, {fresh.Certificate, old.Certificate}} {
		anchors := Anchors{{Purpose: SealOwner, Root: w.root.Certificate, Issuers: issuers}}
		want(t, "two certificates of one key", anchors.Validate(r), verdict.Valid)
	}
	anchors := Anchors{{Purpose: SealOwner, Root: w.root.Certificate, Issuers: []*cert.Certificate{old.Certificate}}}
	want(t, "only the old one", anchors.Validate(r), verdict.Invalid, ExpiredAtSigning)
}

func TestCirclesAndCrowdsOfCertificatesAreBounded(t *testing.T) {
	w := newWorld(t, key.ES256)
	// Thirty authorities of one name and many keys, each of which might have certified the others.
	r := w.request()
	for range 30 {
		n := w.issue(nil, "示例电子印章CA", ca)
		r.Others = append(r.Others, n.Certificate)
	}
	s := search{anchor: w.anchors[1], tries: maxSignatures, others: append(slices.Clone(r.Others), w.ownerCA.Certificate)}
	s.extend([]*cert.Certificate{w.owner.Certificate})
	if s.tries < 0 || len(s.found) > maxChains {
		t.Errorf("%d tries left, %d chains", s.tries, len(s.found))
	}
	want(t, "a crowd", w.anchors.Validate(r), verdict.Valid)

	// Two authorities that certify each other.
	a := w.issue(w.root, "示例甲CA", ca)
	b := w.issue(a, "示例乙CA", ca)
	back, err := cert.Create(t.Context(), cert.Template{
		Serial: big.NewInt(600), Subject: a.Subject, NotBefore: start, NotAfter: start.AddDate(1, 0, 0),
		KeyUsage: cert.CertSign, IsCA: true, MaxPathLen: -1,
	}, b.Certificate, b.key, a.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	other := newWorld(t, key.ES256)
	r = w.request()
	r.Leaf = w.issue(b, "99000000000008", nil).Certificate
	r.Others = []*cert.Certificate{w.parse(back), b.Certificate, a.Certificate}
	want(t, "a circle", Anchors{{Purpose: SealOwner, Root: other.root.Certificate}}.Validate(r), verdict.Invalid,
		NoChain, RevocationUnknown)
}

// BenchmarkValidate judges the certificate of a new document: with everything new as well, and with the authorities and
// lists that a verifier keeps.
func BenchmarkValidate(b *testing.B) {
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		w := newWorld(b, alg)
		kept := w.request()
		run := func(name string, r func() Request) {
			b.Run(string(alg)+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if w.anchors.Validate(r()).Overall() != verdict.Valid {
						b.Fatal("refused")
					}
				}
			})
		}
		run("a new leaf, lists kept", func() Request {
			r := kept
			r.Leaf = w.parse(w.owner.Raw)
			return r
		})
		run("a new leaf, lists new", func() Request {
			r := kept
			r.Leaf, r.CRLs = w.parse(w.owner.Raw), []*cert.CRL{reparse(b, kept.CRLs[0]), reparse(b, kept.CRLs[1])}
			return r
		})
		signature, err := key.Sign(b.Context(), w.owner.key, w.owner.Raw)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(alg)+"/one bare verification", func(b *testing.B) {
			for b.Loop() {
				if !w.owner.Verify(w.owner.Raw, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func reparse(b *testing.B, l *cert.CRL) *cert.CRL {
	b.Helper()
	again, err := cert.ParseCRL(l.Raw)
	if err != nil {
		b.Fatal(err)
	}
	return again
}
