#!/usr/bin/env bash
# namespace.sh NAME: a namespace that enforces Pod Security "restricted", made or left as it is.
set -Eeuo pipefail
kubectl apply --server-side -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata:
  name: ${1:?namespace.sh NAME}
  labels: {pod-security.kubernetes.io/enforce: restricted}
YAML
