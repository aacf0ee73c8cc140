package seal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/ses"
	"github.com/yinxin/yinxin/shared/sm"
)

// CertifyingTime is how much later than it was asked an authority may let a certificate begin: authorities write the
// time at which they sign. The seal begins no earlier than its certificates.
const CertifyingTime = 10 * time.Minute

// VendorID is Vid in the header of the seals made here.
const VendorID = "Yinxin"

// Certifier is the certificate authority of seals (电子认证服务机构): requests out, certificates in.
type Certifier interface {
	// CertifySeal certifies the key of a request (CSR, DER) whose subject is [cert.SealOwner] until at least to and
	// from a moment that is at most [CertifyingTime] after from, and returns the certificate and its issuers up to the
	// root, which is left out; DER, the signer's first. It certifies SM2 and P-256 keys, each under a root of its own
	// kind. Asked twice it may answer with two certificates of one key.
	CertifySeal(ctx context.Context, csr []byte, from, to time.Time) (chain [][]byte, err error)
	// MakerCertificate returns the DER certificate of the key (purpose key.SealMaker) with which a making unit signs
	// seals, or [ErrUnknown] where it has none.
	MakerCertificate(ctx context.Context, maker string) ([]byte, error)
}

// MakePorts are the rights of seal-make: it makes the keys of seals and signs with those of makers.
type MakePorts struct {
	Access    access.Guard
	Records   Replacer
	ByCode    CodeReader
	Directory Directory
	Mandates  Mandates
	Audit     audit.Recorder // the beginning of a making, and refusals
	NewKeys   cert.Requester // keys of the purposes Seal and SealCompat, owned by the seal's identifier
	MakerKeys key.Opener     // keys of the purpose SealMaker, owned by the maker's code
	Certifier Certifier
	Fonts     *layout.Fonts
	Now       func() time.Time
	Rand      io.Reader
}

// MakeRoutes are the routes of [Make].
var MakeRoutes = []string{"POST /seals/{id}/make"}

// Make serves the making of a seal (制章), GB/T 38540-2020, section 6:
//
//	keys → certificates → picture → eSealInfo, read back → event Begun → maker's signature → SESeal verified → made
//
// If it stops anywhere before the last step the seal is still approved and is made anew, by whichever process: the keys
// are found again with their requests, which they signed when they were made (see [cert.Requester]), the certificates
// are issued again, and the trail holds a Begun without a Done. A seal whose record says made is complete.
func Make(p MakePorts) http.Handler {
	m := maker{MakePorts: p, rights: rights{p.Directory, p.Mandates}}
	t, _ := transition(VerbMake)
	mux := http.NewServeMux()
	serve := func(w http.ResponseWriter, r *http.Request, c access.Caller) error { return m.serve(w, r, c, t) }
	mux.Handle(MakeRoutes[0], p.Access.Require(t.Scope, serve))
	return mux
}

type maker struct {
	MakePorts
	rights rights
}

func (m maker) serve(w http.ResponseWriter, r *http.Request, c access.Caller, t Transition) error {
	ctx := r.Context()
	in, _, err := problem.ReadJSON[command](w, r)
	if err != nil {
		return err
	}
	if err := in.Purpose.Check(); err != nil {
		return err
	}
	s, err := find(ctx, m.Records, m.ByCode, r.PathValue("id"))
	if err != nil {
		return err
	}
	eventID, err := audit.NewID(m.Rand)
	if err != nil {
		return err
	}
	at := m.Now().UTC().Truncate(time.Second)
	e := trace(c, s, t.Verb, in.Organisation, in.Purpose, at, eventID)
	if err := m.rights.check(ctx, t, s, c, in.Organisation); err != nil {
		return audit.Refuse(ctx, m.Audit, e, err)
	}
	body, err := m.make(ctx, s, in.Organisation, at, e)
	if err != nil {
		return err
	}
	s = t.apply(s, change(c, in, m.Now().UTC()))
	s.Body = body
	e.ID, e.Time, e.Digest = endOf(e.ID), m.Now().UTC(), "sm3:"+hexSM3(body.ESL)
	if err := replace(ctx, m.Records, s, e); err != nil {
		return err
	}
	return problem.WriteJSON(w, http.StatusOK, show(s))
}

// ErrMaker is a maker that cannot make.
var ErrMaker = problem.New(http.StatusConflict, "maker_uncertified", "The making unit has no certificate for its work.")

