# Debian packages, only those whose command is missing.
# shellcheck shell=bash

# need COMMAND=PACKAGE…
need() {
  local pair missing=()
  for pair in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  ((${#missing[@]})) || return 0
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    die "please install: ${missing[*]} (names of Debian packages; they are installed automatically on Debian and Ubuntu as root)"
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

need_go() {
  command -v go >/dev/null || die "please install Go 1.26 or newer: https://go.dev/doc/install"
}

packages() {
  need curl=curl jq=jq flock=util-linux ip=iproute2
  need_go
}
