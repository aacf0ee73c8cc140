package embedded

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// Results keeps what jobs made as blobs, from where clients fetch it themselves.
type Results struct{ Blobs Blobs }

var (
	_ seal.Results             = Results{}
	_ document.ResultAddresses = Results{}
)

// PutResult implements [seal.Results].
func (s Results) PutResult(_ context.Context, job, order, mediaType string, data []byte) error {
	name, err := documentName("results/"+job, order, mediaType)
	if err != nil {
		return err
	}
	if err = s.Blobs.PutBlob(name, data); errors.Is(err, ErrBlobTaken) {
		return seal.ErrExists
	}
	return err
}

// Result implements [seal.Results].
func (s Results) Result(_ context.Context, job, order, mediaType string) ([]byte, error) {
	name, err := documentName("results/"+job, order, mediaType)
	if err != nil {
		return nil, err
	}
	data, err := s.Blobs.Blob(name)
	if errors.Is(err, ErrBlobUnknown) {
		return nil, seal.ErrUnknown
	}
	return data, err
}

// ResultAddress implements [document.ResultAddresses].
func (s Results) ResultAddress(_ context.Context, job string, r document.Result, until time.Time) (document.Address, error) {
	name, err := documentName("results/"+job, r.Order, r.MediaType)
	if err != nil {
		return document.Address{}, err
	}
	url, err := s.Blobs.DownloadAddress(name, r.MediaType, until)
	return document.Address{Method: "GET", URL: url}, err
}
