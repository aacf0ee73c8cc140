package licence

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/layout"
)

func TestStatusIndexIsAPermutation(t *testing.T) {
	for _, size := range []int{2, 4, 8, 1 << 10, listSize} {
		seen := make([]bool, size)
		key := [32]byte{1}
		for n := range size {
			i := statusIndex(Ticket{Sequence: n, Key: key}, size)
			if i < 0 || i >= size || seen[i] {
				t.Fatalf("size %d: sequence %d gives %d, outside or twice", size, n, i)
			}
			seen[i] = true
		}
	}
}

func TestStatusIndexFollowsNeitherSequenceNorAnotherList(t *testing.T) {
	const n = 4096
	near, same, low := 0, 0, 0
	for i := range n {
		a := statusIndex(Ticket{Sequence: i, Key: [32]byte{1}}, listSize)
		b := statusIndex(Ticket{Sequence: i + 1, Key: [32]byte{1}}, listSize)
		if d := a - b; d > -64 && d < 64 {
			near++
		}
		if a == statusIndex(Ticket{Sequence: i, Key: [32]byte{2}}, listSize) {
			same++
		}
		if a < listSize/2 {
			low++
		}
	}
	// Of 4096 pairs about 4 lie that near by chance, 0.03 are equal, and half of the indices are low.
	if near > 20 || same > 3 || low < n*45/100 || low > n*55/100 {
		t.Errorf("%d neighbours stay near, %d indices are equal under two keys, %d of %d are low", near, same, low, n)
	}
}

func TestSampleTypesAreSound(t *testing.T) {
	types, err := SampleTypes()
	if err != nil || len(types) != 2 {
		t.Fatalf("SampleTypes = %d, %v", len(types), err)
	}
	for _, d := range types {
		if !strings.HasSuffix(d.Name.ZH, "(示例)") || d.VCT() != "urn:cn:elicence:"+d.Code+":1" || !d.issuedBy(d.Code[:18]) {
			t.Errorf("type %s %s", d.Code, d.Name.ZH)
		}
		metadata, err := d.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			VCT    string `json:"vct"`
			Claims []struct {
				Path []string `json:"path"`
				SD   string   `json:"sd"`
			} `json:"claims"`
		}
		if err := json.Unmarshal(metadata, &m); err != nil || m.VCT != d.VCT() || len(m.Claims) != len(baseClaims)+len(d.Fields) {
			t.Errorf("metadata %s, %v", metadata, err)
		}
		for _, c := range m.Claims {
			want := "never"
			if slices.Contains(d.Selective, c.Path[0]) {
				want = "always"
			}
			if c.SD != want {
				t.Errorf("%s: %s is %s, want %s", d.Code, c.Path[0], c.SD, want)
			}
		}
		// What the store keeps is what was read.
		data, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseType(data); err != nil || again.Code != d.Code || string(again.Face) != string(d.Face) {
			t.Errorf("read back: %v", err)
		}
	}
}

