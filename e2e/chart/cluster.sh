# What the API server says, in a namespace where Pod Security is "restricted".
# shellcheck shell=bash

# quiet FILE: the API server would take it, and warns of nothing. Objects that name a namespace are moved to ours, and a
# pod, whose account has to be there already, to the account that is.
quiet() {
  sed -e "s/^  namespace: .*/  namespace: $NAMESPACE/" -e "s/^  serviceAccountName: .*/  serviceAccountName: default/" \
    "$1" >"$WORK/moved.yaml"
  kube apply --server-side --force-conflicts --field-manager=chart-check --dry-run=server --namespace "$NAMESPACE" \
    -f "$WORK/moved.yaml" 2>&1 | tee "$WORK/answer" || return 1
  ! grep -i '^warning' "$WORK/answer"
}

check_cluster() {
  local values name example
  touch "$WORK/namespace"
  kube create namespace "$NAMESPACE" >/dev/null
  kube label namespace "$NAMESPACE" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
  kube wait --for=create --timeout=30s --namespace "$NAMESPACE" serviceaccount/default >/dev/null
  for values in "$CHART"/ci/*-values.yaml; do
    name=$(basename "$values" -values.yaml)
    check "$name values: are taken without a warning where Pod Security is restricted" quiet "$WORK/$name.yaml"
  done
  check "the kustomize base is taken without a warning where Pod Security is restricted" quiet "$WORK/kustomize.yaml"
  for example in examples/*.yaml; do
    name=$(basename "$example" .yaml)
    check "example $name: is taken without a warning" quiet "$example"
    check "example $name: its children are taken without a warning where Pod Security is restricted" quiet "$WORK/children-$name.yaml"
  done
  for name in Deployment Pod; do
    awk -v kind="$name" 'BEGIN {RS = "---\n"} $0 ~ "\nkind: " kind "\n"' "$WORK/default.yaml" |
      sed 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' >"$WORK/privileged.yaml"
    check "a $name whose container may escalate its privileges is noticed" refuses "violate" quiet "$WORK/privileged.yaml"
  done
}
