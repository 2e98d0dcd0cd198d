#!/usr/bin/env bash
# docs.sh [PAGE…]: every command and manifest of the documentation, or of the pages named, on the bed. It installs the
# operator anew, removes it at the end with every resource that there is, and leaves it as e2e/operator.sh installs it.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The names under which the pages find our images, since none are published.
published=(registry.example.com/team ghcr.io/usersvc)

# name_image IMAGE NAME: the nodes have the image under those names too, as if it had been pulled.
name_image() {
  local node as
  while read -r node; do
    for as in "${published[@]}"; do
      docker exec "$node" ctr --namespace k8s.io images tag --force "$1" "$as/$2" >/dev/null
    done
  done < <(kind get nodes --name "$BED_CLUSTER")
}

# The last page removes every resource that there is.
only_ours() {
  local definition foreign
  definition=$(kubectl get crd userservices.usersvc.dev --ignore-not-found -o name)
  [[ -n $definition ]] || return 0
  foreign=$(kubectl get userservices.usersvc.dev --all-namespaces --ignore-not-found --no-headers |
    awk '$1 != "demo" && $1 != "team-a" {print $1 "/" $2}')
  [[ -z $foreign ]] || { echo "the pages remove every UserService, and these are not theirs: $foreign" >&2; return 1; }
}

restore() {
  local status=$?
  kubectl delete namespace team-a --ignore-not-found --timeout=120s >/dev/null || status=1
  e2e/operator.sh up || status=1
  exit "$status"
}

if [[ ${CLUSTER:-} == current ]]; then
  echo "CLUSTER=current: the pages install and remove the operator, so they are tried on the bed's own cluster only" >&2
  exit 2
fi
environment=$(e2e/bed/bed env)
eval "$environment"
: "${OPERATOR_IMAGE:?no images yet; first: make images}" "${SERVICE_IMAGE:?no images yet; first: make images}"
: "${BACKING_DATABASE_NAME:?no Kafka and no database yet; first: make servers}"
only_ours
# By the chart's version where a page gives no tag, and by the one that the installation gives.
for tag in "$(sed -n 's/^appVersion: //p' charts/userservice-operator/Chart.yaml)" "$(git rev-parse --short=12 HEAD)"; do
  name_image "$OPERATOR_IMAGE" "userservice-operator:$tag"
  name_image "$SERVICE_IMAGE" "user-service:$tag"
done
# What a page asks of make is asked by a reader, and not by the make that started this.
unset MAKEFLAGS MFLAGS MAKELEVEL
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
kubectl delete namespace team-a --ignore-not-found --timeout=120s
export PATH=$CARGO_TARGET_DIR/bed:$PATH
RUST_BACKTRACE=0 DOCS_PAGES=$* cargo test -p docs --locked -- --ignored --nocapture
