package aws

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/yinxin/yinxin/infra/gateway"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/seal"
)

// FaceStamper is seal-stamp as licence-issue sees it: each order is an invocation of that function (AWS Lambda API
// Reference, "Invoke"), which alone opens the keys of seals.
type FaceStamper struct {
	Function string // ARN of the function's alias
	Config   sdk.Config
	Now      func() time.Time
}

var _ licence.FaceStamper = FaceStamper{}

// StampFace implements [licence.FaceStamper].
func (s FaceStamper) StampFace(ctx context.Context, o licence.FaceOrder) ([]byte, error) {
	face, err := invoke[licence.FaceOrder, []byte](ctx, invocation(s), o)
	if err == nil && len(face) == 0 {
		err = errors.New("the seal service answered with nothing")
	}
	return face, err
}

// SealOrders answers the invocations of [FaceStamper] and [JobWorker]: one names a job, the other does not.
func SealOrders(seals *seal.Stamper) Handler {
	return Invocation(func(ctx context.Context, in struct {
		gateway.JobMessage
		licence.FaceOrder
	}) (json.RawMessage, error) {
		if in.Job != "" {
			result, err := seals.DoJob(ctx, in.Job)
			return encoded(result, err)
		}
		o := in.FaceOrder
		face, err := seals.StampFace(ctx, seal.FaceOrder{
			Reference: "licence/" + o.LicenceID, Organisation: o.Organisation, Person: o.Person, Client: o.Client,
			Channel: o.Channel, Purpose: o.Purpose, Place: seal.Place(o.Place),
		}, o.Document)
		return encoded(face, err)
	})
}

// encoded is an answer as JSON; null where there is none.
func encoded[T any](v T, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
