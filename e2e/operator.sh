#!/usr/bin/env bash
# operator.sh up [VALUE=JSON]|down: the operator, by its Helm chart and with the bed's images, in the cluster of the bed.
# RELEASE names the release.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

namespace=userservice-system
release=${RELEASE:-userservice-operator}

up() {
  : "${OPERATOR_IMAGE:?no images yet; first: make images}" "${SERVICE_IMAGE:?no images yet; first: make images}"
  e2e/namespace.sh "$namespace"
  # The definition that a release of another name left is taken over.
  helm upgrade --install "$release" charts/userservice-operator --namespace "$namespace" --take-ownership \
    --set-string image.repository="${OPERATOR_IMAGE%:*}" --set-string image.tag="${OPERATOR_IMAGE##*:}" \
    --set-string service.image.repository="${SERVICE_IMAGE%:*}" --set-string service.image.tag="${SERVICE_IMAGE##*:}" \
    ${1:+--set-json "$1"} --wait --timeout 120s >/dev/null
}

down() { helm uninstall "$release" --namespace "$namespace" --ignore-not-found --wait --timeout 120s; }

environment=$(e2e/bed/bed env)
eval "$environment"
case ${1:-} in
  up | down) "$@" ;;
  *)
    echo "operator.sh up [VALUE=JSON]|down" >&2
    exit 2
    ;;
esac
