package access_test

import (
	"net/http"
	"testing"

	"github.com/yinxin/yinxin/shared/access"
)

func TestOneSubscriberIsOneNetwork(t *testing.T) {
	network := func(remote string) string { return access.Network(&http.Request{RemoteAddr: remote}) }
	for _, same := range [][2]string{
		{"192.0.2.1:1", "192.0.2.1:65535"},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:2"}, // IPv4 on a socket of IPv6
		{"[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:2"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1"},
	} {
		if a, b := network(same[0]), network(same[1]); a != b {
			t.Errorf("%s is %s, %s is %s", same[0], a, same[1], b)
		}
	}
	seen := map[string]bool{}
	for _, remote := range []string{"192.0.2.1:1", "192.0.2.2:1", "[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", "@", ""} {
		if n := network(remote); seen[n] {
			t.Errorf("%s is %s, as another", remote, n)
		} else {
			seen[n] = true
		}
	}
}
