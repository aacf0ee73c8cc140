package ident

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// vectors are those of the specifications; count says how many there must be, so that none is lost in an edit.
func count(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %d vectors, want %d", what, got, want)
	}
}

func TestCitizenIDVectorsPass(t *testing.T) {
	valid := []string{"11010519491231002X", "440524188001010014", "34052419800101001X"}
	count(t, "citizen ID", len(valid), 3)
	for _, number := range valid {
		id, err := ParseCitizenID(number, now)
		if err != nil || id.Number != number || id.Region != number[:6] || id.Born.Format("20060102") != number[6:14] {
			t.Errorf("ParseCitizenID(%s) = %+v, %v", number, id, err)
		}
		for c := byte('0'); c <= '9'; c++ { // every other check character is refused
			if wrong := number[:17] + string(c); wrong != number {
				if _, err := ParseCitizenID(wrong, now); !errors.Is(err, ErrCheck) {
					t.Errorf("ParseCitizenID(%s) = %v, want ErrCheck", wrong, err)
				}
			}
		}
	}
	if id, err := ParseCitizenID("11010519491231002x", now); err != nil || id.Number != "11010519491231002X" || id.Male {
		t.Errorf("a small x gives %+v, %v", id, err)
	}
}

func TestCitizenIDRefusals(t *testing.T) {
	made := func(first17 string) string {
		s, err := MakeCitizenID(first17)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		name, number string
		want         error
	}{
		{"short", "1101051949123100", ErrForm},
		{"old fifteen digits", "110105491231002", ErrForm},
		{"letter", "1101051949123100AX", ErrForm},
		{"full-width digits", "１１０１０５", ErrForm},
		{"no such day", made("11010519490230002"), ErrBirth},
		{"no such month", made("11010519491331002"), ErrBirth},
		{"29 February of a common year", made("11010519000229002"), ErrBirth},
		{"tomorrow", made("11010520261124002"), ErrBirth},
		{"empty", "", ErrForm},
	} {
		if id, err := ParseCitizenID(c.number, now); !errors.Is(err, c.want) || id != (CitizenID{}) {
			t.Errorf("%s: ParseCitizenID = %+v, %v, want %v", c.name, id, err, c.want)
		}
	}
	if _, err := ParseCitizenID(made("99000020000229001"), now); err != nil {
		t.Errorf("an unknown region is refused: %v", err)
	}
	if _, err := ParseCitizenID(made("11010520261123002"), now.Add(6*time.Hour)); err != nil {
		t.Errorf("a child born today in China, yesterday in UTC, is refused: %v", err)
	}
}

func TestUSCC(t *testing.T) {
	vectors := []struct {
		code string
		want error
	}{
		{"91350100M000100Y43", nil}, // the worked example of GB 32100
		{"11320000MB151840XJ", nil},
		{"9131000063159284XQ", nil},
		{"91350100MA00000230", nil}, // synthetic: the sum is divisible by 31
		{"91350100MA000055X0", nil},
		{"91350100M000100Y4Z", ErrForm},
		{"91350211M0000XUF46", ErrCheck}, // issued in reality
		{"91350100M0001TGQXM", ErrCheck}, // issued in reality
		{"362322198709086409", ErrInner},
		// from the licence identifiers of GB/T 36904
		{"11100000000013338W", nil}, {"11430000006122244L", nil}, {"11330105002500287C", nil},
		{"11220000013544541J", nil}, {"11100000MB03271699", nil}, {"11100000000013661B", nil},
		{"113700000045046442", nil}, {"11320482014138860P", nil},
	}
	count(t, "USCC", len(vectors), 17)
	for _, v := range vectors {
		if err := CheckUSCC(v.code); !errors.Is(err, v.want) || (err == nil) != (v.want == nil) {
			t.Errorf("CheckUSCC(%s) = %v, want %v", v.code, err, v.want)
		}
		if v.want == nil {
			if made, err := MakeUSCC(v.code[:16]); err != nil || made != v.code {
				t.Errorf("MakeUSCC(%s) = %s, %v", v.code[:16], made, err)
			}
		}
	}
	for _, bad := range []string{"", "91350100m000100y43", "9135010AM000100Y43", "91350100M000100Y4", "91350100MO00100Y43"} {
		if err := CheckUSCC(bad); !errors.Is(err, ErrForm) {
			t.Errorf("CheckUSCC(%q) = %v, want ErrForm", bad, err)
		}
	}
	// The characters expected where the issued codes fail.
	if got := usccCheck("91350211M0000XUF46"); got != 'R' {
		t.Errorf("check of 91350211M0000XUF4 = %c, want R", got)
	}
	if got := usccCheck("91350100M0001TGQXM"); got != '1' {
		t.Errorf("check of 91350100M0001TGQX = %c, want 1", got)
	}
	if got := organisationCheck("19870908"); got == '0' {
		t.Error("the inner check of 362322198709086409 fits")
	}
}

