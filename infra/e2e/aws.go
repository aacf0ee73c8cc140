package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/yinxin/yinxin/infra/aws/kmstest"
	"github.com/yinxin/yinxin/infra/e2e/iam"
	"github.com/yinxin/yinxin/infra/e2e/runtime"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
)

// The names of a stack of the tests.
const (
	stackName  = "yinxin"
	accountID  = "123456789012" // moto's
	region     = "us-east-1"
	domainName = "yinxin.example"
)

// Endpoints are where functions reach the services of AWS.
type Endpoints struct {
	DynamoDB, S3, SQS, KMS, Lambda string
}

// AWSOptions are what a stack of bootstraps is made of.
type AWSOptions struct {
	Root       string    // of the checkout
	Dir        string    // temporary files
	Bootstraps string    // where [Build] put them
	Engines    Endpoints // DynamoDB, S3 and SQS; KMS and Lambda are served here
	// Edit, where it is set, changes the template's text before it is read.
	Edit func(template []byte) []byte
}

// AWS is a deployed stack: the real bootstraps with the environment that the template gives them, on servers that speak
// AWS's protocols.
//
//	browser ── https ── front: HTTP → event by the template's routes ──┐
//	streams, queues, schedules, the operator ── pumps: events ─────────┼── Runtime API ── bootstrap
//	licence-issue ── Invoke ───────────────────────────────────────────┘                    │
//	moto: DynamoDB, S3, SQS     kmstest: KMS     authority: RFC 7030 ◄──── signed requests ──┘
//
// Tables, indexes, streams, buckets, queues and keys are made from the template's own resources.
type AWS struct {
	Template *Template
	KMS      *kmstest.Server
	Gate     *iam.Gate         // between the functions and the services: it lets through what their roles may do
	Physical map[string]string // names by logical identifier: of a table, bucket or queue; the identifier of a key

	o         AWSOptions
	engines   Endpoints // what the pumps and the operator use
	operator  caller
	authority *authority
	functions map[string]*deployed // by folder
	byName    map[string]*deployed // by function name
	servers   []*http.Server
	front     net.Addr
	client    *http.Transport
	shards    map[string]map[string]string // stream ARN → shard → iterator
	queues    map[string]string            // ARN → address
	seed      []byte

	mu  sync.Mutex
	log []LogLine
}

// LogLine is one line that a bootstrap wrote.
type LogLine struct{ Function, Text string }

// deployed is one function of the stack.
type deployed struct {
	LambdaFunction
	process *runtime.Function
}

// AccessKey is the access key identifier of a function's role: its folder's name says whose request it is.
func AccessKey(folder string) string { return folder }

// SecretKey is the secret of [AccessKey].
func SecretKey(folder string) string { return "secret-of-" + folder }

// RoleARN is the role of a function, named as CloudFormation names it.
func RoleARN(logical string) string {
	return "arn:aws:iam::" + accountID + ":role/" + stackName + "-" + logical + "Role-0E2E0E2E0E2E"
}

// Deploy makes the stack and founds it: an operator seeds it, has keys enrolled and says what is trusted.
func Deploy(ctx context.Context, o AWSOptions) (stack *AWS, err error) {
	s := &AWS{
		o: o, engines: o.Engines, Physical: map[string]string{}, functions: map[string]*deployed{}, byName: map[string]*deployed{},
		shards: map[string]map[string]string{}, queues: map[string]string{},
		operator: caller{
			who:    sdk.Credentials{AccessKeyID: "operator", SecretAccessKey: SecretKey("operator")},
			region: region, http: &http.Client{Timeout: time.Minute},
		},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Template, err = readTemplate(filepath.Join(o.Root, "template.yaml"), o.Edit); err != nil {
		return nil, err
	}
	t := s.Template
	t.StackName, t.Region, t.AccountID, t.Partition = stackName, region, accountID, "aws"
	t.Parameters["DomainName"] = domainName
	const credential = "yinxin:example-enrolment-password"
	if s.authority, err = openAuthority(ctx, o.Dir, credential); err != nil {
		return nil, err
	}
	enrolment, err := s.serve(s.authority, nil)
	if err != nil {
		return nil, err
	}
	t.Parameters["CertificateAuthority"] = "http://" + enrolment.String() + enrolmentPath
	for _, step := range []func(context.Context) error{s.makeKeys, s.makeTables, s.makeBuckets, s.makeQueues} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("deploying: %w", err)
		}
	}
	if t.Parameters["CertificateAuthorityCredential"], err = s.encrypted(ctx, "SecretKey", "ca", credential); err != nil {
		return nil, fmt.Errorf("deploying: %w", err)
	}
	if err := s.makeFunctions(ctx); err != nil {
		return nil, fmt.Errorf("deploying: %w", err)
	}
	if err := s.found(ctx); err != nil {
		return nil, fmt.Errorf("founding: %w", err)
	}
	return s, nil
}

