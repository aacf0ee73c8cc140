package licence

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/jose"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/problem"
	"github.com/yinxin/yinxin/shared/statuslist"
	"github.com/yinxin/yinxin/shared/verdict"
)

// TypePorts are the rights of licence-type: it reads what is public and opens no key.
type TypePorts struct {
	Issuer       string // base URL of the platform
	Types        Types
	Agencies     Agencies
	Certificates IssuerCertificates
	Lists        StatusListReader
}

// TypeRoutes are the routes of [Type].
var TypeRoutes = []string{
	"GET /licence-types",
	"GET /licence-types/{code}",
	"GET /issuers/{uscc}",
	"GET /.well-known/jwt-vc-issuer/issuers/{uscc}",
	"GET /status-lists",
	"GET /status-lists/{n}",
}

// Type serves what anybody may read: the licence types and their SD-JWT VC Type Metadata, the agencies that issue,
// the keys of each (JWT VC Issuer Metadata), and the status lists. Nobody is asked who is reading (ARF VCR_16), and any
// web page may.
func Type(p TypePorts) http.Handler {
	return routes(TypeRoutes,
		public(p.types), public(p.metadata), public(p.issuer), public(p.keys), public(p.lists), public(p.list))
}

// public makes a handler whose answers any origin may read and caches may keep for a minute.
func public(h problem.HandlerFunc) http.Handler {
	return problem.Handler(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cache-Control", "public, max-age=60")
		return h(w, r)
	})
}

type typeList struct {
	Types []typeView `json:"types"`
}

type typeView struct {
	Code      string       `json:"typeCode"`
	VCT       string       `json:"vct"`
	Integrity string       `json:"vct#integrity"`
	Name      verdict.Text `json:"name"`
	Authority Authority    `json:"authority"`
	Issuers   []string     `json:"issuers"`
	Holder    string       `json:"holderType"`
	Fields    []Field      `json:"fields"`
	Selective []string     `json:"selective"`
	Metadata  string       `json:"metadata"` // address of the type metadata
}

func (p TypePorts) types(w http.ResponseWriter, r *http.Request) error {
	types, err := p.Types.LicenceTypes(r.Context())
	if err != nil {
		return fmt.Errorf("reading the licence types: %w", err)
	}
	out := typeList{Types: []typeView{}}
	for _, t := range types {
		integrity, err := t.integrity()
		if err != nil {
			return err
		}
		out.Types = append(out.Types, typeView{t.Code, t.VCT(), integrity, t.Name, t.Authority, t.Issuers, string(t.Holder),
			t.Fields, t.Selective, p.Issuer + "/licence-types/" + t.Code})
	}
	return problem.WriteJSON(w, http.StatusOK, out)
}

func (p TypePorts) metadata(w http.ResponseWriter, r *http.Request) error {
	t, err := p.Types.LicenceType(r.Context(), r.PathValue("code"))
	if errors.Is(err, ErrUnknown) {
		return problem.NotFound
	}
	if err != nil {
		return fmt.Errorf("reading a licence type: %w", err)
	}
	m, err := t.Metadata()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(m) // exactly the bytes that vct#integrity is over
	return nil
}

// issuerAddress is the iss of an agency's licences.
func issuerAddress(base, uscc string) string { return base + "/issuers/" + uscc }

type issuerView struct {
	Issuer       string   `json:"issuer"`
	USCC         string   `json:"uscc"`
	Name         string   `json:"name"`
	Division     string   `json:"division"`
	Types        []string `json:"types"`
	Certificates [][]byte `json:"certificates"` // DER, the agency's first
	JWKS         jose.Set `json:"jwks"`
}

// issuerMetadata is the JWT VC Issuer Metadata of draft-ietf-oauth-sd-jwt-vc.
type issuerMetadata struct {
	Issuer string   `json:"issuer"`
	JWKS   jose.Set `json:"jwks"`
}

func (p TypePorts) issuer(w http.ResponseWriter, r *http.Request) error {
	uscc := r.PathValue("uscc")
	chain, set, err := p.published(r.Context(), uscc)
	if err != nil {
		return err
	}
	a, err := p.Agencies.Agency(r.Context(), uscc)
	if err != nil {
		return fmt.Errorf("reading an agency: %w", err)
	}
	types, err := p.Types.LicenceTypes(r.Context())
	if err != nil {
		return fmt.Errorf("reading the licence types: %w", err)
	}
	v := issuerView{Issuer: issuerAddress(p.Issuer, uscc), USCC: a.USCC, Name: a.Name, Division: a.Division, Types: []string{},
		Certificates: chain, JWKS: set}
	for _, t := range types {
		if t.issuedBy(uscc) {
			v.Types = append(v.Types, t.Code)
		}
	}
	return problem.WriteJSON(w, http.StatusOK, v)
}

func (p TypePorts) keys(w http.ResponseWriter, r *http.Request) error {
	uscc := r.PathValue("uscc")
	_, set, err := p.published(r.Context(), uscc)
	if err != nil {
		return err
	}
	return problem.WriteJSON(w, http.StatusOK, issuerMetadata{issuerAddress(p.Issuer, uscc), set})
}

// published returns the chain and the key of an agency.
func (p TypePorts) published(ctx context.Context, uscc string) ([][]byte, jose.Set, error) {
	chain, err := p.Certificates.IssuerChain(ctx, key.LicenceIssuer, uscc)
	if errors.Is(err, ErrUnknown) {
		return nil, jose.Set{}, problem.NotFound
	}
	if err != nil {
		return nil, jose.Set{}, fmt.Errorf("reading the certificate of an agency: %w", err)
	}
	leaf, err := cert.Parse(chain[0])
	if err != nil {
		return nil, jose.Set{}, fmt.Errorf("reading the certificate of an agency: %w", err)
	}
	kid, err := jose.Thumbprint(leaf.PublicKey)
	if err != nil {
		return nil, jose.Set{}, err
	}
	return chain, jose.Set{Keys: []jose.JWK{{Public: leaf.PublicKey, KeyID: kid, Alg: key.ES256}}}, nil
}

type listOfLists struct {
	Lists []string `json:"status_lists"`
}

// listAddress is the address of a status list, as it stands in credentials.
func listAddress(base, list string) string { return base + "/status-lists/" + list }

func (p TypePorts) lists(w http.ResponseWriter, r *http.Request) error {
	names, err := p.Lists.StatusLists(r.Context())
	if err != nil {
		return fmt.Errorf("reading the status lists: %w", err)
	}
	out := listOfLists{Lists: []string{}}
	for _, name := range names {
		out.Lists = append(out.Lists, listAddress(p.Issuer, name))
	}
	return problem.WriteJSON(w, http.StatusOK, out)
}

var errHistory = problem.New(http.StatusNotImplemented, "history_unsupported", "Past status lists are not kept.")

func (p TypePorts) list(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("time") {
		return errHistory // section 8.4 of the draft
	}
	published, err := p.Lists.StatusList(r.Context(), r.PathValue("n"))
	if errors.Is(err, ErrUnknown) {
		return problem.NotFound
	}
	if err != nil {
		return fmt.Errorf("reading a status list: %w", err)
	}
	w.Header().Set("Content-Type", "application/"+statuslist.Type)
	w.Header().Set("Cache-Control", "public, max-age=10") // ttl and exp in the token rule
	_, _ = w.Write([]byte(published.Token))               // the client is gone if this fails
	return nil
}
