package page

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/verdict"
)

// Verify shows the pages of verification: it is the Pages port of shared/verify.
type Verify struct{}

// VerifyForm answers with the page on which a person drops a file or types what stands on a licence. The forms work
// without script; the script only sends a dropped file at once. input is what stands in the field already: a code that was
// scanned.
func (Verify) VerifyForm(w http.ResponseWriter, input string) {
	Write(w, http.StatusOK, Page{TitleZH: "验证文件和证照", TitleEN: "Verify a document or a licence",
		Body: `<p>` + Lines("放入一份盖章的 PDF 或 OFD，或输入电子证照标识、亮证码，逐项查看结论与原因。",
			"Drop a stamped PDF or OFD, or type a licence identifier or code, and read the outcome check by check.") + `</p>` +
			verifyForms(input, ""),
		Style: verifyStyle, Script: verifyScript})
}

// VerifyRefused answers with the page again, with what was typed, and why the request could not be read.
func (Verify) VerifyRefused(w http.ResponseWriter, status int, zh, en, input, purpose string) {
	Write(w, status, Page{TitleZH: "验证文件和证照", TitleEN: "Verify a document or a licence",
		Body: `<p class="alert" role="alert" id="problem">` + Lines(zh, en) + `</p>` +
			verifyForms(input, purpose), Style: verifyStyle, Script: verifyScript})
}

// VerifyResult answers with a verdict: what it is and why, who stamped or issued, then every check.
func (Verify) VerifyResult(w http.ResponseWriter, v verdict.Verdict) {
	var b strings.Builder
	word := verdictWords[v.Overall]
	b.WriteString(string(`<section class="verdict ` + Escape(string(v.Overall)) + `" id="verdict" data-verdict="` +
		Escape(string(v.Overall)) +
		`" role="status"><p class="outcome"><span class="sign" aria-hidden="true">` + Escape(verdictSigns[v.Overall]) +
		`</span> <strong>` +
		Both(word.ZH, word.EN) + `</strong></p>
<p id="summary">` + Lines(v.Summary.ZH, v.Summary.EN) + `</p></section>
`))
	writeReasons(&b, v.Checks)
	writeLicence(&b, v.Licence)
	writeSeals(&b, v.Seals)
	writeChecks(&b, v)
	b.WriteString("<dl>\n")
	fact(&b, "检查时间", "Checked at", moment(v.CheckedAt))
	fact(&b, "文件摘要", "Digest of the input", `<code>sha256:`+Escape(v.Digest)+`</code>`)
	b.WriteString(string("</dl>\n" + `<h2>` + Both("再验证一份", "Verify another") + `</h2>` + verifyForms("", "")))
	Write(w, http.StatusOK, Page{TitleZH: "验证结果：" + word.ZH, TitleEN: "Result: " +
		word.EN, Wide: true, Body: HTML(b.String()),
		Style: verifyStyle, Script: verifyScript})
}

var (
	verdictWords = map[verdict.Overall]verdict.Text{
		verdict.Valid:         {ZH: "有效", EN: "Valid"},
		verdict.Invalid:       {ZH: "无效", EN: "Invalid"},
		verdict.Indeterminate: {ZH: "无法确定", EN: "Indeterminate"},
	}
	verdictSigns = map[verdict.Overall]string{verdict.Valid: "✓", verdict.Invalid: "✗", verdict.Indeterminate: "?"}
	resultWords  = map[verdict.Result]verdict.Text{
		verdict.Pass:          {ZH: "通过", EN: "pass"},
		verdict.Warn:          {ZH: "注意", EN: "note"},
		verdict.Fail:          {ZH: "不通过", EN: "fail"},
		verdict.Unknown:       {ZH: "无法确定", EN: "unknown"},
		verdict.Skipped:       {ZH: "未检查", EN: "not checked"},
		verdict.NotApplicable: {ZH: "不适用", EN: "n/a"},
	}
	kindWords = map[verdict.SealKind]verdict.Text{
		verdict.GBT38540:      {ZH: "电子印章（GB/T 38540）", EN: "electronic seal (GB/T 38540)"},
		verdict.SignatureOnly: {ZH: "仅为兼容签名，不是电子印章", EN: "compatibility signature only, no electronic seal"},
		verdict.NoSeal:        {ZH: "没有印章", EN: "no seal"},
	}
	coverageWords = map[string]verdict.Text{
		"whole":    {ZH: "整个文件", EN: "the whole document"},
		"revision": {ZH: "签署时的全部内容", EN: "all that was there when it was signed"},
		"partial":  {ZH: "部分内容", EN: "a part"},
	}
	stateWords = map[string]verdict.Text{
		"01": {ZH: "有效", EN: "valid"}, "02": {ZH: "暂扣", EN: "suspended"}, "03": {ZH: "撤销", EN: "revoked"},
		"04": {ZH: "注销", EN: "cancelled"}, "05": {ZH: "失效", EN: "lapsed"}, "06": {ZH: "办理转出", EN: "transferred"},
		"07": {ZH: "吊销", EN: "withdrawn"},
	}
)

