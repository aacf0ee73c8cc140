package aws_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/yinxin/yinxin/infra/aws"
	"github.com/yinxin/yinxin/infra/aws/dynamotest"
	"github.com/yinxin/yinxin/shared/licence"
)

// openArtefacts makes an empty bucket at S3_ENDPOINT, which infra/aws/moto.py sets. Where only DYNAMODB_ENDPOINT is set,
// as for DynamoDB Local, faces are kept in memory: the other ports of the suite are tested then.
func openArtefacts(t *testing.T) licence.Artefacts {
	t.Helper()
	endpoint := os.Getenv("S3_ENDPOINT")
	if endpoint == "" {
		return artefactsInMemory{&sync.Map{}}
	}
	config, bucket := dynamotest.Config(endpoint), "test-"+strings.ToLower(rand.Text())
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	b, err := aws.OpenBlobs(aws.BlobsOptions{Config: config, Rand: rand.Reader, Bucket: bucket, Prefix: "artefacts/"})
	if err != nil {
		t.Fatal(err)
	}
	return aws.Artefacts{Blobs: b}
}

type artefactsInMemory struct{ *sync.Map }

func (a artefactsInMemory) PutArtefact(_ context.Context, name string, data []byte) error {
	a.Store(name, data)
	return nil
}

func (a artefactsInMemory) Artefact(_ context.Context, name string) ([]byte, error) {
	data, found := a.Load(name)
	if !found {
		return nil, licence.ErrUnknown
	}
	return data.([]byte), nil
}
