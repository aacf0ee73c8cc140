#!/usr/bin/env bash
# template.yaml before the real tools: cfn-lint, sam validate --lint, checkov, SAM's translator, sam build; then every artefact against its
# architecture and its budget. A tool that cannot be had is named, and that is a failure.
#
#   infra/check/template.sh [BUILD-DIR]
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${YINXIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/yinxin}
build=${1:-$(mktemp -d "${TMPDIR:-/tmp}/yinxin-sam.XXXXXX")}
mkdir -p "$build"
[ $# -gt 0 ] || trap 'rm -rf "$build"' EXIT
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=cn-north-1 CHECKOV_RUN_SCA_PACKAGE_SCAN_V2=false

venv=$cache/sam-$(sha256sum infra/check/requirements.txt | cut -c1-16)
if [ ! -f "$venv/done" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r infra/check/requirements.txt
  touch "$venv/done"
fi
export PATH="$venv/bin:$PATH"
for tool in sam cfn-lint checkov; do
  "$tool" --version >/dev/null || { echo "$tool cannot be had: template.yaml is not validated" >&2; exit 1; }
done

echo "-- cfn-lint"
cfn-lint --regions us-east-1 cn-north-1 --template template.yaml
echo "-- sam validate --lint"
sam validate --lint --template template.yaml 2>&1 | grep -v '^$\|update available\|^To download'
echo "-- checkov, without"
sed -n 's/^  - /  /p' infra/check/checkov.yaml
checkov --config-file infra/check/checkov.yaml --file template.yaml

echo "-- the template as SAM transforms it"
"$venv/bin/python" infra/check/transformed.py template.yaml infra/check/resources.txt "$build"
YINXIN_TRANSFORMED=$(cd "$build" && pwd) go test -count 1 -v -run '^TestRolesAreWhatSAMMakes$' ./infra/e2e/iam | grep -v '^=== '

# The builder of SAM passes the environment on, and masks compile errors behind one of its own: Go says them first.
export CGO_ENABLED=0 GOFLAGS="-tags=lambda.norpc -ldflags=-s -buildvcs=false"
echo "-- go vet"
go vet ./functions/...
for architecture in ${ARCHITECTURES:-arm64}; do
  echo "-- sam build for $architecture"
  out=$build/$architecture
  sam build --build-dir "$out" --cache-dir "$build/cache" --parameter-overrides "Architecture=$architecture" >"$build/log" 2>&1 ||
    { cat "$build/log" >&2; exit 1; }
  YINXIN_ARTEFACTS=$(cd "$out" && pwd) YINXIN_ARCHITECTURE=$architecture go test -count 1 -v -run '^TestArtefacts$' ./infra/check |
    grep -v '^=== '
done
