package oidc

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of an authorization request. FAPI 2.0 asks for nonces of 64 characters and more than 1000 of state to work.
const (
	maxRequest = 16 << 10
	maxState   = 4096
	maxNonce   = 512
)

// AuthorizationRequest is an authentication request (OpenID Connect Core, section 3.1.2.1) as it was sent: read, but
// compared with no client yet.
type AuthorizationRequest struct {
	ClientID     string
	RedirectURI  string
	ResponseType string
	ResponseMode string
	Scope        string
	State        string
	Nonce        string
	Challenge    string // PKCE
	Method       string // of the challenge
	Prompt       []string
	MaxAge       time.Duration // negative where it was not sent
	LoginHint    string
	IDTokenHint  string
	Resource     []string

	values url.Values // everything that was sent, for the forms to carry
	faults []*Error   // what may be told to the client once its address is known to be right
}

// ParseAuthorizationRequest reads the query, or the form, of an authorization request. The error is one that must be
// shown to the person and never sent to the client, because the client's address cannot be trusted: the request is too
// long, cannot be decoded, or has client_id or redirect_uri twice. What else is wrong is kept for [AuthorizationRequest]
// to tell after the address was checked.
func ParseAuthorizationRequest(query string) (AuthorizationRequest, error) {
	if len(query) > maxRequest {
		return AuthorizationRequest{}, refuse(invalidRequest, "the request has more than %d bytes", maxRequest)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return AuthorizationRequest{}, refuse(invalidRequest, "the parameters cannot be decoded")
	}
	for _, name := range []string{"client_id", "redirect_uri"} {
		if len(values[name]) != 1 || values.Get(name) == "" {
			return AuthorizationRequest{}, refuse(invalidRequest, "%s must be sent once", name)
		}
	}
	q := AuthorizationRequest{
		ClientID: values.Get("client_id"), RedirectURI: values.Get("redirect_uri"),
		ResponseType: values.Get("response_type"), ResponseMode: values.Get("response_mode"), Scope: values.Get("scope"),
		State: values.Get("state"), Nonce: values.Get("nonce"), Challenge: values.Get("code_challenge"),
		Method: values.Get("code_challenge_method"), Prompt: strings.Fields(values.Get("prompt")), MaxAge: -1,
		LoginHint: values.Get("login_hint"), IDTokenHint: values.Get("id_token_hint"), Resource: values["resource"],
		values: values,
	}
	q.check()
	return q, nil
}

// Problem returns the first thing that is wrong with the request in itself, as an [Error], or nil.
func (q AuthorizationRequest) Problem() error {
	if len(q.faults) == 0 {
		return nil
	}
	return q.faults[0]
}

// check runs what needs no client, in the order of RFC 6749, section 4.1.2.1, RFC 7636, section 4.4.1, and OpenID
// Connect Core, section 3.1.2.6.
func (q *AuthorizationRequest) check() {
	fault := func(wrong bool, code, description string) {
		if wrong {
			q.faults = append(q.faults, refuse(code, "%s", description))
		}
	}
	// RFC 6749, section 3.1: no parameter twice. RFC 8707, section 2, excepts resource.
	for name, list := range q.values {
		fault(len(list) > 1 && name != "resource", invalidRequest, "a parameter was sent twice")
	}
	if len(q.State) > maxState {
		q.State = "" // too long to send back
		fault(true, invalidRequest, "state is too long")
	}
	fault(q.values.Has("request"), requestNotSupported, "request objects are not supported")
	fault(q.values.Has("request_uri"), requestURINotSupported, "request_uri is not supported")
	fault(q.values.Has("registration"), registrationUnsupported, "registration is not supported")
	fault(q.ResponseType == "", invalidRequest, "response_type is missing")
	fault(q.ResponseType != "code", unsupportedResponseType, "the response type is code")
	fault(q.ResponseMode != "" && q.ResponseMode != "query", invalidRequest, "the response mode is query")
	fault(len(q.Nonce) > maxNonce, invalidRequest, "nonce is too long")
	fault(q.Challenge == "", invalidRequest, "code_challenge is missing")
	fault(q.Method != "S256", invalidRequest, "code_challenge_method must be S256")
	fault(len(q.Challenge) != 43 || strings.Trim(q.Challenge, base64URL) != "", invalidRequest,
		"code_challenge is not a SHA-256 digest in base64url")
	for _, one := range q.Prompt {
		known := slices.Contains([]string{"none", "login", "consent", "select_account"}, one)
		fault(!known, invalidRequest, "unknown prompt")
	}
	fault(len(q.Prompt) > 1 && slices.Contains(q.Prompt, "none"), invalidRequest, "prompt none goes with no other")
	if raw := q.values.Get("max_age"); raw != "" {
		seconds, err := strconv.ParseUint(raw, 10, 31)
		fault(err != nil, invalidRequest, "max_age is not a number of seconds")
		if err == nil {
			q.MaxAge = time.Duration(seconds) * time.Second
		}
	}
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// prompts tells whether the client asks for a prompt.
func (q AuthorizationRequest) prompts(one string) bool { return slices.Contains(q.Prompt, one) }

// String returns the request as a query that reads back as itself.
func (q AuthorizationRequest) String() string { return q.values.Encode() }

// afterLogin returns the request for a person who has just signed on for it: what asked for that is taken out, so that
// it is not asked again.
func (q AuthorizationRequest) afterLogin() string {
	values := url.Values{}
	for name, list := range q.values {
		values[name] = list
	}
	values.Del("max_age")
	values.Del("prompt")
	if q.prompts("consent") {
		values.Set("prompt", "consent")
	}
	return values.Encode()
}
