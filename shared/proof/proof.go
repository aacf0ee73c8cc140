// Package proof holds what is checked of a stamped document or a licence: one table per artefact, its rows in the order
// of the standard, so that the verifier can be reviewed beside the standard's text.
//
//	bytes + Trust + Now ── evidence ── rows of the table, each a check with code, evidence, text and next step ── Verdict
//
//	ofd.go      stamps in OFD       GB/T 38540-2020, 7.3 and 6.1 of GM/T 0031-2014; coverage of the package
//	pdf.go      signatures in PDF   ISO 32000-2, 12.8; EN 319 142-1; the rules of RFC 5652 in shared/cms
//	licence.go  SD-JWT VC           RFC 9901; draft-ietf-oauth-sd-jwt-vc; draft-ietf-oauth-status-list
//	identifier.go  identifiers      GB/T 36904-2018
//	face.go     faces of licences   the state of the licence that a stamped document says it is
//	codes.go    what each code means and what to do about it, in Chinese and English
//
// A row that cannot be evaluated because an earlier one failed is not hidden: it is skipped, with the code NOT_EVALUATED,
// and the failure decides the verdict. A row that applies and that we cannot make (a seal whose status nobody here knows,
// a time stamp) is skipped too, and then nothing is valid.
//
// It fetches nothing and keeps nothing: what must be asked of others comes in as a function of [Trust].
package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// SealFacts is what the register of seals says of one seal.
type SealFacts struct {
	State  string    // at the time asked for: "active", "suspended", "revoked", or another
	Since  time.Time // since when
	Digest [32]byte  // SM3 of the SESeal as it was made; zero where none was made
}

// Trust is what a verification rests on beside the artefact itself.
type Trust struct {
	Anchors trust.Anchors
	List    trust.List
	CRLs    []*cert.CRL
	// Seal asks the register of seals about a seal at a time; known is false where it does not know the seal. A nil
	// function knows none.
	Seal func(ctx context.Context, esID string, at time.Time) (facts SealFacts, known bool, err error)
	// StatusList returns the Status List Token at an address; known is false where it cannot be had. A nil function has
	// none.
	StatusList func(ctx context.Context, uri string) (token string, known bool, err error)
	// Licence asks the register of licences about an identifier (GB/T 36904), for documents that are faces of licences;
	// known is false where it does not know the licence. A nil function knows none.
	Licence func(ctx context.Context, identifier string) (record Registered, known bool, err error)
}

// row is one row of a table: run looks at the evidence and says what it found.
type row[E any] struct {
	id   string       // of the check; stable
	pass verdict.Text // what is so, where the row passes
	run  func(E) finding
}

// finding is the outcome of a row. Where checks is set, the row expands to them.
type finding struct {
	result verdict.Result
	code   string
	detail map[string]any
	checks []verdict.Check
}

func pass(detail map[string]any) finding { return finding{result: verdict.Pass, detail: detail} }

func fail(code string, detail map[string]any) finding {
	return finding{result: verdict.Fail, code: code, detail: detail}
}

func found(r verdict.Result, code string, detail map[string]any) finding {
	return finding{result: r, code: code, detail: detail}
}

// skipped is a row that an earlier failure left nothing to look at.
func skipped() finding { return finding{result: verdict.Skipped, code: NotEvaluated} }

// run runs a table over the evidence of one subject.
func run[E any](table []row[E], subject string, e E) []verdict.Check {
	var checks []verdict.Check
	for _, r := range table {
		f := r.run(e)
		if f.checks != nil {
			for _, c := range f.checks {
				c.Subject, c.Detail = told(c.Subject), bounded(c.Detail)
				checks = append(checks, c)
			}
			continue
		}
		c := verdict.Check{ID: r.id, Subject: told(subject), Result: f.result, Code: f.code, Detail: bounded(f.detail),
			Text: r.pass}
		if f.result != verdict.Pass {
			explain(&c)
		}
		checks = append(checks, c)
	}
	return checks
}

// The bounds of evidence. Names, paths and reasons come out of the artefact, and every check of every signature repeats
// them: a file of a megabyte must not make a verdict of a hundred (TestAVerdictIsNotMuchLargerThanItsDocument in
// infra/embedded).
const (
	maxTold   = 200 // characters of a text
	maxListed = 50  // entries of a list
)

// told is as much of a text as a verdict repeats.
func told(text string) string {
	if len(text) <= maxTold {
		return text
	}
	n := 0
	for i := range text {
		if n++; n > maxTold {
			return text[:i] + "…"
		}
	}
	return text
}

