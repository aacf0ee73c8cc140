package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
	"github.com/yinxin/yinxin/shared/verify"
)

// The invented cast of the flow: two agencies, the authority that approves their seals, the unit that makes them.
const (
	finance   = "11990000MB99000001"
	commerce  = "11990000MB99000002"
	authority = "11990000MB99000003"
	making    = "12990000MB99000004"
)

// office is the seal service with everything behind it: the store, the authority, the three functions and the verifier.
type office struct {
	*clock
	db      *DB
	ca      *Authority
	fonts   *layout.Fonts
	token   key.Signer
	grants  map[string]access.Grant
	ports   seal.StampPorts
	records seal.Records
	handler http.Handler
	certify seal.Certifier // of seals; ca
}

func (o *office) TokenKeys(context.Context) (jose.Set, error) {
	return jose.Set{Keys: []jose.JWK{{Public: o.token.Public(), KeyID: o.token.KeyID(), Alg: key.ES256}}}, nil
}

func (o *office) TokenKeysAgain(ctx context.Context) (jose.Set, error) { return o.TokenKeys(ctx) }

func (o *office) LiveGrant(_ context.Context, id string) (access.Grant, error) {
	g, ok := o.grants[id]
	if !ok {
		return g, access.ErrGrantGone
	}
	return g, nil
}

func (o *office) Trust(ctx context.Context) (trust.Anchors, trust.List, []*cert.CRL, error) {
	crls, err := o.ca.CRLs(ctx)
	return o.ca.Anchors(), trust.List{Makers: []trust.Maker{{USCC: making, Name: "示例省印章制作中心"}}}, crls, err
}

const testIssuer = "http://localhost:8080"

func openOffice(t testing.TB, dir string) *office {
	t.Helper()
	o := &office{clock: newClock(), token: keytest.New(t, key.ES256), grants: map[string]access.Grant{}}
	o.ca = openAuthority(t, dir, o.clock)
	o.certify = o.ca
	o.db = o.ca.DB
	var err error
	if o.fonts, err = layout.Embedded(); err != nil {
		t.Fatal(err)
	}
	for i, r := range []registry.Organisation{
		{USCC: finance, Name: "示例省财政厅"}, {USCC: commerce, Name: "示例省商务厅"},
		{USCC: authority, Name: "示例省人民政府办公厅", Duties: []string{"seal.approve"}},
		{USCC: making, Name: "示例省印章制作中心", Duties: []string{"seal.make"}},
	} {
		r.Kind, r.Division = registry.Agency, "990000"
		e := audit.Event{ID: fmt.Sprint("o", i), Time: o.Now(), Action: "registry.save", Outcome: audit.Done}
		if err := (Organisations{o.db}).SaveOrganisation(t.Context(), r, e); err != nil {
			t.Fatal(err)
		}
	}
	o.mandate(t, "li", finance, "seal.request", "seal.stamp")
	o.mandate(t, "sun", commerce, "seal.request", "seal.stamp")
	o.mandate(t, "wang", authority, "seal.approve")
	o.mandate(t, "zhao", making, "seal.make")
	_, err = o.ca.Enrol(t.Context(), trust.SealMaker, key.SealMaker, making,
		cert.Name{Country: "CN", Organization: making + "示例省印章制作中心", CommonName: "示例省印章制作中心"})
	if err != nil {
		t.Fatal(err)
	}
	guard := access.Guard{Issuer: testIssuer, Keys: o, Grants: o, Now: o.Now}
	o.ports = seal.StampPorts{Access: guard, Records: Seals{o.db}, ByCode: SealCodes{o.db}, ByOwner: Seals{o.db},
		Directory: SealDirectory{o.db}, Mandates: Mandates{o.db}, Orders: Orders{o.db}, Audit: Events{o.db}, Keys: o.ca.Keys,
		Trust: o, Fonts: o.fonts, Now: o.Now, Rand: rand.Reader}
	o.records = Seals{o.db}
	o.serve()
	return o
}

// serve builds the functions from the ports as they are now.
func (o *office) serve() {
	p := o.ports
	mux := http.NewServeMux()
	for handler, routes := range map[http.Handler][]string{
		seal.Manage(seal.ManagePorts{Access: p.Access, Records: o.records, Codes: SealCodes{o.db}, ByCode: p.ByCode,
			Directory: p.Directory, Mandates: p.Mandates, Audit: p.Audit, Fonts: p.Fonts, Now: p.Now, Rand: p.Rand}): seal.ManageRoutes,
		seal.Make(seal.MakePorts{Access: p.Access, Records: o.records, ByCode: p.ByCode, Directory: p.Directory,
			Mandates: p.Mandates, Audit: p.Audit, NewKeys: o.ca.Keys, MakerKeys: o.ca.Keys, Certifier: o.certify, Fonts: p.Fonts,
			Now: p.Now, Rand: p.Rand}): seal.MakeRoutes,
		seal.Stamp(p): seal.StampRoutes,
		verify.Verify(verify.VerifyPorts{Access: p.Access, Trust: o, Seals: SealStatus{o.db}, Audit: p.Audit, Pages: page.Verify{},
			Now: p.Now, Rand: p.Rand}): verify.VerifyRoutes,
	} {
		for _, route := range routes {
			mux.Handle(route, handler)
		}
	}
	o.handler = mux
}

