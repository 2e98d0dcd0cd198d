#!/usr/bin/env bash
# A user service from one resource, called from inside the cluster, and the event that a consumer then gets. Can be run
# again at any time.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

namespace=demo
client=demo-client
database='mongodb://mongodb-0.mongodb.backing:27017/?replicaSet=rs0'

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }
# A command of the reader's, shown as it is run. docs/demo.cast shows the same ones.
shown() {
  printf '$ %s\n' "$*"
  "$@"
}
indented() { sed 's/^/        /'; }

drop_resource() {
  kubectl delete userservice users -n "$namespace" --ignore-not-found --cascade=foreground --timeout=120s
}

# A resource stays at the version that it was created with. The demo shows the build that is here.
drop_resource_of_another_build() {
  local version
  version=$(kubectl get userservice users -n "$namespace" --ignore-not-found -o jsonpath='{.status.version}')
  [[ -z $version || $version == "${SERVICE_IMAGE##*:}" ]] || drop_resource
}

# The registry of the bed forgets with its pod, and a resource is prepared for only once.
drop_resource_without_schemas() {
  local subjects event
  subjects=$(kubectl get --raw /api/v1/namespaces/backing/services/registry:8080/proxy/apis/ccompat/v7/subjects)
  for event in created updated deleted; do
    [[ $subjects == *"\"user.$event-value\""* ]] || { drop_resource; return; }
  done
}

# It holds no password: the database of the bed asks for none.
database_secret() {
  kubectl create secret generic users-mongodb --from-literal=uri="$database" --dry-run=client -o yaml |
    kubectl apply --server-side -n "$namespace" -f - >/dev/null
}

client_pod() { # client_pod ARGUMENT…
  local arguments
  arguments=$(printf '%s\n' "$@" | jq -Rnc '[inputs]')
  cat <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: $client
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 90
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: client
      image: $CLIENT_IMAGE
      args: $arguments
      resources:
        requests: {cpu: 20m, memory: 32Mi}
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
        readOnlyRootFilesystem: true
YAML
}

# What the client says comes in the pod's log; its phase says whether it succeeded.
from_a_pod() { # from_a_pod ARGUMENT…
  kubectl delete pod "$client" -n "$namespace" --ignore-not-found --timeout=60s >/dev/null
  client_pod "$@" | kubectl apply --server-side -n "$namespace" -f - >/dev/null
  if kubectl wait pod/"$client" -n "$namespace" --for=jsonpath='{.status.phase}'=Succeeded --timeout=90s >/dev/null; then
    kubectl logs "$client" -n "$namespace"
  else
    kubectl describe pod "$client" -n "$namespace" | tail -n 15 >&2
    kubectl logs "$client" -n "$namespace" >&2
    return 1
  fi
}

# The network of the node may learn a moment later where the pods are.
call() { from_a_pod demo --wait --target users:8080 --name "Ada Lovelace" --email "ada.$(date +%s%N)@example.com"; }

user_id() { awk '$1 == "user_id" {print $2; exit}'; }

spec() { kubectl get userservice users -n "$namespace" -o jsonpath="{.spec.$1}"; }

# The consumer knows brokers, topic and registry, and nothing of the service.
event_of() { # event_of USER_ID
  local brokers registry
  brokers=$(spec 'events.kafka.bootstrapServers[*]')
  registry=$(spec events.kafka.schemaRegistry.url)
  from_a_pod events --brokers "${brokers// /,}" --topics user.created --registry "$registry" \
    --key "$1" --until-count 1 --timeout 60s
}

how_to_go_on() {
  cat <<'TEXT'

The service keeps running. To go on by hand, here in the repository:

  eval "$(make -s env)"
  kubectl get userservice,deploy,pods -n demo
  PATH=$CARGO_TARGET_DIR/bed:$PATH kubectl userservice status users -n demo --watch
  kubectl explain userservice.spec

  kubectl port-forward -n demo service/users 18080:8080 &
  grpcurl -plaintext localhost:18080 describe user.v1.UserService
  grpcurl -plaintext -d '{"name": "Grace Hopper", "email": "grace@example.com"}' localhost:18080 user.v1.UserService/CreateUser

  kubectl exec -n backing kafka-0 -- kafka topics --bootstrap-server kafka-0.kafka.backing:9092 --describe
  kubectl scale userservice/users -n demo --replicas=3

  make clean-demo    removes the demo and the operator; users stay in the database, events in Kafka
  make bed-down      removes the cluster
TEXT
}

environment=$(e2e/bed/bed env)
eval "$environment"
: "${CLIENT_IMAGE:?no images yet; first: make images}"
: "${BACKING_DATABASE_NAME:?no Kafka and no database yet; first: make servers}"
say "database: $BACKING_DATABASE_NAME"
say "operator: Helm chart into namespace userservice-system"
e2e/operator.sh up
say "user service: one resource"
e2e/namespace.sh "$namespace"
drop_resource_of_another_build
drop_resource_without_schemas
database_secret
shown kubectl apply --server-side -n demo -f e2e/demo.yaml
shown kubectl wait -n demo --for=condition=Ready userservice/users --timeout=240s
say "calls from a pod, through the Service users:8080"
answers=$(call)
indented <<<"$answers"
say "the event of that user, as a consumer in a pod reads it from the topic user.created"
event=$(event_of "$(user_id <<<"$answers")")
jq . <<<"$event" | indented
say "what the operator says"
shown kubectl get userservices -n demo
# `make images` compiles it beside the programs; where images are given, it is still to be made.
[[ -x $CARGO_TARGET_DIR/bed/kubectl-userservice ]] || cargo build --quiet --profile bed --locked -p kubectl-userservice
PATH=$CARGO_TARGET_DIR/bed:$PATH
shown kubectl userservice status users -n demo
how_to_go_on
