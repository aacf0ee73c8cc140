package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/ident"
)

// number is a citizen number of nobody: division 990000 is not allocated.
func number(t testing.TB, first17 string) string {
	t.Helper()
	n, err := ident.MakeCitizenID(first17)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// jwt is the example of RFC 7519, section 3.1.
const jwt = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
	".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
	".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func TestAValueIsShownNowhere(t *testing.T) {
	const name = "张三(示例)"
	v := Of(name)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "who", v, "group", slog.GroupValue(slog.Any("who", v)), "all", []Value{v}, "err", fmt.Errorf("of %v", v))
	}
	fmt.Fprintf(&log, "%v %s %q %+v %#v %x %d %T", v, v, v, v, v, v, v, v)
	fmt.Fprintf(&log, "%v %+v %#v", struct{ V Value }{v}, &v, map[Value]Value{v: v})
	data, err := json.Marshal(map[Value][]Value{v: {v}})
	if err != nil {
		t.Fatal(err)
	}
	log.Write(data)
	for _, part := range []string{name, "张", "示例", fmt.Sprintf("%x", name), fmt.Sprintf("%q", name)} {
		if strings.Contains(log.String(), part) {
			t.Errorf("%q is shown: %s", part, log.String())
		}
	}
}

func TestTokensCredentialsAndCitizenNumbersAreTakenOut(t *testing.T) {
	digits, x := number(t, "99000019850312001"), ""
	for i := 0; !strings.HasSuffix(x, "X"); i++ {
		x = number(t, fmt.Sprintf("99000019850312%03d", i))
	}
	for text, secret := range map[string]string{
		"no such person " + digits + ".":                             digits,
		`{"idNumber":"` + x + `"}`:                                   x,
		"reading person/" + strings.ToLower(x) + ": gone":            strings.ToLower(x),
		"CANARY" + digits + "CANARY":                                 digits,
		"旧号码 990000850312001 作废":                                     "990000850312001", // of 15 digits, before 1999
		"FAILED_990000850312001":                                     "990000850312001",
		"JWT ewogICJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl of a library": "ewogICJhbGciOiJFUzI1NiJ9", // its header begins with a line break
		"parsing \"eyAiYWxnIjoiRVMyNTYifQ.e30.c2ln\": no claims":     "eyAiYWxnIjoiRVMyNTYifQ",   // and with a space
		"身份证" + digits + "号":                                         digits,
		"token " + jwt + " is over":                                  jwt,
		"an SD-JWT " + jwt + "~WyJzYWx0Il0~" + jwt + ", presented":   "WyJzYWx0Il0",
		"cut off: " + jwt[:len(jwt)/2]:                               jwt[:len(jwt)/2],
		`map[Authorization:[Bearer 0123456789abcdef]]`:               "0123456789abcdef",
		`{"authorization":"bearer 0123456789abcdef"}`:                "0123456789abcdef",
		"Authorization: DPoP a_b-c.d~e+f/g=":                         "a_b-c.d~e+f/g=",
		"Authorization=Basic ZGVtbzpzZWNyZXQtb2YtdGhlLWRlbW8= sent":  "ZGVtbzpzZWNyZXQtb2YtdGhlLWRlbW8=",
	} {
		got := Text(text)
		if strings.Contains(got, secret) || !strings.Contains(got, Hidden) {
			t.Errorf("%q became %q", text, got)
		}
		if Text(got) != got {
			t.Errorf("%q is changed again: %q", got, Text(got))
		}
	}
}

// What operators need to read must stay.
func TestIdentifiersTimesAndDigestsStay(t *testing.T) {
	digits := number(t, "99000019850312001")
	wrong := digits[:17] + string('0'+(digits[17]-'0'+1)%10)
	for _, text := range []string{
		"", "reading event#: ConditionalCheckFailedException", wrong, digits + "0", "1" + digits, // no number: another check character, longer
		"990000198513320017",                        // no birth date
		"1771234567890123456", "91350100M000100Y43", // nanoseconds; a unified social credit code of GB 32100's example
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "POST /login", "basic rules of bearer tokens", "the bearer is right", "Basic",
		"990000851332001", "a990000850312001f", "1990000850312001", // no birth date; part of a digest; 16 digits
		"github.com/example/framework.go: a new.kind.of.thing-1.2.3", "ewo",
		"2026-03-01T12:00:00.123456789Z", "eyJ", "事项编码 110105199001",
	} {
		if got := Text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Text("reading event#: ConditionalCheckFailedException, request id 1771234567890123456") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestALoggerBehindTheNetTellsNoSecret(t *testing.T) {
	digits := number(t, "99000019850312001")
	for name, open := range map[string]func(*bytes.Buffer) *slog.Logger{
		"handler": func(b *bytes.Buffer) *slog.Logger { return slog.New(Handler(slog.NewJSONHandler(b, nil))) },
		"text":    func(b *bytes.Buffer) *slog.Logger { return slog.New(Handler(slog.NewTextHandler(b, nil))) },
		"replace": func(b *bytes.Buffer) *slog.Logger {
			return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{ReplaceAttr: Attr}))
		},
	} {
		var b bytes.Buffer
		log := open(&b)
		log.With("token", jwt).WithGroup("g").Error("of "+digits, "error", fmt.Errorf("storing: %w", errors.New(digits)),
			"any", struct{ Number string }{digits}, "bytes", []byte(jwt), "group", slog.GroupValue(slog.String("n", digits)),
			"list", []string{digits}, "when", time.Unix(0, 0), "n", 7, "stringer", bytes.NewBufferString(digits))
		text := b.String()
		if strings.Contains(text, digits) || strings.Contains(text, jwt) {
			t.Errorf("%s: %s", name, text)
		}
		if strings.Count(text, Hidden) < 7 || !strings.Contains(text, "7") {
			t.Errorf("%s lost more than the secrets: %s", name, text)
		}
	}
}

func TestAnErrorOfJSONRepeatsNothing(t *testing.T) {
	type record struct {
		When time.Time `json:"when"`
		N    int       `json:"n"`
	}
	for text, want := range map[string]string{
		`{"when":"secret-of-the-text"}`:  "byte",
		`{"n":"secret-of-the-text"}`:     `"n"`,
		`{"n":99999999999999999999}`:     `"n"`,
		`{"secret-of-the-text":1}`:       "unknown",
		`{secret-of-the-text`:            "no JSON",
		`{"when":"99999999999999999999"`: "byte",
	} {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		var r record
		err := JSON(d.Decode(&r), d.InputOffset())
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if JSON(nil, 0) != nil {
		t.Error("an error of nothing")
	}
}

func FuzzText(f *testing.F) {
	digits := number(f, "99000019850312001")
	for _, s := range []string{"", digits, "a" + digits + "b", jwt, "Bearer " + jwt, "bearer=12345678 x", "\xff" + digits, digits + digits} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := Text(s)
		if Text(out) != out {
			t.Errorf("%q: %q is changed again", s, out)
		}
		// Behind any text, what is a word of its own goes.
		for _, secret := range []string{digits, jwt} {
			if got := Text(s + " " + secret + " end"); strings.HasSuffix(got, secret+" end") {
				t.Errorf("%q: %q", s, got)
			}
		}
	})
}

func BenchmarkText(b *testing.B) {
	line := "invocation oidc-token http POST /token 200 c6af9ac6-7b61-11e6-9a41-93e8deadbeef 12.5"
	for name, text := range map[string]string{"clean": line, "secret": line + " " + jwt} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Text(text)
			}
		})
	}
}
