package page

import (
	"strconv"
	"strings"
)

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
	b.WriteString(string(`<p><span class="who">` + Escape(a.Name) + `</span> <span class="note">` +
		Both("用户名", "user name") + `</span> ` +
		code(a.ID) + `</p>
<p><a class="call" href="` + Escape(a.Address) + `">` + Both("谁查看过我的信息", "Who looked at my data") + `</a></p>`))
	if len(a.Acts) > 0 {
		b.WriteString(string(`<h2>` + Both("可代表的单位", "Organisations you act for") + `</h2><ul>`))
		for _, o := range a.Acts {
			b.WriteString(string(`<li><span class="who">` + Escape(o.Name) + `</span> ` + code(o.Code) + `<br>` +
				roles(o.Roles) + `</li>`))
		}
		b.WriteString(`</ul>`)
	}
	b.WriteString(`<form method="post" action="/end-session">` + "\n")
	writeHidden(&b, a.Hidden)
	b.WriteString(string(`<div class="buttons"><button type="submit" class="second" id="submit">` +
		Both("退出登录", "Sign out") + `</button></div></form>`))
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
	Who         string // organisation or application; not read where Own or Stranger
	Own         bool   // the reader did it
	Stranger    bool   // somebody who did not say who they are
	Through     string // the application, where Who is an organisation
	Purpose     string
	LegalBasis  string
	ItemCode    string
	CaseNumber  string
	Object      string
	Refused     bool
	Begun       bool // and not known to have ended
}

// Page lays out one table per ledger.
func (u Usage) Page() Page {
	var b strings.Builder
	b.WriteString(string(`<p>` + Lines("每一次查看和使用都在这里：谁、何时、为何、哪个办件。",
		"Every look and every use is here: who, when, why, and for which case.") + `</p>
<p><a href="/account">` + Both("返回我的账户", "Back to my account") + `</a></p>`))
	heads := []words{{"时间", "When"}, {"谁", "Who"}, {"做了什么", "What"}, {"用途", "Why"}, {"办件编号", "Case number"}}
	for i, l := range u.Ledgers {
		b.WriteString(string(`<h2>` + Escape(l.Holder) + `</h2>`))
		if len(l.Uses) == 0 {
			b.WriteString(string(`<p class="note">` + Both("暂无记录。", "Nothing yet.") + `</p>`))
			continue
		}
		var rows [][]HTML
		for _, use := range l.Uses {
			rows = append(rows, use.row())
		}
		table(&b, "ledger-"+strconv.Itoa(i+1), heads, rows)
		if l.More {
			b.WriteString(string(`<p class="note">` + Both("更早的记录未显示。", "Older entries are not shown.") + `</p>`))
		}
	}
	return Page{TitleZH: "使用记录", TitleEN: "Who looked at my data", Body: HTML(b.String()), Wide: true, Style: usageStyle}
}

const usageStyle = `
@media (min-width:48.01rem){
table{table-layout:fixed}
th:nth-child(1){width:13.5rem}
th:nth-child(2){width:19%}
th:nth-child(3){width:27%}
th:nth-child(5){width:8.5rem}
}
`

func (u Use) row() []HTML {
	name := Escape(u.Who)
	switch {
	case u.Own:
		name = Both("本人", "You")
	case u.Stranger:
		name = Both("未登录的查验人", "Somebody not signed in")
	}
	who := `<span class="who">` + name + `</span>`
	if u.Through != "" {
		who += `<br><span class="note">` + Escape(u.Through) + `</span>`
	}
	what := Both(u.ActZH, u.ActEN)
	if u.Refused {
		what += ` <span class="note">` + Both("（未成功）", "(refused)") + `</span>`
	}
	if u.Begun {
		what += ` <span class="note">` + Both("（开始）", "(begun)") + `</span>`
	}
	if u.Object != "" {
		what += `<br><span class="note">` + code(u.Object) + `</span>`
	}
	why := Escape(u.Purpose)
	if u.LegalBasis != "" {
		why += `<br><span class="note">` + Escape(u.LegalBasis) + `</span>`
	}
	matter := code(u.CaseNumber)
	if u.ItemCode != "" {
		matter += `<br><span class="note">` + Both("事项编码", "Item code") + ` ` + code(u.ItemCode) + `</span>`
	}
	return []HTML{
		`<time datetime="` + Escape(u.MachineTime) + `">` + Escape(u.Time) + `</time>`, who, what, why, matter,
	}
}
