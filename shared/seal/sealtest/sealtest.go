// Package sealtest holds the contracts of the ports of shared/seal as tests. Every adapter runs them.
package sealtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/audit/audittest"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/key/keytest"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verdict"
)

var at = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func event(id, object string, outcome audit.Outcome) audit.Event {
	return audit.Event{ID: id, Time: at, Action: "seal.test", Object: object, Outcome: outcome}
}

func requested(id, owner string) seal.Seal {
	return seal.Seal{ID: id, Revision: 1, Request: "0a1b", Kind: seal.Statutory, Name: "示例省财政厅",
		Owner: seal.Organisation{USCC: owner, Name: "示例省财政厅", Division: "990000"}, Years: 1,
		History: []seal.Change{{Verb: seal.VerbRequest, State: seal.Requested, At: at, Person: "p1"}}}
}

// Records is the contract of [seal.Records] and [seal.OwnerReader].
func Records(t *testing.T, open func(t *testing.T) (seal.Records, seal.OwnerReader, audit.Reader)) {
	ctx := context.Background()
	t.Run("a seal is read back as it was written, with its event", func(t *testing.T) {
		records, _, events := open(t)
		s := requested("s1", "91990000000000000A")
		s.Body = &seal.Body{ESL: []byte{0x30, 0}, Chain: [][]byte{{1}}, Diameter: 42, ValidFrom: at, ValidTo: at.AddDate(1, 0, 0)}
		if err := records.CreateSeal(ctx, s, event("e1", "seal/s1", audit.Done)); err != nil {
			t.Fatal(err)
		}
		got, err := records.Seal(ctx, "s1")
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("Seal = %+v, %v, want %+v", got, err, s)
		}
		if es, err := events.ByObject(ctx, "seal/s1"); err != nil || len(es) != 1 {
			t.Fatalf("events = %v, %v, want one", es, err)
		}
	})
	t.Run("an unknown seal is ErrUnknown", func(t *testing.T) {
		records, _, _ := open(t)
		if _, err := records.Seal(ctx, "s1"); !errors.Is(err, seal.ErrUnknown) {
			t.Fatalf("Seal = %v, want ErrUnknown", err)
		}
		s := requested("s1", "o")
		s.Revision = 2
		if err := records.ReplaceSeal(ctx, s, event("e", "seal/s1", audit.Done)); !errors.Is(err, seal.ErrUnknown) {
			t.Fatalf("ReplaceSeal = %v, want ErrUnknown", err)
		}
	})
	t.Run("of concurrent creations with one identifier one succeeds", func(t *testing.T) {
		records, _, events := open(t)
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			return records.CreateSeal(ctx, requested("s1", fmt.Sprint("o", n)), event(fmt.Sprint("e", n), "seal/s1", audit.Done))
		}), seal.ErrExists)
		got, err := records.Seal(ctx, "s1")
		if err != nil || got.Owner.USCC != fmt.Sprint("o", winner) {
			t.Fatalf("the stored seal is of %s, %v, want that of the winner %d", got.Owner.USCC, err, winner)
		}
		if es, err := events.ByObject(ctx, "seal/s1"); err != nil || len(es) != 1 || es[0].ID != fmt.Sprint("e", winner) {
			t.Fatalf("events = %v, %v, want the winner's", es, err)
		}
	})
	t.Run("of concurrent changes of one revision one succeeds", func(t *testing.T) {
		records, _, events := open(t)
		s := requested("s1", "o")
		if err := records.CreateSeal(ctx, s, event("e", "seal/s1", audit.Done)); err != nil {
			t.Fatal(err)
		}
		s.Revision = 2
		audittest.OneWinner(t, audittest.Race(func(n int) error {
			return records.ReplaceSeal(ctx, s, event(fmt.Sprint("e", n), "seal/s1", audit.Done))
		}), seal.ErrChanged)
		if es, err := events.ByObject(ctx, "seal/s1"); err != nil || len(es) != 2 {
			t.Fatalf("%d events, %v, want that of the creation and that of the winner", len(es), err)
		}
	})
	t.Run("an owner's seals come oldest first and nobody else's", func(t *testing.T) {
		records, owners, _ := open(t)
		for i, id := range []string{"s3", "s1", "s2"} {
			e := event("e"+id, "seal/"+id, audit.Done)
			e.Time = at.Add(time.Duration(i) * time.Hour)
			if err := records.CreateSeal(ctx, requested(id, "o1"), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := records.CreateSeal(ctx, requested("s4", "o11"), event("e4", "seal/s4", audit.Done)); err != nil {
			t.Fatal(err)
		}
		if ids, err := owners.SealsOf(ctx, "o1"); err != nil || !reflect.DeepEqual(ids, []string{"s3", "s1", "s2"}) {
			t.Fatalf("SealsOf = %v, %v", ids, err)
		}
	})
}

// Codes is the contract of [seal.Codes] and [seal.CodeReader].
func Codes(t *testing.T, open func(t *testing.T) (seal.Codes, seal.CodeReader)) {
	ctx := context.Background()
	t.Run("of concurrent claims of one code one succeeds, and again for the same seal", func(t *testing.T) {
		codes, reader := open(t)
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			return codes.ClaimSealCode(ctx, "99000000000001", fmt.Sprint("s", n))
		}), seal.ErrExists)
		want := fmt.Sprint("s", winner)
		if got, err := reader.SealByCode(ctx, "99000000000001"); err != nil || got != want {
			t.Fatalf("SealByCode = %q, %v, want %q", got, err, want)
		}
		if err := codes.ClaimSealCode(ctx, "99000000000001", want); err != nil {
			t.Fatalf("claiming again = %v, want nil", err)
		}
	})
	t.Run("an unclaimed code is ErrUnknown", func(t *testing.T) {
		_, reader := open(t)
		if _, err := reader.SealByCode(ctx, "99000000000002"); !errors.Is(err, seal.ErrUnknown) {
			t.Fatalf("SealByCode = %v, want ErrUnknown", err)
		}
	})
}

