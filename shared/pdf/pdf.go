// Package pdf writes, reads, signs and examines PDF files (ISO 32000-1:2008, with the signatures of EN 319 142-1).
//
//	layout.Page ── Write ── bytes, written to the rules of PDF/A-2b (ISO 19005-2)
//
//	bytes ── Open ── File ─┬─ Prepare ── Prepared{ranges} ── (cms, key.Sign) ── Embed ── bytes with one more revision
//	                       └─ Examine ── Report{signatures, coverage, changes, findings}
//
// Signing only appends: not one byte of the file that came in is touched, so earlier signatures keep their meaning.
// Every text string is written as hexadecimal UTF-16BE: 局 is U+5C40, a backslash and an at sign, so that software
// which forgets to escape literal strings corrupts every 局 (see [TestTextStringsSurvive]).
//
// The reader takes cross-reference tables and streams, hybrids of both, object streams, linearised files and
// incremental revisions, as qpdf, MuPDF and Chromium write them (see [TestForeignFilesCanBeSigned]). A file that is
// encrypted or damaged, or beyond the bounds below, is refused by name with a [*Refusal]; nothing is repaired, since
// two programs that repair differently show two documents under one signature.
//
// Examine tells of each signature what it covers and what was changed after it, and finds the attacks of Mladenov et
// al. (CCS 2019: universal signature forgery, signature wrapping, incremental saving), Mainka et al. (NDSS 2021:
// shadow attacks) and Rohlmann et al. (S&P 2021: certified documents). It does not judge: shared/proof makes checks of
// the findings, shared/cms verifies the message in a signature, shared/trust its certificates.
//
// It renders nothing, decrypts nothing, and has not been confirmed by a PDF/A validator.
package pdf

import "fmt"

// Code names a refusal or a finding. Codes are stable.
type Code string

// The codes of refusals.
const (
	Damaged           Code = "PDF_DAMAGED"            // not a PDF, or not a well-formed one
	Encrypted         Code = "PDF_ENCRYPTED"          // has an encryption dictionary
	TooLarge          Code = "PDF_TOO_LARGE"          // beyond a bound of this package
	NoSuchPage        Code = "PDF_NO_SUCH_PAGE"       // a seal was to be put on a page that does not exist
	OutsidePage       Code = "PDF_OUTSIDE_PAGE"       // a seal was to be put outside its page
	NoChangesAllowed  Code = "PDF_NO_CHANGES_ALLOWED" // certified with DocMDP P=1: nothing may be added
	AlreadySigned     Code = "PDF_ALREADY_SIGNED"     // only the first signature may certify
	EarlierBroken     Code = "PDF_EARLIER_SIGNATURE_BROKEN"
	XFAForm           Code = "PDF_XFA_FORM" // a form outside ISO 32000, whose look nobody can hold
	ReserveTooSmall   Code = "PDF_RESERVE_TOO_SMALL"
	InvalidAppearance Code = "PDF_APPEARANCE"      // an appearance, or a page, that cannot be drawn
	InvalidField      Code = "PDF_METADATA_FIELD"  // a metadata key that XML cannot hold as a name
	InvalidDocument   Code = "PDF_DOCUMENT"        // a document that cannot be written: no pages, no size
	InvalidImage      Code = "PDF_IMAGE"           // an image that is no PNG, or too large
	InvalidTime       Code = "PDF_TIME"            // a time that a PDF date cannot hold
	InvalidText       Code = "PDF_TEXT"            // a text string that is not UTF-8
	InvalidSignature  Code = "PDF_SIGNATURE_VALUE" // the message to be embedded is not one DER element
)

// Refusal says why a file or a request is not taken.
type Refusal struct {
	Code   Code
	Detail string
}

func (r *Refusal) Error() string { return fmt.Sprintf("pdf: %s: %s", r.Code, r.Detail) }

func refuse(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

func damaged(format string, args ...any) error { return refuse(Damaged, format, args...) }

// Bounds of the reader. They hold time and memory to a small multiple of the file's own size.
const (
	maxFile       = 256 << 20 // bytes
	maxSections   = 512       // cross-reference sections, that is, revisions
	maxObjects    = 1 << 19   // entries of all sections
	maxValues     = 1 << 22   // values parsed, all together
	maxNesting    = 64        // arrays and dictionaries inside each other
	maxPages      = 20000
	maxTree       = 64       // depth of the page tree and of the field tree
	maxFields     = 20000    // form fields
	maxFieldName  = 4096     // bytes of the full name of a form field
	maxDescribed  = 4096     // bytes of a text in a signature dictionary
	maxSignatures = 128      // signature fields
	maxInflated   = 64 << 20 // bytes of decompressed cross-reference and object streams, all together
	maxVisited    = 1 << 23  // values looked at when revisions are compared, all together: some seconds
	maxLoading    = 16       // objects being read because another one needs them
)
