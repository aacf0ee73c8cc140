// Package page writes the pages that people see: HTML with its style and, where a page needs one, its script.
//
//	service ── what to show (a struct of this package) ── Page ── Write: bytes, Content-Security-Policy, no cache
//
// Pages are in Chinese and English at once, need no script unless they say so, work without style, and load nothing:
// style and script stand in the page and are allowed by their digests (Content Security Policy Level 3, section 2.3.1).
// Every text from outside goes through [Escape].
//
// It knows no service and decides nothing. html/template is not used: its reflection keeps the linker from removing
// unused methods, which the functions without pages would pay for.
package page

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"log/slog"
	"net/http"
	"strings"
)

// HTML is text that is safe to put into a page: markup of this package, or what [Escape] returned.
type HTML string

// Escape makes text safe inside an element and inside a quoted attribute.
func Escape(text string) HTML { return HTML(html.EscapeString(text)) }

// Both says one thing in Chinese and in English, one after the other. The texts are escaped.
func Both(zh, en string) HTML {
	return `<span lang="zh-CN">` + Escape(zh) + `</span> <span class="en" lang="en">` + Escape(en) + `</span>`
}

// Lines says one thing in Chinese and in English, each on a line of its own: for whole sentences. The texts are
// escaped.
func Lines(zh, en string) HTML {
	return `<span lang="zh-CN">` + Escape(zh) + `</span><span class="en line" lang="en">` + Escape(en) + `</span>`
}

// Page is one page.
type Page struct {
	TitleZH, TitleEN string
	Body             HTML   // what stands in <main>
	Style            string // CSS of this page alone, after the common one
	Script           string // JavaScript of this page; empty for nearly all
	Wide             bool   // room for tables
	// FormTargets are CSP sources beside 'self' to which a form of this page may lead, also by redirection: the scheme
	// of a client's redirect address.
	FormTargets []string
}

// Write answers with p. Nothing of it may be cached, framed, or sent on as a referrer to others.
func Write(w http.ResponseWriter, status int, p Page) {
	body := p.HTML()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy())
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // "no-referrer" would make the Origin of our own forms "null"
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the browser is gone if this fails
}

