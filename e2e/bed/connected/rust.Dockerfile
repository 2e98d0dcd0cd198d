# Stands in for Docker's official Rust image: Debian's compilers for C and C++, and the toolchain and trusted authorities of this machine.
ARG BASE=localhost/debian:bookworm
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates g++ make perl \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY bin /usr/local/rustup/bin
COPY lib /usr/local/rustup/lib
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/rustup/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
