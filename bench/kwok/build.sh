#!/usr/bin/env bash
# Builds kwok, which plays the kubelet of a node that is none: build.sh BINARY.
set -euo pipefail
binary=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$binary" sigs.k8s.io/kwok/cmd/kwok
