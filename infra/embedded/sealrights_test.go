package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/verdict"
)

// TestEveryVerbNeedsItsPersonOrganisationScopeAndState walks every verb through every state, person and organisation of
// the cast and holds the answer against the table.
func TestEveryVerbNeedsItsPersonOrganisationScopeAndState(t *testing.T) {
	o := openOffice(t, t.TempDir())
	party := map[seal.Party]string{seal.ByOwner: finance, seal.ByAuthority: authority, seal.ByMaker: making}
	person := map[seal.Party]string{seal.ByOwner: "li", seal.ByAuthority: "wang", seal.ByMaker: "zhao"}
	states := map[seal.State][]seal.Verb{
		seal.Requested: {}, seal.Approved: {seal.VerbApprove}, seal.Made: {seal.VerbApprove, seal.VerbMake}, seal.Rejected: {seal.VerbReject},
		seal.Active:    {seal.VerbApprove, seal.VerbMake, seal.VerbActivate},
		seal.Suspended: {seal.VerbApprove, seal.VerbMake, seal.VerbActivate, seal.VerbSuspend},
		seal.Revoked:   {seal.VerbApprove, seal.VerbMake, seal.VerbActivate, seal.VerbRevoke},
	}
	rows := map[seal.Verb]seal.Transition{}
	for _, row := range seal.Transitions {
		rows[row.Verb] = row
	}
	for state, path := range states {
		s, _ := o.act(t, "/seals", "li", finance, "seal.request", 201)
		for _, v := range path {
			o.act(t, "/seals/"+s.ID+"/"+string(v), person[rows[v].Party], party[rows[v].Party], rows[v].Scope, 200)
		}
		for _, row := range seal.Transitions[1:] {
			for by := range party {
				for as := range party {
					right := by == row.Party && as == row.Party
					fits := false
					for _, from := range row.From {
						fits = fits || from == state
					}
					if right && fits {
						continue // the states above are reached so
					}
					want, code := 403, "not_responsible"
					switch {
					case right:
						want, code = 409, "seal_state"
						if state == seal.Suspended || state == seal.Revoked {
							code = "seal_" + string(state)
						}
					case as == row.Party:
						code = "not_mandated"
					}
					_, got := o.act(t, "/seals/"+s.ID+"/"+string(row.Verb), person[by], party[as], row.Scope, want)
					if got != code {
						t.Errorf("%s by %s for %s of a seal that is %s: %s, want %s", row.Verb, person[by], as, state, got, code)
					}
				}
			}
			_, code := o.act(t, "/seals/"+s.ID+"/"+string(row.Verb), person[row.Party], party[row.Party], "account.usage", 403)
			if code != "insufficient_scope" {
				t.Errorf("%s without its scope: %s", row.Verb, code)
			}
		}
	}
}

func TestTwoClientsOfOnePersonAreOnePerson(t *testing.T) {
	o := openOffice(t, t.TempDir())
	o.mandate(t, "li", authority, "seal.approve")
	s, _ := o.act(t, "/seals", "li", finance, "seal.request", 201)
	body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"示例"}}`, authority)
	w := o.call(t, "POST", "/seals/"+s.ID+"/approve", o.bearer(t, "li", "another-client", "seal.approve"), "application/json",
		strings.NewReader(body), 403)
	if !strings.Contains(w.Body.String(), "seal_same_person") {
		t.Errorf("the requester approved through another client: %s", w.Body)
	}
}

func TestOfConcurrentApprovalsOneWins(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s, _ := o.act(t, "/seals", "li", finance, "seal.request", 201)
	bearer := o.bearer(t, "wang", "console", "seal.approve")
	body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"示例"}}`, authority)
	var mu sync.Mutex
	codes := map[int]int{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			r, _ := http.NewRequest("POST", "/seals/"+s.ID+"/approve", strings.NewReader(body)) // the constant parses
			r.Header.Set("Authorization", bearer)
			w := httptest.NewRecorder()
			o.handler.ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			codes[w.Code]++
		})
	}
	wg.Wait()
	if codes[200] != 1 || codes[409] != 49 {
		t.Errorf("answers %v, want one 200 and 49 times 409", codes)
	}
}