// Orders is the contract of [seal.Orders].
func Orders(t *testing.T, open func(t *testing.T) (seal.Orders, audit.Reader)) {
	ctx := context.Background()
	order := seal.Order{ID: "u1", Seal: "s1", Code: "99000000000001", Format: "ofd", Document: "sha256:00", Signed: "sm3:11",
		Place: seal.Place{Page: 1, X: 100, Y: 200}, Purpose: audit.Purpose{Text: "示例"}, Person: "p", For: "o", Client: "c",
		At: at, State: seal.OrderBegun, Request: "0a1b"}
	t.Run("an order is begun once", func(t *testing.T) {
		orders, events := open(t)
		audittest.OneWinner(t, audittest.Race(func(n int) error {
			return orders.BeginOrder(ctx, order, event(fmt.Sprint("e", n), "seal/s1", audit.Begun))
		}), seal.ErrExists)
		if got, err := orders.Order(ctx, "u1"); err != nil || !reflect.DeepEqual(got, order) {
			t.Fatalf("Order = %+v, %v, want %+v", got, err, order)
		}
		if es, err := events.ByObject(ctx, "seal/s1"); err != nil || len(es) != 1 {
			t.Fatalf("%d events, %v, want one", len(es), err)
		}
	})
	t.Run("an order ends once, done with a result or failed with a reason", func(t *testing.T) {
		orders, events := open(t)
		if err := orders.BeginOrder(ctx, order, event("b", "seal/s1", audit.Begun)); err != nil {
			t.Fatal(err)
		}
		winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
			state := []seal.OrderState{seal.OrderDone, seal.OrderFailed}[n%2]
			return orders.FinishOrder(ctx, "u1", state, fmt.Sprint("r", n), event(fmt.Sprint("e", n), "seal/s1", audit.Done))
		}), seal.ErrChanged)
		want := order
		if want.State = seal.OrderDone; winner%2 == 1 {
			want.State, want.Reason = seal.OrderFailed, fmt.Sprint("r", winner)
		} else {
			want.Result = fmt.Sprint("r", winner)
		}
		if got, err := orders.Order(ctx, "u1"); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("Order = %+v, %v, want %+v", got, err, want)
		}
		if es, err := events.ByObject(ctx, "seal/s1"); err != nil || len(es) != 2 {
			t.Fatalf("%d events, %v, want that of the beginning and that of the winner", len(es), err)
		}
	})
	t.Run("an order that was never begun cannot end", func(t *testing.T) {
		orders, _ := open(t)
		err := orders.FinishOrder(ctx, "u1", seal.OrderDone, "r", event("e", "seal/s1", audit.Done))
		if !errors.Is(err, seal.ErrUnknown) {
			t.Fatalf("FinishOrder = %v, want ErrUnknown", err)
		}
		if _, err := orders.Order(ctx, "u1"); !errors.Is(err, seal.ErrUnknown) {
			t.Fatalf("Order = %v, want ErrUnknown", err)
		}
	})
}

