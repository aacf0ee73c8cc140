package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/ses"
)

// The refusals of documents.
var (
	ErrDocument = problem.New(http.StatusUnprocessableEntity, "document_refused", "The document cannot be stamped.")
	ErrLocked   = problem.New(http.StatusConflict, "document_locked", "An earlier signature allows no further stamp.")
	ErrPlace    = problem.New(http.StatusUnprocessableEntity, "place_outside", "The place is not on a page of the document.")
)

// prepareOFD prepares an SES_Signature over every file of the package (GB/T 33190-2016, chapter 18).
func prepareOFD(s Seal, in stampCommand, document []byte, at time.Time) (prepared, error) {
	pkg, err := ofd.Open(document)
	var refused *ofd.FormatError
	switch {
	case errors.As(err, &refused):
		return prepared{}, ErrDocument.With(refused.Error())
	case err != nil:
		return prepared{}, fmt.Errorf("opening the document: %w", err)
	}
	for _, earlier := range pkg.Signatures() {
		if reason := brokenOFD(pkg, earlier); reason != "" {
			return prepared{}, ErrDocument.With("an earlier signature is broken: " + reason)
		}
	}
	d := s.Body.Diameter
	p, err := pkg.PrepareStamp(ofd.Stamp{Seal: s.Body.ESL, Provider: ofd.Provider{Name: VendorID}, Time: at,
		Protect: ofd.ContinueSign, Placements: []ofd.Placement{{PageIndex: in.Place.Page - 1, X: in.Place.X - d/2, Y: in.Place.Y - d/2, W: d, H: d}}})
	switch {
	case errors.Is(err, ofd.ErrLocked):
		return prepared{}, ErrLocked
	case errors.Is(err, ofd.ErrPlacement):
		return prepared{}, ErrPlace.With("the whole seal must be on the page")
	case errors.Is(err, ofd.ErrInput):
		return prepared{}, ErrDocument.With(err.Error())
	case err != nil:
		return prepared{}, fmt.Errorf("preparing the document: %w", err)
	}
	info := ses.StampInfo{Seal: s.Body.ESL, Time: at, DataHash: p.Digest(), PropertyInfo: p.Path()}
	stamp, err := ses.PrepareStamp(info, s.Body.Chain[0])
	if err != nil {
		return prepared{}, fmt.Errorf("preparing the stamp: %w", err)
	}
	return prepared{format: "ofd", signed: "sm3:" + hexSM3(stamp.ToBeSigned()),
		finish: func(ctx context.Context, keys key.Opener) ([]byte, error) {
			signature, err := sign(ctx, keys, key.Seal, s.ID, stamp.ToBeSigned())
			if err != nil {
				return nil, err
			}
			value, err := stamp.Assemble(signature) // verifies it under the certificate's key
			if err != nil {
				return nil, fmt.Errorf("stamping: %w", err)
			}
			stamped, err := p.Assemble(value)
			if err != nil {
				return nil, fmt.Errorf("stamping: %w", err)
			}
			return stamped, checkStampedOFD(stamped, p.Path(), value)
		}}, nil
}

// brokenOFD tells what is broken about an earlier signature, or "". Whose it is, and whether it is trusted, is not asked:
// a seal is not put onto contents that another signature already shows to be altered. Of signatures that are not read
// here (Type="Sign", other versions of the seal format) only the digests are looked at.
func brokenOFD(pkg *ofd.Package, s ofd.Signature) string {
	for _, f := range pkg.CheckReferences(s) {
		if f.Level == ofd.Fail {
			return string(f.Code)
		}
	}
	if s.Type != "Seal" {
		return ""
	}
	stamp, err := ses.ParseStamp(s.Value)
	var version *ses.VersionError
	switch {
	case errors.As(err, &version):
		return ""
	case err != nil:
		return "the stamp cannot be read"
	case !bytes.Equal(stamp.DataHash, s.Digest[:]):
		return "Signature.xml is not the one that was stamped"
	}
	pub, err := stamp.SignerKey()
	if err == nil {
		err = stamp.VerifySigner(pub)
	}
	if err != nil {
		return "the signature does not verify"
	}
	return ""
}

// sign signs with a key of a seal. It does not verify: what it returns goes into a verifier next, so that a stamp contains
// one sign and one verify.
func sign(ctx context.Context, keys key.Opener, purpose key.Purpose, sealID string, message []byte) ([]byte, error) {
	signer, err := keys.OpenKey(ctx, purpose, sealID)
	if err != nil {
		return nil, fmt.Errorf("opening the key of a seal: %w", err)
	}
	digest, err := key.Digest(signer.Algorithm(), signer.Public(), message)
	if err != nil {
		return nil, err
	}
	signature, err := signer.SignDigest(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", signer.KeyID(), err)
	}
	return signature, nil
}

// checkStampedOFD reads the stamped package as a stranger would and finds in it the signature that was verified, over
// files that are as it says, covering the whole document. Chains were judged before; the signature by ses.
func checkStampedOFD(stamped []byte, path string, value []byte) error {
	pkg, err := ofd.Open(stamped)
	if err != nil {
		return fmt.Errorf("checking the stamped document: %w", err)
	}
	for _, s := range pkg.Signatures() {
		if s.Path != path {
			continue
		}
		stamp, err := ses.ParseStamp(s.Value)
		if err != nil {
			return fmt.Errorf("checking the stamped document: %w", err)
		}
		if !bytes.Equal(s.Value, value) || !bytes.Equal(stamp.DataHash, s.Digest[:]) {
			return errors.New("checking the stamped document: the stamp is not the one that was made")
		}
		picture := stamp.Seal.Picture
		found := append(pkg.CheckReferences(s), pkg.CheckSeal(s, stamp.Seal.Raw)...)
		found = append(found, pkg.CheckPath(s, stamp.PropertyInfo)...)
		found = append(found, pkg.CheckGeometry(s, float64(picture.Width), float64(picture.Height))...)
		for _, f := range found {
			if f.Level == ofd.Fail {
				return fmt.Errorf("checking the stamped document: %s %s", f.Code, f.Path)
			}
		}
		cover := pkg.Coverage(func(ofd.Signature) bool { return true })
		if cover.Protects[path] != ofd.Whole {
			return errors.New("checking the stamped document: the stamp does not protect all of it")
		}
		return nil
	}
	return errors.New("checking the stamped document: the stamp is not in it")
}
