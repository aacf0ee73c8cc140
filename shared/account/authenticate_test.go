package account_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/account"
	"github.com/yinxin/yinxin/shared/account/accounttest"
	"github.com/yinxin/yinxin/shared/audit"
)

// cheap are costs for tests that are not about costs.
func cheap() account.Params { return account.Params{Memory: 8, Passes: 1, Lanes: 1} }

func newPasswords(t testing.TB, p account.Params) (account.Passwords, *accounttest.Memory) {
	t.Helper()
	m := accounttest.NewMemory()
	passwords := account.Passwords{
		Credentials: m, Adder: m, Counters: m, Devices: m, Audit: m, Params: p, Now: m.Now, Rand: rand.Reader,
	}
	if err := passwords.SetFirstPassword(t.Context(), "zhang", "correct horse"); err != nil {
		t.Fatal(err)
	}
	return passwords, m
}

func TestOnlyTheRightPasswordOpens(t *testing.T) {
	p, _ := newPasswords(t, cheap())
	for i, tt := range []struct {
		username, password string
		want               error
	}{
		{"zhang", "correct horse", nil},
		{" Zhang ", "correct horse", nil},
		{"zhang", "correct horse ", account.Wrong},
		{"zhang", "Correct horse", account.Wrong},
		{"zhang", "", account.Wrong},
		{"zhang", strings.Repeat("x", 600), account.Wrong},
		{"nobody", "correct horse", account.Wrong},
		{"", "", account.Wrong},
		{strings.Repeat("z", 10000), "x", account.Wrong},
	} {
		person, acr, err := p.Authenticate(t.Context(), tt.username, tt.password, fmt.Sprint("192.0.2.", i), "d")
		if !errors.Is(err, tt.want) || (err == nil) != (person == "zhang" && acr == account.ACR) || err != nil && person+acr != "" {
			t.Errorf("%.20q %.20q: Authenticate = %q, %q, %v, want %v", tt.username, tt.password, person, acr, err, tt.want)
		}
	}
}

