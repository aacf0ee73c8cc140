package seal

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

// The refusals of certificates and periods.
var (
	ErrPeriod      = problem.New(http.StatusConflict, "seal_period", "The seal is outside its period of validity.")
	ErrCertificate = problem.New(http.StatusConflict, "seal_certificate", "A certificate of the seal is not good now.")
)

// judgementAge is how long a certificate that was found good is not judged again. A revocation takes effect after this
// time at the latest; that of the seal itself, which the register knows, at once.
const judgementAge = time.Minute

// judgements remembers certificates that were found good, and when.
type judgements struct {
	mu   sync.Mutex
	good map[[32]byte]time.Time
}

func (j *judgements) fresh(of [32]byte, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	at, ok := j.good[of]
	return ok && !now.Before(at) && now.Sub(at) < judgementAge
}

func (j *judgements) keep(of [32]byte, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.good == nil || len(j.good) > 10_000 {
		j.good = map[[32]byte]time.Time{}
	}
	j.good[of] = now
}

// checkCertificates judges the seal's certificates for stamping at a time: chain, validity, key usage, revocation (GM/T
// 0031-2014, section 6.2.2 a), and the period of the seal.
func (s *Stamper) checkCertificates(ctx context.Context, record Seal, at time.Time) error {
	b := record.Body
	if at.Before(b.ValidFrom) || at.After(b.ValidTo) {
		return ErrPeriod
	}
	if len(b.Chain) == 0 || len(b.CompatChain) == 0 {
		return fmt.Errorf("seal %s has no certificates", record.ID)
	}
	of := sha256.Sum256(append(append([]byte{}, b.Chain[0]...), b.CompatChain[0]...))
	if s.judged.fresh(of, at) {
		return nil
	}
	anchors, _, crls, err := s.ports.Trust.Trust(ctx)
	if err != nil {
		return fmt.Errorf("reading what is trusted: %w", err)
	}
	for purpose, chain := range map[trust.Purpose][][]byte{trust.SealOwner: b.Chain, trust.Document: b.CompatChain} {
		certificates, err := parseChain(chain)
		if err != nil {
			return fmt.Errorf("reading the certificates of seal %s: %w", record.ID, err)
		}
		r := anchors.Validate(trust.Request{Leaf: certificates[0], Others: certificates[1:], Purpose: purpose, At: at,
			Now: at, KeyUsage: cert.DigitalSignature | cert.NonRepudiation, CRLs: crls})
		if r.Overall() != verdict.Valid {
			return ErrCertificate.With(string(purpose) + ": " + strings.Join(r.Codes(), ", "))
		}
	}
	s.judged.keep(of, at)
	return nil
}

func parseChain(chain [][]byte) ([]*cert.Certificate, error) {
	list := make([]*cert.Certificate, len(chain))
	for i, der := range chain {
		var err error
		if list[i], err = cert.Parse(der); err != nil {
			return nil, err
		}
	}
	return list, nil
}
