package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/sdjwt"
	"github.com/yinxin/yinxin/shared/verdict"
)

// The bounds of a question, in bytes.
const (
	MaxDocument = 8 << 20
	MaxText     = 2 << 20 // a JSON body; an SD-JWT has at most half of it
)

// Question is the JSON body of POST /verify.
type Question struct {
	// Input is an identifier (GB/T 36904), the text of a QR code (a shown code, or the address with it), or an SD-JWT,
	// issued or presented.
	Input   string        `json:"input"`
	Expect  Expect        `json:"expect"`
	At      time.Time     `json:"at,omitzero"` // when it must be valid; now, where left out
	Purpose audit.Purpose `json:"purpose"`

	document []byte // instead of Input
	declared kind   // by the media type of document
}

// Expect is what the caller says a licence must be; whatever is left out is not compared.
type Expect struct {
	TypeCode   string `json:"typeCode,omitempty"`
	VCT        string `json:"vct,omitempty"`
	Identifier string `json:"identifier,omitempty"`
	HolderName string `json:"holderName,omitempty"`
	// Audience and Nonce are those of the transaction, where the holder's key must be proven (SD-JWT+KB). Both or none.
	Audience string `json:"audience,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
}

// The refusals of a question.
var (
	ErrNothing = problem.New(http.StatusBadRequest, "nothing_to_verify", "There is nothing to verify in the request.")
)

func (e Expect) expectation() proof.Expectation {
	return proof.Expectation{TypeCode: e.TypeCode, Type: e.VCT, Identifier: e.Identifier, HolderName: e.HolderName}
}

// licence is the question about a credential.
func (q Question) licence(text string, now time.Time) proof.LicenceOptions {
	o := proof.LicenceOptions{Text: text, At: q.At, Now: now, Expect: q.Expect.expectation()}
	if q.Expect.Audience != "" {
		o.KeyBinding = &sdjwt.KeyBinding{Audience: q.Expect.Audience, Nonce: q.Expect.Nonce, MaxAge: 5 * time.Minute}
	}
	return o
}

func (q Question) bytes() []byte {
	if q.document != nil {
		return q.document
	}
	return []byte(q.Input)
}

// kind is what an input is.
type kind int

const (
	kindUnknown kind = iota
	kindPDF
	kindOFD
	kindCredential
	kindIdentifier
	kindCode
)

// recognise tells what the input is: documents by their first bytes, whatever the media type says; only a document that
// has no such bytes is what its sender calls it.
func recognise(q Question) kind {
	if q.document != nil {
		head := q.document[:min(len(q.document), 1024)]
		switch {
		case bytes.Contains(head, []byte("%PDF-")):
			return kindPDF
		case bytes.HasPrefix(head, []byte("PK")):
			return kindOFD
		}
		return q.declared
	}
	switch {
	case strings.HasPrefix(q.Input, "1.2.156.3005."):
		return kindIdentifier
	case strings.Contains(q.Input, "~") || isJWS(q.Input):
		return kindCredential
	case codeOf(q.Input) != "":
		return kindCode
	}
	return kindUnknown
}

// isJWS tells whether text has the outline of a compact JWS (RFC 7515, section 7.1).
func isJWS(text string) bool {
	return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// codeOf returns the shown code in a text: the text itself, or the last part of an address …/c/{code}; "" where there is
// none.
func codeOf(text string) string {
	if u, err := url.Parse(text); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		i := strings.LastIndex(u.Path, "/c/")
		if i < 0 {
			return ""
		}
		text = u.Path[i+len("/c/"):]
	}
	if len(text) < 20 || len(text) > 64 || strings.Trim(text, base64url) != "" {
		return ""
	}
	return text
}

// readQuestion reads a request by its media type.
func readQuestion(w http.ResponseWriter, r *http.Request) (Question, error) {
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return Question{}, problem.Unsupported.With("the Content-Type is missing or malformed")
	}
	switch media {
	case "application/json":
		r.Body = http.MaxBytesReader(w, r.Body, MaxText)
		return readJSON(r)
	case "multipart/form-data":
		if parameters["boundary"] == "" {
			return Question{}, problem.BadRequest.With("the multipart body has no boundary")
		}
		r.Body = http.MaxBytesReader(w, r.Body, MaxDocument+MaxText)
		return readForm(r)
	case "application/pdf", "application/ofd", "application/octet-stream", "application/zip":
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxDocument))
		if err != nil {
			return Question{}, problem.Unreadable(err)
		}
		return dropped(data, map[string]kind{"application/pdf": kindPDF, "application/ofd": kindOFD}[media])
	}
	return Question{}, problem.Unsupported.With("send a PDF, an OFD, JSON or multipart/form-data")
}

// dropped is the question about a file: a document, or a text file with what could be typed.
func dropped(data []byte, declared kind) (Question, error) {
	if len(data) == 0 {
		return Question{}, ErrNothing
	}
	q := Question{document: data, declared: declared}
	if recognise(q) == kindUnknown && len(data) <= MaxText && utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 {
		return Question{Input: strings.TrimSpace(string(data))}, nil
	}
	return q, nil
}

func readJSON(r *http.Request) (Question, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return Question{}, problem.Unreadable(err)
	}
	q, err := problem.DecodeJSON[Question](body)
	if err != nil {
		return Question{}, err
	}
	q.Input = strings.TrimSpace(q.Input)
	switch {
	case q.Input == "":
		return Question{}, ErrNothing
	case (q.Expect.Audience == "") != (q.Expect.Nonce == ""):
		return Question{}, problem.BadRequest.With("expect has audience and nonce together or neither")
	}
	return q, nil
}

// formLimits are the parts of a form and the bytes that each may have.
var formLimits = map[string]int64{
	"document": MaxDocument, "input": MaxText, "purpose": 4096, "itemCode": 4096, "caseNumber": 4096,
}

// readForm reads the form of the page: a file, or a text with a purpose.
func readForm(r *http.Request) (Question, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return Question{}, problem.BadRequest.With("the multipart body cannot be read")
	}
	fields := map[string][]byte{}
	var declared kind
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Question{}, problem.Unreadable(err)
		}
		name := part.FormName()
		limit := formLimits[name]
		if _, twice := fields[name]; limit == 0 || twice {
			return Question{}, problem.BadRequest.With("the parts are document or input, purpose, itemCode, caseNumber; once each")
		}
		data, err := io.ReadAll(io.LimitReader(part, limit+1))
		if err != nil {
			return Question{}, problem.Unreadable(err)
		}
		if int64(len(data)) > limit {
			return Question{}, problem.TooLarge.With("the part " + name)
		}
		if name == "document" {
			media, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")) // a malformed one declares nothing
			declared = map[string]kind{"application/pdf": kindPDF, "application/ofd": kindOFD}[media]
		}
		fields[name] = data
	}
	q := Question{Input: strings.TrimSpace(string(fields["input"]))}
	if len(fields["document"]) > 0 {
		if q, err = dropped(fields["document"], declared); err != nil {
			return Question{}, err
		}
	}
	if q.document == nil && q.Input == "" {
		return Question{}, ErrNothing
	}
	q.Purpose = audit.Purpose{Text: string(fields["purpose"]), ItemCode: string(fields["itemCode"]),
		CaseNumber: string(fields["caseNumber"])}
	return q, nil
}

// writeVerdict answers with a verdict as JSON.
func writeVerdict(w http.ResponseWriter, v verdict.Verdict) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a verdict: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
	return nil
}
