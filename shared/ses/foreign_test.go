package ses

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/yinxin/yinxin/shared/sm"
)

// These build what other makers write, element by element, without the writer of this package.

func tlv(tag byte, contents ...[]byte) []byte {
	body := bytes.Join(contents, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	case n < 0x10000:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	default:
		return append([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
	}
}

func seq(contents ...[]byte) []byte { return tlv(0x30, contents...) }
func integer(v byte) []byte         { return tlv(0x02, []byte{v}) }
func text(tag byte, s string) []byte {
	return tlv(tag, []byte(s))
}

const (
	ia5, utf8Tag, printable, utc, generalized, octets, bits = 0x16, 0x0c, 0x13, 0x17, 0x18, 0x04, 0x03
)

var (
	oidSM2 = []byte{0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75}
	oid123 = []byte{0x06, 0x02, 0x2a, 0x03}
)

// foreign is a stamp by another program; every field is one element that tests replace.
type foreign struct {
	header, id, property []byte
	list, dates          []byte
	picture, sealExt     []byte
	sealSig              func(tbs []byte) []byte
	version, time, hash  []byte
	path, stampExt       []byte
	sig                  func(tbs []byte) []byte
	timeStamp            []byte
	alg                  []byte
	maker, owner         party
}

func newForeign(t testing.TB) *foreign {
	maker, owner := newParty(t, "maker"), newParty(t, "owner")
	digest := sm.Sum3([]byte("x"))
	bit := func(p party) func([]byte) []byte {
		return func(tbs []byte) []byte { return tlv(bits, []byte{0}, p.sign(t, tbs)) }
	}
	return &foreign{
		header: seq(text(ia5, "ES"), integer(4), text(ia5, "V")), id: text(ia5, "99000000000001"),
		list:    seq(integer(1)[:0], tlv(octets, owner.cert)),
		dates:   bytes.Join([][]byte{text(generalized, "20260101000000Z"), text(generalized, "20260101000000Z"), text(generalized, "20290101000000Z")}, nil),
		picture: seq(text(ia5, "png"), tlv(octets, []byte{1, 2}), integer(42), integer(42)),
		sealSig: bit(maker), version: integer(4), time: text(generalized, "20260601000000Z"),
		hash: tlv(bits, []byte{0}, digest[:]), path: text(ia5, "/Doc_0/Signs/Sign_0/Signature.xml"),
		sig: bit(owner), alg: oidSM2, maker: maker, owner: owner,
	}
}

func (f *foreign) seal() []byte {
	property := f.property
	if property == nil {
		property = seq(integer(1), text(utf8Tag, "示例章"), integer(1), f.list, f.dates)
	}
	info := seq(f.header, f.id, property, f.picture, f.sealExt)
	return seq(info, tlv(octets, f.maker.cert), f.alg, f.sealSig(info))
}

func (f *foreign) stamp() []byte {
	tbs := seq(f.version, f.seal(), f.time, f.hash, f.path, f.stampExt)
	return seq(tbs, tlv(octets, f.owner.cert), f.alg, f.sig(tbs), f.timeStamp)
}

func raw(t testing.TB, p party) func([]byte) []byte {
	return func(tbs []byte) []byte {
		var sig struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(p.sign(t, tbs), &sig); err != nil {
			t.Fatal(err)
		}
		return tlv(bits, []byte{0}, sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32)))
	}
}

func TestForeignStampsAreForgivenByName(t *testing.T) {
	extension := seq(seq(oid123, tlv(octets, []byte{1})))
	explicitFalse := seq(seq(oid123, []byte{1, 1, 0}, tlv(octets, []byte{1})))
	for name, c := range map[string]struct {
		change func(*foreign)
		want   []Tolerance
	}{
		"as the standard says":     {func(f *foreign) { f.sealExt, f.stampExt = extension, tlv(0xa0, extension) }, nil},
		"empty extensions":         {func(f *foreign) { f.sealExt = seq() }, nil},
		"raw stamp signature":      {func(f *foreign) { f.sig = raw(t, f.owner) }, []Tolerance{RawSignature}},
		"raw seal signature":       {func(f *foreign) { f.sealSig = raw(t, f.maker) }, []Tolerance{RawSignature}},
		"tagged seal extensions":   {func(f *foreign) { f.sealExt = tlv(0xa0, extension) }, []Tolerance{TaggedExtensions}},
		"untagged stamp extension": {func(f *foreign) { f.stampExt = extension }, []Tolerance{UntaggedExtensions}},
		"critical FALSE in seal":   {func(f *foreign) { f.sealExt = explicitFalse }, []Tolerance{CriticalFalse}},
		"critical FALSE in stamp":  {func(f *foreign) { f.stampExt = tlv(0xa0, explicitFalse) }, []Tolerance{CriticalFalse}},
		"UTCTime in the seal": {func(f *foreign) {
			f.dates = bytes.Join([][]byte{text(utc, "260101000000Z"), text(utc, "260101000000Z"), text(utc, "290101000000Z")}, nil)
		}, []Tolerance{DraftTimes, DraftTimes, DraftTimes}},
		"fractional time":    {func(f *foreign) { f.time = text(generalized, "20260601000000.123Z") }, []Tolerance{FractionalTime}},
		"version mismatch":   {func(f *foreign) { f.version = integer(3) }, []Tolerance{VersionMismatch}},
		"version of no text": {func(f *foreign) { f.header, f.version = seq(text(ia5, "ES"), integer(3), text(ia5, "V")), integer(3) }, []Tolerance{HeaderVersion}},
		"digest list": {func(f *foreign) {
			digest := sm.Sum3(f.owner.cert)
			f.property = seq(integer(1), text(utf8Tag, "示例章"), integer(2), seq(seq(text(printable, "SM3"), tlv(octets, digest[:]))), f.dates)
		}, nil},
		"time stamp": {func(f *foreign) { f.timeStamp = tlv(0xa0, tlv(bits, []byte{0, 1, 2, 3})) }, nil},
	} {
		f := newForeign(t)
		c.change(f)
		stamp, err := ParseStamp(f.stamp())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := slices.Concat(stamp.Seal.Tolerances, stamp.Tolerances); !slices.Equal(got, c.want) {
			t.Errorf("%s: tolerances %v, want %v", name, got, c.want)
		}
		if err := holds(stamp, f.maker, f.owner); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (stamp.TimeStamp != nil) != (name == "time stamp") {
			t.Errorf("%s: time stamp %x", name, stamp.TimeStamp)
		}
	}
}

