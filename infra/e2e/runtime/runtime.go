// Package runtime runs a Lambda function of provided.al2023 on this machine: it serves the Lambda Runtime API (AWS
// Lambda developer guide, "Using the Lambda runtime API for custom runtimes", version 2018-06-01) and executes the
// function's real bootstrap against it.
//
//	Invoke(event) ──► GET  /runtime/invocation/next          ──► bootstrap (one process, started when needed)
//	answer ◄───────── POST /runtime/invocation/{id}/response ◄──┤
//	function error ◄─ POST /runtime/invocation/{id}/error    ◄──┤
//	                  POST /runtime/init/error               ◄──┘ then the process ends
//
// What Lambda does to a process is done here: its environment is what is given and what Lambda defines, nothing of this
// machine's; it is killed at its timeout; it is frozen between invocations (on Linux); one that died is started again
// by the next invocation; an answer of more than 6 MB is a function error. It runs one process for each function:
// Lambda would start another for every invocation that comes meanwhile. It imitates no extensions, no memory limit and
// no response streaming.
package runtime

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits, those of Lambda where it has them (developer guide, "Lambda quotas").
const (
	MaxPayload = 6 << 20          // an event or an answer of a synchronous invocation
	MaxInit    = 10 * time.Second // from exec to the first request for an event
	maxLine    = 256 << 10        // of one line of the log; the rest of it is cut off
	maxTail    = 40               // lines of the log that are kept for error messages
)

// Options are what a function is started with.
type Options struct {
	Name      string            // AWS_LAMBDA_FUNCTION_NAME; required
	ARN       string            // Lambda-Runtime-Invoked-Function-Arn; one of an invented account if empty
	Bootstrap string            // the executable; required
	Env       map[string]string // beside what Lambda defines (see [Function.environment]), and before it
	Timeout   time.Duration     // of one invocation; 3 s, as Lambda has it, if zero
	MemoryMB  int               // AWS_LAMBDA_FUNCTION_MEMORY_SIZE, which nothing enforces; 128 if zero

	// Log gets every line that the process writes to standard output or standard error. It may be called by several
	// goroutines. May be nil.
	Log func(line string)
	// Ready gets the time from before exec to the first request for an event, for each process. May be nil.
	Ready func(time.Duration)
}

// Function is a function with at most one process.
type Function struct {
	o      Options
	listen net.Listener
	server *http.Server
	turn   chan struct{} // holds one value while an invocation runs

	mu      sync.Mutex
	process *process
	closed  bool
	tail    []string
}

// FunctionError is what Lambda answers, as the payload of an invocation whose X-Amz-Function-Error is "Unhandled".
type FunctionError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType,omitempty"`
}

var (
	errClosed   = errors.New("the function is closed")
	errNotTaken = errors.New("the process ended before it took the event") // while it was idle: another takes it
)

// Open serves the Runtime API for one function on a port of its own. The process starts with the first invocation, or
// with [Function.Start].
func Open(o Options) (*Function, error) {
	if o.Name == "" || o.Bootstrap == "" {
		return nil, errors.New("a function needs a name and a bootstrap")
	}
	var err error
	if o.Bootstrap, err = filepath.Abs(o.Bootstrap); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = 3 * time.Second
	}
	if o.MemoryMB == 0 {
		o.MemoryMB = 128
	}
	if o.ARN == "" {
		o.ARN = "arn:aws:lambda:us-east-1:000000000000:function:" + o.Name
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Function{o: o, listen: l, turn: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", f.answer)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", f.answer)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", f.initError)
	f.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go f.server.Serve(l) // ends with Close
	return f, nil
}

// Invoke hands event to the process and waits for what it makes of it, one invocation after the other. functionError is
// "Unhandled" where the function failed, and answer is then a [FunctionError] as JSON; otherwise it is empty. err is a
// fault of the host, or of ctx.
func (f *Function) Invoke(ctx context.Context, event []byte) (answer []byte, functionError string, err error) {
	if len(event) > MaxPayload {
		return nil, "", fmt.Errorf("invoking %s: the event has %d bytes, more than %d", f.o.Name, len(event), MaxPayload)
	}
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return nil, "", fmt.Errorf("invoking %s: %w", f.o.Name, ctx.Err())
	}
	for {
		p, failed, err := f.started(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("invoking %s: %w", f.o.Name, err)
		}
		if failed != nil {
			return failed, "Unhandled", nil
		}
		answer, functionError, err = p.run(ctx, &invocation{
			id: requestID(), event: event, deadline: time.Now().Add(f.o.Timeout), done: make(chan result, 1),
		})
		if !errors.Is(err, errNotTaken) {
			return answer, functionError, err
		}
	}
}

