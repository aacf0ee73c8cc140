package oidc

import (
	"context"
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

// AuthorizeRoutes are the routes of [Authorize].
var AuthorizeRoutes = []string{
	"GET /authorize",
	"POST /authorize",
	"GET /login",
	"POST /login",
	"POST /consent",
	"GET /end-session",
	"POST /end-session",
}

// AuthorizePorts are the rights of oidc-authorize. It saves sessions, consents and grants, and signs nothing.
type AuthorizePorts struct {
	Issuer       string // scheme and host, without a slash at the end
	Clients      Clients
	Sessions     access.Sessions
	SessionSaver SessionSaver
	Consents     Consents
	Grants       GrantSaver
	Persons      Persons
	Keys         access.Keys // to read our own ID Tokens when they come as a hint
	PairwiseKey  []byte      // at least 32 bytes, the same everywhere, never changed
	// Authenticate checks a password and returns the person and how sure we are (acr). address is the caller's IP
	// address, device a stable mark of the browser; on success the device is remembered as the person's. It refuses
	// with a *problem.Problem: of status 429 where it is tried too often, of any other where the two do not fit.
	Authenticate func(ctx context.Context, username, password, address, device string) (person, acr string, err error)
	Now          func() time.Time
	Rand         io.Reader
}

// Authorize serves the authorization endpoint (OpenID Connect Core, section 3.1.2), its forms, and the end of the session
// (RP-Initiated Logout 1.0).
//
//	GET /authorize ─ request wrong ─► page, or 303 with error
//	      ├─ nobody signed on ──► login form ─ POST /login ──► 303 /authorize
//	      ├─ not allowed before ─► consent form ─ POST /consent ─┐
//	      └─ 303 with code ◄─────────────────────────────────────┘
//
// No step keeps state between requests: the forms carry the request, and each step checks it from the beginning.
func Authorize(p AuthorizePorts) http.Handler {
	mux := http.NewServeMux()
	for i, h := range []func(http.ResponseWriter, *http.Request) error{
		p.authorize, p.authorizeForm, p.loginPage, p.login, p.consent, p.endSession, p.endSession,
	} {
		mux.Handle(AuthorizeRoutes[i], pageHandler(h))
	}
	return strict(p.Issuer, mux)
}

// strict keeps browsers that were here once on https (RFC 6797): the log-in page speaks for the whole host. On the loopback interface other programs share the host, and nothing is said.
func strict(issuer string, next http.Handler) http.Handler {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || isLoopback(u.Hostname()) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=63072000")
		next.ServeHTTP(w, r)
	})
}

// pageHandler shows refusals that must not reach a client, and faults, as pages.
func pageHandler(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4*maxRequest)
		err := h(w, r)
		var refusal *Error
		switch {
		case err == nil:
		case errors.As(err, &refusal):
			page.Write(w, refusal.Status, page.Message{
				TitleZH: "请求有误", TitleEN: "This request cannot be served", Alert: true,
				ZH:   "应用发来的请求有误，您没有做错什么。请返回应用重试，或联系该应用。",
				EN:   "The application sent a request that is wrong; you did nothing wrong. Go back and try again, or tell the application.",
				Code: refusal.Code, Detail: refusal.Description,
			}.Page())
		default:
			page.Fault(w, r, err)
		}
	})
}

// authorizeForm turns a posted request into one by GET (OpenID Connect Core, section 3.1.2.1, allows both): a form that
// another site posts comes without our cookies, the redirect with them.
func (p AuthorizePorts) authorizeForm(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	seeOther(w, "/authorize?"+r.PostForm.Encode())
	return nil
}

func (p AuthorizePorts) authorize(w http.ResponseWriter, r *http.Request) error {
	q, client, err := p.read(r.Context(), r.URL.RawQuery)
	if err != nil {
		return err
	}
	return p.answer(w, q, p.step(w, r, q, client))
}

// read checks what must be right before anything is sent to the client's address.
func (p AuthorizePorts) read(ctx context.Context, query string) (AuthorizationRequest, Client, error) {
	q, err := ParseAuthorizationRequest(query)
	if err != nil {
		return q, Client{}, err
	}
	client, err := findClient(ctx, p.Clients, q.ClientID)
	switch {
	case errors.Is(err, ErrClientUnknown):
		return q, client, refuse(invalidRequest, "unknown client_id")
	case err != nil:
		return q, client, fmt.Errorf("reading the client: %w", err)
	case !client.HasRedirect(q.RedirectURI):
		return q, client, refuse(invalidRequest, "redirect_uri is not registered for this client")
	}
	return q, client, nil
}

// answer sends a refusal to the client, now that its address is known to be right. Faults stay here.
func (p AuthorizePorts) answer(w http.ResponseWriter, q AuthorizationRequest, err error) error {
	var refusal *Error
	if !errors.As(err, &refusal) {
		return err
	}
	p.respond(w, q, url.Values{"error": {refusal.Code}, "error_description": {refusal.Description}})
	return nil
}

