package page

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/verdict"
)

// Verify shows the pages of verification: it is the Pages port of shared/verify.
type Verify struct{}

// VerifyForm answers with the page on which a person drops a file or types what stands on a licence. The form works
// without script; the script only lets a file be dropped anywhere on its field and sent at once.
func (Verify) VerifyForm(w http.ResponseWriter) {
	Write(w, http.StatusOK, Page{TitleZH: "验证文件和证照", TitleEN: "Verify a document or a licence", Wide: true,
		Body:  `<p>` + Both("放入一份盖章的 PDF 或 OFD，或输入电子证照标识、亮证码，逐项查看结论与原因。", "Drop a stamped PDF or OFD, or type a licence identifier or code, and read the outcome check by check.") + `</p>` + verifyForm(),
		Style: verifyStyle, Script: verifyScript})
}

// VerifyRefused answers with the page again, and why the request could not be read.
func (Verify) VerifyRefused(w http.ResponseWriter, status int, zh, en string) {
	Write(w, status, Page{TitleZH: "验证文件和证照", TitleEN: "Verify a document or a licence", Wide: true,
		Body: `<p class="alert" role="alert">` + Both(zh, en) + `</p>` + verifyForm(), Style: verifyStyle, Script: verifyScript})
}

// VerifyResult answers with a verdict: first what it is and why, then every check.
func (Verify) VerifyResult(w http.ResponseWriter, v verdict.Verdict) {
	var b strings.Builder
	word := verdictWords[v.Overall]
	b.WriteString(string(`<p class="verdict ` + Escape(string(v.Overall)) + `" id="verdict" data-verdict="` + Escape(string(v.Overall)) +
		`" role="status"><strong>` + Both(word.ZH, word.EN) + `</strong></p>
<p id="summary">` + Both(v.Summary.ZH, v.Summary.EN) + `</p>
`))
	writeLicence(&b, v.Licence)
	writeSeals(&b, v.Seals)
	writeChecks(&b, v.Checks)
	b.WriteString(string(`<p class="note">` + Both("文件摘要", "Digest of the input") + ` <code>sha256:` + Escape(v.Digest) + `</code> · ` +
		Both("检查时间", "Checked at") + ` ` + moment(v.CheckedAt) + `</p>
<h2>` + Both("再验证一份", "Verify another") + `</h2>` + verifyForm()))
	Write(w, http.StatusOK, Page{TitleZH: "验证结果", TitleEN: "Result of the verification", Wide: true, Body: HTML(b.String()),
		Style: verifyStyle, Script: verifyScript})
}

