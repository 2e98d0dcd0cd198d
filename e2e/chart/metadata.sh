# What Artifact Hub shows of the chart, against what it speaks of.
# shellcheck shell=bash

# json_of TEMPLATE FILE…: what the template makes of the files, which it knows by their number. It is Helm that reads YAML.
json_of() {
  local number=0 template=$1 file
  shift
  rm -rf "$WORK/json"
  mkdir -p "$WORK/json/templates"
  printf 'apiVersion: v2\nname: json\nversion: 0.0.0\n' >"$WORK/json/Chart.yaml"
  for file in "$@"; do cp "$file" "$WORK/json/$((number += 1))"; done
  echo "$template" >"$WORK/json/templates/json.yaml"
  helm template json "$WORK/json" >"$WORK/json/made" || return 1
  sed '/^---$/d; /^#/d' "$WORK/json/made"
}

# Chart.yaml with its annotations taken apart, the definition and the smallest example.
# shellcheck disable=SC2016
METADATA='{{- $chart := .Files.Get "1" | fromYaml }}
{{- range $key, $text := $chart.annotations }}
{{- if contains "\n" $text }}{{- $_ := set $chart.annotations $key (fromYamlArray $text) }}{{- end }}
{{- end }}
{{ dict "chart" $chart "definition" (.Files.Get "2" | fromYaml) "example" (.Files.Get "3" | fromYaml) | toJson }}'

# Prints what is not as it should be.
metadata_is_true() {
  local flaws
  json_of "$METADATA" "$CHART/Chart.yaml" "$DEFINITION" examples/userservice.yaml >"$WORK/metadata.json" || return 1
  flaws=$(jq -r -L e2e/chart --slurpfile values "$CHART/values.schema.json" 'include "metadata"; flaws($values[0])' "$WORK/metadata.json") ||
    return 1
  [[ -z $flaws ]] || { echo "$flaws"; return 1; }
}

# The version of the programs, which the images have.
versions_agree() { grep -x "appVersion: $(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)" "$CHART/Chart.yaml"; }

# Prints the values that ci/all-values.yaml leaves out, or at their default.
all_are_tried() {
  local left
  json_of '{{ .Files.Get "1" | fromYaml | toJson }}' "$CHART/ci/all-values.yaml" >"$WORK/all.json" || return 1
  left=$(jq -r -L e2e/chart --slurpfile all "$WORK/all.json" 'include "values"; not_in($all[0])' "$CHART/values.schema.json") ||
    return 1
  [[ -z $left ]] || { echo "$left"; return 1; }
}
