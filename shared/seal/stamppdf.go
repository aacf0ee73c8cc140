package seal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/cms"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/pdf"
)

// What stands in every PDF signature made here, under the picture and in the reason, in words that a reader sees.
const (
	compatLabel  = "兼容签名 · 非GB/T 38540电子印章"
	compatReason = "兼容签名(PAdES)，非GB/T 38540电子印章。用印事由："
)

const labelHeight = 4 // millimetres under the seal

// preparePDF prepares a PAdES B-B signature (EN 319 142-1) with the seal as a vector picture.
func preparePDF(fonts *layout.Fonts, s Seal, in stampCommand, document []byte, at time.Time) (prepared, error) {
	file, err := pdf.Open(document)
	if err != nil {
		return prepared{}, refusedPDF("opening the document", err)
	}
	if err := refuseBrokenPDF(file); err != nil {
		return prepared{}, err
	}
	appearance, err := s.appearance(fonts)
	if err != nil {
		return prepared{}, err
	}
	d := s.Body.Diameter
	p, err := file.Prepare(pdf.Signature{
		Page: in.Place.Page, Rect: pdf.Rect{X: in.Place.X - d/2, Y: in.Place.Y - d/2, W: appearance.W, H: appearance.H},
		Appearance: appearance, Fonts: fonts, Name: s.fullName(), Reason: compatReason + in.Purpose.Text,
		Location: s.Owner.Name, ContactInfo: s.Code, Time: at,
	})
	if err != nil {
		return prepared{}, refusedPDF("preparing the document", err)
	}
	leaf, err := cert.Parse(s.Body.CompatChain[0])
	if err != nil {
		return prepared{}, fmt.Errorf("reading the certificate of seal %s: %w", s.ID, err)
	}
	message, err := cms.Prepare(cms.Request{Algorithm: key.ES256, Certificates: s.Body.CompatChain,
		Public: leaf.PublicKey, ContentDigest: p.Digest(sha256.New())})
	if err != nil {
		return prepared{}, fmt.Errorf("preparing the signature: %w", err)
	}
	return prepared{format: "pdf", signed: sha256Name(message.ToBeSigned()),
		finish: func(ctx context.Context, keys key.Opener) ([]byte, error) {
			signature, err := sign(ctx, keys, key.SealCompat, s.ID, message.ToBeSigned())
			if err != nil {
				return nil, err
			}
			value, err := message.Assemble(signature)
			if err != nil {
				return nil, fmt.Errorf("stamping: %w", err)
			}
			stamped, err := p.Embed(value)
			if err != nil {
				return nil, fmt.Errorf("stamping: %w", err)
			}
			return stamped, checkStampedPDF(stamped, p.Field())
		}}, nil
}

// refuseBrokenPDF refuses a document with an earlier signature whose value or digest does not fit. Whose it is, and whether
// it is trusted, is not asked: a seal is not put onto contents that another signature already shows to be altered. What
// the structure of the file shows, Prepare refuses.
func refuseBrokenPDF(file *pdf.File) error {
	report, err := file.Examine()
	if err != nil {
		return refusedPDF("examining the document", err)
	}
	for _, s := range report.Signatures {
		if _, covered := s.Covered(); !covered || s.Contents == nil || s.Timestamp {
			continue
		}
		message, err := cms.Parse(s.Contents)
		if err != nil {
			return ErrDocument.With("an earlier signature is broken: its message cannot be read")
		}
		for _, o := range message.Verify(func(d cms.Digest) []byte { return s.Digest(d.New()) }) {
			if o.Failure != nil && (o.Rule == cms.MessageDigest || o.Rule == cms.SignatureValue) {
				return ErrDocument.With("an earlier signature is broken: " + o.Failure.Code)
			}
		}
	}
	return nil
}

// refusedPDF makes a refusal of what shared/pdf refuses.
func refusedPDF(doing string, err error) error {
	var refused *pdf.Refusal
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	switch refused.Code {
	case pdf.NoSuchPage, pdf.OutsidePage:
		return ErrPlace.With(refused.Error())
	case pdf.NoChangesAllowed:
		return ErrLocked.With(refused.Error())
	}
	return ErrDocument.With(refused.Error())
}

// appearance is the picture of a seal with the label under it.
func (s Seal) appearance(f *layout.Fonts) (layout.Page, error) {
	p, err := s.picture(f)
	if err != nil {
		return layout.Page{}, err
	}
	const size = 2.1
	width, err := f.Width(layout.Regular, compatLabel, size)
	if err != nil {
		return layout.Page{}, fmt.Errorf("drawing the label: %w", err)
	}
	label, err := f.TextPath(layout.Text{X: (p.W - width) / 2, Y: p.H + labelHeight - 1.2, Size: size,
		Color: layout.Color{R: 120, G: 120, B: 120}, S: compatLabel})
	if err != nil {
		return layout.Page{}, fmt.Errorf("drawing the label: %w", err)
	}
	p.Items = append(p.Items[:len(p.Items):len(p.Items)], label)
	p.H += labelHeight
	return p, nil
}

// checkStampedPDF reads the stamped file as a stranger would: nothing broken, and our field covering the whole file with a
// message that verifies.
func checkStampedPDF(stamped []byte, field string) error {
	file, err := pdf.Open(stamped)
	if err != nil {
		return fmt.Errorf("checking the stamped document: %w", err)
	}
	report, err := file.Examine()
	if err != nil {
		return fmt.Errorf("checking the stamped document: %w", err)
	}
	if bad := report.Failures(); len(bad) > 0 {
		return fmt.Errorf("checking the stamped document: %s %s", bad[0].Code, bad[0].Detail)
	}
	for _, s := range report.Signatures {
		if s.Field == field {
			return checkMessage(s)
		}
	}
	return errors.New("checking the stamped document: the signature is not in it")
}

// checkMessage verifies the message of a signature that covers the whole file.
func checkMessage(s pdf.SignatureField) error {
	if s.Coverage != pdf.WholeFile {
		return errors.New("checking the stamped document: the signature does not cover all of it")
	}
	message, err := cms.Parse(s.Contents)
	if err != nil {
		return fmt.Errorf("checking the stamped document: %w", err)
	}
	if err := message.VerifyDigest(cms.SHA256, s.Digest(sha256.New())); err != nil {
		return fmt.Errorf("checking the stamped document: %w", err)
	}
	return nil
}
