// Package gateway turns HTTP requests into the events of an API Gateway HTTP API (payload format 2.0) and back, so that
// one http.Handler is both a Lambda function and a local endpoint, and effects of the gateway show in development.
//
//	net/http request ── ToEvent ── event ── Serve(handler) ── answer ── net/http response
//	└────────── Handler: the gateway ─────┘ └──── Lambda: the function ────┘
//
// What the gateway does to a request is documented under "Working with AWS Lambda proxy integrations for HTTP APIs"
// (API Gateway developer guide) and copied here:
//
//   - a body that is not text/* or application/{json,xml,javascript} is base64, so is one without a media type, and so
//     are the form posts of /token and /par;
//   - repeated headers are joined by commas, names are lower case, cookies are a list of their own in both directions;
//   - request line and headers have 10,240 bytes, the body 10 MB, the event and the answer 6 MB as encoded;
//   - an answer comes within 30 seconds;
//   - rawPath is decoded, so identifiers that need "%2F" have no place in a path;
//   - of the addresses only sourceIp is to be trusted: X-Forwarded-* headers of the client do not pass.
//
// TestOneTableTwoWays runs one table of requests through net/http and through the event; FuzzRoundTrip does so with
// requests nobody wrote. It does not imitate authorizers, CORS settings, throttling or the remapping of
// WWW-Authenticate that REST APIs do.
package gateway

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/problem"
)

// The limits of API Gateway and Lambda.
const (
	MaxHeaderBytes = 10_240           // request line and headers
	MaxBodyBytes   = 10 << 20         // body of a request as sent
	MaxEventBytes  = 6 << 20          // event or answer, as encoded JSON
	MaxDuration    = 30 * time.Second // of an integration
)

// What the gateway itself refuses.
var (
	HeadersTooLarge = problem.New(http.StatusRequestHeaderFieldsTooLarge, "headers_too_large",
		"The request line and headers have more than 10,240 bytes.")
	TimedOut  = problem.New(http.StatusServiceUnavailable, "timed_out", "The function did not answer in time.")
	BadAnswer = problem.New(http.StatusBadGateway, "bad_answer", "The function gave an answer that cannot be passed on.")
)

// textual tells whether the gateway passes a body of this media type as text.
func textual(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && media == "" {
		return false
	}
	switch media {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(media, "text/")
}

// hop lists the headers that concern one connection (RFC 9110, section 7.6.1) and never pass a gateway.
var hop = [...]string{"Connection", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade"}

func isHop(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	for _, h := range hop {
		if h == name {
			return true
		}
	}
	return false
}

// encodedSize is the length of v as JSON.
func encodedSize(v any) int {
	data, err := json.Marshal(v)
	if err != nil {
		return MaxEventBytes + 1
	}
	return len(data)
}

func validText(values ...string) bool {
	for _, v := range values {
		if !utf8.ValidString(v) {
			return false
		}
	}
	return true
}
