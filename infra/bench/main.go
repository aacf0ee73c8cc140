// Command bench makes a table of ratios from the output of go test -bench: what an operation costs beside the bare
// cryptography that it contains, measured in the same run.
//
//	bench -plan                 the benchmarks to run: folder and pattern, a line each
//	bench -commit ID < output   the table as Markdown
//
// run.sh does both. It measures nothing itself, compares no machines and keeps no history: a results file is as old as
// its date.
package main

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	asked := flag.Bool("plan", false, "print the benchmarks to run")
	commit := flag.String("commit", "", "what was measured")
	flag.Parse()
	if *asked {
		fmt.Print(plan(sections))
		return
	}
	r, err := read(os.Stdin)
	if err == nil {
		r.machine = fmt.Sprintf("%s, %d cores, %s/%s, %s", r.machine, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
		err = r.write(os.Stdout, sections, time.Now().UTC().Format(time.DateOnly), *commit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan names every benchmark of the table once: the folder and a pattern for -bench.
func plan(sections []section) string {
	wanted := map[string][]string{}
	add := func(b bench) {
		top, _, _ := strings.Cut(b.name, "/")
		if !slices.Contains(wanted[b.folder], top) {
			wanted[b.folder] = append(wanted[b.folder], top)
		}
	}
	for _, s := range sections {
		for _, r := range s.rows {
			add(r.measured)
			for _, p := range r.bare {
				add(p.bench)
			}
		}
	}
	var lines []string
	for folder, tops := range wanted {
		slices.Sort(tops)
		lines = append(lines, folder+"\t^Benchmark("+strings.Join(tops, "|")+")$\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// sample is one line of a benchmark.
type sample struct{ nanoseconds, bytes, allocations float64 }

// results is what go test -bench printed.
type results struct {
	machine string // CPU
	samples map[bench][]sample
}

const module = "github.com/yinxin/yinxin/"

// read reads the output of go test -bench -benchmem for any number of packages.
func read(in io.Reader) (results, error) {
	r := results{samples: map[bench][]sample{}}
	folder := ""
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		if pkg, ok := strings.CutPrefix(line, "pkg: "+module); ok {
			folder = pkg
		}
		if cpu, ok := strings.CutPrefix(line, "cpu: "); ok {
			r.machine = strings.TrimSpace(cpu)
		}
		if strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "--- FAIL") {
			return results{}, fmt.Errorf("a benchmark failed: %s", line)
		}
		rest, ok := strings.CutPrefix(line, "Benchmark")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 4 {
			continue
		}
		s, err := readSample(fields[2:])
		if err != nil {
			return results{}, fmt.Errorf("reading %q: %w", line, err)
		}
		b := bench{folder, name(fields[0])}
		r.samples[b] = append(r.samples[b], s)
	}
	return r, lines.Err()
}

// name is a printed name without the number of processors at its end.
func name(printed string) string {
	if i := strings.LastIndexByte(printed, '-'); i > 0 {
		if _, err := strconv.Atoi(printed[i+1:]); err == nil {
			printed = printed[:i]
		}
	}
	return strings.ReplaceAll(printed, "_", " ")
}

// readSample reads pairs of a value and a unit.
func readSample(fields []string) (s sample, err error) {
	for i := 0; i+1 < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return sample{}, err
		}
		switch fields[i+1] {
		case "ns/op":
			s.nanoseconds = v
		case "B/op":
			s.bytes = v
		case "allocs/op":
			s.allocations = v
		}
	}
	if s.nanoseconds <= 0 {
		return sample{}, fmt.Errorf("no time in it")
	}
	return s, nil
}

// of returns the fastest sample: whatever else the machine does can only add time.
func (r results) of(b bench) (sample, error) {
	b.name = strings.ReplaceAll(b.name, "_", " ")
	list := r.samples[b]
	if len(list) == 0 {
		return sample{}, fmt.Errorf("%s has no benchmark %q in this output", b.folder, b.name)
	}
	return slices.MinFunc(list, func(a, b sample) int { return cmp.Compare(a.nanoseconds, b.nanoseconds) }), nil
}

// write writes the table. Every row of it must have been measured.
func (r results) write(out io.Writer, sections []section, day, commit string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Results of %s\n\n", day)
	fmt.Fprintf(&b, "Commit %s, on %s.\nThe fastest of several rounds; what the columns mean is said in [README.md](README.md).\n", commit, r.machine)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| operation | time | bare operations in it | bare time | ratio | memory | allocations |\n"+
			"|---|---:|---|---:|---:|---:|---:|\n", s.name)
		for _, row := range s.rows {
			line, err := r.line(row)
			if err != nil {
				return err
			}
			b.WriteString(line)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r results) line(row row) (string, error) {
	m, err := r.of(row.measured)
	if err != nil {
		return "", err
	}
	bare, names := 0.0, []string{}
	for _, p := range row.bare {
		s, err := r.of(p.bench)
		if err != nil {
			return "", err
		}
		bare += float64(p.times) * s.nanoseconds
		names = append(names, p.text())
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %.1f | %s | %.0f |\n", row.name, duration(m.nanoseconds), strings.Join(names, "; "),
		duration(bare), m.nanoseconds/bare, size(m.bytes), m.allocations), nil
}

func (p part) text() string {
	if p.times == 1 {
		return p.name
	}
	return strconv.Itoa(p.times) + " × " + p.name
}

// duration writes a time with three digits.
func duration(nanoseconds float64) string {
	switch {
	case nanoseconds >= 1e6:
		return fmt.Sprintf("%.3g ms", nanoseconds/1e6)
	default:
		return fmt.Sprintf("%.3g µs", nanoseconds/1e3)
	}
}

func size(bytes float64) string {
	if bytes >= 1e6 {
		return fmt.Sprintf("%.1f MB", bytes/1e6)
	}
	return fmt.Sprintf("%.0f kB", bytes/1e3)
}
