package pdf

import (
	"bytes"
	"compress/zlib"
	"errors"
	"image"
	"image/color"
	"image/png"
	"strconv"

	"github.com/yinxin/yinxin/shared/layout"
)

// content writes the operators of a page or form (ISO 32000-1, annex A). Coordinates are points with the origin at
// the bottom left; a layout has millimetres from the top left.
type content struct {
	b      bytes.Buffer
	height float64 // millimetres
	fill   layout.Color
	filled bool // fill has been set
	// text writes a line; nil turns lines into outlines with fonts.
	text   func(*content, layout.Text) error
	fonts  *layout.Fonts
	images []layout.Image // drawn as /I0, /I1 …
	beyond bool           // a coordinate was no number, or far outside
}

func (c *content) number(v float64) {
	const most = 1e6 // points; a page has at most 14,400
	if !(v >= -most && v <= most) {
		c.beyond = true
		v = 0
	}
	c.b.Write(append(appendDecimal(c.b.AvailableBuffer(), v), ' '))
}

func (c *content) point(x, y float64) {
	c.number(x * pointsPerMM)
	c.number((c.height - y) * pointsPerMM)
}

func (c *content) color(fill layout.Color) {
	if c.filled && c.fill == fill {
		return
	}
	c.fill, c.filled = fill, true
	for _, v := range []uint8{fill.R, fill.G, fill.B} {
		c.number(float64(v) / 255)
	}
	c.b.WriteString("rg\n")
}

func (c *content) draw(p layout.Page) error {
	c.height = p.H
	for _, item := range p.Items {
		switch item := item.(type) {
		case layout.Path:
			c.path(item)
		case layout.Image:
			c.image(item)
		case layout.Text:
			if err := c.line(item); err != nil {
				return err
			}
		}
	}
	if c.beyond {
		return refuse(InvalidAppearance, "a coordinate that is no number, or far outside")
	}
	return nil
}

func (c *content) line(t layout.Text) error {
	if c.text != nil {
		return c.text(c, t)
	}
	if c.fonts == nil {
		return refuse(InvalidAppearance, "text in an appearance without fonts")
	}
	p, err := c.fonts.TextPath(t)
	if err != nil {
		return err
	}
	c.path(p)
	return nil
}

func (c *content) path(p layout.Path) {
	if len(p.Ops) == 0 {
		return
	}
	c.color(p.Fill)
	var x, y float64 // the current point, which a quadratic needs to become a cubic
	for _, op := range p.Ops {
		switch op.Kind {
		case 'M':
			c.point(op.X, op.Y)
			c.b.WriteString("m\n")
		case 'L':
			c.point(op.X, op.Y)
			c.b.WriteString("l\n")
		case 'Q':
			c.point(x+(op.X1-x)*2/3, y+(op.Y1-y)*2/3)
			c.point(op.X+(op.X1-op.X)*2/3, op.Y+(op.Y1-op.Y)*2/3)
			c.point(op.X, op.Y)
			c.b.WriteString("c\n")
		case 'C':
			c.point(op.X1, op.Y1)
			c.point(op.X2, op.Y2)
			c.point(op.X, op.Y)
			c.b.WriteString("c\n")
		case 'Z':
			c.b.WriteString("h\n")
			continue
		}
		x, y = op.X, op.Y
	}
	c.b.WriteString("f\n")
}

func (c *content) image(i layout.Image) {
	c.b.WriteString("q\n")
	c.number(i.W * pointsPerMM)
	c.b.WriteString("0 0 ")
	c.number(i.H * pointsPerMM)
	c.point(i.X, i.Y+i.H)
	c.b.WriteString("cm\n/I" + strconv.Itoa(len(c.images)) + " Do\nQ\n")
	c.images = append(c.images, i)
}

// maxPixels bounds an image: A4 at 600 dots per inch fits.
const maxPixels = 5000 * 7200

// imageStreams returns an image and, if it is not opaque, its soft mask. The reference to the mask is the caller's to
// set, as /SMask.
func imageStreams(i layout.Image) (picture, mask *stream, err error) {
	config, err := png.DecodeConfig(bytes.NewReader(i.PNG))
	if err != nil {
		return nil, nil, refuse(InvalidImage, "%v", err)
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return nil, nil, refuse(InvalidImage, "%d by %d pixels", config.Width, config.Height)
	}
	img, err := png.Decode(bytes.NewReader(i.PNG))
	if err != nil {
		return nil, nil, refuse(InvalidImage, "%v", err)
	}
	rgb, alpha, opaque := pixels(img)
	header := func(space name) dict {
		return dict{
			"Type": name("XObject"), "Subtype": name("Image"), "Width": integer(config.Width),
			"Height": integer(config.Height), "BitsPerComponent": integer(8), "ColorSpace": space,
		}
	}
	if picture, err = compressed(header("DeviceRGB"), rgb); err != nil || opaque {
		return picture, nil, err
	}
	mask, err = compressed(header("DeviceGray"), alpha)
	return picture, mask, err
}

// images writes the images of a content stream and returns their names.
func (w *body) images(images []layout.Image) (dict, error) {
	objects := dict{}
	for i, img := range images {
		picture, mask, err := imageStreams(img)
		if err != nil {
			return nil, err
		}
		if mask != nil {
			picture.dict["SMask"] = w.add(mask)
		}
		objects[name("I"+strconv.Itoa(i))] = w.add(picture)
	}
	return objects, nil
}

func pixels(img image.Image) (rgb, alpha []byte, opaque bool) {
	r := img.Bounds()
	opaque = true
	rgb, alpha = make([]byte, 0, r.Dx()*r.Dy()*3), make([]byte, 0, r.Dx()*r.Dy())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			p := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			rgb = append(rgb, p.R, p.G, p.B)
			alpha = append(alpha, p.A)
			opaque = opaque && p.A == 0xff
		}
	}
	return rgb, alpha, opaque
}

// compressed returns a stream under FlateDecode.
func compressed(d dict, data []byte) (*stream, error) {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, err := z.Write(data)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	d["Filter"] = name("FlateDecode")
	return &stream{dict: d, raw: b.Bytes()}, nil
}
