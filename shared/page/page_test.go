package page

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/verdict"
)

// evil is what a stranger may put into any text.
const evil = `"><script>alert(1)</script>'&<img src=x onerror=alert(2)>`

func evilFields() []Field { return []Field{{Name: evil, Value: evil}} }

// pages are the pages of sign-on and account with hostile text in every place.
func pages() map[string]Page {
	return map[string]Page{
		"login":   Login{Client: evil, Username: evil, Problem: LoginWrong, Hidden: evilFields(), Targets: []string{"https:"}}.Page(),
		"consent": Consent{Client: evil, Host: evil, Person: evil, Asked: []Ask{{ZH: evil, EN: evil}}, Hidden: evilFields()}.Page(),
		"logout":  Logout{Person: evil, Hidden: evilFields()}.Page(),
		"message": Message{TitleZH: evil, TitleEN: evil, ZH: evil, EN: evil, Code: evil, Detail: evil, Alert: true}.Page(),
		"account": Account{Name: evil, ID: evil, Address: evil, Hidden: evilFields(), Acts: []Actor{{Name: evil, Code: evil, Roles: []string{evil}}}}.Page(),
		"usage": Usage{Ledgers: []Ledger{{Holder: evil, More: true, Uses: []Use{{
			Time: evil, MachineTime: evil, ActZH: evil, ActEN: evil, Who: evil, Through: evil, Purpose: evil, LegalBasis: evil,
			ItemCode: evil, CaseNumber: evil, Object: evil, Refused: true,
		}}}}}.Page(),
		"first": First{Issuer: evil, People: []FirstPerson{{Name: evil, ID: evil, Password: evil, Acts: []Actor{{Name: evil, Roles: []string{evil}}}}},
			Organisations: []FirstOrganisation{{Name: evil, Code: evil, Duties: []string{evil}}},
			Clients:       []FirstClient{{Name: evil, ID: evil, Secret: evil, Scope: evil}},
			Links:         []Link{{Address: evil, ZH: evil, EN: evil, NoteZH: evil, NoteEN: evil}}}.Page(),
		"outbox": Outbox{Notices: []OutboxNotice{{Time: evil, MachineTime: evil, To: evil, ZH: evil, EN: evil, By: evil, Purpose: evil,
			ItemCode: evil, CaseNumber: evil, Object: evil}},
			Dead: []OutboxDead{{Time: evil, MachineTime: evil, Function: evil, Source: evil, Reason: evil}}}.Page(),
		"app": App{Name: evil, Path: evil, Other: Link{Address: evil, ZH: evil, EN: evil}, SignedOn: true, Greeting: evil,
			Claims: evilFields(), Wrong: evil}.Page(),
	}
}

func TestTextFromOutsideStaysText(t *testing.T) {
	for name, p := range pages() {
		doc := string(p.HTML())
		if strings.Contains(doc, "<script") || strings.Contains(doc, "<img") || strings.Contains(doc, `""`) && name != "login" {
			t.Errorf("%s: text became markup: %s", name, doc)
		}
		if !strings.Contains(doc, "&lt;script&gt;") {
			t.Errorf("%s: the text is missing", name)
		}
	}
}

func TestPagesLoadNothingAndAllowTheirOwnStyleAlone(t *testing.T) {
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	for name, p := range pages() {
		w := httptest.NewRecorder()
		Write(w, 200, p)
		found := style.FindStringSubmatch(w.Body.String())
		if found == nil {
			t.Fatalf("%s: no style", name)
		}
		sum := sha256.Sum256([]byte(found[1]))
		policy := strings.Split(w.Header().Get("Content-Security-Policy"), "; ")
		for _, want := range []string{
			"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
		} {
			if !slices.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", name, policy, want)
			}
		}
		if slices.ContainsFunc(policy, func(d string) bool { return strings.Contains(d, "unsafe") || strings.HasPrefix(d, "script-src") }) {
			t.Errorf("%s: policy = %q", name, policy)
		}
		for _, never := range []string{"http://", "https://", " style=", "url(", "@import", "<link", "<iframe"} {
			if strings.Contains(w.Body.String(), never) {
				t.Errorf("%s: contains %s", name, never)
			}
		}
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s = %q, want %q", name, header, got, want)
			}
		}
	}
}