func TestASuspendedSealStampsNothingAndItsPastStaysValid(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	before := o.stamp(t, "li", s.ID, o.ofd(t), testOrder)
	o.add(time.Hour)
	o.act(t, "/seals/"+s.ID+"/suspend", "wang", authority, "seal.approve", 200)
	contentType, body := stampBody(t, o.ofd(t), testOrder)
	w := o.call(t, "POST", "/seals/"+s.ID+"/stamps", o.bearer(t, "li", "console", "seal.stamp"), contentType, body, 409)
	if !strings.Contains(w.Body.String(), "seal_suspended") {
		t.Errorf("stamping with a suspended seal: %s", w.Body)
	}
	if v := o.verdict(t, "application/ofd", before); v.Overall != verdict.Valid {
		t.Errorf("stamped before the suspension: %s%s", v.Overall, failures(v))
	}
	o.act(t, "/seals/"+s.ID+"/resume", "wang", authority, "seal.approve", 200)
	o.stamp(t, "li", s.ID, o.ofd(t), testOrder)
	o.add(time.Hour)
	o.act(t, "/seals/"+s.ID+"/revoke", "wang", authority, "seal.approve", 200)
	contentType, body = stampBody(t, o.ofd(t), testOrder)
	w = o.call(t, "POST", "/seals/"+s.ID+"/stamps", o.bearer(t, "li", "console", "seal.stamp"), contentType, body, 409)
	if !strings.Contains(w.Body.String(), "seal_revoked") {
		t.Errorf("stamping with a revoked seal: %s", w.Body)
	}
}

func TestTheStatusAnswersForEveryTimeAndNeverForTheFuture(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	active := o.Now()
	o.add(time.Hour)
	o.act(t, "/seals/"+s.ID+"/suspend", "wang", authority, "seal.approve", 200)
	status := func(query string, want int) (v sealView) {
		t.Helper()
		w := o.call(t, "GET", "/seals/"+s.Code+"/status"+query, "", "", nil, want)
		if want == 200 {
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(w.Body.String(), "wang") {
				t.Errorf("the status names a person: %s", w.Body)
			}
		}
		return v
	}
	if v := status("", 200); v.State != "suspended" || len(v.History) != 5 {
		t.Errorf("now: %+v", v)
	}
	if v := status("?at="+active.UTC().Format(time.RFC3339), 200); v.State != "active" || len(v.History) != 4 {
		t.Errorf("before the suspension: %+v", v)
	}
	if v := status("?at=2001-01-01T00:00:00Z", 200); v.State != "" {
		t.Errorf("before the request: %+v", v)
	}
	status("?at="+o.Now().Add(time.Hour).UTC().Format(time.RFC3339), 400)
	status("?at=yesterday", 400)
	o.call(t, "GET", "/seals/99000099999999/status", "", "", nil, 404)
}

