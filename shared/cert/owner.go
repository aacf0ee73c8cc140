package cert

import (
	"strings"
	"unicode/utf8"
)

const usccLength = 18 // characters of a unified social credit code (统一社会信用代码, GB 32100-2015)

// SealOwner is the subject of the certificate of a government seal's signer, as it is in circulation: CN is the seal's
// identifier of 14 digits (GB/T 2260 division and serial), O the owner's unified social credit code followed by its
// name. It is refused where identifier or code does not have that shape.
func SealOwner(esID, uscc, name string) (Name, error) {
	if len(esID) != 14 || strings.Trim(esID, "0123456789") != "" {
		return Name{}, malformed("a government seal's identifier has 14 digits")
	}
	if !usccShape(uscc) || name == "" {
		return Name{}, malformed("a seal's owner has a unified social credit code and a name")
	}
	return Name{Country: "CN", Organization: uscc + name, CommonName: esID}, nil
}

// SplitOwner splits an organisation attribute into the unified social credit code and the name behind it; ok is
// false where it does not begin with the shape of such a code. The check character is the registry's business.
func SplitOwner(organization string) (uscc, name string, ok bool) {
	if len(organization) <= usccLength || !usccShape(organization[:usccLength]) {
		return "", organization, false
	}
	name = strings.TrimSpace(organization[usccLength:])
	return organization[:usccLength], name, name != "" && utf8.ValidString(name)
}

// usccShape tells whether s consists of 18 of the 31 characters of GB 32100-2015, section 4.
func usccShape(s string) bool {
	return len(s) == usccLength && strings.Trim(s, "0123456789ABCDEFGHJKLMNPQRTUWXY") == ""
}
