package aws_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/yinxin/yinxin/infra/aws"
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
