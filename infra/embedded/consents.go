package embedded

import (
	"context"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/oidc"
)

// Consents keeps what people let clients have.
type Consents struct{ *DB }

var _ oidc.Consents = Consents{}

const bucketConsents = "consents" // person ‖ 0 ‖ client → scopes

// Consented implements [oidc.Consents].
func (s Consents) Consented(_ context.Context, person, client string) (scopes string, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		list, _, err := get[[]string](tx, bucketConsents, person+"\x00"+client)
		scopes = strings.Join(list, " ")
		return err
	})
	return scopes, err
}

// AddConsent implements [oidc.Consents].
func (s Consents) AddConsent(_ context.Context, person, client string, scopes []string, e audit.Event) error {
	return s.update(func(tx *bbolt.Tx) error {
		list, _, err := get[[]string](tx, bucketConsents, person+"\x00"+client)
		if err != nil {
			return err
		}
		for _, one := range scopes {
			if !slices.Contains(list, one) {
				list = append(list, one)
			}
		}
		if err := put(tx, bucketConsents, person+"\x00"+client, list); err != nil {
			return err
		}
		return tell(tx, image{table: TableSSO, pk: "consent#" + person, sk: client}, e)
	})
}
