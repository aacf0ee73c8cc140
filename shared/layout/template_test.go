package layout

import (
	"crypto/sha256"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var sampleValues = map[string]string{
	"certificateHolderCode": "91990000MA00000A0X", "certificateHolderName": "示例家政服务有限公司",
	"companyType": "有限责任公司（自然人投资或控股）", "legalRepresentative": "张䶮（示例）",
	"businessScope": "许可项目：家政服务职业技能培训（依法须经批准的项目，经相关部门批准后方可开展经营活动，具体经营项目以审批结果为准）。" +
		"一般项目：家政服务；居家养老服务；母婴生活护理（不含医疗服务）；病人陪护服务；专业保洁、清洗、消毒服务；日用电器修理；互联网销售（除销售需要许可的商品）。",
	"registeredCapital": "伍佰万元整", "establishedDate": "二〇二六年三月十八日",
	"address":                         "示例省示例市示例区示例大道1024号示例大厦A座16层1601室",
	"certificateIssuingAuthorityName": "示例省市场监督管理局", "certificateIssuedDate": "2026年3月18日",
	"certificateNumber": "990000202600000016", "employer": "示例家政服务有限公司", "serviceCategory": "家庭保洁、居家养老服务、母婴生活护理",
	"certificateValidityRange": "2026年3月18日至2029年3月17日",
}

func faceFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestEveryFieldOfAFaceIsOnThePage(t *testing.T) {
	f := embedded(t)
	for _, name := range []string{"business-licence", "home-service"} {
		data := faceFile(t, name)
		face, err := ParseTemplate(data)
		if err != nil {
			t.Fatal(err)
		}
		if face.Digest != sha256.Sum256(data) {
			t.Error("Digest is not the SHA-256 of the file")
		}
		if face.Seal == nil || face.Seal.Diameter != 42 {
			t.Errorf("%s: seal %v", name, face.Seal)
		}
		p, err := face.Page(f, sampleValues, sampleLink)
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]string{}
		for _, item := range p.Items {
			text, ok := item.(Text)
			if !ok {
				continue
			}
			shown[text.Field] += text.S
			width, err := f.Width(text.Face, text.S, text.Size)
			if err != nil || text.X < 0 || text.X+width > p.W || text.Y > p.H {
				t.Errorf("%s: %q leaves the page: %v", name, text.S, err)
			}
		}
		for _, key := range face.Fields() {
			if shown[key] != sampleValues[key] {
				t.Errorf("%s: field %s shows %q, want %q", name, key, shown[key], sampleValues[key])
			}
			if !face.Required(key) {
				t.Errorf("%s: field %s is not required", name, key)
			}
		}
	}
}

