package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// emf is a line as the specification has it, and what else stands at its root.
type emf struct {
	at     time.Time
	values map[string]float64  // by metric
	dims   map[string][]string // the dimensions of a metric
	root   map[string]any
}

// readEMF holds a line to the constraints of "Specification: Embedded metric format" (CloudWatch User Guide), sections
// "Root node", "Metadata object", "MetricDirective object", "DimensionSet array", "MetricDefinition object", "Target members",
// and of its JSON schema. Written by hand from the document.
func readEMF(t testing.TB, line []byte) emf {
	t.Helper()
	bad := func(format string, args ...any) { t.Helper(); t.Errorf(format+": %s", append(args, line)...) }
	e := emf{values: map[string]float64{}, dims: map[string][]string{}}
	if len(line) > 256<<10 {
		bad("longer than a log event of 256 KB")
	}
	if err := json.Unmarshal(line, &e.root); err != nil {
		t.Fatalf("no JSON object: %v: %s", err, line)
	}
	var root struct {
		AWS *struct {
			Timestamp         *json.Number
			CloudWatchMetrics []struct {
				Namespace  *string
				Dimensions [][]string
				Metrics    []struct {
					Name, Unit        *string
					StorageResolution *int
				}
			}
		} `json:"_aws"`
	}
	d := json.NewDecoder(bytes.NewReader(line)) // no member but those of the specification inside _aws
	if err := d.Decode(&root); err != nil || root.AWS == nil {
		t.Fatalf("no metadata: %v: %s", err, line)
	}
	meta, _ := e.root["_aws"].(map[string]any)
	only := func(what string, m any, names ...string) {
		object, _ := m.(map[string]any)
		for name := range object {
			if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
				bad("%s has the member %s", what, name)
			}
		}
	}
	only("_aws", meta, "Timestamp", "CloudWatchMetrics")
	ms, err := root.AWS.Timestamp.Int64()
	if err != nil || ms < 0 {
		bad("Timestamp is no whole number of milliseconds")
	}
	e.at = time.UnixMilli(ms).UTC()
	for i, directive := range root.AWS.CloudWatchMetrics {
		raw := meta["CloudWatchMetrics"].([]any)[i]
		only("a directive", raw, "Namespace", "Dimensions", "Metrics")
		if directive.Namespace == nil || len(*directive.Namespace) < 1 || len(*directive.Namespace) > 1024 || strings.HasPrefix(*directive.Namespace, "AWS/") {
			bad("Namespace")
		}
		if len(directive.Dimensions) < 1 || len(directive.Metrics) < 1 || len(directive.Metrics) > 100 {
			bad("%d sets of dimensions, %d metrics", len(directive.Dimensions), len(directive.Metrics))
		}
		for _, set := range directive.Dimensions {
			if len(set) > 30 {
				bad("%d dimensions", len(set))
			}
			for _, name := range set {
				value, ok := e.root[name].(string)
				if !ok || len(name) < 1 || len(name) > 250 || len(value) < 1 || len(value) > 1024 {
					bad("dimension %q has no target member that is a text of 1 to 1024 letters", name)
				}
			}
		}
		for j, m := range directive.Metrics {
			only("a metric", raw.(map[string]any)["Metrics"].([]any)[j], "Name", "Unit", "StorageResolution")
			if m.Name == nil || len(*m.Name) < 1 || len(*m.Name) > 1024 {
				bad("Name")
				continue
			}
			value, ok := e.root[*m.Name].(float64)
			if !ok {
				bad("metric %q has no target member that is a number", *m.Name)
			}
			if m.Unit == nil || *m.Unit != "Count" && *m.Unit != "Seconds" { // of the units of MetricDatum in the API reference
				bad("metric %q has no unit", *m.Name)
			}
			if _, twice := e.values[*m.Name]; twice {
				bad("metric %q stands there twice", *m.Name)
			}
			e.values[*m.Name], e.dims[*m.Name] = value, directive.Dimensions[0]
		}
	}
	return e
}

// counted is a function of which a test reads the metrics, and the log in its last value.
func counted(ways ...gateway.Way) (f *measured, lines func(testing.TB) []emf, log *bytes.Buffer) {
	var out bytes.Buffer
	log = &bytes.Buffer{}
	env := &Env{look: func(name string) (string, bool) {
		v, ok := map[string]string{"STACK": "yinxin-example"}[name]
		return v, ok
	}, meter: &meter{}}
	f = env.measure(gateway.Runtime{
		Name: "yinxin-example-a-function", Log: slog.New(slog.NewJSONHandler(log, nil)), Ways: ways,
		Now: func() time.Time { return noon },
	}, &out)
	return f, func(t testing.TB) (list []emf) {
		t.Helper()
		for line := range bytes.Lines(out.Bytes()) {
			list = append(list, readEMF(t, line))
		}
		out.Reset()
		return list
	}, log
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func request(method, path string) []byte {
	data, _ := json.Marshal(events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: method + " " + path, RawPath: path, RawQueryString: "code=hidden",
		RequestContext: events.APIGatewayV2HTTPRequestContext{HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
			Method: method, Path: path, SourceIP: "192.0.2.1"}},
	})
	return data
}

