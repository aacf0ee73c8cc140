package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/problem"
)

// Options are what a gateway has of its own.
type Options struct {
	Now       func() time.Time // required
	Rand      io.Reader        // required: request identifiers are drawn from it
	AccountID string           // of the invented account; "000000000000" if empty
	Timeout   time.Duration    // of one invocation; [MaxDuration] if zero, never more
}

// ToEvent makes the event that a function behind an HTTP API would get for r, whose pattern, if it has one, names the
// route. It reads the body to its end. A request that the gateway would not pass on gives a *problem.Problem.
func ToEvent(r *http.Request, o Options) (events.APIGatewayV2HTTPRequest, error) {
	var none events.APIGatewayV2HTTPRequest
	if headerBytes(r) > MaxHeaderBytes {
		return none, HeadersTooLarge
	}
	if !strings.HasPrefix(r.URL.Path, "/") || !validText(r.URL.Path, r.URL.RawQuery, r.Host) {
		return none, problem.BadRequest.With("the path or query is not UTF-8 text")
	}
	headers, cookies, err := eventHeaders(r)
	if err != nil {
		return none, err
	}
	body, err := io.ReadAll(io.LimitReader(bodyOf(r), MaxBodyBytes+1))
	switch {
	case len(body) > MaxBodyBytes:
		return none, problem.TooLarge
	case err != nil:
		return none, problem.BadRequest.With("the body ends early")
	}
	id := make([]byte, 11)
	if _, err := io.ReadFull(o.Rand, id); err != nil {
		return none, fmt.Errorf("drawing a request identifier: %w", err)
	}
	route, parameters := routeOf(r)
	e := events.APIGatewayV2HTTPRequest{
		Version:        "2.0",
		RouteKey:       route,
		RawPath:        r.URL.Path,
		RawQueryString: r.URL.RawQuery,
		Cookies:        cookies,
		Headers:        headers,
		PathParameters: parameters,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey:     route,
			AccountID:    o.AccountID,
			Stage:        "$default",
			RequestID:    base64.URLEncoding.EncodeToString(id),
			APIID:        "local",
			DomainName:   hostname(r.Host),
			DomainPrefix: strings.SplitN(hostname(r.Host), ".", 2)[0],
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method:    r.Method,
				Path:      r.URL.Path,
				Protocol:  r.Proto,
				SourceIP:  hostname(r.RemoteAddr),
				UserAgent: r.UserAgent(),
			},
			Authentication: clientCertificate(r),
		},
	}
	if e.RequestContext.AccountID == "" {
		e.RequestContext.AccountID = "000000000000"
	}
	now := o.Now().UTC()
	e.RequestContext.Time = now.Format("02/Jan/2006:15:04:05 -0700")
	e.RequestContext.TimeEpoch = now.UnixMilli()
	for name, values := range r.URL.Query() {
		if !validText(append(values, name)...) {
			return none, problem.BadRequest.With("the query is not UTF-8 text")
		}
		if e.QueryStringParameters == nil {
			e.QueryStringParameters = map[string]string{}
		}
		e.QueryStringParameters[name] = strings.Join(values, ",")
	}
	switch {
	case len(body) == 0:
	case textual(r.Header.Get("Content-Type")) && utf8.Valid(body):
		e.Body = string(body)
	default:
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	if encodedSize(e) > MaxEventBytes {
		return none, problem.TooLarge.With("the event has more than 6 MB as encoded; base64 adds a third")
	}
	return e, nil
}

func bodyOf(r *http.Request) io.Reader {
	if r.Body == nil {
		return bytes.NewReader(nil)
	}
	return r.Body
}