// Directory is the contract of [seal.Directory]. open stores organisations with their duties.
func Directory(t *testing.T, open func(t *testing.T, duties map[seal.Organisation][]seal.Duty) seal.Directory) {
	ctx := context.Background()
	province := seal.Organisation{USCC: "91990000000000000A", Name: "示例省人民政府办公厅", Division: "990000"}
	county := seal.Organisation{USCC: "91990101000000000B", Name: "示例县人民政府办公室", Division: "990101"}
	directory := open(t, map[seal.Organisation][]seal.Duty{province: {seal.DutyApprove, seal.DutyMake},
		county: {seal.DutyApprove}})
	t.Run("an organisation is found by its code", func(t *testing.T) {
		if o, err := directory.Organisation(ctx, county.USCC); err != nil || o != county {
			t.Fatalf("Organisation = %+v, %v, want %+v", o, err, county)
		}
		if _, err := directory.Organisation(ctx, "nobody"); !errors.Is(err, seal.ErrOrganisationUnknown) {
			t.Fatalf("Organisation = %v, want ErrOrganisationUnknown", err)
		}
	})
	t.Run("a duty is that of the nearest division", func(t *testing.T) {
		for _, c := range []struct {
			division string
			duty     seal.Duty
			want     seal.Organisation
		}{
			{"990101", seal.DutyApprove, county},
			{"990101", seal.DutyMake, province},
			{"990102", seal.DutyApprove, province},
			{"990100", seal.DutyApprove, province},
			{"990000", seal.DutyApprove, province},
		} {
			if o, err := directory.Responsible(ctx, c.division, c.duty); err != nil || o != c.want {
				t.Errorf("Responsible(%s, %s) = %+v, %v, want %+v", c.division, c.duty, o, err, c.want)
			}
		}
		for _, division := range []string{"980000", "", "99"} {
			if _, err := directory.Responsible(ctx, division, seal.DutyApprove); !errors.Is(err, seal.ErrOrganisationUnknown) {
				t.Errorf("Responsible(%q) = %v, want ErrOrganisationUnknown", division, err)
			}
		}
	})
}

// Mandates is the contract of [seal.Mandates]. open stores one mandate, at [time.Now] in force: person p, organisation
// o, role seal.stamp.
func Mandates(t *testing.T, open func(t *testing.T) seal.Mandates) {
	t.Run("a person has the roles that were given, for the organisation that gave them", func(t *testing.T) {
		mandates := open(t)
		for _, c := range []struct {
			person, organisation, role string
			want                       bool
		}{
			{"p", "o", "seal.stamp", true},
			{"p", "o", "seal.approve", false},
			{"p", "o2", "seal.stamp", false},
			{"p2", "o", "seal.stamp", false},
			{"", "", "", false},
		} {
			got, err := mandates.Mandated(context.Background(), c.person, c.organisation, c.role)
			if err != nil || got != c.want {
				t.Errorf("Mandated(%q, %q, %q) = %v, %v, want %v", c.person, c.organisation, c.role, got, err, c.want)
			}
		}
	})
}

