# Sourced by every part: where things are kept, how steps are shown, how a failure is reported, how waiting ends.
# shellcheck shell=bash
# Names set here are used by the parts that source this file.
# shellcheck disable=SC2034

BED=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$BED/../.." && pwd)
CACHE=${USERSERVICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/userservice}
CLUSTER_NAME=${BED_CLUSTER:-userservice}
STATE=$CACHE/clusters/$CLUSTER_NAME
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}

CURRENT_STEP=
CURRENT_LOG=

say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&3; }

die() {
  say "FAILED: $*"
  CURRENT_STEP=
  exit 1
}

# step TITLE COMMAND…: runs a function of this shell with its output in a log file of its own.
step() {
  CURRENT_STEP=$1
  CURRENT_LOG=$CACHE/logs/$(tr -c 'a-z0-9\n' - <<<"${1%%[:(]*}" | sed 's/-*$//').log
  shift
  say "$CURRENT_STEP"
  "$@" >"$CURRENT_LOG" 2>&1 </dev/null
  CURRENT_STEP=
}

report_failure() {
  local status=$?
  [[ $status -eq 0 || -z $CURRENT_STEP ]] && return
  say "FAILED: $CURRENT_STEP. The end of $CURRENT_LOG:"
  tail -n 25 "$CURRENT_LOG" >&3
}

# wait_for SECONDS WHAT COMMAND…: repeats the command until it succeeds; past the bound it says what did not happen.
wait_for() {
  local bound=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "not within ${bound} s: $what" >&2
      return 1
    fi
    sleep 0.3
  done
}

# hash_of PATH…: one short hash over the contents of files and folders, the same wherever the clone lies.
hash_of() {
  (cd "$REPO" && find "$@" -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-12
}

# One run at a time. What a killed run left behind (a compiler, a docker build) holds the lock until it ends.
take_lock() {
  mkdir -p "$CACHE/logs" "$STATE"
  exec 9>"$CACHE/lock"
  flock -n 9 && return
  say "another run is at work in $CACHE; waiting for it, 30 minutes at most"
  flock -w 1800 9 || die "the other run did not end; see: fuser -v $CACHE/lock"
}