func TestAnIdentifierMayPassTwoKinds(t *testing.T) {
	const both = "362322198709086409"
	if _, err := ParseCitizenID(both, now); err != nil {
		t.Errorf("as citizen ID: %v", err)
	}
	if usccCheck(both) != both[17] {
		t.Error("as USCC: the outer check character does not fit")
	}
}

func TestLicenceIDVectors(t *testing.T) {
	vectors := []struct {
		id       string
		computed byte
		known    bool
	}{
		{"1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U", 'U', false},
		{"1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0", '0', false},
		{"1.2.156.3005.2.11100000000013338W032.11220000013544541J.20990000001.001.B", 'B', false},
		{"1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9", '9', false},
		{"1.2.156.3005.2.11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M", 'D', true},
	}
	count(t, "licence identifier", len(vectors), 5)
	for _, v := range vectors {
		id, warnings, err := ParseLicenceID(v.id)
		if err != nil {
			t.Errorf("ParseLicenceID(%s): %v", v.id, err)
			continue
		}
		if id.String() != v.id {
			t.Errorf("String = %s, want %s byte for byte", id, v.id)
		}
		if got := id.ComputedCheck(); got != v.computed {
			t.Errorf("%s: computed %c, want %c", v.id, got, v.computed)
		}
		var mismatch *Warning
		for i := range warnings {
			if warnings[i].Code == WarnCheckCharacter {
				mismatch = &warnings[i]
			}
		}
		switch {
		case (mismatch != nil) != (id.Check != v.computed):
			t.Errorf("%s: warnings %+v", v.id, warnings)
		case mismatch != nil && (mismatch.Printed != "M" || mismatch.Computed != "D" || mismatch.KnownVariant != v.known):
			t.Errorf("%s: warning %+v", v.id, *mismatch)
		}
		if len(id.Issuer) == 18 {
			made, err := NewLicenceID(id.TypeCode, id.Issuer, id.Serial, int(id.Version[2]-'0'))
			if err != nil || made.Check != v.computed {
				t.Errorf("NewLicenceID of %s = %c, %v; want %c", v.id, made.Check, err, v.computed)
			}
		}
	}
	if _, warnings, _ := ParseLicenceID(vectors[3].id); len(warnings) != 1 || warnings[0].Code != WarnIssuer {
		t.Errorf("a region as issuer gives %+v, want %s", warnings, WarnIssuer)
	}
}

