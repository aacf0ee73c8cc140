package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yinxin/yinxin/shared/redact"
)

// LicenceChanges calls publish once for each batch of records of the table of licences, with the licences in it that
// stand in a status list: by list, each once. What their images say of their state is not believed, since they come
// twice, and late.
func LicenceChanges(publish func(ctx context.Context, changed map[string][]string) error) Way {
	return StreamBatch(func(ctx context.Context, records []events.DynamoDBEventRecord) error {
		changed := map[string][]string{}
		for _, r := range records {
			id, is := strings.CutPrefix(textOf(r.Change.NewImage, "pk"), "licence#")
			if !is {
				continue
			}
			var l struct {
				List string `json:"list"`
			}
			body := textOf(r.Change.NewImage, "body")
			if err := json.Unmarshal([]byte(body), &l); err != nil {
				return fmt.Errorf("reading licence %s: %w", id, redact.JSON(err, int64(len(body))))
			}
			if l.List != "" && !slices.Contains(changed[l.List], id) {
				changed[l.List] = append(changed[l.List], id)
			}
		}
		if len(changed) == 0 {
			return nil
		}
		return publish(ctx, changed)
	})
}
