package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/yinxin/yinxin/infra/local/browser"
)

// What an act costs is counted: the requests that functions make for it, warm, from the browser's first request to the
// event in the trail. infra/README.md, "Costs", has the counts; this test holds them, and the arithmetic behind them.

// used is what one act takes of each service.
type used struct {
	invocations int // of functions, log-append among them
	requests    int // through the API
	reads       int // of DynamoDB
	readUnits   float64
	writes      int // of DynamoDB, and what their indexes take
	writeUnits  int
	symmetric   int // kms:Encrypt, Decrypt and the like
	signatures  int // kms:Sign
	objects     int // S3: written
	fetched     int // S3: read
	logged      int // bytes
}

func (u used) minus(o used) used {
	return used{u.invocations - o.invocations, u.requests - o.requests, u.reads - o.reads, u.readUnits - o.readUnits, u.writes - o.writes,
		u.writeUnits - o.writeUnits, u.symmetric - o.symmetric, u.signatures - o.signatures, u.objects - o.objects,
		u.fetched - o.fetched, u.logged - o.logged}
}

// meters count what functions ask of the engines behind them.
type meters struct {
	mu   sync.Mutex
	used used
}

// before is a server that counts requests and passes them on to an engine.
func (m *meters) before(t *testing.T, engine string, count func(r *http.Request, asked, answered []byte)) string {
	t.Helper()
	target, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	type askedKey struct{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(res *http.Response) error {
			answered, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			res.Body = io.NopCloser(bytes.NewReader(answered))
			asked, _ := res.Request.Context().Value(askedKey{}).([]byte)
			m.mu.Lock()
			defer m.mu.Unlock()
			count(res.Request, asked, answered)
			return nil
		},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(asked))
		proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askedKey{}, asked)))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// units are how many of a size hold so many bytes.
func units(size, of int) int { return max(1, (size+of-1)/of) }

// byOperator tells whether the test's own operator or pumps ask, which in AWS nobody pays for by the act.
func byOperator(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Authorization"), "Credential=operator/")
}

var indexKey = regexp.MustCompile(`"(?:first|second|third)Pk":\{"S"`)