// respond sends the authorization response (RFC 6749, section 4.1.2) with state and iss (RFC 9207).
func (p AuthorizePorts) respond(w http.ResponseWriter, q AuthorizationRequest, values url.Values) {
	if q.State != "" {
		values.Set("state", q.State)
	}
	values.Set("iss", p.Issuer)
	separator := "?"
	if strings.Contains(q.RedirectURI, "?") {
		separator = "&"
	}
	seeOther(w, q.RedirectURI+separator+values.Encode())
}

// step does the next thing a request needs: a login form, a consent form, or the code.
func (p AuthorizePorts) step(w http.ResponseWriter, r *http.Request, q AuthorizationRequest, client Client) error {
	scope, err := p.scope(q, client)
	if err != nil {
		return err
	}
	session, id, err := p.session(r)
	if err != nil {
		return err
	}
	needed, err := p.loginNeeded(r.Context(), q, client, session)
	switch {
	case err != nil:
		return err
	case needed && q.prompts("none"):
		return refuse(loginRequired, "nobody suitable is signed on")
	case needed:
		return p.showLogin(w, r, http.StatusOK, q, client, q.LoginHint, "")
	}
	allowed, err := p.Consents.Consented(r.Context(), session.Person, client.ID)
	if err != nil {
		return fmt.Errorf("reading the consent: %w", err)
	}
	consented := covers(allowed, scope) && client.proven(q.RedirectURI) && !q.prompts("consent")
	switch {
	case !consented && q.prompts("none"):
		return refuse(consentRequired, "the person has not allowed this yet")
	case !consented:
		return p.showConsent(w, r, q, client, scope, session, id)
	}
	return p.issueCode(w, r, q, client, scope, session, id)
}

// scope checks what the request asks for against its client and returns what may be granted.
func (p AuthorizePorts) scope(q AuthorizationRequest, client Client) (string, error) {
	if err := q.Problem(); err != nil {
		return "", err
	}
	if !client.Allows(GrantCode) {
		return "", refuse(unauthorizedClient, "the client may not use the authorization code flow")
	}
	scope := client.grantable(q.Scope)
	if scope == "" {
		return "", refuse(invalidScope, "nothing of the scope is the client's")
	}
	if !within(q.Resource, audiences(p.Issuer, scope)) {
		return "", badTarget()
	}
	return scope, nil
}

// session returns the browser's session and its identifier, or zero values.
func (p AuthorizePorts) session(r *http.Request) (access.Session, string, error) {
	id := access.Cookies{Issuer: p.Issuer}.SessionID(r)
	if id == "" {
		return access.Session{}, "", nil
	}
	s, err := p.Sessions.LiveSession(r.Context(), id)
	switch {
	case errors.Is(err, access.ErrSessionGone):
		return access.Session{}, "", nil
	case err != nil:
		return access.Session{}, "", fmt.Errorf("reading the session: %w", err)
	}
	return s, id, nil
}

// loginNeeded tells whether a person must sign on, or sign on again (OpenID Connect Core, section 3.1.2.3).
func (p AuthorizePorts) loginNeeded(
	ctx context.Context, q AuthorizationRequest, client Client, session access.Session,
) (bool, error) {
	if session.Person == "" || q.prompts("login") || q.prompts("select_account") {
		return true, nil
	}
	age := p.Now().Sub(session.AuthTime)
	if q.MaxAge >= 0 && age > q.MaxAge || q.MaxAge == 0 {
		return true, nil
	}
	if q.MaxAge < 0 && client.DefaultMaxAge > 0 && age > time.Duration(client.DefaultMaxAge)*time.Second {
		return true, nil
	}
	hinted, err := p.hinted(ctx, q, client, session.Person)
	return !hinted, err
}

// hinted tells whether person is the one that id_token_hint names, if it names one.
func (p AuthorizePorts) hinted(ctx context.Context, q AuthorizationRequest, client Client, person string) (bool, error) {
	if q.IDTokenHint == "" {
		return true, nil
	}
	hint, err := readHint(ctx, p.Keys, p.Issuer, q.IDTokenHint)
	return hint.Subject == subject(p.PairwiseKey, client.Sector(), person), err
}

// The hidden fields of the forms, beside access.FormField.
const (
	requestField = "request" // the authorization request
	returnField  = "return"  // one of our own pages
	sessionField = "session" // whose consent it is
)

