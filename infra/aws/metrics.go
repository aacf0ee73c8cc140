package aws

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
)

// metric is one that a function counts. What an invocation did not count is not in its line.
type metric int

// The metrics of a function, and behind them those of the stack, which alarms of the template watch.
const (
	invocations metric = iota
	answers2xx
	answers3xx
	answers4xx
	answers5xx
	refusals // answers 4xx, and refusals of invocations
	faults   // answers 5xx, and invocations that ended with an error
	coldStarts
	batchItems
	batchItemsFailed

	sealsStamped // orders that ended as done, each with a stamped document
	licencesIssued
	verifications // documents, credentials, identifiers and codes that were judged
	signOns
	signOnsRefused
	lookUpsRefused
	sdkRetries
	kmsThrottled
	tablesThrottled
	conditionsFailed     // used up, changed by another, or there already: many are somebody's attempt
	transactionConflicts // another's transaction on the item
	tokenKeyAge          // seconds since the key that signs tokens began to
	statusListAge        // seconds since the oldest list that was read was published
	stampsSettled        // sealsStamped, a quarter of an hour later
	stampsInTrail        // the same, as they came into the trail
	metricCount
)

// metricNames are their names in CloudWatch.
var metricNames = [metricCount]string{
	"Invocations", "Answers2xx", "Answers3xx", "Answers4xx", "Answers5xx", "Refusals", "Faults", "ColdStarts", "BatchItems",
	"BatchItemsFailed", "SealsStamped", "LicencesIssued", "Verifications", "SignOns", "SignOnsRefused", "LookUpsRefused",
	"SDKRetries", "KMSThrottled", "TablesThrottled", "ConditionsFailed", "TransactionConflicts", "TokenKeyAge",
	"StatusListAge", "StampsSettled", "StampsInTrail",
}

const (
	metricNamespace = "Yinxin"
	ofStack         = sealsStamped // the first metric that has the dimension Stack alone
)

// meter counts what one invocation did. Its methods may be called by several goroutines, and on nil, where nobody
// counts.
type meter struct {
	mu      sync.Mutex
	n       [metricCount]int64
	counted [metricCount]bool
	settled []settled
	said    []slog.Attr // of the line in the log
}

// settled is a count that belongs to the time of an event and not to that of the invocation.
type settled struct {
	metric metric
	at     time.Time // whole minutes
	n      int64
}

type meterKey struct{}

func withMeter(ctx context.Context, m *meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

func meterOf(ctx context.Context) *meter {
	m, _ := ctx.Value(meterKey{}).(*meter)
	return m
}

func (m *meter) add(what metric, n int64) {
	if m == nil || n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n[what], m.counted[what] = m.n[what]+n, true
}

// count is what was counted so far.
func (m *meter) count(what metric) int64 {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n[what]
}

// oldest keeps the greatest age.
func (m *meter) oldest(what metric, age time.Duration) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n[what], m.counted[what] = max(m.n[what], int64(age/time.Second)), true
}

// settleAfter is when a stamp must be in the trail. Both counts of it stand at the time of its event and so much later,
// so that an alarm on their difference never sees a stamp that is still on its way. (CloudWatch takes data points up to
// two hours ahead.)
const settleAfter = 15 * time.Minute

func (m *meter) settle(what metric, at time.Time) {
	if m == nil {
		return
	}
	at = at.Truncate(time.Minute).Add(settleAfter)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.settled {
		if m.settled[i].metric == what && m.settled[i].at.Equal(at) {
			m.settled[i].n++
			return
		}
	}
	m.settled = append(m.settled, settled{what, at, 1})
}

// event is what an audit event is counted as: the zero value for nothing.
func eventMetric(e audit.Event) (metric, bool) {
	switch {
	case e.Action == "seal.stamp" && e.Outcome == audit.Done:
		return sealsStamped, true
	case e.Action == "licence.issue" && e.Outcome == audit.Done:
		return licencesIssued, true
	case e.Action == "session.begin" && e.Outcome == audit.Done:
		return signOns, true
	case e.Action == "session.begin" && e.Outcome == audit.Refused:
		return signOnsRefused, true
	case e.Action == "licence.read" && e.Outcome == audit.Refused:
		return lookUpsRefused, true
	}
	return 0, false
}

