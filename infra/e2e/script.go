package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/infra/local/browser"
)

// script is a text script: commands, one on a line, then files as "-- name --" and what they hold (the form of
// golang.org/x/tools/txtar). README.md has the commands.
type script struct {
	name     string
	commands []command
	files    map[string][]byte
}

// command is one line. A block has the lines below it that are indented.
type command struct {
	line  int
	text  string // as it stands
	on    []string
	words []string // not expanded
	block []command
}

// parseScript reads a script.
func parseScript(name string, data []byte) (s script, err error) {
	s = script{name: name, files: map[string][]byte{}}
	open := "" // the file that is being read
	for n, line := range strings.Split(string(data), "\n") {
		if file, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(file, " --") {
			open = strings.TrimSpace(strings.TrimSuffix(file, " --"))
			s.files[open] = nil
			continue
		}
		if open != "" {
			s.files[open] = append(s.files[open], line+"\n"...)
			continue
		}
		c, err := parseLine(n+1, line)
		if err != nil {
			return s, fmt.Errorf("%s:%d: %w", name, n+1, err)
		}
		if len(c.words) == 0 {
			continue
		}
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " ") {
			if len(s.commands) == 0 || s.commands[len(s.commands)-1].words[0] != "until" {
				return s, fmt.Errorf("%s:%d: an indented line belongs to no block", name, n+1)
			}
			above := &s.commands[len(s.commands)-1]
			above.block = append(above.block, c)
			continue
		}
		s.commands = append(s.commands, c)
	}
	if open != "" { // what stands after the last line break is no line
		s.files[open] = bytes.TrimSuffix(s.files[open], []byte("\n"))
	}
	return s, nil
}

