// Command local runs the whole platform in one process: every function, on a bbolt file and a directory, with invented
// people, agencies and clients. It needs Go and nothing else.
//
//	browser, curl ── net/http ── gateway event ── the function's handler ── answer ── net/http
//	                              └ the table in functions.go: name, routes, constructor with its ports
//	clock, feeds, queues ── dispatch.go ── event ── the handlers of functions that are driven by events
//
// What a Lambda would get is what a handler gets here, limits included (see infra/gateway). Keys are files sealed by a
// master key in the data directory: development keys, as the banner says. It listens on the loopback address unless
// -insecure-listen says otherwise, because everything in the seed, passwords included, is public.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/redact"
)

// config is what the flags say.
type config struct {
	addr           string
	issuer         string
	tls            bool
	data           string
	seed           string
	outboundHosts  []string
	insecureListen bool
	demo           bool
	out            string
	// watch, where it is set, stands in front of everything: tests hold requests and answers against the contract.
	watch func(http.Handler) http.Handler
	// again, where it is set, says which batches of events come twice: tests have functions bear it.
	again func() bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

// run is main with its surroundings as arguments. It returns when ctx ends and the server has stopped.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if c.demo {
		level = slog.LevelWarn // the story has lines of its own
	}
	log := slog.New(logHandler(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})))
	slog.SetDefault(log) // what services log, and libraries
	if c.demo {
		return runDemo(ctx, c, stdout, log)
	}
	s, err := start(c, log)
	if err != nil {
		return err
	}
	s.banner(stdout)
	<-ctx.Done()
	return s.stop()
}

// logHandler is what stands in front of every log here, as in a Lambda: identifiers of requests, and no secrets.
func logHandler(next slog.Handler) slog.Handler { return gateway.LogHandler(redact.Handler(next)) }

func parseFlags(args []string, stderr io.Writer) (config, error) {
	var c config
	var hosts string
	f := flag.NewFlagSet("local", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.addr, "addr", "127.0.0.1:8080",
		"listen on this `address`; other hosts than the loopback need -insecure-listen")
	f.StringVar(&c.issuer, "issuer", "",
		"public base `URL` when it differs, as behind a TLS front (http://localhost:<port>)")
	f.BoolVar(&c.tls, "tls", false, "serve https with a certificate of the demo authority")
	f.StringVar(&c.data, "data", "", "data `directory` (.yinxin)")
	f.StringVar(&c.seed, "seed", "", "`file` with more persons, organisations, mandates, clients, licence types")
	f.StringVar(&hosts, "outbound-hosts", "",
		"`hosts`, separated by commas, that outbound calls may reach beside public ones")
	f.BoolVar(&c.insecureListen, "insecure-listen", false, "allow -addr on another host than the loopback")
	f.BoolVar(&c.demo, "demo", false,
		"play the whole story over HTTP on a free port with a temporary store, or -data, and exit")
	f.StringVar(&c.out, "out", "", "`directory` for the artefacts of -demo")
	if err := f.Parse(args); err != nil {
		return config{}, err
	}
	if f.NArg() > 0 {
		return config{}, fmt.Errorf("what is %q? there are only flags", f.Arg(0))
	}
	for h := range strings.SplitSeq(hosts, ",") {
		if h = strings.TrimSpace(h); h != "" {
			c.outboundHosts = append(c.outboundHosts, h)
		}
	}
	if c.demo != (c.out != "") {
		return config{}, errors.New("-demo and -out belong together")
	}
	if !c.demo && c.data == "" {
		c.data = ".yinxin"
	}
	return c, c.check()
}

// check refuses what would put the demo people and their passwords on a network by accident.
func (c config) check() error {
	host, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	if port == "" {
		return errors.New("-addr needs a port")
	}
	if !loopback(host) && !c.insecureListen {
		return fmt.Errorf("-addr %s is not the loopback address: everybody who reaches it can sign on as the demo people; "+
			"-insecure-listen allows it", c.addr)
	}
	if c.issuer == "" {
		return nil
	}
	u, err := url.Parse(c.issuer)
	if err != nil || c.issuer != origin(u) {
		return fmt.Errorf("-issuer %q is not a scheme and a host in lower case, with a port only where it is not the scheme's", c.issuer)
	}
	if c.tls && u.Scheme != "https" {
		return fmt.Errorf("-issuer %q is not https, and -tls serves nothing else", c.issuer)
	}
	return nil
}

// origin is the origin of an http or https address as browsers write it (RFC 6454, section 6.2), which is what an
// issuer here is: it is compared with theirs, its pages redirect from the root, and its cookies are the host's.
func origin(u *url.URL) string {
	host, usual := strings.ToLower(u.Hostname()), map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "" || host == "" || usual == "" {
		return ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != usual {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
