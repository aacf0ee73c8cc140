package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromium is one real browser for all visitors of a test: starting one costs a second.
type chromium struct{ ctx context.Context }

// startChromium starts the browser, without a window and with a new profile.
func startChromium(t *testing.T) chromium {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatal("needs chromium")
		}
		t.Skip("needs chromium")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
	}
	for _, flag := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	// Not t.Context(): it ends before the cleanups, and then the browser would not end by itself.
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("ending chromium: %v", err)
		}
	})
	return chromium{ctx}
}

// visitor is somebody in front of that browser, with cookies of their own.
type visitor struct {
	t    *testing.T
	base string
	ctx  context.Context

	mu     sync.Mutex
	errors []string // what the console showed
}

// patience bounds the wait for whatever a visitor waits for; only a failing test waits that long.
const patience = 20 * time.Second

// visitor opens a tab without cookies. What the browser complains of in its console, such as a violated
// Content-Security-Policy, fails the test.
func (c chromium) visitor(t *testing.T, base string, script bool) *visitor {
	t.Helper()
	browser := cdp.WithExecutor(c.ctx, chromedp.FromContext(c.ctx).Browser)
	profile, err := target.CreateBrowserContext().Do(browser)
	if err != nil {
		t.Fatalf("opening a profile: %v", err)
	}
	t.Cleanup(func() {
		if err := target.DisposeBrowserContext(profile).Do(browser); err != nil {
			t.Logf("closing a profile: %v", err)
		}
	})
	// chromedp.WithNewBrowserContext asks for no window, which newer browsers refuse.
	window, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(browser)
	if err != nil {
		t.Fatalf("opening a window: %v", err)
	}
	ctx, closeTab := chromedp.NewContext(c.ctx, chromedp.WithTargetID(window))
	t.Cleanup(closeTab)
	if err := chromedp.Run(ctx); err != nil { // the tab lives as long as this context: no deadline here
		t.Fatalf("opening a tab: %v", err)
	}
	v := &visitor{t: t, base: base, ctx: ctx}
	chromedp.ListenTarget(ctx, v.listen)
	v.do("choosing whether scripts run", emulation.SetScriptExecutionDisabled(!script))
	v.size(desktop)
	t.Cleanup(func() {
		for _, e := range v.complaints() {
			t.Errorf("the console shows: %s", e)
		}
	})
	return v
}

func (v *visitor) listen(event any) {
	text := ""
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		// The status of a page that was asked for is no error of the page: a wrong password is answered with 403.
		answered := e.Entry.Source == cdplog.SourceNetwork && strings.Contains(e.Entry.Text, "status of 4")
		if e.Entry.Level == cdplog.LevelError && !answered {
			text = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			text = fmt.Sprint(e.Args)
		}
	}
	if text != "" {
		v.mu.Lock()
		v.errors = append(v.errors, text)
		v.mu.Unlock()
	}
}

// complained waits until the console shows that something was refused, and forgets it.
func (v *visitor) complained(what string) {
	v.t.Helper()
	for began := time.Now(); ; {
		if found := v.complaints(); strings.Contains(strings.Join(found, "\n"), "Content Security Policy") {
			return
		}
		if time.Since(began) > patience {
			v.t.Errorf("nothing was refused: %s", what)
			return
		}
		v.do("waiting", chromedp.Evaluate(`0`, nil)) // events arrive before its answer
	}
}

// complaints takes what the console showed so far.
func (v *visitor) complaints() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	taken := v.errors
	v.errors = nil
	return taken
}

func (v *visitor) do(what string, actions ...chromedp.Action) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		v.t.Fatalf("%s: %v\n%s", what, err, v.page())
	}
}

// page is the text in front of the visitor, for messages.
func (v *visitor) page() string {
	var text string
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Evaluate(`location.href+"\n"+document.body.innerText`, &text)); err != nil {
		return err.Error()
	}
	return text
}

func (v *visitor) open(path string) {
	v.t.Helper()
	v.do("opening "+path, chromedp.Navigate(v.base+path))
}