// serve serves h on a free port of the loopback; where a certificate is given, over https.
func (s *AWS) serve(h http.Handler, certificate *tls.Certificate) (net.Addr, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr()
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12})
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	go server.Serve(l) // ends with Close
	return address, nil
}

// Close ends every process and server.
func (s *AWS) Close() error {
	var faults []error
	for _, f := range s.functions {
		if f.process != nil {
			faults = append(faults, f.process.Close())
		}
	}
	for _, server := range s.servers {
		faults = append(faults, server.Close())
	}
	if s.authority != nil {
		faults = append(faults, s.authority.db.Close())
	}
	return errors.Join(faults...)
}

// suffix is what CloudFormation appends to the names that it makes up.
func suffix() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

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
	if s.KMS, err = kmstest.New(kmstest.Config{Region: region, Account: accountID, Callers: callers, Rand: rand.Reader}); err != nil {
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
		if err := s.operator.call(ctx, s.sqs(), "CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes}, &out); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		arn := "arn:aws:sqs:" + region + ":" + accountID + ":" + name
		s.queues[arn] = out.QueueUrl
		s.made(r.Name, name, map[string]string{"Ref": out.QueueUrl, "QueueUrl": out.QueueUrl, "Arn": arn, "QueueName": name})
	}
	return nil
}

