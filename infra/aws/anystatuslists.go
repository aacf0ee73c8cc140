package aws

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/yinxin/yinxin/infra/outbound"
	"github.com/yinxin/yinxin/shared/statuslist"
	"github.com/yinxin/yinxin/shared/verify"
)

// AnyStatusLists are the lists that this installation publishes, and those of other issuers by their address. The address
// comes from a credential that anybody may have signed, so it is fetched by the guarded client alone; what it answers is
// a token that the verifier judges as it judges the credential.
type AnyStatusLists struct {
	Own PublishedStatusLists
	Out *outbound.Client
}

var _ verify.StatusLists = AnyStatusLists{}

// StatusList implements [verify.StatusLists]. A list that cannot be had is unknown: the licence is then neither shown to
// be good nor to be bad.
func (s AnyStatusLists) StatusList(ctx context.Context, uri string) (string, error) {
	token, err := s.Own.StatusList(ctx, uri)
	if !errors.Is(err, verify.ErrUnknown) || strings.HasPrefix(uri, s.Own.Issuer+"/") {
		return token, err
	}
	d, err := s.Out.Get(ctx, uri, "application/"+statuslist.Type)
	if err != nil {
		slog.WarnContext(ctx, "status list not fetched", "error", err.Error())
		return "", verify.ErrUnknown
	}
	return strings.TrimSpace(string(d.Body)), nil
}
