package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/seal"
)

// noMark is the mark of a call whose randomness is zeros.
var noMark = strings.Repeat("0", 32)

const claimedJob = `{"body":{"S":"{\"id\":\"j1\",\"person\":\"p\",\"client\":\"c\"}"},"kind":{"S":"seal.stamp"},
	"state":{"S":"running"},"attempt":{"N":"2"},"mark":{"S":"00000000000000000000000000000000"}}`

// jobCalls are the calls about large documents and jobs.
func jobCalls() []call {
	minute := noon.Add(time.Minute)
	return []call{
		{"an upload is said once", "document.UploadSaver", func(ctx context.Context, db *aws.DB) error {
			return aws.Uploads{DB: db}.SaveUpload(ctx, document.Upload{ID: "d1", Until: minute}, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-seals","Item":{"pk":{"S":"document#d1"},"sk":{"S":"-"},"body":{"S":"*"},
			"until":{"N":"1772366460000000000"},"ttl":{"N":"1772452861"},"event":{"S":EVENT}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"an upload is read while it may be used", "seal.Uploads", func(ctx context.Context, db *aws.DB) error {
			u, err := aws.Uploads{DB: db}.Upload(ctx, "d1")
			return expect(u.Person, "p", err)
		}, []exchange{{op: "GetItem", want: get("t-seals", "document#d1", "-"),
			answer: found(`{"body":{"S":"{\"person\":\"p\"}"},"until":{"N":"1772366400000000001"}}`)}}},
		{"a job is begun once, open to its index", "seal.Jobs", func(ctx context.Context, db *aws.DB) error {
			return aws.Jobs{DB: db}.BeginJob(ctx, seal.Job{ID: "j1", At: noon}, told("e1"))
		}, []exchange{{op: "PutItem", want: `{"TableName":"t-seals","Item":{"pk":{"S":"job#j1"},"sk":{"S":"-"},"body":{"S":"*"},
			"kind":{"S":"seal.stamp"},"state":{"S":"accepted"},"attempt":{"N":"0"},"lease":{"N":"0"},"ttl":{"N":"1775044801"},
			"firstPk":{"S":"jobs#"},"firstSk":{"S":"20260301T120000.000000000Z#j1"},"event":{"S":EVENT}},
			"ConditionExpression":"attribute_not_exists(#pk)","ExpressionAttributeNames":{"#pk":"pk"},
			"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"what a job asks for is read", "seal.Jobs", func(ctx context.Context, db *aws.DB) error {
			j, err := aws.Jobs{DB: db}.Job(ctx, "j1")
			return expect(j.Person, "p", err)
		}, []exchange{{op: "GetItem", want: get("t-seals", "job#j1", "-"), answer: found(claimedJob)}}},
		{"how far a job is is read", "document.JobReader", func(ctx context.Context, db *aws.DB) error {
			j, err := aws.JobStates{DB: db}.Job(ctx, "j1")
			return expect(fmt.Sprint(j.Kind, j.State, j.Attempt, j.Client), "seal.stamprunning2c", err)
		}, []exchange{{op: "GetItem", want: get("t-seals", "job#j1", "-"), answer: found(claimedJob)}}},
		// The attributes are those that the policy of the function job names.
		{"a job is claimed while nobody has it", "", func(ctx context.Context, db *aws.DB) error {
			j, err := aws.JobStates{DB: db}.ClaimJob(ctx, "j1", minute)
			return expect(j.Attempt, 2, err)
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-seals","Key":{"pk":{"S":"job#j1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #state = :running, #lease = :until, #mark = :mark ADD #attempt :one",
			"ConditionExpression":"#state = :accepted OR (#state = :running AND #lease <= :now)",
			"ExpressionAttributeNames":{"#state":"state","#lease":"lease","#mark":"mark","#attempt":"attempt"},
			"ExpressionAttributeValues":{":running":{"S":"running"},":accepted":{"S":"accepted"},":mark":{"S":"` + noMark + `"},
				":until":{"N":"1772366460000000000"},":now":{"N":"1772366400000000000"},":one":{"N":"1"}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`, answer: `{"Attributes":` + claimedJob + `}`}}},
		{"a job ends under its last claim and leaves the index", "", func(ctx context.Context, db *aws.DB) error {
			return aws.JobStates{DB: db}.EndJob(ctx, "j1", 2, document.End{Problem: problem.NotFound}, told("e1"))
		}, []exchange{{op: "UpdateItem", want: `{"TableName":"t-seals","Key":{"pk":{"S":"job#j1"},"sk":{"S":"-"}},
			"UpdateExpression":"SET #state = :state, #end = :end, #event = :event REMOVE #firstPk, #firstSk",
			"ConditionExpression":"#state = :running AND #attempt = :attempt",
			"ExpressionAttributeNames":{"#state":"state","#end":"end","#event":"event","#attempt":"attempt","#firstPk":"firstPk","#firstSk":"firstSk"},
			"ExpressionAttributeValues":{":state":{"S":"failed"},":running":{"S":"running"},":attempt":{"N":"2"},":event":{"S":EVENT},
				":end":{"S":"{\"problem\":{\"type\":\"urn:yinxin:problem:not_found\",\"title\":\"There is nothing here.\",\"status\":404,\"code\":\"not_found\"}}"}},
			"ReturnValues":"ALL_NEW","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`}}},
		{"open jobs come from the index", "document.OpenJobs", func(ctx context.Context, db *aws.DB) error {
			ids, err := aws.JobStates{DB: db}.OpenJobs(ctx, noon, 5)
			return expect(fmt.Sprint(ids), "[j1]", err)
		}, []exchange{{op: "Query", want: `{"TableName":"t-seals","IndexName":"first",
			"KeyConditionExpression":"#firstPk = :partition AND #firstSk BETWEEN :from AND :to",
			"ExpressionAttributeNames":{"#firstPk":"firstPk","#firstSk":"firstSk"},
			"ExpressionAttributeValues":{":partition":{"S":"jobs#"},":from":{"S":"0"},":to":{"S":"20260301T120000.000000000Z"}},
			"ScanIndexForward":true,"Limit":5}`, answer: `{"Items":[{"pk":{"S":"job#j1"},"sk":{"S":"-"}}]}`}}},
	}
}

func TestAClaimWhoseAnswerWasLostIsTheCallers(t *testing.T) {
	for name, c := range map[string]struct {
		stands string
		want   error
	}{
		"its own mark":   {claimedJob, nil},
		"another's mark": {strings.Replace(claimedJob, noMark, "1"+noMark[1:], 1), document.ErrClaimed},
		"the job's end":  {strings.Replace(claimedJob, "running", "done", 1), document.ErrEnded},
		"no such job":    {"", document.ErrUnknown},
	} {
		second := exchange{op: "UpdateItem", status: 400, answer: refusedAbsent}
		if c.stands != "" {
			second.answer = refused(c.stands)
		}
		db, _ := scripted(t, exchange{op: "UpdateItem", fault: timeout{}}, second)
		j, err := aws.JobStates{DB: db}.ClaimJob(t.Context(), "j1", noon.Add(time.Minute))
		if !errors.Is(err, c.want) || err == nil && (j.Attempt != 2 || j.Person != "p") {
			t.Errorf("%s: ClaimJob = %+v, %v, want %v", name, j, err, c.want)
		}
	}
}

// An item that another than seal-stamp made, which has no body, is no job.
func TestAJobWithoutABodyIsNone(t *testing.T) {
	for range 2 {
		db, _ := scripted(t, exchange{op: "GetItem", answer: found(`{"state":{"S":"accepted"}}`)})
		if _, err := (aws.Jobs{DB: db}).Job(t.Context(), "j1"); !errors.Is(err, seal.ErrUnknown) {
			t.Errorf("Jobs.Job = %v", err)
		}
		db, _ = scripted(t, exchange{op: "GetItem", answer: found(`{"state":{"S":"accepted"}}`)})
		if _, err := (aws.JobStates{DB: db}).Job(t.Context(), "j1"); !errors.Is(err, document.ErrUnknown) {
			t.Errorf("JobStates.Job = %v", err)
		}
	}
}

// posted answers signed requests with a script and remembers them.
type posted struct {
	answers []func() (*http.Response, error)
	header  []http.Header
	url     []string
	body    []string
}

func answering(status int, body string, header http.Header) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func (p *posted) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.header, p.url, p.body = append(p.header, r.Header), append(p.url, r.Method+" "+r.URL.String()), append(p.body, string(body))
	next := p.answers[0]
	p.answers = p.answers[1:]
	return next()
}

func (p *posted) config() sdk.Config {
	return sdk.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("KEY", "secret", "token"),
		HTTPClient: &http.Client{Transport: p}}
}

