package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/problem"
)

// UserInfoRoutes are the routes of [UserInfo].
var UserInfoRoutes = []string{"GET /userinfo", "POST /userinfo"}

// UserInfoPorts are the rights of oidc-userinfo: it reads.
type UserInfoPorts struct {
	Issuer      string
	Keys        access.Keys
	LiveGrants  access.Grants
	Clients     Clients
	Persons     Persons
	PairwiseKey []byte // as in AuthorizePorts
	Now         func() time.Time
}

// userInfo are the claims of OpenID Connect Core, section 5.1, that we tell.
type userInfo struct {
	Subject string `json:"sub"`
	Name    string `json:"name,omitempty"`
	Phone   string `json:"phone_number,omitempty"`
}

// UserInfo serves the UserInfo endpoint (OpenID Connect Core, section 5.3).
func UserInfo(p UserInfoPorts) http.Handler {
	guard := access.Guard{
		Issuer: p.Issuer, Audiences: []string{p.Issuer, p.Issuer + "/userinfo"}, Keys: p.Keys, Grants: p.LiveGrants, Now: p.Now,
	}
	h := guard.Require(ScopeOpenID, p.userInfo)
	mux := http.NewServeMux()
	mux.Handle(UserInfoRoutes[0], h)
	mux.HandleFunc(UserInfoRoutes[1], func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4*maxRequest)
		if err := bodyToken(r); err != nil {
			access.Challenge(w, p.Issuer, ScopeOpenID, err)
			problem.Write(w, r, err)
			return
		}
		h.ServeHTTP(w, r)
	})
	return mux
}

// bodyToken moves a token of the form (RFC 6750, section 2.2) to where the guard looks for it.
func bodyToken(r *http.Request) error {
	var tooLarge *http.MaxBytesError
	switch err := r.ParseForm(); {
	case errors.As(err, &tooLarge):
		return problem.TooLarge
	case err != nil:
		return access.InvalidRequest.With("the form cannot be decoded")
	}
	list := r.PostForm["access_token"]
	switch {
	case len(list) == 0:
		return nil
	case len(list) > 1 || r.Header.Get("Authorization") != "":
		return access.InvalidRequest
	}
	r.Header.Set("Authorization", "Bearer "+list[0])
	return nil
}

func (p UserInfoPorts) userInfo(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	client, err := findClient(r.Context(), p.Clients, c.Client)
	if errors.Is(err, ErrClientUnknown) || err == nil && c.Person == "" {
		return access.InvalidToken.With("the client is gone, or the token speaks for nobody")
	}
	if err != nil {
		return fmt.Errorf("reading the client: %w", err)
	}
	person, err := p.Persons.PersonClaims(r.Context(), c.Person)
	if errors.Is(err, ErrPersonUnknown) {
		return access.InvalidToken.With("the person is gone")
	}
	if err != nil {
		return fmt.Errorf("reading the person: %w", err)
	}
	// The client's own subject, also where the token's is the platform's: it must be that of the ID Token.
	info := userInfo{Subject: subject(p.PairwiseKey, client.Sector(), c.Person)}
	if c.Has(ScopeProfile) {
		info.Name = person.Name
	}
	if c.Has(ScopePhone) {
		info.Phone = person.Phone
	}
	writeJSON(w, http.StatusOK, info)
	return nil
}
