//go:build unix

package embedded_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/verdict"
	"github.com/yinxin/yinxin/shared/verify"
)

const stampedFile = "stamped" // where a child leaves what came back

// sealVerb does a verb to the agency's seal.
func (w *world) sealVerb(t *testing.T, verb, person, organisation string) *httptest.ResponseRecorder {
	t.Helper()
	path := "/seals"
	if verb != "" {
		path += "/" + w.sealID(t) + "/" + verb
	}
	body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"示例事由","legalBasis":"国办发〔2025〕33号"}}`, organisation)
	return w.send(t, person, "POST", path, "application/json", strings.NewReader(body))
}

func approvedSeal(t *testing.T, w *world) {
	want(t, w.sealVerb(t, "", agent, labour), 201)
	want(t, w.sealVerb(t, "approve", approver, office), 200)
}

func activeSeal(t *testing.T, w *world) {
	approvedSeal(t, w)
	want(t, w.sealVerb(t, "make", operator, workshop), 200)
	want(t, w.sealVerb(t, "activate", agent, labour), 200)
}

func makeASeal() act {
	return act{
		name:     "make a seal",
		template: approvedSeal,
		run:      func(t *testing.T, w *world) { want(t, w.sealVerb(t, "make", operator, workshop), 200) },
		whole: func(t *testing.T, w *world) {
			if w.checkSeal(t) != seal.Made {
				t.Error("the seal is not made")
			}
			w.checkMaker(t)
		},
		left: func(t *testing.T, w *world) { w.checkSeal(t) },
		again: func(t *testing.T, w *world) {
			status := 200
			if w.checkSeal(t) == seal.Made {
				status = 409
			}
			want(t, w.sealVerb(t, "make", operator, workshop), status)
			if w.checkSeal(t) != seal.Made {
				t.Fatal("the seal is not made after the second call")
			}
			w.checkMaker(t)
			want(t, w.sealVerb(t, "activate", agent, labour), 200)
			w.stampAndVerify(t, "ofd")
			w.stampAndVerify(t, "pdf")
		},
	}
}

// checkSeal looks at the seal through everything that shows it: it is approved, and then nothing of a making can be
// seen, or made, and then it is complete.
func (w *world) checkSeal(t *testing.T) seal.State {
	t.Helper()
	id := w.sealID(t)
	shown := decode[struct {
		State     seal.State
		Code      string
		ValidFrom *time.Time
	}](t, want(t, w.send(t, agent, "GET", "/seals/"+id, "", nil), 200))
	status := decode[struct {
		State     seal.State
		ValidFrom *time.Time
	}](t, want(t, w.send(t, "", "GET", "/seals/"+shown.Code+"/status", "", nil), 200))
	record, err := embedded.Seals{DB: w.db}.Seal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := embedded.SealStatus{DB: w.db}.SealStatus(t.Context(), shown.Code, w.now())
	if err != nil {
		t.Fatal(err)
	}
	made := shown.State == seal.Made
	if !made && shown.State != seal.Approved || status.State != shown.State || facts.State != string(shown.State) {
		t.Fatalf("the seal is shown as %q, its status as %q, to verifiers as %q", shown.State, status.State, facts.State)
	}
	if (shown.ValidFrom != nil) != made || (status.ValidFrom != nil) != made || (record.Body != nil) != made ||
		(facts.Digest != [32]byte{}) != made {
		t.Fatalf("the seal is %s, and its body: %+v", shown.State, record.Body)
	}
	done := w.ends(t, "seal.make")
	if !made {
		if len(done) > 0 {
			t.Fatalf("the seal is not made, and the trail ends with %+v", done)
		}
		if answer := w.stamp(t, "ofd"); answer.Code != 409 {
			t.Fatalf("a seal that is not made stamps: %d", answer.Code)
		}
		return shown.State
	}
	esl := sm.Sum3(record.Body.ESL)
	if len(done) != 1 || done[0].Outcome != audit.Done || done[0].Digest != "sm3:"+hex.EncodeToString(esl[:]) || done[0].Object != "seal/"+id {
		t.Fatalf("the seal is made, and the trail ends with %+v", done)
	}
	for purpose, chain := range map[key.Purpose][][]byte{key.Seal: record.Body.Chain, key.SealCompat: record.Body.CompatChain} {
		signer, err := w.keys.OpenKey(t.Context(), purpose, id)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := sm.MarshalPKIXPublicKey(signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := cert.Parse(chain[0])
		if err != nil || !bytes.Equal(leaf.SPKI, spki) {
			t.Fatalf("the %s certificate is not that of the key: %v", purpose, err)
		}
	}
	return shown.State
}

// ends are the events that end an act, but for refusals: they begin nothing.
func (w *world) ends(t *testing.T, action string) (list []audit.Event) {
	t.Helper()
	for _, e := range w.events(t) {
		if e.Action == action && (e.Outcome == audit.Done || e.Outcome == audit.Failed) {
			list = append(list, e)
		}
	}
	return list
}

// checkMaker ties the last signature of the maker to the seal and to the event that came before it.
func (w *world) checkMaker(t *testing.T) {
	t.Helper()
	record, err := embedded.Seals{DB: w.db}.Seal(t.Context(), w.sealID(t))
	if err != nil {
		t.Fatal(err)
	}
	made, err := ses.ParseSeal(record.Body.ESL)
	if err != nil {
		t.Fatal(err)
	}
	maker, err := made.MakerKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := made.VerifyMaker(maker); err != nil {
		t.Fatal(err)
	}
	digest, err := sm.Digest(maker, made.InfoRaw)
	if err != nil {
		t.Fatal(err)
	}
	w.tie(t, key.SealMaker, digest, "sm3:"+sm3Hex(made.InfoRaw))
}

// tie finds the signature over a digest and holds its event against the digest that the trail must have.
func (w *world) tie(t *testing.T, purpose key.Purpose, digest []byte, recorded string) {
	t.Helper()
	list := lines[signature](t, w.dir, signaturesFile)
	i := slices.IndexFunc(list, func(s signature) bool { return s.Purpose == purpose && s.Digest == hex.EncodeToString(digest) })
	if i < 0 {
		t.Fatalf("no %s key was asked to sign what stands signed: %+v", purpose, list)
	}
	for _, e := range w.events(t) {
		if e.ID == list[i].Begun && e.Digest == recorded {
			return
		}
	}
	t.Errorf("the trail has no event with %s for signature %+v", recorded, list[i])
}

func sm3Hex(data []byte) string {
	sum := sm.Sum3(data)
	return hex.EncodeToString(sum[:])
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func stampAPDF() act { return stampA("pdf", "stamp a PDF") }

func stampAnOFD() act { return stampA("ofd", "stamp an OFD") }

func stampA(format, name string) act {
	return act{
		name:     name,
		template: activeSeal,
		run: func(t *testing.T, w *world) {
			answer := want(t, w.stamp(t, format), 200)
			if err := os.WriteFile(filepath.Join(w.dir, stampedFile), answer.Body.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		whole: func(t *testing.T, w *world) {
			stamped, err := os.ReadFile(filepath.Join(w.dir, stampedFile))
			if err != nil {
				t.Fatal(err)
			}
			w.checkStamped(t, format, stamped)
		},
		left: func(t *testing.T, w *world) {
			if _, err := os.Stat(filepath.Join(w.dir, stampedFile)); err == nil {
				t.Error("a document came back from a process that was killed before it could")
			}
			if answer := w.send(t, agent, "GET", "/seals/"+w.sealID(t), "", nil); !strings.Contains(answer.Body.String(), `"state":"active"`) {
				t.Errorf("the seal is shown as %s", answer.Body)
			}
		},
		again: func(t *testing.T, w *world) { w.checkStamped(t, format, w.stampAndVerify(t, format)) },
	}
}

// document is the document that is stamped, the same in every run.
func (w *world) document(t *testing.T, format string) (data []byte) {
	t.Helper()
	page := layout.Page{W: 210, H: 297, Items: []layout.Item{
		layout.Text{X: 30, Y: 40, Size: 7, Face: layout.Bold, S: "关于服务业发展资金安排的公示(示例)"}}}
	created := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var err error
	if format == "pdf" {
		data, err = pdf.Write(pdf.Document{Pages: []layout.Page{page}, Title: "公示(示例)", Created: created}, w.fonts)
	} else {
		data, err = ofd.Write(ofd.Document{Pages: []layout.Page{page}, Title: "公示(示例)", Created: created,
			DocID: "00112233445566778899aabbccddeeff"}, w.fonts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// stamp asks for the agency's seal on the document.
func (w *world) stamp(t *testing.T, format string) *httptest.ResponseRecorder {
	t.Helper()
	body := new(bytes.Buffer)
	m := multipart.NewWriter(body)
	part, err := m.CreateFormFile("document", "notice")
	if err == nil {
		_, err = part.Write(w.document(t, format))
	}
	if err == nil {
		err = m.WriteField("order", `{"purpose":{"text":"公示(示例)"},"place":{"page":1,"x":140,"y":230}}`)
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.send(t, agent, "POST", "/seals/"+w.sealID(t)+"/stamps", m.FormDataContentType(), body)
}

func (w *world) stampAndVerify(t *testing.T, format string) []byte {
	t.Helper()
	stamped := want(t, w.stamp(t, format), 200).Body.Bytes()
	w.valid(t, "application/"+format, stamped)
	return stamped
}

// valid fails unless the verifier calls the input valid.
func (w *world) valid(t *testing.T, media string, input []byte) verdict.Verdict {
	t.Helper()
	v := decode[verdict.Verdict](t, want(t, w.send(t, "", "POST", "/verify", media, bytes.NewReader(input)), 200))
	if v.Overall != verdict.Valid {
		t.Fatalf("%s is %s: %s", media, v.Overall, v.Summary.EN)
	}
	return v
}

// checkStamped verifies a stamped document and ties its last signature to the order and the trail.
func (w *world) checkStamped(t *testing.T, format string, stamped []byte) {
	t.Helper()
	if v := w.valid(t, "application/"+format, stamped); len(v.Seals) != 1 {
		t.Errorf("the document bears %d seals, want one", len(v.Seals))
	}
	var order seal.Order
	for _, b := range lines[begunOrder](t, w.dir, ordersFile) {
		if o, err := (embedded.Orders{DB: w.db}).Order(t.Context(), b.Order); err == nil && o.Result == "sha256:"+sha256Hex(stamped) {
			order = o
		}
	}
	if order.State != seal.OrderDone || order.Format != format {
		t.Fatalf("there is no order that is done with this document: %+v", order)
	}
	if format == "pdf" {
		return // trail has compared the digest
	}
	pkg, err := ofd.Open(stamped)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := ses.ParseStamp(pkg.Signatures()[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := stamp.SignerKey()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := sm.Digest(signer, stamp.TBSRaw)
	if err != nil {
		t.Fatal(err)
	}
	w.tie(t, key.Seal, digest, order.Document)
	if order.Signed != "sm3:"+sm3Hex(stamp.TBSRaw) {
		t.Errorf("the order is for %s, signed was %s", order.Signed, sm3Hex(stamp.TBSRaw))
	}
}

func issueALicence() act {
	return act{
		name:     "issue a licence",
		template: activeSeal,
		run:      func(t *testing.T, w *world) { w.issue(t) },
		whole: func(t *testing.T, w *world) {
			if l := w.licence(t); l == nil || l.State() != licence.Active {
				t.Fatalf("the licence is %+v", l)
			}
			w.checkLicence(t)
		},
		left: func(t *testing.T, w *world) { w.checkLicence(t) },
		again: func(t *testing.T, w *world) {
			before := w.licence(t)
			w.issue(t)
			first := w.licence(t)
			w.checkLicence(t)
			if before != nil && before.Identifier != "" &&
				(first.Identifier != before.Identifier || first.List != before.List || first.Index != before.Index) {
				t.Errorf("the second call took another identifier or place in a status list: %+v after %+v", first, before)
			}
			w.issue(t)
			if again := w.licence(t); again.Revision != first.Revision || again.Identifier != first.Identifier {
				t.Errorf("a further call under the same keys made %+v of %+v", again, first)
			}
		},
	}
}

// issue drafts and issues under the same Idempotency-Keys in every run.
func (w *world) issue(t *testing.T) {
	t.Helper()
	draft := fmt.Sprintf(`{"organisation":%q,"type":%q,"holder":{"type":"111","code":%q,"name":"周八(示例)"},"number":"示例2026000001",
		"fields":{"employer":"示例家政服务有限公司","serviceCategory":"保洁"},"purpose":{"text":"申领(示例)"}}`, labour, homeCare, workerID)
	answer := want(t, w.send(t, agent, "POST", "/licences", "application/json", strings.NewReader(draft), "Idempotency-Key", "draft-1"), 201)
	id := decode[struct{ ID string }](t, answer).ID
	body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"签发(示例)"}}`, labour)
	path := "/licences/" + id + "/issue"
	issued := decode[struct{ Identifier, State string }](t,
		want(t, w.send(t, agent, "POST", path, "application/json", strings.NewReader(body), "Idempotency-Key", "issue-1"), 200))
	if issued.State != "active" || issued.Identifier == "" {
		t.Errorf("the answer is %+v", issued)
	}
}

