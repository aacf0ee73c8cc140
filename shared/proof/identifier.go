package proof

import (
	"time"

	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/verdict"
)

// Registered is what the register of licences says of an identifier. Facts are masked already; HolderName is for
// comparing with an expectation and is not shown.
type Registered struct {
	Facts      verdict.Licence
	HolderName string
	ValidFrom  time.Time // zero: always
	ValidTo    time.Time // the first moment at which it is no longer valid; zero: long-term
	// Since is when the state began that Facts tells; zero: not known. Of the time before, the register says nothing.
	Since time.Time
	// Lost tells that the register has the identifier and the state, and no longer what was issued under it.
	Lost bool
}

// identifier is the evidence of a look-up.
type identifier struct {
	id       ident.LicenceID
	warnings []ident.Warning
	err      error
	record   *Registered // nil where the register does not know it
	at, now  time.Time
}

var identifierTable = []row[*identifier]{
	{"identifier.structure", both("电子证照标识结构正确。", "The licence identifier is well formed."), (*identifier).structure},
	{"identifier.check_character", both("电子证照标识校验位正确。", "The check character fits."), (*identifier).checkCharacter},
	{"register", both("证照已登记。", "The licence is registered."), (*identifier).registered},
	{"validity_period", both("在有效期内。", "It is within its validity."), (*identifier).validity},
	{"status", both("登记状态为有效。", "The register says valid."), (*identifier).status},
}

// Identifier judges a licence by its identifier alone: what the register says, nothing that the holder has shown.
// record is nil where the register does not know it.
func Identifier(text string, record *Registered, expect Expectation, at, now time.Time) verdict.Verdict {
	e := &identifier{record: record, at: at, now: now}
	e.id, e.warnings, e.err = ident.ParseLicenceID(text)
	is := Expectation{Identifier: text, TypeCode: e.id.TypeCode}
	if record != nil {
		if is.HolderName = record.HolderName; record.Lost {
			expect.HolderName = "" // nobody knows, and the verdict says so
		}
	}
	v := conclude("licence-identifier", []byte(text), now, append(run(identifierTable, "", e), Expected(expect, is)...))
	if record != nil {
		facts := record.Facts
		v.Licence = &facts
	}
	return v
}

func (e *identifier) structure() finding {
	if e.err != nil {
		return fail(LicenceIDStructure, nil)
	}
	return pass(map[string]any{"typeCode": e.id.TypeCode, "issuer": e.id.Issuer, "version": e.id.Version})
}

func (e *identifier) checkCharacter() finding {
	if e.err != nil {
		return skipped()
	}
	return checkCharacter(e.id, e.warnings)
}

func (e *identifier) registered() finding {
	switch {
	case e.err != nil:
		return skipped()
	case e.record == nil:
		return found(verdict.Unknown, LicenceUnknown, nil)
	case e.record.Lost:
		return found(verdict.Unknown, LicenceLost, nil)
	}
	return pass(nil)
}

func (e *identifier) validity() finding {
	if e.record == nil || e.record.Lost {
		return skipped()
	}
	detail := map[string]any{"at": rfc3339(e.at)}
	switch {
	case e.at.Before(e.record.ValidFrom):
		return fail(LicenceNotYet, detail)
	case !e.record.ValidTo.IsZero() && !e.at.Before(e.record.ValidTo):
		return fail(LicenceExpired, detail)
	}
	return pass(detail)
}

// status reads the two digits of national aggregation. They are those of now: asked about a time before the present
// state began, or about one to come, the register cannot answer by them.
func (e *identifier) status() finding {
	if e.record == nil {
		return skipped()
	}
	state := e.record.Facts.State
	detail := map[string]any{"state": state}
	if !e.at.Equal(e.now) && (e.at.Before(e.record.Since) || e.record.Since.IsZero() || e.at.After(e.now.Add(skew))) {
		return found(verdict.Unknown, LicenceStatus, detail)
	}
	switch state {
	case "01":
		return pass(detail)
	case "02":
		return fail(LicenceSuspended, detail)
	case "03", "04", "07":
		return fail(LicenceRevoked, detail)
	case "05":
		return fail(LicenceExpired, detail)
	case "06":
		return fail(LicenceSuperseded, detail)
	}
	return found(verdict.Unknown, LicenceStatus, detail)
}
