package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// scene is what the visitors of a test share: a browser, a server, and what the story made there.
type scene struct {
	chromium
	s     *server
	told  *telling
	files map[string]string // artefact → path
}

// TestPeopleInABrowser shows every page to a real browser, with script and without.
func TestPeopleInABrowser(t *testing.T) {
	c := scene{chromium: startChromium(t), s: startTest(t, config{}), files: map[string]string{}}
	c.tell(t)
	for _, script := range []bool{true, false} {
		suffix := " without script"
		if script {
			suffix = " with script"
		}
		t.Run("a person signs on, allows, refuses and signs out"+suffix, func(t *testing.T) { c.signsOn(t, script) })
		t.Run("a stamped document is judged check by check"+suffix, func(t *testing.T) { c.judgesDocuments(t, script) })
		t.Run("a licence is looked up, and its holder sees it"+suffix, func(t *testing.T) { c.looksUp(t, script) })
	}
	t.Run("the first page leads everywhere", c.firstPage)
	t.Run("a file is dropped", c.dropsFile)
	t.Run("the keyboard is enough", c.keyboard)
	t.Run("a form of another browser signs nobody on", c.staleForm)
	t.Run("an application on the device gets its answer", c.nativeApplication)
	t.Run("the cookies of https are for one host alone", c.cookies)
	t.Run("the pages run nothing that is not theirs", c.foreignContent)
	t.Run("what is wrong with a page is seen", c.wrongPage)
}

