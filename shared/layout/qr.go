package layout

import (
	"errors"
	"fmt"

	"rsc.io/qr"
)

// quietZone is the light margin around a symbol, in modules (ISO/IEC 18004, section 6.3.8).
const quietZone = 4

// QR returns a QR code (ISO/IEC 18004) of the text, in UTF-8 with error correction level M, as one black path in the
// square of the given size whose top left corner is (x, y), all in millimetres. The square includes the quiet zone;
// the paper under it must be light.
func QR(text string, x, y, size float64) (Path, error) {
	if text == "" {
		return Path{}, errors.New("QR code of an empty text")
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return Path{}, fmt.Errorf("QR code of %d bytes: %w", len(text), err)
	}
	module := size / float64(code.Size+2*quietZone)
	p := Path{Fill: Black}
	for _, r := range darkRectangles(code) {
		left, top := x+float64(r.x+quietZone)*module, y+float64(r.y+quietZone)*module
		p.Ops = appendRect(p.Ops, left, top, float64(r.w)*module, float64(r.h)*module)
	}
	return p, nil
}

type moduleRect struct{ x, y, w, h int }

// darkRectangles covers the dark modules by runs along the rows; equal runs in following rows are one rectangle.
func darkRectangles(code *qr.Code) []moduleRect {
	var done, open []moduleRect
	for y := 0; y < code.Size; y++ {
		var row []moduleRect
		for x := 0; x < code.Size; {
			if !code.Black(x, y) {
				x++
				continue
			}
			run := moduleRect{x: x, y: y, h: 1}
			for ; x < code.Size && code.Black(x, y); x++ {
				run.w++
			}
			row = append(row, run)
		}
		for _, above := range open {
			grown := false
			for i := range row {
				if row[i].x == above.x && row[i].w == above.w {
					row[i].y, row[i].h = above.y, above.h+1
					grown = true
				}
			}
			if !grown {
				done = append(done, above)
			}
		}
		open = row
	}
	return append(done, open...)
}

// appendRect adds a rectangle, clockwise on the page.
func appendRect(ops []Op, x, y, w, h float64) []Op {
	return append(ops,
		Op{Kind: 'M', X: x, Y: y}, Op{Kind: 'L', X: x + w, Y: y}, Op{Kind: 'L', X: x + w, Y: y + h},
		Op{Kind: 'L', X: x, Y: y + h}, Op{Kind: 'Z'})
}
