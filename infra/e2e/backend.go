// Package e2e plays text scripts against the platform: the real bootstraps of functions/ with the environment that
// template.yaml gives them, infra/local, or a deployed stack. README.md says how, and what the commands of a script
// are.
//
//	testdata/*.txt ── commands ── Backend ─┬─ AWS: processes under a Runtime API, moto, kmstest, an authority, pumps
//	      └ statuses, codes and verdicts:  ├─ Local: infra/local as a process
//	        the same from every backend    └─ Deployed: -url
//
// It shows that what was built runs as it was wired: that every variable of a function is in the template, every shape
// of an event is understood, every answer is the one that the embedded store gives. It does not imitate limits of
// rates, capacity or memory, nor clocks that differ.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yinxin/yinxin/infra/local/browser"
)

// Backend is what scripts are played against.
type Backend interface {
	// Name is "aws", "local" or "url", as conditions of a script name it.
	Name() string
	// Base is the issuer's address, without a slash at its end.
	Base() string
	// Transport reaches Base.
	Transport() http.RoundTripper
	// Operate invokes a function as an operator does; errUnsupported where there is no operator.
	Operate(ctx context.Context, function string, event []byte) ([]byte, error)
	// Settle has streams, queues and schedules do what is due. Where they run by themselves it does nothing.
	Settle(ctx context.Context) error
	// Schedule has a schedule fire.
	Schedule(ctx context.Context, function string) error
	// Receive takes what a queue holds that somebody outside the stack takes from, by its name in the template.
	Receive(ctx context.Context, queue string) ([]string, error)
	// Restart ends the processes of all functions; errUnsupported where they are not ours.
	Restart() error
	// Logs are all lines that were logged so far, as far as they can be had.
	Logs() []LogLine
	// Seed is the seed file that the backend was founded with.
	Seed() []byte
}

// errUnsupported is the answer of a backend that cannot do what a command asks; a script names the backend then.
var errUnsupported = errors.New("this backend cannot")

// Name implements [Backend].
func (s *AWS) Name() string { return "aws" }

// Settle implements [Backend].
func (s *AWS) Settle(ctx context.Context) error { return s.Pump(ctx) }

// Restart implements [Backend].
func (s *AWS) Restart() error {
	for _, f := range s.functions {
		f.process.Stop()
	}
	return nil
}

// Seed implements [Backend].
func (s *AWS) Seed() []byte { return s.seed }

// Local is infra/local as a process of its own, reached over HTTP.
type Local struct {
	base string
	seed []byte
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	log []LogLine
}

// BuildLocal compiles infra/local of the checkout at root.
func BuildLocal(ctx context.Context, root, program string) error {
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./infra/local")
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("building infra/local: %w\n%s", err, out)
	}
	return nil
}

// StartLocal starts infra/local, which [BuildLocal] put at program, with its data in dir.
func StartLocal(ctx context.Context, root, program, dir string) (*Local, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	l := &Local{base: "http://localhost:" + port, done: make(chan struct{})}
	if l.seed, err = readSeed(root, l.base); err != nil {
		return nil, err
	}
	l.cmd = exec.Command(program, "-addr", address, "-data", filepath.Join(dir, "data"))
	out := &lineWriter{say: l.logged}
	l.cmd.Stdout, l.cmd.Stderr = out, out
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = l.cmd.Wait() // it is ended by Close
		close(l.done)
	}()
	for range 600 {
		answer, err := http.Get(l.base + "/jwks")
		if err == nil {
			_ = answer.Body.Close()
			return l, nil
		}
		select {
		case <-l.done:
			return nil, fmt.Errorf("infra/local ended: %v", l.Logs())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), l.Close())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, errors.Join(errors.New("infra/local does not answer"), l.Close())
}

// Close ends the process.
func (l *Local) Close() error {
	_ = l.cmd.Process.Signal(os.Interrupt)
	select {
	case <-l.done:
	case <-time.After(15 * time.Second):
		_ = l.cmd.Process.Kill()
		<-l.done
	}
	return nil
}

func (l *Local) logged(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.log) < maxLog {
		l.log = append(l.log, LogLine{"local", line})
	}
}

// Name implements [Backend].
func (l *Local) Name() string { return "local" }

// Base implements [Backend].
func (l *Local) Base() string { return l.base }

// Transport implements [Backend].
func (l *Local) Transport() http.RoundTripper { return http.DefaultTransport }

