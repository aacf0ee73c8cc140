package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/infra/local/browser"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/verdict"
)

// args are the words after a command's name: positions, options with a value each ("-token x", some several times), and
// where the result goes ("-> name").
type args struct {
	at      []string
	options map[string][]string
	to      string
}

// arguments takes words apart. An option is a word of a hyphen and lower-case letters.
func arguments(words []string) args {
	a := args{options: map[string][]string{}}
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "->" && i+1 < len(words):
			i++
			a.to = words[i]
		case len(w) > 1 && w[0] == '-' && strings.Trim(w[1:], "abcdefghijklmnopqrstuvwxyz") == "" && i+1 < len(words):
			i++
			a.options[w[1:]] = append(a.options[w[1:]], words[i])
		default:
			a.at = append(a.at, w)
		}
	}
	return a
}

// need checks how many positions there are, and that no other options are given.
func (a args) need(low, high int, options ...string) error {
	if len(a.at) < low || high >= 0 && len(a.at) > high {
		return fmt.Errorf("%d words where %d to %d belong: %q", len(a.at), low, high, a.at)
	}
	for name := range a.options {
		if !slices.Contains(options, name) {
			return fmt.Errorf("there is no option -%s", name)
		}
	}
	return nil
}

// one is an option's value, or otherwise.
func (a args) one(name, otherwise string) string {
	if v := a.options[name]; len(v) > 0 {
		return v[0]
	}
	return otherwise
}

// verbs are the commands. README.md describes them.
func verbs() map[string]func(*play, context.Context, args) error {
	return map[string]func(*play, context.Context, args) error{
		"sign-on": (*play).signOn, "typed": (*play).typed, "http": (*play).request, "status": (*play).status,
		"json": (*play).json, "header": (*play).header, "body": (*play).bodyHas, "let": (*play).let, "save": (*play).save,
		"secret": (*play).secret, "make": (*play).make, "alter": (*play).alter, "stamp": (*play).stamp, "verify": (*play).verify,
		"verdict": (*play).judgement, "check": (*play).check, "invoke": (*play).invoke, "settle": (*play).settle,
		"schedule": (*play).schedule, "claims": (*play).claims, "wait": (*play).wait, "digest": (*play).digest,
		"restart": (*play).restart, "fill": (*play).fill, "receive": (*play).receive,
	}
}

// signOn: sign-on PERSON CLIENT [-browser NAME] [-scope SCOPES] [-> NAME]
func (p *play) signOn(ctx context.Context, a args) error {
	if err := a.need(2, 2, "browser", "scope"); err != nil {
		return err
	}
	person := a.at[0]
	app, known := p.cast.apps[a.at[1]]
	if !known {
		return fmt.Errorf("the seed has no client %q", a.at[1])
	}
	app.Scope = a.one("scope", app.Scope)
	b := p.browser(a.one("browser", person))
	tokens, err := b.SignOn(ctx, app, person, p.cast.passwords[person])
	if err != nil {
		return err
	}
	name := a.to
	if name == "" {
		name = person
	}
	for suffix, value := range map[string]string{"": tokens.Access, "_refresh": tokens.Refresh, "_id": tokens.ID} {
		p.vars[name+suffix] = value
		p.hide(value, "a token of "+person)
	}
	p.transcript = append(p.transcript, "signed on, "+tokens.Scope)
	return nil
}

func (p *play) browser(name string) *browser.Browser {
	if p.browsers[name] == nil {
		p.browsers[name] = browser.New(p.backend.Base(), p.backend.Transport())
	}
	return p.browsers[name]
}

// hide keeps what no log may hold.
func (p *play) hide(value, what string) {
	if value != "" {
		p.secrets[value] = what
	}
}

// typed: typed BROWSER N: how often a password was typed in it.
func (p *play) typed(_ context.Context, a args) error {
	if err := a.need(2, 2); err != nil {
		return err
	}
	if got := fmt.Sprint(p.browser(a.at[0]).Typed); got != a.at[1] {
		return fmt.Errorf("a password was typed %s times", got)
	}
	return nil
}

