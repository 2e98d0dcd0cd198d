# What a shell, the demo and the tests need to use the bed.
# shellcheck shell=bash

print_environment() {
  # $PATH is for the shell that evaluates this.
  # shellcheck disable=SC2016
  printf 'export PATH=%q:%q:$PATH\n' "$TOOLS" "$BIN"
  printf 'export CARGO_TARGET_DIR=%q\n' "$CARGO_TARGET_DIR"
  if [[ ${CLUSTER:-} != current ]]; then
    printf 'export BED_CLUSTER=%q KUBECONFIG=%q BED_AUDIT_LOG=%q\n' "$CLUSTER_NAME" "$STATE/kubeconfig" "$STATE/audit/audit.log"
    [[ ! -d $ENGINE/run ]] || printf 'export DOCKER_HOST=%q\n' "unix://$ENGINE_SOCKET"
    [[ ! -f $STATE/images ]] || sed 's/^/export /' "$STATE/images"
    [[ ! -f $STATE/servers ]] || sed 's/^/export /' "$STATE/servers"
  fi
  [[ ! -f $LOOPBACK/environment ]] || cat "$LOOPBACK/environment"
}
