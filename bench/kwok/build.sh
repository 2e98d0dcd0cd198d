#!/usr/bin/env bash
# Builds kwok, which plays the kubelet of a node that is none: build.sh BINARY. What it plays comes with it, as BINARY.yaml.
set -euo pipefail
binary=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$binary" sigs.k8s.io/kwok/cmd/kwok
stages=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
for stage in node/fast/node-initialize node/heartbeat-with-lease/node-heartbeat-with-lease pod/fast/pod-{ready,complete,delete}; do
  echo ---
  cat "$stages/$stage.yaml"
done >"$binary.yaml"
