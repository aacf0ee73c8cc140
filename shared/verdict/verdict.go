// Package verdict holds the one result of every verification: of a stamped document, of a licence, of an identifier.
//
//	checks, each pass | warn | fail | indeterminate | skipped | not_applicable ── Aggregate ── valid | invalid | indeterminate
//
// The model merges EN 319 102-1 (sub-indications appear as codes) with the steps of GB/T 38540-2020, section 7.3.
// A verdict is a result, not an error: an error of a verifier means that it could not find out.
//
// It does not run checks (shared/proof does) and it is not signed here (a receipt is a signed verdict).
package verdict

import "time"

// Overall is the outcome of a verification.
type Overall string

// The three outcomes. Indeterminate means: not shown to be false, and not shown to be true.
const (
	Valid         Overall = "valid"
	Invalid       Overall = "invalid"
	Indeterminate Overall = "indeterminate"
)

// Result is the outcome of one check.
type Result string

// The results of a check. Skipped means that the check applies and was not made; NotApplicable that there is nothing
// for it to look at.
const (
	Pass          Result = "pass"
	Warn          Result = "warn"
	Fail          Result = "fail"
	Unknown       Result = "indeterminate"
	Skipped       Result = "skipped"
	NotApplicable Result = "not_applicable"
)

// Text says one thing in two languages.
type Text struct {
	ZH string `json:"zh"`
	EN string `json:"en"`
}

// Check is one step of a verification.
type Check struct {
	ID      string         `json:"id"`                // what was checked, such as "stamp.digest"; stable
	Subject string         `json:"subject,omitempty"` // which signature: its identifier in the document; empty for the whole
	Result  Result         `json:"result"`
	Code    string         `json:"code,omitempty"`   // why it is not a pass, such as HASH_FAILURE; stable
	Detail  map[string]any `json:"detail,omitempty"` // evidence; no secret
	Text    Text           `json:"text"`             // what was found
	Next    *Text          `json:"next,omitempty"`   // what to do about it, where the result is not a pass
}

// SealKind says what kind of electronic seal a signature carries.
type SealKind string

// The kinds. A picture over a plain signature is no electronic seal: it is SignatureOnly.
const (
	GBT38540      SealKind = "gbt38540"
	SignatureOnly SealKind = "signature-only"
	NoSeal        SealKind = "none"
)

// Seal tells of one signature of a document and of the seal in it.
type Seal struct {
	Subject    string    `json:"subject"` // ties it to the checks
	Kind       SealKind  `json:"kind"`
	ID         string    `json:"id,omitempty"`   // the seal's identifier (esID)
	Name       string    `json:"name,omitempty"` // the seal's name
	Owner      string    `json:"owner,omitempty"`
	OwnerCode  string    `json:"ownerCode,omitempty"` // unified social credit code, from the certificate
	SignedAt   time.Time `json:"signedAt,omitzero"`
	TimeSource string    `json:"timeSource,omitempty"` // "claimed" or "tsa"
	Coverage   string    `json:"coverage,omitempty"`   // what of the document it protects: "whole", "revision", "partial"
	Verdict    Overall   `json:"verdict"`
}

// Licence tells of the licence that was verified. Values are masked unless the caller holds a disclosure.
type Licence struct {
	Identifier string `json:"identifier,omitempty"` // GB/T 36904
	TypeCode   string `json:"typeCode,omitempty"`
	Name       string `json:"name,omitempty"`
	Holder     string `json:"holder,omitempty"` // masked by the rule of the type
	Issuer     string `json:"issuer,omitempty"`
	IssuerCode string `json:"issuerCode,omitempty"`
	State      string `json:"state,omitempty"` // two digits, as aggregation uses them: "01" 有效 …
	ValidFrom  string `json:"validFrom,omitempty"`
	ValidTo    string `json:"validTo,omitempty"`
}

// Verdict is the result of a verification.
type Verdict struct {
	Overall   Overall   `json:"verdict"`
	Format    string    `json:"format"` // "ofd", "pdf", "sd-jwt-vc", "licence-identifier", "unknown"
	Digest    string    `json:"digest"` // SHA-256 of the input, hex
	Summary   Text      `json:"summary"`
	Seals     []Seal    `json:"seals,omitempty"`
	Licence   *Licence  `json:"licence,omitempty"`
	Checks    []Check   `json:"checks"`
	CheckedAt time.Time `json:"checkedAt"`
}

// Aggregate is the published rule by which checks make an outcome:
//
//	any fail                                → invalid
//	else any indeterminate or skipped       → indeterminate
//	else at least one pass or warn          → valid
//	else (nothing was checked)              → indeterminate
func Aggregate(checks []Check) Overall {
	overall, looked := Valid, false
	for _, c := range checks {
		switch c.Result {
		case Fail:
			return Invalid
		case Pass, Warn:
			looked = true
		case NotApplicable:
		default: // Unknown, Skipped, and whatever a mistake writes here
			overall = Indeterminate
		}
	}
	if !looked {
		return Indeterminate
	}
	return overall
}

// Failed returns the codes of the checks that failed, in order, each once.
func (v Verdict) Failed() []string { return v.codes(Fail) }

func (v Verdict) codes(r Result) []string {
	var codes []string
	seen := map[string]bool{}
	for _, c := range v.Checks {
		if c.Result == r && !seen[c.Code] {
			seen[c.Code] = true
			codes = append(codes, c.Code)
		}
	}
	return codes
}