func TestForeignStampsAreRefused(t *testing.T) {
	deep := tlv(octets)
	for range 9 {
		deep = seq(deep)
	}
	for name, change := range map[string]func(*foreign){
		"header of another kind": func(f *foreign) { f.header = seq(text(ia5, "XX"), integer(4), text(ia5, "V")) },
		"header of two elements": func(f *foreign) { f.header = seq(text(ia5, "ES"), integer(4)) },
		"identifier as UTF8":     func(f *foreign) { f.id = text(utf8Tag, "1") },
		"identifier of 8 bits":   func(f *foreign) { f.id = text(ia5, "\xe7\xab\xa0") },
		"list type 3":            func(f *foreign) { f.property = seq(integer(1), text(utf8Tag, "x"), integer(3), f.list, f.dates) },
		"empty list":             func(f *foreign) { f.list = seq() },
		"65 certificates":        func(f *foreign) { f.list = seq(bytes.Repeat(tlv(octets, []byte{1}), 65)) },
		"digests in a type 1":    func(f *foreign) { f.list = seq(seq(text(printable, "SM3"), tlv(octets, []byte{1}))) },
		"two dates":              func(f *foreign) { f.dates = f.dates[:34] },
		"local time":             func(f *foreign) { f.time = text(generalized, "20260601000000") },
		"time with offset":       func(f *foreign) { f.time = text(generalized, "20260601000000+0800") },
		"30 February":            func(f *foreign) { f.time = text(generalized, "20260230000000Z") },
		"picture above 1 MiB": func(f *foreign) {
			f.picture = seq(text(ia5, "png"), tlv(octets, make([]byte, 1<<20+1)), integer(1), integer(1))
		},
		"negative width":          func(f *foreign) { f.picture = seq(text(ia5, "png"), tlv(octets, []byte{1}), integer(0x80), integer(1)) },
		"INTEGER with padding":    func(f *foreign) { f.version = []byte{2, 2, 0, 4} },
		"long form of a length":   func(f *foreign) { f.version = []byte{2, 0x81, 1, 4} },
		"indefinite length":       func(f *foreign) { f.stampExt = []byte{0xa0, 0x80, 0x30, 0, 0, 0} },
		"unused bits":             func(f *foreign) { f.hash = tlv(bits, []byte{1}, make([]byte, 32)) },
		"empty digest":            func(f *foreign) { f.hash = tlv(bits, []byte{0}) },
		"signature of 63 bytes":   func(f *foreign) { f.sig = func([]byte) []byte { return tlv(bits, []byte{0}, make([]byte, 63)) } },
		"critical of BER":         func(f *foreign) { f.sealExt = seq(seq(oid123, []byte{1, 1, 1}, tlv(octets, []byte{1}))) },
		"33 extensions":           func(f *foreign) { f.sealExt = seq(bytes.Repeat(seq(oid123, tlv(octets)), 33)) },
		"nine levels":             func(f *foreign) { f.sealExt = deep },
		"certificate as SEQUENCE": func(f *foreign) { f.owner.cert, f.list = []byte{}, seq(tlv(octets, []byte{1})) },
		"algorithm with NULL":     func(f *foreign) { f.alg = seq(oidSM2, []byte{5, 0}) },
		"time stamp untagged":     func(f *foreign) { f.timeStamp = tlv(bits, []byte{0, 1}) },
		"bytes after time stamp":  func(f *foreign) { f.timeStamp = tlv(0xa0, tlv(bits, []byte{0, 1}), integer(1)) },
		"six elements":            func(f *foreign) { f.timeStamp = append(tlv(0xa0, tlv(bits, []byte{0, 1})), integer(1)...) },
	} {
		f := newForeign(t)
		change(f)
		stamp, err := ParseStamp(f.stamp())
		if stamp != nil || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, %v, want ErrFormat", name, stamp, err)
		}
	}
}

