package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/infra/local/browser"
)

// Commands that send requests, as a person in a browser or as a client.

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
	if err := a.need(2, 2, "token", "client", "browser", "json", "form", "part", "file", "media", "accept", "header",
		"headers"); err != nil {
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