// Start starts the process, if none runs, and waits until it asks for an event: what Lambda calls the init phase. An
// init that fails is an error that quotes the end of the log.
func (f *Function) Start(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return fmt.Errorf("starting %s: %w", f.o.Name, ctx.Err())
	}
	_, failed, err := f.started(ctx)
	if err == nil && failed != nil {
		err = fmt.Errorf("%s\n%s", failed, strings.Join(f.Tail(), "\n"))
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", f.o.Name, err)
	}
	return nil
}

// started is the process, which waits for an event. failed is the payload of an init that failed.
func (f *Function) started(ctx context.Context) (p *process, failed []byte, err error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, nil, errClosed
	}
	p = f.process
	if p == nil || p.over() {
		if p, err = f.exec(); err != nil {
			f.mu.Unlock()
			return nil, nil, err
		}
		f.process = p
	}
	f.mu.Unlock()

	limit := time.NewTimer(MaxInit)
	defer limit.Stop()
	select {
	case <-p.asked:
		return p, nil, nil
	case <-p.ended:
		return nil, p.exitPayload(""), nil
	case <-limit.C:
		p.kill()
		return nil, payload("Sandbox.Timedout", fmt.Sprintf("INIT timed out after %s", MaxInit)), nil
	case <-ctx.Done():
		p.kill()
		return nil, nil, ctx.Err()
	}
}

// Stop ends the process, if one runs; the next invocation is a cold start.
func (f *Function) Stop() {
	f.mu.Lock()
	p := f.process
	f.process = nil
	f.mu.Unlock()
	if p != nil {
		p.kill()
		<-p.ended
	}
}

// Close ends the process and the server. An invocation that runs ends with a function error.
func (f *Function) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Stop()
	return f.server.Close()
}

// Tail are the last lines of the log.
func (f *Function) Tail() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.tail)
}

func (f *Function) line(s string) {
	f.mu.Lock()
	if len(f.tail) == maxTail {
		f.tail = append(f.tail[:0], f.tail[1:]...)
	}
	f.tail = append(f.tail, s)
	f.mu.Unlock()
	if f.o.Log != nil {
		f.o.Log(s)
	}
}

// environment is what the process sees: the function's own variables and those that Lambda defines (developer guide,
// "Defined runtime environment variables"). Credentials and region are the function's own, since Lambda has them from
// its role.
func (f *Function) environment() []string {
	env := map[string]string{
		"LANG": "en_US.UTF-8", "TZ": ":UTC", "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH":  "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
		"LAMBDA_TASK_ROOT": filepath.Dir(f.o.Bootstrap), "LAMBDA_RUNTIME_DIR": "/var/runtime", "_HANDLER": "bootstrap",
		"AWS_LAMBDA_FUNCTION_NAME": f.o.Name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.o.MemoryMB), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + f.o.Name, "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]00000000",
		"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO",
	}
	for name, value := range f.o.Env {
		env[name] = value
	}
	env["AWS_LAMBDA_RUNTIME_API"] = f.listen.Addr().String()
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// process is one execution of the bootstrap.
type process struct {
	f       *Function
	cmd     *exec.Cmd
	began   time.Time
	asked   chan struct{} // closed by the first request for an event
	ended   chan struct{} // closed when the process ended; exit is set then
	events  chan *invocation
	exit    error
	askOnce sync.Once

	mu      sync.Mutex
	current *invocation
	initErr []byte
}

// invocation is one event on its way.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	done     chan result // holds one
}

type result struct {
	payload []byte
	failed  bool
}

// exec starts the bootstrap in a goroutine that stays on its thread, since a child that is to die with its parent dies
// with the thread that made it.
func (f *Function) exec() (*process, error) {
	p := &process{f: f, asked: make(chan struct{}), ended: make(chan struct{}), events: make(chan *invocation)}
	out := &lines{say: f.line}
	p.cmd = exec.Command(f.o.Bootstrap)
	p.cmd.Dir, p.cmd.Env = filepath.Dir(f.o.Bootstrap), f.environment()
	p.cmd.Stdout, p.cmd.Stderr = out, out // one writer: exec gives both the same pipe
	p.cmd.WaitDelay = 5 * time.Second
	attributes(p.cmd)
	started := make(chan error)
	go func() {
		lockThread()
		p.began = time.Now()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.exit = p.cmd.Wait()
		out.flush()
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *process) kill() {
	if !p.over() {
		kill(p.cmd)
	}
}

// run hands the invocation to the process. Whoever calls it holds the turn.
func (p *process) run(ctx context.Context, i *invocation) (answer []byte, functionError string, err error) {
	limit := time.NewTimer(time.Until(i.deadline))
	defer limit.Stop()
	p.mu.Lock()
	p.current = i
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.current = nil
		p.mu.Unlock()
	}()
	events := p.events
	for {
		select {
		case events <- i:
			events = nil
		case r := <-i.done:
			if r.failed {
				return r.payload, "Unhandled", nil
			}
			return r.payload, "", nil
		case <-p.ended:
			if events != nil {
				return nil, "", errNotTaken
			}
			return p.exitPayload(i.id), "Unhandled", nil
		case <-limit.C:
			p.kill()
			<-p.ended
			return payload("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", i.id,
				p.f.o.Timeout.Seconds())), "Unhandled", nil
		case <-ctx.Done(): // whoever asked went away; Lambda would end the work, but the process is unknown then
			p.kill()
			<-p.ended
			return nil, "", fmt.Errorf("invoking %s: %w", p.f.o.Name, ctx.Err())
		}
	}
}

