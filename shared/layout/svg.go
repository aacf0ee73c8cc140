package layout

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
)

// SVG writes a page as SVG 1.1 in millimetres. Text becomes outlines, so no font is needed to show it; images become
// data URIs, so nothing is fetched. It has no script, style or link.
//
// Errors: a [*MissingGlyphError], or a page with sizes out of bounds.
func SVG(p Page, f *Fonts) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	out := []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="`)
	out = append(AppendNumber(out, p.W), `mm" height="`...)
	out = append(AppendNumber(out, p.H), `mm" viewBox="0 0 `...)
	out = append(AppendNumber(out, p.W), ' ')
	out = append(AppendNumber(out, p.H), "\">\n"...)
	for _, item := range p.Items {
		switch v := item.(type) {
		case Path:
			out = appendSVGPath(out, v)
		case Text:
			path, err := f.TextPath(v)
			if err != nil {
				return nil, err
			}
			out = appendSVGPath(out, path)
		case Image:
			out = append(out, `<image x="`...)
			out = append(AppendNumber(out, v.X), `" y="`...)
			out = append(AppendNumber(out, v.Y), `" width="`...)
			out = append(AppendNumber(out, v.W), `" height="`...)
			out = append(AppendNumber(out, v.H), `" preserveAspectRatio="none" href="data:image/png;base64,`...)
			out = base64.StdEncoding.AppendEncode(out, v.PNG)
			out = append(out, "\"/>\n"...)
		}
	}
	return append(out, "</svg>\n"...), nil
}

func appendSVGPath(out []byte, p Path) []byte {
	if len(p.Ops) == 0 {
		return out
	}
	out = fmt.Appendf(out, `<path fill="#%02x%02x%02x" d="`, p.Fill.R, p.Fill.G, p.Fill.B)
	for _, o := range p.Ops {
		out = append(out, byte(o.Kind))
		switch o.Kind {
		case 'C':
			out = append(appendPair(out, o.X1, o.Y1), ' ')
			out = append(appendPair(out, o.X2, o.Y2), ' ')
		case 'Q':
			out = append(appendPair(out, o.X1, o.Y1), ' ')
		case 'Z':
			continue
		}
		out = appendPair(out, o.X, o.Y)
	}
	return append(out, "\"/>\n"...)
}

func appendPair(out []byte, x, y float64) []byte {
	return AppendNumber(append(AppendNumber(out, x), ' '), y)
}

// AppendNumber writes a number as every writer prints one: at most three decimals (a micrometre, if it is a length in
// millimetres), no exponent, no trailing zeros, no negative zero.
func AppendNumber(out []byte, v float64) []byte {
	thousandths := int64(math.Round(v * 1000))
	if thousandths < 0 {
		out = append(out, '-')
		thousandths = -thousandths
	}
	out = strconv.AppendInt(out, thousandths/1000, 10)
	fraction := thousandths % 1000
	if fraction == 0 {
		return out
	}
	out = append(out, '.', byte('0'+fraction/100))
	if fraction %= 100; fraction != 0 {
		out = append(out, byte('0'+fraction/10))
	}
	if fraction %= 10; fraction != 0 {
		out = append(out, byte('0'+fraction))
	}
	return out
}
