package aws_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/verdict"
	"github.com/yinxin/yinxin/shared/verify"
)

func acts() []act {
	return []act{redeemACode(), refresh(), makeASeal(), stamp("pdf"), stamp("ofd"), doAJob(), issueALicence(), revokeALicence(), redeemAShowCode(),
		publishAList(), rotateAKey(), enrolAKey()}
}

// Codes and refresh tokens.

const verifier = "a-code-verifier-of-at-least-forty-three-letters"

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// granted saves a grant with a code, and returns the code.
func granted(t *testing.T, p *platform) string {
	t.Helper()
	id := rand.Text()[:22]
	code := id + ".secret"
	g := oidc.Grant{ID: id, Client: "app", Person: "sun", Channel: "app", Scope: "openid", RedirectURI: "https://app.example/cb",
		Challenge: hashed(verifier), Created: noon, Expires: noon.AddDate(0, 1, 0), CodeHash: hashed(code), CodeExpires: noon.Add(time.Hour)}
	if err := (aws.Grants{DB: p.store.DB}).SaveGrant(t.Context(), g, told("saved-"+id)); err != nil {
		t.Fatal(err)
	}
	return code
}

func grantOf(token string) string {
	id, _, _ := strings.Cut(token, ".")
	return id
}

// token asks the token endpoint, and returns the status and the refresh token that came back.
func (s *process) token(t *testing.T, form url.Values) (status int, refresh string) {
	t.Helper()
	form.Set("client_id", "app")
	answer := s.send(t, "", "POST", "/token", "application/x-www-form-urlencoded", form.Encode())
	if answer == nil {
		return 0, ""
	}
	if answer.Code != 200 && answer.Code != 400 || !strings.Contains(answer.Body.String(), "invalid_grant") && answer.Code == 400 {
		t.Fatalf("answered %d %s", answer.Code, answer.Body)
	}
	return answer.Code, read[struct {
		Refresh string `json:"refresh_token"`
	}](t, answer).Refresh
}

func (s *process) redeem(t *testing.T, code string) (status int, refresh string) {
	t.Helper()
	return s.token(t, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {"https://app.example/cb"}})
}