// until waits until an expression holds in the page, across whatever pages come between.
func (v *visitor) until(expression string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	for {
		var holds bool
		err := chromedp.Run(ctx, chromedp.Evaluate(`document.readyState==="complete"&&!!(`+expression+`)`, &holds))
		if holds && err == nil { // an error may be a page that is just going
			return
		}
		select {
		case <-ctx.Done():
			v.t.Fatalf("%s does not come true (%v):\n%s", expression, err, v.page())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// at waits until the visitor is at a path of this server.
func (v *visitor) at(path string) {
	v.t.Helper()
	v.until(`location.origin+location.pathname===` + quoted(v.base+path))
}

func (v *visitor) has(selector string) {
	v.t.Helper()
	v.until(`document.querySelector(` + quoted(selector) + `)`)
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a string always encodes
	return string(b)
}

// evaluate returns a string from the page.
func (v *visitor) evaluate(expression string) string {
	v.t.Helper()
	var text string
	v.do(expression, chromedp.Evaluate(expression, &text))
	return text
}

// text is what a reader sees of an element.
func (v *visitor) text(selector string) string {
	v.t.Helper()
	v.has(selector)
	return v.evaluate(`document.querySelector(` + quoted(selector) + `).innerText`)
}

// shows fails the test unless the element shows every one of the texts.
func (v *visitor) shows(selector string, texts ...string) {
	v.t.Helper()
	seen := v.text(selector)
	for _, text := range texts {
		if !strings.Contains(seen, text) {
			v.t.Errorf("%s does not show %q:\n%s", selector, text, seen)
		}
	}
}

// click presses the mouse on an element.
func (v *visitor) click(selector string) {
	v.t.Helper()
	v.has(selector)
	v.do("clicking "+selector, chromedp.Click(selector, chromedp.ByQuery))
}

// follow clicks on what leads to another page, and waits for that page.
func (v *visitor) follow(selector string) {
	v.t.Helper()
	v.next(func() { v.click(selector) })
}

// next waits for the page that follows what is done on this one.
func (v *visitor) next(done func()) {
	v.t.Helper()
	v.do("marking the page", chromedp.Evaluate(`document.documentElement.dataset.left="",0`, nil))
	done()
	v.until(`!("left" in document.documentElement.dataset)`)
}

// write clicks into a field and types.
func (v *visitor) write(selector, text string) {
	v.t.Helper()
	v.click(selector)
	v.do("typing", input.InsertText(text))
}

// choose puts a file into the field of the page.
func (v *visitor) choose(file string) {
	v.t.Helper()
	v.has("#document")
	v.do("choosing "+file, chromedp.SetUploadFiles("#document", []string{file}, chromedp.ByQuery))
}

// drop drags a file from outside onto an element.
func (v *visitor) drop(selector, file string) {
	v.t.Helper()
	v.has(selector)
	var middle []float64
	v.do("finding "+selector, chromedp.ScrollIntoView(selector, chromedp.ByQuery), chromedp.Evaluate(
		`(r=>[r.x+r.width/2,r.y+r.height/2])(document.querySelector(`+quoted(selector)+`).getBoundingClientRect())`, &middle))
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{file}, DragOperationsMask: 1}
	for _, step := range []input.DispatchDragEventType{input.DragEnter, input.DragOver, input.Drop} {
		v.do("dropping "+file, input.DispatchDragEvent(step, middle[0], middle[1], data))
	}
}

// key presses keys, one after the other.
func (v *visitor) key(keys ...string) {
	v.t.Helper()
	for _, k := range keys {
		v.do("pressing a key", chromedp.KeyEvent(k))
	}
}

// tab presses Tab until the element has the focus, and looks whether that can be seen.
func (v *visitor) tab(selector string) {
	v.t.Helper()
	v.has(selector)
	for range 60 {
		var here, visible bool
		v.do("reading the focus", chromedp.Evaluate(`document.activeElement.matches(`+quoted(selector)+`)`, &here),
			chromedp.Evaluate(`(s=>s.outlineStyle!=="none"&&parseFloat(s.outlineWidth)>=2)
				(getComputedStyle(document.activeElement))`, &visible))
		if here {
			if !visible {
				v.t.Errorf("the focus on %s cannot be seen", selector)
			}
			return
		}
		v.key(kb.Tab)
	}
	v.t.Fatalf("Tab does not reach %s", selector)
}

// signOn fills in the log-in form with the mouse.
func (v *visitor) signOn(name, password string) {
	v.t.Helper()
	v.has("#password")
	if v.evaluate(`document.querySelector("#username").value`) == "" {
		v.write("#username", name)
	}
	v.write("#password", password)
	v.follow("#submit")
}

// screen is a size of a window; a phone has a denser screen and no mouse.
type screen struct {
	name          string
	width, height int64
	density       float64
	phone         bool
}

var (
	desktop = screen{"desktop", 1280, 800, 1, false}
	phone   = screen{"phone", 390, 844, 2, true}
	tablet  = screen{"tablet", 820, 1180, 2, true}
	narrow  = screen{"narrow", 320, 568, 2, true} // what WCAG 2.2, 1.4.10 asks for
)

func (v *visitor) size(s screen) {
	v.t.Helper()
	v.do("sizing the window", emulation.SetDeviceMetricsOverride(s.width, s.height, s.density, s.phone))
}

// judge examines the page in front of the visitor on a desktop and on a phone, light and dark: everything that a person
// with a small screen, weak eyes, or a screen reader needs. Where YINXIN_SCREENSHOTS names a directory, it leaves
// pictures.
func (v *visitor) judge(name string) {
	v.t.Helper()
	for _, s := range []screen{narrow, tablet, phone, desktop} {
		v.size(s)
		for _, scheme := range []string{"dark", "light"} {
			v.do("choosing colours", emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			}))
			var found []string
			v.do("examining "+name, chromedp.Evaluate(examination, &found))
			for _, f := range found {
				v.t.Errorf("%s, %s, %s: %s", name, s.name, scheme, f)
			}
			if s != phone && s != desktop {
				continue
			}
			v.picture(fmt.Sprintf("%s-%s-%s.png", name, s.name, scheme))
		}
	}
	v.spoken(name)
}

