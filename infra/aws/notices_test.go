package aws_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/notice"
	"github.com/yinxin/yinxin/shared/notice/noticetest"
)

// fifo is a FIFO queue as SQS documents it (Developer Guide, "Exactly-once processing in Amazon SQS"; API Reference,
// "SendMessage"): it takes a message, and one with the same deduplication identifier without delivering it.
type fifo struct {
	mu     sync.Mutex
	bodies []string
	seen   []string
	groups []string
	failed int // how many requests fail from now on
	wrong  []string
}

// allowed are the characters of MessageGroupId and MessageDeduplicationId, of which there may be 128.
var allowed = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

func (q *fifo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var m map[string]string
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		q.wrong = append(q.wrong, err.Error())
	}
	if r.Method != "POST" || r.URL.Path != "/" || r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" ||
		r.Header.Get("Content-Type") != "application/x-amz-json-1.0" ||
		!strings.Contains(r.Header.Get("Authorization"), "/eu-north-1/sqs/aws4_request") {
		q.wrong = append(q.wrong, r.Method+" "+r.URL.Path)
	}
	if len(m) != 4 || m["QueueUrl"] != "https://sqs.eu-north-1.amazonaws.com/123456789012/notices.fifo" ||
		!allowed.MatchString(m["MessageGroupId"]) || !allowed.MatchString(m["MessageDeduplicationId"]) {
		q.wrong = append(q.wrong, m["QueueUrl"]+" "+m["MessageGroupId"]+" "+m["MessageDeduplicationId"])
	}
	if q.failed > 0 {
		q.failed--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if !slices.Contains(q.seen, m["MessageDeduplicationId"]) {
		q.seen, q.bodies = append(q.seen, m["MessageDeduplicationId"]), append(q.bodies, m["MessageBody"])
		q.groups = append(q.groups, m["MessageGroupId"])
	}
	_, _ = w.Write([]byte(`{"MessageId":"m1","MD5OfMessageBody":"","SequenceNumber":"1"}`))
}

func openNotices(t *testing.T) (aws.Notices, *fifo) {
	t.Helper()
	q := &fifo{}
	s := httptest.NewServer(q)
	t.Cleanup(func() {
		s.Close()
		if len(q.wrong) > 0 {
			t.Errorf("requests were wrong: %q", q.wrong)
		}
	})
	return aws.Notices{
		URL: "https://sqs.eu-north-1.amazonaws.com/123456789012/notices.fifo",
		Config: sdk.Config{Region: "eu-north-1", BaseEndpoint: sdk.String(s.URL),
			Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "token")},
		Now: time.Now,
	}, q
}

func (q *fifo) notices(t *testing.T) (list []notice.Notice) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range q.bodies {
		var n notice.Notice
		if err := json.Unmarshal([]byte(body), &n); err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

func TestNotices(t *testing.T) {
	noticetest.Sender(t, func(t *testing.T) (notice.Sender, noticetest.Sent) {
		s, q := openNotices(t)
		return s, q.notices
	})
}

// TestNoticesOnAServer runs the contract with the server of SQS_ENDPOINT.
func TestNoticesOnAServer(t *testing.T) {
	endpoint := os.Getenv("SQS_ENDPOINT")
	switch {
	case endpoint != "":
	case os.Getenv("YINXIN_REQUIRE_TOOLS") != "":
		t.Fatal("needs SQS_ENDPOINT; python3 infra/aws/moto.py -- go test ./infra/aws/... sets it")
	default:
		t.Skip("needs SQS_ENDPOINT")
	}
	call := func(t *testing.T, operation string, in, out any) {
		t.Helper()
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), "POST", endpoint+"/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		sum := sha256.Sum256(body)
		if err := v4.NewSigner().SignHTTP(t.Context(), sdk.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, r,
			hex.EncodeToString(sum[:]), "sqs", "eu-north-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", operation, answer.Status)
		}
		if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	var made atomic.Int32
	noticetest.Sender(t, func(t *testing.T) (notice.Sender, noticetest.Sent) {
		s, _ := openNotices(t)
		s.Config.BaseEndpoint = sdk.String(endpoint)
		var queue struct{ QueueUrl string }
		call(t, "CreateQueue", map[string]any{"QueueName": fmt.Sprintf("notices-%d-%d.fifo", time.Now().UnixNano(), made.Add(1)),
			"Attributes": map[string]string{"FifoQueue": "true"}}, &queue)
		s.URL = queue.QueueUrl
		return s, func(t *testing.T) (list []notice.Notice) {
			t.Helper()
			for {
				var got struct{ Messages []struct{ Body string } }
				call(t, "ReceiveMessage", map[string]any{"QueueUrl": s.URL, "MaxNumberOfMessages": 10}, &got)
				if len(got.Messages) == 0 {
					return list
				}
				for _, m := range got.Messages {
					var n notice.Notice
					if err := json.Unmarshal([]byte(m.Body), &n); err != nil {
						t.Fatal(err)
					}
					list = append(list, n)
				}
			}
		}
	})
}

