#!/usr/bin/env bash
# Writes go.mod and go.sum anew. Needed only when the version below or one in ../go changes; both files are checked in.
# A module apart from ../go, so that a change here leaves the node's parts as they are; with the versions of ../go, so
# that most of what it needs is compiled already.
set -euo pipefail
cd "$(dirname "$0")"

rm -f go.sum
sed -e 's#^module .*#module userservice/e2e/bed/cert-manager#' -e '/^tool (/,/^)/d' ../go/go.mod >go.mod
# It asks for these, newer than in ../go, and nine tenths of what it needs would be compiled anew.
go mod edit -exclude=k8s.io/utils@v0.0.0-20260626114624-be93311217bd -exclude=github.com/google/cel-go@v0.30.0
go get github.com/cert-manager/cert-manager@v1.21.2
go mod tidy
# Kubernetes' own module is gone by now, and with it the need to say where its staging modules are.
sed -i '/^replace /d' go.mod
go mod tidy
