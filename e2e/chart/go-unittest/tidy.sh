#!/usr/bin/env bash
# Writes go.mod and go.sum anew. Needed only when the version below changes; both files are checked in.
set -euo pipefail
cd "$(dirname "$0")"

tool=github.com/helm-unittest/helm-unittest
version=v1.1.2

rm -f go.sum
printf 'module userservice/e2e/chart/unittest\n\ngo 1.26.0\n' >go.mod
# It replaces a library by its own copy, which does not count in other modules: said again here.
module=$(go mod download -json "$tool@$version" | jq -r .GoMod)
go mod edit -json "$module" | jq -r '.Replace[]? | "\(.Old.Path)@\(.Old.Version // "" )=\(.New.Path)@\(.New.Version)"' |
  while read -r replace; do go mod edit -replace="$replace"; done
go get -tool "$tool/cmd/helm-unittest@$version"
