# What is wrong with the annotations, by https://artifacthub.io/docs/topics/annotations/helm/.
def flag: . == "true" or . == "false";
def link: (.name | length > 0) and (.url | startswith("https://"));

def flaws($values):
  .chart as $chart | .definition as $definition | .example as $example
  | (.chart.annotations | with_entries(.key |= ltrimstr("artifacthub.io/"))) as $told
  | $values.properties as $value
  | [
      ["license", $told.license == "Apache-2.0"],
      ["operator", $told.operator == "true"],
      ["prerelease", ($told.prerelease | flag)],
      ["containsSecurityUpdates", ($told.containsSecurityUpdates | flag)],
      ["operatorCapabilities", ($told.operatorCapabilities | IN("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot"))],
      ["links", ($told.links | length > 0 and all(link))],
      ["maintainers", ($chart.maintainers | length > 0 and all(link))],
      ["changes", ($told.changes | length > 0 and all((.kind | IN("added", "changed", "deprecated", "removed", "fixed", "security")) and (.description | length > 0)))],
      ["changes of security are said", ($told.containsSecurityUpdates == "true") == ($told.changes | any(.kind == "security"))],
      ["images", ($told.images | map(.image)) == ([$value.image, $value.service.properties.image] | map("\(.properties.repository.default):\($chart.appVersion)"))],
      ["crds", ($told.crds | map({kind, name, version})) == [{kind: $definition.spec.names.kind, name: $definition.metadata.name, version: $definition.spec.versions[0].name}]
        and ($told.crds | all((.displayName | length > 0) and (.description | length > 0)))],
      ["crdsExamples: examples/userservice.yaml", $told.crdsExamples == [$example]],
      ["no other than these", ($told | keys - ["changes", "containsSecurityUpdates", "crds", "crdsExamples", "images", "license", "links", "operator", "operatorCapabilities", "prerelease"]) == []]
    ][]
  | select(.[1] | not) | .[0];
