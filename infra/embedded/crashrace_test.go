//go:build unix && race

package embedded_test

// Under the race detector a process costs ten times as much, and these have one thread each: one kill for each effect.
var crashMoments = []string{"after"}
