#!/usr/bin/env bash
# Writes go.mod and go.sum anew. Needed only when a version below changes; both files are checked in.
set -euo pipefail
cd "$(dirname "$0")"

kubernetes=1.36.3
staging=0.${kubernetes#1.}
tools=(
  "k8s.io/kubernetes/cmd/kubeadm@v$kubernetes"
  sigs.k8s.io/kind@v0.33.0
  github.com/coredns/coredns@v1.14.2
  sigs.k8s.io/metrics-server/cmd/metrics-server@v0.9.0
  go.etcd.io/etcd/server/v3@v3.6.16
  helm.sh/helm/v3/cmd/helm@v3.19.0
)

rm -f go.sum
printf 'module userservice/e2e/bed\n\ngo 1.26.0\n\ngodebug default=go1.26\n' >go.mod
go mod edit -require="k8s.io/kubernetes@v$kubernetes"

# Kubernetes requires its staging modules at v0.0.0 and replaces them by folders that its module does not contain:
# each has to be pointed at its published version. The list is read from Kubernetes' own go.mod.
upstream=$(go mod download -json "k8s.io/kubernetes@v$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
while read -r module; do
  go mod edit -replace="$module=$module@v$staging"
done < <(sed -n 's#^\t*\(replace \)\{0,1\}\(k8s.io/[^ ]*\) => ./staging/.*#\2#p' "$upstream")

for tool in "${tools[@]}"; do
  go get -tool "$tool"
done
go mod tidy
