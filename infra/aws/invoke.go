package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/yinxin/yinxin/infra/gateway"
)

// invocation is a function of the house that this one invokes (AWS Lambda API Reference, "Invoke").
type invocation struct {
	Function string // ARN of the function's alias
	Config   sdk.Config
	Now      func() time.Time
}

// maxInvocation is what Lambda takes and gives in one invocation, in bytes.
const maxInvocation = 6 << 20

// invoke invokes a function and waits for its answer: what it made, or its refusal as a *problem.Problem. Any other
// error is a fault, after which the function may have done its work or not.
func invoke[In, Out any](ctx context.Context, f invocation, in In) (out Out, err error) {
	event, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("encoding an invocation: %w", err)
	}
	url, region, err := f.url()
	if err != nil {
		return out, fmt.Errorf("invoking the seal service: %w", err)
	}
	status, header, data, err := signed(ctx, f.Config, f.Now, "lambda", region, url, event, http.Header{
		"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"RequestResponse"},
	})
	if err != nil {
		return out, fmt.Errorf("invoking the seal service: %w", err)
	}
	if status != http.StatusOK || header.Get("X-Amz-Function-Error") != "" {
		return out, fmt.Errorf("the seal service failed with status %d: %.200s", status, data)
	}
	var answer gateway.InvocationAnswer[Out]
	switch err := json.Unmarshal(data, &answer); {
	case err != nil:
		return out, fmt.Errorf("reading the seal service's answer: %w", err)
	case answer.Problem != nil:
		return out, answer.Problem
	}
	return answer.Result, nil
}

// url is where the function is invoked, in its region.
func (f invocation) url() (url, region string, err error) {
	part := strings.Split(f.Function, ":") // arn:<partition>:lambda:<region>:<account>:function:<name>:<alias>
	if len(part) != 8 || part[2] != "lambda" || part[5] != "function" {
		return "", "", fmt.Errorf("%q is not the ARN of a function's alias", f.Function)
	}
	base := "https://lambda." + part[3] + ".amazonaws.com"
	if part[1] == "aws-cn" {
		base += ".cn"
	}
	if f.Config.BaseEndpoint != nil {
		base = *f.Config.BaseEndpoint
	}
	return base + "/2015-03-31/functions/" + part[6] + "/invocations?Qualifier=" + part[7], part[3], nil
}

// signed posts a body to a service with a request that is signed (Signature Version 4), and reads the answer. It is
// done by hand for the services of which one operation is needed: their clients would be a part of every binary.
func signed(ctx context.Context, c sdk.Config, now func() time.Time, service, region, url string, body []byte, header http.Header) (
	status int, answered http.Header, data []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header = header
	who, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return 0, nil, nil, err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), service, region, now()); err != nil {
		return 0, nil, nil, err
	}
	client := c.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = response.Body.Close() }() // what was needed of it is read
	data, err = io.ReadAll(io.LimitReader(response.Body, maxInvocation+1))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("reading the answer: %w", err)
	}
	return response.StatusCode, response.Header, data, nil
}
