package pdf

import (
	"bytes"
	"strconv"
)

// parser reads the syntax of ISO 32000-1, section 7.2 and 7.3.
type parser struct {
	data  []byte
	pos   int
	depth int
	// whole is data and more, for the bodies of streams; nil if data is all there is.
	whole []byte
	// values counts what was parsed, against maxValues; nil for what is bounded anyway.
	values *int
	// contents is where the hexadecimal string under a key /Contents of the outermost dictionary stands, with its
	// angle brackets.
	contents [2]int
}

func isSpace(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

func isDelimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

func isRegular(c byte) bool { return !isSpace(c) && !isDelimiter(c) }

// space skips white space and comments.
func (p *parser) space() {
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case isSpace(c):
			p.pos++
		case c == '%':
			for p.pos < len(p.data) && p.data[p.pos] != '\n' && p.data[p.pos] != '\r' {
				p.pos++
			}
		default:
			return
		}
	}
}

// word returns the regular characters at the position.
func (p *parser) word() []byte {
	start := p.pos
	for p.pos < len(p.data) && isRegular(p.data[p.pos]) {
		p.pos++
	}
	return p.data[start:p.pos]
}

// keyword reads exactly this word, after white space.
func (p *parser) keyword(want string) bool {
	p.space()
	start := p.pos
	if string(p.word()) == want {
		return true
	}
	p.pos = start
	return false
}

// integer reads a non-negative integer of at most ten digits, after white space.
func (p *parser) integer() (int, bool) {
	p.space()
	start := p.pos
	for p.pos < len(p.data) && p.data[p.pos] >= '0' && p.data[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == start || p.pos-start > 10 || p.pos < len(p.data) && isRegular(p.data[p.pos]) {
		p.pos = start
		return 0, false
	}
	v, err := strconv.Atoi(string(p.data[start:p.pos]))
	return v, err == nil
}

func (p *parser) fail(what string) error { return damaged("%s at byte %d", what, p.pos) }

// value reads one object; streams are read by indirect.
func (p *parser) value() (object, error) {
	if p.values != nil {
		if *p.values++; *p.values > maxValues {
			return nil, refuse(TooLarge, "more than %d values", maxValues)
		}
	}
	p.space()
	if p.pos >= len(p.data) {
		return nil, p.fail("end of data")
	}
	switch c := p.data[p.pos]; {
	case c == '/':
		return p.name()
	case c == '(':
		return p.literal()
	case c == '<' && p.pos+1 < len(p.data) && p.data[p.pos+1] == '<':
		return p.dict()
	case c == '<':
		return p.hexadecimal()
	case c == '[':
		return p.array()
	case c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.':
		return p.number()
	default:
		switch word := p.word(); string(word) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		case "null":
			return nil, nil
		default:
			return nil, p.fail("unknown word")
		}
	}
}

func (p *parser) number() (object, error) {
	start := p.pos
	if num, ok := p.integer(); ok {
		after := p.pos
		if gen, ok := p.integer(); ok && p.keyword("R") {
			if num >= maxObjects*4 || gen > 65535 {
				return nil, p.fail("reference out of bounds")
			}
			return ref{num, gen}, nil
		}
		p.pos = after
		return integer(num), nil
	}
	word := p.word()
	if v, err := strconv.ParseInt(string(word), 10, 64); err == nil {
		return integer(v), nil
	}
	dots, digits := 0, 0
	for i, c := range word {
		switch {
		case c == '.':
			dots++
		case c >= '0' && c <= '9':
			digits++
		case (c == '+' || c == '-') && i == 0:
		default:
			p.pos = start
			return nil, p.fail("malformed number")
		}
	}
	if dots != 1 || digits == 0 || len(word) > 40 {
		p.pos = start
		return nil, p.fail("malformed number")
	}
	return real(word), nil
}