func TestCheckCharacterVectors(t *testing.T) {
	vectors := []struct {
		input            string
		computed, faulty byte // 0: not given by the specification
	}{
		{"11100000000013338W01111430000006122244L20230000403001", 'U', 'T'},
		{"11100000000013338W00211320482014138860P201807250201001", 'M', 0},
		{"A1B2C3", '3', 'N'},
		{"11100000000013661B006113700000045046442209FA4E88F9E4C878F3E9BED2CE7EA49001", 'D', 'M'},
	}
	count(t, "check character", len(vectors), 4)
	for _, v := range vectors {
		if got := hybridCheck(v.input); got != v.computed {
			t.Errorf("check of %s = %c, want %c", v.input, got, v.computed)
		}
		if got := faultyCheck(v.input); v.faulty != 0 && got != v.faulty {
			t.Errorf("faulty check of %s = %c, want %c", v.input, got, v.faulty)
		}
	}
}

func TestEverySingleSubstitutionIsFound(t *testing.T) {
	const s = "11100000000013338W01111430000006122244L20230000403001"
	want := hybridCheck(s)
	for i := range len(s) {
		for _, c := range []byte(alnumAlphabet) {
			if c != s[i] && hybridCheck(s[:i]+string(c)+s[i+1:]) == want {
				t.Errorf("%c at %d is not found", c, i)
			}
		}
	}
}

func TestLicenceIDRefusals(t *testing.T) {
	const good = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
	for name, s := range map[string]string{
		"empty":                "",
		"another root":         strings.Replace(good, "3005", "3006", 1),
		"small letter":         strings.Replace(good, "244L", "244l", 1),
		"underscore":           strings.Replace(good, "2023", "20_3", 1),
		"short type":           strings.Replace(good, "W011", "W01", 1),
		"version of letters":   strings.Replace(good, ".001.", ".00A.", 1),
		"no check":             good[:len(good)-2],
		"two check":            good + "U",
		"one part too many":    good + ".U",
		"trailing newline":     good + "\n",
		"serial too long":      strings.Replace(good, "20230000403", strings.Repeat("1", 65), 1),
		"serial empty":         strings.Replace(good, "20230000403", "", 1),
		"issuer of five":       strings.Replace(good, "11430000006122244L", "11430", 1),
		"full-width full stop": strings.Replace(good, ".001", "．001", 1),
	} {
		if id, warnings, err := ParseLicenceID(s); !errors.Is(err, ErrForm) || id != (LicenceID{}) || warnings != nil {
			t.Errorf("%s: %+v, %v, %v; want ErrForm alone", name, id, warnings, err)
		}
	}
}

