#!/usr/bin/env bash
# Writes go.mod and go.sum anew. Needed only when a version below changes; both files are checked in.
# A module apart from ../go: kubeconform asks for newer Kubernetes libraries than the release that ../go builds.
set -euo pipefail
cd "$(dirname "$0")"

rm -f go.sum
printf 'module userservice/e2e/bed/tools\n\ngo 1.26.0\n' >go.mod
go get -tool github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
go get -tool github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
go mod tidy
