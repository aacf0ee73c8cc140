package sdjwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

type kind byte

const (
	scalar kind = iota // number, true, false, null
	text
	object
	array
)

// value is a JSON value whose members keep their order and have unique names.
type value struct {
	kind     kind
	raw      json.RawMessage // scalar
	text     string
	names    []string // object: the names, in order
	members  map[string]*value
	elements []*value
}

var (
	errUTF8      = errors.New("not UTF-8")
	errDepth     = errors.New("nested too deep")
	errDuplicate = errors.New("a member appears twice")
	errTrailing  = errors.New("something follows the JSON value")
)

// parseJSON reads one JSON value: UTF-8, at most maxDepth deep, no duplicate members, nothing after it.
func parseJSON(data []byte) (*value, error) {
	if !utf8.Valid(data) {
		return nil, errUTF8 // encoding/json would replace the bytes
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errTrailing
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (*value, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return decodeObject(d, depth)
		}
		return decodeArray(d, depth)
	case string:
		return &value{kind: text, text: t}, nil
	case json.Number:
		return &value{raw: json.RawMessage(t)}, nil
	case bool:
		if t {
			return &value{raw: json.RawMessage("true")}, nil
		}
		return &value{raw: json.RawMessage("false")}, nil
	default:
		return &value{raw: json.RawMessage("null")}, nil
	}
}

func decodeObject(d *json.Decoder, depth int) (*value, error) {
	v := newObject()
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if v.members[name] != nil {
			return nil, errDuplicate
		}
		member, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		v.set(name, member)
	}
	_, err := d.Token() // }
	return v, err
}

func decodeArray(d *json.Decoder, depth int) (*value, error) {
	v := &value{kind: array}
	for d.More() {
		element, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		v.elements = append(v.elements, element)
	}
	_, err := d.Token() // ]
	return v, err
}

func newObject() *value { return &value{kind: object, members: map[string]*value{}} }

func newText(s string) *value { return &value{kind: text, text: s} }

// set adds a member that is not there yet.
func (v *value) set(name string, member *value) {
	v.names = append(v.names, name)
	v.members[name] = member
}

// appendJSON writes v without spaces, members in their order.
func (v *value) appendJSON(b []byte) []byte {
	switch v.kind {
	case text:
		return appendString(b, v.text)
	case object:
		b = append(b, '{')
		for i, name := range v.names {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			b = v.members[name].appendJSON(b)
		}
		return append(b, '}')
	case array:
		b = append(b, '[')
		for i, e := range v.elements {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.appendJSON(b)
		}
		return append(b, ']')
	default:
		return append(b, v.raw...)
	}
}

// appendString writes s as a JSON string that keeps < > & readable.
func appendString(b []byte, s string) []byte {
	if plain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return append(b, `""`...) // a string always encodes
	}
	return append(b, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
}

// plain tells that s stands in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}
