package licence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// SharePorts are the rights of licence-share.
type SharePorts struct {
	Access   access.Guard
	Records  Reader
	ByHolder HolderReader
	Types    TypeReader
	Mandates Mandates
	Budgets  access.Budgets // of look-ups; nil: as many as anybody likes
	Audit    audit.Recorder // every look-up, also a refused one
	Now      func() time.Time
	Rand     io.Reader
}

// ShareRoutes are the routes of [Share].
var ShareRoutes = []string{
	"POST /share/licences/query",
}

const scopeShare = "licence.share"

// ErrItem refuses a matter that may not look up licences of a type.
var ErrItem = problem.New(http.StatusForbidden, "item_not_allowed", "This item (事项) may not look up licences of this type.")

// Share serves look-ups of licences for a matter (用证): a person looks up licences of an organisation by the mandate
// licence.read, or their own. Purpose, item code and case number are mandatory: a look-up without them is refused by
// name and recorded as refused. Each licence that is returned is one entry in its holder's ledger, written before the
// answer; a look-up that finds none is one as well.
func Share(p SharePorts) http.Handler {
	return routes(ShareRoutes, p.Access.Require(scopeShare, p.query))
}

// shareCommand is the JSON body of POST /share/licences/query.
type shareCommand struct {
	Organisation string        `json:"organisation,omitempty"` // the holder that the person acts for; empty: the person
	Type         string        `json:"type"`                   // 证照类型代码
	Purpose      audit.Purpose `json:"purpose"`
}

type shareView struct {
	Licences []sharedLicence `json:"licences"`
}

type sharedLicence struct {
	view
	Basis      string `json:"basis"`      // "holder" or "delegate"
	Credential string `json:"credential"` // SD-JWT VC with every disclosure, to verify and to keep
}

func (p SharePorts) query(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	ctx := r.Context()
	in, _, err := problem.ReadJSON[shareCommand](w, r)
	if err != nil {
		return err
	}
	at := p.Now().UTC()
	if err := access.SpendLookUp(w, r, p.Budgets, c, at); err != nil {
		return err
	}
	refusedID, err := audit.NewID(p.Rand)
	if err != nil {
		return err
	}
	subject, basis := c.Person, "holder"
	if in.Organisation != "" {
		subject, basis = in.Organisation, "delegate"
	}
	asked := Licence{Holder: Holder{Subject: subject}}
	e := trace(c, asked, "licence.read", in.Organisation, in.Purpose, at, refusedID)
	e.Object = "licence-type/" + in.Type
	t, err := p.allow(ctx, in, c)
	if err != nil {
		if !errors.Is(err, ErrNotMandated) && !errors.Is(err, ErrNoPerson) {
			return audit.Refuse(ctx, p.Audit, e, err)
		}
		e.Holder = "" // a stranger's attempt is the supervisors' matter; who is named here may not exist
		return audit.Refuse(ctx, p.Audit, e, err)
	}
	found, err := p.find(ctx, subject, t)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		if err := p.Audit.Record(ctx, e); err != nil {
			return fmt.Errorf("recording a look-up: %w", err)
		}
	}
	out := shareView{Licences: []sharedLicence{}}
	for _, l := range found {
		id, err := audit.NewID(p.Rand)
		if err != nil {
			return err
		}
		if err := p.Audit.Record(ctx, trace(c, l, "licence.read", in.Organisation, in.Purpose, at, id)); err != nil {
			return fmt.Errorf("recording a look-up: %w", err)
		}
		out.Licences = append(out.Licences, sharedLicence{show(l, t), basis, l.Issue.Credential})
	}
	return problem.WriteJSON(w, http.StatusOK, out)
}

// allow runs the rules of a look-up in the order in which a caller can mend them.
func (p SharePorts) allow(ctx context.Context, in shareCommand, c access.Caller) (Definition, error) {
	if c.Person == "" {
		return Definition{}, ErrNoPerson
	}
	if err := in.Purpose.Check(); err != nil {
		return Definition{}, err
	}
	switch {
	case strings.TrimSpace(in.Purpose.ItemCode) == "":
		return Definition{}, ErrItemCode
	case strings.TrimSpace(in.Purpose.CaseNumber) == "":
		return Definition{}, ErrCaseNumber
	}
	t, err := p.Types.LicenceType(ctx, in.Type)
	if errors.Is(err, ErrUnknown) {
		return Definition{}, ErrTypeUnknown
	}
	if err != nil {
		return Definition{}, fmt.Errorf("reading a licence type: %w", err)
	}
	if len(t.Items) > 0 && !slices.Contains(t.Items, in.Purpose.ItemCode) {
		return Definition{}, ErrItem
	}
	if in.Organisation == "" {
		return t, nil
	}
	return t, mandated(ctx, p.Mandates, c, in.Organisation, RoleRead)
}

// find returns the issued licences of a subject and a type, also those suspended or revoked: their state is said.
func (p SharePorts) find(ctx context.Context, subject string, t Definition) ([]Licence, error) {
	ids, err := p.ByHolder.LicencesOf(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("finding the licences of a holder: %w", err)
	}
	var found []Licence
	for _, id := range ids {
		l, err := p.Records.Licence(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("reading a licence: %w", err)
		}
		if l.TypeCode == t.Code && l.Holder.Subject == subject && l.Kept() {
			found = append(found, l)
		}
	}
	return found, nil
}
