#!/usr/bin/env bash
# The connected branch where no registry answers: local images stand in under the public names, in the bed's own engine
# only, and the branch itself runs as it is, on a cluster of its own. docs/bed.md says what this cannot show.
set -Eeuo pipefail
exec 3>&2
cd "$(dirname "${BASH_SOURCE[0]}")"
NEIGHBOUR=${BED_CLUSTER:-userservice}
export BED_CLUSTER=connected BED_REGISTRY=yes
for part in lib registry tools engine base/debian node-image cluster connected/stand-ins; do
  # shellcheck source=/dev/null
  . "./$part.sh"
done
export KUBECONFIG=$STATE/kubeconfig BED_NODE_IMAGE=$NODE_NAME

CHECKS=0
check() {
  step "connected: $1" "${@:2}"
  CHECKS=$((CHECKS + 1))
}

# Its steps go on counting our seconds.
bed() { SECONDS=$SECONDS ./bed "$@" 2>&3; }

refuse_where_it_is_no_use() {
  [[ ${CLUSTER:-} != current && $NEIGHBOUR != "$BED_CLUSTER" ]] || die "this check makes a cluster of its own: unset CLUSTER and BED_CLUSTER"
  select_engine
  engine_is_ours || die "the docker engine here is yours, and public names are taken in the bed's own only"
  if registries_answer 2>/dev/null; then die "registries answer, so nothing has to stand in: BED_REGISTRY=yes make demo"; fi
  offline_bed_stands || die "no offline bed to stand on; first: make bed-up"
}

offline_bed_stands() {
  [[ $(cat "$CACHE/clusters/$NEIGHBOUR/branch" 2>/dev/null) == offline ]] && own_engine_runs &&
    image_exists "$DEBIAN_IMAGE" && image_exists "$DISTROLESS_IMAGE" && image_exists "$NODE_IMAGE"
}

stock_node_image_has_a_digest() { stock_node_image | grep -E '^kindest/node:v[0-9.]+@sha256:[0-9a-f]{64}$'; }

cluster_comes_up() {
  bed up
  [[ $(<"$STATE/branch") == connected && $(<"$STATE/made-of") == "$BED_NODE_IMAGE "* ]]
}

network_is_kinds() {
  local node
  kubectl -n kube-system rollout status daemonset/kindnet --timeout=60s
  for node in $(kind get nodes --name "$BED_CLUSTER"); do
    docker exec "$node" ls /etc/cni/net.d | grep -x 10-kindnet.conflist
    docker exec "$node" test ! -e /etc/cni/net.d/10-bed.conflist
  done
}

cluster_identity() { kubectl get namespace kube-system -o jsonpath='{.metadata.uid}'; }

up_keeps_a_healthy_cluster() {
  local before
  before=$(cluster_identity)
  bed up
  [[ $(cluster_identity) == "$before" ]]
}

up_mends_stopped_nodes() {
  local nodes before
  mapfile -t nodes < <(kind get nodes --name "$BED_CLUSTER")
  before=$(cluster_identity)
  docker stop --time 20 "${nodes[@]}"
  bed up
  [[ $(cluster_identity) == "$before" ]]
}

# A program names the sources of its crates by where cargo had them: in the build stage, not in this user's home.
was_compiled_in_a_build_stage() { # was_compiled_in_a_build_stage IMAGE
  local container name=${1##*/} found
  container=$(docker create "$1")
  found=$(docker cp "$container:/usr/local/bin/${name%:*}" - | grep -ac /usr/local/cargo/registry/src || true)
  docker rm "$container"
  echo "$1: $found"
  ((found > 0))
}

images_compile_their_programs() {
  bed images
  # shellcheck source=/dev/null
  . "$STATE/images"
  was_compiled_in_a_build_stage "$SERVICE_IMAGE"
  was_compiled_in_a_build_stage "$OPERATOR_IMAGE"
}

a_resource_becomes_ready() (
  eval "$(./bed env)"
  ../operator.sh up
  ../namespace.sh demo
  kubectl apply --server-side -n demo -f ../../examples/userservice.yaml
  kubectl wait -n demo --for=condition=Ready userservice/users --timeout=180s
)

# Without what others change meanwhile: the audit log grows, images are built anew.
neighbour_state() { (cd "$CACHE/clusters" && find "$NEIGHBOUR" -type f ! -path '*/audit/*' ! -name images -print0 | sort -z | xargs -0 sha256sum); }

down_leaves_the_neighbour() {
  bed down
  own_engine_runs
  [[ ! -e $STATE ]]
  kind get clusters | grep -x "$NEIGHBOUR"
  [[ $(neighbour_state) == "$BEFORE" ]]
  kubectl --kubeconfig "$CACHE/clusters/$NEIGHBOUR/kubeconfig" get --raw /readyz --request-timeout=10s
}

refuse_where_it_is_no_use
tools
BEFORE=$(neighbour_state)
trap 'report_failure; remove_stand_ins' EXIT
if cluster_exists; then step "connected: removing what an earlier run left" bed down; fi
step "stand-in: $RUST_NAME" make_rust
step "stand-in: $DISTROLESS_NAME" make_distroless
step "stand-in: $NODE_NAME" make_node

check "kind's own node image is named by its digest" stock_node_image_has_a_digest
check "up makes a cluster" cluster_comes_up
check "its pod network is the one that kind installed" network_is_kinds
check "up keeps a healthy cluster" up_keeps_a_healthy_cluster
check "up mends a cluster whose nodes were stopped" up_mends_stopped_nodes
check "images compiles the programs in their Dockerfiles" images_compile_their_programs
check "the operator makes a resource ready" a_resource_becomes_ready
check "down removes this cluster and leaves the one beside it" down_leaves_the_neighbour
say "connected branch: $CHECKS checks passed"