func TestEveryInvocationIsCountedInOneLine(t *testing.T) {
	f, lines, _ := counted(HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		meterOf(r.Context()).add(sdkRetries, 2)
		switch r.URL.Path {
		case "/refuse":
			problem.Write(w, r, problem.TooMany)
		case "/oauth":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"hidden"}`)
		case "/strange":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":"张三 hidden"}`)
		case "/fail":
			problem.Write(w, r, errors.New("broken"))
		case "/panic":
			panic("broken")
		case "/away":
			http.Redirect(w, r, "/x?code=hidden", http.StatusSeeOther)
		}
	})))
	meterOf(withMeter(t.Context(), f.start)).oldest(tokenKeyAge, time.Hour) // at the cold start
	for _, test := range []struct {
		path, class, code string
		refused, fault    float64
	}{
		{"/verify", "Answers2xx", "", 0, 0},
		{"/away", "Answers3xx", "", 0, 0},
		{"/refuse", "Answers4xx", "too_many_requests", 1, 0},
		{"/oauth", "Answers4xx", "invalid_grant", 1, 0},
		{"/strange", "Answers4xx", "", 1, 0},
		{"/fail", "Answers5xx", "internal", 0, 1},
		{"/panic", "Answers5xx", "internal", 0, 1},
	} {
		if _, err := f.Invoke(t.Context(), request("POST", test.path)); err != nil {
			t.Fatal(err)
		}
		got := lines(t)
		if len(got) != 1 {
			t.Fatalf("%s: %d lines", test.path, len(got))
		}
		e := got[0]
		first := test.path == "/verify"
		want := map[string]float64{"Invocations": 1, test.class: 1, "SDKRetries": 2}
		if test.refused > 0 {
			want["Refusals"] = 1
		}
		if test.fault > 0 {
			want["Faults"] = 1
		}
		if first {
			want["ColdStarts"], want["TokenKeyAge"], want["Verifications"] = 1, 3600, 1
		}
		if fmt.Sprint(e.values) != fmt.Sprint(want) || !e.at.Equal(noon) {
			t.Errorf("%s: %v at %v, want %v", test.path, e.values, e.at, want)
		}
		if code, _ := e.root["refused"].(string); code != test.code {
			t.Errorf("%s: refused is %q, want %q", test.path, code, test.code)
		}
		if e.root["Stack"] != "yinxin-example" || e.root["Function"] != "a-function" || e.root["route"] != "POST "+test.path {
			t.Errorf("%s: %v", test.path, e.root)
		}
		if strings.Contains(fmt.Sprint(e.root), "hidden") {
			t.Errorf("%s tells what was said: %v", test.path, e.root)
		}
		if d := fmt.Sprint(e.dims["Invocations"], e.dims["SDKRetries"]); d != "[Stack Function] [Stack]" {
			t.Errorf("%s: dimensions %s", test.path, d)
		}
	}
}

