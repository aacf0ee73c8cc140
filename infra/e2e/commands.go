package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
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

// secret: secret VALUE WHAT: no log may hold the value.
func (p *play) secret(_ context.Context, a args) error {
	if err := a.need(2, 2); err != nil {
		return err
	}
	p.hide(a.at[0], a.at[1])
	return nil
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
