#!/usr/bin/env bash
# docs-site.sh: builds the documentation as a site in the cache, and prints its first page. Fails on a warning of mdBook's
# and on a link that leads nowhere; that every page is in the table of contents is one of the crate's tests.
set -Eeuo pipefail
# The answer alone goes to standard output.
exec 3>&2 4>&1 >&2
cd "$(dirname "${BASH_SOURCE[0]}")/bed"
# shellcheck source=/dev/null
. ./lib.sh

VERSION=0.5.2
MDBOOK=$CACHE/tools/mdbook-$VERSION
SITE=$CACHE/site

# Unoptimised, as cargo-deny is: it compiles in a third of the time and builds the site in a second.
install_mdbook() {
  local making=$MDBOOK.making
  rm -rf "$making"
  mkdir -p "$making"
  CARGO_TARGET_DIR=$making/target CARGO_PROFILE_DEV_DEBUG=0 timeout 1800 \
    cargo install --debug --locked --quiet --no-default-features --features search --root "$making/root" "mdbook@$VERSION"
  mv "$making/root" "$MDBOOK"
  rm -rf "$making"
}

build_site() {
  rm -rf "$SITE"
  "$MDBOOK/bin/mdbook" build "$REPO/docs" --dest-dir "$SITE" 2>&1 | tee "$CACHE/logs/mdbook"
  ! grep -E ' WARN | ERROR ' "$CACHE/logs/mdbook"
}

if [[ ! -d $MDBOOK ]]; then
  trap report_failure EXIT
  take_lock
  step "mdbook: compiling (about 2 minutes, once)" install_mdbook
fi
mkdir -p "$CACHE/logs"
build_site
(cd "$REPO" && cargo run --quiet --locked -p docs -- check-site "$SITE")
echo "$SITE/index.html" >&4
