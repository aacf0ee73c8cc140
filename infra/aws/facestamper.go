package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
)

// FaceStamper is seal-stamp as licence-issue sees it: each order is an invocation of that function (AWS Lambda API
// Reference, "Invoke"), which alone opens the keys of seals.
type FaceStamper struct {
	Function string // ARN of the function's alias
	Config   sdk.Config
	Now      func() time.Time
}

var _ licence.FaceStamper = FaceStamper{}

// maxInvocation is what Lambda takes and gives in one invocation, in bytes.
const maxInvocation = 6 << 20

// StampFace implements [licence.FaceStamper].
func (s FaceStamper) StampFace(ctx context.Context, o licence.FaceOrder) ([]byte, error) {
	event, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encoding the order: %w", err)
	}
	request, err := s.request(ctx, event)
	if err != nil {
		return nil, fmt.Errorf("invoking the seal service: %w", err)
	}
	client := s.Config.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("invoking the seal service: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // what was needed of it is read
	data, err := io.ReadAll(io.LimitReader(response.Body, maxInvocation+1))
	if err != nil {
		return nil, fmt.Errorf("reading the seal service's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("X-Amz-Function-Error") != "" {
		return nil, fmt.Errorf("the seal service failed with status %d: %.200s", response.StatusCode, data)
	}
	var answer gateway.InvocationAnswer[[]byte]
	switch err := json.Unmarshal(data, &answer); {
	case err != nil:
		return nil, fmt.Errorf("reading the seal service's answer: %w", err)
	case answer.Problem != nil:
		return nil, answer.Problem
	case len(answer.Result) == 0:
		return nil, errors.New("the seal service answered with nothing")
	}
	return answer.Result, nil
}

// request makes the signed request.
func (s FaceStamper) request(ctx context.Context, event []byte) (*http.Request, error) {
	part := strings.Split(s.Function, ":") // arn:<partition>:lambda:<region>:<account>:function:<name>:<alias>
	if len(part) != 8 || part[2] != "lambda" || part[5] != "function" {
		return nil, fmt.Errorf("%q is not the ARN of a function's alias", s.Function)
	}
	base := "https://lambda." + part[3] + ".amazonaws.com"
	if part[1] == "aws-cn" {
		base += ".cn"
	}
	if s.Config.BaseEndpoint != nil {
		base = *s.Config.BaseEndpoint
	}
	url := base + "/2015-03-31/functions/" + part[6] + "/invocations?Qualifier=" + part[7]
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(event))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Invocation-Type", "RequestResponse")
	who, err := s.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(event)
	err = v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), "lambda", part[3], s.Now())
	return r, err
}

// FaceOrders answers the invocations of [FaceStamper].
func FaceOrders(seals *seal.Stamper) Handler {
	return Invocation(func(ctx context.Context, o licence.FaceOrder) ([]byte, error) {
		return seals.StampFace(ctx, seal.FaceOrder{
			Reference: "licence/" + o.LicenceID, Organisation: o.Organisation, Person: o.Person, Client: o.Client,
			Channel: o.Channel, Purpose: o.Purpose, Place: seal.Place(o.Place),
		}, o.Document)
	})
}
