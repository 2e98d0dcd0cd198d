#!/usr/bin/env bash
# Brings Prometheus, Debian's, and prints the folder to prepend to PATH: PATH=$(e2e/bed/prometheus.sh):$PATH
# The package is unpacked into the cache and not installed: nothing is started, and no root is needed.
set -Eeuo pipefail
# The answer alone goes to standard output.
exec 3>&2 4>&1 >&2
cd "$(dirname "${BASH_SOURCE[0]}")"
for part in lib packages; do
  # shellcheck source=/dev/null
  . "./$part.sh"
done

PROMETHEUS=$CACHE/prometheus

unpack_prometheus() {
  local making=$PROMETHEUS.making
  rm -rf "$making"
  mkdir -p "$making"
  # Others than root take the lists as they are.
  [[ $EUID -ne 0 ]] || apt-get update -qq
  # Not by root's other self, which may not write here.
  (cd "$making" && apt-get -o APT::Sandbox::User=root download prometheus && dpkg-deb -x ./*.deb unpacked)
  "$making/unpacked/usr/bin/prometheus" --version
  mv "$making/unpacked" "$PROMETHEUS"
  rm -rf "$making"
}

if command -v prometheus >/dev/null; then
  dirname "$(command -v prometheus)" >&4
  exit
fi
if [[ ! -d $PROMETHEUS ]]; then
  trap report_failure EXIT
  take_lock
  command -v apt-get >/dev/null || die "please install Prometheus 2.42 or newer: https://prometheus.io/download"
  [[ -d $PROMETHEUS ]] || step "prometheus: from Debian" unpack_prometheus
fi
echo "$PROMETHEUS/usr/bin" >&4
