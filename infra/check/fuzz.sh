#!/usr/bin/env bash
# Finds every fuzz target of the module and runs each for the given time (default 20s), two at a time.
set -euo pipefail
cd "$(dirname "$0")/../.."
time=${1:-20s}
targets=$(git grep -hoE --line-number '^func (Fuzz[A-Za-z0-9_]+)\(' -- '*_test.go' >/dev/null && git grep -E '^func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go' |
  sed -E 's#^(.*)/[^/]+_test\.go:func (Fuzz[A-Za-z0-9_]+)\(.*#./\1 \2#' | sort -u)
[ -n "$targets" ] || { echo "no fuzz target was found" >&2; exit 1; }
echo "$(wc -l <<<"$targets") fuzz targets, $time each"
one() {
  local out
  if out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "$3" -fuzzminimizetime 20x -parallel 1 "$1" 2>&1); then
    printf 'ok   %s %s  %s\n' "$1" "$2" "$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -n 1)"
  else
    printf 'FAIL %s %s\n%s\n' "$1" "$2" "$out"
    return 1
  fi
}
export -f one
xargs -P 2 -L 1 bash -c 'one "$1" "$2" "$3"' _ < <(sed "s/\$/ $time/" <<<"$targets")
