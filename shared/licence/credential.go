package licence

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/access"
	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/sdjwt"
)

// CredentialPorts are the rights of licence-credential: it hands out what was issued and signs nothing.
type CredentialPorts struct {
	Access       access.Guard
	Records      Reader
	ByIdentifier IdentifierReader
	Artefacts    ArtefactReader
	Types        TypeReader
	Mandates     Mandates
	Audit        audit.Recorder
	Now          func() time.Time
	Rand         io.Reader
}

// CredentialRoutes are the routes of [Credential].
var CredentialRoutes = []string{
	"GET /licences/{id}",
}

// The media types of a licence. The first is the answer to a request that does not choose.
var mediaTypes = []struct {
	name   string
	format Format // of a face; empty: see licence
}{
	{"application/json", ""},
	{"application/" + sdjwt.Type, ""},
	{"application/pdf", PDF},
	{"application/ofd", OFD},
	{"image/png", PNG},
}

// The roles of people who act for an organisation that holds licences, and the scopes of reading.
const (
	RoleRead  = "licence.read"
	scopeShow = "licence.show"
)

// ErrNotAcceptable refuses an Accept header that names none of a licence's media types.
var ErrNotAcceptable = problem.New(http.StatusNotAcceptable, "not_acceptable",
	"A licence is application/json, application/dc+sd-jwt, application/pdf, application/ofd or image/png.")

// Credential serves a licence to its holder (scope licence.show; for an organisation a person with the mandate
// licence.read) and to the agency that issued it (scope and mandate licence.issue), as the media type that Accept asks
// for. To anybody else it does not exist. Each reading is in the holder's ledger.
func Credential(p CredentialPorts) http.Handler {
	return routes(CredentialRoutes, p.Access.Require("", p.read))
}

func (p CredentialPorts) read(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	ctx := r.Context()
	if !c.Has(scopeShow) && !c.Has(Role) {
		return access.InsufficientScope.With("needed: " + scopeShow + " or " + Role)
	}
	media, format, err := accept(r.Header.Values("Accept"))
	if err != nil {
		return err
	}
	l, err := find(ctx, p.Records, p.ByIdentifier, r.PathValue("id"))
	if err != nil {
		return err
	}
	basis, err := p.basis(ctx, l, c)
	if err != nil {
		return err
	}
	if media != "application/json" && !l.State().Issued() {
		return ErrState.With("the licence is " + string(l.State()))
	}
	if media != "application/json" && !l.Kept() {
		return ErrLost
	}
	body, err := p.body(ctx, l, media, format)
	if err != nil {
		return err
	}
	id, err := audit.NewID(p.Rand)
	if err != nil {
		return err
	}
	e := trace(c, l, "licence.read", basis.organisation, audit.Purpose{Text: basis.purpose}, p.Now().UTC(), id)
	if err := p.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("recording a reading: %w", err)
	}
	w.Header().Set("Vary", "Accept")
	if media == "application/json" {
		t, err := p.Types.LicenceType(ctx, l.TypeCode)
		if err != nil {
			return fmt.Errorf("reading the type of a licence: %w", err)
		}
		return problem.WriteJSON(w, http.StatusOK, show(l, t))
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // the client is gone if this fails
	return nil
}

// basis is why someone may read a licence.
type basis struct{ organisation, purpose string }

// basis tells why c may read l, or that there is no such licence for c.
func (p CredentialPorts) basis(ctx context.Context, l Licence, c access.Caller) (basis, error) {
	if c.Has(scopeShow) {
		ok, err := holds(ctx, p.Mandates, l, c)
		if err != nil {
			return basis{}, err
		}
		if ok && l.Holder.Type == ident.USCCType {
			return basis{l.Holder.Subject, "持证主体查看"}, nil
		} else if ok {
			return basis{"", "持证人本人查看"}, nil
		}
	}
	if c.Has(Role) && c.Person != "" {
		ok, err := p.Mandates.Mandated(ctx, c.Person, l.Issuer.USCC, Role)
		if err != nil {
			return basis{}, fmt.Errorf("reading the mandates: %w", err)
		}
		if ok {
			return basis{l.Issuer.USCC, "颁证机构查看"}, nil
		}
	}
	return basis{}, ErrLicence
}

// holds tells whether c is the holder of l, or acts for the organisation that is.
func holds(ctx context.Context, m Mandates, l Licence, c access.Caller) (bool, error) {
	if c.Person == "" {
		return false, nil
	}
	if l.Holder.Type != ident.USCCType {
		return l.Holder.Subject == c.Person, nil
	}
	ok, err := m.Mandated(ctx, c.Person, l.Holder.Subject, RoleRead)
	if err != nil {
		return false, fmt.Errorf("reading the mandates: %w", err)
	}
	return ok, nil
}

func (p CredentialPorts) body(ctx context.Context, l Licence, media string, format Format) ([]byte, error) {
	switch {
	case format != "":
		data, err := p.Artefacts.Artefact(ctx, l.Issue.Faces[format])
		if err != nil {
			return nil, fmt.Errorf("reading the %s face of licence %s: %w", format, l.ID, err)
		}
		return data, nil
	case media == "application/json":
		return nil, nil
	default:
		return []byte(l.Issue.Credential), nil
	}
}

// accept chooses the media type of highest quality that an Accept header lists (RFC 9110, section 12.5.1).
func accept(values []string) (string, Format, error) {
	if len(values) == 0 {
		return mediaTypes[0].name, "", nil
	}
	best, chosen := 0.0, -1
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			name, parameters, err := mime.ParseMediaType(item)
			if err != nil {
				continue
			}
			q := 1.0
			if text, ok := parameters["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil || q < 0 || q > 1 {
					continue
				}
			}
			for i, m := range mediaTypes {
				kind, _, _ := strings.Cut(m.name, "/")
				if q > best && (name == m.name || name == "*/*" || name == kind+"/*") {
					best, chosen = q, i
					break
				}
			}
		}
	}
	if chosen < 0 {
		return "", "", ErrNotAcceptable
	}
	return mediaTypes[chosen].name, mediaTypes[chosen].format, nil
}
