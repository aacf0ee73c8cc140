package layout

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// SealSpec says what a round official seal (圆形公章) shows. The drawing follows 国发〔1999〕25号: a ring, a five-pointed
// star, the organisation's name around it from left to right.
type SealSpec struct {
	Name     string  // on the arc, 2 to 26 characters
	Line     string  // optional, under the star, such as 合同专用章; at most 10 characters
	Diameter float64 // mm, 20 to 60: 42 for most, 45 and 50 by rank
	Color    Color
	Sample   bool // also shows 示例 below the star and the line
}

// SealRed is the colour that real electronic seals use.
var SealRed = Color{R: 255}

// Bounds of a seal.
const (
	minSealName, maxSealName         = 2, 26
	maxSealLine                      = 10
	minSealDiameter, maxSealDiameter = 20.0, 60.0
)

// ErrSealText says that a name or line is too short or too long to be engraved legibly.
var ErrSealText = errors.New("seal text does not fit")

// SealPicture draws a seal on a transparent page of its own size, as one path: glyphs are outlines, so no font is
// needed to show it, and PNG, SVG, PDF and OFD draw the same.
//
// Errors: [ErrSealText], a [*MissingGlyphError], or a diameter out of bounds.
func SealPicture(spec SealSpec, f *Fonts) (Page, error) {
	n, line := utf8.RuneCountInString(spec.Name), utf8.RuneCountInString(spec.Line)
	if n < minSealName || n > maxSealName {
		return Page{}, fmt.Errorf("%w: a name of %d characters, not %d to %d", ErrSealText, n, minSealName, maxSealName)
	}
	if line > maxSealLine {
		return Page{}, fmt.Errorf("%w: a line of %d characters, more than %d", ErrSealText, line, maxSealLine)
	}
	if !(spec.Diameter >= minSealDiameter && spec.Diameter <= maxSealDiameter) {
		return Page{}, fmt.Errorf("seal diameter %v mm is not within %v and %v", spec.Diameter, minSealDiameter,
			maxSealDiameter)
	}
	s := newSealGeometry(n, line > 0)
	ops, err := s.draw(spec, f)
	if err != nil {
		return Page{}, err
	}
	k := spec.Diameter / sealUnit
	ops = Transform{A: k, D: k, E: spec.Diameter / 2, F: spec.Diameter / 2}.Apply(ops)
	return Page{W: spec.Diameter, H: spec.Diameter, Items: []Item{Path{Ops: ops, Fill: spec.Color}}}, nil
}

// Measures of a seal of 42 mm in millimetres; other sizes are scaled. The origin is the centre.
const (
	sealUnit       = 42.0
	sealRadius     = sealUnit / 2
	sealRing       = 1.2
	sealInset      = 0.9 // between the ring and the top of the characters
	sealStar       = 7.0 // radius of the star
	sealMaxHeight  = 6.6 // of a character
	sealMaxWidth   = 6.0
	sealMinAspect  = 0.66 // width to height: narrower characters become lower instead
	sealBaseline   = 0.88 // of the height, below the top
	sealLineTop    = 8.1  // below the centre: under the lower points of the star
	sealLineFactor = 0.62 // height of the line to that of the name at its largest
	sealSampleSize = 4.2
	sealGap        = 0.7 // least distance of the line from anything else
)

// sealGeometry is how the name lies on the arc: angles in radians, 0 at the top, clockwise.
type sealGeometry struct {
	arc           float64 // between the middles of the first and the last character
	step          float64 // between neighbours
	outer         float64 // radius at the top of the characters
	height, width float64
}

// newSealGeometry gives the name 180° at 7 characters and 11.2° more for each further one, up to a limit that leaves
// room at the bottom; then it makes the characters narrower until they keep clear of each other at their feet, where
// the arc is shortest, and lower if they would become too narrow.
func newSealGeometry(n int, line bool) sealGeometry {
	limit := 296.0
	if line {
		limit = 250
	}
	degrees := min(180+11.2*float64(n-7), limit)
	g := sealGeometry{arc: degrees * math.Pi / 180, outer: sealRadius - sealRing - sealInset}
	g.step = g.arc / float64(n-1)
	for tenths := int(sealMaxHeight * 10); ; tenths-- {
		g.height = float64(tenths) / 10
		g.width = min(sealMaxWidth, 0.96*2*(g.outer-g.height)*math.Tan(g.step/2))
		if g.width >= sealMinAspect*g.height || tenths == 20 {
			return g
		}
	}
}

func (g sealGeometry) inner() float64 { return g.outer - g.height }

