package trust

import (
	"bytes"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/verdict"
)

// checkRevocation asks for every certificate of the chain but the anchor whether it was revoked when T came. The
// worst answer counts: revoked before T, then unknown, then revoked after T.
func checkRevocation(r Request, chain []*cert.Certificate) verdict.Check {
	if r.NoRevocation {
		return check(CheckRevocation, verdict.Skipped, RevocationUnknown, r.Leaf,
			"未检查证书吊销状态。", "Revocation was not checked.")
	}
	worst := check(CheckRevocation, verdict.Pass, "", r.Leaf,
		"签名时各证书均未吊销。", "No certificate of the chain is revoked.")
	for i, c := range chain[:len(chain)-1] {
		if v := revoked(r, c, chain[i+1]); weight(v) > weight(worst) {
			worst = v
		}
	}
	return worst
}

func weight(c verdict.Check) int {
	switch {
	case c.Result == verdict.Fail:
		return 3
	case c.Result == verdict.Unknown:
		return 2
	case c.Result == verdict.Warn:
		return 1
	default:
		return 0
	}
}

// revoked judges one certificate by the newest list of its issuer.
//
// The newest list decides also when it is stale, if the certificate is on it: a revocation does not lapse. A list that
// does not name the certificate says something only while it is fresh, and of a certificate that had expired before
// the list was made only if the list keeps such certificates.
func revoked(r Request, c, issuer *cert.Certificate) verdict.Check {
	list := newest(r.CRLs, issuer, r.Now)
	if list == nil {
		return check(CheckRevocation, verdict.Unknown, RevocationUnknown, c,
			"没有签发者的吊销列表。", "There is no revocation list of the issuer at hand.")
	}
	entry, listed := list.Find(c.Serial)
	var v verdict.Check
	switch {
	case listed && entry.Reason != cert.RemoveFromCRL:
		return judgeRevoked(r, c, entry)
	case list.NextUpdate.IsZero() || r.Now.After(list.NextUpdate):
		v = check(CheckRevocation, verdict.Unknown, RevocationUnknown, c,
			"签发者的吊销列表已过期。", "The revocation list of the issuer is out of date.")
	case c.NotAfter.Before(list.ThisUpdate) &&
		(list.KeepsExpiredSince.IsZero() || list.KeepsExpiredSince.After(c.NotAfter)):
		v = check(CheckRevocation, verdict.Unknown, RevocationUnknown, c,
			"证书已过期,吊销列表不再包含已过期证书。",
			"The certificate has expired, and the list no longer holds certificates that have.")
	default:
		return check(CheckRevocation, verdict.Pass, "", c, "证书未吊销。", "The certificate is not revoked.")
	}
	v.Detail["thisUpdate"], v.Detail["nextUpdate"] = stamp(list.ThisUpdate), stamp(list.NextUpdate)
	return v
}

// judgeRevoked applies the signing-time rule: revoked at or before T is a failure, revoked after T is not, unless the
// key was compromised and nobody but the signer says when T was.
func judgeRevoked(r Request, c *cert.Certificate, entry cert.Revocation) verdict.Check {
	since := entry.At
	if !entry.InvalidityDate.IsZero() && entry.InvalidityDate.Before(since) {
		since = entry.InvalidityDate
	}
	var v verdict.Check
	switch {
	case !since.After(r.At):
		v = check(CheckRevocation, verdict.Fail, RevokedBeforeSigning, c,
			"签名之前证书已被吊销。", "The certificate had been revoked before the signature was made.")
	case entry.Reason.Compromised() && !r.AtProven:
		v = check(CheckRevocation, verdict.Unknown, RevokedNoProof, c,
			"证书因密钥泄露被吊销,且签名时间未经第三方证明。",
			"The certificate was revoked because its key was compromised, and nobody but the signer vouches for the time.")
	default:
		v = check(CheckRevocation, verdict.Warn, RevokedAfterSigning, c,
			"证书在签名之后被吊销,不影响此签名。", "The certificate was revoked after the signature was made, which leaves it good.")
	}
	v.Detail["revokedAt"], v.Detail["reason"] = stamp(entry.At), int(entry.Reason)
	return v
}

// Skew is how far ahead of ours the clock of an authority may be: a list made a moment ago is no list of the future.
const Skew = time.Minute

// newest returns the newest list that issuer signed and may sign, that is about all its certificates, and that does
// not come from the future.
func newest(lists []*cert.CRL, issuer *cert.Certificate, now time.Time) *cert.CRL {
	var best *cert.CRL
	for _, l := range lists {
		if !bytes.Equal(l.Issuer.Raw, issuer.Subject.Raw) || l.ThisUpdate.After(now.Add(Skew)) || len(l.UnhandledCritical) > 0 ||
			best != nil && !l.ThisUpdate.After(best.ThisUpdate) {
			continue
		}
		if issuer.Allows(cert.CRLSign) && l.SignedBy(issuer) {
			best = l
		}
	}
	return best
}
