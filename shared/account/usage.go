package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/page"
)

// AccountRoutes are the routes of [Account].
var AccountRoutes = []string{"GET /account", "GET /account/usage"}

// AccountPorts are the rights of account: it reads.
type AccountPorts struct {
	Issuer   string
	Access   access.Guard
	Sessions access.Sessions
	People   People
	Names    Names
	Events   audit.HolderReader
	Rand     io.Reader
}

// Who is a person with the organisations the person acts for.
type Who struct {
	Name string
	Acts []Acting
}

// Acting is an organisation that a person may act for now (经办人).
type Acting struct {
	Organisation string // unified social credit code
	Name         string
	Roles        []string
}

// People reads people with their mandates.
type People interface {
	// Who returns a person with the mandates that are active now, ordered by organisation. Of someone unknown it returns
	// the zero value.
	Who(ctx context.Context, person string) (Who, error)
}

// Names names what events name by identifier.
type Names interface {
	// Name returns the name of "organisation/<uscc>" or "client/<client_id>", or "" for one that is unknown. It may be
	// a minute old.
	Name(ctx context.Context, object string) (string, error)
}

// maxUses is how many events of a ledger are shown.
const maxUses = 200

// Account serves a person's own pages: the account, and who looked at the person's data, when, why and for which case,
// and at that of the organisations the person acts for. The usage is JSON for a token with the scope account.usage and
// a page for a browser that is signed on.
func Account(p AccountPorts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(AccountRoutes[0], p.signedOn(p.account))
	asPage := p.signedOn(p.usagePage)
	asJSON := p.Access.Require(access.AccountUsage, p.usageJSON)
	mux.HandleFunc(AccountRoutes[1], func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Authorization, Accept, Cookie")
		if r.Header.Get("Authorization") != "" || !wantsPage(r) {
			asJSON.ServeHTTP(w, r)
			return
		}
		asPage(w, r)
	})
	return mux
}

// wantsPage tells whether a request without a token comes from a browser.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return accept == "" || strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*")
}

// signedOn serves h to browsers that are signed on and sends others to the login form.
func (p AccountPorts) signedOn(h func(http.ResponseWriter, *http.Request, string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := access.ErrSessionGone
		var s access.Session
		if id := (access.Cookies{Issuer: p.Issuer}).SessionID(r); id != "" {
			s, err = p.Sessions.LiveSession(r.Context(), id)
		}
		switch {
		case errors.Is(err, access.ErrSessionGone):
			w.Header().Set("Location", "/login?"+url.Values{"return": {r.URL.Path}}.Encode())
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusSeeOther)
			return
		case err == nil:
			err = h(w, r, s.Person)
		}
		if err != nil {
			page.Fault(w, r, err)
		}
	}
}

func (p AccountPorts) account(w http.ResponseWriter, r *http.Request, person string) error {
	who, err := p.People.Who(r.Context(), person)
	if err != nil {
		return fmt.Errorf("reading a person: %w", err)
	}
	token, err := access.Cookies{Issuer: p.Issuer}.FormToken(w, r, p.Rand)
	if err != nil {
		return err
	}
	a := page.Account{
		Name: who.Name, ID: person, Address: "/account/usage", Hidden: []page.Field{{Name: access.FormField, Value: token}},
	}
	for _, o := range who.Acts {
		a.Acts = append(a.Acts, page.Actor{Name: o.Name, Code: o.Organisation, Roles: o.Roles})
	}
	page.Write(w, http.StatusOK, a.Page())
	return nil
}

