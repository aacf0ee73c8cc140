package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
	"github.com/yinxin/yinxin/shared/verify"
)

// The agencies that issue the sample types, and the company.
const (
	market  = "11990000YX0000059Y"
	labour  = "11990000YX0000067R"
	company = "91990000YX00000AXR"

	serviceType  = labour + "001"
	businessType = market + "001"
)

// bureau is the licence service with everything behind it, the seal service and the verifier among it.
type bureau struct {
	*office
	issue   licence.IssuePorts
	publish func(ctx context.Context, lists ...string) error
}

// faceStamper is the seal service as the licence service sees it.
type faceStamper struct{ *seal.Stamper }

func (s faceStamper) StampFace(ctx context.Context, o licence.FaceOrder) ([]byte, error) {
	return s.Stamper.StampFace(ctx, seal.FaceOrder{Reference: o.ID, Organisation: o.Organisation, Person: o.Person, Client: o.Client,
		Channel: o.Channel, Purpose: o.Purpose, Place: seal.Place(o.Place)}, o.Document)
}

func openBureau(t testing.TB, dir string) *bureau {
	t.Helper()
	b := &bureau{office: openOffice(t, dir)}
	save := func(id string) audit.Event {
		return audit.Event{ID: id, Time: b.Now(), Action: "registry.save", Outcome: audit.Done}
	}
	for _, o := range []registry.Organisation{{USCC: market, Name: "示例省市场监督管理局", Kind: registry.Agency},
		{USCC: labour, Name: "示例省人力资源和社会保障厅", Kind: registry.Agency}, {USCC: company, Name: "示例家政服务有限公司", Kind: registry.Enterprise}} {
		o.Division = "990000"
		if err := (Organisations{b.db}).SaveOrganisation(t.Context(), o, save(o.USCC)); err != nil {
			t.Fatal(err)
		}
		for use, purpose := range map[key.Purpose]trust.Purpose{key.LicenceIssuer: trust.LicenceIssuer, key.StatusList: trust.StatusList} {
			if o.Kind != registry.Agency {
				continue
			}
			name := cert.Name{Country: "CN", Organization: o.USCC + o.Name, CommonName: o.Name}
			if _, err := b.ca.Enrol(t.Context(), purpose, use, o.USCC, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id, p := range map[string][2]string{"worker": {"周八(示例)", "990000199202140010"}, "zhang": {"张三(示例)", "990000198503120019"}} {
		if err := (Persons{b.db}).SavePerson(t.Context(), registry.Person{ID: id, Name: p[0], IDType: "111", IDNumber: p[1]}, save(id)); err != nil {
			t.Fatal(err)
		}
	}
	b.mandate(t, "li", market, "seal.request", "licence.issue")
	b.mandate(t, "sun", labour, "seal.request", "licence.issue")
	b.mandate(t, "zhang", company, "licence.read")
	taker := licence.TypeTaker{Types: LicenceTypes{b.db}, Now: b.Now, Rand: rand.Reader}
	samples, err := licence.SampleTypes()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range samples {
		if err := taker.Take(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	licences, directory, types := Licences{b.db}, LicenceDirectory{b.db}, LicenceTypes{b.db}
	b.issue = licence.IssuePorts{Issuer: testIssuer, Access: b.ports.Access, Records: licences, Identifiers: licences,
		ByIdentifier: licences, Tickets: Tickets{b.db}, Artefacts: licences, Types: types, Agencies: directory, Holders: directory,
		Mandates: Mandates{b.db}, Keys: b.ca.Keys, Certificates: b.ca, Stamper: faceStamper{seal.NewStamper(b.ports)},
		Audit: Events{b.db}, Fonts: b.fonts, Now: b.tick, Rand: rand.Reader}
	b.publish = licence.Publish(licence.PublishPorts{Issuer: testIssuer, Types: types, Entries: licences, Records: licences, Lists: StatusLists{b.db}, Audit: Events{b.db},
		Keys: b.ca.Keys, Certificates: b.ca, TTL: time.Hour, Validity: 24 * time.Hour, Debounce: 2 * time.Second, Now: b.Now,
		Rand: rand.Reader})
	b.serve()
	return b
}

// tick is a clock that never stands still, so that events have an order.
func (b *bureau) tick() time.Time {
	b.add(time.Millisecond)
	return b.Now()
}

// serve builds the functions from the ports as they are now.
func (b *bureau) serve() {
	b.office.serve()
	p, licences, types := b.issue, Licences{b.db}, LicenceTypes{b.db}
	mux := http.NewServeMux()
	mux.Handle("/seals", b.handler)
	mux.Handle("/seals/", b.handler)
	for handler, routes := range map[http.Handler][]string{
		licence.Issue(p): licence.IssueRoutes,
		licence.Type(licence.TypePorts{Issuer: testIssuer, Types: types, Agencies: p.Agencies, Certificates: p.Certificates,
			Lists: StatusLists{b.db}}): licence.TypeRoutes,
		licence.Credential(licence.CredentialPorts{Access: p.Access, Records: licences, ByIdentifier: licences, Artefacts: licences,
			Types: types, Mandates: p.Mandates, Audit: p.Audit, Now: p.Now, Rand: p.Rand}): licence.CredentialRoutes,
		licence.Show(licence.ShowPorts{Issuer: testIssuer, Access: p.Access, Records: licences, ByIdentifier: licences, Types: types,
			Mandates: p.Mandates, Codes: ShowCodes{b.db}, Now: p.Now, Rand: p.Rand}): licence.ShowRoutes,
		licence.Share(licence.SharePorts{Access: p.Access, Records: licences, ByHolder: licences, Types: types, Mandates: p.Mandates,
			Audit: p.Audit, Now: p.Now, Rand: p.Rand}): licence.ShareRoutes,
		verify.Verify(verify.VerifyPorts{Access: p.Access, Trust: bureauTrust{b}, Seals: SealStatus{b.db}, Audit: p.Audit,
			StatusLists: PublishedStatusLists{b.db, testIssuer}, Licences: LicenceRegister{b.db}, ShowCodes: ShowCodes{b.db},
			Pages: page.Verify{}, Now: p.Now, Rand: p.Rand}): verify.VerifyRoutes,
	} {
		for _, route := range routes {
			mux.Handle(route, handler)
		}
	}
	b.handler = mux
}

// bureauTrust is what the verifier trusts.
type bureauTrust struct{ b *bureau }

func (s bureauTrust) Trust(ctx context.Context) (trust.Anchors, trust.List, []*cert.CRL, error) {
	anchors, list, crls, err := s.b.Trust(ctx)
	list.Issuers = []trust.Issuer{{USCC: market, Types: []string{businessType}}, {USCC: labour, Types: []string{serviceType}}}
	return anchors, list, crls, err
}

type licenceView struct {
	ID, Identifier, State, StateCode, Number, ValidFrom, ValidTo, Code string
	History                                                            []struct{ Verb, State, Reason string }
	Basis, Credential                                                  string
}

const testPurpose = `{"text":"核发证照(示例)","itemCode":"990000101","caseNumber":"C3","legalBasis":"《示例条例》第八条"}`

func serviceDraft() string {
	return `{"organisation":"` + labour + `","type":"` + serviceType + `","number":"FW9900002026000117",` +
		`"holder":{"type":"111","code":"990000199202140010","name":"周八(示例)"},` +
		`"fields":{"employer":"示例家政服务有限公司","serviceCategory":"居家养老照护、家庭保洁"},"purpose":` + testPurpose + `}`
}

func businessDraft() string {
	return `{"organisation":"` + market + `","type":"` + businessType + `","number":"990000000000001",` +
		`"holder":{"type":"001","code":"` + company + `","name":"示例家政服务有限公司"},` +
		`"fields":{"companyType":"有限责任公司(示例)","legalRepresentative":"郑十(示例)","businessScope":"家政服务；养老服务。(示例)",` +
		`"registeredCapital":"壹佰万元整","establishedDate":"2026年01月01日","address":"示例省示例市示例区示例路1号"},"purpose":` + testPurpose + `}`
}

// send posts JSON as a person with a scope under an Idempotency-Key, or none.
func (b *bureau) send(t testing.TB, path, person, scope, idempotency, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Authorization", b.bearer(t, person, "console", scope))
	r.Header.Set("Content-Type", "application/json")
	if idempotency != "" {
		r.Header.Set("Idempotency-Key", idempotency)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func decode(t testing.TB, w *httptest.ResponseRecorder, want int) (v licenceView) {
	t.Helper()
	if w.Code != want {
		t.Fatalf("answer %d %.500s, want %d", w.Code, w.Body, want)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %.300s", err, w.Body)
	}
	return v
}

// verb does a verb to a licence.
func (b *bureau) verb(t testing.TB, id, verb, person, organisation, reason string) *httptest.ResponseRecorder {
	t.Helper()
	return b.send(t, "/licences/"+id+"/"+verb, person, "licence.issue", "",
		fmt.Sprintf(`{"organisation":%q,"reason":%q,"purpose":%s}`, organisation, reason, testPurpose))
}

// issued drafts and issues a licence of the worker, with the agency's seal in use, and publishes the status lists.
func (b *bureau) issued(t testing.TB) licenceView {
	t.Helper()
	b.activeSeal(t, "sun", labour)
	d := decode(t, b.send(t, "/licences", "sun", "licence.issue", "", serviceDraft()), 201)
	l := decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 200)
	if err := b.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// read gets a licence as a media type.
func (b *bureau) read(t testing.TB, id, person, scope, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/licences/"+id, nil)
	r.Header.Set("Authorization", b.bearer(t, person, "phone", scope))
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

// judge verifies text as JSON input.
func (b *bureau) judge(t testing.TB, input string) verdict.Verdict {
	t.Helper()
	body, err := json.Marshal(map[string]any{"input": input, "purpose": map[string]string{"text": "核验上门人员(示例)"}})
	if err != nil {
		t.Fatal(err)
	}
	return b.verdict(t, "application/json", body)
}

func (b *bureau) ledger(t testing.TB, holder string) []audit.Event {
	t.Helper()
	events, err := Events{b.db}.ByHolder(t.Context(), holder, 100)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestALicenceIsIssuedInEveryFormAndEachVerifies(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	if l.State != "active" || l.StateCode != "01" || !strings.HasPrefix(l.Identifier, "1.2.156.3005.2."+serviceType+"."+labour+".") {
		t.Fatalf("the licence is %+v", l)
	}
	if l.ValidFrom != "2026-03-01" || l.ValidTo != "2029-02-28" {
		t.Errorf("valid from %s to %s, want three years by the rule of the type", l.ValidFrom, l.ValidTo)
	}
	for media, verdictMedia := range map[string]string{"application/pdf": "application/pdf", "application/ofd": "application/ofd"} {
		w := b.read(t, l.ID, "worker", "licence.show", media)
		if w.Code != 200 || w.Header().Get("Content-Type") != media {
			t.Fatalf("%s: %d %.200s", media, w.Code, w.Body)
		}
		if dir := os.Getenv("YINXIN_LOOK"); dir != "" {
			_ = os.WriteFile(dir+"/face."+media[len("application/"):], w.Body.Bytes(), 0o644)
		}
		v := b.verdict(t, verdictMedia, w.Body.Bytes())
		if v.Overall != verdict.Valid || len(v.Seals) != 1 || v.Seals[0].OwnerCode != labour {
			t.Errorf("%s: %s%s", media, v.Summary.EN, failures(v))
		}
	}
	w := b.read(t, l.Identifier, "worker", "licence.show", "image/png")
	if w.Code != 200 || !bytes.HasPrefix(w.Body.Bytes(), []byte("\x89PNG")) {
		t.Errorf("PNG: %d", w.Code)
	}
	if dir := os.Getenv("YINXIN_LOOK"); dir != "" {
		_ = os.WriteFile(dir+"/face.png", w.Body.Bytes(), 0o644)
	}
	credential := b.read(t, l.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String()
	if v := b.judge(t, credential); v.Overall != verdict.Valid || v.Licence.Identifier != l.Identifier || v.Licence.Holder != "周*" {
		t.Errorf("credential: %s%s %+v", v.Summary.EN, failures(v), v.Licence)
	}
	if v := b.judge(t, l.Identifier); v.Overall != verdict.Valid || v.Licence.State != "01" || v.Licence.Holder != "周*" {
		t.Errorf("identifier: %s%s %+v", v.Summary.EN, failures(v), v.Licence)
	}
	events, err := Events{b.db}.ByObject(t.Context(), "licence/"+l.ID)
	if err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, e := range events {
		acts = append(acts, e.Action+" "+string(e.Outcome))
		if e.ItemCode == "" && e.Action == "licence.issue" || e.Holder != "worker" || e.Division == "" && e.Action != "licence.verify" {
			t.Errorf("event %+v lacks something", e)
		}
	}
	if len(acts) < 3 || !slices.Equal(acts[:3], []string{"licence.draft done", "licence.issue begun", "licence.issue done"}) {
		t.Errorf("acts %v", acts)
	}
	if events[1].Digest == "" || events[1].Digest != events[2].Digest {
		t.Errorf("the events of issuing name %q and %q", events[1].Digest, events[2].Digest)
	}
}

func TestALongTermLicenceOfACompanyHasNoEnd(t *testing.T) {
	b := openBureau(t, t.TempDir())
	b.activeSeal(t, "li", market)
	d := decode(t, b.send(t, "/licences", "li", "licence.issue", "", businessDraft()), 201)
	l := decode(t, b.verb(t, d.ID, "issue", "li", market, ""), 200)
	if l.ValidTo != "" {
		t.Errorf("valid to %s, want long-term", l.ValidTo)
	}
	if err := b.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := b.read(t, l.ID, "zhang", "licence.show", "application/dc+sd-jwt")
	if v := b.judge(t, w.Body.String()); w.Code != 200 || v.Overall != verdict.Valid {
		t.Errorf("%d %s%s", w.Code, v.Summary.EN, failures(v))
	}
	if dir := os.Getenv("YINXIN_LOOK"); dir != "" {
		_ = os.WriteFile(dir+"/business.png", b.read(t, l.ID, "zhang", "licence.show", "image/png").Body.Bytes(), 0o644)
	}
	found := b.send(t, "/share/licences/query", "zhang", "licence.share", "", `{"organisation":"`+company+`","type":"`+businessType+
		`","purpose":{"text":"资金申报(示例)","itemCode":"ZJ-0007","caseNumber":"ZJ-2026-0042"}}`)
	var out struct{ Licences []licenceView }
	if err := json.Unmarshal(found.Body.Bytes(), &out); err != nil || found.Code != 200 || len(out.Licences) != 1 {
		t.Fatalf("look-up %d %.300s, %v", found.Code, found.Body, err)
	}
	if got := out.Licences[0]; got.Basis != "delegate" || got.Identifier != l.Identifier || b.judge(t, got.Credential).Overall != verdict.Valid {
		t.Errorf("look-up %+v", got)
	}
	if e := b.ledger(t, company)[0]; e.Action != "licence.read" || e.Purpose != "资金申报(示例)" || e.CaseNumber != "ZJ-2026-0042" ||
		e.Person != "zhang" || e.Object != "licence/"+l.ID {
		t.Errorf("the company's ledger says %+v", e)
	}
}

func TestARevocationReachesVerifiersThroughTheList(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	credential := b.read(t, l.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String()
	check := func(want verdict.Overall, code string) {
		t.Helper()
		v := b.judge(t, credential)
		if v.Overall != want || code != "" && !slices.Contains(v.Failed(), code) {
			t.Fatalf("%s, want %s %s%s", v.Summary.EN, want, code, failures(v))
		}
	}
	step := func(verb, reason string) {
		t.Helper()
		b.add(time.Minute)
		decode(t, b.verb(t, l.ID, verb, "sun", labour, reason), 200)
	}
	publish := func() {
		t.Helper()
		b.add(time.Minute)
		if err := b.publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check(verdict.Valid, "")
	step("suspend", "投诉待查(示例)")
	check(verdict.Valid, "") // the list is not published yet
	publish()
	check(verdict.Invalid, "LIC_SUSPENDED")
	step("resume", "查无实据(示例)")
	publish()
	check(verdict.Valid, "")
	step("revoke", "申请材料不实(示例)")
	publish()
	check(verdict.Invalid, "LIC_REVOKED")
	if dir := os.Getenv("YINXIN_LOOK"); dir != "" {
		p, _ := StatusLists{b.db}.StatusList(t.Context(), labour+"-1")
		_ = os.WriteFile(dir+"/licence.sd-jwt", []byte(credential), 0o644)
		_ = os.WriteFile(dir+"/status-list.jwt", []byte(p.Token), 0o644)
		_ = b.ca.Export(t.Context(), dir+"/trust")
	}
	if v := b.judge(t, l.Identifier); v.Overall != verdict.Invalid || v.Licence.State != "03" {
		t.Errorf("by identifier: %s %+v", v.Summary.EN, v.Licence)
	}
	for _, verb := range []string{"resume", "suspend", "issue", "revoke", "discard"} {
		if got := decode(t, b.verb(t, l.ID, verb, "sun", labour, "x"), 409); got.Code != licence.ErrState.Code {
			t.Errorf("%s after a revocation: %s", verb, got.Code)
		}
	}
}

func TestAShownCodeIsGoodForOneLook(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	mint := func(person, seconds string) *httptest.ResponseRecorder {
		return b.send(t, "/show-codes", person, "licence.show", "", `{"licence":"`+l.Identifier+`"`+seconds+`}`)
	}
	var code struct {
		QR        string
		Discloses []string
		ExpiresAt time.Time
	}
	w := mint("worker", "")
	if err := json.Unmarshal(w.Body.Bytes(), &code); err != nil || w.Code != 201 || !strings.HasPrefix(code.QR, testIssuer+"/c/") {
		t.Fatalf("code %d %s", w.Code, w.Body)
	}
	if got := code.ExpiresAt.Sub(b.Now()); got > 90*time.Second || got < 89*time.Second {
		t.Errorf("the code lives %s", got)
	}
	v := b.judge(t, code.QR)
	if v.Overall != verdict.Valid || v.Licence.Holder != "周*" {
		t.Errorf("%s%s %+v", v.Summary.EN, failures(v), v.Licence)
	}
	if e := b.ledger(t, "worker")[0]; e.Action != "licence.verify" || e.Object != "licence/"+l.ID || e.Purpose == "" {
		t.Errorf("the worker's ledger says %+v", e)
	}
	if v := b.judge(t, code.QR); v.Overall != verdict.Invalid || !slices.Equal(v.Failed(), []string{"SHOW_CODE_SPENT"}) {
		t.Errorf("once more: %s %v", v.Summary.EN, v.Failed())
	}
	if got := decode(t, mint("zhang", ""), 404); got.Code != licence.ErrLicence.Code {
		t.Errorf("a stranger gets %s", got.Code)
	}
	for _, seconds := range []string{`,"seconds":59`, `,"seconds":121`, `,"seconds":-1`} {
		if got := decode(t, mint("worker", seconds), 400); got.Code != licence.ErrSeconds.Code {
			t.Errorf("%s gives %s", seconds, got.Code)
		}
	}
}

func TestALookUpWithoutGroundsIsRefusedByNameAndRecorded(t *testing.T) {
	b := openBureau(t, t.TempDir())
	for _, c := range []struct {
		name, person, scope, organisation, kind, purpose string
		status                                           int
		code                                             string
	}{
		{"no purpose", "zhang", "licence.share", company, businessType, `{"text":"","itemCode":"a","caseNumber":"b"}`, 400, "purpose_missing"},
		{"no item", "zhang", "licence.share", company, businessType, `{"text":"x","caseNumber":"b"}`, 400, "item_code_missing"},
		{"no case", "zhang", "licence.share", company, businessType, `{"text":"x","itemCode":"a"}`, 400, "case_number_missing"},
		{"no such type", "zhang", "licence.share", company, "x", `{"text":"x","itemCode":"a","caseNumber":"b"}`, 400, "licence_type_unknown"},
		{"no mandate", "worker", "licence.share", company, businessType, `{"text":"x","itemCode":"a","caseNumber":"b"}`, 403, "not_mandated"},
		{"another scope", "zhang", "licence.show", company, businessType, `{"text":"x","itemCode":"a","caseNumber":"b"}`, 403, "insufficient_scope"},
		{"a control character", "zhang", "licence.share", company, businessType, `{"text":"x\u0007","itemCode":"a","caseNumber":"b"}`, 400, "purpose_missing"},
	} {
		before := len(b.trail(t))
		w := b.send(t, "/share/licences/query", c.person, c.scope, "",
			`{"organisation":"`+c.organisation+`","type":"`+c.kind+`","purpose":`+c.purpose+`}`)
		if got := decode(t, w, c.status); got.Code != c.code {
			t.Errorf("%s: %s, want %s", c.name, got.Code, c.code)
		}
		events := b.trail(t)[before:]
		if c.code == "insufficient_scope" {
			continue // stopped at the gate
		}
		if len(events) != 1 || events[0].Outcome != audit.Refused || events[0].Reason != c.code || events[0].Person != c.person {
			t.Errorf("%s: the trail says %+v", c.name, events)
		}
	}
	w := b.send(t, "/share/licences/query", "zhang", "licence.share", "",
		`{"organisation":"`+company+`","type":"`+businessType+`","purpose":{"text":"x","itemCode":"a","caseNumber":"b"}}`)
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"licences":[]}` {
		t.Errorf("nothing found: %d %s", w.Code, w.Body)
	}
	if e := b.ledger(t, company)[0]; e.Action != "licence.read" || e.Outcome != audit.Done || e.Object != "licence-type/"+businessType {
		t.Errorf("the look-up that found nothing: %+v", e)
	}
}

// trail is the whole trail, oldest first.
func (b *bureau) trail(t testing.TB) []audit.Event {
	t.Helper()
	events, err := Events{b.db}.ByTime(t.Context(), time.Time{}, b.Now().Add(time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(events, func(e audit.Event) bool { return e.Action == "registry.save" })
}

func TestOnlyHolderAndIssuerReadALicence(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	for _, c := range []struct {
		name, person, scope, accept string
		status                      int
		code                        string
	}{
		{"the holder", "worker", "licence.show", "application/dc+sd-jwt", 200, ""},
		{"the holder, the record", "worker", "licence.show", "", 200, ""},
		{"the issuer", "sun", "licence.issue", "application/pdf", 200, ""},
		{"a browser's favour", "worker", "licence.show", "text/html,application/pdf;q=0.9,*/*;q=0.1", 200, ""},
		{"another person", "zhang", "licence.show", "application/pdf", 404, "licence_unknown"},
		{"another agency", "li", "licence.issue", "application/pdf", 404, "licence_unknown"},
		{"the issuer's clerk under the holder's scope", "sun", "licence.show", "application/pdf", 404, "licence_unknown"},
		{"no scope for it", "worker", "openid", "application/pdf", 403, "insufficient_scope"},
		{"another form", "worker", "licence.show", "text/plain", 406, "not_acceptable"},
	} {
		w := b.read(t, l.ID, c.person, c.scope, c.accept)
		if w.Code != c.status {
			t.Errorf("%s: %d %.200s, want %d", c.name, w.Code, w.Body, c.status)
		}
		if c.code != "" && !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) {
			t.Errorf("%s: %s, want %s", c.name, w.Body, c.code)
		}
		if c.status == 200 {
			if e := b.ledger(t, "worker")[0]; e.Action != "licence.read" || e.Person != c.person {
				t.Errorf("%s: the ledger says %+v", c.name, e)
			}
		}
	}
}

func TestDraftsAreHeldAgainstTypeAndRegistry(t *testing.T) {
	b := openBureau(t, t.TempDir())
	for _, c := range []struct {
		name, person, from, to string
		status                 int
		code                   string
	}{
		{"another name than the register's", "sun", "周八(示例)", "周九(示例)", 422, "holder_unknown"},
		{"a number nobody has", "sun", "990000199202140010", "990000199202140029", 422, "holder_unknown"},
		{"a company for a person's licence", "sun", `"type":"111"`, `"type":"001"`, 422, "holder_unknown"},
		{"a field left out", "sun", `"employer":"示例家政服务有限公司",`, ``, 422, "licence_field"},
		{"a field that the type lacks", "sun", `"employer":`, `"boss":"x","employer":`, 422, "licence_field"},
		{"a field too long", "sun", `居家养老照护、家庭保洁`, strings.Repeat("洁", 61), 422, "licence_field"},
		{"no number", "sun", `FW9900002026000117`, ``, 422, "licence_field"},
		{"a character that no font has", "sun", `居家养老照护`, `居家养老𠮷照护`, 422, "licence_face"},
		{"an end before the beginning", "sun", `"purpose"`, `"validFrom":"2026-03-02","validTo":"2026-03-01","purpose"`, 422, "licence_validity"},
		{"longer than the type allows", "sun", `"purpose"`, `"validTo":"2030-03-02","purpose"`, 422, "licence_validity"},
		{"no day", "sun", `"purpose"`, `"validFrom":"2026-02-30","purpose"`, 422, "licence_validity"},
		{"another agency's type", "sun", `"type":"` + serviceType, `"type":"` + businessType, 403, "not_issuer"},
		{"no such type", "sun", `"type":"` + serviceType, `"type":"` + labour + "999", 400, "licence_type_unknown"},
		{"no mandate", "li", "", "", 403, "not_mandated"},
		{"no purpose", "sun", `"text":"核发证照(示例)"`, `"text":" "`, 400, "purpose_missing"},
		{"an unknown member", "sun", `"purpose"`, `"extra":1,"purpose"`, 400, "bad_request"},
	} {
		body := serviceDraft()
		if c.from != "" {
			if body = strings.Replace(body, c.from, c.to, 1); body == serviceDraft() {
				t.Fatalf("%s: nothing to change", c.name)
			}
		}
		if got := decode(t, b.send(t, "/licences", c.person, "licence.issue", "", body), c.status); got.Code != c.code {
			t.Errorf("%s: %s, want %s", c.name, got.Code, c.code)
		}
	}
	if ids, err := (Licences{b.db}).LicencesOf(t.Context(), "worker"); err != nil || len(ids) != 0 {
		t.Errorf("refused drafts left %v, %v", ids, err)
	}
}

func TestTheSameKeyHasOneEffect(t *testing.T) {
	b := openBureau(t, t.TempDir())
	b.activeSeal(t, "sun", labour)
	first := decode(t, b.send(t, "/licences", "sun", "licence.issue", "k1", serviceDraft()), 201)
	again := decode(t, b.send(t, "/licences", "sun", "licence.issue", "k1", serviceDraft()), 201)
	if first.ID != again.ID {
		t.Errorf("two drafts under one key: %s and %s", first.ID, again.ID)
	}
	if other := decode(t, b.send(t, "/licences", "sun", "licence.issue", "k2", serviceDraft()), 201); other.ID == first.ID {
		t.Error("another key gave the same draft")
	}
	changed := strings.Replace(serviceDraft(), "FW99", "FW98", 1)
	if got := decode(t, b.send(t, "/licences", "sun", "licence.issue", "k1", changed), 422); got.Code != access.ErrKeyReused.Code {
		t.Errorf("another request under the key: %s", got.Code)
	}
	issue := func(k string) *httptest.ResponseRecorder {
		return b.send(t, "/licences/"+first.ID+"/issue", "sun", "licence.issue", k, `{"organisation":"`+labour+`","purpose":`+testPurpose+`}`)
	}
	one, two := decode(t, issue("i1"), 200), decode(t, issue("i1"), 200)
	if one.Identifier == "" || one.Identifier != two.Identifier {
		t.Errorf("issued as %s and %s", one.Identifier, two.Identifier)
	}
	if got := decode(t, issue("i2"), 409); got.Code != licence.ErrState.Code {
		t.Errorf("issued again under another key: %s", got.Code)
	}
	if got := decode(t, b.send(t, "/licences", "sun", "licence.issue", "with space", serviceDraft()), 400); got.Code != access.ErrKeyMalformed.Code {
		t.Errorf("a malformed key: %s", got.Code)
	}
	begun := 0
	for _, e := range b.trail(t) {
		if e.Action == "licence.issue" && e.Outcome == audit.Begun {
			begun++
		}
	}
	if begun != 1 {
		t.Errorf("%d signatures were begun, want one", begun)
	}
}

// brokenStamper fails as long as it is told to.
type brokenStamper struct {
	licence.FaceStamper
	err error
}

func (s *brokenStamper) StampFace(ctx context.Context, o licence.FaceOrder) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.FaceStamper.StampFace(ctx, o)
}

func TestAFailedIssueShowsNothingAndGoesOnWithTheSameIdentifier(t *testing.T) {
	b := openBureau(t, t.TempDir())
	d := decode(t, b.send(t, "/licences", "sun", "licence.issue", "", serviceDraft()), 201)
	if got := decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 409); got.Code != seal.ErrNoSeal.Code {
		t.Fatalf("without a seal: %s", got.Code)
	}
	half, err := Licences{b.db}.Licence(t.Context(), d.ID)
	if err != nil || half.State() != licence.Issuing || half.Identifier == "" || half.Issue != nil {
		t.Fatalf("the record is %+v, %v", half, err)
	}
	hidden := func() {
		t.Helper()
		if got := decode(t, b.read(t, d.ID, "worker", "licence.show", ""), 200); got.Identifier != "" || got.State != "issuing" {
			t.Errorf("the record shows %+v", got)
		}
		if got := decode(t, b.read(t, d.ID, "worker", "licence.show", "application/pdf"), 409); got.Code != licence.ErrState.Code {
			t.Errorf("the face of a half issued licence: %s", got.Code)
		}
		if v := b.judge(t, half.Identifier); v.Overall == verdict.Valid {
			t.Error("the identifier of a half issued licence is valid")
		}
		if got := decode(t, b.send(t, "/show-codes", "worker", "licence.show", "", `{"licence":"`+d.ID+`"}`), 409); got.Code != licence.ErrState.Code {
			t.Errorf("a show code of a half issued licence: %s", got.Code)
		}
	}
	hidden()
	b.activeSeal(t, "sun", labour)
	broken := &brokenStamper{b.issue.Stamper, errors.New("the seal service is away")}
	b.issue.Stamper = broken
	b.serve()
	if got := decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 500); got.Code != problem.Internal.Code {
		t.Errorf("a fault: %s", got.Code)
	}
	hidden()
	broken.err = nil
	l := decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 200)
	if l.Identifier != half.Identifier {
		t.Errorf("identifier %s, begun as %s", l.Identifier, half.Identifier)
	}
	done, err := Licences{b.db}.Licence(t.Context(), d.ID)
	if err != nil || done.Index != half.Index || done.List != half.List {
		t.Errorf("place %s %d, begun as %s %d", done.List, done.Index, half.List, half.Index)
	}
	events, err := Events{b.db}.ByObject(t.Context(), "licence/"+d.ID)
	if err != nil {
		t.Fatal(err)
	}
	count := map[audit.Outcome]int{}
	for _, e := range events {
		if e.Action == "licence.issue" {
			count[e.Outcome]++
		}
	}
	if count[audit.Begun] != 3 || count[audit.Failed] != 2 || count[audit.Done] != 1 {
		t.Errorf("events %v, want three beginnings, two failures, one end", count)
	}
}

func TestADraftWhoseTimeIsOverIsNotIssued(t *testing.T) {
	b := openBureau(t, t.TempDir())
	b.activeSeal(t, "sun", labour)
	draft := strings.Replace(serviceDraft(), `"purpose"`, `"validTo":"2026-03-02","purpose"`, 1)
	d := decode(t, b.send(t, "/licences", "sun", "licence.issue", "", draft), 201)
	b.add(48 * time.Hour)
	if got := decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 422); got.Code != licence.ErrValidity.Code {
		t.Errorf("%s, want %s", got.Code, licence.ErrValidity.Code)
	}
	if l, err := (Licences{b.db}).Licence(t.Context(), d.ID); err != nil || l.State() != licence.Draft || l.Identifier != "" {
		t.Errorf("the record is %+v, %v", l, err)
	}
}

func TestALicenceMayBeHandedOutBeforeItsFirstDay(t *testing.T) {
	b := openBureau(t, t.TempDir())
	b.activeSeal(t, "sun", labour)
	draft := strings.Replace(serviceDraft(), `"purpose"`, `"validFrom":"2026-03-05","purpose"`, 1)
	d := decode(t, b.send(t, "/licences", "sun", "licence.issue", "", draft), 201)
	l := decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 200)
	if err := b.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	credential := b.read(t, l.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String()
	if v := b.judge(t, credential); v.Overall != verdict.Invalid || !slices.Equal(v.Failed(), []string{"LIC_NOT_YET_VALID"}) {
		t.Errorf("%s%s", v.Summary.EN, failures(v))
	}
}

func TestOfConcurrentIssuesOneSucceeds(t *testing.T) {
	b := openBureau(t, t.TempDir())
	b.activeSeal(t, "sun", labour)
	d := decode(t, b.send(t, "/licences", "sun", "licence.issue", "", serviceDraft()), 201)
	bearer := b.bearer(t, "sun", "console", "licence.issue")
	codes := make([]int, 8)
	var wg sync.WaitGroup
	for n := range codes {
		wg.Go(func() {
			r := httptest.NewRequest("POST", "/licences/"+d.ID+"/issue", strings.NewReader(`{"organisation":"`+labour+`","purpose":`+testPurpose+`}`))
			r.Header.Set("Authorization", bearer)
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, r)
			codes[n] = w.Code
		})
	}
	wg.Wait()
	won := 0
	for _, c := range codes {
		switch c {
		case 200:
			won++
		case 409:
		default:
			t.Errorf("answer %d", c)
		}
	}
	l, err := Licences{b.db}.Licence(t.Context(), d.ID)
	if err != nil || won != 1 || l.State() != licence.Active {
		t.Errorf("%d of %d won, the licence is %s, %v", won, len(codes), l.State(), err)
	}
}

func TestVerbsNeedGroundsMandateAndTheOwnAgency(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	for _, c := range []struct {
		name, verb, person, organisation, reason, legal string
		status                                          int
		code                                            string
	}{
		{"no reason", "revoke", "sun", labour, " ", "x", 400, "reason_missing"},
		{"no legal basis", "revoke", "sun", labour, "x", "", 400, "legal_basis_missing"},
		{"another agency", "revoke", "li", market, "x", "x", 403, "not_issuer"},
		{"no mandate", "revoke", "li", labour, "x", "x", 403, "not_mandated"},
		{"no such verb", "burn", "sun", labour, "x", "x", 404, "licence_verb_unknown"},
		{"draft is no verb", "draft", "sun", labour, "x", "x", 404, "licence_verb_unknown"},
		{"not now", "resume", "sun", labour, "x", "x", 409, "licence_state"},
	} {
		w := b.send(t, "/licences/"+l.Identifier+"/"+c.verb, c.person, "licence.issue", "",
			fmt.Sprintf(`{"organisation":%q,"reason":%q,"purpose":{"text":"x","legalBasis":%q}}`, c.organisation, c.reason, c.legal))
		if got := decode(t, w, c.status); got.Code != c.code {
			t.Errorf("%s: %s, want %s", c.name, got.Code, c.code)
		}
	}
	if got := decode(t, b.verb(t, "nothing", "revoke", "sun", labour, "x"), 404); got.Code != licence.ErrLicence.Code {
		t.Errorf("an unknown licence: %s", got.Code)
	}
}

func TestStatusListsArePublishedOnChangeAndBeforeTheyGrowOld(t *testing.T) {
	b := openBureau(t, t.TempDir())
	lists := StatusLists{b.db}
	publish := func() {
		t.Helper()
		if err := b.publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	revision := func() int {
		t.Helper()
		p, err := lists.StatusList(t.Context(), labour+"-1")
		if err != nil {
			t.Fatal(err)
		}
		return p.Revision
	}
	publish() // before any licence
	if got := revision(); got != 1 {
		t.Fatalf("revision %d", got)
	}
	l := b.issued(t)
	before := revision()
	decode(t, b.verb(t, l.ID, "revoke", "sun", labour, "x"), 200)
	publish() // within the debounce time of nothing: the list is minutes old
	if got := revision(); got != before+1 {
		t.Errorf("revision %d after a change, want %d", got, before+1)
	}
	publish()
	if got := revision(); got != before+1 {
		t.Errorf("revision %d without a change, want %d", got, before+1)
	}
	b.add(31 * time.Minute)
	publish()
	if got := revision(); got != before+2 {
		t.Errorf("revision %d after half the ttl, want %d", got, before+2)
	}
	trail, err := Events{b.db}.ByObject(t.Context(), "status-list/"+labour+"-1")
	if err != nil || len(trail) != 2*revision() {
		t.Fatalf("%d events of %d publications, want two of each (%v)", len(trail), revision(), err)
	}
	for i := 0; i < len(trail); i += 2 {
		if begun, done := trail[i], trail[i+1]; begun.Outcome != audit.Begun || done.Outcome != audit.Done || begun.Digest == "" || begun.Digest != done.Digest {
			t.Errorf("publication %d left %+v and %+v, want its beginning before its end", i/2, begun, done)
		}
	}
	w := b.call(t, "GET", "/status-lists/"+labour+"-1", "", "", nil, 200)
	if got := w.Header().Get("Content-Type"); got != "application/statuslist+jwt" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers %v", w.Header())
	}
	w = b.call(t, "GET", "/status-lists", "", "", nil, 200)
	if want := `{"status_lists":["` + testIssuer + "/status-lists/" + market + `-1","` + testIssuer + "/status-lists/" + labour + `-1"]}`; strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("lists %s, want %s", w.Body, want)
	}
	b.call(t, "GET", "/status-lists/"+labour+"-1?time=1", "", "", nil, 501)
	b.call(t, "GET", "/status-lists/nothing", "", "", nil, 404)
}

func TestADebouncedListWaitsForTheNextCall(t *testing.T) {
	b := openBureau(t, t.TempDir())
	b.activeSeal(t, "sun", labour)
	l := b.issued2(t)
	b.add(time.Minute)
	if err := b.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	decode(t, b.verb(t, l.ID, "revoke", "sun", labour, "x"), 200)
	old, err := StatusLists{b.db}.StatusList(t.Context(), labour+"-1")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{old.Revision, old.Revision + 1} {
		if err := b.publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p, err := (StatusLists{b.db}).StatusList(t.Context(), labour+"-1"); err != nil || p.Revision != want {
			t.Errorf("call %d: revision %d, %v, want %d", i, p.Revision, err, want)
		}
		b.add(3 * time.Second)
	}
}

// issued2 issues one more licence with the seal that is in use.
func (b *bureau) issued2(t testing.TB) licenceView {
	t.Helper()
	d := decode(t, b.send(t, "/licences", "sun", "licence.issue", "", serviceDraft()), 201)
	return decode(t, b.verb(t, d.ID, "issue", "sun", labour, ""), 200)
}

func TestWhatIsPublicAgreesWithTheCredential(t *testing.T) {
	b := openBureau(t, t.TempDir())
	l := b.issued(t)
	credential := b.read(t, l.ID, "worker", "licence.show", "application/dc+sd-jwt").Body.String()
	var issuer struct {
		Issuer, Name string
		Types        []string
		JWKS         struct {
			Keys []struct{ Kid, Kty, Alg string }
		}
	}
	if err := json.Unmarshal(b.call(t, "GET", "/issuers/"+labour, "", "", nil, 200).Body.Bytes(), &issuer); err != nil {
		t.Fatal(err)
	}
	if issuer.Issuer != testIssuer+"/issuers/"+labour || issuer.Name != "示例省人力资源和社会保障厅" || !slices.Equal(issuer.Types, []string{serviceType}) {
		t.Errorf("issuer %+v", issuer)
	}
	metadata := b.call(t, "GET", "/.well-known/jwt-vc-issuer/issuers/"+labour, "", "", nil, 200).Body.String()
	if len(issuer.JWKS.Keys) != 1 || !strings.Contains(metadata, `"issuer":"`+issuer.Issuer+`"`) ||
		!strings.Contains(metadata, issuer.JWKS.Keys[0].Kid) || issuer.JWKS.Keys[0].Alg != "ES256" {
		t.Errorf("metadata %s", metadata)
	}
	if header := strings.SplitN(credential, ".", 2)[0]; !strings.Contains(decodePart(t, header), `"kid":"`+issuer.JWKS.Keys[0].Kid+`"`) {
		t.Errorf("header %s", decodePart(t, header))
	}
	payload := decodePart(t, strings.Split(credential, ".")[1])
	var list struct {
		Types []struct {
			TypeCode  string `json:"typeCode"`
			VCT       string `json:"vct"`
			Integrity string `json:"vct#integrity"`
		}
	}
	if err := json.Unmarshal(b.call(t, "GET", "/licence-types", "", "", nil, 200).Body.Bytes(), &list); err != nil || len(list.Types) != 2 {
		t.Fatalf("types %+v, %v", list, err)
	}
	i := slices.IndexFunc(list.Types, func(d struct {
		TypeCode  string `json:"typeCode"`
		VCT       string `json:"vct"`
		Integrity string `json:"vct#integrity"`
	}) bool {
		return d.TypeCode == serviceType
	})
	for _, want := range []string{`"vct":"` + list.Types[i].VCT + `"`, `"vct#integrity":"` + list.Types[i].Integrity + `"`,
		`"iss":"` + issuer.Issuer + `"`, `"uri":"` + testIssuer + "/status-lists/" + labour + `-1"`} {
		if !strings.Contains(payload, want) {
			t.Errorf("the payload lacks %s: %s", want, payload)
		}
	}
	served := sha256.Sum256(b.call(t, "GET", "/licence-types/"+serviceType, "", "", nil, 200).Body.Bytes())
	if got := "sha256-" + base64.StdEncoding.EncodeToString(served[:]); got != list.Types[i].Integrity {
		t.Errorf("vct#integrity is %s, the metadata have %s", list.Types[i].Integrity, got)
	}
	for _, secret := range []string{"周八", "990000199202140010", "FW9900002026000117"} {
		if strings.Contains(payload, secret) {
			t.Errorf("the payload holds %s", secret)
		}
	}
	b.call(t, "GET", "/issuers/"+company, "", "", nil, 404)
	b.call(t, "GET", "/licence-types/x", "", "", nil, 404)
}

func BenchmarkIssueLicence(b *testing.B) {
	bureau := openBureau(b, b.TempDir())
	bureau.activeSeal(b, "sun", labour)
	b.Run("Issue", func(b *testing.B) {
		for b.Loop() {
			bureau.issued2(b)
		}
	})
	b.Run("BareES256SignAndVerify", func(b *testing.B) {
		k, err := bureau.ca.Keys.OpenKey(b.Context(), key.LicenceIssuer, labour)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := key.Sign(b.Context(), k, []byte("message")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func decodePart(t testing.TB, part string) string {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
