package seal

import (
	"context"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
)

// Place is where the middle of a seal goes: Page from 1, X and Y in millimetres from the top left corner of the page as
// it is shown.
type Place struct {
	Page int     `json:"page"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

// OrderState is how far an order has come.
type OrderState string

// The states of an order.
const (
	OrderBegun  OrderState = "begun"  // recorded; a signature may exist, and none has left
	OrderDone   OrderState = "done"   // signed, verified, and allowed to leave
	OrderFailed OrderState = "failed" // nothing left, nothing will
)

// Order is one use of a seal (用印). It is stored before the signature exists.
//
//	BeginOrder(begun, event Begun) ── sign ── verify ── FinishOrder(done, event Done) ── the document leaves
//
// A process that dies before FinishOrder leaves an order in state begun and an event Begun: a use that the trail shows
// and nobody has. A document that left without both events cannot be.
type Order struct {
	ID       string        `json:"id"`
	Seal     string        `json:"seal"`     // identifier
	Code     string        `json:"code"`     // 14 digits
	Format   string        `json:"format"`   // "pdf" or "ofd"
	Document string        `json:"document"` // digest of the document as it came, "sha256:…"
	Signed   string        `json:"signed"`   // digest of the exact bytes that are signed, "sm3:…" or "sha256:…"
	Place    Place         `json:"place"`
	Purpose  audit.Purpose `json:"purpose"`
	Person   string        `json:"person"`
	For      string        `json:"for"` // organisation acted for, the seal's owner
	Client   string        `json:"client"`
	At       time.Time     `json:"at"` // the time written into the signature
	State    OrderState    `json:"state"`
	Result   string        `json:"result,omitempty"`  // digest of the stamped document, "sha256:…"
	Reason   string        `json:"reason,omitempty"`  // code, where State is failed
	Request  string        `json:"request,omitempty"` // digest of the request, where it came under an Idempotency-Key
	// Reference is what the caller calls this use, such as the order of a licence's face; it need not be unique.
	Reference string `json:"reference,omitempty"`
	Restored  bool   `json:"restored,omitempty"` // rebuilt from the trail: what no event holds is empty
}

// Orders keeps the uses of seals.
type Orders interface {
	// BeginOrder stores a new order, in state begun, together with its event, durably before it returns. It returns
	// [ErrExists] where the identifier is taken.
	BeginOrder(ctx context.Context, o Order, e audit.Event) error
	// FinishOrder takes an order from begun to done, with the digest of the stamped document as result, or to failed,
	// with a code as reason, together with its event: of any number of concurrent calls for one order exactly one
	// succeeds, the others get [ErrChanged]. It returns [ErrUnknown] for an order that was never begun.
	FinishOrder(ctx context.Context, id string, state OrderState, resultOrReason string, e audit.Event) error
	// Order returns an order, or [ErrUnknown].
	Order(ctx context.Context, id string) (Order, error)
}