func TestANoticeIsSentAgainWhereTheQueueDoesNotAnswer(t *testing.T) {
	s, q := openNotices(t)
	q.failed = 2
	if err := s.Send(t.Context(), noticetest.New("e1", "zhang")); err != nil || len(q.bodies) != 1 {
		t.Errorf("%v, %d notices", err, len(q.bodies))
	}
	q.failed = 9
	if err := s.Send(t.Context(), noticetest.New("e2", "zhang")); err == nil {
		t.Error("a notice that nobody took was sent")
	}
	q.failed = 0
	for _, id := range []string{"e2", "e3"} { // the stream brings the event again
		if err := s.Send(t.Context(), noticetest.New(id, "zhang")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Send(t.Context(), noticetest.New("e2", "li")); err != nil {
		t.Fatal(err)
	}
	if len(q.bodies) != 4 || q.groups[0] != q.groups[1] || q.groups[1] != q.groups[2] || q.groups[2] == q.groups[3] {
		t.Errorf("%d notices in the groups %v", len(q.bodies), q.groups)
	}
	if s.URL = "no address"; s.Send(t.Context(), noticetest.New("e4", "li")) == nil {
		t.Error("an address that is none was taken")
	}
}

func TestWhatTheMessageGatewayFinds(t *testing.T) {
	s, q := openNotices(t)
	n := noticetest.New("e1", "zhang")
	n.Purpose = "年检(示例)"
	if err := s.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	want := `{"id":"e1/zhang","to":"zhang","kind":"licence.read","time":"2026-03-01T12:00:00Z","by":"91990000MA00000000",` +
		`"client":"portal","purpose":"年检(示例)","itemCode":"SX-1","caseNumber":"BJ-1","object":"licence/e1",` +
		`"zh":"您的证照被查看。","en":"Your licence was looked up."}`
	if q.bodies[0] != want {
		t.Errorf("%s, want %s", q.bodies[0], want)
	}
}

// logRecord is a record of the stream of the table log, as the DynamoDB Streams API reference has it, of an item as README.md
// has it.
func logRecord(t *testing.T, sequence, name string, e audit.Event) string {
	t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(string(body))
	if err != nil {
		t.Fatal(err)
	}
	return `{"eventID":"` + sequence + `","eventName":"` + name + `","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"eu-north-1",
		"dynamodb":{"ApproximateCreationDateTime":1772366400,"Keys":{"pk":{"S":"event#` + e.ID + `"},"sk":{"S":"-"}},
		"NewImage":{"pk":{"S":"event#` + e.ID + `"},"sk":{"S":"-"},"body":{"S":` + string(text) + `},"firstPk":{"S":"holder#x"}},
		"SequenceNumber":"` + sequence + `","SizeBytes":300,"StreamViewType":"NEW_IMAGE"},
		"eventSourceARN":"arn:aws:dynamodb:eu-north-1:123456789012:table/log/stream/2026-03-01T00:00:00.000"}`
}

// TestTheStreamOfTheTrailTellsEachOnce: batches come twice and in another order, one record says nothing that anybody can
// read, and one is of an event that was there before.
func TestTheStreamOfTheTrailTellsEachOnce(t *testing.T) {
	s, q := openNotices(t)
	function := gateway.Runtime{Name: "notify", Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Ways: []gateway.Way{aws.Recorded(notice.Notify(notice.NotifyPorts{Notices: s}))}}
	event := func(id, holder string) audit.Event {
		return audit.Event{ID: id, Time: noticetest.Noon, Action: "licence.revoke", Holder: holder, Outcome: audit.Done}
	}
	a, b, c := logRecord(t, "1", "INSERT", event("a", "zhang")), logRecord(t, "2", "INSERT", event("b", "zhang")),
		logRecord(t, "3", "INSERT", event("c", "li"))
	again := logRecord(t, "4", "MODIFY", event("d", "li"))
	poison := logRecord(t, "5", "INSERT", audit.Event{ID: "e"})
	other := strings.ReplaceAll(logRecord(t, "6", "INSERT", event("f", "li")), "event#", "head#")
	for _, batch := range [][]string{{a, b}, {b, a}, {c, again, other}, {c}, {a, b, c}, {poison}} {
		answer, err := function.Invoke(t.Context(), []byte(`{"Records":[`+strings.Join(batch, ",")+`]}`))
		want := `{"batchItemFailures":[]}`
		if batch[0] == poison {
			want = `{"batchItemFailures":[{"itemIdentifier":"5"}]}`
		}
		if err != nil || string(answer) != want {
			t.Errorf("%s, %v; want %s", answer, err, want)
		}
	}
	if answer, err := function.Invoke(t.Context(), []byte(`{"Records":[`+poison+","+a+`]}`)); err == nil {
		t.Errorf("the poison first of two: %s; want an error, for the batch to be halved", answer)
	}
	var ids []string
	for _, n := range q.notices(t) {
		ids = append(ids, n.ID)
	}
	if want := []string{"a/zhang", "b/zhang", "c/li"}; !slices.Equal(ids, want) {
		t.Errorf("sent %v, want %v", ids, want)
	}
}
