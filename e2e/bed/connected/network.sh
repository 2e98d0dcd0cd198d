#!/usr/bin/env bash
# Once round of the stand-in for kindnet, in a node's root: links for the pods of this node, routes to those of the others.
set -Eeuo pipefail
: "${NODE_NAME:?}" "${TOKEN:?}" "${CONTROL_PLANE_ENDPOINT:?kind did not fill it in}"

conflist=/etc/cni/net.d/10-kindnet.conflist
nodes=$(kubectl --server "https://$CONTROL_PLANE_ENDPOINT" --certificate-authority /etc/kubernetes/pki/ca.crt --token "$TOKEN" \
  --request-timeout 10s get nodes \
  -o jsonpath='{range .items[*]}{.metadata.name} {.status.addresses[?(@.type=="InternalIP")].address} {.spec.podCIDR}{"\n"}{end}')

while read -r name address cidr; do
  [[ -n $cidr ]] || continue
  if [[ $name != "$NODE_NAME" ]]; then
    ip route replace "$cidr" via "$address"
    continue
  fi
  wanted=$(sed "s#@POD_PREFIX@#${cidr%.*}#" /kind/network/cni.json)
  [[ ! -e $conflist || $(<"$conflist") != "$wanted" ]] || continue
  # By a rename, so that the runtime never reads half of it.
  printf '%s\n' "$wanted" >"$conflist.new"
  mv "$conflist.new" "$conflist"
done <<<"$nodes"