// request: http METHOD PATH [-token T] [-client ID] [-browser NAME] [-json TEXT] [-form K=V]… [-part K=V]… [-file @F]
// [-media M] [-accept M] [-header "K: V"]… [-headers JSON]
func (p *play) request(ctx context.Context, a args) error {
	if err := a.need(2, 2, "token", "client", "browser", "json", "form", "part", "file", "media", "accept", "header", "headers"); err != nil {
		return err
	}
	method, target := a.at[0], a.at[1]
	if strings.HasPrefix(target, "/") {
		target = p.backend.Base() + target
	}
	body, media, err := p.bodyOf(a)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if media = a.one("media", media); media != "" {
		r.Header.Set("Content-Type", media)
	}
	if accept := a.one("accept", ""); accept != "" {
		r.Header.Set("Accept", accept)
	}
	if token := a.one("token", ""); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if app, known := p.cast.apps[a.one("client", "")]; known && app.Secret != "" {
		r.SetBasicAuth(url.QueryEscape(app.ID), url.QueryEscape(app.Secret))
	}
	for _, h := range a.options["header"] {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Set(name, strings.TrimSpace(value))
	}
	if text := a.one("headers", ""); text != "" {
		var list map[string]string
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return fmt.Errorf("-headers: %w", err)
		}
		for name, value := range list {
			r.Header.Set(name, value)
		}
	}
	client := p.http
	if name := a.one("browser", ""); name != "" {
		client = p.browser(name).Client()
	}
	if err := p.send(client, r); err != nil {
		return err
	}
	p.verdict = nil
	outcome := p.outcome()
	if target == a.at[1] { // an address that was given: it may be the store of blobs that answers, not the platform
		outcome = fmt.Sprint(p.last.status)
	}
	p.transcript = append(p.transcript, outcome)
	return nil
}

// bodyOf is what a request brings.
func (p *play) bodyOf(a args) (body []byte, media string, err error) {
	switch {
	case a.options["json"] != nil:
		body, err = p.content(a.one("json", ""))
		return body, "application/json", err
	case a.options["form"] != nil:
		form := url.Values{}
		for _, f := range a.options["form"] {
			name, value, _ := strings.Cut(f, "=")
			form.Add(name, value)
		}
		if app := p.cast.apps[a.one("client", "")]; app.ID != "" && app.Secret == "" {
			form.Set("client_id", app.ID)
		}
		return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
	case a.options["part"] != nil:
		var out bytes.Buffer
		w := multipart.NewWriter(&out)
		for _, f := range a.options["part"] {
			name, value, _ := strings.Cut(f, "=")
			if strings.HasPrefix(value, "@") && slices.Contains([]string{"document", "file"}, name) {
				data, err := p.file(value)
				if err != nil {
					return nil, "", err
				}
				part, err := w.CreateFormFile(name, value[1:])
				if err != nil {
					return nil, "", err
				}
				if _, err := part.Write(data); err != nil {
					return nil, "", err
				}
				continue
			}
			text, err := p.content(value)
			if err != nil {
				return nil, "", err
			}
			if err := w.WriteField(name, string(text)); err != nil {
				return nil, "", err
			}
		}
		err := w.Close()
		return out.Bytes(), w.FormDataContentType(), err
	case a.options["file"] != nil:
		body, err = p.file(a.one("file", ""))
		return body, mediaOf(a.one("file", "")), err
	}
	return nil, "", nil
}

func mediaOf(name string) string {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "pdf":
		return "application/pdf"
	case "ofd":
		return "application/ofd"
	default:
		return ""
	}
}

// code is the code of the last answer, if it is a refusal: of a problem document, or of OAuth.
func (p *play) code() string {
	var said struct{ Code, Error string }
	if p.last.status/100 == 2 || json.Unmarshal(p.last.body, &said) != nil {
		return ""
	}
	if said.Code == "" {
		return said.Error
	}
	return said.Code
}

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