func sampleType(t testing.TB) []byte {
	t.Helper()
	data, err := embedded.ReadFile("types/home-service.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestUnsoundTypesAreRefused(t *testing.T) {
	good := string(sampleType(t))
	for _, c := range [][3]string{
		{"an unknown member", `"version": 1,`, `"version": 1, "more": 1,`},
		{"a type code whose check character is wrong", `67R001"`, `68R001"`},
		{"a type code without its three digits", `67R001"`, `67R01"`},
		{"another authority than the code's", `"uscc": "11990000YX0000067R"`, `"uscc": "11990000YX0000059Y"`},
		{"no version", `"version": 1`, `"version": 0`},
		{"no English name", `"en": "Home Service Certificate (Sample)"`, `"en": ""`},
		{"an issuer whose code is wrong", `"issuers": ["11990000YX0000067R"]`, `"issuers": ["11990000YX0000067S"]`},
		{"nobody issues it", `"issuers": ["11990000YX0000067R"]`, `"issuers": []`},
		{"holders of another kind", `"holderType": "111"`, `"holderType": "999"`},
		{"a validity without end", `"years": 3`, `"years": 51`},
		{"a field twice", `"key": "serviceCategory"`, `"key": "employer"`},
		{"a field with the name of a claim", `"key": "employer"`, `"key": "certificateName"`},
		{"a field with a reserved name", `"key": "employer"`, `"key": "exp"`},
		{"a field without length", `"maxLength": 60}`, `"maxLength": 0}`},
		{"a selective claim that is not there", `"selective": ["certificateHolderName"`, `"selective": ["x"`},
		{"a mask for nothing", `"masks": {"certificateHolderName"`, `"masks": {"x"`},
		{"a mask that nobody knows", `"certificateHolderName": "name"`, `"certificateHolderName": "veil"`},
		{"a face that is not there", `home-service.face.json`, `no.face.json`},
		{"a face that leads out of the folder", `home-service.face.json`, `../licence.go`},
		{"a face of another type", `home-service.face.json`, `business-licence.face.json`},
		{"an optional field that the face needs", `"maxLength": 60}`, `"maxLength": 60, "optional": true}`},
		{"no JSON", `{`, ``},
		{"something behind it", "\n}\n", "\n}\n{}"},
	} {
		bad := strings.Replace(good, c[1], c[2], 1)
		if bad == good {
			t.Fatalf("%s: nothing to change", c[0])
		}
		if _, err := ParseType([]byte(bad)); !errors.Is(err, ErrType) {
			t.Errorf("%s: %v, want ErrType", c[0], err)
		}
	}
}

func TestTransitionsLeaveNoWayBackFromRevoked(t *testing.T) {
	verbs := map[Verb]bool{}
	for _, row := range Transitions {
		if verbs[row.Verb] {
			t.Errorf("%s has two rows", row.Verb)
		}
		verbs[row.Verb] = true
		if slices.Contains(row.From, Revoked) || slices.Contains(row.From, Discarded) {
			t.Errorf("%s leads out of an end", row.Verb)
		}
		for _, s := range row.From {
			if err := row.allow(Licence{History: []Change{{State: s}}}); err != nil {
				t.Errorf("%s from %s: %v", row.Verb, s, err)
			}
		}
	}
	for _, s := range []State{None, Draft, Issuing, Discarded} {
		if s.Issued() {
			t.Errorf("%q counts as issued", s)
		}
	}
}

func TestApplyLeavesTheOldHistoryAlone(t *testing.T) {
	l := Licence{Revision: 1, History: make([]Change, 1, 8)}
	row, _ := transition(VerbIssue)
	a := row.apply(l, Issuing, Change{Person: "a"})
	b := row.apply(l, Active, Change{Person: "b"})
	if len(l.History) != 1 || a.History[1].Person != "a" || b.History[1].Person != "b" || a.Revision != 2 {
		t.Errorf("histories share memory: %+v %+v %+v", l.History, a.History, b.History)
	}
}

func TestAccept(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"", "application/json"},
		{"*/*", "application/json"},
		{"application/*", "application/json"},
		{"application/pdf", "application/pdf"},
		{"application/ofd;q=0.5, application/pdf;q=0.4", "application/ofd"},
		{"application/pdf;q=0, image/png", "image/png"},
		{"APPLICATION/DC+SD-JWT", "application/dc+sd-jwt"},
		{"image/*", "image/png"},
		{"text/html", ""},
		{"application/pdf;q=2", ""},
		{"application/pdf;q=x", ""},
		{";;;", ""},
	} {
		var values []string
		if c.header != "" {
			values = []string{c.header}
		}
		got, _, err := accept(values)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Accept %q gives %q, %v; want %q", c.header, got, err, c.want)
		}
	}
}

func TestPeriodIsChinasDays(t *testing.T) {
	l := Licence{ValidFrom: "2026-03-01", ValidTo: "2026-03-01"}
	from, to, err := l.Period()
	if err != nil || from.UTC().Format(time.RFC3339) != "2026-02-28T16:00:00Z" || to.UTC().Format(time.RFC3339) != "2026-03-01T16:00:00Z" {
		t.Errorf("Period = %s, %s, %v", from, to, err)
	}
	if _, to, err := (Licence{ValidFrom: "2026-03-01"}).Period(); err != nil || !to.IsZero() {
		t.Errorf("long-term ends %s, %v", to, err)
	}
	if _, _, err := (Licence{ValidFrom: "x"}).Period(); err == nil {
		t.Error("no day is accepted")
	}
}

