# Certificates and the password of the servers' one user, made when first needed and never part of the repository.
# shellcheck shell=bash

CERTIFICATES=$CACHE/certificates
# shellcheck disable=SC2034
KAFKA_USERNAME=users

# What another version of this file made lacks some.
certificates_last() {
  [[ -f $CERTIFICATES/stranger.crt ]] && openssl x509 -in "$CERTIFICATES/ca.crt" -noout -checkend $((14 * 24 * 3600)) >/dev/null 2>&1
}

certificates() {
  if certificates_last; then return; fi
  need openssl=openssl
  step "certificates: an authority, and what Kafka shows to its clients" make_certificates
}

# self_signed NAME SUBJECT
self_signed() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$2" -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature -keyout "$making/$1.key" -out "$making/$1.crt"
}

# signed NAME EXTENSION…
signed() {
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$making/$1.key" -out "$making/$1.csr"
  openssl x509 -req -in "$making/$1.csr" -CA "$making/ca.crt" -CAkey "$making/ca.key" -CAcreateserial -days 365 \
    -extfile <(printf '%s\n' "${@:2}") -out "$making/$1.crt"
  rm "$making/$1.csr"
}

# The folder alone keeps others out: servers read the files as a user of their image. Nobody trusts the stranger.
make_certificates() {
  local making=$CERTIFICATES.making hosts
  rm -rf "$making"
  mkdir -p "$making"
  chmod 700 "$making"
  self_signed ca "userservice test bed"
  self_signed stranger stranger
  hosts="IP:127.0.0.1,DNS:localhost,DNS:kafka.$BACKING,DNS:*.kafka.$BACKING,DNS:*.kafka.$BACKING.svc,DNS:*.kafka.$BACKING.svc.cluster.local"
  signed kafka "subjectAltName=$hosts" "extendedKeyUsage=serverAuth"
  signed client "extendedKeyUsage=clientAuth"
  cat "$making/kafka.key" "$making/kafka.crt" "$making/ca.crt" >"$making/kafka.pem"
  # Brokers keep the password that they were made with.
  cp "$CERTIFICATES/password" "$making/" || openssl rand -hex 16 | tr -d "\n" >"$making/password"
  rm "$making"/{ca.key,ca.srl,kafka.key,kafka.crt}
  chmod 644 "$making"/*
  rm -rf "$CERTIFICATES"
  mv "$making" "$CERTIFICATES"
}
