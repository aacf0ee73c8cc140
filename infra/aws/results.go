package aws

import (
	"context"
	"errors"
	"time"

	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// Results keeps what jobs made in S3, from where clients fetch it themselves: job/order, so that an address for the
// result of one job is never one for another's.
type Results struct {
	Blobs *Blobs
	Now   func() time.Time
}

var (
	_ seal.Results             = Results{}
	_ document.ResultAddresses = Results{}
)

func resultName(job, order, mediaType string) (string, error) {
	name, err := documentName(order, mediaType)
	return job + "/" + name, err
}

// PutResult implements [seal.Results].
func (s Results) PutResult(ctx context.Context, job, order, mediaType string, data []byte) error {
	name, err := resultName(job, order, mediaType)
	if err != nil {
		return err
	}
	if err = s.Blobs.PutBlob(ctx, name, data); errors.Is(err, ErrBlobTaken) {
		return seal.ErrExists
	}
	return err
}

// Result implements [seal.Results].
func (s Results) Result(ctx context.Context, job, order, mediaType string) ([]byte, error) {
	name, err := resultName(job, order, mediaType)
	if err != nil {
		return nil, err
	}
	data, err := s.Blobs.Blob(ctx, name)
	if errors.Is(err, ErrBlobUnknown) {
		return nil, seal.ErrUnknown
	}
	return data, err
}

// ResultAddress implements [document.ResultAddresses]: a presigned GetObject.
func (s Results) ResultAddress(ctx context.Context, job string, r document.Result, until time.Time) (document.Address, error) {
	name, err := resultName(job, r.Order, r.MediaType)
	if err != nil {
		return document.Address{}, err
	}
	a, err := s.Blobs.DownloadAddress(ctx, name, s.Now(), until)
	return document.Address{Method: a.Method, URL: a.URL, Header: a.Header}, err
}
