#!/usr/bin/env bash
# clients.sh: generates clients in Go, TypeScript and Python, compiles them, and has each of them call a running service;
# then asks the service for its health by grpc-health-probe, with and without TLS.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

service=$CARGO_TARGET_DIR/debug/user-service
tools=$(e2e/clients/tools.sh)
PATH=$tools/bin:$(e2e/bed/lint.sh):$PATH
work=$(mktemp -d)
: >"$work/log"
running=
trap 'stop; rm -rf "$work"' EXIT

stop() {
  [[ -z $running ]] || { kill "$running" && wait "$running"; } 2>/dev/null || true
  running=
}

fail() {
  echo "FAILED: $*" >&2
  tail -n 5 "$work/log" >&2
  exit 1
}

# serve VARIABLE=VALUE…: starts the service on ports that the kernel chooses; sets grpc and admin to their addresses.
serve() {
  env USERSVC_GRPC_ADDRESS=127.0.0.1:0 USERSVC_ADMIN_ADDRESS=127.0.0.1:0 USERSVC_DRAIN_DELAY=0s "$@" \
    "$service" >"$work/events" 2>"$work/log" &
  running=$!
  local tries=0
  until grep -q '"message":"serving"' "$work/log"; do
    ((++tries < 200)) || fail "the service does not serve"
    sleep 0.1
  done
  grpc=$(sed -n 's/.*"grpc_address":"\([^"]*\)".*/\1/p' "$work/log")
  admin=$(sed -n 's/.*"admin_address":"\([^"]*\)".*/\1/p' "$work/log")
}

# probe ADDRESS SERVICE OPTION…
probe() {
  grpc-health-probe -connect-timeout 10s -rpc-timeout 10s -addr "$1" -service "$2" "${@:3}" 2>>"$work/log" >&2
}

echo "clients: generating"
buf generate --template proto/buf.gen.yaml --output "$work"
for language in go typescript python; do
  cp e2e/clients/$language/* "$work/$language/"
done
ln -s "$tools/node_modules" "$work/typescript/node_modules"

echo "clients: compiling"
(cd "$work/go" && GOFLAGS=-mod=mod go build -o client .)
(cd "$work/typescript" && tsc)

serve
echo "clients: calling by Go, TypeScript and Python"
"$work/go/client" "$grpc"
(cd "$work/typescript" && node out/call.js "$grpc")
PYTHONPATH=$tools/python:$work/python python3 "$work/python/call.py" "$grpc"

echo "clients: grpc-health-probe"
probe "$grpc" "" || fail "the server is not healthy"
probe "$grpc" user.v1.UserService || fail "the API is not healthy"
probe "$admin" readiness || fail "not ready"
! probe "$grpc" nobody.v1.Service || fail "a service that is not there is healthy"
stop
[[ $(grep -c user.created "$work/events") -eq 3 ]] || fail "three users were to be created"

key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1)
cd "$work"
{
  openssl req -x509 "${key[@]}" -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt
  openssl req -x509 "${key[@]}" -subj /CN=clients -keyout ca.key -out ca.crt
  openssl req "${key[@]}" -subj /CN=probe -keyout probe.key -out probe.csr
  openssl x509 -req -in probe.csr -CA ca.crt -CAkey ca.key -days 1 -out probe.crt \
    -extfile <(echo subjectAltName=DNS:probe)
} 2>"$work/log"
serve USERSVC_TLS=mutual USERSVC_TLS_CERTIFICATE_FILE="$work/tls.crt" USERSVC_TLS_KEY_FILE="$work/tls.key" \
  USERSVC_TLS_CLIENT_CA_FILE="$work/ca.crt" USERSVC_TLS_ALLOWED_CLIENTS=probe
tls=(-tls -tls-ca-cert tls.crt -tls-server-name localhost)
probe "$grpc" user.v1.UserService "${tls[@]}" -tls-client-cert probe.crt -tls-client-key probe.key ||
  fail "the API is not healthy over mutual TLS"
! probe "$grpc" user.v1.UserService "${tls[@]}" -connect-timeout 2s || fail "a client without a certificate was answered"
probe "$admin" readiness || fail "not ready with TLS"
echo "clients: all answered"
