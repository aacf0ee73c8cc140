package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/infra/e2e/iam"
	"github.com/yinxin/yinxin/infra/e2e/runtime"
	"github.com/yinxin/yinxin/infra/gateway"
)

// The functions of the template, as processes behind the gateway and the gate.

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
