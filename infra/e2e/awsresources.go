package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/infra/aws/kmstest"
)

// The keys, tables, buckets and queues of the template, made on the engines.

// made remembers what a resource is called and what its attributes are.
func (s *AWS) made(logical, physical string, attributes map[string]string) {
	s.Physical[logical] = physical
	s.Template.Made(logical, attributes)
}

// makeKeys serves KMS and makes the template's keys. Key policies are the gate's business: here every role may do
// everything with every key, and signatures are checked.
func (s *AWS) makeKeys(ctx context.Context) error {
	const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`
	callers := map[string]kmstest.Caller{"operator": {
		Secret: SecretKey("operator"), ARN: "arn:aws:iam::" + accountID + ":role/operator", Policy: everything,
	}}
	functions, err := s.Template.Resources("AWS::Serverless::Function")
	if err != nil {
		return err
	}
	for _, r := range functions {
		folder := strings.TrimPrefix(scalar(child(child(r.node, "Properties"), "CodeUri")), "functions/")
		callers[AccessKey(folder)] = kmstest.Caller{Secret: SecretKey(folder), Token: sessionToken(folder), ARN: RoleARN(r.Name),
			Policy: everything}
	}
	if s.KMS, err = kmstest.New(kmstest.Config{
		Region: region, Account: accountID, Callers: callers, Rand: rand.Reader,
	}); err != nil {
		return err
	}
	address, err := s.serve(s.KMS, nil)
	if err != nil {
		return err
	}
	s.engines.KMS = "http://" + address.String()
	keys, err := s.Template.Resources("AWS::KMS::Key")
	if err != nil {
		return err
	}
	for _, r := range keys {
		var out struct{ KeyMetadata struct{ KeyId, Arn string } }
		in := map[string]any{"Description": r.Name}
		for _, name := range []string{"KeySpec", "KeyUsage"} {
			if v := scalar(child(child(r.node, "Properties"), name)); v != "" {
				in[name] = v
			}
		}
		if err := s.operator.call(ctx, s.kmsService(), "CreateKey", in, &out); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		s.made(r.Name, out.KeyMetadata.KeyId, map[string]string{"Ref": out.KeyMetadata.KeyId, "Arn": out.KeyMetadata.Arn})
	}
	return nil
}

func sessionToken(folder string) string { return "session-of-" + folder }

func (s *AWS) kmsService() service {
	return service{"kms", "TrentService.", json11, s.engines.KMS}
}

func (s *AWS) dynamoDB() service {
	return service{"dynamodb", "DynamoDB_20120810.", json10, s.engines.DynamoDB}
}

func (s *AWS) streams() service {
	return service{"dynamodb", "DynamoDBStreams_20120810.", json10, s.engines.DynamoDB}
}

func (s *AWS) sqs() service { return service{"sqs", "AmazonSQS.", json10, s.engines.SQS} }

// encrypted is a text as an operator encrypts it for a parameter.
func (s *AWS) encrypted(ctx context.Context, resource, owner, text string) (string, error) {
	var out struct{ CiphertextBlob []byte }
	err := s.operator.call(ctx, s.kmsService(), "Encrypt", map[string]any{"KeyId": s.Physical[resource], "Plaintext": []byte(text),
		"EncryptionContext": map[string]string{"purpose": "secret", "owner": owner}}, &out)
	return base64.StdEncoding.EncodeToString(out.CiphertextBlob), err
}

// makeTables makes the tables with their indexes and streams.
func (s *AWS) makeTables(ctx context.Context) error {
	tables, err := s.Template.Resources("AWS::DynamoDB::Table")
	if err != nil {
		return err
	}
	for _, r := range tables {
		p, err := s.Template.Properties(r)
		if err != nil {
			return err
		}
		name := stackName + "-" + r.Name + "-" + suffix()
		in := map[string]any{"TableName": name}
		for _, same := range []string{"AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"} {
			if p[same] != nil {
				in[same] = p[same]
			}
		}
		if view := p.Map("StreamSpecification").Text("StreamViewType"); view != "" {
			in["StreamSpecification"] = map[string]any{"StreamEnabled": true, "StreamViewType": view}
		}
		if sse := p.Map("SSESpecification"); sse != nil {
			in["SSESpecification"] = map[string]any{"Enabled": sse["SSEEnabled"], "SSEType": sse["SSEType"],
				"KMSMasterKeyId": sse["KMSMasterKeyId"]}
		}
		var out struct {
			TableDescription struct{ TableArn, LatestStreamArn string }
		}
		if err := s.operator.call(ctx, s.dynamoDB(), "CreateTable", in, &out); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		d := out.TableDescription
		s.made(r.Name, name, map[string]string{"Ref": name, "Arn": d.TableArn, "StreamArn": d.LatestStreamArn})
		if ttl := p.Map("TimeToLiveSpecification"); ttl != nil {
			err := s.operator.call(ctx, s.dynamoDB(), "UpdateTimeToLive", map[string]any{"TableName": name,
				"TimeToLiveSpecification": ttl}, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
		}
	}
	return nil
}

// makeBuckets makes the buckets, versioned and with Object Lock where the template says so.
func (s *AWS) makeBuckets(ctx context.Context) error {
	buckets, err := s.Template.Resources("AWS::S3::Bucket")
	if err != nil {
		return err
	}
	for _, r := range buckets { // the names first: buckets name each other
		name := strings.ToLower(stackName + "-" + r.Name + "-" + suffix())
		s.made(r.Name, name, map[string]string{"Ref": name, "Arn": "arn:aws:s3:::" + name,
			"RegionalDomainName": name + ".s3." + region + ".amazonaws.com"})
	}
	for _, r := range buckets {
		p, err := s.Template.Properties(r)
		if err != nil {
			return err
		}
		headers := map[string]string{}
		if p["ObjectLockEnabled"] == true {
			headers["X-Amz-Bucket-Object-Lock-Enabled"] = "true"
		}
		if err := s.put(ctx, s.Physical[r.Name], headers, ""); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if p.Map("VersioningConfiguration").Text("Status") == "Enabled" {
			err := s.put(ctx, s.Physical[r.Name]+"?versioning", nil,
				`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
		}
	}
	return nil
}

