# The command line tools, compiled from the Go modules beside this file: kind, kubectl, helm, grpcurl, kubeconform.
# shellcheck shell=bash

KUBERNETES=$(sed -n 's#^\tk8s.io/kubernetes v##p' "$BED/go/go.mod")
TOOLS=$CACHE/tools/$(hash_of e2e/bed/go/go.mod e2e/bed/go-tools/go.mod e2e/bed/tools.sh)/bin

# go_build OUTPUT PACKAGE…, in the folder of a Go module. Kubernetes programs check each other's version, and Helm a
# chart's against its own idea of it: it is stamped in.
go_build() {
  local output=$1 stamp="-s -w" package minor
  shift
  minor=${KUBERNETES#1.} minor=${minor%%.*}
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamp+=" -X $package.gitVersion=v$KUBERNETES -X $package.gitMajor=1 -X $package.gitMinor=$minor"
    stamp+=" -X $package.gitTreeState=clean -X $package.gitCommit=unknown -X $package.buildDate=2026-01-01T00:00:00Z"
  done
  stamp+=" -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$minor"
  CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -buildvcs=false -trimpath -ldflags "$stamp" -o "$output" "$@"
}

build_tools() {
  local making=$TOOLS.making
  rm -rf "$making"
  mkdir -p "$making"
  (cd "$BED/go" && go_build "$making/" sigs.k8s.io/kind k8s.io/kubernetes/cmd/kubectl helm.sh/helm/v3/cmd/helm)
  (cd "$BED/go-tools" && go_build "$making/" github.com/fullstorydev/grpcurl/cmd/grpcurl github.com/yannh/kubeconform/cmd/kubeconform)
  mv "$making" "$TOOLS"
}

tools() {
  [[ -d $TOOLS ]] || step "tools: compiling kind, kubectl, helm, grpcurl, kubeconform (about 4 minutes, once)" build_tools
  export PATH=$TOOLS:$PATH
}