// Trust is the contract of [seal.Trust]; its sentences are those of the port of the same name of the verifier, whose
// suite says more: what it gives must judge the certificates of a [seal.Certifier] as good.
func Trust(t *testing.T, open func(t *testing.T) (source seal.Trust, certifier seal.Certifier, now time.Time)) {
	source, certifier, now := open(t)
	for alg, purpose := range map[key.Algorithm]trust.Purpose{key.SM2SM3: trust.SealOwner, key.ES256: trust.Document} {
		anchors, _, crls, err := source.Trust(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		chain := certify(t, certifier, alg, now)
		r := anchors.Validate(trust.Request{Leaf: parse(t, chain[0]), Purpose: purpose, At: now, Now: now, CRLs: crls,
			KeyUsage: cert.DigitalSignature})
		if r.Overall() != verdict.Valid {
			t.Errorf("a %s certificate for %s: %v", alg, purpose, r.Codes())
		}
	}
}

// Certifier is the contract of [seal.Certifier]. open enrols one making unit with the code maker.
func Certifier(t *testing.T, open func(t *testing.T) (certifier seal.Certifier, maker string, now time.Time)) {
	certifier, maker, now := open(t)
	for _, alg := range []key.Algorithm{key.SM2SM3, key.ES256} {
		chain := certify(t, certifier, alg, now)
		for i, der := range chain[:len(chain)-1] {
			if !parse(t, der).SignedBy(parse(t, chain[i+1])) {
				t.Errorf("%s: certificate %d is not signed by the next", alg, i)
			}
		}
		leaf := parse(t, chain[0])
		if leaf.Subject.CommonName != "99000000000001" || leaf.IsCA || !leaf.ValidAt(now) || !leaf.ValidAt(now.AddDate(1, 0, 0)) {
			t.Errorf("%s: %s, %v to %v", alg, leaf.Subject, leaf.NotBefore, leaf.NotAfter)
		}
		if parse(t, chain[len(chain)-1]).SelfIssued() {
			t.Errorf("%s: the root is in the chain", alg)
		}
	}
	if _, err := certifier.CertifySeal(context.Background(), []byte("no request"), now, now.AddDate(1, 0, 0)); err == nil {
		t.Error("what is no request was certified")
	}
	der, err := certifier.MakerCertificate(context.Background(), maker)
	if err != nil {
		t.Fatal(err)
	}
	if uscc, _, ok := cert.SplitOwner(parse(t, der).Subject.Organization); !ok || uscc != maker {
		t.Errorf("the maker's certificate is for %s", uscc)
	}
	if _, err := certifier.MakerCertificate(context.Background(), "nobody"); !errors.Is(err, seal.ErrUnknown) {
		t.Errorf("MakerCertificate of nobody = %v, want ErrUnknown", err)
	}
}

// certify has a new key certified for a year.
func certify(t *testing.T, certifier seal.Certifier, alg key.Algorithm, now time.Time) [][]byte {
	t.Helper()
	subject, err := cert.SealOwner("99000000000001", "11990000MB99000001", "示例省财政厅")
	if err != nil {
		t.Fatal(err)
	}
	csr, err := cert.CreateCSR(context.Background(), subject, keytest.New(t, alg))
	if err != nil {
		t.Fatal(err)
	}
	chain, err := certifier.CertifySeal(context.Background(), csr, now, now.AddDate(1, 0, 0))
	if err != nil || len(chain) == 0 {
		t.Fatalf("CertifySeal = %d certificates, %v", len(chain), err)
	}
	return chain
}

func parse(t *testing.T, der []byte) *cert.Certificate {
	t.Helper()
	c, err := cert.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Jobs is the contract of [seal.Jobs].
func Jobs(t *testing.T, open func(t *testing.T) (seal.Jobs, audit.Reader)) {
	ctx := context.Background()
	job := seal.Job{ID: "j1", Seal: "s1", Upload: "d1", MediaType: "application/pdf", Document: "sha256:00", Organisation: "o",
		Purpose: audit.Purpose{Text: "示例"}, Place: seal.Place{Page: 1, X: 100, Y: 200}, Person: "p", Client: "c", Channel: "api",
		At: at, Request: "0a1b"}
	jobs, events := open(t)
	if _, err := jobs.Job(ctx, "j1"); !errors.Is(err, seal.ErrUnknown) {
		t.Fatalf("Job = %v, want ErrUnknown", err)
	}
	winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
		j := job
		j.Upload = fmt.Sprint("d", n)
		return jobs.BeginJob(ctx, j, event(fmt.Sprint("e", n), "seal/s1", audit.Done))
	}), seal.ErrExists)
	job.Upload = fmt.Sprint("d", winner)
	if got, err := jobs.Job(ctx, "j1"); err != nil || !reflect.DeepEqual(got, job) {
		t.Fatalf("Job = %+v, %v, want %+v", got, err, job)
	}
	if es, err := events.ByObject(ctx, "seal/s1"); err != nil || len(es) != 1 || es[0].ID != fmt.Sprint("e", winner) {
		t.Fatalf("events = %v, %v, want the winner's", es, err)
	}
}

