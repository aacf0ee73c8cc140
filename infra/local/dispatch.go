package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/gateway"
)

// driven is a function that no request reaches, or not only: what drives it, with the settings that template.yaml has
// (TestTheDispatchHasTheSettingsOfTheTemplate).
type driven struct {
	Name    string // as in functions/
	Ways    []gateway.Way
	Timeout time.Duration  // of one invocation; [timeout] if zero
	Every   time.Duration  // the interval of its schedule, if it has one; it also runs at the start
	Streams []streamSource // the tables whose feeds it consumes
	Queues  []queueSource
}

// streamSource is an event source mapping for the stream of a table.
type streamSource struct {
	Table    string
	Prefix   string // filter: of the partition keys; "" for all
	Insert   bool   // filter: only what was not there before
	Batch    int    // records at most
	Attempts int    // retries after the first
}

// queueSource is an event source mapping for a queue.
type queueSource struct {
	Queue embedded.Queue
	Batch int // messages at most
}

// maxConsumers is how many functions may consume the stream of one table: more are throttled by DynamoDB (Developer
// Guide, "Read capacity throttling" of streams).
const maxConsumers = 2

// gathering is how long a source waits after it was woken, so that the writes of one act come as one batch.
const gathering = 50 * time.Millisecond

// grace is how long an invocation may go on after the dispatcher was told to stop.
const grace = 10 * time.Second

// scheduleAttempts is how often a scheduled invocation is tried again (MaximumRetryAttempts of the template).
const scheduleAttempts = 2

// dispatcher brings schedule, stream and queue events to the functions that they drive, in the shapes of AWS:
//
//	a write ── feed of its table ── batch ── the function's handler ── failed items
//	              └ where each consumer stands is kept ◄── taken ─────────┘
//
// At least once, as in AWS: what a function was given before a kill and was not noted as taken comes again.
type dispatcher struct {
	db  *embedded.DB
	log *slog.Logger
	now func() time.Time
	// again, where it is set, has a batch that was taken delivered once more: tests do.
	again func() bool
	// pause is how long to wait before an attempt, the first retry being 1; [backOff] if nil.
	pause func(attempt int) time.Duration
}

// backOff doubles from ten milliseconds to five seconds.
func backOff(attempt int) time.Duration {
	return min(10*time.Millisecond<<min(attempt-1, 10), 5*time.Second)
}

// source is something that has events for a function until it has no more for now; next says when it may have some
// without a write: zero, never.
type source interface {
	drain(ctx context.Context) (next time.Time)
}

// join makes the functions consumers of what drives them, and nothing else.
func (d dispatcher) join(ctx context.Context, list []driven) (*dispatch, error) {
	consumers, joined := map[string][]string{}, &dispatch{dispatcher: d}
	for _, f := range list {
		to := consumer{dispatcher: d, timeout: f.Timeout,
			runtime: gateway.Runtime{Name: f.Name, Log: slog.New(warnings{d.log.Handler()}), Now: d.now, Ways: f.Ways}}
		if to.timeout == 0 {
			to.timeout = timeout
		}
		for _, s := range f.Streams {
			consumers[s.Table] = append(consumers[s.Table], f.Name)
			if len(consumers[s.Table]) > maxConsumers {
				return nil, fmt.Errorf("the stream of %s has more than %d consumers", s.Table, maxConsumers)
			}
			feed := embedded.Feed{DB: d.db, Table: s.Table}
			if err := feed.Join(ctx, f.Name); err != nil {
				return nil, fmt.Errorf("joining the feed of %s: %w", s.Table, err)
			}
			joined.sources = append(joined.sources, &streamLoop{to, s, feed})
		}
		for _, q := range f.Queues {
			joined.sources = append(joined.sources, &queueLoop{to, q})
		}
		if f.Every > 0 {
			joined.scheduled = append(joined.scheduled, schedule{to, f.Every})
		}
	}
	for table, names := range consumers {
		if err := (embedded.Feed{DB: d.db, Table: table}).Keep(ctx, names...); err != nil {
			return nil, fmt.Errorf("keeping the consumers of the feed of %s: %w", table, err)
		}
	}
	return joined, nil
}

// warnings leaves out the line of every invocation that went well: there is one after each write.
type warnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// dispatch is what a dispatcher joined.
type dispatch struct {
	dispatcher
	sources   []source
	scheduled []schedule
}

// run dispatches until ctx ends and everything that was under way has ended.
func (d *dispatch) run(ctx context.Context) {
	var loops sync.WaitGroup
	for _, s := range d.sources {
		loops.Go(func() { d.watch(ctx, s) })
	}
	for _, s := range d.scheduled {
		loops.Go(func() { s.run(ctx) })
	}
	loops.Wait()
}