// exitPayload is what Lambda says of a process that ended by itself.
func (p *process) exitPayload(id string) []byte {
	p.mu.Lock()
	said := p.initErr
	p.mu.Unlock()
	if said != nil {
		return said
	}
	why := "Runtime exited without providing a reason"
	if p.exit != nil {
		why = "Runtime exited with error: " + p.exit.Error()
	}
	if id != "" {
		why = "RequestId: " + id + " Error: " + why
	}
	return payload("Runtime.ExitError", why)
}

func payload(kind, message string) []byte {
	data, err := json.Marshal(FunctionError{Message: message, Type: kind})
	if err != nil {
		panic(err) // two strings
	}
	return data
}

// running is the process that speaks to the Runtime API.
func (f *Function) running() *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.process
}

// next waits until there is an event and hands it out. A process that waits is frozen.
func (f *Function) next(w http.ResponseWriter, r *http.Request) {
	p := f.running()
	if p == nil {
		refuse(w, http.StatusForbidden, "Forbidden", "no process is expected")
		return
	}
	p.askOnce.Do(func() {
		if f.o.Ready != nil {
			f.o.Ready(time.Since(p.began))
		}
		close(p.asked)
	})
	freeze(p.cmd)
	var i *invocation
	select {
	case i = <-p.events:
		thaw(p.cmd)
	case <-p.ended:
		return
	case <-r.Context().Done():
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", f.o.ARN)
	h.Set("Lambda-Runtime-Trace-Id", traceID(time.Now()))
	_, _ = w.Write(i.event)
}

// answer takes the response or the error of the invocation that runs.
func (f *Function) answer(w http.ResponseWriter, r *http.Request) {
	p := f.running()
	if p == nil {
		refuse(w, http.StatusForbidden, "Forbidden", "no process is expected")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload+1))
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the body ends early")
		return
	}
	p.mu.Lock()
	i := p.current
	p.mu.Unlock()
	if i == nil || i.id != r.PathValue("id") {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "no invocation of this identifier runs")
		return
	}
	out := result{payload: body, failed: strings.HasSuffix(r.URL.Path, "/error")}
	status := http.StatusAccepted
	if len(body) > MaxPayload {
		status = http.StatusRequestEntityTooLarge
		out = result{failed: true, payload: payload("Function.ResponseSizeTooLarge", fmt.Sprintf(
			"Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload))}
	}
	select {
	case i.done <- out:
	default:
		refuse(w, http.StatusBadRequest, "InvalidStateTransition", "the invocation is answered")
		return
	}
	if status != http.StatusAccepted {
		refuse(w, status, "RequestEntityTooLarge", "the answer is too large")
		return
	}
	accepted(w)
}

// initError takes why a process cannot serve.
func (f *Function) initError(w http.ResponseWriter, r *http.Request) {
	p := f.running()
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload))
	if p == nil || err != nil || !json.Valid(body) {
		refuse(w, http.StatusForbidden, "Forbidden", "no init runs, or no reason is given")
		return
	}
	select {
	case <-p.asked:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the init is over")
		return
	default:
	}
	p.mu.Lock()
	p.initErr = body
	p.mu.Unlock()
	accepted(w)
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(payload(kind, message))
}

// requestID is a UUID of version 4, as Lambda's are.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// traceID has the form of X-Ray's header (AWS X-Ray developer guide, "Tracing header").
func traceID(t time.Time) string {
	var b [20]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", t.Unix(), b[:12], b[12:])
}

// lines cuts what is written into lines.
type lines struct {
	say func(string)

	mu   sync.Mutex
	rest []byte
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(data)
	for {
		line, after, found := bytes.Cut(data, []byte("\n"))
		if room := maxLine - len(l.rest); len(line) > room {
			line = line[:room]
		}
		l.rest = append(l.rest, line...)
		if !found {
			return n, nil
		}
		l.say(string(l.rest))
		l.rest, data = l.rest[:0], after
	}
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.say(string(l.rest))
		l.rest = nil
	}
}
