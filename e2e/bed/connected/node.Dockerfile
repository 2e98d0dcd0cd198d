# Stands in for kind's node image: the offline branch's, with a default network for kind to install.
ARG BASE
FROM ${BASE}
ARG KUBE_PROXY
COPY cni.json network.sh /kind/network/
COPY default-cni.yaml /kind/manifests/default-cni.yaml
RUN sed -i "s#@IMAGE@#${KUBE_PROXY}#" /kind/manifests/default-cni.yaml
