# NetworkPolicy on the offline branch: kube-router's policy controller on every node, in kube-proxy's image, which is
# there already. Where registries answer, kind's own network enforces it.
# shellcheck shell=bash

POLICIES=$CACHE/policies/$(hash_of e2e/bed/go-policies)
POLICIES_ON_NODE=/usr/local/bin/network-policies

build_policies() {
  rm -rf "$CACHE/policies"
  mkdir -p "$POLICIES.making"
  (cd "$BED/go-policies" && go_build "$POLICIES.making/network-policies" .)
  mv "$POLICIES.making" "$POLICIES"
}

policies() {
  [[ -d $POLICIES ]] || step "network policies: compiling their controller (about 10 s, once)" build_policies
}

# bring_policies NODE
bring_policies() {
  docker exec "$1" test -x "$POLICIES_ON_NODE" || docker cp "$POLICIES/network-policies" "$1:$POLICIES_ON_NODE"
}

# apply_policies ADDRESSES: those that the nodes have now.
apply_policies() {
  local image
  image=$(kubectl -n kube-system get daemonset kube-proxy -o jsonpath='{.spec.template.spec.containers[0].image}')
  sed -e "s#@ADDRESSES@#$1#" -e "s#@KUBE_PROXY@#$image#" -e "s#@PROGRAM@#$POLICIES_ON_NODE#" \
    "$BED/cluster/network-policies.yaml" | kubectl apply --server-side -f -
}

policies_are_enforced() { kubectl -n kube-system rollout status daemonset/network-policies --timeout="${1:-1}s"; }
