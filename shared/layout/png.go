package layout

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/vector"
)

// Bounds of the writers.
const (
	maxPageSize    = 2000.0   // mm
	maxCoordinate  = 10_000.0 // mm from the origin; what lies outside the page is cut off
	maxPixels      = 1 << 26  // A4 at 600 dpi has 35 million
	maxImagePixels = 1 << 24
	bandPixels     = 1 << 19 // largest layer of the rasteriser: paths are filled band by band
)

var errPage = errors.New("page cannot be drawn")

// check refuses sizes and coordinates that would take unbounded time or memory.
func (p Page) check() error {
	if !(p.W > 0 && p.H > 0 && p.W <= maxPageSize && p.H <= maxPageSize) {
		return fmt.Errorf("%w: size %v × %v mm", errPage, p.W, p.H)
	}
	for i, item := range p.Items {
		ok := true
		switch v := item.(type) {
		case Text:
			ok = within(v.X, v.Y, v.Size)
		case Path:
			for _, op := range v.Ops {
				ok = ok && within(op.X, op.Y, op.X1, op.Y1, op.X2, op.Y2)
			}
		case Image:
			ok = within(v.X, v.Y, v.W, v.H) && v.W > 0 && v.H > 0
		}
		if !ok {
			return fmt.Errorf("%w: a coordinate of item %d is out of range", errPage, i)
		}
	}
	return nil
}

func within(values ...float64) bool {
	for _, v := range values {
		if !(math.Abs(v) <= maxCoordinate) { // also refuses NaN
			return false
		}
	}
	return true
}

// PNG draws a page with 8 bits per channel at dpi pixels per inch (25.4 mm). Where nothing is painted it is
// transparent. The same page gives the same bytes on the same processor architecture.
//
// Errors: a [*MissingGlyphError], or a page with sizes or images out of bounds.
func PNG(p Page, f *Fonts, dpi float64) ([]byte, error) {
	img, err := raster(p, f, dpi)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.DefaultCompression}
	if err := encoder.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("writing the PNG: %w", err)
	}
	return out.Bytes(), nil
}

func raster(p Page, f *Fonts, dpi float64) (*image.RGBA, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	k := dpi / 25.4
	w, h := math.Round(p.W*k), math.Round(p.H*k)
	if !(w >= 1 && h >= 1 && w*h <= maxPixels) {
		return nil, fmt.Errorf("%w: %v × %v mm at %v dpi", errPage, p.W, p.H, dpi)
	}
	c := canvas{img: image.NewRGBA(image.Rect(0, 0, int(w), int(h))), scale: k}
	for _, item := range p.Items {
		switch v := item.(type) {
		case Path:
			c.fill(v)
		case Text:
			path, err := f.TextPath(v)
			if err != nil {
				return nil, err
			}
			c.fill(path)
		case Image:
			if err := c.image(v); err != nil {
				return nil, err
			}
		}
	}
	return c.img, nil
}

type canvas struct {
	img        *image.RGBA
	scale      float64
	rasterizer vector.Rasterizer
}

// fill paints a path inside its bounding box, in bands, so that a frame around the page costs no layer of its size.
func (c *canvas) fill(p Path) {
	ops := Transform{A: c.scale, D: c.scale}.Apply(p.Ops)
	area := extent(ops).Intersect(c.img.Bounds())
	if area.Empty() {
		return
	}
	src := image.NewUniform(color.RGBA{p.Fill.R, p.Fill.G, p.Fill.B, 255})
	step := max(1, bandPixels/area.Dx())
	for top := area.Min.Y; top < area.Max.Y; top += step {
		band := image.Rect(area.Min.X, top, area.Max.X, min(top+step, area.Max.Y))
		c.rasterizer.Reset(band.Dx(), band.Dy())
		c.trace(Transform{A: 1, D: 1, E: float64(-band.Min.X), F: float64(-band.Min.Y)}.Apply(ops))
		c.rasterizer.Draw(c.img, band, src, image.Point{})
	}
}

func (c *canvas) trace(ops []Op) {
	z := &c.rasterizer
	for _, o := range ops {
		x, y := float32(o.X), float32(o.Y)
		switch o.Kind {
		case 'M':
			z.ClosePath() // an open contour is closed for filling
			z.MoveTo(x, y)
		case 'L':
			z.LineTo(x, y)
		case 'Q':
			z.QuadTo(float32(o.X1), float32(o.Y1), x, y)
		case 'C':
			z.CubeTo(float32(o.X1), float32(o.Y1), float32(o.X2), float32(o.Y2), x, y)
		case 'Z':
			z.ClosePath()
		}
	}
	z.ClosePath()
}

// extent is the pixel box around the end and control points: a curve stays inside it.
func extent(ops []Op) image.Rectangle {
	left, top := math.Inf(1), math.Inf(1)
	right, bottom := math.Inf(-1), math.Inf(-1)
	see := func(x, y float64) {
		left, top = min(left, x), min(top, y)
		right, bottom = max(right, x), max(bottom, y)
	}
	for _, o := range ops {
		switch o.Kind {
		case 'C':
			see(o.X2, o.Y2)
			fallthrough
		case 'Q':
			see(o.X1, o.Y1)
			fallthrough
		case 'M', 'L':
			see(o.X, o.Y)
		}
	}
	if left > right {
		return image.Rectangle{}
	}
	return image.Rect(int(math.Floor(left)), int(math.Floor(top)), int(math.Ceil(right)), int(math.Ceil(bottom)))
}

func (c *canvas) image(v Image) error {
	if err := checkPNG(v.PNG, maxImagePixels); err != nil {
		return fmt.Errorf("image of the page: %w", err)
	}
	src, err := png.Decode(bytes.NewReader(v.PNG))
	if err != nil {
		return fmt.Errorf("reading an image of the page: %w", err)
	}
	to := image.Rect(c.pixel(v.X), c.pixel(v.Y), c.pixel(v.X+v.W), c.pixel(v.Y+v.H))
	if to.Dx()*to.Dy() > maxPixels {
		return fmt.Errorf("%w: an image drawn on %d × %d pixels", errPage, to.Dx(), to.Dy())
	}
	xdraw.CatmullRom.Scale(c.img, to, src, src.Bounds(), draw.Over, nil)
	return nil
}

func (c *canvas) pixel(mm float64) int { return int(math.Round(mm * c.scale)) }

// checkPNG looks at the head of an image before anything is decoded.
func checkPNG(data []byte, limit int) error {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if config.Width > limit/config.Height {
		return fmt.Errorf("%w: an image of %d × %d pixels", errPage, config.Width, config.Height)
	}
	return nil
}
