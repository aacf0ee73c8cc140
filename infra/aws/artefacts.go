package aws

import (
	"context"
	"errors"

	"github.com/yinxin/yinxin/shared/licence"
)

// Artefacts keeps the faces of licences in S3.
type Artefacts struct{ *Blobs }

var (
	_ licence.ArtefactReader = Artefacts{}
	_ licence.Artefacts      = Artefacts{}
)

// PutArtefact implements [licence.Artefacts].
func (s Artefacts) PutArtefact(ctx context.Context, name string, data []byte) error {
	return s.PutBlob(ctx, name, data)
}

// Artefact implements [licence.ArtefactReader].
func (s Artefacts) Artefact(ctx context.Context, name string) ([]byte, error) {
	data, err := s.Blob(ctx, name)
	if errors.Is(err, ErrBlobUnknown) {
		return nil, licence.ErrUnknown
	}
	return data, err
}
