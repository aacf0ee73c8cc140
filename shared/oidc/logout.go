package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/page"
)

// logoutRequest is a logout request (RP-Initiated Logout 1.0, section 2) whose parts fit together.
type logoutRequest struct {
	hint   idToken
	client Client // zero where none was named
	to     string // where to go afterwards; empty for our own page
	state  string
}

// endSession serves /end-session. Nothing is redirected before the request is known to be right, and nobody is signed
// out unasked, unless the hint was issued in this very session.
func (p AuthorizePorts) endSession(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	values := r.URL.Query()
	decided := false
	if r.Method == http.MethodPost {
		values = r.PostForm
		decided = p.cookies().CheckForm(r)
		if raw := values.Get(requestField); raw != "" {
			var err error
			if values, err = url.ParseQuery(raw); err != nil {
				return refuse(invalidRequest, "the form cannot be decoded")
			}
		}
	}
	q, err := p.readLogout(r.Context(), values)
	switch {
	case err != nil:
		return err
	case r.Method == http.MethodPost && !decided:
		// A form that another site posts comes without our cookies, the redirect with them: only then is known who is
		// signed on, and whether to ask.
		values.Del(access.FormField)
		values.Del("decision")
		seeOther(w, "/end-session?"+values.Encode())
		return nil
	}
	session, id, err := p.session(r)
	if err != nil {
		return err
	}
	chain, err := p.chain(r.Context(), session, id)
	if err != nil {
		return err
	}
	hinted := slices.ContainsFunc(chain, func(id string) bool {
		return q.hint.SessionID != "" && q.hint.SessionID == sessionClaim(p.PairwiseKey, id, q.client.ID)
	})
	switch {
	case session.Person == "": // signed out already: say so again
	case decided && r.PostForm.Get("decision") == "deny":
		seeOther(w, ownPages[0])
		return nil
	case !hinted && !decided:
		return p.showLogout(w, r, values, q, session)
	default:
		if err := p.end(r.Context(), session, chain, q.client); err != nil {
			return err
		}
	}
	if id := p.cookies().SessionID(r); id != "" {
		p.cookies().SetSession(w, "")
	}
	if q.to == "" {
		page.Write(w, http.StatusOK, page.Message{
			TitleZH: "已退出登录", TitleEN: "Signed out", ZH: "您已退出登录。", EN: "You are signed out.",
			Next: page.Link{Address: ownPages[0], ZH: "重新登录", EN: "Sign in again"},
		}.Page())
		return nil
	}
	to := q.to
	if q.state != "" {
		separator := "?"
		if strings.Contains(to, "?") {
			separator = "&"
		}
		to += separator + url.Values{"state": {q.state}}.Encode()
	}
	seeOther(w, to)
	return nil
}

// readLogout runs the checks of RP-Initiated Logout 1.0, sections 2 and 4.
func (p AuthorizePorts) readLogout(ctx context.Context, values url.Values) (logoutRequest, error) {
	for name, list := range values {
		if len(list) > 1 {
			return logoutRequest{}, refuse(invalidRequest, "a parameter was sent twice: %s", printableName(name))
		}
	}
	q := logoutRequest{to: values.Get("post_logout_redirect_uri"), state: values.Get("state")}
	clientID := values.Get("client_id")
	if raw := values.Get("id_token_hint"); raw != "" {
		var err error
		if q.hint, err = readHint(ctx, p.Keys, p.Issuer, raw); err != nil {
			return logoutRequest{}, err
		}
		if clientID != "" && clientID != q.hint.Audience {
			return logoutRequest{}, refuse(invalidRequest, "client_id and id_token_hint name two clients")
		}
		clientID = q.hint.Audience
	}
	if clientID == "" && q.to != "" {
		return logoutRequest{}, refuse(invalidRequest, "post_logout_redirect_uri needs id_token_hint or client_id")
	}
	if clientID == "" {
		return q, nil
	}
	var err error
	q.client, err = findClient(ctx, p.Clients, clientID)
	switch {
	case errors.Is(err, ErrClientUnknown):
		return logoutRequest{}, refuse(invalidRequest, "unknown client_id")
	case err != nil:
		return logoutRequest{}, fmt.Errorf("reading the client: %w", err)
	case q.to != "" && !slices.Contains(q.client.LogoutURIs, q.to):
		return logoutRequest{}, refuse(invalidRequest, "post_logout_redirect_uri is not registered for this client")
	}
	return q, nil
}

