package licence

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/pdf"
	"github.com/yinxin/yinxin/shared/problem"
)

// ErrFace refuses values that the face cannot show.
var ErrFace = problem.New(http.StatusUnprocessableEntity, "licence_face", "The face of the licence cannot show this.")

const pngResolution = 150 // dots per inch

// china is the time of the dates on licences. It has no daylight saving since 1991.
var china = time.FixedZone("CST", 8*60*60)

// faceValues are what the face shows.
func (l Licence) faceValues(t Definition, issued time.Time) map[string]string {
	values := map[string]string{
		ClaimName: t.Name.ZH, ClaimTypeCode: t.Code, ClaimIdentifier: l.Identifier, ClaimVersion: fmt.Sprintf("%03d", l.Version),
		ClaimNumber: l.Number, ClaimIssuer: l.Issuer.Name, ClaimIssuerCode: l.Issuer.USCC, ClaimHolder: l.Holder.Name,
		ClaimHolderCode: l.Holder.Code, ClaimHolderType: string(l.Holder.Type), ClaimIssuedOn: dateZH(issued.In(china)),
		ClaimValidFrom: dayZH(l.ValidFrom), ClaimValidTo: dayZH(l.ValidTo), claimValidity: dayZH(l.ValidFrom) + "至" + dayZH(l.ValidTo),
	}
	if l.ValidTo == "" {
		values[ClaimValidTo], values[claimValidity] = "长期", dayZH(l.ValidFrom)+"至长期"
	}
	maps.Copy(values, l.Fields)
	return values
}

func dateZH(t time.Time) string { return fmt.Sprintf("%d年%d月%d日", t.Year(), t.Month(), t.Day()) }

// dayZH writes a day of the record as people read it.
func dayZH(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	return dateZH(t)
}

// ShowLink is the text of the code that a holder shows: 128 random bits behind an address of ours.
func ShowLink(base, code string) string { return base + "/c/" + code }

// facePage lays the face out; its code is the identifier, which POST /verify takes. What it cannot show is refused by name.
func (l Licence) facePage(t Definition, issued time.Time, fonts *layout.Fonts) (layout.Page, layout.Anchor, error) {
	template, err := t.template()
	if err != nil {
		return layout.Page{}, layout.Anchor{}, fmt.Errorf("reading the face of %s: %w", t.Code, err)
	}
	page, err := template.Page(fonts, l.faceValues(t, issued), l.Identifier)
	var glyph *layout.MissingGlyphError
	var value *layout.MissingValueError
	var overflow *layout.OverflowError
	switch {
	case errors.As(err, &glyph), errors.As(err, &value), errors.As(err, &overflow):
		return layout.Page{}, layout.Anchor{}, ErrFace.With(err.Error())
	case err != nil:
		return layout.Page{}, layout.Anchor{}, fmt.Errorf("laying the face out: %w", err)
	}
	return page, *template.Seal, nil
}

// faces writes the face in every format, without a seal.
func (l Licence) faces(t Definition, issued time.Time, fonts *layout.Fonts) (map[Format][]byte, Place, error) {
	page, anchor, err := l.facePage(t, issued, fonts)
	if err != nil {
		return nil, Place{}, err
	}
	out := map[Format][]byte{}
	title := t.Name.ZH + " " + l.Number
	metadata := map[string]string{ClaimIdentifier: l.Identifier, ClaimTypeCode: t.Code, ClaimIssuerCode: l.Issuer.USCC}
	if out[PDF], err = pdf.Write(pdf.Document{Pages: []layout.Page{page}, Title: title, Author: l.Issuer.Name,
		Subject: t.Name.ZH, Created: issued, Metadata: metadata}, fonts); err != nil {
		return nil, Place{}, fmt.Errorf("writing the face as PDF: %w", err)
	}
	if out[OFD], err = ofd.Write(ofd.Document{Pages: []layout.Page{page}, Title: title, Author: l.Issuer.Name,
		Subject: t.Name.ZH, Created: issued.In(china), DocID: digest("ofd", l.Identifier)[:32], CustomData: metadata}, fonts); err != nil {
		return nil, Place{}, fmt.Errorf("writing the face as OFD: %w", err)
	}
	if out[PNG], err = layout.PNG(page, fonts, pngResolution); err != nil {
		return nil, Place{}, fmt.Errorf("drawing the face: %w", err)
	}
	return out, Place{Page: 1, X: anchor.X, Y: anchor.Y}, nil
}

// checkStamped holds a stamped face against the one that was sent: a PDF has been appended to only, an OFD opens and has
// the same page. Signature and seal were verified by who made them.
func checkStamped(format Format, before, after []byte) error {
	if format == PDF {
		if len(after) <= len(before) || !bytes.HasPrefix(after, before) {
			return errors.New("what came back is not the face with something appended")
		}
		return nil
	}
	was, err := ofd.Open(before)
	if err != nil {
		return fmt.Errorf("opening the face: %w", err)
	}
	is, err := ofd.Open(after)
	if err != nil {
		return fmt.Errorf("opening what came back: %w", err)
	}
	if len(is.Bodies()) != 1 || len(is.Signatures()) != 1 || bytes.Equal(before, after) {
		return errors.New("what came back is not the face with one seal")
	}
	for n, page := range was.Bodies()[0].Pages {
		pages := is.Bodies()[0].Pages
		a, _ := was.Digest(page.Path)
		b, ok := is.Digest(page.Path)
		if !ok || a != b || len(pages) <= n || pages[n].Path != page.Path {
			return fmt.Errorf("page %d of what came back is another", n+1)
		}
	}
	return nil
}