func TestAFirstPasswordIsSetOnce(t *testing.T) {
	p, m := newPasswords(t, cheap())
	if err := p.SetFirstPassword(t.Context(), "zhang", "another"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Authenticate(t.Context(), "zhang", "another", "192.0.2.1", "d"); !errors.Is(err, account.Wrong) {
		t.Errorf("Authenticate with the second = %v", err)
	}
	if events, _ := m.ByHolder(t.Context(), "zhang", 10); len(events) != 2 {
		t.Errorf("events = %+v, want one of the password and one of the attempt", events)
	}
	if err := p.SetFirstPassword(t.Context(), "li", ""); !errors.Is(err, account.ErrPassword) {
		t.Errorf("SetFirstPassword = %v, want ErrPassword", err)
	}
}

func TestRefusedAttemptsAreRecorded(t *testing.T) {
	p, m := newPasswords(t, cheap())
	for _, name := range []string{"zhang", "nobody"} {
		if _, _, err := p.Authenticate(t.Context(), name, "wrong password", "192.0.2.1", "d"); !errors.Is(err, account.Wrong) {
			t.Fatal(err)
		}
	}
	events, err := m.ByTime(t.Context(), accounttest.Noon, accounttest.Noon.Add(1), 10)
	if err != nil || len(events) != 3 {
		t.Fatalf("events = %+v, %v", events, err)
	}
	if e := events[1]; e.Action != "session.begin" || e.Outcome != audit.Refused || e.Reason != "wrong_credentials" || e.Holder != "zhang" || e.Person != "" {
		t.Errorf("event = %+v", e)
	}
	if e := events[2]; e.Holder != "" || strings.Contains(fmt.Sprint(e), "nobody") {
		t.Errorf("what was typed stands in the event: %+v", e)
	}
}

func TestTheOwnerIsToldOfNewBrowsersAndOfGuessing(t *testing.T) {
	p, m := newPasswords(t, cheap())
	for _, device := range []string{"a", "b", "a"} {
		if _, _, err := p.Authenticate(t.Context(), "zhang", "correct horse", "192.0.2.9", device); err != nil {
			t.Fatal(err)
		}
	}
	fail(t, p, 20, "zhang", "192.0.2.1", "c")
	fail(t, p, 20, "nobody", "192.0.2.2", "c")
	events, err := m.ByTime(t.Context(), accounttest.Noon, accounttest.Noon.Add(1), 100)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range events {
		count[e.Action+" "+e.Reason+" "+e.Holder]++
		if strings.Contains(fmt.Sprint(e), "nobody") {
			t.Errorf("what was typed stands in the event: %+v", e)
		}
	}
	for what, n := range map[string]int{"account.browser  zhang": 2, "session.begin throttled zhang": 1, "session.begin throttled ": 1} {
		if count[what] != n {
			t.Errorf("%d events %q, want %d; all: %v", count[what], what, n, count)
		}
	}
	m.SetNow(accounttest.Noon.Add(2 * time.Hour))
	fail(t, p, 20, "zhang", "192.0.2.1", "c")
	if events, err := m.ByTime(t.Context(), accounttest.Noon.Add(time.Hour), accounttest.Noon.Add(3*time.Hour), 100); err != nil || len(events) != 6 {
		t.Errorf("two hours later %d events, %v; want five attempts and one that was held up", len(events), err)
	}
}

// fail makes n wrong attempts and returns how many were looked at.
func fail(t *testing.T, p account.Passwords, n int, username, address, device string) int {
	t.Helper()
	looked := 0
	for range n {
		_, _, err := p.Authenticate(t.Context(), username, "wrong", address, device)
		switch {
		case errors.Is(err, account.Wrong):
			looked++
		case !errors.Is(err, account.Throttled):
			t.Fatal(err)
		}
	}
	return looked
}

func TestGuessingIsSlowed(t *testing.T) {
	p, m := newPasswords(t, cheap())
	if n := fail(t, p, 20, "zhang", "192.0.2.1", "a"); n != 5 {
		t.Errorf("one address had %d guesses at one account, want 5", n)
	}
	if n := fail(t, p, 20, "zhang", "192.0.2.1", "b"); n != 0 {
		t.Errorf("a fresh browser gave the address %d more guesses", n)
	}
	m.SetNow(m.Now().Add(15 * time.Minute))
	if n := fail(t, p, 20, "zhang", "192.0.2.1", "a"); n != 5 {
		t.Errorf("a quarter of an hour later %d guesses, want 5", n)
	}
	n := 0
	for i := range 200 {
		n += fail(t, p, 5, "zhang", fmt.Sprintf("198.51.100.%d", i), "a")
	}
	if n != 100-10 {
		t.Errorf("many addresses had %d more guesses at one account in an hour, want 90", n)
	}
	n = 0
	for i := range 200 {
		n += fail(t, p, 1, fmt.Sprint("user", i), "203.0.113.1", "a")
	}
	if n != 60 {
		t.Errorf("one address had %d guesses at many accounts, want 60", n)
	}
}

func TestGuessesMadeAtOnceAreCounted(t *testing.T) {
	p, _ := newPasswords(t, cheap())
	var looked atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, _, err := p.Authenticate(t.Context(), "zhang", "wrong", "192.0.2.1", "d"); errors.Is(err, account.Wrong) {
				looked.Add(1)
			}
		})
	}
	wg.Wait()
	if looked.Load() != 5 {
		t.Errorf("of a hundred guesses at once %d were looked at, want 5", looked.Load())
	}
}

