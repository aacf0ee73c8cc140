package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// Uploads keeps what was said of documents, and the documents as blobs, which clients put there themselves.
type Uploads struct {
	*DB
	Blobs Blobs
}

var (
	_ document.UploadSaver     = Uploads{}
	_ document.UploadAddresses = Uploads{}
	_ seal.Uploads             = Uploads{}
)

const bucketUploads = "uploads" // identifier → upload

// documentName is the name of a document as a blob, in a folder.
func documentName(folder, id, mediaType string) (string, error) {
	switch mediaType {
	case document.PDF:
		return folder + "/" + id + ".pdf", nil
	case document.OFD:
		return folder + "/" + id + ".ofd", nil
	}
	return "", fmt.Errorf("there are no documents of the media type %q", mediaType)
}

// SaveUpload implements [document.UploadSaver].
func (s Uploads) SaveUpload(_ context.Context, u document.Upload, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		if _, taken, err := get[document.Upload](tx, bucketUploads, u.ID); err != nil || taken {
			return orErr(err, document.ErrExists)
		}
		if err := put(tx, bucketUploads, u.ID, u); err != nil {
			return err
		}
		return tell(tx, image{table: TableSeals, pk: "document#" + u.ID, created: true}, e)
	})
}

// UploadAddress implements [document.UploadAddresses].
func (s Uploads) UploadAddress(_ context.Context, u document.Upload, until time.Time) (document.Address, error) {
	name, err := documentName("uploads", u.ID, u.MediaType)
	if err != nil {
		return document.Address{}, err
	}
	url, header, err := s.Blobs.UploadAddress(name, u.MediaType, u.Size, u.SHA256, until)
	return document.Address{Method: "PUT", URL: url, Header: header}, err
}

// Upload implements [seal.Uploads].
func (s Uploads) Upload(_ context.Context, id string) (seal.Upload, error) {
	var u document.Upload
	err := s.view(func(tx *bbolt.Tx) error {
		var found bool
		var err error
		if u, found, err = get[document.Upload](tx, bucketUploads, id); err == nil && (!found || !s.Now().Before(u.Until)) {
			return seal.ErrUnknown
		}
		return err
	})
	if err != nil {
		return seal.Upload{}, err
	}
	return seal.Upload{ID: u.ID, MediaType: u.MediaType, SHA256: u.SHA256, Person: u.Person, Client: u.Client}, nil
}

// Arrived implements [seal.Uploads].
func (s Uploads) Arrived(_ context.Context, id, mediaType string) (bool, error) {
	name, err := documentName("uploads", id, mediaType)
	if err != nil {
		return false, err
	}
	return s.Blobs.Stands(name)
}

// Uploaded implements [seal.Uploads].
func (s Uploads) Uploaded(_ context.Context, id, mediaType string) ([]byte, error) {
	name, err := documentName("uploads", id, mediaType)
	if err != nil {
		return nil, err
	}
	data, err := s.Blobs.Blob(name)
	if errors.Is(err, ErrBlobUnknown) {
		return nil, seal.ErrUnknown
	}
	return data, err
}
