package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/infra/embedded"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/registry"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// counter is a source of bytes that never repeats.
type counter struct{ n uint64 }

func (c *counter) Read(p []byte) (int, error) {
	c.n++
	copy(p, fmt.Sprintf("%016d", c.n))
	return len(p), nil
}

// codes are check-valid and unallocated: division 990000.
func codes(t testing.TB) (uscc, citizen string) {
	t.Helper()
	uscc, err := ident.MakeUSCC("11990000YX000009")
	if err != nil {
		t.Fatal(err)
	}
	if citizen, err = ident.MakeCitizenID("99000019900101001"); err != nil {
		t.Fatal(err)
	}
	return uscc, citizen
}

// whole is a seed with one of everything.
func whole(t testing.TB) string {
	uscc, citizen := codes(t)
	return `{"persons":[{"id":"zhang","name":"张三(示例)","idType":"111","idNumber":"` + citizen + `","phone":"1","password":"secret"}],
"organisations":[{"uscc":"` + uscc + `","name":"示例省财政厅","kind":"agency","division":"990000","duties":["seal.approve"]}],
"mandates":[{"person":"zhang","organisation":"` + uscc + `","roles":["seal.stamp"],"from":"2026-01-01T00:00:00+08:00","to":"2027-01-01T00:00:00+08:00"}],
"clients":[{"client_id":"a"}],"licenceTypes":[{"typeCode":"b"}]}`
}

func TestASeedIsReadAsItIsWritten(t *testing.T) {
	uscc, citizen := codes(t)
	s, warnings, err := registry.ParseSeed([]byte(whole(t)), noon)
	if err != nil || len(warnings) != 0 {
		t.Fatalf("ParseSeed: %v, %v", warnings, err)
	}
	if p := s.Persons[0]; p.ID != "zhang" || p.Name != "张三(示例)" || p.IDNumber != citizen || p.Phone != "1" || p.Password != "secret" {
		t.Errorf("person %+v", p)
	}
	if o := s.Organisations[0]; o.USCC != uscc || o.Kind != registry.Agency || o.Division != "990000" || o.Duties[0] != "seal.approve" {
		t.Errorf("organisation %+v", o)
	}
	m := s.Mandates[0]
	if m.Person != "zhang" || m.Organisation != uscc || !m.From.Equal(time.Date(2025, 12, 31, 16, 0, 0, 0, time.UTC)) {
		t.Errorf("mandate %+v", m)
	}
	if string(s.Clients[0]) != `{"client_id":"a"}` || string(s.LicenceTypes[0]) != `{"typeCode":"b"}` {
		t.Errorf("records %s, %s", s.Clients, s.LicenceTypes)
	}
	if s, _, err := registry.ParseSeed([]byte("{}"), noon); err != nil || len(s.Persons) != 0 {
		t.Errorf("an empty seed: %v, %v", s, err)
	}
}

