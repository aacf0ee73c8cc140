package aws_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/infra/aws/kmstest"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/verify"
)

// What is tested here: a function dies right before or right after each of its effects, which are the requests that write
// or sign; after one, its answer is lost. Another process then does what is left to do.
//
//	subject ── process 1: the act, dead at effect n ── nothing half done is visible ── process 2: the act again ── complete
//
// The services, the SDK and the adapters are the real ones, on moto and kmstest; the connections count, kill and remember.
// A process that dies before an effect, or before a request that only reads, has left what one leaves that dies after the
// effect before: long acts are killed before their first effect and after each, short ones before and after each.
//
// Of every act, at every point: a signature has its own event Begun, written before by the same process; of every write
// that took effect the event is in the trail.

// mortal is the connections of one process.
type mortal struct {
	at    int  // dies at this effect, counted from 1; 0: lives on
	after bool // the effect, in place of before it
	next  http.RoundTripper

	mu      sync.Mutex
	dead    bool
	effects []effect
}

// effect is a request that changes something or signs.
type effect struct {
	what  string       // "PutItem order#", "Sign", "PUT"
	key   string       // of KMS, for Sign
	event *audit.Event // that the write carried
	took  bool         // it took effect
}

// RoundTrip implements [http.RoundTripper]. A process that is dead never comes back from it.
func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	e, writes, err := effectOf(r)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	n := 0
	if writes && !m.dead {
		m.effects = append(m.effects, e)
		n = len(m.effects)
	}
	if m.dead || n > 0 && n == m.at && !m.after {
		m.dead = true
		m.mu.Unlock()
		runtime.Goexit()
	}
	m.mu.Unlock()
	answer, err := m.next.RoundTrip(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > 0 {
		m.effects[n-1].took = err == nil && answer.StatusCode < 300
	}
	if m.dead || n > 0 && n == m.at { // dead: what it invoked was the end of it
		if err == nil {
			_ = answer.Body.Close() // nobody reads it
		}
		m.dead = true
		runtime.Goexit()
	}
	return answer, err
}

// live runs a part of the process's life, and tells whether it is still alive then.
func (m *mortal) live(f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.dead
}

