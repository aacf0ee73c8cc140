package layout

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Template is the face of one licence type as data: where each field of the licence stands, in millimetres. It is made
// by [ParseTemplate], which has checked it, and does not change.
//
// The JSON (lengths in mm, colours "#rrggbb", origin at the top left, y of a text is its baseline):
//
//	{
//	  "id": "business-licence-v1", "title": "营业执照",
//	  "page":   {"width": 297, "height": 210, "paper": "#fffdf5"},
//	  "frames": [{"x": 8, "y": 8, "width": 281, "height": 194, "line": 1.2, "color": "#b08d3c"}],
//	  "paths":  [{"d": "M 20 40 L 277 40 L 277 40.3 L 20 40.3 Z", "fill": "#b08d3c"}],
//	  "images": [{"x": 138, "y": 14, "width": 20, "height": 20, "png": "base64"}],
//	  "labels": [{"text": "营业执照", "x": 8, "y": 34, "width": 281, "size": 14, "align": "center", "face": "bold"}],
//	  "fields": [{"key": "name", "x": 60, "y": 70, "width": 150, "size": 5, "maxLines": 2, "shrink": 3.5}],
//	  "code":   {"type": "QR", "x": 240, "y": 20, "size": 34},
//	  "seal":   {"x": 230, "y": 165, "diameter": 42}
//	}
//
// Items are drawn in this order: paper, frames, paths, images, labels, fields, code. The seal is not drawn: it is the
// place, given by its centre, that the stamping takes from [Template.Seal].
type Template struct {
	ID     string   // names this edition of the face
	Title  string   // of the licence type
	W, H   float64  // page size in mm
	Seal   *Anchor  // where the issuer's seal goes; nil if the face has none
	Digest [32]byte // SHA-256 of the JSON as it was given
	spec   templateJSON
	paper  Color
	static []Item
}

// Anchor is the place of a seal: its centre and diameter in millimetres.
type Anchor struct{ X, Y, Diameter float64 }

type templateJSON struct {
	ID     string      `json:"id"`
	Title  string      `json:"title"`
	Page   pageJSON    `json:"page"`
	Frames []frameJSON `json:"frames"`
	Paths  []pathJSON  `json:"paths"`
	Images []imageJSON `json:"images"`
	Labels []textJSON  `json:"labels"`
	Fields []textJSON  `json:"fields"`
	Code   *codeJSON   `json:"code"`
	Seal   *anchorJSON `json:"seal"`
}

type pageJSON struct {
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	Paper  string  `json:"paper"`
}

type frameJSON struct {
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	Line   float64 `json:"line"`
	Color  string  `json:"color"`
}

type pathJSON struct {
	D    string `json:"d"`
	Fill string `json:"fill"`
}

type imageJSON struct {
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	PNG    []byte  `json:"png"`
}

// textJSON is a label (text) or a field (key). A text that is too wide takes further lines up to maxLines; if they do
// not suffice it is set smaller, down to shrink; what still does not fit is an error.
type textJSON struct {
	Text       string  `json:"text"`
	Key        string  `json:"key"`
	Optional   bool    `json:"optional"`
	X          float64 `json:"x"`
	Y          float64 `json:"y"`
	Width      float64 `json:"width"`
	Size       float64 `json:"size"`
	Shrink     float64 `json:"shrink"`
	MaxLines   int     `json:"maxLines"`
	LineHeight float64 `json:"lineHeight"` // in sizes; 1.4 if absent
	Align      string  `json:"align"`      // left, center, right
	Face       string  `json:"face"`       // regular, bold
	Color      string  `json:"color"`

	face  Face
	color Color
}

type codeJSON struct {
	Type string  `json:"type"` // QR; GB/T 36905-2018 cites another code, so the type is said
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
	Size float64 `json:"size"`
}

type anchorJSON struct {
	X        float64 `json:"x"`
	Y        float64 `json:"y"`
	Diameter float64 `json:"diameter"`
}

// ErrTemplate wraps every reason why a template is refused.
var ErrTemplate = errors.New("licence face template")

// OverflowError says that a field's value does not fit its place, even at its smallest size. It is never cut off.
type OverflowError struct{ Key string }

func (e *OverflowError) Error() string {
	return fmt.Sprintf("the value of field %q does not fit its place", e.Key)
}

// MissingValueError says that a field which the face must show has no value.
type MissingValueError struct{ Key string }

func (e *MissingValueError) Error() string { return fmt.Sprintf("field %q has no value", e.Key) }