func TestWhatIsNoSeedIsRefused(t *testing.T) {
	uscc, citizen := codes(t)
	good := whole(t)
	for name, text := range map[string]string{
		"nothing":                        "",
		"no object":                      "[]",
		"something after it":             "{} {}",
		"an unknown member":              `{"people":[]}`,
		"an unknown member of a person":  `{"persons":[{"id":"a","name":"b","admin":true}]}`,
		"a person without a name":        `{"persons":[{"id":"a"}]}`,
		"a person without an identifier": `{"persons":[{"name":"b"}]}`,
		"an identifier of another form":  `{"persons":[{"id":"Zhang San","name":"b"}]}`,
		"a number without its type":      `{"persons":[{"id":"a","name":"b","idNumber":"` + citizen + `"}]}`,
		"a person twice":                 `{"persons":[{"id":"a","name":"b"},{"id":"a","name":"c"}]}`,
		"an organisation without a code": strings.Replace(good, `"organisations":[{"uscc":"`+uscc+`"`, `"organisations":[{"uscc":"1"`, 1),
		"another kind":                   strings.Replace(good, `"agency"`, `"company"`, 1),
		"a division of five digits":      strings.Replace(good, `"990000"`, `"99000"`, 1),
		"a mandate without roles":        strings.Replace(good, `["seal.stamp"]`, `[]`, 1),
		"a mandate that ends first":      strings.Replace(good, `"to":"2027`, `"to":"2025`, 1),
		"a mandate of nobody":            strings.Replace(good, `{"person":"zhang"`, `{"person":""`, 1),
		"a time that is none":            strings.Replace(good, `"2027-01-01T00:00:00+08:00"`, `"2027"`, 1),
		"too much":                       `{"persons":[` + strings.Repeat(" ", registry.MaxSeedBytes) + `]}`,
	} {
		s, warnings, err := registry.ParseSeed([]byte(text), noon)
		if !errors.Is(err, registry.ErrSeed) || s.Persons != nil || s.Organisations != nil || warnings != nil {
			t.Errorf("%s: %v, %v", name, warnings, err)
		}
		if err != nil && strings.Contains(err.Error(), citizen) {
			t.Errorf("%s: the error shows an identity number: %v", name, err)
		}
	}
}

func TestAWrongCheckCharacterIsAWarningWithoutTheNumber(t *testing.T) {
	uscc, citizen := codes(t)
	wrong := func(s string) string { // the last character stands for another check value
		last := byte('1')
		if s[17] == '1' {
			last = '2'
		}
		return s[:17] + string(last)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(whole(t), uscc, wrong(uscc)), citizen, wrong(citizen))
	s, warnings, err := registry.ParseSeed([]byte(text), noon)
	if err != nil || len(warnings) != 2 {
		t.Fatalf("ParseSeed: %v, %v", warnings, err)
	}
	if s.Persons[0].IDNumber != wrong(citizen) || s.Organisations[0].USCC != wrong(uscc) {
		t.Error("a code was changed")
	}
	if warnings[0].Object != "person/zhang" || strings.Contains(fmt.Sprint(warnings), wrong(citizen)) {
		t.Errorf("warnings %v", warnings)
	}
}

// taken remembers what was handed on.
type taken struct{ records []string }

func (t *taken) TakeRecord(_ context.Context, record json.RawMessage) error {
	if bytes.Contains(record, []byte("refused")) {
		return errors.New("refused")
	}
	t.records = append(t.records, string(record))
	return nil
}

func (t *taken) SetFirstPassword(_ context.Context, person, password string) error {
	t.records = append(t.records, person+":"+password)
	return nil
}