// licence is the holder's licence, or nil where there is none. There is never more than one.
func (w *world) licence(t *testing.T) *licence.Licence {
	t.Helper()
	ids, err := embedded.Licences{DB: w.db}.LicencesOf(t.Context(), holder)
	if err != nil || len(ids) > 1 {
		t.Fatalf("the holder has licences %v, %v", ids, err)
	}
	if len(ids) == 0 {
		return nil
	}
	l, err := embedded.Licences{DB: w.db}.Licence(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

// checkLicence looks at the licence through everything that shows it: it is not issued, and then nobody sees an
// identifier, a credential or a face, or it is, and then all of it is there and valid.
func (w *world) checkLicence(t *testing.T) {
	t.Helper()
	l := w.licence(t)
	active := l != nil && l.State() == licence.Active
	if l != nil && !active && (l.State() != licence.Draft && l.State() != licence.Issuing || l.Issue != nil) {
		t.Fatalf("the licence is %+v", l)
	}
	ends := w.ends(t, "licence.issue")
	if active != (len(ends) == 1) || active && (ends[0].Outcome != audit.Done || ends[0].Object != "licence/"+l.ID) {
		t.Errorf("the licence is active: %v; the trail ends with %+v", active, ends)
	}
	for _, name := range lines[string](t, w.dir, namesFile) {
		inUse := active && name == l.Identifier
		if _, err := (embedded.LicenceRegister{DB: w.db}).LookUpLicence(t.Context(), name); errors.Is(err, verify.ErrUnknown) == inUse {
			t.Errorf("the register answers %v for %s, in use: %v", err, name, inUse)
		}
		answer := w.send(t, holder, "GET", "/licences/"+name, "", nil)
		if bound := l != nil && name == l.Identifier; (answer.Code == 200) != bound {
			t.Errorf("the holder is answered %d for %s, in the record: %v", answer.Code, name, bound)
		}
	}
	query := strings.NewReader(fmt.Sprintf(`{"type":%q,"purpose":{"text":"查验(示例)","itemCode":"990000001","caseNumber":"A1"}}`, homeCare))
	shared := decode[struct {
		Licences []struct{ Credential, Identifier string }
	}](t,
		want(t, w.send(t, holder, "POST", "/share/licences/query", "application/json", query), 200))
	if (len(shared.Licences) == 1) != active || len(shared.Licences) > 1 {
		t.Errorf("the licence is active: %v; shared were %+v", active, shared)
	}
	if l == nil {
		return
	}
	path := "/licences/" + l.ID
	shown := decode[struct {
		State                 licence.State
		Identifier, StateCode string
	}](t, want(t, w.send(t, holder, "GET", path, "", nil), 200))
	if shown.State != l.State() || (shown.Identifier != "") != active || (shown.StateCode != "") != active {
		t.Errorf("the holder sees %+v", shown)
	}
	status := 409
	if active {
		status = 200
	}
	got := map[string][]byte{}
	for _, media := range []string{"application/dc+sd-jwt", "application/pdf", "application/ofd", "image/png"} {
		got[media] = want(t, w.send(t, holder, "GET", path, "", nil, "Accept", media), status).Body.Bytes()
	}
	if !active {
		return
	}
	for _, media := range []string{"application/pdf", "application/ofd"} {
		w.checkStamped(t, strings.TrimPrefix(media, "application/"), got[media])
	}
	w.checkCredential(t, l, string(got["application/dc+sd-jwt"]))
}

// checkCredential verifies a credential with its status list and ties its signature to the trail.
func (w *world) checkCredential(t *testing.T, l *licence.Licence, credential string) {
	t.Helper()
	publish := licence.Publish(licence.PublishPorts{Issuer: crashIssuer, Audit: embedded.Events{DB: w.db}, Types: embedded.LicenceTypes{DB: w.db},
		Entries: embedded.Licences{DB: w.db}, Records: embedded.Licences{DB: w.db}, Lists: embedded.StatusLists{DB: w.db}, Keys: w.keys, Certificates: w.authority,
		TTL: time.Hour, Validity: 24 * time.Hour, Now: w.now, Rand: w.random})
	if err := publish(t.Context(), l.List); err != nil {
		t.Fatal(err)
	}
	question, err := json.Marshal(verify.Question{Input: credential, Purpose: audit.Purpose{Text: "查验(示例)"}})
	if err != nil {
		t.Fatal(err)
	}
	v := w.valid(t, "application/json", question)
	if v.Licence == nil || v.Licence.Identifier != l.Identifier {
		t.Errorf("the credential is of %+v, the record of %s", v.Licence, l.Identifier)
	}
	jws, _, _ := strings.Cut(credential, "~")
	signed := jws[:strings.LastIndexByte(jws, '.')]
	_, encoded, _ := strings.Cut(signed, ".")
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(signed))
	w.tie(t, key.LicenceIssuer, digest[:], "sha256:"+sha256Hex(payload))
}
