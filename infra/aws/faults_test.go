package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/smithy-go"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/oidc"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/verify"
)

// refusedAbsent is how DynamoDB refuses a condition on an item that is not there.
const refusedAbsent = `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`

// refused is how it refuses one on an item that is there.
func refused(it string) string {
	return `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed","Item":` + it + `}`
}

// fault is an error of DynamoDB as its API reference has it.
func fault(code string) string {
	return fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"made by a test"}`, code)
}

// timeout is the error of a connection that gave no answer in time.
type timeout struct{}

func (timeout) Error() string   { return "no answer in time" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// passing are faults after which the same request may succeed.
func passing() map[string]exchange {
	return map[string]exchange{
		"the table is throttled":             {status: 400, answer: fault("ProvisionedThroughputExceededException")},
		"the account is throttled":           {status: 400, answer: fault("RequestLimitExceeded")},
		"the control plane is throttled":     {status: 400, answer: fault("ThrottlingException")},
		"another's transaction has the item": {status: 400, answer: fault("TransactionConflictException")},
		"the service has a fault":            {status: 500, answer: fault("InternalServerError")},
		"the service is not there":           {status: 503, answer: fault("ServiceUnavailable")},
		"no answer comes":                    {fault: timeout{}},
		"the connection breaks":              {fault: syscall.ECONNRESET},
	}
}

func TestEveryCallOutlivesAPassingFault(t *testing.T) {
	for name, f := range passing() {
		t.Run(name, func(t *testing.T) {
			for _, c := range calls() {
				// Before each of its requests, and twice before the last.
				var script []exchange
				for i, e := range c.script {
					again := f
					again.op, again.want = e.op, e.want
					script = append(script, again, e)
					if i == len(c.script)-1 {
						script = append(script[:len(script)-1], again, e)
					}
				}
				db, w := scripted(t, script...)
				if err := c.do(t.Context(), db); err != nil || len(w.sent) != len(script) {
					t.Errorf("%s: %v after %d requests, want %d", c.name, err, len(w.sent), len(script))
				}
			}
		})
	}
}

func TestAFaultThatStaysIsReportedAsOne(t *testing.T) {
	for name, f := range passing() {
		for _, c := range calls() {
			first := f
			first.op = c.script[0].op
			var script []exchange
			for range 6 {
				script = append(script, first)
			}
			db, w := scripted(t, script...)
			err := c.do(t.Context(), db)
			if err == nil || isSentinel(err) || len(w.sent) != 6 {
				t.Errorf("%s, %s: %v after %d requests", name, c.name, err, len(w.sent))
			}
		}
	}
}

func TestARequestThatIsWrongIsNotSentAgain(t *testing.T) {
	for _, code := range []string{"ValidationException", "ResourceNotFoundException", "AccessDeniedException",
		"ItemCollectionSizeLimitExceededException"} {
		for _, c := range calls() {
			db, w := scripted(t, exchange{op: c.script[0].op, status: 400, answer: fault(code)})
			err := c.do(t.Context(), db)
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != code || len(w.sent) != 1 {
				t.Errorf("%s, %s: %v after %d requests", code, c.name, err, len(w.sent))
			}
		}
	}
}

func TestAnAnswerThatIsNoneIsAFault(t *testing.T) {
	for _, answer := range []string{"<html>", `{"Item":`, `{"Item":{"body":{"S":"{"},"scopes":{"S":""},"until":{"N":"x"}}}`, `{"Item":[]}`} {
		for _, c := range calls() {
			if c.script[0].op != "GetItem" || !strings.Contains(c.script[0].answer, "body") {
				continue
			}
			var script []exchange
			for range 6 { // an answer cut short may be tried again
				script = append(script, exchange{op: "GetItem", answer: answer})
			}
			db, _ := scripted(t, script...)
			if err := c.do(t.Context(), db); err == nil || isSentinel(err) {
				t.Errorf("%q to %s: %v", answer, c.name, err)
			}
		}
	}
}

func TestAContextThatEndsEndsTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range calls() {
		db, w := scripted(t)
		if err := c.do(ctx, db); !errors.Is(err, context.Canceled) || len(w.sent) > 0 {
			t.Errorf("%s: %v after %d requests", c.name, err, len(w.sent))
		}
	}
}

// isSentinel tells whether an error says something of a record, which a fault does not.
func isSentinel(err error) bool {
	for _, s := range []error{registry.ErrPersonUnknown, registry.ErrOrganisationUnknown, oidc.ErrClientUnknown, oidc.ErrCodeUnknown,
		oidc.ErrCodeRedeemed, oidc.ErrRefreshUnknown, oidc.ErrRefreshRaced, oidc.ErrRefreshReused, oidc.ErrUsed, oidc.ErrPersonUnknown,
		access.ErrGrantGone, access.ErrSessionGone, account.ErrCredentialUnknown, account.ErrCredentialExists, account.ErrExhausted,
		seal.ErrUnknown, seal.ErrExists, seal.ErrChanged, seal.ErrOrganisationUnknown, licence.ErrUnknown, licence.ErrExists,
		licence.ErrChanged, licence.ErrListFull, verify.ErrUnknown, verify.ErrCodeSpent,
		document.ErrUnknown, document.ErrExists, document.ErrClaimed, document.ErrEnded} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// TestALostAnswerIsNoRefusal: the write was done, its answer was lost, and the SDK's second attempt meets the record
// that the first one wrote. The event's identifier in it says so.
func TestALostAnswerIsNoRefusal(t *testing.T) {
	text, err := json.Marshal(told1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls() {
		last := c.script[len(c.script)-1]
		if !strings.Contains(last.want, "EVENT") || !strings.Contains(last.want, "ConditionExpression") {
			continue
		}
		stored := `{"event":{"S":` + string(text) + `},"body":{"S":` + grantBody + `}}`
		if strings.HasPrefix(last.answer, `{"Attributes":{`) {
			stored = `{"event":{"S":` + string(text) + `},` + strings.TrimSuffix(strings.TrimPrefix(last.answer, `{"Attributes":{`), "}")
		}
		script := append(c.script[:len(c.script)-1:len(c.script)-1],
			exchange{op: last.op, want: last.want, fault: timeout{}},
			exchange{op: last.op, want: last.want, status: 400, answer: refused(stored)})
		db, w := scripted(t, script...)
		if err := c.do(t.Context(), db); err != nil || len(w.sent) != len(script) {
			t.Errorf("%s: %v after %d requests", c.name, err, len(w.sent))
		}
	}
}

func TestARefusedConditionIsToldByTheSentinel(t *testing.T) {
	minute := noon.Add(time.Minute)
	other := `"event":{"S":"{\"id\":\"another\"}"}`
	redeem := oidc.Redemption{GrantID: "g1", CodeHash: "c", Client: "app", Challenge: "ch", At: noon}
	unredeemed := `{"pk":{"S":"grant#g1"},"body":{"S":` + grantBody + `},"person":{"S":"zhang"}}`
	revoked := strings.Replace(redeemedGrant, `"person":`, `"revoked":{"N":"1772366400000000000"},"person":`, 1)
	rotate := oidc.Rotation{GrantID: "g1", FamilyHash: "f", Hash: "r0", NewHash: "r1", Client: "app", At: noon, Expires: minute}
	rotated := strings.Replace(redeemedGrant, `"refreshHash":{"S":"r0"}`,
		`"refreshHash":{"S":"r9"},"previousHash":{"S":"r0"},"rotated":{"N":"1772366400000000000"}`, 1)
	stolen := strings.Replace(redeemedGrant, `"refreshHash":{"S":"r0"}`, `"refreshHash":{"S":"r9"}`, 1)

	for name, c := range map[string]struct {
		do     func(ctx context.Context, db *aws.DB) error
		before []exchange // requests before the one that is refused
		op     string
		answer string
		want   error // nil: the call succeeds
	}{
		"an equal record": {func(ctx context.Context, db *aws.DB) error {
			return aws.Persons{DB: db}.SavePerson(ctx, registry.Person{ID: "zhang"}, told("e1"))
		}, nil, "PutItem", refused(`{"body":{"S":"{}"},` + other + `}`), nil},
		"a code of no grant": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Grants{DB: db}.RedeemCode(ctx, redeem, told("e1"))
			return err
		}, []exchange{{op: "GetItem", answer: found(unredeemed)}}, "UpdateItem", refusedAbsent, oidc.ErrCodeUnknown},
		"a code that was redeemed meanwhile": {func(ctx context.Context, db *aws.DB) error {
			g, err := aws.Grants{DB: db}.RedeemCode(ctx, redeem, told("e1"))
			return errors.Join(err, expect(g.ID, "g1", nil))
		}, []exchange{{op: "GetItem", answer: found(unredeemed)}}, "UpdateItem", refused(redeemedGrant), oidc.ErrCodeRedeemed},
		"a code that was revoked meanwhile": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Grants{DB: db}.RedeemCode(ctx, redeem, told("e1"))
			return err
		}, []exchange{{op: "GetItem", answer: found(unredeemed)}}, "UpdateItem", refused(revoked), oidc.ErrCodeUnknown},
		"a token that was rotated meanwhile": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Grants{DB: db}.RotateRefresh(ctx, rotate, told("e1"))
			return err
		}, []exchange{{op: "GetItem", answer: found(redeemedGrant)}}, "UpdateItem", refused(rotated), oidc.ErrRefreshRaced},
		"a token that another has": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Grants{DB: db}.RotateRefresh(ctx, rotate, told("e1"))
			return err
		}, []exchange{{op: "GetItem", answer: found(redeemedGrant)}}, "UpdateItem", refused(stolen), oidc.ErrRefreshReused},
		"a token of a grant that was revoked meanwhile": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Grants{DB: db}.RotateRefresh(ctx, rotate, told("e1"))
			return err
		}, []exchange{{op: "GetItem", answer: found(redeemedGrant)}}, "UpdateItem", refused(revoked), oidc.ErrRefreshUnknown},
		"a grant that was revoked before": {func(ctx context.Context, db *aws.DB) error {
			return aws.Grants{DB: db}.RevokeGrant(ctx, "g1", noon, told("e1"))
		}, nil, "UpdateItem", refused(revoked), nil},
		"a session that has ended": {func(ctx context.Context, db *aws.DB) error {
			return aws.Sessions{DB: db}.EndSession(ctx, "s1", noon, told("e1"))
		}, nil, "UpdateItem", refusedAbsent, nil},
		"a key that was used": {func(ctx context.Context, db *aws.DB) error {
			return aws.Replays{DB: db}.UseOnce(ctx, "k", minute)
		}, nil, "PutItem", refused(`{"mark":{"S":"another"},"until":{"N":"1772366460000000000"}}`), oidc.ErrUsed},
		"a key that this very call used": {func(ctx context.Context, db *aws.DB) error {
			return aws.Replays{DB: db}.UseOnce(ctx, "k", minute)
		}, nil, "PutItem", refused(`{"mark":{"S":"00000000000000000000000000000000"}}`), nil},
		"a credential that exists": {func(ctx context.Context, db *aws.DB) error {
			return aws.Credentials{DB: db}.AddCredential(ctx, account.Credential{Username: "zhang"}, told("e1"))
		}, nil, "PutItem", refused(`{` + other + `}`), account.ErrCredentialExists},
		"an allowance that is used up": {func(ctx context.Context, db *aws.DB) error {
			return aws.Counters{DB: db}.Take(ctx, "k", 5, time.Minute)
		}, nil, "UpdateItem", refused(`{"n":{"N":"5"},"until":{"N":"1772366460000000000"}}`), account.ErrExhausted},
		"an allowance of nought": {func(ctx context.Context, db *aws.DB) error {
			return errors.Join(expect(errors.Is(aws.Counters{DB: db}.Take(ctx, "k", 0, time.Minute), account.ErrExhausted), true, nil),
				aws.Counters{DB: db}.Give(ctx, "k"))
		}, nil, "UpdateItem", refusedAbsent, nil},
		"a seal that exists": {func(ctx context.Context, db *aws.DB) error {
			return aws.Seals{DB: db}.CreateSeal(ctx, seal.Seal{ID: "s1", Revision: 1}, told("e1"))
		}, nil, "PutItem", refused(`{` + other + `}`), seal.ErrExists},
		"a seal that never was": {func(ctx context.Context, db *aws.DB) error {
			return aws.Seals{DB: db}.ReplaceSeal(ctx, seal.Seal{ID: "s1", Revision: 2}, told("e1"))
		}, nil, "UpdateItem", refusedAbsent, seal.ErrUnknown},
		"a seal that another changed": {func(ctx context.Context, db *aws.DB) error {
			return aws.Seals{DB: db}.ReplaceSeal(ctx, seal.Seal{ID: "s1", Revision: 2}, told("e1"))
		}, nil, "UpdateItem", refused(`{"revision":{"N":"2"},` + other + `}`), seal.ErrChanged},
		"a seal code of another seal": {func(ctx context.Context, db *aws.DB) error {
			return aws.SealCodes{DB: db}.ClaimSealCode(ctx, "99000000000001", "s1")
		}, nil, "PutItem", refused(`{"claimant":{"S":"s2"}}`), seal.ErrExists},
		"an order that exists": {func(ctx context.Context, db *aws.DB) error {
			return aws.Orders{DB: db}.BeginOrder(ctx, seal.Order{ID: "u1"}, told("e1"))
		}, nil, "PutItem", refused(`{` + other + `}`), seal.ErrExists},
		"an order that was never begun": {func(ctx context.Context, db *aws.DB) error {
			return aws.Orders{DB: db}.FinishOrder(ctx, "u1", seal.OrderDone, "r", told("e1"))
		}, nil, "UpdateItem", refusedAbsent, seal.ErrUnknown},
		"an order that has ended": {func(ctx context.Context, db *aws.DB) error {
			return aws.Orders{DB: db}.FinishOrder(ctx, "u1", seal.OrderDone, "r", told("e1"))
		}, nil, "UpdateItem", refused(`{"state":{"S":"done"},` + other + `}`), seal.ErrChanged},
		"a licence that exists": {func(ctx context.Context, db *aws.DB) error {
			return aws.Licences{DB: db}.CreateLicence(ctx, licence.Licence{ID: "l1", Revision: 1}, told("e1"))
		}, nil, "PutItem", refused(`{` + other + `}`), licence.ErrExists},
		"a licence that another changed": {func(ctx context.Context, db *aws.DB) error {
			return aws.Licences{DB: db}.ReplaceLicence(ctx, licence.Licence{ID: "l1", Revision: 2}, told("e1"))
		}, nil, "UpdateItem", refused(`{"revision":{"N":"3"},` + other + `}`), licence.ErrChanged},
		"an identifier of another licence": {func(ctx context.Context, db *aws.DB) error {
			return aws.Licences{DB: db}.ClaimIdentifier(ctx, "1.2", "l1")
		}, nil, "PutItem", refused(`{"claimant":{"S":"l2"}}`), licence.ErrExists},
		"a list that is full": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.Tickets{DB: db}.TakeTicket(ctx, "a-1", 8, [32]byte{})
			return err
		}, nil, "UpdateItem", refused(`{"next":{"N":"8"}}`), licence.ErrListFull},
		"a list that was published meanwhile": {func(ctx context.Context, db *aws.DB) error {
			return aws.StatusLists{DB: db}.PublishStatusList(ctx, "a-1", licence.Published{Revision: 1}, told("e1"))
		}, nil, "PutItem", refused(`{` + other + `}`), licence.ErrChanged},
		"a list that was never published": {func(ctx context.Context, db *aws.DB) error {
			return aws.StatusLists{DB: db}.PublishStatusList(ctx, "a-1", licence.Published{Revision: 2}, told("e1"))
		}, nil, "UpdateItem", refusedAbsent, licence.ErrChanged},
		"a show code that never was": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.ShowCodes{DB: db}.RedeemShowCode(ctx, "x", told("e1"))
			return err
		}, nil, "UpdateItem", refusedAbsent, verify.ErrUnknown},
		"a show code that has expired": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.ShowCodes{DB: db}.RedeemShowCode(ctx, "x", told("e1"))
			return err
		}, nil, "UpdateItem", refused(`{"until":{"N":"1"},` + other + `}`), verify.ErrUnknown},
		"a show code that was spent": {func(ctx context.Context, db *aws.DB) error {
			_, err := aws.ShowCodes{DB: db}.RedeemShowCode(ctx, "x", told("e1"))
			return err
		}, nil, "UpdateItem", refused(`{"spent":{"N":"1"},"until":{"N":"1"},` + other + `}`), verify.ErrCodeSpent},
		"an event that is known": {func(ctx context.Context, db *aws.DB) error {
			return aws.Events{DB: db}.Record(ctx, told("e1"))
		}, nil, "PutItem", refused(`{"body":{"S":"{}"}}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			db, w := scripted(t, append(c.before, exchange{op: c.op, status: 400, answer: c.answer})...)
			if err := c.do(t.Context(), db); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if len(w.sent) != len(c.before)+1 {
				t.Errorf("%d requests: a refused condition is sent again", len(w.sent))
			}
		})
	}
}

func TestAWindowThatOthersBeginMeanwhileIsCountedIn(t *testing.T) {
	live := `{"n":{"N":"1"},"until":{"N":"1772366460000000000"}}`
	db, _ := scripted(t,
		exchange{op: "UpdateItem", status: 400, answer: refusedAbsent},
		exchange{op: "PutItem", status: 400, answer: refused(live)},
		exchange{op: "UpdateItem"})
	if err := (aws.Counters{DB: db}).Take(t.Context(), "k", 5, time.Minute); err != nil {
		t.Error(err)
	}
	var script []exchange
	for range 3 {
		script = append(script, exchange{op: "UpdateItem", status: 400, answer: refusedAbsent},
			exchange{op: "PutItem", status: 400, answer: refused(live)})
	}
	db, _ = scripted(t, script...)
	if err := (aws.Counters{DB: db}).Take(t.Context(), "k", 5, time.Minute); err == nil || isSentinel(err) {
		t.Errorf("Take = %v, want a fault", err)
	}
}

// TestAKeyThatCannotBeIsUnknown: what a stranger sends as an identifier must not become a fault.
func TestAKeyThatCannotBeIsUnknown(t *testing.T) {
	long := strings.Repeat("x", 3000)
	db, w := scripted(t)
	for name, c := range map[string]struct{ err, want error }{
		"client":     {second(aws.Clients{DB: db}.Client(t.Context(), long)), oidc.ErrClientUnknown},
		"grant":      {second(aws.Grants{DB: db}.LiveGrant(t.Context(), long)), access.ErrGrantGone},
		"session":    {second(aws.Sessions{DB: db}.LiveSession(t.Context(), long)), access.ErrSessionGone},
		"seal":       {second(aws.Seals{DB: db}.Seal(t.Context(), long)), seal.ErrUnknown},
		"identifier": {second(aws.LicenceRegister{DB: db}.LookUpLicence(t.Context(), long)), verify.ErrUnknown},
		"type":       {second(aws.LicenceTypes{DB: db}.LicenceType(t.Context(), "")), licence.ErrUnknown},
		"mandate":    {second(aws.Mandates{DB: db}.Mandated(t.Context(), "p", long, "r")), nil},
		"owner":      {second(aws.Seals{DB: db}.SealsOf(t.Context(), long)), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	if err := (aws.Clients{DB: db}).SaveClient(t.Context(), oidc.Client{ID: long}, told("e1")); err == nil {
		t.Error("it was written")
	}
	if len(w.sent) > 0 {
		t.Errorf("%d requests", len(w.sent))
	}
}

func second[T any](_ T, err error) error { return err }

func TestAFunctionReachesItsTablesOnly(t *testing.T) {
	db, err := aws.Open(aws.Options{Now: func() time.Time { return noon }, Rand: zeros{}, Key: dynamotest.Key()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls() {
		if err := c.do(t.Context(), db); err == nil || !strings.Contains(err.Error(), "no table") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTablesAreNotOpenedWithoutKeyClockOrRandomness(t *testing.T) {
	now := func() time.Time { return noon }
	for _, o := range []aws.Options{{}, {Now: now, Rand: zeros{}, Key: make([]byte, 31)}, {Rand: zeros{}, Key: make([]byte, 32)},
		{Now: now, Key: make([]byte, 32)}} {
		if _, err := aws.Open(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestDelaysAreDrawn(t *testing.T) {
	db, err := aws.Open(aws.Options{Now: func() time.Time { return noon }, Key: dynamotest.Key(), Rand: exhausted{},
		Tables: aws.Tables{SSO: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	// Without randomness there is no mark and no delay, and the call fails instead of going on without.
	if err := (aws.Replays{DB: db}).UseOnce(t.Context(), "k", noon); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("UseOnce = %v", err)
	}
}

type exhausted struct{}

func (exhausted) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func image(attributes map[string]string) map[string]events.DynamoDBAttributeValue {
	m := map[string]events.DynamoDBAttributeValue{"until": events.NewNumberAttribute("1")}
	for name, v := range attributes {
		m[name] = events.NewStringAttribute(v)
	}
	return m
}

func TestAnImageCarriesTheEventOfTheLastWrite(t *testing.T) {
	e, found, err := gateway.EventOf(image(map[string]string{"pk": "grant#g1", "event": told1, "eventPerson": "zhang", "eventHolder": "li",
		"eventObject": "licence/l1", "eventDivision": "990000"}))
	want := told("e1")
	want.Person, want.Holder, want.Object, want.Division = "zhang", "li", "licence/l1", "990000"
	if err != nil || !found || e != want {
		t.Errorf("EventOf = %+v, %v, %v, want %+v", e, found, err, want)
	}
	for _, without := range []map[string]string{{}, {"pk": "used#k"}, {"event": ""}} {
		if e, found, err := gateway.EventOf(image(without)); err != nil || found || e != (audit.Event{}) {
			t.Errorf("EventOf(%v) = %+v, %v, %v", without, e, found, err)
		}
	}
	for _, bad := range []string{"{", `{"id":"e1"}`, `[]`, `{"id":1}`} {
		if _, _, err := gateway.EventOf(image(map[string]string{"event": bad})); err == nil {
			t.Errorf("EventOf took %s", bad)
		}
	}
}