func (o *office) mandate(t testing.TB, person, organisation string, roles ...string) {
	t.Helper()
	e := audit.Event{ID: person + organisation, Time: o.Now(), Action: "registry.save", Outcome: audit.Done}
	m := registry.Mandate{Person: person, Organisation: organisation, Roles: roles}
	if err := (Mandates{o.db}).SaveMandate(t.Context(), m, e); err != nil {
		t.Fatal(err)
	}
}

// bearer returns an access token of a person through a client.
func (o *office) bearer(t testing.TB, person, client string, scopes ...string) string {
	t.Helper()
	gid := person + "/" + client
	o.grants[gid] = access.Grant{Person: person, Client: client, Channel: "web"}
	payload, err := json.Marshal(access.Claims{Issuer: testIssuer, Subject: "pairwise", Audience: access.Audience{testIssuer},
		ClientID: client, Scope: strings.Join(scopes, " "), IssuedAt: o.Now().Unix(), Expires: o.Now().Add(time.Hour).Unix(),
		ID: "jti", GrantID: gid})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(t.Context(), o.token, jose.Header{Type: access.TokenType, KeyID: o.token.KeyID()}, payload)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

// call sends a request and returns its answer.
func (o *office) call(t testing.TB, method, path, bearer, contentType string, body io.Reader, want int) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, body)
	if bearer != "" {
		r.Header.Set("Authorization", bearer)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if w.Code != want {
		t.Fatalf("%s %s = %d %.500s, want %d", method, path, w.Code, w.Body, want)
	}
	return w
}

type sealView struct {
	ID, Code, State string
	Since           time.Time
	History         []struct{ Verb, State string }
}

