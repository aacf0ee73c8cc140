//go:build unix && !race

package embedded_test

// The moments at which a process is killed, for each effect.
var crashMoments = []string{"before", "within", "after"}
