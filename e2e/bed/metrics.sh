# metrics-server: `kubectl top` and the resource metrics of the HorizontalPodAutoscaler.
# shellcheck shell=bash

metrics_answer() { [[ $(kubectl get --raw /apis/metrics.k8s.io/v1beta1/nodes | jq '.items | length') -ge 1 ]]; }

metrics() {
  sed "s#@IMAGE@#$METRICS_SERVER_IMAGE#" "$BED/cluster/metrics-server.yaml" | kubectl apply --server-side -f -
  kubectl -n kube-system rollout status deployment/metrics-server --timeout=180s
  wait_for 90 "metrics of the nodes" metrics_answer
}