// TestAMessageIsSentAsSQSTakesIt compares the request with the Amazon SQS API Reference, "SendMessage", in the AWS JSON
// protocol.
func TestAMessageIsSentAsSQSTakesIt(t *testing.T) {
	const sent = `{"MD5OfMessageBody":"x","MessageId":"m1"}`
	lost := func() (*http.Response, error) { return nil, timeout{} }
	for name, c := range map[string]struct {
		answers []func() (*http.Response, error)
		works   bool
	}{
		"sent":                 {[]func() (*http.Response, error){answering(200, sent, nil)}, true},
		"throttled, then sent": {[]func() (*http.Response, error){answering(400, `{"__type":"com.amazonaws.sqs#RequestThrottled"}`, nil), answering(200, sent, nil)}, true},
		"lost, then sent":      {[]func() (*http.Response, error){lost, lost, answering(200, sent, nil)}, true},
		"not at all":           {[]func() (*http.Response, error){lost, answering(503, "", nil), answering(200, "<html>", nil)}, false},
	} {
		p := &posted{answers: c.answers}
		queue := aws.JobQueue{URL: "https://sqs.us-east-1.amazonaws.com/111122223333/jobs", Config: p.config(), Now: func() time.Time { return noon }}
		err := queue.Enqueue(t.Context(), "j1")
		if (err == nil) != c.works || len(p.answers) != 0 {
			t.Errorf("%s: %v, %d answers left", name, err, len(p.answers))
		}
		for i, body := range p.body {
			var in map[string]string
			h := p.header[i]
			if json.Unmarshal([]byte(body), &in) != nil || len(in) != 2 || in["MessageBody"] != `{"job":"j1"}` ||
				in["QueueUrl"] != queue.URL || p.url[i] != "POST https://sqs.us-east-1.amazonaws.com/" ||
				h.Get("X-Amz-Target") != "AmazonSQS.SendMessage" || h.Get("Content-Type") != "application/x-amz-json-1.0" ||
				!strings.Contains(h.Get("Authorization"), "Credential=KEY/20260301/us-east-1/sqs/aws4_request") || h.Get("X-Amz-Security-Token") != "token" {
				t.Errorf("%s: request %d is %s %v %s", name, i, p.url[i], h, body)
			}
		}
	}
	for _, url := range []string{"", "jobs", "://"} {
		if err := (aws.JobQueue{URL: url}).Enqueue(t.Context(), "j1"); err == nil {
			t.Errorf("%q was taken for a queue", url)
		}
	}
}

