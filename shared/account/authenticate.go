package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/audit"
	"github.com/yinxin/yinxin/shared/problem"
)

// ACR says how sure a password makes us: a known person, by password alone.
const ACR = "urn:yinxin:loa:2"

// The refusals of [Passwords.Authenticate].
var (
	Wrong     = problem.New(http.StatusForbidden, "wrong_credentials", "The user name or the password is not right.")
	Throttled = problem.New(http.StatusTooManyRequests, "throttled", "Too many attempts; try later.")
)

// DeviceLife is how long a browser keeps its own allowance after the last log-in.
const DeviceLife = 400 * 24 * time.Hour

// allowance is how many failures a counter bears within its window.
type allowance struct {
	key    string
	limit  int
	window time.Duration
}

// Passwords checks passwords.
type Passwords struct {
	Credentials Credentials
	Adder       CredentialAdder
	Counters    Counters
	Devices     Devices
	Audit       audit.Recorder
	Params      Params // of new passwords, and of the work for user names that do not exist
	Now         func() time.Time
	Rand        io.Reader
}

// Fold returns the form in which user names are compared: without spaces around, in lower case.
func Fold(username string) string { return strings.ToLower(strings.TrimSpace(username)) }

// Authenticate returns the person with this user name and password, and the acr. It refuses with [Wrong], the same and
// after the same work whether the user name exists or not, and with [Throttled].
//
// Attempts are counted before the password is looked at, so that guesses made at once are counted too; what succeeds is
// given back. device identifies a browser; after success it is remembered, and from then on has an allowance of its
// own, which no other browser can use up.
func (p Passwords) Authenticate(ctx context.Context, username, password, address, device string) (person, acr string, err error) {
	username = Fold(username)
	if len(username) > 128 {
		username = username[:128] // no such user name, and the same work
	}
	known, err := p.Devices.KnownDevice(ctx, username, device)
	if err != nil {
		return "", "", fmt.Errorf("looking for a known device: %w", err)
	}
	taken, err := p.take(ctx, allowances(username, address, device, known))
	if errors.Is(err, Throttled) {
		return "", "", p.throttled(ctx, username)
	}
	if err != nil {
		return "", "", err
	}
	c, err := p.check(ctx, username, password)
	if errors.Is(err, Wrong) {
		return "", "", p.refused(ctx, c)
	}
	if err != nil {
		return "", "", err
	}
	if err := p.give(ctx, taken); err != nil {
		return "", "", err
	}
	if !known {
		if err := p.newBrowser(ctx, c.Person); err != nil {
			return "", "", err
		}
	}
	if err := p.Devices.RememberDevice(ctx, username, device, p.Now().Add(DeviceLife)); err != nil {
		return "", "", fmt.Errorf("remembering a device: %w", err)
	}
	return c.Person, ACR, nil
}

// allowances says what an attempt uses up. An unknown browser is held by three counters: its address, its address for
// this account, and all unknown browsers for this account; the last is wide, and only slows a guesser with many
// addresses. Over IPv6 one party may have 65,536 networks, which two more counters take together: it has a fifth of the
// account's allowance, so that it does not use up the owner's. A known browser has one counter of its own.
func allowances(username, address, device string, known bool) []allowance {
	if known {
		return []allowance{{counterKey("device", username, device), 10, 15 * time.Minute}}
	}
	network, site := networks(address)
	list := []allowance{
		{counterKey("address", network), 60, 15 * time.Minute},
		{counterKey("pair", username, network), 5, 15 * time.Minute},
	}
	if site != network {
		list = append(list, allowance{counterKey("site", site), 600, 15 * time.Minute},
			allowance{counterKey("site-pair", username, site), 20, time.Hour})
	}
	return append(list, allowance{counterKey("account", username), 100, time.Hour})
}

// networks are what one party has for itself: an IPv4 address; an IPv6 network of 64 bits, and the site of 48 that a
// provider may give to one customer (RFC 6177, section 2).
func networks(address string) (network, site string) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown", "unknown"
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String(), a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String(), netip.PrefixFrom(a, 48).Masked().String()
}

// counterKey hides what a counter is for: a user name may be a password typed into the wrong field.
func counterKey(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + strings.Join(parts, "\x00")))
	return kind + "/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// take takes one of each, or none.
