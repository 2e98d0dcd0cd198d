#!/usr/bin/env bash
# Compiles helm-unittest, unless it is there, and prints where it is.
set -Eeuo pipefail
# The answer alone goes to standard output.
exec 3>&2 4>&1 >&2
cd "$(dirname "${BASH_SOURCE[0]}")"
for part in lib packages tools; do
  # shellcheck source=/dev/null
  . "../bed/$part.sh"
done

UNITTEST=$CACHE/lint/helm-unittest-$(hash_of e2e/chart/go-unittest/go.mod e2e/chart/unittest.sh)

# Another run may make it too: the last one wins, with the same.
compile() {
  (cd go-unittest && go_build "$UNITTEST.$$" github.com/helm-unittest/helm-unittest/cmd/helm-unittest)
  mv "$UNITTEST.$$" "$UNITTEST"
}

if [[ ! -x $UNITTEST ]]; then
  trap report_failure EXIT
  need_go
  mkdir -p "$CACHE/lint" "$CACHE/logs"
  step "helm-unittest: compiling (about 1 minute, once)" compile
fi
echo "$UNITTEST" >&4
