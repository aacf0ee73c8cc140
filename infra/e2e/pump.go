package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// streamRecord is one record of a stream as GetRecords gives it and as Lambda passes it on (Amazon DynamoDB Streams API
// Reference, "Record"; AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB").
type streamRecord struct {
	EventID        string       `json:"eventID"`
	EventName      string       `json:"eventName"`
	EventVersion   string       `json:"eventVersion"`
	EventSource    string       `json:"eventSource"`
	AWSRegion      string       `json:"awsRegion"`
	DynamoDB       streamChange `json:"dynamodb"`
	EventSourceARN string       `json:"eventSourceARN"`
}

type streamChange struct {
	Created        float64         `json:"ApproximateCreationDateTime"`
	Keys           json.RawMessage `json:"Keys"`
	NewImage       json.RawMessage `json:"NewImage,omitempty"`
	OldImage       json.RawMessage `json:"OldImage,omitempty"`
	SequenceNumber string          `json:"SequenceNumber"`
	SizeBytes      int             `json:"SizeBytes"`
	StreamViewType string          `json:"StreamViewType"`
}

// batchAnswer is what a function with ReportBatchItemFailures says.
type batchAnswer struct {
	Failures []struct {
		Item string `json:"itemIdentifier"`
	} `json:"batchItemFailures"`
}

// deliver is an invocation of a function by a source of events. Everything is delivered twice: at least once is what
// the sources promise.
func (s *AWS) deliver(ctx context.Context, f *deployed, event any) (batchAnswer, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return batchAnswer{}, err
	}
	var a batchAnswer
	for range 2 {
		answer, failed, err := f.process.Invoke(ctx, data)
		if err != nil {
			return a, err
		}
		if failed != "" {
			return a, fmt.Errorf("%s: %s: %w\n%s", f.Folder, answer, errFunction, strings.Join(f.process.Tail(), "\n"))
		}
		a = batchAnswer{}
		if len(answer) > 0 {
			if err := json.Unmarshal(answer, &a); err != nil {
				return a, fmt.Errorf("%s: reading the answer %.200s: %w", f.Folder, answer, err)
			}
		}
	}
	return a, nil
}

var errFunction = errors.New("the function failed")

const (
	maxTries  = 5   // of one batch, where the template allows more
	maxRounds = 100 // of a pump until nothing comes any more
)

// Pump takes everything that streams and queues hold to their functions, until they hold nothing.
func (s *AWS) Pump(ctx context.Context) error {
	for range maxRounds {
		moved := 0
		for _, name := range slices.Sorted(maps.Keys(s.functions)) {
			f := s.functions[name]
			for _, source := range f.Streams {
				n, err := s.pumpStream(ctx, f, source)
				if err != nil {
					return fmt.Errorf("%s of %s: %w", source.Name, f.Folder, err)
				}
				moved += n
			}
			for _, source := range f.Queues {
				n, err := s.pumpQueue(ctx, f, source)
				if err != nil {
					return fmt.Errorf("%s of %s: %w", source.Name, f.Folder, err)
				}
				moved += n
			}
		}
		if moved == 0 {
			return nil
		}
	}
	return errors.New("the streams and queues never become empty")
}

// pumpStream hands the new records of a stream to a function, in order and in batches.
func (s *AWS) pumpStream(ctx context.Context, f *deployed, source StreamSource) (n int, err error) {
	consumer := f.Folder + " " + source.ARN // each has its own place in the stream
	if s.shards[consumer] == nil {
		s.shards[consumer] = map[string]string{}
	}
	var described struct {
		StreamDescription struct {
			Shards         []struct{ ShardId string }
			StreamViewType string
		}
	}
	if err := s.operator.call(ctx, s.streams(), "DescribeStream", map[string]any{"StreamArn": source.ARN},
		&described); err != nil {
		return 0, err
	}
	for _, shard := range described.StreamDescription.Shards {
		at := s.shards[consumer][shard.ShardId]
		if at == "" {
			var got struct{ ShardIterator string }
			if err := s.operator.call(ctx, s.streams(), "GetShardIterator", map[string]any{"StreamArn": source.ARN,
				"ShardId": shard.ShardId, "ShardIteratorType": "TRIM_HORIZON"}, &got); err != nil {
				return n, err
			}
			at = got.ShardIterator
		}
		for {
			var got struct {
				Records           []streamRecord
				NextShardIterator string
			}
			if err := s.operator.call(ctx, s.streams(), "GetRecords", map[string]any{"ShardIterator": at, "Limit": 1000},
				&got); err != nil {
				return n, err
			}
			at = got.NextShardIterator
			s.shards[consumer][shard.ShardId] = at
			if len(got.Records) == 0 {
				break
			}
			var wanted []streamRecord
			for _, r := range got.Records {
				r.EventSourceARN, r.EventSource = source.ARN, "aws:dynamodb"
				r.DynamoDB.StreamViewType = described.StreamDescription.StreamViewType
				passes, err := filtered(source.Filters, r)
				if err != nil {
					return n, err
				}
				if passes {
					wanted = append(wanted, r)
				}
			}
			for batch := range slices.Chunk(wanted, source.Batch) {
				if err := s.batch(ctx, f, source, batch, min(source.Retries, maxTries)); err != nil {
					return n, err
				}
			}
			n += len(got.Records)
		}
	}
	return n, nil
}

