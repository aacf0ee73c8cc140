package licence

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/sdjwt"
)

// ShowCode is what stands behind a code that a holder shows (亮证码): one presentation of one licence for one look.
type ShowCode struct {
	Hash         [32]byte  `json:"hash"` // SHA-256 of the code; the code itself is kept nowhere
	Licence      string    `json:"licence"`
	Holder       string    `json:"holder"` // in whose ledger the look appears
	Division     string    `json:"division"`
	Presentation string    `json:"presentation"` // SD-JWT with the disclosures that the type shows
	Minted       time.Time `json:"minted"`
	Expires      time.Time `json:"expires"`
}

// ShowCodes keeps codes until they are redeemed, which POST /verify does, once.
type ShowCodes interface {
	// SaveShowCode stores a new code together with its event, durably before it returns.
	SaveShowCode(ctx context.Context, c ShowCode, e audit.Event) error
}

// The bounds of a code's life.
const (
	minShow     = 60 * time.Second
	maxShow     = 120 * time.Second
	defaultShow = 90 * time.Second
)

// ShowPorts are the rights of licence-present for show codes.
type ShowPorts struct {
	Issuer       string // base URL of the platform
	Access       access.Guard
	Records      Reader
	ByIdentifier IdentifierReader
	Types        TypeReader
	Mandates     Mandates
	Codes        ShowCodes
	Now          func() time.Time
	Rand         io.Reader
}

// ShowRoutes are the routes of [Show].
var ShowRoutes = []string{
	"POST /show-codes",
}

// ErrSeconds refuses a life of a code outside of the bounds.
var ErrSeconds = problem.New(http.StatusBadRequest, "show_seconds", "A show code lives 60 to 120 seconds.")

// Show mints show codes for holders: 128 random bits that whoever scans them may redeem once within one or two minutes.
// The code discloses the claims that the type shows and nothing else. A licence that was suspended or revoked can be
// shown as well: who scans it learns that it is not valid.
func Show(p ShowPorts) http.Handler {
	return routes(ShowRoutes, p.Access.Require(scopeShow, p.mint))
}

// showCommand is the JSON body of POST /show-codes.
type showCommand struct {
	Licence string `json:"licence"`           // our identifier, or that of GB/T 36904
	Seconds int    `json:"seconds,omitempty"` // 60 to 120; 90
}

type showView struct {
	Code      string    `json:"code"`
	QR        string    `json:"qr"` // text of the QR code
	ExpiresAt time.Time `json:"expiresAt"`
	Discloses []string  `json:"discloses"`
}

func (p ShowPorts) mint(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	ctx := r.Context()
	in, _, err := problem.ReadJSON[showCommand](w, r)
	if err != nil {
		return err
	}
	life := defaultShow
	if in.Seconds != 0 {
		life = time.Duration(in.Seconds) * time.Second
	}
	if life < minShow || life > maxShow {
		return ErrSeconds
	}
	l, err := find(ctx, p.Records, p.ByIdentifier, in.Licence)
	if err != nil {
		return err
	}
	switch ok, err := holds(ctx, p.Mandates, l, c); {
	case err != nil:
		return err
	case !ok:
		return ErrLicence // nobody learns that another's licence exists
	case !l.State().Issued():
		return ErrState.With("the licence is " + string(l.State()))
	case !l.Kept():
		return ErrLost
	}
	t, err := p.Types.LicenceType(ctx, l.TypeCode)
	if err != nil {
		return fmt.Errorf("reading the type of a licence: %w", err)
	}
	parsed, err := sdjwt.Parse(l.Issue.Credential)
	if err != nil {
		return fmt.Errorf("reading the credential of licence %s: %w", l.ID, err)
	}
	eventID, err := audit.NewID(p.Rand)
	if err != nil {
		return err
	}
	code, err := drawCode(p.Rand)
	if err != nil {
		return err
	}
	at := p.Now().UTC()
	shown := append([]string{ClaimIdentifier}, t.Shown...)
	s := ShowCode{Hash: ShowCodeHash(code), Licence: l.ID, Holder: l.Holder.Subject, Division: l.Issuer.Division, Minted: at,
		Expires: at.Add(life), Presentation: parsed.Select(func(d sdjwt.Disclosure) bool { return slices.Contains(shown, d.Name) })}
	e := trace(c, l, "licence.show", "", audit.Purpose{Text: "持证人亮证"}, at, eventID)
	if err := p.Codes.SaveShowCode(ctx, s, e); err != nil {
		return fmt.Errorf("storing a show code: %w", err)
	}
	return problem.WriteJSON(w, http.StatusCreated, showView{code, ShowLink(p.Issuer, code), s.Expires, t.Shown})
}

func drawCode(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing a show code: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// ShowCodeHash is the name under which a code is kept.
func ShowCodeHash(code string) [32]byte { return sha256.Sum256([]byte(code)) }