// HTML returns the whole document.
func (p Page) HTML() HTML {
	class := HTML("")
	if p.Wide {
		class = ` class="wide"`
	}
	doc := `<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + Escape(p.TitleZH+" · "+p.TitleEN) + `</title>
<style>` + HTML(p.style()) + `</style>
</head>
<body>
<header` + class + `><span class="mark" aria-hidden="true">印</span>` +
		`<span class="name">印信 <span class="en" lang="en">Yinxin</span></span></header>
<main` + class + `>
<h1>` + Escape(p.TitleZH) + ` <span class="en" lang="en">` + Escape(p.TitleEN) + `</span></h1>
` + p.Body + `
</main>
`
	if p.Script != "" {
		doc += `<script>` + HTML(p.Script) + `</script>
`
	}
	return doc + "</body>\n</html>\n"
}

// style is the style sheet as it stands in the page: what is digested must be what is sent.
func (p Page) style() string { return commonStyle + p.Style }

// policy allows this page's style and script by digest, forms to ourselves and to what a form leads on to, data: images
// (seal pictures, QR codes), and nothing else.
func (p Page) policy() string {
	directives := []string{
		"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "img-src 'self' data:",
		"style-src " + digest(p.style()), "form-action " + strings.Join(append([]string{"'self'"}, p.FormTargets...), " "),
	}
	if p.Script != "" {
		directives = append(directives, "script-src "+digest(p.Script))
	}
	return strings.Join(directives, "; ")
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// hidden is one hidden field.
func hidden(name, value string) HTML {
	return `<input type="hidden" name="` + Escape(name) + `" value="` + Escape(value) + `">` + "\n"
}

// commonStyle has a contrast of at least 4.5:1 throughout (WCAG 2.2, 1.4.3) and follows the reader's colour scheme. On
// a narrow screen nothing scrolls sideways (1.4.10): tables become cards, see [table]. TestPeopleInABrowser in
// infra/local measures both.
const commonStyle = `
:root{color-scheme:light dark;--ink:#1d2129;--soft:#59606b;--line:#d9dce1;--paper:#fff;--ground:#f4f5f7;
--seal:#b3261e;--seal-wash:#fdf3f2;--act:#0b57a4;--act-ink:#fff;--good:#0f6b3a;--good-wash:#f0f8f3;--warn:#8a5200;
--warn-wash:#fdf6ec}
@media (prefers-color-scheme:dark){:root{--ink:#eceef1;--soft:#a9b0bb;--line:#3c424b;--paper:#1d2128;--ground:#14171c;
--seal:#ff8a80;--seal-wash:#2b1f22;--act:#8ab8f0;--act-ink:#0b1a2c;--good:#6fcf97;--good-wash:#1b2a25;--warn:#f2b866;
--warn-wash:#2c261e}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.6 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif;
overflow-wrap:anywhere}
header{display:flex;align-items:center;gap:.6rem;max-width:32rem;margin:0 auto;padding:1.5rem 1.5rem .75rem}
.mark{display:inline-grid;place-items:center;width:2.1rem;height:2.1rem;border:2px solid var(--seal);
border-radius:.3rem;color:var(--seal);font-weight:700}
.name{font-weight:600}
.en{color:var(--soft);font-weight:400}
.line{display:block}
main{max-width:32rem;margin:0 auto 3rem;padding:1.5rem;background:var(--paper);border:1px solid var(--line);
border-radius:.6rem}
header.wide,main.wide{max-width:70rem}
h1{margin:0 0 1.25rem;font-size:1.45rem;line-height:1.3}
h1 .en{display:block;font-size:1rem}
h2{font-size:1.12rem;margin:2rem 0 .6rem}
h3{font-size:1rem;margin:0}
p{margin:.7rem 0}
label{display:block;margin:1rem 0 .3rem;font-weight:600}
input[type=text],input[type=password]{width:100%;min-height:2.9rem;padding:.6rem .7rem;font:inherit;color:inherit;
background:var(--paper);border:1px solid var(--soft);border-radius:.35rem}
[aria-invalid=true]{border-color:var(--seal)!important}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
button{min-height:2.9rem;padding:.5rem 1.2rem;font:inherit;font-weight:600;border:1px solid var(--act);
border-radius:.35rem;background:var(--act);color:var(--act-ink);cursor:pointer}
button.second{background:transparent;color:var(--act)}
button .en,a .en{color:inherit}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
.alert{padding:.7rem .9rem;border:1px solid var(--seal);border-left-width:.35rem;border-radius:.35rem;
background:var(--seal-wash)}
.notice{padding:.7rem .9rem;border:1px solid var(--warn);border-left-width:.35rem;border-radius:.35rem;
background:var(--warn-wash)}
.alert .en,.notice .en{color:inherit}
.note{color:var(--soft);font-size:.92rem}
.who{font-weight:600}
.call{display:block;font-size:1.1rem}
ul{padding-left:1.3rem}
li{margin:.4rem 0}
a{color:var(--act)}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) minmax(0,1fr);gap:.3rem 1.2rem;margin:.6rem 0}
dt{color:var(--soft)}
dd{margin:0}
table{width:100%;border-collapse:collapse;font-size:.94rem}
th,td{padding:.55rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;overflow-wrap:normal}
code{font-size:.9em}
pre{white-space:pre-wrap;font-size:.82rem;margin:.3rem 0}
@media (max-width:48rem){
header{padding:1rem 1.1rem .7rem}
main{margin:0;padding:1.3rem 1.1rem 2rem;border-width:1px 0 0;border-radius:0}
dl{display:block}
dd{margin:0 0 .6rem}
table,tbody,tr,td{display:block}
thead{display:none}
tr{border:1px solid var(--line);border-radius:.4rem;padding:.35rem .9rem;margin:.7rem 0}
td{padding:.3rem 0;border:0}
td::before{content:attr(data-label);display:block;color:var(--soft);font-size:.85rem}
td.empty{display:none}
}
@media print{form,header{display:none}body,main{background:none;border:0}}
`

// Fault answers with a page that says nothing of the fault, which is logged in full under the request's context.
func Fault(w http.ResponseWriter, r *http.Request, err error) {
	slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", r.Pattern, "error", err.Error())
	Write(w, http.StatusInternalServerError, Message{
		TitleZH: "暂时无法服务", TitleEN: "Something went wrong", Alert: true,
		ZH: "我们这边出现了问题，请稍后再试。", EN: "Something went wrong on our side. Please try again later.",
	}.Page())
}