// put sends a PUT to S3, path style.
func (s *AWS) put(ctx context.Context, path string, headers map[string]string, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, s.engines.S3+"/"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	answer, data, err := s.operator.send(ctx, r, "s3", []byte(body))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("PUT: %s: %.300s", answer.Status, data)
	}
	return err
}

// makeQueues makes the queues: those without a redrive policy first, since the others name them.
func (s *AWS) makeQueues(ctx context.Context) error {
	queues, err := s.Template.Resources("AWS::SQS::Queue")
	if err != nil {
		return err
	}
	slices.SortStableFunc(queues, func(a, b Resource) int {
		later := func(r Resource) int {
			return map[bool]int{true: 1}[child(child(r.node, "Properties"), "RedrivePolicy") != nil]
		}
		return cmp.Compare(later(a), later(b))
	})
	for _, r := range queues {
		p, err := s.Template.Properties(r)
		if err != nil {
			return err
		}
		name := stackName + "-" + r.Name + "-" + suffix()
		attributes := map[string]string{}
		for _, a := range []string{"VisibilityTimeout", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "DelaySeconds",
			"FifoQueue", "DeduplicationScope", "FifoThroughputLimit"} {
			if p[a] != nil {
				attributes[a] = p.Text(a)
			}
		}
		if attributes["FifoQueue"] == "true" {
			name += ".fifo"
		}
		if redrive := p.Map("RedrivePolicy"); redrive != nil {
			text, err := json.Marshal(redrive)
			if err != nil {
				return err
			}
			attributes["RedrivePolicy"] = string(text)
		}
		var out struct{ QueueUrl string }
		if err := s.operator.call(ctx, s.sqs(), "CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes},
			&out); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		arn := "arn:aws:sqs:" + region + ":" + accountID + ":" + name
		s.queues[arn] = out.QueueUrl
		s.made(r.Name, name, map[string]string{"Ref": out.QueueUrl, "QueueUrl": out.QueueUrl, "Arn": arn, "QueueName": name})
	}
	return nil
}