func (s *process) refresh(t *testing.T, token string) (status int, next string) {
	t.Helper()
	return s.token(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// live tells whether what was issued under a grant is good.
func (p *platform) live(t *testing.T, grant string) bool {
	t.Helper()
	_, err := aws.Grants{DB: p.store.DB}.LiveGrant(t.Context(), grant)
	if err != nil && !errors.Is(err, access.ErrGrantGone) {
		t.Fatal(err)
	}
	return err == nil
}

// redeemACode: whoever had no answer asks again. The code is good once, whatever became of the first time.
func redeemACode() act {
	return act{
		name:    "redeem a code",
		effects: 1,
		begin:   granted,
		run:     func(t *testing.T, s *process, code string) { s.redeem(t, code) },
		left: func(t *testing.T, p *platform, code string) {
			redeemed := p.count(t, "grant/"+grantOf(code), "grant.redeem", audit.Done)
			if live := p.live(t, grantOf(code)); live != (redeemed == 1) || redeemed > 1 {
				t.Errorf("redeemed %d times, live: %v", redeemed, live)
			}
		},
		again: func(t *testing.T, s *process, code string) {
			before := s.platform.count(t, "grant/"+grantOf(code), "grant.redeem", audit.Done)
			status, refresh := s.redeem(t, code)
			if good := status == 200; good != (before == 0) || good != (refresh != "") {
				t.Errorf("redeemed %d times before, answered %d", before, status)
			}
			if status, _ := s.redeem(t, code); status != 400 {
				t.Errorf("a spent code: %d", status)
			}
			if n := s.platform.count(t, "grant/"+grantOf(code), "grant.redeem", audit.Done); n != 1 {
				t.Errorf("redeemed %d times", n)
			}
			if s.platform.live(t, grantOf(code)) || s.platform.count(t, "grant/"+grantOf(code), "grant.revoke", audit.Done) != 1 {
				t.Error("a code was used twice, and its grant lives")
			}
		},
	}
}

// refresh: a token is good once; who lost the answer is no thief, and the grant lives on, until the old token comes later.
func refresh() act {
	return act{
		name:    "refresh",
		effects: 1,
		begin: func(t *testing.T, p *platform) string {
			status, token := p.process(0, false).redeem(t, granted(t, p))
			if status != 200 || token == "" {
				t.Fatal(status)
			}
			return token
		},
		run: func(t *testing.T, s *process, token string) { s.refresh(t, token) },
		left: func(t *testing.T, p *platform, token string) {
			if n := p.count(t, "grant/"+grantOf(token), "grant.refresh", audit.Done); n > 1 || !p.live(t, grantOf(token)) {
				t.Errorf("refreshed %d times, live: %v", n, p.live(t, grantOf(token)))
			}
		},
		again: func(t *testing.T, s *process, token string) {
			p, object := s.platform, "grant/"+grantOf(token)
			before := p.count(t, object, "grant.refresh", audit.Done)
			status, next := s.refresh(t, token)
			if good := status == 200; good != (before == 0) || good != (next != "" && next != token) {
				t.Errorf("refreshed %d times before, answered %d", before, status)
			}
			if status, _ := s.refresh(t, token); status != 400 || !p.live(t, grantOf(token)) {
				t.Errorf("a moment later: %d, live: %v", status, p.live(t, grantOf(token)))
			}
			late := p.processAt(0, false, time.Minute)
			if status, _ := late.refresh(t, token); status != 400 || p.live(t, grantOf(token)) {
				t.Errorf("a minute later: %d, live: %v", status, p.live(t, grantOf(token)))
			}
			if n := p.count(t, object, "grant.refresh", audit.Done); n != 1 {
				t.Errorf("refreshed %d times", n)
			}
		},
	}
}

// Seals and stamps.

func (s *process) sealVerb(t *testing.T, person, id, verb, organisation string) *httptest.ResponseRecorder {
	t.Helper()
	path := "/seals"
	if verb != "" {
		path += "/" + id + "/" + verb
	}
	body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"示例事由","legalBasis":"国办发〔2025〕33号"}}`, organisation)
	return s.send(t, person, "POST", path, "application/json", body)
}

func (p *platform) approvedSeal(t *testing.T, organisation string) string {
	t.Helper()
	s := p.process(0, false)
	id := read[struct{ ID string }](t, want(t, s.sealVerb(t, "sun", "", "", organisation), 201)).ID
	want(t, s.sealVerb(t, "wang", id, "approve", officeCode), 200)
	return id
}

func makeASeal() act {
	return act{
		name:    "make a seal",
		effects: 8,
		begin:   func(t *testing.T, p *platform) string { return p.approvedSeal(t, making) },
		run: func(t *testing.T, s *process, id string) {
			want(t, s.sealVerb(t, "zhao", id, "make", workshopCode), 200)
		},
		left: func(t *testing.T, p *platform, id string) { p.checkSeal(t, id) },
		again: func(t *testing.T, s *process, id string) {
			status := 200
			if s.platform.checkSeal(t, id) == seal.Made {
				status = 409
			}
			want(t, s.sealVerb(t, "zhao", id, "make", workshopCode), status)
			if s.platform.checkSeal(t, id) != seal.Made {
				t.Fatal("the seal is not made after the second call")
			}
			want(t, s.sealVerb(t, "sun", id, "activate", making), 200)
			s.stampAndVerify(t, id, "ofd", making)
		},
	}
}

// checkSeal looks at a seal: it is approved, and then nothing of a making can be seen, or made, and then it is complete.
func (p *platform) checkSeal(t *testing.T, id string) seal.State {
	t.Helper()
	record, err := aws.Seals{DB: p.store.DB}.Seal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := aws.SealStatus{DB: p.store.DB}.SealStatus(t.Context(), record.Code, p.now())
	if err != nil {
		t.Fatal(err)
	}
	made := record.State() == seal.Made
	if !made && record.State() != seal.Approved || facts.State != string(record.State()) || (record.Body != nil) != made ||
		(facts.Digest != [32]byte{}) != made {
		t.Fatalf("the seal is %s, to verifiers %s, its body: %v", record.State(), facts.State, record.Body != nil)
	}
	if done := p.count(t, "seal/"+id, "seal.make", audit.Done); (done == 1) != made || done > 1 {
		t.Fatalf("the seal is %s, and the trail says %d times that it was made", record.State(), done)
	}
	return record.State()
}

// document is what is stamped.
func (p *platform) document(t *testing.T, format string) (data []byte) {
	t.Helper()
	page := layout.Page{W: 210, H: 297, Items: []layout.Item{
		layout.Text{X: 30, Y: 40, Size: 7, Face: layout.Bold, S: "关于服务业发展资金安排的公示(示例)"}}}
	var err error
	if format == "pdf" {
		data, err = pdf.Write(pdf.Document{Pages: []layout.Page{page}, Title: "公示(示例)", Created: noon}, p.fonts)
	} else {
		data, err = ofd.Write(ofd.Document{Pages: []layout.Page{page}, Title: "公示(示例)", Created: noon,
			DocID: "00112233445566778899aabbccddeeff"}, p.fonts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (s *process) stamp(t *testing.T, id, format, organisation, idempotencyKey string) *httptest.ResponseRecorder {
	t.Helper()
	body := new(bytes.Buffer)
	m := multipart.NewWriter(body)
	part, err := m.CreateFormFile("document", "notice")
	if err == nil {
		_, err = part.Write(s.platform.document(t, format))
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
	return s.send(t, "sun", "POST", "/seals/"+id+"/stamps", m.FormDataContentType(), body.String(), "Idempotency-Key", idempotencyKey)
}

func (s *process) stampAndVerify(t *testing.T, id, format, organisation string) {
	t.Helper()
	stamped := want(t, s.stamp(t, id, format, organisation, rand.Text()), 200).Body.String()
	if v := s.judge(t, "application/"+format, stamped); v.Overall != verdict.Valid {
		t.Fatalf("the document is %s: %s", v.Overall, v.Summary.EN)
	}
}

func (s *process) judge(t *testing.T, media, input string) verdict.Verdict {
	t.Helper()
	return read[verdict.Verdict](t, want(t, s.send(t, "", "POST", "/verify", media, input), 200))
}

// stamp: an order that was begun and not ended stays so in the trail, and nothing was handed out; under its key it is not
// done a second time.
func stamp(format string) act {
	return act{
		name:    "stamp a document as " + format,
		effects: 3,
		begin:   func(*testing.T, *platform) string { return strings.ToLower(rand.Text()) },
		run: func(t *testing.T, s *process, idempotencyKey string) {
			want(t, s.stamp(t, s.platform.seal, format, labourCode, idempotencyKey), 200)
		},
		left: func(*testing.T, *platform, string) {},
		again: func(t *testing.T, s *process, idempotencyKey string) {
			// A death before the order was begun leaves the key unused, every other one makes the second call a refusal.
			answer := s.stamp(t, s.platform.seal, format, labourCode, idempotencyKey)
			switch answer.Code {
			case 200:
				if v := s.judge(t, "application/"+format, answer.Body.String()); v.Overall != verdict.Valid {
					t.Errorf("the document is %s: %s", v.Overall, v.Summary.EN)
				}
			case 409:
				if body := answer.Body.String(); !strings.Contains(body, "order_open") && !strings.Contains(body, "order_done") {
					t.Errorf("refused with %s", body)
				}
			default:
				t.Fatalf("answered %d %s", answer.Code, answer.Body)
			}
			if answer := s.stamp(t, s.platform.seal, format, labourCode, idempotencyKey); answer.Code != 409 {
				t.Errorf("once more under the same key: %d", answer.Code)
			}
			s.stampAndVerify(t, s.platform.seal, format, labourCode)
		},
	}
}

// doAJob: a delivery that died comes again, and claims and orders run out; whatever happened, the job is done once.
func doAJob() act {
	return act{
		name:    "do a job",
		effects: 7,
		begin: func(t *testing.T, p *platform) string {
			s, data, id := p.process(0, false), p.document(t, "pdf"), strings.ToLower(rand.Text())
			sum := sha256.Sum256(data)
			u := document.Upload{ID: strings.ToLower(rand.Text()), MediaType: document.PDF, Size: int64(len(data)),
				SHA256: hex.EncodeToString(sum[:]), Person: "sun", Client: "desk", Until: noon.AddDate(0, 0, 1)}
			job := seal.Job{ID: id, Seal: p.seal, Upload: u.ID, MediaType: document.PDF, Document: "sha256:" + u.SHA256,
				Organisation: labourCode, Purpose: audit.Purpose{Text: "公示(示例)"}, Place: seal.Place{Page: 1, X: 140, Y: 230},
				Person: "sun", Client: "desk", Grant: "grant-sun", Channel: "web", At: noon}
			err := s.uploads().SaveUpload(t.Context(), u, told("upload-"+u.ID))
			if err == nil {
				err = s.uploads().Blobs.PutBlob(t.Context(), u.ID+".pdf", data)
			}
			if err == nil {
				err = aws.Jobs{DB: s.db}.BeginJob(t.Context(), job, told("job-"+id))
			}
			if err != nil {
				t.Fatal(err)
			}
			return id
		},
		run: func(t *testing.T, s *process, id string) {
			s.live(func() {
				if err := s.work(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		},
		left: func(t *testing.T, p *platform, id string) { p.checkJob(t, id) },
		again: func(t *testing.T, s *process, id string) {
			p := s.platform
			for n := range 6 {
				if p.checkJob(t, id).Ended() {
					break
				}
				next := p.processAt(0, false, time.Duration(n+1)*time.Hour/2)
				_ = next.work(t.Context(), id) // a fault: the message comes again
				next.signed(t)
			}
			if state := p.checkJob(t, id); state != document.Done {
				t.Errorf("the job is %s", state)
			}
			if err := s.work(t.Context(), id); err != nil {
				t.Errorf("a message that comes once more: %v", err)
			}
		},
	}
}

// checkJob: a job that is done has a result that is valid and that the trail says once; before that there is nothing.
func (p *platform) checkJob(t *testing.T, id string) document.State {
	t.Helper()
	s := p.processAt(0, false, 6*time.Hour) // after whatever process did it
	j, err := aws.JobStates{DB: s.db}.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if (j.State == document.Done) != (j.End.Result != nil) {
		t.Fatalf("the job is %s with the result %+v", j.State, j.End.Result)
	}
	if j.End.Result == nil {
		return j.State
	}
	data, err := s.results().Result(t.Context(), id, j.End.Result.Order, j.End.Result.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	if v := s.judge(t, "application/pdf", string(data)); v.Overall != verdict.Valid {
		t.Errorf("the result is %s: %s", v.Overall, v.Summary.EN)
	}
	done := 0
	for _, e := range p.trail(t, "seal/"+p.seal) {
		if e.Action == "seal.stamp" && e.Outcome == audit.Done && e.Digest == "sha256:"+j.End.Result.SHA256 {
			done++
		}
	}
	if done != 1 {
		t.Errorf("the trail says %d times that the result was made", done)
	}
	return j.State
}

// Licences.

// worker makes a holder and signs them on.
func (p *platform) worker(t *testing.T) string {
	t.Helper()
	n := p.subjects.Add(1)
	number, err := ident.MakeCitizenID(fmt.Sprintf("990000%s%03d", time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(n)).Format("20060102"), n%1000))
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("worker%d-%s", n, number)
	person := registry.Person{ID: id, Name: "周八(示例)", IDType: "111", IDNumber: number}
	if err := (aws.Persons{DB: p.store.DB}).SavePerson(t.Context(), person, told(id)); err != nil {
		t.Fatal(err)
	}
	g := oidc.Grant{ID: "grant-" + id, Client: "desk", Person: id, Channel: "web", Scope: deskScopes, Created: noon,
		Expires: noon.AddDate(0, 1, 0), Redeemed: noon}
	if err := (aws.Grants{DB: p.store.DB}).SaveGrant(t.Context(), g, told("on-"+id)); err != nil {
		t.Fatal(err)
	}
	return id
}

// issue drafts and issues a licence under the same Idempotency-Keys for one holder.
func (s *process) issue(t *testing.T, worker string) {
	t.Helper()
	_, number, _ := strings.Cut(worker, "-")
	draft := fmt.Sprintf(`{"organisation":%q,"type":%q,"holder":{"type":"111","code":%q,"name":"周八(示例)"},"number":"示例2026000001",
		"fields":{"employer":"示例家政服务有限公司","serviceCategory":"保洁"},"purpose":{"text":"申领(示例)"}}`, labourCode, homeCareCode, number)
	answer := want(t, s.send(t, "sun", "POST", "/licences", "application/json", draft, "Idempotency-Key", "draft-"+worker), 201)
	if answer == nil {
		return
	}
	s.licenceVerb(t, read[struct{ ID string }](t, answer).ID, "issue")
}

func (s *process) licenceVerb(t *testing.T, id, verb string) *httptest.ResponseRecorder {
	t.Helper()
	body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"示例事由","legalBasis":"示例依据"},"reason":"示例原因"}`, labourCode)
	return want(t, s.send(t, "sun", "POST", "/licences/"+id+"/"+verb, "application/json", body, "Idempotency-Key", verb+"-"+id), 200)
}