func TestAValueThatCannotBeShownIsRefusedByItsField(t *testing.T) {
	f := embedded(t)
	face, err := ParseTemplate(faceFile(t, "home-service"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(key, value string) map[string]string {
		values := maps.Clone(sampleValues)
		values[key] = value
		return values
	}
	var missing *MissingValueError
	_, err = face.Page(f, with("employer", " "), sampleLink)
	if !errors.As(err, &missing) || missing.Key != "employer" {
		t.Errorf("empty value: %v", err)
	}
	var overflow *OverflowError
	for _, value := range []string{strings.Repeat("示例公司", 30), "一\n二\n三", strings.Repeat("长", 5000)} {
		if _, err := face.Page(f, with("employer", value), sampleLink); !errors.As(err, &overflow) ||
			overflow.Key != "employer" {
			t.Errorf("%.20q…: %v", value, err)
		}
	}
	var glyph *MissingGlyphError
	_, err = face.Page(f, with("employer", "示例\U00020000"), sampleLink)
	if !errors.As(err, &glyph) || !strings.HasPrefix(err.Error(), "field employer: ") || glyph.Rune != 0x20000 {
		t.Errorf("missing character: %v", err)
	}
	if _, err := face.Page(f, sampleValues, ""); !errors.Is(err, ErrTemplate) {
		t.Errorf("no text for the code: %v", err)
	}
}

func TestALongValueTakesLinesFirstAndThenASmallerSize(t *testing.T) {
	f := embedded(t)
	const face = `{"id":"t","title":"t","page":{"width":100,"height":100},
		"fields":[{"key":"k","x":10,"y":20,"width":40,"size":5,"shrink":3,"maxLines":2,"align":"right"}]}`
	parsed, err := ParseTemplate([]byte(face))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		characters, lines int
		size              float64
	}{{3, 1, 5}, {8, 1, 5}, {9, 2, 5}, {16, 2, 5}, {17, 2, 4.4}, {26, 2, 3}} {
		p, err := parsed.Page(f, map[string]string{"k": strings.Repeat("示", test.characters)}, "")
		if err != nil {
			t.Errorf("%d characters: %v", test.characters, err)
			continue
		}
		first, lines := p.Items[1].(Text), len(p.Items)-1
		if lines != test.lines || math.Abs(first.Size-test.size) > 1e-9 {
			t.Errorf("%d characters: %d lines of %v mm, want %d of %v", test.characters, lines, first.Size, test.lines,
				test.size)
		}
		last := p.Items[lines].(Text)
		if w := last.Size * float64(len([]rune(last.S))); math.Abs(last.X+w-50) > 1e-9 {
			t.Errorf("%d characters: right edge at %v, want 50", test.characters, last.X+w)
		}
	}
	if _, err := parsed.Page(f, map[string]string{"k": strings.Repeat("示", 27)}, ""); err == nil {
		t.Error("27 characters of at least 3 mm were put on two lines of 40 mm")
	}
}

func TestLinesKeepTheRulesOfChinesePrinting(t *testing.T) {
	f := embedded(t)
	for _, test := range []struct {
		text string
		em   float64
		want []string
	}{
		{"示例省财政厅", 4, []string{"示例省财", "政厅"}},
		{"示例省财，政厅", 4, []string{"示例省", "财，政厅"}},       // no comma first
		{"示例省（财政厅）", 4, []string{"示例省", "（财政", "厅）"}}, // no bracket last, none first
		{"《示例办法》（试行）。", 4, []string{"《示例办", "法》（试", "行）。"}},
		{"编号AB1234号", 4, []string{"编号", "AB1234", "号"}},
		{"ABCDEFGHIJ", 2, nil}, // wherever it must
		{"one two", 3, []string{"one", "two"}},
		{"一二\n三", 4, []string{"一二", "三"}},
		{"", 4, []string{""}},
		{"一 二", 1, []string{"一", "二"}},
	} {
		got, err := f.Lines(Regular, test.text, 1, test.em)
		if err != nil {
			t.Fatal(err)
		}
		if len(test.want) > 0 && !slices.Equal(got, test.want) {
			t.Errorf("Lines(%q, %v em) = %q, want %q", test.text, test.em, got, test.want)
		}
		for i, line := range got {
			runes := []rune(line)
			if len(runes) > 1 && i > 0 && strings.ContainsRune(noLineStart, runes[0]) {
				t.Errorf("%q begins with %c", line, runes[0])
			}
			if w, err := f.Width(Regular, line, 1); err != nil || w > test.em+1e-9 {
				t.Errorf("%q is %v em wide, more than %v (%v)", line, w, test.em, err)
			}
		}
	}
}

func TestABadTemplateIsRefusedWithTheMemberNamed(t *testing.T) {
	good := string(faceFile(t, "home-service"))
	if _, err := ParseTemplate([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, to, names string }{
		{`"id": "home-service-v1"`, `"id": "Home Service"`, "id"},
		{`"title": "居家上门服务证",`, ``, "title"},
		{`"width": 210`, `"width": 21`, "page"},
		{`"width": 210`, `"width": 1e400`, "width"},
		{`"paper": "#f7fbfd"`, `"paper": "white"`, "page.paper"},
		{`"paper": "#f7fbfd"`, `"paper": "#f7fbfd", "colour": 1`, "colour"},
		{`"x": 6, "y": 6, "width": 198`, `"x": 6, "y": 6, "width": 298`, "frames[0]"},
		{`"line": 1,`, `"line": 80,`, "frames[0]"},
		{`"d": "M 8.25`, `"d": "L 8.25`, "paths[0].d"},
		{`"d": "M 8.25`, `"d": "M -1`, "paths[0].d"},
		{`"d": "M 8.25`, `"d": "M NaN`, "paths[0].d"},
		{`"d": "M 8.25 8.25 L`, `"d": "M 8.25 8.25 A`, "paths[0].d"},
		{`"text": "示例", "x": 55`, `"text": "", "x": 55`, "labels[0]"},
		{`"size": 38`, `"size": 0`, "labels[0]"},
		{`"x": 55, "y": 104`, `"x": 155, "y": 104`, "labels[0]"},
		{`"key": "employer"`, `"key": "certificateNumber"`, "certificateNumber"},
		{`"key": "employer"`, `"key": "a b"`, "fields[2]"},
		{`"key": "employer"`, `"text": "x", "key": "employer"`, "fields[2]"},
		{`"y": 76, "width": 108, "size": 4.2, "shrink": 3`, `"y": 76, "width": 108, "size": 4.2, "shrink": 9`, "fields[2]"},
		{`"y": 76, "width": 108,`, `"y": 76, "width": 108, "lineHeight": 9,`, "fields[2]"},
		{`"y": 112, "width": 100,`, `"y": 112, "width": 100, "maxLines": 99,`, "fields[4]"},
		{`"size": 4, "align": "center"`, `"size": 4, "align": "justify"`, "fields[7]"},
		{`"type": "QR"`, `"type": "GM"`, "code"},
		{`"y": 41, "size": 34`, `"y": 41, "size": 4`, "code"},
		{`"y": 114.5, "diameter": 42`, `"y": 140, "diameter": 42`, "seal"},
		{`"diameter": 42`, `"diameter": 420`, "seal"},
		{`"frames": [`, `"images": [{"x":1,"y":1,"width":9,"height":9,"png":"AAAA"}], "frames": [`, "images[0]"},
	} {
		if strings.Count(good, test.from) != 1 {
			t.Fatalf("%q is not once in the sample", test.from)
		}
		face, err := ParseTemplate([]byte(strings.Replace(good, test.from, test.to, 1)))
		if !errors.Is(err, ErrTemplate) || face != nil || !strings.Contains(err.Error(), test.names) {
			t.Errorf("%s → %s: %v, want %s named", test.from, test.to, err, test.names)
		}
	}
	for _, text := range []string{"", "null", "[]", good + "{}", strings.Repeat(" ", maxTemplate+1)} {
		if face, err := ParseTemplate([]byte(text)); !errors.Is(err, ErrTemplate) || face != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// FuzzTemplate checks that a template that is accepted can be drawn, or says which text is in the way, and that the
// drawing stays within the bounds of the writers.
func FuzzTemplate(f *testing.F) {
	const head = `{"id":"t","title":"t","page":{"width":30,"height":30}`
	for _, members := range []string{
		`}`,
		`,"fields":[{"key":"k","y":9,"width":9,"size":4,"maxLines":2,"align":"right","face":"bold"}]}`,
		`,"labels":[{"text":"示","y":9,"width":9,"size":4,"shrink":2,"lineHeight":2,"color":"#b08d3c"}]}`,
		`,"paths":[{"d":"M 1 1 Q 1 2 3 4 C 1 2 3 4 5 6 Z"}],"frames":[{"width":9,"height":9,"line":1}]}`,
		`,"code":{"type":"QR","size":20},"seal":{"x":15,"y":15,"diameter":20}}`,
		`,"images":[{"width":9,"height":9,"png":"iVBORw0KGgo="}]}`,
	} {
		f.Add([]byte(head + members))
	}
	fonts := embedded(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		face, err := ParseTemplate(data)
		if err != nil {
			if face != nil {
				t.Fatal("a template and an error")
			}
			return
		}
		values, link := map[string]string{}, ""
		for _, key := range face.Fields() {
			values[key] = "示例（一）A1"
		}
		if face.spec.Code != nil {
			link = sampleLink
		}
		p, err := face.Page(fonts, values, link)
		if err != nil {
			var overflow *OverflowError
			var glyph *MissingGlyphError
			if p.Items != nil || !errors.As(err, &overflow) && !errors.As(err, &glyph) && !errors.Is(err, ErrTemplate) {
				t.Fatalf("page of %d items, error %v", len(p.Items), err)
			}
			return
		}
		if _, err := SVG(p, fonts); err != nil {
			t.Fatalf("an accepted template cannot be drawn: %v", err)
		}
	})
}

// FuzzLines checks that breaking a text loses nothing but spaces and line ends.
func FuzzLines(f *testing.F) {
	f.Add("示例省（财政厅）关于编号AB1234号的通知。", 4.0)
	f.Add("one two  three", 2.5)
	f.Add("，，，（（（", 0.0)
	fonts := embedded(f)
	f.Fuzz(func(t *testing.T, s string, em float64) {
		lines, err := fonts.Lines(Regular, s, 1, em)
		if err != nil {
			var glyph *MissingGlyphError
			if lines != nil || !errors.As(err, &glyph) {
				t.Fatal(err)
			}
			return
		}
		bare := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		if got, want := bare(strings.Join(lines, "")), bare(s); got != want {
			t.Fatalf("Lines kept %q of %q", got, want)
		}
	})
}