// make makes the body of s. The event begun is recorded before the maker's key is used.
func (m maker) make(ctx context.Context, s Seal, makerCode string, at time.Time, begun audit.Event) (*Body, error) {
	makerCert, err := m.Certifier.MakerCertificate(ctx, makerCode)
	if errors.Is(err, ErrUnknown) {
		return nil, ErrMaker
	}
	if err != nil {
		return nil, fmt.Errorf("finding the maker's certificate: %w", err)
	}
	body := &Body{Diameter: Diameter, ValidFrom: at, ValidTo: at.AddDate(s.Years, 0, 0)}
	if body.Chain, err = m.certify(ctx, s, key.Seal, key.SM2SM3, body); err != nil {
		return nil, err
	}
	if body.CompatChain, err = m.certify(ctx, s, key.SealCompat, key.ES256, body); err != nil {
		return nil, err
	}
	picture, err := s.picturePNG(m.Fonts)
	if err != nil {
		return nil, err
	}
	prepared, err := ses.PrepareSeal(ses.SealInfo{
		ID: s.Code, VendorID: VendorID, Type: typeNumber[s.Kind], Name: s.fullName(), CertListType: ses.Certificates,
		Certificates: body.Chain[:1], CreatedAt: at, ValidFrom: body.ValidFrom, ValidTo: body.ValidTo,
		Picture: ses.Picture{Type: "PNG", Data: picture, Width: Diameter, Height: Diameter},
	}, makerCert)
	if err != nil {
		return nil, fmt.Errorf("making seal %s: %w", s.ID, err)
	}
	begun.Outcome, begun.Digest = audit.Begun, "sm3:"+hexSM3(prepared.ToBeSigned())
	if err := m.Audit.Record(ctx, begun); err != nil {
		return nil, fmt.Errorf("recording the making of a seal: %w", err)
	}
	signer, err := m.MakerKeys.OpenKey(ctx, key.SealMaker, makerCode)
	if err != nil {
		return nil, fmt.Errorf("opening the maker's key: %w", err)
	}
	signature, err := key.Sign(ctx, signer, prepared.ToBeSigned())
	if err != nil {
		return nil, fmt.Errorf("signing seal %s: %w", s.ID, err)
	}
	if body.ESL, err = prepared.Assemble(signature); err != nil {
		return nil, fmt.Errorf("making seal %s: %w", s.ID, err)
	}
	return body, checkMade(body.ESL, body.Chain[0])
}

// certify makes, or finds, a key of s and has it certified. It lets body begin no earlier than the certificate.
func (m maker) certify(ctx context.Context, s Seal, p key.Purpose, alg key.Algorithm, body *Body) ([][]byte, error) {
	subject, err := cert.SealOwner(s.Code, s.Owner.USCC, s.Owner.Name)
	if err != nil {
		return nil, fmt.Errorf("naming the owner of seal %s: %w", s.ID, err)
	}
	csr, err := m.NewKeys.RequestKey(ctx, p, s.ID, alg, subject)
	if err != nil {
		return nil, fmt.Errorf("making the %s key of seal %s: %w", p, s.ID, err)
	}
	chain, err := m.Certifier.CertifySeal(ctx, csr, body.ValidFrom, body.ValidTo)
	if err != nil {
		return nil, fmt.Errorf("certifying seal %s: %w", s.ID, err)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("certifying seal %s: no certificate came back", s.ID)
	}
	leaf, err := cert.Parse(chain[0])
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of seal %s: %w", s.ID, err)
	}
	request, err := cert.ParseCSR(csr)
	if err != nil {
		return nil, fmt.Errorf("reading the request of seal %s: %w", s.ID, err)
	}
	from := body.ValidFrom
	if leaf.NotBefore.After(from) {
		from = leaf.NotBefore
	}
	if string(leaf.SPKI) != string(request.SPKI) || from.Sub(body.ValidFrom) > CertifyingTime || !leaf.ValidAt(from) ||
		!leaf.ValidAt(body.ValidTo) {
		return nil, fmt.Errorf("certifying seal %s: the certificate is for another key or period", s.ID)
	}
	body.ValidFrom = from
	return chain, nil
}

// checkMade runs our own reader and verifier over a finished seal.
func checkMade(esl, signerCert []byte) error {
	s, err := ses.ParseSeal(esl)
	if err != nil {
		return fmt.Errorf("checking the seal that was made: %w", err)
	}
	pub, err := s.MakerKey()
	if err != nil {
		return fmt.Errorf("checking the seal that was made: %w", err)
	}
	if err := s.VerifyMaker(pub); err != nil {
		return fmt.Errorf("checking the seal that was made: %w", err)
	}
	if !s.Lists(signerCert) {
		return fmt.Errorf("checking the seal that was made: %w", ses.ErrNotListed)
	}
	return nil
}

// fullName is the name of a seal as its property has it: the owner's, and for a business seal its line.
func (s Seal) fullName() string { return s.Name + s.Line }

func hexSM3(data []byte) string {
	sum := sm.Sum3(data)
	return hex.EncodeToString(sum[:])
}
