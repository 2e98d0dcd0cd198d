#!/usr/bin/env bash
# The Helm chart, its twin for kustomize and the examples, against what the cluster really serves: linted, rendered,
# checked field by field, and taken by an API server that warns of everything short of Pod Security's "restricted".
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
environment=$(e2e/bed/bed env)
eval "$environment"
. e2e/chart/check.sh
. e2e/chart/definition.sh
. e2e/chart/metadata.sh
. e2e/chart/values.sh
. e2e/chart/cluster.sh
. e2e/chart/examples.sh

CHART=charts/userservice-operator
OPERATOR=$CARGO_TARGET_DIR/debug/userservice-operator

timeout 1800 cargo build --quiet --locked --package userservice-operator
define
SCHEMAS=$(e2e/bed/schemas.sh)
UNITTEST=$(e2e/chart/unittest.sh)
PROMETHEUS=$(e2e/bed/prometheus.sh)
check_files
check_values
check_refusals
check_examples
check_cluster
echo "chart: $passed checks passed"
