// Package verifytest holds the contracts of the ports of shared/verify as tests. Every adapter runs them.
package verifytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/proof"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verify"
)

// ShowCodesHarness is an empty store of shown codes. Save stores a code of a licence and its holder.
type ShowCodesHarness struct {
	Codes  verify.ShowCodes
	Save   func(t *testing.T, code, licence, holder, presentation string, expires time.Time)
	Events audit.Reader
	Now    func() time.Time
}

// ShowCodes is the contract of [verify.ShowCodes].
func ShowCodes(t *testing.T, open func(t *testing.T) ShowCodesHarness) {
	ctx := context.Background()
	const code = "AAAAAAAAAAAAAAAAAAAAAA"
	event := func(h ShowCodesHarness, n int) audit.Event {
		return audit.Event{ID: fmt.Sprint("e", n), Time: h.Now(), Action: "licence.verify", Purpose: "示例", Outcome: audit.Done}
	}
	t.Run("of concurrent redemptions of one code one succeeds, with its event", func(t *testing.T) {
		h := open(t)
		h.Save(t, code, "l1", "worker", "eyJ~", h.Now().Add(time.Minute))
		errs := make([]error, 60)
		shown := make([]verify.Shown, len(errs))
		var wg sync.WaitGroup
		start := make(chan struct{})
		for n := range errs {
			wg.Go(func() {
				<-start
				shown[n], errs[n] = h.Codes.RedeemShowCode(ctx, code, event(h, n))
			})
		}
		close(start)
		wg.Wait()
		winners := 0
		for n, err := range errs {
			switch {
			case err == nil && shown[n].Presentation == "eyJ~":
				winners++
			case !errors.Is(err, verify.ErrCodeSpent) || shown[n].Presentation != "":
				t.Errorf("call %d: %+v, %v", n, shown[n], err)
			}
		}
		if winners != 1 {
			t.Errorf("%d of %d redemptions succeeded, want one", winners, len(errs))
		}
		events, err := h.Events.ByHolder(ctx, "worker", 100)
		if err != nil {
			t.Fatal(err)
		}
		looks := 0
		for _, e := range events {
			if e.Action == "licence.verify" && e.Object == "licence/l1" && e.Purpose == "示例" {
				looks++
			}
		}
		if looks != 1 {
			t.Errorf("the holder's ledger has %d looks, want one", looks)
		}
	})
	t.Run("a code that never was, or has expired, is ErrUnknown", func(t *testing.T) {
		h := open(t)
		h.Save(t, code, "l1", "worker", "eyJ~", h.Now().Add(-time.Second))
		for _, c := range []string{code, "BBBBBBBBBBBBBBBBBBBBBB", ""} {
			if _, err := h.Codes.RedeemShowCode(ctx, c, event(h, 0)); !errors.Is(err, verify.ErrUnknown) {
				t.Errorf("RedeemShowCode(%q) = %v, want ErrUnknown", c, err)
			}
		}
	})
}

// StatusLists is the contract of [verify.StatusLists]. open publishes a token and returns its address.
func StatusLists(t *testing.T, open func(t *testing.T, token string) (lists verify.StatusLists, uri string)) {
	ctx := context.Background()
	lists, uri := open(t, "eyJ.a.b")
	if token, err := lists.StatusList(ctx, uri); err != nil || token != "eyJ.a.b" {
		t.Errorf("StatusList(%q) = %q, %v", uri, token, err)
	}
	for _, other := range []string{uri + "x", "https://elsewhere.example/status-lists/1", "", "../" + uri, strings.ToUpper(uri)} {
		if token, err := lists.StatusList(ctx, other); !errors.Is(err, verify.ErrUnknown) || token != "" {
			t.Errorf("StatusList(%q) = %q, %v, want ErrUnknown", other, token, err)
		}
	}
}

// RegisteredLicence is a licence that open of [LicenceLookup] stores as issued, in force, of a type that masks names.
type RegisteredLicence struct {
	ID, Identifier, TypeCode, Subject, HolderName string
}

