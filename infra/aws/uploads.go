package aws

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/document"
	"github.com/yinxin/yinxin/shared/seal"
)

// Uploads keeps what was said of documents in the table, and the documents in S3, where clients put them themselves.
type Uploads struct {
	DB    *DB
	Blobs *Blobs
}

var (
	_ document.UploadSaver     = Uploads{}
	_ document.UploadAddresses = Uploads{}
	_ seal.Uploads             = Uploads{}
)

func (s Uploads) at(id string) at { return at{s.DB.tables.Seals, "document#" + id, noSort} }

// documentName is the name of a document as a blob.
func documentName(id, mediaType string) (string, error) {
	switch mediaType {
	case document.PDF:
		return id + ".pdf", nil
	case document.OFD:
		return id + ".ofd", nil
	}
	return "", fmt.Errorf("there are no documents of the media type %q", mediaType)
}

// SaveUpload implements [document.UploadSaver].
func (s Uploads) SaveUpload(ctx context.Context, u document.Upload, e audit.Event) error {
	body, err := encode(u)
	if err != nil {
		return err
	}
	out, err := s.DB.write(ctx, write{at: s.at(u.ID), condition: absent, event: &e,
		put: item{"body": body, "until": moment(u.Until), "ttl": tidy(u.Until)}})
	if err == nil && !out.held {
		err = document.ErrExists
	}
	return err
}

// UploadAddress implements [document.UploadAddresses]: a presigned PutObject.
func (s Uploads) UploadAddress(ctx context.Context, u document.Upload, until time.Time) (document.Address, error) {
	name, err := documentName(u.ID, u.MediaType)
	if err != nil {
		return document.Address{}, err
	}
	digest, err := hex.DecodeString(u.SHA256)
	if err != nil || len(digest) != 32 {
		return document.Address{}, fmt.Errorf("%q is no digest of SHA-256", u.SHA256)
	}
	a, err := s.Blobs.UploadAddress(ctx, name, u.Size, [32]byte(digest), s.DB.Now(), until)
	return document.Address{Method: a.Method, URL: a.URL, Header: a.Header}, err
}

// Upload implements [seal.Uploads].
func (s Uploads) Upload(ctx context.Context, id string) (seal.Upload, error) {
	it, err := s.DB.get(ctx, s.at(id))
	if err != nil || it == nil {
		return seal.Upload{}, orUnknown(err)
	}
	until, err := momentOf(it, "until")
	if err != nil {
		return seal.Upload{}, err
	}
	if !s.DB.Now().Before(until) {
		return seal.Upload{}, seal.ErrUnknown
	}
	u, err := decode[document.Upload](it)
	return seal.Upload{ID: u.ID, MediaType: u.MediaType, SHA256: u.SHA256, Person: u.Person, Client: u.Client}, err
}

func orUnknown(err error) error {
	if err != nil {
		return err
	}
	return seal.ErrUnknown
}

// Arrived implements [seal.Uploads].
func (s Uploads) Arrived(ctx context.Context, id, mediaType string) (bool, error) {
	name, err := documentName(id, mediaType)
	if err != nil {
		return false, err
	}
	return s.Blobs.Stands(ctx, name)
}

// Uploaded implements [seal.Uploads].
func (s Uploads) Uploaded(ctx context.Context, id, mediaType string) ([]byte, error) {
	name, err := documentName(id, mediaType)
	if err != nil {
		return nil, err
	}
	data, err := s.Blobs.Blob(ctx, name)
	if errors.Is(err, ErrBlobUnknown) {
		return nil, seal.ErrUnknown
	}
	return data, err
}
