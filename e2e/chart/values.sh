# What needs no cluster but its schemas: files that are made from others, unit tests, each set of values.
# shellcheck shell=bash

template() { helm template operator "$CHART" --namespace "$NAMESPACE" "$@"; }

# The cluster serves no such kind; unit tests look at it.
served() { awk 'BEGIN {RS = "---\n"} !/\nkind: (PodMonitor|PrometheusRule|Certificate)\n/ {print "---\n" $0}' "$1"; }

without_word_of_helm() { ! grep -i helm "$1"; }

# is_one_other PACKAGE: the chart that the scenario about upgrades goes back to. Before the version of the chart grows:
# helm package charts/userservice-operator --destination charts/previous, and the one before it goes.
is_one_other() {
  local package
  (($# == 1)) || return 1
  package=$(helm show chart "$1" | grep '^version:') || return 1
  [[ $package != "$(grep '^version:' "$CHART/Chart.yaml")" ]]
}

check_files() {
  check "the chart's custom resource definition is the generated one" cmp "$DEFINITION" "$CHART/files/userservices.usersvc.dev.yaml"
  check "values, their table, golden files and the kustomize base are as the chart makes them" e2e/chart/generated.sh
  check "the chart's unit tests" "$UNITTEST" --strict "$CHART"
  check "what Artifact Hub shows is so" metadata_is_true
  check "the chart runs the version of the programs" versions_agree
  check "all values: none is left out" all_are_tried
  check "there is one previous chart, and it is another" is_one_other charts/previous/*.tgz
  check "Prometheus takes the alerts" "$PROMETHEUS/promtool" check rules "$CHART/files/alerts.yaml"
  check "each alert fires when it shall, and not before" "$PROMETHEUS/promtool" test rules e2e/chart/alerts.yaml
  check "the kustomize base builds" kubectl kustomize charts/kustomize
  cp "$WORK/output" "$WORK/kustomize.yaml"
  check "the kustomize base: every field is one that the cluster knows" conforms "$WORK/kustomize.yaml"
  check "the kustomize base does not say that Helm looks after it" without_word_of_helm "$WORK/kustomize.yaml"
}

check_values() {
  local values name
  for values in "$CHART"/ci/*-values.yaml; do
    name=$(basename "$values" -values.yaml)
    check "$name values: helm lint" helm lint --strict "$CHART" -f "$values"
    check "$name values: helm template" template -f "$values"
    served "$WORK/output" >"$WORK/$name.yaml"
    check "$name values: every field is one that the cluster knows" conforms "$WORK/$name.yaml"
  done
  check "a misspelt field of a Deployment is noticed" misspell readOnlyRootFilesystem "$WORK/default.yaml"
  check "a misspelt field of a Deployment is refused" refuses readOnlyRootFilesystems conforms "$WORK/misspelt.yaml"
}

# Unknown at every level, out of bounds, of another type, missing, and what would cut the operator from its selector.
check_refusals() {
  local value
  for value in replicaCount=2 image.tags=1 image.digest=sha256:1 service.image.digest=x crds.keep=true rbac.create=false \
    resources.claims=x concurrency=0 concurrency=many logLevel=null image.pullPolicy=Sometimes \
    'watchNamespaces={team-a,team-a}' 'watchNamespaces={Team}' 'watchNamespaces={-a}' serviceAccount.create=false \
    podDisruptionBudget.maxUnavailable=0 podDisruptionBudget.maxUnavailable=0% networkPolicy.egress.apiServerPorts=null \
    'networkPolicy.egress.apiServerPorts={0}' 'networkPolicy.clients[0].pods=x' 'networkPolicy.egress.rules[0].from=x' \
    'tolerations[0].keys=x' affinity.pods=x 'affinity.podAffinity.required=x' 'topologySpreadConstraints[0].maxSkew=1' \
    metrics.podMonitor.interval=often 'commonLabels.app\.kubernetes\.io/name=other' 'commonLabels.team=not a label' \
    'podLabels.app\.kubernetes\.io/name=other'; do
    check "helm refuses $value" refuses "values don't meet the specifications of the schema" template --set "$value"
  done
  check "helm refuses a server that is too old" refuses "incompatible with Kubernetes v1.32.0" template --kube-version 1.32.0
}
