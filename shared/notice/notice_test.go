package notice

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func company(t *testing.T) string {
	t.Helper()
	code, err := ident.MakeUSCC("91990000MA000001")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestTheTableSaysWhoIsToldWhat(t *testing.T) {
	uscc := company(t)
	for name, test := range map[string]struct {
		e    audit.Event
		kind Kind // "" for nobody
	}{
		"a look-up by an agency":     {audit.Event{Action: "licence.read", Person: "sun", Organisation: "agency", Holder: "worker"}, LicenceRead},
		"the holder's own look-up":   {audit.Event{Action: "licence.read", Person: "worker", Holder: "worker"}, ""},
		"an agent of the holder":     {audit.Event{Action: "licence.read", Person: "zhang", Organisation: uscc, Holder: uscc}, ""},
		"a refused look-up":          {audit.Event{Action: "licence.read", Person: "sun", Holder: "worker", Outcome: audit.Refused, Reason: "forbidden"}, ""},
		"a stranger who verifies":    {audit.Event{Action: "licence.verify", Holder: "worker"}, ""},
		"a portal that verifies":     {audit.Event{Action: "licence.verify", Client: "portal", Holder: "worker"}, LicenceVerified},
		"a person who verifies":      {audit.Event{Action: "licence.verify", Person: "household", Holder: "worker"}, LicenceVerified},
		"who verifies what is his":   {audit.Event{Action: "licence.verify", Person: "worker", Holder: "worker"}, ""},
		"the issue":                  {audit.Event{Action: "licence.issue", Organisation: "agency", Holder: uscc}, LicenceIssued},
		"the beginning of an issue":  {audit.Event{Action: "licence.issue", Organisation: "agency", Holder: uscc, Outcome: audit.Begun}, ""},
		"a draft":                    {audit.Event{Action: "licence.draft", Holder: uscc}, ""},
		"a suspension":               {audit.Event{Action: "licence.suspend", Holder: uscc}, LicenceSuspended},
		"its end":                    {audit.Event{Action: "licence.resume", Holder: uscc}, LicenceResumed},
		"a revocation":               {audit.Event{Action: "licence.revoke", Holder: uscc}, LicenceRevoked},
		"a holder who is not known":  {audit.Event{Action: "licence.revoke"}, ""},
		"a seal that was made":       {audit.Event{Action: "seal.make", Organisation: "maker", Holder: uscc}, SealMade},
		"a seal that its owner ends": {audit.Event{Action: "seal.revoke", Organisation: uscc, Holder: uscc}, SealRevoked},
		"the use of a seal":          {audit.Event{Action: "seal.stamp", Organisation: uscc, Holder: uscc}, ""},
		"a sign-on":                  {audit.Event{Action: "session.begin", Person: "zhang", Holder: "zhang"}, ""},
		"in a new browser":           {audit.Event{Action: "account.browser", Person: "zhang", Holder: "zhang"}, SignedOnAnew},
		"a wrong password":           {audit.Event{Action: "session.begin", Holder: "zhang", Outcome: audit.Refused, Reason: "wrong_credentials"}, ""},
		"too many":                   {audit.Event{Action: "session.begin", Holder: "zhang", Outcome: audit.Refused, Reason: "throttled"}, SignOnThrottled},
		"the first password":         {audit.Event{Action: "account.password", Person: "zhang", Holder: "zhang", Channel: "event"}, ""},
		"another password":           {audit.Event{Action: "account.password", Person: "zhang", Holder: "zhang", Channel: "web"}, PasswordChanged},
		"a copied sign-on":           {audit.Event{Action: "grant.revoke", Reason: "refresh_token_reuse", Holder: "zhang"}, SessionCopied},
		"a sign-on that was ended":   {audit.Event{Action: "grant.revoke", Holder: "zhang"}, ""},
		"what nobody knows":          {audit.Event{Action: "something", Holder: "zhang"}, ""},
	} {
		e := test.e
		e.ID, e.Time, e.Purpose, e.ItemCode, e.CaseNumber, e.Object = "e1", noon.In(time.FixedZone("", 8*3600)), "为何(示例)", "SX", "BJ", "licence/l1"
		if e.Outcome == "" {
			e.Outcome = audit.Done
		}
		got := Of(e)
		if test.kind == "" {
			if len(got) != 0 {
				t.Errorf("%s tells %+v", name, got)
			}
			continue
		}
		want := Notice{ID: "e1/" + e.Holder, To: e.Holder, Organisation: e.Holder == uscc, Kind: test.kind, Time: noon, By: e.Organisation,
			Client: e.Client, Purpose: "为何(示例)", ItemCode: "SX", CaseNumber: "BJ", Object: "licence/l1"}
		if len(got) == 1 {
			want.ZH, want.EN = got[0].ZH, got[0].EN
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s tells %+v, want %+v", name, got, want)
		}
	}
}

// TestANoticeLeavesOutTheNumbersThatAPurposeNames: whoever did it writes the purpose, and may write anything.
func TestANoticeLeavesOutTheNumbersThatAPurposeNames(t *testing.T) {
	const number = "990000198503120019" // check-valid, of no division
	got := Of(audit.Event{ID: "e1", Time: noon, Action: "licence.read", Person: "sun", Organisation: "agency", Holder: "worker",
		Outcome: audit.Done, Purpose: "核对" + number + "的资质", CaseNumber: number, ItemCode: "SX " + number})
	if len(got) != 1 {
		t.Fatalf("tells %+v", got)
	}
	said, err := json.Marshal(got[0])
	if err != nil || strings.Contains(string(said), number) || !strings.HasPrefix(got[0].Purpose, "核对") {
		t.Errorf("tells %s, %v", said, err)
	}
}

func TestEveryKindHasItsTexts(t *testing.T) {
	seen := map[string]Kind{}
	for _, r := range rules {
		text := texts[r.kind]
		if !strings.HasSuffix(text.zh, "。") || !strings.HasSuffix(text.en, ".") {
			t.Errorf("%s says %q, %q", r.kind, text.zh, text.en)
		}
		if strings.ContainsAny(text.zh+text.en, "%{}<>0123456789") {
			t.Errorf("%s says more than a table can know: %q", r.kind, text)
		}
		if other, known := seen[text.zh]; known && other != r.kind {
			t.Errorf("%s and %s say the same", r.kind, other)
		}
		seen[text.zh] = r.kind
	}
	if len(texts) != len(seen) {
		t.Errorf("%d texts for %d kinds", len(texts), len(seen))
	}
}

type outbox struct {
	sent  []Notice
	fails error
}

func (o *outbox) Send(_ context.Context, n Notice) error {
	if o.fails != nil {
		return o.fails
	}
	o.sent = append(o.sent, n)
	return nil
}

func TestAnEventThatComesAgainMakesTheSameNotice(t *testing.T) {
	o := &outbox{}
	notify := Notify(NotifyPorts{Notices: o})
	e := audit.Event{ID: "e1", Time: noon, Action: "licence.revoke", Outcome: audit.Done, Holder: "worker"}
	for range 2 {
		if err := notify(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if len(o.sent) != 2 || !reflect.DeepEqual(o.sent[0], o.sent[1]) {
		t.Errorf("sent %+v", o.sent)
	}
	o.fails = errors.New("no")
	if err := notify(t.Context(), e); !errors.Is(err, o.fails) {
		t.Errorf("a notice that was not sent: %v", err)
	}
	e.Action = "licence.draft"
	if err := notify(t.Context(), e); err != nil {
		t.Errorf("an event that tells nobody: %v", err)
	}
}