func TestAStrangerCannotLockTheOwnerOut(t *testing.T) {
	p, m := newPasswords(t, cheap())
	in := func(address, device string) error {
		_, _, err := p.Authenticate(t.Context(), "zhang", "correct horse", address, device)
		return err
	}
	if err := in("192.0.2.1", "mine"); err != nil {
		t.Fatal(err)
	}
	fail(t, p, 10, "zhang", "198.51.100.1", "stranger")
	if err := in("192.0.2.2", "new browser"); err != nil {
		t.Errorf("one stranger locked a new browser at another address out: %v", err)
	}
	for i := range 200 {
		fail(t, p, 5, "zhang", fmt.Sprint("203.0.113.", i), "stranger")
	}
	for _, address := range []string{"192.0.2.1", "203.0.113.7"} {
		if err := in(address, "mine"); err != nil {
			t.Errorf("many strangers locked the owner's browser at %s out: %v", address, err)
		}
	}
	// The owner's own browser has an allowance too, and it is of this account alone.
	if n := fail(t, p, 50, "zhang", "192.0.2.1", "mine"); n != 10 {
		t.Errorf("a known browser had %d guesses, want 10", n)
	}
	m.SetNow(m.Now().Add(15 * time.Minute))
	if err := in("192.0.2.1", "mine"); err != nil {
		t.Errorf("a quarter of an hour later: %v", err)
	}
	if n := fail(t, p, 20, "li", "192.0.2.9", "mine"); n != 5 {
		t.Errorf("a browser known to another account had %d guesses, want 5", n)
	}
}

// A customer's IPv6 site has 65,536 networks (RFC 6177, section 2), and is one stranger.
func TestAStrangerWithManyNetworksCannotLockTheOwnerOut(t *testing.T) {
	p, _ := newPasswords(t, cheap())
	n := 0
	for i := range 200 {
		n += fail(t, p, 5, "zhang", fmt.Sprintf("2001:db8:1:%x::1", i), "stranger")
	}
	if n != 20 {
		t.Errorf("one site had %d guesses at one account in an hour, want 20", n)
	}
	for _, address := range []string{"192.0.2.1", "2001:db8:2::1"} {
		if _, _, err := p.Authenticate(t.Context(), "zhang", "correct horse", address, "new browser"); err != nil {
			t.Errorf("one stranger locked a new browser at %s out: %v", address, err)
		}
	}
	n = 0
	for i := range 700 {
		n += fail(t, p, 1, fmt.Sprint("user", i), fmt.Sprintf("2001:db8:3:%x::1", i), "stranger")
	}
	if n != 600 {
		t.Errorf("one site had %d guesses at many accounts, want 600", n)
	}
}

func TestSuccessUsesNothingUp(t *testing.T) {
	p, _ := newPasswords(t, cheap())
	for i := range 300 {
		if _, _, err := p.Authenticate(t.Context(), "zhang", "correct horse", "192.0.2.1", fmt.Sprint("device", i)); err != nil {
			t.Fatalf("log-in %d: %v", i, err)
		}
	}
}

func TestAddressesAreCountedAsOnePartyHasThem(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b string
		same bool
	}{
		"two IPv4 addresses":       {"192.0.2.1", "192.0.2.2", false},
		"IPv4 in IPv6":             {"192.0.2.1", "::ffff:192.0.2.1", true},
		"one IPv6 network":         {"2001:db8::1", "2001:db8::ffff:1", true},
		"two IPv6 networks":        {"2001:db8::1", "2001:db8:0:1::1", false},
		"two IPv6 sites":           {"2001:db8::1", "2001:db8:1::1", false},
		"one zone":                 {"fe80::1%eth0", "fe80::2%eth1", true},
		"two that are unreadable":  {"", "x", true},
		"a readable and not a one": {"192.0.2.1", "x", false},
	} {
		p, _ := newPasswords(t, cheap())
		fail(t, p, 5, "zhang", tt.a, "d")
		if same := fail(t, p, 1, "zhang", tt.b, "d") == 0; same != tt.same {
			t.Errorf("%s: counted together: %v", name, same)
		}
	}
}

// Argon2id's cost is the memory it fills. An unknown user name fills as much as a known one, so that neither the time nor
// the load tells them apart.
func TestAnUnknownUserNameCostsWhatAKnownOneCosts(t *testing.T) {
	const memory = 4 << 10 // KiB
	p, _ := newPasswords(t, account.Params{Memory: memory, Passes: 2, Lanes: 1})
	// What no password can be costs the same, or its sender learns who exists.
	for i, password := range []string{"wrong", "", strings.Repeat("x", 600)} {
		for _, username := range []string{"zhang", "nobody", ""} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := p.Authenticate(t.Context(), username, password, fmt.Sprint("192.0.2.", i), "d")
			runtime.ReadMemStats(&after)
			filled := after.TotalAlloc - before.TotalAlloc
			if !errors.Is(err, account.Wrong) || filled < memory<<10 || filled > 3*memory<<10 {
				t.Errorf("%q with %.5q filled %d KiB, want the %d of one hash; %v", username, password, filled>>10, memory, err)
			}
		}
	}
}

