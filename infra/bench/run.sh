#!/usr/bin/env bash
# Runs every benchmark of the table and writes the results of this month.
#
#   infra/bench/run.sh [FILE]     COUNT (7) rounds, BENCHTIME (200ms) for each benchmark in each; STARTS (41) of every function
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
file=${1:-infra/bench/results-$(date -u +%Y-%m).md}
work=$(mktemp -d "${TMPDIR:-/tmp}/yinxin-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
commit=$(git rev-parse --short HEAD)
go run ./infra/bench -plan >"$work/plan"
while IFS=$'\t' read -r folder _; do
  go test -c -o "$work/${folder//\//-}" "./$folder"
done <"$work/plan"
# Rounds, so that a disturbance of the machine falls on operation and bare operation alike.
for _ in $(seq "${COUNT:-7}"); do
  while IFS=$'\t' read -r folder pattern; do
    (cd "$root/$folder" && "$work/${folder//\//-}" -test.run '^$' -test.bench "$pattern" -test.benchmem \
      -test.benchtime "${BENCHTIME:-200ms}" </dev/null)
  done <"$work/plan"
done | tee "$work/raw" >&2
go run ./infra/bench -commit "$commit" <"$work/raw" >"$work/table"
{ printf '\n## Cold starts\n\n' && go run ./infra/bench/starts -rounds "${STARTS:-41}"; } >>"$work/table"
mv "$work/table" "$file"
echo "$file"
