#!/usr/bin/env bash
# Writes JSON schemas of every kind that the cluster serves, made from the API server's own OpenAPI, and prints where they
# are: kubeconform -strict -schema-location "$(e2e/bed/schemas.sh)"
set -Eeuo pipefail
# The answer alone goes to standard output.
exec 3>&2 4>&1 >&2
cd "$(dirname "${BASH_SOURCE[0]}")"
for part in lib packages; do
  # shellcheck source=/dev/null
  . "./$part.sh"
done
environment=$(./bed env)
eval "$environment"

# Closed as the API server's own strict field validation is: a field that no definition lists is a mistake.
definitions() {
  jq -c '
    def close:
      if ."x-kubernetes-int-or-string" or .format == "int-or-string" then .type = ["integer", "string"] | del(.format) else . end
      | if .properties then
          .properties |= map_values(close)
          | if .additionalProperties == null and (."x-kubernetes-preserve-unknown-fields" | not) then .additionalProperties = false else . end
        else . end
      | if .items then .items |= close else . end
      | if (.additionalProperties | type) == "object" then .additionalProperties |= close else . end;
    .definitions
    | map_values(close)
    | ."io.k8s.apimachinery.pkg.api.resource.Quantity".type = ["string", "number"]
    | {definitions: .}' "$1"
}

# GROUP VERSION KIND DEFINITION, a line for each kind. Options such as DeleteOptions are of every group and no resource.
kinds() {
  jq -r '
    .definitions | to_entries[]
    | select(.value."x-kubernetes-group-version-kind" | length == 1)
    | "\(.value."x-kubernetes-group-version-kind"[0] | if .group == "" then .version else .group end + " " + .version + " " + (.kind | ascii_downcase)) \(.key)"' "$1"
}

write_schemas() {
  local group version kind definition
  definitions "$1/openapi.json" >"$1/definitions.json"
  kinds "$1/openapi.json" >"$1/kinds"
  while read -r group version kind definition; do
    mkdir -p "$1/$group/$version"
    # shellcheck disable=SC2016
    printf '{"$ref": "../../definitions.json#/definitions/%s"}\n' "$definition" >"$1/$group/$version/$kind.json"
  done <"$1/kinds"
}

need jq=jq
mkdir -p "$CACHE/schemas"
making=$(mktemp -d "$CACHE/schemas/making.XXXXXX")
trap 'rm -rf "$making"' EXIT
kubectl get --raw /openapi/v2 --request-timeout=30s >"$making/openapi.json" || die "the cluster does not answer: bed up makes it"

# Keyed by what the cluster serves: a changed custom resource definition, or another cluster, is another folder.
schemas=$CACHE/schemas/$(cat "$making/openapi.json" schemas.sh | sha256sum | cut -c1-12)
if [[ ! -d $schemas ]]; then
  write_schemas "$making"
  # Another run may have been first; its folder has the same content.
  mv -T "$making" "$schemas" 2>/dev/null || [[ -d $schemas ]]
fi
touch "$schemas"
find "$CACHE/schemas" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf {} +
echo "$schemas/{{.Group}}/{{.ResourceAPIVersion}}/{{.ResourceKind}}.json" >&4