// wrote counts an act whose record was written with its event.
func (m *meter) wrote(e audit.Event) {
	if what, ok := eventMetric(e); m != nil && ok && e.Outcome == audit.Done {
		m.add(what, 1)
		if what == sealsStamped {
			m.settle(stampsSettled, e.Time)
		}
	}
}

// recorded counts an event that came into the trail: of an act that changes no record, which is refused mostly, or of a
// record, from the stream of its table.
func (m *meter) recorded(e audit.Event) {
	switch what, ok := eventMetric(e); {
	case m == nil || !ok:
	case what == sealsStamped:
		m.settle(stampsInTrail, e.Time)
	case e.Outcome == audit.Refused:
		m.add(what, 1)
	}
}

// heard counts what the line of an invocation says.
func (m *meter) heard(line []slog.Attr, err error) {
	m.add(invocations, 1)
	if err != nil {
		m.add(faults, 1)
	}
	route, status := "", int64(0)
	for _, a := range line {
		switch a.Key {
		case "route":
			route = a.Value.String()
		case "status":
			status = a.Value.Int64()
		case "items":
			m.add(batchItems, a.Value.Int64())
		case "failed":
			m.add(batchItemsFailed, a.Value.Int64())
		case "refused":
			if status == 0 {
				m.add(refusals, 1)
			}
		}
	}
	switch status / 100 {
	case 2:
		m.add(answers2xx, 1)
		if route == "POST /verify" {
			m.add(verifications, 1)
		}
	case 3:
		m.add(answers3xx, 1)
	case 4:
		m.add(answers4xx, 1)
		m.add(refusals, 1)
	case 5:
		m.add(answers5xx, 1)
		m.add(faults, 1)
	}
	m.said = line
}

// takes adds what another counted.
func (m *meter) takes(from *meter) {
	from.mu.Lock()
	defer from.mu.Unlock()
	for what, n := range from.n {
		if from.counted[what] {
			m.add(metric(what), n)
		}
	}
}

// measured is a function whose invocations are counted: after each, one line of the CloudWatch embedded metric format
// (CloudWatch User Guide, "Specification: Embedded metric format") goes to the standard output, past the log, and for
// stamps one more. A line names functions, routes and codes of refusals; it never holds a path, a parameter or a body.
type measured struct {
	runtime         gateway.Runtime
	stack, function string
	to              io.Writer

	mu    sync.Mutex
	start *meter // what was counted at the cold start; nil after the first invocation
}

// Invoke implements lambda.Handler.
func (f *measured) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	m := &meter{}
	answer, err := f.runtime.Invoke(withMeter(ctx, m), event)
	f.mu.Lock()
	start := f.start
	f.start = nil
	f.mu.Unlock()
	if start != nil {
		m.add(coldStarts, 1)
		m.takes(start)
	}
	_, _ = f.to.Write(m.lines(make([]byte, 0, 1024), f.stack, f.function, f.runtime.Now())) // metrics that are lost stop nobody
	return answer, err
}

// lines appends what was counted, each line a JSON object with a line break.
func (m *meter) lines(b []byte, stack, function string, now time.Time) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	b = m.line(b, m.n, m.counted, stack, function, now)
	for _, s := range m.settled {
		var n [metricCount]int64
		var counted [metricCount]bool
		n[s.metric], counted[s.metric] = s.n, true
		b = m.line(b, n, counted, stack, function, s.at)
	}
	return b
}

