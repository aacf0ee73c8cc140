package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// canaries are values that nobody has; whatever a function logs of them is found by them.
type canaries struct{ number, name, password, token, cookie, code string }

func sing() canaries {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return canaries{
		number: "990000198503120019", name: "金丝雀(示例)", password: "canary-password-1", code: "canary-code-0123456789",
		cookie: "canary-cookie-0123456789",
		token:  part(`{"alg":"ES256","typ":"at+jwt"}`) + "." + part(`{"sub":"canary","iss":"https://canary.example"}`) + "." + part("canary-signature"),
	}
}

// in says which of them a line holds.
func (c canaries) in(line string) string {
	for what, v := range map[string]string{"the number": c.number, "the name": c.name, "the password": c.password, "the token": c.token,
		"the cookie": c.cookie, "the code": c.code, "the payload of the token": strings.Split(c.token, ".")[1]} {
		if strings.Contains(line, v) || strings.Contains(line, url.QueryEscape(v)) {
			return what
		}
	}
	return ""
}

// faulty stands before an engine and answers functions with an error of the service while it is broken.
func faulty(t *testing.T, engine string, broken *atomic.Bool) string {
	t.Helper()
	target, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() && !byOperator(r) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest) // an error that is not tried again
			_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// Every operation of the contract and every kind of event, with a canary in each place that a caller fills: with the tables
// there, so that what is refused is logged, and without them, so that what goes wrong is.
func TestNoFunctionLogsWhatItIsTold(t *testing.T) {
	e, broken := engines(t), &atomic.Bool{}
	s := deploy(t, func(o *AWSOptions) { o.Engines.DynamoDB = faulty(t, e.DynamoDB, broken) })
	c := sing()
	signed, err := run(t.Context(), s, mustParse(t, "sign-on li agency-desk\nsign-on worker demo-app-a\n"))
	if err != nil {
		t.Fatal(err)
	}
	before := len(s.Logs())
	c.tellRequests(t, s, signed.vars["li"], signed.vars["worker"])
	c.tellEvents(t, s)
	broken.Store(true)
	faults := c.tellRequests(t, s, signed.vars["li"], signed.vars["worker"])
	c.tellEvents(t, s)
	broken.Store(false)
	if faults < 20 {
		t.Errorf("only %d answers were faults: what is logged of them is not seen", faults)
	}
	errors, said := 0, map[string]bool{}
	for _, l := range s.Logs()[before:] {
		if strings.Contains(l.Text, `"ERROR"`) {
			errors++
		}
		if what := c.in(l.Text); what != "" && !said[l.Function+what] {
			said[l.Function+what] = true
			t.Errorf("%s logs %s: %.900s", l.Function, what, l.Text)
		}
	}
	if errors < 20 {
		t.Errorf("only %d errors were logged", errors)
	}
}