func TestAJobIsDoneByAnInvocation(t *testing.T) {
	const arn = "arn:aws-cn:lambda:cn-north-1:111122223333:function:s-seal-stamp:live"
	refusal := `{"result":null,"problem":{"type":"urn:yinxin:problem:seal_suspended","title":"The seal is suspended.","status":409,"code":"seal_suspended"}}`
	for name, c := range map[string]struct {
		answer  func() (*http.Response, error)
		refused bool
		works   bool
	}{
		"a result":           {answering(200, `{"result":{"order":"o1","mediaType":"application/pdf","size":9,"sha256":"0a"}}`, http.Header{}), false, true},
		"a refusal":          {answering(200, refusal, http.Header{}), true, false},
		"a fault":            {answering(200, `{"errorMessage":"x"}`, http.Header{"X-Amz-Function-Error": {"Unhandled"}}), false, false},
		"too many at a time": {answering(429, `{"Type":"User"}`, http.Header{}), false, false},
		"no answer":          {func() (*http.Response, error) { return nil, timeout{} }, false, false},
		"no JSON":            {answering(200, "<html>", http.Header{}), false, false},
		"nothing":            {answering(200, "null", http.Header{}), false, false},
		"no result":          {answering(200, `{"result":null}`, http.Header{}), false, false},
	} {
		p := &posted{answers: []func() (*http.Response, error){c.answer}}
		result, err := aws.JobWorker{Function: arn, Config: p.config(), Now: func() time.Time { return noon }}.DoJob(t.Context(), "j1")
		var refused *problem.Problem
		if errors.As(err, &refused) != c.refused || (err == nil) != c.works || c.works != (result == document.Result{Order: "o1", MediaType: document.PDF, Size: 9, SHA256: "0a"}) {
			t.Errorf("%s: DoJob = %+v, %v", name, result, err)
		}
		if p.body[0] != `{"job":"j1"}` || p.header[0].Get("X-Amz-Invocation-Type") != "RequestResponse" || p.url[0] !=
			"POST https://lambda.cn-north-1.amazonaws.com.cn/2015-03-31/functions/s-seal-stamp/invocations?Qualifier=live" {
			t.Errorf("%s: the request is %s %v %s", name, p.url[0], p.header[0], p.body[0])
		}
	}
}
