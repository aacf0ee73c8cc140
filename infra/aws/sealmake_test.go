package aws

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
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
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/trust"
)

// What is tested here: seal-make stops right before or right after any of its effects: every request to the store and to
// KMS, every request to the authority, every record. Another process, with the role of seal-make, which encrypts the keys
// of seals and cannot decrypt them, then makes the seal.
//
//	process ── effect n ── panic: nothing after it happens ── another process ── the seal is made, once, by the same keys

// makePolicy is what the template gives seal-make of KMS.
const makePolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:purpose":["seal","seal-compat"]}}},
	{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:purpose":["seal-maker"]}}}]}`

type stopped struct{}

// stopper counts effects and stops the process at one of them.
type stopper struct {
	effects []string
	stop    int // from 1; 0: nowhere
	after   bool
}

func (s *stopper) do(name string, f func() error) error {
	s.effects = append(s.effects, name)
	here := len(s.effects) == s.stop
	if here && !s.after {
		panic(stopped{})
	}
	err := f()
	if here {
		panic(stopped{})
	}
	return err
}

func (s *stopper) over(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (answer *http.Response, err error) {
		name := r.Header.Get("X-Amz-Target") + r.URL.Path
		err = s.do(name, func() error {
			answer, err = next.RoundTrip(r)
			return err
		})
		return answer, err
	})
}

// workshop is the making unit: the records of one seal and of the trail, the authority, and the ports that say yes.
type workshop struct {
	*keyHouse
	*stopper
	t         *testing.T
	authority map[key.Algorithm]ca
	maker     []byte
	token     key.Signer
	fonts     *layout.Fonts
	seal      seal.Seal
	events    []audit.Event
}

const (
	sealUnit  = "12990000YX0000040Y"
	sealOwner = "11990000YX0000067R"
)

func newWorkshop(t *testing.T, fonts *layout.Fonts) *workshop {
	t.Helper()
	w := &workshop{keyHouse: newKeyHouse(t, makePolicy), stopper: &stopper{}, t: t, token: keytest.New(t, key.ES256), fonts: fonts,
		authority: map[key.Algorithm]ca{}}
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		w.authority[alg] = newCA(t, w.now(), "示例", alg)
	}
	subject := cert.Name{Country: "CN", Organization: sealUnit + "示例省印章制作中心", CommonName: "示例省印章制作中心"}
	csr, err := w.keys(t, "ADMIN", w.db(t, nil), w.wrapped()).RequestKey(t.Context(), key.SealMaker, sealUnit, key.SM2SM3, subject)
	if err != nil {
		t.Fatal(err)
	}
	w.maker = w.authority[key.SM2SM3].leaf(t, csr, w.now(), nil)
	w.seal = seal.Seal{ID: "s1", Code: "99000000000001", Revision: 2, Kind: seal.Statutory, Name: "示例省人力资源和社会保障厅", Years: 1,
		Owner:   seal.Organisation{USCC: sealOwner, Name: "示例省人力资源和社会保障厅", Division: "990000"},
		History: []seal.Change{{Verb: seal.VerbApprove, State: seal.Approved, At: w.now(), Person: "wang"}}}
	return w
}

func (w *workshop) TokenKeys(context.Context) (jose.Set, error) {
	return jose.Set{Keys: []jose.JWK{{Public: w.token.Public(), KeyID: w.token.KeyID(), Alg: key.ES256}}}, nil
}

func (w *workshop) TokenKeysAgain(ctx context.Context) (jose.Set, error) { return w.TokenKeys(ctx) }

func (w *workshop) LiveGrant(context.Context, string) (access.Grant, error) {
	return access.Grant{Person: "zhao", Client: "desk", Channel: "web"}, nil
}

func (w *workshop) Organisation(context.Context, string) (seal.Organisation, error) {
	return seal.Organisation{USCC: sealUnit, Name: "示例省印章制作中心", Division: "990000"}, nil
}

