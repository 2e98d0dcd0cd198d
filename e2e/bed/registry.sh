# Is a container registry reachable? Decided once for a cluster, and said.
# shellcheck shell=bash

# A registry that answers anything but "yes" or "log in first" is no help: proxies answer 403 in a registry's name.
registry_answers() {
  case $(curl -sS -m 4 -o /dev/null -w '%{http_code}' "https://$1/v2/") in
    200 | 401) ;;
    *) return 1 ;;
  esac
}

registries_answer() {
  local name
  for name in registry-1.docker.io registry.k8s.io gcr.io; do
    registry_answers "$name" || return 1
  done
}

# Sets BRANCH to connected or offline. A cluster keeps the branch it was made by.
choose_branch() {
  local why
  case ${BED_REGISTRY:-} in
    yes) BRANCH=connected why="BED_REGISTRY=yes" ;;
    no) BRANCH=offline why="BED_REGISTRY=no" ;;
    '')
      if [[ -s $STATE/branch ]]; then
        BRANCH=$(<"$STATE/branch") why="as when this cluster was made"
      elif registries_answer 2>/dev/null; then
        BRANCH=connected why="docker.io, registry.k8s.io and gcr.io answer"
      else
        BRANCH=offline why="no container registry answers; BED_REGISTRY=yes overrides"
      fi
      ;;
    *) die "BED_REGISTRY is yes or no, not '$BED_REGISTRY'" ;;
  esac
  say "branch: $BRANCH ($why)"
}