func (m *meter) line(b []byte, n [metricCount]int64, counted [metricCount]bool, stack, function string, at time.Time) []byte {
	b = append(b, `{"_aws":{"Timestamp":`...)
	b = strconv.AppendInt(b, at.UnixMilli(), 10)
	b = append(b, `,"CloudWatchMetrics":[`...)
	before := len(b)
	b = directive(b, counted, 0, ofStack, `["Stack","Function"]`)
	if len(b) > before {
		b = append(b, ',')
	}
	middle := len(b)
	b = directive(b, counted, ofStack, metricCount, `["Stack"]`)
	if len(b) == middle && middle > before {
		b = b[:middle-1]
	}
	b = append(b, `]},"Stack":`...)
	b = appendString(b, stack)
	b = append(b, `,"Function":`...)
	b = appendString(b, function)
	for what := range metricCount {
		if counted[what] {
			b = append(b, `,"`...)
			b = append(b, metricNames[what]...)
			b = append(b, `":`...)
			b = strconv.AppendInt(b, n[what], 10)
		}
	}
	for _, a := range m.said {
		switch a.Key {
		case "kind", "route", "refused":
			b = append(b, ',', '"')
			b = append(b, a.Key...)
			b = append(b, '"', ':')
			b = appendString(b, a.Value.String())
		}
	}
	return append(b, "}\n"...)
}

// directive appends a MetricDirective for what was counted of some metrics; nothing where nothing was.
func directive(b []byte, counted [metricCount]bool, from, to metric, dimensions string) []byte {
	first := true
	for what := from; what < to; what++ {
		if !counted[what] {
			continue
		}
		if first {
			b = append(b, `{"Namespace":"`+metricNamespace+`","Dimensions":[`...)
			b = append(b, dimensions...)
			b = append(b, `],"Metrics":[`...)
		} else {
			b = append(b, ',')
		}
		first = false
		b = append(b, `{"Name":"`...)
		b = append(b, metricNames[what]...)
		b = append(b, `","Unit":"`...)
		if what == tokenKeyAge || what == statusListAge {
			b = append(b, `Seconds"}`...)
		} else {
			b = append(b, `Count"}`...)
		}
	}
	if first {
		return b
	}
	return append(b, `]}`...)
}

// appendString appends a JSON string. What is neither a letter of ASCII nor a sign of it stands as "?": names of
// functions and routes hold nothing else. A dimension has no value that is empty.
func appendString(b []byte, s string) []byte {
	if s == "" {
		s = "-"
	}
	b = append(b, '"')
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			c = '?'
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// countCalls lets a client of the SDK count attempts: those that were made again, and why. It stands in the first step:
// an address that is signed ahead has no attempts, and its step of retries is taken away.
func countCalls(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CountCalls",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			m := meterOf(ctx)
			attempts, ok := retry.GetAttemptResults(metadata)
			if m == nil || !ok {
				return out, metadata, err
			}
			m.add(sdkRetries, int64(len(attempts.Results)-1))
			for _, a := range attempts.Results {
				m.failed(awsmiddleware.GetServiceID(ctx), a.Err)
			}
			return out, metadata, err
		}), middleware.After)
}

func (m *meter) failed(service string, err error) {
	var refused smithy.APIError
	if err == nil || !errors.As(err, &refused) {
		return
	}
	code := refused.ErrorCode()
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case code == "ConditionalCheckFailedException":
		m.add(conditionsFailed, 1)
	case code == "TransactionConflictException":
		m.add(transactionConflicts, 1)
	case throttled && service == "KMS":
		m.add(kmsThrottled, 1)
	case throttled && service == "DynamoDB":
		m.add(tablesThrottled, 1)
	}
}

// measure is the function as Lambda runs it.
func (e *Env) measure(r gateway.Runtime, to io.Writer) *measured {
	stack, _ := e.look("STACK")
	f := &measured{stack: stack, function: strings.TrimPrefix(r.Name, stack+"-"), to: to, start: e.meter}
	r.Told = func(ctx context.Context, line []slog.Attr, err error) { meterOf(ctx).heard(line, err) }
	f.runtime = r
	return f
}