func TestValidityOfTypes(t *testing.T) {
	at := time.Date(2026, 2, 28, 17, 0, 0, 0, time.UTC) // the first of March in China
	for _, c := range []struct {
		years            int
		from, to         string
		wantFrom, wantTo string
		refused          bool
	}{
		{3, "", "", "2026-03-01", "2029-02-28", false},
		{0, "", "", "2026-03-01", "", false},
		{0, "2020-02-29", "", "2020-02-29", "", false},
		{1, "2024-02-29", "", "2024-02-29", "2025-02-28", false},
		{3, "2026-03-01", "2027-01-01", "2026-03-01", "2027-01-01", false},
		{3, "2026-03-01", "2029-03-02", "", "", true},
		{3, "2026-03-02", "2026-03-01", "", "", true},
		{3, "2025-03-01", "2026-02-28", "", "", true},                      // over
		{3, "2025-03-01", "2026-03-01", "2025-03-01", "2026-03-01", false}, // its last day is today
		{3, "1 March", "", "", "", true},
	} {
		d := Definition{Validity: Validity{Years: c.years}}
		from, to, err := d.validity(c.from, c.to, at)
		if (err != nil) != c.refused || err == nil && (from != c.wantFrom || to != c.wantTo) {
			t.Errorf("%d years, %q to %q: %q to %q, %v", c.years, c.from, c.to, from, to, err)
		}
	}
}

func TestDigestsOfDifferentListsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, texts := range [][]string{{"a", "b"}, {"ab"}, {"a", "", "b"}, {"", "ab"}, {"1:a1:b"}, {}} {
		d := digest(texts...)
		if seen[d] {
			t.Errorf("%q has the digest of another list", texts)
		}
		seen[d] = true
	}
}

func TestSerialsAreOfTheIdentifiersAlphabet(t *testing.T) {
	for range 100 {
		s, err := drawSerial(rand.Reader)
		if err != nil || len(s) != serialLength || strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Fatalf("serial %q, %v", s, err)
		}
	}
	if _, err := drawSerial(strings.NewReader("")); err == nil {
		t.Error("without randomness there is a serial")
	}
}

func TestAStampedFaceMustBeTheFace(t *testing.T) {
	fonts, err := layout.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	types, err := SampleTypes()
	if err != nil {
		t.Fatal(err)
	}
	d := types[1]
	l := Licence{TypeCode: d.Code, Issuer: Agency{USCC: d.Issuers[0], Name: "示例机关"}, Version: 1, ValidFrom: "2026-03-01",
		Holder: Holder{Name: "周八(示例)", Code: "1"}, Number: "FW1", Fields: map[string]string{"employer": "示例", "serviceCategory": "保洁"}}
	if l.Identifier, err = identifier(l, "1"); err != nil {
		t.Fatal(err)
	}
	faces, place, err := l.faces(d, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), fonts)
	if err != nil || place.Page != 1 || place.X == 0 {
		t.Fatalf("faces: %v, %+v", err, place)
	}
	for _, format := range []Format{PDF, OFD} {
		for name, after := range map[string][]byte{"nothing": nil, "the face itself": faces[format], "the PNG": faces[PNG],
			"a part": faces[format][:len(faces[format])/2]} {
			if err := checkStamped(format, faces[format], after); err == nil {
				t.Errorf("%s: %s came back and is accepted", format, name)
			}
		}
	}
	if err := checkStamped(PDF, faces[PDF], append(slices.Clone(faces[PDF]), "more"...)); err != nil {
		t.Errorf("an appended PDF: %v", err)
	}
}

func FuzzParseType(f *testing.F) {
	f.Add(sampleType(f))
	f.Add([]byte(`{"typeCode":"11990000YX0000067R001","face":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseType(data)
		if err != nil {
			if d.Code != "" || !errors.Is(err, ErrType) {
				t.Errorf("error %v with %+v", err, d)
			}
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseType(again); err != nil || fmt.Sprint(back) != fmt.Sprint(d) {
			t.Errorf("reading back what was read: %v", err)
		}
	})
}