func (p Passwords) take(ctx context.Context, wanted []allowance) ([]allowance, error) {
	for i, a := range wanted {
		err := p.Counters.Take(ctx, a.key, a.limit, a.window)
		if err == nil {
			continue
		}
		if giveErr := p.give(ctx, wanted[:i]); giveErr != nil {
			return nil, giveErr
		}
		if errors.Is(err, ErrExhausted) {
			return nil, Throttled
		}
		return nil, fmt.Errorf("counting an attempt: %w", err)
	}
	return wanted, nil
}

func (p Passwords) give(ctx context.Context, taken []allowance) error {
	for _, a := range taken {
		if err := p.Counters.Give(ctx, a.key); err != nil {
			return fmt.Errorf("giving an attempt back: %w", err)
		}
	}
	return nil
}

// check compares the password. It returns the credential with [Wrong] where there is one.
func (p Passwords) check(ctx context.Context, username, password string) (Credential, error) {
	c, err := p.Credentials.Credential(ctx, username)
	if errors.Is(err, ErrCredentialUnknown) {
		waste(password, p.Params)
		return Credential{}, Wrong
	}
	if err != nil {
		return Credential{}, fmt.Errorf("reading a credential: %w", err)
	}
	right, err := Verify(c.Password, password)
	if err != nil {
		return Credential{}, fmt.Errorf("checking a password: %w", err)
	}
	if !right {
		return c, Wrong
	}
	return c, nil
}

// refused records the attempt, also one for a user name that does not exist: what takes longer would tell.
func (p Passwords) refused(ctx context.Context, c Credential) error {
	e, err := p.event("session.begin", audit.Refused)
	if err != nil {
		return err
	}
	e.Channel, e.Reason = "web", Wrong.Code
	if c.Person != "" {
		e.Object, e.Holder = "person/"+c.Person, c.Person
	}
	if err := p.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("recording a refused attempt: %w", err)
	}
	return Wrong
}

// throttled records that an account is held up, once an hour, for its owner to be told. An attempt for a user name that
// does not exist takes the same work; those share few records, so that names nobody has cannot fill the trail.
func (p Passwords) throttled(ctx context.Context, username string) error {
	c, err := p.Credentials.Credential(ctx, username)
	if err != nil && !errors.Is(err, ErrCredentialUnknown) {
		return fmt.Errorf("reading a credential: %w", err)
	}
	e, err := p.event("session.begin", audit.Refused)
	if err != nil {
		return err
	}
	slot := "none/" + counterKey("nobody", username)[len("nobody/"):][:1]
	e.Channel, e.Reason = "web", Throttled.Code
	if c.Person != "" {
		e.Object, e.Holder, slot = "person/"+c.Person, c.Person, "person/"+c.Person
	}
	e.ID = counterKey("throttled", slot, e.Time.UTC().Format("2006010215"))
	if err := p.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("recording an attempt that was held up: %w", err)
	}
	return Throttled
}

// newBrowser records that a person signed on in a browser where they never did before, or not for [DeviceLife].
func (p Passwords) newBrowser(ctx context.Context, person string) error {
	e, err := p.event("account.browser", audit.Done)
	if err != nil {
		return err
	}
	e.Person, e.Holder, e.Object, e.Channel = person, person, "person/"+person, "web"
	if err := p.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("recording a new browser: %w", err)
	}
	return nil
}

// SetFirstPassword gives a person a password, with the person's identifier as user name, unless there is one.
func (p Passwords) SetFirstPassword(ctx context.Context, person, password string) error {
	username := Fold(person)
	switch _, err := p.Credentials.Credential(ctx, username); {
	case err == nil:
		return nil
	case !errors.Is(err, ErrCredentialUnknown):
		return fmt.Errorf("reading a credential: %w", err)
	}
	hash, err := Hash(password, p.Params, p.Rand)
	if err != nil {
		return err
	}
	e, err := p.event("account.password", audit.Done)
	if err != nil {
		return err
	}
	e.Person, e.Holder, e.Object, e.Channel = person, person, "person/"+person, "event"
	err = p.Adder.AddCredential(ctx, Credential{Username: username, Person: person, Password: hash, Changed: e.Time}, e)
	if err != nil && !errors.Is(err, ErrCredentialExists) {
		return fmt.Errorf("saving a credential: %w", err)
	}
	return nil
}

func (p Passwords) event(action string, outcome audit.Outcome) (audit.Event, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(p.Rand, id); err != nil {
		return audit.Event{}, fmt.Errorf("drawing an event identifier: %w", err)
	}
	return audit.Event{ID: base64.RawURLEncoding.EncodeToString(id), Time: p.Now(), Action: action, Outcome: outcome}, nil
}
