package page

import "strings"

// First is the first page of the local server: what it is, who is in it, and where to begin.
type First struct {
	Issuer        string
	People        []FirstPerson
	Organisations []FirstOrganisation
	Clients       []FirstClient
	Apps          []Link // applications to sign on with
	Links         []Link // other places that do something
}

// FirstPerson is an invented person with the sample password.
type FirstPerson struct {
	Name     string
	ID       string // to sign on with
	Password string
	Acts     []Actor
}

// FirstOrganisation is an invented agency or enterprise.
type FirstOrganisation struct {
	Name   string
	Code   string
	Duties []string
}

// FirstClient is an application with its sample secret.
type FirstClient struct {
	Name   string
	ID     string
	Secret string // empty for public ones
	Scope  string
}

// Link is a place to go to and what happens there.
type Link struct {
	Address string
	ZH, EN  string // the words of the link
	NoteZH  string // what it does
	NoteEN  string
}

// Page lays out the first page.
func (f First) Page() Page {
	var b strings.Builder
	add := func(parts ...HTML) {
		for _, p := range parts {
			b.WriteString(string(p))
		}
	}
	add(`<p class="notice" role="note">`, Lines("开发密钥：此处的密钥、人员、机构和密码都是示例，签出的任何东西都没有效力。",
		"Development keys: keys, people, agencies and passwords here are samples, and nothing that is signed here has any "+
			"effect."), `</p>
<p>`, Lines("统一身份认证、统一电子印章、统一电子证照：一个进程里的全部服务。",
		"Unified sign-on, electronic seals and electronic licences: every service in one process."), `</p>
<p class="note">`, Both("签发者", "Issuer"), ` `, code(f.Issuer), `</p>
<h2>`, Both("从这里开始", "Begin here"), `</h2><ul class="begin">`)
	for _, l := range append(f.Apps[:len(f.Apps):len(f.Apps)], f.Links...) {
		add(`<li><a class="call" href="`, Escape(l.Address), `">`, Lines(l.ZH, l.EN), `</a><span class="note">`,
			Lines(l.NoteZH, l.NoteEN), `</span></li>`)
	}
	add(`</ul>
<h2>`, Both("人员", "People"), `</h2>`)
	var rows [][]HTML
	for _, p := range f.People {
		var acts HTML
		for i, a := range p.Acts {
			if i > 0 {
				acts += `<br>`
			}
			acts += Escape(a.Name) + ` ` + roles(a.Roles)
		}
		rows = append(rows, []HTML{Escape(p.Name), code(p.ID), code(p.Password), acts})
	}
	table(&b, "people", []words{
		{"姓名", "Name"}, {"用户名", "User name"}, {"示例密码", "Sample password"}, {"可代表的单位", "Acts for"},
	}, rows)
	add(`<h2>`, Both("机构", "Organisations"), `</h2>`)
	rows = nil
	for _, o := range f.Organisations {
		rows = append(rows, []HTML{Escape(o.Name), code(o.Code), roles(o.Duties)})
	}
	table(&b, "organisations", []words{{"名称", "Name"}, {"统一社会信用代码", "Unified social credit code"}, {"职责", "Duties"}}, rows)
	add(`<h2>`, Both("应用", "Applications"), `</h2>`)
	rows = nil
	for _, c := range f.Clients {
		rows = append(rows, []HTML{Escape(c.Name), code(c.ID), code(c.Secret), code(c.Scope)})
	}
	table(&b, "clients", []words{
		{"名称", "Name"}, {"应用标识", "client_id"}, {"应用密钥", "client_secret"}, {"授权范围", "scope"},
	}, rows)
	return Page{
		TitleZH: "印信 · 本地运行", TitleEN: "Yinxin, running locally", Body: HTML(b.String()), Wide: true, Style: firstStyle,
	}
}

const firstStyle = `
.begin{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));
gap:.8rem}
.begin li{margin:0;padding:.8rem 1rem;border:1px solid var(--line);border-radius:.5rem}
.begin .call{margin-bottom:.4rem;line-height:1.4}
.begin .call .en{font-size:.95rem}
`

// App is the page of a demonstration application, the other side of a sign-on.
type App struct {
	Name     string
	Path     string // of the application: forms and links begin with it
	Other    Link   // the second application
	SignedOn bool
	Greeting string  // the person's name
	Claims   []Field // what the application learned
	Wrong    string  // why the sign-on failed
}

// Page lays out the application with the link or buttons sign-on and sign-out.
func (a App) Page() Page {
	var b strings.Builder
	add := func(parts ...HTML) {
		for _, p := range parts {
			b.WriteString(string(p))
		}
	}
	add(`<p><span class="who">`, Escape(a.Name), `</span></p>`)
	if a.Wrong != "" {
		add(`<p class="alert" role="alert">`, Both("登录未完成：", "The sign-on did not complete:"), ` `, code(a.Wrong), `</p>`)
	}
	if !a.SignedOn {
		add(`<p><a id="sign-on" class="call" href="`, Escape(a.Path), `/start">`, Both("统一身份认证登录", "Sign on"), `</a></p>`)
	} else {
		add(`<p>`, Both("您好，", "Hello,"), ` <span class="who" id="name">`, Escape(a.Greeting), `</span></p>
<h2>`, Both("本应用得知的内容", "What this application learned"), `</h2><dl id="claims">`)
		for _, c := range a.Claims {
			add(`<dt>`, code(c.Name), `</dt><dd id="claim-`, Escape(c.Name), `">`, code(c.Value), `</dd>`)
		}
		add(`</dl>
<form method="post" action="`, Escape(a.Path), `/sign-out"><div class="buttons">`,
			`<button type="submit" class="second" id="sign-out">`, Both("退出登录", "Sign out"), `</button></div></form>`)
	}
	add(`<p class="note"><a href="`, Escape(a.Other.Address), `">`, Both(a.Other.ZH, a.Other.EN), `</a> · <a href="/">`,
		Both("首页", "First page"), `</a></p>`)
	return Page{TitleZH: "演示应用", TitleEN: "Demonstration application", Body: HTML(b.String())}
}
