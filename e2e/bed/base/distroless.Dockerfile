# What a dynamically linked Rust binary needs and nothing more, laid out as gcr.io/distroless/cc-debian12:nonroot.
ARG BASE=localhost/debian:bookworm
FROM ${BASE} AS debian
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libgcc-s1 \
 && mkdir -p /root.out/tmp /root.out/home/nonroot \
 && cp -L --parents /lib/*-linux-gnu/libc.so.6 /lib/*-linux-gnu/libm.so.6 /lib/*-linux-gnu/libgcc_s.so.1 \
      /lib/*-linux-gnu/libdl.so.2 /lib/*-linux-gnu/libpthread.so.0 /lib/*-linux-gnu/librt.so.1 /lib*/ld-linux-* \
      /etc/ssl/certs/ca-certificates.crt /etc/nsswitch.conf /root.out/ \
 && printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >/root.out/etc/passwd \
 && printf 'root:x:0:\nnonroot:x:65532:\n' >/root.out/etc/group \
 && chmod 1777 /root.out/tmp && chown 65532:65532 /root.out/home/nonroot

FROM scratch
COPY --from=debian /root.out/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /home/nonroot