// batch delivers one batch. What fails comes again from there on; a batch that fails as a whole is cut in two where the
// template says so; what fails too often goes to the queue for failures.
func (s *AWS) batch(ctx context.Context, f *deployed, source StreamSource, records []streamRecord, tries int) error {
	for len(records) > 0 {
		a, err := s.deliver(ctx, f, map[string]any{"Records": records})
		switch {
		case err != nil && !errors.Is(err, errFunction):
			return err
		case err == nil && (!source.Partial || len(a.Failures) == 0):
			return nil
		case err == nil:
			from := slices.IndexFunc(records, func(r streamRecord) bool { return r.DynamoDB.SequenceNumber == a.Failures[0].Item })
			if from < 0 {
				return fmt.Errorf("%s names a record that it did not get: %q", f.Folder, a.Failures[0].Item)
			}
			records = records[from:]
		case source.Bisect && len(records) > 1:
			if err := s.batch(ctx, f, source, records[:len(records)/2], tries); err != nil {
				return err
			}
			records = records[len(records)/2:]
			continue
		}
		if tries--; tries <= 0 {
			return errors.Join(err, s.dead(ctx, source, records[0]),
				fmt.Errorf("record %s cannot be taken", records[0].DynamoDB.SequenceNumber))
		}
	}
	return nil
}

// dead sends the place of a record to the queue for failures (developer guide, "Capturing discarded batches").
func (s *AWS) dead(ctx context.Context, source StreamSource, r streamRecord) error {
	if source.Failures == "" {
		return nil
	}
	body, err := json.Marshal(map[string]any{"version": "1.0", "timestamp": time.Now().UTC(), "DDBStreamBatchInfo": map[string]any{
		"streamArn": source.ARN, "startSequenceNumber": r.DynamoDB.SequenceNumber, "batchSize": 1,
	}})
	if err != nil {
		return err
	}
	return s.operator.call(ctx, s.sqs(), "SendMessage", map[string]any{"QueueUrl": s.queues[source.Failures],
		"MessageBody": string(body)}, nil)
}