func (m *meters) table(r *http.Request, asked, answered []byte) {
	if byOperator(r) {
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch operation {
	case "GetItem": // consistent: one unit for 4 KB
		m.used.reads++
		m.used.readUnits += float64(units(len(answered), 4096))
	case "Query":
		m.used.reads++
		part := 1.0
		if bytes.Contains(asked, []byte(`"IndexName"`)) {
			part = 0.5 // not consistent
		}
		m.used.readUnits += part * float64(units(len(answered), 4096))
	case "PutItem", "UpdateItem": // one unit for 1 KB, and as much again for each index that holds the item
		m.used.writes++
		item := asked
		if operation == "UpdateItem" {
			item = answered
		}
		m.used.writeUnits += units(len(item), 1024) * (1 + len(indexKey.FindAll(item, -1)))
	}
}

func (m *meters) bucket(r *http.Request, _, _ []byte) {
	switch {
	case byOperator(r):
	case r.Method == http.MethodPut:
		m.used.objects++
	case r.Method == http.MethodGet:
		m.used.fetched++
	}
}

// now is what was used so far.
func (m *meters) now(s *AWS) used {
	m.mu.Lock()
	u := m.used
	m.mu.Unlock()
	for _, c := range s.KMS.Calls() {
		if strings.Contains(c.Caller, "operator") {
			continue
		}
		if c.Operation == "Sign" {
			u.signatures++
		} else {
			u.symmetric++
		}
	}
	for _, l := range s.Logs() {
		u.logged += len(l.Text) + 1
		var line struct {
			Invocations int    `json:"Invocations"`
			Kind        string `json:"kind"`
		}
		if strings.HasPrefix(l.Text, `{"_aws"`) && json.Unmarshal([]byte(l.Text), &line) == nil {
			u.invocations += line.Invocations
			if line.Kind == "http" {
				u.requests += line.Invocations
			}
		}
	}
	return u
}

// costed is a script whose acts are between "let act is NAME" and the next. Each is done before once, warm.
const costed = `
let purpose is '{"code":"public-notice","text":"成本(示例)","itemCode":"FW-0003","caseNumber":"FW-2026-0117"}'
sign-on li agency-desk
sign-on wang agency-desk
sign-on zhao agency-desk
sign-on sun agency-desk
sign-on worker demo-app-a
http POST /seals -token $sun -json '{"organisation":"11990000YX0000067R","purpose":$purpose}'
let seal json id
http POST /seals/$seal/approve -token $wang -json '{"organisation":"11990000YX00000327","purpose":$purpose}'
http POST /seals/$seal/make -token $zhao -json '{"organisation":"12990000YX0000040Y","purpose":$purpose}'
http POST /seals/$seal/activate -token $sun -json '{"organisation":"11990000YX0000067R","purpose":$purpose}'
status 200
make notice.pdf 公示（示例） 示例
stamp $seal @notice.pdf -token $sun -order @order -> stamped.pdf
http POST /licences -token $sun -json @draft
status 201
let first json id
http POST /licences/$first/issue -token $sun -json @issue
status 200
settle
schedule licence-status
verify @stamped.pdf
settle

let act is 'stamp a document'
stamp $seal @notice.pdf -token $sun -order @order -> again.pdf
settle
let act is 'verify a stamped document'
verify @again.pdf
verdict valid
settle
let act is 'issue a licence'
http POST /licences -token $sun -json @another
status 201
let licence json id
http POST /licences/$licence/issue -token $sun -json @issue
status 200
settle
let act is -
http GET /licences/$first -token $worker -accept application/dc+sd-jwt
save licence.sd-jwt
verify @licence.sd-jwt
settle
let act is 'verify a credential'
verify @licence.sd-jwt
verdict valid
settle
let act is -

-- order --
{"organisation":"11990000YX0000067R","purpose":{"code":"public-notice","text":"成本(示例)","itemCode":"ZJ-0007","caseNumber":"ZJ-2026-0042"},"place":{"page":1,"x":100,"y":200}}
-- issue --
{"organisation":"11990000YX0000067R","purpose":$purpose}
-- draft --
{"organisation":"11990000YX0000067R","type":"11990000YX0000067R001","number":"FC9900$run",
 "holder":{"type":"111","code":"990000199202140010","name":"周八(示例)"},
 "fields":{"employer":"示例家政服务有限公司","serviceCategory":"居家养老照护、家庭保洁"},"purpose":$purpose}
-- another --
{"organisation":"11990000YX0000067R","type":"11990000YX0000067R001","number":"FD9900$run",
 "holder":{"type":"111","code":"990000199202140010","name":"周八(示例)"},
 "fields":{"employer":"示例家政服务有限公司","serviceCategory":"居家养老照护、家庭保洁"},"purpose":$purpose}
`

// signingOn is played twice, each time in a browser that nobody knows.
const signingOn = `
sign-on household demo-app-a
settle
`

// measure plays a script and returns what each of its acts used.
func (m *meters) measure(t *testing.T, s *AWS, text string) map[string]used {
	t.Helper()
	script, err := parseScript("costs", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cast, err := readCast(s.Seed())
	if err != nil {
		t.Fatal(err)
	}
	p := &play{backend: s, cast: cast, vars: map[string]string{"issuer": s.Base(), "run": "1"}, files: script.files,
		browsers: map[string]*browser.Browser{}, secrets: cast.secrets,
		http: &http.Client{Transport: s.Transport(), Timeout: maxStep, CheckRedirect: noRedirect}}
	acts, act, before := map[string]used{}, "-", used{}
	for _, c := range script.commands {
		if c.words[0] == "let" && c.words[1] == "act" {
			now := m.now(s)
			if act != "-" {
				acts[act] = now.minus(before)
			}
			act, before = c.words[3], now
			continue
		}
		if err := p.do(t.Context(), c); err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
	}
	return acts
}

var costRow = regexp.MustCompile(`(?m)^\| ([a-z][a-z ]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \|$`)

func TestTheCostsOfTheRunbookAreCounted(t *testing.T) {
	m, e := &meters{}, engines(t)
	stack := deploy(t, func(o *AWSOptions) {
		o.Engines.DynamoDB = m.before(t, e.DynamoDB, m.table)
		o.Engines.S3 = m.before(t, e.S3, m.bucket)
	})
	acts := m.measure(t, stack, costed)
	m.measure(t, stack, "let act is -\n"+signingOn)
	maps.Copy(acts, m.measure(t, stack, "let act is 'sign on'\n"+signingOn+"let act is -\n"))
	for _, name := range slices.Sorted(maps.Keys(acts)) {
		t.Logf("%s: %+v", name, acts[name])
	}
	data, err := os.ReadFile(filepath.Join(root(t), "infra/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, costs, _ := strings.Cut(string(data), "\n## Costs\n")
	rows := costRow.FindAllStringSubmatch(costs, -1)
	if len(rows) != len(acts) {
		t.Errorf("infra/README.md has the costs of %d acts, not of %d", len(rows), len(acts))
	}
	for _, row := range rows {
		u, ok := acts[row[1]]
		if !ok {
			t.Errorf("infra/README.md: nobody counts %q", row[1])
			continue
		}
		var said []float64
		for _, text := range row[2:] {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, n)
		}
		kb := math.Ceil(float64(u.logged) / 1000)
		counted := []float64{float64(u.requests), float64(u.invocations), u.readUnits, float64(u.writeUnits), float64(u.symmetric),
			float64(u.signatures), float64(u.objects + u.fetched), kb}
		for i, n := range counted {
			if slack := map[int]float64{2: 1, 3: 4, 7: 2}[i]; math.Abs(n-said[i]) > slack { // items grow by some bytes, windows of counters begin
				t.Errorf("infra/README.md, %s, column %d: %v, counted %v", row[1], i+2, said[i], n)
			}
		}
		if want := price(said); math.Abs(want-said[8]) > 0.006 {
			t.Errorf("infra/README.md, %s: the sum is %.2f, not %.2f", row[1], want, said[8])
		}
	}
}

// price is what a million of an act costs in dollars, by the list prices that the runbook names.
func price(n []float64) float64 {
	perMillion := []float64{1.00, 0.20 + 0.05*13.3334, 0.125, 0.625, 3.00, 15.00, 5.00}
	sum := n[7] * 0.50 // a million kilobytes are a gigabyte
	for i, p := range perMillion {
		sum += n[i] * p
	}
	return math.Round(sum*100) / 100
}