func (g sealGeometry) draw(spec SealSpec, f *Fonts) ([]Op, error) {
	ops := appendCircle(nil, sealRadius, true)
	ops = appendCircle(ops, sealRadius-sealRing, false)
	ops = appendStar(ops, sealStar)
	var err error
	i := 0
	for _, r := range spec.Name {
		if ops, err = g.appendOnArc(ops, f, r, -g.arc/2+float64(i)*g.step); err != nil {
			return nil, err
		}
		i++
	}
	top := float64(sealLineTop)
	if spec.Line != "" {
		if ops, top, err = g.appendLine(ops, f, spec.Line, top, sealMaxHeight*sealLineFactor); err != nil {
			return nil, err
		}
	}
	if spec.Sample {
		ops, _, err = g.appendLine(ops, f, "示例", top, sealSampleSize)
	}
	return ops, err
}

// appendOnArc puts a character upright on the radius at the angle, centred on its ink.
func (g sealGeometry) appendOnArc(ops []Op, f *Fonts, r rune, angle float64) ([]Op, error) {
	glyph, err := f.Outline(Bold, r)
	if err != nil {
		return nil, err
	}
	sin, cos := math.Sincos(angle)
	// Upright: x' = width·(x − middle), y' = height·(y + baseline) − outer; then turned about the centre.
	dx, dy := -g.width*(glyph.Left+glyph.Right)/2, g.height*sealBaseline-g.outer
	t := Transform{
		A: cos * g.width, B: sin * g.width, C: -sin * g.height, D: cos * g.height,
		E: cos*dx - sin*dy, F: sin*dx + cos*dy,
	}
	return append(ops, t.Apply(glyph.Ops)...), nil
}

// appendLine sets a line below the height top, narrower or smaller where the ring or the ends of the name come close.
// It returns where the next line may begin.
func (g sealGeometry) appendLine(ops []Op, f *Fonts, line string, top, size float64) ([]Op, float64, error) {
	for ; ; size *= 0.95 {
		natural, err := f.Width(Bold, line, size)
		if err != nil {
			return nil, 0, err
		}
		squeeze := min(1, 2*g.free(top, top+size)/natural)
		if squeeze < sealMinAspect && size > 1.5 {
			continue
		}
		ops, err = appendText(ops, f, line, -natural*squeeze/2, top+size*sealBaseline, size*squeeze, size)
		return ops, top + size + sealGap, err
	}
}

// free is the half width between the ends of the name, and inside the ring, from height y0 to y1 below the centre.
func (g sealGeometry) free(y0, y1 float64) float64 {
	end := g.arc/2 + math.Atan(g.width/2/g.inner()) // where the last character ends
	half := math.Inf(1)
	for i := range 9 {
		y := y0 + (y1-y0)*float64(i)/8
		ring := math.Sqrt(max(0, g.outer*g.outer-y*y))
		// A point at height y lies under the name if it is both beyond the inner radius and above the last ray.
		name := math.Sqrt(max(0, g.inner()*g.inner()-y*y))
		if end > math.Pi/2 {
			name = max(name, y*math.Tan(math.Pi-end))
		}
		half = min(half, ring, name)
	}
	return half - sealGap
}

// appendText sets bold text with its own scale in each direction.
func appendText(ops []Op, f *Fonts, s string, x, baseline, width, height float64) ([]Op, error) {
	for _, r := range s {
		glyph, err := f.Outline(Bold, r)
		if err != nil {
			return nil, err
		}
		ops = append(ops, Transform{A: width, D: height, E: x, F: baseline}.Apply(glyph.Ops)...)
		x += glyph.Advance * width
	}
	return ops, nil
}

// arcHandle is the length of the control handles of a quarter circle drawn as a cubic curve, in radii.
const arcHandle = 0.5522847498

// appendCircle adds a circle about the origin, clockwise on the page or against it: one of each leaves a ring under
// the nonzero rule.
func appendCircle(ops []Op, r float64, clockwise bool) []Op {
	d := 1.0
	if !clockwise {
		d = -1
	}
	h := r * arcHandle
	return append(ops,
		Op{Kind: 'M', X: r},
		Op{Kind: 'C', X1: r, Y1: d * h, X2: h, Y2: d * r, Y: d * r},
		Op{Kind: 'C', X1: -h, Y1: d * r, X2: -r, Y2: d * h, X: -r},
		Op{Kind: 'C', X1: -r, Y1: -d * h, X2: -h, Y2: -d * r, Y: -d * r},
		Op{Kind: 'C', X1: h, Y1: -d * r, X2: r, Y2: -d * h, X: r},
		Op{Kind: 'Z'})
}

// appendStar adds a five-pointed star about the origin, one point up.
func appendStar(ops []Op, r float64) []Op {
	inner := r * math.Sin(math.Pi/10) / math.Sin(7*math.Pi/10)
	for i := range 10 {
		radius, kind := r, OpKind('L')
		if i%2 == 1 {
			radius = inner
		}
		if i == 0 {
			kind = 'M'
		}
		sin, cos := math.Sincos(-math.Pi/2 + float64(i)*math.Pi/5)
		ops = append(ops, Op{Kind: kind, X: radius * cos, Y: radius * sin})
	}
	return append(ops, Op{Kind: 'Z'})
}
