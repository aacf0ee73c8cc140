package layout

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

func embedded(tb testing.TB) *Fonts {
	tb.Helper()
	f, err := Embedded()
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

const sample = "示例省家政服务有限公司 张䶮𬱖𫖯𬭎〇·“（）” Agj&éÿ，。①Ωあ"

// theirOutline is the outline as golang.org/x/image/font/sfnt reads it, in 1/64 of a font unit, y down.
func theirOutline(t *testing.T, f *sfnt.Font, id sfnt.GlyphIndex) []string {
	t.Helper()
	segments, err := f.LoadGlyph(nil, id, fixed.Int26_6(int(f.UnitsPerEm())*64), nil)
	if err != nil {
		t.Fatalf("glyph %d: %v", id, err)
	}
	var out []string
	for _, s := range segments {
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			out = append(out, fmt.Sprint("M", s.Args[0].X, s.Args[0].Y))
		case sfnt.SegmentOpLineTo:
			out = append(out, fmt.Sprint("L", s.Args[0].X, s.Args[0].Y))
		case sfnt.SegmentOpQuadTo:
			out = append(out, fmt.Sprint("Q", s.Args[0].X, s.Args[0].Y, s.Args[1].X, s.Args[1].Y))
		}
	}
	return dropClosingLines(out)
}

func ourOutline(ops []Op, unitsPerEm float64) []string {
	var out []string
	// The other reader rounds an implied point to whole units, towards zero.
	v := func(x float64) fixed.Int26_6 { return fixed.I(int(math.Round(x*unitsPerEm*64)) / 64) }
	for _, op := range ops {
		switch op.Kind {
		case 'Q':
			out = append(out, fmt.Sprint("Q", v(op.X1), v(op.Y1), v(op.X), v(op.Y)))
		case 'Z':
		default:
			out = append(out, fmt.Sprint(string(rune(op.Kind)), v(op.X), v(op.Y)))
		}
	}
	return dropClosingLines(out)
}

// dropClosingLines leaves out a line back to where the contour began: whether it is drawn or implied is a matter of
// taste.
func dropClosingLines(ops []string) []string {
	var out []string
	start := ""
	for i, op := range ops {
		if op[0] == 'M' {
			start = op[1:]
		}
		if op[0] == 'L' && op[1:] == start && (i+1 == len(ops) || ops[i+1][0] == 'M') {
			continue
		}
		out = append(out, op)
	}
	return out
}