// LicenceLookup is the contract of [verify.LicenceLookup]. open stores the licence and a second one under the identifier
// draft that was never handed out.
func LicenceLookup(t *testing.T, open func(t *testing.T, l RegisteredLicence, draft string) verify.LicenceLookup) {
	ctx := context.Background()
	l := RegisteredLicence{ID: "l1", TypeCode: "11990000YX0000067R001", Subject: "worker", HolderName: "周八(示例)",
		Identifier: "1.2.156.3005.2.11990000YX0000067R001.11990000YX0000067R.1.001.0"}
	const draft = "1.2.156.3005.2.11990000YX0000067R001.11990000YX0000067R.2.001.0"
	lookup := open(t, l, draft)
	found, err := lookup.LookUpLicence(ctx, l.Identifier)
	if err != nil {
		t.Fatal(err)
	}
	f := found.Facts
	if found.ID != l.ID || found.Holder != l.Subject || found.HolderName != l.HolderName || f.Identifier != l.Identifier ||
		f.TypeCode != l.TypeCode || f.State != "01" {
		t.Errorf("LookUpLicence = %+v", found)
	}
	if found.Since.IsZero() {
		t.Error("LookUpLicence does not say since when the state stands: a look-up for another time could not be answered")
	}
	if strings.Contains(f.Holder, "八") || !strings.HasPrefix(f.Holder, "周") {
		t.Errorf("the holder is shown as %q, want masked", f.Holder)
	}
	for _, unknown := range []string{draft, l.Identifier + "0", ""} {
		if _, err := lookup.LookUpLicence(ctx, unknown); !errors.Is(err, verify.ErrUnknown) {
			t.Errorf("LookUpLicence(%q) = %v, want ErrUnknown", unknown, err)
		}
	}
}

// SealStatus is the contract of [verify.SealStatus]. open stores a seal under a code that was activated at from and
// suspended at to; digest is the SM3 of its SESeal.
func SealStatus(t *testing.T, open func(t *testing.T, code string, from, to time.Time) (status verify.SealStatus, digest [32]byte)) {
	ctx := context.Background()
	from := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 1, 0)
	status, digest := open(t, "99000000000001", from, to)
	for _, c := range []struct {
		at   time.Time
		want proof.SealFacts
	}{
		{from, proof.SealFacts{State: "active", Since: from, Digest: digest}},
		{to.Add(-time.Second), proof.SealFacts{State: "active", Since: from, Digest: digest}},
		{to, proof.SealFacts{State: "suspended", Since: to, Digest: digest}},
	} {
		got, err := status.SealStatus(ctx, "99000000000001", c.at)
		if err != nil || got.State != c.want.State || !got.Since.Equal(c.want.Since) || got.Digest != c.want.Digest {
			t.Errorf("at %v: %+v, %v, want %+v", c.at, got, err, c.want)
		}
	}
	if got, err := status.SealStatus(ctx, "99000000000001", from.Add(-time.Hour)); err != nil || got.State == "active" {
		t.Errorf("before it was activated: %+v, %v", got, err)
	}
	if _, err := status.SealStatus(ctx, "99000000000002", from); !errors.Is(err, verify.ErrUnknown) {
		t.Errorf("an unknown code: %v, want ErrUnknown", err)
	}
}

// Trust is the contract of [verify.Trust], which is also that of the port of the same name of the seal service. open
// returns it with the maker and the issuer, of one licence type, that it must name.
func Trust(t *testing.T, open func(t *testing.T) (source verify.Trust, maker, issuer, typeCode string, now time.Time)) {
	source, maker, issuer, typeCode, now := open(t)
	anchors, list, crls, err := source.Trust(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range trust.Purposes() {
		known := false
		for _, a := range anchors {
			known = known || a.Purpose == p
		}
		if !known {
			t.Errorf("there is no anchor for %s", p)
		}
	}
	if len(crls) == 0 {
		t.Error("there are no revocation lists")
	}
	for _, l := range crls {
		if l.ThisUpdate.After(now) || !l.NextUpdate.After(now) {
			t.Errorf("a list of %v to %v is not in force at %v", l.ThisUpdate, l.NextUpdate, now)
		}
	}
	if len(list.Makers) != 1 || list.Makers[0].USCC != maker {
		t.Errorf("makers %+v, want %s", list.Makers, maker)
	}
	if !list.MayIssue(issuer, typeCode, now) || list.MayIssue(maker, typeCode, now) {
		t.Errorf("issuers %+v, want %s for %s and nobody else", list.Issuers, issuer, typeCode)
	}
}