// Bounds of a template.
const (
	maxTemplate       = 1 << 20 // bytes of JSON
	maxTemplateItems  = 400     // of each kind
	maxTemplateOps    = 20_000
	maxTemplateImage  = 1 << 19 // bytes of one PNG
	maxTemplatePixels = 1 << 22
	maxValue          = 2000 // bytes of one field's value
	maxFieldLines     = 20
)

// ParseTemplate reads and checks a template: no unknown member, every item inside the page, sizes that can be read,
// keys unique. The error wraps [ErrTemplate] and names the member.
func ParseTemplate(data []byte) (*Template, error) {
	if len(data) > maxTemplate {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrTemplate, maxTemplate)
	}
	t := &Template{Digest: sha256.Sum256(data)}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t.spec); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: data after the JSON object", ErrTemplate)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return t, nil
}

// Fields returns the keys of the fields in the order in which they are drawn.
func (t *Template) Fields() []string {
	keys := make([]string, len(t.spec.Fields))
	for i, f := range t.spec.Fields {
		keys[i] = f.Key
	}
	return keys
}

// Required reports whether the face has the field and must have a value for it.
func (t *Template) Required(key string) bool {
	for _, f := range t.spec.Fields {
		if f.Key == key {
			return !f.Optional
		}
	}
	return false
}

