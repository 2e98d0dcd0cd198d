# Local images under the public names that the connected branch asks for.
# shellcheck shell=bash

# What both Dockerfiles agree on.
public_name() { sed -n "s/$1/\1/p" "$REPO"/Dockerfile.{service,operator} | sort -u; }
RUST_NAME=$(public_name '^FROM \(.*\) AS build$')
DISTROLESS_NAME=$(public_name '^ARG BASE=\(.*\)$')
# A digest cannot be stood in for: the tag alone.
NODE_NAME=kindest/node:v$KUBERNETES

make_rust() {
  local sysroot version=${RUST_NAME#rust:}
  sysroot=$(cd "$REPO" && rustc --print sysroot)
  "$sysroot/bin/rustc" --version | grep -F "rustc ${version%-*} "
  tar -c -C "$BED/connected" rust.Dockerfile -C /etc/ssl/certs ca-certificates.crt -C "$sysroot" bin lib |
    docker build --network host --build-arg "BASE=$DEBIAN_IMAGE" -f rust.Dockerfile -t "$RUST_NAME" -
}

make_distroless() { docker tag "$DISTROLESS_IMAGE" "$DISTROLESS_NAME"; }

make_node() {
  tar -c -C "$BED/connected" node.Dockerfile default-cni.yaml network.sh -C "$BED/cluster" cni.json |
    docker build --network host --build-arg "BASE=$NODE_IMAGE" --build-arg "KUBE_PROXY=registry.k8s.io/kube-proxy:v$KUBERNETES" \
      -f node.Dockerfile -t "$NODE_NAME" -
}

# By force: a cluster that a failed run leaves still uses its node's.
remove_stand_ins() {
  local name
  for name in "$RUST_NAME" "$DISTROLESS_NAME" "$NODE_NAME"; do
    if image_exists "$name"; then docker rmi -f "$name" >/dev/null || say "could not remove $name"; fi
  done
}