// Operate implements [Backend].
func (l *Local) Operate(context.Context, string, []byte) ([]byte, error) { return nil, errUnsupported }

// Settle implements [Backend].
func (l *Local) Settle(context.Context) error { return nil }

// Schedule implements [Backend].
func (l *Local) Schedule(context.Context, string) error { return nil }

// Receive implements [Backend].
func (l *Local) Receive(context.Context, string) ([]string, error) { return nil, errUnsupported }

// Restart implements [Backend].
func (l *Local) Restart() error { return errUnsupported }

// Logs implements [Backend].
func (l *Local) Logs() []LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.log)
}

// Seed implements [Backend].
func (l *Local) Seed() []byte { return l.seed }

// Deployed is a stack somewhere, founded with the seed file given.
type Deployed struct {
	base string
	seed []byte
}

// Name implements [Backend].
func (d Deployed) Name() string { return "url" }

// Base implements [Backend].
func (d Deployed) Base() string { return d.base }

// Transport implements [Backend].
func (d Deployed) Transport() http.RoundTripper { return http.DefaultTransport }

// Operate implements [Backend].
func (d Deployed) Operate(context.Context, string, []byte) ([]byte, error) {
	return nil, errUnsupported
}

// Settle implements [Backend].
func (d Deployed) Settle(context.Context) error { return nil }

// Schedule implements [Backend].
func (d Deployed) Schedule(context.Context, string) error { return nil }

// Receive implements [Backend].
func (d Deployed) Receive(context.Context, string) ([]string, error) { return nil, errUnsupported }

// Restart implements [Backend].
func (d Deployed) Restart() error { return errUnsupported }

// Logs implements [Backend].
func (d Deployed) Logs() []LogLine { return nil }

// Seed implements [Backend].
func (d Deployed) Seed() []byte { return d.seed }

// readSeed is the seed of infra/local with an issuer's addresses. Under a name that is not this machine's, each
// application has a host of its own, as applications have: one host would be one sector, and one pairwise subject.
func readSeed(root, issuer string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(root, "infra", "local", "seed.json"))
	if !strings.HasPrefix(issuer, "http://localhost") {
		for _, app := range []string{"app-a", "app-b"} {
			data = bytes.ReplaceAll(data, []byte("http://localhost:8080/demo/"+app), []byte("https://"+app+".example"))
		}
	}
	return bytes.ReplaceAll(data, []byte("http://localhost:8080"), []byte(issuer)), err
}

// cast is what a script needs of a seed: passwords of people, and the applications.
type cast struct {
	passwords map[string]string
	apps      map[string]browser.App
	secrets   map[string]string // value → what it is: what no log may hold
}

func readCast(seed []byte) (cast, error) {
	var file struct {
		Persons []struct{ ID, Name, IDNumber, Phone, Password string }
		Clients []struct {
			ID           string   `json:"client_id"`
			Secret       string   `json:"client_secret"`
			RedirectURIs []string `json:"redirect_uris"`
			Scope        string   `json:"scope"`
		}
	}
	if err := json.Unmarshal(seed, &file); err != nil {
		return cast{}, fmt.Errorf("reading the seed: %w", err)
	}
	c := cast{passwords: map[string]string{}, apps: map[string]browser.App{}, secrets: map[string]string{}}
	for _, p := range file.Persons {
		c.passwords[p.ID] = p.Password
		c.secrets[p.Name], c.secrets[p.IDNumber] = "the name of "+p.ID, "the identity number of "+p.ID
		c.secrets[p.Password], c.secrets[p.Phone] = "the password of "+p.ID, "the telephone number of "+p.ID
		c.secrets[strings.TrimSuffix(p.Name, "(示例)")] = "the name of " + p.ID
	}
	for _, a := range file.Clients {
		app := browser.App{ID: a.ID, Secret: a.Secret, Scope: a.Scope}
		if len(a.RedirectURIs) > 0 {
			app.Redirect = a.RedirectURIs[0]
		}
		c.apps[a.ID] = app
		if a.Secret != "" {
			c.secrets[a.Secret] = "the secret of " + a.ID
		}
	}
	return c, nil
}

// lineWriter cuts what is written into lines.
type lineWriter struct {
	say  func(string)
	mu   sync.Mutex
	rest []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, data...)
	for {
		line, after, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(data), nil
		}
		w.say(string(line))
		w.rest = bytes.Clone(after)
	}
}