// act does a verb and expects a status; a problem's code is returned beside the seal.
func (o *office) act(t testing.TB, path, person, organisation, scope string, want int) (s sealView, code string) {
	t.Helper()
	body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"示例事由","itemCode":"990000001","caseNumber":"A1","legalBasis":"国办发〔2025〕33号"}}`, organisation)
	w := o.call(t, "POST", path, o.bearer(t, person, "console", scope), "application/json", strings.NewReader(body), want)
	var p struct{ Code string }
	if want >= 400 {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		return s, p.Code
	}
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s, ""
}

// activeSeal takes a seal of an agency through its life until it is in use.
func (o *office) activeSeal(t testing.TB, person, organisation string) sealView {
	t.Helper()
	s, _ := o.act(t, "/seals", person, organisation, "seal.request", 201)
	at := "/seals/" + s.ID
	o.add(time.Minute)
	o.act(t, at+"/approve", "wang", authority, "seal.approve", 200)
	o.add(time.Minute)
	o.act(t, at+"/make", "zhao", making, "seal.make", 200)
	o.add(time.Minute)
	s, _ = o.act(t, at+"/activate", person, organisation, "seal.request", 200)
	o.add(time.Minute)
	return s
}

// stampBody is the multipart body of a stamp.
func stampBody(t testing.TB, document []byte, order string) (contentType string, body *bytes.Buffer) {
	t.Helper()
	body = new(bytes.Buffer)
	m := multipart.NewWriter(body)
	part, err := m.CreateFormFile("document", "notice")
	if err == nil {
		_, err = part.Write(document)
	}
	if err == nil {
		err = m.WriteField("order", order)
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return m.FormDataContentType(), body
}

const testOrder = `{"purpose":{"text":"公示服务业发展资金安排(示例)","itemCode":"990000002","caseNumber":"B2"},"place":{"page":1,"x":140,"y":230}}`

// stamp stamps a document and returns it.
func (o *office) stamp(t testing.TB, person, sealID string, document []byte, order string) []byte {
	t.Helper()
	contentType, body := stampBody(t, document, order)
	w := o.call(t, "POST", "/seals/"+sealID+"/stamps", o.bearer(t, person, "console", "seal.stamp"), contentType, body, 200)
	return w.Body.Bytes()
}

// verdict verifies a document.
func (o *office) verdict(t testing.TB, media string, document []byte) verdict.Verdict {
	t.Helper()
	w := o.call(t, "POST", "/verify", "", media, bytes.NewReader(document), 200)
	var v verdict.Verdict
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func testPage() layout.Page {
	return layout.Page{W: 210, H: 297, Items: []layout.Item{
		layout.Text{X: 30, Y: 40, Size: 7, Face: layout.Bold, S: "关于服务业发展资金安排的公示(示例)"},
		layout.Text{X: 30, Y: 60, Size: 5, S: "示例家政服务有限公司　补助金额：壹拾贰万元整 120000.00"},
	}}
}

func (o *office) ofd(t testing.TB) []byte {
	t.Helper()
	data, err := ofd.Write(ofd.Document{Pages: []layout.Page{testPage()}, Title: "公示(示例)", Created: o.Now(),
		DocID: "00112233445566778899aabbccddeeff"}, o.fonts)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (o *office) pdf(t testing.TB) []byte {
	t.Helper()
	data, err := pdf.Write(pdf.Document{Pages: []layout.Page{testPage()}, Title: "公示(示例)", Created: o.Now()}, o.fonts)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func failures(v verdict.Verdict) string {
	var b strings.Builder
	for _, c := range v.Checks {
		if c.Result != verdict.Pass && c.Result != verdict.NotApplicable {
			fmt.Fprintf(&b, "\n%s %s %s %s %v", c.Subject, c.ID, c.Result, c.Code, c.Detail)
		}
	}
	return b.String()
}

// lateCertifier writes the time at which it signs into its certificates, as authorities do: each begins later.
type lateCertifier struct {
	*Authority
	by time.Duration
}

func (c lateCertifier) CertifySeal(ctx context.Context, csr []byte, from, to time.Time) ([][]byte, error) {
	return c.Authority.CertifySeal(ctx, csr, from.Add(c.by), to)
}

func TestASealBeginsWithTheLastOfItsCertificates(t *testing.T) {
	o := openOffice(t, t.TempDir())
	o.certify = lateCertifier{o.ca, seal.CertifyingTime / 2}
	o.serve()
	made := o.activeSeal(t, "li", finance)
	record, err := o.records.Seal(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	last, err := cert.Parse(record.Body.CompatChain[0])
	if err != nil || !record.Body.ValidFrom.Equal(last.NotBefore) || !o.Now().Before(last.NotBefore) {
		t.Errorf("the seal begins at %v, its last certificate at %v, %v", record.Body.ValidFrom, last.NotBefore, err)
	}
	contentType, body := stampBody(t, o.ofd(t), testOrder)
	o.call(t, "POST", "/seals/"+made.ID+"/stamps", o.bearer(t, "li", "console", "seal.stamp"), contentType, body, 409)
	o.add(seal.CertifyingTime)
	if v := o.verdict(t, "application/ofd", o.stamp(t, "li", made.ID, o.ofd(t), testOrder)); v.Overall != verdict.Valid {
		t.Errorf("the stamp is %s:%s", v.Overall, failures(v))
	}
}

func TestTwoAgenciesStampOneOFDAndBothStampsAreValid(t *testing.T) {
	o := openOffice(t, t.TempDir())
	first, second := o.activeSeal(t, "li", finance), o.activeSeal(t, "sun", commerce)
	if len(first.Code) != 14 || !strings.HasPrefix(first.Code, "990000") || first.State != "active" {
		t.Fatalf("the seal is %+v", first)
	}
	once := o.stamp(t, "li", first.ID, o.ofd(t), testOrder)
	o.add(time.Minute)
	twice := o.stamp(t, "sun", second.Code, once, strings.Replace(testOrder, `"x":140`, `"x":80`, 1))
	for n, document := range [][]byte{once, twice} {
		v := o.verdict(t, "application/ofd", document)
		if v.Overall != verdict.Valid || len(v.Seals) != n+1 {
			t.Fatalf("%d stamps: %s %s%s", n+1, v.Overall, v.Summary.EN, failures(v))
		}
		for i, s := range v.Seals {
			if s.Kind != verdict.GBT38540 || s.Verdict != verdict.Valid || s.Coverage != "whole" ||
				s.OwnerCode != []string{finance, commerce}[i] || s.Owner != []string{"示例省财政厅", "示例省商务厅"}[i] {
				t.Errorf("seal %d of %d: %+v", i, n+1, s)
			}
		}
	}
}

func TestTwoAgenciesStampOnePDFAsACompatibilitySignature(t *testing.T) {
	o := openOffice(t, t.TempDir())
	first, second := o.activeSeal(t, "li", finance), o.activeSeal(t, "sun", commerce)
	once := o.stamp(t, "li", first.ID, o.pdf(t), testOrder)
	o.add(time.Minute)
	twice := o.stamp(t, "sun", second.ID, once, strings.Replace(testOrder, `"x":140`, `"x":80`, 1))
	if !bytes.HasPrefix(twice, once) {
		t.Error("the second stamp changed bytes of the first")
	}
	for n, document := range [][]byte{once, twice} {
		v := o.verdict(t, "application/pdf", document)
		if v.Overall != verdict.Valid || len(v.Seals) != n+1 {
			t.Fatalf("%d stamps: %s %s%s", n+1, v.Overall, v.Summary.EN, failures(v))
		}
		for i, s := range v.Seals {
			if s.Kind != verdict.SignatureOnly || s.Verdict != verdict.Valid || s.OwnerCode != []string{finance, commerce}[i] {
				t.Errorf("seal %d of %d: %+v", i, n+1, s)
			}
		}
	}
}