// Use is one act in a ledger, as the holder sees it. It names the organisation and the application, never the person
// who acted: that is for supervision.
type Use struct {
	Time             time.Time     `json:"time"`
	Action           string        `json:"action"`
	Organisation     string        `json:"organisation,omitempty"` // unified social credit code
	OrganisationName string        `json:"organisation_name,omitempty"`
	Client           string        `json:"client,omitempty"`
	ClientName       string        `json:"client_name,omitempty"`
	Own              bool          `json:"own"` // the reader did it
	Purpose          string        `json:"purpose,omitempty"`
	LegalBasis       string        `json:"legal_basis,omitempty"`
	ItemCode         string        `json:"item_code,omitempty"`
	CaseNumber       string        `json:"case_number,omitempty"`
	Object           string        `json:"object,omitempty"`
	Outcome          audit.Outcome `json:"outcome"`
	Reason           string        `json:"reason,omitempty"`
}

// Ledger is what happened to the data of one holder, newest first.
type Ledger struct {
	Holder string `json:"holder,omitempty"` // unified social credit code; empty for the reader
	Name   string `json:"name"`
	Uses   []Use  `json:"events"`
	More   bool   `json:"more"` // there are older ones
}

func (p AccountPorts) usageJSON(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	person, ledgers := c.Person, []Ledger{}
	if person == "" && c.Organisation == "" {
		return access.InsufficientScope.With("the token speaks for nobody")
	}
	var err error
	if person != "" {
		ledgers, err = p.ledgers(r.Context(), person)
	} else {
		var l Ledger
		l, err = p.ledger(r.Context(), "", c.Organisation, "")
		l.Holder = c.Organisation
		ledgers = append(ledgers, l)
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(struct {
		Ledgers []Ledger `json:"ledgers"`
	}{ledgers})
	if err != nil {
		return fmt.Errorf("encoding the ledgers: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n')) // the client is gone if this fails
	return nil
}

// ledgers returns the person's own ledger and those of the organisations the person acts for.
func (p AccountPorts) ledgers(ctx context.Context, person string) ([]Ledger, error) {
	who, err := p.People.Who(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("reading a person: %w", err)
	}
	own, err := p.ledger(ctx, person, person, who.Name)
	if err != nil {
		return nil, err
	}
	ledgers := []Ledger{own}
	for _, o := range who.Acts {
		l, err := p.ledger(ctx, person, o.Organisation, o.Name)
		if err != nil {
			return nil, err
		}
		l.Holder = o.Organisation
		ledgers = append(ledgers, l)
	}
	return ledgers, nil
}

func (p AccountPorts) ledger(ctx context.Context, reader, holder, name string) (Ledger, error) {
	events, err := p.Events.ByHolder(ctx, holder, maxUses+1)
	if err != nil {
		return Ledger{}, fmt.Errorf("reading a ledger: %w", err)
	}
	l := Ledger{Name: name, Uses: []Use{}}
	if len(events) > maxUses {
		events, l.More = events[:maxUses], true
	}
	names := map[string]string{"": ""}
	for _, e := range events {
		organisation, err := p.name(ctx, names, "organisation/", e.Organisation)
		if err != nil {
			return Ledger{}, err
		}
		client, err := p.name(ctx, names, "client/", e.Client)
		if err != nil {
			return Ledger{}, err
		}
		l.Uses = append(l.Uses, Use{
			Time: e.Time.UTC(), Action: e.Action, Organisation: e.Organisation, OrganisationName: organisation,
			Client: e.Client, ClientName: client, Own: reader != "" && e.Person == reader, Purpose: e.Purpose,
			LegalBasis: e.LegalBasis, ItemCode: e.ItemCode, CaseNumber: e.CaseNumber, Object: shownObject(e.Object),
			Outcome: e.Outcome, Reason: e.Reason,
		})
	}
	return l, nil
}

// shownObject returns the object of an event if a ledger shows it: a licence or a seal, to tell one from another. The
// identifiers of persons, grants and mandates say nothing to people, and that of a person is the same for every client:
// it would link what pairwise subjects keep apart.
func shownObject(object string) string {
	if kind, _, _ := strings.Cut(object, "/"); kind == "licence" || kind == "seal" {
		return object
	}
	return ""
}

// name asks for each name once.
func (p AccountPorts) name(ctx context.Context, names map[string]string, kind, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	if name, known := names[kind+id]; known {
		return name, nil
	}
	name, err := p.Names.Name(ctx, kind+id)
	if err != nil {
		return "", fmt.Errorf("reading a name: %w", err)
	}
	names[kind+id] = name
	return name, nil
}

func (p AccountPorts) usagePage(w http.ResponseWriter, r *http.Request, person string) error {
	ledgers, err := p.ledgers(r.Context(), person)
	if err != nil {
		return err
	}
	var u page.Usage
	for _, l := range ledgers {
		shown := page.Ledger{Holder: l.Name, More: l.More}
		for _, use := range l.Uses {
			shown.Uses = append(shown.Uses, use.shown())
		}
		u.Ledgers = append(u.Ledgers, shown)
	}
	page.Write(w, http.StatusOK, u.Page())
	return nil
}

// beijing is the zone of the pages: China has one.
var beijing = time.FixedZone("UTC+8", 8*60*60)

func (u Use) shown() page.Use {
	zh, en := actionText(u.Action)
	row := page.Use{
		Time: u.Time.In(beijing).Format("2006-01-02 15:04:05 UTC+8"), MachineTime: u.Time.Format(time.RFC3339),
		ActZH: zh, ActEN: en, Purpose: u.Purpose, LegalBasis: u.LegalBasis, ItemCode: u.ItemCode, CaseNumber: u.CaseNumber,
		Object:  u.Object,
		Refused: u.Outcome == audit.Refused || u.Outcome == audit.Failed, Begun: u.Outcome == audit.Begun,
	}
	client := u.ClientName
	if client == "" {
		client = u.Client
	}
	switch {
	case u.OrganisationName != "":
		row.Who, row.Through = u.OrganisationName, client
	case u.Organisation != "":
		row.Who, row.Through = u.Organisation, client
	case u.Own:
		row.Own, row.Through = true, client
	default:
		row.Who = client
	}
	if row.Who == "" && !row.Own {
		row.Stranger = u.Action == "licence.verify"
		row.Who = "—"
	}
	return row
}

// actionText says what an action was, for people; of one it does not know it gives the code.
func actionText(action string) (zh, en string) {
	text, known := map[string][2]string{
		"session.begin":    {"登录", "signed on"},
		"session.end":      {"退出登录", "signed out"},
		"account.password": {"设置密码", "password set"},
		"account.browser":  {"在新的浏览器登录", "signed on in a new browser"},
		"consent.add":      {"授权应用", "allowed an application"},
		"grant.save":       {"登录应用", "signed on to an application"},
		"registry.person":  {"登记个人信息", "person registered"},
		"registry.mandate": {"登记经办授权", "mandate registered"},
		"licence.draft":    {"草拟证照", "licence drafted"},
		"licence.issue":    {"签发证照", "licence issued"},
		"licence.read":     {"查看证照", "licence looked up"},
		"licence.show":     {"出示证照", "licence shown"},
		"licence.revoke":   {"撤销证照", "licence revoked"},
		"licence.suspend":  {"暂扣证照", "licence suspended"},
		"licence.resume":   {"发还证照", "licence resumed"},
		"licence.verify":   {"核验证照", "licence verified"},
		"seal.request":     {"申请印章", "seal requested"},
		"seal.approve":     {"批准印章", "seal approved"},
		"seal.reject":      {"驳回印章申请", "seal request rejected"},
		"seal.make":        {"制作印章", "seal made"},
		"seal.activate":    {"启用印章", "seal activated"},
		"seal.stamp":       {"签章", "document stamped"},
		"seal.suspend":     {"停用印章", "seal suspended"},
		"seal.resume":      {"恢复印章", "seal resumed"},
		"seal.revoke":      {"撤销印章", "seal revoked"},
	}[action]
	if !known {
		return action, action
	}
	return text[0], text[1]
}
