package cert

import (
	"encoding/asn1"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Name is a distinguished name. Of an attribute that occurs several times it has the first value.
type Name struct {
	Country            string // two letters
	Province           string
	Locality           string
	Organization       string // of a government seal: credit code and name, see [SplitOwner]
	OrganizationalUnit string
	CommonName         string // of a government seal: the seal's identifier (esID)
	// Raw is the name's DER; of a Name that is to be written it is empty, or else it is written as it is.
	Raw []byte
}

// String is for people: it cannot be parsed back.
func (n Name) String() string {
	var parts []string
	for _, a := range n.attributes() {
		if *a.value != "" {
			parts = append(parts, a.label+"="+*a.value)
		}
	}
	return strings.Join(parts, ", ")
}

type attribute struct {
	oid   asn1.ObjectIdentifier
	label string
	value *string
}

// attributes are those of X.520 that a Name has, in the order in which they are written.
func (n *Name) attributes() []attribute {
	return []attribute{
		{asn1.ObjectIdentifier{2, 5, 4, 6}, "C", &n.Country},
		{asn1.ObjectIdentifier{2, 5, 4, 8}, "ST", &n.Province},
		{asn1.ObjectIdentifier{2, 5, 4, 7}, "L", &n.Locality},
		{asn1.ObjectIdentifier{2, 5, 4, 10}, "O", &n.Organization},
		{asn1.ObjectIdentifier{2, 5, 4, 11}, "OU", &n.OrganizationalUnit},
		{asn1.ObjectIdentifier{2, 5, 4, 3}, "CN", &n.CommonName},
	}
}

// encode writes RDNSequence with one attribute in each set: C as PrintableString, all else as UTF8String.
func (n Name) encode() ([]byte, error) {
	if n.Raw != nil {
		if _, err := parseName(n.Raw); err != nil {
			return nil, err
		}
		return n.Raw, nil
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range n.attributes() {
			if *a.value == "" {
				continue
			}
			if !utf8.ValidString(*a.value) {
				b.SetError(malformed("a name that is not UTF-8"))
			}
			tag := cbasn1.UTF8String
			if a.label == "C" {
				tag = cbasn1.PrintableString
			}
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(a.oid)
					b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(*a.value)) })
				})
			})
		}
	})
	return b.Bytes()
}

// parseName reads RDNSequence. It looks into the attributes of [Name] only: a mail address may hold what it likes.
func parseName(raw cryptobyte.String) (Name, error) {
	n := Name{Raw: raw}
	input := raw
	var rdns cryptobyte.String
	if !input.ReadASN1(&rdns, cbasn1.SEQUENCE) || !input.Empty() {
		return Name{}, malformed("name")
	}
	attributes := n.attributes()
	for count := 0; !rdns.Empty(); {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) || set.Empty() {
			return Name{}, malformed("relative name")
		}
		for ; !set.Empty(); count++ {
			var pair, value cryptobyte.String
			var oid asn1.ObjectIdentifier
			var tag cbasn1.Tag
			if count == maxAttributes || !set.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&oid) ||
				!pair.ReadAnyASN1(&value, &tag) || !pair.Empty() {
				return Name{}, malformed("attribute of a name")
			}
			for _, a := range attributes {
				if oid.Equal(a.oid) && *a.value == "" {
					*a.value = text(tag, value)
				}
			}
		}
	}
	return n, nil
}

// text reads a DirectoryString. Bytes that are no text of its kind become U+FFFD.
func text(tag cbasn1.Tag, value []byte) string {
	switch tag {
	case cbasn1.T61String: // read as Latin-1, as everybody does
		runes := make([]rune, len(value))
		for i, b := range value {
			runes[i] = rune(b)
		}
		return string(runes)
	case 30: // BMPString
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		return string(utf16.Decode(units))
	default:
		return strings.ToValidUTF8(string(value), "\uFFFD")
	}
}
