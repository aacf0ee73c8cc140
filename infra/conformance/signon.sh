#!/usr/bin/env bash
# Starts the local server on a free port with a fresh store and signs on with a foreign relying party.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
go build -o "$work/local" ./infra/local
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
node infra/conformance/more-clients.mjs "$work/more.json"
"$work/local" -seed "$work/more.json" -addr "127.0.0.1:$port" -data "$work/data" >"$work/out" 2>"$work/log" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do
  curl -fs "http://localhost:$port/.well-known/openid-configuration" >/dev/null && break
  kill -0 $server 2>/dev/null || { cat "$work/out" "$work/log"; exit 1; }
  sleep 0.2
done
sed "s#{issuer}#http://localhost:$port#g; s#http://localhost:8080#http://localhost:$port#g" infra/local/seed.json >"$work/seed.json"
node infra/conformance/signon.mjs "http://localhost:$port" "$work/seed.json" "$work/more.json" demo-app-a demo-app-b zhang || { tail -n 40 "$work/log"; exit 1; }
