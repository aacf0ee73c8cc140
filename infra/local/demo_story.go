package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/yinxin/yinxin/infra/local/browser"
	"github.com/yinxin/yinxin/shared/layout"
)

// telling is one telling of the story: who has signed on, what was made, and what each step gave.
type telling struct {
	s     *server
	base  string
	out   string
	show  io.Writer
	http  *http.Client
	fonts *layout.Fonts
	now   time.Time

	desk   browser.App                 // the agencies' application
	people map[string]string           // person → password, from the seed
	tokens map[string]string           // person → access token at the desk
	phone  map[string]*browser.Browser // person → browser
	made   map[string]string           // organisation → seal
	files  map[string][]byte           // artefacts by name
	rows   []row                       // what was asked and what came
	facts  map[string]any              // for report.json
}

// row is a step whose outcome is promised.
type row struct {
	Step string `json:"step"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

func (r row) ok() bool { return r.Want == r.Got }

// errStory is the story going otherwise than promised.
var errStory = errors.New("the story did not go as promised")

// step runs one step and prints its line. A step that fails ends the story.
func (t *telling) step(text string, run func() error) error {
	began := time.Now()
	err := run()
	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	fmt.Fprintf(t.show, "  %s %s  %s\n", mark, text, time.Since(began).Round(time.Millisecond))
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

// check notes what a step promised and what it gave. The story goes on: the closing table tells.
func (t *telling) check(step, want, got string) {
	t.rows = append(t.rows, row{step, want, got})
}

// chapter is a part of the story.
type chapter struct {
	title string
	tell  func(context.Context) error
}

// story plays the story, scene by scene, against the server, over HTTP, and writes its artefacts into out.
func (s *server) story(ctx context.Context, out string, show io.Writer) error {
	t, err := s.newTelling(out, show)
	if err != nil {
		return err
	}
	for _, c := range []chapter{
		{"一 统一身份认证 Unified identity", t.identity},
		{"二 统一电子印章 Unified electronic seals", t.seals},
		{"三 联合用印 Two agencies stamp one notice", t.stamps},
		{"四 统一电子证照 Unified licences", t.licences},
		{"五 核验与伪造 Verification and forgeries", t.forgeries},
		{"六 撤销与留痕 Revocation and traces", t.traces},
	} {
		fmt.Fprintf(show, "\n%s\n", c.title)
		if err := c.tell(ctx); err != nil {
			return errors.Join(err, t.write())
		}
	}
	t.facts["complete"] = true
	if err := t.write(); err != nil {
		return err
	}
	return t.close()
}

func (s *server) newTelling(out string, show io.Writer) (*telling, error) {
	seed, err := s.demoSeed()
	if err != nil {
		return nil, err
	}
	fonts, err := layout.Embedded()
	if err != nil {
		return nil, err
	}
	transport, err := s.transport()
	if err != nil {
		return nil, err
	}
	t := &telling{
		s: s, base: s.issuer, out: out, show: show, http: &http.Client{Transport: transport}, fonts: fonts, now: s.now(),
		people: map[string]string{}, tokens: map[string]string{}, phone: map[string]*browser.Browser{}, made: map[string]string{},
		files: map[string][]byte{}, facts: map[string]any{},
	}
	for _, p := range seed.Persons {
		t.people[p.ID] = p.Password
	}
	if t.desk, err = seedApp(seed, "agency-desk"); err != nil {
		return nil, err
	}
	return t, nil
}

// at returns a caller who is signed on at the agencies' desk as person, signing on first where need be.
func (t *telling) at(ctx context.Context, person string) (caller, error) {
	c := caller{base: t.base, http: t.http, token: t.tokens[person]}
	if c.token != "" {
		return c, nil
	}
	got, err := t.browser(person).SignOn(ctx, t.desk, person, t.people[person])
	if err != nil {
		return caller{}, fmt.Errorf("%s signs on: %w", person, err)
	}
	c.token, t.tokens[person] = got.Access, got.Access
	return c, nil
}

func (t *telling) browser(person string) *browser.Browser {
	if t.phone[person] == nil {
		t.phone[person] = browser.New(t.base, t.http.Transport)
	}
	return t.phone[person]
}

// anonymous is a caller without a token.
func (t *telling) anonymous() caller { return caller{base: t.base, http: t.http} }

// write writes the artefacts and the report.
func (t *telling) write() error {
	if err := os.MkdirAll(t.out, 0o755); err != nil {
		return err
	}
	report := map[string]any{"issuer": t.base, "at": t.now.UTC().Format(time.RFC3339), "checks": t.rows}
	for k, v := range t.facts {
		report[k] = v
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	t.files["report.json"] = append(text, '\n')
	for name, content := range t.files {
		path := filepath.Join(t.out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return t.s.exportTrust(filepath.Join(t.out, "trust"))
}

// close prints the table and says whether everything came as promised.
func (t *telling) close() error {
	wide := 0
	for _, r := range t.rows {
		wide = max(wide, columns(r.Step))
	}
	fmt.Fprintf(t.show, "\n%s\n", "结果 Results")
	wrong := 0
	for _, r := range t.rows {
		mark, tail := "✓", ""
		if !r.ok() {
			mark, tail = "✗", "   ≠ "+r.Want
			wrong++
		}
		fmt.Fprintf(t.show, "  %s %s%s  %s%s\n", mark, r.Step, strings.Repeat(" ", wide-columns(r.Step)), r.Got, tail)
	}
	fmt.Fprintf(t.show, "\n  %d of %d as promised; artefacts in %s\n\n", len(t.rows)-wrong, len(t.rows), t.out)
	if wrong > 0 {
		return fmt.Errorf("%w: %d of %d checks", errStory, wrong, len(t.rows))
	}
	return nil
}

// columns is how wide a terminal shows s: Chinese characters take two columns.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}
