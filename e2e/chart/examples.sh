# The examples and what the operator makes of them.
# shellcheck shell=bash

check_examples() {
  local example name
  for example in examples/*.yaml; do
    name=$(basename "$example" .yaml)
    check "example $name: every field is one that the cluster knows" conforms "$example"
    check "example $name: render" "$OPERATOR" render -f "$example"
    served "$WORK/output" >"$WORK/children-$name.yaml"
    check "example $name: every field of its children is one that the cluster knows" conforms "$WORK/children-$name.yaml"
  done
  check "a misspelt field of a UserService is noticed" misspell autoscaling examples/userservice-full.yaml
  check "a misspelt field of a UserService is refused" refuses autoscalings conforms "$WORK/misspelt.yaml"
}
