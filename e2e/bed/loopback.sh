# The same servers without the cluster, on 127.0.0.1, for the tests of the adapters.
# shellcheck shell=bash

LOOPBACK=$CACHE/loopback
LOOPBACK_SERVERS=(documentdb mongodb gateway faults kafka registry)
MONGODB_LOOPBACK='mongodb://127.0.0.1:27117/?replicaSet=rs0'

loopback() {
  local server wanted=("$@")
  packages
  choose_branch
  ((${#wanted[@]})) || mapfile -t wanted < <(all_loopback_servers)
  engine
  mkdir -p "$LOOPBACK"
  for server in "${wanted[@]}"; do
    [[ " ${LOOPBACK_SERVERS[*]} " == *" $server "* ]] || die "no server '$server'; there are: ${LOOPBACK_SERVERS[*]}"
    "loopback_$server"
  done
  loopback_environment >"$LOOPBACK/environment"
  say "loopback: ${wanted[*]}"
}

# A database that is given goes first.
all_loopback_servers() {
  if [[ -n ${MONGODB_URI:-} ]]; then
    echo faults
  elif database_is_mongodb; then
    printf '%s\n' mongodb faults
  else
    printf '%s\n' documentdb gateway faults
  fi
  printf '%s\n' kafka registry
}

loopback_down() {
  select_engine
  if engine_is_ours && ! own_engine_is_up; then return; fi
  step "loopback: removing" remove_loopback
}

remove_loopback() {
  docker rm -fv "${LOOPBACK_SERVERS[@]/#/userservice-}" 2>/dev/null || true
  rm -f "$LOOPBACK/environment"
}

# start_server NAME ARGUMENT-OF-DOCKER-RUN…: kept when it runs as it is asked for, otherwise made anew.
start_server() {
  local name=userservice-$1 wanted
  shift
  wanted=$(sha256sum <<<"$*" | cut -c1-12)
  if [[ $(docker inspect -f '{{.State.Running}} {{.Config.Labels.wanted}}' "$name" 2>/dev/null) == "true $wanted" ]]; then return; fi
  docker rm -fv "$name" 2>/dev/null || true
  docker run --detach --name "$name" --label "wanted=$wanted" --network host "$@"
}

# answers NAME COMMAND…: a port that is open may be another program's, which made ours end.
answers() {
  wait_for 90 "$1 runs and answers" runs_and_does "$@" && return
  docker logs --tail 20 "userservice-$1"
  return 1
}

runs_and_does() { server_runs "$1" && "${@:2}"; }
port_is_open() { (exec 4<>"/dev/tcp/127.0.0.1/$1"); }

loopback_documentdb() {
  make_server_image documentdb "1 minute"
  step "loopback: documentdb" start_documentdb
}

start_documentdb() {
  start_server documentdb --env PORT=19712 "$(server_image documentdb)"
  answers documentdb docker exec userservice-documentdb pg_isready --host 127.0.0.1 --port 19712
}

loopback_mongodb() { step "loopback: mongodb" start_mongodb; }

start_mongodb() {
  start_server mongodb "$MONGO_IMAGE" mongod --replSet rs0 --bind_ip 127.0.0.1 --port 27117
  answers mongodb docker exec userservice-mongodb mongosh --quiet --port 27117 --eval \
    'try { rs.status() } catch { rs.initiate({_id: "rs0", members: [{_id: 0, host: "127.0.0.1:27117"}]}) }; if (!db.hello().isWritablePrimary) quit(1)'
}

loopback_gateway() {
  make_gateway_image
  step "loopback: gateway" start_gateway
}

start_gateway() {
  start_server gateway "$GATEWAY_IMAGE" mongodb-gateway --listen 127.0.0.1:27117 --advertise 127.0.0.1:27117 \
    --postgres 'host=127.0.0.1 port=19712 user=postgres dbname=postgres'
  answers gateway port_is_open 27117
}

loopback_faults() {
  make_gateway_image
  step "loopback: faults" start_faults
}

start_faults() {
  start_server faults "$GATEWAY_IMAGE" mongodb-faults --listen 127.0.0.1:27118 --upstream "$(database_address)" --control 127.0.0.1:27119
  answers faults port_is_open 27119
}

# The first host of a database that is given, with its port.
database_address() {
  local hosts=${MONGODB_URI:-mongodb://127.0.0.1:27117/}
  hosts=${hosts#*://} hosts=${hosts%%[/?]*} hosts=${hosts##*@} hosts=${hosts%%,*}
  [[ $hosts == *:* ]] || hosts+=:27017
  echo "$hosts"
}

loopback_kafka() {
  certificates
  make_server_image kafka "1 minute"
  step "loopback: kafka" start_kafka
}

start_kafka() {
  start_server kafka --volume "$CERTIFICATES/kafka.pem:/certificates/kafka.pem:ro" --env KEYSTORE=/certificates/kafka.pem \
    --volume "$CERTIFICATES/ca.crt:/certificates/ca.crt:ro" --env TRUSTSTORE=/certificates/ca.crt \
    --label "certificates=$(hash_of "$CERTIFICATES/ca.crt")" \
    --env NODE_ID=0 --env "CLUSTER_ID=$KAFKA_CLUSTER_ID" --env LISTEN=127.0.0.1 --env ADVERTISED_HOST=127.0.0.1 \
    --env PLAIN_PORT=19092 --env TLS_PORT=19093 --env CONTROLLER_PORT=19094 --env MUTUAL_PORT=19095 \
    --env "USERNAME=$KAFKA_USERNAME" --env "PASSWORD=$(<"$CERTIFICATES/password")" "$(server_image kafka)"
  answers kafka port_is_open 19095
}

loopback_registry() {
  make_server_image registry "1 minute"
  step "loopback: registry" start_registry
}

start_registry() {
  start_server registry --env QUARKUS_HTTP_HOST=127.0.0.1 --env QUARKUS_HTTP_PORT=18081 "$(server_image registry)"
  answers registry curl -fsS -m 5 http://127.0.0.1:18081/apis/ccompat/v7/subjects
}

server_runs() { [[ $(docker inspect -f '{{.State.Running}}' "userservice-$1" 2>/dev/null) == true ]]; }

# What tests find the servers by, of those that run; the database by a name that an honest report can use.
loopback_environment() {
  if server_runs kafka; then
    echo "export TEST_KAFKA=127.0.0.1:19092 TEST_KAFKA_TLS=127.0.0.1:19093 TEST_KAFKA_MUTUAL_TLS=127.0.0.1:19095"
    printf 'export TEST_KAFKA_CERTIFICATES=%q\n' "$CERTIFICATES"
    printf 'export TEST_KAFKA_USERNAME=%q TEST_KAFKA_PASSWORD=%q\n' "$KAFKA_USERNAME" "$(<"$CERTIFICATES/password")"
  fi
  if server_runs registry; then echo "export TEST_REGISTRY_URL=http://127.0.0.1:18081/apis/ccompat/v7"; fi
  if [[ -n ${MONGODB_URI:-} ]]; then
    printf 'export TEST_MONGODB_URI=%q TEST_DATABASE_NAME=MongoDB\n' "$MONGODB_URI"
  elif server_runs mongodb; then
    echo "export TEST_MONGODB_URI='$MONGODB_LOOPBACK' TEST_DATABASE_NAME=MongoDB"
  elif server_runs gateway; then
    echo "export TEST_MONGODB_URI='$MONGODB_LOOPBACK' TEST_DATABASE_NAME='DocumentDB behind our gateway'"
  fi
  if server_runs faults; then
    echo "export TEST_MONGODB_FAULTS_URI='mongodb://127.0.0.1:27118/?directConnection=true' TEST_MONGODB_FAULTS_CONTROL=http://127.0.0.1:27119"
  fi
}
