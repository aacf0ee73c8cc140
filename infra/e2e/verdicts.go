package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/verdict"
)

// Commands that stamp documents and judge what verification says of them.

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