func TestOtherVersionsAreRecognised(t *testing.T) {
	f := newForeign(t)
	v1 := seq(seq(), seq())
	v5Header := newForeign(t)
	v5Header.header = seq(text(ia5, "ES"), integer(5), text(ia5, "V"))
	for name, c := range map[string]struct {
		parse func([]byte) error
		der   []byte
		want  int
	}{
		"stamp of two elements":       {parseStamp, v1, V1},
		"seal of two elements":        {parseSeal, v1, V1},
		"seal of five elements":       {parseSeal, seq(seq(), seq(), seq(), seq(), seq()), V5},
		"seal with version 5":         {parseSeal, v5Header.seal(), V5},
		"stamp with version 5 inside": {parseStamp, v5Header.stamp(), V5},
	} {
		var version *VersionError
		if err := c.parse(c.der); !errors.As(err, &version) || version.Version != c.want {
			t.Errorf("%s: %v, want version %d", name, err, c.want)
		}
	}
	if err := parseSeal(f.seal()); err != nil {
		t.Error(err)
	}
}

func parseStamp(der []byte) error { _, err := ParseStamp(der); return err }
func parseSeal(der []byte) error  { _, err := ParseSeal(der); return err }

func TestOtherAlgorithmsDoNotVerify(t *testing.T) {
	f := newForeign(t)
	f.alg = oid123
	stamp, err := ParseStamp(f.stamp())
	if err != nil {
		t.Fatal(err)
	}
	if err := stamp.VerifySigner(&f.owner.priv.PublicKey); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("VerifySigner = %v, want ErrAlgorithm", err)
	}
	if err := stamp.Seal.VerifyMaker(&f.maker.priv.PublicKey); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("VerifyMaker = %v, want ErrAlgorithm", err)
	}
}

// A certificate with an invalid e-mail address in its subject, as a provincial authority issued them, still gives its key.
func TestKeyOfACertificateThatStrictParsersRefuse(t *testing.T) {
	p := newParty(t, "user@example")
	spoiled := bytes.Replace(p.cert, []byte("user@example"), []byte("us\xe9r@example"), -1)
	if _, err := sm.ParseCertificate(spoiled); err == nil {
		t.Log("the strict parser accepts it as well")
	}
	pub, err := publicKey(spoiled)
	if err != nil || !pub.Equal(&p.priv.PublicKey) {
		t.Errorf("publicKey = %v, %v", pub, err)
	}
}

func FuzzParseStamp(f *testing.F) {
	foreign := newForeign(f)
	f.Add(foreign.stamp())
	foreign.sig, foreign.sealExt = raw(f, foreign.owner), seq(seq(oid123, []byte{1, 1, 0}, tlv(octets, []byte{1})))
	f.Add(foreign.stamp())
	f.Add(seq(seq(), seq()))
	f.Fuzz(func(t *testing.T, der []byte) {
		stamp, err := ParseStamp(der)
		if (stamp == nil) == (err == nil) {
			t.Fatalf("value %v and error %v", stamp, err)
		}
		var version *VersionError
		if err != nil && !errors.Is(err, ErrFormat) && !errors.As(err, &version) {
			t.Fatalf("error of no kind: %v", err)
		}
		if err == nil && (!bytes.Equal(stamp.Raw, der) || !bytes.Contains(der, stamp.TBSRaw) || !bytes.Contains(stamp.TBSRaw, stamp.Seal.InfoRaw)) {
			t.Fatal("the original bytes are not kept")
		}
	})
}

func FuzzParseSeal(f *testing.F) {
	foreign := newForeign(f)
	f.Add(foreign.seal())
	foreign.sealExt = seq(seq(oid123, []byte{1, 1, 0xff}, tlv(octets, []byte{1})))
	f.Add(foreign.seal())
	f.Fuzz(func(t *testing.T, der []byte) {
		seal, err := ParseSeal(der)
		if (seal == nil) == (err == nil) {
			t.Fatalf("value %v and error %v", seal, err)
		}
		if err != nil || len(seal.Tolerances) > 0 || seal.CertListType != Certificates {
			return
		}
		// What the strict reader took without a tolerance, the writer writes to the same bytes.
		info := SealInfo{
			seal.ID, seal.VendorID, seal.Type, seal.Name, seal.CertListType, nil,
			seal.CreatedAt, seal.ValidFrom, seal.ValidTo, seal.Picture, seal.Extensions,
		}
		for _, e := range seal.CertList {
			info.Certificates = append(info.Certificates, e.Certificate)
		}
		prepared, err := PrepareSeal(info, foreign.maker.cert)
		if err != nil {
			return // the writer holds to more rules
		}
		emptyList := len(seal.Extensions) == 0 && bytes.HasSuffix(seal.InfoRaw, []byte{0x30, 0}) // the writer leaves it out
		if again := prepared.ToBeSigned(); !bytes.Equal(again, seal.InfoRaw) && !emptyList {
			t.Fatalf("written again:\n%x\n%x", again, seal.InfoRaw)
		}
	})
}
