# The pod network of the offline branch, where kind's own (an image from a registry) cannot be had: on each node a
# point-to-point link for every pod, and between the nodes plain routes. Pods see each other's own addresses, on other
# nodes too, which policies.sh goes by.
# shellcheck shell=bash

pod_cidrs() { kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}'; }
every_node_has_a_cidr() { [[ $(pod_cidrs | grep -c '/') -eq $(kind get nodes --name "$CLUSTER_NAME" | wc -l) ]]; }
node_address() { docker inspect -f '{{.NetworkSettings.Networks.kind.IPAddress}}' "$1"; }

# Routes live in a node's memory and its address may change when it restarts: laid anew at every `up`.
network() {
  local node cidr other routes reached=
  local -A cidrs addresses
  wait_for 60 "every node has a pod CIDR" every_node_has_a_cidr
  while read -r node cidr; do
    cidrs[$node]=$cidr
    addresses[$node]=$(node_address "$node")
    reached+="$node=${addresses[$node]} "
  done < <(pod_cidrs)
  for node in "${!cidrs[@]}"; do
    routes=
    for other in "${!cidrs[@]}"; do
      [[ $other == "$node" ]] || routes+="ip route replace ${cidrs[$other]} via ${addresses[$other]};"
    done
    bring_policies "$node"
    sed "s#@POD_PREFIX@#${cidrs[$node]%.*}#" "$BED/cluster/cni.json" |
      docker exec -i "$node" sh -ec "$routes cat >/etc/cni/net.d/10-bed.conflist.new; mv /etc/cni/net.d/10-bed.conflist.new /etc/cni/net.d/10-bed.conflist"
  done
  apply_policies "${reached% }"
}
