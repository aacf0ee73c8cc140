package proof

import (
	"context"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/verdict"
)

// face is the evidence of a document that says of itself, in what its signatures protect, that it is the face (照面) of a
// licence: signed rightly it stays for ever, also when the licence is long revoked.
type face struct {
	identifier
	stated string         // the identifier in the document
	seals  []verdict.Seal // whose verdicts are known
	sound  bool           // nothing of the document has failed
	fault  error          // of asking the register
	asked  bool
}

var faceTable = []row[*face]{
	{"licence.issuer", both("照面由颁证机构盖章。", "The issuer of the licence stamped its face."), (*face).issuer},
	{"licence.register", both("证照已登记。", "The licence is registered."), (*face).inRegister},
	{"licence.validity_period", both("在有效期内。", "It is within its validity."), (*face).validity},
	{"licence.status", both("登记状态为有效。", "The register says valid."), (*face).status},
}

// faceChecks are the checks of a document that names a licence; none where it names none. The register is asked only
// where the document was found sound and of the licence's issuer: who holds such a face has what the register would
// tell, and nobody can ask about a licence by writing its identifier into a document.
func faceChecks(ctx context.Context, t Trust, stated string, checks []verdict.Check, seals []verdict.Seal,
	now time.Time) []verdict.Check {
	if stated == "" {
		return nil
	}
	f := &face{stated: stated, seals: seals, sound: verdict.Aggregate(checks) != verdict.Invalid}
	f.id, f.warnings, f.err = ident.ParseLicenceID(stated)
	f.at, f.now = now, now
	if f.issuer().result == verdict.Pass && t.Licence != nil {
		record, known, err := t.Licence(ctx, stated)
		f.asked, f.fault = true, err
		if known && err == nil {
			f.record = &record
		}
	}
	return run(faceTable, "", f)
}

// issuer asks that the issuer in the identifier has stamped. A document of another that names the licence is no face of
// it, whatever else it is.
func (f *face) issuer() finding {
	detail := map[string]any{"identifier": f.stated}
	switch {
	case !f.sound:
		return skipped()
	case f.err != nil:
		return fail(LicenceIDStructure, detail)
	case !slices.ContainsFunc(f.seals, func(s verdict.Seal) bool {
		return s.Verdict != verdict.Invalid && s.OwnerCode == f.id.Issuer
	}):
		return found(verdict.Unknown, LicenceIssuer, detail)
	}
	return pass(detail)
}

func (f *face) inRegister() finding {
	switch {
	case f.issuer().result != verdict.Pass:
		return skipped()
	case !f.asked:
		return found(verdict.Skipped, LicenceStatus, nil)
	case f.fault != nil:
		return found(verdict.Unknown, LicenceStatus, nil)
	}
	return f.registered()
}
