#!/usr/bin/env bash
# compatible.sh [accept]: whether the API and the events still suit everybody who uses baseline.tar.gz, which holds them as
# they were last accepted; and whether that is what they are now. `accept` takes them as they are, unless they break somebody.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

baseline=baseline.tar.gz
tools=$(../e2e/bed/lint.sh)
export PATH=$tools:$PATH

[[ ! -e $baseline ]] || buf breaking . --against "$baseline"
if [[ ${1:-} == accept ]]; then
  # The same sources give the same archive.
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c buf.yaml google user | gzip -n >"$baseline"
  exit
fi
accepted=$(mktemp -d)
trap 'rm -rf "$accepted"' EXIT
tar -xzf "$baseline" -C "$accepted"
for part in buf.yaml google user; do
  diff -ru "$accepted/$part" "$part" || {
    echo "proto/$baseline is stale; if this is as it shall be: make proto-baseline" >&2
    exit 1
  }
done
