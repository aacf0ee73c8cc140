// Package ofd writes, opens, stamps and judges OFD packages (版式文档), GB/T 33190-2016, with the signatures of its
// chapter 18 as GB/T 38540-2020 and GM/T 0099-2020 use them.
//
//	pages, fonts ── Write ── package
//	package ── Open ── Package ── PrepareStamp ── Signature.xml, its path ── [ses, key] ── Assemble ── stamped package
//	package ── Open ── Package ── Signatures ── CheckReferences, CheckSeal, CheckPath, CheckGeometry ─┐
//	                          └── Coverage(valid signatures) ───────────────────────────────────────┴─ findings
//
// Open makes one map of entries of which no two readers can disagree: whatever an archive could show to one program
// and hide from another is refused by name. Files that others made and signed are copied byte for byte; what must be
// added (the list of signatures, once its mention in OFD.xml) is added as text, never by writing the XML anew.
//
// A signature lists the digests of files (References). What it does not list it does not protect, and documents in
// circulation leave templates, fonts and OFD.xml out. Coverage therefore walks everything that can be reached from
// OFD.xml and reports what no valid signature protects, and what lies in the package unreached.
//
// The package does not read seals and stamps (shared/ses), does not decide (shared/proof) and does not draw.
package ofd

import (
	"errors"
	"fmt"
)

// The bounds of a package that strangers send.
const (
	MaxEntries    = 10_000
	MaxTotal      = 200 << 20 // bytes of all files, uncompressed
	MaxRatio      = 200       // uncompressed : compressed, of files above 64 KiB
	MaxBodies     = 64        // documents in one package
	MaxSignatures = 256       // signatures in one package
)

// Code names what is wrong with a package or a signature. Codes are stable.
type Code string

// Codes of a container that is refused by [Open], as the Code of a *[FormatError].
const (
	ZipMalformed      Code = "zip_malformed"
	ZipUnsupported    Code = "zip_unsupported"      // encryption, ZIP64, several disks, other methods
	ZipBadName        Code = "zip_bad_name"         // backslash, "..", absolute, drive, control character, no UTF-8
	ZipDuplicateName  Code = "zip_duplicate_name"   // two entries of one name
	ZipNameCollision  Code = "zip_name_collision"   // equal but for case or Unicode form; file and folder at once
	ZipPrefixData     Code = "zip_prefix_data"      // bytes before the first entry
	ZipTrailingData   Code = "zip_trailing_data"    // bytes or a comment after the end record
	ZipHiddenData     Code = "zip_hidden_data"      // bytes between entries, or behind an entry's data
	ZipHeaderMismatch Code = "zip_header_mismatch"  // local and central header disagree
	ZipCorrupt        Code = "zip_corrupt"          // data does not inflate, or CRC or size differ
	ZipTooManyEntries Code = "zip_too_many_entries" //
	ZipTooLarge       Code = "zip_too_large"        //
	ZipRatio          Code = "zip_ratio"            // compression bomb
	NotOFD            Code = "not_ofd"              // no OFD.xml, or it is no package description
	XMLMalformed      Code = "xml_malformed"        //
	XMLDTD            Code = "xml_dtd"              // document type declaration, entity
	XMLNamespace      Code = "xml_namespace"        // an element outside the OFD namespaces where none may be
	XMLDuplicate      Code = "xml_duplicate"        // an element or attribute twice that may stand once
	XMLMissing        Code = "xml_missing"          // a required element or attribute is missing
	XMLTooLarge       Code = "xml_too_large"        // too deep, or too many elements
	BadPath           Code = "bad_path"             // a location that leaves the package
)

// Codes of findings.
const (
	MissingFile        Code = "missing_file"             // something refers to a file that is not there
	FontNotEmbedded    Code = "font_not_embedded"        // the text depends on the fonts of the reader
	SignatureMalformed Code = "signature_malformed"      // Signature.xml, or its entry in the list, is not readable
	SignatureDuplicate Code = "signature_duplicate"      // two entries of the list with one ID or one location
	SignedValueMissing Code = "signed_value_missing"     // no signature value in the package
	CheckMethod        Code = "check_method"             // digest algorithm other than SM3, or none (which means MD5)
	NoReferences       Code = "no_references"            // nothing is protected
	ReferencePath      Code = "reference_path"           // FileRef is not an absolute, normal path
	ReferenceDuplicate Code = "reference_duplicate"      // two References to one file
	ReferenceMissing   Code = "reference_missing"        // the referenced file is not there
	ReferenceDigest    Code = "reference_digest"         // the file was changed
	SealMissing        Code = "seal_missing"             // Seal.esl is named and not there
	SealDiffers        Code = "seal_differs"             // Seal.esl is not the seal in the signature value
	ImageLocUnchecked  Code = "image_loc_unchecked"      // a picture beside the seal's own is named
	PropertyPath       Code = "property_path"            // propertyInfo is not the path of Signature.xml
	NoStampAnnot       Code = "no_stamp_annot"           // the seal is shown nowhere
	PageRef            Code = "page_ref"                 // the seal is shown on a page that does not exist
	BoundaryMalformed  Code = "boundary_malformed"       //
	BoundaryOffPage    Code = "boundary_off_page"        // nothing of the seal is on the page
	BoundaryPartlyOff  Code = "boundary_partly_off_page" //
	BoundarySize       Code = "boundary_size"            // shown in another size than the seal has
	ClipHidesSeal      Code = "clip_hides_seal"          // the clips together show less than the seal
	SealOverlapped     Code = "seal_overlapped"          // the seal of another signature lies over or under it
	UncoveredReachable Code = "uncovered_reachable"      // a file of the document that no valid signature protects
	SmuggledEntry      Code = "smuggled_entry"           // a file that is neither reachable nor protected (夹带文件)
	UnlistedSignature  Code = "unlisted_signature"       // files of a signature that is not in the list
	SignatureStripped  Code = "signature_stripped"       // as before, and a later signature vouches that it existed
	SignIDGap          Code = "sign_id_gap"              // MaxSignId is above the listed signatures
	UnsignedDocument   Code = "unsigned_document"        // a document of the package that no valid signature protects
	UncheckedManifest  Code = "unchecked_manifest"       // GM/T 0099 integrity manifest, not evaluated
)

// Level is the weight of a finding.
type Level uint8

// The levels.
const (
	Warn Level = iota + 1 // to be shown; does not make the document false
	Fail                  // the document, or the signature, is not what it claims
)

// String returns "warn" or "fail".
func (l Level) String() string {
	if l == Fail {
		return "fail"
	}
	return "warn"
}

// Finding is one thing found wrong.
type Finding struct {
	Code      Code
	Level     Level
	Signature string // Path of the signature it is about; empty for the package
	Path      string // absolute path of the file it is about, if any
	Detail    string // English, for the operator
}

// FormatError refuses a package.
type FormatError struct {
	Code   Code
	Path   string // file, if one is to blame
	Detail string
}

// Error names the code, the file and the detail.
func (e *FormatError) Error() string {
	s := "ofd: " + string(e.Code)
	if e.Path != "" {
		s += fmt.Sprintf(" in %q", e.Path)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

func refuse(code Code, path, format string, args ...any) error {
	return &FormatError{Code: code, Path: path, Detail: fmt.Sprintf(format, args...)}
}

// The refusals of [Package.PrepareStamp] and [Write].
var (
	ErrLocked    = errors.New("ofd: an earlier signature protects what another stamp would have to change")
	ErrPlacement = errors.New("ofd: the seal cannot be placed so")
	ErrInput     = errors.New("ofd: not to be written")
)
