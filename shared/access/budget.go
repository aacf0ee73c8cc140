package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/yinxin/yinxin/shared/problem"
)

// Budgets bounds how often somebody does something within a window.
type Budgets interface {
	// Spend takes one of the limit of key. The window begins with the first call, and again with the first after it has
	// passed. It is one atomic step: of any number of concurrent calls within a window exactly limit return a nil error,
	// the others [ErrSpent]. The time is the end of the window; a call whose answer was lost may count twice.
	Spend(ctx context.Context, key string, limit int, window time.Duration) (end time.Time, err error)
}

// ErrSpent reports a budget of which nothing is left in this window.
var ErrSpent = errors.New("access: the budget is spent")

// The budget of look-ups of licences by anybody but their holders. It bounds how fast somebody can collect them.
const (
	lookUps      = 60
	lookUpWindow = time.Minute
)

// Network is what a request is counted under where nobody has signed on: the IPv4 address that the server or the
// gateway saw, or the first 64 bits of the IPv6 address, since one subscriber has all addresses behind them (RFC 6177,
// section 2; RFC 4291, section 2.5.4). Headers are not believed.
func Network(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// SpendLookUp takes one look-up of the caller's budget, which is the person's with the client, or that of the [Network]
// where no token says who asks. It refuses with [problem.TooMany] and says in Retry-After (RFC 9110, section
// 10.2.3) when to come again. Without budgets nobody is refused.
func SpendLookUp(w http.ResponseWriter, r *http.Request, b Budgets, c Caller, now time.Time) error {
	if b == nil {
		return nil
	}
	key := Digest("look-up", c.Client, c.Person)
	if c.Client == "" && c.Person == "" {
		key = Digest("look-up from", Network(r))
	}
	end, err := b.Spend(r.Context(), key, lookUps, lookUpWindow)
	if errors.Is(err, ErrSpent) {
		seconds := max(1, int((end.Sub(now)+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return problem.TooMany
	}
	if err != nil {
		return fmt.Errorf("counting a look-up: %w", err)
	}
	return nil
}
