// Package redact keeps personal and secret values out of logs, in two nets:
//
//	a value that is known to be one ── [Value] ── every way of printing it says "[redacted]"
//	a text that may hold one        ── [Text]  ── what looks like a token, a credential or a citizen number is replaced
//	slog.Logger ── [Handler] ── [Text] over the message and every attribute ── the handler that writes
//
// The first is what code uses that puts such a value into an error. The second is for what was overlooked, and for the
// texts of libraries: it knows shapes alone. It finds JSON Web Tokens (RFC 7519) and what is appended to them in
// SD-JWTs, credentials behind the words Bearer, DPoP and Basic (RFC 9110, section 11.4), and citizen numbers (公民身份号码,
// GB 11643-1999) with a birth date that exists and the right check character, those of foreigners with permanent residence
// (外国人永久居留身份证, in the form of 2023) among them, and the numbers of 15 digits of before 1999. It does not find names,
// nor numbers of passports and of residence permits of before 2023, which look like any identifier: where one can come
// into an error, it must be a [Value].
package redact

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/ident"
)

// Hidden is what stands in place of a value.
const Hidden = "[redacted]"

// Value stands for a personal or secret value and does not hold it: every verb of fmt, slog and encoding/json show
// [Hidden].
type Value struct{}

// Of hides a value.
func Of(string) Value { return Value{} }

// String is what may be shown.
func (Value) String() string { return Hidden }

// Format implements [fmt.Formatter], for every verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) } // fmt keeps the error

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText implements [encoding.TextMarshaler], for JSON and for the keys of maps.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Text replaces what looks like a token, a credential or a citizen number. A text without any is returned as it is,
// without an allocation. It takes time in proportion to the text.
func Text(s string) string {
	var b strings.Builder
	done := 0 // of s, what is in b already
	hide := func(from, to int) {
		b.WriteString(s[done:from])
		b.WriteString(Hidden)
		done = to
	}
	for i := 0; i < len(s); {
		if !inWord(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && inWord(s[end]) {
			end++
		}
		word := s[i:end]
		switch {
		case scheme(word):
			if from, to := credential(s, end); to > from {
				hide(from, to)
				end = to
			}
		case secret(word):
			hide(i, end)
		default:
			numbers(word, func(from, to int) { hide(i+from, i+to) })
		}
		i = end
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// inWord tells whether a byte can stand in a token: base64, base64url, "." and "~".
func inWord(c byte) bool {
	return letter(c) || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' || c == '+' || c == '/' || c == '='
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// scheme tells whether a word announces a credential.
func scheme(word string) bool {
	for _, name := range [...]string{"bearer", "dpop", "basic"} {
		if len(word) >= len(name) && strings.EqualFold(word[len(word)-len(name):], name) {
			return true
		}
	}
	return false
}

// minCredential is how long at least what follows a scheme must be: shorter words are prose ("basic rules").
const minCredential = 8

// credential finds the token68 behind a scheme: one separator or two, as in a header, a Go map or JSON.
func credential(s string, at int) (from, to int) {
	for from = at; from < len(s) && from < at+3 && strings.IndexByte(" :\"%=", s[from]) >= 0; from++ {
	}
	if from == at {
		return 0, 0
	}
	for to = from; to < len(s) && inWord(s[to]); to++ {
	}
	if to-from < minCredential {
		return 0, 0
	}
	return from, to
}

// secret tells whether a word holds a JWT, or one that was cut off: "eyJ" is how base64url writes `{"`, and the header
// of a JWT has at least an alg.
func secret(word string) bool {
	if i := strings.Index(word, "eyJ"); i >= 0 && len(word)-i >= minToken {
		return true
	}
	// With a space or a line break behind the brace it begins otherwise. "framework" holds one of these, so that they count
	// at the beginning alone.
	for i := 0; i+minToken <= len(word); i++ {
		if i > 0 && strings.IndexByte("=/+.~", word[i-1]) < 0 {
			continue
		}
		switch word[i : i+3] {
		case "eyA", "ewo", "ew0", "ewk":
			return true
		}
	}
	return false
}

const minToken = 20 // characters of a JWT, or of the beginning of one

// numbers finds citizen numbers among the digits of a word.
func numbers(word string, found func(from, to int)) {
	for i := 0; i < len(word); {
		if word[i] < '0' || word[i] > '9' {
			i++
			continue
		}
		end := i
		for end < len(word) && '0' <= word[end] && word[end] <= '9' {
			end++
		}
		if end-i == 17 && end < len(word) && (word[end] == 'X' || word[end] == 'x') {
			end++
		}
		if end-i == 18 {
			if _, err := ident.ParseCitizenID(word[i:end], lastBirth); err == nil {
				found(i, end)
			}
		}
		// Of 15 digits there is no check character; among letters they are part of a digest.
		if end-i == 15 && (i == 0 || !letter(word[i-1])) && (end == len(word) || !letter(word[end])) {
			if _, err := time.Parse("060102", word[i+6:i+12]); err == nil && word[i] != '0' {
				found(i, end)
			}
		}
		i = end
	}
}

// lastBirth is later than any birth date that a log of ours can hold: whether a person is born yet is not asked here.
var lastBirth = time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC)

// Attr replaces by [Text] in the value of an attribute, also inside groups, errors and whatever JSON would show. It has
// the form of [slog.HandlerOptions].ReplaceAttr.
func Attr(_ []string, a slog.Attr) slog.Attr {
	a.Value = value(a.Value)
	return a
}

func value(v slog.Value) slog.Value {
	v = v.Resolve()
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(Text(v.String()))
	case slog.KindGroup:
		attrs := v.Group()
		safe := make([]slog.Attr, len(attrs))
		for i, a := range attrs {
			safe[i] = Attr(nil, a)
		}
		return slog.GroupValue(safe...)
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			return slog.StringValue(Text(x.Error()))
		case fmt.Stringer:
			return slog.StringValue(Text(x.String()))
		case []byte:
			return slog.StringValue(Text(string(x)))
		default:
			return slog.StringValue(Text(shown(x)))
		}
	default:
		return v // a number, a time, a truth value
	}
}

// shown writes any value as JSON, and as fmt does where it has none.
func shown(v any) string {
	if data, err := json.Marshal(v); err == nil {
		return string(data)
	}
	return fmt.Sprint(v)
}

// Handler puts [Text] in front of a handler: over the message and every attribute.
func Handler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ next slog.Handler }

// Enabled implements [slog.Handler].
func (h handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements [slog.Handler].
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	safe := slog.NewRecord(r.Time, r.Level, Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		safe.AddAttrs(Attr(nil, a))
		return true
	})
	return h.next.Handle(ctx, safe)
}

// WithAttrs implements [slog.Handler].
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	safe := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		safe[i] = Attr(nil, a)
	}
	return handler{h.next.WithAttrs(safe)}
}

// WithGroup implements [slog.Handler].
func (h handler) WithGroup(name string) slog.Handler { return handler{h.next.WithGroup(name)} }
