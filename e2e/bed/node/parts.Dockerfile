# The images that run inside the node, one stage each.
ARG BASE=localhost/debian:bookworm

FROM ${BASE} AS kubernetes
RUN apt-get update \
 && apt-get install -y --no-install-recommends conntrack ipset iptables kmod nftables \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY bin/kubernetes /usr/local/bin/kubernetes
RUN cd /usr/local/bin \
 && for name in kube-apiserver kube-controller-manager kube-proxy kube-scheduler; do ln -s kubernetes "$name"; done

FROM scratch AS etcd
ENV PATH=/usr/local/bin
COPY bin/etcd /usr/local/bin/etcd

# No USER: its pod adds NET_BIND_SERVICE for port 53, which a non-root user would lose.
FROM scratch AS coredns
COPY bin/coredns /coredns
ENTRYPOINT ["/coredns"]

FROM scratch AS pause
COPY bin/pause /pause
USER 65535:65535
ENTRYPOINT ["/pause"]

FROM scratch AS metrics-server
COPY bin/metrics-server /metrics-server
USER 65534:65534
ENTRYPOINT ["/metrics-server"]