func mustParse(t *testing.T, text string) script {
	t.Helper()
	s, err := parseScript("canary", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var pathParameter = regexp.MustCompile(`\{[^{}]*\}`)

// tellRequests calls every operation and returns how many answers were faults.
func (c canaries) tellRequests(t *testing.T, s *AWS, tokens ...string) (faults int) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(root(t), "infra/openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"username": {c.number}, "password": {c.password}, "code": {c.code}, "grant_type": {"authorization_code"},
		"client_id": {"demo-app-a"}, "client_secret": {c.password}, "refresh_token": {c.code}, "state": {c.code}, "nonce": {c.code},
		"login_hint": {c.number}, "id_token_hint": {c.token}, "redirect_uri": {"https://canary.example/" + c.code},
		"scope": {"openid " + c.name}, "request": {c.token}, "input": {c.number}, "purpose": {c.name}, "client_assertion": {c.token}}
	object, err := json.Marshal(map[string]any{"organisation": c.number, "type": c.number, "number": c.number, "licence": c.number,
		"input": c.token, "name": c.name, "holder": map[string]string{"type": "111", "code": c.number, "name": c.name},
		"purpose": map[string]string{"code": "other", "text": c.name + c.number, "caseNumber": c.number, "itemCode": c.code}})
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{"application/json": string(object), "application/x-www-form-urlencoded": form.Encode(),
		"application/pdf": "%PDF-1.7 " + c.number + c.name, "text/plain": c.token}
	client := &http.Client{Transport: s.Transport(), CheckRedirect: noRedirect, Timeout: maxStep}
	send := func(method, path, authorization, media, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.Base()+path+"?"+form.Encode(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", media)
		r.Header.Set("User-Agent", c.number)
		r.Header.Set("Idempotency-Key", c.code+c.number)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Cookie", "__Host-session="+c.cookie)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode >= 500 {
			faults++
		}
	}
	for path, item := range doc.Paths.Map() {
		path = pathParameter.ReplaceAllString(path, url.PathEscape(c.number))
		for method := range item.Operations() {
			authorizations := []string{"Bearer " + c.token}
			for _, token := range tokens {
				authorizations = append(authorizations, "Bearer "+token)
			}
			for _, authorization := range authorizations {
				if method == http.MethodGet {
					send(method, path, authorization, "", "")
					continue
				}
				for media, body := range bodies {
					send(method, path, authorization, media, body)
				}
			}
		}
	}
	return faults
}

// tellEvents invokes every function by every kind of event. What each answers is its own matter.
func (c canaries) tellEvents(t *testing.T, s *AWS) {
	t.Helper()
	all := c.number + c.name + c.password + c.token + c.code
	image := fmt.Sprintf(`{"pk":{"S":"person#%s"},"event":{"S":%q},"body":{"S":%q},"eventPerson":{"S":%q}}`, c.number,
		`{"id":"`+all+`","time":"`+c.name+`","person":"`+c.number+`"}`, all, c.number)
	events := []string{
		`{"Records":[{"eventSource":"aws:dynamodb","eventName":"MODIFY","dynamodb":{"SequenceNumber":"1","NewImage":` + image + `}}]}`,
		`{"Records":[{"messageId":"m","eventSource":"aws:sqs","body":` + quoted(all) + `}]}`,
		`{"detail-type":"Scheduled Event","detail":{"x":` + quoted(all) + `}}`,
		`{"purpose":` + quoted(all) + `,"owner":` + quoted(all) + `,"name":` + quoted(c.name) + `,"chain":` + quoted(all) + `,"keyId":` + quoted(all) + `}`,
		`{"purpose":"licence-issuer","owner":` + quoted(c.number+c.name) + `,"chain":` + quoted("-----BEGIN CERTIFICATE-----\n"+all) + `}`,
		`{"purpose":"seal-owner","anchor":` + quoted("-----BEGIN CERTIFICATE-----\n"+c.number+"\n-----END CERTIFICATE-----") + `}`,
		`{"persons":[{"id":` + quoted(c.number) + `,"name":` + quoted(c.name) + `,"idNumber":` + quoted(c.number) + `,"password":` + quoted(c.password) + `}],` +
			`"mandates":[{"person":` + quoted(c.number) + `,"organisation":` + quoted(c.number) + `,"from":` + quoted(c.name) + `}]}`,
		`{"persons":[{"id":"canary","name":` + quoted(c.name) + `,"idType":"111","idNumber":` + quoted(c.number[:17]+"0") + `,"password":` + quoted(c.password) + `}]}`,
		`{"clients":[{"client_id":` + quoted(c.name) + `,"client_secret":` + quoted(c.password) + `}]}`,
		`{"from":` + quoted(c.name) + `,"to":` + quoted(c.number) + `,"cursor":` + quoted(all) + `}`,
		`{"` + c.name + `":` + quoted(c.number) + `}`,
		quoted(all),
		all,
	}
	for folder := range s.functions {
		for _, event := range events {
			_, _ = s.Operate(context.WithoutCancel(t.Context()), folder, []byte(event))
		}
	}
}

func quoted(text string) string {
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(text) // a text is JSON
	return strings.TrimSpace(b.String())
}
