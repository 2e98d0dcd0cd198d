# The real servers that the service works with: Kafka, a schema registry, a database behind MongoDB's wire, and Jaeger. Their
# images, and the namespace of the cluster that they run in; on loopback they are started by loopback.sh.
# shellcheck shell=bash

BACKING=backing
SERVERS=$BED/servers
SERVERS_MAKING=$CACHE/servers.making
# 22 characters of base64, as Kafka wants it.
KAFKA_CLUSTER_ID=dXNlcnNlcnZpY2UtYmVkLg
MONGO_IMAGE=mongo:8
APICURIO=3.3.3

# server_image NAME: named by what it is made from, so it is made again only when that changes.
server_image() { echo "localhost/userservice/$1:$(hash_of "e2e/bed/servers/$1" e2e/bed/base/{java.Dockerfile,forky.sh})-$BRANCH"; }

# Where registries answer, the database is MongoDB itself.
database_is_mongodb() { [[ $BRANCH == connected ]]; }

# By a name that an honest report can use.
database_name() { if database_is_mongodb; then echo MongoDB; else echo "DocumentDB behind our gateway"; fi; }

# build_server NAME ARGUMENT-OF-BUILD…, in the context that the caller has filled.
build_server() {
  cp -r "$SERVERS/$1/." "$SERVERS_MAKING/"
  docker build --network host "${@:2}" -t "$(server_image "$1")" "$SERVERS_MAKING"
  rm -rf "$SERVERS_MAKING"
  KEEP=$(server_image "$1") prune_images "$1"
}

build_java() {
  docker build --network host --build-arg BASE="$FORKY_IMAGE" -t "$JAVA_IMAGE" - <"$BED/base/java.Dockerfile"
}

# Sets JAVA_IMAGE.
java_base() {
  if [[ $BRANCH == connected ]]; then
    JAVA_IMAGE=eclipse-temurin:21-jre
    return
  fi
  JAVA_IMAGE=localhost/java:21
  forky
  image_exists "$JAVA_IMAGE" || step "base image: Java 21 (about 30 s, once)" build_java
}

build_documentdb() { build_server documentdb --build-arg BASE="$FORKY_IMAGE"; }

build_kafka() {
  need mvn=maven
  mvn -B -q -f "$SERVERS/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$SERVERS_MAKING/libs" -DincludeScope=runtime
  build_server kafka --build-arg BASE="$JAVA_IMAGE"
}

build_registry() {
  local archive=apicurio-registry-app-$APICURIO-all.tar.gz
  need mvn=maven
  mvn -B -q dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$APICURIO:tar.gz:all" -DoutputDirectory="$SERVERS_MAKING"
  mkdir -p "$SERVERS_MAKING/registry"
  tar -C "$SERVERS_MAKING/registry" -xzf "$SERVERS_MAKING/$archive"
  rm "$SERVERS_MAKING/$archive"
  build_server registry --build-arg BASE="$JAVA_IMAGE"
}

build_jaeger() {
  (cd "$SERVERS/jaeger" && go_build "$SERVERS_MAKING/jaeger" github.com/jaegertracing/jaeger/cmd/all-in-one)
  mkdir "$SERVERS_MAKING/context"
  mv "$SERVERS_MAKING/jaeger" "$SERVERS_MAKING/context/"
  docker build -t "$(server_image jaeger)" -f "$SERVERS/jaeger/Dockerfile" "$SERVERS_MAKING/context"
  rm -rf "$SERVERS_MAKING"
  KEEP=$(server_image jaeger) prune_images jaeger
}

# Where registries answer, it is the project's own.
jaeger_image() { if [[ $BRANCH == connected ]]; then echo "jaegertracing/all-in-one:1.76.0"; else server_image jaeger; fi; }

# make_server_image NAME TIME
make_server_image() {
  image_exists "$(server_image "$1")" && return
  case $1 in
    documentdb) forky ;;
    jaeger) ;;
    *) java_base ;;
  esac
  rm -rf "$SERVERS_MAKING"
  mkdir -p "$SERVERS_MAKING"
  step "server image: $1 (about $2, once)" "build_$1"
}

# Our own programs: cargo knows what has changed, and the image is tagged by what is in it.
make_gateway_image() {
  [[ -z ${GATEWAY_IMAGE:-} ]] || return 0
  rm -rf "$IMAGES_MAKING"
  mkdir -p "$IMAGES_MAKING/bin"
  if [[ $BRANCH == offline ]]; then
    bases
    step "server image: compiling the programs (5 to 10 minutes the first time)" compile_programs mongodb-gateway mongodb-faults
  fi
  step "server image: gateway" build_gateway
  GATEWAY_IMAGE=$(cut -d= -f2 "$IMAGES_MAKING/refs")
  rm -rf "$IMAGES_MAKING"
}

build_gateway() {
  local binaries=localhost/userservice/binaries:making from=()
  if [[ $BRANCH == offline ]]; then
    printf 'FROM scratch\nCOPY bin/ /\n' | docker build -q -t "$binaries" -f - "$IMAGES_MAKING"
    from=(--build-arg "BINARY=$binaries" --build-arg "BASE=$DISTROLESS_IMAGE")
  fi
  build_image GATEWAY_IMAGE mongodb-gateway "$SERVERS/gateway/Dockerfile" "$REPO" "${from[@]}"
  [[ $BRANCH == connected ]] || docker rmi "$binaries"
  KEEP=$(cut -d= -f2 "$IMAGES_MAKING/refs") prune_images mongodb-gateway
}

