//go:build unix

package embedded_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verify"
)

// What is tested here: a process that makes a seal, stamps or issues a licence is killed (SIGKILL) right before, within
// and right after each of its effects: every port call that writes, and every signature. Another process then opens what
// is left.
//
//	template ── copy ── child: the act, killed at effect n ── parent: nothing half done ── the act again ── complete
//
// The services, the store (synced), the keys and the demo authority are the real ones; only the ports are wrapped, to
// count and to kill. In a run that is not killed the child writes down its effects; one child follows for each.

// act is one of the tested acts.
type act struct {
	name     string
	template func(t *testing.T, w *world) // what has happened before
	run      func(t *testing.T, w *world) // the act
	// whole holds after a run to the end: it ties each signature to the bytes that were meant and these to the trail.
	whole func(t *testing.T, w *world)
	// left holds after a kill: nothing half done is visible.
	left func(t *testing.T, w *world)
	// again does the act again after a kill, as its caller would, and checks that all is as if it had been done once.
	again func(t *testing.T, w *world)
}

const (
	crashIn  = "YINXIN_TEST_CRASH_IN"  // the child's folder
	crashAct = "YINXIN_TEST_CRASH_ACT" // name of the act
	crashAt  = "YINXIN_TEST_CRASH_AT"  // JSON of point
)

// point is where a process kills itself. The zero point is nowhere.
type point struct {
	Effect int // from 1
	When   string
	Delay  time.Duration // for within: after the effect began
}

// effect is what was done to the outside.
type effect struct {
	Name string
	Took time.Duration
}

func TestAKillAtAnyEffectLeavesNothingHalfDone(t *testing.T) {
	acts := []act{makeASeal(), stampAPDF(), stampAnOFD(), stampAsAJob(), issueALicence()}
	if dir := os.Getenv(crashIn); dir != "" {
		child(t, acts, dir)
		return
	}
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			template := t.TempDir()
			w := open(t, template, 0, nil)
			found(t, w)
			a.template(t, w)
			w.close(t)

			dir := copyOf(t, template)
			if out, err := spawn(a, dir, point{}).CombinedOutput(); err != nil {
				t.Fatalf("the run that nobody kills: %v\n%s", err, out)
			}
			w = open(t, dir, 2, nil)
			w.trail(t, nil)
			a.whole(t, w)
			w.close(t)
			effects := lines[effect](t, dir, effectsFile)
			if len(effects) < 3 {
				t.Fatalf("only %d effects were seen: %v", len(effects), effects)
			}
			expected := lines[signature](t, dir, signaturesFile)
			for i, e := range effects {
				for _, moment := range crashMoments {
					p := point{Effect: i + 1, When: moment, Delay: e.Took / 2}
					t.Run(fmt.Sprintf("%s %d %s", p.When, p.Effect, e.Name), func(t *testing.T) {
						t.Parallel()
						killed(t, a, template, p, expected)
					})
				}
			}
		})
	}
}

// killed runs one child that dies and looks at what it leaves.
func killed(t *testing.T, a act, template string, p point, expected []signature) {
	dir := copyOf(t, template)
	out, err := spawn(a, dir, p).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	w := open(t, dir, 2, nil)
	defer w.close(t)
	w.trail(t, expected)
	a.left(t, w)
	a.again(t, w)
	w.trail(t, nil)
}

// child does the act in a process of its own.
func child(t *testing.T, acts []act, dir string) {
	i := slices.IndexFunc(acts, func(a act) bool { return a.name == os.Getenv(crashAct) })
	var p point
	if err := json.Unmarshal([]byte(os.Getenv(crashAt)), &p); err != nil || i < 0 {
		t.Fatalf("act %d, point %v: %v", i, p, err)
	}
	c := &crasher{point: p}
	w := open(t, dir, 1, c)
	acts[i].run(t, w)
	w.close(t)
	for _, e := range c.effects {
		w.write(effectsFile, e)
	}
}

func spawn(a act, dir string, p point) *exec.Cmd {
	at, _ := json.Marshal(p) // a struct of numbers and a string
	cmd := exec.Command(os.Args[0], "-test.run=^TestAKillAtAnyEffectLeavesNothingHalfDone$")
	cmd.Env = append(os.Environ(), crashIn+"="+dir, crashAct+"="+a.name, crashAt+"="+string(at))
	return cmd
}