// spoken is a node of the accessibility tree, as far as it is read here.
type spoken struct {
	Ignored bool `json:"ignored"`
	Role    struct {
		Value string `json:"value"`
	} `json:"role"`
	Name struct {
		Value string `json:"value"`
	} `json:"name"`
}

// spoken looks at the page as the browser tells it to a screen reader: whatever can be used has a name.
func (v *visitor) spoken(page string) {
	v.t.Helper()
	var answer struct {
		Nodes []spoken `json:"nodes"`
	}
	v.do("reading the accessibility tree", chromedp.ActionFunc(func(ctx context.Context) error {
		return cdp.Execute(ctx, accessibility.CommandGetFullAXTree, accessibility.GetFullAXTree(), &answer)
	}))
	roles := map[string]int{}
	for _, n := range answer.Nodes {
		if n.Ignored {
			continue
		}
		roles[n.Role.Value]++
		switch n.Role.Value {
		case "textbox", "button", "link", "heading", "image", "img", "columnheader", "rowheader":
			if strings.TrimSpace(n.Name.Value) == "" {
				v.t.Errorf("%s: a %s has no name", page, n.Role.Value)
			}
		}
	}
	if roles["main"] != 1 || roles["heading"] == 0 {
		v.t.Errorf("%s: a screen reader finds %v", page, roles)
	}
}

func (v *visitor) picture(name string) {
	dir := os.Getenv("YINXIN_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	v.do("taking a picture", chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		v.t.Error(err)
	}
}

