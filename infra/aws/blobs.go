package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// BlobsOptions of [OpenBlobs].
type BlobsOptions struct {
	Config sdk.Config // region, credentials; an endpoint where it is not AWS
	Rand   io.Reader  // of the delays between attempts
	Bucket string
	Prefix string // of every name, "artefacts/": what the policy of a role gives it
	Owner  string // account that the bucket must belong to; "" to leave it unchecked
	KMSKey string // of the encryption at rest; "" for that of S3 itself (SSE-S3)
	Max    int64  // bytes of one blob; 32 MiB where 0
}

// Blobs keeps byte strings in one bucket under names that are written once: PutObject with If-None-Match, the SHA-256
// digest checked by S3 on the way in and by us on the way out.
//
// Reads follow writes (S3 is strongly consistent). To tell a name that is not there from one that it may not read, a
// role needs s3:ListBucket for the prefix; without it S3 answers 403 to both, and that is a fault here.
type Blobs struct {
	client *s3.Client
	o      BlobsOptions
}

const (
	defaultMaxBlob = 32 << 20
	maxBlobName    = 900              // bytes; S3 takes 1024 with the prefix
	blobTime       = 20 * time.Second // for one attempt
)

// OpenBlobs makes a Blobs. It sends nothing.
func OpenBlobs(o BlobsOptions) (*Blobs, error) {
	if o.Bucket == "" || o.Rand == nil || o.Prefix == "" || !strings.HasSuffix(o.Prefix, "/") {
		return nil, errors.New("opening the blobs: a bucket, randomness and a prefix that ends in / are needed")
	}
	if o.Max <= 0 {
		o.Max = defaultMaxBlob
	}
	random := &lockedReader{from: o.Rand}
	client := s3.NewFromConfig(o.Config, func(c *s3.Options) {
		// "If a conflicting operation occurs during the upload S3 returns a 409 ConditionalRequestConflict response. On a 409
		// failure you should retry the upload" (PutObject, header If-None-Match).
		c.Retryer = retry.AddWithErrorCodes(retryer(random), conflictCode)
		// We send digests of our own; the SDK's own checksums break other stores than S3 (aws/aws-sdk-go-v2#3007).
		c.RequestChecksumCalculation = sdk.RequestChecksumCalculationWhenRequired
		c.ResponseChecksumValidation = sdk.ResponseChecksumValidationWhenRequired
		c.UsePathStyle = o.Config.BaseEndpoint != nil
		if b, ok := c.HTTPClient.(*awshttp.BuildableClient); ok {
			c.HTTPClient = b.WithTimeout(blobTime)
		} else if c.HTTPClient == nil {
			c.HTTPClient = awshttp.NewBuildableClient().WithTimeout(blobTime)
		}
	})
	return &Blobs{client: client, o: o}, nil
}

// The codes of S3's refusals (API Reference, "Error responses").
const (
	conflictCode     = "ConditionalRequestConflict"
	preconditionCode = "PreconditionFailed"
	noSuchKeyCode    = "NoSuchKey"
)

// ErrBlobUnknown reports a name under which nothing was written.
var ErrBlobUnknown = errors.New("aws: no such blob")

// ErrBlobTaken reports a name under which other bytes were written before.
var ErrBlobTaken = errors.New("aws: the name of the blob is taken")

// key is the object key of a name: a relative path of letters that need no escape anywhere, without empty parts or dots
// alone.
func (b *Blobs) key(name string) (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.="
	if name == "" || len(name) > maxBlobName || path.Clean("/"+name) != "/"+name || strings.Trim(name, letters) != "" {
		return "", fmt.Errorf("%q is no name of a blob", name)
	}
	return b.o.Prefix + name, nil
}

// mediaType is that of a name, by its ending.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".pdf":
		return "application/pdf"
	case ".ofd":
		return "application/ofd"
	case ".png":
		return "image/png"
	case ".jwt":
		return "application/statuslist+jwt"
	default:
		return "application/octet-stream"
	}
}

// put is what is the same for every way of writing a blob.
func (b *Blobs) put(key, media string, size int64, digest [32]byte) *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		Bucket: &b.o.Bucket, Key: &key, ContentType: &media, ContentLength: &size, IfNoneMatch: sdk.String("*"),
		ChecksumSHA256:       sdk.String(base64.StdEncoding.EncodeToString(digest[:])),
		ServerSideEncryption: types.ServerSideEncryptionAes256,
	}
	if b.o.KMSKey != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryptionAwsKms, &b.o.KMSKey, sdk.Bool(true)
	}
	if b.o.Owner != "" {
		in.ExpectedBucketOwner = &b.o.Owner
	}
	return in
}

// PutBlob writes data under a name, durably before it returns. Where the same bytes stand already it does nothing, also
// when they are its own, whose answer was lost; where others do it returns [ErrBlobTaken].
func (b *Blobs) PutBlob(ctx context.Context, name string, data []byte) error {
	key, err := b.key(name)
	if err != nil {
		return err
	}
	if int64(len(data)) > b.o.Max {
		return fmt.Errorf("writing the blob %s: it has %d bytes, more than %d", name, len(data), b.o.Max)
	}
	in := b.put(key, mediaType(name), int64(len(data)), sha256.Sum256(data))
	in.Body = bytes.NewReader(data)
	_, err = b.client.PutObject(ctx, in)
	if !isCode(err, preconditionCode) {
		if err != nil {
			err = fmt.Errorf("writing the blob %s: %w", name, err)
		}
		return err
	}
	stands, err := b.Blob(ctx, name)
	if err == nil && !bytes.Equal(stands, data) {
		err = fmt.Errorf("writing the blob %s: %w", name, ErrBlobTaken)
	}
	return err
}

