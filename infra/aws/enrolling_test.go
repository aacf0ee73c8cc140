package aws

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
)

// ca is an authority of the tests that does as it is told, good or bad.
type ca struct {
	root, issuing       *cert.Certificate
	rootKey, issuingKey key.Signer
}

func newCA(t testing.TB, at time.Time, name string, alg key.Algorithm) ca {
	t.Helper()
	c := ca{rootKey: keytest.New(t, alg), issuingKey: keytest.New(t, alg)}
	template := cert.Template{Serial: big.NewInt(1), Subject: cert.Name{Country: "CN", CommonName: name + "根"}, IsCA: true, MaxPathLen: -1,
		NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(9, 0, 0), KeyUsage: cert.CertSign | cert.CRLSign}
	var err error
	parse := func(der []byte, made error) *cert.Certificate {
		t.Helper()
		if made != nil {
			t.Fatal(made)
		}
		var parsed *cert.Certificate
		if parsed, err = cert.Parse(der); err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	c.root = parse(cert.CreateRoot(t.Context(), template, c.rootKey))
	template.Subject.CommonName, template.Serial = name+"CA", big.NewInt(2)
	c.issuing = parse(cert.Create(t.Context(), template, c.root, c.rootKey, c.issuingKey.Public()))
	return c
}

// leaf certifies what the template says, which is what was requested unless change changes it.
func (c ca) leaf(t testing.TB, csr []byte, at time.Time, change func(*cert.Template, *key.Signer)) []byte {
	t.Helper()
	r, err := cert.ParseCSR(csr)
	if err != nil {
		t.Fatal(err)
	}
	template := cert.Template{Serial: big.NewInt(3), Subject: r.Subject, NotBefore: at.Add(-time.Hour), NotAfter: at.AddDate(2, 0, 0),
		KeyUsage: cert.DigitalSignature | cert.NonRepudiation}
	var other key.Signer
	if change != nil {
		change(&template, &other)
	}
	public := r.PublicKey
	if other != nil {
		public = other.Public()
	}
	der, err := cert.Create(t.Context(), template, c.issuing, c.issuingKey, public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// certsMessage is a certs-only message, written after RFC 5652, section 5.1.
func certsMessage(t testing.TB, ders ...[]byte) []byte {
	t.Helper()
	wrap := func(class, tag int, parts ...[]byte) []byte {
		der, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: bytes.Join(parts, nil)})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	oid := func(last int) []byte {
		der, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, last})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	const universal, context = asn1.ClassUniversal, asn1.ClassContextSpecific
	signed := wrap(universal, asn1.TagSequence, []byte{2, 1, 1}, wrap(universal, asn1.TagSet), wrap(universal, asn1.TagSequence, oid(1)),
		wrap(context, 0, ders...), wrap(universal, asn1.TagSet))
	return wrap(universal, asn1.TagSequence, oid(2), wrap(context, 0, signed))
}

// enrolling is a certifier that trusts one authority, asked for a key's certificate for a year; answer is the service.
type enrolling struct {
	h       *keyHouse
	trusted ca
	csr     []byte
	waited  []time.Duration
}

func newEnrolling(t *testing.T) *enrolling {
	t.Helper()
	h := newKeyHouse(t, "")
	e := &enrolling{h: h, trusted: newCA(t, h.now(), "示例", key.SM2SM3)}
	subject, err := cert.SealOwner("99000000000001", "11990000MB99000001", "示例省财政厅")
	if err != nil {
		t.Fatal(err)
	}
	if e.csr, err = cert.CreateCSR(t.Context(), subject, keytest.New(t, key.SM2SM3)); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *enrolling) certify(t *testing.T, answer http.HandlerFunc) ([][]byte, error) {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	defer server.Close()
	body, err := encode(anchorRecord{Purpose: trust.SealOwner, Root: e.trusted.root.Raw, Issuers: [][]byte{e.trusted.issuing.Raw}})
	if err != nil {
		t.Fatal(err)
	}
	l := &listed{items: map[string][]item{trustPartition: {{"sk": text(anchorPrefix + "1"), "body": body}}}}
	db := e.h.db(t, func(http.RoundTripper) http.RoundTripper { return l })
	s := Certifier{Certificates: Certificates{db}, Anchors: NewAnchors(db), Address: server.URL, Credential: "a:b", Client: server.Client(),
		Wait: func(_ context.Context, d time.Duration) error { e.waited = append(e.waited, d); return nil }}
	return s.CertifySeal(t.Context(), e.csr, e.h.now(), e.h.now().AddDate(1, 0, 0))
}

// sends answers with a message as RFC 7030 has it.
func sends(der []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
		_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString(der)) // the client may have enough
	}
}