func open(t *testing.T) (*embedded.DB, registry.SeedPorts, *taken) {
	t.Helper()
	db, err := embedded.Open(filepath.Join(t.TempDir(), "db"), embedded.Options{Now: func() time.Time { return noon }, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var got taken
	return db, registry.SeedPorts{
		Persons: embedded.Persons{DB: db}, Organisations: embedded.Organisations{DB: db}, Mandates: embedded.Mandates{DB: db},
		Passwords: &got, Clients: &got, LicenceTypes: &got, Now: func() time.Time { return noon }, Rand: &counter{},
	}, &got
}

func TestASeedIsStoredOnceHoweverOftenItIsSent(t *testing.T) {
	db, ports, got := open(t)
	uscc, _ := codes(t)
	seed := registry.Seed(ports)
	for range 3 {
		report, err := seed(t.Context(), json.RawMessage(whole(t)))
		if err != nil || report.Persons != 1 || report.Organisations != 1 || report.Mandates != 1 || report.Clients != 1 || report.LicenceTypes != 1 {
			t.Fatalf("Seed = %+v, %v", report, err)
		}
	}
	if p, err := (embedded.Persons{DB: db}).Person(t.Context(), "zhang"); err != nil || p.Name != "张三(示例)" {
		t.Errorf("Person = %v, %v", p, err)
	}
	if ok, err := (embedded.Mandates{DB: db}).Mandated(t.Context(), "zhang", uscc, "seal.stamp"); err != nil || !ok {
		t.Errorf("Mandated = %v, %v", ok, err)
	}
	if want := `zhang:secret {"client_id":"a"} {"typeCode":"b"}`; strings.Join(got.records[:3], " ") != want {
		t.Errorf("handed on %q", got.records[:3])
	}
	events, err := embedded.Events{DB: db}.ByTime(t.Context(), noon, noon.Add(time.Second), 0)
	if err != nil || len(events) != 3 {
		t.Errorf("%d events, %v", len(events), err)
	}
	for _, e := range events {
		if e.Object == "" || e.Channel != "event" || strings.Contains(fmt.Sprint(e), "张三") {
			t.Errorf("event %+v", e)
		}
	}
}

func TestASeedThatFailsSaysAtWhat(t *testing.T) {
	_, ports, _ := open(t)
	_, err := registry.Seed(ports)(t.Context(), json.RawMessage(`{"clients":[{"client_id":"a"},{"client_id":"refused"}]}`))
	if err == nil || !strings.Contains(err.Error(), "client 2") {
		t.Errorf("Seed: %v", err)
	}
	if _, err := registry.Seed(ports)(t.Context(), json.RawMessage(`{`)); !errors.Is(err, registry.ErrSeed) {
		t.Errorf("Seed: %v", err)
	}
	ports.Rand = bytes.NewReader(nil)
	if _, err := registry.Seed(ports)(t.Context(), json.RawMessage(whole(t))); err == nil {
		t.Error("a seed was stored without event identifiers")
	}
}

// FuzzParseSeed: a value or an error, never both; what is taken is taken again after encoding, with the same warnings.
func FuzzParseSeed(f *testing.F) {
	f.Add([]byte(whole(f)))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"persons":[{"id":"a","name":"b","idType":"111","idNumber":"x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, warnings, err := registry.ParseSeed(data, noon)
		if err != nil {
			if !errors.Is(err, registry.ErrSeed) || len(s.Persons)+len(s.Organisations)+len(s.Mandates)+len(s.Clients)+len(warnings) > 0 {
				t.Fatalf("%v with %+v", err, s)
			}
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			return // a year beyond 9999 has no RFC 3339 form
		}
		s2, warnings2, err := registry.ParseSeed(again, noon)
		if err != nil || len(s2.Persons) != len(s.Persons) || len(s2.Mandates) != len(s.Mandates) || len(warnings2) != len(warnings) {
			t.Fatalf("read again: %v", err)
		}
	})
}

// Logs hold no identity number, and what goes wrong with a seed file is logged.
func TestWhatIsWrongWithASeedDoesNotRepeatIt(t *testing.T) {
	const number, phone = "990000198503120019", "19900000001"
	for _, file := range []string{
		`{"persons":[{"id":"zhang","name":"张三(示例)","idType":"111","idNumber":` + number + `}]}`,
		`{"persons":[{"id":"zhang","name":"张三(示例)","phone":` + phone + `}]}`,
		`{"persons":[{"id":"zhang","name":"张三(示例)","idType":"111","idNumber":["` + number + `"]}]}`,
		`{"persons":[{"id":"zhang","name":"张三(示例)","idType":"","idNumber":"` + number + `"}]}`,
	} {
		_, _, err := registry.ParseSeed([]byte(file), time.Now())
		if !errors.Is(err, registry.ErrSeed) {
			t.Fatalf("ParseSeed = %v, want ErrSeed", err)
		}
		for _, secret := range []string{number, phone, "张三"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats %s: %v", secret, err)
			}
		}
	}
	_, warnings, err := registry.ParseSeed([]byte(`{"persons":[{"id":"zhang","name":"张三(示例)","idType":"111","idNumber":"990000198503120018"}]}`), time.Now())
	if err != nil || len(warnings) != 1 || strings.Contains(warnings[0].Text, "990000198503120018") {
		t.Errorf("warnings = %v, %v", warnings, err)
	}
}