// beijing is the zone of the pages: China has one.
var beijing = time.FixedZone("UTC+8", 8*60*60)

func moment(t time.Time) HTML {
	if t.IsZero() {
		return ""
	}
	return `<time datetime="` + Escape(t.UTC().Format(time.RFC3339)) + `">` +
		Escape(t.In(beijing).Format("2006-01-02 15:04:05 UTC+8")) + `</time>`
}

// fact is one line of a definition list; an empty value writes nothing.
func fact(b *strings.Builder, zh, en string, value HTML) {
	if value != "" {
		b.WriteString(string(`<dt>` + Both(zh, en) + `</dt><dd>` + value + `</dd>` + "\n"))
	}
}

func worded(words map[string]verdict.Text, key string) HTML {
	if t, ok := words[key]; ok {
		return Both(t.ZH, t.EN)
	}
	return Escape(key)
}

func writeLicence(b *strings.Builder, l *verdict.Licence) {
	if l == nil {
		return
	}
	b.WriteString(string(`<h2>` + Both("证照", "The licence") + "</h2>\n<dl>\n"))
	fact(b, "证照名称", "Licence", Escape(l.Name))
	fact(b, "持证主体", "Holder", Escape(l.Holder))
	fact(b, "颁发机构", "Issuer", Escape(l.Issuer))
	fact(b, "电子证照标识", "Identifier", Escape(l.Identifier))
	fact(b, "登记状态", "State", worded(stateWords, l.State))
	period := l.ValidFrom
	if l.ValidTo != "" {
		period += " – " + l.ValidTo
	}
	fact(b, "有效期", "Validity", Escape(period))
	b.WriteString("</dl>\n")
}

func writeSeals(b *strings.Builder, seals []verdict.Seal) {
	if len(seals) == 0 {
		return
	}
	b.WriteString(string(`<h2>` + Both("签章", "Stamps and signatures") + "</h2>\n"))
	for _, s := range seals {
		word, kind := verdictWords[s.Verdict], kindWords[s.Kind]
		b.WriteString(string(`<section class="seal"><h3>` + Escape(sealName(s)) + ` <span class="tag ` +
			Escape(string(s.Verdict)) + `">` +
			Both(word.ZH, word.EN) + "</span></h3>\n<dl>\n"))
		fact(b, "种类", "Kind", Both(kind.ZH, kind.EN))
		fact(b, "印章", "Seal", join(Escape(s.Name), code(s.ID)))
		fact(b, "所有单位", "Owner", join(Escape(s.Owner), code(s.OwnerCode)))
		if !s.SignedAt.IsZero() {
			note := Both("签章者声称", "claimed by the signer")
			if s.TimeSource != "claimed" {
				note = Both("时间戳证明", "proven by a time stamp")
			}
			fact(b, "签章时间", "Signed at", moment(s.SignedAt)+` <span class="note">`+note+`</span>`)
		}
		if s.Coverage != "" {
			fact(b, "保护范围", "Protects", worded(coverageWords, s.Coverage))
		}
		fact(b, "文件中的编号", "Number in the document", code(s.Subject))
		b.WriteString("</dl></section>\n")
	}
}

// sealName is what people call a signature: the seal, its owner, or else its number in the document.
func sealName(s verdict.Seal) string { return cmp.Or(s.Name, s.Owner, s.Subject) }

