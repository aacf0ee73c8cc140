package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// ErrPersonUnknown reports a person that does not exist.
var ErrPersonUnknown = errors.New("oidc: no such person")

// Error is a refusal in the words of OAuth 2.0 (RFC 6749, sections 4.1.2.1 and 5.2) and OpenID Connect Core, section
// 3.1.2.6.
type Error struct {
	Code        string // "invalid_request" …
	Description string // for the client's developer; printable ASCII without quotation marks or backslashes
	Status      int    // where it is answered as JSON
}

// Error returns code and description.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// The codes.
const (
	invalidRequest          = "invalid_request"
	invalidClient           = "invalid_client"
	invalidGrant            = "invalid_grant"
	unauthorizedClient      = "unauthorized_client"
	unsupportedGrantType    = "unsupported_grant_type"
	unsupportedResponseType = "unsupported_response_type"
	invalidScope            = "invalid_scope"
	invalidTarget           = "invalid_target" // RFC 8707, section 2
	accessDenied            = "access_denied"
	serverError             = "server_error"
	loginRequired           = "login_required"
	consentRequired         = "consent_required"
	requestNotSupported     = "request_not_supported"
	requestURINotSupported  = "request_uri_not_supported"
	registrationUnsupported = "registration_not_supported"
)

func refuse(code, format string, args ...any) *Error {
	status := http.StatusBadRequest
	if code == invalidClient {
		status = http.StatusUnauthorized
	}
	return &Error{Code: code, Description: fmt.Sprintf(format, args...), Status: status}
}

// writeError answers as RFC 6749, section 5.2, asks. A fault is logged in full and answered generically.
func writeError(w http.ResponseWriter, r *http.Request, issuer string, err error) {
	var e *Error
	if !errors.As(err, &e) {
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", r.Pattern, "error", err.Error())
		e = &Error{Code: serverError, Description: "something went wrong on our side", Status: http.StatusInternalServerError}
	}
	if e.Status == http.StatusUnauthorized { // RFC 9110, section 15.5.2
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", issuer))
	}
	writeJSON(w, e.Status, struct {
		Code        string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.Code, e.Description})
}

// writeJSON answers with what no cache may keep (RFC 6749, section 5.1).
func writeJSON[T any](w http.ResponseWriter, status int, v T) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("oidc: an answer cannot be encoded: " + err.Error()) // the types are ours
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client is gone if this fails
}
