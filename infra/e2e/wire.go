package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// caller sends requests to AWS's services, or what stands for them, in the JSON protocols (AWS JSON 1.0 and 1.1),
// signed.
type caller struct {
	who    sdk.Credentials
	region string
	http   *http.Client
}

// service is one of AWS's services where it is reached.
type service struct {
	signing string // name in signatures: "dynamodb"
	target  string // before the operation in X-Amz-Target: "DynamoDB_20120810."
	media   string
	url     string
}

const (
	json10 = "application/x-amz-json-1.0"
	json11 = "application/x-amz-json-1.1"
)

// serviceError is what a service answered instead of a result.
type serviceError struct {
	Operation, Code, Message string
	Status                   int
}

func (e *serviceError) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.Operation, e.Status, e.Code, e.Message)
}

// call carries out an operation; out may be nil.
func (c caller) call(ctx context.Context, s service, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", s.media)
	r.Header.Set("X-Amz-Target", s.target+operation)
	answer, data, err := c.send(ctx, r, s.signing, body)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if answer.StatusCode != http.StatusOK {
		e := &serviceError{Operation: operation, Status: answer.StatusCode}
		var said struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if json.Unmarshal(data, &said) == nil {
			e.Code, e.Message = said.Type, said.Message
		} else {
			e.Message = fmt.Sprintf("%.300s", data)
		}
		return e
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s: reading the answer: %w", operation, err)
	}
	return nil
}

// send signs a request and reads its answer, at most 16 MiB.
func (c caller) send(ctx context.Context, r *http.Request, signing string, body []byte) (*http.Response, []byte, error) {
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	if signing == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", digest)
	}
	if err := v4.NewSigner().SignHTTP(ctx, c.who, r, digest, signing, c.region, time.Now()); err != nil {
		return nil, nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }() // what was needed of it is read
	data, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	return answer, data, err
}
