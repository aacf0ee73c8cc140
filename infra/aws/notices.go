package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/yinxin/yinxin/shared/notice"
)

// Notices is the FIFO queue from which the deployer's message gateway takes notices: README.md says what it finds
// there.
type Notices struct {
	URL    string // of the queue
	Config sdk.Config
	Now    func() time.Time
	Rand   io.Reader // of the delays between tries; nil for none
}

var _ notice.Sender = Notices{}

// Send implements [notice.Sender]. The notices of one recipient are one group and stay in order; the digest of the
// notice's identifier is the deduplication identifier, and the notice has the identifier itself, by which the gateway
// knows one that comes again after more than five minutes.
func (s Notices) Send(ctx context.Context, n notice.Notice) error {
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	return queue(s).send(ctx, message{Body: string(body), Group: textDigest(n.To), Deduplication: textDigest(n.ID)})
}

// textDigest has the length and the characters that SQS allows, whatever the text has.
func textDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
