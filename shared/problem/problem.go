// Package problem turns a refusal into an answer: application/problem+json of RFC 9457 with stable types.
//
//	handler returns error ── Write ── *Problem ⇒ its status, type and code
//	                              └─ any other ⇒ 500 "internal", the cause goes to the log only
//
// OAuth, OpenID4VC and RFC 3161 endpoints fix their own error formats and do not use it.
package problem

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
)

// Problem is a refusal: the caller is wrong, and Code says how. It is an error.
type Problem struct {
	Type   string `json:"type"`             // "urn:yinxin:problem:" + Code
	Title  string `json:"title"`            // short English sentence, the same for every occurrence
	Status int    `json:"status"`           // HTTP status
	Code   string `json:"code"`             // stable, snake_case
	Detail string `json:"detail,omitempty"` // for the caller's developer; no personal data, no secret
}

// New makes a Problem.
func New(status int, code, title string) *Problem {
	return &Problem{Type: "urn:yinxin:problem:" + code, Title: title, Status: status, Code: code}
}

// Error returns the code and what is known beside it.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Code + ": " + p.Detail
	}
	return p.Code + ": " + p.Title
}

// With returns a copy of p with a detail.
func (p *Problem) With(detail string) *Problem {
	c := *p
	c.Detail = detail
	return &c
}

// Is makes errors.Is compare problems by code, so that a Problem with a detail is still the declared one.
func (p *Problem) Is(target error) bool {
	t, ok := target.(*Problem)
	return ok && t.Code == p.Code
}

// The refusals that every API shares.
var (
	BadRequest      = New(http.StatusBadRequest, "bad_request", "The request cannot be read.")
	Unauthenticated = New(http.StatusUnauthorized, "unauthenticated", "An access token is needed.")
	Forbidden       = New(http.StatusForbidden, "forbidden", "The caller may not do this.")
	NotFound        = New(http.StatusNotFound, "not_found", "There is nothing here.")
	Conflict        = New(http.StatusConflict, "conflict", "The record has changed meanwhile, or its state forbids this.")
	TooLarge        = New(http.StatusRequestEntityTooLarge, "too_large", "The request is too large.")
	Unsupported     = New(http.StatusUnsupportedMediaType, "unsupported_media_type", "This media type is not accepted here.")
	TooMany         = New(http.StatusTooManyRequests, "too_many_requests", "Too many requests; try later.")
	Internal        = New(http.StatusInternalServerError, "internal", "Something went wrong on our side.")
)

// HandlerFunc is an HTTP handler that returns its refusal or fault.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Handler makes h an http.Handler: what it returns is written by [Write].
func Handler(h HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Write(w, r, err)
		}
	})
}

// Write answers with err: a *Problem as it is, anything else as [Internal], logged in full under the request's context.
func Write(w http.ResponseWriter, r *http.Request, err error) {
	var p *Problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
	case errors.As(err, &tooLarge):
		p = TooLarge
	default:
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", r.Pattern, "error", err.Error())
		p = Internal
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone if this fails
}
