// Package oidc is an OpenID Provider: OpenID Connect Core 1.0 (with errata set 2) and OAuth 2.0 (RFC 6749) with the
// authorization code flow, as RFC 9700 narrows it. One person signs on once; every application accepts it (一次认证、全网通办).
//
//	browser                                       application                              API of the house
//	GET /authorize ─ login ─ consent ─ 303 code ──► POST /token ── ID Token, access token ──► access.Guard
//	    Authorize: saves grants, may not sign           Token: redeems, signs                  GET /userinfo: reads
//	GET /end-session: the session ends, and with it every grant that is not offline_access
//
//	one grant, one item:  saved ─ RedeemCode ─► redeemed ─ RotateRefresh ─► … ─ RevokeGrant ─► revoked
//
// A grant, its code and its refresh family are one record, found by the prefix that code and refresh token begin with.
// So redeeming, rotating and revoking are each one conditional write, and a replayed code finds what to revoke. Codes and
// refresh tokens are kept as SHA-256 only.
//
// Standards: RFC 7636 (PKCE, S256 required of every client), RFC 9207 (iss), RFC 9068 (access tokens), RFC 7521 and 7523
// (private_key_jwt), RFC 8414 and OpenID Connect Discovery 1.0 (metadata), RFC 8707 (resource), OpenID Connect
// RP-Initiated Logout 1.0. Subjects are pairwise (OpenID Connect Core, section 8.1); for our own APIs they are those of
// the platform's sector.
//
// What the conformance suite of the OpenID Foundation asks of a provider is asked by TestOIDCCBasicPlan, TestOIDCCConfigPlan
// and TestOIDCCRPInitiatedLogoutPlan, module by module.
//
// It has no implicit or hybrid flow, no password grant, no request objects, and no grace for a refresh token that was
// used twice beyond leaving the family alive (see [Refresher]). It knows no passwords: [AuthorizePorts] takes a function.
package oidc
