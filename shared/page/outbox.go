package page

import "strings"

// Outbox is a page of the local server: what people and organisations would be told by the message gateway of a
// deployment, and what no function could take.
type Outbox struct {
	Notices []OutboxNotice // newest first
	Dead    []OutboxDead   // newest first
}

// OutboxNotice is one notice.
type OutboxNotice struct {
	Time, MachineTime string
	To                string // as the demonstration calls the recipient
	ZH, EN            string // what it says
	By                string
	Purpose           string
	ItemCode          string
	CaseNumber        string
	Object            string
}

// OutboxDead is one dead letter.
type OutboxDead struct {
	Time, MachineTime string
	Function, Source  string
	Reason            string
}

// Page lays out the outbox.
func (o Outbox) Page() Page {
	var b strings.Builder
	b.WriteString(string(`<p class="note">` + Lines("部署时，这些通知由消息网关（短信、应用推送、小程序）发送；本机只在此显示。通知不含姓名和证号。",
		"In a deployment a message gateway (SMS, app push, mini-program) brings these notices to people; here they are only "+
			"shown. A notice has no name and no number in it.") + `</p>` + "\n"))
	if len(o.Notices) == 0 {
		b.WriteString(string(`<p id="empty">` + Both("还没有通知。", "No notices yet.") + `</p>` + "\n"))
	} else {
		var rows [][]HTML
		for _, n := range o.Notices {
			rows = append(rows, []HTML{
				when(n.Time, n.MachineTime), code(n.To), Lines(n.ZH, n.EN), code(n.By), Escape(n.Purpose),
				join(code(n.ItemCode), code(n.CaseNumber)), code(n.Object),
			})
		}
		table(&b, "notices", []words{{"时间", "Time"}, {"收件人", "To"}, {"内容", "Notice"}, {"办理单位", "By"}, {"事由", "Purpose"},
			{"事项与办件", "Item and case"}, {"对象", "Object"}}, rows)
	}
	if len(o.Dead) > 0 {
		b.WriteString(string(`<h2>` + Both("未能处理的事件", "Dead letters") + `</h2><p class="note">` +
			Lines("多次尝试后仍未能处理的事件，原因见服务日志。", "Events that no function could take after many attempts; the log says why.") +
			`</p>` + "\n"))
		var rows [][]HTML
		for _, d := range o.Dead {
			rows = append(rows, []HTML{when(d.Time, d.MachineTime), code(d.Function), code(d.Source), Escape(d.Reason)})
		}
		table(&b, "dead", []words{{"时间", "Time"}, {"函数", "Function"}, {"来源", "Source"}, {"原因", "Reason"}}, rows)
	}
	return Page{TitleZH: "发件箱（示例）", TitleEN: "Outbox (demonstration)", Body: HTML(b.String()), Wide: true}
}

// when is a moment for people and for machines.
func when(text, machine string) HTML {
	return `<time datetime="` + Escape(machine) + `">` + Escape(text) + `</time>`
}
