package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Commands that say what the last answer must be, and that keep something of it.

// status: status N [CODE]
func (p *play) status(_ context.Context, a args) error {
	if err := a.need(1, 2); err != nil {
		return err
	}
	if fmt.Sprint(p.last.status) != a.at[0] {
		return fmt.Errorf("the status is %d", p.last.status)
	}
	if len(a.at) == 2 && p.code() != a.at[1] {
		return fmt.Errorf("the code is %q", p.code())
	}
	return nil
}

// find walks a path of members and indexes, "licences.0.identifier", in the last answer.
func (p *play) find(path string) (value any, found bool, err error) {
	d := json.NewDecoder(bytes.NewReader(p.last.body))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, false, fmt.Errorf("the answer is no JSON: %w", err)
	}
	return walk(value, path)
}

func walk(value any, path string) (any, bool, error) {
	if path == "." {
		return value, true, nil
	}
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[name]
			if !ok {
				return nil, false, nil
			}
			value = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false, nil
			}
			value = v[i]
		default:
			return nil, false, nil
		}
	}
	return value, true, nil
}

func textOf(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		data, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(data)
	}
}

// json: json PATH is TEXT | isnot TEXT | has TEXT | lacks TEXT | count N | present | absent
func (p *play) json(_ context.Context, a args) error {
	if err := a.need(2, 3); err != nil {
		return err
	}
	value, found, err := p.find(a.at[0])
	if err != nil {
		return err
	}
	return compare(value, found, a.at[1:])
}

func compare(value any, found bool, rule []string) error {
	want := ""
	if len(rule) > 1 {
		want = rule[1]
	}
	ok := false
	switch rule[0] {
	case "is":
		ok = found && textOf(value) == want
	case "isnot":
		ok = found && textOf(value) != want
	case "has":
		ok = found && strings.Contains(textOf(value), want)
	case "lacks":
		ok = !strings.Contains(textOf(value), want)
	case "count":
		list, _ := value.([]any)
		ok = fmt.Sprint(len(list)) == want
	case "present":
		ok = found
	case "absent":
		ok = !found
	default:
		return fmt.Errorf("there is no comparison %q", rule[0])
	}
	if !ok {
		return fmt.Errorf("it is %.300q (there: %t)", textOf(value), found)
	}
	return nil
}

// header: header NAME is TEXT | has TEXT | present | absent
func (p *play) header(_ context.Context, a args) error {
	if err := a.need(2, 3); err != nil {
		return err
	}
	values := p.last.header.Values(a.at[0])
	return compare(strings.Join(values, ", "), len(values) > 0, a.at[1:])
}

// bodyHas: body has TEXT | lacks TEXT | is TEXT
func (p *play) bodyHas(_ context.Context, a args) error {
	if err := a.need(2, 2); err != nil {
		return err
	}
	return compare(string(p.last.body), true, a.at)
}

// let: let NAME json PATH | let NAME header NAME | let NAME is TEXT
func (p *play) let(_ context.Context, a args) error {
	if err := a.need(3, 3); err != nil {
		return err
	}
	name, from := a.at[0], a.at[2]
	switch a.at[1] {
	case "is":
		p.vars[name] = from
	case "header":
		p.vars[name] = p.last.header.Get(from)
	case "json":
		value, found, err := p.find(from)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("there is no %s", from)
		}
		p.vars[name] = textOf(value)
	default:
		return fmt.Errorf("there is no source %q", a.at[1])
	}
	return nil
}

// claims: claims TOKEN: the payload of a JWS is the last answer; nobody has verified it.
func (p *play) claims(_ context.Context, a args) error {
	if err := a.need(1, 1); err != nil {
		return err
	}
	text := a.at[0]
	if strings.HasPrefix(text, "@") {
		data, err := p.file(text)
		if err != nil {
			return err
		}
		text = string(data)
	}
	text, _, _ = strings.Cut(text, "~")
	part := strings.Split(text, ".")
	if len(part) != 3 {
		return errors.New("it is no JWS")
	}
	data, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		return err
	}
	p.last = response{status: http.StatusOK, header: http.Header{}, body: data}
	return nil
}

// save: save FILE: the last answer's body.
func (p *play) save(_ context.Context, a args) error {
	if err := a.need(1, 1); err != nil {
		return err
	}
	p.files[a.at[0]] = p.last.body
	return nil
}
