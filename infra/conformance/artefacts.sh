#!/usr/bin/env bash
# Judges the artefacts of `go run ./infra/local -demo -out DIR` with tools that nobody here wrote.
#
#   infra/conformance/artefacts.sh DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$out"
ok()   { printf 'ok   %s\n' "$*"; }
fail() { printf 'FAIL %s\n' "$*" >&2; exit 1; }
expect() { # expect WHAT PATTERN COMMAND...: the command's output has the pattern
  local what=$1 pattern=$2; shift 2
  local said; said=$("$@" 2>&1) || true
  grep -qE -- "$pattern" <<<"$said" && ok "$what" || fail "$what: looked for /$pattern/ in: $said"
}
refuse() { # refuse WHAT PATTERN COMMAND...: the command's output lacks the pattern
  local what=$1 pattern=$2; shift 2
  local said; said=$("$@" 2>&1) || true
  grep -qE -- "$pattern" <<<"$said" && fail "$what: found /$pattern/ in: $said" || ok "$what"
}

# climb verifies a chain link by link: OpenSSL 3.0 uses the SM2 identifier for the certificate asked about alone.
climb() { # climb CERTIFICATE WHAT
  local leaf=$1 what=$2 issuer subject parent links=0
  while :; do
    issuer=$(openssl x509 -in "$leaf" -noout -issuer_hash) subject=$(openssl x509 -in "$leaf" -noout -subject_hash)
    [ "$issuer" != "$subject" ] || break
    parent=
    for p in trust/*.pem; do
      openssl x509 -in "$p" -noout -subject_hash 2>/dev/null | grep -qx "$issuer" && parent=$p
    done
    [ -n "$parent" ] || fail "no certificate in trust/ issued $what"
    openssl verify -partial_chain -vfyopt distid:1234567812345678 -trusted "$parent" "$leaf" >/dev/null 2>"$work/why" || fail "OpenSSL refuses a link of $what: $(cat "$work/why")"
    leaf=$parent links=$((links + 1))
  done
  [ $links -ge 2 ] && case $(basename "$leaf") in *root*) ok "OpenSSL verifies the chain of $what: $links links up to $(basename "$leaf")" ;; *) fail "$what ends at $leaf" ;; esac
}

for f in seal.svg seal.png notice.pdf notice-stamped.pdf notice.ofd notice-stamped.ofd licence.pdf licence.ofd licence.png \
  licence.sd-jwt status-list.jwt report.json; do [ -s "$f" ] || fail "$f is missing"; done
ls trust/*.pem >/dev/null
ok "every artefact is there"

# PDF: structure, text, signatures.
for f in notice.pdf notice-stamped.pdf licence.pdf; do
  expect "qpdf finds no fault in $f" 'No syntax or stream encoding errors' qpdf --check "$f"
done
for f in notice-stamped.pdf:2 licence.pdf:1; do
  file=${f%:*} n=${f#*:} said=$(pdfsig -nocert "${f%:*}" 2>&1) || true
  [ "$(grep -c 'Signature is Valid' <<<"$said")" = "$n" ] || fail "pdfsig: $n valid signatures expected in $file: $said"
  grep -q 'Total document signed' <<<"$(awk "/^Signature #$n:/{p=1} p" <<<"$said")" || fail "pdfsig: the last signature of $file does not cover it: $said"
  ok "pdfsig: $n valid, the last covers the whole of $file"
done
cp notice-stamped.pdf "$work/appended.pdf" && printf '\n%% more\n' >>"$work/appended.pdf"
refuse "pdfsig: appended bytes are not 'Total document signed'" 'Total document signed' bash -c "pdfsig -nocert '$work/appended.pdf' | awk '/^Signature #2:/{p=1} p'"
node "$here/flip.mjs" notice-stamped.pdf "$work/flipped.pdf"
expect "pdfsig: one flipped bit is a digest mismatch" 'Digest Mismatch' pdfsig -nocert "$work/flipped.pdf"
expect "mutool: the last signature is unchanged since signing" 'unchanged since signing|document is unchanged' mutool sign -v licence.pdf
while read -r text; do
  pdftotext -layout licence.pdf - | tr -d ' \n　' | grep -qF -- "$(tr -d ' 　' <<<"$text")" || fail "pdftotext: $text is not in licence.pdf"
done < <(node -e 'const r=JSON.parse(require("fs").readFileSync("report.json"));for(const v of r.licence.face)console.log(v)')
ok "pdftotext finds every field of the licence"

# Seal and stamp: OpenSSL verifies both SM2 signatures and both chains.
for n in 0 1; do
  unzip -p notice-stamped.ofd "Doc_0/Signs/Sign_$n/SignedValue.dat" >"$work/stamp.der"
  node "$here/ses-parts.mjs" "$work/stamp.der" "$work/$n"
  for part in stamp seal; do
    openssl x509 -inform DER -in "$work/$n/$part.cer" -pubkey -noout >"$work/$n/$part.pub"
    expect "OpenSSL verifies the $part signature of Sign_$n" 'Verified OK' openssl dgst -sm3 -verify "$work/$n/$part.pub" \
      -sigopt distid:1234567812345678 -signature "$work/$n/$part.sig" "$work/$n/$part.tbs"
    openssl x509 -inform DER -in "$work/$n/$part.cer" -out "$work/$n/$part.pem"
    climb "$work/$n/$part.pem" "the $part of Sign_$n"
  done
  digest=$(unzip -p notice-stamped.ofd "Doc_0/Signs/Sign_$n/Signature.xml" | openssl dgst -sm3 -r | cut -d' ' -f1)
  [ "$digest" = "$(cat "$work/$n/datahash")" ] || fail "dataHash of Sign_$n is not the SM3 of its Signature.xml"
  ok "OpenSSL: dataHash of Sign_$n is the SM3 of its Signature.xml"
done
for f in notice.ofd notice-stamped.ofd licence.ofd; do
  rm -rf "$work/ofd" && mkdir "$work/ofd" && (cd "$work/ofd" && unzip -qq "$out/$f")
  find "$work/ofd" -name '*.xml' -print0 | xargs -0 xmllint --noout --nonet
  ok "xmllint: every part of $f is well formed"
done
checked=0
while IFS=$'\t' read -r path digest; do
  [ "$(unzip -p notice-stamped.ofd "${path#/}" | openssl dgst -sm3 -binary | base64)" = "$digest" ] || fail "the digest of $path is wrong"
  checked=$((checked + 1))
done < <(unzip -p notice-stamped.ofd Doc_0/Signs/Sign_1/Signature.xml | grep -oE 'FileRef="[^"]+"[^/]*><ofd:CheckValue>[^<]+' | sed -E 's/FileRef="([^"]+)".*CheckValue>/\1\t/')
[ $checked -ge 6 ] || fail "only $checked references in Sign_1"
ok "OpenSSL: all $checked digests that the second stamp lists"

# Pictures and the code on the licence.
expect "the seal as SVG is well formed" '^$' xmllint --noout --nonet seal.svg
expect "zbarimg reads the code on licence.png" '.' zbarimg -q --raw licence.png
[ "$(zbarimg -q --raw licence.png | tr -d '\n')" = "$(node -p 'JSON.parse(require("fs").readFileSync("report.json")).licence.qr')" ] || fail "the code on the licence says something else"
ok "the code on the licence says what it should"

# The licence, by a foreign SD-JWT implementation, before and after its revocation.
node "$here/licence.mjs" "$out"
