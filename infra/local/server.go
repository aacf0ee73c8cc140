package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
)

// server is a running platform.
type server struct {
	config
	log    *slog.Logger
	now    func() time.Time
	random io.Reader
	issuer string // base URL, without a slash at its end
	base   string // where it listens, as a URL

	db        *embedded.DB
	keys      *embedded.Keys
	authority *embedded.Authority
	blobs     embedded.Blobs
	functions []function
	driven    []driven
	web       *http.Server
	stopping  context.CancelFunc // of the event loop
	running   sync.WaitGroup
	failed    chan error // of the listener
	stopped   atomic.Bool
}

// start opens the store, seeds it, and serves on the configured address; port 0 takes a free one. It returns when
// requests are answered.
func start(c config, log *slog.Logger) (*server, error) {
	s := &server{config: c, log: log, now: time.Now, random: rand.Reader, failed: make(chan error, 1)}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return nil, err
	}
	s.address(listener.Addr())
	if err := s.open(listener); err != nil {
		_ = listener.Close() // the first error says more
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// address derives the base URLs from where the server listens: "localhost" for the loopback and for every interface.
func (s *server) address(a net.Addr) {
	scheme := "http"
	if s.tls {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(a.String()) // a TCP address has both
	s.base = scheme + "://localhost:" + port
	if s.issuer = s.config.issuer; s.issuer == "" {
		s.issuer = s.base
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		s.base = scheme + "://" + net.JoinHostPort(host, port)
	}
}

func (s *server) open(listener net.Listener) (err error) {
	epoch, err := tokenEpoch(s.data)
	if err != nil {
		return err
	}
	options := embedded.Options{Now: s.now, Epoch: epoch}
	if s.db, err = embedded.Open(filepath.Join(s.data, "store.db"), options); err != nil {
		return err
	}
	if s.keys, err = embedded.OpenKeys(filepath.Join(s.data, "keys"), s.random); err != nil {
		return err
	}
	s.keys.Now = s.now
	if s.authority, err = embedded.OpenAuthority(context.Background(), s.db, s.keys, s.random); err != nil {
		return fmt.Errorf("opening the demo authority: %w", err)
	}
	if s.functions, s.driven, err = s.wire(); err != nil {
		return err
	}
	routes, err := s.routes(s.functions)
	if err != nil {
		return err
	}
	if s.watch != nil {
		routes = s.watch(routes)
	}
	s.web = &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	if s.tls {
		certificate, err := s.certificate()
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
		})
	}
	driving, err := dispatcher{db: s.db, log: s.log, now: s.now, again: s.again}.join(context.Background(), s.driven)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stopping = stop
	s.running.Go(func() { driving.run(ctx) })
	s.running.Go(func() {
		if err := s.web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return nil
}

// stop lets requests and events under way finish, for at most ten seconds, and closes the store. A second call does
// nothing.
func (s *server) stop() error {
	if !s.stopped.CompareAndSwap(false, true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.web.Shutdown(ctx)
	s.stopping()
	s.running.Wait()
	select {
	case failed := <-s.failed:
		err = errors.Join(failed, err)
	default:
	}
	return errors.Join(err, s.close())
}

func (s *server) close() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// banner says what runs, where, and that its keys protect nothing.
func (s *server) banner(w io.Writer) {
	fmt.Fprintf(w, `
  印信 Yinxin, local

  ⚠ DEVELOPMENT KEYS 开发密钥: keys, people and passwords here are samples. Nothing it signs has any effect.

  open      %[1]s/
  verify    %[1]s/verify
  issuer    %[2]s
  data      %[3]s

`, s.base, s.issuer, s.data)
}
