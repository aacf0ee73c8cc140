// Package layout is the picture of a page in millimetres: text runs, filled paths and images, with the origin at the
// top left. One model feeds every writer. It holds the fonts (TrueType outlines, ISO/IEC 14496-22), the drawing of
// round official seals (圆形公章, 国发〔1999〕25号), the faces of licences (照面) as JSON templates, Chinese line breaking
// (禁则) and QR codes (ISO/IEC 18004).
//
//	template + data ─┐
//	seal geometry   ─┼─ Page{W, H, Items} ─┬─ PNG, SVG (here)
//	QR              ─┘                     └─ PDF (shared/pdf), OFD (shared/ofd)
//
// Given the same inputs it makes the same bytes (see TestTheSameInputsGiveTheSameBytes). It never draws a box for a
// character that no font has: that is an error which names the character (see TestAMissingCharacterStopsEveryWriter).
//
// It does not shape complex scripts, write vertically, kern, stroke lines, or draw the national emblem (国徽).
package layout

// Page is one page, W by H millimetres.
type Page struct {
	W, H  float64
	Items []Item // drawn in order
}

// Item is a [Text], a [Path] or an [Image].
type Item interface{ item() }

// Face selects one of the embedded fonts.
type Face uint8

// The faces: Noto Serif SC.
const (
	Regular Face = iota
	Bold
)

// Color is an sRGB colour.
type Color struct{ R, G, B uint8 }

// Black is the colour of text that names none.
var Black = Color{}

// Text is one line. X and Y are the start of its baseline, Size the height of the em square, all in millimetres.
type Text struct {
	X, Y, Size float64
	Face       Face
	Color      Color
	S          string
	Field      string // the data field that the text shows, for indexing (标引); empty for printed labels
}

// Path is a filled outline (nonzero rule).
type Path struct {
	Ops  []Op
	Fill Color
}

// OpKind is the kind of a path operation: 'M' move, 'L' line, 'Q' quadratic, 'C' cubic, 'Z' close.
type OpKind byte

// Op is one path operation. (X, Y) is its end point, (X1, Y1) and (X2, Y2) are control points.
type Op struct {
	Kind                 OpKind
	X1, Y1, X2, Y2, X, Y float64
}

// Image is a PNG stretched over a rectangle.
type Image struct {
	X, Y, W, H float64
	PNG        []byte
}

func (Text) item()  {}
func (Path) item()  {}
func (Image) item() {}