// secret: secret VALUE WHAT: no log may hold the value.
func (p *play) secret(_ context.Context, a args) error {
	if err := a.need(2, 2); err != nil {
		return err
	}
	p.hide(a.at[0], a.at[1])
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

// make: make FILE TITLE LINE… [-pages N] [-attach N]: a document, PDF or OFD by its name; an OFD with an attachment of
// N random bytes.
func (p *play) make(_ context.Context, a args) error {
	if err := a.need(2, -1, "pages", "attach"); err != nil {
		return err
	}
	fonts, err := layout.Embedded()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(a.one("pages", "1"))
	if err != nil {
		return err
	}
	var pages []layout.Page
	for range n {
		page := layout.Page{W: 210, H: 297}
		for i, line := range a.at[1:] {
			page.Items = append(page.Items, layout.Text{X: 30, Y: 40 + 12*float64(i), Size: 5, S: line})
		}
		pages = append(pages, page)
	}
	now := time.Now()
	var data []byte
	switch mediaOf(a.at[0]) {
	case "application/pdf":
		data, err = pdf.Write(pdf.Document{Pages: pages, Title: a.at[1], Created: now, Lang: "zh-CN"}, fonts)
	case "application/ofd":
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails (crypto/rand)
		d := ofd.Document{Pages: pages, Title: a.at[1], Created: now, DocID: hex.EncodeToString(id[:])}
		if n, _ := strconv.Atoi(a.one("attach", "0")); n > 0 {
			content := make([]byte, n)
			_, _ = rand.Read(content) // never fails
			d.Attachments = []ofd.Attachment{{Name: "annex.bin", Data: content}}
		}
		data, err = ofd.Write(d, fonts)
	default:
		return fmt.Errorf("%q is neither a PDF nor an OFD", a.at[0])
	}
	p.files[a.at[0]] = data
	return err
}

// alter: alter FILE -after TEXT -skip N -> FILE flips a bit; alter FILE [-entry PART] -from TEXT -to TEXT -> FILE
// replaces text, in the entries of a package whose names have PART.
func (p *play) alter(_ context.Context, a args) error {
	if err := a.need(1, 1, "after", "skip", "from", "to", "entry"); err != nil {
		return err
	}
	data, err := p.file(a.at[0])
	if err != nil {
		return err
	}
	if a.to == "" {
		return errors.New("the altered file needs a name")
	}
	if after := strings.ReplaceAll(a.one("after", ""), `\n`, "\n"); after != "" {
		skip, err := strconv.Atoi(a.one("skip", "0"))
		at := bytes.Index(data, []byte(after)) + len(after) + skip
		if err != nil || at < len(after)+skip || at >= len(data) {
			return errors.New("there is nothing to alter")
		}
		forged := bytes.Clone(data)
		forged[at] ^= 1
		p.files[a.to] = forged
		return nil
	}
	edit := func(b []byte) []byte { return bytes.Replace(b, []byte(a.one("from", "")), []byte(a.one("to", "")), 1) }
	forged := edit(data)
	if entry := a.one("entry", ""); entry != "" {
		if forged, err = editPackage(data, entry, edit); err != nil {
			return err
		}
	}
	if bytes.Equal(forged, data) {
		return errors.New("there is nothing to alter")
	}
	p.files[a.to] = forged
	return nil
}

// editPackage rewrites the entries of a ZIP package whose names have part. Where nothing changes it returns the
// package.
func editPackage(data []byte, part string, edit func([]byte) []byte) ([]byte, error) {
	in, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	changed := false
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(r, maxAnswer))
		if err != nil {
			return nil, err
		}
		if strings.Contains(f.Name, part) {
			edited := edit(content)
			changed = changed || !bytes.Equal(edited, content)
			content = edited
		}
		entry, err := w.Create(f.Name)
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if !changed {
		return data, nil
	}
	return out.Bytes(), nil
}

// stamp: stamp SEAL @FILE -token T -order JSON [-> FILE]
func (p *play) stamp(ctx context.Context, a args) error {
	if err := a.need(2, 2, "token", "order"); err != nil {
		return err
	}
	err := p.request(ctx, args{at: []string{"POST", "/seals/" + a.at[0] + "/stamps"}, options: map[string][]string{
		"token": {a.one("token", "")}, "part": {"order=" + a.one("order", "{}"), "document=" + a.at[1]},
	}})
	if err == nil && a.to != "" {
		if p.last.status != http.StatusOK {
			return fmt.Errorf("the status is %d", p.last.status)
		}
		p.files[a.to] = p.last.body
	}
	return err
}

// judged is a verdict that was read.
type judged struct{ verdict.Verdict }

// verify: verify @FILE|TEXT [-token T] [-purpose JSON]: a document by its media type, any other text as input.
func (p *play) verify(ctx context.Context, a args) error {
	if err := a.need(1, 1, "token", "purpose"); err != nil {
		return err
	}
	o := map[string][]string{"accept": {"application/json"}}
	if token := a.one("token", ""); token != "" {
		o["token"] = []string{token}
	}
	if media := mediaOf(a.at[0]); strings.HasPrefix(a.at[0], "@") && media != "" {
		o["file"], o["media"] = []string{a.at[0]}, []string{media}
	} else {
		text := []byte(a.at[0])
		if strings.HasPrefix(a.at[0], "@") {
			var err error
			if text, err = p.file(a.at[0]); err != nil { // as it is: a dollar sign in it is no variable
				return err
			}
		}
		in := map[string]any{"input": string(text)}
		if purpose := a.one("purpose", ""); purpose != "" {
			content, err := p.content(purpose)
			if err != nil {
				return err
			}
			in["purpose"] = json.RawMessage(content)
		}
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		p.files["verify.json"] = body
		o["file"], o["media"] = []string{"@verify.json"}, []string{"application/json"}
	}
	if err := p.request(ctx, args{at: []string{"POST", "/verify"}, options: o}); err != nil {
		return err
	}
	var v judged
	if p.last.status != http.StatusOK || json.Unmarshal(p.last.body, &v.Verdict) != nil {
		return nil // a refusal: "status" judges it
	}
	p.verdict = &v
	shown := []string{v.shown()}
	for _, c := range v.Checks {
		shown = append(shown, strings.TrimSuffix(c.ID+" "+string(c.Result)+" "+c.Code, " "))
	}
	p.transcript[len(p.transcript)-1] += " " + strings.Join(shown, "; ")
	return nil
}

