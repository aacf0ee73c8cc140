package iam

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// call is one HTTP request to a service.
type call struct {
	stack    *Stack
	http     *http.Request
	body     []byte
	iterator func(string) string
}

// requests are what a call is to policies: its own requests first, then those that the service makes of KMS in the
// caller's name.
func (c call) requests(service string) ([]Request, error) {
	target := c.http.Header.Get("X-Amz-Target")
	switch operation, _ := strings.CutPrefix(target, target[:strings.LastIndex(target, ".")+1]); {
	case service == "dynamodb" && strings.HasPrefix(target, "DynamoDBStreams_20120810."):
		return c.stream(operation)
	case service == "dynamodb" && strings.HasPrefix(target, "DynamoDB_20120810."):
		return c.dynamoDB(operation)
	case service == "kms" && strings.HasPrefix(target, "TrentService."):
		return c.kms(operation)
	case service == "sqs" && strings.HasPrefix(target, "AmazonSQS."):
		return c.sqs(operation)
	case service == "s3" && target == "":
		return c.s3()
	case service == "lambda" && target == "":
		return c.lambda()
	}
	return nil, errors.New("the call is not known here")
}

// via are the context keys of a request that a service makes of KMS for the caller.
func (c call) via(service string, context map[string]string) map[string][]string {
	found := map[string][]string{"kms:ViaService": {service + "." + c.stack.names.Region + ".amazonaws.com"}}
	for name, value := range context {
		found["kms:EncryptionContext:"+name] = []string{value}
		found["kms:EncryptionContextKeys"] = append(found["kms:EncryptionContextKeys"], name)
	}
	slices.Sort(found["kms:EncryptionContextKeys"])
	return found
}

// decode reads the parameters of a call.
func decode[T any](body []byte) (in T, err error) {
	if err := json.Unmarshal(body, &in); err != nil {
		return in, fmt.Errorf("reading the parameters: %w", err)
	}
	return in, nil
}

// stream reads a call of DynamoDB Streams.
func (c call) stream(operation string) ([]Request, error) {
	in, err := decode[struct{ StreamArn, TableName, ShardIterator string }](c.body)
	if err != nil {
		return nil, err
	}
	r := Request{Action: "dynamodb:" + operation, Resource: in.StreamArn}
	switch operation {
	case "DescribeStream", "GetShardIterator":
	case "GetRecords":
		if r.Resource = c.iterator(in.ShardIterator); r.Resource == "" {
			r.Resource, _, _ = strings.Cut(in.ShardIterator, "|")
		}
	case "ListStreams":
		r.Resource = "*"
	default:
		return nil, fmt.Errorf("%s is not known here", operation)
	}
	if r.Resource == "" {
		return nil, errors.New("no stream is named")
	}
	return []Request{r}, nil
}

// kmsParameters are those that policies ask about.
type kmsParameters struct {
	KeyID               string `json:"KeyId"`
	CiphertextBlob      string
	EncryptionContext   map[string]string
	KeyPairSpec         string
	KeySpec             string
	KeyUsage            string
	MessageType         string
	SigningAlgorithm    string
	PendingWindowInDays *int
	Policy              *string
	Tags                []struct{ TagKey, TagValue string }
}

// kms reads a call of KMS.
func (c call) kms(operation string) ([]Request, error) {
	in, err := decode[kmsParameters](c.body)
	if err != nil {
		return nil, err
	}
	r := Request{Action: "kms:" + operation, Context: map[string][]string{}}
	set := func(key, value string) {
		if value != "" {
			r.Context[key] = []string{value}
		}
	}
	switch operation {
	case "CreateKey":
		if in.Policy != nil {
			return nil, errors.New("a key with a policy of its own")
		}
		r.Resource = "*"
		for _, t := range in.Tags {
			set("aws:RequestTag/"+t.TagKey, t.TagValue)
			r.Context["aws:TagKeys"] = append(r.Context["aws:TagKeys"], t.TagKey)
		}
		requests := []Request{r}
		if len(in.Tags) > 0 { // "To add tags … requires kms:TagResource permission in an IAM policy" (CreateKey)
			requests = append(requests, Request{"kms:TagResource", "*", r.Context})
		}
		return requests, nil
	case "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
		"GenerateDataKeyPairWithoutPlaintext":
		for name, value := range in.EncryptionContext {
			set("kms:EncryptionContext:"+name, value)
			r.Context["kms:EncryptionContextKeys"] = append(r.Context["kms:EncryptionContextKeys"], name)
		}
		slices.Sort(r.Context["kms:EncryptionContextKeys"])
		set("kms:DataKeyPairSpec", in.KeyPairSpec)
	case "Sign", "Verify":
		set("kms:MessageType", in.MessageType)
		set("kms:SigningAlgorithm", in.SigningAlgorithm)
	case "DescribeKey", "GetPublicKey":
	case "ScheduleKeyDeletion":
		if in.PendingWindowInDays != nil {
			set("kms:ScheduleKeyDeletionPendingWindowInDays", fmt.Sprint(*in.PendingWindowInDays))
		}
	default:
		return nil, fmt.Errorf("%s is not known here", operation)
	}
	switch {
	case in.KeyID == "":
		return nil, errors.New("no key is named")
	case strings.HasPrefix(in.KeyID, "arn:") && strings.Contains(in.KeyID, ":key/"):
		r.Resource = in.KeyID
	case strings.Contains(in.KeyID, "alias/"):
		name := in.KeyID[strings.Index(in.KeyID, "alias/"):]
		set("kms:RequestAlias", name)
		if r.Resource = c.stack.alias(name); r.Resource == "" {
			return nil, fmt.Errorf("the alias %s is not known here", name)
		}
	default:
		r.Resource = c.stack.names.keyARN(in.KeyID)
	}
	return []Request{r}, nil
}

