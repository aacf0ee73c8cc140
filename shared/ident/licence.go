package ident

import (
	"fmt"
	"strings"
)

// licenceRoot is the object identifier under which GB/T 36904-2018 names licences.
const licenceRoot = "1.2.156.3005.2."

// LicenceID is an electronic licence identifier (电子证照标识, GB/T 36904-2018).
type LicenceID struct {
	TypeCode string // 21 characters: the code of the defining authority and a three-digit sequence (证照类型代码)
	Issuer   string // the issuing agency's USCC (证照颁发机构代码); test data of others has 6-digit regions
	Serial   string // 1 to 64 of 0-9A-Z (流水号)
	Version  string // three digits, "001" at first issue (版本号)
	Check    byte   // the check character as printed (校验位)
}

// Warning says what is wrong with an identifier that is accepted all the same.
type Warning struct {
	Code     string // one of the Warn… codes; stable
	Printed  string // the check character as read
	Computed string // the one by the standard
	// KnownVariant tells that the printed character is what a widely copied faulty program computes: the identifier
	// was probably not mistyped.
	KnownVariant bool
}

// The codes of warnings.
const (
	WarnCheckCharacter = "check_character_mismatch" // the identifier's own check character
	WarnTypeAuthority  = "type_authority_check"     // the first 18 characters of the type code are no valid USCC
	WarnIssuer         = "issuer_check"             // the issuer is no valid USCC
)

// NewLicenceID makes an identifier, strictly: the authority inside the type code and the issuer are codes whose check
// characters fit, 1 ≤ version ≤ 999. It answers [ErrForm] or the error of [CheckUSCC].
func NewLicenceID(typeCode, issuer, serial string, version int) (LicenceID, error) {
	if err := CheckTypeCode(typeCode); err != nil {
		return LicenceID{}, fmt.Errorf("the licence type code: %w", err)
	}
	if err := CheckUSCC(issuer); err != nil {
		return LicenceID{}, fmt.Errorf("the issuer: %w", err)
	}
	if len(serial) > 64 || !alnum(serial) || version < 1 || version > 999 {
		return LicenceID{}, ErrForm
	}
	id := LicenceID{TypeCode: typeCode, Issuer: issuer, Serial: serial, Version: fmt.Sprintf("%03d", version)}
	id.Check = id.ComputedCheck()
	return id, nil
}

// CheckTypeCode checks a licence type code: a valid USCC and three digits.
func CheckTypeCode(code string) error {
	if len(code) != 21 || !digits(code[18:]) {
		return ErrForm
	}
	return CheckUSCC(code[:18])
}

// ParseLicenceID reads an identifier, leniently: check characters that do not fit are warnings. It answers [ErrForm]
// for anything else than the structure of the standard, and then no value. [LicenceID.String] gives s back.
func ParseLicenceID(s string) (LicenceID, []Warning, error) {
	rest, ok := strings.CutPrefix(s, licenceRoot)
	parts := strings.Split(rest, ".")
	if !ok || len(s) > 160 || len(parts) != 5 {
		return LicenceID{}, nil, ErrForm
	}
	id := LicenceID{TypeCode: parts[0], Issuer: parts[1], Serial: parts[2], Version: parts[3]}
	switch {
	case len(id.TypeCode) != 21 || !alnum(id.TypeCode),
		len(id.Issuer) < 6 || len(id.Issuer) > 18 || !alnum(id.Issuer),
		len(id.Serial) > 64 || !alnum(id.Serial),
		len(id.Version) != 3 || !digits(id.Version),
		len(parts[4]) != 1 || !alnum(parts[4]):
		return LicenceID{}, nil, ErrForm
	}
	id.Check = parts[4][0]
	return id, id.warnings(), nil
}

func (id LicenceID) warnings() []Warning {
	var ws []Warning
	if want := id.ComputedCheck(); want != id.Check {
		ws = append(ws, Warning{Code: WarnCheckCharacter, Printed: string(id.Check), Computed: string(want),
			KnownVariant: faultyCheck(id.checked()) == id.Check})
	}
	if CheckTypeCode(id.TypeCode) != nil {
		ws = append(ws, Warning{Code: WarnTypeAuthority})
	}
	if CheckUSCC(id.Issuer) != nil {
		ws = append(ws, Warning{Code: WarnIssuer})
	}
	return ws
}

// String returns the identifier as printed.
func (id LicenceID) String() string {
	return licenceRoot + id.TypeCode + "." + id.Issuer + "." + id.Serial + "." + id.Version + "." + string(id.Check)
}

// ComputedCheck is the check character by the standard, whatever was printed.
func (id LicenceID) ComputedCheck() byte { return hybridCheck(id.checked()) }

func (id LicenceID) checked() string { return id.TypeCode + id.Issuer + id.Serial + id.Version }

const alnumAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// hybridCheck is the hybrid system MOD 37,36 of ISO 7064 (GB/T 17710-2008) over characters of 0-9A-Z: with the check
// character appended, P plus its value is 1 modulo 36.
func hybridCheck(s string) byte {
	p := 36
	for i := range len(s) {
		sum := (p + alnumValue(s[i])) % 36
		if sum == 0 {
			sum = 36
		}
		p = 2 * sum % 37
	}
	return alnumAlphabet[(37-p)%36]
}

// faultyCheck is what a widely copied program computes instead: letters count one too much and the two moduli are
// mixed up. It is here to recognise its products, never to make them.
func faultyCheck(s string) byte {
	p := 36
	for i := range len(s) {
		a := alnumValue(s[i])
		if a >= 10 {
			a++
		}
		r := p + a
		switch {
		case a > 10 && r > 37:
			r %= 37
		case a < 10 && r > 36:
			r %= 36
		}
		if r %= 36; r == 0 {
			r = 36
		}
		p = 2 * r % 37
	}
	return alnumAlphabet[(36-p+36)%36]
}
