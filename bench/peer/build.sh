#!/usr/bin/env bash
# Builds the peer: build.sh BINARY. The code of the API is generated beside a copy of the source, next to the binary.
set -euo pipefail
binary=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
proto=$(realpath ../../proto)

making=$binary.making
rm -rf "$making"
mkdir -p "$making"
cp -r go.mod go.sum ./*.go generate "$making/"
cd "$making"
go run ./generate "$proto"
CGO_ENABLED=0 go vet ./...
CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$binary" .
rm -rf "$making"
