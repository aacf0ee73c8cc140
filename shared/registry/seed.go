package registry

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/redact"
)

// MaxSeedBytes is the longest seed file that is read: what fits into one Lambda invocation.
const MaxSeedBytes = 6 << 20

// SeedFile is what a platform is founded with, and what an operator adds to it later; infra/local/seed.json is one.
type SeedFile struct {
	Persons       []SeedPerson      `json:"persons"`
	Organisations []Organisation    `json:"organisations"`
	Mandates      []Mandate         `json:"mandates"`
	Clients       []json.RawMessage `json:"clients"`      // each read by the service that knows clients
	LicenceTypes  []json.RawMessage `json:"licenceTypes"` // each read by the service that knows licence types
}

// SeedPerson is a person with a first password.
type SeedPerson struct {
	Person
	Password string `json:"password,omitempty"`
}

// Warning is what looks wrong in a seed file and is kept as it is.
type Warning struct {
	Object string `json:"object"` // "person/<id>", "organisation/<uscc>"
	Text   string `json:"text"`   // without the number itself
}

// ErrSeed reports a seed file that cannot be taken; what is wrong stands before it.
var ErrSeed = errors.New("registry: not a seed file")

// ParseSeed reads a seed file strictly: one JSON object, no unknown member, no identifier twice, every reference in the
// form of its kind. Numbers with a wrong check character are warnings.
func ParseSeed(data []byte, now time.Time) (SeedFile, []Warning, error) {
	var s SeedFile
	if len(data) > MaxSeedBytes {
		return SeedFile{}, nil, fmt.Errorf("%w: more than %d bytes", ErrSeed, MaxSeedBytes)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return SeedFile{}, nil, fmt.Errorf("%w: %w", ErrSeed, redact.JSON(err, d.InputOffset()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return SeedFile{}, nil, fmt.Errorf("%w: something follows the object", ErrSeed)
	}
	c := seedCheck{now: now, seen: map[string]bool{}}
	for _, p := range s.Persons {
		c.person(p)
	}
	for _, o := range s.Organisations {
		c.organisation(o)
	}
	for _, m := range s.Mandates {
		c.mandate(m)
	}
	if c.err != nil {
		return SeedFile{}, nil, c.err
	}
	return s, c.warnings, nil
}

// The patterns are compiled when they are needed: every function has this package, and one reads seeds.
var (
	personID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`) })
	division = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{6}$`) })
)

// seedCheck keeps the first error.
type seedCheck struct {
	now      time.Time
	seen     map[string]bool
	warnings []Warning
	err      error
}

func (c *seedCheck) refuse(object, text string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s %s", ErrSeed, object, text)
	}
}

func (c *seedCheck) once(object string) {
	if c.seen[object] {
		c.refuse(object, "stands there twice")
	}
	c.seen[object] = true
}

func (c *seedCheck) person(p SeedPerson) {
	object := "person/" + p.ID
	c.once(object)
	switch {
	case !personID().MatchString(p.ID):
		c.refuse(object, "needs an id of lower case letters, digits and . _ -")
	case p.Name == "":
		c.refuse(object, "needs a name")
	case (p.IDNumber == "") != (p.IDType == ""):
		c.refuse(object, "needs both idType and idNumber or neither")
	}
	if p.IDType == string(ident.CitizenIDType) {
		if _, err := ident.ParseCitizenID(p.IDNumber, c.now); err != nil {
			c.warnings = append(c.warnings, Warning{object, err.Error()})
		}
	}
}

func (c *seedCheck) organisation(o Organisation) {
	object := "organisation/" + o.USCC
	c.once(object)
	err := ident.CheckUSCC(o.USCC)
	switch {
	case errors.Is(err, ident.ErrForm):
		c.refuse(object, "is not named by a unified social credit code")
	case o.Name == "":
		c.refuse(object, "needs a name")
	case o.Kind != Agency && o.Kind != Enterprise:
		c.refuse(object, "needs the kind agency or enterprise")
	case !division().MatchString(o.Division):
		c.refuse(object, "needs a division of six digits")
	case err != nil:
		c.warnings = append(c.warnings, Warning{object, err.Error()})
	}
}

func (c *seedCheck) mandate(m Mandate) {
	object := "mandate/" + m.Person + "/" + m.Organisation
	c.once(object)
	switch {
	case !personID().MatchString(m.Person) || errors.Is(ident.CheckUSCC(m.Organisation), ident.ErrForm):
		c.refuse(object, "needs a person and an organisation")
	case len(m.Roles) == 0:
		c.refuse(object, "needs roles")
	case !m.To.IsZero() && !m.From.Before(m.To):
		c.refuse(object, "ends before it begins")
	}
}

