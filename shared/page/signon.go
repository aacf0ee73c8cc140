package page

import "strings"

// Login is the page on which a person signs on.
type Login struct {
	Client   string // the name of the application that asks; empty for our own pages
	Username string // as typed before, or the client's login_hint
	Problem  LoginProblem
	Hidden   []Field  // what the form carries
	Targets  []string // as Page.FormTargets
}

// LoginProblem says why the page is shown again.
type LoginProblem string

// The problems. Wrong does not say which of the two was wrong, nor whether the account exists.
const (
	LoginWrong     LoginProblem = "wrong"
	LoginThrottled LoginProblem = "throttled"
	LoginStale     LoginProblem = "stale" // the form did not come from this browser, or too late
)

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// Page lays out the form with the fields username and password and the button submit.
func (l Login) Page() Page {
	var b strings.Builder
	if l.Client != "" {
		b.WriteString(string(`<p>` + Both("登录后继续前往", "Sign in to continue to") + `<br><span class="who">` +
			Escape(l.Client) + `</span></p>`))
	}
	describedBy := HTML("")
	if text := l.Problem.text(); text != "" {
		b.WriteString(string(`<p class="alert" role="alert" id="problem">` + text + `</p>`))
		describedBy = ` aria-describedby="problem" aria-invalid="true"`
	}
	b.WriteString(`<form method="post" action="/login">` + "\n")
	writeHidden(&b, l.Hidden)
	userFocus, passwordFocus := HTML(" autofocus"), HTML("")
	if l.Username != "" {
		userFocus, passwordFocus = passwordFocus, userFocus
	}
	b.WriteString(string(`<label for="username">` + Both("用户名", "User name") + `</label>
<input type="text" id="username" name="username" value="` + Escape(l.Username) +
		`" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="128" required` +
		userFocus + describedBy + `>
<label for="password">` + Both("密码", "Password") + `</label>
<input type="password" id="password" name="password" autocomplete="current-password" maxlength="512" required` +
		passwordFocus + describedBy + `>
<div class="buttons"><button type="submit" id="submit">` + Both("登录", "Sign in") + `</button></div>
</form>
<p class="note">` + Lines("一次登录，各应用通用。请核对地址栏中的网址，不要在其他网站输入密码。",
		"Signed in once, signed in everywhere. Check the address above; never type this password on another site.") + `</p>`))
	return Page{TitleZH: "登录", TitleEN: "Sign in", Body: HTML(b.String()), FormTargets: l.Targets}
}

func (p LoginProblem) text() HTML {
	switch p {
	case LoginWrong:
		return Lines("用户名或密码不正确。", "The user name or the password is not right.")
	case LoginThrottled:
		return Lines("尝试次数过多，请稍后再试。", "Too many attempts. Please try again later.")
	case LoginStale:
		return Lines("页面已过期，请重新登录。", "This page was out of date. Please sign in again.")
	default:
		return ""
	}
}

// Consent is the page on which a person lets an application have something.
type Consent struct {
	Client  string // the application's name
	Host    string // where the answer goes, so that a person can tell it from an imitation
	Person  string // the name of whom is signed on
	Asked   []Ask
	Hidden  []Field
	Targets []string
}

// Ask is one thing an application asks for.
type Ask struct{ ZH, EN string }

// Page lays out the form with the buttons allow and deny.
func (c Consent) Page() Page {
	var b strings.Builder
	b.WriteString(string(`<p><span class="who">` + Escape(c.Client) + `</span> ` + Both("请求", "asks to") + `</p><ul>`))
	for _, a := range c.Asked {
		b.WriteString(string(`<li>` + Lines(a.ZH, a.EN) + `</li>`))
	}
	b.WriteString(string(`</ul>
<dl><dt>` + Both("当前用户", "Signed in as") + `</dt><dd class="who">` + Escape(c.Person) + `</dd>
<dt>` + Both("返回地址", "Answer goes to") + `</dt><dd>` + code(c.Host) + `</dd></dl>
<form method="post" action="/consent">` + "\n"))
	writeHidden(&b, c.Hidden)
	b.WriteString(string(`<div class="buttons"><button type="submit" id="allow" name="decision" value="allow">` +
		Both("同意", "Allow") + `</button>
<button type="submit" class="second" id="deny" name="decision" value="deny">` + Both("拒绝", "Deny") + `</button></div>
</form>
<p class="note">` + Lines("该应用只得到上面所列内容，看到的用户标识仅用于该应用。",
		"The application gets only what is listed, and an identifier of you that no other application sees.") + `</p>`))
	return Page{TitleZH: "授权确认", TitleEN: "Allow access", Body: HTML(b.String()), FormTargets: c.Targets}
}

// Logout is the page that asks whether to sign out.
type Logout struct {
	Person  string
	Hidden  []Field
	Targets []string
}

// Page lays out the form with the buttons submit and deny.
func (l Logout) Page() Page {
	var b strings.Builder
	b.WriteString(string(`<p>` + Lines("是否退出登录？", "Do you want to sign out?") + `</p>
<p><span class="who">` + Escape(l.Person) + `</span></p>
<form method="post" action="/end-session">` + "\n"))
	writeHidden(&b, l.Hidden)
	b.WriteString(string(`<div class="buttons"><button type="submit" id="submit" name="decision" value="allow">` +
		Both("退出登录", "Sign out") + `</button>
<button type="submit" class="second" id="deny" name="decision" value="deny">` + Both("保持登录", "Stay signed in") +
		`</button></div>
</form>`))
	return Page{TitleZH: "退出登录", TitleEN: "Sign out", Body: HTML(b.String()), FormTargets: l.Targets}
}

// Message is a page that says one thing and asks for nothing.
type Message struct {
	TitleZH, TitleEN string
	ZH, EN           string
	Code             string // for the application's developer, such as "invalid_request"; may be empty
	Detail           string // beside Code
	Alert            bool   // whether it is bad news
	Next             Link   // where to go from here; may be empty
}

// Page lays out the message.
func (m Message) Page() Page {
	open := HTML(`<p>`)
	if m.Alert {
		open = `<p class="alert" role="alert">`
	}
	body := open + Lines(m.ZH, m.EN) + `</p>`
	if m.Code != "" {
		body += `<p class="note"><code id="error">` + Escape(m.Code) + `</code> ` + Escape(m.Detail) + `</p>`
	}
	if m.Next.Address != "" {
		body += `<p><a class="call" href="` + Escape(m.Next.Address) + `">` + Both(m.Next.ZH, m.Next.EN) + `</a></p>`
	}
	return Page{TitleZH: m.TitleZH, TitleEN: m.TitleEN, Body: body}
}

func writeHidden(b *strings.Builder, fields []Field) {
	for _, f := range fields {
		b.WriteString(string(hidden(f.Name, f.Value)))
	}
}
