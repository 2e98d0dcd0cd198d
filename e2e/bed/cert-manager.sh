#!/usr/bin/env bash
# Brings cert-manager, compiled from its Go module, and prints the folder that has its controllers as the program
# cert-manager, and its definitions as definitions.yaml.
set -Eeuo pipefail
# The answer alone goes to standard output.
exec 3>&2 4>&1 >&2
cd "$(dirname "${BASH_SOURCE[0]}")"
for part in lib packages tools; do
  # shellcheck source=/dev/null
  . "./$part.sh"
done

CERT_MANAGER=$CACHE/cert-manager/$(hash_of e2e/bed/go-cert-manager e2e/bed/cert-manager.sh)

build_cert_manager() (
  making=$CERT_MANAGER.making
  rm -rf "$making"
  mkdir -p "$making"
  cd "$BED/go-cert-manager"
  go_build "$making/cert-manager" .
  cat "$(go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)"/deploy/crds/cert-manager.io_*.yaml >"$making/definitions.yaml"
  mv "$making" "$CERT_MANAGER"
)

if [[ ! -d $CERT_MANAGER ]]; then
  trap report_failure EXIT
  take_lock
  need_go
  [[ -d $CERT_MANAGER ]] || step "cert-manager: compiling (about half a minute, once)" build_cert_manager
fi
echo "$CERT_MANAGER" >&4