func TestNewLicenceIDIsStrict(t *testing.T) {
	const typeCode, issuer = "11100000000013338W032", "11220000013544541J"
	for name, f := range map[string]func() error{
		"type authority":  func() error { _, err := NewLicenceID("11100000000013338X032", issuer, "1", 1); return err },
		"type form":       func() error { _, err := NewLicenceID("11100000000013338W", issuer, "1", 1); return err },
		"issuer":          func() error { _, err := NewLicenceID(typeCode, "11220000013544541K", "1", 1); return err },
		"region issuer":   func() error { _, err := NewLicenceID(typeCode, "340100", "1", 1); return err },
		"empty serial":    func() error { _, err := NewLicenceID(typeCode, issuer, "", 1); return err },
		"small letters":   func() error { _, err := NewLicenceID(typeCode, issuer, "a", 1); return err },
		"version 0":       func() error { _, err := NewLicenceID(typeCode, issuer, "1", 0); return err },
		"version of four": func() error { _, err := NewLicenceID(typeCode, issuer, "1", 1000); return err },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSealCode(t *testing.T) {
	c, err := NewSealCode("110101", 1)
	if err != nil || c.String() != "11010100000001" {
		t.Errorf("NewSealCode = %s, %v", c, err)
	}
	back, err := ParseSealCode("11010100000001")
	if err != nil || back != c {
		t.Errorf("ParseSealCode = %+v, %v", back, err)
	}
	for _, bad := range []string{"", "1101010000001", "110101000000011", "1101010000000A", "１1010100000001"} {
		if _, err := ParseSealCode(bad); !errors.Is(err, ErrForm) {
			t.Errorf("ParseSealCode(%q) = %v, want ErrForm", bad, err)
		}
	}
	for _, n := range []int{0, -1, 100_000_000} {
		if _, err := NewSealCode("110101", n); !errors.Is(err, ErrForm) {
			t.Errorf("NewSealCode(%d) = %v, want ErrForm", n, err)
		}
	}
}

func TestMask(t *testing.T) {
	for _, c := range []struct {
		rule        MaskRule
		value, want string
	}{
		{MaskName, "张三", "张*"},
		{MaskName, "张三丰", "张*"},
		{MaskName, "张三(示例)", "张*"},
		{MaskName, "欧阳娜娜", "欧阳*"},
		{MaskName, "欧阳", "欧*"},
		{MaskName, "王", "*"},
		{MaskName, "阳 张", "阳*"},
		{MaskName, "𬱖三", "𬱖*"},
		{MaskID, "11010519491231002X", "110*************2X"},
		{MaskID, "12345678", "*"},
		{MaskPhone, "13800000000", "138****0000"},
		{MaskAddress, "示例省示例市示例区示例路1号", "示例省示例市示例区*"},
		{MaskAddress, "新疆维吾尔自治区乌鲁木齐市天山区人民路2号", "新疆维吾尔自治区乌鲁木齐市天山区*"},
		{MaskAddress, "江苏省昆山市玉山镇锦绣小区3号", "江苏省昆山市*"},
		{MaskAddress, "人民路1号", "*"},
		{MaskAddress, "恩施土家族苗族自治州巴东县信陵镇", "恩施土家族苗族自治州巴东县*"},
		{MaskNone, "示例家政服务有限公司", "示例家政服务有限公司"},
		{MaskAll, "anything", "*"},
		{"no such rule", "anything", "*"},
		{MaskName, "", ""},
	} {
		if got := Mask(c.rule, c.value); got != c.want {
			t.Errorf("Mask(%q, %s) = %s, want %s", c.rule, c.value, got, c.want)
		}
	}
}

func FuzzParseLicenceID(f *testing.F) {
	f.Add("1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U")
	f.Add("1.2.156.3005.2.11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M")
	f.Add("1.2.156.3005.2.....")
	f.Fuzz(func(t *testing.T, s string) {
		id, warnings, err := ParseLicenceID(s)
		if err != nil {
			if id != (LicenceID{}) || warnings != nil {
				t.Errorf("an error with a value: %+v", id)
			}
			return
		}
		if id.String() != s {
			t.Errorf("String = %q, want %q", id.String(), s)
		}
		mismatch := false
		for _, w := range warnings {
			mismatch = mismatch || w.Code == WarnCheckCharacter
		}
		if mismatch == (id.Check == id.ComputedCheck()) {
			t.Errorf("%q: the warning and the computed character disagree", s)
		}
	})
}

func FuzzParseCitizenID(f *testing.F) {
	f.Add("11010519491231002X")
	f.Add("34052419800101001x")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseCitizenID(s, now)
		if err != nil {
			return
		}
		if !strings.EqualFold(id.Number, s) || id.Born.After(now.Add(8*time.Hour)) {
			t.Errorf("ParseCitizenID(%q) = %+v", s, id)
		}
		if made, err := MakeCitizenID(s[:17]); err != nil || made != id.Number {
			t.Errorf("MakeCitizenID = %s, %v; want %s", made, err, id.Number)
		}
	})
}

func FuzzMask(f *testing.F) {
	f.Add("欧阳娜娜")
	f.Add("示例省示例市示例区示例路1号")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range []MaskRule{MaskName, MaskID, MaskPhone, MaskAddress, MaskAll} {
			if got := Mask(r, s); s != "" && (got == s && !strings.Contains(s, "*") || !strings.Contains(got, "*")) {
				t.Errorf("Mask(%s, %q) = %q hides nothing", r, s, got)
			}
		}
	})
}