// The patterns are compiled when they are needed: every function has this package, and few read a template.
var (
	idPattern    = pattern(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	keyPattern   = pattern(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
	colorPattern = pattern(`^#[0-9a-f]{6}$`)
)

func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

func (t *Template) check() error {
	s := &t.spec
	if !idPattern().MatchString(s.ID) {
		return fmt.Errorf("id %.80q is not like %s", s.ID, idPattern())
	}
	if s.Title == "" || len(s.Title) > 200 {
		return errors.New("title is empty or too long")
	}
	t.ID, t.Title, t.W, t.H = s.ID, s.Title, s.Page.Width, s.Page.Height
	if !(t.W >= 30 && t.W <= 1000 && t.H >= 30 && t.H <= 1000) {
		return fmt.Errorf("page of %v × %v mm is not within 30 and 1000", t.W, t.H)
	}
	paper, err := parseColor("page.paper", s.Page.Paper, Color{255, 255, 255})
	if err != nil {
		return err
	}
	t.paper = paper
	for name, n := range map[string]int{
		"frames": len(s.Frames), "paths": len(s.Paths), "images": len(s.Images), "labels": len(s.Labels),
		"fields": len(s.Fields),
	} {
		if n > maxTemplateItems {
			return fmt.Errorf("%d %s are more than %d", n, name, maxTemplateItems)
		}
	}
	t.static = []Item{Path{Fill: paper, Ops: appendRect(nil, 0, 0, t.W, t.H)}}
	for _, step := range []func() error{t.checkFrames, t.checkPaths, t.checkImages, t.checkTexts, t.checkPlaces} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// inside refuses a box that is empty, outside the page or not a number.
func (t *Template) inside(what string, x, y, w, h float64) error {
	if !(x >= 0 && y >= 0 && w > 0 && h > 0 && x+w <= t.W+1e-6 && y+h <= t.H+1e-6) {
		return fmt.Errorf("%s: box %v,%v of %v × %v mm does not lie on the page", what, x, y, w, h)
	}
	return nil
}

func (t *Template) checkFrames() error {
	for i, f := range t.spec.Frames {
		what := "frames[" + strconv.Itoa(i) + "]"
		if err := t.inside(what, f.X, f.Y, f.Width, f.Height); err != nil {
			return err
		}
		if !(f.Line > 0 && 2*f.Line < min(f.Width, f.Height)) {
			return fmt.Errorf("%s: line of %v mm", what, f.Line)
		}
		fill, err := parseColor(what+".color", f.Color, Black)
		if err != nil {
			return err
		}
		ops := appendRect(nil, f.X, f.Y, f.Width, f.Height)
		inner := appendRect(nil, f.X+f.Line, f.Y+f.Line, f.Width-2*f.Line, f.Height-2*f.Line)
		inner[1], inner[3] = Op{Kind: 'L', X: inner[3].X, Y: inner[3].Y}, Op{Kind: 'L', X: inner[1].X, Y: inner[1].Y}
		t.static = append(t.static, Path{Ops: append(ops, inner...), Fill: fill})
	}
	return nil
}

func (t *Template) checkPaths() error {
	total := 0
	for i, p := range t.spec.Paths {
		what := "paths[" + strconv.Itoa(i) + "]"
		ops, err := parsePath(p.D, maxTemplateOps-total)
		if err != nil {
			return fmt.Errorf("%s.d: %w", what, err)
		}
		total += len(ops)
		for _, o := range ops {
			// A curve stays inside the hull of its points, so it lies on the page if they do.
			for _, v := range [][2]float64{{o.X, o.Y}, {o.X1, o.Y1}, {o.X2, o.Y2}} {
				if !(v[0] >= 0 && v[0] <= t.W && v[1] >= 0 && v[1] <= t.H) {
					return fmt.Errorf("%s.d: point %v,%v does not lie on the page", what, v[0], v[1])
				}
			}
		}
		fill, err := parseColor(what+".fill", p.Fill, Black)
		if err != nil {
			return err
		}
		t.static = append(t.static, Path{Ops: ops, Fill: fill})
	}
	return nil
}

func (t *Template) checkImages() error {
	for i, m := range t.spec.Images {
		what := "images[" + strconv.Itoa(i) + "]"
		if err := t.inside(what, m.X, m.Y, m.Width, m.Height); err != nil {
			return err
		}
		if len(m.PNG) > maxTemplateImage {
			return fmt.Errorf("%s.png: longer than %d bytes", what, maxTemplateImage)
		}
		if err := checkPNG(m.PNG, maxTemplatePixels); err != nil {
			return fmt.Errorf("%s.png: %w", what, err)
		}
		if _, err := png.Decode(bytes.NewReader(m.PNG)); err != nil {
			return fmt.Errorf("%s.png: %w", what, err)
		}
		t.static = append(t.static, Image{X: m.X, Y: m.Y, W: m.Width, H: m.Height, PNG: m.PNG})
	}
	return nil
}

func (t *Template) checkTexts() error {
	for i := range t.spec.Labels {
		l := &t.spec.Labels[i]
		what := "labels[" + strconv.Itoa(i) + "]"
		if l.Key != "" || l.Optional || l.Text == "" || len(l.Text) > maxValue {
			return fmt.Errorf("%s: a label has a text and no key", what)
		}
		if err := t.checkText(what, l); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for i := range t.spec.Fields {
		f := &t.spec.Fields[i]
		what := "fields[" + strconv.Itoa(i) + "]"
		if f.Text != "" || !keyPattern().MatchString(f.Key) {
			return fmt.Errorf("%s: a field has a key and no text", what)
		}
		if seen[f.Key] {
			return fmt.Errorf("%s: key %q is given twice", what, f.Key)
		}
		seen[f.Key] = true
		if err := t.checkText(what, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *Template) checkText(what string, x *textJSON) error {
	if !(x.Size >= 1 && x.Size <= 100) {
		return fmt.Errorf("%s: size of %v mm is not within 1 and 100", what, x.Size)
	}
	if x.Shrink == 0 {
		x.Shrink = x.Size
	}
	if !(x.Shrink >= 1 && x.Shrink <= x.Size) {
		return fmt.Errorf("%s: shrink of %v mm is not within 1 and the size", what, x.Shrink)
	}
	if x.MaxLines == 0 {
		x.MaxLines = 1
	}
	if x.MaxLines < 1 || x.MaxLines > maxFieldLines {
		return fmt.Errorf("%s: maxLines %d is not within 1 and %d", what, x.MaxLines, maxFieldLines)
	}
	if x.LineHeight == 0 {
		x.LineHeight = 1.4
	}
	if !(x.LineHeight >= 1 && x.LineHeight <= 4) {
		return fmt.Errorf("%s: lineHeight %v is not within 1 and 4", what, x.LineHeight)
	}
	if x.Align == "" {
		x.Align = "left"
	}
	if x.Align != "left" && x.Align != "center" && x.Align != "right" {
		return fmt.Errorf("%s: align %.20q is not left, center or right", what, x.Align)
	}
	switch x.Face {
	case "", "regular":
		x.face = Regular
	case "bold":
		x.face = Bold
	default:
		return fmt.Errorf("%s: face %.20q is not regular or bold", what, x.Face)
	}
	var err error
	if x.color, err = parseColor(what+".color", x.Color, Black); err != nil {
		return err
	}
	if x.Width < x.Size {
		return fmt.Errorf("%s: width of %v mm is less than one character", what, x.Width)
	}
	height := x.Size * (1 + x.LineHeight*float64(x.MaxLines-1))
	return t.inside(what, x.X, x.Y-x.Size*textAscent, x.Width, height)
}

// textAscent is where the top of the em square lies above the baseline, in sizes.
const textAscent = 0.88

func (t *Template) checkPlaces() error {
	if c := t.spec.Code; c != nil {
		if c.Type != "QR" {
			return fmt.Errorf("code: type %.20q is not QR", c.Type)
		}
		if err := t.inside("code", c.X, c.Y, c.Size, c.Size); err != nil {
			return err
		}
		if c.Size < 10 {
			return fmt.Errorf("code: size of %v mm is too small to be read", c.Size)
		}
	}
	if a := t.spec.Seal; a != nil {
		if !(a.Diameter >= minSealDiameter && a.Diameter <= maxSealDiameter) {
			return fmt.Errorf("seal: diameter of %v mm is not within %v and %v", a.Diameter, minSealDiameter,
				maxSealDiameter)
		}
		if err := t.inside("seal", a.X-a.Diameter/2, a.Y-a.Diameter/2, a.Diameter, a.Diameter); err != nil {
			return err
		}
		t.Seal = &Anchor{X: a.X, Y: a.Y, Diameter: a.Diameter}
	}
	return nil
}

// Page sets the values into the face. Values that the face does not show are passed over; qr is the text of the code
// and empty exactly if the template has none.
//
// Errors: a [*MissingValueError], [*OverflowError] or [*MissingGlyphError] for a value, and a text too long for a QR
// code.
func (t *Template) Page(f *Fonts, values map[string]string, qr string) (Page, error) {
	p := Page{W: t.W, H: t.H, Items: append([]Item(nil), t.static...)}
	for i := range t.spec.Labels {
		l := &t.spec.Labels[i]
		items, fits, err := t.set(f, l, l.Text)
		if err != nil {
			return Page{}, fmt.Errorf("label %q: %w", l.Text, err)
		}
		if !fits {
			return Page{}, fmt.Errorf("%w: label %q does not fit its place", ErrTemplate, l.Text)
		}
		p.Items = append(p.Items, items...)
	}
	for i := range t.spec.Fields {
		field := &t.spec.Fields[i]
		value := values[field.Key]
		if strings.TrimSpace(value) == "" {
			if field.Optional {
				continue
			}
			return Page{}, &MissingValueError{Key: field.Key}
		}
		items, fits, err := t.set(f, field, value)
		if err != nil {
			return Page{}, fmt.Errorf("field %s: %w", field.Key, err)
		}
		if !fits {
			return Page{}, &OverflowError{Key: field.Key}
		}
		p.Items = append(p.Items, items...)
	}
	c := t.spec.Code
	if (c == nil) != (qr == "") {
		return Page{}, fmt.Errorf("%w: the face has a code: %t; a text for it was given: %t", ErrTemplate,
			c != nil, qr != "")
	}
	if c == nil {
		return p, nil
	}
	code, err := QR(qr, c.X, c.Y, c.Size)
	if err != nil {
		return Page{}, err
	}
	p.Items = append(p.Items, code)
	return p, nil
}

// set breaks a value into the lines of its place, at the largest size that fits, and reports whether one does.
func (t *Template) set(f *Fonts, x *textJSON, value string) ([]Item, bool, error) {
	if len(value) > maxValue {
		return nil, false, nil
	}
	for step := 0; ; step++ {
		size := max(x.Size-0.1*float64(step), x.Shrink)
		lines, err := f.Lines(x.face, value, size, x.Width)
		if err != nil {
			return nil, false, err
		}
		if len(lines) <= x.MaxLines {
			items, err := t.place(f, x, size, lines)
			return items, true, err
		}
		if size == x.Shrink {
			return nil, false, nil
		}
	}
}

func (t *Template) place(f *Fonts, x *textJSON, size float64, lines []string) ([]Item, error) {
	var items []Item
	for i, line := range lines {
		width, err := f.Width(x.face, line, size)
		if err != nil {
			return nil, err
		}
		left := x.X
		switch x.Align {
		case "center":
			left += (x.Width - width) / 2
		case "right":
			left += x.Width - width
		}
		items = append(items, Text{
			X: left, Y: x.Y + float64(i)*size*x.LineHeight, Size: size, Face: x.face, Color: x.color, S: line,
			Field: x.Key,
		})
	}
	return items, nil
}

func parseColor(what, s string, absent Color) (Color, error) {
	if s == "" {
		return absent, nil
	}
	if !colorPattern().MatchString(s) {
		return Color{}, fmt.Errorf("%s: %.20q is not like #rrggbb", what, s)
	}
	v, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return Color{}, fmt.Errorf("%s: %w", what, err)
	}
	return Color{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v)}, nil
}