// tell has the story made: seals, a stamped notice, licences, and forgeries of them.
func (c *scene) tell(t *testing.T) {
	t.Helper()
	var err error
	if c.told, err = c.s.newTelling(t.TempDir(), io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, chapter := range []func() error{
		func() error { return c.told.identity(t.Context()) }, func() error { return c.told.seals(t.Context()) },
		func() error { return c.told.stamps(t.Context()) }, func() error { return c.told.licences(t.Context()) },
	} {
		if err := chapter(); err != nil {
			t.Fatal(err)
		}
	}
}

// file writes an artefact for a visitor to choose.
func (c scene) file(t *testing.T, name string, content []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (c scene) firstPage(t *testing.T) {
	v := c.visitor(t, c.s.base, true)
	v.open("/")
	v.judge("first")
	v.shows("main", "开发密钥", "Development keys", "zhang-sample-1", "demo-app-a-sample-secret", "示例家政服务有限公司")
	var links []string
	v.do("reading the links",
		chromedp.Evaluate(`[...document.querySelectorAll("main a")].map(a=>a.getAttribute("href"))`, &links))
	if len(links) < 5 {
		t.Errorf("only %d links: %v", len(links), links)
	}
	for _, link := range links {
		if strings.HasPrefix(link, "/demo/files/") {
			continue // saved, not shown: TestTheFirstPageShowsTheCastAndItsLinksLeadSomewhere asks for them
		}
		v.open("/")
		v.follow(`main a[href=` + quoted(link) + `]`)
		v.until(`location.pathname!=="/"&&document.body.innerText.length>100`)
	}
}

func (c scene) signsOn(t *testing.T, script bool) {
	v := c.visitor(t, c.s.base, script)
	judge := func(name string) {
		if script {
			v.judge(name)
		}
	}
	// Two who have allowed nothing yet.
	who, name, organisation := "wang", "王五(示例)", "示例省人民政府办公厅"
	if !script {
		who, name, organisation = "zhao", "赵六(示例)", "示例省印章制作中心"
	}
	v.open("/demo/app-a")
	judge("app")
	v.follow("#sign-on")
	v.at("/authorize")
	judge("login")
	v.shows("main", "登录", "Sign in", "掌上政务(示例)")
	v.signOn(who, "not the password")
	v.shows("#problem", "用户名或密码不正确", "The user name or the password is not right")
	judge("login-wrong")
	if got := v.evaluate(`[document.querySelector("#username").value,document.querySelector("#password").value,
		document.querySelector("#problem").getAttribute("role")].join()`); got != who+",,alert" {
		t.Errorf("after a wrong password: %s", got)
	}
	if script { // without script, browsers leave the focus where it is
		v.has("#password:focus")
	}
	v.signOn(who, c.told.people[who])
	v.has("#allow")
	judge("consent")
	v.shows("main", "掌上政务(示例)", "读取您的姓名", "read your name", name, strings.TrimPrefix(c.s.base, "http://"))
	v.follow("#deny")
	v.at("/demo/app-a/callback")
	v.shows("[role=alert]", "access_denied", "登录未完成")
	judge("app-denied")

	v.follow("#sign-on")
	v.follow("#allow")
	v.at("/demo/app-a")
	v.shows("#name", name)
	judge("app-signed-on")
	first := v.text("#claim-sub")

	// The second application: no password, and another identifier.
	v.follow(`a[href="/demo/app-b"]`)
	v.at("/demo/app-b")
	v.follow("#sign-on")
	v.has("#allow")
	v.shows("main", "服务业发展资金申报门户(示例)")
	v.follow("#allow")
	v.at("/demo/app-b")
	v.shows("#name", name)
	if second := v.text("#claim-sub"); first == "" || first == second {
		t.Errorf("the applications know the person as %q and %q", first, second)
	}

	v.open("/account")
	v.shows("main", name, organisation, "可代表的单位", "seals")
	judge("account")
	v.follow(`a[href="/account/usage"]`)
	v.at("/account/usage")
	v.shows("main", "掌上政务(示例)", "服务业发展资金申报门户(示例)", organisation, "本人", "授权应用")
	judge("usage")

	// Signing out of the second application ends the session at the issuer: /account asks again.
	v.open("/demo/app-b")
	v.follow("#sign-out")
	v.has("#sign-on")
	v.at("/demo/app-b")
	v.open("/account")
	v.at("/login")
	judge("login-own")
	v.signOn(who, c.told.people[who])
	v.at("/account")
	v.open("/end-session")
	v.shows("main", "是否退出登录", name)
	judge("logout")
	v.follow("#deny")
	v.at("/account")
	v.follow("#submit")
	v.at("/end-session")
	v.shows("main", "您已退出登录", "You are signed out")
	judge("signed-out")
	v.follow("main a")
	v.at("/login")
}

func (c scene) judgesDocuments(t *testing.T, script bool) {
	v := c.visitor(t, c.s.base, script)
	judge := func(name string) {
		if script {
			v.judge(name)
		}
	}
	v.open("/verify")
	v.shows("main", "验证", "Verify")
	judge("verify")

	stampedOFD, stampedPDF := c.told.files["notice-stamped.ofd"], c.told.files["notice-stamped.pdf"]
	altered, err := changedAmount(stampedOFD, amount, forged)
	smuggled, err2 := smuggledFile(stampedOFD)
	appended, err3 := appendedRevision(stampedPDF)
	disclosed, err4 := changedDisclosure(string(c.told.files["licence.sd-jwt"]))
	for _, d := range []struct {
		name, file string
		content    []byte
		err        error
		verdict    string
		shows      []string
		checks     []string // codes in the table
	}{
		{"verdict-ofd", "notice.ofd", stampedOFD, nil, "valid",
			[]string{"有效", "Valid", "示例省财政厅", "示例省商务厅", "电子印章（GB/T 38540）", "2026"}, nil},
		{"verdict-pdf", "notice.pdf", stampedPDF, nil, "valid",
			[]string{"有效", "仅为兼容签名，不是电子印章", "compatibility signature only"}, nil},
		{"verdict-licence", "licence.ofd", c.told.files["licence.ofd"], nil, "valid", []string{"有效", "示例省人力资源和社会保障厅"}, nil},
		{"verdict-credential", "licence.txt", c.told.files["licence.sd-jwt"], nil, "valid", []string{"有效", "居家上门服务证"}, nil},
		{"verdict-altered", "altered.ofd", altered, err, "invalid",
			[]string{"无效", "Invalid", "不通过"}, []string{"HASH_FAILURE"}},
		{"verdict-smuggled", "smuggled.ofd", smuggled, err2, "invalid", []string{"无效", "不通过"}, []string{"SMUGGLED_FILES"}},
		{"verdict-appended", "appended.pdf", appended, err3, "invalid",
			[]string{"无效", "不通过"}, []string{"CHANGED_AFTER_SIGNING"}},
		{"verdict-disclosure", "disclosure.txt", []byte(disclosed), err4, "invalid",
			[]string{"无效"}, []string{"LIC_DISCLOSURE"}},
		{"verdict-nothing", "notes.txt", []byte("没有什么 nothing"), nil, "invalid", []string{"无效"}, nil},
	} {
		v.open("/verify")
		v.choose(c.file(t, d.file, d.content, d.err))
		v.follow("#submit")
		v.has("#verdict")
		if got := v.evaluate(`document.querySelector("#verdict").dataset.verdict`); got != d.verdict {
			t.Errorf("%s: %s, want %s:\n%s", d.name, got, d.verdict, v.page())
		}
		v.shows("main", d.shows...)
		// The reason stands at the top, in both languages, before any table.
		if v.evaluate(`[...document.querySelectorAll("#summary [lang]")].filter(e=>e.innerText.trim().length>3)
			.map(e=>e.lang).join()`) != "zh-CN,en" {
			t.Errorf("%s: no summary in two languages:\n%s", d.name, v.text("#summary"))
		}
		v.shows("#checks", d.checks...)
		if d.verdict == "invalid" {
			v.shows("#reasons", d.checks...)
			v.shows("#checks .group:has(.tag.fail)", "不通过", "fail") // what failed is seen without a click
		}
		judge(d.name)
		if d.verdict == "valid" {
			v.click(".passed>summary")
			v.shows(".passed[open] .check", "通过", "pass")
		}
	}
}

func (c scene) dropsFile(t *testing.T) {
	v := c.visitor(t, c.s.base, true)
	v.open("/verify")
	v.drop("#document", c.file(t, "notice.ofd", c.told.files["notice-stamped.ofd"], nil))
	v.has(`#verdict[data-verdict="valid"]`)
	forgery, err := changedByte(c.told.files["notice-stamped.pdf"])
	forged := c.file(t, "notice.pdf", forgery, err)
	v.next(func() { v.drop("#document", forged) }) // the result has the form as well
	v.has(`#verdict[data-verdict="invalid"]`)
	v.shows("#checks", "HASH_FAILURE")
}

func (c scene) looksUp(t *testing.T, script bool) {
	service, ok := c.told.facts["service"].(issued)
	if !ok {
		t.Fatal("the story issued nothing")
	}
	v := c.visitor(t, c.s.base, script)
	v.open("/verify")
	v.write("#input", " ")
	v.follow("#look-up")
	v.shows("[role=alert]", "请选择文件", "Choose a file")
	v.write("#input", service.Identifier)
	v.follow("#look-up")
	v.shows("[role=alert]", "须填写查验事由", "State the purpose")
	if script {
		v.judge("verify-refused")
	}
	reason := "核实上门人员(示例) <b>" + map[bool]string{true: "一", false: "二"}[script] + "</b>"
	v.has(`#input[value="` + service.Identifier + `"]`) // what was typed stands there still
	v.write("#purpose", reason)
	v.follow("#look-up")
	v.has("#verdict")
	v.shows("main", "居家上门服务证", "周*", service.Identifier)
	if script {
		v.judge("verdict-identifier")
	}
	if strings.Contains(v.page(), "周八") {
		t.Error("a stranger reads the holder's whole name")
	}
	v.write("#input", "没有这样的标识")
	v.write("#purpose", reason)
	v.follow("#look-up")
	v.has(`#verdict[data-verdict="invalid"]`)

	holder := c.visitor(t, c.s.base, script)
	holder.open("/account/usage")
	holder.signOn("worker", c.told.people["worker"])
	holder.at("/account/usage")
	holder.shows("main", "周八(示例)", reason, "未登录的查验人", "核验证照", "licence verified", "签发证照")
	if script {
		holder.judge("usage-holder")
		agent := c.visitor(t, c.s.base, script)
		agent.open("/account/usage")
		agent.signOn("zhang", c.told.people["zhang"])
		agent.at("/account/usage")
		agent.shows("main", "示例家政服务有限公司", "服务业发展资金申报门户(示例)", "服务业发展专项资金申报(示例)", "ZJ-2026-0042", "ZJ-0007")
		agent.judge("usage-agent")
	}
}

func (c scene) keyboard(t *testing.T) {
	v := c.visitor(t, c.s.base, true)
	v.open("/demo/app-a")
	v.tab("#sign-on")
	v.key(kb.Enter)
	v.has("#username:focus") // no key is needed to begin
	v.key("l", "i", kb.Tab)
	v.key(strings.Split(c.told.people["li"], "")...)
	v.tab("#submit")
	v.key(kb.Enter)
	v.tab("#allow")
	v.key(" ")
	v.at("/demo/app-a")
	v.shows("#name", "李四(示例)")
	v.open("/account")
	v.tab(`a[href="/account/usage"]`)
	v.key(kb.Enter)
	v.at("/account/usage")
	v.tab(`a[href="/account"]`)
	v.key(kb.Enter)
	v.at("/account")
	v.tab("#submit")
	v.key(kb.Enter)
	v.at("/end-session")

	v.open("/verify")
	v.tab("#document")
	v.choose(c.file(t, "notice.ofd", c.told.files["notice-stamped.ofd"], nil)) // what the system's own dialogue does
	v.tab("#submit")
	v.key(kb.Enter)
	v.has(`#verdict[data-verdict="valid"]`)
	v.tab("summary")
	v.key(kb.Enter)
	v.has(".passed[open] .check")
	v.tab("#input")
	v.key("x")
	v.tab("#purpose")
	v.key("y", kb.Enter) // the field sends its own form
	v.has(`#verdict[data-verdict="invalid"]`)
}

func (c scene) staleForm(t *testing.T) {
	v := c.visitor(t, c.s.base, true)
	v.open("/account")
	v.at("/login")
	v.do("forgetting the cookies", network.ClearBrowserCookies())
	v.signOn("zhang", c.told.people["zhang"])
	v.shows("#problem", "页面已过期", "out of date")
	v.judge("login-stale")
	v.signOn("zhang", c.told.people["zhang"])
	v.at("/account")
	// A session that ended elsewhere while a page was open.
	v.do("forgetting the cookies", network.ClearBrowserCookies())
	v.follow(`a[href="/account/usage"]`)
	v.at("/login")
	v.open("/authorize?client_id=nobody")
	v.shows("[role=alert]", "应用")
	v.judge("refused")
}

// nativeApplication signs on for an application that listens on the loopback (RFC 8252, section 7.3): the form may lead
// there by redirection only because its Content-Security-Policy names the address.
func (c scene) nativeApplication(t *testing.T) {
	answers := make(chan url.Values, 1)
	device := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			answers <- r.URL.Query()
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<link rel="icon" href="data:,"><p id="back">back</p>`)
	}))
	defer device.Close()
	v := c.visitor(t, c.s.base, true)
	v.open("/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"agency-desk"}, "redirect_uri": {device.URL + "/callback"},
		"scope": {"openid seal.stamp offline_access"}, "state": {"s"}, "code_challenge_method": {"S256"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, // RFC 7636, appendix B
	}.Encode())
	v.signOn("household", c.told.people["household"])
	v.has("#allow")
	v.shows("main", "使用您有权使用的电子印章签章", "127.0.0.1")
	v.judge("consent-native")
	v.follow("#allow")
	v.has("#back")
	if got := <-answers; got.Get("code") == "" || got.Get("state") != "s" || got.Get("iss") != c.s.issuer {
		t.Errorf("the application got %v", got)
	}
}

// cookies signs on over https. A browser takes a cookie named __Host- only if it is secure, for one host and for every
// path (RFC 6265bis, section 4.1.3.2); the jars of HTTP clients take any.
func (c scene) cookies(t *testing.T) {
	s := startTest(t, config{tls: true})
	v := c.visitor(t, s.base, true)
	v.do("trusting the demo authority", security.SetIgnoreCertificateErrors(true))
	v.open("/account")
	v.signOn("worker", c.told.people["worker"])
	v.at("/account")
	var cookies []*network.Cookie
	v.do("reading the cookies", chromedp.ActionFunc(func(ctx context.Context) (err error) {
		cookies, err = network.GetCookies().Do(ctx)
		return err
	}))
	if len(cookies) < 2 {
		t.Errorf("%d cookies", len(cookies))
	}
	for _, cookie := range cookies {
		if !strings.HasPrefix(cookie.Name, "__Host-") || !cookie.Secure || !cookie.HTTPOnly || cookie.SameSite == "" {
			t.Errorf("the cookie %s: %+v", cookie.Name, cookie)
		}
	}
}

// foreignContent has a page try what an injected text would: every attempt must fail, and be seen by the console. It
// also shows that a violated policy would fail the other tests.
func (c scene) foreignContent(t *testing.T) {
	v := c.visitor(t, c.s.base, true)
	v.open("/verify")
	for _, attempt := range []string{
		`(e=>{e.textContent="window.hurt=1";document.body.append(e)})(document.createElement("script"))`,
		`(e=>{e.src="/jwks";document.body.append(e)})(document.createElement("script"))`,
		`(e=>{e.textContent="main{display:none}";document.body.append(e)})(document.createElement("style"))`,
		`document.body.insertAdjacentHTML("beforeend",'<p style="color:red" onclick="window.hurt=1" id="victim">x</p>'),
			document.querySelector("#victim").click()`,
		`(e=>{e.src="/";document.body.append(e)})(document.createElement("iframe"))`,
		`(e=>{e.src="http://127.0.0.1:9/x.png";document.body.append(e)})(new Image())`,
		`fetch("/jwks").catch(()=>0)`,
		`(e=>{e.action="http://127.0.0.1:9/";e.method="post";document.body.append(e);e.submit()})
			(document.createElement("form"))`,
	} {
		v.do("trying", chromedp.Evaluate(attempt+`,0`, nil))
		v.complained(attempt)
	}
	got := v.evaluate(`String(window.hurt)+getComputedStyle(document.querySelector("main")).display`)
	if got != "undefinedblock" {
		t.Errorf("a foreign script or style took effect: %s", got)
	}
	v.complaints()
}

// wrongPage shows a page with everything wrong to the examination, so that its silence about the others means
// something.
func (c scene) wrongPage(t *testing.T) {
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="en"><title>x</title><link rel="icon" href="data:,">
<body style="background:#fff"><header>h</header><main><h1>one</h1><h1>two</h1><h3>left out</h3>
<p id="a" style="color:#999">pale</p><p id="a">twice</p><p style="color:rgba(0,0,0,.4)">thin</p>
<p style="font-size:9px">small</p><p class="alert">silent</p><span class="en">English</span>
<div style="width:60px"><span style="white-space:nowrap">much too long for its box</span></div>
<div style="width:2000px">wide</div>
<input type="text" aria-describedby="nothing" style="height:20px;border:1px solid #ddd">
<button>b</button><img src="data:,"><table><tr><th>t</th></tr></table>
</main></html>`)
	}))
	defer wrong.Close()
	v := c.visitor(t, wrong.URL, true)
	v.open("/")
	var found []string
	v.do("examining", chromedp.Evaluate(examination, &found))
	for _, want := range []string{
		"lang is en", "title is x", "2 times h1", "a heading is left out before: <h3>", "the id a twice",
		"no label: <input>", "no alt: <img>", "a button without a type", "aria-describedby names nothing",
		"an alert without a role", "English that is not marked",
		"a header without a scope", "the page is 20", "its content hangs out: <div> much", "it hangs out to 20",
		"a target only 24 high: <input>",
		"contrast 2.85: <p#a> pale", "contrast 2.85: <p> thin", "letters of 9px", "a border of contrast 1.",
	} {
		if !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("not seen: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("found: %q", found)
	}
}