// effectOf tells what a request does.
func effectOf(r *http.Request) (e effect, writes bool, err error) {
	if r.Method != http.MethodPost {
		return effect{what: r.Method}, r.Method == http.MethodPut || r.Method == http.MethodDelete, nil // S3
	}
	_, target, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if target == "" {
		return effect{what: "Invoke"}, true, nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return effect{}, false, err
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	type attribute = struct{ S string }
	var in struct {
		KeyId                                string
		Key, Item, ExpressionAttributeValues map[string]attribute
	}
	_ = json.Unmarshal(data, &in) // attributes of other kinds are not looked at
	switch target {
	case "PutItem", "UpdateItem", "DeleteItem":
		pk, text := in.Key["pk"].S+in.Item["pk"].S, in.Item["event"].S+in.ExpressionAttributeValues[":event"].S
		if strings.HasPrefix(pk, "event#") {
			text = in.Item["body"].S
		}
		e = effect{what: target + " " + pk[:strings.IndexByte(pk, '#')+1]}
		if text != "" {
			e.event = &audit.Event{}
			err = json.Unmarshal([]byte(text), e.event)
		}
		return e, true, err
	case "Sign", "CreateKey", "Encrypt", "GenerateDataKeyPairWithoutPlaintext", "ScheduleKeyDeletion":
		return effect{what: target, key: in.KeyId}, true, nil
	}
	return effect{what: target}, false, nil
}

// platform is what outlives processes.
type platform struct {
	t         *testing.T
	store     *dynamotest.Store
	kms       *kmstest.Server
	kmsURL    string
	wrapper   string // ARN of a symmetric key
	bucket    string
	authority *authority
	fonts     *layout.Fonts
	ticks     atomic.Int64
	subjects  atomic.Int64
	desk      *aws.Keys // of a process that lives from the beginning to the end
	seal      string    // identifier of the labour office's seal
	shown     string    // a holder whose licence is shown

	mu        sync.Mutex
	signing   map[string]bool // ARNs of the keys whose signatures need an event
	processes []*process
}

const platformIssuer = "https://platform.example"

// The invented agencies and people, those of the story.
const (
	labourCode   = "11990000YX0000067R"
	officeCode   = "11990000YX00000327"
	workshopCode = "12990000YX0000040Y"
	homeCareCode = labourCode + "001"
	deskScopes   = "seal.request seal.approve seal.make seal.stamp licence.issue licence.show licence.share"
)

// Now is an hour of the platform's own: every look at it is a microsecond later.
func (p *platform) now() time.Time { return noon.Add(time.Duration(p.ticks.Add(1)) * time.Microsecond) }

// process is one execution environment of every function: it has one memory, and one death.
type process struct {
	*mortal
	platform *platform
	db       *aws.DB
	keys     *aws.Keys
	handler  http.Handler
	publish  func(ctx context.Context, lists ...string) error
	enrol    aws.Enrolment
	work     func(ctx context.Context, job string) error
	later    time.Duration // that its clock is ahead
}

func newPlatform(t *testing.T) *platform {
	p := &platform{t: t, signing: map[string]bool{}}
	p.store = dynamotest.Open(t, p.now)
	if os.Getenv("S3_ENDPOINT") == "" {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs S3_ENDPOINT")
		}
		t.Skip("needs S3_ENDPOINT")
	}
	var err error
	p.kms, err = kmstest.New(kmstest.Config{Partition: "aws-cn", Rand: rand.Reader, Callers: map[string]kmstest.Caller{"test": {
		Secret: "test", ARN: "arn:aws-cn:iam::111122223333:role/all",
		Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p.kms)
	t.Cleanup(server.Close)
	p.kmsURL = server.URL
	made, err := kms.NewFromConfig(p.kmsConfig(nil)).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	p.wrapper, p.bucket = *made.KeyMetadata.Arn, "test-"+strings.ToLower(rand.Text())
	client := s3.NewFromConfig(p.s3Config(nil), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &p.bucket}); err != nil {
		t.Fatal(err)
	}
	if p.fonts, err = layout.Embedded(); err != nil {
		t.Fatal(err)
	}
	p.authority = newAuthority(t)
	p.found()
	return p
}

func through(c sdk.Config, m *mortal) sdk.Config {
	if m != nil {
		c.HTTPClient = &http.Client{Transport: m}
	}
	return c
}

func (p *platform) kmsConfig(m *mortal) sdk.Config {
	return through(sdk.Config{Region: "cn-north-1", BaseEndpoint: &p.kmsURL,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}, m)
}

func (p *platform) s3Config(m *mortal) sdk.Config {
	return through(dynamotest.Config(os.Getenv("S3_ENDPOINT")), m)
}

// process starts a process that dies at an effect, or at none.
func (p *platform) process(at int, after bool) *process { return p.processAt(at, after, 0) }

func (p *platform) processAt(at int, after bool, later time.Duration) *process {
	t := p.t
	stamper := &gateway.Runtime{Name: "seal-stamp", Log: slog.New(slog.DiscardHandler), Now: p.now}
	m := &mortal{at: at, after: after, next: p.reached(stamper)}
	now := func() time.Time { return p.now().Add(later) }
	s := &process{mortal: m, platform: p, later: later}
	s.db = p.store.Through(t, &http.Client{Transport: m}, now)
	resident := aws.Custody{Kind: aws.Resident}
	var err error
	s.keys, err = aws.OpenKeys(aws.KeysOptions{DB: s.db, Config: p.kmsConfig(m), Custody: map[key.Purpose]aws.Custody{
		key.Token: {Kind: aws.Blind, KMSKey: p.wrapper}, key.Seal: resident, key.SealCompat: resident, key.SealMaker: resident,
		key.LicenceIssuer: resident, key.StatusList: resident}})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := aws.OpenBlobs(aws.BlobsOptions{Config: p.s3Config(m), Rand: rand.Reader, Bucket: p.bucket, Prefix: "faces/"})
	if err != nil {
		t.Fatal(err)
	}
	s.serve(now, aws.Artefacts{Blobs: blobs}, stamper)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.processes = append(p.processes, s)
	return s
}

// serve wires the functions as their mains do.
func (s *process) serve(now func() time.Time, artefacts aws.Artefacts, stamper *gateway.Runtime) {
	db, p := s.db, s.platform
	events, certificates := aws.Events{DB: db}, aws.Certificates{DB: db}
	grants := aws.Grants{DB: db}
	guard := access.Guard{Issuer: platformIssuer, Keys: aws.OpenTokenKeys(db, 0), Grants: grants, Now: now}
	seals, codes, directory, mandates := aws.Seals{DB: db}, aws.SealCodes{DB: db}, aws.SealDirectory{DB: db}, aws.Mandates{DB: db}
	types, licences, agencies := aws.LicenceTypes{DB: db}, aws.Licences{DB: db}, aws.LicenceDirectory{DB: db}
	trusted := aws.NewTrust(db, types)
	stamp := seal.StampPorts{Access: guard, Records: seals, ByCode: codes, ByOwner: seals, Directory: directory, Mandates: mandates,
		Orders: aws.Orders{DB: db}, Jobs: aws.Jobs{DB: db}, Uploads: s.uploads(), Results: s.results(), Audit: events, Keys: s.keys, Trust: trusted, Fonts: p.fonts, Now: now, Rand: rand.Reader}
	stamper.Ways = []gateway.Way{aws.SealOrders(seal.NewStamper(stamp))}
	mux := http.NewServeMux()
	add := func(routes []string, h http.Handler) {
		for _, route := range routes {
			mux.Handle(route, h)
		}
	}
	add(oidc.TokenRoutes, oidc.Token(oidc.TokenPorts{Issuer: platformIssuer, Clients: aws.Clients{DB: db}, Grants: grants, Codes: grants,
		Refresh: grants, Revoker: grants, Replays: aws.Replays{DB: db}, Keys: s.keys, PairwiseKey: dynamotest.Key(), Now: now, Rand: rand.Reader}))
	add(seal.ManageRoutes, seal.Manage(seal.ManagePorts{Access: guard, Records: seals, Codes: codes, ByCode: codes, Directory: directory,
		Mandates: mandates, Audit: events, Fonts: p.fonts, Now: now, Rand: rand.Reader}))
	add(seal.MakeRoutes, seal.Make(seal.MakePorts{Access: guard, Records: seals, ByCode: codes, Directory: directory, Mandates: mandates,
		Audit: events, NewKeys: s.keys, MakerKeys: s.keys, Certifier: certifier{certificates, p.authority}, Fonts: p.fonts, Now: now, Rand: rand.Reader}))
	add(seal.StampRoutes, seal.Stamp(stamp))
	add(licence.IssueRoutes, licence.Issue(licence.IssuePorts{Issuer: platformIssuer, Access: guard, Records: licences, Identifiers: licences,
		ByIdentifier: licences, Tickets: aws.Tickets{DB: db}, Artefacts: artefacts, Types: types, Agencies: agencies, Holders: agencies,
		Mandates: mandates, Keys: s.keys, Certificates: certificates, Audit: events, Fonts: p.fonts, Now: now, Rand: rand.Reader,
		Stamper: aws.FaceStamper{Function: stampFunction, Config: p.kmsConfig(s.mortal), Now: now}}))
	add(licence.CredentialRoutes, licence.Credential(licence.CredentialPorts{Access: guard, Records: licences, ByIdentifier: licences,
		Artefacts: artefacts, Types: types, Mandates: mandates, Audit: events, Now: now, Rand: rand.Reader}))
	add(licence.ShowRoutes, licence.Show(licence.ShowPorts{Issuer: platformIssuer, Access: guard, Records: licences, ByIdentifier: licences,
		Types: types, Mandates: mandates, Codes: aws.ShowCodes{DB: db}, Now: now, Rand: rand.Reader}))
	add(verify.VerifyRoutes, verify.Verify(verify.VerifyPorts{Access: guard, Trust: trusted, Seals: aws.SealStatus{DB: db},
		StatusLists: aws.PublishedStatusLists{DB: db, Issuer: platformIssuer}, Licences: aws.LicenceRegister{DB: db},
		ShowCodes: aws.ShowCodes{DB: db}, Audit: events, Pages: page.Verify{}, Now: now, Rand: rand.Reader}))
	s.handler = mux
	s.publish = licence.Publish(licence.PublishPorts{Issuer: platformIssuer, Types: types, Entries: licences, Lists: aws.StatusLists{DB: db},
		Keys: s.keys, Certificates: certificates, Audit: events, TTL: 5 * time.Minute, Validity: 24 * time.Hour, Now: now, Rand: rand.Reader})
	s.work = document.Work(document.WorkPorts{Claims: aws.JobStates{DB: db}, Now: now, Rand: rand.Reader,
		Worker: aws.JobWorker{Function: stampFunction, Config: p.kmsConfig(s.mortal), Now: now}})
	s.enrol = aws.Enrolment{Keys: s.keys, Certificates: certificates}
}

func (s *process) uploads() aws.Uploads {
	return aws.Uploads{DB: s.db, Blobs: s.blobs(s.platform.t, "uploads/")}
}

func (s *process) results() aws.Results {
	return aws.Results{Blobs: s.blobs(s.platform.t, "results/"), Now: s.platform.now}
}

// certifier has seals certified by the authority of the tests, and reads the certificates of makers from the store.
type certifier struct {
	aws.Certificates
	authority *authority
}

func (c certifier) CertifySeal(ctx context.Context, csr []byte, _, to time.Time) ([][]byte, error) {
	return c.authority.CertifySeal(ctx, csr, noon.Add(-time.Hour), to.Add(time.Hour))
}

// reached is what the connections of a process reach: the servers of the tests, and seal-stamp for who invokes it, which
// dies with its caller; that it lives on is the effect Invoke itself.
func (p *platform) reached(stamper *gateway.Runtime) http.RoundTripper {
	servers := dynamotest.Config("").HTTPClient.(*http.Client).Transport
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/functions/") {
			return servers.RoundTrip(r)
		}
		event, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}}
		data, err := stamper.Invoke(r.Context(), event)
		if err != nil {
			answer.Header.Set("X-Amz-Function-Error", "Unhandled")
			data = []byte(`{"errorMessage":"it failed"}`)
		}
		answer.Body = io.NopCloser(bytes.NewReader(data))
		return answer, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// found founds the platform: agencies, people, mandates, keys and certificates, one seal.