// UploadStore is what [Uploads] needs of a store.
type UploadStore struct {
	Uploads seal.Uploads
	SetNow  func(time.Time)
	// Save records an upload that may be used until a time, and Send brings its bytes.
	Save func(t *testing.T, u seal.Upload, until time.Time)
	Send func(t *testing.T, u seal.Upload, data []byte)
}

// Uploads is the contract of [seal.Uploads].
func Uploads(t *testing.T, open func(t *testing.T) UploadStore) {
	ctx := context.Background()
	s := open(t)
	s.SetNow(at)
	data := []byte("%PDF-1.7 示例")
	sum := sha256.Sum256(data)
	u := seal.Upload{ID: "d1", MediaType: "application/pdf", SHA256: hex.EncodeToString(sum[:]), Person: "p", Client: "c"}
	if _, err := s.Uploads.Upload(ctx, "d1"); !errors.Is(err, seal.ErrUnknown) {
		t.Fatalf("Upload of what was never said = %v, want ErrUnknown", err)
	}
	s.Save(t, u, at.Add(time.Hour))
	if got, err := s.Uploads.Upload(ctx, "d1"); err != nil || got != u {
		t.Fatalf("Upload = %+v, %v, want %+v", got, err, u)
	}
	if _, err := s.Uploads.Uploaded(ctx, "d1", u.MediaType); !errors.Is(err, seal.ErrUnknown) {
		t.Fatalf("Uploaded before the bytes came = %v, want ErrUnknown", err)
	}
	if came, err := s.Uploads.Arrived(ctx, "d1", u.MediaType); err != nil || came {
		t.Fatalf("Arrived before the bytes came = %v, %v", came, err)
	}
	s.Send(t, u, data)
	if came, err := s.Uploads.Arrived(ctx, "d1", u.MediaType); err != nil || !came {
		t.Fatalf("Arrived = %v, %v", came, err)
	}
	if got, err := s.Uploads.Uploaded(ctx, "d1", u.MediaType); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("Uploaded = %q, %v", got, err)
	}
	s.SetNow(at.Add(time.Hour))
	if _, err := s.Uploads.Upload(ctx, "d1"); !errors.Is(err, seal.ErrUnknown) {
		t.Fatalf("Upload of what may no longer be used = %v, want ErrUnknown", err)
	}
}

// Results is the contract of [seal.Results].
func Results(t *testing.T, open func(t *testing.T) seal.Results) {
	ctx := context.Background()
	const media = "application/ofd"
	results := open(t)
	if _, err := results.Result(ctx, "j1", "o1", media); !errors.Is(err, seal.ErrUnknown) {
		t.Fatalf("Result = %v, want ErrUnknown", err)
	}
	winner := audittest.OneWinner(t, audittest.Race(func(n int) error {
		return results.PutResult(ctx, "j1", "o1", media, fmt.Append(nil, "result ", n))
	}), seal.ErrExists)
	want := fmt.Append(nil, "result ", winner)
	if got, err := results.Result(ctx, "j1", "o1", media); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("Result = %q, %v, want the winner's", got, err)
	}
	if err := results.PutResult(ctx, "j1", "o1", media, want); err != nil {
		t.Errorf("PutResult of the same bytes = %v", err)
	}
	for _, other := range [][2]string{{"j1", "o2"}, {"j2", "o1"}} {
		if _, err := results.Result(ctx, other[0], other[1], media); !errors.Is(err, seal.ErrUnknown) {
			t.Errorf("Result of %v = %v, want ErrUnknown", other, err)
		}
	}
}
