#!/usr/bin/env bash
# A user service from one resource, called from inside the cluster. Can be run again at any time.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

namespace=demo
client=demo-client

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# A resource stays at the version that it was created with. The demo shows the build that is here.
drop_resource_of_another_build() {
  local version
  version=$(kubectl get userservice users -n "$namespace" --ignore-not-found -o jsonpath='{.status.version}')
  [[ -z $version || $version == "${SERVICE_IMAGE##*:}" ]] ||
    kubectl delete userservice users -n "$namespace" --cascade=foreground --timeout=120s
}

client_pod() { # client_pod EMAIL
  cat <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: $client
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 60
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: client
      image: $CLIENT_IMAGE
      args: [demo, --target, "users:8080", --name, Ada Lovelace, --email, $1]
      resources:
        requests: {cpu: 20m, memory: 32Mi}
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
        readOnlyRootFilesystem: true
YAML
}

# The answers come in the pod's log; its phase says whether the calls succeeded.
call() {
  kubectl delete pod "$client" -n "$namespace" --ignore-not-found --timeout=60s >/dev/null
  client_pod "ada.$(date +%s%N)@example.com" | kubectl apply --server-side -n "$namespace" -f - >/dev/null
  if kubectl wait pod/"$client" -n "$namespace" --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s >/dev/null; then
    kubectl logs "$client" -n "$namespace" | sed 's/^/        /'
  else
    kubectl describe pod "$client" -n "$namespace" | tail -n 15 >&2
    kubectl logs "$client" -n "$namespace" >&2
    return 1
  fi
}

how_to_go_on() {
  cat <<'TEXT'

The service keeps running. To go on by hand, here in the repository:

  eval "$(make -s env)"
  kubectl get userservice,deploy,pods -n demo
  kubectl explain userservice.spec

  kubectl port-forward -n demo service/users 18080:8080 &
  grpcurl -plaintext localhost:18080 describe user.v1.UserService
  grpcurl -plaintext -d '{"name": "Grace Hopper", "email": "grace@example.com"}' localhost:18080 user.v1.UserService/CreateUser

  kubectl scale userservice/users -n demo --replicas=3

  make clean-demo    removes the demo and the operator
  make bed-down      removes the cluster
TEXT
}

environment=$(e2e/bed/bed env)
eval "$environment"
: "${CLIENT_IMAGE:?no images yet; first: make images}"
say "operator: Helm chart into namespace userservice-system"
e2e/operator.sh up
say "user service: kubectl apply -n $namespace -f examples/userservice.yaml"
e2e/namespace.sh "$namespace"
drop_resource_of_another_build
kubectl apply --server-side -n "$namespace" -f examples/userservice.yaml
kubectl wait -n "$namespace" --for=condition=Ready userservice/users --timeout=180s
say "calls from a pod, through the Service users:8080"
call
say "what the operator says"
kubectl get userservices -n "$namespace"
how_to_go_on