// licence is the holder's licence, or nil where there is none. There is never more than one.
func (p *platform) licence(t *testing.T, worker string) *licence.Licence {
	t.Helper()
	ids, err := aws.Licences{DB: p.store.DB}.LicencesOf(t.Context(), worker)
	if err != nil || len(ids) > 1 {
		t.Fatalf("the holder has licences %v, %v", ids, err)
	}
	if len(ids) == 0 {
		return nil
	}
	l, err := aws.Licences{DB: p.store.DB}.Licence(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

func issueALicence() act {
	return act{
		name:    "issue a licence",
		effects: 14,
		begin:   func(t *testing.T, p *platform) string { return p.worker(t) },
		run:     func(t *testing.T, s *process, worker string) { s.issue(t, worker) },
		left:    func(t *testing.T, p *platform, worker string) { p.checkLicence(t, worker) },
		again: func(t *testing.T, s *process, worker string) {
			before := s.platform.licence(t, worker)
			s.issue(t, worker)
			first := s.platform.checkLicence(t, worker)
			if first == nil || first.State() != licence.Active {
				t.Fatalf("after the second call it is %+v", first)
			}
			if before != nil && before.Identifier != "" &&
				(first.Identifier != before.Identifier || first.List != before.List || first.Index != before.Index) {
				t.Errorf("the second call took another identifier or place in a status list: %+v after %+v", first, before)
			}
			s.issue(t, worker)
			if again := s.platform.licence(t, worker); again.Revision != first.Revision {
				t.Errorf("a further call under the same keys made %+v of %+v", again, first)
			}
		},
	}
}

// checkLicence looks at the licence through what shows it: it is not issued, and then nobody sees an identifier, a
// credential or a face, or it is, and then all of it is there and valid.
func (p *platform) checkLicence(t *testing.T, worker string) *licence.Licence {
	t.Helper()
	l := p.licence(t, worker)
	if l == nil {
		return nil
	}
	active := l.State() == licence.Active
	if !active && (l.State() != licence.Draft && l.State() != licence.Issuing || l.Issue != nil) {
		t.Fatalf("the licence is %+v", l)
	}
	if done := p.count(t, "licence/"+l.ID, "licence.issue", audit.Done); (done == 1) != active || done > 1 {
		t.Errorf("the licence is %s; the trail says %d times that it was issued", l.State(), done)
	}
	s, status := p.process(0, false), 409
	if active {
		status = 200
	}
	for _, media := range []string{"application/dc+sd-jwt", "application/pdf", "application/ofd", "image/png"} {
		got := want(t, s.send(t, worker, "GET", "/licences/"+l.ID, "", "", "Accept", media), status).Body.String()
		if strings.HasPrefix(media, "application/") && active && !strings.Contains(media, "jwt") {
			if v := s.judge(t, media, got); v.Overall != verdict.Valid {
				t.Errorf("the face as %s is %s: %s", media, v.Overall, v.Summary.EN)
			}
		}
	}
	if l.Identifier != "" {
		_, err := aws.LicenceRegister{DB: p.store.DB}.LookUpLicence(t.Context(), l.Identifier)
		if known := err == nil; known != active || err != nil && !errors.Is(err, verify.ErrUnknown) {
			t.Errorf("the licence is %s, and the register answers %v", l.State(), err)
		}
	}
	return l
}

func question(input string) string {
	text, _ := json.Marshal(map[string]any{"input": input, "purpose": map[string]string{"text": "查验(示例)"}}) // of strings
	return string(text)
}

// issued is a holder with a licence.
func issued(t *testing.T, p *platform) string {
	t.Helper()
	worker := p.worker(t)
	p.process(0, false).issue(t, worker)
	return worker
}

func revokeALicence() act {
	return act{
		name:    "revoke a licence",
		effects: 1,
		begin:   issued,
		run: func(t *testing.T, s *process, worker string) {
			s.licenceVerb(t, s.platform.licence(t, worker).ID, "revoke")
		},
		left: func(t *testing.T, p *platform, worker string) { p.checkRevoked(t, worker) },
		again: func(t *testing.T, s *process, worker string) {
			for range 2 {
				s.licenceVerb(t, s.platform.licence(t, worker).ID, "revoke")
				if !s.platform.checkRevoked(t, worker) {
					t.Error("it is not revoked")
				}
			}
		},
	}
}

// checkRevoked: a licence is revoked with its event and place among the entries of its list, or not at all.
func (p *platform) checkRevoked(t *testing.T, worker string) bool {
	t.Helper()
	l := p.licence(t, worker)
	revoked := l.State() == licence.Revoked
	entries, err := aws.Licences{DB: p.store.DB}.ListEntries(t.Context(), l.List)
	if err != nil {
		t.Fatal(err)
	}
	listed := false
	for _, e := range entries {
		listed = listed || e.Index == l.Index
	}
	if done := p.count(t, "licence/"+l.ID, "licence.revoke", audit.Done); (done == 1) != revoked || done > 1 || listed != revoked {
		t.Errorf("the licence is %s, revoked %d times, listed: %v", l.State(), done, listed)
	}
	return revoked
}

// redeemAShowCode: whoever had no answer looks at a code that may be spent.
func redeemAShowCode() act {
	return act{
		name:    "redeem a show code",
		effects: 1,
		begin: func(t *testing.T, p *platform) string {
			p.mu.Lock()
			if p.shown == "" {
				p.mu.Unlock()
				worker := issued(t, p)
				p.mu.Lock()
				p.shown = worker
			}
			worker := p.shown
			p.mu.Unlock()
			s := p.process(0, false)
			body := fmt.Sprintf(`{"licence":%q}`, p.licence(t, worker).Identifier)
			return read[struct{ QR string }](t, want(t, s.send(t, worker, "POST", "/show-codes", "application/json", body), 201)).QR
		},
		run: func(t *testing.T, s *process, code string) {
			s.send(t, "", "POST", "/verify", "application/json", question(code))
		},
		left: func(*testing.T, *platform, string) {},
		again: func(t *testing.T, s *process, code string) {
			first := s.judge(t, "application/json", question(code))
			spent := strings.Join(first.Failed(), " ") == "SHOW_CODE_SPENT"
			if (first.Overall == verdict.Valid) == spent {
				t.Errorf("the second look: %s %v", first.Overall, first.Failed())
			}
			if v := s.judge(t, "application/json", question(code)); strings.Join(v.Failed(), " ") != "SHOW_CODE_SPENT" {
				t.Errorf("the third look: %s %v", v.Overall, v.Failed())
			}
		},
	}
}

// Status lists and keys.

func publishAList() act {
	list := making + "-1"
	published := func(t *testing.T, p *platform) licence.Published {
		t.Helper()
		l, err := aws.StatusLists{DB: p.store.DB}.StatusList(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if done := p.count(t, "status-list/"+list, "licence.publish-status", audit.Done); done != l.Revision {
			t.Errorf("revision %d was published %d times", l.Revision, done)
		}
		return l
	}
	hours := func(n string) time.Duration {
		d, _ := time.ParseDuration(n) // made by begin
		return d
	}
	return act{
		name:    "publish a status list",
		effects: 3,
		// Its copy is old every time.
		begin: func(_ *testing.T, p *platform) string {
			return (time.Duration(p.subjects.Add(1)) * 10 * time.Minute).String()
		},
		run: func(t *testing.T, s *process, later string) {
			s.live(func() {
				if err := s.publish(t.Context(), list); err != nil {
					t.Error(err)
				}
			})
		},
		left: func(t *testing.T, p *platform, later string) { published(t, p) },
		again: func(t *testing.T, s *process, later string) {
			for range 2 {
				if err := s.publish(t.Context(), list); err != nil {
					t.Error(err)
				}
			}
			if l := published(t, s.platform); l.IssuedAt.Before(noon.Add(hours(later)).Add(-5 * time.Minute)) {
				t.Errorf("the list is of %v", l.IssuedAt)
			}
		},
		later: hours,
	}
}

func rotateAKey() act {
	rotation := key.Rotation{Every: 24 * time.Hour, Ahead: time.Hour, Accept: time.Hour}
	rotate := func(t *testing.T, s *process, owner string) {
		t.Helper()
		s.live(func() {
			if err := s.keys.RotateKey(t.Context(), key.Token, owner, rotation); err != nil {
				t.Error(err)
			}
		})
	}
	return act{
		name:    "rotate a key",
		effects: 2,
		later:   func(string) time.Duration { return 23 * time.Hour },
		begin: func(t *testing.T, p *platform) string {
			owner := strings.ToLower(rand.Text())
			if _, err := p.immortal().MakeKey(t.Context(), key.Token, owner, key.ES256); err != nil {
				t.Fatal(err)
			}
			return owner
		},
		run: rotate,
		left: func(t *testing.T, p *platform, owner string) {
			s := p.processAt(0, false, 25*time.Hour)
			k, err := s.keys.OpenKey(t.Context(), key.Token, owner)
			if err == nil {
				_, err = key.Sign(t.Context(), k, []byte("印"))
			}
			if err != nil {
				t.Error(err)
			}
		},
		again: func(t *testing.T, s *process, owner string) {
			old, err := s.platform.immortal().OpenKey(t.Context(), key.Token, owner)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				rotate(t, s, owner)
			}
			made := 0
			for _, c := range s.platform.kms.Calls() {
				if c.Operation == "GenerateDataKeyPairWithoutPlaintext" && c.Context["owner"] == owner {
					made++
				}
			}
			next, err := s.platform.processAt(0, false, 25*time.Hour).keys.OpenKey(t.Context(), key.Token, owner)
			if err != nil || next.KeyID() == old.KeyID() || made > 3 {
				t.Errorf("%d keys were made, the next signs: %v, %v", made, err == nil && next.KeyID() != old.KeyID(), err)
			}
		},
	}
}

func (p *platform) certify(request string) string {
	p.t.Helper()
	block, _ := pem.Decode([]byte(request))
	if block == nil {
		p.t.Fatalf("%q is no request", request)
	}
	chain, err := p.authority.CertifySeal(p.t.Context(), block.Bytes, noon.Add(-time.Hour), noon.AddDate(3, 0, 0))
	if err != nil {
		p.t.Fatal(err)
	}
	var text bytes.Buffer
	for _, der := range chain {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	}
	return text.String()
}

func enrolAKey() act {
	return act{
		name:    "enrol a key",
		effects: 5,
		begin:   func(*testing.T, *platform) string { return strings.ToLower(rand.Text()) },
		run: func(t *testing.T, s *process, owner string) {
			s.live(func() {
				s.platform.enrolled(s, aws.EnrolmentOrder{Purpose: key.LicenceIssuer, Owner: owner, Name: "示例机关"})
			})
		},
		left: func(t *testing.T, p *platform, owner string) {
			// A certificate that is read is that of the key.
			chain, err := aws.Certificates{DB: p.store.DB}.IssuerChain(t.Context(), key.LicenceIssuer, owner)
			if err != nil && !errors.Is(err, licence.ErrUnknown) || err == nil && len(chain) == 0 {
				t.Error(err)
			}
		},
		again: func(t *testing.T, s *process, owner string) {
			order := aws.EnrolmentOrder{Purpose: key.LicenceIssuer, Owner: owner, Name: "示例机关"}
			s.platform.enrolled(s, order)
			first, err := s.keys.OpenKey(t.Context(), key.LicenceIssuer, owner)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := s.platform.process(0, false).enrol.Enrol(t.Context(), order)
			if err != nil || answer.KeyID != first.KeyID() {
				t.Errorf("a further request is for %s, the first was for %s: %v", answer.KeyID, first.KeyID(), err)
			}
			if _, err := key.Sign(t.Context(), first, []byte("印")); err != nil {
				t.Error(err)
			}
		},
	}
}
