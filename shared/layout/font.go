package layout

import (
	_ "embed" // the two faces
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
)

//go:embed font/serif-regular.ttf
var serifRegular string

//go:embed font/serif-bold.ttf
var serifBold string

// Fonts maps characters to glyphs: the embedded subset of Noto Serif SC first, then the extra fonts, if any. It does
// not change after it is made and may be used by any number of goroutines.
//
// The embedded subset has the 8,105 characters of the table of general standard characters (通用规范汉字表), GB 2312,
// ASCII, Latin-1 and general punctuation; font/ORIGIN.md says where it comes from, [TestEmbeddedFontsHaveTheirSet]
// checks it.
type Fonts struct {
	faces [2][]*font // by Face, in the order in which a character is looked for
}

// Embedded returns the embedded fonts alone. It parses a few tables only, so it costs microseconds and allocates
// little.
func Embedded() (*Fonts, error) { return LoadFonts(nil) }

// LoadFonts returns the embedded fonts followed by every *.ttf file at the top of dir, by file name, for characters
// that the embedded ones lack. A bold file (OS/2 weight 600 and above) serves the Bold face first, any other the
// Regular face first; each serves both in the end. A nil dir adds nothing.
//
// Only glyf outlines are read. An OpenType font of another kind (*.otf, *.ttc, *.otc) is an error that names the file,
// since its characters would be missing without a word; other files (licences, notes) are passed over.
func LoadFonts(dir fs.FS) (*Fonts, error) {
	regular, err := parseFont(serifRegular)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded regular face: %w", err)
	}
	bold, err := parseFont(serifBold)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded bold face: %w", err)
	}
	extra, err := readFonts(dir)
	if err != nil {
		return nil, err
	}
	f := &Fonts{}
	f.faces[Regular] = append([]*font{regular}, extra...)
	f.faces[Bold] = append([]*font{bold}, extra...)
	slices.SortStableFunc(f.faces[Regular][1:], func(a, b *font) int { return weightRank(a) - weightRank(b) })
	slices.SortStableFunc(f.faces[Bold][1:], func(a, b *font) int { return weightRank(b) - weightRank(a) })
	return f, nil
}

func weightRank(f *font) int {
	if f.weight >= 600 {
		return 1
	}
	return 0
}

func readFonts(dir fs.FS) ([]*font, error) {
	if dir == nil {
		return nil, nil
	}
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("listing the extra fonts: %w", err)
	}
	var fonts []*font
	for _, entry := range entries {
		switch strings.ToLower(path.Ext(entry.Name())) {
		case ".otf", ".ttc", ".otc":
			return nil, fmt.Errorf("extra font %s: only TrueType files (*.ttf) can be used", entry.Name())
		case ".ttf":
			data, err := fs.ReadFile(dir, entry.Name())
			if err != nil {
				return nil, fmt.Errorf("reading the extra font: %w", err)
			}
			font, err := parseFont(string(data))
			if err != nil {
				return nil, fmt.Errorf("extra font %s: %w", entry.Name(), err)
			}
			fonts = append(fonts, font)
		}
	}
	return fonts, nil
}

// MissingGlyphError refuses a character that no font has. It is never drawn as a box or left out.
type MissingGlyphError struct{ Rune rune }

func (e *MissingGlyphError) Error() string {
	if !unicode.IsGraphic(e.Rune) {
		return fmt.Sprintf("no font has the character U+%04X", e.Rune)
	}
	return fmt.Sprintf("no font has the character %c (U+%04X)", e.Rune, e.Rune)
}

// Glyph is the outline of one character, in em: multiply by the size. The origin is the start of the baseline, y
// points down, the nonzero rule fills it. A space has no operations.
type Glyph struct {
	Ops                    []Op
	Advance                float64 // to the next character's origin
	Left, Top, Right, Base float64 // ink box: extremes of the points; all zero for a space
}

// Outline returns the outline of a character, or a [*MissingGlyphError].
func (f *Fonts) Outline(face Face, r rune) (Glyph, error) {
	font, id, err := f.find(face, r)
	if err != nil {
		return Glyph{}, err
	}
	contours, err := font.contours(id)
	if err != nil {
		return Glyph{}, fmt.Errorf("outline of U+%04X: %w", r, err)
	}
	em := float64(font.unitsPerEm)
	g := Glyph{Advance: float64(font.advance(id)) / em}
	for i, box := 0, bounds(contours); i < 1 && len(contours) > 0; i++ {
		g.Left, g.Top = float64(box.xMin)/em, -float64(box.yMax)/em
		g.Right, g.Base = float64(box.xMax)/em, -float64(box.yMin)/em
	}
	for _, c := range contours {
		g.Ops = appendContour(g.Ops, c, em)
	}
	return g, nil
}

// Width returns the width of a line of text in the unit of size, or a [*MissingGlyphError].
func (f *Fonts) Width(face Face, s string, size float64) (float64, error) {
	var w float64
	for _, r := range s {
		font, id, err := f.find(face, r)
		if err != nil {
			return 0, err
		}
		w += float64(font.advance(id)) / float64(font.unitsPerEm)
	}
	return w * size, nil
}

// Check returns a [*MissingGlyphError] for the first character of s that no font has.
func (f *Fonts) Check(face Face, s string) error {
	for _, r := range s {
		if _, _, err := f.find(face, r); err != nil {
			return err
		}
	}
	return nil
}

// TextPath returns a line of text as one filled path.
func (f *Fonts) TextPath(t Text) (Path, error) {
	p := Path{Fill: t.Color}
	x := t.X
	for _, r := range t.S {
		g, err := f.Outline(t.Face, r)
		if err != nil {
			return Path{}, err
		}
		p.Ops = append(p.Ops, Transform{A: t.Size, D: t.Size, E: x, F: t.Y}.Apply(g.Ops)...)
		x += g.Advance * t.Size
	}
	return p, nil
}

// find returns the first font of the face that has the character. Invalid UTF-8 arrives as U+FFFD and is refused.
func (f *Fonts) find(face Face, r rune) (*font, int, error) {
	if int(face) >= len(f.faces) {
		return nil, 0, fmt.Errorf("unknown face %d", face)
	}
	if r != unicode.ReplacementChar {
		for _, font := range f.faces[face] {
			if id := font.glyph(r); id != 0 {
				return font, id, nil
			}
		}
	}
	return nil, 0, &MissingGlyphError{Rune: r}
}
