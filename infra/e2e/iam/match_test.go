package iam

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// asRegexp writes a pattern as the regular expression that the IAM User Guide describes: "*" any combination of characters,
// "?" any single character.
func asRegexp(pattern, any, one string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, r := range pattern {
		switch r {
		case '*':
			b.WriteString(any)
		case '?':
			b.WriteString(one)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile(b.String() + `\z`)
}

func FuzzLikeIsARegularExpression(f *testing.F) {
	for _, seed := range [][2]string{
		{"key#token#*", "key#token#2026"}, {"*", ""}, {"", ""}, {"a*b*c", "abbbc"}, {"a?c", "a:c"}, {"**a", "bba"}, {"?*?", "x"},
		{"示例*", "示例省"}, {"?", "例"}, {"arn:*:b", "arn:a:b"}, {"arn:a*", "arn:a:b:c"}, {"a[b]*", "a[b]c"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if len(pattern) > 40 || len(value) > 80 || !utf8.ValidString(pattern) || !utf8.ValidString(value) {
			return
		}
		if got, want := like(pattern, value), asRegexp(pattern, `.*`, `.`).MatchString(value); got != want {
			t.Errorf("like(%q, %q) is %v", pattern, value, got)
		}
		// A wildcard of a resource stays inside its segment, but for a "*" that ends one.
		marked := regexp.MustCompile(`\*(:|\z)`).ReplaceAllString(pattern, "\x00$1")
		if strings.Contains(pattern, "\x00") {
			return
		}
		e := asRegexp(marked, `[^:]*`, `[^:]`).String()
		want := regexp.MustCompile(strings.ReplaceAll(e, "\x00", `.*`)).MatchString(value)
		if got := resourceLike(pattern, value); got != want {
			t.Errorf("resourceLike(%q, %q) is %v", pattern, value, got)
		}
	})
}

func TestAnARNIsComparedComponentByComponent(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"arn:aws:iam::123456789012:role/yinxin/oidc-token/*", "arn:aws:iam::123456789012:role/yinxin/oidc-token/x-1", true},
		{"arn:aws:iam::123456789012:role/yinxin/oidc-token/*", "arn:aws:iam::123456789012:role/yinxin/oidc-userinfo/x-1", false},
		{"arn:*:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/a", true},
		{"arn:*:role/a", "arn:aws:iam::123456789012:role/a", false}, // six components, each by itself
		{"arn:aws:logs:us-east-1:1:log-group:*", "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/x:*", true},
		{"arn:aws:iam::1:role/A", "arn:aws:iam::1:role/a", false},
		{"*", "arn:aws:iam::1:role/a", false},
	} {
		if got := arnLike(c.pattern, c.value); got != c.want {
			t.Errorf("arnLike(%q, %q) is %v", c.pattern, c.value, got)
		}
	}
}
