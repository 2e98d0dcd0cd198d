# The container engine: the one that answers here already, or else a dockerd of our own with all its state in the cache.
# shellcheck shell=bash

ENGINE=$CACHE/engine
ENGINE_SOCKET=$ENGINE/docker.sock
BIN=$CACHE/bin

engine_pid() { cat "$ENGINE/dockerd.pid" 2>/dev/null; }

# A pid in a file may be another process by now; ours names our socket on its command line.
is_ours() { [[ -n ${1:-} ]] && grep -qaF "$ENGINE" "/proc/$1/cmdline" 2>/dev/null; }
own_engine_runs() { is_ours "$(engine_pid)"; }

# Puts a docker client that can build first in PATH: one with buildx, or one old enough (20.10) to have BuildKit inside.
choose_client() {
  local client major
  export DOCKER_BUILDKIT=1 PATH=$BIN:$PATH
  [[ -x $BIN/docker ]] && return
  while read -r client; do
    major=$("$client" version --format '{{.Client.Version}}' 2>/dev/null | cut -d. -f1)
    if "$client" buildx version >/dev/null 2>&1 || [[ ${major:-99} -lt 23 ]]; then
      mkdir -p "$BIN"
      ln -sf "$client" "$BIN/docker"
      return
    fi
  done < <(type -ap docker /usr/bin/docker | awk '!seen[$0]++')
  return 1
}

engine_answers() { docker info; }

# A user's engine is used as it is and never stopped. DOCKER_HOST is ours when "bed env" was evaluated before.
select_engine() {
  if [[ ${DOCKER_HOST:-} == "unix://$ENGINE_SOCKET" ]]; then unset DOCKER_HOST; fi
  choose_client || true
  if [[ -d $ENGINE/run ]] || ! timeout 5 docker info >/dev/null 2>&1; then
    export DOCKER_HOST=unix://$ENGINE_SOCKET
    return
  fi
}

engine_is_ours() { [[ ${DOCKER_HOST:-} == "unix://$ENGINE_SOCKET" ]]; }

engine() {
  select_engine
  engine_is_ours || return 0
  # One that is busy is waited for: to start it anew would take the cluster with it.
  if own_engine_runs && wait_for 60 "dockerd answers" timeout 10 docker info; then return; fi
  step "engine: starting our own dockerd (half a minute more when Debian's docker.io is still to be installed)" start_engine
}

# Without CAP_SYS_RESOURCE (bit 24 of the bounding set) privileged containers fail under runc itself.
lacks_sys_resource() {
  local bounding
  bounding=$(awk '/^CapBnd/ {print $2}' /proc/self/status)
  (((0x$bounding >> 24 & 1) == 0))
}

start_engine() {
  [[ $(uname -s) == Linux && $EUID -eq 0 ]] || die "no docker engine answers; please start Docker 20.10 or newer (our own needs Linux and root)"
  need dockerd=docker.io runc=runc containerd=containerd iptables=iptables debootstrap=debootstrap
  choose_client || die "no docker client can build: install Debian's docker.io or the buildx plugin"
  ((${#ENGINE_SOCKET} < 100)) || die "the cache's path is too long for a unix socket; set USERSERVICE_CACHE to a shorter one"

  local runtime=() pid
  if lacks_sys_resource; then
    mkdir -p "$BIN"
    (cd "$BED/go" && go_build "$BIN/runc-clamped" ./runc-clamped)
    runtime=(--add-runtime "clamped=$BIN/runc-clamped" --default-runtime clamped)
  fi
  clear_stale_engine
  mkdir -p "$ENGINE/run"
  sysctl -qw net.ipv4.ip_forward=1
  (($(sysctl -n fs.inotify.max_user_instances) >= 1024)) || sysctl -qw fs.inotify.max_user_instances=1024
  # Builds use the host's network and the cluster its own: no default bridge to leave behind.
  PATH=/usr/sbin:/sbin:$PATH setsid dockerd --bridge none --host "$DOCKER_HOST" --data-root "$ENGINE/data" --exec-root "$ENGINE/run" \
    --pidfile "$ENGINE/dockerd.pid" "${runtime[@]}" >"$CACHE/logs/dockerd.log" 2>&1 </dev/null 3>&- 9>&- &
  pid=$!
  wait_for 90 "dockerd answers" engine_answers_or_died "$pid" || { tail -n 20 "$CACHE/logs/dockerd.log"; return 1; }
  engine_answers
}

engine_answers_or_died() { engine_answers || ! kill -0 "$1"; }

# After a crash: pid files of the dead make a new dockerd refuse to start, or trust a stranger to be its containerd.
clear_stale_engine() {
  local file
  own_engine_runs && stop_process "$(engine_pid)"
  for file in "$ENGINE/dockerd.pid" "$ENGINE/run/containerd/containerd.pid"; do
    is_ours "$(cat "$file" 2>/dev/null)" || rm -f "$file"
  done
}

# stop_process PID: asks, then insists.
stop_process() {
  kill "$1" 2>/dev/null || return 0
  wait_for 30 "process $1 ends" process_is_gone "$1" || kill -9 "$1" 2>/dev/null || true
}
process_is_gone() { ! kill -0 "$1"; }

# Leaves no process, mount, link or firewall chain of our engine. Its data (images) stays in the cache.
stop_engine() {
  local containers mountpoint pid
  own_engine_runs || start_engine
  mapfile -t containers < <(docker ps -aq)
  ((${#containers[@]} == 0)) || docker rm -fv "${containers[@]}"
  docker network prune -f
  docker volume prune -f
  stop_process "$(engine_pid)"
  pid=$(cat "$ENGINE/run/containerd/containerd.pid" 2>/dev/null || true)
  if is_ours "$pid"; then stop_process "$pid"; fi
  while read -r mountpoint; do
    umount "$mountpoint"
  done < <(awk -v root="$ENGINE/" 'index($2, root) == 1 {print $2}' /proc/mounts | sort -r)
  clean_firewall
  find /sys/fs/cgroup -depth -type d -path '/sys/fs/cgroup/*/docker*' -exec rmdir {} + 2>/dev/null || true
  rm -rf "$ENGINE/run" "$ENGINE/dockerd.pid" "$ENGINE_SOCKET"
}

clean_firewall() {
  iptables-save | grep -Ev 'DOCKER|br-[0-9a-f]{12}' | iptables-restore
}