// Passwords takes first passwords.
type Passwords interface {
	// SetFirstPassword gives a person a password, unless the person has one: then it changes nothing.
	SetFirstPassword(ctx context.Context, person, password string) error
}

// RecordTaker takes records of a kind that another service knows: one client, one licence type.
type RecordTaker interface {
	// TakeRecord checks and stores one record, replacing the one of its identifier, or says what is wrong with it. The
	// same record twice is stored once.
	TakeRecord(ctx context.Context, record json.RawMessage) error
}

// SeedPorts are the rights of registry-seed.
type SeedPorts struct {
	Persons       PersonSaver
	Organisations OrganisationSaver
	Mandates      MandateSaver
	Passwords     Passwords
	Clients       RecordTaker
	LicenceTypes  RecordTaker
	Now           func() time.Time
	Rand          io.Reader
}

// SeedReport says what a seed file brought.
type SeedReport struct {
	Persons       int       `json:"persons"`
	Organisations int       `json:"organisations"`
	Mandates      int       `json:"mandates"`
	Clients       int       `json:"clients"`
	LicenceTypes  int       `json:"licenceTypes"`
	Warnings      []Warning `json:"warnings,omitempty"`
}

// Seed is registry-seed: invoked with a seed file, it stores what the file holds. Each record is written for itself, so
// a seed that stopped half way is run again; records that are there already leave no second event.
func Seed(p SeedPorts) func(ctx context.Context, file json.RawMessage) (SeedReport, error) {
	return func(ctx context.Context, file json.RawMessage) (SeedReport, error) {
		s, warnings, err := ParseSeed(file, p.Now())
		if err != nil {
			return SeedReport{}, err
		}
		if err := p.store(ctx, s); err != nil {
			return SeedReport{}, err
		}
		return SeedReport{
			Persons: len(s.Persons), Organisations: len(s.Organisations), Mandates: len(s.Mandates),
			Clients: len(s.Clients), LicenceTypes: len(s.LicenceTypes), Warnings: warnings,
		}, nil
	}
}

// store writes organisations first, since the records of others name them.
func (p SeedPorts) store(ctx context.Context, s SeedFile) error {
	for _, o := range s.Organisations {
		e, err := p.event("registry.organisation", "organisation/"+o.USCC)
		if err != nil {
			return err
		}
		e.Organisation, e.Division = o.USCC, o.Division
		if e.Digest, err = audit.RecordDigest(o); err != nil {
			return err
		}
		if err := p.Organisations.SaveOrganisation(ctx, o, e); err != nil {
			return fmt.Errorf("saving the organisation %s: %w", o.USCC, err)
		}
	}
	for _, person := range s.Persons {
		e, err := p.event("registry.person", "person/"+person.ID)
		if err != nil {
			return err
		}
		e.Holder = person.ID
		if err := p.Persons.SavePerson(ctx, person.Person, e); err != nil {
			return fmt.Errorf("saving the person %s: %w", person.ID, err)
		}
		if person.Password == "" {
			continue
		}
		if err := p.Passwords.SetFirstPassword(ctx, person.ID, person.Password); err != nil {
			return fmt.Errorf("setting the first password of %s: %w", person.ID, err)
		}
	}
	for _, m := range s.Mandates {
		e, err := p.event("registry.mandate", "mandate/"+m.Person+"/"+m.Organisation)
		if err != nil {
			return err
		}
		e.Organisation, e.Holder = m.Organisation, m.Person
		if e.Digest, err = audit.RecordDigest(m); err != nil {
			return err
		}
		if err := p.Mandates.SaveMandate(ctx, m, e); err != nil {
			return fmt.Errorf("saving the mandate of %s: %w", m.Person, err)
		}
	}
	if err := takeAll(ctx, "client", p.Clients, s.Clients); err != nil {
		return err
	}
	return takeAll(ctx, "licence type", p.LicenceTypes, s.LicenceTypes)
}

func takeAll(ctx context.Context, kind string, taker RecordTaker, records []json.RawMessage) error {
	for i, record := range records {
		if err := taker.TakeRecord(ctx, record); err != nil {
			return fmt.Errorf("taking %s %d of the seed: %w", kind, i+1, err)
		}
	}
	return nil
}

func (p SeedPorts) event(action, object string) (audit.Event, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(p.Rand, id); err != nil {
		return audit.Event{}, fmt.Errorf("drawing an event identifier: %w", err)
	}
	return audit.Event{
		ID: hex.EncodeToString(id), Time: p.Now(), Action: action, Object: object, Channel: "event", Outcome: audit.Done,
	}, nil
}
