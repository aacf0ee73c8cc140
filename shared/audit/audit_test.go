package audit

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/problem"
)

func TestAPurposeIsStatedAndCanBeKept(t *testing.T) {
	for name, test := range map[string]struct {
		p  Purpose
		ok bool
	}{
		"a text":               {Purpose{Text: "年检(示例)"}, true},
		"everything":           {Purpose{"c", "年检(示例)", "SX-1", "BJ-1", "第三条"}, true},
		"as long as may be":    {Purpose{Text: strings.Repeat("年", 200)}, true},
		"nothing":              {Purpose{ItemCode: "SX-1"}, false},
		"blanks":               {Purpose{Text: " \t"}, false},
		"too long":             {Purpose{Text: strings.Repeat("年", 201)}, false},
		"a line break":         {Purpose{Text: "x", CaseNumber: "a\nb"}, false},
		"a deletion character": {Purpose{Text: "x", LegalBasis: "a\x7f"}, false},
		"no UTF-8":             {Purpose{Text: "x\xff"}, false},
		"the other direction":  {Purpose{Text: "年检\u202e例示\u202c"}, false},
		"an isolate":           {Purpose{Text: "x", CaseNumber: "\u2067A1\u2069"}, false},
		"a mark of direction":  {Purpose{Text: "x\u200f"}, false},
		"a line separator":     {Purpose{Text: "x\u2028y"}, false},
		"a C1 control":         {Purpose{Text: "x\u0085y"}, false},
	} {
		if err := test.p.Check(); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrPurpose) {
			t.Errorf("%s: Check = %v, want ok %v", name, err, test.ok)
		}
	}
}

type trail []Event

func (r *trail) Record(_ context.Context, e Event) error {
	*r = append(*r, e)
	return nil
}

type full struct{}

func (full) Record(context.Context, Event) error { return errors.New("the disk is full") }

func TestARefusalIsRecordedAndAFaultIsNot(t *testing.T) {
	e := Event{ID: "1", Time: time.Unix(1, 0), Action: "seal.stamp", Outcome: Done}
	var r trail
	if err := Refuse(t.Context(), &r, e, problem.Forbidden); !errors.Is(err, problem.Forbidden) {
		t.Errorf("Refuse = %v, want the refusal", err)
	}
	if len(r) != 1 || r[0].Outcome != Refused || r[0].Reason != "forbidden" || r[0].Action != "seal.stamp" {
		t.Errorf("the trail holds %+v, want the refusal with its code", r)
	}
	fault := errors.New("unreachable")
	if err := Refuse(t.Context(), &r, e, fault); err != fault || len(r) != 1 {
		t.Errorf("Refuse of a fault = %v with %d events, want the fault alone", err, len(r))
	}
	if err := Refuse(t.Context(), full{}, e, problem.Forbidden); err == nil || errors.Is(err, problem.Forbidden) {
		t.Errorf("a refusal that cannot be recorded = %v, want a fault", err)
	}
}

func TestAnIdentifierNeedsItsRandomness(t *testing.T) {
	a, err := NewID(bytes.NewReader(make([]byte, 16)))
	if err != nil || len(a) != 32 {
		t.Errorf("NewID = %q, %v", a, err)
	}
	if id, err := NewID(bytes.NewReader(make([]byte, 15))); err == nil || id != "" {
		t.Errorf("NewID without randomness = %q, %v; want an error", id, err)
	}
}

func TestNothingButAnIdentifierOfAKeyComesIntoTheTrail(t *testing.T) {
	for _, id := range []string{"", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "a b", "a/b", strings.Repeat("a", 65), "张三"} {
		var r trail
		kill := Kill(KillPorts{Audit: &r, Now: time.Now, Rand: bytes.NewReader(make([]byte, 16))})
		if _, err := kill(t.Context(), key.KillOrder{KeyID: id}); err == nil || len(r) != 0 {
			t.Errorf("the end of key %q: %v, the trail holds %d events", id, err, len(r))
		}
	}
}
