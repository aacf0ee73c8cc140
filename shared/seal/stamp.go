package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/trust"
)

// Trust is what certificates are judged by.
type Trust interface {
	// Trust returns the anchors, the trust list and the revocation lists that are in force now. What it returns is read
	// only and may be shared by callers.
	Trust(ctx context.Context) (trust.Anchors, trust.List, []*cert.CRL, error)
}

// StampPorts are the rights of seal-stamp: it alone opens the keys of seals.
type StampPorts struct {
	Access    access.Guard
	Records   Reader
	ByCode    CodeReader
	ByOwner   OwnerReader // for the faces of licences
	Directory Directory
	Mandates  Mandates
	Orders    Orders
	Jobs      Jobs // uses of seals that are done afterwards, over documents that were uploaded
	Uploads   Uploads
	Results   Results
	Audit     audit.Recorder // refusals
	Keys      key.Opener     // purposes Seal and SealCompat, owned by the seal's identifier
	Trust     Trust
	Fonts     *layout.Fonts
	Now       func() time.Time
	Rand      io.Reader
}

// StampRoutes are the routes of [Stamp].
var StampRoutes = []string{"POST /seals/{id}/stamps"}

// MaxDocument is the size of a document that is stamped in one call, in bytes.
const MaxDocument = 8 << 20

// Stamp serves the use of a seal (用章). The request is multipart/form-data of two parts, in any order:
//
//	document  the PDF or OFD; which of the two is told by its first bytes
//	order     JSON {"purpose":{"text","itemCode","caseNumber",…}, "place":{"page","x","y"}, "organisation"?}
//
// place is the middle of the seal, see [Place]; organisation is the seal's owner where it is left out. The answer is
// the stamped document under its media type, with the identifier of the order in the header Yinxin-Order.
//
// A document that is too large for one call is uploaded first (POST /documents) and named:
//
//	application/json  {"document": "<identifier>", "order": {…}} ── 202, Location: /jobs/{id}
//
// It takes an Idempotency-Key: of all requests under one key at most one stamps. Documents are not kept, so that a
// repeated request gets no second copy of the first answer: it is refused with how the order under the key stands. A
// job that is asked for again under its key is the same job.
//
// A PDF gets a compatibility signature (PAdES B-B, P-256) with the picture of the seal, and says so beside the picture
// and in the signature's reason: it is no electronic seal after GB/T 38540. An OFD gets an SES_Signature over every
// file of the package.
func Stamp(p StampPorts) http.Handler {
	s := NewStamper(p)
	mux := http.NewServeMux()
	mux.Handle(StampRoutes[0], p.Access.Require(use.Scope, s.serve))
	return mux
}

// Stamper stamps documents: for the endpoint, and in process for the faces of licences.
type Stamper struct {
	ports  StampPorts
	rights rights
	judged judgements
}

// NewStamper returns a Stamper over the ports.
func NewStamper(p StampPorts) *Stamper {
	return &Stamper{ports: p, rights: rights{p.Directory, p.Mandates}}
}

// stampCommand is the part order of a request.
type stampCommand struct {
	Organisation string        `json:"organisation,omitempty"`
	Purpose      audit.Purpose `json:"purpose"`
	Place        Place         `json:"place"`
	reference    string
	part         string // as it was read
	key, request string // digests of the Idempotency-Key and of the request under it, or ""
	order        string // its identifier, where it is not drawn
	mediaType    string // of the document, where it was said before
	// live refuses a caller who called before and is gone, where this is done afterwards.
	live func(ctx context.Context) error
	// keep stores the stamped document before the order is done, where somebody is to fetch it afterwards.
	keep func(ctx context.Context, o Order, stamped []byte) error
}

func (s *Stamper) serve(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && media == "application/json" {
		return s.submit(w, r, c)
	}
	ctx := r.Context()
	document, in, err := readStamp(w, r)
	if err != nil {
		return err
	}
	record, err := find(ctx, s.ports.Records, s.ports.ByCode, r.PathValue("id"))
	if err != nil {
		return err
	}
	if in.key, err = access.IdempotencyKey(r, c); err != nil {
		return err
	}
	if in.key != "" {
		in.request = access.Digest(record.ID, in.part, sha256Name(document))
	}
	if in.Organisation == "" {
		in.Organisation = record.Owner.USCC
	}
	stamped, order, err := s.stamp(ctx, record, use, c, in, document)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/"+order.Format)
	w.Header().Set("Yinxin-Order", order.ID)
	_, _ = w.Write(stamped) // the client is gone if this fails; the order is done all the same
	return nil
}