func copyOf(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// crasher counts effects and kills the process at one of them. Effects come one after the other.
type crasher struct {
	point   point
	effects []effect
}

func (c *crasher) do(name string, f func() error) error {
	if c == nil {
		return f()
	}
	c.effects = append(c.effects, effect{Name: name})
	n, began := len(c.effects), time.Now()
	if n == c.point.Effect {
		switch c.point.When {
		case "before":
			die()
		case "within":
			time.AfterFunc(c.point.Delay, die)
		}
		defer die()
	}
	err := f()
	c.effects[n-1].Took = time.Since(began)
	return err
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // there is nobody to tell
	select {}
}

// The files that a process writes beside the store, one JSON value a line, through to the disk.
const (
	effectsFile    = "effects"
	signaturesFile = "signatures"
	ordersFile     = "orders"
	namesFile      = "identifiers"
)

// signature is one that a key was asked for. It is written down before the key makes it, so that none exists that is not
// written down.
type signature struct {
	Purpose key.Purpose
	Owner   string
	Digest  string // of the message, as the key takes it, in hexadecimal
	Begun   string // the event Begun, in the store at this time, that this signature answers; "" if there is none
}

// begunOrder is an order that was to be begun.
type begunOrder struct{ Order, Event string }

func lines[T any](t *testing.T, dir, file string) (list []T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, v)
	}
	return list
}

// world is the platform on one folder.
type world struct {
	dir       string
	db        *embedded.DB
	keys      *embedded.Keys
	authority *embedded.Authority
	fonts     *layout.Fonts
	now       func() time.Time
	random    io.Reader
	handler   http.Handler
	ahead     atomic.Int64 // of the clock, in nanoseconds
	blobs     embedded.Blobs
	stamping  seal.StampPorts
	work      func(ctx context.Context, job string) error
	answered  map[string]bool
}

const crashIssuer = "http://localhost:8080"

// The invented agencies and people, those of the story.
const (
	labour     = "11990000YX0000067R"
	office     = "11990000YX00000327"
	workshop   = "12990000YX0000040Y"
	agent      = "sun"
	approver   = "wang"
	operator   = "zhao"
	holder     = "worker"
	homeCare   = "11990000YX0000067R001"
	workerID   = "990000199202140010"
	deskScopes = "seal.request seal.approve seal.make seal.stamp licence.issue licence.show licence.share"
)