func (p *parser) name() (object, error) {
	p.pos++
	word := p.word()
	if bytes.IndexByte(word, '#') < 0 {
		return name(word), nil
	}
	out := make([]byte, 0, len(word))
	for i := 0; i < len(word); i++ {
		if word[i] != '#' {
			out = append(out, word[i])
			continue
		}
		if i+2 >= len(word) || unhex(word[i+1]) < 0 || unhex(word[i+2]) < 0 {
			return nil, p.fail("malformed name")
		}
		out = append(out, byte(unhex(word[i+1])<<4|unhex(word[i+2])))
		i += 2
	}
	return name(out), nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

func (p *parser) hexadecimal() (object, error) {
	p.pos++
	var out text
	high := -1
	for ; p.pos < len(p.data); p.pos++ {
		c := p.data[p.pos]
		v := unhex(c)
		switch {
		case c == '>':
			p.pos++
			if high >= 0 {
				out = append(out, byte(high<<4))
			}
			if out == nil {
				out = text{}
			}
			return out, nil
		case isSpace(c):
		case v < 0:
			return nil, p.fail("malformed hexadecimal string")
		case high < 0:
			high = v
		default:
			out = append(out, byte(high<<4|v))
			high = -1
		}
	}
	return nil, p.fail("open string")
}

func (p *parser) literal() (object, error) {
	p.pos++
	out := text{}
	for open := 1; p.pos < len(p.data); p.pos++ {
		c := p.data[p.pos]
		switch c {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				p.pos++
				return out, nil
			}
		case '\r':
			if p.pos+1 < len(p.data) && p.data[p.pos+1] == '\n' {
				p.pos++
			}
			c = '\n'
		case '\\':
			out = p.escape(out)
			continue
		}
		out = append(out, c)
	}
	return nil, p.fail("open string")
}

// escape reads what follows a backslash and leaves the position on its last byte.
func (p *parser) escape(out text) text {
	p.pos++
	if p.pos >= len(p.data) {
		return out
	}
	switch c := p.data[p.pos]; c {
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case '\r':
		if p.pos+1 < len(p.data) && p.data[p.pos+1] == '\n' {
			p.pos++
		}
		return out
	case '\n':
		return out
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v := int(c - '0')
		for i := 0; i < 2 && p.pos+1 < len(p.data) && p.data[p.pos+1] >= '0' && p.data[p.pos+1] <= '7'; i++ {
			p.pos++
			v = v<<3 | int(p.data[p.pos]-'0')
		}
		return append(out, byte(v))
	default:
		return append(out, c)
	}
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return refuse(TooLarge, "more than %d nested values at byte %d", maxNesting, p.pos)
	}
	return nil
}

func (p *parser) array() (object, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	p.pos++
	out := array{}
	for {
		p.space()
		if p.pos < len(p.data) && p.data[p.pos] == ']' {
			p.pos++
			return out, nil
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

// dict reads a dictionary. A key that occurs twice is refused: readers differ in which they take.
func (p *parser) dict() (object, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	p.pos += 2
	out := dict{}
	for {
		p.space()
		if p.pos+1 < len(p.data) && p.data[p.pos] == '>' && p.data[p.pos+1] == '>' {
			p.pos += 2
			return out, nil
		}
		if p.pos >= len(p.data) || p.data[p.pos] != '/' {
			return nil, p.fail("dictionary without a key")
		}
		k, err := p.name()
		if err != nil {
			return nil, err
		}
		key := k.(name)
		p.space()
		start := p.pos
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice {
			return nil, p.fail("key /" + string(key) + " twice")
		}
		if _, ok := v.(text); ok && key == "Contents" && p.depth == 1 && p.data[start] == '<' {
			p.contents = [2]int{start, p.pos}
		}
		out[key] = v // null too, so that the key is known to occur
	}
}

// header reads "n g obj".
func (p *parser) header() (ref, bool) {
	num, ok := p.integer()
	if !ok {
		return ref{}, false
	}
	gen, ok := p.integer()
	return ref{num, gen}, ok && p.keyword("obj")
}

// indirect reads an indirect object. length resolves the /Length of a stream.
func (p *parser) indirect(length func(object) (int, error)) (ref, object, error) {
	id, ok := p.header()
	if !ok {
		return id, nil, p.fail("no object")
	}
	v, err := p.value()
	if err != nil {
		return id, nil, err
	}
	d, isDict := v.(dict)
	if !isDict || !p.keyword("stream") {
		if !p.keyword("endobj") {
			return id, nil, p.fail("object without an end")
		}
		return id, v, nil
	}
	switch {
	case bytes.HasPrefix(p.data[p.pos:], []byte("\r\n")):
		p.pos += 2
	case bytes.HasPrefix(p.data[p.pos:], []byte("\n")):
		p.pos++
	default:
		return id, nil, p.fail("stream without an end of line")
	}
	n, err := length(d["Length"])
	if err != nil {
		return id, nil, err
	}
	if p.whole != nil {
		p.data = p.whole
	}
	if n < 0 || n > len(p.data)-p.pos {
		return id, nil, p.fail("stream beyond the end")
	}
	s := &stream{dict: d, raw: p.data[p.pos : p.pos+n]}
	p.pos += n
	if !p.keyword("endstream") || !p.keyword("endobj") {
		return id, nil, p.fail("stream without an end")
	}
	return id, s, nil
}