// queueMessage is a message as Lambda passes it on (developer guide, "Using Lambda with Amazon SQS").
type queueMessage struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              string            `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes map[string]any    `json:"messageAttributes"`
	MD5OfBody         string            `json:"md5OfBody"`
	EventSource       string            `json:"eventSource"`
	EventSourceARN    string            `json:"eventSourceARN"`
	AWSRegion         string            `json:"awsRegion"`
}

// pumpQueue hands the messages of a queue to a function. What it reports as failed becomes visible again at once, and
// goes to the dead-letter queue after as many times as the queue's own policy says.
func (s *AWS) pumpQueue(ctx context.Context, f *deployed, source QueueSource) (n int, err error) {
	url := s.queues[source.ARN]
	if url == "" {
		return 0, fmt.Errorf("there is no queue %s", source.ARN)
	}
	for range maxRounds {
		var got struct {
			Messages []struct {
				MessageId, ReceiptHandle, Body, MD5OfBody string
				Attributes                                map[string]string
			}
		}
		if err := s.operator.call(ctx, s.sqs(), "ReceiveMessage", map[string]any{"QueueUrl": url,
			"MaxNumberOfMessages": min(source.Batch, 10), "AttributeNames": []string{"All"}}, &got); err != nil {
			return n, err
		}
		if len(got.Messages) == 0 {
			return n, nil
		}
		var records []queueMessage
		for _, m := range got.Messages {
			records = append(records, queueMessage{MessageID: m.MessageId, ReceiptHandle: m.ReceiptHandle, Body: m.Body,
				Attributes: m.Attributes, MessageAttributes: map[string]any{}, MD5OfBody: m.MD5OfBody, EventSource: "aws:sqs",
				EventSourceARN: source.ARN, AWSRegion: region})
		}
		a, err := s.deliver(ctx, f, map[string]any{"Records": records})
		if err != nil && !errors.Is(err, errFunction) {
			return n, err
		}
		for _, r := range records {
			bad := err != nil || source.Partial && slices.ContainsFunc(a.Failures, func(b struct {
				Item string `json:"itemIdentifier"`
			}) bool {
				return b.Item == r.MessageID
			})
			operation, in := "DeleteMessage", map[string]any{"QueueUrl": url, "ReceiptHandle": r.ReceiptHandle}
			if bad {
				operation, in["VisibilityTimeout"] = "ChangeMessageVisibility", 0
			}
			if err := s.operator.call(ctx, s.sqs(), operation, in, nil); err != nil {
				return n, err
			}
		}
		n += len(records)
	}
	return n, fmt.Errorf("the queue never becomes empty")
}

// Receive implements [Backend].
func (s *AWS) Receive(ctx context.Context, queue string) (list []string, err error) {
	url := s.queues[s.Template.made[queue]["Arn"]]
	if url == "" {
		return nil, fmt.Errorf("there is no queue %s", queue)
	}
	for range maxRounds {
		var got struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		if err := s.operator.call(ctx, s.sqs(), "ReceiveMessage", map[string]any{"QueueUrl": url, "MaxNumberOfMessages": 10},
			&got); err != nil {
			return nil, err
		}
		if len(got.Messages) == 0 {
			return list, nil
		}
		for _, m := range got.Messages {
			list = append(list, m.Body)
			if err := s.operator.call(ctx, s.sqs(), "DeleteMessage", map[string]any{"QueueUrl": url,
				"ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
				return nil, err
			}
		}
	}
	return nil, errors.New("the queue never becomes empty")
}

// Dead are the messages of all queues for failures.
func (s *AWS) Dead(ctx context.Context) (list []string, err error) {
	for _, queue := range slices.Sorted(maps.Keys(s.Template.made)) {
		if strings.HasSuffix(queue, "DeadLetters") {
			messages, err := s.Receive(ctx, queue)
			if err != nil {
				return nil, err
			}
			for _, m := range messages {
				list = append(list, queue+": "+m)
			}
		}
	}
	return list, nil
}

// Schedule sends a function what EventBridge sends at an interval (Amazon EventBridge User Guide, "Scheduled events").
func (s *AWS) Schedule(ctx context.Context, folder string) error {
	f := s.functions[folder]
	if f == nil || !f.LambdaFunction.Schedule {
		return fmt.Errorf("nothing schedules %q", folder)
	}
	id := suffix() + suffix() + suffix()
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:32]),
		"detail-type": "Scheduled Event", "source": "aws.events", "account": accountID, "time": time.Now().UTC().Format(time.RFC3339),
		"region": region, "resources": []string{
			fmt.Sprintf("arn:aws:events:%s:%s:rule/%s-%s", region, accountID, stackName, f.Logical)},
		"detail": map[string]any{},
	})
	if err != nil {
		return err
	}
	_, err = s.Operate(ctx, folder, event)
	return err
}

// filtered tells whether a record passes one of the filters; without filters all do (developer guide, "Control which
// events Lambda sends to your function").
func filtered(filters []string, record any) (bool, error) {
	if len(filters) == 0 {
		return true, nil
	}
	data, err := json.Marshal(record)
	if err != nil {
		return false, err
	}
	var event any
	if err := json.Unmarshal(data, &event); err != nil {
		return false, err
	}
	for _, text := range filters {
		var pattern map[string]any
		if err := json.Unmarshal([]byte(text), &pattern); err != nil {
			return false, fmt.Errorf("the filter %s: %w", text, err)
		}
		ok, err := matches(pattern, event)
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// matches compares a pattern with an event: every member of the pattern is in the event, and one of its values fits.
func matches(pattern map[string]any, event any) (bool, error) {
	members, _ := event.(map[string]any)
	for name, want := range pattern {
		switch w := want.(type) {
		case map[string]any:
			if ok, err := matches(w, members[name]); !ok || err != nil {
				return false, err
			}
		case []any:
			have, there := members[name]
			fits := false
			for _, one := range w {
				ok, err := fitsOne(one, have, there)
				if err != nil {
					return false, err
				}
				fits = fits || ok
			}
			if !fits {
				return false, nil
			}
		default:
			return false, fmt.Errorf("a filter has %v where a list belongs", want)
		}
	}
	return true, nil
}

func fitsOne(want, have any, there bool) (bool, error) {
	rule, special := want.(map[string]any)
	if !special {
		return there && want == have, nil
	}
	text, isText := have.(string)
	for name, value := range rule {
		switch name {
		case "exists":
			return there == (value == true), nil
		case "prefix":
			p, _ := value.(string)
			return isText && strings.HasPrefix(text, p), nil
		case "suffix":
			p, _ := value.(string)
			return isText && strings.HasSuffix(text, p), nil
		case "anything-but":
			list, ok := value.([]any)
			if !ok {
				list = []any{value}
			}
			return there && !slices.Contains(list, have), nil
		}
		return false, fmt.Errorf("filters by %q are not known here", name)
	}
	return false, errors.New("a filter has an empty rule")
}
