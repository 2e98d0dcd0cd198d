#!/usr/bin/env bash
# generated.sh [write]: what is made from the chart's schema and templates is as they would make it now: values.yaml, the
# table of README.md, what each of ci/*-values.yaml renders, and the base for kustomize. `write` makes it so.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
environment=$(e2e/bed/bed env)
eval "$environment"
command -v helm >/dev/null || e2e/bed/bed tools

CHART=charts/userservice-operator
making=$(mktemp -d)
trap 'rm -rf "$making"' EXIT

from_schema() { jq -r -L e2e/chart "include \"values\"; $1" "$CHART/values.schema.json"; }

render() { helm template userservice-operator "$CHART" --namespace userservice-system "$@"; }

# The definition is compared as a whole elsewhere.
without_definition() {
  awk '/^# Source: / {definition = /\/crd\.yaml$/}
    definition && /^spec:/ {print "# spec: as in crds/"; skip = 1}
    /^---$/ {skip = 0}
    !skip'
}

values() { from_schema values; }

readme() {
  from_schema table >"$making/table"
  awk -v table="$making/table" '
    /^<!-- end of values/ {skip = 0}
    !skip
    /^<!-- values/ {while ((getline line < table) > 0) print line; skip = 1}' "$CHART/README.md"
}

golden() { render -f "$1" | without_definition; }

# Nothing says that Helm looks after it, and nothing of the test is left.
kustomize() {
  echo "# Made from the Helm chart: make golden."
  render --skip-tests --set crds.enabled=false |
    sed -e '/^# Source: /d' -e '/^ *helm\.sh\/chart: /d' -e '/^ *app\.kubernetes\.io\/managed-by: Helm$/d'
}

differs=0
# is FILE COMMAND…: the file holds what the command prints.
is() {
  local file=$1
  shift
  "$@" >"$making/now"
  if [[ $write == write ]]; then
    mkdir -p "$(dirname "$file")"
    cmp -s "$making/now" "$file" || cp "$making/now" "$file"
  elif ! diff -u --label "$file" --label "$file, made now" "$file" "$making/now"; then
    differs=1
  fi
}

write=${1:-}
flaws=$(from_schema flaws)
[[ -z $flaws ]] || { printf 'missing in %s/values.schema.json:\n%s\n' "$CHART" "$flaws" >&2; exit 1; }

is "$CHART/values.yaml" values
is "$CHART/README.md" readme
for values in "$CHART"/ci/*-values.yaml; do
  is "$CHART/ci/golden/$(basename "$values" -values.yaml).yaml" golden "$values"
done
for file in "$CHART"/ci/golden/*.yaml; do
  [[ -e $CHART/ci/$(basename "$file" .yaml)-values.yaml ]] && continue
  if [[ $write == write ]]; then rm "$file"; else echo "$file is of no values"; differs=1; fi
done
is charts/kustomize/operator.yaml kustomize
((differs == 0)) || { echo "stale; if the chart is as it shall be: make golden" >&2; exit 1; }