servers() {
  if [[ ${CLUSTER:-} == current ]]; then
    say "CLUSTER=current: left alone; the demo and the scenarios about events need what e2e/bed/servers holds in namespace $BACKING"
    return
  fi
  packages
  choose_branch
  select_engine
  tools
  cluster_exists || die "no cluster to put servers into; first: e2e/bed/bed up"
  export KUBECONFIG=$STATE/kubeconfig
  certificates
  make_server_image kafka "1 minute"
  make_server_image registry "1 minute"
  database_is_mongodb || make_server_image documentdb "1 minute"
  [[ $BRANCH == connected ]] || make_server_image jaeger "3 minutes"
  make_gateway_image
  step "server images: loading into the nodes (about 1 minute for new ones)" load_servers
  step "servers applied: namespace $BACKING" apply_servers
  step "servers ready: waiting for all (about 1 minute for new ones)" servers_are_ready
  printf '%s=%q\n' BACKING_NAMESPACE "$BACKING" BACKING_DATABASE_NAME "$(database_name)" >"$STATE/servers"
  say "servers: $(kubectl -n "$BACKING" get pods --no-headers -o custom-columns=:metadata.name | paste -sd ' ')"
}

# Brokers are on every node, the others on the control plane. What registries serve is pulled by the node itself.
load_servers() {
  local rest=("$(server_image registry)" "$GATEWAY_IMAGE")
  database_is_mongodb || rest+=("$(server_image documentdb)")
  [[ $BRANCH == connected ]] || rest+=("$(server_image jaeger)")
  load_into "$CLUSTER_NAME-worker" "$(server_image kafka)"
  load_into "$CLUSTER_NAME-worker2" "$(server_image kafka)"
  load_into "$CLUSTER_NAME-control-plane" "$(server_image kafka)" "${rest[@]}"
}

load_into() { # load_into NODE IMAGE…
  local image missing=()
  for image in "${@:2}"; do has_image "$1" "$image" || missing+=("$image"); done
  ((${#missing[@]} == 0)) || kind load docker-image --name "$CLUSTER_NAME" --nodes "$1" "${missing[@]}"
}

# The third is on the control plane.
volumes() {
  local members=(kafka) member
  if database_is_mongodb; then members+=(mongodb); fi
  # They belonged to claims that are gone, with a namespace that was deleted.
  kubectl get pv -l app.kubernetes.io/part-of=backing -o json | jq -r '.items[] | select(.status.phase == "Released") | .metadata.name' |
    xargs -r kubectl delete pv
  for member in "${members[@]}"; do
    volume "$member-0" "$CLUSTER_NAME-worker"
    volume "$member-1" "$CLUSTER_NAME-worker2"
    volume "$member-2" "$CLUSTER_NAME-control-plane"
  done
  database_is_mongodb || volume mongodb-0 "$CLUSTER_NAME-control-plane"
}

# volume POD NODE
volume() {
  if kubectl get pv "backing-$1"; then return; fi
  docker exec "$2" sh -c "rm -rf /var/local/backing/$1 && mkdir -p /var/local/backing/$1"
  sed -e "s#@POD@#$1#" -e "s#@NODE@#$2#" "$SERVERS/volume.yaml" | kubectl apply --server-side -f -
}

database_manifest() { if database_is_mongodb; then echo replica-set; else echo documentdb; fi; }

apply_servers() {
  local name
  kubectl apply --server-side -f "$SERVERS/namespace.yaml"
  apply_secrets
  volumes
  for name in kafka registry "$(database_manifest)" faults jaeger; do
    sed -e "s#@KAFKA_IMAGE@#$(server_image kafka)#" -e "s#@KAFKA_CLUSTER_ID@#$KAFKA_CLUSTER_ID#" \
      -e "s#@REGISTRY_IMAGE@#$(server_image registry)#" -e "s#@DOCUMENTDB_IMAGE@#$(server_image documentdb)#" \
      -e "s#@JAEGER_IMAGE@#$(jaeger_image)#" -e "s#@GATEWAY_IMAGE@#$GATEWAY_IMAGE#" -e "s#@MONGO_IMAGE@#$MONGO_IMAGE#" "$SERVERS/$name.yaml" |
      kubectl apply --server-side --force-conflicts -f -
  done
}

# kafka-server is the brokers' own; kafka-client is what a client of SASL_SSL needs.
apply_secrets() {
  kubectl -n "$BACKING" create secret generic kafka-server --from-file=kafka.pem="$CERTIFICATES/kafka.pem" \
    --from-file=ca.crt="$CERTIFICATES/ca.crt" --dry-run=client -o yaml | kubectl apply --server-side -f -
  kubectl -n "$BACKING" create secret generic kafka-client --from-literal=username="$KAFKA_USERNAME" \
    --from-file=password="$CERTIFICATES/password" --from-file=ca.crt="$CERTIFICATES/ca.crt" --dry-run=client -o yaml |
    kubectl apply --server-side -f -
}

servers_are_ready() {
  local workload
  for workload in statefulset/kafka deployment/registry statefulset/mongodb deployment/mongodb-faults statefulset/jaeger; do
    kubectl -n "$BACKING" rollout status "$workload" --timeout=120s
  done
  if database_is_mongodb; then wait_for 120 "the replica set has a primary" replica_set_has_a_primary; fi
}

replica_set_has_a_primary() {
  # JavaScript's own ${…}.
  # shellcheck disable=SC2016
  kubectl -n "$BACKING" exec mongodb-0 -- mongosh --quiet --eval '
    const members = [0, 1, 2].map(i => ({_id: i, host: `mongodb-${i}.mongodb.backing:27017`}));
    try { rs.status() } catch { rs.initiate({_id: "rs0", members}) };
    if (!db.hello().primary) quit(1)'
}
