# How the blocks of one page are run: in order, in one shell, so that what one sets the next one has.
# shellcheck shell=bash
set -Eeuo pipefail
declare -a groups=() serving=()

finish() {
  local group
  for group in "${groups[@]}" $(jobs -p); do kill -- "-$group" 2>/dev/null || kill "$group" 2>/dev/null || true; done
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

began() { # began NUMBER PLACE
  echo "$1" >"$WORK/current"
  place=$2 since=$SECONDS
}

ended() { echo "ok: $place ($((SECONDS - since)) s)"; }

say() { echo "$*" >>"$WORK/problem"; }

# In a group of its own, which is stopped with all that it started.
start() { # start NUMBER
  set -m
  # shellcheck source=/dev/null
  (. "$WORK/$1.sh") >"$WORK/$1.out" 2>&1 </dev/null &
  set +m
  group=$!
  groups+=("$group")
}

answers() { (exec 3<>"/dev/tcp/localhost/$1") 2>/dev/null; }

# waits BOUND WHAT COMMAND…: repeats the command while what was started goes on.
waits() {
  local bound=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@"; do
    kill -0 "$group" 2>/dev/null || { say "it ended by itself before this: $what"; return 1; }
    ((SECONDS < end)) || { say "not within $bound s: $what"; return 1; }
    sleep 0.2
  done
}

# What served the port before on this page is stopped first, as the reader does it.
serves() { # serves NUMBER PORT
  if [[ -n ${serving[$2]:-} ]]; then
    kill -INT -- "-${serving[$2]}" 2>/dev/null || true
    group=$$ waits 60 "what served port $2 ends" is_gone "${serving[$2]}"
  fi
  is_free "$2" || { say "port $2 is taken already"; return 1; }
  start "$1"
  serving[$2]=$group
  waits 300 "port $2 answers" answers "$2"
}

is_free() { ! answers "$1"; }

is_gone() { ! kill -0 -- "-$1" 2>/dev/null; }

until_stopped() { # until_stopped NUMBER
  start "$1"
  waits 60 "it says something" test -s "$WORK/$1.out"
  kill -0 "$group" 2>/dev/null || { say "it ended by itself"; return 1; }
  kill -- "-$group"
}

exited() { # exited WANTED FOUND
  (($1 == $2)) || { say "exit code $2 instead of $1"; return 1; }
}

# The API server would take it, where there is nothing by its name yet, and warns of nothing.
taken() { # taken NUMBER FILE
  kubectl apply --dry-run=server --validate=strict --namespace default -f "$2" >>"$WORK/$1.out" 2>&1
  ! grep -i '^warning' "$WORK/$1.out" || { say "the API server warns"; return 1; }
}

valid() { userservice-operator validate -f "$2" >>"$WORK/$1.out" 2>&1; }

values() { helm template check charts/userservice-operator --namespace team-a -f "$2" >"$WORK/$1.out" 2>&1; }

compiles() { (cd e2e/client && go vet "$2") >"$WORK/$1.out" 2>&1; }