func TestTheSealIsWhatTheStandardSays(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	record, err := Seals{o.db}.Seal(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	made, err := ses.ParseSeal(record.Body.ESL)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := cert.Parse(record.Body.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if made.Version != ses.V4 || made.ID != s.Code || made.Name != "示例省财政厅" || made.CertListType != ses.Certificates ||
		!made.Lists(record.Body.Chain[0]) || len(made.Tolerances) > 0 || made.Picture.Width != 42 || made.Picture.Type != "PNG" {
		t.Errorf("the seal is %+v", made)
	}
	if leaf.Subject.CommonName != s.Code || leaf.Subject.Organization != finance+"示例省财政厅" {
		t.Errorf("the certificate is for %s", leaf.Subject)
	}
	bearer := o.bearer(t, "li", "console", "seal.request")
	png := o.call(t, "GET", "/seals/"+s.ID+"/picture", bearer, "", nil, 200)
	if !bytes.HasPrefix(png.Body.Bytes(), []byte("<?xml")) && !bytes.HasPrefix(png.Body.Bytes(), []byte("<svg")) {
		t.Errorf("the picture is %.40q", png.Body)
	}
	if !bytes.HasPrefix(made.Picture.Data, []byte("\x89PNG")) {
		t.Error("the picture in the seal is no PNG")
	}
	o.call(t, "GET", "/seals/"+s.ID, "", "", nil, 401)
}

func TestEveryUseLeavesAnOrderAndTwoEvents(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	contentType, body := stampBody(t, o.pdf(t), testOrder)
	w := o.call(t, "POST", "/seals/"+s.ID+"/stamps", o.bearer(t, "li", "console", "seal.stamp"), contentType, body, 200)
	order, err := Orders{o.db}.Order(t.Context(), w.Header().Get("Yinxin-Order"))
	if err != nil || order.State != seal.OrderDone || order.Person != "li" || order.For != finance || order.Format != "pdf" ||
		!strings.HasPrefix(order.Signed, "sha256:") || order.Purpose.CaseNumber != "B2" {
		t.Errorf("order %+v, %v", order, err)
	}
	events, err := Events{o.db}.ByObject(t.Context(), "seal/"+s.ID)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for _, e := range events {
		if e.Action != "seal.stamp" {
			continue
		}
		outcomes = append(outcomes, string(e.Outcome))
		if e.Person != "li" || e.Organisation != finance || e.Division != "990000" || e.Client != "console" || e.Channel != "web" ||
			e.ItemCode != "990000002" || e.CaseNumber != "B2" || e.Purpose == "" || e.Holder != finance ||
			!strings.HasPrefix(e.Digest, "sha256:") {
			t.Errorf("event %+v", e)
		}
	}
	if strings.Join(outcomes, " ") != "begun done" {
		t.Errorf("outcomes %v, want begun and done", outcomes)
	}
}

func TestRefusalsAreOnRecord(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	contentType, body := stampBody(t, o.pdf(t), testOrder)
	o.call(t, "POST", "/seals/"+s.ID+"/stamps", o.bearer(t, "sun", "console", "seal.stamp"), contentType, body, 403)
	events, err := Events{o.db}.ByObject(t.Context(), "seal/"+s.ID)
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	if last.Outcome != audit.Refused || last.Reason != "not_mandated" || last.Person != "sun" {
		t.Errorf("the last event is %+v", last)
	}
}

func TestAStampThatCannotBeMadeIsRefusedByName(t *testing.T) {
	o := openOffice(t, t.TempDir())
	s := o.activeSeal(t, "li", finance)
	place := func(page int, x, y float64) string {
		return fmt.Sprintf(`{"purpose":{"text":"示例"},"place":{"page":%d,"x":%g,"y":%g}}`, page, x, y)
	}
	for name, c := range map[string]struct {
		document []byte
		order    string
		status   int
		code     string
	}{
		"no document":                {nil, testOrder, 415, "unsupported_media_type"},
		"neither PDF nor OFD":        {[]byte("hello"), testOrder, 415, "unsupported_media_type"},
		"a damaged PDF":              {[]byte("%PDF-1.7\nnothing"), testOrder, 422, "document_refused"},
		"a damaged OFD":              {[]byte("PK\x03\x04 nothing"), testOrder, 422, "document_refused"},
		"no purpose":                 {o.pdf(t), `{"place":{"page":1,"x":100,"y":100}}`, 400, "purpose_missing"},
		"no such page":               {o.pdf(t), place(2, 100, 100), 422, "place_outside"},
		"page zero":                  {o.ofd(t), place(0, 100, 100), 422, "place_outside"},
		"beside the page, OFD":       {o.ofd(t), place(1, 10, 100), 422, "place_outside"},
		"beside the page, PDF":       {o.pdf(t), place(1, 400, 100), 422, "place_outside"},
		"for another organisation":   {o.pdf(t), strings.Replace(place(1, 100, 100), "{", `{"organisation":"`+commerce+`",`, 1), 403, "not_responsible"},
		"an order of something else": {o.pdf(t), `{"purpose":{"text":"示例"},"seal":"x"}`, 400, "bad_request"},
	} {
		contentType, body := stampBody(t, c.document, c.order)
		w := o.call(t, "POST", "/seals/"+s.ID+"/stamps", o.bearer(t, "li", "console", "seal.stamp"), contentType, body, c.status)
		var p struct{ Code string }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Code != c.code {
			t.Errorf("%s: %s, want %s", name, w.Body, c.code)
		}
	}
}

func TestRequestsThatCannotBecomeSealsAreRefused(t *testing.T) {
	o := openOffice(t, t.TempDir())
	bearer := o.bearer(t, "li", "console", "seal.request")
	for name, c := range map[string]struct {
		body, code string
		status     int
	}{
		"an unknown kind":          {`,"kind":"personal"`, "seal_kind", 400},
		"a line without a kind":    {`,"line":"财务专用章"`, "seal_kind", 400},
		"a kind without a line":    {`,"kind":"business"`, "seal_kind", 400},
		"a glyph that no font has": {`,"kind":"business","line":"𱍊专用章"`, "seal_name", 422},
		"six years":                {`,"years":6`, "seal_kind", 400},
		"a field of another API":   {`,"holder":"x"`, "bad_request", 400},
	} {
		body := fmt.Sprintf(`{"organisation":%q,"purpose":{"text":"示例"}%s}`, finance, c.body)
		w := o.call(t, "POST", "/seals", bearer, "application/json", strings.NewReader(body), c.status)
		if !strings.Contains(w.Body.String(), `"`+c.code+`"`) {
			t.Errorf("%s: %s, want %s", name, w.Body, c.code)
		}
	}
	w := o.call(t, "POST", "/seals", bearer, "application/json", strings.NewReader(`{"organisation":"nobody","purpose":{"text":"示例"}}`), 400)
	if !strings.Contains(w.Body.String(), "organisation_unknown") {
		t.Errorf("an unknown organisation: %s", w.Body)
	}
	w = o.call(t, "POST", "/seals", bearer, "application/json", strings.NewReader(fmt.Sprintf(
		`{"organisation":%q,"kind":"business","line":"财务专用章","years":3,"purpose":{"text":"示例"}}`, finance)), 201)
	if !strings.Contains(w.Body.String(), "财务专用章") {
		t.Errorf("a business seal: %s", w.Body)
	}
}

func TestASealWhoseCertificateIsNotGoodStampsNothing(t *testing.T) {
	for _, which := range []string{"SM2", "P-256", "period"} {
		o := openOffice(t, t.TempDir())
		s := o.activeSeal(t, "li", finance)
		record, err := Seals{o.db}.Seal(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		o.stamp(t, "li", s.ID, o.ofd(t), testOrder)
		want := "seal_certificate"
		switch which {
		case "period":
			o.add(366 * 24 * time.Hour)
			want = "seal_period"
		default:
			der := map[string][]byte{"SM2": record.Body.Chain[0], "P-256": record.Body.CompatChain[0]}[which]
			if err := o.ca.Revoke(t.Context(), parse(t, der).Serial, cert.KeyCompromise, o.Now()); err != nil {
				t.Fatal(err)
			}
			o.add(2 * time.Minute) // what was found good before is judged again
		}
		contentType, body := stampBody(t, o.ofd(t), testOrder)
		w := o.call(t, "POST", "/seals/"+s.ID+"/stamps", o.bearer(t, "li", "console", "seal.stamp"), contentType, body, 409)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s, want %s", which, w.Body, want)
		}
	}
}
