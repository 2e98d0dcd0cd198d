# The custom resource definition, as the cluster serves it.
# shellcheck shell=bash

DEFINITION=crds/userservices.usersvc.dev.yaml

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
  elif ! kube diff --server-side --force-conflicts -f "$DEFINITION" >/dev/null 2>&1; then
    kube apply --server-side --force-conflicts --field-manager=chart-check -f "$DEFINITION" >/dev/null
  fi
  kube wait --for=condition=Established --timeout=30s crd/userservices.usersvc.dev >/dev/null
  for _ in {1..60}; do
    if definition_is_published; then return; fi
    sleep 0.5
  done
  echo "not within 30 s: the API server's OpenAPI has the definition of UserService" >&2
  return 1
}
