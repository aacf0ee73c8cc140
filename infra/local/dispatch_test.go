package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	yaml "github.com/oasdiff/yaml3"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
)

// bench is a store whose feeds and queues a test dispatches.
type bench struct {
	dispatcher
	path string
}

func openBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{path: filepath.Join(t.TempDir(), "store.db")}
	b.dispatcher = dispatcher{log: slog.New(slog.DiscardHandler), now: time.Now,
		pause: func(int) time.Duration { return time.Millisecond }}
	b.open(t)
	return b
}

func (b *bench) open(t *testing.T) {
	t.Helper()
	var err error
	if b.db, err = embedded.Open(b.path, embedded.Options{Now: time.Now, NoSync: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.db.Close() }) // a second time it does nothing
}

// write makes n records in the feed of the table log, named by their place.
func (b *bench) write(t *testing.T, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		e := audit.Event{ID: fmt.Sprint(i), Time: time.Now(), Action: "test", Outcome: audit.Done}
		if err := (embedded.Events{DB: b.db}).Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// until runs the dispatch until done says so, and waits for its end.
func (b *bench) until(t *testing.T, done func() bool, list ...driven) {
	t.Helper()
	before := runtime.NumGoroutine()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	joined, err := b.join(ctx, list)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); joined.run(ctx) }()
	for !done() && wait(ctx, time.Millisecond) {
	}
	if ctx.Err() != nil {
		t.Fatal("it did not come to its end")
	}
	stop()
	<-ended
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if time.Sleep(time.Millisecond); i > 2000 {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// taken collects what a consumer was given: the partition keys of records, the bodies of messages.
type taken struct {
	mu   sync.Mutex
	list []string
}

func (k *taken) add(s string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, s)
}

func (k *taken) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.list)
}

func (k *taken) firsts() (list []string) {
	for _, s := range k.all() {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// ofLog is a consumer of the table log; what take answers is what becomes of a record.
func ofLog(name string, batch, attempts int, take func(id string) error) driven {
	return driven{Name: name, Streams: []streamSource{{Table: embedded.TableLog, Prefix: "event#", Batch: batch, Attempts: attempts}},
		Ways: []gateway.Way{gateway.Recorded(func(_ context.Context, e audit.Event) error { return take(e.ID) })}}
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func TestAStreamComesWholeAndInOrderDespiteFailuresAndDuplicates(t *testing.T) {
	b := openBench(t)
	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	chance := func(n int) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n) == 0
	}
	b.again = func() bool { return chance(2) }
	const n = 60
	b.write(t, 0, n/2)
	var first, second taken
	consumers := []driven{
		ofLog("first", 7, 100, func(id string) error {
			if chance(5) {
				return errors.New("not now")
			}
			first.add(id)
			return nil
		}),
		ofLog("second", 100, 100, func(id string) error { second.add(id); return nil }),
	}
	wrote := false
	b.until(t, func() bool {
		if !wrote {
			wrote = true
			b.write(t, n/2, n/2)
		}
		return len(first.firsts()) == n && len(second.firsts()) == n
	}, consumers...)
	for _, k := range []*taken{&first, &second} {
		if got := k.firsts(); !slices.Equal(got, numbers(n)) {
			t.Errorf("first came %v", got)
		}
	}
	if len(first.all())+len(second.all()) == 2*n {
		t.Error("nothing came twice")
	}
	if _, err := b.join(t.Context(), append(consumers, ofLog("third", 1, 1, nil))); err == nil {
		t.Error("a third consumer was let in")
	}
}

func TestARecordThatNobodyCanTakeIsADeadLetterAlone(t *testing.T) {
	b := openBench(t)
	b.write(t, 0, 30)
	var got taken
	tries := 0
	b.until(t, func() bool { return len(got.firsts()) == 29 }, ofLog("f", 100, 3, func(id string) error {
		if id == "11" {
			tries++
			return errors.New("never")
		}
		got.add(id)
		return nil
	}))
	if want := slices.DeleteFunc(numbers(30), func(s string) bool { return s == "11" }); !slices.Equal(got.firsts(), want) {
		t.Errorf("came %v", got.firsts())
	}
	letters, err := (embedded.DeadLetters{DB: b.db}).All(t.Context(), 10)
	if err != nil || len(letters) != 1 {
		t.Fatalf("dead letters %+v, %v", letters, err)
	}
	if l := letters[0]; l.Function != "f" || l.Source != "log" || !strings.HasPrefix(l.Body, "event 1000") || l.Reason != "failed 4 times" {
		t.Errorf("dead letter %+v", l)
	}
	if tries < 4 {
		t.Errorf("tried %d times", tries)
	}
}

func TestWhatWasNotTakenBeforeAKillComesAfterIt(t *testing.T) {
	b := openBench(t)
	var got taken
	f := ofLog("f", 10, 3, func(id string) error { got.add(id); return nil })
	joined, err := b.join(t.Context(), []driven{f})
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, 0, 15)
	// Killed between the function's work and the note that it was taken.
	loop := joined.sources[0].(*streamLoop)
	records, err := loop.feed.Next(t.Context(), "f", 10)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := loop.deliver(t.Context(), records); n != 10 || err != nil {
		t.Fatalf("delivered %d, %v", n, err)
	}
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(t)
	b.until(t, func() bool { return len(got.all()) == 25 }, f)
	if want := append(numbers(10), numbers(15)...); !slices.Equal(got.all(), want) {
		t.Errorf("came %v", got.all())
	}
	// What every consumer took is gone, and comes no more.
	if left, err := loop.feed.Next(t.Context(), "f", 10); err == nil && len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	b.write(t, 15, 1)
	b.until(t, func() bool { return len(got.all()) == 26 }, f)
}

