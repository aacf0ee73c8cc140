package aws_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
)

// mapping does what the event source mapping of a stream does (AWS Lambda Developer Guide, "Using AWS Lambda with Amazon
// DynamoDB", sections on partial batch responses and on splitting batches): after a partial failure it begins again with
// the first record that failed, after an error of the function it splits the batch in two.
func mapping(t *testing.T, invoke func(batch []events.DynamoDBEventRecord) (*events.DynamoDBEventResponse, bool), records []events.DynamoDBEventRecord, tries int) {
	t.Helper()
	for ; len(records) > 0; tries-- {
		if tries == 0 {
			t.Fatalf("%d records did not come through", len(records))
		}
		answer, lived := invoke(records)
		if !lived {
			if len(records) > 1 {
				half := len(records) / 2
				mapping(t, invoke, records[:half], tries-1)
				records = records[half:]
			}
			continue
		}
		if len(answer.BatchItemFailures) == 0 {
			return
		}
		first := -1
		for i, r := range records {
			for _, f := range answer.BatchItemFailures {
				if first < 0 && r.Change.SequenceNumber == f.ItemIdentifier {
					first = i
				}
			}
		}
		if first < 0 {
			t.Fatalf("what failed is none of the batch: %v", answer.BatchItemFailures)
		}
		records = records[first:]
	}
}

// TestAStreamBringsEveryEventOnce lets log-append meet throttling and death at every record, and the same records twice.
func TestAStreamBringsEveryEventOnce(t *testing.T) {
	p := newPlatform(t)
	const records = 12
	for name, process := range map[string]func(n int) *process{
		"throttled": func(n int) *process {
			return p.faultyProcess(&faulty{fault: passingFaults()["throttled"], stays: true, at: n % (records + 2)})
		},
		"dies before":   func(n int) *process { return p.process(n%4, false) },
		"dies after":    func(n int) *process { return p.process(n%4, true) },
		"loses answers": func(n int) *process { return p.faultyProcess(&faulty{fault: lost, at: n%5 + 1}) },
		"has no right for it": func(n int) *process {
			return p.faultyProcess(&faulty{fault: wrongFaults()["access denied"], at: n % 3})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := "seal/" + strings.ReplaceAll(name, " ", "-")
			var batch []events.DynamoDBEventRecord
			for i := range records {
				e := audit.Event{ID: fmt.Sprintf("%s-%02d", object, i), Time: noon.Add(time.Duration(i) * time.Second), Action: "seal.stamp",
					Object: object, Outcome: audit.Done}
				text, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				r := events.DynamoDBEventRecord{EventName: "INSERT", EventSource: "aws:dynamodb", Change: events.DynamoDBStreamRecord{
					SequenceNumber: fmt.Sprint(1000 + i), NewImage: map[string]events.DynamoDBAttributeValue{
						"pk": events.NewStringAttribute("order#" + fmt.Sprint(i)), "event": events.NewStringAttribute(string(text))}}}
				batch = append(batch, r)
				if i%3 == 0 {
					batch = append(batch, r) // what the stream brings twice
				}
			}
			n := 0
			mapping(t, func(list []events.DynamoDBEventRecord) (*events.DynamoDBEventResponse, bool) {
				n++
				s := process(n)
				event, err := json.Marshal(events.DynamoDBEvent{Records: list})
				if err != nil {
					t.Fatal(err)
				}
				f := gateway.Runtime{Name: "log-append", Log: slog.New(slog.DiscardHandler), Now: p.now,
					Ways: []gateway.Way{aws.Stream(aws.Trail{Events: aws.Events{DB: s.db}}.Append)}}
				var answer events.DynamoDBEventResponse
				worked := false
				lived := s.live(func() {
					data, err := f.Invoke(t.Context(), event)
					if err != nil {
						return // an error of the function
					}
					worked = true
					if err := json.Unmarshal(data, &answer); err != nil {
						t.Error(err)
					}
				})
				return &answer, lived && worked
			}, batch, 200)
			list, err := aws.Events{DB: p.store.DB}.ByObject(t.Context(), object)
			if err != nil || len(list) != records {
				t.Fatalf("%d events in the trail, %v, want %d", len(list), err, records)
			}
			for i, e := range list {
				if e.ID != fmt.Sprintf("%s-%02d", object, i) {
					t.Errorf("event %d is %s", i, e.ID)
				}
			}
			if n < 2 && name != "loses answers" { // that the SDK bears
				t.Errorf("the function was invoked %d times", n)
			}
		})
	}
}

// TestAQueueBringsEveryJobToOneEnd delivers the messages of jobs in batches to the function job, several processes at a
// time, each message twice, and again whatever failed, until nothing fails.
func TestAQueueBringsEveryJobToOneEnd(t *testing.T) {
	p := newPlatform(t)
	job := doAJob()
	var ids []string
	for range 3 {
		ids = append(ids, job.begin(t, p))
	}
	messages := map[string]string{} // message to job
	for i, id := range ids {
		for copy := range 2 {
			messages[fmt.Sprintf("m%d-%d", i, copy)] = id
		}
	}
	for round := range 8 {
		failed := make(chan string, 100)
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			for _, dies := range []int{0, round + 2, 0} { // one of the processes dies
				s := p.processAt(dies, true, time.Duration(round)*time.Hour/2)
				event := events.SQSEvent{}
				for m, id := range messages {
					event.Records = append(event.Records, events.SQSMessage{MessageId: m, EventSource: "aws:sqs", Body: fmt.Sprintf(`{"job":%q}`, id)})
				}
				t.Run("delivery", func(t *testing.T) {
					t.Parallel()
					data, err := json.Marshal(event)
					if err != nil {
						t.Fatal(err)
					}
					f := gateway.Runtime{Name: "job", Log: slog.New(slog.DiscardHandler), Now: p.now, Ways: []gateway.Way{aws.QueuedJobs(s.work)}}
					var answer events.SQSEventResponse
					lived := s.live(func() {
						if data, err = f.Invoke(t.Context(), data); err == nil {
							err = json.Unmarshal(data, &answer)
						}
						if err != nil {
							t.Error(err)
						}
					})
					s.signed(t)
					for _, m := range event.Records {
						if !lived {
							failed <- m.MessageId
						}
					}
					for _, f := range answer.BatchItemFailures {
						failed <- f.ItemIdentifier
					}
				})
			}
		})
		close(failed)
		again := map[string]string{}
		for m := range failed {
			again[m] = messages[m]
		}
		if messages = again; len(messages) == 0 {
			break
		}
	}
	if len(messages) > 0 {
		t.Errorf("%v still fail", messages)
	}
	for _, id := range ids {
		if state := p.checkJob(t, id); state != "done" {
			t.Errorf("job %s is %s", id, state)
		}
	}
	if _, err := (dynamotest.Events{Store: p.store}).ByObject(t.Context(), "seal/"+p.seal); err != nil {
		t.Error(err)
	}
	p.whole(t)
}
