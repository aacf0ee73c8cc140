package oidc

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/problem"
)

// ownPages are the pages of ours that a person signs on for directly. Nothing else is ever redirected to.
var ownPages = [...]string{"/account", "/account/usage"}

// loginPage shows the login form for one of our own pages.
func (p AuthorizePorts) loginPage(w http.ResponseWriter, r *http.Request) error {
	to := ownPage(r.URL.Query().Get(returnField))
	session, _, err := p.session(r)
	if err != nil {
		return err
	}
	if session.Person != "" {
		seeOther(w, to)
		return nil
	}
	return p.showOwnLogin(w, r, http.StatusOK, to, "", "")
}

func ownPage(path string) string {
	if slices.Contains(ownPages[:], path) {
		return path
	}
	return ownPages[0]
}

// showLogin shows the login form for a request of a client.
func (p AuthorizePorts) showLogin(w http.ResponseWriter, r *http.Request, status int, q AuthorizationRequest, client Client,
	username string, why page.LoginProblem,
) error {
	token, err := p.cookies().FormToken(w, r, p.Rand)
	if err != nil {
		return err
	}
	page.Write(w, status, page.Login{
		Client: client.Name, Username: username, Problem: why, Targets: formTargets(q.RedirectURI),
		Hidden: []page.Field{{Name: access.FormField, Value: token}, {Name: requestField, Value: q.String()}},
	}.Page())
	return nil
}

func (p AuthorizePorts) showOwnLogin(
	w http.ResponseWriter, r *http.Request, status int, to, username string, why page.LoginProblem,
) error {
	token, err := p.cookies().FormToken(w, r, p.Rand)
	if err != nil {
		return err
	}
	page.Write(w, status, page.Login{
		Username: username, Problem: why,
		Hidden: []page.Field{{Name: access.FormField, Value: token}, {Name: returnField, Value: to}},
	}.Page())
	return nil
}

// login takes the login form.
func (p AuthorizePorts) login(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	raw := r.PostForm.Get(requestField)
	username := r.PostForm.Get("username")
	if raw == "" {
		to := ownPage(r.PostForm.Get(returnField))
		_, status, why, err := p.signOn(w, r, username, Client{Type: "web"})
		switch {
		case err != nil:
			return err
		case why != "":
			return p.showOwnLogin(w, r, status, to, username, why)
		}
		seeOther(w, to)
		return nil
	}
	q, client, err := p.read(r.Context(), raw)
	if err != nil {
		return err
	}
	if _, err := p.scope(q, client); err != nil {
		return p.answer(w, q, err)
	}
	person, status, why, err := p.signOn(w, r, username, client)
	switch {
	case err != nil:
		return err
	case why != "":
		return p.showLogin(w, r, status, q, client, username, why)
	}
	hinted, err := p.hinted(r.Context(), q, client, person)
	switch {
	case err != nil:
		return p.answer(w, q, err)
	case !hinted: // OpenID Connect Core, section 3.1.2.1, asks for an error, and another form would lead nowhere
		return p.answer(w, q, refuse(loginRequired, "another person signed on than id_token_hint names"))
	}
	seeOther(w, "/authorize?"+q.afterLogin())
	return nil
}

// signOn checks the password and begins a session, always a new one. It returns the person, or why not and the status to
// say so.
//
// The device mark is drawn before the password is checked and given to the browser only afterwards, so that the password
// check can remember it.
func (p AuthorizePorts) signOn(
	w http.ResponseWriter, r *http.Request, username string, client Client,
) (person string, status int, why page.LoginProblem, err error) {
	cookies := p.cookies()
	if !cookies.CheckForm(r) {
		return "", http.StatusForbidden, page.LoginStale, nil
	}
	device, fresh := cookies.Device(r), ""
	if device == "" {
		if fresh, err = access.Token(p.Rand, 16); err != nil {
			return "", 0, "", err
		}
		device = access.DeviceID(fresh)
	}
	person, acr, err := p.Authenticate(r.Context(), username, r.PostForm.Get("password"), address(r), device)
	var refusal *problem.Problem
	switch {
	case errors.As(err, &refusal) && refusal.Status == http.StatusTooManyRequests:
		return "", refusal.Status, page.LoginThrottled, nil
	case errors.As(err, &refusal):
		return "", http.StatusForbidden, page.LoginWrong, nil
	case err != nil:
		return "", 0, "", fmt.Errorf("checking a password: %w", err)
	}
	value, err := access.Token(p.Rand, 32)
	if err != nil {
		return "", 0, "", err
	}
	previous, err := p.takeOver(r, person, client)
	if err != nil {
		return "", 0, "", err
	}
	now := p.Now()
	s := Session{ID: access.SessionID(value), Person: person, AuthTime: now, ACR: acr, Expires: now.Add(SessionLife), Previous: previous}
	e, err := newEvent(now, p.Rand, "session.begin", audit.Done)
	if err != nil {
		return "", 0, "", err
	}
	e.Person, e.Client, e.Channel, e.Object, e.Holder = person, client.ID, client.channel(), "person/"+person, person
	if err := p.SessionSaver.SaveSession(r.Context(), s, e); err != nil {
		return "", 0, "", fmt.Errorf("saving the session: %w", err)
	}
	if fresh != "" {
		cookies.SetDevice(w, fresh)
	}
	cookies.SetSession(w, value)
	return person, 0, "", nil
}

// takeOver returns the browser's session if it is the same person's. Another person's ends here: whoever signs on next
// must not leave the last one's applications open.
func (p AuthorizePorts) takeOver(r *http.Request, person string, client Client) (string, error) {
	old, id, err := p.session(r)
	if err != nil || old.Person == "" || old.Person == person {
		return id, err
	}
	chain, err := p.chain(r.Context(), old, id)
	if err != nil {
		return "", err
	}
	return "", p.end(r.Context(), old, chain, client)
}

// address is the IP address of the caller, as the server or the gateway saw it. Headers are not believed.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
