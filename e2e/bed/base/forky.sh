# The base of the test bed's servers: a newer Debian, which has the document engine and Java 21.
# shellcheck shell=bash

FORKY_IMAGE=localhost/debian:forky

# This debootstrap may be older than the release that it is to make: every release since sid has the same script.
build_forky() {
  local root=$CACHE/forky.making mirror
  need debootstrap=debootstrap
  mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    sed -n 's/^URIs: *//p; s/^deb \(http[^ ]*\).*/\1/p' | sed q || true)
  rm -rf --one-file-system "$root"
  debootstrap --variant=minbase forky "$root" "${mirror:-https://deb.debian.org/debian}" /usr/share/debootstrap/scripts/sid
  # A mirror may serve a release file that is past its date.
  echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/mirror"
  tar -C "$root" --one-file-system -c . | docker import - "$FORKY_IMAGE"
  rm -rf --one-file-system "$root"
}

forky() {
  image_exists "$FORKY_IMAGE" || step "base image: Debian forky by debootstrap (about 30 s, once)" build_forky
}
