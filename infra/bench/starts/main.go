// Command starts measures cold starts: the time from before exec of a function's bootstrap to its first request for an
// event, as a ratio to that of an empty handler (infra/check/testdata/empty) built the same way and started in the same
// rounds.
//
//	go run ./infra/bench/starts              a table as Markdown
//	go run ./infra/bench/starts -inits NAME  what the packages of one function do before main (GODEBUG=inittrace=1)
//
//	build ── rounds, in another order each ── exec ── cold start: calls to a canned server ── GET /next ── median
//
// The function's own calls at its cold start go to a server in this process that answers at once, with secrets and a
// token key that it made; they are counted, with their bytes. So the time is that of the process, and the latency of
// DynamoDB and KMS comes on top, once for each call.
//
// Warm means that the file of the program is in the page cache. Cold means that it was put out of it before each start
// (posix_fadvise(2), POSIX_FADV_DONTNEED, on Linux): what the kernel keeps beside it stays. Neither is Lambda, where
// the file comes from another machine: no number here is a promise of a time there.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/infra/e2e/runtime"
)

func main() {
	rounds := flag.Int("rounds", 21, "starts of every function, warm and cold each")
	inits := flag.String("inits", "", "print what the packages of this function cost before main, and nothing else")
	only := flag.String("only", "", "functions to measure, separated by commas (all)")
	flag.Parse()
	if err := run(os.Stdout, *rounds, *inits, *only); err != nil {
		fmt.Fprintln(os.Stderr, "starts:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, rounds int, inits, only string) error {
	dir, err := os.MkdirTemp("", "yinxin-starts-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	names, err := functions(only, inits)
	if err != nil {
		return err
	}
	programs, err := build(dir, names)
	if err != nil {
		return err
	}
	server, err := newCanned()
	if err != nil {
		return err
	}
	defer server.Close()
	if inits != "" {
		return trace(out, programs[inits], server)
	}
	all := append(slices.Clone(names), empty)
	times := map[string]*times{}
	for _, name := range all {
		times[name] = newTimes()
	}
	for _, name := range all { // one start of each that is not counted
		if _, err := start(programs[name], server, nil); err != nil {
			return err
		}
	}
	cold := true
	for range rounds {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, name := range all {
			warm, err := start(programs[name], server, nil)
			if err != nil {
				return err
			}
			times[name].warm = append(times[name].warm, warm.took)
			times[name].calls, times[name].sent, times[name].got = warm.calls, warm.sent, warm.got
			if cold = cold && evict(programs[name].path) == nil; !cold {
				continue
			}
			after, err := start(programs[name], server, nil)
			if err != nil {
				return err
			}
			times[name].cold = append(times[name].cold, after.took)
		}
	}
	return write(out, names, times, rounds, cold)
}

// empty is the name of what the others are compared with.
const empty = "empty"

func functions(only, inits string) ([]string, error) {
	switch {
	case inits != "":
		return []string{inits}, nil
	case only != "":
		return strings.Split(only, ","), nil
	}
	mains, err := filepath.Glob("functions/*/main.go")
	if err != nil || len(mains) == 0 {
		return nil, fmt.Errorf("there are no functions here: %w; run it from the root of the repository", err)
	}
	var names []string
	for _, m := range mains {
		names = append(names, filepath.Base(filepath.Dir(m)))
	}
	return names, nil
}

// program is a function that was built.
type program struct{ name, path string }

// build builds functions as .ci/run has SAM build them, but for this machine.
func build(dir string, names []string) (map[string]program, error) {
	programs := map[string]program{}
	for _, name := range append(slices.Clone(names), empty) {
		folder := "./functions/" + name
		if name == empty {
			folder = "./infra/check/testdata/empty"
		}
		p := program{name, filepath.Join(dir, name, "bootstrap")}
		cmd := exec.Command("go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s", "-buildvcs=false", "-o", p.path, folder)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", folder, err, text)
		}
		programs[name] = p
	}
	return programs, nil
}

// started is one start.
type started struct {
	took             time.Duration
	calls, sent, got int
}

// start starts a program until it asks for an event, and ends it.
func start(p program, server *canned, log func(line string), more ...string) (started, error) {
	env := server.environment()
	for i := 0; i+1 < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	var s started
	f, err := runtime.Open(runtime.Options{Name: p.name, Bootstrap: p.path, Env: env, Log: log,
		Ready: func(d time.Duration) { s.took = d }})
	if err != nil {
		return s, err
	}
	server.reset()
	err = f.Start(context.Background())
	s.calls, s.sent, s.got = server.counts()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return s, err
}

// trace prints what packages do before main, the longest first.
func trace(out io.Writer, p program, server *canned) error {
	type one struct {
		line  string
		clock float64
	}
	var list []one
	var all float64
	_, err := start(p, server, func(line string) {
		// init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
		rest, ok := strings.CutPrefix(line, "init ")
		if !ok {
			return
		}
		if _, after, ok := strings.Cut(rest, " ms, "); ok {
			text, _, _ := strings.Cut(after, " ms clock")
			if clock, err := strconv.ParseFloat(text, 64); err == nil {
				list, all = append(list, one{rest, clock}), all+clock
			}
		}
	}, "GODEBUG", "inittrace=1")
	if err != nil {
		return err
	}
	sort.Slice(list, func(i, j int) bool { return list[i].clock > list[j].clock })
	fmt.Fprintf(out, "%s: %d packages, %.2f ms\n", p.name, len(list), all)
	for _, o := range list[:min(len(list), 25)] {
		fmt.Fprintln(out, "  ", o.line)
	}
	return nil
}

// times are the starts of one function.
type times struct {
	warm, cold       []time.Duration
	calls, sent, got int
}

func newTimes() *times { return &times{} }

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// write writes the table.
func write(out io.Writer, names []string, all map[string]*times, rounds int, cold bool) error {
	base := all[empty]
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s, %s, %d cores; medians of %d starts each. ", goruntime.GOOS, goruntime.GOARCH, goruntime.Version(),
		goruntime.NumCPU(), rounds)
	if cold {
		b.WriteString("Cold: the program was put out of the page cache by posix_fadvise before each start.\n")
	} else {
		b.WriteString("The page cache could not be emptied here: no cold starts.\n")
	}
	b.WriteString("\n| function | warm | cold | calls | bytes sent | bytes got |\n|---|---:|---:|---:|---:|---:|\n")
	slices.SortFunc(names, func(a, b string) int { return int(median(all[b].warm) - median(all[a].warm)) })
	for _, name := range append(names, empty) {
		t := all[name]
		coldRatio := "-"
		if cold {
			coldRatio = fmt.Sprintf("%.2f", float64(median(t.cold))/float64(median(base.cold)))
		}
		fmt.Fprintf(&b, "| %s | %.2f | %s | %d | %d | %d |\n", name, float64(median(t.warm))/float64(median(base.warm)), coldRatio,
			t.calls, t.sent, t.got)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