// Blob returns what was written under a name, or [ErrBlobUnknown].
func (b *Blobs) Blob(ctx context.Context, name string) (data []byte, err error) {
	key, err := b.key(name)
	if err != nil {
		return nil, err
	}
	in := &s3.GetObjectInput{Bucket: &b.o.Bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}
	if b.o.Owner != "" {
		in.ExpectedBucketOwner = &b.o.Owner
	}
	out, err := b.client.GetObject(ctx, in)
	if isCode(err, noSuchKeyCode) {
		return nil, fmt.Errorf("reading the blob %s: %w", name, ErrBlobUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the blob %s: %w", name, err)
	}
	defer func() {
		if closeErr := out.Body.Close(); err == nil && closeErr != nil {
			data, err = nil, fmt.Errorf("reading the blob %s: %w", name, closeErr)
		}
	}()
	if sdk.ToInt64(out.ContentLength) > b.o.Max {
		return nil, fmt.Errorf("reading the blob %s: it has %d bytes, more than %d", name, *out.ContentLength, b.o.Max)
	}
	if data, err = io.ReadAll(io.LimitReader(out.Body, b.o.Max+1)); err != nil {
		return nil, fmt.Errorf("reading the blob %s: %w", name, err)
	}
	if int64(len(data)) > b.o.Max {
		return nil, fmt.Errorf("reading the blob %s: it has more than %d bytes", name, b.o.Max)
	}
	sum := sha256.Sum256(data)
	if told := sdk.ToString(out.ChecksumSHA256); told != "" && told != base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("reading the blob %s: its digest is not the one that S3 has of it", name)
	}
	return data, nil
}

// Stands tells whether something was written under a name: its first byte is asked for. HeadObject would do, but for
// its refusals, which have no body and so no code.
func (b *Blobs) Stands(ctx context.Context, name string) (bool, error) {
	key, err := b.key(name)
	if err != nil {
		return false, err
	}
	in := &s3.GetObjectInput{Bucket: &b.o.Bucket, Key: &key, Range: sdk.String("bytes=0-0")}
	if b.o.Owner != "" {
		in.ExpectedBucketOwner = &b.o.Owner
	}
	out, err := b.client.GetObject(ctx, in)
	if isCode(err, noSuchKeyCode) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the blob %s: %w", name, err)
	}
	return true, out.Body.Close()
}

// isCode tells whether AWS refused with a code.
func isCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}

// Address is where a client may send or fetch one blob itself, once it is sent with these headers.
type Address struct {
	Method string
	URL    string
	Header http.Header // to be sent as they are
	Until  time.Time
}

// UploadAddress returns where a client may write a blob of exactly this size and digest, once, until a time that is at
// most an hour ahead. S3 refuses other bytes, and a name that is taken.
func (b *Blobs) UploadAddress(ctx context.Context, name string, size int64, digest [32]byte, now, until time.Time) (Address, error) {
	key, err := b.key(name)
	if err != nil {
		return Address{}, err
	}
	if size < 0 || size > b.o.Max {
		return Address{}, fmt.Errorf("a blob has at most %d bytes, not %d", b.o.Max, size)
	}
	life, err := lifeOf(now, until)
	if err != nil {
		return Address{}, err
	}
	signed, err := s3.NewPresignClient(b.client).PresignPutObject(ctx, b.put(key, mediaType(name), size, digest),
		s3.WithPresignExpires(life))
	if err != nil {
		return Address{}, fmt.Errorf("addressing the blob %s: %w", name, err)
	}
	return Address{Method: signed.Method, URL: signed.URL, Header: withoutHost(signed.SignedHeader), Until: until}, nil
}

// DownloadAddress returns where a client may fetch a blob until a time that is at most an hour ahead, as a file of that
// name. It does not look whether the blob is there.
func (b *Blobs) DownloadAddress(ctx context.Context, name string, now, until time.Time) (Address, error) {
	key, err := b.key(name)
	if err != nil {
		return Address{}, err
	}
	life, err := lifeOf(now, until)
	if err != nil {
		return Address{}, err
	}
	signed, err := s3.NewPresignClient(b.client).PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.o.Bucket, Key: &key, ResponseContentType: sdk.String(mediaType(name)),
		ResponseContentDisposition: sdk.String(`attachment; filename="` + path.Base(name) + `"`),
		ResponseCacheControl:       sdk.String("private, no-store"),
	}, s3.WithPresignExpires(life))
	if err != nil {
		return Address{}, fmt.Errorf("addressing the blob %s: %w", name, err)
	}
	return Address{Method: signed.Method, URL: signed.URL, Header: withoutHost(signed.SignedHeader), Until: until}, nil
}

func lifeOf(now, until time.Time) (time.Duration, error) {
	life := until.Sub(now)
	if life < time.Second || life > time.Hour {
		return 0, fmt.Errorf("an address is good for a second to an hour, not for %v", life)
	}
	return life, nil
}

// withoutHost drops what every client sends by itself.
func withoutHost(h http.Header) http.Header {
	h = h.Clone()
	h.Del("Host")
	return h
}
