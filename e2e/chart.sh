#!/usr/bin/env bash
# The Helm chart and the examples, against what the cluster really serves: linted, rendered, checked field by field,
# and taken by an API server that warns of everything short of Pod Security's "restricted".
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
environment=$(e2e/bed/bed env)
eval "$environment"

CHART=charts/userservice-operator
WORK=$(mktemp -d)
NAMESPACE=chart-check-$$
OPERATOR=$CARGO_TARGET_DIR/debug/userservice-operator
passed=0

# check WHAT COMMAND…
check() {
  local what=$1
  shift
  if "$@" >"$WORK/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok: $what"
  else
    echo "FAILED: $what" >&2
    cat "$WORK/output" >&2
    exit 1
  fi
}

kube() { kubectl --request-timeout=30s "$@"; }

finish() {
  local status=$?
  [[ ! -f $WORK/namespace ]] || kube delete namespace "$NAMESPACE" --timeout=60s >/dev/null || echo "left behind: namespace $NAMESPACE" >&2
  rm -rf "$WORK"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The names of all fields of a schema, but for what a nullable one holds: OpenAPI v2 leaves that out.
fields() {
  jq -ce 'def fields: select(.nullable | not) | (.properties // {} | to_entries[] | .key, (.value | fields)), (.items | objects | fields);
    [fields] | select(length > 0)'
}

# The API server publishes a changed definition in its OpenAPI a moment later.
definition_is_published() {
  local served
  served=$(kube get --raw /openapi/v2 | jq '[.definitions[] | select(."x-kubernetes-group-version-kind"[0].kind == "UserService")][0].properties.spec' | fields)
  [[ -n $served && $served == "$(kube get crd userservices.usersvc.dev -o json | jq '.spec.versions[0].schema.openAPIV3Schema.properties.spec' | fields)" ]]
}

# Stays, as Helm would leave it behind: marked as the release's of e2e/operator.sh, which Helm would otherwise refuse to install.
define() {
  if ! kube get crd userservices.usersvc.dev >/dev/null 2>&1; then
    helm template userservice-operator "$CHART" --namespace userservice-system -s templates/crd.yaml |
      kube apply --server-side --field-manager=chart-check -f - >/dev/null
    kube annotate crd userservices.usersvc.dev meta.helm.sh/release-{name=userservice-operator,namespace=userservice-system} >/dev/null
  elif ! kube diff --server-side --force-conflicts -f crds/ >/dev/null 2>&1; then
    kube apply --server-side --force-conflicts --field-manager=chart-check -f crds/ >/dev/null
  fi
  kube wait --for=condition=Established --timeout=30s crd/userservices.usersvc.dev >/dev/null
  for _ in {1..60}; do
    if definition_is_published; then return; fi
    sleep 0.5
  done
  echo "not within 30 s: the API server's OpenAPI has the definition of UserService" >&2
  return 1
}

conforms() { kubeconform -strict -schema-location "$SCHEMAS" "$@"; }

# refuses TEXT COMMAND…: the command fails, and says TEXT.
refuses() {
  local text=$1
  shift
  if "$@" >"$WORK/refusal" 2>&1; then
    echo "was accepted, although it should have been refused"
    return 1
  fi
  grep -F -- "$text" "$WORK/refusal" || { cat "$WORK/refusal"; return 1; }
}

template() { helm template operator "$CHART" --namespace "$NAMESPACE" "$@"; }

misspell() { # misspell FIELD FILE: the file with a letter more in the field
  sed "s/\b$1:/${1}s:/" "$2" >"$WORK/misspelt.yaml"
  ! cmp -s "$2" "$WORK/misspelt.yaml"
}

check_chart() {
  local values name key
  check "the chart's custom resource definition is the generated one" cmp crds/userservices.usersvc.dev.yaml "$CHART/files/userservices.usersvc.dev.yaml"
  for values in "$CHART"/ci/*.yaml; do
    name=$(basename "$values" -values.yaml)
    check "$name values: helm lint" helm lint --strict "$CHART" -f "$values"
    check "$name values: helm template" template -f "$values"
    cp "$WORK/output" "$WORK/$name.yaml"
    check "$name values: every field is one that the cluster knows" conforms "$WORK/$name.yaml"
  done
  check "a misspelt field of a Deployment is noticed" misspell readOnlyRootFilesystem "$WORK/default.yaml"
  check "a misspelt field of a Deployment is refused" refuses readOnlyRootFilesystems conforms "$WORK/misspelt.yaml"

  # Unknown at every level, out of bounds, of another type, missing, and one that would cut the operator from its selector.
  for key in replicaCount=2 image.tags=1 image.digest=sha256:1 service.image.digest=x crds.keep=true rbac.create=false \
    resources.claims=x concurrency=0 concurrency=many logLevel=null image.pullPolicy=Sometimes \
    'watchNamespaces={team-a,team-a}' 'watchNamespaces={Team}' 'podLabels.app\.kubernetes\.io/name=other'; do
    check "helm refuses $key" refuses "values don't meet the specifications of the schema" template --set "$key"
  done
}

check_examples() {
  local example name
  for example in examples/*.yaml; do
    name=$(basename "$example" .yaml)
    check "example $name: every field is one that the cluster knows" conforms "$example"
    check "example $name: render" "$OPERATOR" render -f "$example"
    cp "$WORK/output" "$WORK/children-$name.yaml"
    check "example $name: every field of its children is one that the cluster knows" conforms "$WORK/children-$name.yaml"
  done
  check "a misspelt field of a UserService is noticed" misspell autoscaling examples/userservice-full.yaml
  check "a misspelt field of a UserService is refused" refuses autoscalings conforms "$WORK/misspelt.yaml"
}

# quiet FILE: the API server would take it, and warns of nothing. Objects that name a namespace are moved to ours.
quiet() {
  sed "s/^  namespace: .*/  namespace: $NAMESPACE/" "$1" >"$WORK/moved.yaml"
  kube apply --dry-run=server --namespace "$NAMESPACE" -f "$WORK/moved.yaml" 2>&1 | tee "$WORK/answer" || return 1
  ! grep -i '^warning' "$WORK/answer"
}

check_pod_security() {
  local name example
  touch "$WORK/namespace"
  kube create namespace "$NAMESPACE" >/dev/null
  kube label namespace "$NAMESPACE" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
  for name in default all digest; do
    template -f "$CHART/ci/$name-values.yaml" -s templates/serviceaccount.yaml -s templates/deployment.yaml >"$WORK/namespaced.yaml"
    check "$name values: the operator is taken without a warning where Pod Security is restricted" quiet "$WORK/namespaced.yaml"
  done
  for example in examples/*.yaml; do
    name=$(basename "$example" .yaml)
    check "example $name: is taken without a warning" quiet "$example"
    check "example $name: its children are taken without a warning where Pod Security is restricted" quiet "$WORK/children-$name.yaml"
  done
  sed 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' "$WORK/namespaced.yaml" >"$WORK/privileged.yaml"
  check "a pod that may escalate its privileges is warned of" refuses "would violate PodSecurity" quiet "$WORK/privileged.yaml"
}

timeout 1800 cargo build --quiet --locked --package userservice-operator
define
SCHEMAS=$(e2e/bed/schemas.sh)
check_chart
check_examples
check_pod_security
echo "chart: $passed checks passed"