func TestACertificateIsTakenWithItsChain(t *testing.T) {
	e := newEnrolling(t)
	leaf := e.trusted.leaf(t, e.csr, e.h.now(), nil)
	for name, ders := range map[string][][]byte{
		"in order": {leaf, e.trusted.issuing.Raw}, "the other way round": {e.trusted.issuing.Raw, leaf}, "alone": {leaf},
		"with the root": {leaf, e.trusted.issuing.Raw, e.trusted.root.Raw},
	} {
		chain, err := e.certify(t, sends(certsMessage(t, ders...)))
		if err != nil || len(chain) != 2 || !bytes.Equal(chain[0], leaf) || !bytes.Equal(chain[1], e.trusted.issuing.Raw) {
			t.Errorf("%s: %d certificates, %v", name, len(chain), err)
		}
	}
	late := e.trusted.leaf(t, e.csr, e.h.now(), func(c *cert.Template, _ *key.Signer) { c.NotBefore = c.NotBefore.Add(seal.CertifyingTime) })
	if chain, err := e.certify(t, sends(certsMessage(t, late))); err != nil || len(chain) != 2 {
		t.Errorf("as late as it may begin: %d certificates, %v", len(chain), err)
	}
}

// TestWhatAnAuthorityMustNotSendIsRefused has the authority misbehave in one way at a time.
func TestWhatAnAuthorityMustNotSendIsRefused(t *testing.T) {
	e := newEnrolling(t)
	now := e.h.now()
	good := e.trusted.leaf(t, e.csr, now, nil)
	stranger, double := newCA(t, now, "陌生", key.SM2SM3), newCA(t, now, "示例", key.SM2SM3) // double: the names of the trusted one
	changed := func(change func(*cert.Template, *key.Signer)) http.HandlerFunc {
		return sends(certsMessage(t, e.trusted.leaf(t, e.csr, now, change), e.trusted.issuing.Raw))
	}
	subject := func(change func(*cert.Name)) http.HandlerFunc {
		return changed(func(c *cert.Template, _ *key.Signer) {
			c.Subject.Raw = nil
			change(&c.Subject)
		})
	}
	typed := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString(certsMessage(t, good))) // refused by its type
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	oid := func(parts ...int) asn1.ObjectIdentifier { return parts }
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   *problem.Problem
	}{
		"another key":        {changed(func(_ *cert.Template, k *key.Signer) { *k = keytest.New(t, key.SM2SM3) }), ErrCertificate},
		"another seal":       {subject(func(n *cert.Name) { n.CommonName = "99000000000002" }), ErrCertificate},
		"another owner":      {subject(func(n *cert.Name) { n.Organization = "11990000MB99000001示例省商务厅" }), ErrCertificate},
		"a unit more":        {subject(func(n *cert.Name) { n.OrganizationalUnit = "办公室" }), ErrCertificate},
		"too short":          {changed(func(c *cert.Template, _ *key.Signer) { c.NotAfter = now.AddDate(1, 0, -1) }), ErrCertificate},
		"too late":           {changed(func(c *cert.Template, _ *key.Signer) { c.NotBefore = now.Add(seal.CertifyingTime + time.Second) }), ErrCertificate},
		"an authority":       {changed(func(c *cert.Template, _ *key.Signer) { c.IsCA, c.MaxPathLen = true, -1 }), ErrCertificate},
		"signs certificates": {changed(func(c *cert.Template, _ *key.Signer) { c.KeyUsage |= cert.CertSign }), ErrCertificate},
		"signs nothing":      {changed(func(c *cert.Template, _ *key.Signer) { c.KeyUsage = cert.KeyEncipherment }), ErrCertificate},
		"any usage":          {changed(func(c *cert.Template, _ *key.Signer) { c.KeyUsage = 0 }), ErrCertificate},
		"for servers": {changed(func(c *cert.Template, _ *key.Signer) {
			c.ExtKeyUsage = []asn1.ObjectIdentifier{oid(1, 3, 6, 1, 5, 5, 7, 3, 1)}
		}), ErrCertificate},
		"a chain of strangers": {sends(certsMessage(t, stranger.leaf(t, e.csr, now, nil), stranger.issuing.Raw, stranger.root.Raw)), ErrCertificate},
		"a chain of doubles":   {sends(certsMessage(t, double.leaf(t, e.csr, now, nil), double.issuing.Raw, e.trusted.issuing.Raw)), ErrCertificate},
		"a broken signature":   {sends(certsMessage(t, flipped(good), e.trusted.issuing.Raw)), ErrCertificate},
		"no certificate":       {sends(certsMessage(t)), ErrCertificate},
		"nine certificates":    {sends(certsMessage(t, good, good, good, good, good, good, good, good, good)), ErrAnswer},
		"no message":           {sends([]byte{0x30, 0}), ErrAnswer},
		"nothing":              {sends(nil), ErrAnswer},
		"a certificate alone":  {sends(good), ErrAnswer},
		"half a message":       {sends(certsMessage(t, good)[:100]), ErrAnswer},
		"no certificate in it": {sends(certsMessage(t, []byte{0x30, 0})), ErrAnswer},
		"too much":             {sends(make([]byte, maxEnrolment)), ErrAnswer},
		"no base64": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/pkcs7-mime")
			_, _ = io.WriteString(w, "<html>")
		}, ErrAnswer},
		"another type":     {typed("text/html"), ErrAnswer},
		"no type":          {typed(""), ErrAnswer},
		"a signed message": {typed("application/pkcs7-mime; smime-type=signed-data"), ErrAnswer},
		"no content":       {status(http.StatusNoContent), ErrAnswer},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.invalid/", http.StatusTemporaryRedirect)
		}, ErrAnswer},
		"it is broken": {status(http.StatusInternalServerError), ErrAnswer},
		"it refuses":   {status(http.StatusUnauthorized), ErrRefused},
		"it is busy":   {status(http.StatusAccepted), ErrPending},
	} {
		chain, err := e.certify(t, c.answer)
		if chain != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %d certificates, %v; want %s", name, len(chain), err, c.want.Code)
		}
	}
	if len(e.waited) != 0 {
		t.Errorf("waited for %v", e.waited)
	}
}