func (p *platform) found() {
	t, ctx, s := p.t, p.t.Context(), p.process(0, false)
	n := 0
	event := func() audit.Event {
		n++
		return audit.Event{ID: fmt.Sprint("found-", n), Time: p.now(), Action: "registry.save", Outcome: audit.Done}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []registry.Organisation{
		{USCC: labourCode, Name: "示例省人力资源和社会保障厅"},
		{USCC: making, Name: "示例省市场监督管理局"},
		{USCC: officeCode, Name: "示例省人民政府办公厅", Duties: []string{"seal.approve"}},
		{USCC: workshopCode, Name: "示例省印章制作中心", Duties: []string{"seal.make"}},
	} {
		o.Kind, o.Division = registry.Agency, "990000"
		must(aws.Organisations{DB: s.db}.SaveOrganisation(ctx, o, event()))
	}
	for _, m := range []registry.Mandate{
		{Person: "sun", Organisation: labourCode, Roles: []string{"seal.request", "seal.stamp", "licence.issue"}},
		{Person: "sun", Organisation: making, Roles: []string{"seal.request", "seal.stamp"}},
		{Person: "wang", Organisation: officeCode, Roles: []string{"seal.approve"}},
		{Person: "zhao", Organisation: workshopCode, Roles: []string{"seal.make"}},
	} {
		must(aws.Mandates{DB: s.db}.SaveMandate(ctx, m, event()))
	}
	must(aws.Clients{DB: s.db}.SaveClient(ctx, oidc.Client{ID: "app", Name: "示例应用", Type: "native", AuthMethod: oidc.NoSecret,
		GrantTypes: []string{oidc.GrantCode, oidc.GrantRefresh}, RedirectURIs: []string{"https://app.example/cb"}, Scope: "openid " + deskScopes,
		Profile: oidc.Native}, event()))
	if _, err := s.keys.MakeKey(ctx, key.Token, "", key.ES256); err != nil {
		t.Fatal(err)
	}
	for _, person := range []string{"sun", "wang", "zhao"} {
		p.signOn(person)
	}
	for _, o := range []aws.EnrolmentOrder{
		{Purpose: key.SealMaker, Owner: workshopCode, Name: "示例省印章制作中心"},
		{Purpose: key.LicenceIssuer, Owner: labourCode, Name: "示例省人力资源和社会保障厅"},
		{Purpose: key.StatusList, Owner: labourCode, Name: "示例省人力资源和社会保障厅"},
		{Purpose: key.StatusList, Owner: making, Name: "示例省市场监督管理局"},
	} {
		p.enrolled(s, o)
	}
	p.authority.publish(aws.NewTrust(s.db, aws.LicenceTypes{DB: s.db}))
	samples, err := licence.SampleTypes()
	must(err)
	for _, kind := range samples {
		must(aws.LicenceTypes{DB: s.db}.SaveLicenceType(ctx, kind, event()))
	}
	p.seal = p.approvedSeal(t, labourCode)
	want(t, s.sealVerb(t, "zhao", p.seal, "make", workshopCode), 200)
	want(t, s.sealVerb(t, "sun", p.seal, "activate", labourCode), 200)
	must(s.publish(ctx))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.kms.Calls() {
		if c.Operation == "Sign" {
			p.signing[c.KeyID] = true
		}
	}
	p.processes = nil
}

// signOn gives a person a session with the desk.
func (p *platform) signOn(person string) {
	db := p.store.DB
	g := oidc.Grant{ID: "grant-" + person, Client: "desk", Person: person, Channel: "web", Scope: deskScopes, Created: noon,
		Expires: noon.AddDate(0, 1, 0), Redeemed: noon}
	if err := (aws.Grants{DB: db}).SaveGrant(p.t.Context(), g, told("on-"+person)); err != nil {
		p.t.Fatal(err)
	}
}

// enrolled has a key made and certified.
func (p *platform) enrolled(s *process, o aws.EnrolmentOrder) {
	p.t.Helper()
	answer, err := s.enrol.Enrol(p.t.Context(), o)
	if err != nil {
		p.t.Fatal(err)
	}
	o.Chain = p.certify(answer.Request)
	if _, err := s.enrol.Enrol(p.t.Context(), o); err != nil {
		p.t.Fatal(err)
	}
}

// bearer is an access token of a person.
func (s *process) bearer(t *testing.T, person string) string {
	t.Helper()
	signer, err := s.platform.immortal().OpenKey(t.Context(), key.Token, "")
	if err != nil {
		t.Fatal(err)
	}
	now := noon.Add(s.later)
	payload, err := json.Marshal(access.Claims{Issuer: platformIssuer, Subject: "pairwise", Audience: access.Audience{platformIssuer},
		ClientID: "desk", Scope: deskScopes, IssuedAt: now.Unix(), Expires: now.Add(time.Hour).Unix(), ID: "jti", GrantID: "grant-" + person})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(t.Context(), signer, jose.Header{Type: access.TokenType, KeyID: signer.KeyID()}, payload)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

// immortal are the keys of a process that lives from the beginning to the end.
func (p *platform) immortal() *aws.Keys {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.desk == nil {
		var err error
		p.desk, err = aws.OpenKeys(aws.KeysOptions{DB: p.store.DB, Config: p.kmsConfig(nil),
			Custody: map[key.Purpose]aws.Custody{key.Token: {Kind: aws.Blind, KMSKey: p.wrapper}}})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	return p.desk
}

// send sends a request of a person, or of nobody. The answer of a process that died is nil.
func (s *process) send(t *testing.T, person, method, path, media, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(t.Context())
	if person != "" {
		r.Header.Set("Authorization", s.bearer(t, person))
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	if !s.live(func() { s.handler.ServeHTTP(answer, r) }) {
		return nil
	}
	return answer
}

// want fails where an answer has another status. A process that died gave none.
func want(t *testing.T, answer *httptest.ResponseRecorder, status int) *httptest.ResponseRecorder {
	t.Helper()
	if answer != nil && answer.Code != status {
		t.Fatalf("answered %d %.1000s, want %d", answer.Code, answer.Body, status)
	}
	return answer
}

func read[T any](t *testing.T, answer *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if answer == nil {
		return v
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &v); err != nil {
		t.Fatalf("reading %.1000s: %v", answer.Body, err)
	}
	return v
}

// begins are the acts for which keys sign.
var begins = []string{"seal.make", "seal.stamp", "licence.issue", "licence.publish-status"}

// signed checks that every signature of a key that needs one has an event Begun of its own before it.
func (s *process) signed(t *testing.T) {
	t.Helper()
	open := 0
	for _, e := range s.effects {
		switch {
		case e.took && e.event != nil && e.event.Outcome == audit.Begun && slices.Contains(begins, e.event.Action):
			open++
		case e.what == "Sign" && s.platform.signing[e.key]:
			if open--; open < 0 {
				t.Errorf("a signature has no event: %+v", s.effects)
				open = 0
			}
		}
	}
}

// trail are the events of an object, after the streams were read.
func (p *platform) trail(t *testing.T, object string) []audit.Event {
	t.Helper()
	list, err := dynamotest.Events{Store: p.store}.ByObject(t.Context(), object)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// count counts the events of an object.
func (p *platform) count(t *testing.T, object, action string, outcome audit.Outcome) (n int) {
	t.Helper()
	for _, e := range p.trail(t, object) {
		if e.Action == action && e.Outcome == outcome {
			n++
		}
	}
	return n
}

// whole checks that of every write that took effect the event is in the trail, once.
func (p *platform) whole(t *testing.T) {
	t.Helper()
	list, err := dynamotest.Events{Store: p.store}.ByTime(t.Context(), noon.Add(-time.Hour), noon.AddDate(1, 0, 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, e := range list {
		found[e.ID]++
	}
	effects, events := 0, 0
	for _, s := range p.processes {
		for _, e := range s.effects {
			effects++
			if e.took && e.event != nil {
				events++
				if found[e.event.ID] != 1 {
					t.Errorf("%s took effect, and its event is %d times in the trail: %+v", e.what, found[e.event.ID], e.event)
				}
			}
		}
	}
	t.Logf("%d processes, %d effects, %d events", len(p.processes), effects, events)
}

// act is one of the tested acts.
type act struct {
	name string
	// begin makes what the act is done to.
	begin func(t *testing.T, p *platform) string
	// run does the act in a process, which may die meanwhile.
	run func(t *testing.T, s *process, subject string)
	// left holds after a death: nothing half done is visible.
	left func(t *testing.T, p *platform, subject string)
	// again does the act again after a death, as its caller would, and checks that all is as if it had been done once.
	again func(t *testing.T, s *process, subject string)
	// effects is the least that a run has.
	effects int
	// later is how far the clock of its processes is ahead; nil for not at all.
	later func(subject string) time.Duration
}

// TestNoGoroutineOutlivesAHandler: Lambda freezes a process after its answer, and what it had begun goes on at some later
// invocation, or never. No package of ours begins goroutines there (infra/check); here none is seen after the acts.
func TestNoGoroutineOutlivesAHandler(t *testing.T) {
	p := newPlatform(t)
	for _, a := range acts() {
		subject := a.begin(t, p)
		later := time.Duration(0)
		if a.later != nil {
			later = a.later(subject)
		}
		a.run(t, p.processAt(0, false, later), subject)
	}
	var left []string
	for range 100 {
		left = nil
		stacks := make([]byte, 1<<20)
		for i, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			ours := strings.Contains(stack, "yinxin/yinxin/shared/") || strings.Contains(stack, "yinxin/yinxin/infra/")
			if i > 0 && ours && !strings.Contains(stack, "testing.(*T).Run") && !strings.Contains(stack, "testing.tRunner(") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond) // a server of the tests may still be ending its last answer
	}
	t.Errorf("after the acts there are still\n%s", strings.Join(left, "\n\n"))
}

func TestADeathAtAnyEffectLeavesNothingHalfDone(t *testing.T) {
	p := newPlatform(t)
	t.Run("acts", func(t *testing.T) {
		for _, a := range acts() {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				process := func(subject string, at int, after bool) *process {
					if a.later == nil {
						return p.process(at, after)
					}
					return p.processAt(at, after, a.later(subject))
				}
				subject := a.begin(t, p)
				s := process(subject, 0, false)
				a.run(t, s, subject)
				s.signed(t)
				a.again(t, process(subject, 0, false), subject)
				if len(s.effects) < a.effects {
					t.Fatalf("only %d effects were seen: %+v", len(s.effects), s.effects)
				}
				for i, e := range s.effects {
					for _, after := range []bool{false, true} {
						if !after && i > 0 && len(s.effects) > 6 {
							continue
						}
						when := map[bool]string{false: "before", true: "after"}[after]
						t.Run(fmt.Sprintf("%s %d %s", when, i+1, e.what), func(t *testing.T) {
							subject := a.begin(t, p)
							dying := process(subject, i+1, after)
							a.run(t, dying, subject)
							if !dying.dead {
								t.Fatalf("the process was not killed: %+v", dying.effects)
							}
							dying.signed(t)
							a.left(t, p, subject)
							second := process(subject, 0, false)
							a.again(t, second, subject)
							second.signed(t)
						})
					}
				}
			})
		}
	})
	p.whole(t)
}
