# Images of the user service, the operator and the client, on every node of the cluster.
# shellcheck shell=bash

IMAGES_MAKING=$CACHE/images.making
IMAGE_NAMES=(user-service userservice-operator client)
# Images of ours are tagged by what is in them; an attestation with the time of the build would change that every time.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
# cargo's profile of the programs, where the bed compiles them: `release` for what is measured.
BED_PROFILE=${BED_PROFILE:-bed}

images() {
  if [[ ${CLUSTER:-} == current ]]; then check_given_images; return; fi
  command -v cargo >/dev/null || die "please install Rust: https://rustup.rs"
  packages
  choose_branch
  select_engine
  tools
  cluster_exists || die "no cluster to load images into; first: e2e/bed/bed up"
  [[ $BRANCH == connected ]] || bases
  rm -rf "$IMAGES_MAKING"
  mkdir -p "$IMAGES_MAKING/bin"
  step "images: compiling the client" compile_client
  if [[ $BRANCH == connected ]]; then
    step "images: building, each program compiled by its Dockerfile (3 to 10 minutes the first time)" build_images
  else
    step "images: compiling the programs (5 to 10 minutes the first time)" compile_programs user-service userservice-operator
    step "images: building" build_images
  fi
  step "images: loading into the nodes" load_images
  mv "$IMAGES_MAKING/refs" "$STATE/images"
  step "images: removing old versions" prune_images "${IMAGE_NAMES[@]}"
  rm -rf "$IMAGES_MAKING"
  say "images: $(cut -d/ -f3 "$STATE/images" | paste -sd ' ')"
}

check_given_images() {
  local name
  for name in SERVICE_IMAGE OPERATOR_IMAGE CLIENT_IMAGE; do
    [[ ${!name:-} == */*:* && ${!name} != *@* ]] || die "CLUSTER=current: set $name to an image, REPOSITORY:TAG, that the cluster can pull"
  done
}

compile_client() (
  cd "$REPO/e2e/client" || return
  CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$IMAGES_MAKING/bin/client" .
)

# All programs at once, whichever are wanted: cargo compiles what they share for each selection anew.
compile_programs() ( # compile_programs PROGRAM…
  cd "$REPO" || return
  cargo build --profile "$BED_PROFILE" --locked -p user-service -p userservice-operator -p kubectl-userservice -p mongodb-gateway -p mongodb-faults
  cp "${@/#/$CARGO_TARGET_DIR/$BED_PROFILE/}" "$IMAGES_MAKING/bin/"
)

# build_image VARIABLE NAME DOCKERFILE CONTEXT ARGUMENT…: the tag is the image's own identity, the same for the same content.
build_image() {
  local variable=$1 image=localhost/userservice/$2 id
  docker build --network host --iidfile "$IMAGES_MAKING/id" -f "$3" "${@:5}" "$4"
  id=$(<"$IMAGES_MAKING/id")
  image+=:${id:7:12}
  docker tag "$id" "$image"
  echo "$variable=$image" >>"$IMAGES_MAKING/refs"
}

build_images() {
  local binaries=localhost/userservice/binaries:making from=()
  printf 'FROM scratch\nCOPY bin/ /\n' | docker build -q -t "$binaries" -f - "$IMAGES_MAKING"
  [[ $BRANCH == connected ]] || from=(--build-arg "BINARY=$binaries" --build-arg "BASE=$DISTROLESS_IMAGE")
  build_image SERVICE_IMAGE user-service "$REPO/Dockerfile.service" "$REPO" "${from[@]}"
  build_image OPERATOR_IMAGE userservice-operator "$REPO/Dockerfile.operator" "$REPO" "${from[@]}"
  build_image CLIENT_IMAGE client "$REPO/e2e/client/Dockerfile" "$REPO/e2e/client" --build-arg "BINARY=$binaries"
  docker rmi "$binaries"
}

load_images() {
  local refs
  mapfile -t refs < <(cut -d= -f2 "$IMAGES_MAKING/refs")
  every_node_has "${refs[@]}" || kind load docker-image --name "$CLUSTER_NAME" "${refs[@]}"
}

every_node_has() { # every_node_has IMAGE…
  local node image nodes
  nodes=$(kind get nodes --name "$CLUSTER_NAME") && [[ -n $nodes ]] || return 1
  while read -r node; do
    for image in "$@"; do has_image "$node" "$image" || return 1; done
  done <<<"$nodes"
}

# has_image NODE IMAGE: kind's own look at what is there needs a tool that our node does not have.
has_image() { [[ -n $(docker exec "$1" ctr -n k8s.io images ls -q "name==$2") ]]; }

# prune_images NAME…: keeps the newest two of each, and those in use (by a cluster, or KEEP), whose build may be older when
# a change was taken back.
prune_images() {
  local name ref
  for name in "$@"; do
    while read -r ref; do
      [[ $ref == "${KEEP:-}" ]] || grep -qF "$ref" "$CACHE"/clusters/*/images || docker rmi "$ref" || echo "kept: $ref"
    done < <(docker images --format '{{.Repository}}:{{.Tag}}' "localhost/userservice/$name" | tail -n +3)
  done
}
