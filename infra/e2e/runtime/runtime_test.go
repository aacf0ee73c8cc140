package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// TestMain makes the test's own executable a bootstrap: it is one where a Runtime API is named.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("SPOILT") == "init" {
		fmt.Println("the environment lacks SSO_TABLE")
		os.Exit(7)
	}
	if os.Getenv("SPOILT") == "initError" {
		_, _ = http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json",
			strings.NewReader(`{"errorMessage":"no table","errorType":"Init.Spoilt"}`))
		os.Exit(1)
	}
	calls := 0
	lambda.Start(func(ctx context.Context, event map[string]string) (map[string]string, error) {
		calls++
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		switch event["do"] {
		case "exit":
			fmt.Print("last words\nwithout an end")
			os.Exit(3)
		case "fail":
			return nil, errors.New("it did not work")
		case "sleep":
			time.Sleep(time.Minute)
		case "large":
			return map[string]string{"x": strings.Repeat("x", MaxPayload)}, nil
		case "laterExit":
			go func() { time.Sleep(20 * time.Millisecond); os.Exit(4) }()
		case "count":
			go func() { // goes on where nothing freezes it
				for range 200 {
					time.Sleep(5 * time.Millisecond)
					fmt.Println("tick")
				}
			}()
		}
		_, home := os.LookupEnv("HOME")
		dir, _ := os.Getwd()
		return map[string]string{
			"calls": fmt.Sprint(calls), "id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "own": os.Getenv("OWN"),
			"left": time.Until(deadline).Round(time.Second).String(), "name": os.Getenv("AWS_LAMBDA_FUNCTION_NAME"),
			"trace": os.Getenv("_X_AMZN_TRACE_ID"), "home": fmt.Sprint(home), "dir": dir,
		}, nil
	})
}

func open(t *testing.T, change func(*Options)) *Function {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Name: "stack-echo", Bootstrap: exe, Env: map[string]string{"OWN": "of the function"}, Timeout: 10 * time.Second}
	if change != nil {
		change(&o)
	}
	f, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func invoke(t *testing.T, f *Function, do string) (answer map[string]string, functionError string) {
	t.Helper()
	event, err := json.Marshal(map[string]string{"do": do})
	if err != nil {
		t.Fatal(err)
	}
	data, functionError, err := f.Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	if functionError == "" {
		if err := json.Unmarshal(data, &answer); err != nil {
			t.Fatalf("%v: %.200s", err, data)
		}
		return answer, ""
	}
	var e FunctionError
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatalf("%v: %.200s", err, data)
	}
	return map[string]string{"type": e.Type, "message": e.Message}, functionError
}

func TestAnInvocationHasWhatLambdaGives(t *testing.T) {
	t.Setenv("HOME", "/somewhere")
	var ready time.Duration
	f := open(t, func(o *Options) { o.Ready = func(d time.Duration) { ready = d } })
	a, failed := invoke(t, f, "")
	if failed != "" || a["calls"] != "1" || len(a["id"]) != 36 || a["own"] != "of the function" || a["name"] != "stack-echo" ||
		a["left"] != "10s" || a["arn"] != "arn:aws:lambda:us-east-1:000000000000:function:stack-echo" ||
		!strings.HasPrefix(a["trace"], "Root=1-") || a["home"] != "false" {
		t.Errorf("got %v %s", a, failed)
	}
	if ready <= 0 {
		t.Error("nobody said how long the start took")
	}
	if b, _ := invoke(t, f, ""); b["calls"] != "2" || b["id"] == a["id"] {
		t.Errorf("the second invocation is not the same process with another identifier: %v", b)
	}
	f.Stop()
	if b, _ := invoke(t, f, ""); b["calls"] != "1" {
		t.Errorf("after Stop it is not a cold start: %v", b)
	}
}

