package embedded

import (
	"fmt"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/licence"
	"github.com/yinxin/yinxin/shared/registry"
	"github.com/yinxin/yinxin/shared/seal"
	"github.com/yinxin/yinxin/shared/seal/sealtest"
	"github.com/yinxin/yinxin/shared/sm"
	"github.com/yinxin/yinxin/shared/trust"
	"github.com/yinxin/yinxin/shared/verify"
	"github.com/yinxin/yinxin/shared/verify/verifytest"
)

// told is an event for a record that a test stores.
func told(id string, at time.Time) audit.Event {
	return audit.Event{ID: id, Time: at, Action: "test", Outcome: audit.Done}
}

func TestShowCodesAreRedeemedAsVerifiersExpect(t *testing.T) {
	verifytest.ShowCodes(t, func(t *testing.T) verifytest.ShowCodesHarness {
		db := openSealDB(t)
		return verifytest.ShowCodesHarness{Codes: ShowCodes{db}, Events: Events{db}, Now: db.Now,
			Save: func(t *testing.T, code, id, holder, presentation string, expires time.Time) {
				c := licence.ShowCode{Hash: licence.ShowCodeHash(code), Licence: id, Holder: holder, Expires: expires,
					Presentation: presentation}
				if err := (ShowCodes{db}).SaveShowCode(t.Context(), c, told("save", db.Now())); err != nil {
					t.Fatal(err)
				}
			}}
	})
}

func TestPublishedStatusListsAreFoundByAddress(t *testing.T) {
	verifytest.StatusLists(t, func(t *testing.T, token string) (verify.StatusLists, string) {
		db := openSealDB(t)
		p := licence.Published{Token: token, IssuedAt: db.Now(), Revision: 1}
		if err := (StatusLists{db}).PublishStatusList(t.Context(), "agency-1", p, told("publish", db.Now())); err != nil {
			t.Fatal(err)
		}
		return PublishedStatusLists{DB: db, Issuer: testIssuer}, testIssuer + "/status-lists/agency-1"
	})
}

func TestTheRegisterOfLicencesAnswersMasked(t *testing.T) {
	verifytest.LicenceLookup(t, func(t *testing.T, l verifytest.RegisteredLicence, draft string) verify.LicenceLookup {
		db := openSealDB(t)
		save := func(id, identifier string, state licence.State) {
			t.Helper()
			record := licence.Licence{ID: id, Revision: 1, TypeCode: l.TypeCode, Identifier: identifier, ValidFrom: "2026-01-01",
				Holder:  licence.Holder{Subject: l.Subject, Type: ident.CitizenIDType, Name: l.HolderName},
				History: []licence.Change{{State: state, At: db.Now()}}}
			if err := (Licences{db}).CreateLicence(t.Context(), record, told(id, db.Now())); err != nil {
				t.Fatal(err)
			}
			if err := (Licences{db}).ClaimIdentifier(t.Context(), identifier, id); err != nil {
				t.Fatal(err)
			}
		}
		save(l.ID, l.Identifier, licence.Active)
		save("l2", draft, licence.Issuing)
		kind := licence.Definition{Code: l.TypeCode, Version: 1, Masks: map[string]ident.MaskRule{licence.ClaimHolder: ident.MaskName}}
		if err := (LicenceTypes{db}).SaveLicenceType(t.Context(), kind, told("type", db.Now())); err != nil {
			t.Fatal(err)
		}
		return LicenceRegister{db}
	})
}

func TestTheRegisterOfSealsAnswersForEveryTime(t *testing.T) {
	verifytest.SealStatus(t, func(t *testing.T, code string, from, to time.Time) (verify.SealStatus, [32]byte) {
		db := openSealDB(t)
		s := seal.Seal{ID: "s1", Code: code, Revision: 1, Body: &seal.Body{ESL: []byte{0x30, 0}}, History: []seal.Change{
			{Verb: seal.VerbRequest, State: seal.Requested, At: from.Add(-2 * time.Hour)},
			{Verb: seal.VerbActivate, State: seal.Active, At: from}, {Verb: seal.VerbSuspend, State: seal.Suspended, At: to}}}
		if err := (Seals{db}).CreateSeal(t.Context(), s, told("s1", from)); err != nil {
			t.Fatal(err)
		}
		if err := (SealCodes{db}).ClaimSealCode(t.Context(), code, "s1"); err != nil {
			t.Fatal(err)
		}
		return SealStatus{db}, sm.Sum3(s.Body.ESL)
	})
}

// openTrust is an authority with one maker and one issuer, and what is trusted because of them.
func openTrust(t *testing.T) (source Trust, maker, issuer, typeCode string) {
	a := openAuthority(t, t.TempDir(), newClock())
	maker, issuer, typeCode = making, finance, "11990000MB99000001001"
	for i, o := range []registry.Organisation{
		{USCC: maker, Name: "示例省印章制作中心", Division: "990000", Duties: []string{"seal.make"}},
		{USCC: issuer, Name: "示例省财政厅", Division: "990000"},
	} {
		if err := (Organisations{a.DB}).SaveOrganisation(t.Context(), o, told(fmt.Sprint(i), a.Now())); err != nil {
			t.Fatal(err)
		}
	}
	kind := licence.Definition{Code: typeCode, Version: 1, Issuers: []string{issuer, "11990000MB99000009"}}
	if err := (LicenceTypes{a.DB}).SaveLicenceType(t.Context(), kind, told("type", a.Now())); err != nil {
		t.Fatal(err)
	}
	_, err := a.Enrol(t.Context(), trust.SealMaker, key.SealMaker, maker,
		cert.Name{Country: "CN", Organization: maker + "示例省印章制作中心", CommonName: "示例省印章制作中心"})
	if err != nil {
		t.Fatal(err)
	}
	return Trust{DB: a.DB, Authority: a, Types: LicenceTypes{a.DB}}, maker, issuer, typeCode
}

func TestTrustIsThatOfAuthorityAndRegistry(t *testing.T) {
	verifytest.Trust(t, func(t *testing.T) (verify.Trust, string, string, string, time.Time) {
		source, maker, issuer, typeCode := openTrust(t)
		return source, maker, issuer, typeCode, source.Now()
	})
	sealtest.Trust(t, func(t *testing.T) (seal.Trust, seal.Certifier, time.Time) {
		source, _, _, _ := openTrust(t)
		return source, source.Authority, source.Now()
	})
}

func TestTheAuthorityKeepsTheContractOfCertifiers(t *testing.T) {
	sealtest.Certifier(t, func(t *testing.T) (seal.Certifier, string, time.Time) {
		source, maker, _, _ := openTrust(t)
		return source.Authority, maker, source.Now()
	})
}
