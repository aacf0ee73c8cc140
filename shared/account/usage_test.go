package account_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/access/accesstest"
	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/account/accounttest"
	"github.com/yinxin/yinxin/shared/audit"
)

// town knows zhang, who acts for one company.
type town struct{}

func (town) Who(_ context.Context, person string) (account.Who, error) {
	if person != "zhang" {
		return account.Who{Name: "李四(示例)"}, nil
	}
	return account.Who{Name: "张三(示例)", Acts: []account.Acting{{Organisation: "company", Name: "示例家政服务有限公司", Roles: []string{"licence.read"}}}}, nil
}

func (town) Name(_ context.Context, object string) (string, error) {
	return map[string]string{"organisation/bureau": "示例省商务厅", "client/portal": `基金门户<(示例)>`}[object], nil
}

func (town) LiveSession(_ context.Context, id string) (access.Session, error) {
	if id != access.SessionID("zhang's cookie") {
		return access.Session{}, access.ErrSessionGone
	}
	return access.Session{Person: "zhang"}, nil
}

func newAccount(t *testing.T) (http.Handler, *accesstest.Issuer, *accounttest.Memory) {
	i, m := accesstest.New(t), accounttest.NewMemory()
	h := account.Account(account.AccountPorts{
		Issuer: i.URL, Access: i.Guard(), Sessions: town{}, People: town{}, Names: town{}, Events: m, Rand: rand.Reader,
	})
	at := accounttest.Noon
	for n, e := range []audit.Event{
		{Action: "session.begin", Person: "zhang", Holder: "zhang", Client: "portal", Object: "person/zhang", Outcome: audit.Done},
		{Action: "licence.read", Person: "sun", Organisation: "bureau", Client: "portal", Holder: "company", Purpose: "家政服务业资金审核 <b>", CaseNumber: "CASE-1", ItemCode: "ITEM-1", LegalBasis: "示例办法第三条", Object: "licence/1", Outcome: audit.Done},
		{Action: "licence.read", Person: "sun", Organisation: "bureau", Client: "portal", Holder: "li", Purpose: "not for zhang", Outcome: audit.Done},
		{Action: "licence.read", Person: "sun", Organisation: "unnamed", Client: "other", Holder: "zhang", Outcome: audit.Refused, Reason: "forbidden"},
	} {
		e.ID, e.Time = fmt.Sprint(n), at.Add(time.Duration(n)*time.Minute)
		if err := m.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return h, i, m
}

func TestHoldersSeeWhoLookedWhenAndWhy(t *testing.T) {
	h, _, _ := newAccount(t)
	r := httptest.NewRequest("GET", "/account/usage", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-yinxin", Value: "zhang's cookie"})
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("answer = %d %v", w.Code, w.Header())
	}
	for _, want := range []string{
		"张三(示例)", "示例家政服务有限公司", "示例省商务厅", "2026-03-01 20:01:00 UTC+8", "家政服务业资金审核 &lt;b&gt;", "CASE-1", "ITEM-1",
		"示例办法第三条", "查看证照", "licence looked up", "unnamed", "基金门户&lt;(示例)&gt;", "refused", "licence/1",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, never := range []string{"not for zhang", ">sun<", "<b>", "<script"} {
		if strings.Contains(body, never) {
			t.Errorf("the page shows %s", never)
		}
	}
}

func TestUsageIsJSONForATokenWithTheScope(t *testing.T) {
	h, i, _ := newAccount(t)
	get := func(c access.Caller) (int, string) {
		r := httptest.NewRequest("GET", "/account/usage", nil)
		i.Authorize(t, r, c)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	status, body := get(access.Caller{Person: "zhang", Client: "app", Scopes: []string{access.AccountUsage}})
	var got struct{ Ledgers []account.Ledger }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || len(got.Ledgers) != 2 {
		t.Fatalf("answer = %d %s", status, body)
	}
	own, company := got.Ledgers[0], got.Ledgers[1]
	if own.Name != "张三(示例)" || own.Holder != "" || len(own.Uses) != 2 || own.Uses[0].Outcome != audit.Refused || !own.Uses[1].Own || own.Uses[0].Own {
		t.Errorf("own = %+v", own)
	}
	want := account.Use{
		Time: accounttest.Noon.Add(time.Minute), Action: "licence.read", Organisation: "bureau", OrganisationName: "示例省商务厅",
		Client: "portal", ClientName: `基金门户<(示例)>`, Purpose: "家政服务业资金审核 <b>", LegalBasis: "示例办法第三条", ItemCode: "ITEM-1",
		CaseNumber: "CASE-1", Object: "licence/1", Outcome: audit.Done,
	}
	if company.Holder != "company" || company.Name != "示例家政服务有限公司" || len(company.Uses) != 1 || company.Uses[0] != want {
		t.Errorf("company = %+v, want %+v", company, want)
	}
	if strings.Contains(body, `"sun"`) {
		t.Error("the answer names the clerk")
	}
	// OpenID Connect Core, section 8.1: what two clients could compare would undo their pairwise subjects.
	if strings.Contains(body, "zhang") {
		t.Errorf("the answer names the person by an identifier that every client would see: %s", body)
	}
	// A client that acts for itself sees its own organisation's ledger.
	if status, body := get(access.Caller{Organisation: "company", Client: "c", Scopes: []string{access.AccountUsage}}); status != 200 || !strings.Contains(body, "CASE-1") || strings.Contains(body, "forbidden") {
		t.Errorf("client = %d %s", status, body)
	}
	for name, c := range map[string]access.Caller{
		"another scope": {Person: "zhang", Client: "app", Scopes: []string{"openid"}},
		"nobody":        {Client: "app", Scopes: []string{access.AccountUsage}},
	} {
		if status, body := get(c); status != 403 || strings.Contains(body, "ledgers") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, body := get(access.Caller{Person: "li", Client: "app", Scopes: []string{access.AccountUsage}}); status != 200 || strings.Contains(body, "CASE-1") || !strings.Contains(body, "not for zhang") {
		t.Errorf("li = %d %s", status, body)
	}
}

func TestALongLedgerSaysThatItIsCut(t *testing.T) {
	h, i, m := newAccount(t)
	for n := range 250 {
		e := audit.Event{ID: fmt.Sprint("more", n), Time: accounttest.Noon.Add(time.Hour), Action: "licence.read", Holder: "zhang", Outcome: audit.Done}
		if err := m.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	r := httptest.NewRequest("GET", "/account/usage", nil)
	i.Authorize(t, r, access.Caller{Person: "zhang", Client: "app", Scopes: []string{access.AccountUsage}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got struct{ Ledgers []account.Ledger }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Ledgers[0].Uses) != 200 || !got.Ledgers[0].More || got.Ledgers[1].More {
		t.Errorf("ledgers = %d, %v", len(got.Ledgers), err)
	}
}

func TestWhoIsNotSignedOnIsSentToTheLoginForm(t *testing.T) {
	h, _, _ := newAccount(t)
	for _, tt := range []struct {
		path, accept, cookie string
		status               int
		location             string
	}{
		{"/account", "", "", 303, "/login?return=%2Faccount"},
		{"/account/usage", "text/html,*/*", "", 303, "/login?return=%2Faccount%2Fusage"},
		{"/account/usage", "", "another cookie", 303, "/login?return=%2Faccount%2Fusage"},
		{"/account/usage", "application/json", "zhang's cookie", 401, ""},
		{"/account", "", "zhang's cookie", 200, ""},
	} {
		r := httptest.NewRequest("GET", tt.path, nil)
		r.Header.Set("Accept", tt.accept)
		if tt.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-yinxin", Value: tt.cookie})
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || w.Header().Get("Location") != tt.location {
			t.Errorf("%+v: %d %q", tt, w.Code, w.Header().Get("Location"))
		}
		if w.Code == 200 && !strings.Contains(w.Body.String(), "示例家政服务有限公司") {
			t.Errorf("the account page lacks the company: %s", w.Body)
		}
	}
}
