#!/usr/bin/env bash
# Installs what generates and runs clients, and prints its folder: bin/ belongs in front of PATH, node_modules/ beside the
# TypeScript, python/ on PYTHONPATH. The versions are pinned beside this file; everything comes into the cache, once.
set -Eeuo pipefail
# The answer alone goes to standard output.
exec 3>&2 4>&1 >&2
cd "$(dirname "${BASH_SOURCE[0]}")"
for part in lib packages; do
  # shellcheck source=/dev/null
  . "../bed/$part.sh"
done

CLIENTS=$REPO/e2e/clients
PINNED=(e2e/clients/{go/go.{mod,sum},typescript/package{,-lock}.json,python/{requirements.txt,protoc-gen-grpc-python},tools.sh})
TOOLS=$CACHE/clients/$(hash_of "${PINNED[@]}")
MAKING=$TOOLS.making

# NAME COMMAND…: the command with what pip installed on its path.
python_tool() {
  local name=$1
  shift
  printf '#!/bin/sh\nPYTHONPATH=%q exec %s "$@"\n' "$TOOLS/python" "$*" >"$MAKING/bin/$name"
  chmod +x "$MAKING/bin/$name"
}

install_tools() {
  rm -rf "$MAKING"
  mkdir -p "$MAKING/bin"
  (cd "$CLIENTS/go" && GOBIN=$MAKING/bin GOFLAGS=-mod=mod timeout 600 go install tool)
  cp "$CLIENTS"/typescript/package{,-lock}.json "$MAKING/"
  (cd "$MAKING" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund)
  ln -s ../node_modules/.bin/{protoc-gen-es,tsc} "$MAKING/bin/"
  timeout 300 python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --only-binary :all: \
    --requirement "$CLIENTS/python/requirements.txt" --target "$MAKING/python"
  cp "$CLIENTS/python/protoc-gen-grpc-python" "$MAKING/python/"
  python_tool protoc python3 -m grpc_tools.protoc
  python_tool protoc-gen-grpc-python python3 "$TOOLS/python/protoc-gen-grpc-python"
  mv "$MAKING" "$TOOLS"
}

if [[ ! -d $TOOLS ]]; then
  trap report_failure EXIT
  take_lock
  need_go
  command -v npm >/dev/null || die "please install Node.js 20 or newer with npm: https://nodejs.org"
  python3 -m pip --version >/dev/null 2>&1 || need pip-is-missing=python3-pip
  [[ -d $TOOLS ]] || step "clients: generators from Go modules, npm and PyPI (about a minute, once)" install_tools
fi
echo "$TOOLS" >&4
