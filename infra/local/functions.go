package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/problem"
)

// function is one function of functions/: a name as in functions/, its routes, and the handler that its constructor made.
type function struct {
	Name    string
	Routes  []string
	Handler http.Handler
	Timeout time.Duration // of the template; [timeout] if zero
}

// timeout is what a function gets where the table names nothing.
const timeout = 10 * time.Second

// documentTimeout is what functions get that lay out, stamp or read whole documents.
const documentTimeout = 25 * time.Second

// routes serves each function behind a gateway of its own, and the pages of this server beside them.
func (s *server) routes(functions []function) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, f := range functions {
		o := gateway.Options{Now: s.now, Rand: s.random, Timeout: f.Timeout}
		if o.Timeout == 0 {
			o.Timeout = timeout
		}
		h := s.logged(f.Name, gateway.Handler(gateway.Lambda(f.Handler), o))
		for _, route := range f.Routes {
			mux.Handle(route, h)
		}
	}
	apps, err := s.sampleApps()
	if err != nil {
		return nil, err
	}
	for _, a := range apps {
		a.register(mux)
	}
	first, err := s.first(apps)
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /{$}", first)
	mux.Handle(blobsPath, s.logged("blobs", http.StripPrefix(blobsPath, s.blobs)))
	mux.Handle("GET "+outboxPath, s.outbox())
	mux.Handle("GET "+samplePath+"{name}", s.samples())
	mux.Handle("/", problem.Handler(func(http.ResponseWriter, *http.Request) error { return problem.NotFound }))
	return mux, nil
}

// logged writes one line for each invocation: no query, no body, no token.
func (s *server) logged(name string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.now()
		seen := &status{ResponseWriter: w, code: http.StatusOK}
		h.ServeHTTP(seen, r)
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("function", name), slog.String("route", r.Pattern),
			slog.Int("status", seen.code), slog.Duration("took", s.now().Sub(began)))
	})
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