func TestAWriteIsDispatchedWithinAFractionOfASecond(t *testing.T) {
	b := openBench(t)
	came := make(chan time.Time, 10)
	f := ofLog("f", 10, 3, func(string) error { came <- time.Now(); return nil })
	var began time.Time
	wrote, done := false, false
	start := time.Now()
	b.until(t, func() bool {
		if !wrote && time.Since(start) > 100*time.Millisecond { // it sleeps by now
			wrote, began = true, time.Now()
			b.write(t, 0, 1)
		}
		select {
		case at := <-came:
			if at.Sub(began) > time.Second {
				t.Errorf("took %s", at.Sub(began))
			}
			done = true
		default:
		}
		return done
	}, f)
}

func TestAMessageThatFailsComesAgainAloneAndIsADeadLetterInTheEnd(t *testing.T) {
	b := openBench(t)
	q := embedded.Queue{DB: b.db, Name: "q", Visibility: 20 * time.Millisecond, MaxReceives: 3}
	for _, body := range []string{"a", "bad", "b", "once", "panic"} {
		if err := q.Send(t.Context(), body, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := q.Send(t.Context(), "fifo", "group", "the same"); err != nil {
			t.Fatal(err)
		}
	}
	var got taken
	failedOnce := false
	f := driven{Name: "f", Queues: []queueSource{{Queue: q, Batch: 10}}, Ways: []gateway.Way{
		gateway.Queue(func(_ context.Context, body []byte) error {
			got.add(string(body))
			switch {
			case string(body) == "panic":
				panic("no")
			case string(body) == "bad", string(body) == "once" && !failedOnce:
				failedOnce = failedOnce || string(body) == "once"
				return errors.New("no")
			}
			return nil
		}),
	}}
	dead := embedded.DeadLetters{DB: b.db}
	b.until(t, func() bool {
		letters, err := dead.All(t.Context(), 10)
		return err == nil && len(letters) == 2
	}, f)
	count := map[string]int{}
	for _, s := range got.all() {
		count[s]++
	}
	if want := fmt.Sprint(map[string]int{"a": 1, "b": 1, "bad": 3, "once": 2, "panic": 3, "fifo": 1}); fmt.Sprint(count) != want {
		t.Errorf("came %v, want %s", count, want)
	}
	letters, err := dead.All(t.Context(), 10)
	if err != nil || letters[0].Source != "q" || letters[0].Body+letters[1].Body != "badpanic" && letters[0].Body+letters[1].Body != "panicbad" {
		t.Errorf("%+v, %v", letters, err)
	}
}

func TestASchedulesEventsComeAgainAfterFailing(t *testing.T) {
	b := openBench(t)
	var failing, panicking, twice taken
	b.again = func() bool { return len(twice.all())%2 == 1 }
	said := func(k *taken, then func() error) driven {
		return driven{Name: "f", Every: time.Millisecond, Ways: []gateway.Way{
			gateway.Schedule(func(context.Context) error { k.add(""); return then() })}}
	}
	b.until(t, func() bool { return len(failing.all()) > 4 && len(panicking.all()) > 4 && len(twice.all()) > 4 },
		said(&failing, func() error { return errors.New("示例") }), said(&panicking, func() error { panic("示例") }),
		said(&twice, func() error { return nil }))
	letters, err := (embedded.DeadLetters{DB: b.db}).All(t.Context(), 1)
	if err != nil || len(letters) != 1 || letters[0].Reason != "failed 3 times" {
		t.Errorf("%+v, %v", letters, err)
	}
	var e struct {
		DetailType string `json:"detail-type"`
		Source     string `json:"source"`
	}
	if err := json.Unmarshal([]byte(letters[0].Body), &e); err != nil || e.DetailType != "Scheduled Event" || e.Source != "aws.events" {
		t.Errorf("%s, %v", letters[0].Body, err)
	}
}

// TestTheDispatchHasTheSettingsOfTheTemplate compares every event source of the functions that run here.
func TestTheDispatchHasTheSettingsOfTheTemplate(t *testing.T) {
	data, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type source struct {
		Type       string `yaml:"Type"`
		Properties struct {
			Stream   yaml.Node `yaml:"Stream"`
			Queue    yaml.Node `yaml:"Queue"`
			Schedule yaml.Node `yaml:"Schedule"`
			Batch    int       `yaml:"BatchSize"`
			Attempts int       `yaml:"MaximumRetryAttempts"`
			Halves   bool      `yaml:"BisectBatchOnFunctionError"`
			Reports  []string  `yaml:"FunctionResponseTypes"`
			Criteria struct {
				Filters []struct {
					Pattern string `yaml:"Pattern"`
				} `yaml:"Filters"`
			} `yaml:"FilterCriteria"`
		} `yaml:"Properties"`
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				Code    yaml.Node         `yaml:"CodeUri"`
				Timeout yaml.Node         `yaml:"Timeout"`
				Events  map[string]source `yaml:"Events"`
				Visible yaml.Node         `yaml:"VisibilityTimeout"`
				Redrive struct {
					Receives int `yaml:"maxReceiveCount"`
				} `yaml:"RedrivePolicy"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(data, &template); err != nil {
		t.Fatal(err)
	}
	s, err := start(config{addr: "127.0.0.1:0", data: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop() })
	want := map[string][]string{}
	for _, r := range template.Resources {
		name := strings.TrimPrefix(r.Properties.Code.Value, "functions/")
		for _, e := range r.Properties.Events {
			p := e.Properties
			switch e.Type {
			case "DynamoDB":
				table := streamOf(&p.Stream)
				said := fmt.Sprint("stream ", table, " batch ", p.Batch, " attempts ", p.Attempts, " timeout ", r.Properties.Timeout.Value)
				for _, f := range p.Criteria.Filters {
					said += " " + f.Pattern
				}
				if !p.Halves || !slices.Contains(p.Reports, "ReportBatchItemFailures") {
					t.Errorf("%s does not halve batches, or does not report items of %s", name, table)
				}
				want[name] = append(want[name], said)
			case "SQS":
				queue := template.Resources[strings.TrimSuffix(p.Queue.Value, ".Arn")].Properties
				want[name] = append(want[name], fmt.Sprint("queue batch ", p.Batch, " hidden ", queue.Visible.Value, " receives ", queue.Redrive.Receives))
				if !slices.Contains(p.Reports, "ReportBatchItemFailures") {
					t.Errorf("%s does not report messages that fail", name)
				}
			case "Schedule":
				want[name] = append(want[name], "schedule "+p.Schedule.Value)
			}
		}
	}
	for _, f := range s.driven {
		var got []string
		for _, st := range f.Streams {
			said := fmt.Sprint("stream ", st.Table, " batch ", st.Batch, " attempts ", st.Attempts, " timeout ", int(f.Timeout.Seconds()))
			if pattern := st.pattern(); pattern != "" {
				said += " " + pattern
			}
			got = append(got, said)
		}
		for _, q := range f.Queues {
			got = append(got, fmt.Sprint("queue batch ", q.Batch, " hidden ", int(q.Queue.Visibility.Seconds()), " receives ", q.Queue.MaxReceives))
		}
		if f.Every > 0 {
			got = append(got, "schedule "+rate(f.Every))
		}
		slices.Sort(got)
		slices.Sort(want[f.Name])
		if !slices.Equal(got, want[f.Name]) {
			t.Errorf("%s is driven here by %q, in the template by %q", f.Name, got, want[f.Name])
		}
	}
}

// streamOf is the table whose stream an attribute names, as it stands or as the last of two cases.
func streamOf(n *yaml.Node) string {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return strings.ToLower(strings.TrimSuffix(n.Value, "Table.StreamArn"))
}

// pattern is the filter as the template writes it.
func (s streamSource) pattern() string {
	var parts []string
	if s.Insert {
		parts = append(parts, `"eventName": ["INSERT"]`)
	}
	if s.Prefix != "" {
		parts = append(parts, `"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "`+s.Prefix+`"}]}}}`)
	}
	if parts == nil {
		return ""
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func rate(d time.Duration) string {
	switch {
	case d == time.Minute:
		return "rate(1 minute)"
	case d == time.Hour:
		return "rate(1 hour)"
	case d%time.Hour == 0:
		return fmt.Sprintf("rate(%d hours)", d/time.Hour)
	}
	return fmt.Sprintf("rate(%d minutes)", d/time.Minute)
}
