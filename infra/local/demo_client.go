package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/verdict"
)

// caller calls the platform's APIs with an access token, or without one.
type caller struct {
	base  string
	http  *http.Client
	token string
}

// refusal is an answer other than a success.
type refusal struct {
	status int
	code   string // of the problem document
	detail string
}

func (r *refusal) Error() string { return fmt.Sprintf("answered %d %s %s", r.status, r.code, r.detail) }

// do sends a request and returns the body of a successful answer, at most 16 MiB.
func (c caller) do(ctx context.Context, method, path, media, accept string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 == 2 {
		return answer, nil
	}
	refused := refusal{status: response.StatusCode}
	var p struct{ Code, Detail string }
	if json.Unmarshal(answer, &p) == nil {
		refused.code, refused.detail = p.Code, p.Detail
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, &refused)
}

// get fetches path in the media type accept.
func (c caller) get(ctx context.Context, path, accept string) ([]byte, error) {
	return c.do(ctx, http.MethodGet, path, "", accept, nil)
}

// post sends in as JSON and reads the answer into out, unless out is nil.
func (c caller) post(ctx context.Context, path string, in any, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, http.MethodPost, path, "application/json", "application/json", body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}

// stamp has a seal put on a document.
func (c caller) stamp(ctx context.Context, seal, name string, document []byte, order map[string]any) ([]byte, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	text, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	if err := form.WriteField("order", string(text)); err != nil {
		return nil, err
	}
	part, err := form.CreateFormFile("document", name)
	if err != nil {
		return nil, err
	}
	if _, err := part.Write(document); err != nil {
		return nil, err
	}
	if err := form.Close(); err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, "/seals/"+seal+"/stamps", form.FormDataContentType(), "", body.Bytes())
}

// verify asks the platform what it makes of a document or, with media "", of a text.
func (c caller) verify(ctx context.Context, media string, document []byte) (verdict.Verdict, error) {
	if media == "" {
		in, err := json.Marshal(map[string]any{
			"input":   string(document),
			"purpose": map[string]string{"code": "inspection", "text": "核验上门服务人员证照(示例)", "itemCode": "SL-0001", "caseNumber": "SL-2026-0001"},
		})
		if err != nil {
			return verdict.Verdict{}, err
		}
		media, document = "application/json", in
	}
	answer, err := c.do(ctx, http.MethodPost, "/verify", media, "application/json", document)
	if err != nil {
		return verdict.Verdict{}, err
	}
	var v verdict.Verdict
	if err := json.Unmarshal(answer, &v); err != nil {
		return verdict.Verdict{}, fmt.Errorf("reading a verdict: %w", err)
	}
	return v, nil
}

// shown is a verdict in one line: the outcome, and the codes that failed or that nobody could tell.
func shown(v verdict.Verdict) string {
	codes := v.Failed()
	for _, c := range v.Checks {
		if (c.Result == verdict.Unknown || c.Result == verdict.Skipped) && v.Overall == verdict.Indeterminate && !slices.Contains(codes, c.Code) {
			codes = append(codes, c.Code)
		}
	}
	if len(codes) == 0 {
		return string(v.Overall)
	}
	return string(v.Overall) + " " + strings.Join(codes, " ")
}

// decodeJWT reads the claims of a JWS without verifying it: /verify does that.
func decodeJWT(compact string, claims any) error {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return errors.New("not a JWS")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	return json.Unmarshal(payload, claims)
}