// shown is a verdict in one line: the outcome, and the codes that failed or, where nobody could tell, why not.
func (v judged) shown() string {
	codes := v.Failed()
	for _, c := range v.Checks {
		unsure := c.Result == verdict.Unknown || c.Result == verdict.Skipped
		if unsure && v.Overall == verdict.Indeterminate && !slices.Contains(codes, c.Code) {
			codes = append(codes, c.Code)
		}
	}
	return strings.Join(append([]string{string(v.Overall)}, codes...), " ")
}

// judgement: verdict OUTCOME [CODE…]: the outcome and all codes that explain it.
func (p *play) judgement(_ context.Context, a args) error {
	if err := a.need(1, -1); err != nil {
		return err
	}
	if p.verdict == nil {
		return errors.New("the last answer is no verdict")
	}
	if got := p.verdict.shown(); got != strings.Join(a.at, " ") {
		return fmt.Errorf("the verdict is %s", got)
	}
	return nil
}

// check: check ID RESULT [CODE]: one check of the last verdict.
func (p *play) check(_ context.Context, a args) error {
	if err := a.need(2, 3); err != nil {
		return err
	}
	if p.verdict == nil {
		return errors.New("the last answer is no verdict")
	}
	for _, c := range p.verdict.Checks {
		if c.ID == a.at[0] && string(c.Result) == a.at[1] && (len(a.at) < 3 || c.Code == a.at[2]) {
			return nil
		}
	}
	return fmt.Errorf("there is no such check among %+v", p.verdict.Checks)
}

// invoke: invoke FUNCTION JSON: as an operator does. The answer is the last answer.
func (p *play) invoke(ctx context.Context, a args) error {
	if err := a.need(2, 2); err != nil {
		return err
	}
	event, err := p.content(a.at[1])
	if err != nil {
		return err
	}
	answer, err := p.backend.Operate(ctx, a.at[0], event)
	if err != nil {
		return err
	}
	p.last = response{status: http.StatusOK, header: http.Header{}, body: answer}
	return nil
}

// settle: settle: streams and queues are taken to their functions.
func (p *play) settle(ctx context.Context, a args) error {
	if err := a.need(0, 0); err != nil {
		return err
	}
	return p.backend.Settle(ctx)
}

// schedule: schedule FUNCTION: its schedule fires.
func (p *play) schedule(ctx context.Context, a args) error {
	if err := a.need(1, 1); err != nil {
		return err
	}
	return p.backend.Schedule(ctx, a.at[0])
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

// wait: wait DURATION: for what no answer tells of, such as a time to live.
func (p *play) wait(ctx context.Context, a args) error {
	if err := a.need(1, 1); err != nil {
		return err
	}
	d, err := time.ParseDuration(a.at[0])
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// digest: digest FILE -> NAME: its SHA-256 in hexadecimal; NAME_size is its length.
func (p *play) digest(_ context.Context, a args) error {
	if err := a.need(1, 1); err != nil {
		return err
	}
	data, err := p.file(a.at[0])
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	p.vars[a.to], p.vars[a.to+"_size"] = hex.EncodeToString(sum[:]), strconv.Itoa(len(data))
	return nil
}

// fill: fill FILE N: a file of N bytes, all of them "x".
func (p *play) fill(_ context.Context, a args) error {
	if err := a.need(2, 2); err != nil {
		return err
	}
	n, err := strconv.Atoi(a.at[1])
	if err != nil || n < 0 || n > maxAnswer {
		return fmt.Errorf("a file of %q bytes", a.at[1])
	}
	p.files[a.at[0]] = bytes.Repeat([]byte("x"), n)
	return nil
}

// restart: restart: every process ends, and the next invocation of each is a cold start: nothing that was read stays
// known, as after a time to live.
func (p *play) restart(_ context.Context, a args) error {
	if err := a.need(0, 0); err != nil {
		return err
	}
	return p.backend.Restart()
}

// receive: receive QUEUE: takes what the queue of that logical identifier holds; the bodies, a list, are the last
// answer.
func (p *play) receive(ctx context.Context, a args) error {
	if err := a.need(1, 1); err != nil {
		return err
	}
	list, err := p.backend.Receive(ctx, a.at[0])
	if err != nil {
		return err
	}
	p.last = response{status: http.StatusOK, header: http.Header{}, body: []byte("[" + strings.Join(list, ",") + "]")}
	return nil
}