func flipped(der []byte) []byte {
	changed := bytes.Clone(der)
	changed[len(changed)-1] ^= 1
	return changed
}

func TestAnAuthorityThatWantsTimeIsAskedAgain(t *testing.T) {
	e := newEnrolling(t)
	leaf := e.trusted.leaf(t, e.csr, e.h.now(), nil)
	for name, c := range map[string]struct {
		after  string // Retry-After
		times  int
		waited time.Duration // each time
		want   *problem.Problem
	}{
		"a second":         {"1", 1, time.Second, nil},
		"twice":            {"2", 2, 2 * time.Second, nil},
		"a date":           {e.h.now().Add(3 * time.Second).Format(http.TimeFormat), 1, 3 * time.Second, nil},
		"at once":          {"0", 1, time.Millisecond, nil},
		"for ever":         {"1", 99, time.Second, ErrPending},
		"an hour":          {"3600", 1, 0, ErrPending},
		"it does not say":  {"", 1, 0, ErrPending},
		"a negative time":  {"-1", 1, 0, ErrPending},
		"something or oth": {"soon", 1, 0, ErrPending},
		"a huge number":    {"99999999999999999999", 1, 0, ErrPending},
	} {
		e.waited = nil
		asked, bodies := 0, map[string]bool{}
		chain, err := e.certify(t, func(w http.ResponseWriter, r *http.Request) {
			asked++
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			bodies[string(body)] = true
			if asked <= c.times {
				if c.after != "" {
					w.Header().Set("Retry-After", c.after)
				}
				w.WriteHeader(http.StatusAccepted)
				return
			}
			sends(certsMessage(t, leaf))(w, r)
		})
		if c.want == nil && (err != nil || len(chain) != 2 || asked != c.times+1) || c.want != nil && (chain != nil || !errors.Is(err, c.want)) {
			t.Errorf("%s: %d certificates after %d requests, %v", name, len(chain), asked, err)
		}
		for _, d := range e.waited {
			if d != c.waited {
				t.Errorf("%s: waited %v, want %v", name, d, c.waited)
			}
		}
		if len(bodies) != 1 || asked > maxWaits || (c.waited == 0) != (len(e.waited) == 0) {
			t.Errorf("%s: %d requests of %d kinds, waited %v", name, asked, len(bodies), e.waited)
		}
	}
}