func (p AuthorizePorts) showConsent(w http.ResponseWriter, r *http.Request, q AuthorizationRequest, client Client,
	scope string, session access.Session, sessionID string,
) error {
	person, err := p.Persons.PersonClaims(r.Context(), session.Person)
	if err != nil {
		return fmt.Errorf("reading who is signed on: %w", err)
	}
	token, err := p.cookies().FormToken(w, r, p.Rand)
	if err != nil {
		return err
	}
	page.Write(w, http.StatusOK, page.Consent{
		Client: client.Name, Host: destination(q.RedirectURI), Person: person.Name, Asked: asks(scope),
		Targets: formTargets(q.RedirectURI),
		Hidden: []page.Field{
			{Name: access.FormField, Value: token}, {Name: requestField, Value: q.String()},
			{Name: sessionField, Value: p.formSession(sessionID)},
		},
	}.Page())
	return nil
}

// consent takes the decision of the consent form.
func (p AuthorizePorts) consent(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	q, client, err := p.read(r.Context(), r.PostForm.Get(requestField))
	if err != nil {
		return err
	}
	return p.answer(w, q, p.decide(w, r, q, client))
}

func (p AuthorizePorts) decide(w http.ResponseWriter, r *http.Request, q AuthorizationRequest, client Client) error {
	scope, err := p.scope(q, client)
	if err != nil {
		return err
	}
	session, id, err := p.session(r)
	if err != nil {
		return err
	}
	needed, err := p.loginNeeded(r.Context(), q, client, session)
	if err != nil {
		return err
	}
	// A form of another browser or another session decides nothing: the request begins again.
	if needed || !p.cookies().CheckForm(r) || r.PostForm.Get(sessionField) != p.formSession(id) {
		seeOther(w, "/authorize?"+q.String())
		return nil
	}
	if r.PostForm.Get("decision") != "allow" {
		return refuse(accessDenied, "the person did not allow it")
	}
	e, err := newEvent(p.Now(), p.Rand, "consent.add", audit.Done)
	if err != nil {
		return err
	}
	e.Person, e.Client, e.Channel, e.Object = session.Person, client.ID, client.channel(), "client/"+client.ID
	e.Holder, e.Purpose = session.Person, inWords(scope)
	if err := p.Consents.AddConsent(r.Context(), session.Person, client.ID, strings.Fields(scope), e); err != nil {
		return fmt.Errorf("saving the consent: %w", err)
	}
	return p.issueCode(w, r, q, client, scope, session, id)
}

// issueCode saves the grant with its code and sends the code to the client.
func (p AuthorizePorts) issueCode(w http.ResponseWriter, r *http.Request, q AuthorizationRequest, client Client,
	scope string, session access.Session, sessionID string,
) error {
	now := p.Now()
	id, err := access.Token(p.Rand, 16)
	if err != nil {
		return err
	}
	secret, err := access.Token(p.Rand, 32)
	if err != nil {
		return err
	}
	code := id + "." + secret
	g := Grant{
		ID: id, Client: client.ID, Person: session.Person, Channel: client.channel(), Browser: sessionID, Scope: scope,
		RedirectURI: q.RedirectURI, Challenge: q.Challenge, Nonce: q.Nonce, ACR: session.ACR, AuthTime: session.AuthTime,
		Created: now, Expires: now.Add(GrantLife), CodeHash: hashToken(code), CodeExpires: now.Add(CodeLife),
	}
	if !hasScope(scope, ScopeOffline) {
		g.Session = sessionID
	}
	e, err := newEvent(now, p.Rand, "grant.save", audit.Done)
	if err != nil {
		return err
	}
	e.Person, e.Client, e.Channel, e.Object = g.Person, g.Client, g.Channel, "grant/"+g.ID
	e.Holder = g.Person
	if err := p.Grants.SaveGrant(r.Context(), g, e); err != nil {
		return fmt.Errorf("saving the grant: %w", err)
	}
	p.respond(w, q, url.Values{"code": {code}})
	return nil
}

func (p AuthorizePorts) cookies() access.Cookies { return access.Cookies{Issuer: p.Issuer} }

// formSession names a session to its own forms, without its identifier.
func (p AuthorizePorts) formSession(id string) string {
	return sessionClaim(p.PairwiseKey, id, "form:")
}

// destination says where an answer goes, for people: the host, or the scheme of an app.
func destination(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		scheme, _, _ := strings.Cut(uri, ":")
		return scheme
	}
	return u.Host
}

// formTargets allows a form of ours to lead, by redirection, to addresses of the scheme of uri: browsers hold every hop
// after a form against form-action, and what a client does with the answer is its own affair.
func formTargets(uri string) []string {
	scheme, _, _ := strings.Cut(uri, ":")
	return []string{scheme + ":"}
}

// parseForm reads a posted form, and only the body's.
func parseForm(r *http.Request) error {
	var tooLarge *http.MaxBytesError
	err := r.ParseForm()
	switch {
	case errors.As(err, &tooLarge):
		return &Error{Code: invalidRequest, Description: "the form is too long", Status: http.StatusRequestEntityTooLarge}
	case err != nil:
		return refuse(invalidRequest, "the form cannot be decoded")
	}
	return nil
}

// seeOther redirects with 303: never 307, which would send a password on (RFC 9700, section 4.12).
func seeOther(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