func TestBatchesInvocationsAndFaultsAreCounted(t *testing.T) {
	f, lines, _ := counted(
		Stream(func(context.Context, events.DynamoDBEventRecord) error { return errors.New("no") }),
		Schedule(func(context.Context) error { return errors.New("broken") }),
		Invocation(func(context.Context, struct{}) (string, error) { return "", problem.Conflict }),
	)
	f.start = nil
	stream := `{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"1"}}]}`
	for event, want := range map[string]map[string]float64{
		stream:                               {"Invocations": 1, "BatchItems": 1, "BatchItemsFailed": 1},
		`{"detail-type":"Scheduled Event"}`:  {"Invocations": 1, "Faults": 1},
		`{}`:                                 {"Invocations": 1, "Refusals": 1},
		`{"Records":[{"eventSource":"?:?"}]`: {"Invocations": 1, "Faults": 1},
	} {
		_, _ = f.Invoke(t.Context(), []byte(event)) // of a fault the error stands in the metrics
		if got := lines(t); len(got) != 1 || fmt.Sprint(got[0].values) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
}

// Both counts of a stamp stand at the same minute, a quarter of an hour after it: see settleAfter.
func TestStampsAreCountedWhereTheyWereMadeAndInTheTrail(t *testing.T) {
	at := noon.Add(-90 * time.Second)
	e := audit.Event{ID: "1", Time: at, Action: "seal.stamp", Outcome: audit.Done}
	other := audit.Event{ID: "2", Time: at, Action: "seal.stamp", Outcome: audit.Begun}
	for name, act := range map[string]func(*meter){
		"StampsSettled": func(m *meter) { m.wrote(e); m.wrote(e); m.wrote(other) },
		"StampsInTrail": func(m *meter) { m.recorded(e); m.recorded(e); m.recorded(other) },
	} {
		f, lines, _ := counted(Schedule(func(ctx context.Context) error { act(meterOf(ctx)); return nil }))
		if _, err := f.Invoke(t.Context(), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		got := lines(t)
		if len(got) != 2 || len(got[1].values) != 1 || got[1].values[name] != 2 {
			t.Fatalf("%s: %+v", name, got)
		}
		if want := time.Date(2026, 3, 1, 12, 13, 0, 0, time.UTC); !got[1].at.Equal(want) {
			t.Errorf("%s stands at %v, not %v", name, got[1].at, want)
		}
		if _, counted := got[0].values["SealsStamped"]; counted != (name == "StampsSettled") {
			t.Errorf("%s: %v", name, got[0].values)
		}
	}
}

func TestActsAreCountedByTheirEvents(t *testing.T) {
	for _, test := range []struct {
		action   string
		outcome  audit.Outcome
		recorded bool
		want     string
	}{
		{"seal.stamp", audit.Done, false, "SealsStamped"},
		{"seal.stamp", audit.Failed, false, ""},
		{"licence.issue", audit.Done, false, "LicencesIssued"},
		{"licence.issue", audit.Done, true, ""}, // from the stream: it was counted where it was done
		{"session.begin", audit.Done, false, "SignOns"},
		{"session.begin", audit.Done, true, ""},
		{"session.begin", audit.Refused, true, "SignOnsRefused"},
		{"licence.read", audit.Refused, true, "LookUpsRefused"},
		{"licence.read", audit.Done, true, ""},
	} {
		m, e := &meter{}, audit.Event{ID: "1", Time: noon, Action: test.action, Outcome: test.outcome}
		if test.recorded {
			m.recorded(e)
		} else {
			m.wrote(e)
		}
		got := ""
		for what, n := range m.n {
			if n > 0 {
				got += metricNames[what]
			}
		}
		if got != test.want {
			t.Errorf("%s %s is counted as %q, want %q", test.action, test.outcome, got, test.want)
		}
	}
}

func TestNobodyCountsWithoutAMeter(t *testing.T) {
	var m *meter
	m.add(sdkRetries, 1)
	m.oldest(tokenKeyAge, time.Hour)
	m.wrote(audit.Event{Action: "seal.stamp", Outcome: audit.Done})
	m.recorded(audit.Event{Action: "seal.stamp", Outcome: audit.Done})
	if meterOf(t.Context()) != nil || m.count(sdkRetries) != 0 {
		t.Error("there is a meter")
	}
	for what, name := range metricNames {
		if name == "" {
			t.Errorf("metric %d has no name", what)
		}
	}
}

func TestALineKeepsToItsFormWhateverIsCounted(t *testing.T) {
	m := &meter{said: []slog.Attr{slog.String("route", "GET /\"\\\n张"), slog.String("kind", "http"), slog.String("path", "hidden")}}
	for what := range metricCount {
		m.add(what, int64(what)+1)
	}
	got := m.lines(nil, "a\"stack", "", noon)
	if bytes.Count(got, []byte("\n")) != 1 || bytes.Contains(got, []byte("hidden")) {
		t.Errorf("%s", got)
	}
	if e := readEMF(t, got); len(e.values) != int(metricCount) {
		t.Errorf("%d metrics of %d", len(e.values), metricCount)
	}
	if e := readEMF(t, (&meter{}).lines(nil, "", "", noon)); len(e.values) != 0 {
		t.Errorf("%v", e.values)
	}
}

func BenchmarkMetrics(b *testing.B) {
	quiet := slog.New(slog.DiscardHandler)
	way := HTTP(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := gateway.Runtime{Name: "s-f", Log: quiet, Now: time.Now, Ways: []gateway.Way{way}}
	event := request("GET", "/jwks")
	b.Run("without", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = r.Invoke(b.Context(), event)
		}
	})
	env := &Env{look: func(string) (string, bool) { return "s", true }, meter: &meter{}}
	f := env.measure(r, io.Discard)
	b.Run("with", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = f.Invoke(b.Context(), event)
		}
	})
}