// readStamp reads the two parts of a request.
func readStamp(w http.ResponseWriter, r *http.Request) (document []byte, in stampCommand, err error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "multipart/form-data" {
		return nil, in, problem.Unsupported.With("send multipart/form-data with the parts document and order, " +
			"or application/json with a document that was uploaded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxDocument+problem.MaxJSON+4096)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, in, problem.BadRequest.With("the multipart body cannot be read")
	}
	seen := map[string]bool{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, in, problem.Unreadable(err)
		}
		name := part.FormName()
		if seen[name] || name != "document" && name != "order" {
			return nil, in, problem.BadRequest.With("the parts are document and order, once each")
		}
		seen[name] = true
		limit := int64(problem.MaxJSON)
		if name == "document" {
			limit = MaxDocument
		}
		data, err := io.ReadAll(io.LimitReader(part, limit+1))
		switch {
		case err != nil:
			return nil, in, problem.Unreadable(err)
		case int64(len(data)) > limit:
			return nil, in, problem.TooLarge.With("the part " + name)
		case name == "document":
			document = data
		default:
			if in, err = problem.DecodeJSON[stampCommand](data); err != nil {
				return nil, in, problem.BadRequest.With("the part order is not the JSON object that is expected")
			}
			in.part = string(data)
		}
	}
	if len(seen) < 2 {
		return nil, in, problem.BadRequest.With("the parts are document and order")
	}
	return document, in, in.Purpose.Check()
}

// FaceOrder asks for the seal of an issuing agency on the face of a licence. Who asks was authenticated by the licence
// service, which states it; the mandate is checked here again, for the role licence.issue.
type FaceOrder struct {
	Reference    string // the caller's name for this order
	Organisation string // the issuing agency
	Person       string // internal identifier
	Client       string
	Channel      string
	Purpose      audit.Purpose
	Place        Place
}

// ErrNoSeal is an agency without a seal in use.
var ErrNoSeal = problem.New(http.StatusConflict, "no_seal", "The organisation has no statutory seal in use.")

// StampFace stamps the face of a licence, a PDF or an OFD, with the agency's statutory seal. It is the same use of a
// seal, with the same order and events, as over HTTP; in AWS it is an invocation of the same function.
func (s *Stamper) StampFace(ctx context.Context, o FaceOrder, face []byte) (stamped []byte, err error) {
	if err := o.Purpose.Check(); err != nil {
		return nil, err
	}
	record, err := s.sealOf(ctx, o.Organisation)
	if err != nil {
		return nil, err
	}
	row := use
	row.Role = "licence.issue"
	c := access.Caller{Person: o.Person, Client: o.Client, Channel: o.Channel}
	stamped, _, err = s.stamp(ctx, record, row, c, stampCommand{Organisation: o.Organisation, Purpose: o.Purpose,
		Place: o.Place, reference: o.Reference}, face)
	return stamped, err
}

// sealOf returns the newest statutory seal in use of an organisation.
func (s *Stamper) sealOf(ctx context.Context, uscc string) (Seal, error) {
	ids, err := s.ports.ByOwner.SealsOf(ctx, uscc)
	if err != nil {
		return Seal{}, fmt.Errorf("finding the seals of an organisation: %w", err)
	}
	for i := len(ids) - 1; i >= 0; i-- {
		record, err := s.ports.Records.Seal(ctx, ids[i])
		if err != nil {
			return Seal{}, fmt.Errorf("reading a seal: %w", err)
		}
		if record.State() == Active && record.Kind == Statutory {
			return record, nil
		}
	}
	return Seal{}, ErrNoSeal
}

// prepared is a document that lacks one signature. Nothing was signed yet.
type prepared struct {
	format string
	signed string // digest of the exact bytes to be signed, with its algorithm
	// finish signs, puts the signature in and runs our own verifier over the result.
	finish func(ctx context.Context, keys key.Opener) ([]byte, error)
}

