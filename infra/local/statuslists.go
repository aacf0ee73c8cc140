package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/infra/outbound"
	"github.com/yinxin/yinxin/shared/statuslist"
	"github.com/yinxin/yinxin/shared/verify"
)

// statusLists are the lists that this installation publishes, and those of other issuers by their address. The address
// comes from a credential that anybody may have signed, so it is fetched by the guarded client alone; what it answers
// is a token that the verifier judges as it judges the credential.
type statusLists struct {
	own embedded.PublishedStatusLists
	out *outbound.Client
	log *slog.Logger
}

var _ verify.StatusLists = statusLists{}

// statusListLimits bound what a foreign list may cost: a list of a million two-bit statuses fits.
func statusListLimits(hosts []string) outbound.Options {
	return outbound.Options{Hosts: hosts, Timeout: 5 * time.Second, MaxBytes: 1 << 20}
}

// StatusList implements [verify.StatusLists]. A list that cannot be had is unknown: the licence is then neither shown
// to be good nor to be bad.
func (s statusLists) StatusList(ctx context.Context, uri string) (string, error) {
	token, err := s.own.StatusList(ctx, uri)
	if !errors.Is(err, verify.ErrUnknown) || strings.HasPrefix(uri, s.own.Issuer+"/") {
		return token, err
	}
	d, err := s.out.Get(ctx, uri, "application/"+statuslist.Type)
	if err != nil {
		s.log.WarnContext(ctx, "status list not fetched", "error", err.Error())
		return "", verify.ErrUnknown
	}
	return strings.TrimSpace(string(d.Body)), nil
}