// parseLine cuts a line into words at spaces; what stands between quotes is one word.
func parseLine(n int, line string) (c command, err error) {
	c = command{line: n, text: strings.TrimSpace(line)}
	rest := c.text
	for strings.HasPrefix(rest, "[") {
		on, after, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return c, errors.New("a condition is not closed")
		}
		c.on = append(c.on, on)
		rest = strings.TrimSpace(after)
	}
	var word strings.Builder
	quote, begun := rune(0), false
	for _, r := range rest {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == '#' && !begun && word.Len() == 0:
			return c, nil
		case r == ' ' || r == '\t':
			if begun || word.Len() > 0 {
				c.words = append(c.words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return c, errors.New("a quote is not closed")
	}
	if begun || word.Len() > 0 {
		c.words = append(c.words, word.String())
	}
	return c, nil
}

// readScripts reads the scripts of a folder, in order of their names.
func readScripts(folder string) (list []script, err error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s, err := parseScript(filepath.Base(name), data)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// play is one script being played against a backend.
type play struct {
	backend  Backend
	cast     cast
	http     *http.Client
	vars     map[string]string
	files    map[string][]byte
	browsers map[string]*browser.Browser
	last     response
	verdict  *judged

	skipped    []string // lines that this backend cannot play
	transcript []string // what every backend has to answer alike
	secrets    map[string]string
}

// response is the last answer.
type response struct {
	status int
	header http.Header
	body   []byte
}

const (
	maxAnswer = 32 << 20
	maxStep   = 2 * time.Minute
)

// run plays a script.
func run(ctx context.Context, b Backend, s script) (*play, error) {
	c, err := readCast(b.Seed())
	if err != nil {
		return nil, err
	}
	p := &play{
		backend: b, cast: c, files: map[string][]byte{},
		vars:     map[string]string{"issuer": b.Base(), "run": fmt.Sprint(time.Now().UnixMilli() % 1e9)},
		browsers: map[string]*browser.Browser{}, secrets: c.secrets,
		http: &http.Client{Transport: b.Transport(), Timeout: maxStep, CheckRedirect: noRedirect},
	}
	for name, content := range s.files {
		p.files[name] = content
	}
	for _, c := range s.commands {
		if err := p.do(ctx, c); err != nil {
			return p, fmt.Errorf("%s:%d: %s\n\t%w", s.name, c.line, c.text, err)
		}
	}
	return p, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// holds tells whether a command's conditions hold: "aws", "local", "url", "!url".
func (p *play) holds(c command) bool {
	for _, on := range c.on {
		name, negated := strings.CutPrefix(on, "!")
		if (name == p.backend.Name()) == negated {
			return false
		}
	}
	return true
}

// do carries out a command.
func (p *play) do(ctx context.Context, c command) error {
	if !p.holds(c) {
		if p.backend.Name() == "url" && slices.Contains(c.on, "aws") { // what an operator or the engines would have to do
			p.skipped = append(p.skipped, c.text)
		}
		return nil
	}
	if c.words[0] == "until" {
		before := len(p.transcript)
		err := p.until(ctx, c)
		if len(c.on) > 0 {
			p.transcript = p.transcript[:before]
		}
		return err
	}
	words := make([]string, len(c.words))
	for i, w := range c.words {
		var err error
		if words[i], err = p.expand(w); err != nil {
			return err
		}
	}
	run, known := verbs()[words[0]]
	if !known {
		return fmt.Errorf("there is no command %q", words[0])
	}
	before := len(p.transcript)
	err := run(p, ctx, arguments(words[1:]))
	if errors.Is(err, errUnsupported) && p.backend.Name() == "url" {
		p.skipped = append(p.skipped, c.text)
		return nil
	}
	if len(c.on) > 0 { // what not every backend plays is not compared
		p.transcript = p.transcript[:before]
	}
	for i := before; i < len(p.transcript); i++ {
		p.transcript[i] = c.text + " → " + p.transcript[i]
	}
	if err != nil && p.last.status != 0 {
		err = fmt.Errorf("%w\n\tthe last answer was %d %.900s", err, p.last.status, p.last.body)
	}
	return err
}

// until repeats the block below it until all of it holds, or the time is over. What the tries before the last answered
// is not compared.
func (p *play) until(ctx context.Context, c command) error {
	if len(c.words) != 2 || len(c.block) == 0 {
		return errors.New("until DURATION, and a block")
	}
	limit, err := time.ParseDuration(c.words[1])
	if err != nil {
		return err
	}
	end := time.Now().Add(limit)
	before := len(p.transcript)
	for {
		p.transcript = p.transcript[:before]
		err := p.each(ctx, c.block)
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (p *play) each(ctx context.Context, block []command) error {
	for _, c := range block {
		if err := p.do(ctx, c); err != nil {
			return fmt.Errorf("line %d: %s\n\t%w", c.line, c.text, err)
		}
	}
	return nil
}

// expand replaces $name and ${name}; "$$" is a dollar sign.
func (p *play) expand(word string) (string, error) {
	var unknown string
	out := os.Expand(word, func(name string) string {
		if name == "$" {
			return "$"
		}
		v, ok := p.vars[name]
		if !ok {
			unknown = name
		}
		return v
	})
	if unknown != "" {
		return "", fmt.Errorf("there is no variable %q", unknown)
	}
	return out, nil
}

// file is the content of a file of the script.
func (p *play) file(name string) ([]byte, error) {
	data, ok := p.files[strings.TrimPrefix(name, "@")]
	if !ok {
		return nil, fmt.Errorf("there is no file %q", name)
	}
	return data, nil
}

// content is a word, or the file that "@name" names, whose variables are expanded.
func (p *play) content(word string) ([]byte, error) {
	if !strings.HasPrefix(word, "@") {
		return []byte(word), nil
	}
	data, err := p.file(word)
	if err != nil {
		return nil, err
	}
	text, err := p.expand(string(data))
	return []byte(text), err
}

// send sends a request and remembers the answer.
func (p *play) send(client *http.Client, r *http.Request) error {
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // what was needed of it is read
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return err
	}
	if len(body) > maxAnswer {
		return errors.New("the answer is too large")
	}
	p.last = response{answer.StatusCode, answer.Header, body}
	return nil
}

// outcome is the last answer in one line: the status, the code of a refusal, the media type.
func (p *play) outcome() string {
	text := fmt.Sprint(p.last.status)
	if code := p.code(); code != "" {
		text += " " + code
	}
	media, _, err := mime.ParseMediaType(p.last.header.Get("Content-Type"))
	if err == nil {
		text += " " + media
	}
	return text
}
