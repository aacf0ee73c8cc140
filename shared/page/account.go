package page

import "strings"

// Account is a person's own first page.
type Account struct {
	Name    string
	ID      string  // the name to sign on with
	Acts    []Actor // organisations the person may act for
	Hidden  []Field // of the form that signs out
	Address string  // where the usage page is
}

// Actor is an organisation with the roles a person has for it.
type Actor struct {
	Name  string
	Code  string
	Roles []string
}

// Page lays out the account.
func (a Account) Page() Page {
	var b strings.Builder
	b.WriteString(string(`<p><span class="who">` + Escape(a.Name) + `</span> <code>` + Escape(a.ID) + `</code></p>
<p><a href="` + Escape(a.Address) + `">` + Both("谁查看过我的信息", "Who looked at my data") + `</a></p>`))
	if len(a.Acts) > 0 {
		b.WriteString(string(`<h2>` + Both("可代表的单位", "Organisations you act for") + `</h2><ul>`))
		for _, o := range a.Acts {
			b.WriteString(string(`<li><span class="who">` + Escape(o.Name) + `</span> <code>` + Escape(o.Code) +
				`</code><br><span class="note">` + Escape(strings.Join(o.Roles, " · ")) + `</span></li>`))
		}
		b.WriteString(`</ul>`)
	}
	b.WriteString(`<form method="post" action="/end-session">` + "\n")
	writeHidden(&b, a.Hidden)
	b.WriteString(string(`<div class="buttons"><button type="submit" class="second" id="submit">` + Both("退出登录", "Sign out") + `</button></div></form>`))
	return Page{TitleZH: "我的账户", TitleEN: "My account", Body: HTML(b.String())}
}

// Usage is the page on which a holder sees who looked, when and why.
type Usage struct {
	Ledgers []Ledger
}

// Ledger is what happened to the data of one holder.
type Ledger struct {
	Holder string // the name of the person or organisation
	Uses   []Use  // newest first
	More   bool   // there are older ones
}

// Use is one act.
type Use struct {
	Time        string // for people, with the zone
	MachineTime string // RFC 3339
	ActZH       string
	ActEN       string
	Who         string // organisation or application
	Through     string // the application, where Who is an organisation
	Purpose     string
	LegalBasis  string
	ItemCode    string
	CaseNumber  string
	Object      string
	Refused     bool
}

// Page lays out one table per ledger.
func (u Usage) Page() Page {
	var b strings.Builder
	b.WriteString(string(`<p>` + Both("每一次查看和使用都在这里：谁、何时、为何、哪个办件。",
		"Every look and every use is here: who, when, why, and for which case.") + ` <a href="/account">` + Both("返回", "Back") + `</a></p>`))
	for _, l := range u.Ledgers {
		b.WriteString(string(`<h2>` + Escape(l.Holder) + `</h2>`))
		if len(l.Uses) == 0 {
			b.WriteString(string(`<p class="note">` + Both("暂无记录。", "Nothing yet.") + `</p>`))
			continue
		}
		b.WriteString(string(`<div class="scroll"><table><thead><tr><th scope="col">` + Both("时间", "When") +
			`</th><th scope="col">` + Both("谁", "Who") + `</th><th scope="col">` + Both("做了什么", "What") +
			`</th><th scope="col">` + Both("用途", "Why") + `</th><th scope="col">` + Both("办件编号", "Case number") + `</th></tr></thead><tbody>`))
		for _, use := range l.Uses {
			b.WriteString(string(use.row()))
		}
		b.WriteString(`</tbody></table></div>`)
		if l.More {
			b.WriteString(string(`<p class="note">` + Both("更早的记录未显示。", "Older entries are not shown.") + `</p>`))
		}
	}
	return Page{TitleZH: "使用记录", TitleEN: "Who looked at my data", Body: HTML(b.String()), Wide: true}
}

func (u Use) row() HTML {
	row := `<tr><td><time datetime="` + Escape(u.MachineTime) + `">` + Escape(u.Time) + `</time></td><td><span class="who">` + Escape(u.Who) + `</span>`
	if u.Through != "" {
		row += `<br><span class="note">` + Escape(u.Through) + `</span>`
	}
	row += `</td><td>` + Both(u.ActZH, u.ActEN)
	if u.Refused {
		row += ` <span class="note">` + Both("（未成功）", "(refused)") + `</span>`
	}
	row += `<br><code>` + Escape(u.Object) + `</code></td><td>` + Escape(u.Purpose)
	if u.LegalBasis != "" {
		row += `<br><span class="note">` + Escape(u.LegalBasis) + `</span>`
	}
	row += `</td><td><code>` + Escape(u.CaseNumber) + `</code>`
	if u.ItemCode != "" {
		row += `<br><span class="note">` + Both("事项编码", "Item code") + ` <code>` + Escape(u.ItemCode) + `</code></span>`
	}
	return row + `</td></tr>`
}