// The vectors are those of the reference implementation, github.com/P-H-C/phc-winner-argon2, src/test.c.
func TestHashesOfTheReferenceImplementationVerify(t *testing.T) {
	for encoded, password := range map[string]string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "password",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4":   "password",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc":   "password",
	} {
		if right, err := account.Verify(encoded, password); err != nil || !right {
			t.Errorf("Verify(%s) = %v, %v", encoded, right, err)
		}
		if right, err := account.Verify(encoded, password+"x"); err != nil || right {
			t.Errorf("Verify of another password = %v, %v", right, err)
		}
	}
}

func TestPasswordsAreComparedAsTheyAreSeen(t *testing.T) {
	encoded, err := account.Hash("caf\u00e9", cheap(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if right, err := account.Verify(encoded, "cafe\u0301"); err != nil || !right {
		t.Errorf("Verify of the other form = %v, %v", right, err)
	}
}

func TestHashesAreReadStrictly(t *testing.T) {
	const salt, tag = "c29tZXNhbHQ", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for name, encoded := range map[string]string{
		"nothing":          "",
		"argon2i":          "$argon2i$v=19$m=256,t=2,p=1$" + salt + "$" + tag,
		"another version":  "$argon2id$v=16$m=256,t=2,p=1$" + salt + "$" + tag,
		"no version":       "$argon2id$m=256,t=2,p=1$" + salt + "$" + tag,
		"a gigabyte":       "$argon2id$v=19$m=1048576,t=2,p=1$" + salt + "$" + tag,
		"no memory":        "$argon2id$v=19$m=0,t=2,p=1$" + salt + "$" + tag,
		"a hundred passes": "$argon2id$v=19$m=256,t=100,p=1$" + salt + "$" + tag,
		"no pass":          "$argon2id$v=19$m=256,t=0,p=1$" + salt + "$" + tag,
		"no lane":          "$argon2id$v=19$m=256,t=2,p=0$" + salt + "$" + tag,
		"300 lanes":        "$argon2id$v=19$m=256,t=2,p=300$" + salt + "$" + tag,
		"a sign":           "$argon2id$v=19$m=+256,t=2,p=1$" + salt + "$" + tag,
		"a trailing word":  "$argon2id$v=19$m=256,t=2,p=1x$" + salt + "$" + tag,
		"a short salt":     "$argon2id$v=19$m=256,t=2,p=1$AAAA$" + tag,
		"a short tag":      "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$AAAA",
		"padding":          "$argon2id$v=19$m=256,t=2,p=1$" + salt + "=$" + tag,
		"another part":     "$argon2id$v=19$m=256,t=2,p=1$" + salt + "$" + tag + "$",
	} {
		if right, err := account.Verify(encoded, "password"); !errors.Is(err, account.ErrHash) || right {
			t.Errorf("%s: Verify = %v, %v, want ErrHash", name, right, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	encoded, err := account.Hash("password", cheap(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded, "password")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "x")
	f.Fuzz(func(t *testing.T, encoded, password string) {
		if strings.Contains(encoded, "m=") && !strings.Contains(encoded, "m=8,t=1,p=1$") {
			return // the bounds have a test of their own; here the time goes to the form
		}
		right, err := account.Verify(encoded, password)
		if err != nil && right {
			t.Fatal("an error and a success")
		}
		if err == nil {
			if again, err := account.Verify(encoded, password); err != nil || again != right {
				t.Fatal("two answers")
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	encoded, err := account.Hash("password", account.DefaultParams(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if right, err := account.Verify(encoded, "password"); err != nil || !right {
			b.Fatal(err)
		}
	}
}
