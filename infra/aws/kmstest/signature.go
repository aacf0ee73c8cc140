package kmstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how far the time of a request may be from ours: "requests must reach AWS within five minutes of the time
// stamp" (IAM User Guide, elements of a request signature).
const maxSkew = 5 * time.Minute

// credential is the scope that an Authorization header names.
type credential struct {
	keyID, date, region, service, end string
}

func (c credential) scope() string {
	return strings.Join([]string{c.date, c.region, c.service, c.end}, "/")
}

// authenticate recomputes the signature of a request as "Create a signed AWS API request" of the IAM User Guide has it:
// canonical request, string to sign, derived key, signature.
func (s *Server) authenticate(req *http.Request, body []byte) (caller, error) {
	header := req.Header.Get("Authorization")
	if header == "" {
		return caller{}, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	c, signed, signature, ok := parseAuthorization(header)
	if !ok {
		return caller{}, refuse("IncompleteSignatureException", "the Authorization header is not that of AWS4-HMAC-SHA256")
	}
	who, known := s.callers[c.keyID]
	if !known || who.Token != req.Header.Get("X-Amz-Security-Token") {
		return caller{}, refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if c.region != s.config.Region || c.service != "kms" || c.end != "aws4_request" {
		return caller{}, refuse("InvalidSignatureException", "Credential should be scoped to %s/kms/aws4_request, not %s",
			s.config.Region, c.scope())
	}
	stamp := req.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil || at.Format("20060102") != c.date {
		return caller{}, refuse("IncompleteSignatureException", "X-Amz-Date %q does not fit the scope", stamp)
	}
	if skew := s.config.Now().Sub(at); skew.Abs() > maxSkew {
		return caller{}, refuse("InvalidSignatureException", "Signature expired: %s is not within five minutes of now", stamp)
	}
	if missing := unsigned(req, signed); missing != "" {
		return caller{}, refuse("InvalidSignatureException", "the header %q must be signed", missing)
	}
	sum := sha256.Sum256([]byte(canonicalRequest(req, signed, body)))
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, c.scope(), hex.EncodeToString(sum[:])}, "\n")
	k := mac([]byte("AWS4"+who.Secret), c.date)
	for _, part := range []string{c.region, c.service, c.end} {
		k = mac(k, part)
	}
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(mac(k, toSign))), []byte(signature)) != 1 {
		return caller{}, refuse("InvalidSignatureException",
			"The request signature we calculated does not match the signature you provided.")
	}
	return who, nil
}

func mac(k []byte, text string) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseAuthorization(header string) (c credential, signed []string, signature string, ok bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return c, nil, "", false
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !found || twice {
			return c, nil, "", false
		}
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(fields) != 3 || len(scope) != 5 || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return c, nil, "", false
	}
	signed = strings.Split(fields["SignedHeaders"], ";")
	if !sort.StringsAreSorted(signed) {
		return c, nil, "", false
	}
	return credential{scope[0], scope[1], scope[2], scope[3], scope[4]}, signed, fields["Signature"], true
}

// unsigned names a header that must be signed and is not: host, content-type and every x-amz-* header.
func unsigned(req *http.Request, signed []string) string {
	must := []string{"host"}
	for name := range req.Header {
		if name = strings.ToLower(name); name == "content-type" || strings.HasPrefix(name, "x-amz-") {
			must = append(must, name)
		}
	}
	slices.Sort(must)
	for _, name := range must {
		if !slices.Contains(signed, name) {
			return name
		}
	}
	return ""
}

func canonicalRequest(req *http.Request, signed []string, body []byte) string {
	var headers strings.Builder
	for _, name := range signed {
		value := strings.Join(req.Header.Values(name), ",")
		switch name {
		case "host":
			value = req.Host
		case "content-length":
			value = req.Header.Get("Content-Length")
			if value == "" {
				value = strconv.FormatInt(req.ContentLength, 10)
			}
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	sum := sha256.Sum256(body)
	return strings.Join([]string{
		req.Method, (&url.URL{Path: req.URL.Path}).EscapedPath(), req.URL.Query().Encode(), headers.String(),
		strings.Join(signed, ";"), hex.EncodeToString(sum[:]),
	}, "\n")
}