// bounded returns evidence with nothing in it beyond the bounds.
func bounded(detail map[string]any) map[string]any {
	for k, v := range detail {
		switch v := v.(type) {
		case string:
			detail[k] = told(v)
		case []string:
			list := make([]string, 0, min(len(v), maxListed+1))
			for _, s := range v[:min(len(v), maxListed)] {
				list = append(list, told(s))
			}
			if len(v) > maxListed {
				list = append(list, fmt.Sprintf("… (%d)", len(v)))
			}
			detail[k] = list
		}
	}
	return detail
}

// explain gives a check the text and the next step of its code.
func explain(c *verdict.Check) {
	m, known := meanings[c.Code]
	switch {
	case known:
	case c.Result == verdict.NotApplicable:
		m = meaning{text: verdict.Text{ZH: "不适用：没有此项内容。", EN: "Does not apply: there is nothing of this kind."}}
	default:
		m = meaning{text: verdict.Text{ZH: "检查未通过：" + c.Code, EN: "Not passed: " + c.Code}}
	}
	c.Text = m.text
	if named := name(c.Detail); named != "" {
		c.Text.ZH += "（" + named + "）"
		c.Text.EN += " (" + named + ")"
	}
	if m.next != (verdict.Text{}) {
		c.Next = &m.next
	}
}

// name is the part of the evidence that belongs into the text: files or a reason, shortened.
func name(detail map[string]any) string {
	for _, k := range []string{"files", "reason", "state", "value"} {
		switch v := detail[k].(type) {
		case []string:
			if len(v) > 5 {
				return strings.Join(v[:5], ", ") + " …"
			}
			return strings.Join(v, ", ")
		case string:
			return v
		}
	}
	return ""
}

// conclude makes the verdict of checks.
func conclude(format string, input []byte, now time.Time, checks []verdict.Check) verdict.Verdict {
	sum := sha256.Sum256(input)
	v := verdict.Verdict{Overall: verdict.Aggregate(checks), Format: format, Digest: hex.EncodeToString(sum[:]),
		Checks: checks, CheckedAt: now.UTC()}
	v.Summary = summarise(v)
	return v
}

// Conclude makes the verdict of an input that no table knows: it has one check.
func Conclude(format string, input []byte, now time.Time, id string, r verdict.Result, code string,
	detail map[string]any) verdict.Verdict {
	c := verdict.Check{ID: id, Result: r, Code: code, Detail: detail}
	explain(&c)
	return conclude(format, input, now, []verdict.Check{c})
}

// With adds a check to a verdict that was concluded, as the front door does for what the caller expects.
func With(v verdict.Verdict, c verdict.Check) verdict.Verdict {
	if c.Text == (verdict.Text{}) {
		explain(&c)
	}
	v.Checks = append(slices.Clip(v.Checks), c)
	v.Overall = verdict.Aggregate(v.Checks)
	v.Summary = summarise(v)
	return v
}

// summarise says in one sentence why the verdict is what it is: the first check that decided it.
func summarise(v verdict.Verdict) verdict.Text {
	if v.Overall == verdict.Valid {
		what := verdict.Text{ZH: "有效：全部检查通过。", EN: "Valid: every check passed."}
		warned := slices.IndexFunc(v.Checks, func(c verdict.Check) bool { return c.Result == verdict.Warn })
		if warned >= 0 {
			c := v.Checks[warned]
			what = verdict.Text{ZH: "有效，但请注意：" + c.Text.ZH, EN: "Valid, but note: " + c.Text.EN}
		}
		return what
	}
	decided := func(c verdict.Check) bool { return c.Result == verdict.Fail }
	zh, en := "无效：", "Invalid: "
	if v.Overall == verdict.Indeterminate {
		zh, en = "无法确定：", "Indeterminate: "
		decided = func(c verdict.Check) bool {
			return c.Result != verdict.Pass && c.Result != verdict.Warn && c.Result != verdict.NotApplicable
		}
	}
	i := slices.IndexFunc(v.Checks, decided)
	if i < 0 {
		return verdict.Text{ZH: zh + "没有可检查的内容。", EN: en + "nothing could be checked."}
	}
	c := v.Checks[i]
	if c.Subject != "" {
		zh, en = zh+"签名 "+c.Subject+"：", en+"signature "+c.Subject+": "
	}
	zh, en = zh+c.Text.ZH, en+c.Text.EN
	if others := count(v.Checks, decided) - 1; others > 0 {
		zh, en = fmt.Sprintf("%s（另有 %d 项）", zh, others), fmt.Sprintf("%s (and %d more)", en, others)
	}
	return verdict.Text{ZH: zh, EN: en}
}

func count(checks []verdict.Check, is func(verdict.Check) bool) (n int) {
	for _, c := range checks {
		if is(c) {
			n++
		}
	}
	return n
}