// makeFunctions opens the functions, the endpoint by which they invoke each other, and the front.
func (s *AWS) makeFunctions(ctx context.Context) error {
	resources, err := s.Template.Resources("AWS::Serverless::Function")
	if err != nil {
		return err
	}
	for _, r := range resources { // the names first: environments name other functions
		name, err := s.Template.resolve(child(child(r.node, "Properties"), "FunctionName"))
		if err != nil {
			return err
		}
		arn := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", region, accountID, name)
		s.made(r.Name, fmt.Sprint(name), map[string]string{"Ref": fmt.Sprint(name), "Arn": arn})
		s.Template.Made(r.Name+".Alias", map[string]string{"Ref": arn + ":live"})
	}
	invoker, err := s.serve(http.HandlerFunc(s.invocation), nil)
	if err != nil {
		return err
	}
	s.engines.Lambda = "http://" + invoker.String()
	reach, err := s.gate()
	if err != nil {
		return err
	}
	apis, err := s.Template.Resources("AWS::Serverless::HttpApi")
	if err != nil {
		return err
	}
	for _, r := range apis {
		s.made(r.Name, "e2e", map[string]string{"Ref": "e2e"})
	}
	mux := http.NewServeMux()
	for _, r := range resources {
		f, err := s.Template.Function(r)
		if err != nil {
			return err
		}
		env := map[string]string{
			"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ACCESS_KEY_ID": AccessKey(f.Folder),
			"AWS_SECRET_ACCESS_KEY": SecretKey(f.Folder), "AWS_SESSION_TOKEN": sessionToken(f.Folder),
			"AWS_ENDPOINT_URL_DYNAMODB": reach.DynamoDB, "AWS_ENDPOINT_URL_S3": reach.S3, "AWS_ENDPOINT_URL_SQS": reach.SQS,
			"AWS_ENDPOINT_URL_KMS": reach.KMS, "AWS_ENDPOINT_URL_LAMBDA": reach.Lambda,
		}
		for name, value := range f.Env {
			env[name] = value
		}
		d := &deployed{LambdaFunction: f}
		if d.process, err = runtime.Open(runtime.Options{
			Name: f.Name, ARN: s.Template.made[f.Logical+".Alias"]["Ref"], Env: env, Timeout: f.Timeout, MemoryMB: f.MemoryMB,
			Bootstrap: filepath.Join(s.o.Bootstraps, f.Folder, "bootstrap"),
			Log:       func(line string) { s.logged(f.Folder, line) },
		}); err != nil {
			return fmt.Errorf("%s: %w", f.Folder, err)
		}
		s.functions[f.Folder], s.byName[f.Name] = d, d
		for _, route := range f.Routes {
			mux.Handle(strings.ReplaceAll(route, "+}", "...}"), gateway.Handler(d.behindGateway, gateway.Options{
				Now: time.Now, Rand: rand.Reader, AccountID: accountID,
			}))
		}
	}
	certificate, pool, err := s.authority.https(ctx, domainName)
	if err != nil {
		return err
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { // what an HTTP API says of a route that it does not have
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"Not Found"}`) // the client is gone if this fails
	})
	if s.front, err = s.serve(mux, &certificate); err != nil {
		return err
	}
	s.client = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			switch {
			case address == domainName+":443":
				address = s.front.String()
			case "http://"+address != reach.S3: // addresses for uploads and downloads lead to the bucket
				return nil, fmt.Errorf("a script reaches for %s", address)
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
	}
	return nil
}

// gate serves the gate before the services, and returns where functions reach them through it.
func (s *AWS) gate() (Endpoints, error) {
	names := iam.Names{Partition: "aws", Region: region, Account: accountID, Stack: stackName,
		Parameters: s.Template.Parameters, Physical: s.Physical}
	policies, err := iam.Load(s.Template.text, names)
	if err != nil {
		return Endpoints{}, err
	}
	s.Gate = &iam.Gate{Stack: policies, Callers: map[string]string{}, Engines: map[string]*url.URL{}}
	for _, folder := range policies.Roles() {
		s.Gate.Callers[AccessKey(folder)] = folder
	}
	for service, address := range map[string]string{"dynamodb": s.engines.DynamoDB, "s3": s.engines.S3, "sqs": s.engines.SQS,
		"kms": s.engines.KMS, "lambda": s.engines.Lambda} {
		if s.Gate.Engines[service], err = url.Parse(address); err != nil {
			return Endpoints{}, err
		}
	}
	address, err := s.serve(s.Gate, nil)
	if err != nil {
		return Endpoints{}, err
	}
	at := "http://" + address.String()
	return Endpoints{DynamoDB: at, S3: at, SQS: at, KMS: at, Lambda: at}, nil
}

const maxLog = 200_000 // lines

func (s *AWS) logged(folder, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) < maxLog {
		s.log = append(s.log, LogLine{folder, line})
	}
}

// Logs are all lines that bootstraps wrote.
func (s *AWS) Logs() []LogLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// behindGateway is the function as an integration of the HTTP API.
func (d *deployed) behindGateway(ctx context.Context, e events.APIGatewayV2HTTPRequest) (a events.APIGatewayV2HTTPResponse, err error) {
	event, err := json.Marshal(e)
	if err != nil {
		return a, err
	}
	answer, failed, err := d.process.Invoke(ctx, event)
	switch {
	case err != nil:
		return a, err
	case failed != "":
		return a, fmt.Errorf("%s: %s: %s", d.Folder, failed, answer)
	}
	return a, json.Unmarshal(answer, &a)
}

// invocation is Lambda's Invoke (API Reference, "Invoke"): synchronous, of the alias "live".
func (s *AWS) invocation(w http.ResponseWriter, r *http.Request) {
	name, found := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/")
	name, found2 := strings.CutSuffix(name, "/invocations")
	f := s.byName[name]
	if r.Method != http.MethodPost || !found || !found2 || f == nil || r.URL.Query().Get("Qualifier") != "live" {
		w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if kind := r.Header.Get("X-Amz-Invocation-Type"); kind != "" && kind != "RequestResponse" {
		w.Header().Set("X-Amzn-ErrorType", "InvalidParameterValueException")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	event, err := io.ReadAll(io.LimitReader(r.Body, runtime.MaxPayload+1))
	if err != nil || len(event) > runtime.MaxPayload {
		w.Header().Set("X-Amzn-ErrorType", "RequestTooLargeException")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	answer, failed, err := f.process.Invoke(r.Context(), event)
	if err != nil {
		w.Header().Set("X-Amzn-ErrorType", "ServiceException")
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if failed != "" {
		w.Header().Set("X-Amz-Function-Error", failed)
	}
	w.Header().Set("X-Amz-Executed-Version", "1")
	_, _ = w.Write(answer) // the client is gone if this fails
}

// Operate invokes a function as an operator does.
func (s *AWS) Operate(ctx context.Context, folder string, event []byte) ([]byte, error) {
	f := s.functions[folder]
	if f == nil {
		return nil, fmt.Errorf("there is no function %s", folder)
	}
	answer, failed, err := f.process.Invoke(ctx, event)
	switch {
	case err != nil:
		return nil, err
	case failed != "":
		return nil, fmt.Errorf("%s failed: %s\n%s", folder, answer, strings.Join(f.process.Tail(), "\n"))
	}
	return answer, nil
}

// operate is Operate with values. A refusal is an error.
func operate[Out any](ctx context.Context, s *AWS, folder string, in any) (out Out, err error) {
	event, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	answer, err := s.Operate(ctx, folder, event)
	if err != nil {
		return out, err
	}
	var a struct {
		Result  Out
		Problem json.RawMessage
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return out, fmt.Errorf("%s: reading the answer %.300s: %w", folder, answer, err)
	}
	if a.Problem != nil {
		return out, fmt.Errorf("%s refused: %s", folder, a.Problem)
	}
	return a.Result, nil
}

// found does what an operator does once: the seed, what is trusted, the keys of makers and agencies.
func (s *AWS) found(ctx context.Context) error {
	seed, err := seedFor(s.o.Root, s.Base())
	if err != nil {
		return err
	}
	s.seed = seed
	if _, err := operate[json.RawMessage](ctx, s, "registry-seed", json.RawMessage(seed)); err != nil {
		return err
	}
	orders, err := s.authority.anchors(ctx)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if _, err := operate[json.RawMessage](ctx, s, "registry-trust", o); err != nil {
			return err
		}
	}
	return s.enrol(ctx, seed)
}

// enrol has the keys of makers certified, and those of agencies that issue a known type.
func (s *AWS) enrol(ctx context.Context, seed []byte) error {
	file, _, err := registry.ParseSeed(seed, time.Now())
	if err != nil {
		return err
	}
	types, err := licence.SampleTypes()
	if err != nil {
		return err
	}
	for _, o := range file.Organisations {
		var uses []key.Purpose
		if slices.Contains(o.Duties, string(seal.DutyMake)) {
			uses = append(uses, key.SealMaker)
		}
		if slices.ContainsFunc(types, func(t licence.Definition) bool { return slices.Contains(t.Issuers, o.USCC) }) {
			uses = append(uses, key.LicenceIssuer, key.StatusList)
		}
		for _, use := range uses {
			asked, err := operate[struct{ Request string }](ctx, s, "key-enrol",
				map[string]any{"purpose": use, "owner": o.USCC, "name": o.Name})
			if err != nil {
				return err
			}
			chain, err := s.authority.certify(ctx, use, asked.Request)
			if err != nil {
				return err
			}
			if _, err := operate[json.RawMessage](ctx, s, "key-enrol",
				map[string]any{"purpose": use, "owner": o.USCC, "chain": chain}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Base is the issuer's address.
func (s *AWS) Base() string { return "https://" + domainName }

// Transport reaches the front under the issuer's name.
func (s *AWS) Transport() http.RoundTripper { return s.client }

// seedFor is the seed of infra/local for an issuer, with the sample types of licences.
func seedFor(root, issuer string) ([]byte, error) {
	seed, err := readSeed(root, issuer)
	if err != nil {
		return nil, err
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(seed, &file); err != nil {
		return nil, err
	}
	types, err := licence.SampleTypes()
	if err != nil {
		return nil, err
	}
	if file["licenceTypes"], err = json.Marshal(types); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err = e.Encode(file)
	return out.Bytes(), err
}