func TestOutlinesAgreeWithAnotherReader(t *testing.T) {
	for face, data := range map[Face]string{Regular: serifRegular, Bold: serifBold} {
		theirs, err := sfnt.Parse([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		ours := embedded(t)
		for _, r := range sample {
			id, err := theirs.GlyphIndex(nil, r)
			if err != nil || id == 0 {
				t.Fatalf("U+%04X: glyph %d, %v", r, id, err)
			}
			g, err := ours.Outline(face, r)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := ourOutline(g.Ops, 1000), theirOutline(t, theirs, id); !slices.Equal(got, want) {
				t.Errorf("outline of %c:\n got %.300v\nwant %.300v", r, got, want)
			}
			advance, err := theirs.GlyphAdvance(nil, id, fixed.Int26_6(theirs.UnitsPerEm()), 0)
			if err != nil || int(math.Round(g.Advance*1000)) != int(advance) {
				t.Errorf("advance of %c = %v, want %d/1000 (%v)", r, g.Advance, advance, err)
			}
		}
	}
}

// TestFontsOfOtherMakersAreRead takes a font with composite glyphs, hinting, 2048 units per em and a cmap of format 4.
func TestFontsOfOtherMakersAreRead(t *testing.T) {
	theirs, err := sfnt.Parse(goregular.TTF)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := parseFont(string(goregular.TTF))
	if err != nil {
		t.Fatal(err)
	}
	fonts := &Fonts{}
	fonts.faces[Regular] = []*font{ours}
	count := 0
	for r := rune(0); r <= 0xFFFF; r++ {
		id, err := theirs.GlyphIndex(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if got := ours.glyph(r); got != int(id) {
			t.Fatalf("glyph of U+%04X = %d, want %d", r, got, id)
		}
		if id == 0 || r == 0xFFFD {
			continue
		}
		count++
		g, err := fonts.Outline(Regular, r)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ourOutline(g.Ops, 2048), theirOutline(t, theirs, id); !slices.Equal(got, want) {
			t.Errorf("outline of %c:\n got %.300v\nwant %.300v", r, got, want)
		}
	}
	if count < 500 {
		t.Errorf("only %d characters compared", count)
	}
	s, err := fonts.Subset(Regular, []rune("éAg"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sfnt.Parse(s.TTF); err != nil {
		t.Error(err)
	}
	if want := int(math.Round(1000 * float64(ours.advance(ours.glyph('A'))) / 2048)); s.Advance[s.GID['A']] != want {
		t.Errorf("advance %d/1000, want %d", s.Advance[s.GID['A']], want)
	}
}

func TestASubsetIsAFontOfItsOwnWithTheSameOutlines(t *testing.T) {
	f := embedded(t)
	for _, face := range []Face{Regular, Bold} {
		s, err := f.Subset(face, []rune(sample+sample))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := sfnt.Parse(s.TTF)
		if err != nil {
			t.Fatalf("x/image/sfnt refuses the subset: %v", err)
		}
		if theirs.NumGlyphs() != len(s.Runes) || len(s.GID) != len(s.Runes)-1 || len(s.Advance) != len(s.Runes) {
			t.Fatalf("%d glyphs, %d characters, %d mapped, %d advances", theirs.NumGlyphs(), len(s.Runes), len(s.GID),
				len(s.Advance))
		}
		if name, err := theirs.Name(nil, sfnt.NameIDPostScript); err != nil || name != s.Name ||
			!strings.HasPrefix(name, "NotoSerifSC-") {
			t.Errorf("PostScript name %q, %q, %v", name, s.Name, err)
		}
		for _, r := range sample {
			id, err := theirs.GlyphIndex(nil, r)
			if err != nil || uint16(id) != s.GID[r] || s.Runes[id] != r {
				t.Errorf("glyph of %c = %d, %v; GID says %d, Runes %c", r, id, err, s.GID[r], s.Runes[id])
			}
			g, err := f.Outline(face, r)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := theirOutline(t, theirs, id), ourOutline(g.Ops, 1000); !slices.Equal(got, want) {
				t.Errorf("outline of %c in the subset:\n got %v\nwant %v", r, got, want)
			}
			advance, err := theirs.GlyphAdvance(nil, id, 1000, 0)
			if err != nil || int(advance) != s.Advance[id] || int(math.Round(g.Advance*1000)) != s.Advance[id] {
				t.Errorf("advance of %c = %d, Advance says %d, %v", r, advance, s.Advance[id], err)
			}
		}
	}
}

func TestASubsetDependsOnTheSetOfCharactersOnly(t *testing.T) {
	f := embedded(t)
	a, err := f.Subset(Regular, []rune("示例省财政厅"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Subset(Regular, []rune("厅政财省例示示省"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Subset(Regular, []rune("示例省财政局"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.TTF, b.TTF) || a.Tag != b.Tag {
		t.Error("the same characters gave different fonts")
	}
	if len(a.Tag) != 6 || a.Tag == c.Tag {
		t.Errorf("tags %q and %q", a.Tag, c.Tag)
	}
}

func TestAMissingCharacterIsRefusedByName(t *testing.T) {
	f := embedded(t)
	for r, want := range map[rune]string{
		'\U00020000': "no font has the character 𠀀 (U+20000)",
		'\n':         "no font has the character U+000A",
		'\uFFFD':     "no font has the character \uFFFD (U+FFFD)",
	} {
		text := "张" + string(r)
		_, outline := f.Outline(Regular, r)
		_, width := f.Width(Regular, text, 4)
		_, subset := f.Subset(Regular, []rune(text))
		_, path := f.TextPath(Text{S: text, Size: 4})
		for _, err := range []error{outline, width, subset, path, f.Check(Bold, text)} {
			var missing *MissingGlyphError
			if !errors.As(err, &missing) || missing.Rune != r || err.Error() != want {
				t.Errorf("%U: %v, want %q", r, err, want)
			}
		}
	}
	var missing *MissingGlyphError
	if err := f.Check(Regular, "张\xff"); !errors.As(err, &missing) {
		t.Errorf("invalid UTF-8: %v", err)
	}
}

func TestEmbeddedFontsHaveTheirSet(t *testing.T) {
	f := embedded(t)
	for face, faces := range f.faces {
		theirs := faces[0]
		count := 0
		for r := rune(0x20); r <= 0x3FFFF; r++ {
			if theirs.glyph(r) != 0 {
				count++
			}
		}
		if count != 9093 {
			t.Errorf("face %d maps %d characters, want 9093 (font/ORIGIN.md)", face, count)
		}
		for _, r := range "张䶮𬱖𫖯𬭎〇—…“”‘’、。《》【】（）：；！？①⑩ⅠⅫαЯあアㄅ─┃℃¥€àß" {
			if theirs.glyph(r) == 0 {
				t.Errorf("face %d lacks %c (U+%04X)", face, r, r)
			}
		}
	}
}

func TestExtraFontsServeWhatTheEmbeddedOnesLack(t *testing.T) {
	// A font in another em that has a character the embedded fonts lack, and one that they have.
	source, err := embedded(t).Subset(Regular, []rune("丁一"))
	if err != nil {
		t.Fatal(err)
	}
	rare := moveCharacter(t, source.TTF, '丁', '\U00020000')
	f, err := LoadFonts(fstest.MapFS{"rare.ttf": {Data: rare}, "OFL.txt": {Data: []byte("licence")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, face := range []Face{Regular, Bold} {
		got, err := f.Outline(face, '\U00020000')
		if err != nil {
			t.Fatal(err)
		}
		want, err := embedded(t).Outline(Regular, '丁')
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Ops, want.Ops) {
			t.Errorf("face %d: outline from the extra font differs", face)
		}
		s, err := f.Subset(face, []rune("张\U00020000"))
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := sfnt.Parse(s.TTF); err != nil {
			t.Error(err)
		} else if got := theirOutline(t, theirs, sfnt.GlyphIndex(s.GID['\U00020000'])); !slices.Equal(got,
			ourOutline(want.Ops, 1000)) {
			t.Errorf("face %d: subset outline from the extra font differs", face)
		}
	}
	for name, data := range map[string][]byte{"other.otf": rare, "cut-off.ttf": rare[:200], "empty.ttf": nil} {
		_, err := LoadFonts(fstest.MapFS{name: {Data: data}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// moveCharacter rewrites the cmap of one of our subsets so that the glyph of one character serves another. 一 sorts
// before 丁, so the two form one group of the format 12 table; the group shrinks and a second one is put in the place
// of the checksum-free tail.
func moveCharacter(t *testing.T, ttf []byte, from, to rune) []byte {
	t.Helper()
	i := bytes.Index(ttf, []byte{0, 0, 0x4E, 0x00, 0, 0, byte(from >> 8), byte(from), 0, 0, 0, 1})
	if i < 0 {
		t.Fatal("no group 一丁 in the cmap")
	}
	out := slices.Clone(ttf)
	character := []byte{0, byte(to >> 16), byte(to >> 8), byte(to)}
	copy(out[i:], slices.Concat(character, character, []byte{0, 0, 0, 2}))
	return out
}

func TestACompositeGlyphIsResolved(t *testing.T) {
	// Glyph 1 is a triangle; glyph 2 puts it at half size, moved by (100, -50).
	triangle := append(words16(1, 0, 0, 200, 200, 2, 0), onCurve, onCurve, onCurve)
	triangle = append(triangle, words16(0, 200, -100, 0, 0, 200)...)
	composite := words16(-1, 0, 0, 0, 0, argsAreWords|argsAreXY|haveScale, 1, 100, -50, 1<<13)
	glyf := string(triangle) + "\x00" + string(composite)
	at := len(triangle) + 1
	f := &font{glyf: glyf, glyphs: 3, loca: string(words16(0, 0, at/2, len(glyf)/2))}
	got, err := f.contours(2)
	want := [][]point{{{100, -50, true}, {200, -50, true}, {150, 50, true}}}
	if err != nil || len(got) != 1 || !slices.Equal(got[0], want[0]) {
		t.Errorf("contours = %v, %v, want %v", got, err, want)
	}
	loop := words16(-1, 0, 0, 0, 0, argsAreWords|argsAreXY, 0, 0, 0)
	f = &font{glyf: string(loop), glyphs: 1, loca: string(words16(0, len(loop)/2))}
	if got, err := f.contours(0); err == nil {
		t.Errorf("a glyph made of itself gave %v", got)
	}
}

// FuzzFont damages a font: reading it gives outlines or an error, in bounded time, and a subset of it can be read
// again.
func FuzzFont(f *testing.F) {
	// A short seed: the fuzzer tries to shorten what it finds, in time that grows with the square of the length.
	nameless := *embedded(f).faces[Regular][0]
	nameless.copyright, nameless.licence, nameless.family, nameless.postScript = "", "", "", ""
	fonts := &Fonts{}
	fonts.faces[Regular] = append(fonts.faces[Regular], &nameless)
	source, err := fonts.Subset(Regular, []rune(".一"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(source.TTF)
	for i := 0; i < len(source.TTF); i += 31 {
		damaged := slices.Clone(source.TTF)
		damaged[i] ^= 0x80
		f.Add(damaged)
	}
	f.Add(source.TTF[:len(source.TTF)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		font, err := parseFont(string(data))
		if err != nil {
			if font != nil {
				t.Fatal("a font and an error")
			}
			return
		}
		fonts := &Fonts{}
		fonts.faces[Regular] = append(fonts.faces[Regular], font)
		for _, r := range ".一" {
			g, err := fonts.Outline(Regular, r)
			if err != nil && g.Ops != nil {
				t.Fatal("an outline and an error")
			}
		}
		s, err := fonts.Subset(Regular, []rune(".一"))
		if err != nil {
			return
		}
		if _, err := parseFont(string(s.TTF)); err != nil {
			t.Fatalf("our own subset: %v", err)
		}
	})
}

func BenchmarkSubset(b *testing.B) {
	f := embedded(b)
	characters := []rune(strings.Repeat(sample, 3))
	for b.Loop() {
		if _, err := f.Subset(Regular, characters); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmbedded(b *testing.B) {
	for b.Loop() {
		embedded(b)
	}
}
