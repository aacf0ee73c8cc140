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
	add(`<p class="alert" role="note">`, Both("开发密钥：此处的密钥、人员、机构和密码都是示例，签出的任何东西都没有效力。",
		"Development keys: keys, people, agencies and passwords here are samples, and nothing that is signed here has any effect."), `</p>
<p>`, Both("统一身份认证、统一电子印章、统一电子证照：一个进程里的全部服务。",
		"Unified sign-on, electronic seals and electronic licences: every service in one process."),
		` <span class="note">issuer <code>`, Escape(f.Issuer), `</code></span></p>
<h2>`, Both("从这里开始", "Begin here"), `</h2><ul>`)
	for _, l := range append(f.Apps[:len(f.Apps):len(f.Apps)], f.Links...) {
		add(`<li><a href="`, Escape(l.Address), `">`, Both(l.ZH, l.EN), `</a><br><span class="note">`, Both(l.NoteZH, l.NoteEN), `</span></li>`)
	}
	add(`</ul>
<h2>`, Both("人员", "People"), `</h2><div class="scroll"><table id="people"><thead><tr><th scope="col">`, Both("姓名", "Name"), `</th><th scope="col">`,
		Both("用户名", "User name"), `</th><th scope="col">`, Both("示例密码", "Sample password"), `</th><th scope="col">`, Both("可代表的单位", "Acts for"),
		`</th></tr></thead><tbody>`)
	for _, p := range f.People {
		add(`<tr><td>`, Escape(p.Name), `</td><td><code>`, Escape(p.ID), `</code></td><td><code>`, Escape(p.Password), `</code></td><td>`)
		for i, a := range p.Acts {
			if i > 0 {
				add(`<br>`)
			}
			add(Escape(a.Name), ` <span class="note">`, Escape(strings.Join(a.Roles, " · ")), `</span>`)
		}
		add(`</td></tr>`)
	}
	add(`</tbody></table></div>
<h2>`, Both("机构", "Organisations"), `</h2><div class="scroll"><table id="organisations"><thead><tr><th scope="col">`, Both("名称", "Name"),
		`</th><th scope="col">`, Both("统一社会信用代码", "Unified social credit code"), `</th><th scope="col">`, Both("职责", "Duties"), `</th></tr></thead><tbody>`)
	for _, o := range f.Organisations {
		add(`<tr><td>`, Escape(o.Name), `</td><td><code>`, Escape(o.Code), `</code></td><td>`, Escape(strings.Join(o.Duties, " · ")), `</td></tr>`)
	}
	add(`</tbody></table></div>
<h2>`, Both("应用", "Applications"), `</h2><div class="scroll"><table id="clients"><thead><tr><th scope="col">`, Both("名称", "Name"),
		`</th><th scope="col">client_id</th><th scope="col">client_secret</th><th scope="col">scope</th></tr></thead><tbody>`)
	for _, c := range f.Clients {
		add(`<tr><td>`, Escape(c.Name), `</td><td><code>`, Escape(c.ID), `</code></td><td><code>`, Escape(c.Secret), `</code></td><td><code>`,
			Escape(c.Scope), `</code></td></tr>`)
	}
	add(`</tbody></table></div>`)
	return Page{
		TitleZH: "印信 · 本地运行", TitleEN: "Yinxin, running locally", Body: HTML(b.String()), Wide: true,
		Style: `table{min-width:44rem}`, // on a phone they scroll
	}
}

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
	add(`<p><span class="who">`, Escape(a.Name), `</span> <span class="note">`, Both("演示应用", "demonstration application"), `</span></p>`)
	if a.Wrong != "" {
		add(`<p class="alert" role="alert">`, Both("登录未完成：", "The sign-on did not complete:"), ` <code>`, Escape(a.Wrong), `</code></p>`)
	}
	if !a.SignedOn {
		add(`<p><a id="sign-on" href="`, Escape(a.Path), `/start">`, Both("统一身份认证登录", "Sign on"), `</a></p>`)
	} else {
		add(`<p>`, Both("您好，", "Hello,"), ` <span class="who" id="name">`, Escape(a.Greeting), `</span></p>
<h2>`, Both("本应用得知的内容", "What this application learned"), `</h2><div class="scroll"><table id="claims"><tbody>`)
		for _, c := range a.Claims {
			add(`<tr><th scope="row"><code>`, Escape(c.Name), `</code></th><td><code>`, Escape(c.Value), `</code></td></tr>`)
		}
		add(`</tbody></table></div>
<form method="post" action="`, Escape(a.Path), `/sign-out"><div class="buttons"><button type="submit" class="second" id="sign-out">`,
			Both("退出登录", "Sign out"), `</button></div></form>`)
	}
	add(`<p class="note"><a href="`, Escape(a.Other.Address), `">`, Both(a.Other.ZH, a.Other.EN), `</a> · <a href="/">`, Both("首页", "First page"), `</a></p>`)
	return Page{TitleZH: "演示应用", TitleEN: "Demonstration application", Body: HTML(b.String())}
}