func printableName(name string) string {
	if len(name) > 64 || !printable(name) {
		return "?"
	}
	return name
}

func (p AuthorizePorts) showLogout(
	w http.ResponseWriter, r *http.Request, values url.Values, q logoutRequest, session access.Session,
) error {
	person, err := p.Persons.PersonClaims(r.Context(), session.Person)
	if err != nil {
		return fmt.Errorf("reading who is signed on: %w", err)
	}
	token, err := p.cookies().FormToken(w, r, p.Rand)
	if err != nil {
		return err
	}
	values.Del(access.FormField)
	values.Del("decision")
	l := page.Logout{Person: person.Name, Hidden: []page.Field{{Name: access.FormField, Value: token}}}
	if len(values) > 0 {
		l.Hidden = append(l.Hidden, page.Field{Name: requestField, Value: values.Encode()})
	}
	if q.to != "" {
		l.Targets = formTargets(q.to)
	}
	page.Write(w, http.StatusOK, l.Page())
	return nil
}

// maxChain is how many log-ins of one person in one browser, without a log-out, a log-out follows back.
const maxChain = 50

// chain returns the identifiers of a session and of those it took over from that still live, the newest first.
func (p AuthorizePorts) chain(ctx context.Context, session access.Session, id string) ([]string, error) {
	var chain []string
	for session.Person != "" && len(chain) < maxChain {
		chain = append(chain, id)
		if id = session.Previous; id == "" {
			break
		}
		var err error
		session, err = p.Sessions.LiveSession(ctx, id)
		if errors.Is(err, access.ErrSessionGone) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading an earlier session: %w", err)
		}
	}
	return chain, nil
}

// end ends a session and those it took over from, the oldest first: if we stop half way, the newest still leads to the
// rest.
func (p AuthorizePorts) end(ctx context.Context, session access.Session, chain []string, client Client) error {
	now := p.Now()
	for _, id := range slices.Backward(chain) {
		e, err := newEvent(now, p.Rand, "session.end", audit.Done)
		if err != nil {
			return err
		}
		e.Person, e.Client, e.Channel = session.Person, client.ID, client.channel()
		e.Object, e.Holder = "person/"+session.Person, session.Person
		if err := p.SessionSaver.EndSession(ctx, id, now, e); err != nil {
			return fmt.Errorf("ending the session: %w", err)
		}
	}
	return nil
}

// readHint reads an ID Token of ours that came back as a hint: its signature and issuer count, its expiry does not
// (OpenID Connect Core, section 3.1.2.1; RP-Initiated Logout 1.0, section 4).
func readHint(ctx context.Context, keys access.Keys, issuer, token string) (idToken, error) {
	h, _, err := jose.Parse(token)
	if err != nil {
		return idToken{}, refuse(invalidRequest, "id_token_hint is not a JWS")
	}
	k, found, err := access.FindKey(ctx, keys, h.KeyID)
	if err != nil {
		return idToken{}, err
	}
	if !found {
		return idToken{}, refuse(invalidRequest, "id_token_hint was signed with an unknown key")
	}
	_, payload, err := jose.Verify(token, k.Public, key.ES256)
	if err != nil {
		return idToken{}, refuse(invalidRequest, "id_token_hint was not signed here")
	}
	var t idToken
	// An access token is no hint, though the same key signs it.
	if !strings.EqualFold(h.Type, idTokenType) || json.Unmarshal(payload, &t) != nil || t.Issuer != issuer || t.Subject == "" {
		return idToken{}, refuse(invalidRequest, "id_token_hint is not an ID Token of this issuer")
	}
	return t, nil
}
