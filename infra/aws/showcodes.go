package aws

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/verify"
)

// ShowCodes keeps the codes that holders show. The code itself is not in the table: an item is found by its digest.
type ShowCodes struct{ *DB }

var (
	_ licence.ShowCodes = ShowCodes{}
	_ verify.ShowCodes  = ShowCodes{}
)

func (s ShowCodes) at(hash [32]byte) at {
	return at{s.tables.Licences, "show#" + hex.EncodeToString(hash[:]), noSort}
}

// SaveShowCode implements [licence.ShowCodes].
func (s ShowCodes) SaveShowCode(ctx context.Context, c licence.ShowCode, e audit.Event) error {
	body, err := encode(c)
	if err != nil {
		return err
	}
	put := item{"body": body, "until": moment(c.Expires), "ttl": tidy(c.Expires), "object": text("licence/" + c.Licence),
		"holder": text(c.Holder), "division": text(c.Division), "minted": moment(c.Minted)}
	out, err := s.write(ctx, write{at: s.at(c.Hash), put: put, condition: absent, event: &e})
	if err == nil && !out.held {
		err = errors.New("saving a show code: it exists")
	}
	return err
}

// RedeemShowCode implements [verify.ShowCodes]. A code that was spent stays spent after it has expired, until the item
// is removed.
func (s ShowCodes) RedeemShowCode(ctx context.Context, code string, e audit.Event) (verify.Shown, error) {
	now := s.Now()
	w := write{
		at: s.at(licence.ShowCodeHash(code)),
		update: "SET #spent = :now, #event = :event, #eventObject = #object, #eventHolder = #holder, " +
			"#eventDivision = #division",
		condition: "attribute_exists(#pk) AND attribute_not_exists(#spent) AND #until > :now",
		values:    item{":now": moment(now)}, event: &e,
	}
	if !s.Epoch.IsZero() {
		w.condition += " AND #minted >= :epoch"
		w.values[":epoch"] = moment(s.Epoch)
	}
	out, err := s.write(ctx, w)
	if err != nil {
		return verify.Shown{}, err
	}
	switch {
	case !out.held && out.item["spent"] != nil:
		return verify.Shown{}, verify.ErrCodeSpent
	case !out.held:
		return verify.Shown{}, verify.ErrUnknown
	}
	c, err := decode[licence.ShowCode](out.item)
	return verify.Shown{Presentation: c.Presentation}, err
}
