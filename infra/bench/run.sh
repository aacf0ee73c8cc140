#!/usr/bin/env bash
# Runs every benchmark of the table and writes the results of this month.
#
#   infra/bench/run.sh [FILE]     COUNT (5) runs of BENCHTIME (500ms) each
set -euo pipefail
cd "$(dirname "$0")/../.."
file=${1:-infra/bench/results-$(date -u +%Y-%m).md}
raw=$(mktemp "${TMPDIR:-/tmp}/yinxin-bench.XXXXXX")
trap 'rm -f "$raw"' EXIT
commit=$(git rev-parse --short HEAD)
go run ./infra/bench -plan | while IFS=$'\t' read -r folder pattern; do
  go test -run '^$' -bench "$pattern" -benchmem -count "${COUNT:-5}" -benchtime "${BENCHTIME:-500ms}" "./$folder" </dev/null
done | tee "$raw" >&2
go run ./infra/bench -commit "$commit" <"$raw" >"$file.new"
mv "$file.new" "$file"
echo "$file"