func TestAFailureLeavesTheProcessAndADeathStartsAnother(t *testing.T) {
	var mu sync.Mutex
	var log []string
	f := open(t, func(o *Options) {
		o.Timeout = 2 * time.Second
		o.Log = func(s string) { mu.Lock(); log = append(log, s); mu.Unlock() }
	})
	for _, step := range []struct{ do, kind, message, calls string }{
		{do: "", calls: "1"},
		{do: "fail", kind: "errorString", message: "it did not work"},
		{do: "", calls: "3"},
		{do: "exit", kind: "Runtime.ExitError", message: "exit status 3"},
		{do: "", calls: "1"},
		{do: "sleep", kind: "Sandbox.Timedout", message: "Task timed out after 2.00 seconds"},
		{do: "", calls: "1"},
		{do: "large", kind: "Function.ResponseSizeTooLarge", message: "6291456"},
		{do: "", calls: "1"}, // aws-lambda-go ends when an answer is not taken
	} {
		a, failed := invoke(t, f, step.do)
		if failed != map[bool]string{true: "Unhandled"}[step.kind != ""] || a["type"] != step.kind ||
			!strings.Contains(a["message"], step.message) || a["calls"] != step.calls {
			t.Errorf("%q: got %v %s, want %+v", step.do, a, failed, step)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(log, "last words") || !slices.Contains(log, "without an end") {
		t.Errorf("the log lacks lines: %q", log)
	}
}

func TestAProcessThatDiedIdleIsReplaced(t *testing.T) {
	f := open(t, nil)
	invoke(t, f, "")
	f.mu.Lock()
	p := f.process
	f.mu.Unlock()
	kill(p.cmd) // and not waited for
	if a, failed := invoke(t, f, ""); failed != "" || a["calls"] != "1" {
		t.Errorf("got %v %s", a, failed)
	}
}

func TestAnInitThatFailsIsSaidAtEveryInvocation(t *testing.T) {
	for spoilt, want := range map[string]string{"init": "Runtime.ExitError", "initError": "Init.Spoilt"} {
		f := open(t, func(o *Options) { o.Env["SPOILT"] = spoilt })
		for range 2 {
			if a, failed := invoke(t, f, ""); failed == "" || a["type"] != want {
				t.Errorf("%s: got %v %s", spoilt, a, failed)
			}
		}
		if err := f.Start(t.Context()); err == nil || spoilt == "init" && !strings.Contains(err.Error(), "lacks SSO_TABLE") {
			t.Errorf("%s: Start says %v", spoilt, err)
		}
	}
}

func TestInvocationsWaitForEachOtherAndForNobodyElse(t *testing.T) {
	f := open(t, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, failed, err := f.Invoke(t.Context(), []byte(`{}`)); err != nil || failed != "" {
				t.Errorf("%s %v", failed, err)
			}
		})
	}
	wg.Wait()
	if a, _ := invoke(t, f, ""); a["calls"] != "21" {
		t.Errorf("one process did not serve all: %v", a)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := f.Invoke(ctx, []byte(`{"do":"sleep"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an invocation outlives who asked: %v", err)
	}
	if _, _, err := f.Invoke(t.Context(), make([]byte, MaxPayload+1)); err == nil {
		t.Error("an event of more than 6 MB is taken")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, errClosed) {
		t.Errorf("a closed function is invoked: %v", err)
	}
}

// What a handler leaves running stands still until the next event, as in Lambda.
func TestAnIdleProcessIsFrozen(t *testing.T) {
	if freezes := func() bool { _, err := os.Stat("/proc/self/stat"); return err == nil }; !freezes() {
		t.Skip("needs Linux")
	}
	var mu sync.Mutex
	ticks := 0
	f := open(t, func(o *Options) {
		o.Log = func(s string) {
			mu.Lock()
			defer mu.Unlock()
			if s == "tick" {
				ticks++
			}
		}
	})
	invoke(t, f, "count")
	f.mu.Lock()
	pid := f.process.cmd.Process.Pid
	f.mu.Unlock()
	var state string
	for range 500 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := bytes.Cut(stat, []byte(") "))
		if state = string(after[:1]); state == "T" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	if state != "T" || ticks > 100 {
		t.Errorf("the process is in state %s after %d ticks", state, ticks)
	}
	mu.Unlock()
	invoke(t, f, "")
	mu.Lock()
}

func TestTheRuntimeAPIRefusesWhatIsNotOurs(t *testing.T) {
	f := open(t, nil)
	base := "http://" + f.listen.Addr().String() + "/2018-06-01/runtime"
	post := func(path, body string) int {
		r, err := http.Post(base+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.StatusCode
	}
	if got := post("/init/error", `{}`); got != http.StatusForbidden {
		t.Errorf("an init error without an init: %d", got)
	}
	if got := post("/invocation/0/response", `{}`); got != http.StatusForbidden {
		t.Errorf("an answer without a process: %d", got)
	}
	invoke(t, f, "")
	if got := post("/invocation/0/response", `{}`); got != http.StatusBadRequest {
		t.Errorf("an answer to no invocation: %d", got)
	}
	if got := post("/init/error", `{}`); got != http.StatusForbidden {
		t.Errorf("an init error after the init: %d", got)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	var got []int
	l := &lines{say: func(s string) { got = append(got, len(s)) }}
	for range 8 {
		_, _ = l.Write(bytes.Repeat([]byte("x"), maxLine/4))
	}
	_, _ = l.Write([]byte("\nab\n\nc"))
	l.flush()
	if want := []int{maxLine, 2, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("lines of %v bytes, want %v", got, want)
	}
}
