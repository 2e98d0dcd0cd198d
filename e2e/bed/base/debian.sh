# The two base images that Debian's packages give: a whole Debian to build from, and one with only what a binary links to.
# shellcheck shell=bash

DEBIAN_IMAGE=localhost/debian:bookworm
DISTROLESS_IMAGE=localhost/distroless-cc:bookworm

image_exists() { docker image inspect "$1" >/dev/null 2>&1; }

build_debian() {
  local root=$CACHE/debian.making mirror
  need debootstrap=debootstrap
  mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    sed -n 's/^URIs: *//p; s/^deb \(http[^ ]*\).*/\1/p' | sed q || true)
  rm -rf --one-file-system "$root"
  debootstrap --variant=minbase bookworm "$root" "${mirror:-https://deb.debian.org/debian}"
  tar -C "$root" --one-file-system -c . | docker import - "$DEBIAN_IMAGE"
  rm -rf --one-file-system "$root"
}

build_distroless() {
  docker build --network host --build-arg BASE="$DEBIAN_IMAGE" -t "$DISTROLESS_IMAGE" - <"$BED/base/distroless.Dockerfile"
}

bases() {
  image_exists "$DEBIAN_IMAGE" || step "base image: Debian bookworm by debootstrap (about 30 s, once)" build_debian
  image_exists "$DISTROLESS_IMAGE" || step "base image: what a Rust binary links to, no shell (about 10 s, once)" build_distroless
}