func (w *workshop) Responsible(ctx context.Context, _ string, _ seal.Duty) (seal.Organisation, error) {
	return w.Organisation(ctx, "")
}

func (w *workshop) Mandated(context.Context, string, string, string) (bool, error) { return true, nil }

func (w *workshop) SealByCode(context.Context, string) (string, error) { return "", seal.ErrUnknown }

func (w *workshop) CreateSeal(context.Context, seal.Seal, audit.Event) error { return seal.ErrExists }

func (w *workshop) Seal(context.Context, string) (seal.Seal, error) { return w.seal, nil }

func (w *workshop) ReplaceSeal(_ context.Context, s seal.Seal, e audit.Event) error {
	return w.do("replace the seal", func() error {
		if s.Revision != w.seal.Revision+1 {
			return seal.ErrChanged
		}
		w.seal, w.events = s, append(w.events, e)
		return nil
	})
}

func (w *workshop) Record(_ context.Context, e audit.Event) error {
	return w.do("record "+string(e.Outcome), func() error {
		w.events = append(w.events, e)
		return nil
	})
}

func (w *workshop) MakerCertificate(context.Context, string) ([]byte, error) { return w.maker, nil }

// certifier enrols with the authority over HTTP, as seal-make does, and knows the maker's certificate.
type certifier struct {
	Certifier
	w *workshop
}

func (c certifier) MakerCertificate(ctx context.Context, maker string) ([]byte, error) {
	return c.w.MakerCertificate(ctx, maker)
}

// certify answers an enrolment.
func (w *workshop) certify(_ http.ResponseWriter, r *http.Request) []byte {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Error(err)
	}
	csr, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		w.t.Error(err)
	}
	request, err := cert.ParseCSR(csr)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	alg, _ := request.KeyAlgorithm()
	a := w.authority[alg]
	return certsMessage(w.t, a.leaf(w.t, csr, w.now(), nil), a.issuing.Raw)
}