// watch drains a source now, and whenever the store was written to.
func (d dispatcher) watch(ctx context.Context, s source) {
	woken, leave := d.db.Woken()
	defer leave()
	for {
		next := s.drain(ctx)
		var alarm <-chan time.Time
		var timer *time.Timer
		if !next.IsZero() {
			timer = time.NewTimer(max(next.Sub(d.now()), gathering))
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
		case <-alarm:
		case <-woken:
			wait(ctx, gathering)
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// wait tells whether the time went by before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// consumer is a function that events are brought to.
type consumer struct {
	dispatcher
	runtime gateway.Runtime
	timeout time.Duration
}

// invoke runs the function once. It may finish within the grace what is under way when ctx ends.
func (t consumer) invoke(ctx context.Context, event []byte) ([]byte, error) {
	invocation, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if wait(invocation, grace) {
			cancel()
		}
	})
	defer stop()
	return t.runtime.Invoke(invocation, event)
}

// schedule is an interval at which a function runs.
type schedule struct {
	consumer
	every time.Duration
}

// run invokes the function now and at its interval, never twice at a time. What fails is tried again as an asynchronous
// invocation of Lambda is, and is a dead letter then.
func (s schedule) run(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.once(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (s schedule) once(ctx context.Context) {
	event, err := scheduled(s.runtime.Name, s.now())
	for attempt := 1; err == nil; attempt++ {
		_, failure := s.invoke(ctx, event)
		switch {
		case failure == nil && (s.again == nil || !s.again()):
			return
		case failure == nil:
		case attempt > scheduleAttempts:
			s.dead(ctx, embedded.DeadLetter{Source: "schedule", Body: string(event),
				Reason: fmt.Sprintf("failed %d times", attempt)}, failure)
			return
		case !wait(ctx, s.wait(attempt)):
			return
		}
	}
	s.log.ErrorContext(ctx, "schedule event not encoded", "function", s.runtime.Name, "error", err.Error())
}

// dead keeps what was tried often enough.
func (t consumer) dead(ctx context.Context, l embedded.DeadLetter, why error) {
	l.Time, l.Function = t.now(), t.runtime.Name
	t.log.ErrorContext(ctx, "dead letter", "function", l.Function, "source", l.Source, "error", why.Error())
	if err := (embedded.DeadLetters{DB: t.db}).Add(ctx, l); err != nil {
		t.log.ErrorContext(ctx, "dead letter not kept", "function", l.Function, "error", err.Error())
	}
}

func (t consumer) wait(attempt int) time.Duration {
	if t.pause != nil {
		return t.pause(attempt)
	}
	return backOff(attempt)
}

// scheduled is what EventBridge sends (EventBridge User Guide, "Scheduled events").
func scheduled(function string, at time.Time) ([]byte, error) {
	return json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("%s-%d", function, at.UnixNano()), "detail-type": "Scheduled Event",
		"source": "aws.events", "account": "000000000000", "time": at.UTC().Format(time.RFC3339), "region": "local",
		"resources": []string{"arn:aws:events:local:000000000000:rule/" + function}, "detail": map[string]any{},
	})
}

// failures is what functions answer to batches.
type failures struct {
	Items []struct {
		ID string `json:"itemIdentifier"`
	} `json:"batchItemFailures"`
}

// failed reads an answer; an item without an identifier fails the batch, and so does what is no such answer.
func failed(answer []byte) ([]string, error) {
	var f failures
	if err := json.Unmarshal(answer, &f); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	var ids []string
	for _, i := range f.Items {
		if i.ID == "" {
			return nil, errors.New("the answer has an item without an identifier")
		}
		ids = append(ids, i.ID)
	}
	return ids, nil
}

// streamLoop brings the feed of a table to one of its consumers.
type streamLoop struct {
	consumer
	streamSource
	feed embedded.Feed
}

func (l *streamLoop) drain(ctx context.Context) (next time.Time) {
	limit, attempt := l.Batch, 0
	for ctx.Err() == nil {
		records, err := l.feed.Next(ctx, l.runtime.Name, limit)
		if err != nil {
			l.log.ErrorContext(ctx, "feed not read", "table", l.Table, "function", l.runtime.Name, "error", err.Error())
			return l.now().Add(time.Second)
		}
		if len(records) == 0 {
			return time.Time{}
		}
		wanted := slices.DeleteFunc(slices.Clone(records), func(r embedded.StreamRecord) bool { return !l.wants(r) })
		done, err := l.deliver(ctx, wanted)
		switch {
		case err == nil: // all of it
			limit, attempt = l.Batch, 0
			done = len(records)
		case done > 0: // from the first that failed on they come again
			limit, attempt = l.Batch, 0
			done = slices.IndexFunc(records, func(r embedded.StreamRecord) bool {
				return r.SequenceNumber() == wanted[done].SequenceNumber()
			})
		case len(wanted) > 1: // halves, until the one that fails is alone; that is no retry
			limit = slices.IndexFunc(records, func(r embedded.StreamRecord) bool {
				return r.SequenceNumber() == wanted[len(wanted)/2].SequenceNumber()
			})
			continue
		case attempt < l.Attempts:
			attempt++
			if !wait(ctx, l.wait(attempt)) {
				return time.Time{}
			}
			continue
		default:
			kind, _, _ := strings.Cut(wanted[0].Key(), "#") // the rest may name somebody
			l.dead(ctx, embedded.DeadLetter{Source: l.Table, Body: kind + " " + wanted[0].SequenceNumber(),
				Reason: fmt.Sprintf("failed %d times", attempt+1)}, err)
			limit, attempt = l.Batch, 0
			done = len(records)
		}
		if err := l.feed.Take(ctx, l.runtime.Name, records[done-1].SequenceNumber()); err != nil {
			l.log.ErrorContext(ctx, "feed not moved", "table", l.Table, "function", l.runtime.Name, "error", err.Error())
			return l.now().Add(time.Second)
		}
	}
	return time.Time{}
}

func (l *streamLoop) wants(r embedded.StreamRecord) bool {
	return strings.HasPrefix(r.Key(), l.Prefix) && (!l.Insert || r.EventName == "INSERT")
}

// deliver invokes the function with records. It returns how many were taken, with an error unless all were.
func (l *streamLoop) deliver(ctx context.Context, records []embedded.StreamRecord) (taken int, err error) {
	if len(records) == 0 {
		return 0, nil
	}
	event, err := json.Marshal(map[string][]embedded.StreamRecord{"Records": records})
	if err != nil {
		return 0, err
	}
	for {
		answer, err := l.invoke(ctx, event)
		if err != nil {
			return 0, err
		}
		ids, err := failed(answer)
		if err != nil {
			return 0, err
		}
		taken = len(records)
		for _, id := range ids { // the lowest counts
			i := slices.IndexFunc(records, func(r embedded.StreamRecord) bool { return r.SequenceNumber() == id })
			if i < 0 {
				return 0, fmt.Errorf("the answer names record %s, which was not in the batch", id)
			}
			taken = min(taken, i)
		}
		if taken < len(records) {
			return taken, fmt.Errorf("record %s was not taken", records[taken].SequenceNumber())
		}
		if l.again == nil || !l.again() {
			return taken, nil
		}
	}
}

// queueLoop brings the messages of a queue to its function.
type queueLoop struct {
	consumer
	queueSource
}

func (l *queueLoop) drain(ctx context.Context) (next time.Time) {
	for ctx.Err() == nil {
		messages, next, err := l.Queue.Receive(ctx, l.Batch)
		if err != nil {
			l.log.ErrorContext(ctx, "queue not read", "queue", l.Queue.Name, "error", err.Error())
			return l.now().Add(time.Second)
		}
		if len(messages) == 0 {
			return next
		}
		for _, receipt := range l.deliver(ctx, messages) {
			if err := l.Queue.Delete(ctx, receipt); err != nil {
				l.log.ErrorContext(ctx, "message not removed", "queue", l.Queue.Name, "error", err.Error())
			}
		}
	}
	return time.Time{}
}

// deliver invokes the function with messages and returns the receipts of those that were taken. The others come again
// when they are visible again.
func (l *queueLoop) deliver(ctx context.Context, messages []embedded.QueueMessage) (receipts []string) {
	event, err := json.Marshal(map[string][]embedded.QueueMessage{"Records": messages})
	if err != nil {
		l.log.ErrorContext(ctx, "messages not encoded", "queue", l.Queue.Name, "error", err.Error())
		return nil
	}
	for {
		answer, err := l.invoke(ctx, event)
		if err != nil {
			return nil // the runtime logged it
		}
		ids, err := failed(answer)
		if err != nil {
			l.log.ErrorContext(ctx, "messages not taken", "queue", l.Queue.Name, "error", err.Error())
			return nil
		}
		receipts = nil
		for _, m := range messages {
			if !slices.Contains(ids, m.MessageID) {
				receipts = append(receipts, m.ReceiptHandle)
			}
		}
		if l.again == nil || !l.again() {
			return receipts
		}
	}
}
