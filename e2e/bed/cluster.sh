# The cluster itself: made by kind, kept while it is healthy and made of the same parts, made anew otherwise.
# shellcheck shell=bash

# The connected branch's node: the image that this release of kind was tested with, by digest.
stock_node_image() {
  (cd "$BED/go" && sed -n 's/^const Image = "\(.*\)"/\1/p' "$(go mod download -json sigs.k8s.io/kind | jq -r .Dir)/pkg/apis/config/defaults/image.go")
}

cluster_image() { if [[ $BRANCH == offline ]]; then echo "$NODE_IMAGE"; else echo "${BED_NODE_IMAGE:-$(stock_node_image)}"; fi; }
cluster_made_of() {
  local parts=(e2e/bed/cluster/kind.yaml e2e/bed/cluster/audit-policy.yaml)
  [[ $BRANCH == connected ]] || parts+=(e2e/bed/cluster/cni.json e2e/bed/cluster/network-policies.yaml e2e/bed/go-policies)
  echo "$(cluster_image) $(hash_of "${parts[@]}")"
}
cluster_exists() { kind get clusters 2>/dev/null | grep -qx "$CLUSTER_NAME"; }

cluster() {
  export KUBECONFIG=$STATE/kubeconfig
  if cluster_exists; then
    if [[ $(cat "$STATE/made-of" 2>/dev/null) != "$(cluster_made_of)" ]]; then
      say "the cluster was made of other parts, or not to its end: making it anew"
    elif cluster_is_healthy >/dev/null 2>&1; then
      return
    else
      say "the cluster is there but not healthy: giving it 150 s to recover"
      if recover_cluster >"$CACHE/logs/cluster-recovery.log" 2>&1; then return; fi
      say "it did not recover: making it anew (what was seen: $CACHE/logs/cluster-recovery.log)"
    fi
    step "cluster: deleting" delete_cluster
  fi
  step "cluster: kind create, one control plane and two workers (about 40 s)" create_cluster
  step "cluster: network, nodes, DNS" finish_cluster
  step "metrics-server" metrics
  cluster_made_of >"$STATE/made-of"
}

create_cluster() {
  rm -rf "$STATE"
  mkdir -p "$STATE/audit"
  # Made here, so that it is readable: the API server opens what exists and would make its own for root alone.
  touch "$STATE/audit/audit.log"
  chmod 644 "$STATE/audit/audit.log"
  cp "$BED/cluster/audit-policy.yaml" "$STATE/"
  echo "$BRANCH" >"$STATE/branch"
  # kube-router writes iptables' filter table as a whole, and would undo what a kube-proxy on iptables does meanwhile.
  local no_cni=false proxy_mode=iptables
  [[ $BRANCH == connected ]] || no_cni=true proxy_mode=nftables
  sed -e "s#@STATE@#$STATE#" -e "s#@DISABLE_DEFAULT_CNI@#$no_cni#" -e "s#@KUBE_PROXY_MODE@#$proxy_mode#" "$BED/cluster/kind.yaml" >"$STATE/kind.yaml"
  kind create cluster --name "$CLUSTER_NAME" --image "$(cluster_image)" --config "$STATE/kind.yaml" --kubeconfig "$KUBECONFIG"
}

finish_cluster() {
  [[ $BRANCH == connected ]] || network
  kubectl wait --for=condition=Ready node --all --timeout=120s
  kubectl -n kube-system rollout status deployment/coredns --timeout=120s
  [[ $BRANCH == connected ]] || policies_are_enforced 60
}

delete_cluster() { kind delete cluster --name "$CLUSTER_NAME" --kubeconfig "$STATE/kubeconfig"; }

api_answers() { [[ $(kubectl get --raw /readyz --request-timeout=5s) == ok ]]; }

# After a restart the API server still shows what the kubelets said before it: only a fresh heartbeat counts.
heartbeats_are_fresh() {
  kubectl -n kube-node-lease get leases -o json |
    jq -e '[.items[].spec.renewTime | sub("\\.[0-9]+"; "") | fromdate] | length == 3 and (now - min) < 25'
}

nodes_are_ready() { kubectl wait --for=condition=Ready node --all --timeout=1s; }
add_ons_are_ready() {
  kubectl -n kube-system wait --for=condition=Available deployment/coredns deployment/metrics-server --timeout=1s &&
    { [[ $BRANCH == connected ]] || policies_are_enforced; }
}
cluster_is_healthy() { api_answers && heartbeats_are_fresh && nodes_are_ready && add_ons_are_ready && metrics_answer; }

# The node containers start again with the engine, or are started here; the network is laid anew.
recover_cluster() {
  local nodes
  mapfile -t nodes < <(kind get nodes --name "$CLUSTER_NAME")
  docker start "${nodes[@]}" &&
    wait_for 90 "the API server answers" api_answers &&
    { [[ $BRANCH == connected ]] || network; } &&
    wait_for 60 "nodes, DNS and metrics are ready" cluster_is_healthy
}