// examination lists what is wrong with a page. Contrast and sizes are those of WCAG 2.2, 1.4.3, 1.4.10, 1.4.11, 2.5.5.
const examination = `(() => {
const wrong = [], all = (s, in_) => [...(in_ || document).querySelectorAll(s)];
const named = e => ": <" + e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + "> ";
const say = (what, e) => wrong.push(what + (e ? named(e) + (e.textContent || "").trim().slice(0, 40) : ""));
const count = (s, n) => { const k = all(s).length; if (k !== n) say(k + " times " + s) };
if (document.documentElement.lang !== "zh-CN") say("lang is " + document.documentElement.lang);
if (!/\S · \S/.test(document.title)) say("title is " + document.title);
count("h1", 1); count("main", 1); count("header", 1);
let level = 1;
for (const h of all("h1,h2,h3,h4")) {
  const l = +h.tagName[1];
  if (l > level + 1) say("a heading is left out before", h);
  level = l;
}
const ids = all("[id]").map(e => e.id);
ids.forEach((id, i) => { if (ids.indexOf(id) !== i) say("the id " + id + " twice") });
for (const e of all("input:not([type=hidden]),select,textarea"))
  if (!e.labels.length || !e.labels[0].textContent.trim()) say("no label", e);
for (const e of all("img")) if (!e.hasAttribute("alt")) say("no alt", e);
for (const e of all("button:not([type])")) say("a button without a type", e);
for (const e of all("[aria-describedby],[aria-labelledby]")) for (const a of ["aria-describedby", "aria-labelledby"])
  for (const id of (e.getAttribute(a) || "").split(/\s+/).filter(Boolean))
    if (!document.getElementById(id)) say(a + " names nothing", e);
for (const e of all(".alert"))
  if (!/^(alert|note|status)$/.test(e.getAttribute("role"))) say("an alert without a role", e);
for (const e of all(".en")) if (e.lang !== "en") say("English that is not marked", e);
for (const e of all("th")) if (!e.scope) say("a header without a scope", e);

const width = document.documentElement.clientWidth, needed = document.documentElement.scrollWidth;
if (needed > width) say("the page is " + needed + " wide on " + width);
for (const e of all("body *")) {
  if (!e.checkVisibility()) continue;
  const r = e.getBoundingClientRect(), s = getComputedStyle(e);
  if (r.right > width + 1 && r.width) say("it hangs out to " + Math.round(r.right), e);
  if (e.clientWidth && e.scrollWidth > e.clientWidth + 1 && s.display !== "inline" && e.tagName !== "INPUT")
    say("its content hangs out", e);
  if (e.matches("button,input:not([type=hidden])") && r.height < 44)
    say("a target only " + Math.round(r.height) + " high", e);
}

const colour = c => {
  const n = (c.match(/[\d.]+/g) || []).map(Number);
  return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 };
};
const mix = (x, y, a) => x * a + y * (1 - a);
const over = (f, b) => ({ r: mix(f.r, b.r, f.a), g: mix(f.g, b.g, f.a), b: mix(f.b, b.b, f.a), a: 1 });
const ground = e => {
  if (!e) return { r: 255, g: 255, b: 255, a: 1 };
  const c = colour(getComputedStyle(e).backgroundColor);
  return c.a === 1 ? c : over(c, ground(e.parentElement));
};
const linear = x => { x /= 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4 };
const light = c => 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b);
const contrast = (a, b) => {
  const x = light(a), y = light(b);
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
};
const readable = e => {
  const s = getComputedStyle(e), g = ground(e), c = contrast(over(colour(s.color), g), g);
  if (c < 4.5) say("contrast " + c.toFixed(2), e);
  if (parseFloat(s.fontSize) < 12) say("letters of " + s.fontSize, e);
};
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), looked = new Set();
for (let n; (n = walk.nextNode());) {
  const e = n.parentElement;
  if (!n.data.trim() || looked.has(e) || e.closest("script,style") || !e.checkVisibility()) continue;
  looked.add(e); readable(e);
}
for (const e of all("input[type=text],input[type=password],textarea")) {
  readable(e);
  const behind = ground(e.parentElement), border = colour(getComputedStyle(e).borderTopColor);
  const c = contrast(over(border, behind), behind);
  if (c < 3) say("a border of contrast " + c.toFixed(2), e);
}
return [...new Set(wrong)];
})()`