// open opens the folder as the n-th process. Each has an hour of its own and draws numbers of its own, the same in every
// run, so that what is not secret repeats. With a crasher its effects are counted.
func open(t *testing.T, dir string, n int, c *crasher) *world {
	t.Helper()
	start := time.Date(2026, 3, 1, 8+n, 0, 0, 0, time.UTC)
	var ticks atomic.Int64
	w := &world{dir: dir, random: mathrand.NewChaCha8([32]byte{byte(n)}), answered: map[string]bool{}}
	w.now = func() time.Time {
		return start.Add(time.Duration(ticks.Add(1))*time.Microsecond + time.Duration(w.ahead.Load()))
	}
	var err error
	if w.db, err = embedded.Open(filepath.Join(dir, "store"), embedded.Options{Now: w.now}); err != nil {
		t.Fatal(err)
	}
	if w.keys, err = embedded.OpenKeys(filepath.Join(dir, "keys"), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if w.authority, err = embedded.OpenAuthority(t.Context(), w.db, w.keys, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if w.fonts, err = layout.Embedded(); err != nil {
		t.Fatal(err)
	}
	for _, s := range lines[signature](t, dir, signaturesFile) {
		w.answered[s.Begun] = true
	}
	w.serve(c)
	return w
}

func (w *world) close(t *testing.T) {
	t.Helper()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
}

// serve wires the functions as infra/local does, with the ports that write wrapped.
func (w *world) serve(c *crasher) {
	events := embedded.Events{DB: w.db}
	guard := access.Guard{Issuer: crashIssuer, Keys: embedded.TokenKeys{Keys: w.keys}, Grants: embedded.Grants{DB: w.db}, Now: w.now}
	seals, codes := embedded.Seals{DB: w.db}, embedded.SealCodes{DB: w.db}
	directory, mandates := embedded.SealDirectory{DB: w.db}, embedded.Mandates{DB: w.db}
	types, licences := embedded.LicenceTypes{DB: w.db}, embedded.Licences{DB: w.db}
	trusted := embedded.Trust{DB: w.db, Authority: w.authority, Types: types}
	recorder, keys := watchedRecorder{events, c}, watchedKeys{w, c}
	stamp := seal.StampPorts{Access: guard, Records: seals, ByCode: codes, ByOwner: seals, Directory: directory, Mandates: mandates,
		Orders: watchedOrders{embedded.Orders{DB: w.db}, w, c}, Audit: recorder, Keys: keys, Trust: trusted, Fonts: w.fonts,
		Now: w.now, Rand: w.random}
	stamp = w.openJobs(stamp, c)
	mux := http.NewServeMux()
	add := func(routes []string, h http.Handler) {
		for _, route := range routes {
			mux.Handle(route, h)
		}
	}
	add(seal.ManageRoutes, seal.Manage(seal.ManagePorts{Access: guard, Records: seals, Codes: codes, ByCode: codes,
		Directory: directory, Mandates: mandates, Audit: events, Fonts: w.fonts, Now: w.now, Rand: w.random}))
	add(seal.MakeRoutes, seal.Make(seal.MakePorts{Access: guard, Records: watchedSeals{seals, c}, ByCode: codes, Directory: directory,
		Mandates: mandates, Audit: recorder, NewKeys: watchedRequests{w.keys, c}, MakerKeys: keys,
		Certifier: watchedCertifier{w.authority, c}, Fonts: w.fonts, Now: w.now, Rand: w.random}))
	add(seal.StampRoutes, seal.Stamp(stamp))
	watched := watchedLicences{licences, w, c}
	add(licence.IssueRoutes, licence.Issue(licence.IssuePorts{Issuer: crashIssuer, Access: guard, Records: watched,
		Identifiers: watched, ByIdentifier: licences, Tickets: watchedTickets{embedded.Tickets{DB: w.db}, c}, Artefacts: watched,
		Types: types, Agencies: embedded.LicenceDirectory{DB: w.db}, Holders: embedded.LicenceDirectory{DB: w.db}, Mandates: mandates,
		Keys: keys, Certificates: w.authority, Stamper: faceStamper{seal.NewStamper(stamp)}, Audit: recorder, Fonts: w.fonts,
		Now: w.now, Rand: w.random}))
	add(licence.CredentialRoutes, licence.Credential(licence.CredentialPorts{Access: guard, Records: licences, ByIdentifier: licences,
		Artefacts: licences, Types: types, Mandates: mandates, Audit: events, Now: w.now, Rand: w.random}))
	add(licence.ShareRoutes, licence.Share(licence.SharePorts{Access: guard, Records: licences, ByHolder: licences, Types: types,
		Mandates: mandates, Audit: events, Now: w.now, Rand: w.random}))
	add(verify.VerifyRoutes, verify.Verify(verify.VerifyPorts{Access: guard, Trust: trusted, Seals: embedded.SealStatus{DB: w.db},
		StatusLists: embedded.PublishedStatusLists{DB: w.db, Issuer: crashIssuer}, Licences: embedded.LicenceRegister{DB: w.db},
		Audit: events, Pages: page.Verify{}, Now: w.now, Rand: w.random}))
	w.handler = mux
}

// found founds the platform: agencies, people, mandates, a session for each person, certificates.
func found(t *testing.T, w *world) {
	t.Helper()
	n := 0
	event := func() audit.Event {
		n++
		return audit.Event{ID: fmt.Sprint("found-", n), Time: w.now(), Action: "registry.save", Outcome: audit.Done}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	for _, o := range []registry.Organisation{
		{USCC: labour, Name: "示例省人力资源和社会保障厅"},
		{USCC: office, Name: "示例省人民政府办公厅", Duties: []string{"seal.approve"}},
		{USCC: workshop, Name: "示例省印章制作中心", Duties: []string{"seal.make"}},
	} {
		o.Kind, o.Division = registry.Agency, "990000"
		must(embedded.Organisations{DB: w.db}.SaveOrganisation(ctx, o, event()))
	}
	worker := registry.Person{ID: holder, Name: "周八(示例)", IDType: "111", IDNumber: workerID}
	must(embedded.Persons{DB: w.db}.SavePerson(ctx, worker, event()))
	for _, m := range []registry.Mandate{
		{Person: agent, Organisation: labour, Roles: []string{"seal.request", "seal.stamp", "licence.issue"}},
		{Person: approver, Organisation: office, Roles: []string{"seal.approve"}},
		{Person: operator, Organisation: workshop, Roles: []string{"seal.make"}},
	} {
		must(embedded.Mandates{DB: w.db}.SaveMandate(ctx, m, event()))
	}
	if _, err := w.keys.MakeKey(ctx, key.Token, "", key.ES256); err != nil {
		t.Fatal(err)
	}
	for _, person := range []string{agent, approver, operator, holder} {
		g := oidc.Grant{ID: "grant-" + person, Client: "desk", Person: person, Channel: "web", Scope: deskScopes, Created: w.now(),
			Expires: w.now().AddDate(0, 1, 0), Redeemed: w.now()}
		must(embedded.Grants{DB: w.db}.SaveGrant(ctx, g, event()))
	}
	for _, e := range []struct {
		purpose    trust.Purpose
		use        key.Purpose
		uscc, name string
	}{
		{trust.SealMaker, key.SealMaker, workshop, "示例省印章制作中心"},
		{trust.LicenceIssuer, key.LicenceIssuer, labour, "示例省人力资源和社会保障厅"},
		{trust.StatusList, key.StatusList, labour, "示例省人力资源和社会保障厅"},
	} {
		name := cert.Name{Country: "CN", Organization: e.uscc + e.name, CommonName: e.name}
		if _, err := w.authority.Enrol(ctx, e.purpose, e.use, e.uscc, name); err != nil {
			t.Fatal(err)
		}
	}
	samples, err := licence.SampleTypes()
	must(err)
	for _, s := range samples {
		must(embedded.LicenceTypes{DB: w.db}.SaveLicenceType(ctx, s, event()))
	}
	_, err = w.authority.CRLs(ctx)
	must(err)
}

// bearer is an access token of a person.
func (w *world) bearer(t *testing.T, person string) string {
	t.Helper()
	signer, err := w.keys.OpenKey(t.Context(), key.Token, "")
	if err != nil {
		t.Fatal(err)
	}
	now := w.now()
	payload, err := json.Marshal(access.Claims{Issuer: crashIssuer, Subject: "pairwise", Audience: access.Audience{crashIssuer},
		ClientID: "desk", Scope: deskScopes, IssuedAt: now.Unix(), Expires: now.Add(time.Minute).Unix(), ID: "jti", GrantID: "grant-" + person})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(t.Context(), signer, jose.Header{Type: access.TokenType, KeyID: signer.KeyID()}, payload)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

// send sends a request of a person, or of nobody.
func (w *world) send(t *testing.T, person, method, path, media string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, body)
	if person != "" {
		r.Header.Set("Authorization", w.bearer(t, person))
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return answer
}

// want fails where an answer has another status.
func want(t *testing.T, answer *httptest.ResponseRecorder, status int) *httptest.ResponseRecorder {
	t.Helper()
	if answer.Code != status {
		t.Fatalf("answered %d %.1000s, want %d", answer.Code, answer.Body, status)
	}
	return answer
}

func decode[T any](t *testing.T, answer *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(answer.Body.Bytes(), &v); err != nil {
		t.Fatalf("reading %.1000s: %v", answer.Body, err)
	}
	return v
}

// write adds a line to a file and waits until it is on the disk.
func (w *world) write(file string, v any) {
	f, err := os.OpenFile(filepath.Join(w.dir, file), os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600)
	if err == nil {
		err = json.NewEncoder(f).Encode(v)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		panic(err) // the test's own book-keeping
	}
}

func (w *world) events(t *testing.T) []audit.Event {
	t.Helper()
	list, err := embedded.Events{DB: w.db}.ByTime(t.Context(), time.Time{}, w.now().Add(time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// actions are the acts for which keys of a purpose sign.
var actions = map[key.Purpose]string{key.SealMaker: "seal.make", key.Seal: "seal.stamp", key.SealCompat: "seal.stamp",
	key.LicenceIssuer: "licence.issue"}

// begun returns the latest event Begun in the store that a signature of a purpose may answer and none has yet.
func (w *world) begun(ctx context.Context, purpose key.Purpose) string {
	list, err := embedded.Events{DB: w.db}.ByTime(ctx, time.Time{}, w.now().Add(time.Hour), 0)
	if err != nil {
		panic(err) // the test's own book-keeping
	}
	for _, e := range slices.Backward(list) {
		if e.Outcome == audit.Begun && e.Action == actions[purpose] && !w.answered[e.ID] {
			w.answered[e.ID] = true
			return e.ID
		}
	}
	return ""
}

// trail holds the trail against the signatures that were asked for and the orders that were to be begun. The signatures
// are also held against those of the run that nobody killed, where they are given: a process that does the same with the
// same numbers signs the same, but for seals, whose certificates are new.
func (w *world) trail(t *testing.T, expected []signature) {
	t.Helper()
	events := map[string]audit.Event{}
	for _, e := range w.events(t) {
		events[e.ID] = e
	}
	orders := map[string]seal.Order{} // by the event of their beginning
	begun := lines[begunOrder](t, w.dir, ordersFile)
	// An order of a job has one identifier in every process; it may have been begun by a later one.
	later := func(b begunOrder) bool {
		return slices.ContainsFunc(begun, func(l begunOrder) bool { return l.Order == b.Order && events[l.Event].ID != "" })
	}
	for _, b := range begun {
		o, err := embedded.Orders{DB: w.db}.Order(t.Context(), b.Order)
		e, recorded := events[b.Event]
		switch {
		case !recorded && (errors.Is(err, seal.ErrUnknown) || later(b)):
			continue
		case err != nil || !recorded:
			t.Fatalf("order %s: %v; its event is there: %v", b.Order, err, recorded)
		}
		orders[b.Event] = o
		if e.Outcome != audit.Begun || e.Action != "seal.stamp" || e.Object != "seal/"+o.Seal || e.Digest != o.Document ||
			e.Person != o.Person || e.Organisation != o.For || e.Purpose != o.Purpose.Text {
			t.Errorf("order %+v was begun with another event: %+v", o, e)
		}
		done := 0
		for _, end := range events {
			if end.Outcome == audit.Done && end.Action == "seal.stamp" && end.Digest == o.Result {
				done++
			}
		}
		if finished := o.State == seal.OrderDone; finished != (done == 1) || finished != (o.Result != "") || o.State == seal.OrderFailed && o.Reason != "abandoned" {
			t.Errorf("order %+v, and %d events Done with its result", o, done)
		}
	}
	used := map[string]bool{}
	for i, s := range lines[signature](t, w.dir, signaturesFile) {
		e, recorded := events[s.Begun]
		if !recorded || e.Outcome != audit.Begun || e.Action != actions[s.Purpose] {
			t.Errorf("signature %+v has no event: %+v", s, e)
		}
		if used[s.Begun] {
			t.Errorf("signature %+v is the second for one event", s)
		}
		used[s.Begun] = true
		o, isOrder := orders[s.Begun]
		if isOrder != (e.Action == "seal.stamp") || isOrder && o.Seal != s.Owner {
			t.Errorf("signature %+v has no order: %+v", s, o)
		}
		if isOrder && s.Purpose == key.SealCompat && o.Signed != "sha256:"+s.Digest {
			t.Errorf("signature %+v is not over what was ordered: %+v", s, o)
		}
		if expected != nil && s.Purpose != key.SealMaker && (i >= len(expected) || s.Digest != expected[i].Digest) {
			t.Errorf("signature %d, %+v, is over other bytes than in the run that nobody killed: %+v", i, s, expected)
		}
	}
}

// sealID is the identifier of the agency's seal.
func (w *world) sealID(t *testing.T) string {
	t.Helper()
	ids, err := embedded.Seals{DB: w.db}.SealsOf(t.Context(), labour)
	if err != nil || len(ids) != 1 {
		t.Fatalf("the agency has seals %v, %v, want one", ids, err)
	}
	return ids[0]
}
