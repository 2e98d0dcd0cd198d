#!/usr/bin/env bash
# Writes go.mod and go.sum anew. Needed only when the version below or one in ../go changes; both files are checked in.
# A module apart from ../go, so that a change here leaves the node's parts as they are; with the versions of ../go, so
# that most of what it needs is compiled already.
set -euo pipefail
cd "$(dirname "$0")"

rm -f go.sum
sed -e 's#^module .*#module userservice/e2e/bed/policies#' -e '/^tool (/,/^)/d' ../go/go.mod >go.mod
go get github.com/cloudnativelabs/kube-router/v2@v2.1.0
go mod tidy
# Kubernetes' own module is gone by now, and with it the need to say where its staging modules are.
sed -i '/^replace /d' go.mod
go mod tidy
