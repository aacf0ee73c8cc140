package oidc

import (
	"encoding/json"
	"net/http"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/problem"
)

// DiscoveryRoutes are the routes of [Discovery].
var DiscoveryRoutes = []string{
	"GET /.well-known/openid-configuration",
	"GET /.well-known/oauth-authorization-server",
	"GET /jwks",
}

// DiscoveryPorts are the rights of oidc-discovery: it reads public keys.
type DiscoveryPorts struct {
	Issuer string // scheme and host, without a path
	Keys   access.Keys
}

// metadata is the document of OpenID Connect Discovery 1.0, section 3, and RFC 8414, section 2.
type metadata struct {
	Issuer              string   `json:"issuer"`
	Authorization       string   `json:"authorization_endpoint"`
	Token               string   `json:"token_endpoint"`
	UserInfo            string   `json:"userinfo_endpoint"`
	JWKS                string   `json:"jwks_uri"`
	EndSession          string   `json:"end_session_endpoint"`
	Scopes              []string `json:"scopes_supported"`
	ResponseTypes       []string `json:"response_types_supported"`
	ResponseModes       []string `json:"response_modes_supported"`
	GrantTypes          []string `json:"grant_types_supported"`
	ACRs                []string `json:"acr_values_supported"`
	SubjectTypes        []string `json:"subject_types_supported"`
	IDTokenAlgs         []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs            []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Claims              []string `json:"claims_supported"`
	Prompts             []string `json:"prompt_values_supported"`
	ChallengeMethods    []string `json:"code_challenge_methods_supported"`
	UILocales           []string `json:"ui_locales_supported"`
	ClaimsParameter     bool     `json:"claims_parameter_supported"`
	RequestParameter    bool     `json:"request_parameter_supported"`
	RequestURIParameter bool     `json:"request_uri_parameter_supported"`
	ResponseIssuer      bool     `json:"authorization_response_iss_parameter_supported"`
	FrontChannelLogout  bool     `json:"frontchannel_logout_supported"`
	BackChannelLogout   bool     `json:"backchannel_logout_supported"`
	ProtectedResources  []string `json:"protected_resources"` // RFC 9728, section 4
}

// ACRPassword says: a known person, by password alone (level 2 of urn:yinxin:loa:1 to 4).
const ACRPassword = "urn:yinxin:loa:2"

// Discovery serves what a client needs to find its way: the metadata under both well-known names, and the public keys.
func Discovery(p DiscoveryPorts) http.Handler {
	document, err := json.Marshal(metadata{
		Issuer: p.Issuer, Authorization: p.Issuer + "/authorize", Token: p.Issuer + "/token",
		UserInfo: p.Issuer + "/userinfo", JWKS: p.Issuer + "/jwks", EndSession: p.Issuer + "/end-session",
		Scopes: KnownScopes(), ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		GrantTypes: []string{GrantCode, GrantRefresh, GrantClient}, ACRs: []string{ACRPassword},
		SubjectTypes: []string{"pairwise"}, IDTokenAlgs: []string{"ES256"},
		AuthMethods: []string{SecretBasic, SecretPost, PrivateKeyJWT, NoSecret}, AuthAlgs: []string{"ES256", "PS256", "EdDSA"},
		Claims:  []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "at_hash", "sid", "name", "phone_number"},
		Prompts: []string{"none", "login", "consent", "select_account"}, ChallengeMethods: []string{"S256"},
		UILocales: []string{"zh-CN", "en"}, ResponseIssuer: true, ProtectedResources: []string{p.Issuer},
	})
	if err != nil {
		panic("oidc: the metadata cannot be encoded: " + err.Error()) // the type is ours
	}
	mux := http.NewServeMux()
	for _, route := range DiscoveryRoutes[:2] {
		mux.HandleFunc(route, func(w http.ResponseWriter, _ *http.Request) {
			writePublic(w, "application/json", "public, max-age=3600", document)
		})
	}
	mux.Handle(DiscoveryRoutes[2], problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		set, err := p.Keys.TokenKeys(r.Context())
		if err != nil {
			return err
		}
		data, err := json.Marshal(set)
		if err != nil {
			return err
		}
		// Short, so that a withdrawn key is soon forgotten; a new one is published before it signs.
		writePublic(w, "application/jwk-set+json", "public, max-age=300", data)
		return nil
	}))
	return mux
}

// writePublic answers with what anybody may read, from any page.
func writePublic(w http.ResponseWriter, mediaType, caching string, data []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", caching)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(data) // the client is gone if this fails
}
