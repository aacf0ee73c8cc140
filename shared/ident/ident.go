// Package ident checks, makes and masks the identifiers of government services:
//
//	citizen ID number (公民身份号码)                    GB 11643-1999      110105 19491231 002 X
//	unified social credit code (统一社会信用代码, USCC)  GB 32100-2015      91 350100 M000100Y4 3
//	licence identifier (电子证照标识)                   GB/T 36904-2018    1.2.156.3005.2.<type>.<issuer>.<serial>.<version>.<check>
//	seal code (印章编码) of a government seal           observed           110101 00000001
//
// Identifiers are made strictly and read leniently where the world has issued wrong ones: a licence identifier with a
// wrong check character is kept byte for byte and carries a [Warning]. What kind an identifier is, the caller says;
// it is never guessed, because one string can pass the checks of two kinds (see TestAnIdentifierMayPassTwoKinds).
//
// It does not know which codes were allocated: the registry does, and its answer wins over a check character.
package ident

import (
	"errors"
	"strings"
	"time"
)

// HolderType is the code of a kind of holder identifier (持证主体代码类型, GB/T 36903-2018, annex A).
type HolderType string

// The holder types in use here.
const (
	CitizenIDType HolderType = "111" // 公民身份号码
	USCCType      HolderType = "001" // 统一社会信用代码
)

// The refusals of the parsers. A form error is never a person's fault to correct by hand; a check character may be
// wrong in a code that was really issued, and callers that have a manual route tell the two apart.
var (
	ErrForm  = errors.New("ident: not in the form of this identifier")
	ErrCheck = errors.New("ident: the check character does not fit")
	ErrBirth = errors.New("ident: the birth date does not exist or lies in the future")
	ErrInner = errors.New("ident: the check character of the organisation code inside does not fit")
)

// CitizenID is a checked citizen ID number.
type CitizenID struct {
	Number string    // 18 characters, a final X in upper case
	Region string    // 6 digits, GB/T 2260, not looked up: abolished codes stay on cards
	Born   time.Time // midnight UTC of the birth date
	Male   bool
}

// ParseCitizenID checks number by GB 11643-1999: form, birth date (one that exists and is not after now) and check
// character. A final x is read as X. It answers [ErrForm], [ErrBirth] or [ErrCheck].
func ParseCitizenID(number string, now time.Time) (CitizenID, error) {
	if len(number) != 18 || !digits(number[:17]) {
		return CitizenID{}, ErrForm
	}
	if last := number[17]; last == 'x' {
		number = number[:17] + "X"
	} else if last != 'X' && !digit(last) {
		return CitizenID{}, ErrForm
	}
	born, err := time.Parse("20060102", number[6:14])
	// A birth date is a day in China, which may have begun while it is yesterday in UTC.
	if err != nil || born.Year() < 1800 || born.After(now.UTC().Add(8*time.Hour)) {
		return CitizenID{}, ErrBirth
	}
	if citizenCheck(number) != number[17] {
		return CitizenID{}, ErrCheck
	}
	return CitizenID{Number: number, Region: number[:6], Born: born, Male: (number[16]-'0')%2 == 1}, nil
}

// MakeCitizenID appends the check character to 17 digits, for invented people.
func MakeCitizenID(first17 string) (string, error) {
	if len(first17) != 17 || !digits(first17) {
		return "", ErrForm
	}
	return first17 + string(citizenCheck(first17)), nil
}

// citizenCheck is ISO 7064 MOD 11-2 over the first 17 digits.
func citizenCheck(number string) byte {
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(number[i]-'0') * w
	}
	return "10X98765432"[sum%11]
}

// usccAlphabet leaves out I, O, S, V and Z (GB 32100-2015, table 1).
const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// CheckUSCC checks a unified social credit code by GB 32100-2015: form, check character, and the check character of
// the organisation code inside (GB 11714-1997). It answers [ErrForm], [ErrCheck] (also where both check characters
// are wrong) or [ErrInner]. Codes with a wrong check character were issued in reality (see TestUSCC).
func CheckUSCC(code string) error {
	if !usccForm(code) {
		return ErrForm
	}
	if usccCheck(code) != code[17] {
		return ErrCheck
	}
	if organisationCheck(code[8:16]) != code[16] {
		return ErrInner
	}
	return nil
}

// MakeUSCC completes a code from its first 16 characters: registration department, category, six region digits and
// the eight characters of the organisation code. For invented organisations.
func MakeUSCC(first16 string) (string, error) {
	if !usccForm(first16 + "00") {
		return "", ErrForm
	}
	code := first16 + string(organisationCheck(first16[8:]))
	return code + string(usccCheck(code)), nil
}

func usccForm(code string) bool {
	if len(code) != 18 || !digits(code[2:8]) {
		return false
	}
	for i := range len(code) {
		if strings.IndexByte(usccAlphabet, code[i]) < 0 {
			return false
		}
	}
	return true
}

// usccCheck takes the remainder twice: without the second one, a sum divisible by 31 has no character.
func usccCheck(code string) byte {
	sum, weight := 0, 1
	for i := range 17 {
		sum += strings.IndexByte(usccAlphabet, code[i]) * weight
		weight = weight * 3 % 31
	}
	return usccAlphabet[(31-sum%31)%31]
}

// organisationCheck is that of GB 11714-1997, whose alphabet is the whole one: A = 10 … Z = 35.
func organisationCheck(first8 string) byte {
	weights := [8]int{3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += alnumValue(first8[i]) * w
	}
	return "0123456789X0"[11-sum%11]
}

// SealCode is the identifier of a government seal.
type SealCode struct {
	Division string // 6 digits, GB/T 2260
	Serial   string // 8 digits
}

// NewSealCode makes the code of the serial-th seal of a division, 1 ≤ serial ≤ 99999999.
func NewSealCode(division string, serial int) (SealCode, error) {
	if len(division) != 6 || !digits(division) || serial < 1 || serial > 99_999_999 {
		return SealCode{}, ErrForm
	}
	text := [8]byte{}
	for i := 7; i >= 0; i-- {
		text[i] = byte('0' + serial%10)
		serial /= 10
	}
	return SealCode{Division: division, Serial: string(text[:])}, nil
}

// ParseSealCode reads 14 digits. It answers [ErrForm].
func ParseSealCode(s string) (SealCode, error) {
	if len(s) != 14 || !digits(s) {
		return SealCode{}, ErrForm
	}
	return SealCode{Division: s[:6], Serial: s[6:]}, nil
}

// String returns the 14 digits.
func (c SealCode) String() string { return c.Division + c.Serial }

func digit(c byte) bool { return '0' <= c && c <= '9' }

func digits(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s != ""
}

// alnumValue is the index of c in 0…9A…Z, or -1.
func alnumValue(c byte) int {
	switch {
	case digit(c):
		return int(c - '0')
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	default:
		return -1
	}
}

func alnum(s string) bool {
	for i := range len(s) {
		if alnumValue(s[i]) < 0 {
			return false
		}
	}
	return s != ""
}