// stamp is one use of a seal, in the order of GM/T 0031-2014, section 6.2.2: rights, certificate, seal, document,
// order, signature. After BeginOrder the order ends as done or failed; if the process dies between, it stays begun, and
// the stamped document, if there is one, was seen by nobody.
func (s *Stamper) stamp(ctx context.Context, record Seal, row Transition, c access.Caller, in stampCommand,
	document []byte) ([]byte, Order, error) {
	ids, err := newIDs(s.ports.Rand, 2)
	if err != nil {
		return nil, Order{}, err
	}
	if in.key != "" {
		ids[1] = in.key[:32] // so that beginning the order keeps the key
		if err := s.again(ctx, ids[1], in.request); !errors.Is(err, ErrUnknown) {
			return nil, Order{}, err
		}
	}
	if in.order != "" {
		ids[1] = in.order
	}
	at := s.ports.Now().UTC().Truncate(time.Second)
	e := trace(c, record, row.Verb, in.Organisation, in.Purpose, at, ids[0])
	e.Digest = sha256Name(document)
	p, err := s.prepare(ctx, record, row, c, in, document, at)
	if err != nil {
		return nil, Order{}, audit.Refuse(ctx, s.ports.Audit, e, err)
	}
	order := Order{ID: ids[1], Seal: record.ID, Code: record.Code, Format: p.format, Document: e.Digest, Signed: p.signed,
		Place: in.Place, Purpose: in.Purpose, Person: c.Person, For: in.Organisation, Client: c.Client, At: at,
		State: OrderBegun, Reference: in.reference, Request: in.request}
	e.Outcome, e.Binds = audit.Begun, "order/"+order.ID
	if err := s.ports.Orders.BeginOrder(ctx, order, e); err != nil {
		if errors.Is(err, ErrExists) && in.key != "" {
			err = s.again(ctx, order.ID, in.request)
		}
		return nil, Order{}, fmt.Errorf("recording an order: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // a client that hangs up does not leave the order open
	stamped, err := s.finish(ctx, p, record, at)
	if err == nil && in.keep != nil {
		err = in.keep(ctx, order, stamped)
	}
	e.ID, e.Time = endOf(e.ID), s.ports.Now().UTC()
	if err != nil {
		return nil, Order{}, errors.Join(err, s.fail(ctx, order, e, err))
	}
	e.Outcome, e.Digest = audit.Done, sha256Name(stamped)
	if err := s.ports.Orders.FinishOrder(ctx, order.ID, OrderDone, e.Digest, e); err != nil {
		return nil, Order{}, fmt.Errorf("completing order %s: %w", order.ID, err)
	}
	order.State, order.Result = OrderDone, e.Digest
	return stamped, order, nil
}

// The refusals of a request that is repeated under its Idempotency-Key.
var (
	ErrOrderOpen = problem.New(http.StatusConflict, "order_open",
		"An order under this Idempotency-Key was begun and has not ended.")
	ErrOrderDone = problem.New(http.StatusConflict, "order_done",
		"The order under this Idempotency-Key was done; the stamped document is not kept.")
	ErrOrderFailed = problem.New(http.StatusConflict, "order_failed",
		"The order under this Idempotency-Key failed; nothing was handed out.")
)

// again refuses a request under the key of an earlier one. It returns [ErrUnknown] where there is none.
func (s *Stamper) again(ctx context.Context, id, request string) error {
	first, err := s.ports.Orders.Order(ctx, id)
	if err != nil {
		return fmt.Errorf("reading the order of an Idempotency-Key: %w", err)
	}
	if first.Request != request && !first.Restored { // the trail has no digest of the request
		return access.ErrKeyReused
	}
	switch first.State {
	case OrderDone:
		return ErrOrderDone.With("order " + first.ID + ", " + first.Result)
	case OrderFailed:
		return ErrOrderFailed.With("order " + first.ID + ", " + first.Reason)
	default:
		return ErrOrderOpen.With("order " + first.ID)
	}
}

// prepare runs everything that can be refused.
func (s *Stamper) prepare(ctx context.Context, record Seal, row Transition, c access.Caller, in stampCommand,
	document []byte, at time.Time) (prepared, error) {
	if in.live != nil {
		if err := in.live(ctx); err != nil {
			return prepared{}, err
		}
	}
	if err := s.rights.check(ctx, row, record, c, in.Organisation); err != nil {
		return prepared{}, err
	}
	if record.Body == nil {
		return prepared{}, fmt.Errorf("seal %s is in use and was never made", record.ID)
	}
	if err := s.checkCertificates(ctx, record, at); err != nil {
		return prepared{}, err
	}
	media := mediaTypeOf(document)
	switch {
	case media == "":
		return prepared{}, problem.Unsupported.With("the document is neither PDF nor OFD")
	case in.mediaType != "" && in.mediaType != media:
		return prepared{}, problem.Unsupported.With("the document is no " + in.mediaType)
	case media == mediaPDF:
		return preparePDF(s.ports.Fonts, record, in, document, at)
	}
	return prepareOFD(record, in, document, at)
}

const mediaPDF, mediaOFD = "application/pdf", "application/ofd"

// mediaTypeOf tells which of the two a document is, by its first bytes: "" for neither.
func mediaTypeOf(document []byte) string {
	switch {
	case bytes.HasPrefix(document, []byte("%PDF-")):
		return mediaPDF
	case bytes.HasPrefix(document, []byte("PK")):
		return mediaOFD
	}
	return ""
}

// finish makes the signature. The seal is read again afterwards: a suspension that came before the time in the
// signature and that the first reading missed still stops the document.
func (s *Stamper) finish(ctx context.Context, p prepared, record Seal, at time.Time) ([]byte, error) {
	stamped, err := p.finish(ctx, s.ports.Keys)
	if err != nil {
		return nil, err
	}
	now, err := s.ports.Records.Seal(ctx, record.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the seal again: %w", err)
	}
	switch state, _ := now.StateAt(at); state {
	case Active:
		return stamped, nil
	case Suspended:
		return nil, ErrSuspended
	default:
		return nil, ErrRevoked
	}
}

// fail ends an order that will never be done.
func (s *Stamper) fail(ctx context.Context, order Order, e audit.Event, cause error) error {
	e.Outcome, e.Reason = audit.Failed, "internal"
	var p *problem.Problem
	if errors.As(cause, &p) {
		e.Reason = p.Code
	}
	if err := s.ports.Orders.FinishOrder(ctx, order.ID, OrderFailed, e.Reason, e); err != nil {
		return fmt.Errorf("ending order %s: %w", order.ID, err)
	}
	return nil
}

func sha256Name(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
