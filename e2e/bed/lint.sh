#!/usr/bin/env bash
# Installs what the checks need and prints the folders to prepend to PATH: PATH=$(e2e/bed/lint.sh):$PATH
# cargo-deny and buf come into the cache, keyed by version; shellcheck is the system's.
set -Eeuo pipefail
# The answer alone goes to standard output.
exec 3>&2 4>&1 >&2
cd "$(dirname "${BASH_SOURCE[0]}")"
for part in lib packages; do
  # shellcheck source=/dev/null
  . "./$part.sh"
done

CARGO_DENY=0.20.2
DENY=$CACHE/lint/cargo-deny-$CARGO_DENY
BUF=$CACHE/lint/buf-$(hash_of proto/package-lock.json)

# Unoptimised: it compiles in a third of the time and still answers in seconds.
install_cargo_deny() {
  local making=$DENY.making
  rm -rf "$making"
  mkdir -p "$making"
  (cd "$REPO" && CARGO_TARGET_DIR=$making/target CARGO_PROFILE_DEV_DEBUG=0 \
    timeout 1800 cargo install --debug --locked --quiet --root "$making/root" "cargo-deny@$CARGO_DENY")
  mv "$making/root" "$DENY"
  rm -rf "$making"
}

# The binary is in a package of its own for each platform: no install script is needed.
install_buf() {
  local making=$BUF.making
  rm -rf "$making"
  mkdir -p "$making"
  cp "$REPO"/proto/package{,-lock}.json "$making/"
  (cd "$making" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund)
  "$making/node_modules/.bin/buf" --version
  mv "$making" "$BUF"
}

need_npm() {
  command -v npm >/dev/null || die "please install Node.js 20 or newer with npm: https://nodejs.org"
}

installed() { [[ -d $DENY && -d $BUF ]] && command -v shellcheck >/dev/null; }

if ! installed; then
  trap report_failure EXIT
  take_lock
  need shellcheck=shellcheck
  [[ -d $DENY ]] || step "cargo-deny: compiling (about 3 minutes, once)" install_cargo_deny
  [[ -d $BUF ]] || { need_npm; step "buf: from npm" install_buf; }
fi
echo "$DENY/bin:$BUF/node_modules/.bin" >&4