// process runs a process of seal-make that makes the seal, or stops.
func (w *workshop) process() (status int, body string) {
	w.t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { sends(w.certify(out, r))(out, r) }))
	defer server.Close()
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(stopped); !ok {
				panic(v)
			}
		}
	}()
	var anchors []item
	for alg, purpose := range map[key.Algorithm]trust.Purpose{key.SM2SM3: trust.SealOwner, key.ES256: trust.Document} {
		text1, err := encode(anchorRecord{Purpose: purpose, Root: w.authority[alg].root.Raw})
		if err != nil {
			w.t.Fatal(err)
		}
		anchors = append(anchors, item{"sk": text(anchorPrefix + string(purpose)), "body": text1})
	}
	db := w.db(w.t, func(next http.RoundTripper) http.RoundTripper {
		return w.over(&listed{items: map[string][]item{trustPartition: anchors}, next: next})
	})
	keys, err := OpenKeys(KeysOptions{DB: db, Config: w.config("OTHER", w.url, w.over(http.DefaultTransport)),
		Custody: map[key.Purpose]Custody{key.Seal: w.wrapped(), key.SealCompat: w.wrapped(), key.SealMaker: w.wrapped()}})
	if err != nil {
		w.t.Fatal(err)
	}
	client := server.Client()
	client.Transport = w.over(client.Transport)
	handler := seal.Make(seal.MakePorts{Access: access.Guard{Issuer: "https://op.example", Keys: w, Grants: w, Now: w.now}, Records: w,
		ByCode: w, Directory: w, Mandates: w, Audit: w, NewKeys: keys, MakerKeys: keys, Fonts: w.fonts, Now: w.now, Rand: rand.Reader,
		Certifier: certifier{Certifier{Certificates: Certificates{db}, Anchors: NewAnchors(db), Address: server.URL, Credential: "a:b",
			Client: client}, w}})
	claims, err := json.Marshal(access.Claims{Issuer: "https://op.example", Subject: "p", Audience: access.Audience{"https://op.example"},
		ClientID: "desk", Scope: "seal.make", IssuedAt: w.now().Unix(), Expires: w.now().Add(time.Hour).Unix(), ID: "1", GrantID: "g"})
	if err != nil {
		w.t.Fatal(err)
	}
	bearer, err := jose.Sign(w.t.Context(), w.token, jose.Header{Type: access.TokenType, KeyID: w.token.KeyID()}, claims)
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/seals/s1/make", strings.NewReader(
		fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"制章(示例)"}}`, sealUnit)))
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

// check looks at what is left: the seal is made, complete and by the keys that seal-stamp opens, or nothing of it is.
func (w *workshop) check() (made bool) {
	w.t.Helper()
	outcomes := map[audit.Outcome]int{}
	for _, e := range w.events {
		outcomes[e.Outcome]++
	}
	made = w.seal.State() == seal.Made
	if made != (w.seal.Body != nil) || made != (outcomes[audit.Done] == 1) || outcomes[audit.Done] > 1 {
		w.t.Fatalf("the seal is %s, %v in the trail", w.seal.State(), outcomes)
	}
	if !made {
		return false
	}
	esl, err := ses.ParseSeal(w.seal.Body.ESL)
	if err != nil || !esl.Lists(w.seal.Body.Chain[0]) {
		w.t.Fatalf("the seal does not list its certificate: %v", err)
	}
	stamp := w.keys(w.t, "ADMIN", w.db(w.t, nil), w.wrapped())
	for purpose, chain := range map[key.Purpose][][]byte{key.Seal: w.seal.Body.Chain, key.SealCompat: w.seal.Body.CompatChain} {
		ring, err := w.db(w.t, nil).readRing(w.t.Context(), ringName{purpose, "s1"})
		if err != nil || len(ring.Keys) != 1 || len(ring.Keys[0].Request) == 0 {
			w.t.Fatalf("%d %s keys: %v", len(ring.Keys), purpose, err)
		}
		leaf, err := cert.Parse(chain[0])
		if err != nil {
			w.t.Fatal(err)
		}
		s, err := stamp.OpenKey(w.t.Context(), purpose, "s1")
		if err != nil {
			w.t.Fatal(err)
		}
		signature, err := key.Sign(w.t.Context(), s, []byte("公示(示例)"))
		if err != nil || !bytes.Equal(leaf.SPKI, ring.Keys[0].PublicKey) ||
			!key.Verify(s.Algorithm(), leaf.PublicKey, []byte("公示(示例)"), signature) {
			w.t.Fatalf("the %s certificate is not of the key that stamps: %v", purpose, err)
		}
	}
	return true
}

func TestAnotherProcessMakesASealWhereverTheFirstStopped(t *testing.T) {
	t.Setenv("DYNAMODB_ENDPOINT", "") // what is asked here is asked of the store of the tests
	fonts, err := layout.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	whole := newWorkshop(t, fonts)
	if status, body := whole.process(); status != 200 || !whole.check() {
		t.Fatalf("%d %s", status, body)
	}
	if len(whole.effects) < 12 {
		t.Fatalf("only %d effects were seen: %q", len(whole.effects), whole.effects)
	}
	for i, effect := range whole.effects {
		for _, after := range []bool{false, true} {
			w := newWorkshop(t, fonts)
			w.stop, w.after = i+1, after
			if status, _ := w.process(); status != 0 {
				t.Fatalf("effect %d, %s: the process answered %d", i+1, effect, status)
			}
			was := w.check()
			w.stopper = &stopper{}
			status, body := w.process()
			if want := map[bool]int{false: 200, true: 409}[was]; status != want {
				t.Errorf("stopped at %d, %s, after: %v. Another process answered %d %s", i+1, effect, after, status, body)
			}
			if !w.check() {
				t.Errorf("stopped at %d, %s, after: %v. The seal is not made", i+1, effect, after)
			}
			for _, call := range w.Calls() {
				if call.Error != "" {
					t.Errorf("KMS refused %s: %s", call.Operation, call.Error)
				}
			}
		}
	}
}