// headerBytes counts the request line and the headers as HTTP/1.1 writes them.
func headerBytes(r *http.Request) int {
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	n := len(r.Method) + len(uri) + len(r.Proto) + len("  \r\n") + len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// eventHeaders joins repeated headers, takes the cookies out, and replaces what a client says about its address by what
// the connection says.
func eventHeaders(r *http.Request) (headers map[string]string, cookies []string, err error) {
	headers = map[string]string{"host": r.Host}
	for name, values := range r.Header {
		if !validText(append(values, name)...) {
			return nil, nil, problem.BadRequest.With("a header is not UTF-8 text")
		}
		switch lower := strings.ToLower(name); {
		case isHop(name) || strings.HasPrefix(lower, "x-forwarded-"):
		case lower == "cookie":
			for _, v := range values {
				cookies = append(cookies, splitCookies(v)...)
			}
		default:
			headers[lower] = strings.Join(values, ",")
		}
	}
	headers["x-forwarded-for"] = hostname(r.RemoteAddr)
	headers["x-forwarded-proto"], headers["x-forwarded-port"] = "http", "80"
	if r.TLS != nil {
		headers["x-forwarded-proto"], headers["x-forwarded-port"] = "https", "443"
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		headers["x-forwarded-port"] = port
	}
	return headers, cookies, nil
}

func splitCookies(header string) []string {
	var cookies []string
	for c := range strings.SplitSeq(header, ";") {
		if c = strings.TrimSpace(c); c != "" {
			cookies = append(cookies, c)
		}
	}
	return cookies
}

// hostname is address without its port, if it has one.
func hostname(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

var wildcard = regexp.MustCompile(`\{([^{}]+)\}`)

// routeOf turns the pattern that http.ServeMux found into a route key and its parameters: "{path...}" is "{path+}"
// here.
func routeOf(r *http.Request) (route string, parameters map[string]string) {
	if r.Pattern == "" {
		return "$default", nil
	}
	route = strings.ReplaceAll(strings.ReplaceAll(r.Pattern, "{$}", ""), "...}", "+}")
	for _, m := range wildcard.FindAllStringSubmatch(r.Pattern, -1) {
		name := strings.TrimSuffix(m[1], "...")
		if name == "$" {
			continue
		}
		if parameters == nil {
			parameters = map[string]string{}
		}
		parameters[name] = r.PathValue(name)
	}
	return route, parameters
}

// clientCertificate describes the certificate that the client showed on a connection with mutual TLS.
func clientCertificate(r *http.Request) events.APIGatewayV2HTTPRequestContextAuthentication {
	var a events.APIGatewayV2HTTPRequestContextAuthentication
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return a
	}
	const form = "Jan _2 15:04:05 2006 MST"
	c := r.TLS.PeerCertificates[0]
	a.ClientCert.ClientCertPem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	a.ClientCert.IssuerDN = c.Issuer.String()
	a.ClientCert.SubjectDN = c.Subject.String()
	a.ClientCert.SerialNumber = c.SerialNumber.String()
	a.ClientCert.Validity.NotBefore = strings.Replace(c.NotBefore.UTC().Format(form), "UTC", "GMT", 1)
	a.ClientCert.Validity.NotAfter = strings.Replace(c.NotAfter.UTC().Format(form), "UTC", "GMT", 1)
	return a
}

// toRequest makes the request that event describes.
func toRequest(event events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(event.Body)
	if event.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
			return nil, problem.BadRequest.With("the body of the event is not base64")
		}
	}
	if !strings.HasPrefix(event.RawPath, "/") {
		return nil, problem.BadRequest.With("the event has no path")
	}
	r, err := http.NewRequest(event.RequestContext.HTTP.Method, "/", bytes.NewReader(body))
	if err != nil {
		return nil, problem.BadRequest.With("the event has no method")
	}
	// The path is decoded already; parsing it again would decode it twice.
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = event.RawPath, "", event.RawQueryString
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = net.JoinHostPort(event.RequestContext.HTTP.SourceIP, "0")
	r.Host = event.RequestContext.DomainName
	for name, value := range event.Headers {
		switch {
		case strings.EqualFold(name, "host"):
			r.Host = value
		case isHop(name):
		default:
			r.Header.Set(name, value)
		}
	}
	if len(event.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	if event.RequestContext.HTTP.Protocol != "" {
		r.Proto = event.RequestContext.HTTP.Protocol
		r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(r.Proto) // 0.0 for what is none, as net/http would not pass it
	}
	return r, nil
}

// refusal is err as a problem: a fault is [problem.Internal].
func refusal(err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	return problem.Internal
}
