package seal

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/problem"
)

// Diameter is that of every seal made here, in millimetres: 国发〔1999〕25号 allows organs below the provincial government
// and enterprises up to 45, and 42 is what most have.
const Diameter = 42

const pictureDPI = 300 // of the picture inside a seal, and of the one shown

// ErrName is a name that cannot be engraved.
var ErrName = problem.New(http.StatusUnprocessableEntity, "seal_name", "The name or line cannot be engraved.")

// picture draws a seal by the rules of 国发〔1999〕25号. A seal of a division that GB/T 2260 does not allot (99…) is marked
// 示例. It returns [ErrName], naming the character where one is missing.
func (s Seal) picture(f *layout.Fonts) (layout.Page, error) {
	p, err := layout.SealPicture(layout.SealSpec{Name: s.Name, Line: s.Line, Diameter: Diameter, Color: layout.SealRed,
		Sample: strings.HasPrefix(s.Owner.Division, "99")}, f)
	var missing *layout.MissingGlyphError
	switch {
	case errors.As(err, &missing):
		return layout.Page{}, ErrName.With(missing.Error())
	case errors.Is(err, layout.ErrSealText):
		return layout.Page{}, ErrName.With(err.Error())
	case err != nil:
		return layout.Page{}, fmt.Errorf("drawing seal %s: %w", s.ID, err)
	}
	return p, nil
}

func (s Seal) picturePNG(f *layout.Fonts) ([]byte, error) {
	p, err := s.picture(f)
	if err != nil {
		return nil, err
	}
	png, err := layout.PNG(p, f, pictureDPI)
	if err != nil {
		return nil, fmt.Errorf("drawing seal %s: %w", s.ID, err)
	}
	return png, nil
}

func (s Seal) pictureSVG(f *layout.Fonts) ([]byte, error) {
	p, err := s.picture(f)
	if err != nil {
		return nil, err
	}
	svg, err := layout.SVG(p, f)
	if err != nil {
		return nil, fmt.Errorf("drawing seal %s: %w", s.ID, err)
	}
	return svg, nil
}

// picture serves GET /seals/{id}/picture: PNG where Accept names it and not SVG, else SVG.
func (m manage) picture(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	s, err := find(r.Context(), m.Records, m.ByCode, r.PathValue("id"))
	if err != nil {
		return err
	}
	draw, media := s.pictureSVG, "image/svg+xml"
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "image/png") && !strings.Contains(accept, "image/svg") {
		draw, media = s.picturePNG, "image/png"
	}
	body, err := draw(m.Fonts)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // the client is gone if this fails
	return nil
}
