package audit

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yinxin/yinxin/shared/problem"
)

// Purpose is why a purposeful call is made, as the caller states it and as the trail keeps it.
type Purpose struct {
	Code       string `json:"code,omitempty"`       // from the platform's list
	Text       string `json:"text"`                 // as people will read it; required
	ItemCode   string `json:"itemCode,omitempty"`   // 事项编码
	CaseNumber string `json:"caseNumber,omitempty"` // 办件编号
	LegalBasis string `json:"legalBasis,omitempty"`
}

// ErrPurpose refuses a purpose that is not stated, or cannot be kept.
var ErrPurpose = problem.New(http.StatusBadRequest, "purpose_missing", "The purpose must be stated.")

// maxField is how many characters a field of a purpose may have.
const maxField = 200

// Check refuses, with [ErrPurpose], a purpose without a text, and fields that are too long for the trail or hold control
// characters.
func (p Purpose) Check() error {
	if strings.TrimSpace(p.Text) == "" {
		return ErrPurpose
	}
	for _, field := range []string{p.Code, p.Text, p.ItemCode, p.CaseNumber, p.LegalBasis} {
		if !Printable(field, maxField) {
			return ErrPurpose.With("a field is longer than 200 characters or holds control characters")
		}
	}
	return nil
}

// Printable tells whether s is UTF-8 of at most limit characters, all of which show themselves where they stand: no control
// characters, no separators of lines, and none that turn the direction of what follows, by which a purpose, a reason or a
// number would read otherwise than it is (Unicode Standard Annex 9, section 2).
func Printable(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, deceives)
}

func deceives(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) || r == '\ufeff'
}
