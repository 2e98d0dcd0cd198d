# The node image of the offline branch: kind's node, with everything that kubeadm would pull already inside.
# shellcheck shell=bash

METRICS_SERVER_IMAGE=registry.k8s.io/metrics-server/metrics-server:$(sed -n 's#^\tsigs.k8s.io/metrics-server \(v[^ ]*\).*#\1#p' "$BED/go/go.mod")
NODE_IMAGE=localhost/userservice/node:v$KUBERNETES-$(hash_of e2e/bed/go/{go.mod,go.sum,kubernetes,pause} e2e/bed/node e2e/bed/base/debian.sh e2e/bed/node-image.sh)
NODE_CONTEXT=$CACHE/node.making
NODE_BUILDER=userservice-node-making

node_image() {
  image_exists "$NODE_IMAGE" && return
  step "node parts: compiling Kubernetes $KUBERNETES, etcd, CoreDNS, metrics-server (about 7 minutes, once)" compile_node_parts
  step "node image: Debian's systemd and containerd, kind's files (about 1 minute, once)" build_node_base
  step "node image: control plane images into its containerd (about 1 minute, once)" fill_node
}

compile_node_parts() (
  rm -rf "$NODE_CONTEXT"
  mkdir -p "$NODE_CONTEXT/bin" "$NODE_CONTEXT/files"
  cp "$BED"/node/*Dockerfile "$NODE_CONTEXT/"
  cd "$BED/go" || return
  go_build "$NODE_CONTEXT/bin/" ./kubernetes ./pause k8s.io/kubernetes/cmd/kubeadm \
    github.com/coredns/coredns sigs.k8s.io/metrics-server/cmd/metrics-server
  go_build "$NODE_CONTEXT/bin/etcd" go.etcd.io/etcd/server/v3
  # Without the module cache's read-only modes.
  cp -r --no-preserve=mode,ownership "$(go list -m -f '{{.Dir}}' sigs.k8s.io/kind)"/images/base/files/{etc,kind,usr} "$NODE_CONTEXT/files/"
)

# The names and tags that this kubeadm asks for.
control_plane_images() { "$NODE_CONTEXT/bin/kubeadm" config images list --kubernetes-version "v$KUBERNETES"; }

build_node_base() {
  docker build --network host --build-arg "BASE=$DEBIAN_IMAGE" --build-arg "VERSION=v$KUBERNETES" \
    --build-arg "PAUSE=$(control_plane_images | grep /pause:)" -t "$NODE_BUILDER" "$NODE_CONTEXT"
}

build_part() { # build_part STAGE IMAGE
  docker build --network host --build-arg "BASE=$DEBIAN_IMAGE" -f "$NODE_CONTEXT/parts.Dockerfile" --target "$1" -t "$2" "$NODE_CONTEXT"
}

# As kind's own builder does: import into a containerd that runs in a container of the node, then commit the container.
# The final name is given last, so that a killed run leaves nothing that looks finished.
fill_node() {
  local image name images
  mapfile -t images < <(control_plane_images)
  images+=("$METRICS_SERVER_IMAGE")
  for image in "${images[@]}"; do
    name=${image%:*} name=${name##*/}
    build_part "${name/#kube-*/kubernetes}" "$image"
  done

  docker rm -f "$NODE_BUILDER" 2>/dev/null || true
  docker run -d --name "$NODE_BUILDER" --privileged --network none --entrypoint sleep "$NODE_BUILDER" infinity
  docker exec -d "$NODE_BUILDER" containerd
  wait_for 30 "containerd in the node" docker exec "$NODE_BUILDER" ctr version
  docker save "${images[@]}" | docker exec -i "$NODE_BUILDER" ctr -n k8s.io images import --snapshotter native --no-unpack -
  docker exec "$NODE_BUILDER" pkill containerd
  wait_for 30 "containerd in the node ends" node_is_quiet
  docker exec "$NODE_BUILDER" rm -rf /run/containerd
  docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' --change 'CMD []' "$NODE_BUILDER" "$NODE_IMAGE"
  docker rm -f "$NODE_BUILDER"
  rm -rf "$NODE_CONTEXT"
}

node_is_quiet() { ! docker exec "$NODE_BUILDER" pgrep -x containerd; }