// WCAG 2.2: 1.3.1 and 3.3.2 (labels), 3.1.1 (language), 4.1.1 (unique ids), 2.4.2 (title), 4.1.3 (status messages).
func TestPagesAreAccessible(t *testing.T) {
	id := regexp.MustCompile(`\sid="([^"]*)"`)
	label := regexp.MustCompile(`<label for="([^"]*)"`)
	for name, p := range pages() {
		doc := string(p.HTML())
		var ids []string
		for _, m := range id.FindAllStringSubmatch(doc, -1) {
			if slices.Contains(ids, m[1]) {
				t.Errorf("%s: id %s twice", name, m[1])
			}
			ids = append(ids, m[1])
		}
		for _, m := range label.FindAllStringSubmatch(doc, -1) {
			if !slices.Contains(ids, m[1]) {
				t.Errorf("%s: a label for %s, which is missing", name, m[1])
			}
		}
		if !strings.Contains(doc, `<html lang="zh-CN">`) || strings.Count(doc, "<h1>") != 1 || strings.Count(doc, "<main") != 1 || !strings.Contains(doc, "<title>") {
			t.Errorf("%s: language, title, one main or one heading is missing", name)
		}
		fields := strings.Count(doc, `type="text"`) + strings.Count(doc, `type="password"`)
		if labels := strings.Count(doc, "<label"); labels != fields {
			t.Errorf("%s: %d labels for %d fields", name, labels, fields)
		}
		for _, tag := range []string{"span", "p", "ul", "li", "table", "form", "button", "main", "code", "td", "tr", "div", "h2"} {
			opened := strings.Count(doc, "<"+tag+">") + strings.Count(doc, "<"+tag+" ")
			if closed := strings.Count(doc, "</"+tag+">"); opened != closed {
				t.Errorf("%s: %d <%s>, %d closed", name, opened, tag, closed)
			}
		}
	}
	for name, want := range map[string][]string{
		"login": {"username", "password", "submit", "problem"}, "consent": {"allow", "deny"}, "logout": {"submit", "deny"}, "message": {"error"},
	} {
		doc := string(pages()[name].HTML())
		for _, one := range want {
			if !strings.Contains(doc, ` id="`+one+`"`) {
				t.Errorf("%s: no id %s", name, one)
			}
		}
	}
}

func TestAVerdictStaysText(t *testing.T) {
	text := verdict.Text{ZH: evil, EN: evil}
	w := httptest.NewRecorder()
	Verify{}.VerifyResult(w, verdict.Verdict{
		Overall: verdict.Invalid, Format: evil, Digest: evil, Summary: text,
		Licence: &verdict.Licence{Identifier: evil, Name: evil, Holder: evil, Issuer: evil, State: evil, ValidFrom: evil, ValidTo: evil},
		Seals: []verdict.Seal{{
			Subject: evil, Kind: verdict.GBT38540, ID: evil, Name: evil, Owner: evil, OwnerCode: evil, TimeSource: evil,
			Coverage: evil, Verdict: verdict.Overall(evil), SignedAt: time.Unix(1, 0),
		}},
		Checks: []verdict.Check{
			{ID: evil, Subject: evil, Result: verdict.Fail, Code: evil, Text: text, Next: &text, Detail: map[string]any{evil: evil}},
			{ID: evil, Subject: evil, Result: verdict.Result(evil), Code: evil, Text: text},
		},
	})
	Verify{}.VerifyRefused(w, 400, evil, evil, evil, evil)
	doc := strings.ReplaceAll(w.Body.String(), "<script>"+verifyScript+"</script>", "")
	if strings.Contains(doc, "<script") || strings.Contains(doc, "<img") || !strings.Contains(doc, "&lt;script&gt;") {
		t.Errorf("text became markup: %s", doc)
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src "+digest(verifyScript)) || strings.Contains(policy, "unsafe") {
		t.Errorf("policy = %s", policy)
	}
}
