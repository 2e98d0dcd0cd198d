# How a check is run and told, and what is cleaned up.
# shellcheck shell=bash

WORK=$(mktemp -d)
NAMESPACE=chart-check-$$
passed=0

# check WHAT COMMAND… A function is run as a condition, so that what fails in it has to end it by itself.
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

misspell() { # misspell FIELD FILE: the file with a letter more in the field
  sed "s/\b$1:/${1}s:/" "$2" >"$WORK/misspelt.yaml"
  ! cmp -s "$2" "$WORK/misspelt.yaml"
}

kube() { kubectl --request-timeout=30s "$@"; }

conforms() { kubeconform -strict -schema-location "$SCHEMAS" "$@"; }

finish() {
  local status=$?
  [[ ! -f $WORK/namespace ]] || kube delete namespace "$NAMESPACE" --timeout=60s >/dev/null || echo "left behind: namespace $NAMESPACE" >&2
  rm -rf "$WORK"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
