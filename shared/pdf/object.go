package pdf

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An object is one of: nil (null), bool, integer, real, name, text, array, dict, ref, *stream.
type (
	object  any
	integer int64
	real    string // the literal, so that a number is written back as it was read
	name    string // decoded, without the slash
	text    []byte // a string's bytes
	array   []object
	dict    map[name]object
	ref     struct{ num, gen int }
	stream  struct {
		dict dict
		raw  []byte // as stored, still filtered
	}
)

// writeObject appends o in the form that we always write: keys in order, strings in hexadecimal.
func writeObject(b *bytes.Buffer, o object) {
	switch o := o.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(o))
	case integer:
		b.WriteString(strconv.FormatInt(int64(o), 10))
	case real:
		b.WriteString(string(o))
	case name:
		writeName(b, o)
	case text:
		b.WriteByte('<')
		b.WriteString(strings.ToUpper(hex.EncodeToString(o)))
		b.WriteByte('>')
	case ref:
		fmt.Fprintf(b, "%d %d R", o.num, o.gen)
	case array:
		b.WriteByte('[')
		for i, e := range o {
			if i > 0 {
				b.WriteByte(' ')
			}
			writeObject(b, e)
		}
		b.WriteByte(']')
	case dict:
		b.WriteString("<<")
		for _, k := range slices.Sorted(maps.Keys(o)) {
			writeName(b, k)
			b.WriteByte(' ')
			writeObject(b, o[k])
		}
		b.WriteString(">>")
	case raw:
		b.WriteString(string(o))
	case *stream:
		d := maps.Clone(o.dict)
		d["Length"] = integer(len(o.raw))
		writeObject(b, d)
		b.WriteString("\nstream\n")
		b.Write(o.raw)
		b.WriteString("\nendstream")
	}
}

// raw is PDF syntax to be written as it stands. The parser never makes one.
type raw string

func writeName(b *bytes.Buffer, n name) {
	b.WriteByte('/')
	for i := range len(n) {
		c := n[i]
		if c <= ' ' || c >= 0x7f || isDelimiter(c) || c == '#' {
			fmt.Fprintf(b, "#%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
}

// textString encodes s as a text string (ISO 32000-1, section 7.9.2.2): UTF-16BE behind a byte order mark.
func textString(s string) text {
	out := text{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}

// decodeText reads a text string: UTF-16BE, UTF-8 (PDF 2.0) or PDFDocEncoding, of which the ASCII part is taken and
// the rest read as Latin-1.
func decodeText(o object) string {
	t, ok := o.(text)
	if !ok {
		return ""
	}
	switch {
	case len(t) >= 2 && t[0] == 0xfe && t[1] == 0xff:
		units := make([]uint16, 0, len(t)/2)
		for i := 2; i+1 < len(t); i += 2 {
			units = append(units, uint16(t[i])<<8|uint16(t[i+1]))
		}
		return string(utf16.Decode(units))
	case len(t) >= 3 && t[0] == 0xef && t[1] == 0xbb && t[2] == 0xbf:
		return strings.ToValidUTF8(string(t[3:]), string(utf8.RuneError))
	default:
		var b strings.Builder
		for _, c := range t {
			b.WriteRune(rune(c))
		}
		return b.String()
	}
}

// number returns the value of an integer or real.
func number(o object) (float64, bool) {
	switch o := o.(type) {
	case integer:
		return float64(o), true
	case real:
		v, err := strconv.ParseFloat(string(o), 64)
		return v, err == nil
	default:
		return 0, false
	}
}

// decimal writes a number with at most three decimals.
func decimal(v float64) real { return real(appendDecimal(nil, v)) }

func appendDecimal(out []byte, v float64) []byte {
	n := int64(math.Round(v * 1000))
	if n < 0 {
		out = append(out, '-')
		n = -n
	}
	out = strconv.AppendInt(out, n/1000, 10)
	if n %= 1000; n == 0 {
		return out
	}
	out = append(out, '.', byte('0'+n/100))
	if n %= 100; n > 0 {
		out = append(out, byte('0'+n/10))
		if n %= 10; n > 0 {
			out = append(out, byte('0'+n))
		}
	}
	return out
}

// equal compares two values as they stand, references by number.
func equal(a, b object) bool {
	switch a := a.(type) {
	case text:
		b, ok := b.(text)
		return ok && bytes.Equal(a, b)
	case array:
		b, ok := b.(array)
		return ok && slices.EqualFunc(a, b, equal)
	case dict:
		b, ok := b.(dict)
		return ok && maps.EqualFunc(a, b, equal)
	case *stream:
		b, ok := b.(*stream)
		return ok && bytes.Equal(a.raw, b.raw) && maps.EqualFunc(a.dict, b.dict, equal)
	default:
		switch b.(type) {
		case text, array, dict, *stream:
			return false
		}
		return a == b
	}
}