var (
	verdictWords = map[verdict.Overall]verdict.Text{
		verdict.Valid:         {ZH: "有效", EN: "Valid"},
		verdict.Invalid:       {ZH: "无效", EN: "Invalid"},
		verdict.Indeterminate: {ZH: "无法确定", EN: "Indeterminate"},
	}
	resultWords = map[verdict.Result]verdict.Text{
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

func moment(t time.Time) HTML {
	if t.IsZero() {
		return ""
	}
	return `<time datetime="` + Escape(t.UTC().Format(time.RFC3339)) + `">` + Escape(t.UTC().Format("2006-01-02 15:04:05")) + ` UTC</time>`
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
		b.WriteString(string(`<section class="seal"><h3>` + Escape(s.Subject) + ` <span class="tag ` + Escape(string(s.Verdict)) + `">` +
			Both(word.ZH, word.EN) + "</span></h3>\n<dl>\n"))
		fact(b, "种类", "Kind", Both(kind.ZH, kind.EN))
		fact(b, "印章", "Seal", Escape(strings.TrimSpace(s.Name+" "+s.ID)))
		fact(b, "所有单位", "Owner", Escape(strings.TrimSpace(s.Owner+" "+s.OwnerCode)))
		if !s.SignedAt.IsZero() {
			note := Both("（签章者声称）", "(claimed by the signer)")
			if s.TimeSource != "claimed" {
				note = Both("（时间戳证明）", "(proven by a time stamp)")
			}
			fact(b, "签章时间", "Signed at", moment(s.SignedAt)+" "+note)
		}
		if s.Coverage != "" {
			fact(b, "保护范围", "Protects", worded(coverageWords, s.Coverage))
		}
		b.WriteString("</dl></section>\n")
	}
}

func writeChecks(b *strings.Builder, checks []verdict.Check) {
	b.WriteString(string(`<h2>` + Both("逐项检查", "Check by check") + `</h2>
<div class="scroll"><table id="checks"><thead><tr><th scope="col">` + Both("结果", "Result") + `</th><th scope="col">` + Both("检查", "Check") +
		`</th><th scope="col">` + Both("说明", "What was found") + "</th></tr></thead><tbody>\n"))
	for _, c := range checks {
		word := resultWords[c.Result]
		b.WriteString(string(`<tr class="` + Escape(string(c.Result)) + `"><td><span class="tag ` + Escape(string(c.Result)) + `">` + Both(word.ZH, word.EN) +
			`</span></td><td><code>` + Escape(c.ID) + `</code>`))
		if c.Subject != "" {
			b.WriteString(string(`<br><span class="note">` + Escape(c.Subject) + `</span>`))
		}
		b.WriteString(string(`</td><td>` + Both(c.Text.ZH, c.Text.EN)))
		if c.Code != "" {
			b.WriteString(string(`<br><code>` + Escape(c.Code) + `</code>`))
		}
		if c.Next != nil {
			b.WriteString(string(`<br><span class="next">` + Both(c.Next.ZH, c.Next.EN) + `</span>`))
		}
		if len(c.Detail) > 0 {
			if detail, err := json.MarshalIndent(c.Detail, "", "  "); err == nil {
				b.WriteString(string(`<details><summary>` + Both("依据", "Evidence") + `</summary><pre>` + Escape(string(detail)) + `</pre></details>`))
			}
		}
		b.WriteString("</td></tr>\n")
	}
	b.WriteString("</tbody></table></div>\n")
}

func verifyForm() HTML {
	return `<form method="post" action="/verify" enctype="multipart/form-data" id="verify">
<div id="drop"><label for="document">` + Both("文件（PDF、OFD 或凭证文本）", "File (PDF, OFD or credential)") + `</label>
<input type="file" id="document" name="document" accept=".pdf,.ofd,.jwt,.txt,application/pdf,application/ofd"></div>
<label for="input">` + Both("或者：电子证照标识、亮证码、凭证", "Or: licence identifier, code or credential") + `</label>
<input type="text" id="input" name="input" autocomplete="off" spellcheck="false">
<label for="purpose">` + Both("查验事由（查询证照时必填，持证人可见）", "Purpose (needed to look up a licence; its holder sees it)") + `</label>
<input type="text" id="purpose" name="purpose" maxlength="200" autocomplete="off">
<div class="buttons"><button type="submit" id="submit">` + Both("验证", "Verify") + `</button></div>
</form>
`
}

const verifyStyle = `
dl{display:grid;grid-template-columns:minmax(9rem,max-content) 1fr;gap:.25rem 1rem;margin:.5rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
h3{font-size:1rem;margin:.9rem 0 .3rem}
.seal{border:1px solid var(--line);border-radius:.4rem;padding:.1rem .9rem .5rem;margin:.6rem 0}
.verdict{font-size:1.5rem;padding:.7rem 1rem;border-radius:.5rem;border:2px solid var(--soft)}
.verdict.valid{border-color:var(--good);color:var(--good)}
.verdict.invalid{border-color:var(--seal);color:var(--seal)}
.verdict.indeterminate{border-color:var(--warn);color:var(--warn)}
.verdict .en{color:inherit}
.tag{display:inline-block;padding:0 .5rem;border:1px solid var(--soft);border-radius:1rem;font-size:.85rem;white-space:nowrap}
.tag .en{color:inherit}
.tag.pass,.tag.valid{border-color:var(--good);color:var(--good)}
.tag.fail,.tag.invalid{border-color:var(--seal);color:var(--seal)}
.tag.warn,.tag.indeterminate{border-color:var(--warn);color:var(--warn)}
.next{color:var(--warn)}
#checks td:nth-child(2) code{white-space:nowrap;overflow-wrap:normal}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.82rem;margin:.3rem 0}
#drop{border:2px dashed var(--line);border-radius:.5rem;padding:.2rem 1rem 1rem}
#drop.over{border-color:var(--act)}
input[type=file]{font:inherit;color:inherit;max-width:100%}
`

const verifyScript = `
(function(){
var form=document.getElementById("verify"),drop=document.getElementById("drop"),file=document.getElementById("document");
if(!form||!drop||!file)return;
function over(e){e.preventDefault();drop.classList.add("over")}
function out(){drop.classList.remove("over")}
drop.addEventListener("dragover",over);
drop.addEventListener("dragleave",out);
drop.addEventListener("drop",function(e){e.preventDefault();out();if(e.dataTransfer.files.length===1){file.files=e.dataTransfer.files;form.requestSubmit()}});
})();
`