// sqs reads a call of SQS. Batches need the permission of their single call (SQS Developer Guide, "Amazon SQS API
// permissions").
func (c call) sqs(operation string) ([]Request, error) {
	in, err := decode[struct {
		QueueURL string `json:"QueueUrl"`
	}](c.body)
	if err != nil {
		return nil, err
	}
	action := strings.TrimSuffix(operation, "Batch")
	var kms []string
	switch action {
	case "SendMessage": // "producers … need kms:GenerateDataKey and kms:Decrypt" (SQS Developer Guide, "Key management")
		kms = []string{"kms:GenerateDataKey", "kms:Decrypt"}
	case "ReceiveMessage":
		kms = []string{"kms:Decrypt"}
	case "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl":
	default:
		return nil, fmt.Errorf("%s is not known here", operation)
	}
	u, err := url.Parse(in.QueueURL)
	if err != nil || in.QueueURL == "" {
		return nil, fmt.Errorf("no queue is named by %q", in.QueueURL)
	}
	arn := c.stack.names.queueARN(path.Base(u.Path))
	requests := []Request{{Action: "sqs:" + action, Resource: arn}}
	if key := c.stack.queues[arn]; key != "" {
		for _, a := range kms {
			requests = append(requests, Request{a, key, c.via("sqs", map[string]string{"aws:sqs:arn": arn})})
		}
	}
	return requests, nil
}

// s3 reads a call of S3 in path style.
func (c call) s3() ([]Request, error) {
	bucketName, key, _ := strings.Cut(strings.TrimPrefix(c.http.URL.Path, "/"), "/")
	if bucketName == "" {
		return nil, errors.New("no bucket is named")
	}
	arn, query, header := c.stack.names.bucketARN(bucketName), c.http.URL.Query(), c.http.Header
	// Sub-resources are other actions; those of a presigned address and of the answer's headers are none.
	for name := range query {
		switch {
		case strings.HasPrefix(name, "X-Amz-"), strings.HasPrefix(name, "response-"), name == "x-id",
			slices.Contains([]string{"list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after",
				"encoding-type", "fetch-owner"}, name):
		default:
			return nil, fmt.Errorf("the parameter %s is not known here", name)
		}
	}
	r := Request{Resource: arn + "/" + key, Context: map[string][]string{}}
	encrypted := ""
	switch method := c.http.Method; {
	case key == "" && (method == http.MethodGet || method == http.MethodHead):
		r = Request{"s3:ListBucket", arn, map[string][]string{}}
		for _, name := range []string{"prefix", "delimiter", "max-keys"} {
			if query.Has(name) {
				r.Context["s3:"+name] = []string{query.Get(name)}
			}
		}
	case key == "":
		return nil, fmt.Errorf("%s of a bucket is not known here", method)
	case method == http.MethodGet || method == http.MethodHead: // "HeadObject … you must have the s3:GetObject permission"
		r.Action, encrypted = "s3:GetObject", "kms:Decrypt"
	case method == http.MethodPut && header.Get("X-Amz-Copy-Source") == "":
		r.Action, encrypted = "s3:PutObject", "kms:GenerateDataKey"
		for key, name := range map[string]string{
			"s3:if-none-match":                               "If-None-Match",
			"s3:x-amz-server-side-encryption":                "X-Amz-Server-Side-Encryption",
			"s3:x-amz-server-side-encryption-aws-kms-key-id": "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id",
		} {
			if v := header.Get(name); v != "" {
				r.Context[key] = []string{v}
			}
		}
	default:
		return nil, fmt.Errorf("%s is not known here", method)
	}
	requests := []Request{r}
	of := c.stack.buckets[bucketName].key
	if named := header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"); named != "" {
		of = named
	}
	if encrypted != "" && of != "" {
		// With a bucket key "the encryption context … is the bucket's ARN" (S3 User Guide, "Using S3 Bucket Keys").
		requests = append(requests, Request{encrypted, of, c.via("s3", map[string]string{"aws:s3:arn": arn})})
	}
	return requests, nil
}

// lambda reads an invocation: POST /2015-03-31/functions/<name or ARN>/invocations, with Qualifier where the name has
// none.
func (c call) lambda() ([]Request, error) {
	rest, begins := strings.CutPrefix(c.http.URL.Path, "/2015-03-31/functions/")
	name, ends := strings.CutSuffix(rest, "/invocations")
	if !begins || !ends || c.http.Method != http.MethodPost || strings.Contains(name, "/") {
		return nil, errors.New("the call is not known here")
	}
	if !strings.HasPrefix(name, "arn:") {
		name = c.stack.names.arn("lambda", "function:"+name)
	}
	if q := c.http.URL.Query().Get("Qualifier"); q != "" {
		name += ":" + q
	}
	return []Request{{Action: "lambda:InvokeFunction", Resource: name}}, nil
}

// value is one value of DynamoDB that may stand in a key.
type value struct {
	S *string
	N *string
	B *string
}

func (v value) text() (string, error) {
	switch {
	case v.S != nil:
		return *v.S, nil
	case v.N != nil:
		return *v.N, nil
	case v.B != nil:
		data, err := base64.StdEncoding.DecodeString(*v.B)
		return string(data), err
	}
	return "", errors.New("a key is neither a text nor a number nor bytes")
}