func join(a, b HTML) HTML {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// writeReasons says first what is wrong, each thing once; the table of checks says it again where it was found.
func writeReasons(b *strings.Builder, checks []verdict.Check) {
	seen := map[string]bool{}
	for _, c := range checks {
		reason := c.Code + c.Text.ZH
		if c.Result != verdict.Fail || seen[reason] {
			continue
		}
		if len(seen) == 0 {
			b.WriteString(string(`<h2>` + Both("原因", "Why") + `</h2><ul id="reasons">`))
		}
		seen[reason] = true
		b.WriteString(string(`<li>` + Lines(c.Text.ZH, c.Text.EN)))
		if c.Next != nil {
			b.WriteString(string(`<span class="next">` + Lines(c.Next.ZH, c.Next.EN) + `</span>`))
		}
		b.WriteString(string(`<span class="note">` + code(c.Code) + `</span></li>`))
	}
	if len(seen) > 0 {
		b.WriteString("</ul>\n")
	}
}

// writeChecks writes every check, by what it is about: the whole, then each signature. What has nothing to say but
// "pass" is behind one line, which opens without script.
func writeChecks(b *strings.Builder, v verdict.Verdict) {
	b.WriteString(string(`<h2>` + Both("逐项检查", "Check by check") + `</h2>` + "\n" + `<div id="checks">` + "\n"))
	var subjects []string
	groups := map[string][]verdict.Check{}
	for _, c := range v.Checks {
		if groups[c.Subject] == nil {
			subjects = append(subjects, c.Subject)
		}
		groups[c.Subject] = append(groups[c.Subject], c)
	}
	for _, subject := range subjects {
		name := Both("整体", "The whole")
		for _, s := range v.Seals {
			if s.Subject == subject && subject != "" {
				name = join(Escape(sealName(s)), code(subject))
			}
		}
		writeGroup(b, name, groups[subject])
	}
	b.WriteString("</div>\n")
}

func writeGroup(b *strings.Builder, name HTML, checks []verdict.Check) {
	b.WriteString(string(`<section class="group"><h3>` + name + "</h3>\n"))
	var passed, noted []verdict.Check
	applied := 0
	for _, c := range checks {
		if c.Result != verdict.Pass && c.Result != verdict.NotApplicable {
			noted = append(noted, c)
			continue
		}
		passed = append(passed, c)
		if c.Result == verdict.Pass {
			applied++
		}
	}
	writeList(b, noted)
	if len(passed) > 0 {
		zh, en := strconv.Itoa(applied)+" 项通过", strconv.Itoa(applied)+" passed"
		if n := len(passed) - applied; n > 0 {
			zh, en = zh+"，"+strconv.Itoa(n)+" 项不适用", en+", "+strconv.Itoa(n)+" not applicable"
		}
		b.WriteString(string(`<details class="passed"><summary><span class="tag pass">` + Both(zh, en) +
			"</span></summary>\n"))
		writeList(b, passed)
		b.WriteString("</details>")
	}
	b.WriteString("</section>\n")
}

func writeList(b *strings.Builder, checks []verdict.Check) {
	if len(checks) == 0 {
		return
	}
	b.WriteString("<ul>\n")
	for _, c := range checks {
		writeCheck(b, c)
	}
	b.WriteString("</ul>\n")
}

func writeCheck(b *strings.Builder, c verdict.Check) {
	word := resultWords[c.Result]
	b.WriteString(string(`<li class="check"><div><span class="tag ` + Escape(string(c.Result)) + `">` +
		Both(word.ZH, word.EN) + `</span></div><div>` +
		Lines(c.Text.ZH, c.Text.EN)))
	if c.Next != nil && c.Result != verdict.Pass {
		b.WriteString(string(`<span class="next">` + Lines(c.Next.ZH, c.Next.EN) + `</span>`))
	}
	b.WriteString(string(`<span class="note">` + join(code(c.ID), code(c.Code)) + `</span>`))
	if len(c.Detail) > 0 {
		if detail, err := json.MarshalIndent(c.Detail, "", "  "); err == nil {
			b.WriteString(string(`<details><summary>` + Both("依据", "Evidence") + `</summary><pre>` + Escape(string(detail)) +
				`</pre></details>`))
		}
	}
	b.WriteString("</div></li>\n")
}

// verifyForms are two forms, so that nobody wonders which of the fields counts.
func verifyForms(input, purpose string) HTML {
	return `<div class="forms"><form method="post" action="/verify" enctype="multipart/form-data" id="by-file">
<label for="document">` + Both("文件（PDF、OFD 或凭证文本）", "File (PDF, OFD or credential)") + `</label>
<input type="file" id="document" name="document" required aria-describedby="drop"
 accept=".pdf,.ofd,.jwt,.sd-jwt,.txt,application/pdf,application/ofd">
<p class="note" id="drop">` + Lines("选择文件，或把文件拖到框中；文件只用于本次验证，不保存。",
		"Choose a file or drop it into the box. It is used for this verification alone and not kept.") + `</p>
<div class="buttons"><button type="submit" id="submit">` + Both("验证文件", "Verify the file") + `</button></div>
</form>
<form method="post" action="/verify" enctype="multipart/form-data" id="by-text">
<label for="input">` + Both("或者：电子证照标识、亮证码、凭证", "Or: licence identifier, code or credential") + `</label>
<input type="text" id="input" name="input" value="` + Escape(input) + `" required autocomplete="off" autocapitalize="none" spellcheck="false">
<label for="purpose">` + Both("查验事由", "Purpose") + `</label>
<input type="text" id="purpose" name="purpose" value="` + Escape(purpose) + `" maxlength="200" autocomplete="off" aria-describedby="why">
<p class="note" id="why">` + Lines("查询证照或使用亮证码时必填，持证人可以看到。",
		"Needed to look up a licence or to use a code; the holder sees it.") + `</p>
<div class="buttons"><button type="submit" id="look-up">` + Both("查验证照", "Verify the licence") + `</button></div>
</form></div>
`
}

const verifyStyle = `
.seal,.group{border:1px solid var(--line);border-radius:.5rem;padding:.9rem 1.1rem;margin:.8rem 0}
.seal dl{margin-bottom:0}
.verdict{padding:1rem 1.2rem;border-radius:.5rem;border:2px solid var(--soft)}
.verdict p{margin:0}
.verdict .outcome{font-size:1.6rem;line-height:1.3;margin-bottom:.4rem;color:var(--soft)}
.verdict.valid{border-color:var(--good);background:var(--good-wash)}
.verdict.valid .outcome{color:var(--good)}
.verdict.invalid{border-color:var(--seal);background:var(--seal-wash)}
.verdict.invalid .outcome{color:var(--seal)}
.verdict.indeterminate{border-color:var(--warn);background:var(--warn-wash)}
.verdict.indeterminate .outcome{color:var(--warn)}
.outcome .en,.tag .en,.next .en{color:inherit}
.tag{display:inline-block;max-width:100%;padding:0 .55rem;border:1px solid var(--soft);border-radius:1rem;
font-size:.85rem;font-weight:400;color:var(--soft);}
.tag.pass,.tag.valid{border-color:var(--good);color:var(--good)}
.tag.fail,.tag.invalid{border-color:var(--seal);color:var(--seal)}
.tag.warn,.tag.indeterminate,.tag.skipped{border-color:var(--warn);color:var(--warn)}
.next{display:block;color:var(--warn)}
summary{cursor:pointer;padding:.2rem 0}
.group ul{list-style:none;margin:.5rem 0;padding:0}
.passed{margin-top:.5rem}
.check{display:grid;grid-template-columns:9.5rem minmax(0,1fr);gap:.2rem .8rem;margin:0;padding:.6rem 0;
border-top:1px solid var(--line)}
.check .note{display:block}
.forms{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem;margin-top:1.2rem}
.forms form{padding:.2rem 1.1rem 1.1rem;border:1px solid var(--line);border-radius:.5rem}
input[type=file]{display:block;width:100%;padding:1.6rem 1rem;font:inherit;color:inherit;
border:2px dashed var(--soft);border-radius:.5rem;cursor:pointer}
input[type=file].over{border-style:solid;border-color:var(--act)}
input::file-selector-button{min-height:2.6rem;margin-right:.8rem;padding:.3rem 1rem;font:inherit;font-weight:600;
color:var(--act);background:transparent;border:1px solid var(--act);border-radius:.35rem;cursor:pointer}
@media (max-width:48rem){.check{grid-template-columns:minmax(0,1fr)}}
`

const verifyScript = `
(function(){
var file=document.getElementById("document");
if(!file)return;
function over(){file.classList.add("over")}
function out(){file.classList.remove("over")}
file.addEventListener("dragenter",over);
file.addEventListener("dragover",over);
file.addEventListener("dragleave",out);
file.addEventListener("drop",function(e){
e.preventDefault();
out();
if(e.dataTransfer.files.length!==1)return;
file.files=e.dataTransfer.files;
file.form.requestSubmit();
});
})();
`
