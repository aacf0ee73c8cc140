package aws

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Consents keeps what people let clients have: a set of scopes, to which DynamoDB adds.
type Consents struct{ *DB }

var _ oidc.Consents = Consents{}

func (s Consents) at(person, client string) at {
	return at{s.tables.SSO, "consent#" + s.hidden("person", person), client}
}

// Consented implements [oidc.Consents].
func (s Consents) Consented(ctx context.Context, person, client string) (string, error) {
	it, err := s.get(ctx, s.at(person, client))
	scopes, _ := it["scopes"].(*types.AttributeValueMemberSS)
	if err != nil || scopes == nil {
		return "", err
	}
	slices.Sort(scopes.Value) // a set has no order
	return strings.Join(scopes.Value, " "), nil
}

// AddConsent implements [oidc.Consents].
func (s Consents) AddConsent(ctx context.Context, person, client string, scopes []string, e audit.Event) error {
	w := write{at: s.at(person, client), update: "SET #event = :event", event: &e}
	if len(scopes) > 0 { // DynamoDB has no empty sets, and refuses a member that is there twice
		w.update += " ADD #scopes :scopes"
		w.values = item{":scopes": &types.AttributeValueMemberSS{Value: slices.Compact(slices.Sorted(slices.Values(scopes)))}}
	}
	_, err := s.write(ctx, w)
	return err
}
