package oidc

import (
	"slices"
	"strings"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/page"
)

// The scopes of OpenID Connect Core, sections 5.4 and 11. Those of our own APIs stand in shared/access.
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopePhone   = "phone"
	ScopeOffline = "offline_access"
)

// unreserved are the characters of RFC 3986, section 2.3: those of client identifiers and code verifiers.
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// KnownScopes are all scopes there are.
func KnownScopes() []string {
	return append([]string{ScopeOpenID, ScopeProfile, ScopePhone, ScopeOffline}, access.Scopes()...)
}

// grantable returns what of a requested scope a client may have, in the requested order, without repetition. Scopes
// that are unknown or not the client's are left out (RFC 6749, section 3.3; the answer says what was granted).
func (c Client) grantable(requested string) string {
	allowed, granted := strings.Fields(c.Scope), []string{}
	for _, s := range strings.Fields(requested) {
		offlineless := s == ScopeOffline && !c.Allows(GrantRefresh)
		if slices.Contains(allowed, s) && !slices.Contains(granted, s) && !offlineless {
			granted = append(granted, s)
		}
	}
	return strings.Join(granted, " ")
}

func hasScope(scope, one string) bool { return slices.Contains(strings.Fields(scope), one) }

// covers tells whether every scope of narrow is in wide.
func covers(wide, narrow string) bool {
	for _, s := range strings.Fields(narrow) {
		if !hasScope(wide, s) {
			return false
		}
	}
	return true
}

// platform tells whether scope holds a scope of our own APIs.
func platform(scope string) bool {
	return slices.ContainsFunc(strings.Fields(scope), func(s string) bool { return slices.Contains(access.Scopes(), s) })
}

// asks says what the scopes mean, for the consent page.
func asks(scope string) []page.Ask {
	text := map[string]page.Ask{
		ScopeOpenID:           {ZH: "确认您的身份（仅限本应用的标识）", EN: "know that it is you, by an identifier of its own"},
		ScopeProfile:          {ZH: "读取您的姓名", EN: "read your name"},
		ScopePhone:            {ZH: "读取您的手机号码", EN: "read your phone number"},
		ScopeOffline:          {ZH: "在您退出登录后继续使用以上权限", EN: "keep this access after you sign out"},
		access.SealRequest:    {ZH: "以您代表的单位申请电子印章", EN: "request seals for organisations you act for"},
		access.SealApprove:    {ZH: "审批电子印章申请", EN: "approve seal requests"},
		access.SealMake:       {ZH: "制作电子印章", EN: "make seals"},
		access.SealStamp:      {ZH: "使用您有权使用的电子印章签章", EN: "stamp documents with seals you may use"},
		access.DocumentUpload: {ZH: "上传待处理的文件", EN: "upload documents for it to handle"},
		access.LicenceIssue:   {ZH: "签发电子证照", EN: "issue licences"},
		access.LicenceShow:    {ZH: "出示和查询电子证照", EN: "show and look up licences"},
		access.LicenceShare:   {ZH: "向他人授权使用电子证照", EN: "share licences with others"},
		access.AccountUsage:   {ZH: "读取您的使用记录", EN: "read who looked at your data"},
		access.RegistryRead:   {ZH: "读取单位信息和您的授权关系", EN: "read organisations and your mandates"},
		access.AuditRead:      {ZH: "读取监督记录", EN: "read records for supervision"},
	}
	var list []page.Ask
	for _, s := range strings.Fields(scope) {
		list = append(list, text[s])
	}
	return list
}

// inWords says what the scopes mean, as the holder reads it in the ledger.
func inWords(scope string) string {
	var words []string
	for _, a := range asks(scope) {
		words = append(words, a.ZH)
	}
	return strings.Join(words, "；")
}
